"""What becomes of a message when we, or the phone that fetches it, fall over at any moment: on each store, nothing lost or sent twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from service.dispatch import Dispatch
from service.fleet import Fleet
from service.lifecycle import Status
from service.messages import DeliveryReport, MtMessage
from service.outcome import Outcome
from tests.conformance.test_store import HOUR, MINUTE, PHONE, House, house
from tests.fakes import FakeClock, on_the_loop, ripple
from tests.fetching_phone import FetchingDriver, Phone

__all__ = ["house"]

S = Status
DAY = timedelta(hours=24)


class Server:
    """One after the other, on the same store, for the same phone."""

    def __init__(self, house: House, phone: Phone, clock: FakeClock) -> None:
        self.house, self.phone, self.clock = house, phone, clock
        self.fleet = Fleet()
        self.fleet.register(house.phone)
        self.dispatch = Dispatch(store=house.store, clock=clock, node="node", sleep=asyncio.sleep)
        self.unknown: list[DeliveryReport] = []
        self.outcome = Outcome(store=house.store, fleet=self.fleet, dispatch=self.dispatch, clock=clock, on_unknown=self.unknown.append)
        self.driver = FetchingDriver(house.phone)
        self.submits: list[asyncio.Task[None]] = []

    async def start(self) -> Server:
        await self.house.store.recover(now=self.clock(), leased_by="node", deduplicating=[PHONE])
        await self.driver.start(self.outcome)
        return self

    async def offer(self) -> int:
        """Claim what is due and offer it to the phone; how many."""
        claimed = await self.dispatch.claim(self.driver, 4)
        self.submits += [asyncio.create_task(self.dispatch.send(self.driver, message)) for message in claimed]
        await ripple()
        return len(claimed)

    async def hand_out(self) -> None:
        await self.offer()
        self.phone.store(self.driver.fetch())

    async def hear(self, *states: Status) -> None:
        """The phone says of each message that it knows that it is in these states; without any, in which it is."""
        for id, state in self.phone.states.items():
            for told in states or [state]:
                await self.driver.tell(id, told)
        await asyncio.gather(*self.submits)

    async def lose_connection(self) -> None:
        self.driver.connection(False)
        await asyncio.gather(*self.submits)

    async def crash(self) -> Server:
        for submit in self.submits:
            submit.cancel()
        await asyncio.gather(*self.submits, return_exceptions=True)
        return await Server(self.house, self.phone, self.clock).start()


async def begun(house: House, **fields: object) -> tuple[Server, MtMessage]:
    clock, message = FakeClock(), await house.accepted(**fields)
    return await Server(house, Phone(), clock).start(), message


async def ends_well(server: Server, message: MtMessage) -> None:
    """Whatever happened before, the message goes on the air once, and we know it."""
    for _ in range(2):
        await server.hand_out()
        server.phone.transmit()
        await server.hear()
    assert len(server.phone.on_air) == 1
    row = await server.house.get(message)
    assert (row.status, row.taken, row.in_doubt, row.device_message_id) == (S.SENT, None, False, message.guid)


@on_the_loop
async def test_claimed_and_never_handed_out(house: House) -> None:
    server, message = await begun(house)
    await server.offer()
    server = await server.crash()
    assert server.phone.states == {}
    await ends_well(server, message)


@on_the_loop
async def test_handed_out_then_a_crash_and_the_acknowledgement_after_the_restart(house: House) -> None:
    server, message = await begun(house)
    await server.hand_out()
    server = await server.crash()
    await server.hear(S.SENDING)
    row = await house.get(message)
    assert (row.status, row.taken, row.due) == (S.SENDING, server.clock(), None)
    assert await server.offer() == 0
    await ends_well(server, message)


@on_the_loop
@pytest.mark.parametrize("claimed_again", [False, True])
async def test_handed_out_then_a_crash_and_sent_after_the_restart(house: House, claimed_again: bool) -> None:
    server, message = await begun(house)
    await server.hand_out()
    server = await server.crash()
    if claimed_again:
        assert await server.offer() == 1
    server.phone.transmit()
    await server.hear()
    assert (await house.get(message)).status is S.SENT
    assert await server.offer() == 0
    await ends_well(server, message)
    assert server.unknown == []


@on_the_loop
@pytest.mark.parametrize("told", [(S.SENT,), (S.SENDING, S.SENT), (S.SENT, S.SENDING)])
async def test_sent_after_the_submit_timed_out(house: House, told: tuple[Status, ...]) -> None:
    server, message = await begun(house)
    server.driver.submit_timeout_s = 0
    await server.offer()
    server.phone.store([message.guid])
    await asyncio.gather(*server.submits)
    row = await house.get(message)
    assert (row.status, row.in_doubt, row.error) == (S.QUEUED, True, "the device did not answer")
    server.phone.transmit()
    await server.hear(*told)
    assert (await house.get(message)).status is S.SENT
    assert await server.offer() == 0


@on_the_loop
async def test_acknowledged_and_then_a_crash(house: House) -> None:
    server, message = await begun(house)
    await server.hand_out()
    await server.hear()
    server.clock.advance(3 * 3600)
    server = await server.crash()
    assert await house.store.recover(now=server.clock(), leased_by=None, deduplicating=[PHONE]) == []
    assert await server.offer() == 0
    [listed] = await house.store.taken_before(PHONE, server.clock(), 10)
    assert listed.try_guid == message.guid
    await ends_well(server, message)


@on_the_loop
@pytest.mark.parametrize("crashes", [False, True])
@pytest.mark.parametrize(
    "told",
    [
        (S.SENDING, S.SENDING, S.SENT, S.SENT, S.DELIVERED, S.DELIVERED),
        (S.DELIVERED, S.SENT, S.SENDING),
        (S.SENT, S.DELIVERED, S.FAILED, S.SENDING),
        (S.FAILED, S.SENDING, S.DELIVERED),
    ],
)
async def test_what_the_phone_says_twice_and_in_any_order(house: House, told: tuple[Status, ...], crashes: bool) -> None:
    server, message = await begun(house)
    await server.hand_out()
    server = await server.crash() if crashes else server
    await server.hear(*told)
    row = await house.get(message)
    assert (row.status, row.taken, row.in_doubt) == (S.DELIVERED, None, False)
    assert server.unknown == []


@on_the_loop
async def test_a_phone_that_is_gone_gives_back_what_it_never_fetched_and_keeps_what_it_may_send(house: House) -> None:
    server, message = await begun(house)
    await server.offer()
    await server.lose_connection()
    assert [m.id for m in await house.claim(house.other)] == [message.id]
    server, message = await begun(house)
    await server.hand_out()
    await server.lose_connection()
    assert await house.claim(house.other) == []
    server.driver.connection(True)
    await ends_well(server, message)


@on_the_loop
@pytest.mark.parametrize("acknowledges", [False, True])
async def test_a_phone_that_never_comes_back(house: House, acknowledges: bool) -> None:
    server, message = await begun(house, expires=FakeClock()() + HOUR)
    await server.hand_out()
    if acknowledges:
        await server.hear()
    else:
        await server.lose_connection()
    server.clock.advance(3600)
    ended = 0 if acknowledges else 1
    assert await house.store.expire(server.clock(), 10) == ended
    server.clock.advance(DAY.total_seconds())
    assert await house.store.expire(server.clock(), 10) == 1 - ended
    row = await house.get(message)
    assert (row.status, row.taken, row.in_doubt, row.finished) == (S.OUTCOME_UNKNOWN, None, False, None)
    assert await server.offer() == 0
    server.driver.connection(True)
    server.phone.transmit()
    await server.hear()
    assert (await house.get(message)).status is S.SENT


@on_the_loop
async def test_a_resend_is_another_message_to_the_phone_and_what_it_says_of_the_old_one_is_nothing(house: House) -> None:
    server, message = await begun(house, expires=FakeClock()() + MINUTE)
    await server.hand_out()
    await server.lose_connection()
    server.clock.advance(60)
    await house.store.expire(server.clock(), 10)
    await house.store.resend(message, now=server.clock(), expires=server.clock() + HOUR, wanted_device=None)
    server.driver.connection(True)
    await server.driver.tell(message.guid, S.SENDING)
    assert (await house.get(message)).status is S.QUEUED
    await server.hand_out()
    assert list(server.phone.states) == [message.guid, f"{message.guid}-1"]
    for told in (S.SENDING, S.SENT, S.FAILED):
        await server.driver.tell(message.guid, told)
    assert [report.status for report in server.unknown] == [S.SENT, S.FAILED]
    row = await house.get(message)
    assert (row.status, row.taken) == (S.SENDING, None)
    await server.driver.tell(f"{message.guid}-1", S.SENT)
    assert (await house.get(message)).status is S.SENT
