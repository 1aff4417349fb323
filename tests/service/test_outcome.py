"""Room 5: reports find their message even when they come too early, and what a device received goes to its owner."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from adapters.storage.memory import MemoryStore
from service.accounts import Account
from service.dispatch import Dispatch
from service.errors import NotFound, SendFailed
from service.fleet import Device, Fleet
from service.lifecycle import Status
from service.mailbox_queries import InboxQuery
from service.messages import DeliveryReport, MoMessage, MtMessage
from service.outcome import Outcome
from service.ports import SentQuery
from tests.fakes import START, ripple
from tests.scripted_driver import OTHER_PHONE, PHONE, ScriptedDriver, queue
from tests.virtual_time import in_virtual_time, now

LATER = START + timedelta(seconds=9)


def report(
    device_message_id: str = "1", status: Status = Status.DELIVERED, device: Device = PHONE, error: str | None = None
) -> DeliveryReport:
    return DeliveryReport(device=device.id, device_message_id=device_message_id, status=status, at=LATER, error=error)


class Room:
    """An outcome beside a dispatch; `sendings` are the submits that were begun."""

    def __init__(self) -> None:
        self.store, self.fleet = MemoryStore(), Fleet()
        self.fleet.register(PHONE)
        self.fleet.register(OTHER_PHONE)
        self.dispatch = Dispatch(store=self.store, clock=now, node="here", sleep=asyncio.sleep)
        self.unknown: list[DeliveryReport] = []
        self.outcome = Outcome(store=self.store, fleet=self.fleet, dispatch=self.dispatch, clock=now, on_unknown=self.unknown.append)

    async def begin(self, driver: ScriptedDriver) -> asyncio.Task[None]:
        """A submit that is in flight until the driver's gate opens."""
        await queue(self.store, now())
        (message,) = await self.dispatch.claim(driver, 1)
        sending = asyncio.create_task(self.dispatch.send(driver, message))
        await ripple()
        return sending

    async def sent(self) -> None:
        await (await self.begin(ScriptedDriver()))

    async def hand_in(self, told: DeliveryReport) -> asyncio.Task[None]:
        task = asyncio.create_task(self.outcome.report(told))
        await ripple()
        return task

    async def newest(self) -> MtMessage:
        return (await self.store.sent(SentQuery(account_id=1)))[0]


def closed(*, deduplicates: bool = False) -> ScriptedDriver:
    driver = ScriptedDriver(deduplicates=deduplicates)
    driver.gate.clear()
    return driver


@pytest.mark.parametrize(("status", "finished"), [(Status.DELIVERED, LATER), (Status.FAILED, LATER), (Status.SENT, None)])
@in_virtual_time
async def test_a_report_moves_its_message(status: Status, finished: object) -> None:
    room = Room()
    await room.sent()
    await room.outcome.report(report(status=status))
    row = await room.newest()
    assert (row.status, row.finished) == (status, finished)
    assert room.unknown == []


@in_virtual_time
async def test_reports_out_of_order_and_twice_leave_the_best_news() -> None:
    room = Room()
    await room.sent()
    for status in (Status.FAILED, Status.DELIVERED, Status.DELIVERED, Status.SENT, Status.FAILED):
        await room.outcome.report(report(status=status, error="gone" if status is Status.FAILED else None))
    row = await room.newest()
    assert (row.status, row.error) == (Status.DELIVERED, "gone")


@in_virtual_time
async def test_a_report_that_overtakes_its_submit_waits_for_it_and_is_not_lost() -> None:
    room, driver = Room(), closed()
    sending = await room.begin(driver)
    handing_in = await room.hand_in(report())
    assert not handing_in.done()
    driver.gate.set()
    await handing_in
    await sending
    assert (await room.newest()).status is Status.DELIVERED
    assert room.unknown == []


@in_virtual_time
async def test_a_report_waits_no_longer_than_its_own_submit() -> None:
    room, quick, slow = Room(), closed(), closed()
    first, second = await room.begin(quick), await room.begin(slow)
    handing_in = await room.hand_in(report())
    quick.gate.set()
    await handing_in
    assert first.done()
    assert not second.done()
    slow.gate.set()
    await second


@in_virtual_time
async def test_a_report_about_nothing_is_told_and_holds_nobody_up() -> None:
    room = Room()
    await room.outcome.report(report("99"))
    assert room.unknown == [report("99")]


