"""What every WebhookStore promises, sentence by sentence of service.ports.WebhookStore."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.accounts import Account
from service.events import Attempt, Delivery, DeliveryState, Event, EventType, Patience, Webhook, WebhookState
from service.fleet import Device
from service.lifecycle import Status
from service.messages import MoMessage, MtMessage
from service.ports import Store
from tests.conformance.stores import STORES, wait_for
from tests.conformance.test_store import PHONE
from tests.conformance.test_store import House as Messages
from tests.conformance.test_store import _furnish as furnish
from tests.fakes import START, on_the_loop

E, S, D = EventType, Status, DeliveryState
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
ALL = frozenset(EventType)


@dataclass
class House:
    store: Store
    messages: Messages

    async def webhook(self, types: frozenset[EventType] = ALL, **fields: Any) -> Webhook:
        given: dict[str, Any] = {
            "account_id": self.messages.account.id,
            "url": "https://a.test/",
            "format": "v2",
            "created": START,
            **fields,
        }
        return await self.store.add_webhook(Webhook(id=0, types=types, **given))

    async def get(self, webhook: Webhook) -> Webhook:
        [found] = [w for w in await self.store.webhooks(webhook.account_id) if w.id == webhook.id]
        return found

    async def claim(self, webhook: Webhook, *, limit: int = 10, now: datetime = START, by: str = "node") -> list[Delivery]:
        return await self.store.claim_deliveries(webhook.id, limit=limit, now=now, leased_until=now + MINUTE, leased_by=by)

    async def settle(self, delivery: Delivery, state: DeliveryState, now: datetime = START, **fields: Any) -> None:
        failed = state is not D.DONE
        patience = Patience(failures=3, before=now - HOUR, why="it fails", probe=now + HOUR)
        await self.store.settle_delivery(Attempt(delivery=delivery, state=state, now=now, failed=failed, **fields), patience)

    async def types(self, webhook: Webhook) -> list[EventType]:
        """Oldest first."""
        return [d.event.type for d in await self.store.deliveries(webhook.id, None, 100)][::-1]

    async def note(self, subject: str = "a", type: EventType = E.DEVICE_ONLINE, at: datetime = START, **fields: Any) -> Event:
        event = Event(account_id=self.messages.account.id, type=type, subject=subject, occurred=at, created=at, **fields)
        await self.store.note_event(event)
        return event

    async def failing(self, webhook: Webhook, times: int, *, since: datetime, last: datetime) -> None:
        for i in range(times):
            await self.note(f"f{since}{i}")
            [claimed] = await self.claim(webhook, limit=1, now=last)
            await self.settle(claimed, D.DEAD, since if i == 0 else last)


@pytest.fixture(params=STORES)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    opened = request.param(tmp_path)
    store = wait_for(opened.__aenter__())
    yield House(store, wait_for(furnish(store)))
    wait_for(opened.__aexit__(None, None, None))


@on_the_loop
async def test_a_webhook_comes_back_as_it_was(house: House) -> None:
    made = await house.webhook(frozenset({E.MESSAGE_SENT}), secret=b"\x00\xff", url="http://b.test/?a=%20")
    assert await house.store.webhooks(made.account_id) == [made]
    other = await house.webhook()
    assert [w.id for w in await house.store.webhooks(None)] == [made.id, other.id]
    assert await house.store.webhooks(made.account_id + 1) == []
    rotated = {"secret": b"1", "next_secret": b"2", "rotates": START + HOUR}
    await house.store.set_secrets(made.id, **rotated)
    assert await house.get(made) == replace(made, **rotated)


@on_the_loop
async def test_what_is_removed_is_told_nothing_more(house: House) -> None:
    gone, stays = await house.webhook(), await house.webhook()
    await house.note()
    await house.store.remove_webhook(gone.id)
    await house.note("b")
    assert await house.store.webhooks(gone.account_id) == [stays]
    assert await house.store.deliveries(gone.id, None, 9) == []
    assert len(await house.store.deliveries(stays.id, None, 9)) == 2
    assert [w.id for w in await house.store.webhooks_due(START)] == [stays.id]


# events of messages


@on_the_loop
async def test_each_step_of_a_message_is_noted_in_its_order(house: House) -> None:
    webhook = await house.webhook()
    message = await house.messages.claimed()
    await house.messages.settle(message, S.SENT, device_message_id="7", now=START + SECOND)
    await house.messages.report("7", S.DELIVERED, at=START + MINUTE)
    found = (await house.store.deliveries(webhook.id, None, 9))[::-1]
    assert [(d.event.type, d.event.occurred) for d in found] == [
        (E.MESSAGE_ACCEPTED, START),
        (E.MESSAGE_SENT, START + SECOND),
        (E.MESSAGE_DELIVERED, START + MINUTE),
    ]
    assert {(d.event.subject, d.event.number, d.event.text, d.event.account_id) for d in found} == {
        (message.guid, message.recipient, None, message.account_id)
    }
    assert [d.event.device for d in found] == [None, PHONE, PHONE]
    assert len({d.event.uuid for d in found}) == 3


async def _settled(house: House, status: Status, **fields: Any) -> None:
    await house.messages.settle(await house.messages.claimed(), status, **fields)


async def _expired_by_a_claim(house: House) -> None:
    await house.messages.accepted(expires=START + SECOND)
    await house.messages.claim(now=START + MINUTE)


async def _expired_by_the_housekeeper(house: House) -> None:
    await house.messages.accepted(expires=START + SECOND)
    await house.store.expire(START + MINUTE, 10)


async def _delivered_at_once(house: House) -> None:
    message = await house.messages.claimed()
    await house.messages.settle(message, S.OUTCOME_UNKNOWN, device_message_id="7")
    await house.messages.report("7", S.DELIVERED)


async def _unknown_twice(house: House) -> None:
    message = await house.messages.claimed()
    await house.messages.settle(message, S.OUTCOME_UNKNOWN)
    await house.store.resend(message, now=START, expires=START + HOUR, wanted_device=None)
    [again] = await house.messages.claim(now=START)
    await house.messages.settle(again, S.OUTCOME_UNKNOWN)


async def _failed_by_report_then_delivered(house: House) -> None:
    await house.messages.settle(await house.messages.claimed(), S.SENT, device_message_id="7")
    await house.messages.report("7", S.FAILED, error="gone")
    await house.messages.report("7", S.FAILED, error="gone")
    await house.messages.report("7", S.DELIVERED)
    await house.messages.report("7", S.SENT)


async def _refused(house: House) -> None:
    await house.store.keep_refused(house.messages.message(status=S.FAILED, due=None, refusal="invalid"))


async def _several(house: House) -> None:
    await house.messages.accept(house.messages.message(), house.messages.message())


A = E.MESSAGE_ACCEPTED
STEPS = {
    "another try": (lambda h: _settled(h, S.QUEUED, due=START + MINUTE), [A]),
    "failed": (lambda h: _settled(h, S.FAILED, error="barred"), [A, E.MESSAGE_FAILED]),
    "unknown": (lambda h: _settled(h, S.OUTCOME_UNKNOWN), [A, E.MESSAGE_OUTCOME_UNKNOWN]),
    "unknown, twice": (_unknown_twice, [A, E.MESSAGE_OUTCOME_UNKNOWN, E.MESSAGE_OUTCOME_UNKNOWN]),
    "expired, claim": (_expired_by_a_claim, [A, E.MESSAGE_EXPIRED]),
    "expired, housekeeper": (_expired_by_the_housekeeper, [A, E.MESSAGE_EXPIRED]),
    "delivered without sent": (_delivered_at_once, [A, E.MESSAGE_OUTCOME_UNKNOWN, E.MESSAGE_SENT, E.MESSAGE_DELIVERED]),
    "reports": (_failed_by_report_then_delivered, [A, E.MESSAGE_SENT, E.MESSAGE_FAILED, E.MESSAGE_DELIVERED]),
    "refused": (_refused, []),
    "two recipients": (_several, [A, A]),
}


@pytest.mark.parametrize("name", STEPS)
@on_the_loop
async def test_what_becomes_of_a_message_is_noted_once(house: House, name: str) -> None:
    webhook = await house.webhook()
    step, expected = STEPS[name]
    await step(house)  # type: ignore[no-untyped-call]
    assert await house.types(webhook) == expected


@on_the_loop
async def test_an_outcome_that_is_not_known_is_told_with_the_time_at_which_that_was_found(house: House) -> None:
    """Not with the message's own: after a resend it would be the same event again."""
    webhook = await house.webhook(frozenset({E.MESSAGE_OUTCOME_UNKNOWN}))
    before = datetime.now(UTC) - SECOND
    await _settled(house, S.OUTCOME_UNKNOWN)
    [delivery] = await house.store.deliveries(webhook.id, None, 9)
    assert before <= delivery.event.occurred <= datetime.now(UTC) + SECOND
    assert (delivery.event.occurred, delivery.event.device) == (delivery.event.created, PHONE)


