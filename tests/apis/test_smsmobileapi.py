"""SMSMobileAPI's exchanges to the letter: the vendor's own examples, what its clients send, and every refusal.

An answer is compared as text, so that keys, their order, types and values all count. $guid stands for the newest message's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.apis import ApiSettings
from adapters.apis.smsmobileapi import CODES, LATER, NOTHING, api
from adapters.call import Call
from adapters.storage.memory import MemoryStore
from service import errors
from service.accounts import Scope
from service.errors import OptedOut, QuotaExceeded, Refused, SendFailed, Unavailable
from service.lifecycle import Status
from service.messages import DeliveryReport, Receipt
from service.ports import Acceptance
from tests.apis.gateway import KEY, MemoryGateway
from tests.fakes import on_the_loop
from tests.http_peer import Answer

ADDED = datetime(2026, 3, 20, 21, 7, 44, tzinfo=UTC)
"""the instant of the vendor's examples"""
SENT_AFTER_S = 141
BRUSSELS = "Europe/Brussels"
PHONE = "abbg00055x5"
SEND = {"apikey": KEY, "recipients": "+32495898697", "message": "test"}

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

LISTED = """
{
"result": {
"error": "0",
"sms": [
{
"sIdentifiantPhone": "abbg00055x5",
"port": 0,
"date_add": "2026-03-20",
"hour_add": "22:07:44",
"timestamp": 1774044464,
"send_from_mobile": 1,
"send_from_mobile_date": "2026-03-20",
"send_from_mobile_heure": "22:10:05",
"send_from_mobile_timestamp": 1774044605,
"recipients": "32495898697",
"sms": "test",
"error_api": "",
"send_from_mobile_erreur": "",
"guid_message": "$guid",
"timearea": "UTC+01",
"date_add_server": "2026-03-20",
"hour_add_server": "21:07:44",
"timestamp_server": 1774040864,
"send_from_mobile_date_server": "2026-03-20",
"send_from_mobile_heure_server": "21:10:05"
}
]
}
}
"""

NOT_SENT_YET: dict[str, object] = {
    "sIdentifiantPhone": "",
    "send_from_mobile": 0,
    "send_from_mobile_date": "",
    "send_from_mobile_heure": "",
    "send_from_mobile_timestamp": 0,
    "send_from_mobile_date_server": "",
    "send_from_mobile_heure_server": "",
}


async def house(settings: ApiSettings | None = None, *, store: MemoryStore | None = None, **account: Any) -> MemoryGateway:
    """An account in Brussels with the key KEY, at the time of the vendor's examples."""
    made = MemoryGateway(api, settings, store=store)
    made.clock.now = ADDED
    await made.account(**{"time_zone": BRUSSELS, **account})
    return made


def compact(text: str) -> str:
    """The same JSON as a server writes it, the order of its keys kept."""
    return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)


async def expected(text: str, at: MemoryGateway) -> str:
    return compact(text.replace("$guid", (await at.rows())[-1].guid))


def result_of(answer: Answer) -> dict[str, Any]:
    (result,) = json.loads(answer.body).values()
    return dict(result)


async def listed(at: MemoryGateway, **filters: str) -> list[dict[str, Any]]:
    answer = await at.get("/log/sent/sms/", apikey=KEY, **filters)
    assert answer.status == 200, answer.body
    return list(result_of(answer)["sms"])


# the documented exchanges


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
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
BEARER = {"Authorization": f"Bearer {KEY}"}

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


@pytest.mark.parametrize("target", ["/log/sent/sms/", "/log/sent/sms", "//log/sent/sms"])
@pytest.mark.parametrize("how", ["get", "bearer", "post", "json"])
@on_the_loop
async def test_the_log_of_sent_messages_is_the_vendors_example(target: str, how: str) -> None:
    at = await house(time_zone="UTC")
    phone = at.connect(PHONE, time_zone=BRUSSELS)
    await at.get("/sendsms/", **SEND)
    at.clock.advance(SENT_AFTER_S)
    await at.deliver(phone)
    if how == "get":
        answer = await at.get(target, apikey=KEY)
    elif how == "bearer":
        answer = await at.get(target, BEARER)
    elif how == "post":
        answer = await at.post(target, {"apikey": KEY})
    else:
        answer = await at.post_json(target, {"apikey": KEY})
    assert answer.status == 200
    assert answer.body.decode() == await expected(LISTED, at)


