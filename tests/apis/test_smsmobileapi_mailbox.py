"""Inbox, conversations, deletion, resend: the vendor's own examples to the letter, filters and their bounds."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from service.errors import SendFailed
from service.lifecycle import Status
from service.messages import DeliveryReport, MoMessage
from tests.apis.gateway import KEY, MemoryGateway
from tests.apis.smsmobileapi_peer import ADDED, BRUSSELS, PHONE, SEND, compact, house, listed, result_of
from tests.fakes import on_the_loop

CET = timezone(timedelta(hours=1))
PHONE_2 = "e5b70a8a28b2ec3d"
KEY_HASH = hashlib.sha256(b"1").hexdigest()

INBOX = """
{
"result": {
"error": "",
"sms": [
{
"id": 3,
"sIdentifiantPhone": "e5b70a8a28b2ec3d",
"date": "2026-03-20",
"hour": "21:23:34",
"timestamp_unix": 1774041814,
"time_received": "20260320222332804",
"indice": "27593",
"message": "Hello, your package has been delivered.",
"number": "+15551234567",
"guid": "$guid3",
"alias": null,
"apikey": "YOUR_API_KEY_HASH"
},
{
"id": 4,
"sIdentifiantPhone": "e5b70a8a28b2ec3d",
"date": "2026-03-20",
"hour": "21:23:34",
"timestamp_unix": 1774041814,
"time_received": "20260320221005892",
"indice": "27591",
"message": "Your appointment is confirmed for tomorrow.",
"number": "+447700900123",
"guid": "$guid4",
"alias": null,
"apikey": "YOUR_API_KEY_HASH"
},
{
"id": 2,
"sIdentifiantPhone": "e5b70a8a28b2ec3d",
"date": "2026-03-20",
"hour": "21:08:24",
"timestamp_unix": 1774040904,
"time_received": "20260320220822763",
"indice": "27590",
"message": "Please call us back when available.",
"number": "+33198765432",
"guid": "$guid2",
"alias": null,
"apikey": "YOUR_API_KEY_HASH"
},
{
"id": 1,
"sIdentifiantPhone": "e5b70a8a28b2ec3d",
"date": "2026-03-20",
"hour": "19:05:22",
"timestamp_unix": 1774033522,
"time_received": "20260320200026246",
"indice": "27588",
"message": "Reminder: your account review is pending.",
"number": "10001",
"guid": "$guid1",
"alias": null,
"apikey": "YOUR_API_KEY_HASH"
}
]
}
}
"""

CAME = [
    ("19:05:22", "20:00:26.246", "10001", "Reminder: your account review is pending.", "27588"),
    ("21:08:24", "22:08:22.763", "+33198765432", "Please call us back when available.", "27590"),
    ("21:23:34", "22:23:32.804", "+15551234567", "Hello, your package has been delivered.", "27593"),
    ("21:23:34", "22:10:05.892", "+447700900123", "Your appointment is confirmed for tomorrow.", "27591"),
]
"""the vendor's four: ours in UTC, the phone's own in Brussels, sender, text, the phone's id"""


def moment(hour: str, zone: timezone = UTC) -> datetime:  # type: ignore[assignment]
    return datetime.fromisoformat(f"2026-03-20T{hour}").replace(tzinfo=zone)


async def receive(
    at: MemoryGateway, sender: str, text: str, *, device: str = PHONE_2, id: str | None = None, when: datetime | None = None, **more: Any
) -> None:
    message = MoMessage(device=device, sender=sender, text=text, received=when or at.clock.now, device_message_id=id, **more)
    await at.outcome.received(message)


async def inbox_of_the_page(**account: Any) -> MemoryGateway:
    at = await house(**account)
    at.connect(PHONE_2)
    for ours, theirs, sender, text, id in CAME:
        at.clock.now = moment(ours)
        await receive(at, sender, text, id=id, when=moment(theirs, CET))
    return at


