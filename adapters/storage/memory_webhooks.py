"""The WebhookStore in memory; see memory.py. What SQL's triggers do, `Watched` does: it sees every change of a message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count

from adapters.storage.rows import storable, storable_or_none
from service.accounts import Account
from service.events import Attempt, Delivery, DeliveryState, Event, EventType, Patience, Webhook, WebhookState
from service.fleet import Device
from service.lifecycle import Status
from service.messages import MoMessage, MtMessage, ReceivedMessage

_TOLD = {
    Status.SENT: EventType.MESSAGE_SENT,
    Status.DELIVERED: EventType.MESSAGE_DELIVERED,
    Status.FAILED: EventType.MESSAGE_FAILED,
    Status.EXPIRED: EventType.MESSAGE_EXPIRED,
    Status.OUTCOME_UNKNOWN: EventType.MESSAGE_OUTCOME_UNKNOWN,
}

_AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)


class Watched(dict[int, MtMessage]):
    """Messages by id; each change is told with what was there before."""

    def __init__(self, messages: Mapping[int, MtMessage], changed: Callable[[MtMessage | None, MtMessage], None]) -> None:
        super().__init__(messages)
        self._changed = changed

    def __setitem__(self, id: int, message: MtMessage) -> None:
        before = self.get(id)
        super().__setitem__(id, message)
        self._changed(before, message)


@dataclass
class MemoryWebhooks:
    """A service.ports.WebhookStore."""

    _webhooks: dict[int, Webhook] = field(default_factory=dict)
    _deliveries: dict[int, Delivery] = field(default_factory=dict)
    _held: set[int] = field(default_factory=set)
    """ids of deliveries that are being tried"""
    _delivery_ids: count[int] = field(default_factory=lambda: count(1))
    _webhook_ids: count[int] = field(default_factory=lambda: count(1))
    _messages: dict[int, MtMessage] = field(default_factory=dict)
    _accounts: dict[str, Account] = field(default_factory=dict)
    _devices: dict[str, Device] = field(default_factory=dict)

    async def add_webhook(self, webhook: Webhook) -> Webhook:
        if not isinstance(self._messages, Watched):
            self._messages = Watched(self._messages, self._note_change)
        webhook = replace(webhook, id=next(self._webhook_ids))
        self._webhooks[webhook.id] = webhook
        return webhook

    async def webhooks(self, account_id: int | None) -> list[Webhook]:
        return [w for w in self._webhooks.values() if account_id in (None, w.account_id)]

    async def remove_webhook(self, id: int) -> None:
        self._webhooks.pop(id, None)
        self._deliveries = {d.id: d for d in self._deliveries.values() if d.webhook_id != id}

    async def set_secrets(self, id: int, *, secret: bytes, next_secret: bytes | None, rotates: datetime | None) -> None:
        self._webhooks[id] = replace(self._webhooks[id], secret=secret, next_secret=next_secret, rotates=rotates)

    async def resume_webhook(self, id: int) -> None:
        self._activate(id)
        for delivery in self._waiting_for(id):
            self._make_due(delivery)

    def _activate(self, id: int) -> None:
        webhook = self._webhooks.get(id)
        if webhook is not None:
            webhook = replace(webhook, state=WebhookState.ACTIVE, failures=0, failing_since=None)
            self._webhooks[id] = replace(webhook, paused=None, probe=None, why=None)

    def _make_due(self, delivery: Delivery) -> None:
        if delivery.id not in self._held:
            self._deliveries[delivery.id] = replace(delivery, due=_AT_ONCE)

    def _waiting_for(self, webhook_id: int) -> list[Delivery]:
        return [d for d in self._deliveries.values() if d.webhook_id == webhook_id and d.due is not None]

    async def note_event(self, event: Event, webhook_id: int | None = None) -> None:
        self._note(event, webhook_id)

    def _note(self, event: Event, webhook_id: int | None = None) -> None:
        kept = replace(event, number=storable(event.number), text=storable_or_none(event.text), error=storable_or_none(event.error))
        for webhook in self._webhooks.values():
            wants = webhook.account_id == event.account_id and event.type in webhook.types
            if webhook.id == webhook_id or (webhook_id is None and wants):
                id = next(self._delivery_ids)
                self._deliveries[id] = Delivery(id=id, webhook_id=webhook.id, event=kept, due=_AT_ONCE)

    def _note_change(self, before: MtMessage | None, m: MtMessage) -> None:
        about = {
            "account_id": m.account_id,
            "subject": m.guid,
            "number": m.recipient,
            "sim": m.wanted_sim if before is None else m.sim or m.wanted_sim,
        }

        def note(type: EventType, at: datetime, device: str | None, error: str | None = None) -> None:
            self._note(Event(**about, type=type, occurred=at, created=at, device=device, error=error))  # type: ignore[arg-type]

        if before is None:
            if m.refusal is None:
                note(EventType.MESSAGE_ACCEPTED, m.created, m.wanted_device)
        elif m.status is not before.status and m.status in _TOLD:
            # as in SQL: a row does not say when its message was given up
            at = datetime.now(UTC) if m.status is Status.OUTCOME_UNKNOWN else m.finished or m.sent or m.created
            if m.status is Status.DELIVERED and before.status in (Status.SENDING, Status.OUTCOME_UNKNOWN):
                note(EventType.MESSAGE_SENT, at, m.device)
            note(_TOLD[m.status], at, m.device, m.error if m.status is Status.FAILED else None)

    def note_received(self, message: MoMessage | ReceivedMessage, subject: str, account_id: int, now: datetime) -> None:
        self._note(
            Event(
                account_id=account_id,
                type=EventType.MESSAGE_RECEIVED,
                subject=subject,
                occurred=message.received,
                created=now,
                number=message.sender,
                text=message.text,
                device=message.device,
                sim=message.sim,
            )
        )

    async def webhooks_due(self, now: datetime) -> list[Webhook]:
        return [w for w in self._webhooks.values() if any(d.due is not None and d.due <= now for d in self._waiting_for(w.id))]

    async def take_probe(self, id: int, *, now: datetime, next_probe: datetime) -> bool:
        webhook = self._webhooks[id]
        may = webhook.state is WebhookState.PAUSED and webhook.probe is not None and webhook.probe <= now
        if may:
            self._webhooks[id] = replace(webhook, probe=next_probe)
        return may

    async def claim_deliveries(
        self, webhook_id: int, *, limit: int, now: datetime, leased_until: datetime, leased_by: str
    ) -> list[Delivery]:
        zones = {a.id: a.time_zone for a in self._accounts.values()}
        claimed: list[Delivery] = []
        subjects: set[str] = set()
        for delivery in sorted(self._waiting_for(webhook_id), key=lambda d: d.id):
            is_first = delivery.event.subject not in subjects
            subjects.add(delivery.event.subject)
            if is_first and delivery.due is not None and delivery.due <= now and len(claimed) < limit:
                device = self._devices.get(delivery.event.device or "")
                zone = (device.time_zone if device else None) or zones.get(delivery.event.account_id, "UTC")
                taken = replace(delivery, due=leased_until, attempts=delivery.attempts + 1)
                self._deliveries[delivery.id] = taken
                self._held.add(delivery.id)
                claimed.append(replace(taken, time_zone=zone))
        return claimed

    async def settle_delivery(self, attempt: Attempt, patience: Patience) -> None:
        claimed, is_done = attempt.delivery, attempt.state is DeliveryState.DONE
        delivery = self._deliveries.get(claimed.id)
        if delivery is None:
            return
        if not is_done and (delivery.attempts != claimed.attempts or delivery.state is not DeliveryState.WAITING):
            return
        self._held.discard(delivery.id)
        self._deliveries[delivery.id] = replace(
            delivery,
            state=attempt.state,
            due=attempt.due,
            finished=None if attempt.state is DeliveryState.WAITING else attempt.now,
            status=attempt.status,
            answer=storable_or_none(attempt.answer),
        )
        if is_done:
            self._activate(delivery.webhook_id)
        elif attempt.failed:
            self._count_failure(delivery.webhook_id, attempt.now, patience)

    def _count_failure(self, id: int, now: datetime, patience: Patience) -> None:
        webhook = self._webhooks.get(id)
        if webhook is None:
            return
        webhook = replace(webhook, failures=webhook.failures + 1, failing_since=webhook.failing_since or now)
        if webhook.failures >= patience.failures and webhook.failing_since is not None and webhook.failing_since <= patience.before:
            if webhook.state is WebhookState.ACTIVE:
                webhook = replace(webhook, state=WebhookState.PAUSED, paused=now, probe=patience.probe)
            webhook = replace(webhook, why=patience.why)
        self._webhooks[id] = webhook

    async def deliveries(self, webhook_id: int, state: DeliveryState | None, limit: int) -> list[Delivery]:
        newest_first = sorted(self._deliveries.values(), key=lambda d: d.id, reverse=True)
        return [d for d in newest_first if d.webhook_id == webhook_id and state in (None, d.state)][:limit]

    async def replay(self, webhook_id: int, delivery_id: int | None) -> int:
        found = [d for d in self._deliveries.values() if d.webhook_id == webhook_id and d.finished is not None]
        found = [d for d in found if (d.state is DeliveryState.DEAD if delivery_id is None else d.id == delivery_id)]
        for delivery in found:
            fresh = replace(delivery, state=DeliveryState.WAITING, attempts=0, finished=None, due=_AT_ONCE)
            self._deliveries[delivery.id] = fresh
        return len(found)

    async def tidy_deliveries(
        self, *, now: datetime, paused_before: datetime, done_before: datetime, dead_before: datetime, limit: int
    ) -> int:
        vain = {w.id for w in self._webhooks.values() if w.paused is not None and w.paused <= paused_before}
        given_up = [d for d in self._deliveries.values() if d.webhook_id in vain and d.due is not None][:limit]
        for delivery in given_up:
            self._held.discard(delivery.id)
            self._deliveries[delivery.id] = replace(delivery, state=DeliveryState.DEAD, due=None, finished=now)
        erased = []
        for state, before in ((DeliveryState.DONE, done_before), (DeliveryState.DEAD, dead_before)):
            old = [d.id for d in self._deliveries.values() if d.state is state and d.finished is not None and d.finished <= before]
            erased += old[:limit]
        for id in erased:
            del self._deliveries[id]
        return len(given_up) + len(erased)
