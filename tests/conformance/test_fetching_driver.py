"""What a driver promises besides (`service.ports.Driver`) whose device fetches its messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from service.fleet import Device
from service.lifecycle import Status
from service.messages import Accepted
from tests.conformance.drivers import FETCHING
from tests.conformance.rig import FetchingRig, Mood
from tests.conformance.test_driver import DEVICE, refusals, submit_many
from tests.fakes import RecordingInbox, mt_message, on_the_loop, ripple

Build = Callable[[Mood, Device], FetchingRig]


@pytest.fixture(params=FETCHING)
def build(request: pytest.FixtureRequest) -> Build:
    return FETCHING[request.param]


async def started(build: Build) -> tuple[FetchingRig, RecordingInbox]:
    rig, inbox = build(Mood.HOLDS, DEVICE), RecordingInbox()
    await rig.driver.start(inbox)
    await rig.settle()
    return rig, inbox


@on_the_loop
async def test_it_deduplicates_and_knows_a_message_and_each_resend_by_our_ids(build: Build) -> None:
    rig, _ = await started(build)
    assert rig.driver.deduplicates
    first, again = mt_message(), mt_message(resends=2)
    submits = [asyncio.create_task(rig.driver.submit(message)) for message in (first, again)]
    await ripple()
    assert set(await rig.fetch()) == {first.guid, f"{again.guid}-2"}
    for submit, message in zip(submits, (first, again), strict=True):
        assert not submit.done(), "fetched is not yet stored"
        await rig.acknowledge(message.try_guid)
        assert await submit == Accepted(device_message_id=message.try_guid, on_air=False)
    await rig.driver.stop()


@on_the_loop
async def test_what_is_not_acknowledged_is_offered_at_each_fetch_and_afterwards_no_more(build: Build) -> None:
    rig, _ = await started(build)
    message = mt_message()
    submit = asyncio.create_task(rig.driver.submit(message))
    await ripple()
    assert await rig.fetch() == await rig.fetch() == [message.guid]
    await rig.acknowledge(message.guid)
    await submit
    assert await rig.fetch() == []
    await rig.driver.stop()


@pytest.mark.parametrize("stops", [False, True])
@on_the_loop
async def test_what_was_never_handed_out_is_given_back_when_the_device_goes(build: Build, stops: bool) -> None:
    rig, inbox = await started(build)
    tasks = await submit_many(rig, rig.driver.window)
    await (rig.driver.stop() if stops else rig.lose_connection())
    await ripple()
    assert {(f.given_back, f.unknown, f.permanent) for f in await refusals(tasks)} == {(True, False, False)}
    assert inbox.presence[:2] == [True, False][: len(inbox.presence)]
    await rig.driver.stop()


@pytest.mark.parametrize("stops", [False, True])
@on_the_loop
async def test_of_what_was_handed_out_and_not_acknowledged_nobody_knows(build: Build, stops: bool) -> None:
    rig, _ = await started(build)
    tasks = await submit_many(rig, rig.driver.window)
    ids = await rig.fetch()
    await rig.acknowledge(ids[0])
    await (rig.driver.stop() if stops else rig.lose_connection())
    await ripple()
    acknowledged = [task for task in tasks if task.exception() is None]
    assert [task.result() for task in acknowledged] == [Accepted(device_message_id=ids[0], on_air=False)]
    lost = await refusals([task for task in tasks if task not in acknowledged])
    assert {(f.given_back, f.unknown, f.permanent) for f in lost} == {(False, True, False)}
    await rig.driver.stop()


@on_the_loop
async def test_while_the_device_is_away_every_submit_is_given_back(build: Build) -> None:
    rig, _ = await started(build)
    await rig.lose_connection()
    (failed,) = await refusals(await submit_many(rig, 1))
    assert failed.given_back
    await rig.driver.stop()


@on_the_loop
async def test_an_acknowledgement_that_no_submit_waits_for_goes_to_the_inbox(build: Build) -> None:
    rig, inbox = await started(build)
    late = mt_message(resends=1)
    await rig.acknowledge(late.try_guid)
    await rig.settle()
    assert (inbox.taken_ids, inbox.reports) == ([late.try_guid], [])
    await rig.driver.stop()


@on_the_loop
async def test_a_report_acknowledges_too(build: Build) -> None:
    rig, inbox = await started(build)
    message = mt_message()
    submit = asyncio.create_task(rig.driver.submit(message))
    await ripple()
    await rig.fetch()
    await rig.report(message.guid, Status.SENT)
    assert (await submit).device_message_id == message.guid
    await rig.settle()
    assert [(r.device_message_id, r.status) for r in inbox.reports] == [(message.guid, Status.SENT)]
    await rig.driver.stop()
