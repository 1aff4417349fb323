"""The mailbox of the Store on an SQL engine. A part of sql.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from adapters.storage import rows
from adapters.storage.rows import ms, storable, storable_or_none, when
from adapters.storage.sql_optouts import reacted
from adapters.storage.sql_search import SqlSearch
from adapters.storage.statements_mailbox import INBOX
from adapters.storage.transactions import LAST_ID
from service.accounts import Account
from service.errors import IdTaken
from service.fleet import Device
from service.mailbox_queries import DELETE_AT_ONCE, InboxQuery, Span, Talk
from service.messages import Ids, MoMessage, MtMessage, ReceivedMessage, first_id, id_of, queue_of, received_guid, received_id_of
from service.optouts import Reaction

if TYPE_CHECKING:
    from adapters.storage.sql import Engine

FLUSH_AT_ONCE = 100


class SqlMailbox(SqlSearch):
    """A service.ports.MailboxStore."""

    engine: Engine
    _ids: Ids

    async def received(
        self, message: MoMessage, account_id: int, now: datetime, *, sender: str | None = None, reaction: Reaction | None = None
    ) -> bool:
        row: dict[str, Any] = {
            "account_id": account_id,
            "device": message.device,
            "sim": message.sim,
            "sender": storable(message.sender if sender is None else sender),
            "text": storable(message.text),
            "received": ms(message.received),
            "offset_s": rows.offset_s(message.received),
            "created": ms(now),
            "device_message_id": storable_or_none(message.device_message_id),
            "is_read": False,
            "alias": None,
            "missing_parts": 0,
        }
        fingerprint, part = rows.fingerprint_of(message), message.part
        while True:
            row["id"], row["guid"] = self._new(now)
            try:
                if part is None:
                    return bool(await self.engine.write("receive", row, fingerprint, reacted(reaction, self._ids, now)))
                place = (part.reference, part.number, part.total)
                return bool(await self.engine.write("receive_part", row, place, fingerprint, self._new(now)))
            except IdTaken:
                continue

    def _new(self, now: datetime) -> tuple[int, str]:
        id = self._ids.new(now)[0]
        return id, received_guid(id)

    async def flush_parts(self, before: datetime, now: datetime) -> int:
        ids = tuple(self._new(now) for _ in range(FLUSH_AT_ONCE))
        return int(await self.engine.write("flush_parts", ms(before), ms(now), ids))

    async def inbox_of(self, query: InboxQuery) -> list[ReceivedMessage]:
        asked = {"account_id": query.account_id, "device": query.device, "limit": query.limit, "offset": query.offset}
        span = {
            "from_id": 0 if query.since is None else first_id(query.since),
            "until_id": LAST_ID if query.until is None else first_id(query.until),
        }
        if query.keyword is not None:
            also = {"from_id": span["from_id"], "before_id": span["until_id"], "unread": True if query.unread else None}
            most = {**asked, **also, "limit": query.offset + query.limit}
            return [received_of(row) for row in await self._search("received", query.keyword, most)][query.offset :]
        name = INBOX[query.device is not None, query.unread]
        return [received_of(row) for row in await self.engine.read("ask", name, {**asked, **span})]

    async def received_one(self, account_id: int, guid: str) -> ReceivedMessage | None:
        found = await self._one("received_one", account_id, guid)
        return received_of(found[0]) if found else None

    async def set_read(self, account_id: int, guid: str) -> bool:
        return bool(await self._one("set_read", account_id, guid, write=True))

    async def set_alias(self, account_id: int, guid: str, alias: str | None) -> bool:
        return bool(await self._one("set_alias", account_id, guid, write=True, alias=alias))

    async def _one(self, name: str, account_id: int, guid: str, *, write: bool = False, **also: Any) -> list[Any]:
        id = received_id_of(guid)
        if id is None:
            return []
        asked = {"id": id, "account_id": account_id, "guid": guid, **also}
        return list(await (self.engine.write if write else self.engine.read)("ask", name, asked))

    async def resend(self, message: MtMessage, *, now: datetime, expires: datetime, wanted_device: str | None) -> int | None:
        asked = {"id": message.id, "account_id": message.account_id, "guid": message.guid, "now": ms(now), "expires": ms(expires)}
        place = {"wanted_device": wanted_device, "queue": queue_of(message.account_id, wanted_device)}
        looked = {"account_id": message.account_id, "number": message.recipient, "sender": message.sender}
        found = await self.engine.write("resend", {**asked, **place}, looked)
        return int(found[0][0]) if found else None

    async def delete_one(self, account_id: int, guid: str) -> int:
        id = id_of(guid)
        if id is None:
            return len(await self._one("delete_received_one", account_id, guid, write=True))
        return len(await self.engine.write("ask", "delete_sent_one", {"id": id, "account_id": account_id, "guid": guid}))

    async def delete_span(self, account_id: int, span: Span) -> int:
        ids, count = (first_id(span.since), first_id(span.until)), 0
        while True:
            gone = await self.engine.write("delete_span", *ids, account_id, DELETE_AT_ONCE)
            count += int(sum(gone))
            if max(gone) < DELETE_AT_ONCE:
                return count

    async def sent_page(self, account_id: int, span: Span, limit: int, after: MtMessage | None) -> list[MtMessage]:
        before = (ms(span.until) - 1, (1 << 63) - 1) if after is None or after.sent is None else (ms(after.sent), after.id)
        asked = {"account_id": account_id, "since": ms(span.since), "before": before[0], "before_id": before[1], "limit": limit}
        return [rows.message_of(row) for row in await self.engine.read("ask", "sent_page", asked)]

    async def talks(self, account_id: int, *, sent: bool, span: Span, limit: int) -> list[str]:
        asked = {"account_id": account_id, "since": ms(span.since), "until": ms(span.until), "limit": limit}
        return [number for (number,) in await self.engine.read("ask", "sent_lately" if sent else "received_lately", asked)]

    async def talk(self, account_id: int, number: str, *, span: Span, limit: int) -> Talk:
        asked = {"account_id": account_id, "number": number, "since": ms(span.since), "until": ms(span.until), "limit": limit}
        outgoing = await self.engine.read("ask", "sent_to", asked)
        incoming = await self.engine.read("ask", "received_from", asked)
        alias = await self.engine.read("ask", "alias", {"account_id": account_id, "number": number})
        return Talk(
            number=number,
            alias=alias[0][0] if alias else None,
            incoming=tuple(map(received_of, incoming)),
            outgoing=tuple(map(rows.message_of, outgoing)),
        )

    async def account(self, id: int) -> Account | None:
        found = await self.engine.read("ask", "account", {"id": id})
        return rows.account_of(found[0]) if found else None

    async def unlink_device(self, device: Device) -> None:
        await self.engine.write("unlink", device.id, queue_of(device.account_id, None))


def received_of(row: Sequence[Any]) -> ReceivedMessage:
    """Columns as schema.received has them."""
    (id, account_id, device, sim, sender, text, received, created, device_message_id) = row[:9]
    guid, number, offset_s, is_read, alias, missing_parts = row[9:]
    return ReceivedMessage(
        id=id,
        guid=guid,
        number=number,
        account_id=account_id,
        device=device,
        sender=sender,
        text=text,
        received=when(received).astimezone(timezone(timedelta(seconds=offset_s))),
        created=when(created),
        sim=sim,
        device_message_id=device_message_id,
        is_read=bool(is_read),
        alias=alias,
        missing_parts=missing_parts,
    )