async def inbox(at: MemoryGateway, **filters: str) -> list[dict[str, Any]]:
    answer = await at.get("/getsms/", **{"apikey": KEY, **filters})
    assert answer.status == 200, answer.body
    return list(result_of(answer)["sms"])


@pytest.mark.parametrize("target", ["/getsms/", "/getsms"])
@pytest.mark.parametrize("how", ["get", "post"])
@on_the_loop
async def test_the_inbox_is_the_vendors_example(target: str, how: str) -> None:
    at = await inbox_of_the_page()
    answer = await (at.get(target, apikey=KEY) if how == "get" else at.post(target, {"apikey": KEY}))
    text = INBOX.replace("YOUR_API_KEY_HASH", KEY_HASH)
    for row in result_of(answer)["sms"]:
        text = text.replace(f"$guid{row['id']}", row["guid"])
    assert (answer.status, answer.body.decode()) == (200, compact(text))


@on_the_loop
async def test_a_guid_is_a_uuid_in_upper_case_and_an_id_is_small() -> None:
    for row in await inbox(await inbox_of_the_page()):
        assert row["guid"] == row["guid"].upper() and len(row["guid"]) == 36 and row["guid"].count("-") == 4
        assert 0 < row["id"] < 2**53


INBOX_FILTERS: list[tuple[dict[str, str], list[int]]] = [
    ({}, [3, 4, 2, 1]),
    ({"sIdentifiantPhone": PHONE_2}, [3, 4, 2, 1]),
    ({"sIdentifiantPhone": "nowhere"}, []),
    ({"sIdentifiantPhone": ""}, [3, 4, 2, 1]),
    ({"after_timestamp_unix": "1774040903"}, [3, 4, 2]),
    ({"after_timestamp_unix": "1774040904"}, [3, 4]),
    ({"after_timestamp_unix": "1774041814"}, []),
    ({"after_timestamp_unix": "0"}, [3, 4, 2, 1]),
    ({"after_timestamp_unix": "4294967295"}, []),
    ({"onlyunread": "yes"}, [3, 4, 1]),
    ({"onlyunread": "YES", "sIdentifiantPhone": PHONE_2}, [3, 4, 1]),
    ({"onlyunread": "no"}, [3, 4, 2, 1]),
    ({"onlyunread": "yes", "after_timestamp_unix": "1774041813"}, [3, 4]),
]


@pytest.mark.parametrize(("filters", "ids"), INBOX_FILTERS)
@on_the_loop
async def test_the_inbox_is_filtered_newest_by_the_phone_first(filters: dict[str, str], ids: list[int]) -> None:
    at = await inbox_of_the_page()
    (second,) = [row for row in await inbox(at) if row["id"] == 2]
    answer = await at.get("/getsms/set-read/", apikey=KEY, guid_message=second["guid"].lower())
    assert answer.body.decode() == compact(json.dumps({"result": {"error": "0", "guid_message": second["guid"]}}))
    assert [row["id"] for row in await inbox(at, **filters)] == ids


@on_the_loop
async def test_an_empty_inbox_is_a_success() -> None:
    assert (await (await house()).get("/getsms", apikey=KEY)).body == b'{"result":{"error":"","sms":[]}}'


@on_the_loop
async def test_the_inbox_has_at_most_500_rows() -> None:
    at = await house()
    at.connect(PHONE_2)
    for i in range(501):
        await receive(at, "10001", str(i))
    assert [row["message"] for row in await inbox(at)] == [str(i) for i in range(500, 0, -1)]


@on_the_loop
async def test_without_an_id_of_its_own_a_message_has_its_number_for_one() -> None:
    at = await house()
    at.connect(PHONE_2)
    await receive(at, "MPESA", "hello")
    (row,) = await inbox(at)
    assert (row["indice"], row["id"], row["number"]) == ("1", 1, "MPESA")


