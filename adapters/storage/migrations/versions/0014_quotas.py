"""Quotas of accounts and keys, and what was used of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    comment = "How much may be accepted, as JSON: service.quotas.AccountQuotas; null for any number."
    op.add_column("accounts", sa.Column("quotas", sa.Text(), nullable=True, comment=comment))
    comment = "How much may be accepted from its callers, as JSON: service.quotas.Quotas; null for any number."
    op.add_column("api_keys", sa.Column("quotas", sa.Text(), nullable=True, comment=comment))
    op.create_table(
        "quota_uses",
        sa.Column("subject", sa.Text(), nullable=False, comment="Whose quota it is, and over how long."),
        sa.Column("uses", sa.Text(), nullable=False, comment="What was accepted lately: TIME:COUNT, spaces between; at most 61 of them."),
        sa.PrimaryKeyConstraint("subject", name="pk_quota_uses"),
        comment="What was used of quotas: a row for each account, key, number and device that has one, which bounds the table.",
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")
