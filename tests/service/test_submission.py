"""Room 2: what is accepted, what is refused and kept, and that an answer is given only for what is stored."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.aes_gcm import AesGcm
from adapters.storage.memory import MemoryStore
from service.accounts import Account, ApiKey, Principal
from service.errors import (
    Conflict,
    IdTaken,
    InDoubt,
    Invalid,
    InvalidRecipient,
    KeyUnknown,
    Missing,
    OptedOut,
    QuotaExceeded,
    Refused,
    Unavailable,
)
from service.fleet import Device, Fleet
from service.lifecycle import Status
from service.links import Links
from service.messages import MtMessage, Receipt, Submit
from service.ports import Acceptance, SentQuery
from service.submission import MOST_RECIPIENTS, REFUSED_ROWS_A_MINUTE, Submission
from tests.fakes import START, FakeClock, on_the_loop

NUMBER = "+32495898697"
SUBMIT = Submit(recipients=(NUMBER,), text="hello", api="form")
PHONE = Device(id="00112233445566ff", account_id=1, kind="test", sims=2)


class Store(MemoryStore):
    """Fails where a test says so, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.before: list[Exception] = []
        """raised by `accept` before it stores"""
        self.after: list[Exception] = []
        """raised by `accept` once it has stored"""
        self.accepted: list[Acceptance] = []

    async def accept(self, acceptance: Acceptance) -> Receipt:
        self.accepted.append(acceptance)
        if self.before:
            raise self.before.pop(0)
        receipt = await super().accept(acceptance)
        if self.after:
            raise self.after.pop(0)
        return receipt


class Desk:
    """A submission over a store in memory; `woken` has what its workers were told."""

    def __init__(self, **account: Any) -> None:
        self.store, self.fleet, self.clock = Store(), Fleet(), FakeClock()
        self.woken: list[tuple[int, str | None]] = []
        self.account = Account(**{"id": 1, "name": "shop", "validity_s": 3600, **account})
        self.principal = Principal(account=self.account, key=ApiKey(id=5, account_id=self.account.id, label="", digest=b""))
        links = Links(store=self.store, cipher=AesGcm(), clock=self.clock, public_url="https://sms.test")
        self.submission = Submission(
            store=self.store, fleet=self.fleet, clock=self.clock, links=links, on_queued=lambda *told: self.woken.append(told)
        )

    async def submit(self, submit: Submit = SUBMIT, **changes: Any) -> Receipt:
        return await self.submission.submit(self.principal, replace(submit, **changes))

    async def refused(self, **changes: Any) -> Refused:
        with pytest.raises(Refused) as refused:
            await self.submit(**changes)
        return refused.value

    async def rows(self) -> list[MtMessage]:
        """Oldest first."""
        return (await self.store.sent(SentQuery(account_id=self.account.id)))[::-1]

    def connect(self, device: Device = PHONE) -> None:
        self.fleet.register(device)
        self.fleet.online(device.id, True)


# accepted


@on_the_loop
async def test_a_submit_becomes_a_queued_message_on_disk() -> None:
    desk = Desk()
    receipt = await desk.submit()
    (row,) = await desk.rows()
    assert receipt == Receipt(
        guids=(row.guid,), accepted=START, status=Status.QUEUED, device_online=False, sim=None, trial=False, trial_sent=0
    )
    assert row == MtMessage(
        id=row.id,
        guid=row.guid,
        account_id=1,
        key_id=5,
        api="form",
        recipient=NUMBER,
        text="hello",
        segments=1,
        status=Status.QUEUED,
        created=START,
        due=START,
        expires=START + timedelta(seconds=3600),
    )


@on_the_loop
async def test_each_recipient_gets_a_message_of_its_own_and_all_are_stored_as_one() -> None:
    desk = Desk()
    receipt = await desk.submit(recipients=(NUMBER, "+447700900123", "10001"))
    rows = await desk.rows()
    assert receipt.guids == tuple(row.guid for row in rows)
    assert [row.recipient for row in rows] == [NUMBER, "+447700900123", "10001"]
    assert len(desk.store.accepted) == 1


@on_the_loop
async def test_what_the_caller_wishes_is_kept_with_the_message() -> None:
    desk = Desk()
    desk.connect()
    receipt = await desk.submit(device=PHONE.id, sim=2, text="é" * 161)
    (row,) = await desk.rows()
    assert (row.wanted_device, row.wanted_sim, row.segments, row.queue) == (PHONE.id, 2, 2, PHONE.id)
    assert (receipt.device_online, receipt.sim) == (True, 2)