@pytest.mark.parametrize(
    ("account_zone", "phone_zone", "told", "shown"),
    [
        ("UTC", None, UTC, "20260320210744000"),
        (BRUSSELS, None, UTC, "20260320220744000"),
        (BRUSSELS, "Asia/Kathmandu", UTC, "20260321025244000"),
        ("UTC", "Asia/Kathmandu", CET, "20260320220744000"),
    ],
)
@on_the_loop
async def test_the_phones_clock_is_its_own_or_else_its_zones_or_else_its_accounts(
    account_zone: str, phone_zone: str | None, told: timezone, shown: str
) -> None:
    at = await house(time_zone=account_zone)
    at.connect(PHONE_2, time_zone=phone_zone)
    await receive(at, "10001", "hello", when=ADDED.astimezone(told))
    (row,) = await inbox(at)
    assert (row["time_received"], row["hour"]) == (shown, "21:07:44")


@on_the_loop
async def test_an_alias_is_given_to_a_message_and_cleared() -> None:
    at = await inbox_of_the_page()
    newest, *others = await inbox(at)
    for alias, kept in (("John Doe", "John Doe"), ("", None)):
        answer = await at.get("/getsms/update/", apikey=KEY, guid=newest["guid"], alias=alias)
        assert answer.body.decode() == compact(json.dumps({"result": {"error": "0", "guid": newest["guid"], "alias": kept}}))
        assert await inbox(at) == [{**newest, "alias": kept}, *others]


# resend

RESENT = """
{
"result": {
"error": "0",
"sms": "resent with successfully",
"attempt": 1
}
}
"""

BAD_ENDS: list[tuple[Exception | None, float, bool]] = [
    (SendFailed("barred", permanent=True), 0, True),
    (SendFailed("silence", unknown=True), 0, True),
    (None, 73 * 3600, True),
    (SendFailed("busy"), 0, False),
    (None, 0, False),
]


@pytest.mark.parametrize(("befalls", "wait_s", "is_resent"), BAD_ENDS)
@on_the_loop
async def test_only_what_has_come_to_a_bad_end_is_sent_again(befalls: Exception | None, wait_s: float, is_resent: bool) -> None:
    at = await house()
    phone = at.connect()
    phone.script = [befalls] if befalls else []
    guid = result_of(await at.post("/sendsms/", SEND))["id"]
    at.clock.advance(wait_s)
    await at.deliver(phone)
    told: list[tuple[int, str | None]] = []
    at.gateway.mailbox.on_queued = lambda *what: told.append(what)
    answer = await at.get("/resend/", apikey=KEY, guid=guid)
    if not is_resent:
        assert (answer.status, result_of(answer)["error"], told) == (409, "not_in_error_status", [])
        return
    assert (answer.status, answer.body.decode(), told) == (200, compact(RESENT), [(1, None)])
    (row,) = await listed(at)
    assert (row["send_from_mobile"], row["send_from_mobile_erreur"]) == (0, "")
    phone.script = [SendFailed("barred", permanent=True)]
    await at.deliver(phone)
    assert result_of(await at.post("/resend", {"apikey": KEY, "guid": guid}))["attempt"] == 2
    await at.deliver(phone)
    last = phone.handed_over[-1]
    assert (last.guid, last.try_guid, last.attempts) == (guid, f"{guid}-2", 1 + len(phone.handed_over[:-1]))
    (row,) = await listed(at)
    assert (row["send_from_mobile"], row["guid_message"]) == (1, guid)


@on_the_loop
async def test_what_was_refused_or_is_on_its_way_is_not_sent_again() -> None:
    at = await house()
    at.connect()
    refused = result_of(await at.post("/sendsms/", {**SEND, "port": "9"}))["id"]
    waiting = result_of(await at.post("/sendsms/", SEND))["id"]
    for guid in (refused, waiting):
        assert (await at.get("/resend/", apikey=KEY, guid=guid)).status == 409


