"""What the operations of audience and campaigns do, without doing any I/O. A part of transactions.py, whose rules hold here too."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from itertools import chain
from typing import Any

from adapters.storage.transactions_optouts import ACCOUNT_ID, RECIPIENT, SENDER

Row = tuple[Any, ...]
Transaction = Generator[Any, Any, Any]


def each(statement: str, sets: Sequence[dict[str, Any]]) -> Generator[Any, Any, list[Row]]:
    """One statement for each set, in one transaction; all the rows."""
    found = yield statement, sets
    return list(chain.from_iterable(found))


def remove_sender_code(code: dict[str, Any]) -> Transaction:
    """Whether it was there."""
    [gone] = yield "remove_sender_code", [code]
    if gone:
        yield "end_subscriptions", [{"code_id": gone[0][0]}]
    return bool(gone)


def start_campaign(campaign: dict[str, Any]) -> Transaction:
    """Its id, and how many are planned."""
    [[(planned,)]] = yield "count_subscribers", [campaign]
    [[(id,)]] = yield "add_campaign", [{**campaign, "planned": planned}]
    return id, planned


def expand(step: dict[str, Any], rows: Sequence[Row]) -> Generator[Any, Any, bool]:
    """Whether the portion was kept: only from where it was made, and while the campaign runs."""
    yield "lock_optouts_shared", [{}]
    [taken] = yield "advance_campaign", [step]
    if not taken:
        return False
    found: list[list[Row]] = []
    if rows:
        found = yield "opted_out", [{"account_id": row[ACCOUNT_ID], "number": row[RECIPIENT], "sender": row[SENDER]} for row in rows]
    barred = {number for (number,) in chain.from_iterable(found)}
    wanted = [row for row in rows if row[RECIPIENT] not in barred]
    if wanted:
        yield "insert_messages", wanted
        yield "note_campaign_message", [{"campaign_id": step["id"], "message_id": row[0]} for row in wanted]
    yield "count_campaign", [{"id": step["id"], "queued": len(wanted), "opted_out": len(rows) - len(wanted)}]
    return True


def cancel_some(campaign_id: int, after: int, now: int, limit: int) -> Transaction:
    """Up to which of its messages those that waited are cancelled; None when there are no more."""
    [page] = yield "campaign_messages", [{"campaign_id": campaign_id, "after": after, "limit": limit}]
    if not page:
        return None
    yield "cancel_message", [{"id": id, "at": now} for (id,) in page]
    return page[-1][0]


OPERATIONS: Mapping[str, Callable[..., Transaction]] = {
    "each": each,
    "remove_sender_code": remove_sender_code,
    "start_campaign": start_campaign,
    "expand": expand,
    "cancel_some": cancel_some,
}
