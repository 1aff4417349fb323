"""What an operator can ask about webhooks. Each function takes the gateway and plain arguments, returns what JSON can say, raises Refused.

    webhooks.add     {"url": "https://shop.example.org/hook", "v2": true}  ->  {"id": 1, ..., "secret": "whsec_..."}
    webhooks.replay  {"id": 1}  ->  {"replayed": 12}

Each takes `account`, a name: `add` means `default` when it is not given, the others anybody's. A secret is in an answer only once, when
it is made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from service.errors import Invalid, Missing, NotFound
from service.events import Delivery, DeliveryState, Webhook
from service.gateway import Gateway
from service.webhooks import MOST_ROWS

Arguments = Mapping[str, Any]
Answer = dict[str, Any]


async def add(gateway: Gateway, arguments: Arguments) -> Answer:
    """url; format ("v1" or "v2") or v2 (true for "v2"); events; secret, for who moves here with one of his own."""
    format = _text(arguments, "format", "v2" if arguments.get("v2") else "v1")
    webhook, secret = await gateway.webhooks.add(
        account_id=await _account(gateway, arguments) or await _first_account(gateway),
        url=_text(arguments, "url"),
        format=format,
        events=_events(arguments),
        secret=_text(arguments, "secret", "") or None,
    )
    return _shown(webhook) | ({} if secret is None else {"secret": secret})


async def list_all(gateway: Gateway, arguments: Arguments) -> list[Answer]:
    return [_shown(webhook) for webhook in await gateway.webhooks.of(await _account(gateway, arguments))]


async def remove(gateway: Gateway, arguments: Arguments) -> Answer:
    """id. What waits for it goes too."""
    id = _id(arguments)
    await gateway.webhooks.remove(await _account(gateway, arguments), id)
    return {"removed": id}


async def test(gateway: Gateway, arguments: Arguments) -> Answer:
    """id. The call is made by the server within seconds; `deliveries` then says how it went."""
    event = await gateway.webhooks.test(await _account(gateway, arguments), _id(arguments))
    return {"event": event.uuid}


async def rotate(gateway: Gateway, arguments: Arguments) -> Answer:
    """id; finish (true): from now on only the next secret counts, which it does by itself after a week."""
    account, id = await _account(gateway, arguments), _id(arguments)
    if arguments.get("finish"):
        await gateway.webhooks.finish_rotation(account, id)
        return {"rotated": id}
    return {"id": id, "secret": await gateway.webhooks.rotate(account, id)}


async def deliveries(gateway: Gateway, arguments: Arguments) -> list[Answer]:
    """id; state (waiting, done, dead) or all; limit. Newest first."""
    state = _text(arguments, "state", "")
    if state and state not in [s.value for s in DeliveryState]:
        raise Invalid("state", f"must be one of {', '.join(s.value for s in DeliveryState)}")
    limit = _number(arguments, "limit", MOST_ROWS)
    if limit < 1:
        raise Invalid("limit", "must be at least 1")
    account, wanted = await _account(gateway, arguments), DeliveryState(state) if state else None
    return [_shown_delivery(d) for d in await gateway.webhooks.deliveries(account, _id(arguments), wanted, limit)]


async def replay(gateway: Gateway, arguments: Arguments) -> Answer:
    """id; delivery, or all dead letters."""
    delivery = _number(arguments, "delivery", 0) or None
    return {"replayed": await gateway.webhooks.replay(await _account(gateway, arguments), _id(arguments), delivery)}


async def resume(gateway: Gateway, arguments: Arguments) -> Answer:
    """id of a paused webhook."""
    id = _id(arguments)
    await gateway.webhooks.resume(await _account(gateway, arguments), id)
    return {"resumed": id}


COMMANDS: Mapping[str, Callable[[Gateway, dict[str, Any]], Awaitable[Any]]] = {
    "webhooks.add": add,
    "webhooks.list": list_all,
    "webhooks.remove": remove,
    "webhooks.test": test,
    "webhooks.rotate": rotate,
    "webhooks.deliveries": deliveries,
    "webhooks.replay": replay,
    "webhooks.resume": resume,
}


async def _account(gateway: Gateway, arguments: Arguments) -> int | None:
    """None when none is named."""
    name = _text(arguments, "account", "")
    if not name:
        return None
    account = await gateway.store.find_account(name)
    if account is None:
        raise NotFound(f"there is no account {name!a}")
    return account.id


async def _first_account(gateway: Gateway) -> int:
    return await _account(gateway, {"account": "default"}) or 0


def _text(arguments: Arguments, name: str, default: str | None = None) -> str:
    value = arguments.get(name)
    if value is None or value == "":
        if default is None:
            raise Missing(name)
        return default
    if not isinstance(value, str):
        raise Invalid(name, "must be a text")
    return value


def _number(arguments: Arguments, name: str, default: int | None = None) -> int:
    value = arguments.get(name)
    if value is None or value == "":
        if default is None:
            raise Missing(name)
        return default
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number < 1 << 63:
        raise Invalid(name, "must be a whole number")
    return number


def _id(arguments: Arguments) -> int:
    return _number(arguments, "id")


def _events(arguments: Arguments) -> list[str]:
    """A list, or one text with commas."""
    given = arguments.get("events") or []
    if isinstance(given, str):
        given = [part.strip() for part in given.split(",") if part.strip()]
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise Invalid("events", "must be a list of texts")
    return given


def _when(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat(timespec="seconds").replace("+00:00", "Z")


def _shown(w: Webhook) -> Answer:
    return {
        "id": w.id,
        "url": w.url,
        "format": w.format,
        "events": sorted(t.value for t in w.types),
        "state": w.state.value,
        "why": w.why,
        "failures": w.failures,
        "failing_since": _when(w.failing_since),
        "paused": _when(w.paused),
        "next_probe": _when(w.probe),
        "account": w.account_id,
        "rotates": _when(w.rotates),
        "created": _when(w.created),
    }


def _shown_delivery(d: Delivery) -> Answer:
    """Without what the message says."""
    return {
        "delivery": d.id,
        "event": d.event.uuid,
        "type": d.event.type.value,
        "about": d.event.subject,
        "occurred": _when(d.event.occurred),
        "state": d.state.value,
        "attempts": d.attempts,
        "due": None if d.due is None else _when(max(d.due, d.event.created)),
        "finished": _when(d.finished),
        "status": d.status,
        "answer": d.answer,
    }
