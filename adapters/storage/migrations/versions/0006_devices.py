"""Devices that know where to find what they stand for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column(
        "devices",
        sa.Column(
            "config",
            sa.Text(),
            server_default="{}",
            nullable=False,
            comment="What its driver needs to know to find it, as JSON; nothing secret.",
        ),
    )


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")
