"""What an account can see of its messages and do with them. Another account's message is as unknown as one that never was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from service.accounts import Account
from service.errors import Invalid, NotFound, WrongState
from service.fleet import Fleet
from service.lifecycle import Status
from service.mailbox_queries import InboxQuery, Span, Talk
from service.messages import MtMessage, ReceivedMessage, id_of
from service.ports import Clock, SentQuery, Store
from service.submits import NamedSubmit, SubmitQuery, Submitted

MOST_ROWS = 200
MOST_RECEIVED = 500
MOST_TALKS = 200
MOST_OF_A_TALK = 500
"""messages of each side of a conversation"""
MOST_ALIAS = 255
DEVICE_LOG = timedelta(days=7)
"""how far back what devices sent is listed"""
ALWAYS = Span(since=datetime(1970, 1, 1, tzinfo=UTC), until=datetime(2200, 1, 1, tzinfo=UTC))
LOOK_THROUGH = 10_000
"""how many submits are looked through for those that fit"""
_PAGE = 1_000


@dataclass(kw_only=True)
class Mailbox:
    store: Store
    fleet: Fleet
    clock: Clock
    on_queued: Callable[[int, str | None], None] = lambda account_id, device: None
    """told of each message that is to be sent again: its account, and the device if it wants one"""
    on_cancel: Callable[[MtMessage], bool] = lambda message: False
    """told of each message that is not wanted any more while a device may have it; whether that device can be asked to leave it"""

    async def sent(self, query: SentQuery) -> list[MtMessage]:
        """MT messages of `query.account_id`, newest first."""
        return await self.store.sent(query)

    async def submitted(self, account: Account, name: str) -> Submitted:
        """The messages of the submit of this name, or the one message of this guid. Raises NotFound, also when all of them are deleted."""
        submit = await self.store.find_submit(account.id, name)
        if submit is None and (id := id_of(name)) is not None:
            submit = NamedSubmit(account_id=account.id, name=name, guids=(name,), first_id=id)
        messages = await self.store.messages_of(account.id, submit.guids) if submit else []
        if submit is None or not messages:
            raise NotFound("there is no such message")
        return Submitted(submit=submit, messages=tuple(messages))

    async def all_submitted(self, query: SubmitQuery, wanted: Callable[[Submitted], bool] | None = None) -> tuple[list[Submitted], int]:
        """Named submits with their messages, and how many there are in all; with `wanted` among the first LOOK_THROUGH of the span."""
        if wanted is None:
            found = await self._with_messages(query.account_id, await self.store.submits(query))
            return [each for each in found if each.messages], await self.store.count_submits(query.account_id, query.span)
        fitting = []
        for offset in range(0, LOOK_THROUGH, _PAGE):
            page = await self.store.submits(replace(query, limit=_PAGE, offset=offset))
            fitting += [each for each in await self._with_messages(query.account_id, page) if each.messages and wanted(each)]
            if len(page) < _PAGE:
                break
        return fitting[query.offset :][: query.limit], len(fitting)

    async def _with_messages(self, account_id: int, submits: list[NamedSubmit]) -> list[Submitted]:
        guids = [guid for submit in submits for guid in submit.guids]
        found = {message.guid: message for message in await self.store.messages_of(account_id, guids)}
        return [Submitted(submit=each, messages=tuple(found[guid] for guid in each.guids if guid in found)) for each in submits]

    async def cancel(self, account: Account, name: str) -> Submitted:
        """What waits of a submit is not sent; what a device may have, it is asked to leave. How it is now.

        Raises NotFound, or WrongState when nothing of it could be stopped any more.
        """
        found = await self.submitted(account, name)
        stopped = [await self._stop(message) for message in found.messages]
        if not any(stopped):
            raise WrongState("the message is not pending any more")
        return await self.submitted(account, name)

    async def _stop(self, message: MtMessage) -> bool:
        if await self.store.cancel(message.account_id, message.guid, self.clock()):
            return True
        now = await self.store.messages_of(message.account_id, (message.guid,))
        return any(self.on_cancel(each) for each in now if each.status is Status.SENDING or each.in_doubt)

    async def resend(self, account: Account, guid: str) -> int:
        """Queue a message that failed, expired, or whose outcome is unknown for a new try; the how manieth it is.

        Raises NotFound, or WrongState for any other message, and for one that we refused: nothing has become of its fault.
        """
        found = await self.store.sent(SentQuery(account_id=account.id, guid=guid))
        if not found:
            raise NotFound("there is no such message")
        message, now = found[0], self.clock()
        wanted = message.wanted_device
        if wanted is not None and self.fleet.get(account.id, wanted) is None:
            wanted = None
        expires = now + timedelta(seconds=account.validity_s)
        attempt = await self.store.resend(message, now=now, expires=expires, wanted_device=wanted)
        if attempt is None:
            raise WrongState("only a message that has failed, expired or is of unknown outcome can be sent again")
        self.on_queued(account.id, wanted)
        return attempt

    async def received(self, query: InboxQuery) -> list[ReceivedMessage]:
        """MO messages: those that we kept last, the newest by the phones' own clocks first."""
        found = await self.store.inbox_of(query)
        return sorted(found, key=lambda row: (row.received, row.id), reverse=True)

    async def set_read(self, account: Account, guid: str) -> None:
        """Raises NotFound."""
        if not await self.store.set_read(account.id, guid.upper()):
            raise NotFound("there is no such message")

    async def set_alias(self, account: Account, guid: str, alias: str | None) -> None:
        """What the account calls the sender of a message; None for nothing. Raises Invalid, NotFound."""
        if alias is not None and len(alias) > MOST_ALIAS:
            raise Invalid("alias", f"is longer than {MOST_ALIAS} characters")
        if not await self.store.set_alias(account.id, guid.upper(), alias):
            raise NotFound("there is no such message")

    async def delete(self, account: Account, guid: str) -> int:
        """How many messages are gone, 0 or 1. One that waits is not sent; one that is being sent stays, its device is asked to leave it."""
        found = await self.store.sent(SentQuery(account_id=account.id, guid=guid.lower()))
        gone = await self.store.delete_one(account.id, guid.lower()) or await self.store.delete_one(account.id, guid.upper())
        for message in found:
            if message.status is Status.SENDING or message.in_doubt:
                self.on_cancel(message)
        return gone

    async def delete_days(self, account: Account, first: date, last: date) -> int:
        """All of these days in the account's zone, sent and received, but what is being sent; how many. Raises Invalid."""
        if last < first:
            raise Invalid("date_end", "is before date_start")
        return await self.store.delete_span(account.id, days(first, last, account.zone))

    async def sent_from_devices(self, account: Account) -> AsyncIterator[MtMessage]:
        """What the account's devices reported as sent in the last 7 days, newest first, where that is to be listed."""
        listed = {device.id for device in self.fleet.of(account.id) if device.sync_sent}
        now = self.clock()
        span, last = Span(since=now - DEVICE_LOG, until=now + timedelta(days=1)), None
        page = await self.store.sent_page(account.id, span, _PAGE, None) if listed else []
        while page:
            for message in page:
                if message.device in listed:
                    yield message
            last = page[-1]
            page = await self.store.sent_page(account.id, span, _PAGE, last) if len(page) == _PAGE else []

    async def conversations(self, account: Account, *, sent: bool, span: Span, limit: int, lines: int) -> list[Talk]:
        """Those with whom the account spoke last, the latest first: whom it sent to (`sent`), or who sent to it."""
        numbers = await self.store.talks(account.id, sent=sent, span=span, limit=limit)
        return [await self.store.talk(account.id, number, span=span, limit=lines) for number in numbers]

    async def conversation(self, account: Account, number: str, *, span: Span, lines: int) -> Talk | None:
        """With one number in its normalised form; None when nothing was said."""
        talk = await self.store.talk(account.id, number, span=span, limit=lines)
        return talk if talk.incoming or talk.outgoing else None


def days(first: date, last: date, zone: ZoneInfo) -> Span:
    """Both included."""
    return Span(since=_midnight(first, zone), until=_midnight(last + timedelta(days=1), zone))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