@on_the_loop
async def test_a_national_number_is_read_as_one_of_the_accounts_country() -> None:
    desk = Desk(default_country="BE")
    await desk.submit(recipients=("0495 89 86 97",))
    assert [row.recipient for row in await desk.rows()] == [NUMBER]


@pytest.mark.parametrize(
    ("due_in_s", "status", "waits_s"),
    [(1, Status.SCHEDULED, 1), (0, Status.QUEUED, 0), (-1, Status.QUEUED, 0), (366 * 86400, Status.SCHEDULED, 366 * 86400)],
)
@on_the_loop
async def test_a_message_for_later_is_scheduled_and_one_for_earlier_is_due_now(due_in_s: int, status: Status, waits_s: int) -> None:
    desk = Desk()
    receipt = await desk.submit(due=START + timedelta(seconds=due_in_s))
    (row,) = await desk.rows()
    assert (receipt.status, row.status, row.due) == (status, status, START + timedelta(seconds=waits_s))


@on_the_loop
async def test_validity_runs_from_the_time_that_the_message_is_due() -> None:
    desk = Desk()
    await desk.submit(due=START + timedelta(hours=10))
    await desk.submit(due=START + timedelta(hours=10), validity_s=60)
    assert [row.expires - START for row in await desk.rows()] == [timedelta(hours=11), timedelta(hours=10, seconds=60)]


@on_the_loop
async def test_workers_are_told_after_the_commit_and_only_then() -> None:
    desk = Desk()
    desk.connect()
    await desk.submit()
    await desk.submit(device=PHONE.id)
    assert desk.woken == [(1, None), (1, PHONE.id)]
    desk.store.before = [Unavailable("full")]
    await desk.refused()
    await desk.refused(text="")
    assert len(desk.woken) == 2


# refused

REFUSED: list[tuple[dict[str, Any], type[Refused], str]] = [
    ({"recipients": ()}, Missing, "recipients"),
    ({"recipients": ("hello",)}, InvalidRecipient, "recipients"),
    ({"recipients": (NUMBER, "hello")}, InvalidRecipient, "recipients"),
    ({"recipients": (NUMBER,) * (MOST_RECIPIENTS + 1)}, Invalid, "recipients"),
    ({"text": ""}, Missing, "text"),
    ({"text": "a\0b"}, Invalid, "text"),
    ({"text": "\ud800"}, Invalid, "text"),
    ({"text": "x" * 39_016}, Invalid, "text"),
    ({"device": "ffffffffffffffff"}, Invalid, "device"),
    ({"sim": 3}, Invalid, "sim"),
    ({"due": START + timedelta(days=366, seconds=1)}, Invalid, "due"),
    ({"validity_s": 59}, Invalid, "validity_s"),
    ({"validity_s": 604_801}, Invalid, "validity_s"),
    ({"idempotency_key": "k" * 256}, Invalid, "idempotency_key"),
]


@pytest.mark.parametrize(("changes", "kind", "field"), REFUSED)
@on_the_loop
async def test_a_submit_that_cannot_be_honoured_is_refused_whole_and_kept_as_failed(
    changes: dict[str, Any], kind: type[Refused], field: str
) -> None:
    desk = Desk()
    desk.connect()
    refused = await desk.refused(**changes)
    assert type(refused) is kind
    assert isinstance(refused, Invalid)
    assert refused.field == field
    (row,) = await desk.rows()
    assert (row.status, row.refusal, row.guid, row.due) == (Status.FAILED, kind.kind, refused.guid, None)
    assert (row.created, row.finished, row.segments, row.account_id, row.key_id) == (START, START, 0, 1, 5)
    assert desk.store.accepted == []


@pytest.mark.parametrize(
    "changes",
    [
        {"recipients": (NUMBER,) * MOST_RECIPIENTS},
        {"text": "x" * 39_015},
        {"validity_s": 60},
        {"validity_s": 604_800},
        {"idempotency_key": "k" * 255},
    ],
)
@on_the_loop
async def test_what_is_just_within_a_limit_is_taken(changes: dict[str, Any]) -> None:
    await Desk().submit(**changes)


@on_the_loop
async def test_a_refused_row_shows_the_recipient_that_was_at_fault_and_nothing_that_a_store_cannot_hold() -> None:
    desk = Desk()
    await desk.refused(recipients=(NUMBER, "bad\ud800" + "x" * 100))
    await desk.refused(text="a\0b\ud800")
    await desk.submission.refuse(desk.principal, replace(SUBMIT, recipients=("9" * 1000,)), Missing("text"))
    first, second, third = await desk.rows()
    assert (first.recipient, third.recipient) == ("bad?" + "x" * 60, "9" * 64)
    assert second.text == "a\ufffdb?"


