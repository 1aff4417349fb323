"""What the store does about short links and sealed texts; the rules of transactions.py hold here too."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

Transaction = Generator[Any, Any, Any]


def operations(accept: Callable[..., Transaction]) -> Mapping[str, Callable[..., Transaction]]:
    """`accept` is that of transactions.py: a message without links, pins and quotas costs no more for those that have some."""

    def accept_with_more(
        messages: Sequence[Any],
        account_id: int,
        trial_limit: int | None,
        idempotency: Any,
        links: Sequence[Any],
        sealed: Sequence[Any],
        pins: Sequence[Any],
        charges: Sequence[Any],
        now: int,
    ) -> Transaction:
        first, used = yield from accept(messages, account_id, trial_limit, idempotency, charges, now)
        if first is None and links:
            yield "insert_link", links
        if first is None and sealed:
            yield "insert_sealed", sealed
        if first is None and pins:
            yield "pin", pins
        return first, used

    return {"accept_with_more": accept_with_more, "count_clicks": count_clicks, "forget_links": forget_links}


def count_clicks(clicks: Sequence[tuple[str, int]]) -> Transaction:
    yield "count_clicks", [{"code": code, "count": count} for code, count in clicks]


def forget_links(now: int, limit: int) -> Transaction:
    """Whether there may be more."""
    [short] = yield "forget_links", [{"now": now, "limit": limit}]
    [sealed] = yield "forget_sealed", [{"now": now, "limit": limit}]
    return limit in (len(short), len(sealed))
