"""The log of sent messages: the vendor's own example to the letter, its odd epochs, filters and pages, and nobody else's rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from adapters.storage.memory import MemoryStore
from service.errors import SendFailed
from service.lifecycle import Status
from service.messages import DeliveryReport, MtMessage
from service.ports import SentQuery
from tests.apis.gateway import KEY, MemoryGateway
from tests.apis.smsmobileapi_peer import (
    ADDED,
    BEARER,
    BRUSSELS,
    FUTURE,
    NOT_SENT_YET,
    PHONE,
    SEND,
    SENT_AFTER_S,
    expected,
    house,
    listed,
    result_of,
)
from tests.fakes import on_the_loop

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
    assert row["sIdentifiantPhone"] == (phone.device.id if sent else "")


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
    ({"keyword": "ail"}, []),
    ({"keyword": "44 7700"}, ["fails"]),
    ({"keyword": "900123"}, ["fails"]),
    ({"keyword": "7700900"}, []),
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


@pytest.mark.parametrize("before", ["yesterday", "-1", "1774040865.5", "١٧٧٤", "c319d3b35e8f8712cde20dae39ac3c19f86eda25", "177404086500"])
@on_the_loop
async def test_a_place_in_the_log_that_cannot_be_read_is_refused(before: str) -> None:
    answer = await (await house()).get("/log/sent/sms/", apikey=KEY, before=before)
    message = "Invalid parameter: before must be a message's guid or a UNIX timestamp"
    result = {"error": "invalid_parameter", "sent": "0", "message": message, "sms": []}
    assert (answer.status, json.loads(answer.body)) == (400, {"result": result})


class Asked(MemoryStore):
    """Remembers the last question."""

    query: SentQuery

    async def sent(self, query: SentQuery) -> list[MtMessage]:
        self.query = query
        return await super().sent(query)


@on_the_loop
async def test_no_place_in_the_log_is_beyond_what_a_store_can_compare() -> None:
    store = Asked()
    await listed(await house(store=store), before="99999999999")
    assert store.query.before_id == (1 << 63) - 1


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
    await at.post("/sendsms/", SEND)
    (row,) = result_of(await at.get("/log/sent/sms/", apikey="other"))["sms"]
    assert row["guid_message"] == theirs.guid
