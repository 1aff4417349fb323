"""Devices that fetch their messages instead of being handed them: an outbox for each, and all outboxes of a process.

A message is offered; the device fetches it (it is handed out), says that it has it (acknowledges), and later what became of it. It is
told at once that there is something, where it keeps a line open; else it comes by itself now and then. Time comes as an argument, and
one `sweep` for all finds those that have fallen silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Protocol, TypeVar

from service.errors import SendFailed, Unavailable
from service.mailbox_queries import Span
from service.messages import Accepted, DeliveryReport, MoMessage, MtMessage, try_of
from service.ports import Inbox

CALLS_AGAIN = timedelta(minutes=15)
"""how long a device that is not told may take until it asks again"""
LISTENS_AGAIN = timedelta(minutes=1)
"""how long a device whose line was cut may take to open another"""
PATIENCE = timedelta(minutes=30)
"""an offer that nothing has become of for so long is withdrawn, though its device is there"""
REMIND = timedelta(minutes=10)
"""a device that listens is told to fetch when it has not done so for this long: news may have been lost"""
SEEN_EVERY = timedelta(minutes=15)
"""how often it is written down that a device was there"""
CANCELLED_FOR = timedelta(days=1)
SEEN = "seen"
"""under which name that is written down of a device: an ISO date"""

_T = TypeVar("_T")


class News(Enum):
    FETCH = auto()
    """there is something to fetch"""
    CANCEL = auto()
    """it should not send what it has fetched; with the id"""
    HOOKS = auto()
    """where it is to hand in what it receives may have changed"""
    SETTINGS = auto()
    """what is decided about it has changed"""
    HAND_IN = auto()
    """it should hand in again what it received; with the span, two ISO dates and a slash between"""


class Line(Protocol):
    """An open line to a device. A device may have several; it is told on all of them."""

    def tell(self, news: News, about: str = "") -> None: ...
    def hang_up(self) -> None:
        """The device is nobody's here any more."""
        ...


@dataclass(slots=True)
class _Offer:
    message: MtMessage
    answer: asyncio.Future[Accepted]
    since: datetime
    handed_out: bool = False


