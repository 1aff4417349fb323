"""Sending by SMSMobileAPI: the vendor's own example to the letter, in every way that its clients send it, and every wish."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from adapters.apis.smsmobileapi import LATER, NOTHING
from service.lifecycle import Status
from tests.apis.gateway import KEY
from tests.apis.smsmobileapi_peer import (
    ADDED,
    BEARER,
    FORM,
    FUTURE,
    JSON,
    PHONE,
    SEND,
    expected,
    house,
    result_of,
)
from tests.fakes import on_the_loop

SENT = """
{
"result": {
"error": 0,
"sent": "1",
"id": "$guid",
"note": "sent by mobile",
"datetime": "2026-03-20T21:07:44Z",
"datetimeLocal": "2026-03-20T22:07:44+01:00",
"port": null,
"iac_control": "1",
"iac_authorized": "1",
"send_with_whatsapp": "0",
"encrypted": {
"status": "0"
},
"trial_account": {
"status": "0",
"sms_sent": 0
}
}
}
"""


# the documented exchange


@dataclass(frozen=True)
class Request:
    """One of the ways in which callers say the same."""

    target: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    recipient: str = "+32495898697"
    text: str = "test"


QUERY = f"apikey={KEY}&recipients=%2B32495898697&message=test"

SAME = {
    "vendor's example": Request(
        f"/sendsms/?apikey={KEY}&recipients=+1234567890&message=Hello%20World", recipient="+1234567890", text="Hello World"
    ),
    "get": Request(f"/sendsms/?{QUERY}"),
    "no slash": Request(f"/sendsms?{QUERY}"),
    "two slashes": Request(f"//sendsms/?{QUERY}"),
    "form": Request("/sendsms/", QUERY.encode(), FORM, "POST"),
    "form, no slash": Request("/sendsms", QUERY.encode(), FORM, "POST"),
    "json": Request("/sendsms/", json.dumps(SEND).encode(), JSON, "POST"),
    "json, number as a number": Request("/sendsms/", json.dumps({**SEND, "recipients": 32495898697}).encode(), JSON, "POST"),
    "json, options null": Request("/sendsms/", json.dumps({**SEND, "port": None, "sendsms": None}).encode(), JSON, "POST"),
    "curl -d with a raw plus": Request(
        "/sendsms", f"recipients=+32495898697&message=Hello a+b&apikey={KEY}".encode(), FORM, "POST", text="Hello a b"
    ),
    "bearer": Request("/sendsms", b"recipients=+32495898697&message=test", {**FORM, **BEARER}, "POST"),
    "bearer, get": Request("/sendsms/?recipients=32495898697&message=test", headers=BEARER),
    "bearer in small letters": Request("/sendsms/?recipients=32495898697&message=test", headers={"Authorization": f"bearer  {KEY}"}),
    "good key, bad bearer": Request(f"/sendsms/?{QUERY}", headers={"Authorization": "Bearer wrong"}),
    "bad key, good bearer": Request("/sendsms/?apikey=wrong&recipients=32495898697&message=test", headers=BEARER),
    "basic beside a key": Request(f"/sendsms/?{QUERY}", headers={"Authorization": "Basic YTpi"}),
    "all in the query of a post": Request(f"/sendsms/?{QUERY}", b"", {}, "POST"),
    "query of a post that claims JSON": Request(f"/sendsms/?{QUERY}", b"not json", JSON, "POST"),
    "query and form": Request("/sendsms/?waonly=no&message=other", QUERY.encode(), FORM, "POST"),
    "origin tags": Request(f"/sendsms/?{QUERY}&from=python&from_source=x&sendername=Shop&after=1"),
    "key with spaces around": Request(f"/sendsms/?{QUERY}".replace(KEY, f"%20{KEY}%20")),
    "the command line client": Request(f"/sendsms/?{QUERY}&sendwa=0&sendsms=0&from=ssh"),
    "country code without plus": Request(f"/sendsms/?apikey={KEY}&recipients=32495898697&message=test"),
    "00": Request(f"/sendsms/?apikey={KEY}&recipients=0032495898697&message=test"),
    "not only ASCII": Request(f"/sendsms/?apikey={KEY}&recipients=32495898697&message=%C3%A9%E2%82%AC%F0%9F%98%80", text="é€😀"),
}


@pytest.mark.parametrize("name", SAME)
@on_the_loop
async def test_sendsms_is_answered_as_the_vendor_does(name: str) -> None:
    at, request = await house(), SAME[name]
    at.connect()
    if request.method == "GET":
        answer = await at.get(request.target, request.headers)
    else:
        answer = await at.post(request.target, request.body, request.headers)
    (row,) = await at.rows()
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.body.decode() == await expected(SENT, at)
    assert (row.recipient, row.text, row.status, row.api) == (request.recipient, request.text, Status.QUEUED, "smsmobileapi")


@on_the_loop
async def test_an_answer_passes_the_test_that_the_odoo_client_makes() -> None:
    at = await house()
    sent = json.loads((await at.get("/sendsms/", **SEND)).body)
    failed = json.loads((await at.get("/sendsms/", apikey=KEY)).body)
    assert "'sent': '1'" in repr(sent["result"])
    assert "'sent': '1'" not in repr(failed["result"])
    assert "error" not in sent and "error" not in failed


# parameters of sendsms

GRANTED: list[tuple[dict[str, str], dict[str, object]]] = [
    ({"port": "1"}, {"port": 1}),
    ({"port": " 2 "}, {"port": 2}),
    ({"port": ""}, {"port": None}),
    ({"port": "0"}, {"port": None}),
    ({"sIdentifiant": PHONE}, {}),
    ({"sIdentifiant": ""}, {}),
    ({"sendsms": "1"}, {}),
    ({"sendsms": ""}, {}),
    ({"sendsms": " "}, {}),
    ({"sendsms": "yes"}, {}),
    ({"schedule_timestamp": str(FUTURE)}, {"note": "scheduled"}),
    ({"schedule_timestamp": str(FUTURE - 3600)}, {}),
    ({"schedule_timestamp": "1"}, {}),
    ({"schedule_timestamp": "0"}, {}),
    ({"schedule_timestamp": ""}, {}),
    ({"validity_s": "60"}, {}),
    ({"validity_s": "0"}, {}),
]


@pytest.mark.parametrize(("fields", "changes"), GRANTED)
@on_the_loop
async def test_what_a_caller_may_ask_for_is_granted(fields: dict[str, str], changes: dict[str, object]) -> None:
    at = await house()
    at.connect(PHONE)
    answer = await at.post("/sendsms/", {**SEND, **fields})
    plain = json.loads(await expected(SENT, at))["result"]
    assert (answer.status, list(result_of(answer).items())) == (200, list({**plain, **changes}.items()))


@on_the_loop
async def test_wishes_reach_the_message() -> None:
    at = await house()
    at.connect(PHONE)
    await at.post("/sendsms/", {**SEND, "port": "2", "sIdentifiant": PHONE, "schedule_timestamp": str(FUTURE), "validity_s": "60"})
    (row,) = await at.rows()
    assert (row.wanted_sim, row.wanted_device, row.status) == (2, PHONE, Status.SCHEDULED)
    assert (row.due, row.expires) == (ADDED + timedelta(hours=1), ADDED + timedelta(hours=1, seconds=60))


@pytest.mark.parametrize("name", LATER)
@on_the_loop
async def test_an_option_that_asks_for_nothing_is_no_wish_and_one_that_asks_is_refused_by_name(name: str) -> None:
    at = await house()
    for nothing in (*NOTHING, " ", "False", "NULL"):
        assert (await at.post("/sendsms/", {**SEND, name: nothing})).status == 200, nothing
    answer = await at.post("/sendsms/", {**SEND, name: "1"})
    assert (answer.status, result_of(answer)["error"]) == (400, "invalid_parameter")
    assert name in result_of(answer)["message"]


@pytest.mark.parametrize("recipients", ["+32495898697,+447700900123", " 32495898697; 447700900123", "0032495898697 ,, 00447700900123;"])
@on_the_loop
async def test_several_recipients_are_several_messages(recipients: str) -> None:
    at = await house()
    result = result_of(await at.post("/sendsms/", {**SEND, "recipients": recipients}))
    rows = await at.rows()
    assert [row.recipient for row in rows] == ["+32495898697", "+447700900123"]
    assert (result["id"], result["ids"]) == (rows[0].guid, [row.guid for row in rows])
    assert list(result)[-1] == "ids"


@pytest.mark.parametrize(
    ("recipients", "read"),
    [(" 4792234567", ["+4792234567"]), (" 4792234567, 4792234567", ["+4792234567"] * 2), ("10001, 4792234567", ["10001", "+14792234567"])],
)
@on_the_loop
async def test_a_space_before_the_first_number_was_a_plus_and_one_after_a_comma_is_just_that(recipients: str, read: list[str]) -> None:
    """The number is good both in Norway and, nationally, in the account's country."""
    at = await house(default_country="US")
    await at.post("/sendsms/", {**SEND, "recipients": recipients})
    assert [row.recipient for row in await at.rows()] == read