@on_the_loop
async def test_the_sim_is_the_one_that_it_went_by_or_else_the_one_that_was_asked_for(house: House) -> None:
    webhook = await house.webhook()
    message = await house.messages.claimed(wanted_sim=1)
    await house.messages.settle(message, S.SENT, sim=2, device_message_id="1")
    await house.messages.settle(await house.messages.claimed(wanted_sim=1), S.FAILED)
    sims = {(d.event.type, d.event.sim) for d in await house.store.deliveries(webhook.id, None, 9)}
    assert sims == {(A, 1), (E.MESSAGE_SENT, 2), (E.MESSAGE_FAILED, 1)}


@on_the_loop
async def test_a_failure_says_why(house: House) -> None:
    webhook = await house.webhook(frozenset({E.MESSAGE_FAILED}))
    await _settled(house, S.FAILED, error="barred")
    [delivery] = await house.store.deliveries(webhook.id, None, 9)
    assert delivery.event.error == "barred"


@on_the_loop
async def test_a_received_message_is_noted_once_with_its_text(house: House) -> None:
    webhook = await house.webhook()
    message = MoMessage(device=PHONE, sender="+32495898697", text="STOP \0", received=START, sim=2, device_message_id="9")
    for _ in range(2):
        await house.store.received(message, house.messages.account.id, START + SECOND)
    [delivery] = await house.store.deliveries(webhook.id, None, 9)
    event = delivery.event
    assert (event.type, event.number, event.text, event.device, event.sim) == (E.MESSAGE_RECEIVED, "+32495898697", "STOP \ufffd", PHONE, 2)
    assert (event.occurred, event.created, bool(event.subject)) == (START, START + SECOND, True)


