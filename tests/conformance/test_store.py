"""What every Store promises, sentence by sentence of service.ports.Store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.accounts import Account, ApiKey, Scope
from service.errors import Conflict, IdTaken, Invalid, QuotaExceeded, Refused
from service.fleet import Device
from service.lifecycle import NEXT, Status, advance
from service.messages import Channel, DeliveryReport, Ids, MoMessage, MtMessage, Receipt
from service.ports import Acceptance, Idempotency, SentQuery, Settlement, Store
from tests.conformance.stores import STORES, wait_for
from tests.fakes import START, on_the_loop

S = Status
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
PHONE, OTHER = "a" * 16, "b" * 16


@dataclass
class House:
    """A store with an account that has two phones, and what a test says to it most."""

    store: Store
    account: Account
    phone: Device
    other: Device
    ids: Ids

    def message(self, text: str = "hello", **fields: Any) -> MtMessage:
        created = fields.pop("created", START)
        id, guid = self.ids.new(created)
        given: dict[str, Any] = {
            "id": id,
            "guid": guid,
            "account_id": self.account.id,
            "key_id": 1,
            "api": "test",
            "recipient": "+32495898697",
            "text": text,
            "segments": 1,
            "status": S.QUEUED,
            "created": created,
            "due": created,
            "expires": created + 72 * HOUR,
        }
        return MtMessage(**{**given, **fields})

    def acceptance(self, *messages: MtMessage, trial_limit: int | None = None, key: str | None = None, about: bytes = b"a") -> Acceptance:
        first = messages[0]
        receipt = Receipt(
            guids=tuple(m.guid for m in messages),
            accepted=first.created,
            status=first.status,
            device_online=True,
            sim=first.wanted_sim,
            trial=trial_limit is not None,
            trial_sent=0,
        )
        idempotency = Idempotency(key=key, fingerprint=about) if key else None
        return Acceptance(messages=messages, receipt=receipt, trial_limit=trial_limit, idempotency=idempotency)

    async def accept(self, *messages: MtMessage, **how: Any) -> Receipt:
        return await self.store.accept(self.acceptance(*messages, **how))

    async def accepted(self, text: str = "hello", **fields: Any) -> MtMessage:
        message = self.message(text, **fields)
        await self.accept(message)
        return message

    async def claim(self, device: Device | None = None, *, limit: int = 10, now: datetime = START, by: str = "node") -> list[MtMessage]:
        return await self.store.claim(device=device or self.phone, limit=limit, now=now, leased_until=now + MINUTE, leased_by=by)

    async def claimed(self, **fields: Any) -> MtMessage:
        await self.accepted(**fields)
        [message] = await self.claim()
        return message

    async def settle(self, message: MtMessage, status: Status, **fields: Any) -> None:
        await self.store.settle(Settlement(id=message.id, status=status, **{"now": START, "attempts": message.attempts, **fields}))

    async def report(self, id: str, status: Status, **fields: Any) -> bool:
        given: dict[str, Any] = {"device": PHONE, "device_message_id": id, "status": status, "at": START, **fields}
        return await self.store.report(DeliveryReport(**given), START)

    async def get(self, message: MtMessage) -> MtMessage:
        [found] = await self.store.sent(SentQuery(account_id=message.account_id, guid=message.guid))
        return found

    async def all(self, **query: Any) -> list[MtMessage]:
        return await self.store.sent(SentQuery(**{"account_id": self.account.id, **query}))


@pytest.fixture(params=STORES)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    opened = request.param(tmp_path)
    store = wait_for(opened.__aenter__())
    yield wait_for(_furnish(store))
    wait_for(opened.__aexit__(None, None, None))


async def _furnish(store: Store) -> House:
    account = await store.create_account(Account(id=0, name="acme"))
    phones = [Device(id=id, account_id=account.id, kind="simulator", sims=2) for id in (PHONE, OTHER)]
    for phone in phones:
        await store.save_device(phone)
    return House(store, account, *phones, Ids())


# accept


@on_the_loop
async def test_what_is_accepted_comes_back_as_it_was(house: House) -> None:
    messages = [
        house.message("first", wanted_device=PHONE, wanted_sim=2),
        house.message("second", status=S.SCHEDULED, due=START + HOUR, recipient="12345", api="soap", segments=3, key_id=7),
    ]
    receipt = await house.accept(*messages)
    assert receipt == house.acceptance(*messages).receipt
    assert await house.all() == messages[::-1]


@on_the_loop
async def test_accept_is_all_or_nothing(house: House) -> None:
    taken = await house.accepted()
    fresh = house.message()
    with pytest.raises(IdTaken):
        await house.accept(fresh, replace(house.message(), id=taken.id), trial_limit=9, key="k")
    assert await house.all() == [taken]
    assert not await house.store.exists(fresh.id)
    again = await house.accept(house.message(), trial_limit=9, key="k")
    assert (again.trial_sent, again.replayed) == (1, False)


@on_the_loop
async def test_exists_tells_what_is_stored(house: House) -> None:
    message = await house.accepted()
    assert await house.store.exists(message.id)
    assert not await house.store.exists(message.id + 1)


@on_the_loop
async def test_an_idempotency_key_gets_the_first_receipt_again(house: House) -> None:
    first = await house.accept(house.message(wanted_sim=1), house.message(), key="k", trial_limit=5)
    again = await house.accept(house.message("not stored", created=START + HOUR), key="k", trial_limit=5)
    assert again == replace(first, replayed=True)
    assert first.trial_sent == 2
    assert len(await house.all()) == 2


@on_the_loop
async def test_another_request_under_an_idempotency_key_is_a_conflict(house: House) -> None:
    await house.accept(house.message(), key="k", about=b"a")
    with pytest.raises(Conflict):
        await house.accept(house.message(), key="k", about=b"b")
    assert len(await house.all()) == 1


@on_the_loop
async def test_idempotency_keys_are_an_accounts_own(house: House) -> None:
    await house.accept(house.message(), key="k")
    receipt = await house.accept(house.message(account_id=house.account.id + 1), key="k")
    assert not receipt.replayed


@on_the_loop
async def test_an_idempotency_key_lives_for_a_day(house: House) -> None:
    await house.accept(house.message(), key="k", about=b"a")
    late = START + 24 * HOUR
    assert (await house.accept(house.message(created=late - SECOND), key="k", about=b"a")).replayed
    receipt = await house.accept(house.message(created=late), key="k", about=b"b")
    assert not receipt.replayed
    assert (await house.accept(house.message(created=late + HOUR), key="k", about=b"b")) == replace(receipt, replayed=True)


@on_the_loop
async def test_one_key_at_the_same_time_makes_one_message(house: House) -> None:
    receipts = await asyncio.gather(*(house.accept(house.message(), key="k") for _ in range(20)))
    assert sum(not r.replayed for r in receipts) == 1
    assert len({r.guids for r in receipts}) == 1
    assert len(await house.all()) == 1


@on_the_loop
async def test_a_trial_is_counted_and_ends(house: House) -> None:
    counts = [(await house.accept(house.message(), house.message(), trial_limit=5)).trial_sent for _ in range(2)]
    assert counts == [2, 4]
    with pytest.raises(QuotaExceeded) as refused:
        await house.accept(house.message(), house.message(), trial_limit=5)
    assert refused.value.retry_after_s is None
    assert (await house.accept(house.message(), trial_limit=5)).trial_sent == 5
    assert len(await house.all()) == 5


@on_the_loop
async def test_a_regular_account_is_not_counted(house: House) -> None:
    assert (await house.accept(house.message())).trial_sent == 0
    assert (await house.accept(house.message(), trial_limit=5)).trial_sent == 1


@on_the_loop
async def test_a_trial_cannot_be_overrun_by_many_at_once(house: House) -> None:
    results = await asyncio.gather(*(house.accept(house.message(), trial_limit=7) for _ in range(20)), return_exceptions=True)
    assert sorted(r.trial_sent for r in results if isinstance(r, Receipt)) == [1, 2, 3, 4, 5, 6, 7]
    assert sum(isinstance(r, QuotaExceeded) for r in results) == 13
    assert len(await house.all()) == 7


@on_the_loop
async def test_a_thousand_at_once_are_all_stored(house: House) -> None:
    messages = [house.message(str(i)) for i in range(1000)]
    await asyncio.gather(*map(house.accept, messages))
    assert await house.all(limit=2000) == messages[::-1]


@on_the_loop
@pytest.mark.parametrize("fault", ["id", "nul", "surrogate"])
async def test_one_bad_submit_does_not_fail_those_beside_it(house: House, fault: str) -> None:
    taken = await house.accepted("taken")
    bad = {
        "id": replace(house.message(), id=taken.id),
        "nul": house.message("a\0b"),
        "surrogate": house.message("a\ud800b"),
    }[fault]
    good = [house.message(str(i)) for i in range(20)]
    mixed = [*good[:10], bad, *good[10:]]
    results = await asyncio.gather(*map(house.accept, mixed), return_exceptions=True)
    assert isinstance(results.pop(10), IdTaken if fault == "id" else Refused)
    assert all(isinstance(r, Receipt) for r in results)
    assert [m.text for m in await house.all()] == [m.text for m in [taken, *good]][::-1]


@on_the_loop
async def test_an_idempotency_key_that_cannot_be_kept_is_refused(house: House) -> None:
    for key in ("a\0b", "\ud800"):
        with pytest.raises(Invalid):
            await house.accept(house.message(), key=key)
    assert await house.all() == []


@on_the_loop
async def test_any_text_comes_back_as_it_was(house: House) -> None:
    texts = set()

    @given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=200))
    @settings(max_examples=100, database=None)
    def collect(text: str) -> None:
        texts.add(text)

    collect()
    for text in texts:
        message = await house.accepted(text)
        assert await house.get(message) == message


@on_the_loop
async def test_a_refused_submit_is_kept_for_the_log_and_never_sent(house: House) -> None:
    row = house.message(status=S.FAILED, due=None, finished=START, refusal="invalid_recipient", recipient="12", segments=0)
    await house.store.keep_refused(row)
    assert await house.all() == [row]
    assert await house.claim(now=START + HOUR) == []
    assert await house.store.next_due(house.phone) is None


# claim


@on_the_loop
async def test_a_claim_takes_what_is_due_soonest_first(house: House) -> None:
    later = await house.accepted("later", due=START + MINUTE)
    second = await house.accepted("second", due=START - SECOND)
    first = await house.accepted("first", due=START - MINUTE, wanted_device=PHONE)
    third = await house.accepted("third", due=START)
    claimed = await house.claim()
    assert [m.id for m in claimed] == [first.id, second.id, third.id]
    assert claimed[0] == replace(first, status=S.SENDING, due=None, device=PHONE, attempts=1)
    assert await house.get(first) == claimed[0]
    assert [m.id for m in await house.claim(now=START + MINUTE)] == [later.id]


@on_the_loop
async def test_a_claim_takes_no_more_than_its_limit(house: House) -> None:
    made = [await house.accepted(str(i), wanted_device=PHONE if i % 2 else None) for i in range(5)]
    assert [m.id for m in await house.claim(limit=3)] == [m.id for m in made[:3]]
    assert [m.id for m in await house.claim(limit=3)] == [m.id for m in made[3:]]
    assert await house.claim(limit=3) == []


@on_the_loop
async def test_no_two_claims_return_the_same_message(house: House) -> None:
    await asyncio.gather(*(house.accepted(str(i)) for i in range(100)))
    claims = await asyncio.gather(*(house.claim(device, limit=3) for device in [house.phone, house.other] * 25))
    ids = [m.id for claim in claims for m in claim]
    assert len(ids) == len(set(ids)) == 100


@on_the_loop
async def test_a_claim_is_for_the_devices_own_queue_and_its_accounts_pool(house: House) -> None:
    own, pool = await house.accepted(wanted_device=PHONE), await house.accepted()
    others = await house.accepted(wanted_device=OTHER)
    await house.accepted(account_id=house.account.id + 1)
    assert [m.id for m in await house.claim()] == [own.id, pool.id]
    assert [m.id for m in await house.claim(house.other)] == [others.id]


@on_the_loop
async def test_a_message_for_a_sim_goes_only_to_a_device_that_has_it(house: House) -> None:
    for_sim = await house.accepted(wanted_sim=2)
    one_sim = replace(house.phone, sims=1)
    assert await house.claim(one_sim) == []
    assert await house.store.next_due(one_sim) is None
    assert await house.store.next_due(house.phone) == START
    assert [m.id for m in await house.claim()] == [for_sim.id]


@on_the_loop
async def test_what_has_waited_too_long_is_expired_by_the_claim(house: House) -> None:
    old = [await house.accepted(str(i), expires=START + MINUTE) for i in range(5)]
    good = [await house.accepted(str(i)) for i in range(3)]
    claimed = await house.claim(now=START + MINUTE, limit=2)
    assert [m.id for m in claimed] == [m.id for m in good[:2]]
    for message in old:
        assert await house.get(message) == replace(message, status=S.EXPIRED, due=None, finished=START + MINUTE)
    assert await house.store.next_due(house.phone) == good[2].due


@on_the_loop
async def test_next_due_is_the_soonest_of_both_queues(house: House) -> None:
    assert await house.store.next_due(house.phone) is None
    await house.accepted(due=START + HOUR, status=S.SCHEDULED)
    assert await house.store.next_due(house.phone) == START + HOUR
    await house.accepted(due=START + MINUTE, status=S.SCHEDULED, wanted_device=PHONE, wanted_sim=1)
    await house.accepted(due=START, wanted_device=OTHER)
    assert await house.store.next_due(house.phone) == START + MINUTE


@on_the_loop
async def test_first_in_lanes_names_each_queue_and_sim_where_anything_waits_and_no_other(house: House) -> None:
    assert await house.store.first_in_lanes() == []
    await house.accepted(due=START + HOUR, status=S.SCHEDULED)
    await house.accepted(due=START + MINUTE, status=S.SCHEDULED)
    await house.accepted(due=START + HOUR, status=S.SCHEDULED, wanted_device=PHONE, wanted_sim=2)
    await house.accepted(due=START + HOUR, status=S.SCHEDULED, wanted_device=PHONE, wanted_sim=1)
    await house.accepted(due=START + SECOND, status=S.SCHEDULED, wanted_device=PHONE, wanted_sim=1)
    await house.accepted(due=START, wanted_device=OTHER, channel=Channel.WHATSAPP)
    await house.claimed()
    found = {(f.account_id, f.device, f.channel, f.wanted_sim): f.due for f in await house.store.first_in_lanes()}
    assert found == {
        (house.account.id, None, Channel.SMS, None): START + MINUTE,
        (None, PHONE, Channel.SMS, 1): START + SECOND,
        (None, PHONE, Channel.SMS, 2): START + HOUR,
        (None, OTHER, Channel.WHATSAPP, None): START,
    }


# settle


@on_the_loop
async def test_settled_as_sent(house: House) -> None:
    message = await house.claimed()
    await house.settle(message, S.SENT, device_message_id="7", now=START + SECOND)
    assert await house.get(message) == replace(message, status=S.SENT, sent=START + SECOND, device_message_id="7")


@on_the_loop
async def test_settled_for_another_try(house: House) -> None:
    message = await house.claimed()
    await house.settle(message, S.QUEUED, due=START + MINUTE, error="busy")
    assert await house.get(message) == replace(message, status=S.QUEUED, due=START + MINUTE, error="busy", failures=1)
    assert await house.claim(house.other) == []
    assert await house.store.next_due(house.phone) == START + MINUTE
    [again] = await house.claim(house.other, now=START + MINUTE)
    assert (again.id, again.attempts, again.device) == (message.id, 2, OTHER)


@on_the_loop
async def test_another_try_by_the_same_device_only(house: House) -> None:
    message = await house.claimed()
    await house.settle(message, S.QUEUED, due=START, same_device=True)
    assert await house.claim(house.other) == []
    assert [m.id for m in await house.claim()] == [message.id]
    await house.settle(message, S.QUEUED, due=START)
    assert await house.claim(house.other) == []


@on_the_loop
async def test_settled_as_failed(house: House) -> None:
    message = await house.claimed()
    await house.settle(message, S.FAILED, error="barred", now=START + SECOND)
    assert await house.get(message) == replace(message, status=S.FAILED, error="barred", finished=START + SECOND)
    assert await house.claim(now=START + HOUR) == []


@on_the_loop
async def test_settled_as_unknown(house: House) -> None:
    message = await house.claimed()
    await house.settle(message, S.OUTCOME_UNKNOWN, error="no answer")
    assert await house.get(message) == replace(message, status=S.OUTCOME_UNKNOWN, error="no answer")
    assert await house.claim(now=START + HOUR) == []


@on_the_loop
async def test_settled_as_unknown_where_the_account_wants_another_try(house: House) -> None:
    account = await house.store.create_account(Account(id=0, name="bold", resend_unknown=True))
    phone = replace(house.phone, id="c" * 16, account_id=account.id)
    await house.accepted(account_id=account.id)
    [message] = await house.claim(phone)
    await house.settle(message, S.OUTCOME_UNKNOWN, error="no answer", now=START + SECOND)
    assert await house.get(message) == replace(message, status=S.QUEUED, error="no answer", due=START + SECOND)
    assert [m.attempts for m in await house.claim(phone, now=START + SECOND)] == [2]


@on_the_loop
@pytest.mark.parametrize("told", [S.SENT, S.QUEUED, S.FAILED, S.OUTCOME_UNKNOWN])
async def test_a_settlement_of_an_earlier_claim_leaves_the_later_one_alone(house: House, told: Status) -> None:
    first = await house.claimed()
    await house.settle(first, S.QUEUED, due=START)
    [second] = await house.claim()
    await house.settle(first, told, due=START)
    assert await house.get(second) == second
    assert await house.claim(house.other) == []


@on_the_loop
@pytest.mark.parametrize("told", [S.SENT, S.QUEUED, S.FAILED, S.OUTCOME_UNKNOWN])
@pytest.mark.parametrize("current", [S.SENDING, S.SENT, S.DELIVERED, S.FAILED, S.OUTCOME_UNKNOWN, S.EXPIRED])
async def test_a_settlement_changes_what_may_follow_and_nothing_else(house: House, current: Status, told: Status) -> None:
    before = await _brought_to(house, current)
    await house.settle(before, told, device_message_id="new", due=START + HOUR, error="new", now=START + HOUR)
    after = await house.get(before)
    if advance(current, told) is current:
        assert after == before
    else:
        assert (after.status, after.error, after.device_message_id) == (told, "new", "new")
    assert await house.store.recover(now=START + 2 * HOUR, leased_by=None, deduplicating=[]) == (
        [before.guid] if after.status is S.SENDING else []
    )


async def _brought_to(house: House, status: Status) -> MtMessage:
    if status is S.EXPIRED:
        message = await house.accepted(expires=START)
        assert await house.claim() == []
        return await house.get(message)
    message = await house.claimed()
    if status is S.DELIVERED:
        await house.settle(message, S.SENT, device_message_id="first")
        await house.report("first", S.DELIVERED)
    elif status is not S.SENDING:
        await house.settle(message, status, device_message_id="first")
    return await house.get(message)


@on_the_loop
async def test_settling_what_is_not_there_does_nothing(house: House) -> None:
    await house.settle(house.message(), S.SENT)
    assert await house.all() == []


# report


async def _sent_as(house: House, id: str) -> MtMessage:
    message = await house.claimed()
    await house.settle(message, S.SENT, device_message_id=id)
    return await house.get(message)


@on_the_loop
async def test_a_report_advances_its_message(house: House) -> None:
    message = await _sent_as(house, "7")
    assert await house.report("7", S.DELIVERED, at=START + MINUTE)
    assert await house.get(message) == replace(message, status=S.DELIVERED, finished=START + MINUTE)


@on_the_loop
async def test_a_report_of_a_failure_says_why(house: House) -> None:
    message = await _sent_as(house, "7")
    assert await house.report("7", S.FAILED, error="absent", at=START + MINUTE)
    assert await house.get(message) == replace(message, status=S.FAILED, finished=START + MINUTE, error="absent")


@on_the_loop
async def test_reports_out_of_order_or_repeated_change_nothing(house: House) -> None:
    message = await _sent_as(house, "7")
    assert await house.report("7", S.DELIVERED)
    delivered = await house.get(message)
    for status in (S.SENT, S.FAILED, S.DELIVERED):
        assert await house.report("7", status, at=START + HOUR, error="old news")
    assert await house.get(message) == delivered


@on_the_loop
async def test_a_late_report_tells_better_of_an_unknown_outcome(house: House) -> None:
    message = await house.claimed()
    await house.settle(message, S.OUTCOME_UNKNOWN, device_message_id="7")
    assert await house.report("7", S.SENT, at=START + MINUTE)
    after = await house.get(message)
    assert (after.status, after.sent) == (S.SENT, START + MINUTE)


@on_the_loop
async def test_a_report_about_nothing_is_false(house: House) -> None:
    await _sent_as(house, "7")
    assert not await house.report("8", S.DELIVERED)
    assert not await house.report("7", S.DELIVERED, device=OTHER)
    claimed = await house.claimed()
    assert not await house.report(claimed.guid, S.SENT)


@on_the_loop
async def test_a_device_may_use_its_ids_again_and_means_the_newest(house: House) -> None:
    first, second = await _sent_as(house, "7"), await _sent_as(house, "7")
    assert await house.report("7", S.DELIVERED)
    assert (await house.get(first)).status is S.SENT
    assert (await house.get(second)).status is S.DELIVERED


@on_the_loop
async def test_reports_at_the_same_time_end_in_the_best(house: House) -> None:
    message = await _sent_as(house, "7")
    told = [S.FAILED, S.DELIVERED, S.SENT] * 5
    assert all(await asyncio.gather(*(house.report("7", status) for status in told)))
    assert (await house.get(message)).status is S.DELIVERED


# recover, expire


@on_the_loop
async def test_recover_takes_back_what_a_node_had(house: House) -> None:
    mine, theirs = await house.claimed(), None
    await house.accepted()
    [theirs] = await house.claim(by="another")
    assert await house.store.recover(now=START, leased_by="node", deduplicating=[]) == [mine.guid]
    assert await house.get(mine) == replace(mine, status=S.OUTCOME_UNKNOWN)
    assert (await house.get(theirs)).status is S.SENDING
    assert await house.claim(now=START + HOUR) == []


@on_the_loop
async def test_recover_takes_back_what_nobody_holds_any_more(house: House) -> None:
    message = await house.claimed()
    assert await house.store.recover(now=START + MINUTE - SECOND, leased_by=None, deduplicating=[]) == []
    assert (await house.get(message)).status is S.SENDING
    assert await house.store.recover(now=START + MINUTE, leased_by=None, deduplicating=[]) == [message.guid]
    assert await house.store.recover(now=START + HOUR, leased_by=None, deduplicating=[]) == []


@on_the_loop
async def test_a_device_that_deduplicates_is_asked_again_and_no_other(house: House) -> None:
    message = await house.claimed()
    assert await house.store.recover(now=START + HOUR, leased_by=None, deduplicating=[OTHER, PHONE]) == []
    assert await house.get(message) == replace(message, status=S.QUEUED, due=START + HOUR, in_doubt=True)
    assert await house.claim(house.other, now=START + HOUR) == []
    [again] = await house.claim(now=START + HOUR)
    assert (again.id, again.attempts) == (message.id, 2)


@on_the_loop
async def test_an_account_may_have_unknown_ones_sent_again(house: House) -> None:
    account = await house.store.create_account(Account(id=0, name="bold", resend_unknown=True))
    phone = replace(house.phone, id="c" * 16, account_id=account.id)
    message = await house.accepted(account_id=account.id)
    await house.claim(phone)
    assert await house.store.recover(now=START + HOUR, leased_by=None, deduplicating=[]) == []
    [again] = await house.claim(replace(phone, id="d" * 16), now=START + HOUR)
    assert again.id == message.id


@on_the_loop
async def test_expire_ends_what_waited_too_long(house: House) -> None:
    old = [await house.accepted(expires=START + MINUTE, due=START + HOUR, wanted_device=d) for d in (PHONE, OTHER, None)]
    held, good = await house.claimed(expires=START + MINUTE), await house.accepted()
    assert await house.store.expire(START + MINUTE - SECOND, 10) == 0
    assert await house.store.expire(START + MINUTE, 2) == 2
    assert await house.store.expire(START + MINUTE, 10) == 1
    for message in old:
        assert await house.get(message) == replace(message, status=S.EXPIRED, due=None, finished=START + MINUTE)
    assert (await house.get(held)).status is S.SENDING
    assert await house.get(good) == good


# sent


@on_the_loop
async def test_sent_lists_an_accounts_own_newest_first_a_page_at_a_time(house: House) -> None:
    made = [await house.accepted(str(i)) for i in range(5)]
    await house.accepted(account_id=house.account.id + 1)
    page = await house.all(limit=2)
    assert page == made[:2:-1]
    assert await house.all(limit=2, before_id=page[-1].id) == made[2:0:-1]
    assert await house.all(limit=2, before_id=made[0].id) == []


@on_the_loop
async def test_sent_finds_one_by_its_guid(house: House) -> None:
    message = await house.accepted()
    foreign = await house.accepted(account_id=house.account.id + 1)
    assert await house.all(guid=message.guid) == [message]
    other_random = message.guid[:-1] + ("0" if message.guid[-1] != "0" else "1")
    for guid in (foreign.guid, other_random, message.guid.upper() + "x", "", "7"):
        assert await house.all(guid=guid) == []


@on_the_loop
async def test_sent_filters(house: House) -> None:
    refused = house.message("Refused", status=S.FAILED, due=None, refusal="invalid")
    await house.store.keep_refused(refused)
    failed = await house.claimed(text="Failed 100%")
    await house.settle(failed, S.FAILED)
    good = await house.accepted("good_one", recipient="+15550100")

    async def texts(**query: Any) -> list[str]:
        return [m.text for m in await house.all(**query)]

    assert await texts(refused=True) == ["Refused"]
    assert await texts(refused=False) == ["good_one", "Failed 100%"]
    assert await texts(failed=True) == ["Failed 100%"]
    assert await texts(failed=False) == ["good_one", "Refused"]
    assert await texts(refused=False, failed=False) == ["good_one"]
    assert await texts(keyword="RE") == ["Refused"]
    assert await texts(keyword="\0") == []
    assert await texts(guid=good.guid, keyword="x") == []
    assert await texts(guid=good.guid, refused=True) == []


# received


def _mo(text: str = "yes", **fields: Any) -> MoMessage:
    return MoMessage(**{"device": PHONE, "sender": "+32495898697", "text": text, "received": START, **fields})


@on_the_loop
async def test_a_redelivery_is_kept_once(house: House) -> None:
    async def keep(message: MoMessage, at: datetime = START) -> bool:
        return await house.store.received(message, house.account.id, at)

    assert await keep(_mo(device_message_id="1"))
    assert not await keep(_mo(device_message_id="1"), START + HOUR)
    assert not await keep(_mo(device_message_id="1", received=START + SECOND), START + HOUR)


@on_the_loop
async def test_the_same_text_again_is_a_real_repeat(house: House) -> None:
    kept = [
        _mo(device_message_id="1"),
        _mo(device_message_id="2"),
        _mo(device_message_id="1", device=OTHER),
        _mo("no", device_message_id="1"),
        _mo(device_message_id="1", sender="+15550100"),
        _mo(),
        _mo(),
        _mo(sim=2),
    ]
    for message in kept:
        assert await house.store.received(message, house.account.id, START)


@on_the_loop
async def test_many_receptions_at_once_are_each_kept_once(house: House) -> None:
    messages = [_mo(device_message_id=str(i % 20)) for i in range(60)]
    kept = await asyncio.gather(*(house.store.received(m, house.account.id, START) for m in messages))
    assert sum(kept) == 20


@on_the_loop
async def test_a_message_from_a_handset_is_not_lost_for_its_odd_characters(house: House) -> None:
    assert await house.store.received(_mo("a\0b\ud800", device_message_id="\0"), house.account.id, START)
    message = await house.claimed()
    await house.settle(message, S.SENT, device_message_id="x\0", error="\ud800")
    assert await house.report("x\0", S.DELIVERED, error="\0")


# accounts, keys, devices


@on_the_loop
async def test_accounts(house: House) -> None:
    given = Account(id=99, name="b", default_country="BE", time_zone="Europe/Brussels", validity_s=60, trial_limit=3, resend_unknown=True)
    made = await house.store.create_account(given)
    assert made == replace(given, id=made.id)
    assert made.id not in (99, house.account.id)
    assert await house.store.find_account("b") == made
    assert await house.store.find_account("nobody") is None
    with pytest.raises(Conflict):
        await house.store.create_account(given)


@on_the_loop
async def test_keys(house: House) -> None:
    given = ApiKey(id=99, account_id=house.account.id, label="l", digest=bytes(range(32)), scopes=Scope.SEND | Scope.ADMIN, expires=START)
    made = await house.store.create_key(given)
    second = await house.store.create_key(replace(given, digest=b"x" * 32, expires=None))
    assert made == replace(given, id=made.id)
    assert made.id != second.id
    assert await house.store.find_key(given.digest) == (made, house.account)
    assert await house.store.find_key(b"x" * 32) == (second, house.account)
    assert await house.store.find_key(b"y" * 32) is None


@on_the_loop
async def test_devices(house: House) -> None:
    assert await house.store.devices() == [house.phone, house.other]
    changed = replace(house.phone, label="Door", phone_number="+32495898697", sims=3, time_zone="Europe/Brussels", kind="smpp")
    changed = replace(changed, config={"url": "https://é.test/?a=1", "empty": ""})
    await house.store.save_device(changed)
    assert await house.store.devices() == [changed, house.other]


@on_the_loop
async def test_ready(house: House) -> None:
    await house.store.ready()


@on_the_loop
async def test_everything_at_once(house: House) -> None:
    """What is asked for at the same time is done as if one after the other."""
    sent = [await _sent_as(house, str(i)) for i in range(10)]
    claimed = [await house.claimed() for _ in range(10)]
    await asyncio.gather(
        *(house.accepted(wanted_device=OTHER) for _ in range(10)),
        *(house.report(str(i), S.DELIVERED) for i in range(10)),
        *(house.settle(m, S.SENT, device_message_id=m.guid) for m in claimed),
        *(house.accept(house.message(wanted_device=OTHER), key=str(i % 5), trial_limit=20) for i in range(10)),
        *(house.store.received(_mo(device_message_id=str(i)), house.account.id, START) for i in range(10)),
        house.store.ready(),
        house.store.expire(START, 10),
    )
    assert [(await house.get(m)).status for m in sent] == [S.DELIVERED] * 10
    assert [(await house.get(m)).status for m in claimed] == [S.SENT] * 10
    assert len(await house.claim(house.other, limit=50)) == 15


def test_every_status_is_in_the_table() -> None:
    assert set(NEXT) == set(Status)
