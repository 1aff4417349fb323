"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _accounts()
    _api_keys()
    _devices()
    _messages()
    _received()
    _receptions()
    _idempotency()
    _pulse()


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", _ID, nullable=False, comment="Given by the store."),
        sa.Column("name", sa.Text(), nullable=False, comment="What people call it."),
        sa.Column("default_country", sa.Text(), nullable=True, comment="ISO 3166 alpha-2 of numbers without a country code."),
        sa.Column("time_zone", sa.Text(), nullable=False, comment="IANA name."),
        sa.Column("validity_s", sa.Integer(), nullable=False, comment="How long a message may wait when its submit does not say."),
        sa.Column("trial_limit", sa.Integer(), nullable=True, comment="Messages that a trial may send; null for a regular account."),
        sa.Column("trial_sent", sa.Integer(), server_default="0", nullable=False, comment="Messages that a trial has used."),
        sa.Column("resend_unknown", sa.Boolean(), nullable=False, comment="Whether a message of unknown outcome is sent again by itself."),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("name", name="uq_accounts_name"),
        comment="Who owns keys, devices and messages.",
    )


def _api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", _ID, nullable=False, comment="Given by the store."),
        sa.Column("account_id", _ID, nullable=False, comment="Whom it speaks for."),
        sa.Column("label", sa.Text(), nullable=False, comment="What its owner calls it."),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the secret."),
        sa.Column("scopes", sa.Integer(), nullable=False, comment="Bits of service.accounts.Scope."),
        sa.Column("expires", sa.BigInteger(), nullable=True, comment="When it ends; null for never."),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_api_keys_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
        comment="Secrets that speak for an account.",
    )


def _devices() -> None:
    op.create_table(
        "devices",
        sa.Column("id", sa.Text(), nullable=False, comment="16 lowercase hex."),
        sa.Column("account_id", _ID, nullable=False, comment="Whose it is."),
        sa.Column("kind", sa.Text(), nullable=False, comment="Which driver speaks to it."),
        sa.Column("label", sa.Text(), nullable=False, comment="What its owner calls it."),
        sa.Column("phone_number", sa.Text(), nullable=True, comment="Its own number, where known."),
        sa.Column("sims", sa.Integer(), nullable=False, comment="How many SIM slots it has."),
        sa.Column("time_zone", sa.Text(), nullable=True, comment="IANA name, when it told one."),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_devices_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_devices"),
        comment="What can put messages on the air.",
    )
    # ### end Alembic commands ###


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", _ID, autoincrement=False, nullable=False, comment="42 bits of milliseconds, 21 of sequence; also within the guid."),
        sa.Column("guid", sa.Text(), nullable=False, comment="The public id, 40 hex; found by the id within it, so it has no index."),
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="Whose it is."),
        sa.Column("key_id", sa.BigInteger(), nullable=False, comment="Which API key sent it."),
        sa.Column("api", sa.Text(), nullable=False, comment="Which API it came by."),
        sa.Column("recipient", sa.Text(), nullable=False, comment="E.164 or a short code."),
        sa.Column("text", sa.Text(), nullable=False, comment="What it says."),
        sa.Column("segments", sa.Integer(), nullable=False, comment="How many radio messages it takes."),
        sa.Column(
            "status",
            sa.Text(),
            nullable=False,
            comment="service.lifecycle.Status; in no index, so that PostgreSQL can update rows in place.",
        ),
        sa.Column("created", sa.BigInteger(), nullable=False, comment="When it was accepted or refused."),
        sa.Column("due", sa.BigInteger(), nullable=True, comment="The earliest time of the next try; null unless it waits."),
        sa.Column("expires", sa.BigInteger(), nullable=False, comment="When it has waited too long."),
        sa.Column("wanted_device", sa.Text(), nullable=True, comment="The device that it asked for."),
        sa.Column("wanted_sim", sa.Integer(), server_default="0", nullable=False, comment="The SIM slot that it asked for; 0 for any."),
        sa.Column("queue", sa.Text(), nullable=False, comment="Where it waits: a device, or an account's pool."),
        sa.Column("device", sa.Text(), nullable=True, comment="The device that sent it or is sending it."),
        sa.Column("device_message_id", sa.Text(), nullable=True, comment="What that device calls it."),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False, comment="How often it was claimed."),
        sa.Column("sent", sa.BigInteger(), nullable=True, comment="When a device took it."),
        sa.Column("finished", sa.BigInteger(), nullable=True, comment="When it was delivered, failed, expired or cancelled."),
        sa.Column("refusal", sa.Text(), nullable=True, comment="Why we refused it; such a message was never queued."),
        sa.Column("error", sa.Text(), nullable=True, comment="What the device said when it last failed."),
        sa.Column(
            "leased_until", sa.BigInteger(), nullable=True, comment="Until when nobody else may send it; null unless it is being sent."
        ),
        sa.Column("leased_by", sa.Text(), nullable=True, comment="Which process is sending it."),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        comment="MT messages and what became of them.",
    )
    op.create_index("ix_messages_account", "messages", ["account_id", "id"])
    op.create_index(
        "ix_messages_expiring",
        "messages",
        ["expires"],
        sqlite_where=sa.text("due IS NOT NULL"),
        postgresql_where=sa.text("due IS NOT NULL"),
    )
    op.create_index(
        "ix_messages_leased",
        "messages",
        ["leased_until"],
        sqlite_where=sa.text("leased_until IS NOT NULL"),
        postgresql_where=sa.text("leased_until IS NOT NULL"),
    )
    op.create_index(
        "ix_messages_reported",
        "messages",
        ["device", "device_message_id", "id"],
        sqlite_where=sa.text("device_message_id IS NOT NULL"),
        postgresql_where=sa.text("device_message_id IS NOT NULL"),
    )
    op.create_index(
        "ix_messages_waiting",
        "messages",
        ["queue", "wanted_sim", "due", "id"],
        sqlite_where=sa.text("due IS NOT NULL"),
        postgresql_where=sa.text("due IS NOT NULL"),
    )