@on_the_loop
async def test_an_answer_passes_the_test_that_the_odoo_client_makes() -> None:
    at = await house()
    sent = json.loads((await at.get("/sendsms/", **SEND)).body)
    failed = json.loads((await at.get("/sendsms/", apikey=KEY)).body)
    assert "'sent': '1'" in repr(sent["result"])
    assert "'sent': '1'" not in repr(failed["result"])
    assert "error" not in sent and "error" not in failed


# parameters of sendsms

FUTURE = int((ADDED + timedelta(hours=1)).timestamp())

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
    assert (other.status, list(result_of(other).items())[0]) == (409, ("error", "idempotency_conflict"))
    assert len(await at.rows()) == 1


@on_the_loop
async def test_the_key_of_the_header_comes_before_the_field() -> None:
    at = await house()
    for field_key in ("a", "b"):
        await at.post("/sendsms/", {**SEND, "idempotency_key": field_key}, {"Idempotency-Key": "one"})
    assert len(await at.rows()) == 1


# refusals

MESSAGE = "Invalid parameter: "

REFUSED: list[tuple[dict[str, str], int, str, str]] = [
    ({"recipients": ""}, 400, "missing_parameter", "Missing required parameter: recipients"),
    ({"recipients": " ,; "}, 400, "missing_parameter", "Missing required parameter: recipients"),
    ({"message": ""}, 400, "missing_parameter", "Missing required parameter: message"),
    ({"recipients": "hello"}, 400, "invalid_recipient", MESSAGE + "recipients 'hello' is not a phone number"),
    ({"recipients": "+32495898697,né"}, 400, "invalid_recipient", MESSAGE + "recipients 'n\\xe9' is not a phone number"),
    ({"recipients": ",".join(["10001"] * 1001)}, 400, "invalid_parameter", MESSAGE + "recipients has more than 1000 numbers"),
    ({"message": "x" * 39_016}, 400, "invalid_parameter", MESSAGE + "message is longer than 255 segments"),
    ({"port": "3"}, 400, "invalid_parameter", MESSAGE + "port must be 1, 2 or empty"),
    ({"port": "abc"}, 400, "invalid_parameter", MESSAGE + "port must be a whole number"),
    ({"port": "-1"}, 400, "invalid_parameter", MESSAGE + "port must be a whole number"),
    ({"port": "١"}, 400, "invalid_parameter", MESSAGE + "port must be a whole number"),
    ({"port": "2", "sIdentifiant": "0000000000000001"}, 400, "invalid_parameter", MESSAGE + "port no device has this SIM slot"),
    ({"sIdentifiant": "nowhere"}, 400, "invalid_parameter", MESSAGE + "sIdentifiant is not one of this account's devices"),
    ({"sIdentifiant": "theirs"}, 400, "invalid_parameter", MESSAGE + "sIdentifiant is not one of this account's devices"),
    ({"schedule_timestamp": "tomorrow"}, 400, "invalid_parameter", MESSAGE + "schedule_timestamp must be a whole number"),
    ({"schedule_timestamp": "1.5"}, 400, "invalid_parameter", MESSAGE + "schedule_timestamp must be a whole number"),
    ({"schedule_timestamp": f"{FUTURE}000"}, 400, "invalid_parameter", MESSAGE + "schedule_timestamp must be a UNIX timestamp in seconds"),
    ({"schedule_timestamp": "9" * 400}, 400, "invalid_parameter", MESSAGE + "schedule_timestamp must be a whole number"),
    ({"schedule_timestamp": str(FUTURE + 367 * 86400)}, 400, "invalid_parameter", MESSAGE + "schedule_timestamp is more than a year away"),
    ({"validity_s": "59"}, 400, "invalid_parameter", MESSAGE + "validity_s must be from 60 to 604800"),
    ({"validity_s": "soon"}, 400, "invalid_parameter", MESSAGE + "validity_s must be a whole number"),
    ({"idempotency_key": "k" * 256}, 400, "invalid_parameter", MESSAGE + "idempotency_key is longer than 255 characters"),
    ({"sendsms": "0"}, 400, "invalid_parameter", MESSAGE + "sendsms asks for no SMS, and nothing else was asked for"),
    ({"sendsms": "0", "from": "python"}, 400, "invalid_parameter", MESSAGE + "sendsms asks for no SMS, and nothing else was asked for"),
    ({"waonly": "yes"}, 400, "invalid_parameter", MESSAGE + "waonly asks for what this server does not offer"),
]


