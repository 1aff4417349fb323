"""Phones and what they reported as sent: the vendor's examples, filters, sorts and bounds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.fleet import Device
from service.lifecycle import Status
from tests.apis.gateway import KEY, MemoryGateway
from tests.apis.smsmobileapi_peer import ADDED, BRUSSELS, SEND, compact, house, listed, result_of
from tests.fakes import on_the_loop

ONE, TWO = "508b004b4aadacc4", "e5b70a8a28b2ec3d"

FROM_MOBILE = """
{
"result": {
"error": "0",
"count": 3,
"limit": 200,
"history_limit_days": 7,
"sort_by": "mobile_date_ms",
"sort_order": "DESC",
"sms": [
{
"sIdentifiant": "508b004b4aadacc4",
"number": "+15551234567",
"message": "Hello, your appointment has been confirmed.",
"mobile_date_ms": 1774041004692,
"mobile_date_formatted": "2026-03-20 22:10:04",
"synchro_time": "2026-03-20 21:10:04"
},
{
"sIdentifiant": "e5b70a8a28b2ec3d",
"number": "+447700900123",
"message": "Your verification code is 482915.",
"mobile_date_ms": 1774040902284,
"mobile_date_formatted": "2026-03-20 22:08:22",
"synchro_time": "2026-03-20 21:08:22"
},
{
"sIdentifiant": "e5b70a8a28b2ec3d",
"number": "+33198765432",
"message": "Thank you for your order. It is now being processed.",
"mobile_date_ms": 1774026491230,
"mobile_date_formatted": "2026-03-20 18:08:11",
"synchro_time": "2026-03-20 17:08:11"
}
]
}
}
"""
"""the vendor's, but for the synchro_time: we learn of what we gave a phone when it has sent it"""

WENT = [
    (TWO, "+33198765432", "Thank you for your order. It is now being processed.", 1774026491230),
    (TWO, "+447700900123", "Your verification code is 482915.", 1774040902284),
    (ONE, "+15551234567", "Hello, your appointment has been confirmed.", 1774041004692),
]


async def reported(*more: tuple[str, str, str, int]) -> MemoryGateway:
    """The vendor's three, and a phone that does not tell."""
    at = await house()
    phones = {id: at.connect(id, sync_sent=True) for id in (ONE, TWO)}
    phones["private"] = at.connect("private")
    for id, number, text, ms in sorted([*more, *WENT, ("private", "10001", "not listed", 1774026491231)], key=lambda each: each[3]):
        at.clock.now = datetime.fromtimestamp(ms / 1000, UTC)
        await at.post("/sendsms/", {"apikey": KEY, "recipients": number, "message": text, "sIdentifiant": id})
        await at.deliver(phones[id])
    return at


@pytest.mark.parametrize("target", ["/log/sent/frommobile/", "/log/sent/frommobile"])
@on_the_loop
async def test_what_phones_sent_is_the_vendors_example(target: str) -> None:
    answer = await (await reported()).get(target, apikey=KEY)
    assert (answer.status, answer.body.decode()) == (200, compact(FROM_MOBILE))


@on_the_loop
async def test_a_phone_tells_only_when_it_is_asked_to() -> None:
    at = await house()
    phone = at.connect(ONE)
    await at.post("/sendsms/", SEND)
    await at.deliver(phone)
    empty = result_of(await at.get("/log/sent/frommobile", apikey=KEY))
    assert (empty["count"], empty["sms"]) == (0, [])
    for sync, count in (("1", 1), ("", 1), ("0", 0)):
        await at.get("/gateway/mobile/update/", apikey=KEY, sid=ONE, label="", sync_sent=sync)
        assert result_of(await at.get("/log/sent/frommobile", apikey=KEY))["count"] == count


