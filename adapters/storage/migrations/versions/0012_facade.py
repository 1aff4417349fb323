"""Named submits, grants, preferences of accounts, names of webhooks: what programs written for another gateway's API need kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _named_submits()
    _grants()
    op.create_table(
        "preferences",
        sa.Column("account_id", _ID, autoincrement=False, nullable=False, comment="Whose they are."),
        sa.Column("phones", sa.Text(), nullable=False, comment="How its phones are to send, JSON."),
        sa.Column(
            "signing_key",
            sa.LargeBinary(),
            nullable=True,
            comment="What webhooks that are to be added are signed with, sealed; null to make one for each.",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_preferences_account_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_preferences"),
        comment="What an account has decided for all its phones and webhooks.",
    )
    op.add_column("webhooks", sa.Column("name", sa.Text(), nullable=True, comment="What its owner calls it; null where it has no name."))


def _named_submits() -> None:
    told = "The id of its first message, which tells when it was accepted."
    op.create_table(
        "named_submits",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="Whose it is."),
        sa.Column("name", sa.Text(), nullable=False, comment="What its caller calls it."),
        sa.Column("first_id", sa.BigInteger(), nullable=False, comment=told),
        sa.Column("guids", sa.Text(), nullable=False, comment="Of its messages, JSON."),
        sa.PrimaryKeyConstraint("account_id", "name", name="pk_named_submits"),
        comment="Submits that their callers have named.",
        sqlite_with_rowid=False,
    )
    op.create_index("ix_named_submits_first", "named_submits", ["account_id", "first_id"])


def _grants() -> None:
    told = "The API key whose holder got it; 0 when it was got by the account's password."
    rights = "What it is for, in the words of the API that gave it, spaces between."
    op.create_table(
        "grants",
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the secret."),
        sa.Column("id", sa.Text(), nullable=False, comment="What the two secrets of a grant have in common."),
        sa.Column("account_id", _ID, nullable=False, comment="Whom it speaks for."),
        sa.Column("key_id", sa.BigInteger(), nullable=False, comment=told),
        sa.Column("rights", sa.Text(), nullable=False, comment=rights),
        sa.Column("renews", sa.Boolean(), nullable=False, comment="Whether it gets another pair, and does nothing else."),
        sa.Column("created", sa.BigInteger(), nullable=False, comment="When it was given."),
        sa.Column("expires", sa.BigInteger(), nullable=False, comment="When it ends."),
        sa.Column("lifetime_s", sa.Integer(), nullable=False, comment="How long the secret that is not for renewal lives."),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_grants_account_id"),
        sa.PrimaryKeyConstraint("digest", name="pk_grants"),
        comment="Secrets that programs have got for a while; those that have ended are deleted.",
        sqlite_with_rowid=False,
    )
    op.create_index("ix_grants_id", "grants", ["account_id", "id"])
    op.create_index("ix_grants_expires", "grants", ["expires"])


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")