@pytest.mark.parametrize(("fields", "status", "code", "message"), REFUSED)
@on_the_loop
async def test_a_send_that_is_refused_for_what_it_says_is_named_kept_and_listed(
    fields: dict[str, str], status: int, code: str, message: str
) -> None:
    at = await house()
    at.connect()
    at.connect("0000000000000001", sims=1)
    at.connect("theirs", account_id=2)
    answer = await at.post("/sendsms/", {**SEND, **fields})
    body = json.dumps({"result": {"error": code, "sent": "0", "message": message, "id": "$guid"}})
    assert (answer.status, answer.body.decode()) == (status, await expected(body, at))
    (row,) = await listed(at, error_api="1")
    assert (row["error_api"], row["guid_message"], row["send_from_mobile_erreur"]) == (code, result_of(answer)["id"], "")
    assert row["sms"] == fields.get("message", "test")
    assert NOT_SENT_YET.items() <= row.items()


KEYS: list[tuple[dict[str, str], str | None, int, str, str]] = [
    ({}, None, 400, "missing_apikey", "Missing required parameter: apikey"),
    ({"apikey": ""}, None, 400, "missing_apikey", "Missing required parameter: apikey"),
    ({"apikey": " "}, None, 400, "missing_apikey", "Missing required parameter: apikey"),
    ({}, "Bearer ", 400, "missing_apikey", "Missing required parameter: apikey"),
    ({}, "Basic YTpi", 400, "missing_apikey", "Missing required parameter: apikey"),
    ({"apikey": "wrong"}, None, 403, "invalid_apikey", "the API key is not valid"),
    ({"apikey": "ended"}, None, 403, "expired_apikey", "the API key has expired"),
    ({"apikey": "devices"}, None, 403, "forbidden", "the API key may not do this: it lacks the scope SCOPE"),
    ({}, "Bearer wrong", 401, "invalid_apikey", "the API key is not valid"),
    ({}, "Bearer ended", 401, "expired_apikey", "the API key has expired"),
    ({"apikey": "wrong"}, "Bearer wrong", 401, "invalid_apikey", "the API key is not valid"),
    ({}, "Bearer devices", 403, "forbidden", "the API key may not do this: it lacks the scope SCOPE"),
]


@pytest.mark.parametrize(("target", "scope"), [("/sendsms/", "send"), ("/log/sent/sms/", "read"), ("//log/sent/sms", "read")])
@pytest.mark.parametrize(("fields", "authorization", "status", "code", "message"), KEYS)
@on_the_loop
async def test_a_caller_without_a_good_key_is_told_so_and_leaves_nothing(
    target: str, scope: str, fields: dict[str, str], authorization: str | None, status: int, code: str, message: str
) -> None:
    at = await house()
    account = await at.account("other")
    await at.key(account, "ended", expires=ADDED)
    await at.key(account, "devices", Scope.DEVICES)
    rest = {name: value for name, value in SEND.items() if name != "apikey"}
    answer = await at.post(target, {**rest, **fields}, {"Authorization": authorization} if authorization else {})
    result: dict[str, object] = {"error": code, "sent": "0", "message": message.replace("SCOPE", scope)}
    if scope == "read":
        result["sms"] = []
    assert (answer.status, answer.body.decode()) == (status, compact(json.dumps({"result": result})))
    assert answer.headers.get("www-authenticate") == ('Bearer error="invalid_token"' if status == 401 else None)
    assert await at.rows() == await at.rows(account.id) == []


@on_the_loop
async def test_a_key_may_be_for_sending_alone_or_for_reading_alone() -> None:
    at = await house(scopes=Scope.SEND)
    await at.account("reader", Scope.READ)
    assert [
        (await at.get(path, **{**SEND, "apikey": key})).status for key in (KEY, "reader") for path in ("/sendsms/", "/log/sent/sms/")
    ] == [
        200,
        403,
        403,
        200,
    ]