@on_the_loop
async def test_a_late_report_of_the_first_try_says_nothing_of_the_second() -> None:
    at = await house()
    phone = at.connect()
    guid = result_of(await at.post("/sendsms/", SEND))["id"]
    await at.deliver(phone)
    report = DeliveryReport(device=phone.device.id, device_message_id="1", status=Status.FAILED, at=ADDED)
    await at.outcome.report(report)
    await at.get("/resend/", apikey=KEY, guid=guid)
    await at.deliver(phone)
    await at.outcome.report(report)
    assert (await at.rows())[0].status is Status.SENT


# deletion

DELETED = """
{
"result": {
"error": null,
"count_delete": 1
}
}
"""


@on_the_loop
async def test_a_deletion_is_the_vendors_example_sent_or_received() -> None:
    at = await inbox_of_the_page()
    sent = result_of(await at.post("/sendsms/", SEND))["id"]
    for guid in (sent, (await inbox(at))[0]["guid"], (await inbox(at))[1]["guid"].lower()):
        answer = await at.get("/deletesms/", apikey=KEY, guid_message=guid)
        assert (answer.status, answer.body.decode()) == (200, compact(DELETED))
        assert result_of(await at.get("/deletesms/", apikey=KEY, guid_message=guid)) == {"error": None, "count_delete": 0}
    assert [row["id"] for row in await inbox(at)] == [2, 1]
    assert await listed(at) == []


@on_the_loop
async def test_what_waits_is_deleted_and_never_sent_and_what_is_being_sent_stays() -> None:
    at = await house()
    phone = at.connect()
    going = result_of(await at.post("/sendsms/", SEND))["id"]
    (claimed,) = await at.dispatch.claim(phone, 1)
    await at.post("/sendsms/", SEND)
    assert result_of(await at.get("/deletesms/", apikey=KEY, date_start="2026-03-20")) == {"error": None, "count_delete": 1}
    assert result_of(await at.get("/deletesms/", apikey=KEY, guid_message=going)) == {"error": None, "count_delete": 0}
    await at.deliver(phone)
    assert phone.handed_over == []
    await at.dispatch.send(phone, claimed)
    assert [row["guid_message"] for row in await listed(at)] == [going]


@on_the_loop
async def test_a_redelivery_of_what_was_deleted_does_not_bring_it_back() -> None:
    at = await house()
    at.connect(PHONE_2)
    await receive(at, "10001", "hello", id="7")
    await at.get("/deletesms/", apikey=KEY, guid_message=(await inbox(at))[0]["guid"])
    await receive(at, "10001", "hello", id="7")
    assert await inbox(at) == []
    await receive(at, "10001", "hello", id="8")
    assert [row["id"] for row in await inbox(at)] == [2], "a number is not given twice"


DAYS: list[tuple[dict[str, str], list[str]]] = [
    ({"date_start": "2026-03-21"}, ["19", "20", "22"]),
    ({"date_start": "2026-03-21", "date_end": ""}, ["19", "20", "22"]),
    ({"date_start": "2026-03-20", "date_end": "2026-03-21"}, ["19", "22"]),
    ({"date_start": "2026-03-20", "date_end": "2026-03-20"}, ["19", "21", "22"]),
    ({"date_start": "1970-01-01", "date_end": "2199-12-31"}, []),
    ({"date_start": "2026-03-23", "date_end": "2026-03-29"}, ["19", "20", "21", "22"]),
]


