"""What every Store promises about limits: devices as the operator set them, what was sent, what waits, what is pinned."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from service.accounts import Account
from service.fleet import Device, Sim
from service.lifecycle import Status
from service.limits import Limits
from service.messages import Channel, MtMessage
from service.ports import Pin
from tests.conformance.test_store import HOUR, MINUTE, OTHER, PHONE, SECOND, House
from tests.conformance.test_store import house as house
from tests.fakes import START, on_the_loop

S = Status
DAY = timedelta(days=1)


@on_the_loop
async def test_limits_and_cards_of_a_device_come_back_as_they_were(house: House) -> None:
    night = Limits(quiet_from=1320, quiet_until=420)
    cards = (Sim(slot=1), Sim(slot=2, number="+32495000002", limits=replace(night, per_minute=5)))
    phone = replace(house.phone, limits=Limits(per_hour=100, per_day=500), cards=cards, config={"a": "b"}, sync_sent=True)
    await house.store.save_device(phone)
    assert phone in await house.store.devices()
    await house.store.save_device(house.phone)
    assert house.phone in await house.store.devices()


@on_the_loop
async def test_an_account_is_sticky_or_not(house: House) -> None:
    made = await house.store.create_account(Account(id=0, name="sticky", sticky=True))
    assert await house.store.account(made.id) == made
    assert await house.store.change_account(replace(made, sticky=False))
    assert await house.store.find_account("sticky") == replace(made, sticky=False)


async def _claim(house: House, device: Device, slots: tuple[int, ...]) -> list[str]:
    now = START
    claimed = await house.store.claim(device=device, limit=10, now=now, leased_until=now + MINUTE, leased_by="node", slots=slots)
    return [m.text for m in claimed]


@on_the_loop
async def test_a_claim_takes_only_what_may_go_by_the_slots(house: House) -> None:
    for wanted in (None, 1, 2):
        await house.accepted(str(wanted), wanted_sim=wanted, wanted_device=PHONE if wanted == 1 else None)
    phone = replace(house.phone, whatsapp=True)
    await house.accepted("whatsapp", channel=Channel.WHATSAPP, due=START - SECOND)
    assert await house.store.next_due(house.phone, ()) is None
    assert await house.store.next_due(phone, ()) == START - SECOND
    assert await house.store.waiting(phone, START) == 4
    assert await house.store.waiting(phone, START - SECOND) == 1
    assert await _claim(house, house.phone, ()) == []
    assert await _claim(house, phone, ()) == ["whatsapp"]
    assert await _claim(house, house.phone, (2,)) == ["None", "2"]
    assert await house.store.next_due(house.phone, (2,)) is None
    assert await _claim(house, house.phone, (1, 2)) == ["1"]
    assert await house.store.waiting(phone, START) == 0


@on_the_loop
async def test_what_a_device_sent_is_known_by_sim(house: House) -> None:
    async def sent(at_s: int, sim: int | None, **fields: object) -> MtMessage:
        await house.accepted(**fields)
        [message] = await house.claim(replace(house.phone, whatsapp=True))
        await house.settle(message, S.SENT, device_message_id=str(at_s), now=START + at_s * SECOND, sim=sim)
        return message

    await sent(-1, 1)
    await sent(1, 1)
    await sent(2, 2)
    await sent(3, None, channel=Channel.WHATSAPP)
    refused = await house.claimed()
    await house.settle(refused, S.FAILED, error="no", sim=1)
    taken = await house.claimed()
    await house.settle(taken, S.SENDING, device_message_id="t", now=START + 4 * SECOND, sim=2)
    await house.claimed()
    await house.accepted(wanted_device=OTHER)
    [others] = await house.claim(house.other)
    await house.settle(others, S.SENT, device_message_id="o", now=START + SECOND, sim=1)
    known = await house.store.sent_since(house.phone, START, START + 9 * SECOND)
    expected = [(1, 1), (2, 2), (0, 3), (2, 4), (None, 9)]
    assert sorted(known, key=lambda each: each[1]) == [(sim, START + at * SECOND) for sim, at in expected]
    assert await house.store.sent_since(house.phone, START + DAY, START + DAY) == [(None, START + DAY)], "what it has in its hands"


# pinned messages


async def _pinned(house: House, text: str = "hello", until: timedelta = MINUTE, sim: int | None = 2) -> MtMessage:
    message = house.message(text)
    pin = Pin(id=message.id, device=PHONE, sim=sim, until=START + until)
    await house.store.accept(replace(house.acceptance(message), pins=(pin,)))
    return message


@on_the_loop
async def test_a_pinned_message_is_for_its_device_alone(house: House) -> None:
    message = await _pinned(house)
    assert await house.claim(house.other) == []
    [claimed] = await house.claim()
    assert (claimed.id, claimed.sim, claimed.wanted_device, claimed.wanted_sim) == (message.id, 2, None, None)


@on_the_loop
async def test_a_pin_ends_with_its_time(house: House) -> None:
    first, second = await _pinned(house, "first"), await _pinned(house, "second", HOUR)
    assert await house.store.release(START + MINUTE - SECOND) == []
    assert await house.store.release(START + MINUTE) == [house.account.id]
    assert await house.store.release(START + MINUTE) == []
    assert [m.id for m in await house.claim(house.other)] == [first.id]
    assert [m.id for m in await house.claim()] == [second.id]


@on_the_loop
async def test_a_pin_ends_with_its_device(house: House) -> None:
    await house.accepted("wanted", wanted_device=PHONE)
    pinned = [await _pinned(house, str(i), HOUR) for i in range(2)]
    assert await house.store.release(START, OTHER) == []
    assert await house.store.release(START, PHONE) == [house.account.id]
    assert [m.id for m in await house.claim(house.other)] == [m.id for m in pinned]


@on_the_loop
async def test_what_is_tried_again_stays_pinned_and_what_is_in_doubt_is_not_released(house: House) -> None:
    await _pinned(house, "again")
    [again] = await house.claim()
    assert await house.store.release(START + HOUR) == [], "it is in the device's hands"
    await house.settle(again, S.QUEUED, due=START, error="busy")
    assert await house.claim(house.other) == []
    [again] = await house.claim()
    await house.settle(again, S.QUEUED, due=START, error="silent", same_device=True)
    assert await house.store.release(START + HOUR) == []
    assert await house.claim(house.other) == []
    [again] = await house.claim()
    await house.settle(again, S.QUEUED, due=START, error="busy")
    assert await house.store.release(START + HOUR) == [house.account.id]
    assert [m.id for m in await house.claim(house.other)] == [again.id]


@on_the_loop
async def test_a_pinned_message_is_released_or_claimed_but_not_both(house: House) -> None:
    for _ in range(10):
        await _pinned(house)
    claims = await asyncio.gather(house.claim(limit=5), house.store.release(START + MINUTE), house.claim(house.other), house.claim())
    ids = [m.id for claim in (claims[0], claims[2], claims[3]) for m in claim]
    assert len(ids) == len(set(ids)) == 10
