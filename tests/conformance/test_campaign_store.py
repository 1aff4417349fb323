"""What every Store promises about audience and campaigns: each subscriber gets one message, whoever dies whenever."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from service import campaigns as module
from service.accounts import ApiKey, Principal
from service.audience import NO_GROUP, Contact, SenderCode, StoredText, Subscription
from service.campaigns import AT_ONCE, Campaign, Campaigns, CampaignState, Portion
from service.errors import Forbidden, IdTaken, InDoubt, Invalid, Missing, NotFound, Unavailable, WrongState
from service.lifecycle import Status
from service.optouts import EVERYTHING, OptOutChange, Source
from tests.conformance.test_store import OTHER, PHONE, House
from tests.conformance.test_store import house as house
from tests.fakes import START, on_the_loop

S = Status


class Dying:
    """A store whose process dies: before a portion is kept, or after it, or it is never said which."""

    def __init__(self, store: Any, how: Sequence[str]) -> None:
        self.store, self.how = store, list(how)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def expand(self, portion: Portion) -> bool:
        how = self.how.pop(0) if self.how else ""
        if how == "before":
            raise Unavailable("dead")
        if how == "id taken":
            raise IdTaken
        kept = bool(await self.store.expand(portion))
        if how == "after":
            raise Unavailable("dead")
        if how == "in doubt":
            raise InDoubt("who knows")
        return kept


class Office:
    """Campaigns of the house's account, and a code `1234` with subscribers."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.campaigns = Campaigns(store=house.store, clock=lambda: START)
        key = ApiKey(id=7, account_id=house.account.id, label="", digest=b"")
        self.caller = Principal(account=house.account, key=key)

    async def code(self, code: str = "1234", sims: tuple[tuple[str, int], ...] = ()) -> SenderCode:
        return await self.house.store.save_sender_code(SenderCode(id=0, account_id=self.house.account.id, code=code, sims=sims))

    async def contacts(self, count: int, first: int = 0) -> list[int]:
        made = [self.contact(f"+324950{i:05}") for i in range(first, first + count)]
        return await self.house.store.save_contacts(made)

    def contact(self, number: str, **fields: Any) -> Contact:
        return Contact(id=0, account_id=self.house.account.id, number=number, created=START, **fields)

    async def subscribe(self, ids: Sequence[int], code: SenderCode, group_id: int = NO_GROUP) -> list[Subscription]:
        known = {"account_id": self.house.account.id, "code_id": code.id, "group_id": group_id, "created": START}
        return await self.house.store.subscribe([Subscription(id=0, contact_id=id, **known) for id in ids])

    async def start(self, group: str | None = None, **changed: Any) -> Campaign:
        return await self.campaigns.start(
            self.caller, **{"name": "spring", "text": "hello", "code": "1234", "api": "test", **changed}, group=group
        )

    async def run(self) -> None:
        while await self.campaigns.step():
            pass

    async def recipients(self) -> list[str]:
        return sorted(m.recipient for m in await self.house.all(limit=100_000))

    async def now(self, campaign: Campaign) -> Campaign:
        return await self.campaigns.get(campaign.account_id, campaign.id)


