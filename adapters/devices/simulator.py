"""A phone without a radio: a real driver that puts a message on the air by writing a line to a file.

    <guid> <recipient>            the radio log: one line a send, by one write, before the answer leaves
    <guid> <recipient> whatsapp   the same by WhatsApp, which a phone can whose device says so

It never de-duplicates, so the file tells what a person would have received, twice if twice. What befalls a message is drawn from the
seed, its guid and the number of the try, so that neither order nor neighbours change it. Timers come from an injected scheduler. With
no latency and nothing left to chance a submit makes no timer and waits for nothing.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from adapters.devices import Tools
from service.errors import SendFailed, Unavailable
from service.fleet import Device
from service.lifecycle import Status
from service.messages import Accepted, Channel, DeliveryReport, MoMessage, MtMessage
from service.ports import Clock, Inbox

KIND = "simulator"
RADIO_LOG = "radio.log"
REPEAT_S = 1.0
"""what the inbox could not take is handed in again after this"""

Span = tuple[float, float]


class Timer(Protocol):
    def cancel(self) -> object: ...


CallLater = Callable[[float, Callable[[], None]], Timer]
"""call_later(delay_s, what), as an asyncio loop has it"""


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """A share is from 0 to 1; a time is drawn evenly from its span of seconds."""

    seed: int = 0
    window: int = 32
    submit_timeout_s: float = 30.0
    latency_s: Span = (0.0, 0.0)
    """until the message is on the air and the submit answered"""
    temporary_failures: float = 0.0
    permanent_failures: float = 0.0
    silence: float = 0.0
    """share that goes on the air but is never answered"""
    sent_reports: float = 0.0
    sent_after_s: Span = (0.0, 0.0)
    delivered_reports: float = 0.0
    delivered_after_s: Span = (0.0, 0.0)
    """after the sent report, or where there is none after the answer"""
    reports_before_answer: float = 0.0
    """share whose reports are handed in at once, before the submit is answered"""
    duplicates: float = 0.0
    """share whose reports are handed in twice"""
    drop_after: int | None = None
    """at every so many submits the connection is lost"""
    away_s: float = 5.0
    """until it is back"""
    replies: Mapping[str, str] = field(default_factory=dict)
    """what the handset answers to a text: a regular expression for the whole of it, case ignored, to the answer"""
    reply_after_s: float = 0.0
    incoming: tuple[tuple[str, str], ...] = ()
    """(sender, text) of messages that are on the phone when it starts; a restart finds the same receptions again"""

    def __post_init__(self) -> None:
        if not all(0 <= share <= 1 for share in self.shares):
            raise ValueError("a share must be from 0 to 1")
        for text in self.replies:
            try:
                re.compile(text)
            except re.error as error:
                raise ValueError(f"{text!r} in replies is not a regular expression: {error}") from None

    @property
    def shares(self) -> tuple[float, ...]:
        failures = (self.permanent_failures, self.temporary_failures, self.silence)
        return (*failures, self.sent_reports, self.delivered_reports, self.reports_before_answer, self.duplicates)

    @property
    def is_certain(self) -> bool:
        """The same befalls every message."""
        spans = (self.latency_s, self.sent_after_s, self.delivered_after_s)
        return all(share in (0, 1) for share in self.shares) and all(least == most for least, most in spans)

    def reply_to(self, text: str) -> str | None:
        return next((reply for pattern, reply in self.replies.items() if re.fullmatch(pattern, text, re.IGNORECASE)), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fate:
    """What befalls one submit."""

    latency_s: float
    fails_permanently: bool
    fails_temporarily: bool
    is_silent: bool
    reports: tuple[tuple[Status, float], ...]
    """each with the seconds since the one before"""
    reports_first: bool
    copies: int


def draw(behaviour: Behaviour, key: str) -> Fate:
    # every draw is made for every message: a share that is changed moves no other draw
    b, rng = behaviour, random.Random(f"{behaviour.seed}:{key}")
    latency_s, sent_after_s, delivered_after_s = (rng.uniform(*span) for span in (b.latency_s, b.sent_after_s, b.delivered_after_s))
    permanently, temporarily, silent, sent, delivered, first, twice = (rng.random() < share for share in b.shares)
    planned = ((sent, Status.SENT, sent_after_s), (delivered, Status.DELIVERED, delivered_after_s))
    return Fate(
        latency_s=latency_s,
        fails_permanently=permanently,
        fails_temporarily=temporarily,
        is_silent=silent,
        reports=tuple((status, 0.0 if first else after_s) for happens, status, after_s in planned if happens),
        reports_first=first,
        copies=2 if twice else 1,
    )


class Simulator:
    deduplicates = False

    def __init__(
        self,
        device: Device,
        behaviour: Behaviour,
        *,
        clock: Clock,
        radio_log: Path | None = None,
        call_later: CallLater | None = None,
    ) -> None:
        """`call_later` is the running loop's when not given."""
        self.device = device
        self.window = behaviour.window
        self.submit_timeout_s = behaviour.submit_timeout_s
        self._behaviour = behaviour
        self._same_fate = draw(behaviour, "") if behaviour.is_certain else None
        self._clock = clock
        self._radio_log = radio_log
        self._call_later = call_later
        self._inbox: Inbox | None = None
        self._is_online = False
        self._radio: int | None = None
        self._submits = 0
        self._in_flight: dict[asyncio.Future[None], bool] = {}
        """the bool: whether it is on the air already"""
        self._timers: set[Timer] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, inbox: Inbox) -> None:
        if self._inbox is not None:
            return
        if self._radio_log is not None:
            self._radio = os.open(self._radio_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._inbox = inbox
        self._connect()
        for index, (sender, text) in enumerate(self._behaviour.incoming):
            self._receive(sender, text, f"incoming-{index}")

    async def stop(self) -> None:
        """Refuses what is in flight, then is silent."""
        self._disconnect("the phone was stopped")
        self._inbox = None
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for task in self._tasks:
            task.cancel()
        # the refused submits end now, and not after stop
        await asyncio.gather(asyncio.sleep(0), *self._tasks, return_exceptions=True)
        if self._radio is not None:
            os.close(self._radio)
            self._radio = None

    async def submit(self, message: MtMessage) -> Accepted:
        self._admit()
        if message.channel is Channel.WHATSAPP and not self.device.whatsapp:
            raise SendFailed("this phone has no WhatsApp", permanent=True)
        device_message_id = f"{message.guid}-{message.attempts}"
        fate = self._same_fate or draw(self._behaviour, device_message_id)
        if fate.latency_s:
            await self._fly(fate.latency_s, on_air=False)
        if fate.fails_permanently or fate.fails_temporarily:
            raise SendFailed("the simulated network refused it", permanent=fate.fails_permanently)
        self._transmit(message)
        if fate.is_silent:
            await self._fly(None, on_air=True)
        self._tell(device_message_id, fate.reports, fate.copies)
        self._reply(message, device_message_id)
        if fate.reports_first:
            # lets the reports' tasks begin; the inbox itself is not waited for
            await asyncio.sleep(0)
        return Accepted(device_message_id=device_message_id)

    def lose_connection(self) -> None:
        """What is in flight is refused; the phone is back after `away_s`."""
        if self._is_online:
            self._disconnect("the connection to the phone was lost")
            self._later(self._behaviour.away_s, self._connect)

    def _connect(self) -> None:
        if self._inbox is not None:
            self._is_online = True
            self._inbox.online(self.device.id, True)

    def _disconnect(self, why: str) -> None:
        for answer, on_air in self._in_flight.items():
            if not answer.done():
                answer.set_exception(SendFailed(why, unknown=on_air))
        if self._is_online and self._inbox is not None:
            self._is_online = False
            self._inbox.online(self.device.id, False)

    def _admit(self) -> None:
        if not self._is_online:
            raise SendFailed("the phone is not connected")
        if len(self._in_flight) >= self.window:
            raise SendFailed("the phone is busy")
        self._submits += 1
        if self._behaviour.drop_after and self._submits % self._behaviour.drop_after == 0:
            self.lose_connection()
            raise SendFailed("the connection to the phone was lost")

    async def _fly(self, seconds: float | None, *, on_air: bool) -> None:
        """Returns after so many seconds; with None, never. Raises SendFailed when the connection is lost."""
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._in_flight[answer] = on_air
        timer = None if seconds is None else self._later(seconds, lambda: None if answer.done() else answer.set_result(None))
        try:
            await answer
        finally:
            del self._in_flight[answer]
            if timer is not None:
                timer.cancel()
                self._timers.discard(timer)

    def _transmit(self, message: MtMessage) -> None:
        if self._radio is None:
            return
        try:
            by = " whatsapp" if message.channel is Channel.WHATSAPP else ""
            os.write(self._radio, f"{message.guid} {message.recipient}{by}\n".encode())
        except OSError as error:
            raise SendFailed(f"the radio log cannot be written: {error.strerror}") from None

    def _tell(self, device_message_id: str, reports: tuple[tuple[Status, float], ...], copies: int) -> None:
        """Each report is planned when the one before it is told, so that they keep their order."""
        if not reports:
            return
        status, after_s = reports[0]

        def now() -> None:
            report = DeliveryReport(device=self.device.id, device_message_id=device_message_id, status=status, at=self._clock())
            for _ in range(copies):
                self._hand_in(lambda inbox: inbox.report(report))
            self._tell(device_message_id, reports[1:], copies)

        self._after(after_s, now)

    def _reply(self, message: MtMessage, device_message_id: str) -> None:
        text = self._behaviour.reply_to(message.text) if self._behaviour.replies else None
        if text is not None:
            self._after(self._behaviour.reply_after_s, lambda: self._receive(message.recipient, text, f"{device_message_id}-reply"))

    def _receive(self, sender: str, text: str, device_message_id: str) -> None:
        message = MoMessage(device=self.device.id, sender=sender, text=text, received=self._clock(), device_message_id=device_message_id)
        self._hand_in(lambda inbox: inbox.received(message))

    def _hand_in(self, what: Callable[[Inbox], Coroutine[Any, Any, None]]) -> None:
        if self._inbox is not None:
            task = asyncio.get_running_loop().create_task(self._give(self._inbox, what))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _give(self, inbox: Inbox, what: Callable[[Inbox], Coroutine[Any, Any, None]]) -> None:
        try:
            await what(inbox)
        except Unavailable:
            # a phone keeps what it could not tell
            self._later(REPEAT_S, lambda: self._hand_in(what))

    def _after(self, delay_s: float, what: Callable[[], None]) -> None:
        if delay_s:
            self._later(delay_s, what)
        else:
            what()

    def _later(self, delay_s: float, what: Callable[[], object]) -> Timer:
        def fire() -> None:
            self._timers.discard(timer)
            what()

        timer = (self._call_later or asyncio.get_running_loop().call_later)(delay_s, fire)
        self._timers.add(timer)
        return timer


def driver(device: Device, tools: Tools) -> Simulator:
    behaviour = tools.options.get(KIND)
    assert isinstance(behaviour, Behaviour)
    return Simulator(device, behaviour, radio_log=tools.folder / RADIO_LOG, clock=tools.clock)
