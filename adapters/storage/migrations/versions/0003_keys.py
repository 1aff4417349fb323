"""Networks, rotation, revocation and use of API keys; OAuth2 clients and their access tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _api_keys()
    _tokens()


def _api_keys() -> None:
    comment = "From where it may be used, CIDR, spaces between; empty for anywhere."
    op.add_column("api_keys", sa.Column("networks", sa.Text(), server_default="", nullable=False, comment=comment))
    for column in (
        sa.Column("client_id", sa.Text(), nullable=True, comment="The public name of an OAuth2 client; null for an API key."),
        sa.Column("created", sa.BigInteger(), nullable=True, comment="When it was made; null when nobody has noted it."),
        sa.Column("used", sa.BigInteger(), nullable=True, comment="When it was last used, to about a minute."),
        sa.Column("former_digest", sa.LargeBinary(), nullable=True, comment="SHA-256 of the secret before the last rotation."),
        sa.Column("former_ends", sa.BigInteger(), nullable=True, comment="Until when that one works."),
        sa.Column("revoked", sa.BigInteger(), nullable=True, comment="When it was ended for good; null while it works."),
    ):
        op.add_column("api_keys", column)
    op.create_index("ix_api_keys_account", "api_keys", ["account_id"])
    clients = sa.text("client_id IS NOT NULL")
    op.create_index("ix_api_keys_client", "api_keys", ["client_id"], unique=True, sqlite_where=clients, postgresql_where=clients)
    op.create_index("ix_api_keys_former", "api_keys", ["former_digest"])


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the token."),
        sa.Column("key_id", _ID, nullable=False, comment="The OAuth2 client that got it."),
        sa.Column("scopes", sa.Integer(), nullable=False, comment="Bits of service.accounts.Scope."),
        sa.Column("created", sa.BigInteger(), nullable=False, comment="When it was given."),
        sa.Column("expires", sa.BigInteger(), nullable=False, comment="When it ends."),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_tokens_key_id"),
        sa.PrimaryKeyConstraint("digest", name="pk_tokens"),
        comment="Access tokens of OAuth2 clients; those that have ended are deleted.",
        sqlite_with_rowid=False,
    )
    op.create_index("ix_tokens_expires", "tokens", ["expires"])


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")