def _received() -> None:
    op.create_table(
        "received",
        sa.Column("id", _ID, autoincrement=False, nullable=False, comment="42 bits of milliseconds, 21 of sequence."),
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="Whose it is."),
        sa.Column("device", sa.Text(), nullable=False, comment="The device that received it."),
        sa.Column("sim", sa.Integer(), nullable=True, comment="By which slot."),
        sa.Column("sender", sa.Text(), nullable=False, comment="Who sent it."),
        sa.Column("text", sa.Text(), nullable=False, comment="What it says."),
        sa.Column("received", sa.BigInteger(), nullable=False, comment="When, by the device's clock."),
        sa.Column("created", sa.BigInteger(), nullable=False, comment="When we kept it."),
        sa.Column("device_message_id", sa.Text(), nullable=True, comment="What the device calls it."),
        sa.PrimaryKeyConstraint("id", name="pk_received"),
        comment="MO messages.",
    )
    op.create_index("ix_received_account", "received", ["account_id", "id"])


def _receptions() -> None:
    op.create_table(
        "receptions",
        sa.Column("device", sa.Text(), nullable=False, comment="The device that received it."),
        sa.Column(
            "fingerprint", sa.LargeBinary(), nullable=False, comment="SHA-256 of the device's own id of it, the sender and the text."
        ),
        sa.Column("received_id", sa.BigInteger(), nullable=False, comment="The row in received."),
        sa.PrimaryKeyConstraint("device", "fingerprint", name="pk_receptions"),
        comment="Which receptions are kept already, so that a redelivery is known.",
        sqlite_with_rowid=False,
    )


def _idempotency() -> None:
    op.create_table(
        "idempotency",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="Whose key it is."),
        sa.Column("key", sa.Text(), nullable=False, comment="What the caller chose."),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False, comment="SHA-256 of the first request."),
        sa.Column("created", sa.BigInteger(), nullable=False, comment="When that was; it is replayed for 24 hours."),
        sa.Column("receipt", sa.Text(), nullable=False, comment="Its answer, as JSON, without trial_sent."),
        sa.Column("trial_sent", sa.Integer(), nullable=False, comment="What its answer said about the trial."),
        sa.PrimaryKeyConstraint("account_id", "key", name="pk_idempotency"),
        comment="Answers to be given again to callers that ask again.",
        sqlite_with_rowid=False,
    )
    op.create_index("ix_idempotency_created", "idempotency", ["created"])


def _pulse() -> None:
    op.create_table(
        "pulse",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False, comment="Always 1."),
        sa.Column("beats", sa.BigInteger(), nullable=False, comment="How often it was asked whether we can commit."),
        sa.PrimaryKeyConstraint("id", name="pk_pulse"),
        comment="Written to learn whether the store can commit.",
    )


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")
