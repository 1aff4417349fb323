"""The WebhookStore on an SQL engine; see sql.py."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from adapters.storage import rows_webhooks as rows
from adapters.storage.rows import ms, ms_or_none
from service.events import Attempt, Delivery, DeliveryState, Event, Patience, Webhook

if TYPE_CHECKING:
    from adapters.storage.sql import Engine


class SqlWebhooks:
    """A service.ports.WebhookStore."""

    engine: Engine

    async def add_webhook(self, webhook: Webhook) -> Webhook:
        row = rows.row_of_webhook(webhook)
        id = await self.engine.write("add_webhook", row, tuple(rows.types_of(webhook)))
        return rows.webhook_of((id, *row.values()))

    async def webhooks(self, account_id: int | None) -> list[Webhook]:
        if account_id is None:
            found = await self.engine.read("ask", "all_webhooks", {})
        else:
            found = await self.engine.read("ask", "webhooks", {"account_id": account_id})
        return [rows.webhook_of(row) for row in found]

    async def remove_webhook(self, id: int) -> None:
        await self.engine.write("remove_webhook", id)

    async def set_secrets(self, id: int, *, secret: bytes, next_secret: bytes | None, rotates: datetime | None) -> None:
        change = {"id": id, "secret": secret, "next_secret": next_secret, "rotates": ms_or_none(rotates)}
        await self.engine.write("tell", "set_secrets", change)

    async def resume_webhook(self, id: int) -> None:
        await self.engine.write("resume_webhook", id)

    async def note_event(self, event: Event, webhook_id: int | None = None) -> None:
        row = rows.row_of_event(event)
        if webhook_id is None:
            await self.engine.write("tell", "note_event", row)
        else:
            await self.engine.write("tell", "note_event_for", {**row, "webhook_id": webhook_id})

    async def webhooks_due(self, now: datetime) -> list[Webhook]:
        return [rows.webhook_of(row) for row in await self.engine.read("ask", "webhooks_due", {"now": ms(now)})]

    async def take_probe(self, id: int, *, now: datetime, next_probe: datetime) -> bool:
        return bool(await self.engine.write("ask", "take_probe", {"id": id, "now": ms(now), "next_probe": ms(next_probe)}))

    async def claim_deliveries(
        self, webhook_id: int, *, limit: int, now: datetime, leased_until: datetime, leased_by: str
    ) -> list[Delivery]:
        claimed = await self.engine.write("claim_deliveries", webhook_id, limit, ms(now), ms(leased_until), leased_by)
        return [rows.delivery_of(row[:-1], row[-1]) for row in claimed]

    async def settle_delivery(self, attempt: Attempt, patience: Patience) -> None:
        change, failed = rows.change_of(attempt), None
        if attempt.failed:
            failed = {
                "webhook_id": attempt.delivery.webhook_id,
                "now": ms(attempt.now),
                "most": patience.failures,
                "before": ms(patience.before),
                "probe": ms(patience.probe),
                "why": patience.why,
            }
        await self.engine.write("settle_delivery", attempt.state.value, change, failed)

    async def deliveries(self, webhook_id: int, state: DeliveryState | None, limit: int) -> list[Delivery]:
        asked = {"webhook_id": webhook_id, "limit": limit}
        if state is None:
            found = await self.engine.read("ask", "deliveries", asked)
        else:
            found = await self.engine.read("ask", "deliveries_in", {**asked, "state": state.value})
        return [rows.delivery_of(row) for row in found]

    async def replay(self, webhook_id: int, delivery_id: int | None) -> int:
        if delivery_id is None:
            return len(await self.engine.write("ask", "replay_dead", {"webhook_id": webhook_id}))
        return len(await self.engine.write("ask", "replay_one", {"webhook_id": webhook_id, "id": delivery_id}))

    async def tidy_deliveries(
        self, *, now: datetime, paused_before: datetime, done_before: datetime, dead_before: datetime, limit: int
    ) -> int:
        return int(await self.engine.write("tidy_deliveries", ms(now), ms(paused_before), ms(done_before), ms(dead_before), limit))
