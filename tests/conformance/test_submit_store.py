"""What every Store promises about named submits, grants and preferences, sentence by sentence of their ports."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from service.accounts import Account, ApiKey, Scope, digest_of
from service.errors import Conflict
from service.events import EventType, Webhook
from service.fleet import Device
from service.grants import BY_PASSWORD, Grant
from service.lifecycle import Status
from service.mailbox import ALWAYS
from service.mailbox_queries import InboxQuery, Span
from service.messages import Ids, MoMessage, MtMessage, Receipt
from service.ports import Acceptance, Settlement, Store
from service.preferences import Period, Preferences, SimChoice
from service.submits import SubmitQuery
from tests.conformance.stores import STORES, wait_for
from tests.fakes import START, on_the_loop

MINUTE = timedelta(minutes=1)
PHONE = "00112233445566ff"


@dataclass
class Desk:
    store: Store
    account: Account
    other: Account
    ids: Ids

    def acceptance(
        self, name: str | None, *, count: int = 1, at: datetime = START, account: Account | None = None, due: datetime | None = None
    ) -> Acceptance:
        account_id = (account or self.account).id
        messages = []
        for number in range(count):
            id, guid = self.ids.new(at)
            messages.append(
                MtMessage(
                    id=id,
                    guid=guid,
                    account_id=account_id,
                    key_id=1,
                    api="test",
                    recipient=f"+3249589869{number}",
                    text="é",
                    segments=1,
                    status=Status.SCHEDULED if due else Status.QUEUED,
                    created=at,
                    due=due or at,
                    expires=at + timedelta(hours=1),
                )
            )
        receipt = Receipt(
            guids=tuple(m.guid for m in messages),
            accepted=at,
            status=messages[0].status,
            device_online=True,
            sim=None,
            trial=False,
            trial_sent=0,
        )
        return Acceptance(messages=tuple(messages), receipt=receipt, trial_limit=None, idempotency=None, name=name)

    async def accept(self, name: str | None, **wishes: object) -> tuple[str, ...]:
        return (await self.store.accept(self.acceptance(name, **wishes))).guids  # type: ignore[arg-type]

    async def claim(self) -> list[MtMessage]:
        device = Device(id=PHONE, account_id=self.account.id, kind="test")
        return await self.store.claim(device=device, limit=100, now=START, leased_until=START + MINUTE, leased_by="here")

    async def status(self, guid: str) -> Status:
        [message] = await self.store.messages_of(self.account.id, (guid,))
        return message.status


@pytest.fixture(params=STORES)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    opened = request.param(tmp_path)
    store = wait_for(opened.__aenter__())
    account, other = (wait_for(store.create_account(Account(id=0, name=name))) for name in ("acme", "other"))
    yield Desk(store, account, other, Ids())
    wait_for(opened.__aexit__(None, None, None))


# named submits


@on_the_loop
async def test_a_submit_is_found_by_its_name_and_by_each_of_its_messages(desk: Desk) -> None:
    await desk.accept("before", count=2)
    guids = await desk.accept("order-7", count=3)
    plain = await desk.accept(None)
    found = await desk.store.find_submit(desk.account.id, "order-7")
    assert found is not None
    assert (found.name, found.guids, found.created) == ("order-7", guids, START)
    assert [await desk.store.submit_of(desk.account.id, guid) for guid in guids] == [found] * 3
    assert await desk.store.submit_of(desk.account.id, plain[0]) is None
    assert await desk.store.submit_of(desk.account.id, "no guid") is None


@on_the_loop
async def test_another_accounts_submit_is_as_unknown_as_none(desk: Desk) -> None:
    guids = await desk.accept("a")
    for account_id, name in ((desk.other.id, "a"), (desk.account.id, "b"), (desk.account.id, "a\0")):
        assert await desk.store.find_submit(account_id, name) is None
    assert await desk.store.submit_of(desk.other.id, guids[0]) is None
    assert await desk.store.messages_of(desk.other.id, guids) == []
    assert not await desk.store.cancel(desk.other.id, guids[0], START)
    assert await desk.accept("a", account=desk.other), "each account has its own names"


@on_the_loop
async def test_a_name_is_given_once_and_a_refused_submit_keeps_nothing(desk: Desk) -> None:
    first = await desk.accept("a")
    second = desk.acceptance("a")
    with pytest.raises(Conflict):
        await desk.store.accept(second)
    assert not await desk.store.exists(second.messages[0].id)
    found = await desk.store.find_submit(desk.account.id, "a")
    assert found is not None and found.guids == first


@on_the_loop
async def test_of_many_at_once_one_gets_the_name(desk: Desk) -> None:
    asked = [desk.acceptance("a") for _ in range(10)]
    told = await asyncio.gather(*(desk.store.accept(each) for each in asked), return_exceptions=True)
    assert sorted(type(each).__name__ for each in told) == ["Conflict"] * 9 + ["Receipt"]
    assert sum([await desk.store.exists(each.messages[0].id) for each in asked]) == 1


@on_the_loop
async def test_submits_are_listed_by_when_they_were_accepted(desk: Desk) -> None:
    for number in range(5):
        await desk.accept(f"s{number}", at=START + MINUTE * number)
    await desk.accept("theirs", account=desk.other)
    await desk.accept(None)

    async def names(span: Span = ALWAYS, **wishes: object) -> list[str]:
        return [each.name for each in await desk.store.submits(SubmitQuery(account_id=desk.account.id, span=span, **wishes))]  # type: ignore[arg-type]

    assert await names() == ["s4", "s3", "s2", "s1", "s0"]
    assert await names(limit=2, offset=1) == ["s3", "s2"]
    assert await names(limit=2, offset=1, oldest_first=True) == ["s1", "s2"]
    span = Span(since=START + MINUTE, until=START + MINUTE * 3)
    assert await names(span) == ["s2", "s1"]
    assert await desk.store.count_submits(desk.account.id, span) == 2
    assert await desk.store.count_submits(desk.account.id, ALWAYS) == 5


@on_the_loop
async def test_messages_come_in_the_order_in_which_they_are_named(desk: Desk) -> None:
    guids = await desk.accept("a", count=3)
    asked = (guids[2], "x", "f" * 40, guids[0])
    assert [message.guid for message in await desk.store.messages_of(desk.account.id, asked)] == [guids[2], guids[0]]
    assert await desk.store.messages_of(desk.account.id, ()) == []


@on_the_loop
async def test_what_waits_is_cancelled_and_never_claimed(desk: Desk) -> None:
    [queued], [scheduled] = (await desk.accept("a"), await desk.accept("b", due=START + MINUTE))
    for guid in (queued, scheduled):
        assert await desk.store.cancel(desk.account.id, guid, START + MINUTE)
        assert not await desk.store.cancel(desk.account.id, guid, START)
        [message] = await desk.store.messages_of(desk.account.id, (guid,))
        assert (message.status, message.due, message.finished) == (Status.CANCELLED, None, START + MINUTE)
    assert await desk.claim() == []


@on_the_loop
async def test_what_a_device_may_have_is_not_cancelled(desk: Desk) -> None:
    [guid] = await desk.accept("a")
    [message] = await desk.claim()
    assert not await desk.store.cancel(desk.account.id, guid, START)
    assert await desk.status(guid) is Status.SENDING
    again = Settlement(id=message.id, status=Status.QUEUED, now=START, attempts=1, due=START, same_device=True)
    await desk.store.settle(again)
    assert not await desk.store.cancel(desk.account.id, guid, START)
    assert await desk.status(guid) is Status.QUEUED


# grants


def grant(desk: Desk, secret: str, *, id: str = "g", renews: bool = False, **fields: object) -> Grant:
    made = Grant(
        digest=digest_of(secret),
        id=id,
        account_id=desk.account.id,
        key_id=BY_PASSWORD,
        rights=frozenset({"b:x", "a:y"}),
        renews=renews,
        created=START,
        expires=START + MINUTE,
        lifetime_s=60,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


@on_the_loop
async def test_a_grant_is_found_until_it_is_ended_with_its_pair(desk: Desk) -> None:
    pair = grant(desk, "one"), grant(desk, "two", renews=True)
    await desk.store.give(pair)
    assert await desk.store.find_grant(pair[0].digest) == (pair[0], desk.account, None)
    assert await desk.store.find_grant(pair[1].digest) == (pair[1], desk.account, None)
    assert not await desk.store.end_grant(desk.other.id, "g")
    assert not await desk.store.end_grant(desk.account.id, "h")
    ended = await asyncio.gather(*(desk.store.end_grant(desk.account.id, "g") for _ in range(5)))
    assert sum(ended) == 1
    assert [await desk.store.find_grant(each.digest) for each in pair] == [None, None]


@on_the_loop
async def test_grants_that_have_ended_are_forgotten(desk: Desk) -> None:
    old = grant(desk, "old")
    await desk.store.give((old,))
    await desk.store.give((grant(desk, "new", created=START + MINUTE, expires=START + MINUTE * 2),))
    assert await desk.store.find_grant(old.digest) is None
    assert await desk.store.find_grant(digest_of("new")) is not None


@on_the_loop
async def test_a_grant_ends_with_its_key(desk: Desk) -> None:
    key = await desk.store.create_key(ApiKey(id=0, account_id=desk.account.id, label="", digest=b"k", scopes=Scope.SEND))
    made = grant(desk, "one", key_id=key.id)
    await desk.store.give((made,))
    assert await desk.store.find_grant(made.digest) == (made, desk.account, key)
    await desk.store.revoke_key(key.id, START)
    assert await desk.store.find_grant(made.digest) is None


@on_the_loop
async def test_grants_got_by_a_password_end_when_it_is_changed(desk: Desk) -> None:
    key = await desk.store.create_key(ApiKey(id=0, account_id=desk.account.id, label="", digest=b"k"))
    await desk.store.give((grant(desk, "by password"),))
    await desk.store.give((grant(desk, "by key", id="k", key_id=key.id),))
    await desk.store.give((grant(desk, "theirs", id="t", account_id=desk.other.id),))
    await desk.store.set_password(desk.account.id, "hash")
    assert await desk.store.password_of(desk.account.id) == "hash"
    assert [await desk.store.find_grant(digest_of(secret)) is None for secret in ("by password", "by key", "theirs")] == [
        True,
        False,
        False,
    ]


# preferences, names of webhooks, pages of the inbox


@on_the_loop
async def test_preferences_are_kept_for_each_account(desk: Desk) -> None:
    assert await desk.store.preferences(desk.account.id) == Preferences()
    first = Preferences(interval_least_s=1, interval_most_s=5, limit_period=Period.HOUR, limit=10, signing_key=b"\0sealed")
    await desk.store.set_preferences(desk.account.id, first)
    assert await desk.store.preferences(desk.account.id) == first
    second = Preferences(sim_choice=SimChoice.IN_TURN, messages_days=0, log_days=7)
    await desk.store.set_preferences(desk.account.id, second)
    assert await desk.store.preferences(desk.account.id) == second
    assert await desk.store.preferences(desk.other.id) == Preferences()


@on_the_loop
async def test_a_webhook_keeps_its_name(desk: Desk) -> None:
    unnamed = Webhook(
        id=0, account_id=desk.account.id, url="https://a.test", format="f", types=frozenset({EventType.MESSAGE_SENT}), created=START
    )
    for webhook in (unnamed, replace(unnamed, name="mine é")):
        assert (await desk.store.add_webhook(webhook)).name == webhook.name
    assert [each.name for each in await desk.store.webhooks(desk.account.id)] == [None, "mine é"]


@on_the_loop
async def test_the_inbox_is_read_in_pages_and_spans(desk: Desk) -> None:
    for number in range(4):
        at = START + MINUTE * number
        told = MoMessage(device=PHONE, sender="+32495000000", text=str(number), received=at, device_message_id=str(number))
        await desk.store.received(told, desk.account.id, at)

    async def texts(**wishes: object) -> list[str]:
        return [row.text for row in await desk.store.inbox_of(InboxQuery(account_id=desk.account.id, **wishes))]  # type: ignore[arg-type]

    assert await texts(limit=2, offset=1) == ["2", "1"]
    assert await texts(since=START + MINUTE, until=START + MINUTE * 3) == ["2", "1"]
    assert await texts(device=PHONE, until=START + MINUTE, offset=0) == ["0"]