@in_virtual_time
async def test_a_report_waits_for_what_was_in_flight_when_it_came_and_for_nothing_later() -> None:
    room, before, after = Room(), closed(), closed()
    first = await room.begin(before)
    handing_in = await room.hand_in(report("99"))
    second = await room.begin(after)
    before.gate.set()
    await first
    await handing_in
    assert room.unknown == [report("99")]
    assert not second.done()
    after.gate.set()
    await second


@in_virtual_time
async def test_an_acknowledgement_waits_for_its_own_submit_and_for_no_other() -> None:
    room, own, other = Room(), closed(deduplicates=True), closed(deduplicates=True)
    first, second = await room.begin(own), await room.begin(other)
    (message,) = own.handed_over
    acknowledging = asyncio.create_task(room.outcome.taken(PHONE.id, message.guid))
    await ripple()
    assert (await room.newest()).taken is None
    assert not acknowledging.done()
    own.script[:] = [SendFailed("silent", unknown=True)]
    own.gate.set()
    assert await acknowledging
    await first
    (row,) = await room.store.sent(SentQuery(account_id=1, guid=message.guid))
    assert (row.status, row.taken) == (Status.SENDING, now())
    assert not second.done()
    other.gate.set()
    await second


@in_virtual_time
async def test_an_id_that_is_not_ours_acknowledges_nothing() -> None:
    assert not await Room().outcome.taken(PHONE.id, "7")


@in_virtual_time
async def test_a_report_does_not_wait_for_another_device() -> None:
    room, driver = Room(), closed()
    sending = await room.begin(driver)
    await room.outcome.report(report(device=OTHER_PHONE))
    assert room.unknown == [report(device=OTHER_PHONE)]
    assert not sending.done()
    driver.gate.set()
    await sending


@in_virtual_time
async def test_what_a_device_received_belongs_to_its_owner_and_is_kept_once() -> None:
    room = Room()
    theirs = Device(id="aaaaaaaaaaaaaaaa", account_id=2, kind="test")
    room.fleet.register(theirs)
    message = MoMessage(device=theirs.id, sender="+32495898697", text="STOP", received=LATER, device_message_id="7")
    await room.outcome.received(message)
    await room.outcome.received(message)
    assert room.store.inbox == [(2, message)]


@pytest.mark.parametrize(
    ("country", "told", "kept"),
    [
        ("BE", "0495/89.86.97", "+32495898697"),
        ("BE", "+32 495 89 86 97", "+32495898697"),
        ("BE", "0032495898697", "+32495898697"),
        (None, "32495898697", "+32495898697"),
        (None, "10001", "10001"),
        ("BE", "MPESA", "MPESA"),
        ("BE", "x" * 10_000, "x" * 64),
    ],
)
@in_virtual_time
async def test_a_sender_is_kept_in_one_form_however_it_was_written(country: str | None, told: str, kept: str) -> None:
    room = Room()
    account = await room.store.create_account(Account(id=0, name="acme", default_country=country))
    message = MoMessage(device=PHONE.id, sender=told, text="hello", received=LATER, device_message_id="7")
    for _ in range(2):
        await room.outcome.received(message)
    assert [row.sender for row in await room.store.inbox_of(InboxQuery(account_id=account.id))] == [kept]


@in_virtual_time
async def test_what_an_unknown_device_received_is_refused_so_that_it_keeps_it() -> None:
    room = Room()
    with pytest.raises(NotFound):
        await room.outcome.received(MoMessage(device="nowhere", sender="10001", text="hello", received=LATER))
    assert room.store.inbox == []


@in_virtual_time
async def test_what_a_device_had_received_when_it_was_unlinked_is_still_kept() -> None:
    room = Room()
    await room.fleet.unlink(1, PHONE.id)
    await room.outcome.received(MoMessage(device=PHONE.id, sender="10001", text="hello", received=LATER))
    assert [account for account, _ in room.store.inbox] == [1]


@in_virtual_time
async def test_the_fleet_learns_who_comes_and_goes() -> None:
    room = Room()
    room.outcome.online(PHONE.id, True)
    assert room.fleet.is_online(PHONE.id)
    assert room.fleet.presence(PHONE.id).since == now()
    room.outcome.online(PHONE.id, False)
    assert not room.fleet.is_online(PHONE.id)