NEWEST_FIRST = ["Hello", "Your", "Thank"]
FILTERS: list[tuple[dict[str, str], list[str]]] = [
    ({}, NEWEST_FIRST),
    ({"date": "2026-03-20"}, NEWEST_FIRST),
    ({"date": "2026-03-19"}, []),
    ({"date_from": "2026-03-20", "date_to": "2026-03-20"}, NEWEST_FIRST),
    ({"date_from": "2026-03-21"}, []),
    ({"date_to": "2026-03-19"}, []),
    ({"period": "today"}, NEWEST_FIRST),
    ({"period": "yesterday"}, []),
    ({"period": "last_24h"}, NEWEST_FIRST),
    ({"period": "last_3days"}, NEWEST_FIRST),
    ({"period": "last_7days", "limit": "200"}, NEWEST_FIRST),
    ({"number": "+15551234567"}, ["Hello"]),
    ({"number": " 15551234567"}, ["Hello"]),
    ({"number": "44 77"}, ["Your"]),
    ({"number": "900123"}, ["Your"]),
    ({"number": "7700900"}, []),
    ({"number": "x"}, []),
    ({"sIdentifiant": TWO}, ["Your", "Thank"]),
    ({"sIdentifiant": "private"}, []),
    ({"message": "YOUR"}, NEWEST_FIRST),
    ({"message": "order"}, ["Thank"]),
    ({"message": "being ord"}, ["Thank"]),
    ({"message": "rder"}, []),
    ({"message": "+4477"}, []),
    ({"message": "!"}, []),
    ({"search": "508b"}, ["Hello"]),
    ({"search": "08B"}, ["Hello"]),
    ({"search": "482915 code"}, ["Your"]),
    ({"search": "5678"}, []),
    ({"search": "4567"}, ["Hello"]),
    ({"search": "22:0"}, ["Your"]),
    ({"search": "17:08"}, ["Thank"]),
    ({"search": "+4477"}, ["Your"]),
    ({"search": "177404"}, []),
    ({"sort_order": "asc"}, NEWEST_FIRST[::-1]),
    ({"sort_by": "number"}, ["Your", "Thank", "Hello"]),
    ({"sort_by": "message", "sort_order": "ASC"}, ["Hello", "Thank", "Your"]),
    ({"sort_by": "sIdentifiant", "sort_order": "ASC"}, ["Hello", "Your", "Thank"]),
    ({"sort_by": "mobile_date_formatted"}, NEWEST_FIRST),
    ({"sort_by": "synchro_time", "sort_order": "ASC", "limit": "1"}, ["Thank"]),
    ({"limit": "2"}, NEWEST_FIRST[:2]),
    ({"date": "2026-03-20", "number": "+15551234567", "sort_by": "synchro_time", "sort_order": "DESC"}, ["Hello"]),
]


@pytest.mark.parametrize(("filters", "first_words"), FILTERS)
@on_the_loop
async def test_what_phones_sent_is_filtered_and_sorted(filters: dict[str, str], first_words: list[str]) -> None:
    result = result_of(await (await reported()).get("/log/sent/frommobile/", apikey=KEY, **filters))
    assert [row["message"].split(",")[0].split()[0] for row in result["sms"]] == first_words
    assert result["count"] == len(first_words)
    assert result["sort_by"] == filters.get("sort_by", "mobile_date_ms")
    assert result["sort_order"] == filters.get("sort_order", "DESC").upper()


@pytest.mark.parametrize(
    ("days_later", "filters", "count"),
    [
        (1, {"period": "yesterday"}, 3),
        (1, {"period": "today"}, 0),
        (1.5, {"period": "last_24h"}, 0),
        (3, {"period": "last_3days"}, 3),
        (4, {"period": "last_3days"}, 0),
        (6.5, {"period": "last_7days"}, 3),
        (6.9, {}, 2),
        (7.1, {}, 0),
        (7.1, {"date": "2026-03-20"}, 0),
    ],
)
@on_the_loop
async def test_periods_are_local_days_and_only_the_last_7_days_are_there(days_later: float, filters: dict[str, str], count: int) -> None:
    at = await reported()
    at.clock.advance(86400 * days_later)
    assert result_of(await at.get("/log/sent/frommobile/", apikey=KEY, **filters))["count"] == count


@on_the_loop
async def test_a_limit_above_the_most_is_the_most() -> None:
    at = await house()
    phone = at.connect(ONE, sync_sent=True)
    await at.post("/sendsms/", {**SEND, "recipients": ",".join(["10001"] * 201)})
    await at.deliver(phone)
    for limit, count in (("", 200), ("1000", 200), ("9" * 400, 200), ("007", 7)):
        for sort in ("mobile_date_ms", "message"):
            result = result_of(await at.get("/log/sent/frommobile/", apikey=KEY, limit=limit, sort_by=sort))
            assert (result["limit"], result["count"]) == (count, count)


# phones


async def phones(at: MemoryGateway, **asked: str) -> list[dict[str, Any]]:
    answer = await at.get("/gateway/mobile/list/", apikey=KEY, **asked)
    assert answer.status == 200, answer.body
    assert result_of(answer)["error"] == "0"
    return list(result_of(answer)["mobiles"])


