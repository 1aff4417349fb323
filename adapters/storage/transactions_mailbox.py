"""What the mailbox's operations do, without doing any I/O. A part of transactions.py, whose rules hold here too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adapters.storage.transactions_optouts import react
from service.segments import GAP

if TYPE_CHECKING:
    from adapters.storage.transactions import Row, Transaction

_GROUP = ("device", "sender", "reference", "total")


def receive(row: dict[str, Any], fingerprint: bytes | None, reaction: Any = None) -> Transaction:
    """Whether it is new. Without a fingerprint every reception is. `row` is one of received, but for its number; `reaction` are the
    arguments of transactions_optouts.react."""
    if not (yield from _note(row, fingerprint)):
        return False
    yield from _keep(row)
    if reaction is not None:
        yield from react(*reaction)
    return True


def receive_part(row: dict[str, Any], part: tuple[int, int, int], fingerprint: bytes | None, spare: tuple[int, str]) -> Transaction:
    """Whether it is new. `part` is the reference, the part's number from 1, and the total.

    The part that makes a message whole brings it into the inbox. References come round again: a part that is there already, with another
    text, begins another message, and what there was of the first one is delivered, under the id and guid `spare`.
    """
    reference, number, total = part
    if not (yield from _note(row, fingerprint)):
        return False
    group = {"device": row["device"], "sender": row["sender"], "reference": reference, "total": total}
    [there] = yield "parts", [group]
    same = [text for n, text, *_ in there if n == number]
    if row["text"] in same:
        return False
    if same:
        yield from _join({**row, "id": spare[0], "guid": spare[1]}, group)
        there = []
    content = {name: row[name] for name in ("account_id", "sim", "text", "received", "offset_s", "created", "device_message_id")}
    yield "insert_part", [{**group, **content, "part": number}]
    if len(there) + 1 == total:
        yield from _join(row, group)
    return True


def flush_parts(before: int, now: int, ids: Sequence[tuple[int, str]]) -> Transaction:
    """Deliver what there is of messages whose newest part came at `before` or earlier; how many. `ids` are for them, and their most."""
    [stale] = yield "stale_parts", [{"before": before, "limit": len(ids)}]
    for (account_id, *key), (id, guid) in zip(stale, ids, strict=False):
        group = dict(zip(_GROUP, key, strict=True))
        row = {"id": id, "guid": guid, "account_id": account_id, "device": group["device"], "sender": group["sender"], "created": now}
        yield from _join({**row, "is_read": False, "alias": None}, group)
    return len(stale)


def _note(row: dict[str, Any], fingerprint: bytes | None) -> Transaction:
    if fingerprint is None:
        return True
    [noted] = yield "note_reception", [{"device": row["device"], "fingerprint": fingerprint, "received_id": row["id"]}]
    return bool(noted)


def _keep(row: dict[str, Any]) -> Transaction:
    [[(number,)]] = yield "next_number", [{"account_id": row["account_id"]}]
    yield "insert_received", [{**row, "number": number}]


def _join(row: dict[str, Any], group: dict[str, Any]) -> Transaction:
    """One message of the parts that are there; another process may have taken them, and then there are none."""
    [taken] = yield "take_parts", [group]
    if taken:
        yield from _keep({**row, **joined(sorted(taken), group["total"])})


def joined(parts: Sequence[Row], total: int) -> dict[str, Any]:
    """`parts` in their order, as statements_mailbox.PART_CONTENT has them. A gap shows in the text."""
    text, expected = "", 1
    for number, piece, *_ in parts:
        text += (GAP if number > expected else "") + piece
        expected = number + 1
    text += GAP if expected <= total else ""
    _, _, sim, received, offset_s, device_message_id = parts[0]
    first = {"sim": sim, "received": received, "offset_s": offset_s, "device_message_id": device_message_id}
    return {**first, "text": text, "missing_parts": total - len(parts)}


def delete_span(from_id: int, to_id: int, account_id: int, limit: int) -> Transaction:
    """How many rows are gone, sent and received; fewer than `limit` of each when none is left."""
    span = {"account_id": account_id, "from_id": from_id, "to_id": to_id, "limit": limit}
    [sent] = yield "delete_sent", [span]
    [received] = yield "delete_received", [span]
    return len(sent), len(received)


def unlink(device: str, pool: str) -> Transaction:
    of = {"device": device, "pool": pool}
    # first those that it has not: whatever else waits for it may have been sent by it
    yield "free_waiting", [of]
    yield "give_up_waiting", [of]
    yield "give_up_taken", [of]
    yield "free_leased", [of]
    yield "delete_device_secrets", [of]
    yield "delete_device", [of]


OPERATIONS: Mapping[str, Callable[..., Transaction]] = {
    "receive": receive,
    "receive_part": receive_part,
    "flush_parts": flush_parts,
    "delete_span": delete_span,
    "unlink": unlink,
}
