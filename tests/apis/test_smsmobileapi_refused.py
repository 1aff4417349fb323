"""What SMSMobileAPI refuses: each code with its status and its body, what is kept of it, and that nothing makes the server fail."""

from __future__ import annotations

import json

import pytest

from adapters.apis import ApiSettings
from adapters.apis.smsmobileapi import CODES, LATER
from adapters.call import Call
from adapters.storage.memory import MemoryStore
from service import errors
from service.accounts import Scope
from service.errors import OptedOut, QuotaExceeded, Refused, Unavailable
from service.lifecycle import Status
from service.messages import Receipt
from service.ports import Acceptance
from tests.apis.gateway import KEY
from tests.apis.smsmobileapi_peer import (
    ADDED,
    FORM,
    FUTURE,
    JSON,
    NOT_SENT_YET,
    SEND,
    compact,
    expected,
    house,
    listed,
    result_of,
)
from tests.fakes import on_the_loop

MESSAGE = "Invalid parameter: "
WISHES = ("shorturl", "sendwa", "waonly", "encrypt_message")

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
    ({"url_media": "https://a.test/a.pdf"}, 400, "invalid_parameter", MESSAGE + "url_media asks for what this server does not offer"),
    ({"waonly": "yes"}, 400, "invalid_parameter", MESSAGE + "sendwa no phone of this account can send WhatsApp messages"),
    ({"sendwa": "1"}, 400, "invalid_parameter", MESSAGE + "sendwa no phone of this account can send WhatsApp messages"),
    (
        {"sendwa": "1", "sIdentifiant": "0000000000000001"},
        400,
        "invalid_parameter",
        MESSAGE + "sendwa this phone has no WhatsApp",
    ),
    ({"waonly": "maybe"}, 400, "invalid_parameter", MESSAGE + "waonly must be 1, yes or empty"),
    ({"sendwa": "2"}, 400, "invalid_parameter", MESSAGE + "sendwa must be 1, yes or empty"),
    ({"shorturl": "maybe"}, 400, "invalid_parameter", MESSAGE + "shorturl must be 1, yes or empty"),
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
    no_scope = f'Bearer error="insufficient_scope", scope="{scope}"' if authorization == "Bearer devices" else None
    assert answer.headers.get("www-authenticate") == ('Bearer error="invalid_token"' if status == 401 else no_scope)
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
        (OptedOut("+32495898697"), 400, "recipient_opted_out", True, None),
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
async def test_what_is_said_is_ascii() -> None:
    reply = (await house()).api.word(Call("GET", "/sendsms"), errors.Invalid("text", "is é"))
    assert json.loads(reply.body)["result"]["message"] == "Invalid parameter: message is \\xe9"


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
    "name", [*SEND, "port", "sIdentifiant", "sendsms", "schedule_timestamp", "validity_s", "idempotency_key", "from", *LATER, *WISHES]
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


@on_the_loop
async def test_no_key_and_no_text_reaches_the_log_of_the_server() -> None:
    at = await house()
    for fields in (SEND, {**SEND, "apikey": "wrong-secret"}, {**SEND, "port": "9", "message": "very private"}):
        await at.get("/sendsms/", **fields)
    said = repr(at.log.lines)
    assert "403" in said
    assert KEY not in said and "wrong-secret" not in said and "private" not in said