@pytest.mark.parametrize(("asked", "left"), DAYS)
@on_the_loop
async def test_days_are_the_accounts_and_the_last_is_included(asked: dict[str, str], left: list[str]) -> None:
    at = await house()
    at.connect(PHONE_2)
    # a second before and after each midnight in Brussels
    for day in (19, 20, 21, 22):
        for instant in (datetime(2026, 3, day - 1, 23, 0, 0, tzinfo=UTC), datetime(2026, 3, day, 22, 59, 59, tzinfo=UTC)):
            at.clock.now = instant
            await at.post("/sendsms/", {**SEND, "message": str(day)})
            await receive(at, "10001", str(day))
    count = result_of(await at.get("/deletesms/", apikey=KEY, **asked))["count_delete"]
    assert [row["sms"] for row in await listed(at)][::-2] == left
    assert [row["message"] for row in await inbox(at)][::-2] == left
    assert count == 4 * (4 - len(left))


# conversations

TALK = """
{
"success": true,
"origineConversation": "received",
"resume": 0,
"resume_line_how": null,
"conversations": [
{
"phone_number": "+10470000001",
"contact_alias": "John Doe",
"messages": [
{
"direction": "incoming",
"message_id": "$incoming",
"date": "2026-03-13 08:45:12",
"timestamp_utc": "2026-03-13T08:45:12Z",
"message": "Hello, I would like more information.",
"status": "received",
"mobile_sid": "e5b70a8a28b2ec3d"
},
{
"direction": "outgoing",
"message_id": "$outgoing",
"date": "2026-03-13 10:46:03",
"timestamp_utc": "2026-03-13T08:46:03Z",
"message": "Of course, what would you like to know?",
"status": "sent",
"mobile_sid": "abbg00055x5"
}
]
}
]
}
"""


@on_the_loop
async def test_a_conversation_is_the_vendors_example() -> None:
    at = await house(time_zone="UTC")
    at.connect(PHONE_2)
    phone = at.connect(PHONE, time_zone="Africa/Cairo")
    at.clock.now = datetime(2026, 3, 13, 8, 45, 12, tzinfo=UTC)
    await receive(at, "+10470000001", "Hello, I would like more information.")
    (came,) = await inbox(at)
    await at.get("/getsms/update/", apikey=KEY, guid=came["guid"], alias="John Doe")
    await at.post("/sendsms/", {**SEND, "recipients": "+10470000001", "message": "Of course, what would you like to know?"})
    at.clock.advance(51)
    await at.deliver(phone)
    text = TALK.replace("$incoming", came["guid"]).replace("$outgoing", (await at.rows())[0].guid)
    answer = await at.get("/conversation/sms/list/", apikey=KEY, origineConversation="received")
    assert (answer.status, answer.body.decode()) == (200, compact(text))
    for numero in ("+10470000001", " 10470000001", "0010470000001", "+1 (047) 000-0001"):
        answer = await at.post("/conversation/sms/list", {"apikey": KEY, "origineConversation": "received", "numero": numero})
        assert answer.body.decode() == compact(text)


async def talks(at: MemoryGateway, **asked: str) -> list[tuple[str, list[str]]]:
    answer = await at.get("/conversation/sms/list/", **{"apikey": KEY, "origineConversation": "received", **asked})
    assert answer.status == 200, answer.body
    return [(talk["phone_number"], [m["message"] for m in talk["messages"]]) for talk in json.loads(answer.body)["conversations"]]


async def three_talks() -> MemoryGateway:
    """A day apart: with A both ways, with B received alone, with C sent alone."""
    at = await house(time_zone="UTC", default_country="BE")
    phone = at.connect(PHONE_2)
    await receive(at, "0495 00 00 01", "a1")
    at.clock.advance(1)
    await at.post("/sendsms/", {**SEND, "recipients": "+32495000001", "message": "a2"})
    await at.deliver(phone)
    at.clock.advance(86400)
    await receive(at, "0032495000002", "b1")
    at.clock.advance(86400)
    await at.post("/sendsms/", {**SEND, "recipients": "+32495000003", "message": "c1"})
    await at.deliver(phone)
    at.clock.advance(1)
    await receive(at, "32495000001", "a3")
    await at.post("/sendsms/", {**SEND, "recipients": "+32495000004", "message": "waits", "sIdentifiant": PHONE_2})
    return at


