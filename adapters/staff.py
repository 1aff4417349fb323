"""A worker for each device that this process speaks to. They come and go with the devices, and are woken here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from adapters.reactor import Worker
from service.fleet import Device
from service.ports import Driver, Inbox


@dataclass(kw_only=True)
class Staff:
    build: Callable[[Device], Awaitable[Driver | None]]
    """None when nobody here can speak to the device"""
    hire: Callable[[Driver], Worker]
    inbox: Inbox
    _workers: dict[str, Worker] = field(default_factory=dict)
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
        for id, worker in self._workers.items():
            if id == device or (device is None and worker.driver.device.account_id == account_id):
                worker.wake()

    def changed(self, device: str) -> None:
        """The device came or went."""
        if device in self._workers:
            self._workers[device].wake()
