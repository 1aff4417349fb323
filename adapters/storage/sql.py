"""The Store on an SQL engine: it turns the core's objects into the plain values of transactions.py, and the answers back.

No SQL here and no I/O: an Engine runs the transactions, in groups, each group one commit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from adapters.storage import rows
from adapters.storage.rows import ms, ms_or_none, storable, storable_or_none
from adapters.storage.search_terms import Grammar
from adapters.storage.sql_audience import SqlAudience
from adapters.storage.sql_enrolment import SqlEnrolment
from adapters.storage.sql_keys import SqlKeys
from adapters.storage.sql_links import SqlLinks, row_of
from adapters.storage.sql_mailbox import SqlMailbox
from adapters.storage.sql_optouts import SqlOptOuts
from adapters.storage.sql_submits import SqlSubmits, named_row
from adapters.storage.sql_webhooks import SqlWebhooks
from adapters.storage.transactions import LAST_ID
from service.fleet import Device
from service.lifecycle import Status
from service.messages import (
    WHATSAPP_QUEUE,
    Channel,
    DeliveryReport,
    FirstInLane,
    Ids,
    MtMessage,
    Receipt,
    first_in_lane,
    id_of,
    queue_of,
    try_of,
)
from service.ports import LOOK_AT_MOST, Acceptance, SentQuery, Settlement
from service.search import Wanted

_FINISHED = frozenset(s for s in Status if s.is_final)


class Engine(Protocol):
    """Runs the operations of transactions.OPERATIONS. Each raises Unavailable, or InDoubt, or what the transaction raises."""

    settings: tuple[str, ...]
    """what may be asked for as setting_..."""
    grammar: Grammar
    """how its search index is asked"""

    def write(self, operation: str, *arguments: Any) -> Awaitable[Any]:
        """Done is committed."""
        ...

    def read(self, operation: str, *arguments: Any) -> Awaitable[Any]: ...
    async def open(self) -> None: ...
    async def close(self) -> None: ...


@dataclass(kw_only=False)
class SqlStore(SqlKeys, SqlLinks, SqlMailbox, SqlSubmits, SqlWebhooks, SqlEnrolment, SqlOptOuts, SqlAudience):
    """A service.ports.Store."""

    engine: Engine
    _ids: Ids = field(default_factory=Ids, repr=False)

    async def open(self) -> None:
        """Brings the tables up to date. Raises Unavailable: no such place, in use by another server, or written by a newer version."""
        await self.engine.open()

    async def close(self) -> None:
        """What was asked for before is still done."""
        await self.engine.close()

    async def ready(self) -> None:
        await self.engine.write("tell", "beat", {})

    async def settings(self) -> dict[str, Any]:
        """What the connection that commits says of how it does."""
        return {name: (await self.engine.write("ask", f"setting_{name}", {}))[0][0] for name in self.engine.settings}

    async def accept(self, acceptance: Acceptance) -> Receipt:
        receipt, idempotency = acceptance.receipt, None
        if acceptance.idempotency:
            kept = rows.receipt_to_json(receipt)
            idempotency = (acceptance.idempotency.key, acceptance.idempotency.fingerprint, kept, ms(receipt.accepted))
        rows.check(acceptance)
        messages = tuple(map(rows.row_of, acceptance.messages))
        has_more = bool(acceptance.links or acceptance.sealed or acceptance.pins or acceptance.charges)
        operation, more = ("accept_with_more", _more(acceptance)) if has_more else ("accept", ())
        account_id = acceptance.messages[0].account_id
        asked = (messages, account_id, acceptance.trial_limit, idempotency)
        if acceptance.name is not None:
            named = named_row(account_id, acceptance.name, acceptance.messages)
            first, used = await self.engine.write("accept_named", *asked, *_more(acceptance), named)
        else:
            first, used = await self.engine.write(operation, *asked, *more)
        return rows.counted(receipt, used) if first is None else rows.receipt_of_json(first, used)

    async def keep_refused(self, message: MtMessage) -> None:
        await self.engine.write("keep_refused", rows.row_of(message))

    async def exists(self, id: int) -> bool:
        # asked of the writing side: after InDoubt only that knows that the lost transaction has ended
        return bool(await self.engine.write("ask", "exists", {"id": id}))

    async def claim(
        self,
        *,
        device: Device,
        limit: int,
        now: datetime,
        leased_until: datetime,
        leased_by: str,
        slots: Collection[int] | None = None,
    ) -> list[MtMessage]:
        claimed = await self.engine.write("claim", _lanes(device, slots), device.id, limit, ms(now), ms(leased_until), leased_by)
        return [rows.message_of(row) for row in claimed]

    async def next_due(self, device: Device, slots: Collection[int] | None = None) -> datetime | None:
        return rows.when_or_none(await self.engine.read("first_due", _lanes(device, slots)))

    async def first_in_lanes(self) -> list[FirstInLane]:
        found = await self.engine.read("ask", "first_in_lanes", {})
        return [first_in_lane(queue, sim or None, rows.when(due)) for queue, sim, due in found]

    async def waiting(self, device: Device, now: datetime) -> int:
        return int(await self.engine.read("count_due", _lanes(device, None), ms(now), LOOK_AT_MOST))

    async def sent_since(self, device: Device, since: datetime, now: datetime) -> list[tuple[int | None, datetime]]:
        found = await self.engine.read("sent_since", device.account_id, device.id, ms(since), ms(now))
        return [(0 if queue.endswith(WHATSAPP_QUEUE) else sim, rows.when(at)) for sim, at, queue in found]

    async def release(self, now: datetime, device: str | None = None) -> list[int]:
        if device is None:
            freed = await self.engine.write("ask", "release_ended", {"now": ms(now)})
        else:
            freed = await self.engine.write("ask", "release_of_device", {"device": device})
        return sorted({account_id for (account_id,) in freed})

    async def settle(self, settlement: Settlement) -> None:
        told, now = settlement.status, ms(settlement.now)
        change = {
            "id": settlement.id,
            "attempts": settlement.attempts,
            "now": now,
            "due": (ms_or_none(settlement.due) or now) if told is Status.QUEUED else None,
            "same_device": settlement.same_device,
            "given_back": settlement.given_back,
            "sim": settlement.sim,
            "device_message_id": storable_or_none(settlement.device_message_id),
            "sent": now if told is Status.SENT else None,
            "finished": now if told in _FINISHED else None,
            "error": storable_or_none(settlement.error),
        }
        await self.engine.write("settle", told.value, change)

    async def report(self, report: DeliveryReport, now: datetime) -> bool:
        change = {
            "device": report.device,
            "device_message_id": storable(report.device_message_id),
            "at": ms(report.at),
            "error": storable_or_none(report.error),
        }
        return bool(await self.engine.write("report", report.status.value, change))

    async def acknowledge(self, device: str, device_message_id: str, now: datetime) -> bool:
        its = try_of(device_message_id)
        if its is None:
            return False
        asked = {"id": its.id, "guid": its.guid, "resends": its.resends, "device": device, "now": ms(now)}
        return bool(await self.engine.write("acknowledge", {**asked, "device_message_id": device_message_id}))

    async def taken_before(self, device: str, before: datetime, limit: int, *, after: MtMessage | None = None) -> list[MtMessage]:
        asked = {"device": device, "before": ms(before), "limit": limit, "after": 0, "after_id": 0}
        if after is not None and after.taken is not None:
            asked |= {"after": ms(after.taken), "after_id": after.id}
        return [rows.message_of(row) for row in await self.engine.read("ask", "taken_before", asked)]

    async def recover(self, *, now: datetime, leased_by: str | None, deduplicating: Sequence[str]) -> list[str]:
        return list(await self.engine.write("recover", ms(now), leased_by, tuple(deduplicating)))

    async def expire(self, now: datetime, limit: int) -> int:
        return int(await self.engine.write("expire", ms(now), limit))

    async def sent(self, query: SentQuery) -> list[MtMessage]:
        asked = {
            "account_id": query.account_id,
            "before_id": LAST_ID if query.before_id is None else query.before_id,
            "refused": query.refused,
            "failed": query.failed,
            "limit": query.limit,
        }
        if query.guid is None:
            read = self.engine.read("ask", "sent", asked) if query.keyword is None else self._search("sent", query.keyword, asked)
            return [rows.message_of(row) for row in await read]
        id = id_of(query.guid)
        found = [] if id is None else await self.engine.read("ask", "sent_one", {**asked, "id": id, "guid": query.guid})
        one = [rows.message_of(row) for row in found[: query.limit]]
        return one if query.keyword is None else [m for m in one if Wanted.of(query.keyword).is_in(m.recipient, m.text)]

    async def save_device(self, device: Device) -> None:
        await self.engine.write("tell", "save_device", rows.device_row(device))

    async def devices(self) -> list[Device]:
        return [rows.device_of(row) for row in await self.engine.read("ask", "devices", {})]


def _lanes(device: Device, slots: Collection[int] | None) -> tuple[tuple[str, int], ...]:
    """The device's own queue and its account's pool, for each SIM that it has, or may use, and for messages that leave the SIM to us (0);
    with WhatsApp the same two again."""
    queues = (device.id, queue_of(device.account_id, None))
    usable = device.slots if slots is None else slots
    lanes = tuple((queue, sim) for queue in queues for sim in (0, *usable)) if usable else ()
    if not device.whatsapp:
        return lanes
    return (*lanes, *((queue_of(device.account_id, wanted, Channel.WHATSAPP), 0) for wanted in (device.id, None)))


def _more(acceptance: Acceptance) -> tuple[Any, ...]:
    """Rows of links, rows of sealed, pins, charges, and the time."""
    pins = tuple({"id": pin.id, "device": pin.device, "sim": pin.sim, "until": ms(pin.until)} for pin in acceptance.pins)
    sealed = (row_of(acceptance.sealed),) if acceptance.sealed else ()
    charges = tuple(map(rows.charge_row, acceptance.charges))
    return tuple(map(row_of, acceptance.links)), sealed, pins, charges, ms(acceptance.receipt.accepted)
