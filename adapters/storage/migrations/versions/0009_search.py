"""The index that texts and numbers are searched by. It is filled by the running server, with the rows that are there already too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_KINDS = {"sent": "messages", "received": "received"}


def upgrade() -> None:
    op.create_table(
        "search_marks",
        sa.Column("kind", sa.Text(), nullable=False, comment="sent or received."),
        sa.Column("block", sa.BigInteger(), nullable=False, comment="The block that its last rows are in."),
        sa.Column("upto_id", sa.BigInteger(), nullable=False, comment="The id up to which all its rows are in the index."),
        sa.Column("rows", sa.BigInteger(), nullable=False, comment="How many rows were put into that block."),
        sa.PrimaryKeyConstraint("kind", name="pk_search_marks"),
        comment="How far the search index has come.",
    )
    op.create_table(
        "search_blocks",
        sa.Column("kind", sa.Text(), nullable=False, comment="sent or received."),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False, comment="Growing with the ids of its rows."),
        sa.Column("after_id", sa.BigInteger(), nullable=False, comment="All its rows have greater ids."),
        sa.PrimaryKeyConstraint("kind", "number", name="pk_search_blocks"),
        comment="Runs of rows whose terms in the search index begin with the same number.",
        sqlite_with_rowid=False,
    )
    for kind, table in _KINDS.items():
        for statement in _on_sqlite(kind, table) if op.get_context().dialect.name == "sqlite" else _on_postgresql(kind, table):
            op.execute(statement)


def _on_sqlite(kind: str, table: str) -> tuple[str, ...]:
    """The tokenizer takes letters and digits, and all that is not ASCII, as they are. The terms are kept: SQLite before 3.43 cannot delete
    from an index without them."""
    return (
        f"CREATE VIRTUAL TABLE {kind}_words USING fts5(words, tokenize = 'ascii', detail = none, columnsize = 0)",
        f"CREATE TRIGGER {kind}_unfiled AFTER DELETE ON {table} BEGIN DELETE FROM {kind}_words WHERE rowid = OLD.id; END",
    )


def _on_postgresql(kind: str, table: str) -> tuple[str, ...]:
    """A deletion waits until an indexing of the same kind has ended, or else it could miss what that is about to file. Without a list
    of pending entries, which every search would read and some unlucky insert would have to clear."""
    return (
        f"CREATE TABLE {kind}_words (id BIGINT NOT NULL CONSTRAINT pk_{kind}_words PRIMARY KEY, words TSVECTOR NOT NULL)",
        f"CREATE INDEX ix_{kind}_words ON {kind}_words USING gin (words) WITH (fastupdate = off)",
        f"CREATE FUNCTION {kind}_unfiled() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"PERFORM 1 FROM search_marks WHERE kind = '{kind}' FOR SHARE; "
        f"DELETE FROM {kind}_words WHERE id = ANY (ARRAY (SELECT id FROM gone)); RETURN NULL; END $$",
        f"CREATE TRIGGER {kind}_unfiled AFTER DELETE ON {table} REFERENCING OLD TABLE AS gone "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {kind}_unfiled()",
    )


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")
