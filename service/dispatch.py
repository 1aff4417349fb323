"""Room 3: claim what is due for a device, hand it over, record what became of it, decide about another try."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from service import retry
from service.errors import SendFailed, Unavailable
from service.fleet import Device
from service.lifecycle import Status
from service.messages import MtMessage, try_of
from service.ports import Clock, Driver, Settlement, Store
from service.traffic import Leave, Traffic

LEASE_MARGIN = timedelta(seconds=60)
"""a lease outlives the longest submit by this much"""


@dataclass(kw_only=True)
class Dispatch:
    store: Store
    clock: Clock
    node: str
    """who claims, so that a restart takes back its own at once"""
    sleep: Callable[[float], Awaitable[None]]
    traffic: Traffic = field(init=False)
    _in_flight: dict[str, dict[asyncio.Future[None], str | None]] = field(default_factory=dict, repr=False)
    """by device; each with the try_guid by which alone the device knows it"""

    def __post_init__(self) -> None:
        self.traffic = Traffic(store=self.store)

    async def leave(self, device: Device) -> Leave:
        """What the device may claim now."""
        now = self.clock()
        await self.traffic.learn(device, now)
        return self.traffic.leave(device, now)

    async def claim(self, driver: Driver, limit: int, device: Device | None = None) -> list[MtMessage]:
        """Up to `limit` messages, within its limits, for the driver's device, or for `device`: what that is by now. The caller passes each
        to `send` at once."""
        device = device or driver.device
        leave = await self.leave(device)
        if not leave.room:
            return []
        now = self.clock()
        leased_until = now + timedelta(seconds=driver.submit_timeout_s) + LEASE_MARGIN
        claimed = await self.store.claim(
            device=device,
            limit=min(limit, leave.room),
            now=now,
            leased_until=leased_until,
            leased_by=self.node,
            slots=leave.slots,
        )
        return self.traffic.take(device, claimed, leave, self.clock())

    async def send(self, driver: Driver, message: MtMessage) -> None:
        """Hand one claimed message to its driver; returns when the result is on disk."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        in_flight = self._in_flight.setdefault(driver.device.id, {})
        in_flight[done] = message.try_guid if driver.deduplicates else None
        given_back = False
        try:
            told = await self._submit(driver, message)
            given_back = told.given_back
            await self._settle(told)
        finally:
            self.traffic.done(driver.device.id, message, given_back=given_back)
            del in_flight[done]
            done.set_result(None)

    def in_flight(self, device: str, device_message_id: str) -> set[asyncio.Future[None]]:
        """Those whose submit has not been recorded yet and that the device may know by this id; each future ends when it is recorded.

        An id that is one of our try_guids, and comes from a device that knows messages by those, means that try and no other.
        """
        flying, is_ours = self._in_flight.get(device, {}), try_of(device_message_id) is not None
        return {done for done, known_as in flying.items() if not is_ours or known_as in (None, device_message_id)}

    async def _submit(self, driver: Driver, message: MtMessage) -> Settlement:
        try:
            async with asyncio.timeout(driver.submit_timeout_s):
                accepted = await driver.submit(message)
        except SendFailed as failed:
            return self._failed(driver, message, failed)
        except TimeoutError:
            return self._failed(driver, message, SendFailed("the device did not answer", unknown=True))
        except Exception as bug:
            told = self._failed(driver, message, SendFailed(f"the driver failed: {type(bug).__name__}", unknown=True))
            # a bug would strike again at once, so what is in doubt waits as after a refusal
            await self._settle(replace(told, due=told.due and (self._next_try(message, message.attempts) or message.expires)))
            raise
        return Settlement(
            id=message.id,
            status=Status.SENT if accepted.on_air else Status.SENDING,
            now=self.clock(),
            attempts=message.attempts,
            device_message_id=accepted.device_message_id,
            sim=message.sim,
        )

    def _failed(self, driver: Driver, message: MtMessage, failed: SendFailed) -> Settlement:
        now = self.clock()
        told = Settlement(id=message.id, status=Status.QUEUED, now=now, attempts=message.attempts, due=now)
        if failed.given_back:
            return replace(told, given_back=True)
        told = replace(told, error=failed.reason, sim=message.sim)
        if failed.unknown and driver.deduplicates:
            # only this device can tell, so it is asked as soon as it is there and for as long as the message is valid
            return replace(told, same_device=True)
        if failed.unknown:
            return replace(told, status=Status.OUTCOME_UNKNOWN, due=None)
        due = None if failed.permanent else self._next_try(message, message.failures + 1)
        return replace(told, status=Status.FAILED if due is None else Status.QUEUED, due=due)

    def _next_try(self, message: MtMessage, attempts: int) -> datetime | None:
        return retry.next_try(attempts=attempts, now=self.clock(), expires=message.expires, seed=message.guid)

    async def _settle(self, settlement: Settlement) -> None:
        """The device has spoken, so this is recorded however long the store is away."""
        wait_s = 0.1
        while True:
            try:
                return await self.store.settle(settlement)
            except Unavailable:
                await self.sleep(wait_s)
                wait_s = min(wait_s * 2, 5.0)