@dataclass(kw_only=True)
class Outbox:
    """What waits for one device, and how it is reached. Ids are those that the device knows messages by, `MtMessage.try_guid`."""

    device: str
    clock: Callable[[], datetime]
    seen: datetime | None = None
    """when it last called, or had a line open"""
    fetched: datetime | None = None
    """when it last fetched"""
    asked_again: datetime | None = None
    """when it was last asked about what it has acknowledged and not reported on"""
    asked_last: MtMessage | None = None
    """the last one that it was then asked about; the next time those come that follow it"""
    missed_since: datetime | None = None
    """when it was last there before this process started, until somebody has asked it what came in since"""
    is_greeted: bool = False
    """whether it was told to learn what is decided about it, since this process started or it joined"""
    calls_again: timedelta = CALLS_AGAIN
    """how long it takes, as a rule, until it calls again"""
    lines: set[Line] = field(default_factory=set)
    _offers: dict[str, _Offer] = field(default_factory=dict)
    _cancelled: dict[str, tuple[MtMessage, datetime]] = field(default_factory=dict)
    _inbox: Inbox | None = None
    _is_online: bool = False
    _is_told: bool = False
    """that there is something to fetch, since it last did"""
    _at_work: set[asyncio.Future[Any]] = field(default_factory=set)

    # what a driver does

    def open(self, inbox: Inbox) -> None:
        """From now on it is told what the device says, and whether it is there."""
        if self._inbox is None:
            self._inbox = inbox
            self._say_presence(self.clock())

    async def close(self) -> None:
        """Everything that was offered is refused; afterwards nobody is told anything."""
        self._withdraw(self._offers.values(), "the gateway lets go of the device")
        if self._is_online and self._inbox is not None:
            self._is_online = False
            self._inbox.online(self.device, False)
        self._inbox = None
        for task in self._at_work:
            task.cancel()
        # the refused submits end now, and not after this
        await asyncio.gather(asyncio.sleep(0), *self._at_work, return_exceptions=True)

    async def offer(self, message: MtMessage) -> Accepted:
        """Returns when the device has acknowledged the message. Raises SendFailed."""
        if not self._is_online:
            raise SendFailed("the device is not connected", given_back=True)
        offer = _Offer(message, asyncio.get_running_loop().create_future(), self.clock())
        self._offers[message.try_guid] = offer
        if not self._is_told:
            self._call()
        try:
            return await offer.answer
        finally:
            if self._offers.get(message.try_guid) is offer:
                del self._offers[message.try_guid]

    # what the device does

    def heard(self, now: datetime) -> None:
        """It has called."""
        if not self._is_online and not self.lines:
            self.calls_again = CALLS_AGAIN  # it was expected sooner and did not come, so it does not listen any more
        self.seen = now
        self._say_presence(now)

    def calls_every(self, interval: timedelta) -> None:
        """It has shown that it calls as often as this."""
        self.calls_again = min(self.calls_again, interval)

    def listen(self, line: Line, now: datetime) -> None:
        self.lines.add(line)
        self._is_told = False
        self.calls_again = LISTENS_AGAIN
        self.heard(now)

    def hung_up(self, line: Line, now: datetime) -> None:
        """The line is gone; the device may open another at once, so it counts as there for a while."""
        if line in self.lines:
            self.lines.discard(line)
            self.seen = now

    def fetch(self, now: datetime) -> list[MtMessage]:
        """All that waits for it, the first offered first; what it has fetched and not acknowledged, too, for that may have been lost."""
        self.fetched, self._is_told = now, False
        waiting = [offer for offer in self._offers.values() if not offer.answer.done()]
        for offer in waiting:
            offer.handed_out = True
        return [offer.message for offer in waiting]

    async def acknowledge(self, id: str) -> bool:
        """The device has the message; returns once that is on disk. False when it was never given such a message."""
        if try_of(id) is None:
            return False
        offer = self._offers.get(id)
        if offer is not None and not offer.answer.done():
            offer.answer.set_result(Accepted(device_message_id=id, on_air=False))
        return await self._hand_in(lambda inbox: inbox.taken(self.device, id))

    async def report(self, report: DeliveryReport) -> bool:
        """What became of a message; returns once that is on disk. False when the device was never given such a message."""
        is_known = await self.acknowledge(report.device_message_id)
        if is_known:
            await self._hand_in(lambda inbox: inbox.report(report))
        return is_known

    async def fail(self, report: DeliveryReport) -> None:
        """The device has not sent the message and will not; returns once that is on disk, if it was ever given such a message."""
        id, why = report.device_message_id, report.error or "the device could not send it"
        offer = self._offers.get(id)
        if offer is None or offer.answer.done():
            await self.report(replace(report, error=why))
        else:  # it has not even acknowledged it
            offer.answer.set_exception(SendFailed(why, permanent=True))
            await self._hand_in(lambda inbox: inbox.taken(self.device, id))

    async def received(self, message: MoMessage) -> None:
        """Returns once it is on disk."""
        await self._hand_in(lambda inbox: inbox.received(message))

    # cancelling

    def cancel(self, message: MtMessage, now: datetime) -> None:
        """The device is asked not to send the message, if it may have fetched it."""
        offer = self._offers.get(message.try_guid)
        if offer is not None and not offer.handed_out:
            if not offer.answer.done():
                offer.answer.set_exception(SendFailed("cancelled", permanent=True))
            return
        self._cancelled[message.try_guid] = message, now
        self.tell(News.CANCEL, message.try_guid)

    def cancelled(self, now: datetime) -> list[MtMessage]:
        """What it is still to be asked about."""
        self._cancelled = {id: (m, since) for id, (m, since) in self._cancelled.items() if now - since < CANCELLED_FOR}
        return [message for message, _ in self._cancelled.values()]

    def settled(self, id: str) -> None:
        """It has said what became of one that was cancelled."""
        self._cancelled.pop(id, None)

    # presence

    @property
    def is_online(self) -> bool:
        return self._is_online

    def tell(self, news: News, about: str = "") -> None:
        for line in list(self.lines):
            line.tell(news, about)

    def hand_in(self, span: Span) -> None:
        """It is asked to hand in again what it received, at once or when it next opens a line."""
        if self.lines:
            self.tell(News.HAND_IN, f"{span.since.isoformat()}/{span.until.isoformat()}")
        else:
            self.missed_since = min(self.missed_since or span.since, span.since)

    def _call(self) -> None:
        """One word is enough for all that it will find."""
        self._is_told = bool(self.lines)
        self.tell(News.FETCH)

    def hang_up(self) -> None:
        for line in list(self.lines):
            line.hang_up()
        self.lines.clear()

    def sweep(self, now: datetime) -> None:
        """Notice that it has fallen silent, and what has waited for too long."""
        if self.lines:
            self.seen = now
            if self.fetched is None or now - self.fetched > REMIND:
                self.fetched = now
                self._call()
            elif not all(offer.handed_out for offer in self._offers.values()):
                self._call()  # what it was told may have been lost
        self._say_presence(now)
        self._withdraw([each for each in self._offers.values() if now - each.since > PATIENCE], "the device did not answer")

    def _is_there(self, now: datetime) -> bool:
        return bool(self.lines) or (self.seen is not None and now - self.seen <= 2 * self.calls_again)

    def _say_presence(self, now: datetime) -> None:
        is_there = self._is_there(now)
        if self._inbox is None or is_there is self._is_online:
            return
        self._is_online = is_there
        if not is_there:
            self._withdraw(self._offers.values(), "the device has fallen silent")
        self._inbox.online(self.device, is_there)

    def _withdraw(self, offers: Iterable[_Offer], why: str) -> None:
        """What was never handed out is given back; of anything else nobody knows whether the device has it."""
        for offer in offers:
            if not offer.answer.done():
                offer.answer.set_exception(SendFailed(why, unknown=offer.handed_out, given_back=not offer.handed_out))

    async def _hand_in(self, what: Callable[[Inbox], Awaitable[_T]]) -> _T:
        """Raises Unavailable when nobody is there to be told; the device then says it again."""
        if self._inbox is None:
            raise Unavailable("the device cannot be heard now")
        task = asyncio.ensure_future(what(self._inbox))
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)
        await asyncio.wait([task])
        if task.cancelled():
            raise Unavailable("the device cannot be heard now")
        return task.result()


