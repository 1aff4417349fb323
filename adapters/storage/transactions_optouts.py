"""What the opt-out ledger's operations do, without doing any I/O. A part of transactions.py, whose rules hold here too."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from itertools import chain
from typing import Any

from service.errors import OptedOut

Row = tuple[Any, ...]
Transaction = Generator[Any, Any, Any]

ACCOUNT_ID, RECIPIENT, SENDER = 2, 5, 22
"""where they are in a row of messages"""


def insert_wanted(rows: Sequence[Row]) -> Generator[Any, Any, str | None]:
    """Keep the messages of one call; or none of them, and the first recipient who has opted out is returned."""
    found = yield "opted_out", [{"account_id": row[ACCOUNT_ID], "number": row[RECIPIENT], "sender": row[SENDER]} for row in rows]
    barred = next(chain.from_iterable(found), None)
    if barred is None:
        yield "insert_messages", rows
    return None if barred is None else barred[0]


def opted_out(account_id: int, numbers: Sequence[str], code: str | None) -> Generator[Any, Any, list[str]]:
    found = yield "opted_out", [{"account_id": account_id, "number": number, "sender": code} for number in numbers]
    return [number for (number,) in chain.from_iterable(found)]


def change_optouts(changes: Sequence[dict[str, Any]]) -> Generator[Any, Any, int]:
    """How many changed anything."""
    yield "lock_optouts", [{}]
    count = 0
    for change in changes:
        if change["is_out"]:
            [moved] = yield "opt_out", [change]
        else:
            [moved] = yield "opt_in" if change["code"] else "opt_in_everywhere", [change]
        if moved:
            yield "note_optout", [{**change, "code": code} for (code,) in moved]
        if change["is_out"]:
            # also when they were out already: it costs little, and nothing of theirs waits afterwards, whatever came before
            yield "cancel_waiting_for", [change]
        count += bool(moved)
    return count


def react(change: dict[str, Any] | None, reply: Row | None, replied: dict[str, Any]) -> Transaction:
    """What comes of a word that was received. The answer goes past the ledger: it is asked for."""
    if change is not None:
        yield from change_optouts([change])
    if reply is not None:
        [is_first] = yield "note_reply", [replied]
        if is_first:
            yield "insert_messages", [reply]


def resend(asked: dict[str, Any], looked: dict[str, Any]) -> Transaction:
    """Raises OptedOut."""
    yield "lock_optouts_shared", [{}]
    [barred] = yield "opted_out", [looked]
    if barred:
        raise OptedOut(barred[0][0])
    [again] = yield "resend", [asked]
    return again


def keep_refused(row: Row) -> Transaction:
    """It is never sent, so nobody need want it."""
    yield "insert_messages", [row]


OPERATIONS: Mapping[str, Callable[..., Transaction]] = {
    "opted_out": opted_out,
    "change_optouts": change_optouts,
    "resend": resend,
    "keep_refused": keep_refused,
}
