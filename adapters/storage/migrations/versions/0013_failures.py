"""How often a message was plainly refused is counted; events about a message name the SIM that it went by, where that is known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_INTO = (
    "INSERT INTO webhook_deliveries (webhook_id, account_id, type, subject, number, text, device, sim, error, occurred, created) "
    "SELECT s.webhook_id, s.account_id, s.type, NEW.guid, NEW.recipient, NULL, NEW.device, coalesce(NEW.sim, nullif(NEW.wanted_sim, 0))"
)
_WANTED = "FROM webhook_subscriptions s WHERE s.account_id = NEW.account_id AND s.type"
_FINISHED = "coalesce(NEW.finished, NEW.sent, NEW.created)"
# a row does not say when its message was given up; and each time must be an event of its own
_NOW = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)",
}
_ANY = "EXISTS (SELECT 1 FROM webhook_subscriptions WHERE account_id = NEW.account_id)"
_TOLD = "NEW.status IN ('sent', 'delivered', 'failed', 'expired', 'outcome_unknown') AND OLD.status <> NEW.status"


def upgrade() -> None:
    op.add_column(
        "messages",
        sa.Column(
            "failures", sa.Integer(), server_default="0", nullable=False, comment="How often a device said that it could not send it."
        ),
    )
    dialect = op.get_context().dialect.name
    done = _statements(f"CASE WHEN NEW.status = 'outcome_unknown' THEN {_NOW[dialect]} ELSE {_FINISHED} END")
    if dialect == "sqlite":
        op.execute("DROP TRIGGER webhook_changed")
        op.execute(f"CREATE TRIGGER webhook_changed AFTER UPDATE OF status ON messages WHEN {_TOLD} AND {_ANY} BEGIN {done} END")
        return
    op.execute("DROP TRIGGER webhook_changed ON messages")
    op.execute(f"CREATE OR REPLACE FUNCTION webhook_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {done} RETURN NULL; END $$")
    op.execute(
        f"CREATE TRIGGER webhook_changed AFTER UPDATE OF status ON messages FOR EACH ROW WHEN ({_TOLD}) EXECUTE FUNCTION webhook_changed()"
    )


def _statements(at: str) -> str:
    """Two and no OR: each is one look into the primary key of webhook_subscriptions."""
    sent_first = (
        f"{_INTO}, NULL, {_FINISHED}, {_FINISHED} {_WANTED} = 'message.sent' AND NEW.status = 'delivered' "
        "AND OLD.status IN ('sending', 'outcome_unknown')"
    )
    changed = f"{_INTO}, CASE WHEN NEW.status = 'failed' THEN NEW.error END, {at}, {at} {_WANTED} = 'message.' || NEW.status"
    return f"{sent_first}; {changed};"


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")
