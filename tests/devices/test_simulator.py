"""The simulator beyond what the driver suite asks of every driver: its radio log, its chances, its timers, its replies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest

from adapters.devices.simulator import REPEAT_S, Behaviour, Simulator, draw
from service.errors import InDoubt, SendFailed, Unavailable
from service.fleet import Device
from service.lifecycle import Status
from service.messages import Accepted, Channel
from tests.fakes import FakeClock, FakeTimer, RecordingInbox, mt_message, on_the_loop, ripple

DEVICE = Device(id="00112233445566ff", account_id=1, kind="simulator")
BUSY = Behaviour(sent_reports=1, delivered_reports=1, sent_after_s=(1, 1), delivered_after_s=(2, 2))


class Phone:
    """A started simulator and all that it touches."""

    def __init__(self, behaviour: Behaviour, radio_log: Path | None = None, *, is_open: bool = True) -> None:
        self.clock, self.inbox = FakeClock(), RecordingInbox(is_open=is_open)
        self.driver = Simulator(DEVICE, behaviour, clock=self.clock, radio_log=radio_log, call_later=self.clock.call_later)

    async def __aenter__(self) -> Self:
        await self.driver.start(self.inbox)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.driver.stop()

    async def pass_time(self, seconds: float) -> None:
        await ripple()
        self.clock.advance(seconds)
        await ripple()

    async def outcome(self, guid: str, attempts: int = 1) -> str:
        try:
            await self.driver.submit(mt_message(guid=guid, attempts=attempts))
        except SendFailed as failed:
            return "permanent" if failed.permanent else "temporary"
        return "taken"

    @property
    def statuses(self) -> list[Status]:
        return [report.status for report in self.inbox.reports]


async def submitted(phone: Phone, text: str = "hello") -> asyncio.Task[Accepted]:
    task = asyncio.create_task(phone.driver.submit(mt_message(text)))
    await ripple()
    return task


@on_the_loop
async def test_a_message_is_on_the_air_before_it_is_answered_and_each_send_is_a_line(tmp_path: Path) -> None:
    log = tmp_path / "radio.log"
    log.write_text("earlier\n")
    message = mt_message()
    async with Phone(Behaviour(silence=1), log) as phone:
        task = asyncio.create_task(phone.driver.submit(message))
        await ripple()
        assert log.read_text() == f"earlier\n{message.guid} +32495898697\n"
        assert not task.done()
    with pytest.raises(SendFailed):
        await task


@on_the_loop
async def test_a_phone_with_whatsapp_sends_by_it_and_one_without_refuses_for_good(tmp_path: Path) -> None:
    log = tmp_path / "radio.log"
    message = mt_message(channel=Channel.WHATSAPP)
    async with Phone(Behaviour(), log) as phone:
        with pytest.raises(SendFailed) as failed:
            await phone.driver.submit(message)
        assert failed.value.permanent
        assert log.read_text() == ""
        phone.driver.device = replace(DEVICE, whatsapp=True)
        await phone.driver.submit(message)
        await phone.driver.submit(replace(message, channel=Channel.SMS))
    assert log.read_text() == f"{message.guid} +32495898697 whatsapp\n{message.guid} +32495898697\n"


@on_the_loop
async def test_it_does_not_deduplicate(tmp_path: Path) -> None:
    log, message = tmp_path / "radio.log", mt_message()
    async with Phone(Behaviour(), log) as phone:
        assert not phone.driver.deduplicates
        await phone.driver.submit(message)
        await phone.driver.submit(message)
    assert log.read_text() == f"{message.guid} +32495898697\n" * 2


@pytest.mark.parametrize("behaviour", [Behaviour(temporary_failures=1), Behaviour(permanent_failures=1), Behaviour(drop_after=1)])
@on_the_loop
async def test_what_is_refused_was_not_on_the_air(tmp_path: Path, behaviour: Behaviour) -> None:
    log = tmp_path / "radio.log"
    async with Phone(behaviour, log) as phone:
        with pytest.raises(SendFailed):
            await phone.driver.submit(mt_message())
    assert log.read_text() == ""


@on_the_loop
async def test_a_radio_log_that_cannot_be_written_refuses_as_temporary() -> None:
    async with Phone(Behaviour(), Path("/dev/full")) as phone:
        with pytest.raises(SendFailed, match="radio log") as failed:
            await phone.driver.submit(mt_message())
        assert not failed.value.permanent


@on_the_loop
async def test_what_has_been_on_the_air_when_the_connection_is_lost_has_an_unknown_outcome() -> None:
    for behaviour, unknown in ((Behaviour(silence=1), True), (Behaviour(latency_s=(9, 9)), False)):
        async with Phone(behaviour) as phone:
            task = await submitted(phone)
            phone.driver.lose_connection()
            with pytest.raises(SendFailed) as failed:
                await task
            assert failed.value.unknown is unknown


@on_the_loop
async def test_with_no_latency_and_no_chance_a_submit_makes_no_timer_and_never_yields() -> None:
    async with Phone(Behaviour(sent_reports=1, delivered_reports=1)) as phone:
        step = phone.driver.submit(mt_message())
        with pytest.raises(StopIteration) as answered:
            step.send(None)
        assert isinstance(answered.value.value, Accepted)
        assert phone.clock.waiting == 0
        await ripple()
        assert phone.statuses == [Status.SENT, Status.DELIVERED]


@on_the_loop
async def test_latency_delays_the_answer() -> None:
    async with Phone(Behaviour(latency_s=(2, 2))) as phone:
        task = await submitted(phone)
        await phone.pass_time(1.9)
        assert not task.done()
        await phone.pass_time(0.1)
        assert task.done()


@on_the_loop
async def test_reports_come_in_order_each_after_its_delay_with_the_time_of_the_phone() -> None:
    async with Phone(BUSY) as phone:
        start = phone.clock()
        await phone.driver.submit(mt_message())
        await phone.pass_time(0.9)
        assert phone.statuses == []
        await phone.pass_time(0.1)
        assert phone.statuses == [Status.SENT]
        await phone.pass_time(2)
        assert phone.statuses == [Status.SENT, Status.DELIVERED]
        assert [(report.at - start).total_seconds() for report in phone.inbox.reports] == [1, 3]


@on_the_loop
async def test_reports_can_overtake_the_answer_even_when_the_inbox_does_not_return() -> None:
    async with Phone(replace(BUSY, reports_before_answer=1)) as phone:
        accepted = await phone.driver.submit(mt_message())
        assert phone.statuses == [Status.SENT, Status.DELIVERED]
        assert {report.device_message_id for report in phone.inbox.reports} == {accepted.device_message_id}
    async with Phone(replace(BUSY, reports_before_answer=1), is_open=False) as phone:
        assert (await submitted(phone)).done()


@on_the_loop
async def test_duplicates_are_handed_in_twice() -> None:
    async with Phone(replace(BUSY, duplicates=1)) as phone:
        await phone.driver.submit(mt_message())
        await phone.pass_time(3)
        assert phone.statuses == [Status.SENT, Status.SENT, Status.DELIVERED, Status.DELIVERED]


@pytest.mark.parametrize("failure", [Unavailable("full"), InDoubt("gone")])
@on_the_loop
async def test_what_the_inbox_cannot_take_is_handed_in_again(failure: Unavailable) -> None:
    async with Phone(Behaviour(delivered_reports=1)) as phone:
        phone.inbox.failures = [failure, failure]
        await phone.driver.submit(mt_message())
        await phone.pass_time(REPEAT_S)
        assert phone.statuses == []
        await phone.pass_time(REPEAT_S)
        assert phone.statuses == [Status.DELIVERED]
        assert phone.clock.waiting == 0


@on_the_loop
async def test_at_every_so_many_submits_the_connection_is_lost_for_a_while() -> None:
    async with Phone(Behaviour(drop_after=3, away_s=5)) as phone:
        assert [await phone.outcome(f"{n}") for n in range(4)] == ["taken", "taken", "temporary", "temporary"]
        assert phone.inbox.presence == [True, False]
        await phone.pass_time(4.9)
        assert await phone.outcome("4") == "temporary"
        await phone.pass_time(0.1)
        assert phone.inbox.presence == [True, False, True]
        assert [await phone.outcome(f"{n}") for n in range(5, 8)] == ["taken", "taken", "temporary"]


@on_the_loop
async def test_one_more_than_the_window_is_refused_as_busy() -> None:
    async with Phone(Behaviour(window=2, latency_s=(1, 1))) as phone:
        tasks = [await submitted(phone) for _ in range(2)]
        with pytest.raises(SendFailed, match="busy") as failed:
            await phone.driver.submit(mt_message())
        assert not failed.value.permanent
        await phone.pass_time(1)
        assert all(task.done() for task in tasks)


@on_the_loop
async def test_what_befalls_a_message_depends_on_seed_guid_and_try_but_not_on_order() -> None:
    behaviour = Behaviour(seed=7, temporary_failures=0.3, permanent_failures=0.2)
    tries = [(f"{n}", attempts) for n in range(60) for attempts in (1, 2)]
    async with Phone(behaviour) as phone:
        forwards = {t: await phone.outcome(*t) for t in tries}
    async with Phone(behaviour) as phone:
        assert {t: await phone.outcome(*t) for t in reversed(tries)} == forwards
    async with Phone(replace(behaviour, seed=8)) as phone:
        assert {t: await phone.outcome(*t) for t in tries} != forwards
    assert set(forwards.values()) == {"taken", "temporary", "permanent"}
    assert any(forwards[f"{n}", 1] != forwards[f"{n}", 2] for n in range(60))


def test_shares_are_met_and_times_stay_in_their_span() -> None:
    behaviour = Behaviour(temporary_failures=0.25, delivered_reports=0.5, delivered_after_s=(2, 3), latency_s=(0.1, 0.2))
    fates = [draw(behaviour, f"{n}") for n in range(2000)]
    assert 440 < sum(fate.fails_temporarily for fate in fates) < 560
    assert 920 < sum(bool(fate.reports) for fate in fates) < 1080
    assert all(0.1 <= fate.latency_s <= 0.2 for fate in fates)
    assert all(2 <= after_s <= 3 for fate in fates for _, after_s in fate.reports)
    assert not any(fate.fails_permanently or fate.is_silent or fate.reports_first or fate.copies > 1 for fate in fates)


def test_another_share_moves_no_other_draw() -> None:
    calm, rough = Behaviour(delivered_reports=0.5), Behaviour(delivered_reports=0.5, permanent_failures=0.9)
    assert all(draw(calm, f"{n}").reports == draw(rough, f"{n}").reports for n in range(100))


@on_the_loop
async def test_a_handset_answers_the_texts_that_it_knows() -> None:
    replies = {"ping": "PONG", r"balance\b.*": "12.50", "lost(": ""}
    with pytest.raises(ValueError, match="replies"):
        Behaviour(replies=replies)
    del replies["lost("]
    async with Phone(Behaviour(replies=replies, reply_after_s=2)) as phone:
        for text in ("PING", "ping pong", "Balance please"):
            await phone.driver.submit(mt_message(text))
        await phone.pass_time(1.9)
        assert phone.inbox.messages == []
        await phone.pass_time(0.1)
        assert [(m.sender, m.text) for m in phone.inbox.messages] == [("+32495898697", "PONG"), ("+32495898697", "12.50")]
        assert all(m.device == DEVICE.id and m.received == phone.clock() for m in phone.inbox.messages)
        assert len({m.device_message_id for m in phone.inbox.messages}) == 2


@on_the_loop
async def test_messages_on_the_phone_are_handed_in_at_start_and_a_restart_finds_the_same_receptions() -> None:
    behaviour = Behaviour(incoming=(("+32495898697", "hello"), ("MPESA", "hello")))
    async with Phone(behaviour) as phone:
        await ripple()
        first = phone.inbox.messages
    async with Phone(behaviour) as phone:
        await ripple()
        assert phone.inbox.messages == first
    assert [(m.sender, m.text) for m in first] == [("+32495898697", "hello"), ("MPESA", "hello")]
    assert len({m.device_message_id for m in first}) == 2


@on_the_loop
async def test_stop_leaves_no_timer_no_task_and_no_open_file(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    phone = Phone(replace(BUSY, latency_s=(1, 1), away_s=9), tmp_path / "radio.log", is_open=False)
    async with phone:
        task = await submitted(phone)
        await phone.pass_time(2)
        assert (await task).device_message_id
        task = await submitted(phone)
        phone.driver.lose_connection()
    assert phone.clock.waiting == 0
    assert asyncio.all_tasks() == before
    assert not [path for path in Path("/proc/self/fd").iterdir() if path.exists() and path.resolve() == tmp_path / "radio.log"]
    with pytest.raises(SendFailed):
        await task


@on_the_loop
async def test_a_submit_that_was_given_up_leaves_no_timer() -> None:
    async with Phone(Behaviour(latency_s=(1, 1))) as phone:
        task = await submitted(phone)
        task.cancel()
        await ripple()
        assert phone.clock.waiting == 0


@on_the_loop
async def test_a_timer_that_has_run_is_forgotten() -> None:
    clock = FakeClock()
    timers: list[FakeTimer] = []

    def call_later(delay_s: float, what: Callable[[], None]) -> FakeTimer:
        timers.append(clock.call_later(delay_s, what))
        return timers[-1]

    driver = Simulator(DEVICE, BUSY, clock=clock, call_later=call_later)
    await driver.start(RecordingInbox())
    await driver.submit(mt_message())
    clock.advance(1)
    await driver.stop()
    assert [timer.is_cancelled for timer in timers] == [False, True]


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_outside_of_0_to_1_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        Behaviour(silence=share)


@on_the_loop
async def test_without_a_scheduler_the_loop_is_it() -> None:
    inbox = RecordingInbox()
    driver = Simulator(DEVICE, Behaviour(latency_s=(0.0001, 0.0001)), clock=FakeClock())
    await driver.start(inbox)
    assert (await driver.submit(mt_message())).device_message_id
    await driver.stop()