@pytest.mark.parametrize("refused", [Missing("text"), OptedOut("+32495898697"), QuotaExceeded("no"), Invalid("sim", "no")])
@on_the_loop
async def test_an_api_that_finds_the_fault_itself_has_it_kept(refused: Refused) -> None:
    desk = Desk()
    assert await desk.submission.refuse(desk.principal, SUBMIT, refused) is refused
    (row,) = await desk.rows()
    assert (row.guid, row.refusal, row.recipient, row.text) == (refused.guid, refused.kind, NUMBER, "hello")


@pytest.mark.parametrize("refused", [KeyUnknown(), Unavailable("full"), Conflict("other")])
@on_the_loop
async def test_what_is_not_the_messages_fault_keeps_no_row(refused: Refused) -> None:
    desk = Desk()
    assert (await desk.submission.refuse(desk.principal, SUBMIT, refused)).guid is None
    assert await desk.rows() == []


@on_the_loop
async def test_a_broken_caller_cannot_fill_the_store() -> None:
    desk = Desk()
    guids = [(await desk.refused(text="")).guid for _ in range(REFUSED_ROWS_A_MINUTE + 5)]
    assert Counter(guid is None for guid in guids) == {False: REFUSED_ROWS_A_MINUTE, True: 5}
    assert len(await desk.rows()) == REFUSED_ROWS_A_MINUTE
    desk.clock.advance(60)
    assert (await desk.refused(text="")).guid
    other = Principal(account=desk.account, key=replace(desk.principal.key, id=6))
    assert (await desk.submission.refuse(other, SUBMIT, Missing("text"))).guid


# once and for all


@on_the_loop
async def test_the_same_submit_under_the_same_key_gets_the_first_answer_and_is_no_second_message() -> None:
    desk = Desk()
    first = await desk.submit(idempotency_key="k")
    desk.clock.advance(3600)
    desk.connect()
    assert await desk.submit(idempotency_key="k", api="soap") == replace(first, replayed=True)
    assert len(await desk.rows()) == 1
    assert len(desk.woken) == 1


@on_the_loop
async def test_another_submit_under_the_same_key_is_a_conflict_and_nothing_is_kept_of_it() -> None:
    desk = Desk()
    await desk.submit(idempotency_key="k")
    refused = await desk.refused(idempotency_key="k", text="other")
    assert type(refused) is Conflict
    assert refused.guid is None
    assert len(await desk.rows()) == 1


@on_the_loop
async def test_without_a_key_the_same_submit_is_another_message() -> None:
    desk = Desk()
    await desk.submit()
    await desk.submit(idempotency_key="")
    assert len({row.guid for row in await desk.rows()}) == 2


@on_the_loop
async def test_a_trial_is_counted_and_ends() -> None:
    desk = Desk(trial_limit=3)
    first = await desk.submit()
    both = await desk.submit(recipients=(NUMBER, "10001"))
    assert [(r.trial, r.trial_sent) for r in (first, both)] == [(True, 1), (True, 3)]
    refused = await desk.refused()
    assert type(refused) is QuotaExceeded
    assert [row.refusal for row in await desk.rows()] == [None, None, None, "quota_exceeded"]


# the store's troubles


@pytest.mark.parametrize("error", [Unavailable("full"), InDoubt("gone")])
@on_the_loop
async def test_what_was_not_stored_is_never_a_success(error: Exception) -> None:
    desk = Desk()
    desk.store.before = [error]
    assert await desk.refused() is error
    assert await desk.rows() == []


@on_the_loop
async def test_what_is_stored_after_all_is_a_success_however_it_was_learned() -> None:
    desk = Desk()
    desk.store.after = [InDoubt("gone")]
    receipt = await desk.submit()
    assert [row.guid for row in await desk.rows()] == list(receipt.guids)
    assert len(desk.woken) == 1


@on_the_loop
async def test_ids_that_another_process_took_are_made_anew() -> None:
    desk = Desk()
    desk.store.before = [IdTaken(), IdTaken()]
    receipt = await desk.submit()
    guids = [acceptance.messages[0].guid for acceptance in desk.store.accepted]
    assert len(set(guids)) == 3
    assert receipt.guids == (guids[-1],)


@on_the_loop
async def test_when_no_id_is_to_be_had_the_caller_may_come_again() -> None:
    desk = Desk()
    desk.store.before = [IdTaken() for _ in range(9)]
    assert type(await desk.refused()) is Unavailable
