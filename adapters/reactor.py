"""What only the event loop does: the timers of the house, listening, the real clock, a clean stop.

Coroutines run as asyncio tasks on Twisted's asyncio reactor; `install` makes the loop current first, because a reactor on a loop
that is not current hangs without a word.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from service.errors import Unavailable
from service.outcome import PARTS_WAIT
from service.ports import Store

HOUSEKEEPING_S = 15.0
EXPIRE_AT_ONCE = 1_000
INDEXING_S = 5.0
INDEX_AT_ONCE = 200
INDEX_PAUSE_S = 0.02
"""between portions of a backlog, so that whoever wants to write comes in between"""
LATEST_COMMIT = timedelta(seconds=60)
"""after its id was made, with clocks that are not quite the same; a statement may take 30 s"""
BACKLOG = 1024


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
class Housekeeper:
    """The work that nobody asks for: expiring, taking back what dead processes had claimed."""

    store: Store
    clock: Callable[[], datetime]
    deduplicating: Callable[[], Sequence[str]]
    """the devices that put a message on the air only once, however often it is handed to them"""
    log: Any
    on_released: Callable[[int], None] = lambda account_id: None
    """told of accounts whose pool has got messages"""

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
                for account_id in await self.store.release(self.clock()):
                    self.on_released(account_id)
                await self.recover(None)
                now = self.clock()
                await self.store.flush_parts(now - PARTS_WAIT, now)
            except Unavailable as away:
                self.log.warning("store_unavailable", why=away.why)
            except Exception as bug:
                self.log.error("housekeeping_failed", error=type(bug).__name__, frames=frames(bug))

    async def index(self) -> None:
        """Put what is old enough into the search index, a little at a time."""
        await every(INDEXING_S, self._index_all, self.log)

    async def _index_all(self) -> None:
        indexed = INDEX_AT_ONCE
        while indexed:
            indexed = await self.store.index(self.clock() - LATEST_COMMIT, INDEX_AT_ONCE)
            await asyncio.sleep(INDEX_PAUSE_S)


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
