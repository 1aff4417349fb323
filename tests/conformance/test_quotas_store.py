"""What every Store promises about quotas: kept as they were set, counted with what they count, never passed, whoever accepts at the same time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from service.accounts import Account, ApiKey
from service.errors import Conflict, QuotaExceeded
from service.messages import Receipt
from service.quotas import AccountQuotas, Charge, Quotas, charges
from tests.conformance.test_store import HOUR, House
from tests.conformance.test_store import house as house
from tests.fakes import START, on_the_loop

UTC = ZoneInfo("UTC")
A_DAY = Quotas(per_day=3)


def charged(quotas: Quotas = A_DAY, count: int = 1, after: timedelta = timedelta(0), whose: str = "1") -> tuple[Charge, ...]:
    return tuple(charges(quotas, "number", whose, count=count, now=START + after, zone=UTC))


async def accept(house: House, charges: tuple[Charge, ...], after: timedelta = timedelta(0), **how: str) -> Receipt:
    message = house.message(created=START + after)
    return await house.store.accept(replace(house.acceptance(message, **how), charges=charges))  # type: ignore[arg-type]


@on_the_loop
async def test_quotas_of_accounts_and_keys_come_back_as_they_were(house: House) -> None:
    allowed = AccountQuotas(whole=Quotas(per_minute=5, per_day=500), each_device=Quotas(per_hour=7))
    made = await house.store.create_account(Account(id=0, name="bounded", quotas=allowed))
    assert await house.store.account(made.id) == made
    assert await house.store.change_account(replace(made, quotas=AccountQuotas(each_number=A_DAY)))
    assert (await house.store.find_account("bounded") or made).quotas == AccountQuotas(each_number=A_DAY)
    assert await house.store.change_account(replace(made, quotas=None))
    assert (await house.store.find_account("bounded") or made).quotas is None

    key = await house.store.create_key(ApiKey(id=0, account_id=made.id, label="k", digest=b"d", quotas=A_DAY))
    found = await house.store.find_key(b"d")
    assert found is not None and found[0].quotas == A_DAY
    assert await house.store.change_key(replace(key, quotas=None))
    assert [each.quotas for each in await house.store.keys(made.id)] == [None]


@on_the_loop
async def test_a_quota_is_refused_when_it_is_used_up_and_nothing_is_stored(house: House) -> None:
    for _ in range(3):
        await accept(house, charged())
    with pytest.raises(QuotaExceeded) as refused:
        await accept(house, charged())
    assert (refused.value.retry_after_s, refused.value.quota, refused.value.per, refused.value.most) == (12 * 3600, "number", "day", 3)
    assert str(refused.value) == "the quota of 3 messages a day for this number is used up"
    await accept(house, charged(whose="2"))
    await accept(house, ())
    assert len(await house.all()) == 5
    await accept(house, charged(after=12 * HOUR), after=12 * HOUR)


@on_the_loop
async def test_of_several_quotas_none_is_used_when_one_refuses(house: House) -> None:
    wide, narrow = charged(Quotas(per_day=2), whose="wide"), charged(Quotas(per_day=1), whose="narrow")
    await accept(house, wide + narrow)
    with pytest.raises(QuotaExceeded):
        await accept(house, wide + narrow)
    with pytest.raises(QuotaExceeded):
        await accept(house, narrow + wide)
    await accept(house, wide)
    with pytest.raises(QuotaExceeded):
        await accept(house, wide)


@on_the_loop
async def test_more_messages_than_a_quota_has_room_for_are_refused_for_good(house: House) -> None:
    with pytest.raises(QuotaExceeded) as refused:
        await accept(house, charged(count=4))
    assert refused.value.retry_after_s is None
    await accept(house, charged(count=3))


@on_the_loop
async def test_an_hour_slides(house: House) -> None:
    quotas, minutes = Quotas(per_hour=2), [timedelta(minutes=m) for m in range(130)]

    async def is_taken(at: int) -> bool:
        try:
            await accept(house, charged(quotas, after=minutes[at]), after=minutes[at])
        except QuotaExceeded as refused:
            assert refused.retry_after_s == (minutes[61] - minutes[at]).total_seconds()
            return False
        return True

    assert [await is_taken(at) for at in (0, 30, 59, 60, 61)] == [True, True, False, False, True]
    with pytest.raises(QuotaExceeded):
        await accept(house, charged(quotas, after=minutes[89]), after=minutes[89])
    await accept(house, charged(quotas, after=minutes[91]), after=minutes[91])


@on_the_loop
async def test_a_repeated_submit_uses_nothing(house: House) -> None:
    message = house.message()
    for is_again in (False, True, True, True):
        acceptance = replace(house.acceptance(message, key="k"), charges=charged(Quotas(per_day=1)))
        assert (await house.store.accept(acceptance)).replayed is is_again
    with pytest.raises(Conflict):
        await house.store.accept(replace(house.acceptance(house.message(), key="k", about=b"b"), charges=charged()))


@on_the_loop
async def test_a_trial_that_is_used_up_uses_no_quota(house: House) -> None:
    house.account = await house.store.create_account(Account(id=0, name="trial", trial_limit=1))
    for _ in range(2):
        acceptance = replace(house.acceptance(house.message(), trial_limit=1), charges=charged(Quotas(per_day=2)))
        try:
            await house.store.accept(acceptance)
        except QuotaExceeded as refused:
            assert refused.quota == ""
    await accept(house, charged(Quotas(per_day=2)))


@on_the_loop
async def test_callers_at_the_same_time_do_not_pass_a_quota(house: House) -> None:
    asked = [accept(house, charged(Quotas(per_day=20)) if n % 2 else charged(Quotas(per_day=20)) + charged(whose="2")) for n in range(60)]
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(each) for each in told} == {Receipt, QuotaExceeded}
    taken = sum(isinstance(each, Receipt) for each in told)
    assert taken == len(await house.all()) == 20
