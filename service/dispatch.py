"""Room 3: claim what is due for a device, hand it over, record what became of it, decide about another try."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from service import retry
from service.errors import SendFailed, Unavailable
from service.lifecycle import Status
from service.messages import MtMessage
from service.ports import Clock, Driver, Settlement, Store

LEASE_MARGIN = timedelta(seconds=60)
"""a lease outlives the longest submit by this much"""


@dataclass(kw_only=True)
class Dispatch:
    store: Store
    clock: Clock
    node: str
    """who claims, so that a restart takes back its own at once"""
    sleep: Callable[[float], Awaitable[None]]
    _in_flight: dict[str, set[asyncio.Future[None]]] = field(default_factory=dict, repr=False)

    async def claim(self, driver: Driver, limit: int) -> list[MtMessage]:
        """Up to `limit` messages for the driver's device; the caller passes each to `send` at once."""
        now = self.clock()
        leased_until = now + timedelta(seconds=driver.submit_timeout_s) + LEASE_MARGIN
        return await self.store.claim(device=driver.device, limit=limit, now=now, leased_until=leased_until, leased_by=self.node)

    async def send(self, driver: Driver, message: MtMessage) -> None:
        """Hand one claimed message to its driver; returns when the result is on disk."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        in_flight = self._in_flight.setdefault(driver.device.id, set())
        in_flight.add(done)
        try:
            await self._settle(await self._submit(driver, message))
        finally:
            in_flight.discard(done)
            done.set_result(None)

    def in_flight(self, device: str) -> set[asyncio.Future[None]]:
        """Those whose submit has not been recorded yet; each future ends when it is."""
        return set(self._in_flight.get(device, ()))

    async def _submit(self, driver: Driver, message: MtMessage) -> Settlement:
        try:
            async with asyncio.timeout(driver.submit_timeout_s):
                accepted = await driver.submit(message)
        except SendFailed as failed:
            return self._failed(driver, message, failed)
        except TimeoutError:
            return self._failed(driver, message, SendFailed("the device did not answer", unknown=True))
        except Exception as bug:
            await self._settle(self._failed(driver, message, SendFailed(f"the driver failed: {type(bug).__name__}", unknown=True)))
            raise
        return Settlement(
            id=message.id,
            status=Status.SENT,
            now=self.clock(),
            attempts=message.attempts,
            device_message_id=accepted.device_message_id,
        )

    def _failed(self, driver: Driver, message: MtMessage, failed: SendFailed) -> Settlement:
        now = self.clock()
        due = None
        if not failed.permanent and (driver.deduplicates or not failed.unknown):
            due = retry.next_try(attempts=message.attempts, now=now, expires=message.expires, seed=message.guid)
        given_up = Status.OUTCOME_UNKNOWN if failed.unknown else Status.FAILED
        status = given_up if due is None else Status.QUEUED
        return Settlement(
            id=message.id,
            status=status,
            now=now,
            attempts=message.attempts,
            due=due,
            error=failed.reason,
            same_device=failed.unknown,
        )

    async def _settle(self, settlement: Settlement) -> None:
        """The device has spoken, so this is recorded however long the store is away."""
        wait_s = 0.1
        while True:
            try:
                return await self.store.settle(settlement)
            except Unavailable:
                await self.sleep(wait_s)
                wait_s = min(wait_s * 2, 5.0)
