"""Webhooks, and the triggers that note events for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_COLUMNS = "webhook_id, account_id, type, subject, number, text, device, sim, error, occurred, created"
_WANTED = "FROM webhook_subscriptions s WHERE s.account_id = NEW.account_id AND s.type"
_KEY = "s.webhook_id, s.account_id, s.type"
_FINISHED = "coalesce(NEW.finished, NEW.sent, NEW.created)"
_ACCEPTED = (
    f"INSERT INTO webhook_deliveries ({_COLUMNS}) SELECT {_KEY}, NEW.guid, NEW.recipient, NULL, NEW.wanted_device, "
    f"nullif(NEW.wanted_sim, 0), NULL, NEW.created, NEW.created {_WANTED} = 'message.accepted'"
)
# two statements and no OR: each is one look into the primary key of webhook_subscriptions
_SENT_FIRST = (
    f"INSERT INTO webhook_deliveries ({_COLUMNS}) SELECT {_KEY}, NEW.guid, NEW.recipient, NULL, NEW.device, nullif(NEW.wanted_sim, 0), "
    f"NULL, {_FINISHED}, {_FINISHED} {_WANTED} = 'message.sent' AND NEW.status = 'delivered' "
    "AND OLD.status IN ('sending', 'outcome_unknown')"
)
_CHANGED = (
    f"INSERT INTO webhook_deliveries ({_COLUMNS}) SELECT {_KEY}, NEW.guid, NEW.recipient, NULL, NEW.device, nullif(NEW.wanted_sim, 0), "
    "CASE WHEN NEW.status = 'failed' THEN NEW.error END, "
    f"{_FINISHED}, {_FINISHED} {_WANTED} = 'message.' || NEW.status"
)
_ANY = "EXISTS (SELECT 1 FROM webhook_subscriptions WHERE account_id = NEW.account_id)"
_TOLD = "NEW.status IN ('sent', 'delivered', 'failed', 'expired') AND OLD.status <> NEW.status"
_RECEIVED = (
    f"INSERT INTO webhook_deliveries ({_COLUMNS}) SELECT {_KEY}, NEW.guid, NEW.sender, NEW.text, NEW.device, NEW.sim, NULL, "
    f"NEW.received, NEW.created {_WANTED} = 'message.received'"
)
_TRIGGERS = {
    "webhook_accepted": ("INSERT ON messages", "NEW.refusal IS NULL", (_ACCEPTED,)),
    "webhook_changed": ("UPDATE OF status ON messages", _TOLD, (_SENT_FIRST, _CHANGED)),
    "webhook_received": ("INSERT ON received", None, (_RECEIVED,)),
}


def upgrade() -> None:
    _webhooks()
    _subscriptions()
    _deliveries()
    for name, (when, condition, statements) in _TRIGGERS.items():
        done = "; ".join(statements) + ";"
        if op.get_context().dialect.name == "sqlite":
            # asked before the statements are begun: without webhooks an accept costs 1 µs more than without triggers, all the rest 7
            op.execute(f"CREATE TRIGGER {name} AFTER {when} WHEN {condition or 'TRUE'} AND {_ANY} BEGIN {done} END")
        else:
            op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {done} RETURN NULL; END $$")
            op.execute(f"CREATE TRIGGER {name} AFTER {when} FOR EACH ROW WHEN ({condition or 'TRUE'}) EXECUTE FUNCTION {name}()")


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", _ID, nullable=False, comment="Given by the store."),
        sa.Column("account_id", _ID, nullable=False, comment="Whose it is."),
        sa.Column("url", sa.Text(), nullable=False, comment="What is called."),
        sa.Column("format", sa.Text(), nullable=False, comment="How its calls look."),
        sa.Column(
            "types",
            sa.Text(),
            nullable=False,
            comment="Which events it wants, separated by spaces; they are in webhook_subscriptions too.",
        ),
        sa.Column("created", sa.BigInteger(), nullable=False, comment="When it was added."),
        sa.Column(
            "secret",
            sa.LargeBinary(),
            nullable=True,
            comment="What its calls are signed with, sealed; null in a format that does not sign.",
        ),
        sa.Column(
            "next_secret",
            sa.LargeBinary(),
            nullable=True,
            comment="What they will be signed with, sealed; null unless the secret is being rotated.",
        ),
        sa.Column("rotates", sa.BigInteger(), nullable=True, comment="When the next secret takes the place of the secret."),
        sa.Column("state", sa.Text(), nullable=False, comment="service.events.WebhookState."),
        sa.Column("why", sa.Text(), nullable=True, comment="Why it is paused."),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False, comment="Tries that have failed since the last success."),
        sa.Column(
            "failing_since", sa.BigInteger(), nullable=True, comment="When the first of them was; null when the last try was a success."
        ),
        sa.Column("paused", sa.BigInteger(), nullable=True, comment="Since when it is paused."),
        sa.Column("probe", sa.BigInteger(), nullable=True, comment="When it is tried again although it is paused."),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_webhooks_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
        comment="URLs that are told of events.",
    )
    op.create_index("ix_webhooks_account", "webhooks", ["account_id", "id"])


def _subscriptions() -> None:
    op.create_table(
        "webhook_subscriptions",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="Whose events."),
        sa.Column("type", sa.Text(), nullable=False, comment="service.events.EventType."),
        sa.Column("webhook_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="Who wants them."),
        sa.PrimaryKeyConstraint("account_id", "type", "webhook_id", name="pk_webhook_subscriptions"),
        comment="What the triggers ask: who wants events of a type. An account without webhooks has no rows here.",
        sqlite_with_rowid=False,
    )


def _deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", _ID, nullable=False, comment="Given by the store, growing: the order of a subject's events."),
        sa.Column("webhook_id", sa.BigInteger(), nullable=False, comment="Who is told."),
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="Whose event it is."),
        sa.Column("type", sa.Text(), nullable=False, comment="service.events.EventType."),
        sa.Column(
            "subject",
            sa.Text(),
            nullable=False,
            comment="What it is about: the guid of a sent message, the id of a received one, a device.",
        ),
        sa.Column("number", sa.Text(), server_default="", nullable=False, comment="The recipient, or the sender of a received message."),
        sa.Column("text", sa.Text(), nullable=True, comment="What a received message says."),
        sa.Column("device", sa.Text(), nullable=True, comment="The device that it is about."),
        sa.Column("sim", sa.Integer(), nullable=True, comment="By which slot."),
        sa.Column("error", sa.Text(), nullable=True, comment="Why the message failed."),
        sa.Column("occurred", sa.BigInteger(), nullable=False, comment="When it became true; by the device's clock where that told."),
        sa.Column("created", sa.BigInteger(), nullable=False, comment="When we learned of it."),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False, comment="service.events.DeliveryState."),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False, comment="How often it was claimed."),
        sa.Column(
            "due",
            sa.BigInteger(),
            server_default="0",
            nullable=True,
            comment="When it is tried next, 0 for at once; while it is tried: the end of the lease.",
        ),
        sa.Column("leased_by", sa.Text(), nullable=True, comment="Which process is trying it."),
        sa.Column("finished", sa.BigInteger(), nullable=True, comment="When it was delivered or given up."),
        sa.Column("status", sa.Integer(), nullable=True, comment="HTTP status of the last answer."),
        sa.Column("answer", sa.Text(), nullable=True, comment="How the last answer began, or why there was none."),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
        comment="Events on their way to webhooks.",
    )
    for name, columns, where in (
        ("due", ["webhook_id", "due", "id"], "due IS NOT NULL"),
        ("order", ["webhook_id", "subject", "id"], "due IS NOT NULL"),
        ("finished", ["state", "finished"], "finished IS NOT NULL"),
    ):
        op.create_index(
            f"ix_webhook_deliveries_{name}", "webhook_deliveries", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )
    op.create_index("ix_webhook_deliveries_webhook", "webhook_deliveries", ["webhook_id", "id"])


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")
