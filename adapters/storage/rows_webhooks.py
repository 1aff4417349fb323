"""Between webhooks in the core's words and their rows; see rows.py. Columns are in statements_webhooks.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.storage.rows import ms, ms_or_none, storable, storable_or_none, when, when_or_none
from service.events import Attempt, Delivery, DeliveryState, Event, EventType, Webhook, WebhookState


def row_of_webhook(w: Webhook) -> dict[str, Any]:
    return {
        "account_id": w.account_id,
        "url": w.url,
        "format": w.format,
        "types": " ".join(types_of(w)),
        "created": ms(w.created),
        "secret": w.secret,
        "next_secret": w.next_secret,
        "rotates": ms_or_none(w.rotates),
        "state": w.state.value,
        "why": w.why,
        "failures": w.failures,
        "failing_since": ms_or_none(w.failing_since),
        "paused": ms_or_none(w.paused),
        "probe": ms_or_none(w.probe),
        "name": storable_or_none(w.name),
    }


def types_of(webhook: Webhook) -> list[str]:
    return sorted(t.value for t in webhook.types)


def webhook_of(row: Sequence[Any]) -> Webhook:
    id, account_id, url, format, types, created, secret, next_secret, rotates = row[:9]
    state, why, failures, failing_since, paused, probe, name = row[9:]
    return Webhook(
        id=id,
        account_id=account_id,
        url=url,
        format=format,
        types=frozenset(map(EventType, types.split())),
        created=when(created),
        secret=None if secret is None else bytes(secret),
        next_secret=None if next_secret is None else bytes(next_secret),
        rotates=when_or_none(rotates),
        state=WebhookState(state),
        why=why,
        failures=failures,
        failing_since=when_or_none(failing_since),
        paused=when_or_none(paused),
        probe=when_or_none(probe),
        name=name,
    )


def row_of_event(e: Event) -> dict[str, Any]:
    return {
        "account_id": e.account_id,
        "type": e.type.value,
        "subject": e.subject,
        "number": storable(e.number),
        "text": storable_or_none(e.text),
        "device": e.device,
        "sim": e.sim,
        "error": storable_or_none(e.error),
        "occurred": ms(e.occurred),
        "created": ms(e.created),
    }


def delivery_of(row: Sequence[Any], time_zone: str = "UTC") -> Delivery:
    id, webhook_id, account_id, type, subject, number, text, device, sim, error, occurred, created = row[:12]
    state, attempts, due, finished, status, answer = row[12:]
    event = Event(
        account_id=account_id,
        type=EventType(type),
        subject=subject,
        number=number,
        text=text,
        device=device,
        sim=sim,
        error=error,
        occurred=when(occurred),
        created=when(created),
    )
    return Delivery(
        id=id,
        webhook_id=webhook_id,
        event=event,
        state=DeliveryState(state),
        attempts=attempts,
        due=when_or_none(due),
        finished=when_or_none(finished),
        status=status,
        answer=answer,
        time_zone=time_zone,
    )


def change_of(attempt: Attempt) -> dict[str, Any]:
    delivery = attempt.delivery
    return {
        "id": delivery.id,
        "webhook_id": delivery.webhook_id,
        "subject": delivery.event.subject,
        "attempts": delivery.attempts,
        "now": ms(attempt.now),
        "due": ms_or_none(attempt.due),
        "status": attempt.status,
        "answer": storable_or_none(attempt.answer),
    }
