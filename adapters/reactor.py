"""What only the event loop does: a worker for each device, the timers of the house, listening, the real clock, a clean stop.

Coroutines run as asyncio tasks on Twisted's asyncio reactor; `install` makes the loop current first, because a reactor on a loop
that is not current hangs without a word.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from service.dispatch import Dispatch
from service.errors import Unavailable
from service.fleet import Fleet
from service.messages import MtMessage
from service.outcome import PARTS_WAIT
from service.ports import Driver, Inbox, Store

IDLE_S = 5.0
"""a worker looks again after this long even when nobody woke it: another process may have accepted something"""
CROWDED_S = 0.2
HOUSEKEEPING_S = 15.0
EXPIRE_AT_ONCE = 1_000
BACKLOG = 1024
STOP_S = 10.0
"""how long a stop waits for what is in flight"""


def install() -> asyncio.AbstractEventLoop:
    """Twisted's asyncio reactor on a new loop. Before anything imports twisted.internet.reactor."""
    from twisted.internet import asyncioreactor

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    asyncioreactor.install(loop)  # type: ignore[no-untyped-call]
    return loop


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Worker:
    """Keeps one driver busy: claims as many messages as it has room for and hands each over at once."""

    driver: Driver
    dispatch: Dispatch
    store: Store
    fleet: Fleet
    log: Any
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _sending: set[asyncio.Task[None]] = field(default_factory=set)
    _loop: asyncio.Task[None] | None = None
    _claiming: asyncio.Future[int] | None = None

    async def start(self, inbox: Inbox) -> None:
        await self.driver.start(inbox)
        self._loop = asyncio.create_task(self._run())

    def wake(self) -> None:
        self._wake.set()

    async def stop(self) -> None:
        """Claim nothing more, let what is in flight end, stop the driver."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        if self._claiming is not None:
            await asyncio.gather(self._claiming, return_exceptions=True)
        if self._sending:
            await asyncio.wait(self._sending, timeout=STOP_S)
        await self.driver.stop()
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _run(self) -> None:
        """A stop does not interrupt a claim: what it took is still handed over."""
        pause_s = 0.1
        while True:
            try:
                await self._step()
                pause_s = 0.1
            except Unavailable as away:
                self.log.warning("store_unavailable", device=self.driver.device.id, why=away.why, retry_in_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, IDLE_S)
            except Exception as bug:
                self.log.error("worker_failed", device=self.driver.device.id, error=type(bug).__name__, frames=frames(bug))
                await asyncio.sleep(IDLE_S)

    async def _step(self) -> None:
        self._wake.clear()
        free = self.driver.window - len(self._sending)
        if not self.fleet.is_online(self.driver.device.id):
            return await self._sleep(IDLE_S)
        if free <= self.driver.window // 4:  # a claim of few costs as much as one of many, so wait a moment for more room
            await self._sleep(CROWDED_S)
            free = self.driver.window - len(self._sending)
            if not free:
                return
        self._claiming = asyncio.ensure_future(self._claim(free))
        claimed = await asyncio.shield(self._claiming)
        if claimed < free and not self._wake.is_set():
            await self._sleep(await self._idle_s())

    async def _claim(self, free: int) -> int:
        messages = await self.dispatch.claim(self.driver, free)
        for message in messages:
            task = asyncio.create_task(self._send(message))
            self._sending.add(task)
            task.add_done_callback(self._sent)
        return len(messages)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if len(self._sending) <= self.driver.window // 2:
            self._wake.set()

    async def _send(self, message: MtMessage) -> None:
        try:
            await self.dispatch.send(self.driver, message)
        except Exception as bug:
            self.log.error(
                "driver_failed", device=self.driver.device.id, message=message.guid, error=type(bug).__name__, frames=frames(bug)
            )

    async def _idle_s(self) -> float:
        """Until the next message is due, at most IDLE_S."""
        due = await self.store.next_due(self.driver.device)
        if due is None:
            return IDLE_S
        return min(max((due - self.dispatch.clock()).total_seconds(), 0.0), IDLE_S)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass


@dataclass(kw_only=True)
class Housekeeper:
    """The work that nobody asks for: expiring, taking back what dead processes had claimed."""

    store: Store
    clock: Callable[[], datetime]
    deduplicating: Callable[[], Sequence[str]]
    """the devices that put a message on the air only once, however often it is handed to them"""
    log: Any

    async def recover(self, leased_by: str | None) -> None:
        unknown = await self.store.recover(now=self.clock(), leased_by=leased_by, deduplicating=self.deduplicating())
        for guid in unknown:
            self.log.warning("outcome_unknown", message=guid, why="a process died while it handed this message over")

    async def run(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            try:
                while await self.store.expire(self.clock(), EXPIRE_AT_ONCE) == EXPIRE_AT_ONCE:
                    pass
                while await self.store.forget_links(self.clock(), EXPIRE_AT_ONCE):
                    pass
                await self.recover(None)
                now = self.clock()
                await self.store.flush_parts(now - PARTS_WAIT, now)
            except Unavailable as away:
                self.log.warning("store_unavailable", why=away.why)
            except Exception as bug:
                self.log.error("housekeeping_failed", error=type(bug).__name__, frames=frames(bug))


async def every(seconds: float, what: Callable[[], Awaitable[None]], log: Any) -> None:
    """Do it again and again; that it failed is logged, and does not end it."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await what()
        except Unavailable as away:
            log.warning("store_unavailable", why=away.why)
        except Exception as bug:
            log.error("housekeeping_failed", error=type(bug).__name__, frames=frames(bug))


