"""The opt-out ledger with its history, what handsets are answered, and sender codes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_LOCK = 0x6F70746F7574
"""as postgres_lock.OPTOUT_LOCK"""


def upgrade() -> None:
    op.add_column("messages", sa.Column("sender", sa.Text(), nullable=True, comment="The sender code that it goes by; null for none."))
    _ledger()
    _replies()
    op.create_table(
        "sender_codes",
        sa.Column("id", _ID, nullable=False, comment="Given by the store."),
        sa.Column("account_id", _ID, nullable=False, comment="Whose it is."),
        sa.Column("code", sa.Text(), nullable=False, comment="A short code or number, as messages and opt-outs name it."),
        sa.Column("label", sa.Text(), nullable=False, comment="What its owner calls it."),
        sa.Column("sims", sa.Text(), nullable=False, comment="Which devices and slots have it, as JSON; none for any device."),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_sender_codes_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_sender_codes"),
        comment="What messages go by and handsets answer to.",
    )
    op.create_index("ix_sender_codes_code", "sender_codes", ["account_id", "code"], unique=True)
    if op.get_context().dialect.name == "postgresql":
        op.execute(_LOOK)


_LOOK = f"""
CREATE FUNCTION opted_out_among(ids bigint[], accounts bigint[], recipients text[], senders text[])
RETURNS TABLE (message_id bigint, recipient text) LANGUAGE plpgsql VOLATILE AS $$ BEGIN
    PERFORM pg_advisory_xact_lock_shared({_LOCK});
    RETURN QUERY SELECT given.id, optouts.number
    FROM unnest(ids, accounts, recipients, senders) AS given (id, account_id, number, sender)
    JOIN optouts ON optouts.account_id = given.account_id AND optouts.number = given.number
    WHERE optouts.code = '' OR given.sender IS NULL OR optouts.code = given.sender;
END $$
"""


def _ledger() -> None:
    source, by = "service.optouts.Source.", "The device, the key or the person, where known."
    op.create_table(
        "optouts",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="Whose messages are not wanted."),
        sa.Column("number", sa.Text(), nullable=False, comment="Who does not want them."),
        sa.Column("code", sa.Text(), nullable=False, comment="By which sender code; empty for all."),
        sa.Column("source", sa.Text(), nullable=False, comment=source),
        sa.Column("by", sa.Text(), nullable=False, comment=by),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="Since when."),
        sa.PrimaryKeyConstraint("account_id", "number", "code", name="pk_optouts"),
        comment="Who is not written to now; each accepted message looks here.",
        sqlite_with_rowid=False,
    )
    op.create_table(
        "optout_history",
        sa.Column("id", _ID, nullable=False, comment="Given by the store, growing."),
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="Whose messages."),
        sa.Column("number", sa.Text(), nullable=False, comment="Who opted out or in."),
        sa.Column("code", sa.Text(), nullable=False, comment="Of which sender code; empty for all."),
        sa.Column("is_out", sa.Boolean(), nullable=False, comment="Whether it was out, or in again."),
        sa.Column("source", sa.Text(), nullable=False, comment=source),
        sa.Column("by", sa.Text(), nullable=False, comment=by),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="When."),
        sa.PrimaryKeyConstraint("id", name="pk_optout_history"),
        comment="Every change of optouts; rows are only added.",
    )
    op.create_index("ix_optout_history_account", "optout_history", ["account_id", "id"])
    op.create_index("ix_optout_history_number", "optout_history", ["account_id", "number", "id"])


def _replies() -> None:
    word = "service.optouts.Word."
    op.create_table(
        "replies",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="Who answers."),
        sa.Column("word", sa.Text(), nullable=False, comment=word),
        sa.Column("text", sa.Text(), nullable=False, comment="What."),
        sa.PrimaryKeyConstraint("account_id", "word", name="pk_replies"),
        comment="What handsets are answered to words such as STOP and HELP.",
    )
    op.create_table(
        "replied",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="Who answered."),
        sa.Column("number", sa.Text(), nullable=False, comment="Whom."),
        sa.Column("word", sa.Text(), nullable=False, comment=word),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="When last."),
        sa.PrimaryKeyConstraint("account_id", "number", "word", name="pk_replied"),
        comment="So that nobody is answered twice a day.",
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")