@on_the_loop
async def test_phones_are_listed() -> None:
    at = await house()
    at.connect(ONE, label="Office", phone_number="+32495000001", time_zone=BRUSSELS)
    at.connect("theirs", account_id=2)
    at.outcome.online(ONE, True)
    at.fleet.heard(ONE, battery=87, version="1.2")
    answer = await at.get("/gateway/mobile/list", apikey=KEY)
    row = {"sid": ONE, "sIdentifiant": ONE, "label": "Office", "phone_number": "+32495000001", "battery": "87", "version": "1.2"}
    expected = {
        "result": {"error": "0", "mobiles": [{**row, "date": "2026-03-20 22:07:44", "online": True, "waiting": 0, "waiting_reason": ""}]}
    }
    assert answer.body.decode() == compact(json.dumps(expected))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [ONE, TWO]),
        ({"sid": TWO}, [TWO]),
        ({"sid": TWO[:4]}, []),
        ({"search": "508B"}, [ONE]),
        ({"search": "office"}, [ONE]),
        ({"search": "495"}, [TWO]),
        ({"search": "true"}, []),
        ({"sid": ONE, "search": "495"}, []),
    ],
)
@on_the_loop
async def test_phones_are_found(asked: dict[str, str], found: list[str]) -> None:
    at = await house()
    at.connect(ONE, label="Office")
    at.connect(TWO, phone_number="+32495000001")
    assert [row["sid"] for row in await phones(at, **asked)] == found


@on_the_loop
async def test_a_phones_label_and_number_are_changed_and_kept() -> None:
    at = await house(default_country="BE")
    at.connect(ONE, label="Office", phone_number="+32495000001")
    for asked, label, number in (
        ({"label": "Door"}, "Door", "+32495000001"),
        ({"label": "", "phone_number": "0495 00 00 02"}, "", "+32495000002"),
        ({"label": "x", "phone_number": ""}, "x", ""),
    ):
        answer = await at.get("/gateway/mobile/update/", apikey=KEY, sid=ONE, **asked)
        expected = {"result": {"error": "0", "sid": ONE, "label": label, "phone_number": number}}
        assert (answer.status, answer.body.decode()) == (200, compact(json.dumps(expected)))
        (row,) = await phones(at)
        assert (row["label"], row["phone_number"]) == (label, number)
        (kept,) = await at.store.devices()
        assert (kept.label, kept.phone_number) == (label, number or None)


@on_the_loop
async def test_a_deleted_phone_is_gone_its_messages_go_to_the_pool_and_the_log_stays() -> None:
    at = await house()
    first, second = at.connect(ONE), at.connect(TWO)
    stopped: list[Device] = []

    async def stop(device: Device) -> None:
        assert at.fleet.get(1, ONE) is None
        stopped.append(device)

    at.fleet.on_unlink = stop
    await at.post("/sendsms/", SEND)
    await at.deliver(first)
    await at.post("/sendsms/", {**SEND, "sIdentifiant": ONE})
    answer = await at.get("/gateway/mobile/delete/", apikey=KEY, sid=ONE)
    assert (answer.status, answer.body) == (200, b'{"result":{"error":"0","sid":"508b004b4aadacc4"}}')
    assert [row["sid"] for row in await phones(at)] == [TWO]
    assert [device.id for device in stopped] == [ONE]
    assert (await at.get("/gateway/mobile/delete/", apikey=KEY, sid=ONE)).status == 404
    assert (await at.post("/sendsms/", {**SEND, "sIdentifiant": ONE})).status == 400
    await at.deliver(second)
    assert [row["sIdentifiantPhone"] for row in await listed(at, error_api="0")] == ["", TWO, ONE]
    assert [row.status for row in await at.rows()] == [Status.SENT, Status.SENT, Status.FAILED]


@on_the_loop
async def test_a_token_is_verified() -> None:
    at = await house()
    for target in ("/verifytoken", "/verifytoken/"):
        assert (await at.get(target, apikey=KEY)).body == b'{"status":"OK"}'
    answer = await at.get("/verifytoken", apikey="wrong")
    assert answer.status == 403
    assert b"invalid" in answer.body


def test_the_examples_window_holds_all_of_it() -> None:
    assert ADDED - datetime.fromtimestamp(WENT[0][3] / 1000, UTC) < timedelta(days=7)
