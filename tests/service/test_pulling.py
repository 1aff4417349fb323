"""Outboxes: what is offered, handed out and acknowledged, who is told, and when a device counts as there."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from service.errors import SendFailed, Unavailable
from service.lifecycle import Status
from service.messages import Accepted, DeliveryReport, MtMessage
from service.pulling import CALLS_AGAIN, LISTENS_AGAIN, PATIENCE, REMIND, SEEN_EVERY, News, Outbox, Pulls
from tests.fakes import START, FakeClock, RecordingInbox, mt_message, on_the_loop, ripple

ID = "00112233445566ff"


class Ear:
    """An open line that remembers."""

    def __init__(self) -> None:
        self.told: list[tuple[News, str]] = []
        self.is_closed = False

    def tell(self, news: News, about: str = "") -> None:
        self.told.append((news, about))

    def hang_up(self) -> None:
        self.is_closed = True


class House:
    def __init__(self, *, is_open: bool = True) -> None:
        self.clock, self.inbox = FakeClock(), RecordingInbox(is_open=is_open)
        self.pulls = Pulls(clock=self.clock)
        self.box: Outbox = self.pulls.of(ID)
        self.box.open(self.inbox)

    def listening(self) -> Ear:
        ear = Ear()
        self.box.listen(ear, self.clock())
        return ear

    async def offered(self, message: MtMessage | None = None) -> tuple[MtMessage, asyncio.Task[Accepted]]:
        message = message or mt_message()
        task = asyncio.ensure_future(self.box.offer(message))
        await ripple()
        return message, task

    def later(self, span: timedelta) -> None:
        self.clock.advance(span.total_seconds())
        self.pulls.sweep()


async def failure(task: asyncio.Task[Accepted]) -> SendFailed:
    with pytest.raises(SendFailed) as failed:
        await task
    return failed.value


def report(id: str, status: Status = Status.SENT) -> DeliveryReport:
    return DeliveryReport(device=ID, device_message_id=id, status=status, at=START)


@on_the_loop
async def test_an_offer_ends_when_the_device_says_that_it_has_it() -> None:
    house = House()
    house.listening()
    message, task = await house.offered()
    assert house.box.fetch(START) == house.box.fetch(START) == [message]
    assert not task.done()
    assert await house.box.acknowledge(message.try_guid)
    assert await task == Accepted(device_message_id=message.try_guid, on_air=False)
    assert house.box.fetch(START) == []
    assert house.inbox.taken_ids == [message.try_guid]


@on_the_loop
async def test_a_report_acknowledges_and_a_failure_before_that_refuses_for_good() -> None:
    house = House()
    house.listening()
    first, one = await house.offered()
    second, two = await house.offered()
    assert await house.box.report(report(first.try_guid))
    assert (await one).on_air is False
    await house.box.fail(report(second.try_guid, Status.FAILED))
    assert (await failure(two)).permanent
    assert [told.device_message_id for told in house.inbox.reports] == [first.try_guid]


@on_the_loop
async def test_what_is_no_id_of_ours_is_known_to_nobody() -> None:
    house = House()
    assert not await house.box.acknowledge("x")
    assert not await house.box.report(report("x"))
    await house.box.fail(report("x", Status.FAILED))
    assert (house.inbox.taken_ids, house.inbox.reports) == ([], [])


@on_the_loop
async def test_one_word_is_enough_until_the_device_has_fetched_and_it_is_said_again_if_that_was_lost() -> None:
    house = House()
    ears = [house.listening(), house.listening()]
    await house.offered()
    await house.offered()
    assert [ear.told for ear in ears] == [[(News.FETCH, "")]] * 2
    house.later(timedelta(seconds=10))
    assert len(ears[0].told) == 2
    house.box.fetch(house.clock())
    house.later(timedelta(seconds=10))
    assert len(ears[0].told) == 2, "it is in its hands"
    await house.offered()
    assert len(ears[0].told) == 3


@on_the_loop
async def test_a_listening_device_that_has_not_fetched_for_long_is_told_to() -> None:
    house = House()
    ear = house.listening()
    house.box.fetch(START)
    house.later(REMIND)
    assert ear.told == []
    house.later(timedelta(seconds=1))
    house.later(timedelta(seconds=1))
    assert ear.told == [(News.FETCH, "")]


@on_the_loop
async def test_presence_is_said_once_each_time_it_changes() -> None:
    house = House()
    house.later(timedelta(0))
    assert house.inbox.presence == []
    house.box.heard(START)
    house.box.heard(START)
    house.later(2 * CALLS_AGAIN)
    assert house.inbox.presence == [True]
    house.later(timedelta(seconds=1))
    house.later(timedelta(seconds=1))
    assert house.inbox.presence == [True, False]
    ears = [house.listening(), house.listening()]
    house.later(timedelta(days=1))
    house.box.hung_up(ears[0], house.clock())
    house.later(timedelta(days=1))
    assert house.inbox.presence == [True, False, True]
    house.box.hung_up(ears[1], house.clock())
    house.box.hung_up(ears[1], house.clock() + timedelta(days=1))
    house.later(2 * LISTENS_AGAIN)
    assert house.box.is_online
    house.later(timedelta(seconds=1))
    assert house.inbox.presence == [True, False, True, False]


@on_the_loop
async def test_a_device_that_shows_that_it_calls_often_is_missed_sooner() -> None:
    house = House()
    house.box.heard(START)
    house.box.calls_every(timedelta(minutes=5))
    house.later(timedelta(minutes=10))
    assert house.box.is_online
    house.later(timedelta(seconds=1))
    assert not house.box.is_online


@pytest.mark.parametrize("is_fetched", [False, True])
@on_the_loop
async def test_of_a_device_that_falls_silent_or_is_let_go_only_what_it_fetched_is_in_doubt(is_fetched: bool) -> None:
    for end in ("silence", "close", "patience"):
        house = House()
        ear = house.listening()
        _, task = await house.offered()
        if is_fetched:
            house.box.fetch(START)
        if end == "silence":
            house.box.hung_up(ear, START)
            house.later(3 * LISTENS_AGAIN)
        elif end == "close":
            await house.box.close()
        else:
            house.later(PATIENCE)
            assert not task.done()
            house.later(timedelta(seconds=1))
        failed = await failure(task)
        assert (failed.unknown, failed.given_back, failed.permanent) == (is_fetched, not is_fetched, False), end


@on_the_loop
async def test_to_a_device_that_is_not_there_nothing_is_offered() -> None:
    _, task = await House().offered()
    assert (await failure(task)).given_back


@on_the_loop
async def test_a_closed_outbox_tells_nobody_and_says_so_and_opened_again_it_goes_on() -> None:
    house = House(is_open=False)
    house.listening()
    waiting = asyncio.ensure_future(house.box.acknowledge("0" * 40))
    await ripple()
    closing = asyncio.ensure_future(house.box.close())
    await ripple()
    assert closing.done(), "it does not wait for what nobody takes"
    for refused in (waiting, house.box.acknowledge("0" * 40)):
        with pytest.raises(Unavailable):
            await refused
    assert house.inbox.presence == [True, False]
    house.box.open(house.inbox)
    assert house.inbox.presence == [True, False, True], "its line was open all the time"


@on_the_loop
async def test_what_is_not_wanted_any_more_is_withdrawn_or_the_device_is_asked_not_to_send_it() -> None:
    house = House()
    ear = house.listening()
    first, one = await house.offered(mt_message(device=ID))
    house.pulls.cancel(first)
    assert (await failure(one)).permanent
    second, _ = await house.offered(mt_message(device=ID))
    house.box.fetch(START)
    house.pulls.cancel(second)
    assert ear.told[-1] == (News.CANCEL, second.try_guid)
    assert house.box.cancelled(START) == [second]
    house.box.settled(second.try_guid)
    assert house.box.cancelled(START) == []
    house.pulls.cancel(second)
    assert house.box.cancelled(START + timedelta(days=1)) == []


@on_the_loop
async def test_a_device_that_is_gone_for_good_is_hung_up_on() -> None:
    house = House()
    ear = house.listening()
    house.pulls.drop(ID)
    house.pulls.drop(ID)
    assert ear.is_closed
    assert house.pulls.of(ID) is not house.box


@on_the_loop
async def test_when_a_device_was_seen_is_written_down_now_and_then() -> None:
    house = House()
    assert house.pulls.to_write() == {}
    house.listening()
    assert house.pulls.to_write() == {ID: START}
    house.later(SEEN_EVERY - timedelta(seconds=1))
    assert house.pulls.to_write() == {}
    house.later(timedelta(seconds=1))
    assert house.pulls.to_write() == {ID: START + SEEN_EVERY}