@on_the_loop
async def test_only_who_asks_for_a_type_of_his_own_account_is_told(house: House) -> None:
    stranger = await house.store.create_account(Account(id=0, name="another"))
    sent, both = await house.webhook(frozenset({E.MESSAGE_SENT})), await house.webhook(frozenset({A, E.MESSAGE_SENT}))
    none, foreign = await house.webhook(frozenset()), await house.webhook(ALL, account_id=stranger.id)
    await _settled(house, S.SENT, device_message_id="1")
    assert [await house.types(w) for w in (sent, both, none, foreign)] == [[E.MESSAGE_SENT], [A, E.MESSAGE_SENT], [], []]
    [first], [_, second] = [(await house.store.deliveries(w.id, None, 9))[::-1] for w in (sent, both)]
    assert first.event.uuid == second.event.uuid


@on_the_loop
async def test_what_is_not_committed_is_not_noted(house: House) -> None:
    webhook = await house.webhook()
    taken = await house.messages.accepted()
    with pytest.raises(Exception):  # noqa: B017
        await house.messages.accept(house.messages.message(), replace(house.messages.message(), id=taken.id))
    again = await house.messages.accept(house.messages.message(), key="k")
    assert (await house.messages.accept(house.messages.message(), key="k")).guids == again.guids
    subjects = [d.event.subject for d in await house.store.deliveries(webhook.id, None, 9)][::-1]
    assert subjects == [taken.guid, *again.guids]


