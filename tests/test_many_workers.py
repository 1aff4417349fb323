"""A hundred phones of one account on virtual time: what they cost while nothing happens, and that the choice among a few is a good one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from adapters.lookout import LOOK_S
from adapters.storage.memory import MemoryStore
from service.errors import Unavailable
from service.fleet import Device
from service.lifecycle import Status
from service.messages import FirstInLane, MtMessage
from tests.fakes import ripple
from tests.scripted_driver import queue
from tests.test_choice import House, phone, with_phones
from tests.virtual_time import in_virtual_time, now, passed_s

MANY = 100
CROWD = [phone(f"p{number:02}") for number in range(MANY)]


class Counting(MemoryStore):
    """Counts what workers ask; `away` times the lookout is refused."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()
        self.away = 0

    async def claim(self, **wanted: Any) -> list[MtMessage]:
        self.asked["claim"] += 1
        return await super().claim(**wanted)

    async def next_due(self, device: Device, slots: Collection[int] | None = None) -> datetime | None:
        self.asked["next_due"] += 1
        return await super().next_due(device, slots)

    async def first_in_lanes(self) -> list[FirstInLane]:
        self.asked["first_in_lanes"] += 1
        if self.away:
            self.away -= 1
            raise Unavailable("full")
        return await super().first_in_lanes()


@in_virtual_time
async def test_phones_with_nothing_to_do_cost_one_question_for_all() -> None:
    store = Counting()
    async with House(*CROWD, store=store) as house:
        await house.submit()
        store.asked.clear()
        await house.submit(due=now() + timedelta(hours=1))
        await ripple()
        assert store.asked["claim"] <= 2
        store.asked.clear()
        await asyncio.sleep(600)
        assert set(store.asked) == {"first_in_lanes"}
        assert store.asked["first_in_lanes"] <= 600 / LOOK_S + 1


@in_virtual_time
async def test_a_scheduled_message_leaves_at_its_very_time_and_wakes_few() -> None:
    store = Counting()
    async with House(*CROWD, store=store) as house:
        await house.submit(due=now() + timedelta(seconds=1.5))
        store.asked.clear()
        await asyncio.sleep(1.499)
        assert sum(house.counts.values()) == 0
        await asyncio.sleep(0.002)
        assert sum(house.counts.values()) == 1
        assert store.asked["claim"] <= 10, "and not a hundred"


@with_phones(*CROWD)
async def test_what_another_process_accepted_is_found_for_the_pool_and_for_a_device(house: House) -> None:
    await queue(house.store, now())
    await queue(house.store, now(), wanted_device="p42")
    await asyncio.sleep(LOOK_S + 0.001)
    assert await house.statuses() == [Status.SENT, Status.SENT]
    assert house.counts["p42"] >= 1


@in_virtual_time
async def test_a_store_that_was_away_is_looked_into_again() -> None:
    store = Counting()
    async with House(*CROWD[:2], store=store) as house:
        store.away = 2
        await queue(store, now())
        await asyncio.sleep(3 * LOOK_S + 0.001)
        assert await house.statuses() == [Status.SENT]
        assert house.log.events == ["store_unavailable"] * 2


@with_phones(*CROWD)
async def test_messages_one_at_a_time_are_shared_out(house: House) -> None:
    for _ in range(4 * MANY):
        await house.submit()
    assert set(house.counts.values()) <= {3, 4, 5}


@with_phones(*CROWD)
async def test_a_burst_reaches_all(house: House) -> None:
    await house.submit(4 * MANY)
    await asyncio.sleep(1)
    assert sum(house.counts.values()) == 4 * MANY
    assert min(house.counts.values()) >= 1


@with_phones(*CROWD)
async def test_the_only_one_that_is_there_is_found_at_once(house: House) -> None:
    for one in CROWD:
        house.outcome.online(one.id, one.id == "p77")
    await ripple()
    await house.submit()
    assert (house.counts["p77"], passed_s()) == (1, 0)


@with_phones(*CROWD, phone("two", sims=2))
async def test_the_only_one_with_the_sim_is_found_at_once(house: House) -> None:
    for _ in range(3):
        await house.submit(sim=2)
    assert (house.counts["two"], passed_s()) == (3, 0)


@with_phones(phone("a", per_minute=1), phone("b", per_minute=1))
async def test_phones_that_must_wait_take_what_waits_when_they_may(house: House) -> None:
    await house.submit(4)
    assert house.counts == {"a": 1, "b": 1}
    await asyncio.sleep(60.1)
    assert house.counts == {"a": 2, "b": 2}


@with_phones(phone("a", per_minute=1))
async def test_a_phone_that_had_to_wait_is_called_again_afterwards(house: House) -> None:
    await house.submit(2)
    await house.submit()
    await asyncio.sleep(200)
    assert house.counts == {"a": 3}
    began = passed_s()
    await house.submit()
    assert (house.counts, passed_s()) == ({"a": 4}, began)
