"""What every Store promises about devices that fetch their messages: taken, in doubt, given back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from service.accounts import Account
from service.fleet import Device
from service.lifecycle import Status
from service.messages import MtMessage
from tests.conformance.test_store import HOUR, MINUTE, OTHER, PHONE, SECOND, House, house
from tests.fakes import START, on_the_loop

__all__ = ["house"]

S = Status
DAY = timedelta(hours=24)
Before = Callable[..., Awaitable[MtMessage]]


async def taken(house: House, *, at: timedelta = timedelta(), device: Device | None = None, **fields: Any) -> MtMessage:
    made = await house.accepted(**fields)
    [message] = await house.claim(device)
    assert message.id == made.id
    await house.settle(message, S.SENDING, device_message_id=message.try_guid, now=START + at)
    return await house.get(message)


async def doubted(house: House, **fields: Any) -> MtMessage:
    message = await house.claimed(**fields)
    await house.settle(message, S.QUEUED, due=START, error="silent", same_device=True)
    return await house.get(message)


async def recovered(house: House, **fields: Any) -> MtMessage:
    message = await house.claimed(**fields)
    assert await house.store.recover(now=START, leased_by="node", deduplicating=[PHONE]) == []
    return await house.get(message)


async def unknown(house: House, **fields: Any) -> MtMessage:
    message = await house.claimed(**fields)
    await house.settle(message, S.OUTCOME_UNKNOWN)
    return await house.get(message)


# taken


@on_the_loop
async def test_what_is_taken_is_being_sent_without_a_lease(house: House) -> None:
    await house.accepted(expires=START + HOUR)
    [message] = await house.claim()
    await house.settle(message, S.SENDING, device_message_id="7", now=START + SECOND, sim=2)
    row = await house.get(message)
    assert row == replace(message, taken=START + SECOND, device_message_id="7", sim=2)
    for leased_by in ("node", None):
        assert await house.store.recover(now=START + DAY, leased_by=leased_by, deduplicating=[PHONE]) == []
    assert await house.claim(now=START + DAY) == []
    assert await house.store.next_due(house.phone) is None
    assert await house.get(message) == row


@on_the_loop
@pytest.mark.parametrize("told", [S.SENT, S.DELIVERED, S.FAILED])
async def test_a_report_ends_it(house: House, told: Status) -> None:
    message = await taken(house)
    assert await house.report(message.guid, told, at=START + MINUTE)
    row = await house.get(message)
    assert (row.status, row.taken, row.in_doubt) == (told, None, False)
    assert await house.store.taken_before(PHONE, START + DAY, 10) == []


@on_the_loop
@pytest.mark.parametrize(
    ("told", "becomes"), [(S.SENT, S.SENT), (S.FAILED, S.FAILED), (S.QUEUED, S.SENDING), (S.OUTCOME_UNKNOWN, S.SENDING)]
)
async def test_the_end_of_a_submit_does_not_take_it_away(house: House, told: Status, becomes: Status) -> None:
    """An acknowledgement may have come by another way while its submit ended."""
    message = await house.claimed()
    assert await house.store.acknowledge(PHONE, message.guid, START)
    await house.settle(message, told, due=START, same_device=True)
    row = await house.get(message)
    assert (row.status, row.taken, row.due) == (becomes, START if becomes is S.SENDING else None, None)


@on_the_loop
async def test_the_slot_stays_known(house: House) -> None:
    message = await house.claimed()
    await house.settle(message, S.SENDING, device_message_id="7", sim=2)
    await house.settle(message, S.SENT)
    assert (await house.get(message)).sim == 2
    message = await house.claimed()
    await house.settle(message, S.SENT, sim=1)
    assert (await house.get(message)).sim == 1


@on_the_loop
async def test_settled_as_taken_a_second_time_or_too_late_changes_nothing_else(house: House) -> None:
    message = await taken(house)
    await house.settle(message, S.SENDING, device_message_id=message.guid)
    assert await house.get(message) == message
    await house.report(message.guid, S.SENT)
    sent = await house.get(message)
    await house.settle(message, S.SENDING, device_message_id=message.guid)
    assert await house.get(message) == sent
    waits = await doubted(house)
    [again] = await house.claim()
    await house.settle(waits, S.SENDING, device_message_id="earlier")
    assert await house.get(again) == again


@on_the_loop
async def test_what_was_taken_and_not_reported_on_is_listed_oldest_first(house: House) -> None:
    second = await taken(house, at=2 * SECOND)
    first = await taken(house, at=SECOND)
    last = await taken(house, at=3 * SECOND)
    await taken(house, device=house.other)
    await house.report((await taken(house)).guid, S.SENT)
    await house.claimed()
    assert await house.store.taken_before(PHONE, START + 3 * SECOND, 10) == [first, second]
    assert await house.store.taken_before(PHONE, START + 4 * SECOND, 10) == [first, second, last]
    assert await house.store.taken_before(PHONE, START + 4 * SECOND, 1) == [first]
    assert await house.store.taken_before(PHONE, START + 4 * SECOND, 1, after=first) == [second]
    assert await house.store.taken_before(PHONE, START + 4 * SECOND, 9, after=first) == [second, last]
    assert await house.store.taken_before(PHONE, START + 4 * SECOND, 9, after=last) == []


@on_the_loop
async def test_those_that_were_taken_in_the_same_moment_follow_each_other_by_age(house: House) -> None:
    three = [await taken(house, at=SECOND) for _ in range(3)]
    listed = sorted(three, key=lambda message: message.id)
    assert await house.store.taken_before(PHONE, START + MINUTE, 9, after=listed[0]) == listed[1:]


# failures


@on_the_loop
@pytest.mark.parametrize("before", [House.claimed, doubted, recovered])
async def test_what_was_plainly_refused_is_counted_and_goes_to_whoever_is_free(house: House, before: Before) -> None:
    message = await before(house)
    if message.status is S.QUEUED:
        [message] = await house.claim()
    await house.settle(message, S.QUEUED, due=START, error="no network")
    [again] = await house.claim(house.other)
    assert (again.guid, again.failures, again.in_doubt) == (message.guid, 1, False)


@on_the_loop
async def test_what_asked_for_its_device_stays_with_it_when_it_is_refused(house: House) -> None:
    message = await house.claimed(wanted_device=PHONE)
    await house.settle(message, S.QUEUED, due=START, error="no network")
    assert await house.claim(house.other) == []
    assert [again.guid for again in await house.claim()] == [message.guid]


@on_the_loop
@pytest.mark.parametrize("how", ["given_back", "same_device"])
async def test_what_was_given_back_or_is_in_doubt_is_no_failure(house: House, how: str) -> None:
    message = await house.claimed()
    await house.settle(message, S.QUEUED, due=START, **{how: True})
    assert ((await house.get(message)).failures, (await house.get(message)).attempts) == (0, 1)


@on_the_loop
async def test_sent_again_because_somebody_asked_it_has_all_its_tries(house: House) -> None:
    message = await house.claimed()
    await house.settle(message, S.QUEUED, due=START, error="no network")
    [message] = await house.claim()
    await house.settle(message, S.FAILED, error="barred")
    assert await house.store.resend(message, now=START, expires=START + DAY, wanted_device=None)
    assert (await house.get(message)).failures == 0


# acknowledge


@on_the_loop
@pytest.mark.parametrize("before", [House.claimed, doubted, recovered, unknown])
async def test_what_the_device_says_it_has_is_taken(house: House, before: Before) -> None:
    message = await before(house)
    assert await house.store.acknowledge(PHONE, message.guid, START + SECOND)
    row = await house.get(message)
    expected = replace(message, status=S.SENDING, due=None, taken=START + SECOND, device_message_id=message.guid, in_doubt=False)
    assert row == expected
    assert await house.store.recover(now=START + DAY, leased_by=None, deduplicating=[]) == []
    assert await house.claim(now=START + HOUR) == []
    assert await house.report(message.guid, S.SENT)
    assert (await house.get(message)).status is S.SENT


@on_the_loop
async def test_even_what_was_given_back_is_taken_when_the_device_has_it_after_all(house: House) -> None:
    message = await house.claimed()
    await house.settle(message, S.QUEUED, due=START, given_back=True)
    assert await house.store.acknowledge(PHONE, message.guid, START)
    assert await house.claim(house.other) == []


@on_the_loop
@pytest.mark.parametrize("told", [S.SENDING, S.SENT, S.DELIVERED, S.FAILED, S.EXPIRED])
async def test_a_second_acknowledgement_is_known_and_changes_nothing(house: House, told: Status) -> None:
    message = await taken(house, expires=START + HOUR)
    if told is S.EXPIRED:
        await house.store.expire(START + HOUR + DAY, 10)
    elif told is not S.SENDING:
        await house.report(message.guid, told)
    row = await house.get(message)
    assert await house.store.acknowledge(PHONE, message.guid, START + MINUTE)
    assert await house.get(message) == row


@on_the_loop
async def test_an_acknowledgement_is_of_that_try_and_that_device(house: House) -> None:
    message = await doubted(house)
    other_random = message.guid[:-1] + ("0" if message.guid[-1] != "0" else "1")
    for device, id in (
        (OTHER, message.guid),
        (PHONE, other_random),
        (PHONE, f"{message.guid}-1"),
        (PHONE, f"{message.guid}-0"),
        (PHONE, message.guid.upper()),
        (PHONE, "f" * 40),
        (PHONE, "7"),
        (PHONE, ""),
    ):
        assert not await house.store.acknowledge(device, id, START)
    assert await house.get(message) == message
    never_claimed = await house.accepted(wanted_device=PHONE)
    assert not await house.store.acknowledge(PHONE, never_claimed.guid, START)


@on_the_loop
async def test_after_a_resend_only_the_new_try_counts(house: House) -> None:
    old = await unknown(house)
    assert await house.store.resend(old, now=START, expires=START + HOUR, wanted_device=None) == 1
    [new] = await house.claim()
    assert new.try_guid == f"{old.guid}-1"
    assert not await house.store.acknowledge(PHONE, old.guid, START)
    assert await house.get(new) == new
    assert await house.store.acknowledge(PHONE, new.try_guid, START)
    assert not await house.report(old.guid, S.FAILED)
    assert await house.report(new.try_guid, S.SENT)
    row = await house.get(new)
    assert (row.status, row.device_message_id) == (S.SENT, new.try_guid)


@on_the_loop
async def test_an_acknowledgement_and_a_claim_at_the_same_time_give_it_to_nobody_else(house: House) -> None:
    messages = [await house.claimed() for _ in range(10)]
    for message in messages:
        await house.settle(message, S.QUEUED, due=START, same_device=True)
    claims = asyncio.gather(*(house.claim(limit=1) for _ in range(10)))
    assert all(await asyncio.gather(*(house.store.acknowledge(PHONE, m.guid, START) for m in messages)))
    await claims
    assert {(await house.get(m)).status for m in messages} == {S.SENDING}
    assert len(await house.store.taken_before(PHONE, START + SECOND, 20)) == 10


# in doubt


@on_the_loop
@pytest.mark.parametrize("before", [doubted, recovered])
async def test_what_is_in_doubt_waits_for_its_device_alone(house: House, before: Before) -> None:
    message = await before(house)
    assert (message.status, message.due, message.in_doubt) == (S.QUEUED, START, True)
    assert await house.claim(house.other) == []
    [again] = await house.claim()
    assert (again.id, again.in_doubt) == (message.id, True)


@on_the_loop
@pytest.mark.parametrize("told", [S.SENT, S.SENDING, S.QUEUED, S.FAILED])
async def test_the_devices_plain_word_ends_the_doubt(house: House, told: Status) -> None:
    await doubted(house)
    [again] = await house.claim()
    await house.settle(again, told, due=START)
    assert not (await house.get(again)).in_doubt


@on_the_loop
@pytest.mark.parametrize("before", [House.claimed, doubted])
async def test_what_is_given_back_waits_as_it_did(house: House, before: Before) -> None:
    first = await before(house)
    if first.status is S.SENDING:
        await house.settle(first, S.QUEUED, due=START, given_back=True)
    else:
        [again] = await house.claim()
        await house.settle(again, S.QUEUED, due=START, given_back=True)
    row = await house.get(first)
    assert (row.status, row.due, row.error, row.in_doubt) == (S.QUEUED, START, first.error, first.in_doubt)
    assert [m.id for m in await house.claim(house.other)] == ([] if first.in_doubt else [first.id])


@on_the_loop
@pytest.mark.parametrize("by_claim", [True, False])
@pytest.mark.parametrize("before", [doubted, recovered])
async def test_what_is_in_doubt_when_its_validity_ends_may_have_been_sent(house: House, before: Before, by_claim: bool) -> None:
    message = await before(house, expires=START + HOUR)
    plain = await house.accepted(expires=START + HOUR, wanted_device=PHONE)
    if by_claim:
        assert await house.claim(now=START + HOUR) == []
    else:
        assert await house.store.expire(START + HOUR, 10) == 2
    assert await house.get(message) == replace(message, status=S.OUTCOME_UNKNOWN, due=None, in_doubt=False)
    assert await house.get(plain) == replace(plain, status=S.EXPIRED, due=None, finished=START + HOUR)
    assert await house.store.expire(START + 9 * DAY, 10) == 0
    assert await house.store.acknowledge(PHONE, message.guid, START + HOUR)
    assert await house.report(message.guid, S.SENT)
    assert (await house.get(message)).status is S.SENT


@on_the_loop
async def test_no_policy_sends_again_what_is_no_longer_valid(house: House) -> None:
    account = await house.store.create_account(Account(id=0, name="bold", resend_unknown=True))
    phone = replace(house.phone, id="c" * 16, account_id=account.id)
    await house.accepted(account_id=account.id, expires=START + HOUR)
    [message] = await house.claim(phone)
    await house.settle(message, S.QUEUED, due=START, same_device=True)
    assert await house.store.expire(START + HOUR, 10) == 1
    assert (await house.get(message)).status is S.OUTCOME_UNKNOWN


@on_the_loop
async def test_what_waits_cannot_be_settled_as_unknown(house: House) -> None:
    message = await doubted(house)
    await house.settle(message, S.OUTCOME_UNKNOWN)
    assert await house.get(message) == message


@on_the_loop
async def test_a_phone_that_took_a_message_and_never_reported_is_given_a_day(house: House) -> None:
    messages = [await taken(house, expires=START + HOUR) for _ in range(3)]
    assert await house.store.expire(START + HOUR + DAY - SECOND, 10) == 0
    assert await house.store.expire(START + HOUR + DAY, 2) == 2
    assert await house.store.expire(START + HOUR + DAY, 2) == 1
    for message in messages:
        assert await house.get(message) == replace(message, status=S.OUTCOME_UNKNOWN, taken=None)
    assert await house.report(messages[0].guid, S.DELIVERED)
    assert (await house.get(messages[0])).status is S.DELIVERED


# unlinking, deleting


@on_the_loop
async def test_an_unlinked_phone_leaves_in_doubt_only_what_is(house: House) -> None:
    has, refused, in_doubt = await taken(house), await house.claimed(wanted_device=PHONE), await house.claimed()
    await house.settle(refused, S.QUEUED, due=START)
    await house.settle(in_doubt, S.QUEUED, due=START, same_device=True)
    await house.store.unlink_device(house.phone)
    assert (await house.get(refused)).wanted_device is None
    for message in (in_doubt, has):
        row = await house.get(message)
        assert (row.status, row.due, row.in_doubt, row.taken) == (S.OUTCOME_UNKNOWN, None, False, None)
    assert [m.id for m in await house.claim(house.other)] == [refused.id]


@on_the_loop
async def test_what_is_in_doubt_can_be_deleted_and_what_is_taken_cannot(house: House) -> None:
    has, waits = await taken(house), await doubted(house)
    assert await house.store.delete_one(house.account.id, waits.guid) == 1
    assert await house.store.delete_one(house.account.id, has.guid) == 0
    assert not await house.store.acknowledge(PHONE, waits.guid, START)
    assert await house.all() == [has]


@on_the_loop
async def test_a_report_beside_the_settlement_that_it_needs_is_applied_or_not_known_yet(house: House) -> None:
    message = await house.claimed()
    known, _ = await asyncio.gather(house.report("7", S.DELIVERED), house.settle(message, S.SENT, device_message_id="7"))
    assert (await house.get(message)).status is (S.DELIVERED if known else S.SENT)


@on_the_loop
async def test_expire_ends_no_more_than_its_limit_of_both_kinds(house: House) -> None:
    await taken(house, expires=START + HOUR)
    await house.accepted(expires=START + HOUR)
    assert [await house.store.expire(START + 2 * DAY, 1) for _ in range(3)] == [1, 1, 0]