@pytest.mark.parametrize(
    ("online", "note"), [(None, "waiting for a phone to connect"), (False, "waiting for a phone to connect"), (True, "sent by mobile")]
)
@on_the_loop
async def test_a_message_is_accepted_with_no_phone_and_the_note_says_so(online: bool | None, note: str) -> None:
    at = await house()
    if online is not None:
        at.connect()
        at.fleet.online("00112233445566ff", online)
    answer = await at.get("/sendsms/", **SEND)
    assert (answer.status, result_of(answer)["note"]) == (200, note)


@on_the_loop
async def test_an_account_in_utc_has_local_times_with_an_offset() -> None:
    result = result_of(await (await house(time_zone="UTC")).get("/sendsms/", **SEND))
    assert (result["datetime"], result["datetimeLocal"]) == ("2026-03-20T21:07:44Z", "2026-03-20T21:07:44+00:00")


@on_the_loop
async def test_a_trial_account_sees_what_it_has_used() -> None:
    at = await house(trial_limit=2)
    used = [result_of(await at.get("/sendsms/", **SEND))["trial_account"] for _ in range(2)]
    assert used == [{"status": "1", "sms_sent": 1}, {"status": "1", "sms_sent": 2}]
    answer = await at.get("/sendsms/", **SEND)
    assert (answer.status, result_of(answer)["error"], answer.headers["retry-after"]) == (429, "quota_exceeded", "86400")


