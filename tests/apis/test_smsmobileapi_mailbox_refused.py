"""What the reading endpoints refuse, each in the API's own wording; and that nothing makes the server fail."""

from __future__ import annotations

import json

import pytest

from adapters.apis import ApiSettings
from service.accounts import Scope
from tests.apis.gateway import KEY, MemoryGateway
from tests.apis.smsmobileapi_peer import ADDED, SEND, compact, house, result_of
from tests.apis.test_smsmobileapi_mailbox import inbox, receive
from tests.fakes import on_the_loop

SID = "e5b70a8a28b2ec3d"
GUID = "BF3B38D7-8401-7A8C-8BA6-D8D58ACBB23E"

ENDPOINTS: dict[str, tuple[dict[str, str], str, str]] = {
    "/log/sent/sms/": ({}, "read", "sms"),
    "/log/sent/frommobile/": ({}, "read", "sms"),
    "/resend/": ({"guid": "0" * 40}, "send", ""),
    "/getsms/": ({}, "read", "sms"),
    "/getsms/set-read/": ({"guid_message": GUID}, "read", ""),
    "/getsms/update/": ({"guid": GUID, "alias": "x"}, "read", ""),
    "/deletesms/": ({"guid_message": GUID}, "send|read", ""),
    "/conversation/sms/list/": ({"origineConversation": "sent"}, "read", "conversations"),
    "/gateway/mobile/list/": ({}, "devices", "mobiles"),
    "/gateway/mobile/update/": ({"sid": SID, "label": "x"}, "devices", ""),
    "/gateway/mobile/delete/": ({"sid": SID}, "devices", ""),
    "/verifytoken/": ({}, "", ""),
}
"""with the least that each needs, the scope, and the list of its answer"""

KEYS = {
    "": (400, "missing_apikey", "Missing required parameter: apikey", "Missing required parameter: apikey"),
    "wrong": (403, "invalid_apikey", "the API key is not valid", "Invalid apikey"),
    "ended": (403, "expired_apikey", "the API key has expired", "Expired apikey"),
    "webhooks": (
        403,
        "forbidden",
        "the API key may not do this: it lacks the scope SCOPE",
        "the API key may not do this: it lacks the scope SCOPE",
    ),
}


def refusal(target: str, code: str, message: str, sentence: str | None = None) -> str:
    """The whole body, in the endpoint's family."""
    if target.startswith("/conversation/"):
        return compact(json.dumps({"success": False, "error": sentence or message}))
    listed = ENDPOINTS[target][2]
    return compact(json.dumps({"result": {"error": code, "sent": "0", "message": message, **({listed: []} if listed else {})}}))


@pytest.mark.parametrize("target", ENDPOINTS)
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("slash", [True, False])
@on_the_loop
async def test_a_caller_without_a_good_key_is_told_so(target: str, key: str, slash: bool) -> None:
    at = await house()
    account = await at.account("other")
    await at.key(account, "ended", expires=ADDED)
    await at.key(account, "webhooks", Scope.WEBHOOKS)
    fields, scope, _ = ENDPOINTS[target]
    status, code, message, sentence = KEYS[key]
    answer = await at.get(target if slash else target.rstrip("/"), **fields, **({"apikey": key} if key else {}))
    if key == "webhooks" and not scope:
        assert (answer.status, answer.body) == (200, b'{"status":"OK"}')
        return
    expected = refusal(target, code, message.replace("SCOPE", scope), sentence.replace("SCOPE", scope))
    assert (answer.status, answer.body.decode()) == (status, expected)
    bearer = await at.get(target, {"Authorization": f"Bearer {key}"}, **fields)
    assert bearer.status == (401 if key in ("wrong", "ended") else status)


@on_the_loop
async def test_legacy_errors_are_the_same_bodies_with_200() -> None:
    strict, legacy = await house(), await house(ApiSettings(legacy_errors=True))
    for target in ENDPOINTS:
        first, second = await strict.get(target), await legacy.get(target)
        assert (first.status, second.status, first.body) == (400, 200, second.body)


