"""Fakes that several suites share: a clock that only a test moves, an inbox that remembers, messages with nothing special."""

from __future__ import annotations

import asyncio
import functools
import heapq
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any, ParamSpec

from twisted.internet.defer import Deferred

from service.lifecycle import Status
from service.messages import DeliveryReport, Ids, MoMessage, MtMessage

START = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)


_P = ParamSpec("_P")


def on_the_loop(test: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, Deferred[None]]:
    """Runs a coroutine test as an asyncio task. pytest-twisted calls tests with its loop running, so asyncio.run is refused there."""

    @functools.wraps(test)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> Deferred[None]:
        return Deferred.fromFuture(asyncio.ensure_future(test(*args, **kwargs)))

    return run


class FakeTimer:
    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class FakeClock:
    """Tells the time, and runs timers when a test moves it on."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now
        self._order = count()
        self._timers: list[tuple[datetime, int, FakeTimer, Callable[[], object]]] = []

    def __call__(self) -> datetime:
        return self.now

    def call_later(self, delay_s: float, what: Callable[[], object]) -> FakeTimer:
        timer = FakeTimer()
        heapq.heappush(self._timers, (self.now + timedelta(seconds=delay_s), next(self._order), timer, what))
        return timer

    def advance(self, seconds: float) -> None:
        """Move on, running what falls due on the way at its own time."""
        until = self.now + timedelta(seconds=seconds)
        while self._timers and self._timers[0][0] <= until:
            self.now, _, timer, what = heapq.heappop(self._timers)
            if not timer.is_cancelled:
                what()
        self.now = until

    @property
    def waiting(self) -> int:
        """How many timers are still to run."""
        return sum(not timer.is_cancelled for _, _, timer, _ in self._timers)


class RecordingInbox:
    """Remembers what a driver hands in. `failures` are raised first, one a call; while `gate` is closed no call returns."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.reports: list[DeliveryReport] = []
        self.messages: list[MoMessage] = []
        self.taken_ids: list[str] = []
        self.presence: list[bool] = []
        self.failures: list[Exception] = []
        self.gate = asyncio.Event()
        if is_open:
            self.gate.set()

    async def report(self, report: DeliveryReport) -> None:
        await self._take()
        self.reports.append(report)

    async def received(self, message: MoMessage) -> None:
        await self._take()
        self.messages.append(message)

    async def taken(self, device: str, device_message_id: str) -> bool:
        await self._take()
        self.taken_ids.append(device_message_id)
        return True

    def online(self, device: str, is_online: bool) -> None:
        self.presence.append(is_online)

    async def _take(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
        await self.gate.wait()


class RecordingLog:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    info = error = warning

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.lines]


class QuickHasher:
    """A service.ports.Hasher that costs nothing, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def hash(self, password: str) -> str:
        return "quick:" + sha256(password.encode()).hexdigest()

    async def matches(self, password: str, hash: str) -> bool:
        self.asked += 1
        await asyncio.sleep(0)
        return await self.hash(password) == hash


async def ripple() -> None:
    """Lets every task go as far as it can without the clock."""
    for _ in range(25):
        await asyncio.sleep(0)


_ids = Ids()


def mt_message(
    text: str = "hello", recipient: str = "+32495898697", *, attempts: int = 1, guid: str | None = None, **fields: Any
) -> MtMessage:
    """As a driver is handed one."""
    id, new_guid = _ids.new(START)
    return MtMessage(
        id=id,
        guid=guid or new_guid,
        account_id=1,
        key_id=1,
        api="test",
        recipient=recipient,
        text=text,
        segments=1,
        status=Status.SENDING,
        created=START,
        due=None,
        expires=START + timedelta(hours=72),
        attempts=attempts,
        **fields,
    )
