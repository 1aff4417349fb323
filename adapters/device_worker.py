"""A worker for each device: claims what its driver has room for and its limits leave, and hands each message over at once.

What it shares with the other workers of its account is the pool; whose turn it is there is for its peers to say (staff.py).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from adapters.reactor import frames
from service.dispatch import Dispatch
from service.errors import Unavailable
from service.fleet import Device, Fleet
from service.messages import MtMessage
from service.ports import Driver, Inbox, Store
from service.traffic import Leave

IDLE_S = 5.0
"""a worker for whom nobody looks (Peers.expect) looks again after this long: another process may have accepted something"""
HELD_BACK_S = 60.0
"""one that must wait looks after this long at the latest whether it must still: its account may have moved to another time zone"""
CROWDED_S = 0.2
STOP_S = 10.0
"""how long a stop waits for what is in flight"""


class Peers(Protocol):
    """The workers of one account's devices, who share its pool."""

    def ready(self, worker: Worker) -> None:
        """It may have room now, or look into other lanes than before."""
        ...

    def rest(self, worker: Worker) -> None:
        """It has room and nothing to do."""
        ...

    def rise(self, worker: Worker) -> None:
        """It rests no more."""
        ...

    def expect(self, due: datetime | None) -> bool:
        """Something that it may take will be due then. True: it is woken when that or anything else is due, and need not look by itself."""
        ...

    def idle(self, worker: Worker) -> int:
        """How many others have room and nothing to do."""
        ...

    async def give_way(self, worker: Worker) -> None:
        """Returns when an idle one that is less busy, if one is found, has looked for work."""
        ...

    def pass_on(self, worker: Worker, covered: frozenset[int]) -> None:
        """There may be work in the pool, in another lane than those, that the worker does not take: one of the others is woken."""
        ...


class Alone:
    """Peers of a worker that has none."""

    def ready(self, worker: Worker) -> None: ...
    def rest(self, worker: Worker) -> None: ...
    def rise(self, worker: Worker) -> None: ...
    def expect(self, due: datetime | None) -> bool:
        return False

    def idle(self, worker: Worker) -> int:
        return 0

    async def give_way(self, worker: Worker) -> None: ...
    def pass_on(self, worker: Worker, covered: frozenset[int]) -> None: ...