@on_the_loop
async def test_a_batch_of_many_keeps_each_messages_order(house: House) -> None:
    webhook = await house.webhook()
    messages = [house.messages.message(str(i)) for i in range(50)]
    await asyncio.gather(*map(house.messages.accept, messages))
    claimed = await house.messages.claim(limit=50)

    async def deliver(i: int, message: MtMessage) -> None:
        sending = asyncio.ensure_future(house.messages.settle(message, S.SENT, device_message_id=str(i)))
        await asyncio.gather(sending, *(house.messages.report(str(i), S.DELIVERED, at=START) for _ in range(2)))
        await house.messages.report(str(i), S.DELIVERED)

    await asyncio.gather(*(deliver(i, m) for i, m in enumerate(claimed)))
    told: dict[str, list[EventType]] = {}
    for delivery in (await house.store.deliveries(webhook.id, None, 1000))[::-1]:
        told.setdefault(delivery.event.subject, []).append(delivery.event.type)
    assert told == {m.guid: [A, E.MESSAGE_SENT, E.MESSAGE_DELIVERED] for m in messages}


# claims


@on_the_loop
async def test_a_claim_counts_the_try_and_tells_the_time_zone(house: House) -> None:
    webhook = await house.webhook()
    event = await house.note("a", device=PHONE, text="x", error="e", number="1", sim=1)
    [claimed] = await house.claim(webhook)
    assert (claimed.event, claimed.attempts, claimed.due, claimed.time_zone) == (event, 1, START + MINUTE, "UTC")
    await house.store.save_device(Device(id=PHONE, account_id=1, kind="simulator", time_zone="Asia/Tokyo"))
    await house.note("b", device=PHONE)
    [claimed] = await house.claim(webhook)
    assert claimed.time_zone == "Asia/Tokyo"


@on_the_loop
async def test_no_two_claims_have_the_same_while_the_lease_runs(house: House) -> None:
    webhook = await house.webhook()
    for i in range(20):
        await house.note(str(i))
    claims = await asyncio.gather(*(house.claim(webhook, limit=4, by=str(i)) for i in range(6)))
    assert sorted(d.id for claimed in claims for d in claimed) == sorted(d.id for d in await house.store.deliveries(webhook.id, None, 99))
    assert max(map(len, claims)) <= 4
    assert await house.claim(webhook, now=START + MINUTE - SECOND, limit=99) == []
    assert await house.store.webhooks_due(START) == []
    again = await house.claim(webhook, now=START + MINUTE, limit=99)
    assert (len(again), {d.attempts for d in again}) == (20, {2})


@on_the_loop
async def test_the_next_of_a_subject_waits_for_the_one_before(house: House) -> None:
    webhook = await house.webhook()
    for type in (E.DEVICE_ONLINE, E.DEVICE_OFFLINE):
        await house.note("a", type)
    await house.note("b")
    first, other = await house.claim(webhook)
    assert (first.event.type, first.event.subject, other.event.subject) == (E.DEVICE_ONLINE, "a", "b")
    assert await house.claim(webhook, now=START + SECOND) == []
    await house.settle(first, D.WAITING, START + SECOND, due=START + HOUR)
    assert await house.claim(webhook, now=START + 50 * MINUTE) == [replace(other, due=START + 51 * MINUTE, attempts=2)]
    await house.settle(other, D.DONE)
    [first] = await house.claim(webhook, now=START + HOUR)
    assert (first.event.type, first.attempts) == (E.DEVICE_ONLINE, 2)
    await house.settle(first, D.DEAD, START + HOUR)
    [second] = await house.claim(webhook, now=START + HOUR)
    assert second.event.type is E.DEVICE_OFFLINE


