"""What every Store promises about the opt-out ledger: whoever is in it is not written to, from the transaction on that put him there."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from service.accounts import Account
from service.audience import SenderCode
from service.errors import OptedOut
from service.lifecycle import Status
from service.messages import MoMessage, MtMessage
from service.optouts import EVERYTHING, REPLY_EVERY, OptOutChange, Reaction, Source, Word, reaction_to
from tests.conformance.test_store import HOUR, MINUTE, PHONE, House
from tests.conformance.test_store import house as house
from tests.fakes import START, on_the_loop

S = Status
ANNE, BERT = "+32495000001", "+32495000002"


def change(house: House, number: str = ANNE, code: str = EVERYTHING, *, is_out: bool = True, **fields: Any) -> OptOutChange:
    given = {"account_id": house.account.id, "source": Source.OPERATOR, "by": "somebody", "at": START, **fields}
    return OptOutChange(number=number, code=code, is_out=is_out, **given)


async def out(house: House, number: str = ANNE, code: str = EVERYTHING, **fields: Any) -> int:
    return await house.store.change_optouts([change(house, number, code, **fields)])


async def said(house: House, text: str, *, number: str = ANNE, now: datetime = START, **fields: Any) -> bool:
    """A handset sends this; what the gateway makes of it is kept with it."""
    message = MoMessage(**{"device": PHONE, "sender": number, "text": text, "received": now, "sim": 1, **fields})
    reaction = await reaction_to(house.store, message, house.account, number, now)
    return await house.store.received(message, house.account.id, now, reaction=reaction)


async def is_barred(house: House, **fields: Any) -> bool:
    try:
        await house.accepted(**{"recipient": ANNE, **fields})
    except OptedOut as refused:
        assert refused.recipient == fields.get("recipient", ANNE)
        return True
    return False


@on_the_loop
async def test_nobody_is_written_to_who_has_opted_out(house: House) -> None:
    assert not await is_barred(house)
    assert await out(house) == 1
    assert await is_barred(house)
    assert not await is_barred(house, recipient=BERT)
    other = await house.store.create_account(Account(id=0, name="other"))
    assert not await is_barred(house, account_id=other.id)
    assert await out(house, is_out=False) == 1
    assert not await is_barred(house)


@on_the_loop
async def test_a_code_is_barred_by_its_own_opt_out_and_by_one_for_everything(house: House) -> None:
    await out(house, ANNE, "1234")
    assert [await is_barred(house, sender=code) for code in ("1234", "5678", None)] == [True, False, True]
    await out(house, ANNE, "1234", is_out=False)
    await out(house, ANNE)
    assert [await is_barred(house, sender=code) for code in ("1234", "5678", None)] == [True, True, True]
    asked = [await house.store.opted_out(house.account.id, [BERT, ANNE], code) for code in ("1234", None)]
    assert asked == [[ANNE], [ANNE]]


@on_the_loop
async def test_one_who_has_opted_out_refuses_the_whole_call_and_no_other(house: House) -> None:
    await out(house)
    before = len(await house.all())
    bad = [house.message(recipient=number) for number in (BERT, ANNE)]
    good = [house.message(recipient=BERT) for _ in range(3)]
    answers = await gathered(house, [good[0]], bad, [good[1]], [bad[1]], [good[2]])
    assert [type(answer).__name__ for answer in answers] == ["Receipt", "OptedOut", "Receipt", "OptedOut", "Receipt"]
    assert sorted(m.id for m in await house.all()) == [m.id for m in good]
    assert before == 0


async def gathered(house: House, *calls: list[MtMessage]) -> list[object]:
    """Together, so that an engine may take them as one batch."""
    import asyncio

    return await asyncio.gather(*(house.accept(*call) for call in calls), return_exceptions=True)


@on_the_loop
async def test_a_refused_call_costs_a_trial_nothing_and_its_key_may_be_used_again(house: House) -> None:
    await out(house)
    with pytest.raises(OptedOut):
        await house.accept(house.message(recipient=BERT), house.message(recipient=ANNE), trial_limit=2, key="k")
    receipt = await house.accept(house.message(recipient=BERT), house.message(recipient=BERT), trial_limit=2, key="k", about=b"b")
    assert (receipt.trial_sent, receipt.replayed) == (2, False)


@on_the_loop
async def test_a_known_key_is_answered_as_before_although_the_recipient_opted_out_since(house: House) -> None:
    await house.accept(house.message(recipient=ANNE), key="k")
    await out(house)
    assert (await house.accept(house.message(recipient=ANNE), key="k")).replayed


@on_the_loop
async def test_a_row_of_a_refused_call_is_kept(house: House) -> None:
    await out(house)
    row = house.message(recipient=ANNE, status=S.FAILED, refusal="opted_out", due=None)
    await house.store.keep_refused(row)
    assert (await house.get(row)).refusal == "opted_out"


@on_the_loop
async def test_what_waits_is_cancelled_and_what_is_on_its_way_is_not(house: House) -> None:
    on_its_way = await house.claimed(recipient=ANNE)
    waiting = [await house.accepted(recipient=ANNE, **fields) for fields in ({}, {"due": START + HOUR, "status": S.SCHEDULED})]
    others = [await house.accepted(recipient=BERT)]
    await out(house, at=START + MINUTE)
    assert [((await house.get(m)).status, (await house.get(m)).finished) for m in waiting] == [(S.CANCELLED, START + MINUTE)] * 2
    assert [(await house.get(m)).status for m in (on_its_way, *others)] == [S.SENDING, S.QUEUED]
    assert [m.id for m in await house.claim(now=START + 2 * HOUR)] == [others[0].id]


@on_the_loop
async def test_an_opt_out_of_a_code_leaves_what_goes_by_another(house: House) -> None:
    messages = {code: await house.accepted(recipient=ANNE, sender=code) for code in ("1234", "5678", None)}
    await out(house, ANNE, "1234")
    found = {code: (await house.get(m)) for code, m in messages.items()}
    assert {code: m.status for code, m in found.items()} == {"1234": S.CANCELLED, "5678": S.QUEUED, None: S.CANCELLED}
    assert found["5678"].sender == "5678"


@on_the_loop
async def test_nothing_is_sent_again_to_who_has_opted_out(house: House) -> None:
    message = await house.claimed(recipient=ANNE)
    await house.settle(message, S.FAILED)
    await out(house)
    with pytest.raises(OptedOut):
        await house.store.resend(message, now=START, expires=START + HOUR, wanted_device=None)
    assert (await house.get(message)).status is S.FAILED
    await out(house, is_out=False)
    assert await house.store.resend(message, now=START, expires=START + HOUR, wanted_device=None) == 1


@on_the_loop
async def test_every_change_is_in_the_history_and_nothing_that_changed_nothing(house: House) -> None:
    account_id = house.account.id
    assert [await out(house) for _ in range(2)] == [1, 0]
    assert await house.store.change_optouts([change(house, ANNE, "1234"), change(house, BERT, is_out=False), change(house, BERT)]) == 2
    assert await out(house, is_out=False, source=Source.API, by="key 7", at=START + HOUR) == 1
    history = await house.store.optout_history(account_id, limit=10)
    assert [(h.number, h.code, h.is_out, h.source) for h in reversed(history)] == [
        (ANNE, "", True, Source.OPERATOR),
        (ANNE, "1234", True, Source.OPERATOR),
        (BERT, "", True, Source.OPERATOR),
        (ANNE, "", False, Source.API),
        (ANNE, "1234", False, Source.API),
    ]
    assert (history[0].by, history[0].at) == ("key 7", START + HOUR)
    assert await house.store.optout_history(account_id, before_id=history[1].id, limit=2) == history[2:4]
    assert await house.store.optout_history(account_id, number=BERT, limit=9) == [history[2]]
    [left] = await house.store.optouts(account_id, limit=9)
    assert (left.number, left.code, left.source, left.by, left.at) == (BERT, "", Source.OPERATOR, "somebody", START)


@on_the_loop
async def test_the_ledger_is_read_in_pages(house: House) -> None:
    pairs = [(ANNE, ""), (ANNE, "1234"), (BERT, ""), (BERT, "99")]
    await house.store.change_optouts([change(house, *pair) for pair in pairs])
    found, after = [], ("", "")
    while page := await house.store.optouts(house.account.id, after=after, limit=3):
        after = (page[-1].number, page[-1].code)
        found += [(one.number, one.code) for one in page]
    assert found == pairs
    assert [one.code for one in await house.store.optouts(house.account.id, number=BERT, limit=9)] == ["", "99"]


@on_the_loop
async def test_a_stop_from_a_handset_opts_out_with_the_message_that_says_it(house: House) -> None:
    waiting = await house.accepted(recipient=ANNE)
    assert await said(house, " stop! ", device_message_id="1")
    assert await is_barred(house)
    assert (await house.get(waiting)).status is S.CANCELLED
    [line] = await house.store.optout_history(house.account.id, limit=9)
    assert (line.source, line.by, line.code) == (Source.HANDSET, PHONE, EVERYTHING)
    await said(house, "Start", device_message_id="2", now=START + MINUTE)
    assert not await is_barred(house)
    # a device that tells of the old STOP again does not undo the START
    assert not await said(house, " stop! ", device_message_id="1", now=START + HOUR)
    assert not await is_barred(house)


@on_the_loop
async def test_a_stop_to_a_sender_code_is_about_that_code(house: House) -> None:
    sims = ((PHONE, 2),)
    code = await house.store.save_sender_code(SenderCode(id=0, account_id=house.account.id, code="1234", label="shop", sims=sims))
    await said(house, "STOP", sim=2)
    assert [await is_barred(house, sender=each) for each in ("1234", "5678", None)] == [True, False, True]
    await said(house, "START", sim=2)
    assert not await is_barred(house)
    changed = await house.store.save_sender_code(replace(code, label="new", sims=()))
    assert (changed.id, await house.store.sender_codes(house.account.id)) == (code.id, [changed])
    await said(house, "STOP", sim=2)
    assert [line.code for line in await house.store.optout_history(house.account.id, limit=9)] == ["", "1234", "1234"]
    assert [await house.store.remove_sender_code(house.account.id, "1234") for _ in range(2)] == [True, False]


@on_the_loop
async def test_where_the_code_is_not_certain_a_stop_is_about_everything(house: House) -> None:
    for code in ("1234", "5678"):
        sims = ((PHONE, 1),)
        await house.store.save_sender_code(SenderCode(id=0, account_id=house.account.id, code=code, sims=sims))
    await said(house, "STOP", sim=1)
    await said(house, "STOP", sim=None, number=BERT)
    assert [(one.number, one.code) for one in await house.store.optouts(house.account.id, limit=9)] == [(ANNE, ""), (BERT, "")]


@on_the_loop
async def test_an_answer_goes_out_once_a_day_and_to_who_has_opted_out_too(house: House) -> None:
    await said(house, "help")
    assert await house.all() == []
    await house.store.set_reply(house.account.id, Word.HELP, "Write to help@shop.example.org.")
    await house.store.set_reply(house.account.id, Word.STOP, "Bye.")
    days = (timedelta(), MINUTE, REPLY_EVERY - MINUTE, REPLY_EVERY)
    for late in days:
        await said(house, "STOP", now=START + late)
        await said(house, "help", now=START + late)
    await said(house, "Info", number=BERT)
    sent = await house.all()
    assert sorted((m.recipient, m.text[:5], m.created) for m in sent) == [
        (ANNE, "Bye.", START),
        (ANNE, "Bye.", START + REPLY_EVERY),
        (ANNE, "Write", START),
        (ANNE, "Write", START + REPLY_EVERY),
        (BERT, "Write", START),
    ]
    assert {(m.status, m.wanted_device, m.wanted_sim, m.due == m.created) for m in sent if m.text[0] == "W"} == {(S.QUEUED, PHONE, 1, True)}
    await house.store.set_reply(house.account.id, Word.HELP, "")
    await said(house, "help", now=START + 5 * REPLY_EVERY)
    assert (len(await house.all()), await house.store.replies(house.account.id)) == (5, {Word.STOP: "Bye."})


@on_the_loop
async def test_a_name_that_the_network_shows_opts_nobody_out(house: House) -> None:
    await said(house, "STOP", number="MPESA")
    assert await house.store.optouts(house.account.id, limit=9) == []


def test_a_reaction_says_whose_it_is() -> None:
    assert {"account_id", "word", "number", "change", "reply"} == set(Reaction.__slots__)
