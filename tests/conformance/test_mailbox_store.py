"""What every Store promises of the mailbox, sentence by sentence of service.ports.MailboxStore."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest

from adapters.storage.sql_mailbox import FLUSH_AT_ONCE
from service.fleet import Device
from service.lifecycle import Status
from service.mailbox_queries import DELETE_AT_ONCE, InboxQuery, Span
from service.messages import MoMessage, MtMessage, Part, ReceivedMessage, received_id_of
from service.ports import SentQuery, Settlement
from tests.conformance.test_store import HOUR, MINUTE, OTHER, PHONE, SECOND, House, house
from tests.fakes import START, on_the_loop

__all__ = ["house"]

S = Status
A, B = "+32495000001", "+32495000002"
DAY = Span(since=START, until=START + 24 * HOUR)


async def take(house: House, text: str = "yes", *, sender: str = A, now: Any = START, account: int | None = None, **fields: Any) -> bool:
    message = MoMessage(**{"device": PHONE, "sender": sender, "text": text, "received": now, **fields})
    return await house.store.received(message, house.account.id if account is None else account, now)


async def inbox(house: House, **query: Any) -> list[ReceivedMessage]:
    return await house.store.inbox_of(InboxQuery(**{"account_id": house.account.id, **query}))


async def part(house: House, text: str, number: int, *, total: int = 3, reference: int = 7, **fields: Any) -> bool:
    return await take(house, text, part=Part(reference=reference, number=number, total=total), **fields)


async def sent(house: House, text: str = "hello", *, to: str = A, at: Any = START, **fields: Any) -> MtMessage:
    made = await house.accepted(text, recipient=to, due=START, **fields)
    [message] = await house.claim()
    assert message.id == made.id
    await house.store.settle(_settled(message, S.SENT, device_message_id=message.guid, now=at))
    return await house.get(message)


def _settled(message: MtMessage, status: Status, **fields: Any) -> Settlement:
    return Settlement(id=message.id, status=status, **{"now": START, "attempts": message.attempts, **fields})


async def failed(house: House, **fields: Any) -> MtMessage:
    message = await house.claimed(**fields)
    await house.store.settle(_settled(message, S.FAILED, error="barred"))
    return await house.get(message)


# what was received


@on_the_loop
async def test_what_was_received_comes_back_as_it_was(house: House) -> None:
    clock = timezone(timedelta(hours=5, minutes=45))
    received = (START + timedelta(milliseconds=7)).astimezone(clock)
    message = MoMessage(device=PHONE, sender="0495 00 00 01", text="é😀\n", received=received, sim=2, device_message_id="27593")
    assert await house.store.received(message, house.account.id, START + SECOND, sender=A)
    [row] = await inbox(house)
    assert row == ReceivedMessage(
        id=row.id,
        guid=row.guid,
        number=1,
        account_id=house.account.id,
        device=PHONE,
        sender=A,
        text="é😀\n",
        received=received,
        created=START + SECOND,
        sim=2,
        device_message_id="27593",
    )
    assert row.received.utcoffset() == timedelta(hours=5, minutes=45)
    assert received_id_of(row.guid) == row.id
    assert await house.store.received_one(house.account.id, row.guid) == row


@on_the_loop
async def test_numbers_are_an_accounts_own_and_not_given_twice(house: House) -> None:
    other = house.account.id + 1
    await asyncio.gather(*(take(house, str(i), account=house.account.id + i % 2, device_message_id=str(i)) for i in range(20)))
    for account in (house.account.id, other):
        rows = await inbox(house, account_id=account)
        assert sorted(row.number for row in rows) == list(range(1, 11))
    newest = max(await inbox(house), key=lambda row: row.number)
    assert await house.store.delete_one(house.account.id, newest.guid) == 1
    await take(house, "next")
    assert (await inbox(house))[0].number == 11


@on_the_loop
async def test_a_redelivery_takes_no_number(house: House) -> None:
    assert await take(house, device_message_id="1")
    assert not await take(house, device_message_id="1")
    assert await take(house, device_message_id="2")
    assert [row.number for row in await inbox(house)] == [2, 1]


@on_the_loop
async def test_the_inbox_is_filtered_newest_first(house: House) -> None:
    for i in range(4):
        await take(house, str(i), device=OTHER if i % 2 else PHONE, now=START + i * SECOND)
    await take(house, "theirs", account=house.account.id + 1)
    rows = await inbox(house)
    assert [row.text for row in rows] == ["3", "2", "1", "0"]
    assert await house.store.set_read(house.account.id, rows[0].guid)

    async def texts(**query: Any) -> str:
        return "".join(row.text for row in await inbox(house, **query))

    assert await texts(limit=2) == "32"
    assert await texts(device=OTHER) == "31"
    assert await texts(device="nowhere") == ""
    assert await texts(unread=True) == "210"
    assert await texts(unread=True, device=OTHER) == "1"
    assert await texts(since=START + 2 * SECOND) == "32"
    assert await texts(since=START + 2 * SECOND, unread=True) == "2"
    assert await texts(since=START + 3 * SECOND, device=PHONE) == ""
    assert await texts(since=START.replace(year=2199)) == ""


@on_the_loop
async def test_read_and_alias_are_kept(house: House) -> None:
    await take(house, "first")
    await take(house, "second")
    second, first = await inbox(house)
    store, account = house.store, house.account.id
    assert await store.set_read(account, first.guid)
    assert await store.set_alias(account, first.guid, "John Doe")
    assert await inbox(house) == [second, replace(first, is_read=True, alias="John Doe")]
    assert await store.set_alias(account, first.guid, None)
    assert (await store.received_one(account, first.guid)) == replace(first, is_read=True)


@on_the_loop
async def test_another_accounts_message_is_unknown(house: House) -> None:
    await take(house)
    [row] = await inbox(house)
    mt = await failed(house)
    store, other = house.store, house.account.id + 1
    forged = row.guid[:-1] + ("0" if row.guid[-1] != "0" else "1")
    for account, guid in ((other, row.guid), (house.account.id, forged), (house.account.id, "x"), (house.account.id, row.guid.lower())):
        assert await store.received_one(account, guid) is None
        assert not await store.set_read(account, guid)
        assert not await store.set_alias(account, guid, "x")
        assert await store.delete_one(account, guid) == 0
    assert await store.delete_one(other, mt.guid) == 0
    assert await store.delete_span(other, DAY) == 0
    foreign = replace(mt, account_id=other)
    assert await store.resend(foreign, now=START, expires=START + HOUR, wanted_device=None) is None
    assert await inbox(house) == [row]
    assert await house.get(mt) == mt


# parts


@on_the_loop
async def test_parts_become_one_message_when_the_last_one_comes(house: House) -> None:
    for text, number in (("c", 3), ("a", 1)):
        assert await part(house, text, number, sim=number, device_message_id=f"id{number}", now=START + number * SECOND)
        assert await inbox(house) == []
    assert await part(house, "b", 2, now=START + 9 * SECOND)
    [row] = await inbox(house)
    assert (row.text, row.missing_parts, row.number, row.device_message_id, row.sim) == ("abc", 0, 1, "id1", 1)
    assert (row.received, row.created) == (START + SECOND, START + 9 * SECOND)
    assert await house.store.flush_parts(START + HOUR, START + HOUR) == 0


@on_the_loop
async def test_parts_of_different_messages_are_kept_apart(house: House) -> None:
    for how in ({}, {"reference": 8}, {"sender": B}, {"device": OTHER}, {"total": 2}):
        await part(house, "a", 1, **how)  # type: ignore[arg-type]
    for number in (2, 3):
        await part(house, "b", number)
    assert [row.text for row in await inbox(house)] == ["abb"]


@on_the_loop
async def test_a_part_that_comes_again_changes_nothing(house: House) -> None:
    assert await part(house, "a", 1, device_message_id="1")
    assert not await part(house, "a", 1, device_message_id="1")
    assert not await part(house, "a", 1)
    assert await part(house, "a", 2, device_message_id="1"), "the same words may stand in another part"
    assert await part(house, "a", 3, device_message_id="3")
    assert not await part(house, "a", 1, device_message_id="1")
    assert [row.text for row in await inbox(house)] == ["aaa"]
    assert await house.store.flush_parts(START + HOUR, START + HOUR) == 0


@on_the_loop
async def test_a_reference_that_comes_round_again_begins_another_message(house: House) -> None:
    await part(house, "old", 1)
    assert await part(house, "new", 1, now=START + HOUR)
    assert [(row.text, row.missing_parts) for row in await inbox(house)] == [("old[...]", 2)]
    await part(house, "2", 2)
    await part(house, "3", 3)
    assert [row.text for row in await inbox(house)][:2] in (["new23", "old[...]"], ["old[...]", "new23"])


@pytest.mark.parametrize(
    ("there", "text", "missing"),
    [({1: "a"}, "a[...]", 3), ({2: "b"}, "[...]b[...]", 3), ({1: "a", 4: "d"}, "a[...]d", 2), ({2: "b", 3: "c", 4: "d"}, "[...]bcd", 1)],
)
@on_the_loop
async def test_what_there_is_of_a_message_is_delivered_with_a_mark(house: House, there: dict[int, str], text: str, missing: int) -> None:
    for number, piece in there.items():
        await part(house, piece, number, total=4, now=START + number * SECOND)
    last = max(there)
    assert await house.store.flush_parts(START + (last - 1) * SECOND, START + MINUTE) == 0
    assert await inbox(house) == []
    assert await house.store.flush_parts(START + last * SECOND, START + MINUTE) == 1
    [row] = await inbox(house)
    assert (row.text, row.missing_parts, row.created, row.number) == (text, missing, START + MINUTE, 1)
    assert await house.store.flush_parts(START + HOUR, START + HOUR) == 0


@on_the_loop
async def test_many_stale_messages_are_all_delivered(house: House) -> None:
    for i in range(FLUSH_AT_ONCE + 1):
        await part(house, str(i), 1, reference=i)
    count = 0
    while flushed := await house.store.flush_parts(START, START):
        count += flushed
    assert count == len(await inbox(house)) == FLUSH_AT_ONCE + 1


# resend


@on_the_loop
async def test_a_resend_is_a_new_try_for_any_device(house: House) -> None:
    message = await failed(house)
    expires = START + 9 * HOUR
    for count in (1, 2):
        assert await house.store.resend(message, now=START + HOUR, expires=expires, wanted_device=None) == count
        queued = replace(message, status=S.QUEUED, due=START + HOUR, expires=expires, finished=None, device_message_id=None)
        assert await house.get(message) == replace(queued, attempts=count, resends=count)
        assert await house.store.resend(message, now=START, expires=expires, wanted_device=None) is None
        [again] = await house.claim(house.other, now=START + HOUR)
        assert (again.id, again.resends, again.try_guid) == (message.id, count, f"{message.guid}-{count}")
        await house.store.settle(_settled(again, S.FAILED))
        message = replace(await house.get(message))


@on_the_loop
async def test_a_resend_may_want_a_device(house: House) -> None:
    message = await failed(house)
    await house.store.resend(message, now=START, expires=START + HOUR, wanted_device=OTHER)
    assert await house.claim() == []
    [again] = await house.claim(house.other)
    assert again.wanted_device == OTHER


@on_the_loop
async def test_only_a_bad_end_can_be_resent(house: House) -> None:
    async def resend(message: MtMessage) -> int | None:
        return await house.store.resend(message, now=START, expires=START + HOUR, wanted_device=None)

    unknown = await house.claimed()
    assert await resend(unknown) is None, "it is being sent"
    await house.store.settle(_settled(unknown, S.OUTCOME_UNKNOWN))
    expired = await house.accepted(expires=START)
    assert await house.store.expire(START, 10) == 1
    gone = await sent(house)
    assert await resend(gone) is None
    refused = house.message("no", status=S.FAILED, due=None, refusal="invalid", finished=START)
    await house.store.keep_refused(refused)
    assert await resend(refused) is None
    assert [await resend(message) for message in (unknown, expired)] == [1, 1]
    assert len(await house.claim()) == 2


@on_the_loop
async def test_after_a_resend_the_old_try_reports_nothing(house: House) -> None:
    message = await sent(house)
    assert await house.report(message.guid, S.FAILED)
    assert await house.store.resend(message, now=START, expires=START + HOUR, wanted_device=None) == 1
    assert not await house.report(message.guid, S.DELIVERED)
    kept = await house.get(message)
    assert (kept.status, kept.sent) == (S.QUEUED, None)


# deletion


@on_the_loop
async def test_one_is_deleted_unless_it_is_being_sent(house: House) -> None:
    store, account = house.store, house.account.id
    sending = await house.claimed()
    waiting = await house.accepted()
    assert await store.delete_one(account, sending.guid) == 0
    assert await store.delete_one(account, waiting.guid) == 1
    assert await store.delete_one(account, waiting.guid) == 0
    assert await house.claim() == []
    await store.settle(_settled(sending, S.SENT, device_message_id="1"))
    assert await store.delete_one(account, sending.guid) == 1
    assert not await house.report("1", S.DELIVERED)
    assert await house.all() == []


@on_the_loop
async def test_a_span_is_deleted_sent_and_received(house: House) -> None:
    kept = [await house.claimed(created=START - 2 * SECOND)]
    sending = await house.claimed(account_id=house.account.id)
    for at in (START - SECOND, START, START + 24 * HOUR - timedelta(milliseconds=1), START + 24 * HOUR):
        message = await house.accepted(created=at)
        await take(house, str(at), now=at)
        if not DAY.since <= at < DAY.until:
            kept.append(message)
    await house.accepted(account_id=house.account.id + 1)
    assert await house.store.delete_span(house.account.id, DAY) == 4
    assert await house.all() == [kept[2], sending, *kept[1::-1]]
    assert [row.created for row in await inbox(house)] == [m.created for m in kept[:0:-1]]
    assert len(await house.all(account_id=house.account.id + 1)) == 1


@on_the_loop
async def test_a_large_deletion_is_done_to_its_end(house: House) -> None:
    await asyncio.gather(*(house.accepted(str(i)) for i in range(DELETE_AT_ONCE + 1)))
    assert await house.store.delete_span(house.account.id, DAY) == DELETE_AT_ONCE + 1


# what was sent


@on_the_loop
async def test_what_devices_sent_is_paged_newest_first(house: House) -> None:
    rows = [await sent(house, str(i), at=START + i // 2 * SECOND) for i in range(6)]
    await house.accepted("not sent")
    span = Span(since=START, until=START + 2 * SECOND)
    pages, last = [], None
    while page := await house.store.sent_page(house.account.id, span, 1, last):
        pages += page
        last = page[-1]
    assert pages == rows[3::-1]
    assert await house.store.sent_page(house.account.id, DAY, 4, None) == rows[:1:-1]
    assert await house.store.sent_page(house.account.id + 1, DAY, 4, None) == []


@on_the_loop
async def test_with_whom_the_account_spoke_last(house: House) -> None:
    for second, (number, is_sent) in enumerate([(A, True), (B, True), (A, False), (A, True), (B, False), (B, False)]):
        at = START + second * SECOND
        await (sent(house, to=number, at=at) if is_sent else take(house, sender=number, now=at))
    await house.accepted(recipient="10001")

    async def talks(is_sent: bool, limit: int = 9, span: Span = DAY) -> list[str]:
        return await house.store.talks(house.account.id, sent=is_sent, span=span, limit=limit)

    assert await talks(True) == [A, B]
    assert await talks(False) == [B, A]
    assert await talks(True, limit=1) == [A]
    assert await talks(True, span=Span(since=START, until=START + 3 * SECOND)) == [B, A]
    assert await talks(False, span=Span(since=START + 3 * SECOND, until=START + HOUR)) == [B]
    assert await house.store.talks(house.account.id + 1, sent=True, span=DAY, limit=9) == []


@on_the_loop
async def test_what_was_said_with_one_number(house: House) -> None:
    went = [await sent(house, str(i), at=START + i * SECOND) for i in range(3)]
    for i in range(3):
        await take(house, str(i), now=START + i * SECOND)
    await sent(house, "other", to=B)
    await take(house, "other", sender=B)
    came = [row for row in await inbox(house) if row.sender == A]
    talk = await house.store.talk(house.account.id, A, span=DAY, limit=2)
    assert (talk.number, talk.alias) == (A, None)
    assert (list(talk.incoming), list(talk.outgoing)) == (came[:2], went[:0:-1])
    for row, alias in ((came[2], "old"), (came[1], "new")):
        await house.store.set_alias(house.account.id, row.guid, alias)
    talk = await house.store.talk(house.account.id, A, span=Span(since=START, until=START + SECOND), limit=9)
    assert ([row.text for row in talk.incoming], [row.text for row in talk.outgoing], talk.alias) == (["0"], ["0"], "new")


# devices


@on_the_loop
async def test_an_unlinked_device_leaves_its_messages_to_the_pool(house: House) -> None:
    waits = await house.accepted("waits", wanted_device=PHONE, wanted_sim=1)
    pool = await house.accepted("pool")
    theirs = await house.accepted("theirs", wanted_device=OTHER)
    await house.store.unlink_device(house.phone)
    assert await house.store.devices() == [house.other]
    assert await house.get(waits) == replace(waits, wanted_device=None)
    assert [m.id for m in await house.claim(house.other)] == [waits.id, pool.id, theirs.id]


@pytest.mark.parametrize("resend_unknown", [False, True])
@on_the_loop
async def test_what_an_unlinked_device_has_had_in_its_hands_is_of_unknown_outcome(house: House, resend_unknown: bool) -> None:
    account = await house.store.create_account(replace(house.account, name="b", resend_unknown=resend_unknown))
    phone, other = (Device(id=id * 16, account_id=account.id, kind="simulator") for id in "cd")
    for device in (phone, other):
        await house.store.save_device(device)
    made = await house.accepted(account_id=account.id)
    [message] = await house.claim(phone)
    await house.store.settle(_settled(message, S.QUEUED, due=START, same_device=True))
    assert await house.claim(other) == []
    await house.store.unlink_device(phone)
    [kept] = await house.store.sent(SentQuery(account_id=account.id, guid=made.guid))
    assert kept.status is (S.QUEUED if resend_unknown else S.OUTCOME_UNKNOWN)
    assert [m.id for m in await house.claim(other)] == [made.id] * resend_unknown


@on_the_loop
async def test_what_an_unlinked_device_still_sends_goes_to_the_pool_if_it_is_tried_again(house: House) -> None:
    await house.accepted(wanted_device=PHONE)
    [message] = await house.claim()
    await house.store.unlink_device(house.phone)
    await house.store.settle(_settled(message, S.QUEUED, due=START))
    assert [m.id for m in await house.claim(house.other)] == [message.id]


@on_the_loop
async def test_an_account_is_found_by_its_id(house: House) -> None:
    assert await house.store.account(house.account.id) == house.account
    assert await house.store.account(house.account.id + 1) is None


@on_the_loop
async def test_a_device_tells_what_it_sent_when_it_is_asked_to(house: House) -> None:
    assert [device.sync_sent for device in await house.store.devices()] == [False, False]
    await house.store.save_device(replace(house.phone, sync_sent=True))
    assert [device.sync_sent for device in await house.store.devices()] == [True, False]
