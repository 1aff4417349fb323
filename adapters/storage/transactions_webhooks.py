"""The operations of webhooks; see transactions.py, whose rules hold here too. No SQLAlchemy: SQLite's writing process imports this."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from itertools import chain
from typing import Any

Row = tuple[Any, ...]
Ask = tuple[str, Sequence[Any]]
Answer = list[list[Row]]
Transaction = Generator[Ask, Answer, Any]

PAGE = 100
"""how many that are due a claim looks at: what is blocked among them is moved away, so the next look finds others"""


def add_webhook(webhook: dict[str, Any], types: Sequence[str]) -> Transaction:
    """Returns the id."""
    [[[id]]] = yield "add_webhook", [webhook]
    if types:
        yield "subscribe", [{"account_id": webhook["account_id"], "type": type, "webhook_id": id} for type in types]
    return id


def remove_webhook(id: int) -> Transaction:
    yield "unsubscribe", [{"id": id}]
    yield "remove_deliveries", [{"id": id}]
    yield "remove_webhook", [{"id": id}]


def resume_webhook(id: int) -> Transaction:
    yield "activate", [{"id": id}]
    yield "all_due", [{"id": id}]


def claim_deliveries(webhook_id: int, limit: int, now: int, leased_until: int, leased_by: str) -> Generator[Ask, Answer, list[Row]]:
    """Returns rows of deliveries, each with its time zone. A blocked one is put off until that before it is tried again."""
    claimed: list[Row] = []
    while len(claimed) < limit:
        [found] = yield "delivery_due", [{"webhook_id": webhook_id, "now": now, "limit": PAGE}]
        free = [(id, due) for id, due, blocked_until in found if blocked_until is None][: limit - len(claimed)]
        blocked = [{"id": id, "due": due, "until": max(until, leased_until)} for id, due, until in found if until is not None]
        if blocked:
            yield "block_delivery", blocked
        if free:
            lease = {"leased_until": leased_until, "leased_by": leased_by}
            taken = yield "take_delivery", [{"id": id, "due": due, **lease} for id, due in free]
            claimed += chain.from_iterable(taken)
        if len(found) < PAGE:
            break
    if not claimed:
        return []
    zones = yield "zone", [{"account_id": row[2], "device": row[7]} for row in claimed]
    return [(*row, zone[0][0] if zone else "UTC") for row, zone in zip(claimed, zones, strict=True)]


def settle_delivery(state: str, change: dict[str, Any], failed: dict[str, Any] | None) -> Transaction:
    """`failed` has what is to be known for a failure to count against the webhook."""
    [settled] = yield f"delivery_{state}", [change]
    if not settled:
        return
    if state == "done":
        yield "activate", [{"id": change["webhook_id"]}]
    elif failed is not None:
        yield "webhook_failed", [failed]
    if state != "waiting":
        yield "unblock", [change]


def tidy_deliveries(now: int, paused_before: int, done_before: int, dead_before: int, limit: int) -> Generator[Ask, Answer, int]:
    """How many were given up or erased."""
    [given_up] = yield "give_up_deliveries", [{"before": paused_before, "now": now, "limit": limit}]
    old = [{"state": "done", "before": done_before, "limit": limit}, {"state": "dead", "before": dead_before, "limit": limit}]
    erased = yield "erase_deliveries", old
    return len(given_up) + sum(map(len, erased))


OPERATIONS: Mapping[str, Callable[..., Transaction]] = {
    "add_webhook": add_webhook,
    "remove_webhook": remove_webhook,
    "resume_webhook": resume_webhook,
    "claim_deliveries": claim_deliveries,
    "settle_delivery": settle_delivery,
    "tidy_deliveries": tidy_deliveries,
}
