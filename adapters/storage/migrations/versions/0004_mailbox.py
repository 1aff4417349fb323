"""What an account keeps of the messages that it received, and finds of those that it sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from service.messages import received_guid

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    _columns()
    _tables()
    _indexes()
    _number_what_is_there()


def _columns() -> None:
    no = sa.false()
    for table, column in (
        (
            "devices",
            sa.Column(
                "sync_sent",
                sa.Boolean(),
                nullable=False,
                server_default=no,
                comment="Whether what it reports as sent is listed for its account.",
            ),
        ),
        (
            "messages",
            sa.Column(
                "resends", sa.Integer(), nullable=False, server_default="0", comment="How often it was sent again because somebody asked."
            ),
        ),
        (
            "received",
            sa.Column(
                "guid",
                sa.Text(),
                nullable=False,
                server_default="",
                comment="The public id, a UUID; found by the id within it, so it has no index.",
            ),
        ),
        (
            "received",
            sa.Column(
                "number",
                sa.BigInteger(),
                nullable=False,
                server_default="0",
                comment="Its place among all that the account received, from 1.",
            ),
        ),
        (
            "received",
            sa.Column(
                "offset_s", sa.Integer(), nullable=False, server_default="0", comment="How far the device's clock was from UTC then."
            ),
        ),
        (
            "received",
            sa.Column("is_read", sa.Boolean(), nullable=False, server_default=no, comment="Whether its account has marked it as read."),
        ),
        ("received", sa.Column("alias", sa.Text(), nullable=True, comment="What its account calls the sender.")),
        (
            "received",
            sa.Column("missing_parts", sa.Integer(), nullable=False, server_default="0", comment="How many of its parts never came."),
        ),
    ):
        op.add_column(table, column)


def _tables() -> None:
    op.create_table(
        "inboxes",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="Whose it is."),
        sa.Column("last", sa.BigInteger(), nullable=False, comment="The number of the newest message that the account received."),
        sa.PrimaryKeyConstraint("account_id", name="pk_inboxes"),
        comment="Numbers the messages of each account; a deleted one's number is not given again.",
    )
    op.create_table(
        "received_parts",
        sa.Column("device", sa.Text(), nullable=False, comment="The device that received it."),
        sa.Column("sender", sa.Text(), nullable=False, comment="Who sent it."),
        sa.Column("reference", sa.Integer(), autoincrement=False, nullable=False, comment="What the parts of one message have in common."),
        sa.Column("total", sa.Integer(), autoincrement=False, nullable=False, comment="How many parts the message has."),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False, comment="Which of them this is, from 1."),
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="Whose it is."),
        sa.Column("sim", sa.Integer(), nullable=True, comment="By which slot."),
        sa.Column("text", sa.Text(), nullable=False, comment="What it says."),
        sa.Column("received", sa.BigInteger(), nullable=False, comment="When, by the device's clock."),
        sa.Column("offset_s", sa.Integer(), nullable=False, comment="How far that clock was from UTC."),
        sa.Column("created", sa.BigInteger(), nullable=False, comment="When we kept it."),
        sa.Column("device_message_id", sa.Text(), nullable=True, comment="What the device calls it."),
        sa.PrimaryKeyConstraint("device", "sender", "reference", "total", "part", name="pk_received_parts"),
        comment="Parts of MO messages that are not whole yet.",
    )


def _indexes() -> None:
    was_sent = sa.text("sent IS NOT NULL")
    op.create_index("ix_messages_sent", "messages", ["account_id", "sent", "id"], sqlite_where=was_sent, postgresql_where=was_sent)
    op.create_index(
        "ix_messages_sent_to", "messages", ["account_id", "recipient", "sent", "id"], sqlite_where=was_sent, postgresql_where=was_sent
    )
    op.create_index("ix_received_device", "received", ["account_id", "device", "id"])
    op.create_index("ix_received_unread", "received", ["account_id", "is_read", "id"])
    op.create_index("ix_received_from", "received", ["account_id", "sender", "received", "id"])
    op.create_index("ix_received_when", "received", ["account_id", "received", "id"])


def _number_what_is_there() -> None:
    connection = op.get_bind()
    last: dict[int, int] = {}
    for id, account_id in connection.execute(sa.text("SELECT id, account_id FROM received ORDER BY id")).fetchall():
        last[account_id] = last.get(account_id, 0) + 1
        change = {"id": id, "guid": received_guid(id), "number": last[account_id]}
        connection.execute(sa.text("UPDATE received SET guid = :guid, number = :number WHERE id = :id"), change)
    for account_id, number in last.items():
        connection.execute(sa.text("INSERT INTO inboxes VALUES (:account_id, :last)"), {"account_id": account_id, "last": number})


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")