@dataclass(kw_only=True)
class Worker:
    """Keeps one driver busy: claims as many messages as it has room and leave for and hands each over at once."""

    driver: Driver
    dispatch: Dispatch
    store: Store
    fleet: Fleet
    log: Any
    peers: Peers = field(default_factory=Alone)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _covered: frozenset[int] = frozenset()
    """lanes of the pool that others had just looked into when it was woken"""
    _looked: list[asyncio.Future[None]] = field(default_factory=list)
    """told when it has looked for work"""
    _why: str = ""
    """what it waits for, as the log says"""
    _sending: set[asyncio.Task[None]] = field(default_factory=set)
    _loop: asyncio.Task[None] | None = None
    _claiming: asyncio.Future[int] | None = None

    async def start(self, inbox: Inbox) -> None:
        await self.driver.start(inbox)
        self._loop = asyncio.create_task(self._run())

    @property
    def device(self) -> Device:
        """As it is now."""
        return self.fleet.current(self.driver.device)

    @property
    def is_called(self) -> bool:
        """It has been woken and has not looked for work yet."""
        return self._wake.is_set()

    @property
    def room(self) -> int:
        """How many messages it could take now, were there any."""
        device = self.device
        if not self.fleet.is_online(device.id):
            return 0
        return min(self.driver.window - len(self._sending), self.dispatch.traffic.leave(device, self.dispatch.clock()).room)

    @property
    def burden(self) -> tuple[float, float]:
        return self.dispatch.traffic.burden(self.device, self.dispatch.clock())

    @property
    def lanes(self) -> frozenset[int]:
        return self.dispatch.traffic.leave(self.device, self.dispatch.clock()).lanes(self.device)

    @property
    def is_crowded(self) -> bool:
        return self.driver.window - len(self._sending) <= self.driver.window // 4

    def wake(self, covered: frozenset[int] = frozenset()) -> None:
        self._covered = self._covered & covered if self.is_called else covered
        self._wake.set()

    async def look(self) -> None:
        """Wakes it, and returns when it has looked for work."""
        looked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._looked.append(looked)
        self.wake()
        await looked

    async def stop(self) -> None:
        """Claim nothing more, let what is in flight end, stop the driver."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        self._tell_looked()
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
                idle_s = await self._step()
                pause_s = 0.1
            except Unavailable as away:
                self.log.warning("store_unavailable", device=self.driver.device.id, why=away.why, retry_in_s=pause_s)
                self._tell_looked()
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, IDLE_S)
            except Exception as bug:
                self.log.error("worker_failed", device=self.driver.device.id, error=type(bug).__name__, frames=frames(bug))
                self._tell_looked()
                await asyncio.sleep(IDLE_S)
            else:
                self._tell_looked()
                if idle_s != 0:
                    await self._idle(idle_s)

    async def _step(self) -> float | None:
        """Look for work once; for how long there is nothing to do, None: until it is woken."""
        is_called, covered, device = self.is_called, self._covered, self.device
        self._wake.clear()
        leave = await self.dispatch.leave(device)
        await self._note(device, leave)
        if not self.fleet.is_online(device.id) or not leave.room:
            if is_called:
                is_freed = not self.fleet.is_online(device.id) and await self.store.release(self.dispatch.clock(), device.id)
                self.peers.pass_on(self, frozenset() if is_freed else covered)
            return self._idle_s(leave.until, None)
        self.peers.ready(self)
        if not is_called:
            await self.peers.give_way(self)
        if self.is_crowded:  # a claim of few costs as much as one of many, so wait a moment for more room
            await self._sleep(CROWDED_S)
        free = min(self.driver.window - len(self._sending), leave.room)
        if not free:
            if is_called:
                self.peers.pass_on(self, covered)
            return 0
        wanted = self._bite(free)
        self._claiming = asyncio.ensure_future(self._claim(wanted))
        claimed = await asyncio.shield(self._claiming)
        if claimed == wanted:
            self.peers.pass_on(self, frozenset())
            return 0
        if is_called:
            self.peers.pass_on(self, covered | leave.lanes(device))
        return 0 if self.is_called else self._idle_s(leave.until, await self.store.next_due(device, leave.slots))

    def _bite(self, free: int) -> int:
        """Little at a time while others stand idle, or the first to come would have it all."""
        idle = self.peers.idle(self)
        return max(1, free // (4 * (idle + 1))) if idle else free

    async def _note(self, device: Device, leave: Leave) -> None:
        """The log is told once when a wait begins, if there is anything that waits, and once when it ends."""
        why = leave.why
        if why == self._why:
            return
        if why and await self.store.waiting(device, self.dispatch.clock()):
            self.log.info("device_waits", device=device.id, why=why, until=leave.until and leave.until.isoformat(timespec="seconds"))
            self._why = why
        elif not why:
            self.log.info("device_waits_no_more", device=device.id)
            self._why = ""

    async def _claim(self, wanted: int) -> int:
        messages = await self.dispatch.claim(self.driver, wanted, self.device)
        for message in messages:
            task = asyncio.create_task(self._send(message))
            self._sending.add(task)
            task.add_done_callback(self._sent)
        return len(messages)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if self.driver.window - len(self._sending) == 1:
            self.peers.ready(self)
        if len(self._sending) <= self.driver.window // 2:
            self._wake.set()

    async def _send(self, message: MtMessage) -> None:
        try:
            await self.dispatch.send(self.driver, message)
        except Exception as bug:
            self.log.error(
                "driver_failed", device=self.driver.device.id, message=message.guid, error=type(bug).__name__, frames=frames(bug)
            )

    def _idle_s(self, until: datetime | None, due: datetime | None) -> float | None:
        """Until it may do more than now, or something is due."""
        now, is_looked_for = self.dispatch.clock(), self.peers.expect(due)
        moments = (until,) if is_looked_for else (until, due)
        waits = [max((at - now).total_seconds(), 0.0) for at in moments if at is not None]
        if not is_looked_for:
            return min([*waits, IDLE_S])
        return min([*waits, HELD_BACK_S]) if waits else None

    async def _idle(self, seconds: float | None) -> None:
        if self.room > 0:
            self.peers.rest(self)
        try:
            await self._sleep(seconds)
        finally:
            self.peers.rise(self)

    async def _sleep(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _tell_looked(self) -> None:
        """Whoever gave way to this one may go on."""
        looked, self._looked = self._looked, []
        for waiting in looked:
            if not waiting.done():
                waiting.set_result(None)
