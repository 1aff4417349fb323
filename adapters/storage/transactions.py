"""What each operation of the store does, without doing any I/O: written once, run by each engine in its own way.

A transaction is a generator. It yields the name of a statement and a list of parameter sets, and is sent a list of rows for each set
(or nothing, for a statement without rows). It takes and returns only what one process can hand to another: numbers, texts, bytes, tuples.
It refuses before it has written anything, so that a refusal needs no rollback. If it finds itself overtaken by another transaction it
raises Again, and is run again from the start after a rollback.

SQLite's writing process imports this file and is to stay small: no SQLAlchemy here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from adapters.storage import (
    transactions_audience,
    transactions_enrolment,
    transactions_keys,
    transactions_links,
    transactions_mailbox,
    transactions_optouts,
    transactions_quotas,
    transactions_search,
    transactions_submits,
    transactions_webhooks,
)
from adapters.storage.transactions_optouts import insert_wanted
from service.errors import Conflict, OptedOut, QuotaExceeded

Row = tuple[Any, ...]
Parameters = dict[str, Any] | Row
Ask = tuple[str, Sequence[Parameters]]
Answer = list[list[Row]]
Transaction = Generator[Ask, Answer, Any]

IDEMPOTENCY_MS = 24 * 3600 * 1000
SILENCE_MS = 24 * 3600 * 1000
"""how long after its validity a report about what a device has taken is still waited for"""
LAST_ID = (1 << 63) - 1
WHATSAPP_QUEUE = "-wa"
"""as service.messages has it, which would take memory of the writing process"""
_by_due = itemgetter(1, 0)


class Again(Exception):
    """Another transaction came in between; from the start, please."""


def accept(
    rows: Sequence[Row],
    account_id: int,
    trial_limit: int | None,
    idempotency: tuple[str, bytes, str, int] | None,
    charges: Sequence[transactions_quotas.Charge] = (),
    now: int = 0,
    insert: Callable[[Sequence[Row]], Transaction] = insert_wanted,
) -> Transaction:
    """Returns (the first receipt if this is a repetition, messages that the trial has used).

    `idempotency` is the key, the fingerprint, the receipt to keep, and the time. `now` is needed for charges only. `insert` keeps all
    rows and returns None, or keeps none and returns who has opted out: an engine may have its own way.
    """
    record: dict[str, Any] = {}
    if idempotency:
        key, fingerprint, receipt, created = idempotency
        record = {"account_id": account_id, "key": key, "fingerprint": fingerprint, "receipt": receipt, "created": created}
        record["ended"] = created - IDEMPOTENCY_MS
        [known] = yield "remembered", [record]
        if known and known[0][1] > record["ended"]:
            if known[0][0] != fingerprint:
                raise Conflict("this idempotency key was used for another request")
            return known[0][2:]
    uses = (yield from transactions_quotas.used_after(charges, now)) if charges else []
    used = 0
    if trial_limit is not None:
        [counted] = yield "count_trial", [{"account_id": account_id, "count": len(rows), "most": trial_limit}]
        if not counted:
            raise QuotaExceeded(f"the trial allows {trial_limit} messages")
        used = counted[0][0]
    barred = yield from insert(rows)
    if barred is not None:
        if trial_limit is not None:
            yield "count_trial", [{"account_id": account_id, "count": -len(rows), "most": trial_limit}]
        raise OptedOut(barred)
    if uses:
        yield "keep_uses", uses
    if idempotency:
        [kept] = yield "remember", [{**record, "trial_sent": used}]
        if not kept:
            raise Again
    return None, used


def claim(
    lanes: Sequence[tuple[str, int]], device: str, limit: int, now: int, leased_until: int, leased_by: str
) -> Generator[Ask, Answer, list[Row]]:
    """Returns whole rows of messages. A lane is a queue and a SIM: each is one range of the index, so others' messages cost nothing."""
    claimed: list[Row] = []
    while len(claimed) < limit:
        room = limit - len(claimed)
        found = yield "due_in_lane", [{"queue": queue, "sim": sim, "now": now, "limit": room} for queue, sim in lanes]
        first = sorted(chain.from_iterable(found), key=_by_due)[:room]
        ended = [{"id": id, "now": now} for id, _, expires in first if expires <= now]
        live = [id for id, _, expires in first if expires > now]
        lease = {"device": device, "leased_until": leased_until, "leased_by": leased_by}
        if live:
            taken = yield "take", [{"id": id, **lease} for id in live]
            claimed += chain.from_iterable(taken)
        if ended:
            yield "expire", ended
        if len(first) < room or not ended:
            break
    return claimed


def settle(told: str, change: dict[str, Any]) -> Transaction:
    yield f"settle_{told}", [change]