A, B, C = "+32495000001", "+32495000002", "+32495000003"
TALKS: list[tuple[dict[str, str], list[tuple[str, list[str]]]]] = [
    ({}, [(A, ["a1", "a2", "a3"]), (B, ["b1"])]),
    ({"sort": "ASC"}, [(B, ["b1"]), (A, ["a1", "a2", "a3"])]),
    ({"sort": "desc", "limit": "1"}, [(A, ["a1", "a2", "a3"])]),
    ({"limit": "100000"}, [(A, ["a1", "a2", "a3"]), (B, ["b1"])]),
    ({"origineConversation": "sent"}, [(C, ["c1"]), (A, ["a1", "a2", "a3"])]),
    ({"resume": "1"}, [(A, ["a3"]), (B, ["b1"])]),
    ({"resume": "1", "resume_line_how": "2"}, [(A, ["a2", "a3"]), (B, ["b1"])]),
    ({"resume": "0", "resume_line_how": "2"}, [(A, ["a1", "a2", "a3"]), (B, ["b1"])]),
    ({"numero": "0495/00.00.01"}, [(A, ["a1", "a2", "a3"])]),
    ({"numero": "0495000003"}, [(C, ["c1"])]),
    ({"numero": "0495000004"}, []),
    ({"numero": "MPESA"}, []),
    ({"date_from": "2026-03-21"}, [(A, ["a3"]), (B, ["b1"])]),
    ({"date_from": "2026-03-21", "date_to": "2026-03-21"}, [(B, ["b1"])]),
    ({"date_to": "2026-03-20"}, [(A, ["a1", "a2"])]),
    ({"date_to": "2026-03-20 21:07:44"}, [(A, ["a1"])]),
    ({"date_to": "2026-03-20T22:07:44+01:00"}, [(A, ["a1"])]),
    ({"date_from": "2026-03-20 21:07:45", "date_to": "2026-03-20 22:00"}, []),
    ({"date_from": "2026-03-20 21:07:45", "date_to": "2026-03-20 22:00", "origineConversation": "sent"}, [(A, ["a2"])]),
]


@pytest.mark.parametrize(("asked", "expected"), TALKS)
@on_the_loop
async def test_conversations_are_filtered_and_bounded(asked: dict[str, str], expected: list[tuple[str, list[str]]]) -> None:
    assert await talks(await three_talks(), **asked) == expected


@pytest.mark.parametrize(
    ("asked", "shown"), [({}, (0, None)), ({"resume": "1"}, (1, 1)), ({"resume": "1", "resume_line_how": "3"}, (1, 3))]
)
@on_the_loop
async def test_a_summary_says_how_many_lines(asked: dict[str, str], shown: tuple[int, int | None]) -> None:
    at = await house()
    answer = json.loads((await at.get("/conversation/sms/list", apikey=KEY, origineConversation="sent", **asked)).body)
    assert (answer["resume"], answer["resume_line_how"], answer["conversations"]) == (*shown, [])


@on_the_loop
async def test_20_conversations_are_listed_when_the_call_does_not_say() -> None:
    at = await house()
    at.connect(PHONE_2)
    for i in range(21):
        at.clock.advance(1)
        await receive(at, f"+324950000{i:02}", "x")
    assert [number for number, _ in await talks(at)] == [f"+324950000{i:02}" for i in range(20, 0, -1)]


@on_the_loop
async def test_lines_stand_by_the_date_that_is_shown() -> None:
    """What came is shown in UTC and what went in local time, so that an answer within the hour stands after what came later."""
    at = await house()
    phone = at.connect(PHONE_2)
    await at.post("/sendsms/", {**SEND, "recipients": A, "message": "went"})
    await at.deliver(phone)
    at.clock.advance(600)
    await receive(at, A, "came")
    assert await talks(at) == [(A, ["came", "went"])]
