"""The mailbox of the store in memory. A part of memory.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

from adapters.storage.memory_optouts import MemoryOptOuts
from adapters.storage.rows import fingerprint_of, offset_s, storable, storable_or_none
from adapters.storage.transactions_mailbox import joined
from service.accounts import Account
from service.errors import OptedOut
from service.fleet import Device
from service.lifecycle import Status, advance
from service.mailbox_queries import InboxQuery, Span, Talk
from service.messages import Ids, MoMessage, MtMessage, ReceivedMessage, received_guid
from service.optouts import Reaction
from service.search import Wanted

_Group = tuple[str, str, int, int]


@dataclass
class MemoryMailbox(MemoryOptOuts):
    """A service.ports.MailboxStore."""

    inbox: list[tuple[int, MoMessage]] = field(default_factory=list)
    """the account and what it received, as the device told it"""
    _messages: dict[int, MtMessage] = field(default_factory=dict)
    _queues: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """ids of those that wait"""
    _pinned: dict[int, str] = field(default_factory=dict)
    """the device that must have the next try"""
    _reported: dict[tuple[str, str], int] = field(default_factory=dict)
    _accounts: dict[str, Account] = field(default_factory=dict)
    _devices: dict[str, Device] = field(default_factory=dict)
    _receptions: set[tuple[str, bytes]] = field(default_factory=set)
    _received: dict[int, ReceivedMessage] = field(default_factory=dict)
    _numbers: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    _parts: dict[_Group, dict[int, ReceivedMessage]] = field(default_factory=dict)
    _mo_ids: Ids = field(default_factory=Ids)

    async def received(
        self, message: MoMessage, account_id: int, now: datetime, *, sender: str | None = None, reaction: Reaction | None = None
    ) -> bool:
        fingerprint = fingerprint_of(message)
        if fingerprint is not None:
            if (message.device, fingerprint) in self._receptions:
                return False
            self._receptions.add((message.device, fingerprint))
        id, _ = self._mo_ids.new(now)
        row = ReceivedMessage(
            id=id,
            guid=received_guid(id),
            number=0,
            account_id=account_id,
            device=message.device,
            sender=storable(message.sender if sender is None else sender),
            text=storable(message.text),
            received=message.received.astimezone(timezone(timedelta(seconds=offset_s(message.received)))),
            created=now,
            sim=message.sim,
            device_message_id=storable_or_none(message.device_message_id),
        )
        if message.part is None:
            self._keep_received(row)
            if reaction is not None:
                self._react(reaction, now)
        else:
            group = (row.device, row.sender, message.part.reference, message.part.total)
            if not self._add_part(row, group, message.part.number):
                return False
        self.inbox.append((account_id, replace(message, sender=storable(message.sender), text=storable(message.text))))
        return True

    def _react(self, reaction: Reaction, now: datetime) -> None:
        if reaction.change is not None:
            self._change_optout(reaction.change)
        reply = self._reply_of(reaction, now)
        if reply is not None:
            self._messages[reply.id] = reply
            self._queues[reply.queue].add(reply.id)

    def _check_wanted(self, message: MtMessage) -> None:
        """Raises OptedOut."""
        if self._barred(message.account_id, message.recipient, message.sender):
            raise OptedOut(message.recipient)

    def _keep_received(self, row: ReceivedMessage) -> None:
        self._numbers[row.account_id] += 1
        self._received[row.id] = replace(row, number=self._numbers[row.account_id])

    def _add_part(self, row: ReceivedMessage, group: _Group, number: int) -> bool:
        there = self._parts.setdefault(group, {})
        if number in there:
            if there[number].text == row.text:
                return False
            self._join(group, row.created)
            there = self._parts.setdefault(group, {})
        there[number] = row
        if len(there) == group[3]:
            self._join(group, row.created)
        return True

    def _join(self, group: _Group, now: datetime) -> None:
        parts = self._parts.pop(group)
        rows = [(n, row.text, row.sim, row.received, 0, row.device_message_id) for n, row in sorted(parts.items())]
        whole = joined(rows, group[3])
        del whole["offset_s"]
        id, _ = self._mo_ids.new(now)
        self._keep_received(replace(next(iter(parts.values())), id=id, guid=received_guid(id), created=now, **whole))

    async def flush_parts(self, before: datetime, now: datetime) -> int:
        stale = [group for group, parts in self._parts.items() if max(part.created for part in parts.values()) <= before]
        for group in stale:
            self._join(group, now)
        return len(stale)

    async def inbox_of(self, query: InboxQuery) -> list[ReceivedMessage]:
        newest_first = sorted(self._received.values(), key=lambda row: row.id, reverse=True)
        return [row for row in newest_first if _is_listed(row, query)][query.offset :][: query.limit]

    async def received_one(self, account_id: int, guid: str) -> ReceivedMessage | None:
        return next((row for row in self._received.values() if (row.account_id, row.guid) == (account_id, guid)), None)

    async def set_read(self, account_id: int, guid: str) -> bool:
        return self._change(await self.received_one(account_id, guid), is_read=True)

    async def set_alias(self, account_id: int, guid: str, alias: str | None) -> bool:
        return self._change(await self.received_one(account_id, guid), alias=alias)

    def _change(self, row: ReceivedMessage | None, **fields: object) -> bool:
        if row is None:
            return False
        self._received[row.id] = replace(row, **fields)  # type: ignore[arg-type]
        return True

    async def resend(self, message: MtMessage, *, now: datetime, expires: datetime, wanted_device: str | None) -> int | None:
        kept = self._messages.get(message.id)
        if kept is None or kept.refusal is not None or kept.status is Status.SENDING:
            return None
        if (kept.account_id, kept.guid) != (message.account_id, message.guid):
            return None
        if advance(kept.status, Status.QUEUED) is kept.status:
            return None
        self._check_wanted(kept)
        self._pinned.pop(kept.id, None)
        self._forget_reports({kept.id})
        never: dict[str, None] = dict.fromkeys(("sent", "finished", "device_message_id"))
        kept = replace(kept, in_doubt=False, status=Status.QUEUED, due=now, expires=expires, wanted_device=wanted_device, **never)  # type: ignore[arg-type]
        self._messages[kept.id] = replace(kept, resends=kept.resends + 1, failures=0)
        self._queues[kept.queue].add(kept.id)
        return kept.resends + 1

    def _forget_reports(self, ids: set[int]) -> None:
        for key in [key for key, id in self._reported.items() if id in ids]:
            del self._reported[key]

    async def delete_one(self, account_id: int, guid: str) -> int:
        return self._delete(
            [m for m in self._messages.values() if (m.account_id, m.guid) == (account_id, guid)],
            [r for r in self._received.values() if (r.account_id, r.guid) == (account_id, guid)],
        )

    async def delete_span(self, account_id: int, span: Span) -> int:
        return self._delete(
            [m for m in self._messages.values() if m.account_id == account_id and span.since <= m.created < span.until],
            [r for r in self._received.values() if r.account_id == account_id and span.since <= r.created < span.until],
        )

    def _delete(self, sent: Sequence[MtMessage], received: Sequence[ReceivedMessage]) -> int:
        gone = {m.id for m in sent if m.status is not Status.SENDING}
        for id in gone:
            del self._messages[id]
            for ids in self._queues.values():
                ids.discard(id)
        self._forget_reports(gone)
        for row in received:
            del self._received[row.id]
        return len(gone) + len(received)

    async def sent_page(self, account_id: int, span: Span, limit: int, after: MtMessage | None) -> list[MtMessage]:
        found = self._sent(account_id, span)
        if after is not None and after.sent is not None:
            found = [m for m in found if m.sent is not None and (m.sent, m.id) < (after.sent, after.id)]
        return found[:limit]

    def _sent(self, account_id: int, span: Span) -> list[MtMessage]:
        """Newest first."""
        found = [(m.sent, m.id, m) for m in self._messages.values() if m.account_id == account_id and m.sent and _is_in(m.sent, span)]
        return [m for *_, m in sorted(found, key=lambda each: each[:2], reverse=True)]

    def _came(self, account_id: int, span: Span) -> list[ReceivedMessage]:
        found = [r for r in self._received.values() if r.account_id == account_id and _is_in(r.received, span)]
        return sorted(found, key=lambda r: (r.received, r.id), reverse=True)

    async def talks(self, account_id: int, *, sent: bool, span: Span, limit: int) -> list[str]:
        numbers = [m.recipient for m in self._sent(account_id, span)] if sent else [r.sender for r in self._came(account_id, span)]
        return list(dict.fromkeys(numbers))[:limit]

    async def talk(self, account_id: int, number: str, *, span: Span, limit: int) -> Talk:
        always = Span(since=datetime.min.replace(tzinfo=span.since.tzinfo), until=datetime.max.replace(tzinfo=span.since.tzinfo))
        aliases = [r.alias for r in self._came(account_id, always) if r.sender == number and r.alias is not None]
        return Talk(
            number=number,
            alias=aliases[0] if aliases else None,
            incoming=tuple(r for r in self._came(account_id, span) if r.sender == number)[:limit],
            outgoing=tuple(m for m in self._sent(account_id, span) if m.recipient == number)[:limit],
        )

    async def account(self, id: int) -> Account | None:
        return next((account for account in self._accounts.values() if account.id == id), None)

    async def unlink_device(self, device: Device) -> None:
        resend = {a.id for a in self._accounts.values() if a.resend_unknown}
        for id in self._queues.pop(device.id, set()):
            message = replace(self._messages[id], wanted_device=None)
            self._pinned.pop(id, None)
            if not message.in_doubt or message.account_id in resend:
                self._queues[message.queue].add(id)
            else:
                message = replace(message, status=Status.OUTCOME_UNKNOWN, due=None)
            self._messages[id] = replace(message, in_doubt=False)
        for id, message in self._messages.items():
            if message.status is Status.SENDING and message.device == device.id:
                freed = {"wanted_device": None} if message.taken is None else {"status": Status.OUTCOME_UNKNOWN, "taken": None}
                self._messages[id] = replace(message, **freed)
        self._devices.pop(device.id, None)


def _is_listed(row: ReceivedMessage, query: InboxQuery) -> bool:
    return (
        row.account_id == query.account_id
        and query.device in (None, row.device)
        and (query.since is None or row.created >= query.since)
        and (query.until is None or row.created < query.until)
        and not (query.unread and row.is_read)
        and (query.keyword is None or Wanted.of(storable(query.keyword)).is_in(row.sender, row.text))
    )


def _is_in(at: datetime, span: Span) -> bool:
    return span.since <= at < span.until