MISSING, WRONG, DATE = "Missing required parameter: ", "Invalid parameter: ", " must be a date, YYYY-MM-DD"
CALLS: list[tuple[str, dict[str, str], int, str, str]] = [
    ("/resend/", {}, 400, "missing_parameter", MISSING + "guid"),
    ("/resend/", {"guid": "x"}, 404, "not_found", "there is no such message"),
    ("/resend/", {"guid": "0" * 40}, 404, "not_found", "there is no such message"),
    ("/getsms/", {"after_timestamp_unix": "yesterday"}, 400, "invalid_parameter", WRONG + "after_timestamp_unix must be a whole number"),
    ("/getsms/", {"after_timestamp_unix": "-1"}, 400, "invalid_parameter", WRONG + "after_timestamp_unix must be a whole number"),
    (
        "/getsms/",
        {"after_timestamp_unix": "1774041814000"},
        400,
        "invalid_parameter",
        WRONG + "after_timestamp_unix must be a UNIX timestamp in seconds",
    ),
    ("/getsms/set-read/", {}, 400, "missing_parameter", MISSING + "guid_message"),
    ("/getsms/set-read/", {"guid_message": GUID}, 404, "not_found", "there is no such message"),
    ("/getsms/set-read/", {"guid_message": "x"}, 404, "not_found", "there is no such message"),
    ("/getsms/update/", {"alias": "x"}, 400, "missing_parameter", MISSING + "guid"),
    ("/getsms/update/", {"guid": GUID}, 400, "missing_parameter", MISSING + "alias"),
    ("/getsms/update/", {"guid": GUID, "alias": ""}, 404, "not_found", "there is no such message"),
    ("/getsms/update/", {"guid": GUID, "alias": "x" * 256}, 400, "invalid_parameter", WRONG + "alias is longer than 255 characters"),
    ("/deletesms/", {}, 400, "missing_parameter", MISSING + "guid_message"),
    ("/deletesms/", {"guid_message": " "}, 400, "missing_parameter", MISSING + "guid_message"),
    ("/deletesms/", {"date_end": "2026-03-20"}, 400, "missing_parameter", MISSING + "date_start"),
    ("/deletesms/", {"date_start": "20/03/2026"}, 400, "invalid_parameter", WRONG + "date_start" + DATE),
    ("/deletesms/", {"date_start": "2026-02-30"}, 400, "invalid_parameter", WRONG + "date_start" + DATE),
    ("/deletesms/", {"date_start": "20260320"}, 400, "invalid_parameter", WRONG + "date_start" + DATE),
    ("/deletesms/", {"date_start": "0001-01-01"}, 400, "invalid_parameter", WRONG + "date_start" + DATE),
    ("/deletesms/", {"date_start": "9999-12-31"}, 400, "invalid_parameter", WRONG + "date_start" + DATE),
    ("/deletesms/", {"date_start": "2026-03-20", "date_end": "x"}, 400, "invalid_parameter", WRONG + "date_end" + DATE),
    (
        "/deletesms/",
        {"date_start": "2026-03-20", "date_end": "2026-03-19"},
        400,
        "invalid_parameter",
        WRONG + "date_end is before date_start",
    ),
    ("/log/sent/frommobile/", {"date": "20.03.2026"}, 400, "invalid_parameter", WRONG + "date" + DATE),
    ("/log/sent/frommobile/", {"date_from": "x"}, 400, "invalid_parameter", WRONG + "date_from" + DATE),
    ("/log/sent/frommobile/", {"date_to": "2026-13-01"}, 400, "invalid_parameter", WRONG + "date_to" + DATE),
    (
        "/log/sent/frommobile/",
        {"period": "ever"},
        400,
        "invalid_parameter",
        WRONG + "period must be one of today, yesterday, last_3days, last_7days, last_24h",
    ),
    (
        "/log/sent/frommobile/",
        {"sort_by": "id"},
        400,
        "invalid_parameter",
        WRONG + "sort_by must be one of sIdentifiant, number, message, mobile_date_ms, mobile_date_formatted, synchro_time",
    ),
    ("/log/sent/frommobile/", {"sort_order": "up"}, 400, "invalid_parameter", WRONG + "sort_order must be one of ASC, DESC"),
    *[
        ("/log/sent/frommobile/", {"limit": limit}, 400, "invalid_parameter", WRONG + "limit must be a whole number from 1")
        for limit in ("0", "-1", "ten", "1.5", "000", "²")
    ],
    ("/conversation/sms/list/", {}, 400, "", MISSING + "origineConversation"),
    ("/conversation/sms/list/", {"origineConversation": "both"}, 400, "", WRONG + "origineConversation"),
    *[
        ("/conversation/sms/list/", {"origineConversation": "sent", name: value}, 400, "", WRONG + name)
        for name, value in (
            ("sort", "up"),
            ("limit", "0"),
            ("limit", "x"),
            ("resume", "2"),
            ("resume_line_how", "0"),
            ("date_from", "yesterday"),
            ("date_from", "2026-03-20 25:00:00"),
            ("date_to", "2026-02-30"),
            ("date_to", "9999-12-31"),
            ("date_from", "0001-01-01 00:00:00"),
        )
    ],
    (
        "/conversation/sms/list/",
        {"origineConversation": "sent", "date_from": "2026-03-20", "date_to": "2026-03-19"},
        400,
        "",
        WRONG + "date_to",
    ),
    ("/gateway/mobile/update/", {"label": "x"}, 400, "missing_parameter", MISSING + "sid"),
    ("/gateway/mobile/update/", {"sid": SID}, 400, "missing_parameter", MISSING + "label"),
    ("/gateway/mobile/update/", {"sid": SID, "label": "x"}, 404, "not_found", "there is no such device"),
    ("/gateway/mobile/update/", {"sid": SID, "label": "x" * 256}, 400, "invalid_parameter", WRONG + "label is longer than 255 characters"),
    (
        "/gateway/mobile/update/",
        {"sid": SID, "label": "", "sync_sent": "maybe"},
        400,
        "invalid_parameter",
        WRONG + "sync_sent must be 0 or 1",
    ),
    ("/gateway/mobile/delete/", {}, 400, "missing_parameter", MISSING + "sid"),
    ("/gateway/mobile/delete/", {"sid": SID}, 404, "not_found", "there is no such device"),
]


