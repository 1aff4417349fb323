"""A worker for each device that this process speaks to. They come and go with the devices, and are woken here.

Which phone gets the next message of its account's pool: of those that are online and have room and leave, the least busy one is woken, and
no other. It wakes the next when there was more than it took, or when it could not look into each lane of the pool; so a single message goes
to whoever did least, and a burst sets everybody to work. Nobody holds a lock: whoever finds work takes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter

from adapters.device_worker import Worker
from service.fleet import Device
from service.ports import Driver, Inbox


@dataclass(kw_only=True)
class Staff:
    build: Callable[[Device], Awaitable[Driver | None]]
    """None when nobody here can speak to the device"""
    hire: Callable[[Driver], Worker]
    inbox: Inbox
    _workers: dict[str, Worker] = field(default_factory=dict)
    _called: dict[int, Worker] = field(default_factory=dict)
    """who was woken last for an account's pool"""
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
        if self._started:
            await self._workers[device.id].start(self.inbox)

    async def dismiss(self, device: Device) -> None:
        """Returns when nothing of it is in flight any more."""
        worker = self._workers.pop(device.id, None)
        if worker is not None:
            self._called.pop(device.account_id, None)
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
            return self.changed(device)
        called = self._called.get(account_id)
        if called is None or not called.is_called:  # who has been called and has not looked yet will find this too
            self._call(account_id, [worker for worker in self._of(account_id) if worker.room > 0], frozenset())

    def changed(self, device: str) -> None:
        """The device came or went, or there is something for it."""
        if device in self._workers:
            self._workers[device].wake()

    def idle(self, worker: Worker) -> int:
        return sum(1 for _ in self._idle(worker))

    async def give_way(self, worker: Worker) -> None:
        first = min(self._idle(worker), key=_burden, default=worker)
        if _burden(first) < _burden(worker):
            await first.look()

    def pass_on(self, worker: Worker, covered: frozenset[int]) -> None:
        others = [other for other in self._of(worker.device.account_id) if other is not worker and other.room > 0]
        self._call(worker.device.account_id, [other for other in others if not other.lanes <= covered], covered)

    def _call(self, account_id: int, candidates: list[Worker], covered: frozenset[int]) -> None:
        first = min(candidates, key=lambda worker: (worker.is_crowded, *_burden(worker)), default=None)
        if first is not None:
            self._called[account_id] = first
            first.wake(covered)

    def _of(self, account_id: int) -> Iterator[Worker]:
        return (worker for worker in self._workers.values() if worker.driver.device.account_id == account_id)

    def _idle(self, worker: Worker) -> Iterator[Worker]:
        others = (other for other in self._of(worker.device.account_id) if other is not worker and other.is_idle)
        return (other for other in others if other.room > 0)


_burden = attrgetter("burden")
