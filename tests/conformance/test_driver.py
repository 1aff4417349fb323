"""What every driver promises (`service.ports.Driver`), held against each of them with its device played by a rig."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from service.errors import SendFailed
from service.fleet import Device
from service.lifecycle import Status
from service.messages import Accepted
from tests.conformance.drivers import DRIVERS
from tests.conformance.rig import Mood, Rig
from tests.fakes import RecordingInbox, mt_message, on_the_loop, ripple

DEVICE = Device(id="00112233445566ff", account_id=1, kind="test")

Build = Callable[[Mood], Rig]

TEXTS = {
    "gsm": "é€ {x}",
    "cyrillic": "Привет",
    "emoji": "😀👩\u200d👧",
    "controls": "\r\n\f",
    "long gsm": "x" * 39_015,
    "long ucs-2": "😀" * 8_415,
}
"""the long ones have 255 segments"""


@pytest.fixture(params=DRIVERS)
def build(request: pytest.FixtureRequest) -> Build:
    return lambda mood: DRIVERS[request.param](mood, DEVICE)


async def started(build: Build, mood: Mood, *, is_open: bool = True) -> tuple[Rig, RecordingInbox]:
    rig, inbox = build(mood), RecordingInbox(is_open=is_open)
    await rig.driver.start(inbox)
    await rig.settle()
    return rig, inbox


async def submit_many(rig: Rig, count: int) -> list[asyncio.Task[Accepted]]:
    tasks = [asyncio.create_task(rig.driver.submit(mt_message(f"text {n}"))) for n in range(count)]
    await ripple()
    return tasks


async def refusals(tasks: list[asyncio.Task[Accepted]]) -> list[SendFailed]:
    """All of them, each refused; anything else fails the test."""
    assert all(task.done() for task in tasks)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    failures = [result for result in results if isinstance(result, SendFailed)]
    assert len(failures) == len(tasks), results
    return failures


@on_the_loop
async def test_it_says_whose_device_it_is_and_how_much_it_takes(build: Build) -> None:
    driver = build(Mood.TAKES).driver
    assert driver.device == DEVICE
    assert driver.window >= 1
    assert driver.submit_timeout_s > 0
    assert isinstance(driver.deduplicates, bool)


@on_the_loop
async def test_start_tells_the_inbox_that_the_device_is_online_and_a_second_start_nothing(build: Build) -> None:
    rig, inbox = await started(build, Mood.TAKES)
    assert inbox.presence == [True]
    await rig.driver.start(inbox)
    await rig.settle()
    assert inbox.presence == [True]
    await rig.driver.stop()


@on_the_loop
async def test_each_message_is_taken_once_under_an_id_of_its_own(build: Build) -> None:
    rig, _ = await started(build, Mood.TAKES)
    ids = []
    for n in range(50):
        ids.append((await rig.driver.submit(mt_message(f"text {n}"))).device_message_id)
        await rig.settle()
    assert len(set(ids)) == 50
    assert all(ids)
    await rig.driver.stop()


@on_the_loop
async def test_reports_carry_the_id_that_submit_returned_in_the_order_of_events(build: Build) -> None:
    rig, inbox = await started(build, Mood.TAKES)
    first = await rig.driver.submit(mt_message("one"))
    second = await rig.driver.submit(mt_message("two"))
    await rig.settle()
    for accepted in (first, second):
        mine = [r for r in inbox.reports if r.device_message_id == accepted.device_message_id]
        assert [r.status for r in mine] == [Status.SENT, Status.DELIVERED]
        assert all(r.device == DEVICE.id and r.at.tzinfo is not None for r in mine)
    assert len(inbox.reports) == 4
    await rig.driver.stop()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
@on_the_loop
async def test_any_text_is_taken(build: Build, text: str) -> None:
    rig, inbox = await started(build, Mood.TAKES)
    accepted = await rig.driver.submit(mt_message(text))
    await rig.settle()
    assert {r.device_message_id for r in inbox.reports} == {accepted.device_message_id}
    await rig.driver.stop()


@pytest.mark.parametrize(("mood", "permanent"), [(Mood.REFUSES_FOR_NOW, False), (Mood.REFUSES_FOR_GOOD, True)])
@on_the_loop
async def test_a_refusal_says_whether_another_try_can_help_and_why(build: Build, mood: Mood, permanent: bool) -> None:
    rig, inbox = await started(build, mood)
    tasks = await submit_many(rig, rig.driver.window)
    await rig.settle()
    for failed in await refusals(tasks):
        assert failed.permanent is permanent
        assert not failed.unknown
        assert failed.reason
        assert "text" not in failed.reason, "the message's text is in the reason, which is logged"
    assert inbox.reports == []
    await rig.driver.stop()


@on_the_loop
async def test_a_lost_connection_refuses_what_is_in_flight_as_temporary_and_says_so_to_the_inbox(build: Build) -> None:
    rig, inbox = await started(build, Mood.HOLDS)
    tasks = await submit_many(rig, rig.driver.window)
    assert not any(task.done() for task in tasks)
    await rig.lose_connection()
    for failed in await refusals(tasks):
        assert not failed.permanent
    assert inbox.presence == [True, False]
    await rig.reconnect()
    assert inbox.presence == [True, False, True]
    await rig.driver.stop()


@on_the_loop
async def test_while_the_connection_is_lost_every_submit_is_refused_as_temporary_and_afterwards_none(build: Build) -> None:
    rig, _ = await started(build, Mood.TAKES)
    await rig.lose_connection()
    (failed,) = await refusals(await submit_many(rig, 1))
    assert not failed.permanent
    assert not failed.unknown
    await rig.reconnect()
    assert (await rig.driver.submit(mt_message())).device_message_id
    await rig.driver.stop()


@on_the_loop
async def test_more_submits_than_the_window_are_refused_as_temporary_or_held_and_the_others_are_taken(build: Build) -> None:
    rig, _ = await started(build, Mood.HOLDS)
    tasks = await submit_many(rig, rig.driver.window * 2)
    while not all(task.done() for task in tasks):
        await rig.let_go()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    taken = [r.device_message_id for r in results if isinstance(r, Accepted)]
    refused = [r for r in results if isinstance(r, SendFailed)]
    assert len(set(taken)) >= rig.driver.window
    assert len(taken) + len(refused) == len(tasks), results
    assert not any(failed.permanent for failed in refused)
    await rig.driver.stop()


@on_the_loop
async def test_submit_does_not_wait_for_the_inbox(build: Build) -> None:
    rig, inbox = await started(build, Mood.TAKES, is_open=False)
    (task,) = await submit_many(rig, 1)
    await rig.settle()
    assert task.done()
    assert inbox.reports == []
    inbox.gate.set()
    await rig.settle()
    assert len(inbox.reports) == 2
    await rig.driver.stop()


@on_the_loop
async def test_a_submit_that_was_given_up_leaves_its_place_in_the_window(build: Build) -> None:
    rig, _ = await started(build, Mood.HOLDS)
    given_up = await submit_many(rig, rig.driver.window)
    for task in given_up:
        task.cancel()
    await ripple()
    tasks = await submit_many(rig, rig.driver.window)
    await rig.let_go()
    assert all(isinstance(r, Accepted) for r in await asyncio.gather(*tasks))
    await rig.driver.stop()


@on_the_loop
async def test_stop_ends_every_submit_and_after_it_is_silence(build: Build) -> None:
    rig, inbox = await started(build, Mood.HOLDS)
    tasks = await submit_many(rig, rig.driver.window)
    await rig.driver.stop()
    for failed in await refusals(tasks):
        assert not failed.permanent
    told = (list(inbox.reports), list(inbox.messages), list(inbox.presence))
    await rig.let_go()
    await rig.settle()
    assert (inbox.reports, inbox.messages, inbox.presence) == told
    assert inbox.reports == []
    (failed,) = await refusals(await submit_many(rig, 1))
    assert not failed.permanent
    assert not failed.unknown


@pytest.mark.parametrize("is_open", [True, False])
@on_the_loop
async def test_reports_that_stop_overtakes_never_come(build: Build, is_open: bool) -> None:
    rig, inbox = await started(build, Mood.TAKES, is_open=is_open)
    await rig.driver.submit(mt_message())
    await rig.driver.stop()
    told = list(inbox.reports)
    inbox.gate.set()
    await rig.settle()
    assert inbox.reports == told


@on_the_loop
async def test_stop_may_come_twice_or_before_start_and_start_again_after_it(build: Build) -> None:
    rig, inbox = build(Mood.TAKES), RecordingInbox()
    await rig.driver.stop()
    assert inbox.presence == []
    for _ in range(2):
        await rig.driver.start(inbox)
        await rig.settle()
        assert inbox.presence[-1:] == [True]
        assert (await rig.driver.submit(mt_message())).device_message_id
        await rig.driver.stop()
        await rig.driver.stop()
    await rig.settle()
    assert inbox.presence in ([True, True], [True, False, True, False])