def frames(error: BaseException) -> list[str]:
    """Where an error was raised, without its text and values: they may hold a key or a message."""
    found = []
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        found.append(f"{code.co_filename}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return found[-8:]


@dataclass(frozen=True, kw_only=True, slots=True)
class Port:
    """One address that is listened on."""

    address: str
    """as a URL has it, with the port that was really taken"""
    stop: Callable[[], Awaitable[None]]


def listen(address: str, factory: Any, *, tls: Any = None) -> Port:
    """Listen on HOST:PORT, with `tls`, what makes the server's end of each connection, by TLS. Raises OSError."""
    from twisted.internet import reactor as current
    from twisted.internet.defer import maybeDeferred
    from twisted.internet.error import CannotListenError
    from twisted.protocols.tls import TLSMemoryBIOFactory

    host, _, port = address.rpartition(":")
    *_, bound = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
    reactor: Any = current
    if tls is not None:
        factory = TLSMemoryBIOFactory(tls, False, factory)
    try:
        listening = reactor.listenTCP(int(port), factory, backlog=BACKLOG, interface=str(bound[0]))
    except CannotListenError as failed:
        raise failed.socketError from None

    async def stop() -> None:
        await maybeDeferred(listening.stopListening).asFuture(asyncio.get_running_loop())

    return Port(address=f"{host}:{listening.getHost().port}", stop=stop)


def run(main: Callable[[], Awaitable[int | None]], close: Callable[[], Awaitable[None]], log: Any) -> int:
    """Run `main` on the reactor until a signal, or until it returns a number, which is then the exit status; `close` comes last."""
    loop = install()
    from twisted.internet import reactor as current
    from twisted.internet.defer import Deferred

    reactor: Any = current
    status = 0

    async def begin() -> None:
        nonlocal status
        try:
            told = await main()
        except Exception as bug:
            log.error("failed", error=type(bug).__name__, frames=frames(bug))
            told = 1
        if told is not None:
            status = told
            reactor.stop()

    async def end() -> None:
        nonlocal status
        beginning.cancel()
        await asyncio.gather(beginning, return_exceptions=True)
        try:
            await close()
        except Exception as bug:
            log.error("not_stopped_cleanly", error=type(bug).__name__, frames=frames(bug))
            status = 1

    beginning = loop.create_task(begin())
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromFuture(asyncio.ensure_future(end())))
    reactor.run()
    return status
