"""Short links, sealed messages, devices with WhatsApp."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column(
        "devices",
        sa.Column("whatsapp", sa.Boolean(), server_default=sa.false(), nullable=False, comment="Whether it can send WhatsApp messages."),
    )
    op.create_table(
        "links",
        sa.Column("code", sa.Text(), nullable=False, comment="The end of its address; unguessable."),
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="Whose message it stands in."),
        sa.Column("url", sa.Text(), nullable=False, comment="Where it leads, as it stood in the message."),
        sa.Column("created", sa.BigInteger(), nullable=False, comment="When the message was accepted."),
        sa.Column("expires", sa.BigInteger(), nullable=False, comment="When it leads nowhere any more and is erased."),
        sa.Column("clicks", sa.BigInteger(), server_default="0", nullable=False, comment="How often it was followed."),
        sa.PrimaryKeyConstraint("code", name="pk_links"),
        comment="Short links in messages.",
        sqlite_with_rowid=False,
    )
    op.create_index("ix_links_expires", "links", ["expires"])
    op.create_table(
        "sealed",
        sa.Column("code", sa.Text(), nullable=False, comment="The end of its address; unguessable."),
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="Whose message it is."),
        sa.Column("box", sa.LargeBinary(), nullable=False, comment="The text, encrypted by AES-256-GCM under a key that is not kept."),
        sa.Column("created", sa.BigInteger(), nullable=False, comment="When the message was accepted."),
        sa.Column("expires", sa.BigInteger(), nullable=False, comment="When it is erased."),
        sa.PrimaryKeyConstraint("code", name="pk_sealed"),
        comment="Texts of sealed messages.",
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sealed_expires", "sealed", ["expires"])


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")
