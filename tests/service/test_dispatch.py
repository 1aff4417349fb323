"""Room 3: every claimed message is handed over once, and what became of it is recorded whatever happens on the way."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from adapters.storage.memory import MemoryStore
from service.dispatch import LEASE_MARGIN, Dispatch
from service.errors import InDoubt, SendFailed, Unavailable
from service.lifecycle import Status
from service.messages import MtMessage
from service.ports import SentQuery, Settlement
from service.retry import MOST_ATTEMPTS, next_try
from tests.fakes import START, ripple
from tests.scripted_driver import OTHER_PHONE, PHONE, ScriptedDriver, queue
from tests.virtual_time import in_virtual_time, now, passed_s


class Store(MemoryStore):
    """Away for as many settlements as `away` has."""

    def __init__(self) -> None:
        super().__init__()
        self.away: list[Exception] = []
        self.settlements: list[Settlement] = []

    async def settle(self, settlement: Settlement) -> None:
        self.settlements.append(settlement)
        if self.away:
            raise self.away.pop(0)
        await super().settle(settlement)


class Room:
    def __init__(self, *, deduplicates: bool = False) -> None:
        self.store = Store()
        self.driver = ScriptedDriver(deduplicates=deduplicates)
        self.waits_s: list[float] = []
        self.dispatch = Dispatch(store=self.store, clock=now, node="here", sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.waits_s.append(seconds)
        await asyncio.sleep(seconds)

    async def claimed(self, **fields: object) -> MtMessage:
        await queue(self.store, now(), **fields)
        (message,) = await self.dispatch.claim(self.driver, 1)
        return message

    async def send(self, *script: Exception, **fields: object) -> MtMessage:
        """What is on disk of a message after its submit, which `script` befalls."""
        message = await self.claimed(**fields)
        self.driver.script[:] = script
        await self.dispatch.send(self.driver, message)
        return await self.row(message)

    async def row(self, message: MtMessage) -> MtMessage:
        (row,) = await self.store.sent(SentQuery(account_id=1, guid=message.guid))
        return row


# claiming


@in_virtual_time
async def test_a_claim_takes_what_is_due_up_to_the_limit() -> None:
    room = Room()
    due = [await queue(room.store, now()) for _ in range(3)]
    await queue(room.store, now(), due=START + timedelta(seconds=1), status=Status.SCHEDULED)
    first = await room.dispatch.claim(room.driver, 2)
    rest = await room.dispatch.claim(room.driver, 2)
    assert [m.id for m in first + rest] == [m.id for m in due]
    assert {(m.status, m.device, m.attempts) for m in first + rest} == {(Status.SENDING, PHONE.id, 1)}


@in_virtual_time
async def test_a_lease_outlives_the_longest_submit() -> None:
    room = Room()
    message = await room.claimed()
    until = START + timedelta(seconds=room.driver.submit_timeout_s) + LEASE_MARGIN
    assert timedelta(seconds=5) < LEASE_MARGIN, "a settlement may wait that long for the store"
    assert await room.store.recover(now=until - timedelta(milliseconds=1), leased_by=None, deduplicating=[]) == []
    assert await room.store.recover(now=until, leased_by=None, deduplicating=[]) == [message.guid]


@in_virtual_time
async def test_a_claim_is_in_the_name_of_its_node() -> None:
    room = Room()
    message = await room.claimed()
    assert await room.store.recover(now=now(), leased_by="elsewhere", deduplicating=[]) == []
    assert await room.store.recover(now=now(), leased_by="here", deduplicating=[]) == [message.guid]


# what becomes of a submit


@in_virtual_time
async def test_what_a_device_took_is_sent() -> None:
    room = Room()
    row = await room.send()
    assert (row.status, row.device, row.device_message_id, row.sent) == (Status.SENT, PHONE.id, "1", START)
    assert [m.guid for m in room.driver.handed_over] == [row.guid]


@in_virtual_time
async def test_a_temporary_failure_is_tried_again_later_by_whoever_is_free() -> None:
    room = Room()
    row = await room.send(SendFailed("no network"))
    expected = next_try(attempts=1, now=START, expires=row.expires, seed=row.guid)
    assert expected is not None
    assert (row.status, row.due, row.error) == (Status.QUEUED, expected, "no network")
    await asyncio.sleep((expected - START).total_seconds())
    other = ScriptedDriver(OTHER_PHONE)
    (again,) = await room.dispatch.claim(other, 1)
    assert (again.guid, again.attempts) == (row.guid, 2)
    await room.dispatch.send(other, again)
    assert (await room.row(row)).status is Status.SENT


@in_virtual_time
async def test_a_permanent_failure_is_the_end() -> None:
    row = await Room().send(SendFailed("barred", permanent=True))
    assert (row.status, row.due, row.error, row.finished) == (Status.FAILED, None, "barred", START)


@in_virtual_time
async def test_there_is_no_try_after_the_validity() -> None:
    row = await Room().send(SendFailed("no network"), expires=START + timedelta(seconds=5))
    assert (row.status, row.due, row.error) == (Status.FAILED, None, "no network")


@in_virtual_time
async def test_the_last_try_is_the_last() -> None:
    row = await Room().send(SendFailed("no network"), failures=MOST_ATTEMPTS - 1)
    assert row.status is Status.FAILED


@in_virtual_time
async def test_what_was_often_given_back_has_all_its_tries() -> None:
    row = await Room().send(SendFailed("no network"), attempts=MOST_ATTEMPTS)
    expected = next_try(attempts=1, now=START, expires=row.expires, seed=row.guid)
    assert (row.status, row.due, row.failures) == (Status.QUEUED, expected, 1)


UNKNOWN = SendFailed("the link broke", unknown=True)


@in_virtual_time
async def test_what_may_be_on_the_air_is_not_sent_again() -> None:
    row = await Room().send(UNKNOWN)
    assert (row.status, row.due, row.error) == (Status.OUTCOME_UNKNOWN, None, "the link broke")


@in_virtual_time
async def test_a_device_that_knows_its_messages_is_asked_again_and_no_other() -> None:
    room = Room(deduplicates=True)
    row = await room.send(UNKNOWN)
    assert (row.status, row.error) == (Status.QUEUED, "the link broke")
    await asyncio.sleep(60)
    assert await room.dispatch.claim(ScriptedDriver(OTHER_PHONE, deduplicates=True), 1) == []
    (again,) = await room.dispatch.claim(room.driver, 1)
    assert again.guid == row.guid


@in_virtual_time
async def test_that_device_is_asked_at_once_and_however_often_until_the_validity_ends() -> None:
    room = Room(deduplicates=True)
    row = await room.send(UNKNOWN, attempts=MOST_ATTEMPTS)
    assert (row.status, row.due, row.in_doubt) == (Status.QUEUED, START, True)
    await asyncio.sleep((row.expires - START).total_seconds())
    assert await room.dispatch.claim(room.driver, 1) == []
    assert (await room.row(row)).status is Status.OUTCOME_UNKNOWN


@in_virtual_time
async def test_a_bug_in_its_driver_does_not_go_round_and_round() -> None:
    room = Room(deduplicates=True)
    for attempts, wait in ((0, timedelta(seconds=5)), (MOST_ATTEMPTS, timedelta(hours=1))):
        with pytest.raises(RuntimeError):
            await room.send(RuntimeError(), attempts=attempts)
        (row, *_) = await room.store.sent(SentQuery(account_id=1))
        assert row.due is not None
        assert (row.status, row.in_doubt, row.due >= START + wait) == (Status.QUEUED, True, True)


GIVEN_BACK = SendFailed("the phone went away", given_back=True)


@pytest.mark.parametrize("deduplicates", [False, True])
@in_virtual_time
async def test_what_a_device_never_had_waits_as_before_for_whoever_comes_first(deduplicates: bool) -> None:
    room = Room(deduplicates=deduplicates)
    row = await room.send(GIVEN_BACK, attempts=MOST_ATTEMPTS)
    assert (row.status, row.due, row.error, row.in_doubt) == (Status.QUEUED, START, None, False)
    (again,) = await room.dispatch.claim(ScriptedDriver(OTHER_PHONE), 1)
    assert again.guid == row.guid


@in_virtual_time
async def test_what_is_given_back_while_in_doubt_stays_so_and_with_its_device() -> None:
    room = Room(deduplicates=True)
    await room.send(UNKNOWN)
    (again,) = await room.dispatch.claim(room.driver, 1)
    room.driver.script[:] = [GIVEN_BACK]
    await room.dispatch.send(room.driver, again)
    row = await room.row(again)
    assert (row.status, row.due, row.error, row.in_doubt) == (Status.QUEUED, START, "the link broke", True)
    assert await room.dispatch.claim(ScriptedDriver(OTHER_PHONE, deduplicates=True), 1) == []


@in_virtual_time
async def test_what_a_device_has_stored_is_not_sent_yet_and_nobody_takes_it_away() -> None:
    room = Room(deduplicates=True)
    message = await room.claimed()
    room.driver.on_air = False
    await room.dispatch.send(room.driver, message)
    row = await room.row(message)
    assert (row.status, row.taken, row.sent, row.device_message_id) == (Status.SENDING, START, None, "1")
    for leased_by in (None, "here"):
        assert await room.store.recover(now=START + timedelta(days=9), leased_by=leased_by, deduplicating=[PHONE.id]) == []
    assert await room.row(message) == row


@in_virtual_time
async def test_a_device_that_knows_its_messages_did_not_get_one_that_it_refused() -> None:
    room = Room(deduplicates=True)
    row = await room.send(SendFailed("no network"))
    await asyncio.sleep(60)
    (again,) = await room.dispatch.claim(ScriptedDriver(OTHER_PHONE), 1)
    assert again.guid == row.guid


@in_virtual_time
async def test_a_submit_without_an_answer_is_given_up_and_its_outcome_is_unknown() -> None:
    room = Room()
    message = await room.claimed()
    room.driver.gate.clear()
    await room.dispatch.send(room.driver, message)
    assert passed_s() == room.driver.submit_timeout_s
    assert room.driver.cancelled == 1
    row = await room.row(message)
    assert (row.status, row.error) == (Status.OUTCOME_UNKNOWN, "the device did not answer")


@in_virtual_time
async def test_a_bug_in_a_driver_is_recorded_without_its_words_and_passed_on() -> None:
    room = Room()
    bug = RuntimeError("text and key")
    with pytest.raises(RuntimeError) as raised:
        await room.send(bug)
    assert raised.value is bug
    (row,) = await room.store.sent(SentQuery(account_id=1))
    assert (row.status, row.error) == (Status.OUTCOME_UNKNOWN, "the driver failed: RuntimeError")


# the store's troubles


@in_virtual_time
async def test_what_a_device_said_is_recorded_however_long_the_store_is_away() -> None:
    room = Room()
    room.store.away = [*[Unavailable("full")] * 8, InDoubt("gone")]
    row = await room.send()
    assert (row.status, row.sent) == (Status.SENT, START)
    assert room.waits_s == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    assert len(set(room.store.settlements)) == 1
    assert len(room.driver.handed_over) == 1


@in_virtual_time
async def test_a_bug_is_recorded_however_long_the_store_is_away() -> None:
    room = Room()
    room.store.away = [Unavailable("full")]
    with pytest.raises(RuntimeError):
        await room.send(RuntimeError())
    (row,) = await room.store.sent(SentQuery(account_id=1))
    assert row.status is Status.OUTCOME_UNKNOWN


# in flight


@in_virtual_time
async def test_a_submit_is_in_flight_until_it_is_on_disk() -> None:
    room = Room()
    message = await room.claimed()
    room.driver.gate.clear()
    room.store.away = [Unavailable("full")]
    sending = asyncio.create_task(room.dispatch.send(room.driver, message))
    await ripple()
    (flying,) = room.dispatch.in_flight(PHONE.id, "1")
    assert room.dispatch.in_flight(OTHER_PHONE.id, "1") == set()
    room.driver.gate.set()
    await ripple()
    assert room.driver.answered == 1
    assert not flying.done()
    await sending
    assert flying.done()
    assert room.dispatch.in_flight(PHONE.id, "1") == set()


@pytest.mark.parametrize("bug", [True, False])
@in_virtual_time
async def test_a_submit_that_ends_badly_is_not_in_flight_for_ever(bug: bool) -> None:
    room = Room()
    message = await room.claimed()
    room.driver.gate.clear()
    room.driver.script = [RuntimeError()]
    sending = asyncio.create_task(room.dispatch.send(room.driver, message))
    await ripple()
    (flying,) = room.dispatch.in_flight(PHONE.id, "1")
    if bug:
        room.driver.gate.set()
    else:
        sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert flying.done()
    assert room.dispatch.in_flight(PHONE.id, "1") == set()
