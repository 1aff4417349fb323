"""What an operator can ask about webhooks. Each function takes the gateway and plain arguments, returns what JSON can say, raises Refused.

    webhooks.add     {"url": "https://shop.example.org/hook", "v2": true}  ->  {"id": 1, ..., "secret": "whsec_..."}
    webhooks.replay  {"id": 1}  ->  {"replayed": 12}

Each takes `account`, a name: `add` means `default` when it is not given, the others anybody's. A secret is in an answer only once, when
it is made.
"""

from __future__ import annotations

from typing import Any

from adapters.commands import Command
from adapters.commands._arguments import Arguments, flag, shown, text, text_or_none, whole, words
from service import keys
from service.errors import Invalid
from service.events import Delivery, DeliveryState, Webhook
from service.gateway import Gateway
from service.webhooks import MOST_ROWS

Answer = dict[str, Any]


async def add(gateway: Gateway, arguments: Arguments) -> Answer:
    """url; format ("v1" or "v2") or v2 (true for "v2"); events; secret, for who moves here with one of his own."""
    format = text(arguments, "format", "v2" if flag(arguments, "v2") else "v1")
    webhook, secret = await gateway.webhooks.add(
        account_id=(await keys.account_named(gateway.accounts, text(arguments, "account", "default"))).id,
        url=text(arguments, "url"),
        format=format,
        events=words(arguments, "events"),
        secret=text_or_none(arguments, "secret"),
    )
    return await _row(gateway, webhook) | ({} if secret is None else {"secret": secret})


async def list_all(gateway: Gateway, arguments: Arguments) -> list[Answer]:
    return [await _row(gateway, webhook) for webhook in await gateway.webhooks.of(await _account(gateway, arguments))]


async def remove(gateway: Gateway, arguments: Arguments) -> Answer:
    """id. What waits for it goes too."""
    id = whole(arguments, "id")
    await gateway.webhooks.remove(await _account(gateway, arguments), id)
    return {"removed": id}


async def test(gateway: Gateway, arguments: Arguments) -> Answer:
    """id. The call is made by the server within seconds; `deliveries` then says how it went."""
    event = await gateway.webhooks.test(await _account(gateway, arguments), whole(arguments, "id"))
    return {"event": event.uuid}


async def rotate(gateway: Gateway, arguments: Arguments) -> Answer:
    """id; finish (true): from now on only the next secret counts, which it does by itself after a week."""
    account, id = await _account(gateway, arguments), whole(arguments, "id")
    if flag(arguments, "finish"):
        await gateway.webhooks.finish_rotation(account, id)
        return {"rotated": id}
    return {"id": id, "secret": await gateway.webhooks.rotate(account, id)}


async def deliveries(gateway: Gateway, arguments: Arguments) -> list[Answer]:
    """id; state (waiting, done, dead) or all; limit. Newest first."""
    state = text(arguments, "state", "")
    if state and state not in [s.value for s in DeliveryState]:
        raise Invalid("state", f"must be one of {', '.join(s.value for s in DeliveryState)}")
    limit = whole(arguments, "limit") if "limit" in arguments else MOST_ROWS
    if limit < 1:
        raise Invalid("limit", "must be at least 1")
    account, wanted = await _account(gateway, arguments), DeliveryState(state) if state else None
    return [_delivery_row(d) for d in await gateway.webhooks.deliveries(account, whole(arguments, "id"), wanted, limit)]


async def replay(gateway: Gateway, arguments: Arguments) -> Answer:
    """id; delivery, or all dead letters."""
    delivery = whole(arguments, "delivery") if "delivery" in arguments else None
    return {"replayed": await gateway.webhooks.replay(await _account(gateway, arguments), whole(arguments, "id"), delivery)}


async def resume(gateway: Gateway, arguments: Arguments) -> Answer:
    """id of a paused webhook."""
    id = whole(arguments, "id")
    await gateway.webhooks.resume(await _account(gateway, arguments), id)
    return {"resumed": id}


COMMANDS: dict[str, Command] = {
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
    name = text_or_none(arguments, "account")
    return None if name is None else (await keys.account_named(gateway.accounts, name)).id


async def _row(gateway: Gateway, w: Webhook) -> Answer:
    names = {account.id: account.name for account in await gateway.accounts.store.accounts()}
    return {
        "id": w.id,
        "url": w.url,
        "format": w.format,
        "events": sorted(t.value for t in w.types),
        "state": w.state.value,
        "why": w.why,
        "failures": w.failures,
        "failing_since": shown(w.failing_since),
        "paused": shown(w.paused),
        "next_probe": shown(w.probe),
        "account": names.get(w.account_id),
        "rotates": shown(w.rotates),
        "created": shown(w.created),
    }


def _delivery_row(d: Delivery) -> Answer:
    """Without what the message says."""
    return {
        "delivery": d.id,
        "event": d.event.uuid,
        "type": d.event.type.value,
        "about": d.event.subject,
        "occurred": shown(d.event.occurred),
        "state": d.state.value,
        "attempts": d.attempts,
        "due": None if d.due is None else shown(max(d.due, d.event.created)),
        "finished": shown(d.finished),
        "status": d.status,
        "answer": d.answer,
    }
