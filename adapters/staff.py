"""A worker for each device that this process speaks to. They come and go with the devices, and are woken here.

Which phone gets the next message of its account's pool: of those that are online and have room and leave, the least busy one is woken, and
no other. It wakes the next when there was more than it took, or when it could not look into each lane of the pool; so a single message goes
to whoever did least, and a burst sets everybody to work. Nobody holds a lock: whoever finds work takes it. In an account of very many
phones the least busy of a few is woken (roster.py), so that no message costs more for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from operator import attrgetter

from adapters.device_worker import Worker
from adapters.roster import MOST, Lanes, Roster
from service.fleet import Device
from service.messages import FirstInLane
from service.ports import Driver, Inbox
from service.traffic import lane_of


def _nobody_looks(due: datetime | None) -> bool:
    return False


@dataclass(kw_only=True)
class Staff:
    build: Callable[[Device], Awaitable[Driver | None]]
    """None when nobody here can speak to the device"""
    hire: Callable[[Driver], Worker]
    inbox: Inbox
    expect: Callable[[datetime | None], bool] = _nobody_looks
    """told when something will be due; whether it is then looked for, and `due` called"""
    _workers: dict[str, Worker] = field(default_factory=dict)
    _called: dict[int, Worker] = field(default_factory=dict)
    """who was woken last for an account's pool"""
    _rosters: dict[int, Roster] = field(default_factory=dict)
    """by account, who may have room"""
    _idle: dict[int, dict[str, Worker]] = field(default_factory=dict)
    """by account, who has room and nothing to do, the one that rests longest first"""
    _started: bool = False

    def __len__(self) -> int:
        return len(self._workers)

    async def engage(self, device: Device) -> None:
        """There is a worker for the device from now on, a new one if there was one; it works once the staff has been started."""
        await self.dismiss(device)
        driver = await self.build(device)
        if driver is None:
            return
        self._workers[device.id] = self.hire(driver)
        self.ready(self._workers[device.id])
        if self._started:
            await self._workers[device.id].start(self.inbox)

    async def dismiss(self, device: Device) -> None:
        """Returns when nothing of it is in flight any more."""
        worker = self._workers.pop(device.id, None)
        if worker is not None:
            self._called.pop(device.account_id, None)
            self._roster(device.account_id).drop(worker)
            await worker.stop()

    async def start(self) -> None:
        self._started = True
        for worker in list(self._workers.values()):
            await worker.start(self.inbox)

    async def stop(self) -> None:
        await asyncio.gather(*(worker.stop() for worker in self._workers.values()))

    def deduplicating(self) -> list[str]:
        """The devices that put a message on the air only once however often it is handed to them."""
        return [id for id, worker in self._workers.items() if worker.driver.deduplicates]

    def queued(self, account_id: int, device: str | None) -> None:
        """Something waits for a device, or (None) for any of the account's."""
        if device is not None:
            return self._wake(device)
        roster, called = self._rosters.get(account_id), self._called.get(account_id)
        if roster and (called is None or not called.is_called):  # who has been called and has not looked yet will find this too
            self._call(account_id, roster.some(_any), frozenset())

    def due(self, first: FirstInLane) -> None:
        """The time of something that waits has come."""
        if first.device is not None:
            worker = self._workers.get(first.device)
            if worker is not None and worker.room > 0:
                worker.wake()
        elif first.account_id is not None:
            lane, called = lane_of(first), self._called.get(first.account_id)
            if called is None or not called.is_called or lane not in called.lanes:
                self._call(first.account_id, self._roster(first.account_id).some(lambda lanes: lane in lanes), frozenset())

    def changed(self, device: str) -> None:
        """The device came or went, or what it may do has changed."""
        if device in self._workers:
            self.ready(self._workers[device])
            self._wake(device)

    def _wake(self, device: str) -> None:
        if device in self._workers:
            self._workers[device].wake()

    # what the workers of an account are to each other

    def ready(self, worker: Worker) -> None:
        if self._workers.get(worker.driver.device.id) is worker:
            self._roster(worker.driver.device.account_id).put(worker)

    def rest(self, worker: Worker) -> None:
        self._idle.setdefault(worker.driver.device.account_id, {})[worker.driver.device.id] = worker

    def rise(self, worker: Worker) -> None:
        self._idle.get(worker.driver.device.account_id, {}).pop(worker.driver.device.id, None)

    def idle(self, worker: Worker) -> int:
        return len(self._idle.get(worker.driver.device.account_id, ()))

    async def give_way(self, worker: Worker) -> None:
        idle = islice(self._idle.get(worker.driver.device.account_id, {}).values(), MOST)
        first = min((other for other in idle if other.room > 0), key=_burden, default=worker)
        if _burden(first) < _burden(worker):
            await first.look()

    def pass_on(self, worker: Worker, covered: frozenset[int]) -> None:
        account_id = worker.driver.device.account_id
        self._call(account_id, self._roster(account_id).some(lambda lanes: not lanes <= covered, but=worker), covered)

    def _call(self, account_id: int, candidates: list[Worker], covered: frozenset[int]) -> None:
        first = min(candidates, key=lambda worker: (worker.is_crowded, *_burden(worker)), default=None)
        if first is not None:
            self._called[account_id] = first
            first.wake(covered)

    def _roster(self, account_id: int) -> Roster:
        return self._rosters.setdefault(account_id, Roster())


_burden = attrgetter("burden")


def _any(lanes: Lanes) -> bool:
    return True
