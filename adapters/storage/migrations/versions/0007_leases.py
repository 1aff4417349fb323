"""What is known of a message that its device fetches: taken, in doubt, by which SIM."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    comment = "When the device acknowledged it; null unless it is being sent and only its report is awaited."
    op.add_column("messages", sa.Column("taken", sa.BigInteger(), nullable=True, comment=comment))
    comment = "Whether the device may have it and has not said so."
    op.add_column("messages", sa.Column("in_doubt", sa.Boolean(), nullable=False, server_default=sa.false(), comment=comment))
    comment = "The SIM slot that it was sent by; null where not known."
    op.add_column("messages", sa.Column("sim", sa.Integer(), nullable=True, comment=comment))
    where = sa.text("taken IS NOT NULL")
    for name, columns in (("taken", ["device", "taken", "id"]), ("silent", ["expires"])):
        op.create_index(f"ix_messages_{name}", "messages", columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")
