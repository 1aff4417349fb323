"""The Store on an SQL engine: it turns the core's objects into the plain values of transactions.py, and the answers back.

No SQL here and no I/O: an Engine runs the transactions, in groups, each group one commit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import astuple, dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from adapters.storage import rows
from adapters.storage.rows import ms, ms_or_none, storable, storable_or_none
from adapters.storage.sql_webhooks import SqlWebhooks
from adapters.storage.transactions import LAST_ID
from service.accounts import Account, ApiKey
from service.errors import Conflict, IdTaken
from service.fleet import Device
from service.lifecycle import Status
from service.messages import DeliveryReport, Ids, MoMessage, MtMessage, Receipt, id_of, queue_of
from service.ports import Acceptance, SentQuery, Settlement

_FINISHED = frozenset(s for s in Status if s.is_final)


class Engine(Protocol):
    """Runs the operations of transactions.OPERATIONS. Each raises Unavailable, or InDoubt, or what the transaction raises."""

    settings: tuple[str, ...]
    """what may be asked for as setting_..."""

    def write(self, operation: str, *arguments: Any) -> Awaitable[Any]:
        """Done is committed."""
        ...

    def read(self, operation: str, *arguments: Any) -> Awaitable[Any]: ...
    async def open(self) -> None: ...
    async def close(self) -> None: ...


@dataclass(kw_only=False)
class SqlStore(SqlWebhooks):
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
        for message in acceptance.messages:
            rows.check(message)
        messages = tuple(map(rows.row_of, acceptance.messages))
        first, used = await self.engine.write("accept", messages, acceptance.messages[0].account_id, acceptance.trial_limit, idempotency)
        return rows.counted(receipt, used) if first is None else rows.receipt_of_json(first, used)

    async def keep_refused(self, message: MtMessage) -> None:
        await self.engine.write("accept", (rows.row_of(message),), message.account_id, None, None)

    async def exists(self, id: int) -> bool:
        # asked of the writing side: after InDoubt only that knows that the lost transaction has ended
        return bool(await self.engine.write("ask", "exists", {"id": id}))

    async def claim(self, *, device: Device, limit: int, now: datetime, leased_until: datetime, leased_by: str) -> list[MtMessage]:
        claimed = await self.engine.write("claim", _lanes(device), device.id, limit, ms(now), ms(leased_until), leased_by)
        return [rows.message_of(row) for row in claimed]

    async def next_due(self, device: Device) -> datetime | None:
        return rows.when_or_none(await self.engine.read("first_due", _lanes(device)))

    async def settle(self, settlement: Settlement) -> None:
        told, now = settlement.status, ms(settlement.now)
        change = {
            "id": settlement.id,
            "due": (ms_or_none(settlement.due) or now) if told is Status.QUEUED else None,
            "same_device": settlement.same_device,
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
            "pattern": None if query.keyword is None else _pattern(query.keyword),
            "limit": query.limit,
        }
        if query.guid is None:
            found = await self.engine.read("ask", "sent", asked)
        else:
            id = id_of(query.guid)
            found = [] if id is None else await self.engine.read("ask", "sent_one", {**asked, "id": id, "guid": query.guid})
        return [rows.message_of(row) for row in found[: query.limit]]

    async def received(self, message: MoMessage, account_id: int, now: datetime) -> bool:
        row = {
            "account_id": account_id,
            "device": message.device,
            "sim": message.sim,
            "sender": storable(message.sender),
            "text": storable(message.text),
            "received": ms(message.received),
            "created": ms(now),
            "device_message_id": storable_or_none(message.device_message_id),
        }
        while True:
            row["id"] = self._ids.new(now)[0]
            try:
                return bool(await self.engine.write("receive", row, rows.fingerprint_of(message)))
            except IdTaken:
                continue

    async def create_account(self, account: Account) -> Account:
        made = {name: value for name, value in zip(account.__slots__, astuple(account), strict=True) if name != "id"}
        given = await self.engine.write("ask", "create_account", made)
        if not given:
            raise Conflict("there is an account of this name already")
        return replace(account, id=given[0][0])

    async def find_account(self, name: str) -> Account | None:
        found = await self.engine.read("ask", "find_account", {"name": name})
        return rows.account_of(found[0]) if found else None

    async def create_key(self, key: ApiKey) -> ApiKey:
        made = {"account_id": key.account_id, "label": key.label, "digest": key.digest, "scopes": key.scopes.value}
        given = await self.engine.write("ask", "create_key", {**made, "expires": ms_or_none(key.expires)})
        return replace(key, id=given[0][0])

    async def find_key(self, digest: bytes) -> tuple[ApiKey, Account] | None:
        found = await self.engine.read("ask", "find_key", {"digest": digest})
        return (rows.key_of(found[0][:6]), rows.account_of(found[0][6:])) if found else None

    async def save_device(self, device: Device) -> None:
        await self.engine.write("tell", "save_device", dict(zip(device.__slots__, astuple(device), strict=True)))

    async def devices(self) -> list[Device]:
        return [Device(**dict(zip(Device.__slots__, row, strict=True))) for row in await self.engine.read("ask", "devices", {})]


def _lanes(device: Device) -> tuple[tuple[str, int], ...]:
    """The device's own queue and its account's pool, for each SIM that it has and for messages that leave the SIM to us (0)."""
    queues = (device.id, queue_of(device.account_id, None))
    return tuple((queue, sim) for queue in queues for sim in range(device.sims + 1))


def _pattern(keyword: str) -> str:
    escaped = keyword.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