def report(told: str, change: dict[str, Any]) -> Transaction:
    """Whether there is such a message; old news about one changes nothing."""
    [moved] = yield f"report_{told}", [change]
    if moved:
        return True
    [[[known]]] = yield "reported", [change]
    if known is None:
        return False
    # its submit may have been settled between the two: then this is no old news
    yield f"report_{told}", [change]
    return True


def acknowledge(asked: dict[str, Any]) -> Transaction:
    """Whether the device has ever been given this try of this message."""
    [moved] = yield "acknowledge", [asked]
    if moved:
        return True
    [known] = yield "acknowledged", [asked]
    return bool(known)


def first_due(lanes: Sequence[tuple[str, int]]) -> Transaction:
    found = yield "first_due", [{"queue": queue, "sim": sim} for queue, sim in lanes]
    return min((due for (due,) in chain.from_iterable(found)), default=None)


def count_due(lanes: Sequence[tuple[str, int]], now: int, limit: int) -> Generator[Ask, Answer, int]:
    found = yield "count_due", [{"queue": queue, "sim": sim, "now": now, "limit": limit} for queue, sim in lanes]
    return sum(count for ((count,),) in found)


def sent_since(account_id: int, device: str, since: int, now: int) -> Generator[Ask, Answer, list[Row]]:
    """A SIM, a time and a queue for each message that the device has sent or has in its hands."""
    asked = {"account_id": account_id, "device": device, "since": since, "now": now}
    [sent] = yield "sent_since", [asked]
    [taken] = yield "taken_since", [asked]
    [leased] = yield "leased_now", [asked]
    return [*sent, *taken, *leased]


def recover(now: int, leased_by: str | None, deduplicating: Sequence[str]) -> Generator[Ask, Answer, list[str]]:
    """Returns the guids of those whose outcome nobody knows."""
    if leased_by is None:
        [leased] = yield "lease_ended", [{"now": now}]
    else:
        [leased] = yield "leased_by", [{"leased_by": leased_by}]
    requeued, given_up = [], []
    for id, _, device, queue, leased_until, resend_unknown in leased:
        lease = {"id": id, "leased_until": leased_until, "now": now, "in_doubt": device in deduplicating}
        if device in deduplicating:
            # only this device knows that it has it already, so no other may be asked
            requeued.append({**lease, "queue": device + WHATSAPP_QUEUE if queue.endswith(WHATSAPP_QUEUE) else device})
        elif resend_unknown:
            requeued.append({**lease, "queue": queue})
        else:
            given_up.append(lease)
    if requeued:
        yield "requeue", requeued
    if not given_up:
        return []
    unknown = yield "give_up", given_up
    return [guid for (guid,) in chain.from_iterable(unknown)]


def expire(now: int, limit: int) -> Generator[Ask, Answer, int]:
    """How many messages have ended. Idempotency records that have ended go with them."""
    yield "forget", [{"ended": now - IDEMPOTENCY_MS, "limit": limit}]
    [ended] = yield "ended", [{"now": now, "limit": limit}]
    [silent] = yield "silence", [{"before": now - SILENCE_MS, "limit": limit - len(ended)}]
    if not ended:
        return len(silent)
    expired = yield "expire", [{"id": id, "now": now} for (id,) in ended]
    return len(silent) + sum(map(len, expired))


def ask(statement: str, parameters: dict[str, Any]) -> Generator[Ask, Answer, list[Row]]:
    """One statement with rows, on its own."""
    [rows] = yield statement, [parameters]
    return rows


def tell(statement: str, parameters: dict[str, Any]) -> Transaction:
    """One statement without rows, on its own."""
    yield statement, [parameters]


def accepting(accept: Callable[..., Transaction]) -> Mapping[str, Callable[..., Transaction]]:
    """Every way to accept messages, over the engine's own."""
    linking = transactions_links.operations(accept)
    return {"accept": accept, **linking, **transactions_submits.operations(linking["accept_with_more"], Again)}


OPERATIONS: Mapping[str, Callable[..., Transaction]] = {
    **accepting(accept),
    "claim": claim,
    "settle": settle,
    "report": report,
    "acknowledge": acknowledge,
    "first_due": first_due,
    "count_due": count_due,
    "sent_since": sent_since,
    "recover": recover,
    "expire": expire,
    **transactions_mailbox.OPERATIONS,
    "ask": ask,
    "tell": tell,
    **transactions_keys.OPERATIONS,
    **transactions_webhooks.OPERATIONS,
    **transactions_search.OPERATIONS,
    **transactions_enrolment.OPERATIONS,
    **transactions_optouts.OPERATIONS,
    **transactions_audience.OPERATIONS,
}

MAY_INTERLEAVE = frozenset({"accept", "settle", "report", "receive", "tell", "keep_refused"})
"""Those whose every statement may run between the statements of others in one batch."""