class Failing(MemoryStore):
    """Its accept fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def accept(self, acceptance: Acceptance) -> Receipt:
        raise self._error


@pytest.mark.parametrize(
    ("error", "status", "code", "is_kept", "retry_after"),
    [
        (Unavailable("the disk is full"), 503, "unavailable", False, None),
        (OptedOut("the recipient has asked for silence"), 400, "recipient_opted_out", True, None),
        (QuotaExceeded("too many", retry_after_s=7), 429, "quota_exceeded", True, "7"),
        (QuotaExceeded("too many"), 429, "quota_exceeded", True, "86400"),
        (RuntimeError("text and key"), 500, "internal", False, None),
    ],
)
@on_the_loop
async def test_what_goes_wrong_behind_the_door_is_worded_too(
    error: Exception, status: int, code: str, is_kept: bool, retry_after: str | None
) -> None:
    at = await house(store=Failing(error))
    answer = await at.get("/sendsms/", **SEND)
    result = result_of(answer)
    assert (answer.status, result["error"], result["sent"], "id" in result) == (status, code, "0", is_kept)
    assert answer.headers.get("retry-after") == retry_after
    assert [row.status for row in await at.rows()] == [Status.FAILED] * is_kept
    assert "text and key" not in repr(at.log.lines) + result["message"]


def kinds() -> list[type[Refused]]:
    """Every refusal that the core can make."""
    found, todo = [], [Refused]
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        if "kind" in vars(kind) and kind is not Refused:
            found.append(kind)
    return found


def test_every_refusal_of_the_core_has_a_code() -> None:
    assert {kind.kind for kind in kinds() if kind.__module__ == errors.__name__} == set(CODES)


@on_the_loop
async def test_a_message_that_is_not_there_is_404() -> None:
    reply = (await house()).api.word(Call("GET", "/sendsms"), errors.NotFound("no such message"))
    assert (reply.status, reply.body) == (404, b'{"result":{"error":"not_found","sent":"0","message":"no such message"}}')


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "code"),
    [
        ("DELETE", "/sendsms/", {}, b"", 405, "method_not_allowed"),
        ("POST", "/sendsms/", JSON, b"[1]", 400, "invalid_json"),
        ("POST", "/log/sent/sms/", JSON, b"{", 400, "invalid_json"),
        ("POST", "/sendsms/", FORM, b"message=a%00b", 400, "invalid_character"),
    ],
)
@on_the_loop
async def test_what_the_door_refuses_has_the_vendors_envelope(
    method: str, path: str, headers: dict[str, str], body: bytes, status: int, code: str
) -> None:
    at = await house()
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    answer = await at.say(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    result = result_of(answer)
    assert (answer.status, result["error"], result["sent"]) == (status, code, "0")
    assert ("sms" in result) is path.startswith("/log")


@on_the_loop
async def test_legacy_errors_are_the_same_bodies_with_200() -> None:
    strict, legacy = await house(), await house(ApiSettings(legacy_errors=True))
    for fields in ({}, {"apikey": "wrong"}, {**SEND, "idempotency_key": "k" * 256}, {**SEND, "message": ""}):
        first, second = await strict.post("/sendsms/", fields), await legacy.post("/sendsms/", fields)
        assert first.status >= 400
        assert second.status == 200
        bodies = [{k: v for k, v in result_of(answer).items() if k != "id"} for answer in (first, second)]
        assert bodies[0] == bodies[1]
    assert (await legacy.get("/log/sent/sms/")).status == 200


LONG = "x" * 10_000


@pytest.mark.parametrize(
    "name", [*SEND, "port", "sIdentifiant", "sendsms", "schedule_timestamp", "validity_s", "idempotency_key", "from", *LATER]
)
@pytest.mark.parametrize("value", [LONG, "9" * 10_000, "é😀" * 5_000, " " * 10_000, "+" * 10_000, "," * 10_000])
@on_the_loop
async def test_a_very_long_value_is_no_fault_of_ours(name: str, value: str) -> None:
    at = await house()
    answer = await at.post("/sendsms/", {**SEND, name: value})
    assert answer.status < 500, answer.body
    assert answer.status == 200 or len(answer.body) < 1000


@pytest.mark.parametrize("name", ["apikey", "guid_message", "before", "error_api", "error_mobile", "keyword"])
@on_the_loop
async def test_a_very_long_filter_is_no_fault_of_ours(name: str) -> None:
    at = await house()
    await at.post("/sendsms/", SEND)
    for value in (LONG, "9" * 10_000, "a" * 40, "é😀" * 5_000):
        assert (await at.post("/log/sent/sms/", {"apikey": KEY, name: value})).status < 500


# the log


@on_the_loop
async def test_a_message_that_waits_has_no_date_of_sending() -> None:
    at = await house()
    await at.post("/sendsms/", {**SEND, "port": "2"})
    (row,) = await listed(at)
    assert NOT_SENT_YET.items() <= row.items()
    assert (row["port"], row["error_api"], row["send_from_mobile_erreur"], row["timestamp_server"]) == (2, "", "", 1774040864)
    assert list(row) == list(json.loads(LISTED)["result"]["sms"][0])
    assert {name: type(value) for name, value in row.items()} == {
        name: type(value) for name, value in json.loads(LISTED)["result"]["sms"][0].items()
    }


@pytest.mark.parametrize(
    ("zone", "area", "hour", "epoch"),
    [
        ("UTC", "UTC+00", "21:07:44", 1774040864),
        ("America/St_Johns", "UTC-02:30", "18:37:44", 1774040864 - 9000),
        ("Asia/Kathmandu", "UTC+05:45", "02:52:44", 1774040864 + 20700),
    ],
)
@on_the_loop
async def test_local_times_are_those_of_the_phones_zone_or_else_of_the_accounts(zone: str, area: str, hour: str, epoch: int) -> None:
    for account_zone, phone_zone in ((zone, None), (BRUSSELS, zone)):
        at = await house(time_zone=account_zone)
        phone = at.connect(PHONE, time_zone=phone_zone)
        await at.post("/sendsms/", SEND)
        await at.deliver(phone)
        (row,) = await listed(at)
        assert (row["timearea"], row["hour_add"], row["timestamp"]) == (area, hour, epoch)
        assert (row["send_from_mobile_heure"], row["send_from_mobile_timestamp"], row["hour_add_server"]) == (hour, epoch, "21:07:44")


@on_the_loop
async def test_each_time_has_the_offset_that_was_in_force_then() -> None:
    at = await house()
    at.clock.now = datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)
    phone = at.connect()
    await at.post("/sendsms/", SEND)
    at.clock.advance(2)
    await at.deliver(phone)
    (row,) = await listed(at)
    assert (row["hour_add"], row["timearea"], row["send_from_mobile_heure"]) == ("01:59:59", "UTC+01", "03:00:01")


ENDS: list[tuple[Exception | None, float, str, int]] = [
    (SendFailed("no network"), 0, "", 0),
    (SendFailed("barred", permanent=True), 0, "barred", 0),
    (SendFailed("silence", unknown=True), 0, "outcome unknown: the phone may have sent it", 0),
    (None, 73 * 3600, "expired before a phone could send it", 0),
    (None, 0, "", 1),
]


@pytest.mark.parametrize(("befalls", "wait_s", "shown", "sent"), ENDS)
@on_the_loop
async def test_an_error_of_the_phone_is_shown_once_there_is_no_other_try(
    befalls: Exception | None, wait_s: float, shown: str, sent: int
) -> None:
    at = await house()
    phone = at.connect()
    phone.script = [befalls] if befalls else []
    await at.post("/sendsms/", SEND)
    at.clock.advance(wait_s)
    await at.deliver(phone)
    (row,) = await listed(at)
    assert (row["send_from_mobile_erreur"], row["send_from_mobile"], row["error_api"]) == (shown, sent, "")


@on_the_loop
async def test_a_failure_that_is_reported_later_has_both_a_date_of_sending_and_an_error() -> None:
    at = await house()
    phone = at.connect()
    await at.post("/sendsms/", SEND)
    await at.deliver(phone)
    await at.outcome.report(DeliveryReport(device=phone.device.id, device_message_id="1", status=Status.FAILED, at=ADDED))
    (row,) = await listed(at)
    assert (row["send_from_mobile"], row["send_from_mobile_erreur"]) == (1, "failed")


async def several() -> MemoryGateway:
    """Four messages, a second apart: a waiting one, one that a phone failed, a refused one, a sent one."""
    at = await house()
    phone = at.connect()
    await at.post("/sendsms/", {**SEND, "message": "waits", "schedule_timestamp": str(FUTURE)})
    at.clock.advance(1)
    phone.script = [SendFailed("barred", permanent=True)]
    await at.post("/sendsms/", {**SEND, "message": "fails", "recipients": "+447700900123"})
    await at.deliver(phone)
    at.clock.advance(1)
    await at.post("/sendsms/", {**SEND, "message": "refused", "port": "9"})
    at.clock.advance(1)
    await at.post("/sendsms/", {**SEND, "message": "goes"})
    await at.deliver(phone)
    return at


FILTERS: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["goes", "refused", "fails", "waits"]),
    ({"error_api": "1"}, ["refused"]),
    ({"error_api": "0"}, ["goes", "refused", "fails", "waits"]),
    ({"error_mobile": "1"}, ["fails"]),
    ({"error_mobile": ""}, ["goes", "refused", "fails", "waits"]),
    ({"error_api": "1", "error_mobile": "1"}, []),
    ({"keyword": "FAIL"}, ["fails"]),
    ({"keyword": "7700900"}, ["fails"]),
    ({"keyword": "nowhere"}, []),
    ({"keyword": "%"}, []),
    ({"before": "1774040865"}, ["waits"]),
    ({"before": "1774040867"}, ["refused", "fails", "waits"]),
    ({"before": "1774040864"}, []),
    ({"before": "99999999999"}, ["goes", "refused", "fails", "waits"]),
    ({"before": ""}, ["goes", "refused", "fails", "waits"]),
    ({"before": "0"}, ["goes", "refused", "fails", "waits"]),
    ({"guid_message": "c319d3b35e8f8712cde20dae39ac3c19f86eda25"}, []),
    ({"guid_message": "x"}, []),
    ({"guid_message": ""}, ["goes", "refused", "fails", "waits"]),
]


@pytest.mark.parametrize(("filters", "texts"), FILTERS)
@on_the_loop
async def test_the_log_is_filtered_newest_first(filters: dict[str, str], texts: list[str]) -> None:
    assert [row["sms"] for row in await listed(await several(), **filters)] == texts


@on_the_loop
async def test_a_list_that_finds_nothing_is_a_success() -> None:
    answer = await (await house()).get("/log/sent/sms/", apikey=KEY, guid_message="0" * 40)
    assert (answer.status, answer.body) == (200, b'{"result":{"error":"0","sms":[]}}')


@on_the_loop
async def test_one_message_is_found_by_its_guid_and_the_last_guid_pages_on() -> None:
    at = await several()
    guids = [row["guid_message"] for row in await listed(at)]
    for guid in guids:
        assert [row["guid_message"] for row in await listed(at, guid_message=f" {guid} ")] == [guid]
    pages = [guids[0]]
    while page := await listed(at, before=pages[-1]):
        pages.append(page[0]["guid_message"])
    assert pages == guids


@pytest.mark.parametrize("before", ["yesterday", "-1", "1774040865.5", "c319d3b35e8f8712cde20dae39ac3c19f86eda25", "177404086500"])
@on_the_loop
async def test_a_place_in_the_log_that_cannot_be_read_is_refused(before: str) -> None:
    answer = await (await house()).get("/log/sent/sms/", apikey=KEY, before=before)
    message = "Invalid parameter: before must be a message's guid or a UNIX timestamp"
    result = {"error": "invalid_parameter", "sent": "0", "message": message, "sms": []}
    assert (answer.status, json.loads(answer.body)) == (400, {"result": result})


@on_the_loop
async def test_the_log_has_at_most_200_rows() -> None:
    at = await house()
    await at.post("/sendsms/", {**SEND, "recipients": ",".join(["10001"] * 201)})
    rows = await listed(at)
    assert len(rows) == 200
    assert len(await listed(at, before=rows[-1]["guid_message"])) == 1


@on_the_loop
async def test_another_accounts_messages_are_as_unknown_as_if_they_never_were() -> None:
    at = await house()
    await at.account("other")
    await at.post("/sendsms/", {**SEND, "apikey": "other", "message": "theirs"})
    (theirs,) = await at.rows(2)
    assert await listed(at) == []
    assert await listed(at, guid_message=theirs.guid) == []
    assert await listed(at, keyword="theirs") == []


@on_the_loop
async def test_a_repeated_key_of_another_account_is_nobodys_business() -> None:
    at = await house()
    await at.account("other")
    guids = {result_of(await at.post("/sendsms/", {**SEND, "apikey": key, "idempotency_key": "one"}))["id"] for key in (KEY, "other")}
    assert len(guids) == 2


@on_the_loop
async def test_no_key_and_no_text_reaches_the_log_of_the_server() -> None:
    at = await house()
    for fields in (SEND, {**SEND, "apikey": "wrong-secret"}, {**SEND, "port": "9", "message": "very private"}):
        await at.get("/sendsms/", **fields)
    said = repr(at.log.lines)
    assert "403" in said
    assert KEY not in said and "wrong-secret" not in said and "private" not in said
