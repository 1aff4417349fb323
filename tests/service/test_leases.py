"""Phones that fetch, a server that falls over, connections that break, in any order: nothing is lost and nothing is on the air twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.storage.memory import MemoryStore
from service.dispatch import Dispatch
from service.fleet import Fleet
from service.lifecycle import Status
from service.messages import DeliveryReport
from service.outcome import Outcome
from service.ports import SentQuery
from tests.fakes import ripple
from tests.fetching_phone import FetchingDriver, Phone
from tests.scripted_driver import OTHER_PHONE, PHONE, queue
from tests.virtual_time import in_virtual_time, now

DEVICES = (PHONE, OTHER_PHONE)


class World:
    """Two phones and the store outlive each server."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.phones = {device.id: Phone() for device in DEVICES}
        self.unknown: list[DeliveryReport] = []

    async def boot(self) -> None:
        fleet = Fleet()
        for device in DEVICES:
            fleet.register(device)
        self.submits: list[asyncio.Task[None]] = []
        self.dispatch = Dispatch(store=self.store, clock=now, node="node", sleep=asyncio.sleep)
        outcome = Outcome(store=self.store, fleet=fleet, dispatch=self.dispatch, clock=now, on_unknown=self.unknown.append)
        self.drivers = {device.id: FetchingDriver(device, window=2) for device in DEVICES}
        await self.recover("node")
        for driver in self.drivers.values():
            await driver.start(outcome)

    async def recover(self, leased_by: str | None) -> None:
        assert await self.store.recover(now=now(), leased_by=leased_by, deduplicating=list(self.drivers)) == []

    async def crash(self, _: str) -> None:
        for submit in self.submits:
            submit.cancel()
        await asyncio.gather(*self.submits, return_exceptions=True)
        await self.boot()

    async def accept(self, device: str) -> None:
        await queue(self.store, now(), expires=now() + timedelta(days=300), wanted_device=device)

    async def accept_for_any(self, _: str) -> None:
        await queue(self.store, now(), expires=now() + timedelta(days=300))

    async def offer(self, device: str) -> None:
        driver = self.drivers[device]
        claimed = await self.dispatch.claim(driver, 2) if driver.is_connected else []
        self.submits += [asyncio.create_task(self.dispatch.send(driver, message)) for message in claimed]

    async def fetch(self, device: str) -> None:
        if self.drivers[device].is_connected:
            self.phones[device].store(self.drivers[device].fetch())

    async def list_again(self, device: str) -> None:
        taken = await self.store.taken_before(device, now() + timedelta(seconds=1), 10)
        self.phones[device].store([message.try_guid for message in taken])

    async def transmit(self, device: str) -> None:
        self.phones[device].transmit()

    async def tell_one(self, device: str) -> None:
        phone = self.phones[device]
        if phone.untold:
            id = phone.untold.pop()
            await self.drivers[device].tell(id, phone.states[id])

    async def forget_to_tell(self, device: str) -> None:
        self.phones[device].untold.clear()

    async def come_or_go(self, device: str) -> None:
        self.drivers[device].connection(not self.drivers[device].is_connected)

    async def wait(self, _: str) -> None:
        await asyncio.sleep(200)
        await self.recover(None)
        await self.store.expire(now(), 100)

    async def end_well(self) -> None:
        for device in [OTHER_PHONE.id, PHONE.id] * 20:
            self.drivers[device].connection(True)
            for step in (self.offer, self.fetch, self.transmit, self.list_again):
                await step(device)
                await ripple()
            while self.phones[device].untold:
                await self.tell_one(device)
            await ripple()


_OFTEN = (World.accept_for_any, World.offer, World.fetch, World.transmit, World.tell_one)
_SELDOM = (World.accept, World.forget_to_tell, World.list_again, World.come_or_go, World.wait, World.crash)
STEPS = (*_OFTEN, *_OFTEN, *_SELDOM)


@settings(max_examples=200, deadline=None, database=None)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from([d.id for d in DEVICES])), min_size=15, max_size=40))
@in_virtual_time
async def test_whatever_happens_each_message_goes_on_the_air_once(steps: list[tuple[object, str]]) -> None:
    world = World()
    await world.boot()
    for step, device in steps:
        await step(world, device)  # type: ignore[operator]
        await ripple()
    await world.end_well()
    rows = await world.store.sent(SentQuery(account_id=1))
    on_air = Counter(id for phone in world.phones.values() for id in phone.on_air)
    assert on_air == Counter(row.guid for row in rows)
    assert {(row.status, row.taken, row.in_doubt) for row in rows} <= {(Status.SENT, None, False)}
    assert world.unknown == []
    await asyncio.gather(*world.submits)
