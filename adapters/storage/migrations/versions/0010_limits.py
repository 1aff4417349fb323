"""What a device and each of its SIMs may put out, and messages that wait a moment for the device that their recipient is used to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    comment = "What it may put out and when, as JSON: service.limits.Limits."
    op.add_column("devices", sa.Column("limits", sa.Text(), server_default="{}", nullable=False, comment=comment))
    comment = "What the operator says of its SIMs, as JSON: slot, number, limits."
    op.add_column("devices", sa.Column("cards", sa.Text(), server_default="[]", nullable=False, comment=comment))
    comment = "Whether a recipient hears from the same device again where that is possible."
    op.add_column("accounts", sa.Column("sticky", sa.Boolean(), server_default=sa.false(), nullable=False, comment=comment))
    comment = "Until when it waits for the device that its recipient is used to; null for any other message."
    op.add_column("messages", sa.Column("pinned_until", sa.BigInteger(), nullable=True, comment=comment))
    pinned = sa.text("pinned_until IS NOT NULL")
    op.create_index("ix_messages_pinned", "messages", ["pinned_until"], sqlite_where=pinned, postgresql_where=pinned)


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")