@pytest.mark.parametrize(("target", "fields", "status", "code", "message"), CALLS)
@on_the_loop
async def test_a_call_that_cannot_be_answered_is_told_why(
    target: str, fields: dict[str, str], status: int, code: str, message: str
) -> None:
    at = await house()
    for how in (at.get(target, apikey=KEY, **fields), at.post(target, {"apikey": KEY, **fields})):
        answer = await how
        assert (answer.status, answer.body.decode()) == (status, refusal(target, code, message))


async def theirs() -> tuple[MemoryGateway, str, str]:
    """Another account's phone, a failed message of theirs, and one that they received."""
    at = await house()
    other = await at.account("other")
    at.connect(SID, account_id=other.id, sync_sent=True)
    sent = result_of(await at.post("/sendsms/", {**SEND, "apikey": "other"}))["id"]
    at.clock.advance(73 * 3600)
    await at.store.expire(at.clock.now, 10)
    await receive(at, "10001", "private")
    return at, sent, (await inbox(at, apikey="other"))[0]["guid"]


@on_the_loop
async def test_another_accounts_things_are_as_unknown_as_if_they_never_were() -> None:
    at, sent, received = await theirs()
    assert (await at.get("/resend/", apikey=KEY, guid=sent)).status == 404
    assert (await at.get("/getsms/set-read/", apikey=KEY, guid_message=received)).status == 404
    assert (await at.get("/getsms/update/", apikey=KEY, guid=received, alias="x")).status == 404
    for guid in (sent, received):
        assert result_of(await at.get("/deletesms/", apikey=KEY, guid_message=guid))["count_delete"] == 0
    assert result_of(await at.get("/deletesms/", apikey=KEY, date_start="2026-03-01", date_end="2026-04-01"))["count_delete"] == 0
    assert await inbox(at) == await inbox(at, sIdentifiantPhone=SID) == []
    assert result_of(await at.get("/log/sent/frommobile", apikey=KEY, sIdentifiant=SID))["sms"] == []
    for numero in ("", "10001", SEND["recipients"]):
        for origin in ("sent", "received"):
            answer = await at.get("/conversation/sms/list", apikey=KEY, origineConversation=origin, numero=numero)
            assert json.loads(answer.body)["conversations"] == []
    assert result_of(await at.get("/gateway/mobile/list", apikey=KEY, sid=SID))["mobiles"] == []
    assert (await at.get("/gateway/mobile/update", apikey=KEY, sid=SID, label="x")).status == 404
    assert (await at.get("/gateway/mobile/delete", apikey=KEY, sid=SID)).status == 404
    (row,) = await inbox(at, apikey="other", onlyunread="yes")
    assert (row["message"], row["alias"]) == ("private", None)
    assert len(await at.rows(2)) == 1


@on_the_loop
async def test_a_key_that_only_reads_changes_nothing_on_the_air() -> None:
    at = await house()
    await at.account("reader", Scope.READ)
    for target in ("/resend/", "/deletesms/", "/gateway/mobile/delete/"):
        assert (await at.get(target, **{**ENDPOINTS[target][0], "apikey": "reader"})).status == 403


NAMES = [
    *("guid_message", "before", "error_api", "error_mobile", "keyword", "date", "date_from", "date_to", "period", "number", "sIdentifiant"),
    *("message", "search", "sort_by", "sort_order", "limit", "sIdentifiantPhone", "after_timestamp_unix", "onlyunread", "guid", "alias"),
    *("date_start", "date_end", "origineConversation", "numero", "sort", "resume", "resume_line_how", "sid", "label", "phone_number"),
    *("apikey", "sync_sent"),
]
LONG = ["x" * 10_000, "9" * 10_000, "é😀" * 5_000, "+" * 10_000, " " * 10_000, "-" * 10_000]


@pytest.mark.parametrize("target", ENDPOINTS)
@pytest.mark.parametrize("name", NAMES)
@on_the_loop
async def test_a_very_long_value_is_no_fault_of_ours(target: str, name: str) -> None:
    at = await house()
    at.connect(SID, sync_sent=True)
    for value in LONG:
        answer = await at.post(target, {"apikey": KEY, **ENDPOINTS[target][0], name: value})
        assert answer.status < 500, answer.body
        json.loads(answer.body)
