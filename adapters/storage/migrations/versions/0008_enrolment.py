"""How phones join an account: invitations, the secrets of devices, passwords of accounts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _enrolments()
    _device_secrets()
    op.create_table(
        "passwords",
        sa.Column("account_id", _ID, autoincrement=False, nullable=False, comment="Whose it is."),
        sa.Column("hash", sa.Text(), nullable=False, comment="By argon2id, with its parameters and salt."),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_passwords_account_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_passwords"),
        comment="With which a person logs in as an account.",
    )


def _enrolments() -> None:
    op.create_table(
        "enrolments",
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the token or code."),
        sa.Column("account_id", _ID, nullable=False, comment="Which account it lets phones into."),
        sa.Column("kind", sa.Text(), nullable=False, comment="service.invitations.Kind: a token for many phones, a code for one."),
        sa.Column("label", sa.Text(), nullable=False, comment="What its owner calls it."),
        sa.Column("created", sa.BigInteger(), nullable=False, comment="When it was made."),
        sa.Column("expires", sa.BigInteger(), nullable=True, comment="When it ends; null for never."),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_enrolments_account_id"),
        sa.PrimaryKeyConstraint("digest", name="pk_enrolments"),
        comment="What lets phones join an account.",
        sqlite_with_rowid=False,
    )
    op.create_index("ix_enrolments_account", "enrolments", ["account_id", "kind"])
    ends = sa.text("expires IS NOT NULL")
    op.create_index("ix_enrolments_expires", "enrolments", ["expires"], sqlite_where=ends, postgresql_where=ends)


def _device_secrets() -> None:
    told = "SHA-256 of the token that the device shows with each call; null when it makes none."
    op.create_table(
        "device_secrets",
        sa.Column("device_id", sa.Text(), nullable=False, comment="Whose they are."),
        sa.Column("account_id", _ID, nullable=False, comment="Whose that device is."),
        sa.Column("token_digest", sa.LargeBinary(), nullable=True, comment=told),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="What its driver has to read back, JSON, sealed."),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_device_secrets_account_id"),
        sa.PrimaryKeyConstraint("device_id", name="pk_device_secrets"),
        comment="Secrets of devices.",
        sqlite_with_rowid=False,
    )
    tokens = sa.text("token_digest IS NOT NULL")
    op.create_index(
        "ix_device_secrets_token", "device_secrets", ["token_digest"], unique=True, sqlite_where=tokens, postgresql_where=tokens
    )


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")
