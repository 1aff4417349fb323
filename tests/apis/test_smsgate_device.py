"""The device API of SMSGate: each route as the app calls it, and who may call it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from adapters.apis import ApiSettings
from adapters.apis.smsgate_device import ASK_AGAIN_MOST
from adapters.devices.smsgate import KIND
from service.errors import Unavailable
from service.lifecycle import Status
from tests.apis.smsgate_peer import BASE, House, Phone, basic, wire_date
from tests.fakes import START, on_the_loop, ripple

PAYLOAD = {
    "messageId": "a1b2c3d4",
    "sender": "+32495898697",
    "message": "what came in",
    "receivedAt": "2026-03-20T13:00:00.000+01:00",
    "simNumber": 2,
    "phoneNumber": "+32495898697",
}


# joining


@on_the_loop
async def test_a_private_token_makes_the_phone_a_device_of_its_account() -> None:
    house = House()
    account = await house.account()
    phone = await house.joined()
    assert set(phone.registered) == {"id", "token", "login", "password"}
    assert phone.registered["login"] == account.name
    [device] = await house.store.devices()
    assert (device.id, device.account_id, device.kind, device.label, device.sims) == (phone.id, account.id, KIND, "Google/panther", 2)
    assert device.phone_number is None, "what a phone tells of its number is redacted"
    assert house.fleet.is_online(phone.id)
    assert house.fleet.presence(phone.id).version == "1.68.0"
    again = await house.joined()
    assert again.id != phone.id and "password" not in again.registered


@on_the_loop
async def test_a_code_and_a_password_let_a_phone_in_too_and_a_code_only_once() -> None:
    house = House()
    account = await house.account()
    code = (await house.gateway.enrolment.new_code(account)).code
    await house.gateway.enrolment.set_password(account, "fourteen-letters")
    said = {"name": "Google/panther"}
    for authorization, status in (
        (f"Code {code.upper()}", 201),
        (f"Code {code}", 401),
        (basic(account.name, "fourteen-letters"), 201),
        (basic(account.name, "fifteen--letters"), 401),
        (basic("nobody", "fourteen-letters"), 401),
    ):
        answer = await Phone(house).say("POST", "/device", said, authorization=authorization)
        assert answer.status == status, authorization
        assert (status == 201) == ("id" in json.loads(answer.body)) == ("message" not in json.loads(answer.body))


@pytest.mark.parametrize(
    "shown", ["", "Bearer", "Bearer ", "Bearer x", "Code ", "Code abc", "Basic !", "Basic eA==", "Digest x", "Bearer  \t "]
)
@on_the_loop
async def test_nobody_joins_without_an_invitation(shown: str) -> None:
    house = House()
    await house.account()
    answer = await Phone(house).say("POST", "/device", {"name": "x"}, authorization=shown)
    assert answer.status == 401
    assert set(json.loads(answer.body)) == {"message"}
    assert await house.store.devices() == []


@pytest.mark.parametrize("shown", ["Code aaaaaaaa", "Bearer aaaaaaaa", basic("of a-good-key", "x" * 14)])
@on_the_loop
async def test_whoever_tries_many_codes_tokens_or_passwords_is_held_off(shown: str) -> None:
    house = House()
    await house.account()
    statuses = [(await Phone(house).say("POST", "/device", {"name": "x"}, authorization=shown)) for _ in range(61)]
    assert statuses[0].status == 401
    assert statuses[-1].status == 429
    assert int(statuses[-1].headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("cards", "sims"),
    [
        ([], 1),
        (None, 1),
        ([{"simNumber": 3}], 3),
        ([{"simNumber": 0}, {"slotIndex": 1}, 7, {"simNumber": True}], 1),
        ([{"simNumber": 99}], 1),
    ],
)
@on_the_loop
async def test_the_highest_slot_says_how_many_sims_there_are(cards: Any, sims: int) -> None:
    house = House()
    phone = await house.joined(simCards=cards)
    assert house.fleet.get(1, phone.id).sims == sims  # type: ignore[union-attr]


@on_the_loop
async def test_a_phone_tells_of_itself_again_at_each_start() -> None:
    house = House()
    phone, other = await house.joined(simCards=[]), await house.joined()
    assert (await phone.say("PATCH", "/device", {"id": phone.id, "simCards": [{"simNumber": 2}]})).status == 204
    assert house.fleet.get(1, phone.id).sims == house.drivers[phone.id].device.sims == 2  # type: ignore[union-attr]
    assert (await phone.say("PATCH", "/device", {"id": phone.id, "simCards": []})).status == 204
    assert house.fleet.get(1, phone.id).sims == 2  # type: ignore[union-attr]
    assert (await phone.say("PATCH", "/device", {"id": other.id})).status == 403
    assert (await phone.say("PATCH", "/device", {"id": phone.id}, authorization="Bearer wrong")).status == 401
    assert house.troubles == []
    assert (await phone.say("PATCH", "/device", {"id": phone.id, "pushToken": "fcm"})).status == 204
    [(device, why)] = house.troubles
    assert device == phone.id and "SSE Only" in why and "fcm" not in why


@on_the_loop
async def test_an_unlinked_phones_token_and_hook_work_no_more_and_its_stream_ends() -> None:
    house = House()
    phone = await house.joined()
    hook = (await phone.read("/webhooks"))[0]["url"].removeprefix("http://sms.test")
    stream = await phone.listen()
    await house.fleet.unlink(1, phone.id)
    await ripple()
    assert stream.wire.disconnecting
    assert (await phone.say("PATCH", "/device", {"id": phone.id})).status == 401
    assert (await phone.say("GET", "/message")).status == 401
    assert (await house.say(phone.request("POST", hook, {"event": "system:ping", "payload": {}}, ""))).status == 401


@on_the_loop
async def test_anybody_may_ask_for_his_address() -> None:
    house = House()
    answer = await Phone(house).say("GET", "/device", authorization="")
    assert (answer.status, json.loads(answer.body)) == (200, {"externalIp": "192.168.1.1"})


# messages


@on_the_loop
async def test_a_message_is_listed_as_the_app_reads_it_until_it_is_acknowledged() -> None:
    house = House()
    phone = await house.joined()
    message = await house.queued(phone.id, wanted_sim=2, text="é😀")
    expected = {
        "id": message.guid,
        "textMessage": {"text": "é😀"},
        "message": "é😀",
        "phoneNumbers": ["+32495898697"],
        "simNumber": 2,
        "withDeliveryReport": True,
        "isEncrypted": False,
        "validUntil": wire_date(message.expires),
        "createdAt": wire_date(message.created),
        "priority": 0,
        "state": "Pending",
    }
    for path in ("/message", "/message?order=fifo", "/messages?order=lifo"):
        assert await phone.read(path) == [expected]
    assert await phone.read("/message") == [expected], "the answer may have been lost"
    await phone.tell(message.guid, "Pending")
    assert await phone.read("/message") == []
    row = await house.row(message.guid)
    assert (row.status, row.device_message_id, row.taken) == (Status.SENDING, message.guid, house.clock())


@pytest.mark.parametrize("base", ["/mobile/v1", "/api/mobile/v1", "/mobile/v1/", "//mobile/v1"])
@on_the_loop
async def test_it_is_served_at_both_paths_and_whatever_slashes_there_are(base: str) -> None:
    house = House()
    phone = await house.joined()
    assert (await phone.say("GET", "/message", base=base)).status == 200


@on_the_loop
async def test_states_are_applied_as_they_come_and_are_on_disk_when_it_is_answered() -> None:
    house = House()
    phone = await house.joined()
    message = await house.queued(phone.id)
    await phone.read("/message")
    house.later(60)
    at = wire_date(house.clock() - timedelta(seconds=30))
    for state, status in (
        ("Processed", Status.SENDING),
        ("Sent", Status.SENT),
        ("Processed", Status.SENT),
        ("Delivered", Status.DELIVERED),
        ("Sent", Status.DELIVERED),
        ("Delivered", Status.DELIVERED),
        ("Failed", Status.DELIVERED),
    ):
        await phone.tell(message.guid, state, at=at)
        assert (await house.row(message.guid)).status is status, state
    row = await house.row(message.guid)
    assert row.sent == row.finished == house.clock() - timedelta(seconds=30)


@on_the_loop
async def test_a_report_may_be_the_first_that_is_heard_of_a_message() -> None:
    house = House()
    phone = await house.joined()
    first, second, third = [await house.queued(phone.id) for _ in range(3)]
    await phone.read("/message")
    await phone.tell(first.guid, "Delivered")
    await phone.tell(second.guid, "Failed", "Send result: RESULT_ERROR_NO_SERVICE")
    await phone.tell(third.guid, "Sent")
    await phone.tell(third.guid, "Failed", "too late")
    assert [(row.status, row.error, row.sent is not None) for row in await house.rows()] == [
        (Status.DELIVERED, None, True),
        (Status.FAILED, "Send result: RESULT_ERROR_NO_SERVICE", False),
        (Status.FAILED, "too late", True),
    ]


@pytest.mark.parametrize(("told_s", "expected_s"), [(-3600, 0), (30, 30), (7200, 60)], ids=["before we had it", "between", "in the future"])
@on_the_loop
async def test_the_time_that_a_phone_with_a_wrong_clock_tells_is_kept_within_reason(told_s: int, expected_s: int) -> None:
    house = House()
    phone = await house.joined()
    message = await house.queued(phone.id)
    house.later(60)
    await phone.tell(message.guid, "Sent", at=wire_date(START + timedelta(seconds=told_s)))
    assert (await house.row(message.guid)).sent == START + timedelta(seconds=expected_s)


@on_the_loop
async def test_what_the_recipients_say_counts_and_not_the_sum_and_a_note_of_success_is_no_error() -> None:
    house = House()
    phone = await house.joined()
    message = await house.queued(phone.id)
    recipients = [{"phoneNumber": "+32495898697", "state": "Delivered", "error": "Delivery result: 1"}]
    await phone.say("PATCH", "/message", [{"id": message.guid, "state": "Pending", "recipients": recipients}])
    row = await house.row(message.guid)
    assert (row.status, row.error) == (Status.DELIVERED, None)


@on_the_loop
async def test_of_unknown_messages_and_other_phones_ones_nothing_is_said_and_nothing_done() -> None:
    house = House()
    phone, other = await house.joined(), await house.joined()
    message = await house.queued(phone.id)
    waits = await house.queued(phone.id)
    await phone.tell(message.guid, "Pending")
    for id in ("unknown", "0" * 40, message.guid + "-1"):
        await phone.tell(id, "Sent")
    for state in ("Pending", "Sent", "Failed"):
        await other.tell(message.guid, state)
        await other.tell(waits.guid, state)
    assert await other.read("/message") == []
    assert [row.status for row in await house.rows()] == [Status.SENDING, Status.SENDING]
    assert [item["id"] for item in await phone.read("/message")] == [waits.guid]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{}",
        b"null",
        b"[1]",
        b"[" * 100_000,
        b'[{"id":"a"}]',
        b'[{"id":"a|b","state":"Sent"}]',
        b'[{"id":1,"state":"Sent"}]',
        b'[{"id":"a","state":"Gone"}]',
        b'[{"id":"a","recipients":[{"state":null}]}]',
        b"\xff",
        json.dumps([{"id": "a", "state": "Sent"}] * 1001).encode(),
    ],
)
@on_the_loop
async def test_what_cannot_be_read_is_refused_in_words(body: bytes) -> None:
    house = House()
    phone = await house.joined()
    answer = await phone.say("PATCH", "/message", body)
    assert answer.status == 400
    assert json.loads(answer.body)["message"]
    assert house.log.lines[-1][0] == "request"


@on_the_loop
async def test_what_is_too_large_is_refused() -> None:
    house = House()
    phone = await house.joined()
    answer = await phone.say("PATCH", "/device", b" " * 65_537)
    assert answer.status == 413 and "message" in json.loads(answer.body)


@on_the_loop
async def test_a_phone_is_asked_again_about_what_it_took_and_never_reported() -> None:
    house = House()
    phone = await house.joined()
    message = await house.queued(phone.id)
    await phone.read("/message")
    await phone.tell(message.guid, "Processed")
    house.later(14 * 60)
    assert await phone.read("/message") == []
    house.later(6 * 60)
    assert [(item["id"], item["state"]) for item in await phone.read("/message")] == [(message.guid, "Pending")]
    assert await phone.read("/message") == [], "not at each call"
    await phone.tell(message.guid, "Sent")
    house.later(6 * 60)
    assert await phone.read("/message") == []


@on_the_loop
async def test_a_phone_that_never_answers_about_many_is_asked_about_the_others_too() -> None:
    house = House()
    phone = await house.joined()
    ids = []
    for _ in range(ASK_AGAIN_MOST + 1):
        ids.append((await house.queued(phone.id)).guid)
        await phone.read("/message")
        await phone.tell(ids[-1], "Pending")
        house.later(1)
    house.later(20 * 60)
    asked = []
    for _ in range(3):
        asked.append([item["id"] for item in await phone.read("/message")])
        house.later(6 * 60)
    assert asked == [ids[:-1], ids[-1:], ids[:-1]]


@pytest.mark.parametrize(("version", "listed"), [("1.68.0", ["Cancelling"]), ("1.67.0", ["Cancelling"]), ("1.66.9", []), ("x", [])])
@on_the_loop
async def test_a_message_that_was_deleted_after_it_was_fetched_is_cancelled_where_the_app_knows_that(
    version: str, listed: list[str]
) -> None:
    house = House()
    phone = await house.joined(version)
    account = await house.store.account(1)
    assert account is not None
    message = await house.queued(phone.id)
    stream = await phone.listen()
    await phone.read("/message")
    await phone.tell(message.guid, "Pending")
    assert await house.gateway.mailbox.delete(account, message.guid) == 0, "it may be on the air at any moment"
    assert stream.events() == [("MessageCancelled", json.dumps({"messageId": message.guid}))]
    assert [item["state"] for item in await phone.read("/message")] == listed
    await phone.tell(message.guid, "Cancelled")
    assert await phone.read("/message") == []
    row = await house.row(message.guid)
    assert (row.status, row.error) == (Status.FAILED, "cancelled")


@on_the_loop
async def test_a_message_that_was_deleted_before_it_was_fetched_is_never_listed() -> None:
    house = House()
    phone = await house.joined()
    account = await house.store.account(1)
    assert account is not None
    message = await house.queued(phone.id)
    await house.gateway.mailbox.delete(account, message.guid)
    await ripple()
    assert await phone.read("/message") == []
    assert (await house.row(message.guid)).status is Status.FAILED


# there and away


@on_the_loop
async def test_a_stream_tells_at_once_and_once_for_many() -> None:
    house = House()
    phone = await house.joined()
    streams = [await phone.listen(), await phone.listen()]
    assert "HTTP/1.1 200 OK" in streams[0].head
    for header in ("Content-Type: text/event-stream", "Cache-Control: no-store", "X-Accel-Buffering: no"):
        assert header in streams[0].head
    await house.queued(phone.id)
    await house.queued(phone.id)
    assert [stream.events() for stream in streams] == [[("MessageEnqueued", "null")]] * 2
    await phone.read("/message")
    await house.queued(phone.id)
    assert streams[0].events() == [("MessageEnqueued", "null")]
    assert (await phone.say("GET", "/events", authorization="Bearer wrong")).status == 401


@on_the_loop
async def test_a_phone_that_polls_is_there_for_twice_its_interval_and_one_that_listens_while_it_does() -> None:
    house = House()
    phone = await house.joined()
    house.later(30 * 60)
    assert house.fleet.is_online(phone.id)
    house.later(1)
    assert not house.fleet.is_online(phone.id)
    stream = await phone.listen()
    assert house.fleet.is_online(phone.id)
    house.later(5 * 3600)
    assert house.fleet.is_online(phone.id)
    await stream.cut()
    house.later(120)
    assert house.fleet.is_online(phone.id), "it opens another within a minute"
    house.later(11)
    assert not house.fleet.is_online(phone.id)
    await phone.read("/message")
    house.later(29 * 60)
    assert house.fleet.is_online(phone.id), "it polls"


@on_the_loop
async def test_what_a_silent_phone_never_fetched_is_given_back_and_what_it_fetched_waits_for_it() -> None:
    house = House()
    phone = await house.joined()
    fetched = await house.queued(phone.id)
    await phone.read("/message")
    waits = await house.queued(phone.id)
    house.later(30 * 60 + 1)
    await ripple()
    rows = {row.guid: row for row in await house.rows()}
    assert (rows[waits.guid].status, rows[waits.guid].in_doubt) == (Status.QUEUED, False)
    assert (rows[fetched.guid].status, rows[fetched.guid].in_doubt) == (Status.QUEUED, True)
    other = await house.joined()
    await house.hand_over(other.id)
    assert [item["id"] for item in await other.read("/message")] == [waits.guid]
    await phone.tell(fetched.guid, "Sent")
    assert (await house.row(fetched.guid)).status is Status.SENT, "it was only late"


@on_the_loop
async def test_at_its_first_stream_since_we_are_up_a_phone_is_asked_what_came_in_meanwhile() -> None:
    house = House()
    phone = await house.joined()
    assert (await phone.listen()).events() == []
    house.pulls.of(phone.id).missed_since = START - timedelta(hours=5)
    asked = [stream.events() for stream in (await phone.listen(), await phone.listen())]
    [[(type, data)], none] = asked
    assert (type, none) == ("MessagesExportRequested", [])
    assert json.loads(data) == {
        "since": "2026-03-20T06:00:00.000Z",
        "until": "2026-03-20T13:00:00.000Z",
        "messageTypes": "SMS,MMS",
        "triggerWebhooks": "true",
    }


@on_the_loop
async def test_a_wish_that_a_restart_of_ours_forgot_is_passed_on_when_it_is_said_again() -> None:
    house = House()
    phone = await house.joined()
    account = await house.store.account(1)
    assert account is not None
    message = await house.queued(phone.id)
    await phone.read("/message")
    await phone.tell(message.guid, "Pending")
    await house.gateway.mailbox.delete(account, message.guid)
    device = house.drivers.pop(phone.id).device
    house.pulls.drop(phone.id)
    await house.fleet.link(device)
    assert await phone.read("/message") == []
    assert await house.gateway.mailbox.delete(account, message.guid) == 0
    assert [(item["id"], item["state"]) for item in await phone.read("/message")] == [(message.guid, "Cancelling")]


@on_the_loop
async def test_on_the_first_stream_after_it_joined_or_we_started_it_is_told_to_fetch_hooks_and_settings() -> None:
    house = House()
    phone = await house.joined(is_greeted=False)
    both = [("WebhooksUpdated", "null"), ("SettingsUpdated", "null")]
    assert [(await phone.listen()).events() for _ in range(2)] == [both, []]
    house.pulls.drop(phone.id)  # as by a new process
    assert (await phone.listen()).events() == both


# hooks


@pytest.mark.parametrize(
    ("version", "events"),
    [
        ("1.38.0", ["sms:received", "system:ping"]),
        ("1.39.0", ["sms:received", "system:ping", "sms:data-received"]),
        ("1.47.1", ["sms:received", "system:ping", "sms:data-received", "mms:received"]),
        ("1.66.0", ["sms:received", "system:ping", "sms:data-received", "mms:received", "mms:downloaded", "app:started"]),
    ],
)
@on_the_loop
async def test_a_phone_is_given_only_hooks_that_its_app_knows_under_ids_that_stay(version: str, events: list[str]) -> None:
    house = House()
    phone = await house.joined(version)
    listed = await phone.read("/webhooks")
    assert [hook["event"] for hook in listed] == events
    assert listed == await phone.read("/webhooks")
    assert len({hook["id"] for hook in listed}) == len(events)
    assert len({hook["url"] for hook in listed}) == 1
    assert listed[0]["url"].startswith(f"http://sms.test{BASE}/hooks/{phone.id}/")


@on_the_loop
async def test_hooks_are_at_the_public_url_and_at_the_path_that_the_phone_uses() -> None:
    house = House(ApiSettings(public_url="https://sms.example.org"))
    phone = await house.joined()
    answer = await phone.say("GET", "/webhooks", base="/api/mobile/v1")
    assert json.loads(answer.body)[0]["url"].startswith(f"https://sms.example.org/api/mobile/v1/hooks/{phone.id}/")


@on_the_loop
async def test_a_message_that_came_in_is_kept_once_however_often_it_is_posted() -> None:
    house = House()
    phone = await house.joined()
    later = PAYLOAD | {"receivedAt": "2026-03-20T13:00:05.000+01:00"}
    elsewhere = PAYLOAD | {"receivedAt": "2026-03-20T14:00:00.000+02:00"}
    for number, payload in enumerate([PAYLOAD, PAYLOAD, elsewhere, later]):
        assert (await phone.post("sms:received", payload, id=f"e{number}")).status == 200
    kept = [message for _, message in house.store.inbox]
    assert [(m.device, m.sender, m.text, m.sim) for m in kept] == [(phone.id, "+32495898697", "what came in", 2)] * 2
    assert kept[0].received.isoformat() == "2026-03-20T13:00:00+01:00"


@pytest.mark.parametrize(
    ("event", "payload", "text"),
    [
        ("sms:received", {"message": "x"}, "x"),
        ("sms:data-received", {"data": "w6k="}, "é"),
        ("sms:data-received", {"data": "/w=="}, "/w=="),
        ("mms:received", {"transactionId": "T1", "subject": "pictures", "size": 5}, "pictures"),
        ("mms:received", {"transactionId": "T1", "size": 5}, "[MMS]"),
        (
            "mms:downloaded",
            {
                "transactionId": "T1",
                "body": "look",
                "attachments": [{"partId": 1, "contentType": "image/jpeg", "name": "a.jpg", "data": "/w=="}],
            },
            "look\n[image/jpeg a.jpg]",
        ),
    ],
)
@on_the_loop
async def test_each_kind_of_message_becomes_a_text(event: str, payload: dict[str, Any], text: str) -> None:
    house = House()
    phone = await house.joined()
    assert (await phone.post(event, payload | {"phoneNumber": "+32495898697"})).status == 200
    [(_, message)] = house.store.inbox
    assert (message.text, message.sender, message.received) == (text, "+32495898697", house.clock())


@on_the_loop
async def test_nobody_speaks_for_a_phone_without_its_secret_and_whoever_tries_is_held_off() -> None:
    house = House()
    phone, other = await house.joined(), await house.joined()
    its = (await other.read("/webhooks"))[0]["url"].rpartition("/")[2]
    for secret in ("", "x", "é", its):
        assert (await phone.post("sms:received", PAYLOAD, secret=secret)).status in (401, 404)
    statuses = [(await phone.post("sms:received", PAYLOAD, secret="x")).status for _ in range(60)]
    assert statuses[-1] == 429
    modem = house.connect("8899aabbccddeeff").device.id
    for path in (f"{modem}/x", f"{modem}/", modem, ""):
        assert (await house.say(phone.request("POST", f"{BASE}/hooks/{path}", PAYLOAD, ""))).status in (404, 429)
    assert (await phone.post("sms:received", PAYLOAD)).status == 200, "the phone itself is let in"
    assert len(house.store.inbox) == 1


@on_the_loop
async def test_the_signature_is_asked_for_once_the_phone_has_signed_with_the_key_that_it_was_given() -> None:
    house = House()
    phone = await house.joined()
    key = (await phone.read("/settings"))["webhooks"]["signing_key"]
    stream = await phone.listen()
    assert (await phone.post("system:ping", {}, key="made up")).status == 200
    assert (await phone.post("system:ping", {}, key=key)).status == 200
    for wrong in (None, "made up"):
        assert (await phone.post("sms:received", PAYLOAD, key=wrong)).status == 401
        assert stream.events() == [("SettingsUpdated", "null")], "with the settings it gets the key again"
    assert (await phone.post("sms:received", PAYLOAD, key=key)).status == 200
    assert len(house.store.inbox) == 1
    assert all(device == phone.id and "signed" in why and key not in why for device, why in house.troubles)


@on_the_loop
async def test_a_ping_tells_how_the_phone_is() -> None:
    house = House()
    phone = await house.joined()
    checks = {
        "battery:level": {"observedValue": 87, "observedUnit": "percent", "status": "pass"},
        "messages:failed": {"observedValue": 9, "status": "fail"},
        "connection:status": {"status": "warn"},
    }
    assert (await phone.post("system:ping", {"health": {"status": "fail", "version": "1.68.0", "checks": checks}})).status == 200
    assert house.fleet.presence(phone.id).battery == 87
    assert house.troubles == [(phone.id, "it does not pass its own checks: messages:failed")]


@on_the_loop
async def test_an_app_that_starts_tells_its_sims_and_an_event_that_nobody_asked_for_is_let_go() -> None:
    house = House()
    phone = await house.joined(simCards=[])
    assert (await phone.post("app:started", {"simCards": [{"simNumber": 2}]})).status == 200
    assert house.fleet.get(1, phone.id).sims == 2  # type: ignore[union-attr]
    assert (await phone.post("sms:sent", {"messageId": "x"})).status == 200


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"event":1,"payload":{}}', b'{"event":"sms:received","payload":{"message":1}}'])
@on_the_loop
async def test_a_post_that_cannot_be_read_is_refused_and_its_path_is_in_no_log(body: bytes) -> None:
    house = House()
    phone = await house.joined()
    url = (await phone.read("/webhooks"))[0]["url"].removeprefix("http://sms.test")
    for path in (url, "/" + url, url.replace("hooks/", "hooks//"), url + "?x"):
        assert (await house.say(phone.request("POST", path, body, ""))).status in (400, 401)
    assert (await house.say(phone.request("PUT", url, body, ""))).status == 405
    assert (await house.say(phone.request("POST", url, body, "", {"Transfer-Encoding": "x"}))).status == 400
    assert [line[1]["path"] for line in house.log.lines] == [BASE + "/hooks/*"] * 6
    assert url.rpartition("/")[2] not in str(house.log.lines)


@on_the_loop
async def test_a_post_is_refused_for_now_when_it_cannot_be_kept() -> None:
    house = House()
    phone = await house.joined()

    async def away(*args: Any, **kwargs: Any) -> bool:
        raise Unavailable("the store is away")

    house.store.received = away  # type: ignore[method-assign]
    assert (await phone.post("sms:received", PAYLOAD)).status == 503
    await house.drivers[phone.id].stop()
    assert (await phone.post("sms:received", PAYLOAD)).status == 503


# settings, codes, passwords


@pytest.mark.parametrize(("version", "has_channel"), [("1.52.9", False), ("1.53.0", True)])
@on_the_loop
async def test_settings_hold_what_is_needed_and_nothing_that_the_app_does_not_know(version: str, has_channel: bool) -> None:
    house = House()
    phone = await house.joined(version)
    settings = await phone.read("/settings")
    assert settings == await phone.read("/settings")
    assert settings.pop("gateway", None) == ({"notification_channel": "SSE_ONLY"} if has_channel else None)
    key = settings["webhooks"].pop("signing_key")
    assert len(key) == 32 and key not in str(await (await house.joined()).read("/settings"))
    assert settings == {
        "messages": {"processing_order": "FIFO"},
        "ping": {"interval_seconds": 300},
        "webhooks": {"internet_required": False},
    }


@on_the_loop
async def test_whoever_has_the_password_gets_a_code_for_another_phone() -> None:
    house = House()
    phone = await house.joined()
    login, password = phone.registered["login"], phone.registered["password"]
    answer = await phone.say("GET", "/user/code", authorization=basic(login, password))
    assert answer.status == 200
    made = json.loads(answer.body)
    assert made["validUntil"] == wire_date(START + timedelta(seconds=300))
    assert (await Phone(house).say("POST", "/device", {"name": "x"}, authorization=f"Code {made['code']}")).status == 201
    for shown in (basic(login, "wrong"), f"Bearer {phone.token}", ""):
        assert (await phone.say("GET", "/user/code", authorization=shown)).status == 401


@pytest.mark.parametrize(
    ("current", "new", "status"),
    [(None, "fourteen-letters", 204), ("wrong", "fourteen-letters", 401), (None, "short", 400), (None, None, 400)],
)
@on_the_loop
async def test_the_password_is_changed_by_whoever_knows_it(current: str | None, new: str | None, status: int) -> None:
    house = House()
    phone = await house.joined()
    login, password = phone.registered["login"], phone.registered["password"]
    body = {"currentPassword": current or password, "newPassword": new}
    assert (await phone.say("PATCH", "/user/password", body)).status == status
    works = new if status == 204 else password
    assert (await phone.say("GET", "/user/code", authorization=basic(login, works or ""))).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/device"),
        ("GET", "/message"),
        ("PATCH", "/message"),
        ("GET", "/webhooks"),
        ("GET", "/settings"),
        ("GET", "/events"),
        ("PATCH", "/user/password"),
    ],
)
@on_the_loop
async def test_only_a_phones_own_token_is_taken(method: str, path: str) -> None:
    house = House()
    account = await house.account("an-api-key")
    invitation = await house.gateway.enrolment.new_token(account)
    phone = await house.joined()
    for shown in ("", "Bearer", "Bearer x", "Bearer an-api-key", f"Bearer {invitation}", f"Basic {phone.token}"):
        answer = await phone.say(method, path, [], authorization=shown)
        assert answer.status == 401, shown
        assert set(json.loads(answer.body)) == {"message"}