@pytest.fixture
def office(house: House, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr(module, "AT_ONCE", 10)
    return Office(house)


@on_the_loop
async def test_each_subscriber_gets_one_message(office: Office) -> None:
    code, vip = await office.code(sims=((PHONE, 1), (OTHER, 2))), await office.house.store.save_group(office.house.account.id, "vip")
    ids = await office.contacts(25)
    await office.subscribe(ids, code)
    await office.subscribe(ids[:5], code, vip.id)
    campaign = await office.start()
    assert (campaign.planned, campaign.state) == (25, CampaignState.RUNNING)
    await office.run()
    now = await office.now(campaign)
    assert (now.state, now.queued, now.opted_out, now.name, now.sims) == (CampaignState.DONE, 25, 0, "spring", code.sims)
    rows = await office.house.all(limit=100)
    assert len({m.recipient for m in rows}) == len(rows) == 25
    assert {(m.sender, m.key_id, m.status, m.text) for m in rows} == {("1234", 7, S.QUEUED, "hello")}
    assert {(m.wanted_device, m.wanted_sim) for m in rows} == {(PHONE, 1), (OTHER, 2)}
    assert await office.house.store.campaign_counts(campaign.id) == Counter({S.QUEUED: 25})
    [message] = await office.house.claim(limit=1)
    assert await office.house.store.campaign_counts(campaign.id) == Counter({S.QUEUED: 24, S.SENDING: 1})
    assert message.sender == "1234"


@on_the_loop
async def test_a_group_gets_what_is_for_it(office: Office) -> None:
    code, vip = await office.code(), await office.house.store.save_group(office.house.account.id, "vip")
    ids = await office.contacts(6)
    await office.subscribe(ids[:3], code)
    await office.subscribe(ids[2:4], code, vip.id)
    assert (await office.start("vip")).planned == 2
    await office.run()
    assert await office.recipients() == ["+32495000002", "+32495000003"]


@on_the_loop
async def test_a_campaign_without_subscribers_is_done(office: Office) -> None:
    await office.code()
    campaign = await office.start()
    await office.run()
    assert (await office.now(campaign)).state is CampaignState.DONE


@on_the_loop
async def test_who_has_opted_out_is_left_out_and_counted(office: Office) -> None:
    ids = await office.contacts(12)
    await office.subscribe(ids, await office.code())
    known = {"account_id": office.house.account.id, "is_out": True, "source": Source.API, "at": START}
    for number, code in (("+32495000000", "1234"), ("+32495000011", EVERYTHING), ("+32495000005", "99")):
        await office.house.store.change_optouts([OptOutChange(number=number, code=code, **known)])
    campaign = await office.start()
    await office.run()
    assert await office.recipients() == [f"+324950{i:05}" for i in range(1, 11)]
    now = await office.now(campaign)
    assert (now.planned, now.queued, now.opted_out) == (12, 10, 2)


@pytest.mark.parametrize(
    "deaths",
    [["before"], ["after"], ["", "before", "after", "in doubt", "id taken"], ["in doubt"] * 3, ["id taken", "after", "", "before"]],
)
@on_the_loop
async def test_whoever_dies_whenever_nobody_is_left_out_or_written_to_twice(office: Office, deaths: list[str]) -> None:
    await office.subscribe(await office.contacts(35), await office.code())
    campaign = await office.start()
    office.campaigns.store = Dying(office.house.store, deaths)
    for _ in range(20):
        try:
            await office.run()
        except Unavailable:
            continue
        break
    assert await office.recipients() == [f"+324950{i:05}" for i in range(35)]
    assert ((await office.now(campaign)).state, (await office.now(campaign)).queued) == (CampaignState.DONE, 35)


@on_the_loop
async def test_several_processes_do_each_portion_once(office: Office) -> None:
    await office.subscribe(await office.contacts(45), await office.code())
    await office.start()
    others = [Campaigns(store=office.house.store, clock=lambda: START) for _ in range(3)]
    for _ in range(8):
        await asyncio.gather(*(each.step() for each in others))
    assert await office.recipients() == [f"+324950{i:05}" for i in range(45)]


@on_the_loop
async def test_a_cancelled_campaign_makes_no_more_and_what_waits_is_not_sent(office: Office) -> None:
    await office.subscribe(await office.contacts(35), await office.code())
    campaign = await office.start()
    await office.campaigns.step()
    await office.house.claim(limit=3)
    stale = await office.now(campaign)
    await office.campaigns.cancel(campaign.account_id, campaign.id)
    assert not await office.campaigns.step()
    late = Portion(campaign=stale, cursor=stale.cursor + 1, is_last=False, messages=(office.house.message(),), now=START)
    assert not await office.house.store.expand(late)
    assert await office.house.store.campaign_counts(campaign.id) == Counter({S.CANCELLED: 7, S.SENDING: 3})
    assert (await office.now(campaign)).state is CampaignState.CANCELLED
    assert await office.house.claim() == []
    with pytest.raises(WrongState):
        await office.campaigns.cancel(campaign.account_id, campaign.id)
    with pytest.raises(NotFound):
        await office.campaigns.cancel(campaign.account_id + 1, campaign.id)


@on_the_loop
async def test_what_cannot_be_begun_is_refused(office: Office) -> None:
    await office.code()
    cases: list[tuple[type[Exception], str | None, dict[str, Any]]] = [
        (Missing, None, {"text": ""}),
        (Missing, None, {"name": ""}),
        (Invalid, None, {"name": "x" * 300}),
        (Invalid, None, {"text": "\0"}),
        (NotFound, None, {"code": "99"}),
        (NotFound, "nobody", {}),
    ]
    for error, group, changed in cases:
        with pytest.raises(error):
            await office.start(group, **changed)

    office.caller = replace(office.caller, account=replace(office.caller.account, trial_limit=5))
    with pytest.raises(Forbidden):
        await office.start()
    assert await office.house.store.campaigns(office.house.account.id) == []


@on_the_loop
async def test_contacts_texts_and_subscriptions_come_back_as_they_were(office: Office) -> None:
    store, account_id = office.house.store, office.house.account.id
    anne = office.contact("+32495000001", name="Anne", fields={"e-mail": "anne@example.org"})
    [id, other] = await store.save_contacts([anne, office.contact("+32495000002")])
    [again] = await store.save_contacts([office.contact("+32495000001", name="Anna")])
    assert again == id
    found = await store.find_contact(account_id, "+32495000001")
    assert found is not None
    assert (found.id, found.name, dict(found.fields)) == (id, "Anna", {})
    assert [one.id for one in await store.contacts(account_id, after="+32495000001", limit=9)] == [other]
    code = await office.code()
    [made] = await office.subscribe([id], code)
    assert await office.subscribe([id], code) == []
    assert await store.subscriptions_of(account_id, id) == [made]
    assert [await store.unsubscribe(account_id, id, code.id) for _ in range(2)] == [1, 0]
    await office.subscribe([id], code)
    assert await store.remove_sender_code(account_id, "1234")
    assert await store.subscriptions_of(account_id, id) == []
    text = StoredText(id=0, account_id=account_id, name="welcome", text="Hello", created=START)
    kept = await store.save_text(text)
    assert await store.save_text(text) is None
    assert await store.texts(account_id) == [kept]
    assert await store.save_group(account_id, "vip") == await store.save_group(account_id, "vip")
    assert [group.name for group in await store.groups(account_id)] == ["vip"]


def test_a_portion_is_short_enough_for_others_to_come_in_between() -> None:
    assert AT_ONCE <= 1_000
