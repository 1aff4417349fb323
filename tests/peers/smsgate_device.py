"""What every part of the played app finds around it: how the phone was made, its memory, network, air, clock and log; and how work is done
and tried again, as Android's WorkManager does it (exponential, from 10 s, never over 5 hours).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import partial
from typing import Any

from tests.peers.smsgate_air import Air, Script
from tests.peers.smsgate_faults import Faults, Killed, Reception
from tests.peers.smsgate_memory import Memory, Work
from tests.peers.smsgate_versions import NEWEST, Version

_FIRST_BACKOFF_S = 10
_MOST_BACKOFF_S = 5 * 3600


@dataclass(frozen=True, kw_only=True)
class Sim:
    slot: int
    number: str | None = None
    carrier: str | None = None
    iccid: str | None = None


@dataclass(frozen=True, kw_only=True)
class Make:
    """What its owner typed, and what it is."""

    url: str
    code: str | None = None
    login: str | None = None
    password: str = ""
    private_token: str | None = None
    name: str = "Google/redfin"
    version: Version = NEWEST
    push_token: str | None = None
    sims: tuple[Sim, ...] = (Sim(slot=0, number="+32495000001", carrier="Proximus", iccid="8932012345678901234"),)
    zone: tzinfo = UTC
    poll_s: float = 15 * 60
    streams: int = 1
    """two, when an old one lingers"""
    exports_again: bool = False
    """as the apps do that keep no list of what they posted"""


@dataclass(kw_only=True)
class Device:
    make: Make
    memory: Memory
    reception: Reception
    air: Air
    faults: Faults
    script: Script = field(default_factory=Script)
    log: Callable[[str], None] = lambda _: None
    on_listed: Callable[[str], object] = lambda _: None
    """told the id of each message in an answer to a pull"""
    clock: Callable[[], float] = time.time
    """seconds since 1970; the phone's own is wrong by faults.clock_offset_s"""

    def now_ms(self) -> int:
        return round((self.clock() + self.faults.clock_offset_s) * 1000)

    def setting(self, key: str, otherwise: Any = None) -> Any:
        return self.memory.setting(key, otherwise)


def backoff_s(attempt: int) -> float:
    """before try number `attempt` + 1"""
    return float(min(_FIRST_BACKOFF_S * 2 ** (attempt - 1), _MOST_BACKOFF_S))


class Tasks:
    """Of one phone. Killing them leaves the memory as it is."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self._log = log
        self.is_over = False
        self.failures: list[Exception] = []
        """of this program, not of the played app"""

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.ensure_future(self._guard(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _guard(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Killed:
            self.kill()
        except Exception as error:
            self._log(f"this program failed: {type(error).__name__} {error}")
            self.failures.append(error)

    def later(self, delay_s: float, what: Callable[[], None]) -> asyncio.TimerHandle:
        def run() -> None:
            self._timers.discard(timer)
            what()

        timer = asyncio.get_running_loop().call_later(delay_s, run)
        self._timers.add(timer)
        return timer

    def forget(self, timer: asyncio.TimerHandle) -> None:
        timer.cancel()
        self._timers.discard(timer)

    def kill(self) -> None:
        self.is_over = True
        for timer in self._timers:
            timer.cancel()
        for task in self._running:
            if task is not asyncio.current_task():
                task.cancel()

    async def end(self) -> None:
        self.kill()
        await asyncio.gather(*self._running, return_exceptions=True)


class Worker:
    """Does what memory holds of one kind, one after the other, each when it is due. With nothing to do it is no task.

    `do` returns the seconds to try again after, or None when that was the end of it.
    """

    def __init__(self, device: Device, tasks: Tasks, kind: str, do: Callable[[Work], Awaitable[float | None]]) -> None:
        self._device, self._tasks, self._kind, self._do = device, tasks, kind, do
        self._news: asyncio.Event | None = None

    def add(self, *, delay_s: float = 0, **details: Any) -> None:
        self._device.memory.add_work(self._kind, due=self._device.now_ms() + round(delay_s * 1000), **details)
        self.wake()

    def wake(self) -> None:
        if self._tasks.is_over:
            return
        if self._news is None:
            self._news = asyncio.Event()
            self._tasks.start(partial(self._run, self._news))
        self._news.set()

    async def _run(self, news: asyncio.Event) -> None:
        memory = self._device.memory
        while (work := memory.next_work(self._kind)) is not None:
            news.clear()
            wait_s = (work.due - self._device.now_ms()) / 1000
            if wait_s > 0:
                await _wait(news, wait_s)
                continue
            again_s = await self._do(work)
            if again_s is None:
                memory.finish(work)
            else:
                memory.put_off(work, self._device.now_ms() + round(again_s * 1000))
        self._news = None


async def _wait(news: asyncio.Event, most_s: float) -> None:
    try:
        async with asyncio.timeout(most_s):
            await news.wait()
    except TimeoutError:
        pass


class Errand:
    """Something done at once when `start` is called and then every `every_s`; what fails is tried again with back-off.

    A start while it runs makes it run once more, and one while it waits to try again ends the wait.
    """

    def __init__(self, device: Device, tasks: Tasks, do: Callable[[], Awaitable[None]], *, every_s: float | None) -> None:
        self._device, self._tasks, self._do, self._every_s = device, tasks, do, every_s
        self._news: asyncio.Event | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        if self._tasks.is_over:
            return
        if self._news is None:
            self._news = asyncio.Event()
            self._tasks.start(partial(self._run, self._news))
        self._news.set()

    async def _run(self, news: asyncio.Event) -> None:
        attempt = 0
        while news.is_set() or attempt:
            news.clear()
            await self._device.reception.wait()
            try:
                await self._do()
                attempt = 0
            except (OSError, ValueError) as error:
                attempt += 1
                self._device.log(f"try {attempt} failed: {type(error).__name__} {error}")
                await _wait(news, backoff_s(attempt))
        self._news = None
        self._plan()

    def _plan(self) -> None:
        if self._timer is not None:
            self._tasks.forget(self._timer)
        if self._every_s is not None and not self._tasks.is_over:
            self._timer = self._tasks.later(self._every_s, self.start)