def _nobody_told(device: str, why: str) -> None:
    return None


@dataclass(kw_only=True)
class Pulls:
    """The outboxes of all devices that fetch."""

    clock: Callable[[], datetime]
    on_trouble: Callable[[str, str], object] = _nobody_told
    """told what a device says is wrong with it: the device, and what"""
    _outboxes: dict[str, Outbox] = field(default_factory=dict)
    _written: dict[str, datetime] = field(default_factory=dict)

    def of(self, device: str) -> Outbox:
        """Made when it is first asked for."""
        if device not in self._outboxes:
            self._outboxes[device] = Outbox(device=device, clock=self.clock)
        return self._outboxes[device]

    def seen(self, device: str) -> datetime | None:
        outbox = self._outboxes.get(device)
        return outbox.seen if outbox is not None else None

    def cancel(self, message: MtMessage) -> bool:
        """Its device is asked not to send it. False when that does not fetch its messages here, so that nobody can be asked."""
        outbox = self._outboxes.get(message.device or "")
        if outbox is not None:
            outbox.cancel(message, self.clock())
        return outbox is not None

    def tell_settings(self, devices: Iterable[str]) -> None:
        """Those of them that fetch here are told that what is decided about them has changed."""
        for device in devices:
            if device in self._outboxes:
                self._outboxes[device].tell(News.SETTINGS)

    def hand_in(self, devices: Iterable[str], span: Span) -> bool:
        """Those of them that fetch here are asked for what they received within the span. False when there are none."""
        asked = [self._outboxes[device] for device in devices if device in self._outboxes]
        for outbox in asked:
            outbox.hand_in(span)
        return bool(asked)

    def drop(self, device: str) -> None:
        """The device is gone for good: its lines are closed."""
        self._written.pop(device, None)
        gone = self._outboxes.pop(device, None)
        if gone is not None:
            gone.hang_up()

    def sweep(self) -> None:
        now = self.clock()
        for outbox in list(self._outboxes.values()):
            outbox.sweep(now)

    def to_write(self) -> dict[str, datetime]:
        """By device, when it was last seen, of those of which that was not written down for a while; each is returned once."""
        due = {
            id: outbox.seen
            for id, outbox in self._outboxes.items()
            if outbox.seen is not None and (id not in self._written or outbox.seen - self._written[id] >= SEEN_EVERY)
        }
        self._written.update(due)
        return due
