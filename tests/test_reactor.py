"""Workers on virtual time: what they claim and when, and that a stop loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from adapters.device_worker import IDLE_S, STOP_S, Worker
from adapters.reactor import frames
from adapters.storage.memory import MemoryStore
from service.dispatch import Dispatch
from service.errors import InDoubt, SendFailed, Unavailable
from service.fleet import Device, Fleet
from service.lifecycle import Status
from service.messages import MtMessage
from service.outcome import Outcome
from service.ports import SentQuery
from tests.fakes import RecordingLog, ripple
from tests.scripted_driver import PHONE, ScriptedDriver, queue
from tests.virtual_time import in_virtual_time, now, passed_s


class Store(MemoryStore):
    """Counts claims; `away` is raised by the next ones. While `gate` is closed no claim is answered."""

    def __init__(self) -> None:
        super().__init__()
        self.claims: list[tuple[float, int, int]] = []
        """when, how many were wanted, how many there were"""
        self.away: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def claim(self, **wanted: Any) -> list[MtMessage]:
        if self.away:
            self.claims.append((passed_s(), wanted["limit"], 0))
            raise self.away.pop(0)
        claimed = await super().claim(**wanted)
        self.claims.append((passed_s(), wanted["limit"], len(claimed)))
        await self.gate.wait()
        return claimed


class Room:
    """One worker with all that it touches, started as a server starts it."""

    def __init__(self, *, device: Device = PHONE, window: int = 4) -> None:
        self.store, self.fleet, self.log = Store(), Fleet(), RecordingLog()
        self.fleet.register(device)
        self.driver = ScriptedDriver(device, window=window)
        dispatch = Dispatch(store=self.store, clock=now, node="here", sleep=asyncio.sleep)
        self.outcome = Outcome(store=self.store, fleet=self.fleet, dispatch=dispatch, clock=now)
        self.worker = Worker(driver=self.driver, dispatch=dispatch, store=self.store, fleet=self.fleet, log=self.log)
        self.fleet.on_change = lambda device: self.worker.wake()

    async def start(self) -> None:
        await self.worker.start(self.outcome)
        await ripple()

    async def queue(self, count: int = 1, **fields: Any) -> None:
        for _ in range(count):
            await queue(self.store, now(), **fields)

    async def submit(self, count: int = 1, **fields: Any) -> None:
        """As a submission does it: store, then wake."""
        await self.queue(count, **fields)
        self.worker.wake()
        await ripple()

    async def statuses(self) -> list[Status]:
        return [row.status for row in await self.store.sent(SentQuery(account_id=1, limit=10_000))]

    @property
    def handed_over(self) -> int:
        return len(self.driver.handed_over)


Test = Callable[[Room], Awaitable[None]]


def with_a_worker(*, device: Device = PHONE, window: int = 4) -> Callable[[Test], Callable[[], None]]:
    """The test is given a room whose worker runs, and is stopped after it."""

    def decorate(test: Test) -> Callable[[], None]:
        async def run() -> None:
            room = Room(device=device, window=window)
            await room.start()
            await test(room)
            room.driver.gate.set()
            room.store.gate.set()
            await room.worker.stop()

        run.__name__ = test.__name__
        return in_virtual_time(run)

    return decorate


# claiming


@with_a_worker()
async def test_what_is_accepted_is_handed_over_at_once(room: Room) -> None:
    await room.submit()
    assert (room.handed_over, passed_s(), await room.statuses()) == (1, 0, [Status.SENT])


@with_a_worker()
async def test_a_backlog_is_handed_over_without_a_pause(room: Room) -> None:
    await room.submit(1000)
    await asyncio.sleep(0.001)
    assert await room.statuses() == [Status.SENT] * 1000
    assert len({m.guid for m in room.driver.handed_over}) == 1000


@with_a_worker()
async def test_never_more_is_claimed_than_the_driver_has_room_for(room: Room) -> None:
    room.driver.gate.clear()
    await room.submit(10)
    await asyncio.sleep(20)
    assert room.handed_over == 4
    assert (await room.statuses()).count(Status.SENDING) == 4
    room.driver.gate.set()
    await ripple()
    assert room.handed_over == 10


@pytest.mark.parametrize("window", [1, 2, 3, 4, 5, 32])
def test_every_window_is_filled_and_emptied(window: int) -> None:
    @with_a_worker(window=window)
    async def test(room: Room) -> None:
        room.driver.gate.clear()
        await room.submit(3 * window)
        assert room.handed_over == window
        room.driver.gate.set()
        await asyncio.sleep(0.001)
        assert room.handed_over == 3 * window
        assert max(wanted for _, wanted, _ in room.store.claims) == window

    test()


@with_a_worker()
async def test_a_worker_with_nothing_to_do_looks_again_now_and_then_and_no_more(room: Room) -> None:
    await asyncio.sleep(10 * IDLE_S)
    assert len(room.store.claims) <= 12
    await room.submit(due=now() + timedelta(minutes=1), status=Status.SCHEDULED)
    await room.queue()
    await asyncio.sleep(IDLE_S + 0.001)
    assert room.handed_over == 1


@with_a_worker()
async def test_a_worker_wakes_at_the_very_time_that_the_next_message_is_due(room: Room) -> None:
    await room.submit(due=now() + timedelta(seconds=1.5), status=Status.SCHEDULED)
    await asyncio.sleep(1.499)
    assert room.handed_over == 0
    await asyncio.sleep(0.002)
    assert room.handed_over == 1


@with_a_worker()
async def test_a_temporary_failure_is_tried_again_in_its_time(room: Room) -> None:
    room.driver.script = [SendFailed("no network")]
    await room.submit()
    assert await room.statuses() == [Status.QUEUED]
    await asyncio.sleep(6.1)
    assert (room.handed_over, await room.statuses()) == (2, [Status.SENT])


@with_a_worker()
async def test_a_message_that_this_device_cannot_take_keeps_nobody_busy(room: Room) -> None:
    await room.submit(wanted_sim=2)
    await room.submit(wanted_device="somewhere else")
    await asyncio.sleep(60)
    assert room.handed_over == 0
    assert len(room.store.claims) < 20


# coming and going


@with_a_worker()
async def test_nothing_is_claimed_for_a_device_that_is_offline(room: Room) -> None:
    room.outcome.online(PHONE.id, False)
    await ripple()
    room.store.claims.clear()
    await room.submit()
    await asyncio.sleep(60)
    assert room.store.claims == []
    assert await room.statuses() == [Status.QUEUED]
    room.outcome.online(PHONE.id, True)
    await ripple()
    assert (room.handed_over, passed_s()) == (1, 60)


@pytest.mark.parametrize("error", [Unavailable("full"), InDoubt("gone")])
def test_a_store_that_is_away_is_asked_again_ever_more_rarely_and_the_work_goes_on(error: Exception) -> None:
    @with_a_worker()
    async def test(room: Room) -> None:
        await asyncio.sleep(IDLE_S / 2)
        room.store.claims.clear()
        began = passed_s()
        room.store.away = [error] * 8
        await room.submit()
        await asyncio.sleep(60)
        waits = [round(when - began, 1) for when, _, _ in room.store.claims[:9]]
        assert waits == [0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 11.3, 16.3]
        assert room.handed_over == 1
        assert set(room.log.events) == {"store_unavailable"}

    test()


@with_a_worker()
async def test_after_the_store_came_back_the_first_wait_is_short_again(room: Room) -> None:
    room.store.away = [Unavailable("full")] * 5
    await room.submit()
    await asyncio.sleep(10)
    room.store.away = [Unavailable("full")]
    await room.submit()
    await asyncio.sleep(0.11)
    assert room.handed_over == 2


@with_a_worker()
async def test_a_bug_does_not_end_a_worker_nor_spin_it(room: Room) -> None:
    room.store.claims.clear()
    room.store.away = [RuntimeError("text and key")] * 3
    await room.submit()
    await asyncio.sleep(3 * IDLE_S + 0.001)
    assert [when for when, _, _ in room.store.claims[:4]] == [0, IDLE_S, 2 * IDLE_S, 3 * IDLE_S]
    assert room.handed_over == 1
    assert room.log.events == ["worker_failed"] * 3
    assert "text and key" not in repr(room.log.lines)


@with_a_worker()
async def test_a_bug_in_a_driver_costs_one_message_and_is_logged_without_its_words(room: Room) -> None:
    room.driver.script = [RuntimeError("text and key")]
    await room.submit(2)
    assert sorted(s.value for s in await room.statuses()) == ["outcome_unknown", "sent"]
    ((event, fields),) = room.log.lines
    assert (event, fields["device"], fields["error"]) == ("driver_failed", PHONE.id, "RuntimeError")
    assert any("submit" in frame for frame in fields["frames"])
    assert "text and key" not in repr(room.log.lines)


@with_a_worker()
async def test_one_silent_submit_does_not_hold_up_the_others(room: Room) -> None:
    silent = room.driver.gate = asyncio.Event()
    await room.submit()
    room.driver.gate = asyncio.Event()
    room.driver.gate.set()
    await room.submit(20)
    assert await room.statuses() == [Status.SENT] * 20 + [Status.SENDING]
    silent.set()


# stopping


@in_virtual_time
async def test_a_stop_waits_for_what_is_in_flight_and_claims_nothing_more() -> None:
    room = Room()
    await room.start()
    room.driver.gate.clear()
    await room.submit(6)
    stopping = asyncio.create_task(room.worker.stop())
    await asyncio.sleep(STOP_S / 2)
    assert room.driver.stops == 0
    room.driver.gate.set()
    await stopping
    assert room.driver.stops == 1
    assert sorted(s.value for s in await room.statuses()) == ["queued"] * 2 + ["sent"] * 4
    assert passed_s() == STOP_S / 2


@in_virtual_time
async def test_a_stop_does_not_wait_for_ever() -> None:
    room = Room()
    await room.start()
    room.driver.gate.clear()
    await room.submit()
    await room.worker.stop()
    assert (passed_s(), room.driver.stops, room.driver.cancelled) == (STOP_S, 1, 1)
    (guid,) = await room.store.recover(now=now(), leased_by="here", deduplicating=[])
    assert guid == room.driver.handed_over[0].guid


@in_virtual_time
async def test_what_a_claim_takes_while_a_stop_begins_is_still_handed_over() -> None:
    room = Room()
    await room.start()
    room.store.gate.clear()
    await room.submit(3)
    assert (await room.statuses()).count(Status.SENDING) == 3
    stopping = asyncio.create_task(room.worker.stop())
    await ripple()
    room.store.gate.set()
    await stopping
    assert await room.statuses() == [Status.SENT] * 3


@in_virtual_time
async def test_a_worker_that_never_started_can_be_stopped() -> None:
    room = Room()
    await room.worker.stop()
    assert room.driver.stops == 1


@in_virtual_time
async def test_after_a_stop_nothing_runs_on() -> None:
    room = Room()
    await room.start()
    await room.submit(3)
    await room.worker.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    claims = len(room.store.claims)
    await room.submit()
    await asyncio.sleep(60)
    assert len(room.store.claims) == claims


def test_frames_say_where_and_nothing_of_what() -> None:
    secret = "key"
    try:
        raise RuntimeError(secret + " in a text")
    except RuntimeError as error:
        (frame,) = frames(error)
    assert "test_reactor.py" in frame
    assert frame.endswith("test_frames_say_where_and_nothing_of_what")