@on_the_loop
async def test_many_that_are_blocked_do_not_hide_one_that_is_not(house: House) -> None:
    webhook = await house.webhook()
    for i in range(250):
        await house.note("a", at=START + timedelta(milliseconds=i))
    await house.note("b")
    assert [d.event.subject for d in await house.claim(webhook, limit=5)] == ["a", "b"]


@on_the_loop
async def test_two_webhooks_have_the_same_event_each_for_itself(house: House) -> None:
    quick, slow = await house.webhook(), await house.webhook()
    for type in (E.DEVICE_ONLINE, E.DEVICE_OFFLINE):
        await house.note("a", type)
    [held] = await house.claim(slow)
    for expected in (E.DEVICE_ONLINE, E.DEVICE_OFFLINE):
        [claimed] = await house.claim(quick)
        assert claimed.event.type is expected
        await house.settle(claimed, D.DONE)
    assert await house.claim(slow) == []
    assert held.event.type is E.DEVICE_ONLINE


# settling


@on_the_loop
async def test_how_a_try_went_is_kept(house: House) -> None:
    webhook = await house.webhook()
    await house.note()
    [claimed] = await house.claim(webhook)
    await house.settle(claimed, D.WAITING, due=START + HOUR, status=500, answer="no\0")
    [waiting] = await house.store.deliveries(webhook.id, D.WAITING, 9)
    assert (waiting.due, waiting.status, waiting.answer, waiting.attempts) == (START + HOUR, 500, "no\ufffd", 1)
    [claimed] = await house.claim(webhook, now=START + HOUR)
    await house.settle(claimed, D.DONE, START + HOUR, status=200, answer="")
    [done] = await house.store.deliveries(webhook.id, D.DONE, 9)
    assert (done.due, done.status, done.finished) == (None, 200, START + HOUR)
    assert await house.claim(webhook, now=START + 9 * HOUR) == []


@on_the_loop
async def test_news_of_a_try_that_was_overtaken_counts_only_if_it_is_good(house: House) -> None:
    webhook = await house.webhook()
    await house.note()
    [old] = await house.claim(webhook)
    [new] = await house.claim(webhook, now=START + MINUTE)
    await house.settle(old, D.DEAD)
    assert [d.state for d in await house.store.deliveries(webhook.id, None, 9)] == [D.WAITING]
    assert (await house.get(webhook)).failures == 0
    await house.settle(old, D.DONE)
    await house.settle(new, D.DEAD)
    assert [d.state for d in await house.store.deliveries(webhook.id, None, 9)] == [D.DONE]


@on_the_loop
async def test_a_webhook_that_keeps_failing_is_paused_and_a_success_ends_it(house: House) -> None:
    webhook = await house.webhook()
    await house.failing(webhook, 2, since=START, last=START + 2 * HOUR)
    assert (await house.get(webhook)).state is WebhookState.ACTIVE, "twice is not often"
    now = START + 2 * HOUR
    await house.failing(webhook, 1, since=now, last=now)
    paused = await house.get(webhook)
    assert (paused.state, paused.failures, paused.failing_since, paused.paused) == (WebhookState.PAUSED, 3, START, now)
    assert (paused.why, paused.probe) == ("it fails", now + HOUR)
    assert not await house.store.take_probe(webhook.id, now=now, next_probe=now + HOUR)
    takes = [await house.store.take_probe(webhook.id, now=now + HOUR, next_probe=now + 2 * HOUR) for _ in range(2)]
    assert takes == [True, False]
    await house.note("again")
    [claimed] = await house.claim(webhook, now=now + HOUR)
    await house.settle(claimed, D.DONE, now + HOUR)
    assert await house.get(webhook) == webhook


