"""Several phones of one account on virtual time: who gets what, what waits for how long, and what the log is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.aes_gcm import AesGcm
from adapters.device_worker import Worker
from adapters.lookout import Lookout
from adapters.reactor import Housekeeper
from adapters.staff import Staff
from adapters.storage.memory import MemoryStore
from service.accounts import Account, ApiKey, Principal
from service.dispatch import Dispatch
from service.errors import SendFailed
from service.fleet import Device, Fleet, Sim
from service.habits import Habits
from service.lifecycle import Status
from service.limits import Limits
from service.links import Links
from service.messages import Accepted, MoMessage, MtMessage, Submit
from service.outcome import Outcome
from service.ports import SentQuery
from service.submission import Submission
from service.traffic import wait_of
from tests.fakes import START, RecordingLog, mt_message, ripple
from tests.scripted_driver import ScriptedDriver
from tests.virtual_time import in_virtual_time, now, passed_s

MINUTE = timedelta(minutes=1)
RECIPIENT = "+32495898697"


class Phone(ScriptedDriver):
    """Takes `takes_s` for each message, and remembers when it was handed each."""

    takes_s = 0.0

    def __init__(self, device: Device, **how: Any) -> None:
        super().__init__(device, **how)
        self.times: list[float] = []

    async def submit(self, message: MtMessage) -> Accepted:
        self.times.append(passed_s())
        await asyncio.sleep(self.takes_s)
        taken = await super().submit(message)
        return replace(taken, device_message_id=f"{self.device.id}-{taken.device_message_id}")


class House:
    """Phones named a, b, c ... with real workers, and the road that a message takes to them."""

    def __init__(self, *phones: Device, window: int = 4, sticky: bool = False, store: MemoryStore | None = None) -> None:
        self.store, self.fleet, self.log = store or MemoryStore(), Fleet(), RecordingLog()
        self.dispatch = Dispatch(store=self.store, clock=now, node="here", sleep=asyncio.sleep)
        self.outcome = Outcome(store=self.store, fleet=self.fleet, dispatch=self.dispatch, clock=now)
        self.phones = {phone.id: Phone(phone, window=window) for phone in phones}
        self.staff = Staff(build=self._build, hire=self._hire, inbox=self.outcome)
        self.lookout = Lookout(store=self.store, clock=now, on_due=self.staff.due, log=self.log)
        self.staff.expect = self.lookout.expect
        self.fleet.on_change = self.staff.changed
        self.fleet.store = self.store
        self.account = Account(id=1, name="acme", sticky=sticky)
        links = Links(store=self.store, cipher=AesGcm(), clock=now)
        habits = Habits(store=self.store, fleet=self.fleet, traffic=self.dispatch.traffic)
        self.submission = Submission(store=self.store, fleet=self.fleet, clock=now, links=links, habits=habits)
        self.submission.on_queued = self.staff.queued
        self.keeper = Housekeeper(store=self.store, clock=now, deduplicating=list, log=self.log)
        self.keeper.on_released = lambda account_id: self.staff.queued(account_id, None)

    async def _build(self, device: Device) -> Phone:
        return self.phones[device.id]

    def _hire(self, driver: Any) -> Worker:
        return Worker(driver=driver, dispatch=self.dispatch, store=self.store, fleet=self.fleet, log=self.log, peers=self.staff)

    async def __aenter__(self) -> House:
        await self.store.create_account(replace(self.account, id=0))
        for phone in self.phones.values():
            await self.fleet.keep(phone.device)
            await self.staff.engage(phone.device)
        await self.staff.start()
        self.keeping = [asyncio.create_task(self.keeper.run()), asyncio.create_task(self.lookout.run())]
        await ripple()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self.keeping:
            task.cancel()
        await self.staff.stop()

    async def submit(self, count: int = 1, **fields: Any) -> None:
        key = ApiKey(id=1, account_id=1, label="", digest=b"")
        given = {"recipients": (RECIPIENT,) * count, "text": "hello", "api": "test", **fields}
        await self.submission.submit(Principal(key=key, account=self.account), Submit(**given))
        await ripple()

    @property
    def counts(self) -> dict[str, int]:
        return {id: len(phone.times) for id, phone in self.phones.items()}

    async def statuses(self) -> list[Status]:
        return [row.status for row in await self.store.sent(SentQuery(account_id=1, limit=10_000))]

    async def reason(self, id: str) -> tuple[int, str]:
        wait = await wait_of(self.dispatch.traffic, self.store, self.fleet, self.fleet.all()[list(self.phones).index(id)], now())
        return wait.count, wait.reason


def phone(id: str, *cards: Sim, sims: int = 1, **fields: Any) -> Device:
    limits = Limits(**{name: fields.pop(name) for name in tuple(fields) if name in Limits.__slots__})
    return Device(id=id, account_id=1, kind="test", sims=sims, cards=cards, limits=limits, **fields)


Test = Callable[[House], Awaitable[None]]


def with_phones(*phones: Device, **how: Any) -> Callable[[Test], Callable[[], None]]:
    def decorate(test: Test) -> Callable[[], None]:
        async def run() -> None:
            async with House(*phones, **how) as house:
                await test(house)

        run.__name__ = test.__name__
        return in_virtual_time(run)

    return decorate


# which phone


@with_phones(phone("a"), phone("b"), phone("c"))
async def test_one_message_at_a_time_uses_all_phones_evenly(house: House) -> None:
    for _ in range(30):
        await house.submit()
        await asyncio.sleep(7)
    assert house.counts == {"a": 10, "b": 10, "c": 10}


@with_phones(phone("a"), phone("b"), phone("c"))
async def test_messages_that_wait_for_their_time_are_shared_evenly_too(house: House) -> None:
    for minute in range(30):
        await house.submit(due=START + (minute + 1) * MINUTE)
    await asyncio.sleep(31 * 60)
    assert house.counts == {"a": 10, "b": 10, "c": 10}


@with_phones(phone("a", per_day=10), phone("b", per_day=30))
async def test_the_share_of_the_limits_decides_before_the_number(house: House) -> None:
    for _ in range(20):
        await house.submit()
        await asyncio.sleep(60)
    assert house.counts == {"a": 5, "b": 15}


@with_phones(phone("a"), phone("b"), phone("c"), window=32)
async def test_a_burst_sets_all_to_work_and_a_slow_phone_takes_less(house: House) -> None:
    house.phones["a"].takes_s, house.phones["b"].takes_s, house.phones["c"].takes_s = 5, 1, 1
    await house.submit(10)
    assert all(house.counts.values()), "nobody stands idle"
    await house.submit(700)
    while len([s for s in await house.statuses() if s is Status.SENT]) < 710:
        await asyncio.sleep(0.2)
        assert passed_s() < 15, "15 a second would be too slow: 2 x 32 + 6"
    assert house.counts["a"] < house.counts["b"] / 2
    assert sum(house.counts.values()) == 710


@with_phones(phone("a"), phone("b"), window=2)
async def test_no_phone_is_idle_while_another_one_is_stuck(house: House) -> None:
    await house.submit(5, device="b")
    await asyncio.sleep(1)
    house.phones["a"].gate.clear()
    await house.submit(20)
    await asyncio.sleep(1)
    assert house.counts == {"a": 2, "b": 23}, "although b is the busier one"
    house.phones["a"].gate.set()


@with_phones(phone("a"), phone("b", sims=2))
async def test_a_message_that_the_least_busy_cannot_take_is_passed_on_at_once(house: House) -> None:
    await house.submit(device="b")
    await house.submit(sim=2)
    assert (house.counts, passed_s()) == ({"a": 0, "b": 2}, 0)


@with_phones(phone("a"), phone("b"))
async def test_an_offline_phone_gets_nothing_and_holds_nothing_up(house: House) -> None:
    house.outcome.online("a", False)
    await ripple()
    for _ in range(4):
        await house.submit()
    assert (house.counts, passed_s()) == ({"a": 0, "b": 4}, 0)
    assert await house.reason("a") == (0, "offline since 2026-03-20 12:00:00")


# limits


@with_phones(phone("a", per_minute=5), window=32)
async def test_a_limit_holds_and_what_waits_goes_as_soon_as_it_may(house: House) -> None:
    await house.submit(12)
    assert house.counts == {"a": 5}
    assert await house.reason("a") == (7, "5 a minute reached, next at 12:01:00")
    await asyncio.sleep(59.9)
    assert house.counts == {"a": 5}
    await asyncio.sleep(0.2)
    assert house.counts == {"a": 10}
    await asyncio.sleep(120)
    assert [round(at) for at in house.phones["a"].times] == [0] * 5 + [60] * 5 + [120] * 2
    assert house.log.events == ["device_waits", "device_waits_no_more"] * 2
    assert await house.reason("a") == (0, "")


@with_phones(phone("a", per_minute=2), phone("b"), window=32)
async def test_what_one_phone_may_not_send_another_does(house: House) -> None:
    await house.submit(20)
    assert (sum(house.counts.values()), passed_s()) == (20, 0)
    assert 1 <= house.counts["a"] <= 2


@with_phones(phone("a", Sim(slot=1, limits=Limits(per_minute=3)), Sim(slot=2, limits=Limits(per_minute=3)), sims=2))
async def test_a_wanted_sim_waits_for_its_limit_and_the_others_go_on(house: House) -> None:
    await house.submit(5, sim=1)
    await house.submit(2)
    assert [m.sim for m in house.phones["a"].handed_over] == [1, 1, 1, 2, 2]
    assert await house.reason("a") == (2, "SIM 1: 3 a minute reached, next at 12:01:00")
    await asyncio.sleep(61)
    assert [m.sim for m in house.phones["a"].handed_over][5:] == [1, 1]
    rows = await house.store.sent(SentQuery(account_id=1))
    assert {(row.wanted_sim, row.sim) for row in rows} == {(1, 1), (None, 2)}


@with_phones(phone("a", quiet_from=11 * 60, quiet_until=13 * 60, time_zone="Europe/London"))
async def test_nothing_goes_out_in_quiet_hours(house: House) -> None:
    await house.submit(2)
    assert await house.reason("a") == (2, "quiet hours until 13:00")
    await asyncio.sleep(3600 - 0.1)
    assert house.counts == {"a": 0}
    await asyncio.sleep(0.2)
    assert house.counts == {"a": 2}
    assert house.log.events == ["device_waits", "device_waits_no_more"]


@with_phones(phone("a"))
async def test_limits_that_are_changed_hold_for_the_driver_that_lives_and_count_what_went_before(house: House) -> None:
    await house.submit(3)
    await house.fleet.restrict(1, "a", per_minute=4)
    await house.submit(3)
    assert house.counts == {"a": 4}
    await house.fleet.restrict(1, "a", per_minute=None)
    await ripple()
    assert (house.counts, passed_s()) == ({"a": 6}, 0)


@with_phones(phone("a", per_minute=2))
async def test_what_is_given_back_is_not_counted_and_what_is_refused_is(house: House) -> None:
    house.phones["a"].script = [SendFailed("never had it", given_back=True), SendFailed("no network")]
    await house.submit(3)
    await asyncio.sleep(1)
    assert len(house.phones["a"].times) == 3
    assert sorted(s.value for s in await house.statuses()) == ["queued", "queued", "sent"]


@in_virtual_time
async def test_a_restart_forgets_nothing() -> None:
    async with House(phone("a", per_minute=5)) as house:
        await house.submit(3)
    again = House(phone("a", per_minute=5))
    again.dispatch.store = again.dispatch.traffic.store = house.store
    await asyncio.sleep(10)
    (device,) = [p.device for p in again.phones.values()]
    assert (await again.dispatch.leave(device)).room == 2


# the same phone again


@pytest.mark.parametrize("sticky", [True, False])
def test_a_recipient_hears_from_the_same_phone_and_sim_where_its_account_wants_that(sticky: bool) -> None:
    @with_phones(phone("a"), phone("b", sims=2), sticky=sticky)
    async def test(house: House) -> None:
        await house.submit(device="b", sim=2)
        for _ in range(4):
            await asyncio.sleep(60)
            await house.submit()
        assert house.counts == ({"a": 0, "b": 5} if sticky else {"a": 2, "b": 3})
        assert not sticky or [m.sim for m in house.phones["b"].handed_over] == [2] * 5

    test()


@with_phones(phone("a"), phone("b"), sticky=True)
async def test_an_answer_comes_from_the_phone_that_was_written_to(house: House) -> None:
    await house.submit(device="a")
    await asyncio.sleep(60)
    await house.outcome.received(MoMessage(device="b", sender=RECIPIENT, text="yes", received=now()))
    await house.submit()
    assert house.counts == {"a": 1, "b": 1}
    message, habits = mt_message(recipient=RECIPIENT), house.submission.habits
    assert habits is not None
    assert [pin.device for pin in await habits.pins(house.account, (message,), now() + timedelta(days=29))] == ["b"]
    assert await habits.pins(house.account, (message,), now() + timedelta(days=31)) == (), "nobody is used to anything any more"


@with_phones(phone("a"), phone("b", per_minute=1), sticky=True)
async def test_nothing_stays_with_a_phone_that_went_away_or_may_not(house: House) -> None:
    await house.submit(device="b")
    await house.submit()
    assert house.counts == {"a": 0, "b": 1}, "it may within a minute"
    house.outcome.online("b", False)
    await ripple()
    assert (house.counts, passed_s()) == ({"a": 1, "b": 1}, 0)
    house.outcome.online("b", True)
    await asyncio.sleep(61)
    await house.submit(recipients=("+32495000001",), device="b")
    await house.submit(recipients=("+32495000001",))
    await house.submit(recipients=("+32495000001",))
    assert house.counts == {"a": 1, "b": 2}
    await asyncio.sleep(61)
    assert house.counts == {"a": 1, "b": 3}
    await asyncio.sleep(15)
    assert house.counts == {"a": 2, "b": 3}, "after a minute anybody may"


@with_phones(phone("a"), phone("b", per_hour=1), sticky=True)
async def test_a_phone_that_must_wait_longer_than_a_minute_is_not_waited_for(house: House) -> None:
    await house.submit(device="b")
    await house.submit()
    assert (house.counts, passed_s()) == ({"a": 1, "b": 1}, 0)
