"""The API of SMSGate's server for programs: a table of exchanges for each route and each error."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from adapters.apis.smsgate_client import BASES
from service.accounts import ALL_SCOPES, ApiKey, Scope, digest_of
from service.fleet import Device
from service.lifecycle import Status
from service.messages import MoMessage
from service.passwords import TRIES
from tests.apis.gateway import KEY
from tests.apis.smsgate_peer import basic, signed, wire_date
from tests.apis.smsgate_program import BASE, NUMBER, OTHER, SEND, Server
from tests.fakes import START, on_the_loop, ripple

PHONE = "00112233445566ff"
LATER = "2026-03-20T13:00:00.000Z"


def wire(seconds: float = 0) -> str:
    return wire_date(START + timedelta(seconds=seconds))


# sending


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("path", ["/messages", "/message"])
@on_the_loop
async def test_a_message_is_accepted_and_found_where_the_answer_says(base: str, path: str) -> None:
    at = Server()
    await at.opened()
    answer = await at.ask("POST", path, {**SEND, "id": "order/7"}, base=base)
    told = json.loads(answer.body)
    assert answer.status == 202
    assert told == {
        "id": "order/7",
        "deviceId": "",
        "state": "Pending",
        "isHashed": False,
        "isEncrypted": False,
        "recipients": [{"phoneNumber": NUMBER, "state": "Pending"}],
        "states": {"Pending": wire()},
        "createdAt": wire(),
    }
    location = answer.headers["location"]
    assert location == f"{base}/messages/order%2F7"
    found = await at.ask("GET", location, base="")
    assert json.loads(found.body) == told | {"textMessage": {"text": "Hi é"}}
    [row] = await at.rows()
    assert (row.text, row.recipient, row.api) == ("Hi é", NUMBER, "smsgate")


@on_the_loop
async def test_several_recipients_are_one_message_with_a_state_for_each() -> None:
    at = Server()
    await at.opened()
    phone = at.connect(PHONE)
    told = await at.sent(phoneNumbers=[NUMBER, "0470 12 34 56"])
    assert [each["phoneNumber"] for each in told["recipients"]] == [NUMBER, OTHER]
    assert len(told["id"]) == 20
    phone.refuse = None  # type: ignore[attr-defined]
    await at.deliver(phone)
    told = await at.told("GET", f"/messages/{told['id']}")
    assert (told["state"], told["deviceId"]) == ("Sent", PHONE)
    assert [each["state"] for each in told["recipients"]] == ["Sent", "Sent"]
    assert told["states"] == {"Pending": wire(), "Sent": wire()}


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"message": "old", "textMessage": None}, {"text": "old"}),
        ({"simNumber": 2}, {"wanted_sim": 2}),
        ({"deviceId": PHONE}, {"wanted_device": PHONE}),
        ({"ttl": 60}, {"expires": START + timedelta(seconds=60)}),
        ({"validUntil": LATER}, {"expires": START + timedelta(hours=1)}),
        ({"validUntil": "2026-03-20T14:00:00.123456+01:00"}, {"expires": START + timedelta(hours=1, seconds=1)}),
        ({"scheduleAt": LATER}, {"due": START + timedelta(hours=1), "status": Status.SCHEDULED}),
        ({"scheduleAt": LATER, "validUntil": "2026-03-20T14:00:00Z"}, {"expires": START + timedelta(hours=2)}),
        ({"priority": 100, "withDeliveryReport": False, "isEncrypted": False, "unknown": {"a": 1}}, {}),
        ({"id": "", "deviceId": "", "ttl": None, "simNumber": None, "dataMessage": None}, {"wanted_device": None}),
    ],
)
@on_the_loop
async def test_what_is_asked_for_is_what_is_queued(fields: dict[str, Any], wanted: dict[str, Any]) -> None:
    at = Server()
    await at.opened()
    at.connect(PHONE)
    await at.sent(**fields)
    [row] = await at.rows()
    assert {name: getattr(row, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"textMessage": None}, "textMessage.text is required"),
        ({"textMessage": {"text": ""}}, "textMessage.text is required"),
        ({"textMessage": "Hi"}, "textMessage must be an object with a text"),
        ({"textMessage": {"text": 5}}, "textMessage.text must be a text of at most 1048576 characters"),
        ({"dataMessage": {"data": "AA==", "port": 1}}, "dataMessage asks for what this server does not offer: only texts are sent"),
        ({"mmsMessage": {"text": "x"}}, "mmsMessage asks for what this server does not offer: only texts are sent"),
        ({"isEncrypted": True}, "isEncrypted asks for what this server does not offer: the text must be readable here"),
        ({"isEncrypted": "yes"}, "isEncrypted must be true or false"),
        ({"phoneNumbers": None}, "phoneNumbers is required"),
        ({"phoneNumbers": []}, "phoneNumbers is required"),
        ({"phoneNumbers": NUMBER}, "phoneNumbers must be a list of phone numbers"),
        ({"phoneNumbers": [5]}, "phoneNumbers must be a list of phone numbers"),
        ({"phoneNumbers": ["nobody"]}, "phoneNumbers 'nobody' is not a phone number"),
        ({"phoneNumbers": [NUMBER, "0495 89 86 97"]}, "phoneNumbers has a number twice"),
        ({"phoneNumbers": [f"+3249500{n:04}" for n in range(101)]}, "phoneNumbers has more than 100 numbers"),
        ({"id": "x" * 37}, "id must be a text of at most 36 characters"),
        ({"id": "é"}, "id must have 1 to 64 printable ASCII characters"),
        ({"simNumber": 4}, "simNumber must be a whole number from 1 to 3"),
        ({"simNumber": 3}, "simNumber no device has this SIM slot"),
        ({"deviceId": "nobody's"}, "deviceId is not one of this account's devices"),
        ({"ttl": 4}, "ttl must be a whole number from 5"),
        ({"ttl": 59}, "ttl must be from 60 to 604800"),
        ({"ttl": True}, "ttl must be a whole number from 5"),
        ({"ttl": 60, "validUntil": LATER}, "validUntil cannot be given beside ttl"),
        ({"validUntil": "2026-03-20T12:00:00Z"}, "validUntil is in the past, or before scheduleAt"),
        ({"validUntil": "tomorrow"}, "validUntil must be a date and time (RFC 3339)"),
        ({"scheduleAt": "2026-03-20T12:00:00Z"}, "scheduleAt is in the past"),
        ({"scheduleAt": "2028-03-20T12:00:00Z"}, "scheduleAt is more than a year away"),
        ({"priority": 128}, "priority must be a whole number from -128 to 127"),
    ],
)
@on_the_loop
async def test_what_cannot_be_done_is_refused_and_says_why(fields: dict[str, Any], message: str) -> None:
    at = Server()
    await at.opened()
    at.connect(PHONE)
    assert await at.told("POST", "/messages", {**SEND, **fields}, status=400) == {"message": message}
    assert [row.status for row in await at.rows() if row.refusal is None] == []


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"5"])
@on_the_loop
async def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    at = Server()
    await at.opened()
    assert (await at.ask("POST", "/messages", body)).status == 400


@on_the_loop
async def test_an_id_is_used_once_and_nothing_is_sent_twice() -> None:
    at = Server()
    await at.opened()
    await at.sent(id="a")
    for again in (SEND, {**SEND, "textMessage": {"text": "other"}}):
        assert await at.told("POST", "/messages", {**again, "id": "a"}, status=409) == {"message": "another message has this id"}
    assert len(await at.rows()) == 1


@on_the_loop
async def test_only_a_device_that_was_there_lately_will_do_where_that_is_asked() -> None:
    at = Server()
    await at.opened()
    refusal = {"message": "deviceActiveWithin fits no device: none was active within 2 hours"}
    assert await at.told("POST", "/messages?deviceActiveWithin=2", SEND, status=400) == refusal
    phone = await at.joined()
    await at.told("POST", "/messages?deviceActiveWithin=2&skipPhoneValidation=true", SEND, status=202)
    at.later(2 * 3600 + 1)
    assert await at.told("POST", "/messages?deviceActiveWithin=2", SEND, status=400) == refusal
    await at.told("POST", "/messages?deviceActiveWithin=3", {**SEND, "deviceId": phone.id}, status=202)
    await at.told("POST", "/messages?deviceActiveWithin=x", SEND, status=400)
    await at.told("POST", "/messages?skipPhoneValidation=x", SEND, status=400)


@on_the_loop
async def test_a_used_up_trial_is_503() -> None:
    at = Server()
    await at.opened(trial_limit=1)
    await at.sent()
    assert (await at.told("POST", "/messages", SEND, status=503))["message"].startswith("the trial allows")


# what becomes of a message


async def _through(at: Server, state: str, error: str | None = None) -> Any:
    phone = await at.joined()
    told = await at.sent()
    await at.hand_over(phone.id)
    [listed] = await phone.read("/message")
    at.clock.advance(1)
    await phone.tell(listed["id"], state, error)
    await ripple()
    return await at.told("GET", f"/messages/{told['id']}")


@pytest.mark.parametrize(
    ("state", "error", "dates"),
    [
        ("Pending", None, {"Pending": wire(), "Processed": wire(1)}),
        ("Processed", None, {"Pending": wire(), "Processed": wire(1)}),
        ("Sent", None, {"Pending": wire(), "Sent": wire(1)}),
        ("Delivered", None, {"Pending": wire(), "Sent": wire(1), "Delivered": wire(1)}),
        ("Failed", "no signal", {"Pending": wire(), "Failed": wire(1)}),
        ("Cancelled", None, {"Pending": wire(), "Cancelled": wire(1)}),
    ],
)
@on_the_loop
async def test_the_states_of_a_phone_are_those_of_the_message(state: str, error: str | None, dates: dict[str, str]) -> None:
    at = Server()
    await at.opened()
    told = await _through(at, state, error)
    shown = "Processed" if state == "Pending" else state
    assert told["state"] == shown
    assert told["recipients"] == [{"phoneNumber": NUMBER, "state": shown} | ({"error": error} if error else {})]
    assert told["states"] == dates


@on_the_loop
async def test_what_has_waited_for_too_long_has_failed() -> None:
    at = Server()
    await at.opened()
    told = await at.sent(ttl=60)
    at.clock.advance(61)
    await at.store.expire(at.clock(), 10)
    told = await at.told("GET", f"/messages/{told['id']}")
    assert told["recipients"] == [{"phoneNumber": NUMBER, "state": "Failed", "error": "TTL expired"}]
    assert told["states"] == {"Pending": wire(), "Failed": wire(61)}


@on_the_loop
async def test_a_message_of_another_api_is_found_by_its_guid_and_anothers_is_not() -> None:
    at = Server()
    await at.opened()
    theirs = await at.account("other-key", name="other")
    await at.sent(id="mine")
    [row] = await at.rows()
    assert (await at.told("GET", f"/messages/{row.guid}"))["id"] == row.guid
    for id in ("nothing", row.guid, "mine"):
        found = await at.ask("GET", f"/messages/{id}", authorization=basic(theirs.name, "other-key"))
        assert (found.status, json.loads(found.body)) == (404, {"message": "there is no such message"})


@on_the_loop
async def test_a_waiting_message_is_cancelled_once() -> None:
    at = Server()
    await at.opened()
    await at.sent(id="a", phoneNumbers=[NUMBER, OTHER], scheduleAt=LATER)
    at.clock.advance(5)
    told = await at.told("DELETE", "/messages/a")
    assert (told["state"], told["states"]) == ("Cancelled", {"Pending": wire(), "Cancelled": wire(5)})
    assert [row.status for row in await at.rows()] == [Status.CANCELLED] * 2
    assert await at.told("DELETE", "/messages/a", status=409) == {"message": "the message is not pending any more"}
    await at.told("DELETE", "/messages/b", status=404)


@on_the_loop
async def test_a_message_that_a_phone_has_not_fetched_is_taken_back() -> None:
    at = Server()
    await at.opened()
    phone = await at.joined()
    told = await at.sent()
    await at.hand_over(phone.id)
    await at.told("DELETE", f"/messages/{told['id']}")
    await ripple()
    assert (await at.told("GET", f"/messages/{told['id']}"))["state"] == "Cancelled"
    assert await phone.read("/message") == []


@on_the_loop
async def test_a_phone_that_has_fetched_a_message_is_asked_to_leave_it() -> None:
    at = Server()
    await at.opened()
    phone = await at.joined()
    told = await at.sent()
    await at.hand_over(phone.id)
    [fetched] = await phone.read("/message")
    await at.told("DELETE", f"/messages/{told['id']}")
    assert [(each["id"], each["state"]) for each in await phone.read("/message")] == [(fetched["id"], "Cancelling")]
    await phone.tell(fetched["id"], "Cancelled")
    await ripple()
    assert (await at.told("GET", f"/messages/{told['id']}"))["state"] == "Cancelled"


@on_the_loop
async def test_what_was_sent_cannot_be_cancelled() -> None:
    at = Server()
    await at.opened()
    phone = at.connect(PHONE)
    told = await at.sent()
    await at.deliver(phone)
    await at.told("DELETE", f"/messages/{told['id']}", status=409)
    assert [row.status for row in await at.rows()] == [Status.SENT]


# lists


@on_the_loop
async def test_messages_are_listed_by_page_span_state_and_device() -> None:
    at = Server()
    await at.opened()
    phone = at.connect(PHONE)
    for number in range(4):
        await at.sent(id=f"m{number}")
        if number == 1:
            await at.deliver(phone)
        at.clock.advance(60)

    async def ids(query: str) -> tuple[list[str], str]:
        answer = await at.ask("GET", f"/messages{query}")
        assert answer.status == 200, answer
        return [each["id"] for each in json.loads(answer.body)], answer.headers["x-total-count"]

    assert await ids("") == (["m3", "m2", "m1", "m0"], "4")
    assert await ids("?limit=2&offset=1") == (["m2", "m1"], "4")
    assert await ids("?sort=created_at&limit=1") == (["m0"], "4")
    assert await ids("?from=2026-03-20T12:01:00Z&to=2026-03-20T12:02:00.000Z") == (["m2", "m1"], "2")
    assert await ids("?from=2026-03-20T13:01:00%2B01:00") == (["m3", "m2", "m1"], "3")
    assert await ids("?state=Sent") == (["m1", "m0"], "2")
    assert await ids("?state=Pending&limit=1&offset=1&sort=created_at") == (["m3"], "2")
    assert await ids(f"?deviceId={PHONE}&state=Pending") == ([], "0")
    assert await ids(f"?deviceId={PHONE}") == (["m1", "m0"], "2")
    assert "textMessage" not in json.loads((await at.ask("GET", "/messages")).body)[0]
    [first] = json.loads((await at.ask("GET", "/messages?limit=1&includeContent=true")).body)
    assert first["textMessage"] == {"text": "Hi é"}


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "offset=-1", "state=Done", "sort=x", "from=x", "to=1", "includeContent=maybe"]
)
@on_the_loop
async def test_a_filter_that_cannot_be_read_is_refused(query: str) -> None:
    at = Server()
    await at.opened()
    assert query.partition("=")[0] in (await at.told("GET", f"/messages?{query}", status=400))["message"]


@on_the_loop
async def test_the_inbox_has_what_the_phones_received() -> None:
    at = Server()
    await at.opened()
    phone = await at.joined()
    for number in range(3):
        told = MoMessage(
            device=phone.id, sender="0495 89 86 97", text=f"é{number}", received=at.clock(), sim=2, device_message_id=str(number)
        )
        await at.outcome.received(told)
        at.clock.advance(60)
    listed = await at.told("GET", "/inbox")
    assert [each["contentPreview"] for each in listed] == ["é2", "é1", "é0"]
    assert listed[2] == {
        "id": listed[2]["id"],
        "type": "SMS",
        "sender": NUMBER,
        "contentPreview": "é0",
        "createdAt": wire(),
        "simNumber": 2,
    }

    async def texts(query: str) -> list[str]:
        return [each["contentPreview"] for each in await at.told("GET", f"/inbox?{query}")]

    assert await texts("limit=1&offset=1") == ["é1"]
    assert await texts(f"type=SMS&deviceId={phone.id}&from={wire(60)}&to={wire(60)}") == ["é1"]
    assert await texts("type=MMS") == await texts("deviceId=other") == []
    for query in ("type=x", "limit=501", "from=x"):
        await at.told("GET", f"/inbox?{query}", status=400)


@pytest.mark.parametrize("path", ["/inbox/refresh", "/messages/inbox/export", "/inbox/export"])
@on_the_loop
async def test_phones_are_asked_for_what_they_received(path: str) -> None:
    at = Server()
    await at.opened()
    asked = {"since": wire(-60), "until": wire()}
    await at.told("POST", path, asked, status=400)
    phone, away = await at.joined(), await at.joined()
    listening = await phone.listen()
    listening.events()
    await at.told("POST", path, {**asked, "deviceId": phone.id}, status=202)
    told = {"since": wire(-60), "until": wire(), "messageTypes": "SMS,MMS", "triggerWebhooks": "true"}
    assert [(type, json.loads(data)) for type, data in listening.events()] == [("MessagesExportRequested", told)]
    await at.told("POST", path, asked, status=202)
    at.clock.advance(1)
    [(type, data)] = (await away.listen()).events()
    assert (type, json.loads(data)["since"]) == ("MessagesExportRequested", wire(-3660)), (
        "one that was not listening hears of it when it does"
    )
    for wrong in ({"since": wire()}, {**asked, "until": wire(-60)}, {**asked, "since": "x"}):
        await at.told("POST", path, wrong, status=400)
    await at.told("POST", path, {**asked, "deviceId": "nobody's"}, status=404)


@on_the_loop
async def test_devices_are_listed_and_deleted() -> None:
    at = Server()
    await at.opened()
    at.fleet.register(Device(id="f" * 16, account_id=2, kind="test"))
    phone = await at.joined()
    at.later(3600)
    [listed] = await at.told("GET", "/devices")
    cards = [{"slotIndex": 0, "simNumber": 1}, {"slotIndex": 1, "simNumber": 2}]
    assert listed == {"id": phone.id, "name": "Google/panther", "lastSeen": listed["lastSeen"], "simCards": cards}
    assert wire() <= listed["lastSeen"] <= wire(3600)
    await at.told("DELETE", f"/devices/{phone.id}", status=204)
    assert await at.told("GET", "/devices") == []
    assert (await phone.say("GET", "/message")).status == 401
    for id in (phone.id, "f" * 16):
        await at.told("DELETE", f"/devices/{id}", status=404)


# settings


FIXED = {
    "messages": {"processing_order": "FIFO"},
    "ping": {"interval_seconds": 300},
    "webhooks": {"internet_required": False},
    "gateway": {"notification_channel": "SSE_ONLY"},
}


@on_the_loop
async def test_settings_reach_the_phones_and_are_kept() -> None:
    at = Server()
    await at.opened()
    phone = await at.joined()
    listening = await phone.listen()
    listening.events()
    assert await at.told("GET", "/settings") == FIXED
    wanted = {
        "send_interval_min": 1,
        "send_interval_max": 5,
        "limit_period": "PerHour",
        "limit_value": 20,
        "sim_selection_mode": "RoundRobin",
    }
    told = await at.told("PATCH", "/settings", {"messages": wanted, "logs": {"lifetime_days": 7}})
    assert told == {**FIXED, "messages": {**wanted, "processing_order": "FIFO"}, "logs": {"lifetime_days": 7}}
    assert await at.told("GET", "/settings") == told
    assert [type for type, _ in listening.events()] == ["SettingsUpdated"]
    fetched = await phone.read("/settings")
    key = fetched["webhooks"].pop("signing_key")
    assert fetched == told
    assert list(fetched)[-1] == "gateway"
    assert len(key) >= 16
    changed = await at.told("PATCH", "/settings", {"messages": {"limit_period": None, "limit_value": None}})
    assert changed["messages"] == {
        "send_interval_min": 1,
        "send_interval_max": 5,
        "sim_selection_mode": "RoundRobin",
        "processing_order": "FIFO",
    }
    assert await at.told("PUT", "/settings", {**FIXED, "messages": {"logLifetimeDays": 3}}) == {
        **FIXED,
        "messages": {"log_lifetime_days": 3, "processing_order": "FIFO"},
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ping": {"interval_seconds": 30}}, "ping.interval_seconds cannot be set here"),
        ({"gateway": {"cloud_url": "https://x.test"}}, "gateway.cloud_url cannot be set here"),
        ({"encryption": {"passphrase": "x"}}, "encryption.passphrase cannot be set here"),
        ({"webhooks": {"retry_count": 3}}, "webhooks.retry_count cannot be set here"),
        ({"webhooks": {"signing_key": "short"}}, "webhooks.signing_key must have 16 to 200 printable characters, in a format that signs"),
        ({"webhooks": {"signing_key": 5}}, "webhooks.signing_key cannot be set here"),
        ({"messages": {"limit_period": "PerWeek"}}, "messages.limit_period must be one of Disabled, PerMinute, PerHour, PerDay"),
        ({"messages": {"limit_period": "PerDay"}}, "messages.limit_value is required with a period, and must be 1 or more"),
        ({"messages": {"send_interval_min": "5"}}, "messages.send_interval_min must be a whole number"),
        ({"messages": {"send_interval_min": -1}}, "messages.send_interval_min must be from 0 to 86400"),
        ({"messages": {"send_interval_min": 9, "send_interval_max": 5}}, "messages.send_interval_min is more than the longest interval"),
        ({"messages": 5}, "messages must be an object"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@on_the_loop
async def test_a_setting_that_cannot_be_honoured_is_refused_and_none_is_changed(
    method: str, settings: dict[str, Any], message: str
) -> None:
    at = Server()
    await at.opened()
    settings = {"logs": {"lifetime_days": 9}, **settings}
    assert await at.told(method, "/settings", settings, status=400) == {"message": message}
    assert await at.told("GET", "/settings") == FIXED


# webhooks


async def _posted(at: Server) -> list[tuple[dict[str, str], dict[str, Any]]]:
    webhooks = at.gateway.webhooks
    for webhook in await webhooks.due():
        for delivery in await webhooks.claim(webhook, 10):
            await webhooks.deliver(webhook, delivery)
    posted, at.box.posted = at.box.posted, []
    return [(each.headers, each.json) for each in posted]


async def _hook(at: Server, event: str, id: str | None = None) -> Any:
    return await at.told("POST", "/webhooks", {"id": id, "url": "https://shop.test/hook", "event": event}, status=201)


@on_the_loop
async def test_webhooks_are_added_listed_replaced_and_deleted() -> None:
    at = Server()
    await at.opened()
    assert await at.told("GET", "/webhooks") == []
    made = await _hook(at, "sms:received")
    assert made == {"id": made["id"], "url": "https://shop.test/hook", "event": "sms:received"}
    named = await _hook(at, "sms:sent", "mine")
    assert named["id"] == "mine"
    assert await at.told("GET", "/webhooks") == [made, named]
    replaced = await _hook(at, "sms:failed", "mine")
    assert await at.told("GET", "/webhooks") == [made, replaced]
    for _ in range(2):
        await at.told("DELETE", f"/webhooks/{made['id']}", status=204)
    assert await at.told("GET", "/webhooks") == [replaced]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"event": "system:ping"}, "event is not one that is told here; there are: sms:received, sms:sent, sms:delivered, sms:failed"),
        ({"event": None}, "event is required"),
        ({"url": None}, "url is required"),
        ({"url": "ftp://x.test"}, "url must be an http or https address"),
        ({"url": "http://10.0.0.1/"}, "url is not a public address"),
        ({"deviceId": PHONE}, "deviceId cannot be chosen: a webhook is told of all phones of the account"),
        ({"id": "x" * 37}, "id must be a text of at most 36 characters"),
    ],
)
@on_the_loop
async def test_a_webhook_that_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    at = Server()
    await at.opened()
    body = {"url": "https://shop.test/hook", "event": "sms:received", **fields}
    assert await at.told("POST", "/webhooks", body, status=400) == {"message": message}


@on_the_loop
async def test_a_received_message_is_posted_and_signed_as_a_phone_does() -> None:
    at = Server()
    await at.opened(time_zone="Europe/Brussels")
    phone = await at.joined()
    before = await _hook(at, "sms:received")
    await at.told("PATCH", "/settings", {"webhooks": {"signing_key": "0123456789abcdef"}})
    after = await _hook(at, "sms:received")
    await at.outcome.received(MoMessage(device=phone.id, sender=NUMBER, text="é", received=START, sim=1, device_message_id="1"))
    posted = await _posted(at)
    assert {told["webhookId"] for _, told in posted} == {before["id"], after["id"]}
    [row] = await at.told("GET", "/inbox")
    for headers, told in posted:
        body = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
        assert headers["X-Signature"] == signed("0123456789abcdef", body, headers["X-Timestamp"])
        assert headers["X-Timestamp"] == str(int(START.timestamp()))
        assert told == {
            "deviceId": phone.id,
            "event": "sms:received",
            "id": told["id"],
            "payload": {
                "messageId": row["id"],
                "message": "é",
                "sender": NUMBER,
                "phoneNumber": NUMBER,
                "receivedAt": "2026-03-20T13:00:00.000+01:00",
                "simNumber": 1,
            },
            "webhookId": told["webhookId"],
        }
    assert posted[0][1]["id"] == posted[1][1]["id"]


@pytest.mark.parametrize(
    ("event", "state", "payload"),
    [
        ("sms:sent", "Sent", {"sentAt": "2026-03-20T12:00:01.000+00:00", "partsCount": 1}),
        ("sms:delivered", "Delivered", {"deliveredAt": "2026-03-20T12:00:01.000+00:00"}),
        ("sms:failed", "Failed", {"failedAt": "2026-03-20T12:00:01.000+00:00", "reason": "no signal"}),
    ],
)
@on_the_loop
async def test_events_of_a_sent_message_carry_the_id_that_its_program_gave_it(event: str, state: str, payload: dict[str, Any]) -> None:
    at = Server()
    await at.opened()
    await _hook(at, event)
    told = await _through(at, state, "no signal" if state == "Failed" else None)
    [(_, posted)] = await _posted(at)
    assert (posted["event"], posted["deviceId"]) == (event, told["deviceId"])
    assert posted["payload"] == {"messageId": told["id"], "recipient": NUMBER, "phoneNumber": NUMBER, **payload}


@on_the_loop
async def test_an_expired_message_is_told_as_failed_and_a_test_as_a_ping() -> None:
    at = Server()
    account = await at.opened()
    await _hook(at, "sms:failed")
    await at.sent(id="a", ttl=60)
    at.clock.advance(61)
    await at.store.expire(at.clock(), 10)
    [webhook] = await at.gateway.webhooks.of(account.id)
    await at.gateway.webhooks.test(account.id, webhook.id)
    (_, failed), (_, ping) = await _posted(at)
    assert (failed["payload"]["messageId"], failed["payload"]["reason"]) == ("a", "TTL expired")
    assert (ping["event"], ping["payload"]["health"]["status"]) == ("system:ping", "pass")


# who may call


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("", 401),
        ("Basic", 401),
        ("Basic !", 401),
        (basic("shop", ""), 401),
        (basic("shop", "wrong"), 401),
        (basic("other", KEY), 401),
        (basic("shop", KEY), 200),
        (basic("shop", "the password of it"), 200),
        (f"Bearer {KEY}", 200),
        ("Bearer wrong", 401),
        ("Bearer dgr_wrong", 401),
        ("Digest x", 401),
    ],
)
@on_the_loop
async def test_a_caller_says_who_it_is(authorization: str, status: int) -> None:
    at = Server()
    account = await at.opened()
    await at.gateway.enrolment.set_password(account, "the password of it")
    answer = await at.ask("GET", "/messages", authorization=authorization)
    assert answer.status == status
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert KEY.encode() not in answer.body


@on_the_loop
async def test_a_key_that_is_not_good_enough_is_refused_however_it_is_shown() -> None:
    at = Server()
    account = await at.opened()
    await at.key(account, "ended", expires=START)
    for secret, network in (("elsewhere", "10.0.0.0/8"), ("from-here", "192.168.1.0/24")):
        held = ApiKey(id=0, account_id=account.id, label="", digest=digest_of(secret), networks=(ip_network(network),))
        await at.store.create_key(held)
    made = await at.told("POST", "/auth/token", {"scopes": ["devices:list"]}, status=201, authorization="Bearer from-here")
    for key, status in (("ended", 401), ("elsewhere", 403), ("from-here", 200), (made["access_token"], 200)):
        assert (await at.ask("GET", "/devices", authorization=f"Bearer {key}")).status == status
    for key, status in (("ended", 401), ("elsewhere", 403), ("from-here", 200)):
        assert (await at.ask("GET", "/devices", authorization=basic("shop", key))).status == status
    held = next(key for key in await at.store.keys(account.id) if key.digest == digest_of("from-here"))
    await at.store.change_key(replace(held, networks=(ip_network("10.0.0.0/8"),)))
    assert (await at.ask("GET", "/devices", authorization=f"Bearer {made['access_token']}")).status == 403


ROUTES = [
    ("POST", "/messages", Scope.SEND, "messages:send"),
    ("GET", "/messages", Scope.READ, "messages:list"),
    ("GET", "/messages/x", Scope.READ, "messages:read"),
    ("DELETE", "/messages/x", Scope.SEND, "messages:cancel"),
    ("POST", "/messages/inbox/export", Scope.READ, "messages:export"),
    ("POST", "/inbox/refresh", Scope.READ, "inbox:refresh"),
    ("GET", "/inbox", Scope.READ, "inbox:list"),
    ("GET", "/devices", Scope.DEVICES, "devices:list"),
    ("DELETE", "/devices/x", Scope.DEVICES, "devices:delete"),
    ("GET", "/settings", Scope.DEVICES, "settings:read"),
    ("PUT", "/settings", Scope.DEVICES, "settings:write"),
    ("PATCH", "/settings", Scope.DEVICES, "settings:write"),
    ("GET", "/webhooks", Scope.WEBHOOKS, "webhooks:list"),
    ("POST", "/webhooks", Scope.WEBHOOKS, "webhooks:write"),
    ("DELETE", "/webhooks/x", Scope.WEBHOOKS, "webhooks:delete"),
    ("GET", "/logs", Scope.READ, "logs:read"),
    ("POST", "/auth/token", Scope.ADMIN, "tokens:manage"),
    ("DELETE", "/auth/token/x", Scope.ADMIN, "tokens:manage"),
]


@pytest.mark.parametrize(("method", "path", "scope", "right"), ROUTES)
@on_the_loop
async def test_each_route_needs_its_scope(method: str, path: str, scope: Scope, right: str) -> None:
    at = Server()
    account = await at.opened()
    await at.key(account, "all-but-this", ALL_SCOPES & ~scope)
    await at.key(account, "only-this", scope)
    refused = await at.ask(method, path, {}, authorization=basic("shop", "all-but-this"))
    assert (refused.status, str(scope.name).lower() in json.loads(refused.body)["message"]) == (403, True)
    assert (await at.ask(method, path, {}, authorization="Bearer only-this")).status not in (401, 403)
    others = sorted({each for *_, each in ROUTES} - {right})
    for scopes, allowed in (([right], True), (others, False)):
        token = (await at.told("POST", "/auth/token", {"scopes": scopes}, status=201))["access_token"]
        answer = await at.ask(method, path, {}, authorization=f"Bearer {token}")
        assert (answer.status not in (401, 403)) is allowed
        if not allowed:
            assert right in json.loads(answer.body)["message"]


@on_the_loop
async def test_a_token_ends_when_it_should() -> None:
    at = Server()
    await at.opened()
    made = await at.told("POST", "/auth/token", {"scopes": ["all:any"], "ttl": 60}, status=201)
    assert (made["token_type"], made["expires_at"]) == ("Bearer", wire(60))
    assert {made["accessToken"], made["expiresAt"]} == {made["access_token"], made["expires_at"]}
    bearer = f"Bearer {made['access_token']}"
    await at.told("GET", "/devices", authorization=bearer)
    at.clock.advance(60)
    assert (await at.ask("GET", "/devices", authorization=bearer)).status == 401
    renewed = await at.told("POST", "/auth/token/refresh", {}, status=201, authorization=f"Bearer {made['refresh_token']}")
    assert renewed["expires_at"] == wire(120)
    await at.told("GET", "/devices", authorization=f"Bearer {renewed['access_token']}")
    assert (await at.ask("POST", "/auth/token/refresh", authorization=f"Bearer {made['refresh_token']}")).status == 401
    for _ in range(2):
        await at.told("DELETE", f"/auth/token/{renewed['id']}", status=204)
    for token in (renewed["access_token"], renewed["refresh_token"]):
        assert (await at.ask("POST", "/auth/token/refresh", authorization=f"Bearer {token}")).status == 401


@on_the_loop
async def test_a_refresh_token_only_renews_and_an_access_token_does_not() -> None:
    at = Server()
    await at.opened()
    made = await at.told("POST", "/auth/token", {"scopes": ["devices:list"]}, status=201)
    assert (await at.ask("GET", "/devices", authorization=f"Bearer {made['refresh_token']}")).status == 403
    assert (await at.ask("POST", "/auth/token/refresh", authorization=f"Bearer {made['access_token']}")).status == 403
    assert (await at.ask("POST", "/auth/token/refresh")).status == 401


@on_the_loop
async def test_nobody_gets_more_than_they_have() -> None:
    at = Server()
    account = await at.opened()
    other = await at.account("other-key", name="other")
    await at.key(account, "admin-send", Scope.ADMIN | Scope.SEND)
    await at.told("POST", "/auth/token", {"scopes": ["messages:read"]}, status=403, authorization="Bearer admin-send")
    made = await at.told(
        "POST", "/auth/token", {"scopes": ["tokens:manage", "messages:send"]}, status=201, authorization="Bearer admin-send"
    )
    bearer = f"Bearer {made['access_token']}"
    await at.told("POST", "/auth/token", {"scopes": ["messages:cancel"]}, status=403, authorization=bearer)
    await at.told("POST", "/auth/token", {"scopes": ["messages:send"]}, status=201, authorization=bearer)
    await at.told("DELETE", f"/auth/token/{made['id']}", status=204, authorization=basic(other.name, "other-key"))
    await at.told("POST", "/messages", SEND, status=202, authorization=bearer)
    key = next(key for key in await at.store.keys(account.id) if key.scopes == Scope.ADMIN | Scope.SEND)
    await at.store.revoke_key(key.id, at.clock())
    assert (await at.ask("POST", "/messages", SEND, authorization=bearer)).status == 401
    for wrong in ({}, {"scopes": []}, {"scopes": ["x"]}, {"scopes": "all:any"}, {"scopes": ["all:any"], "ttl": "x"}):
        await at.told("POST", "/auth/token", wrong, status=400)


@on_the_loop
async def test_a_password_is_looked_at_once_in_a_while_and_not_after_it_was_changed() -> None:
    at = Server()
    account = await at.opened()
    enrolment = at.gateway.enrolment
    await enrolment.set_password(account, "the password of it")
    right = basic("shop", "the password of it")
    many = await asyncio.gather(*(enrolment.logged_in("shop", "the password of it", Scope.SEND, peer="1.2.3.4") for _ in range(3 * TRIES)))
    assert {each.account for each in many} == {account}
    await at.told("GET", "/messages", authorization=right)
    assert enrolment.hasher.asked == 1  # type: ignore[attr-defined]
    at.clock.advance(5)
    await at.told("GET", "/messages", authorization=right)
    assert enrolment.hasher.asked == 2  # type: ignore[attr-defined]
    token = (await at.told("POST", "/auth/token", {"scopes": ["messages:list"]}, status=201, authorization=right))["access_token"]
    await enrolment.set_password(account, "another one of it")
    for shown in (right, f"Bearer {token}"):
        assert (await at.ask("GET", "/messages", authorization=shown)).status == 401


@on_the_loop
async def test_many_wrong_passwords_are_held_back() -> None:
    at = Server()
    account = await at.opened()
    await at.gateway.enrolment.set_password(account, "the password of it")
    told = [await at.ask("GET", "/messages", authorization=basic("shop", f"wrong {n}")) for n in range(TRIES + 1)]
    assert [each.status for each in told] == [401] * TRIES + [429]
    assert int(told[-1].headers["retry-after"]) > 0


# the rest


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/health/startup"])
@on_the_loop
async def test_health_is_told_to_anybody(path: str) -> None:
    told = await Server().told("GET", path, authorization="")
    assert (told["status"], told["version"], told["releaseId"]) == ("pass", "1.0.0", 1)
    assert all(check["status"] == "pass" for check in told["checks"].values())


@on_the_loop
async def test_logs_are_not_there_and_methods_are_said() -> None:
    at = Server()
    await at.opened()
    assert await at.told("GET", "/logs", status=501) == {"message": "the logs of phones are not collected"}
    answer = await at.ask("PUT", "/messages")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert (await at.ask("GET", "/nothing", base=BASE)).status == 404


@on_the_loop
async def test_no_text_password_or_token_is_in_the_log() -> None:
    at = Server()
    account = await at.opened()
    await at.gateway.enrolment.set_password(account, "the password of it")
    made = await at.told("POST", "/auth/token", {"scopes": ["all:any"]}, status=201, authorization=basic("shop", "the password of it"))
    await at.ask("POST", "/messages", {**SEND, "simNumber": 9}, authorization=f"Bearer {made['access_token']}")
    logged = repr(at.log.__dict__)
    assert not [each for each in ("the password of it", made["access_token"], made["refresh_token"], "Hi é", KEY) if each in logged]