# repeated calls


@pytest.mark.parametrize("by_header", [True, False])
@on_the_loop
async def test_a_repeated_call_is_answered_as_the_first_and_is_no_second_message(by_header: bool) -> None:
    at = await house()
    headers = {"Idempotency-Key": "order 1"} if by_header else {}
    fields = SEND if by_header else {**SEND, "idempotency_key": "order 1"}
    first = await at.post("/sendsms/", fields, headers)
    at.connect()
    at.clock.advance(600)
    again = await at.post("/sendsms/", fields, headers)
    assert (first.status, again.status, again.body) == (200, 200, first.body)
    other = await at.post("/sendsms/", {**fields, "message": "other"}, headers)
    assert (other.status, result_of(other)["error"], result_of(other)["sent"]) == (409, "idempotency_conflict", "0")
    assert len(await at.rows()) == 1


@on_the_loop
async def test_the_key_of_the_header_comes_before_the_field() -> None:
    at = await house()
    for field_key in ("a", "b"):
        await at.post("/sendsms/", {**SEND, "idempotency_key": field_key}, {"Idempotency-Key": "one"})
    assert len(await at.rows()) == 1


@on_the_loop
async def test_a_repeated_key_of_another_account_is_nobodys_business() -> None:
    at = await house()
    await at.account("other")
    guids = {result_of(await at.post("/sendsms/", {**SEND, "apikey": key, "idempotency_key": "one"}))["id"] for key in (KEY, "other")}
    assert len(guids) == 2