@on_the_loop
async def test_failures_in_a_short_time_do_not_pause(house: House) -> None:
    webhook = await house.webhook()
    await house.failing(webhook, 5, since=START, last=START + MINUTE)
    found = await house.get(webhook)
    assert (found.state, found.failures) == (WebhookState.ACTIVE, 5)


@on_the_loop
async def test_resuming_makes_all_that_waits_due(house: House) -> None:
    webhook = await house.webhook()
    await house.failing(webhook, 3, since=START, last=START + 2 * HOUR)
    await house.note("w")
    [claimed] = await house.claim(webhook)
    await house.settle(claimed, D.WAITING, due=START + 100 * HOUR)
    assert (await house.get(webhook)).state is WebhookState.PAUSED
    await house.store.resume_webhook(webhook.id)
    assert await house.get(webhook) == webhook
    assert [d.event.subject for d in await house.claim(webhook, now=START + 2 * HOUR)] == ["w"]


@on_the_loop
async def test_dead_letters_are_replayed_with_all_their_tries(house: House) -> None:
    webhook = await house.webhook()
    for subject in "abc":
        await house.note(subject)
    a, b, c = await house.claim(webhook)
    await house.settle(a, D.DEAD)
    await house.settle(b, D.DEAD)
    await house.settle(c, D.DONE)
    assert await house.store.replay(webhook.id + 1, None) == 0
    assert await house.store.replay(webhook.id, a.id) == 1
    assert await house.store.replay(webhook.id, a.id) == 0, "it waits already"
    assert await house.store.replay(webhook.id, None) == 1
    assert await house.store.replay(webhook.id, c.id) == 1, "what was delivered, too, if it is named"
    assert [(d.event.uuid, d.attempts) for d in await house.claim(webhook)] == [(d.event.uuid, 1) for d in (a, b, c)]


@on_the_loop
async def test_tidying_gives_up_and_erases_by_age_and_at_most_so_many(house: House) -> None:
    webhook, paused = await house.webhook(frozenset({E.DEVICE_ONLINE})), await house.webhook(frozenset({E.DEVICE_OFFLINE}))
    for subject in "abcd":
        await house.note(subject)
    a, b, c, _ = await house.claim(webhook)
    await house.settle(a, D.DONE)
    await house.settle(b, D.DONE, START + HOUR)
    await house.settle(c, D.DEAD)
    await house.note("x", E.DEVICE_OFFLINE)
    for i in range(3):
        await house.note(f"p{i}", E.DEVICE_OFFLINE)
        claimed = (await house.claim(paused, limit=1, now=START + 2 * HOUR))[0]
        await house.settle(claimed, D.WAITING, START if i == 0 else START + 2 * HOUR, due=START + 99 * HOUR)
    assert (await house.get(paused)).state is WebhookState.PAUSED

    async def tidy(at: datetime, limit: int = 100) -> int:
        return await house.store.tidy_deliveries(now=at, paused_before=at, done_before=START, dead_before=START - SECOND, limit=limit)

    assert await tidy(START + HOUR) == 1, "a is erased"
    assert await tidy(START + 3 * HOUR, 2) == 2
    assert await tidy(START + 3 * HOUR, 2) == 2
    assert {d.state for d in await house.store.deliveries(paused.id, None, 9)} == {D.DEAD}
    assert [d.event.subject for d in await house.store.deliveries(webhook.id, None, 9)] == ["d", "c", "b"]


@on_the_loop
async def test_an_event_can_be_for_one_webhook_alone(house: House) -> None:
    one, other = await house.webhook(frozenset()), await house.webhook()
    event = Event(account_id=one.account_id, type=E.WEBHOOK_TEST, subject=str(one.id), occurred=START, created=START)
    await house.store.note_event(event, webhook_id=one.id)
    assert [d.event for d in await house.store.deliveries(one.id, None, 9)] == [event]
    assert await house.store.deliveries(other.id, None, 9) == []
