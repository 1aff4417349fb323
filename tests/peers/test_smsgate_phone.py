"""The played SMSGate app does what the description of its protocol says. Each test names the app's source file that the fact is from."""

from __future__ import annotations

import asyncio
import hmac
import json
from hashlib import sha256
from typing import Any

import pytest

from tests.peers.scripted_gateway import ScriptedGateway, answer
from tests.peers.smsgate_air import Outcome
from tests.peers.smsgate_house import NUMBER, OTHER, House, after, message
from tests.peers.smsgate_sending import aggregate, decrypt
from tests.virtual_time import in_virtual_time

HOOK = {"id": "h1", "url": "http://gateway.test/mobile/v1/hook", "event": "sms:received"}


# registration


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ({"code": "abc234", "login": "LOGIN1", "password": "x", "private_token": "t"}, "Code abc234"),
        ({"login": "LOGIN1", "password": "x", "private_token": "t"}, "Basic TE9HSU4xOng="),
        ({"private_token": "t"}, "Bearer t"),
        ({"private_token": ""}, "Bearer "),
        ({"private_token": None}, None),
    ],
)
@in_virtual_time
async def test_it_registers_with_a_code_before_a_login_before_the_private_token(typed: dict[str, Any], expected: str | None) -> None:
    """SMSGate app, GatewayApi.kt, deviceRegister"""
    house = House()
    await after(1, house.phone(**typed))
    [request] = house.gateway.named("POST /device")
    assert dict(request.headers).get("Authorization") == expected


@in_virtual_time
async def test_a_known_phone_updates_itself_and_registers_anew_after_401_only() -> None:
    """SMSGate app, GatewayService.kt: with a token PATCH /device comes first; only a 401 there leads to POST /device."""
    house = House()
    phone = house.phone()
    await after(1, phone)
    await after(1, phone)
    assert [len(house.gateway.named(name)) for name in ("POST /device", "PATCH /device")] == [1, 1]
    house.gateway.script["PATCH /device"] = [answer(500), answer(403)]
    await after(40, phone)
    assert [len(house.gateway.named(name)) for name in ("POST /device", "PATCH /device")] == [1, 4]
    house.gateway.tokens.clear()
    await after(1, phone)
    assert phone.id == "device-2"


@in_virtual_time
async def test_a_401_elsewhere_is_tried_again_but_never_registers() -> None:
    """SMSGate app, GatewayService.kt"""
    house = House()
    house.gateway.script["GET /message"] = [answer(401)] * 3
    await after(80, house.phone(push_token="fcm"))
    assert house.gateway.times("GET /message") == [0, 10, 30, 70]
    assert len(house.gateway.named("POST /device")) == 1


# messages


@in_virtual_time
async def test_a_message_is_sent_and_each_state_reported() -> None:
    """SMSGate app, MessagesService.kt, SendStateWorker.kt: one report for each change, a list of one, telling the state of that moment."""
    house = House(ScriptedGateway(messages=[message()]))
    await after(5, house.phone(outcome=Outcome(sent_after_s=1, delivered_after_s=1)))
    assert house.sent == [("m1", NUMBER)]
    assert house.gateway.reports() == [("m1", "Processed"), ("m1", "Sent"), ("m1", "Delivered")]
    [last] = house.gateway.bodies("PATCH /message")[-1]
    assert last["recipients"] == [{"phoneNumber": NUMBER, "state": "Delivered"}]
    assert last["states"] == {
        "Pending": "2026-03-20T12:00:00.000Z",
        "Processed": "2026-03-20T12:00:00.000Z",
        "Sent": "2026-03-20T12:00:01.000Z",
        "Delivered": "2026-03-20T12:00:02.000Z",
    }


@in_virtual_time
async def test_a_known_id_is_never_sent_again_and_only_reports_its_state() -> None:
    """SMSGate app, GatewayService.kt, processMessage: even with another text, listed as Pending."""
    house = House(ScriptedGateway(messages=[message()], forgets_nothing=True))
    phone = house.phone()
    await after(5, phone)
    told = len(house.gateway.reports())
    house.gateway.messages = [message("m1", OTHER, state="Pending", textMessage={"text": "Something else"})]
    await after(5, phone)
    assert house.sent == [("m1", NUMBER)]
    assert house.gateway.reports()[told:] == [("m1", "Delivered")]


@in_virtual_time
async def test_a_report_is_tried_eleven_times_in_all_and_the_next_pull_repairs_it() -> None:
    """SMSGate app, SendStateWorker.kt: 10 tries after the first, from 10 s on, doubling."""
    house = House(ScriptedGateway(messages=[message()]))
    house.gateway.script["PATCH /message"] = [answer(500)] * 11
    phone = house.phone(outcome=Outcome(sent_after_s=None, delivered_after_s=None), poll_s=86400, push_token="fcm")
    await after(12000, phone)
    times = house.gateway.times("PATCH /message")
    assert [later - before for before, later in zip(times, times[1:], strict=False)] == [10 * 2**n for n in range(10)]
    assert len(times) == 11
    await after(5, phone)
    assert house.gateway.reports()[11:] == [("m1", "Processed")]


@pytest.mark.parametrize(
    ("order", "expected"), [(None, ["c", "b", "a", "z"]), ("LIFO", ["c", "b", "a", "z"]), ("FIFO", ["c", "z", "a", "b"])]
)
@in_virtual_time
async def test_priority_comes_first_then_the_order_that_was_set(order: str | None, expected: list[str]) -> None:
    """SMSGate app, MessagesSettings.kt; LIFO unless set. Priority is a Java byte, so that 200 is -56."""
    house = House()
    phone = house.phone()
    await after(1, phone)
    house.gateway.settings = {"messages": {"processing_order": order}}
    await after(1, phone)
    house.gateway.messages = [
        message(id, priority=priority, createdAt=f"2026-03-20T11:0{minute}:00.000Z")
        for id, minute, priority in (("z", 1, 0), ("a", 2, 0), ("b", 3, 0), ("c", 0, 100))
    ]
    if order != "FIFO":
        house.gateway.messages[0]["priority"] = 200
    await after(1, phone)
    assert [id for id, _ in house.sent] == expected
    assert house.gateway.named("GET /message")[-1].url.endswith("?order=" + (order or "LIFO").lower())


@in_virtual_time
async def test_what_is_too_late_fails_without_going_on_the_air() -> None:
    """SMSGate app, MessagesService.kt"""
    house = House(
        ScriptedGateway(messages=[message(validUntil="2026-03-20T11:59:59.999Z"), message("m2", validUntil="2026-03-20T12:01:00.000Z")])
    )
    await after(1, house.phone())
    assert house.sent == [("m2", NUMBER)]
    [report] = next(body for body in house.gateway.bodies("PATCH /message") if body[0]["id"] == "m1")
    assert (report["state"], report["recipients"][0]["error"]) == ("Failed", "TTL expired")


@in_virtual_time
async def test_microseconds_in_validUntil_give_two_minutes_more() -> None:
    """SMSGate app, GsonBuilder.kt: six digits are read as that many milliseconds."""
    house = House(
        ScriptedGateway(messages=[message(validUntil="2026-03-20T11:58:30.123456Z"), message("m2", validUntil="2026-03-20T11:58:30.123Z")])
    )
    await after(1, house.phone())
    assert house.sent == [("m1", NUMBER)]


@in_virtual_time
async def test_a_sim_that_is_not_there_fails_the_message() -> None:
    """SMSGate app, MessagesService.kt, getSmsManager"""
    house = House(ScriptedGateway(messages=[message(simNumber=2), message("m2", simNumber="1")]))
    await after(1, house.phone())
    assert house.sent == [("m2", NUMBER)]
    assert {"phoneNumber": NUMBER, "state": "Failed", "error": "Can't send message: SIM 2 not found"} in [
        recipient for [report] in house.gateway.bodies("PATCH /message") for recipient in report["recipients"]
    ]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("Pending Delivered", "Pending"),
        ("Cancelling Processed", "Cancelling"),
        ("Cancelled Processed", "Cancelled"),
        ("Processed Failed", "Processed"),
        ("Failed Failed", "Failed"),
        ("Delivered Delivered", "Delivered"),
        ("Delivered Failed", "Sent"),
        ("Sent Delivered", "Sent"),
    ],
)
def test_the_state_of_a_message_out_of_its_recipients(states: str, expected: str) -> None:
    """SMSGate app, MessageWithRecipients.kt"""
    assert aggregate(states.split()) == expected


@in_virtual_time
async def test_each_recipient_has_its_own_outcome_and_number_is_reported_as_it_came() -> None:
    """SMSGate app, MessagesService.kt: on the air only digits, +, * and # are left."""
    house = House(ScriptedGateway(messages=[message("m1", "+32 495/898-697", OTHER)]))
    await after(3, house.phone(outcomes={OTHER: Outcome(failure="RESULT_NO_MEMORY (Failed because there is no memory)")}))
    assert house.sent == [("m1", NUMBER), ("m1", OTHER)]
    [report] = house.gateway.bodies("PATCH /message")[-1]
    assert report["state"] == "Sent"
    assert report["recipients"] == [
        {"phoneNumber": "+32 495/898-697", "state": "Delivered"},
        {"phoneNumber": OTHER, "state": "Failed", "error": "Send result: RESULT_NO_MEMORY (Failed because there is no memory)"},
    ]


@pytest.mark.parametrize(
    ("status", "state", "has_error"), [(0, "Delivered", False), (1, "Delivered", True), (0x20, "Sent", False), (0x40, "Failed", True)]
)
@in_virtual_time
async def test_a_delivery_report_by_its_status(status: int, state: str, has_error: bool) -> None:
    """SMSGate app, MessagesService.kt, processStateIntent"""
    house = House(ScriptedGateway(messages=[message()]))
    await after(3, house.phone(outcome=Outcome(delivery_status=status)))
    [report] = house.gateway.bodies("PATCH /message")[-1]
    assert (report["state"], "error" in report["recipients"][0]) == (state, has_error)


@in_virtual_time
async def test_no_delivery_report_unless_wanted() -> None:
    """SMSGate app, GatewayApi.kt: withDeliveryReport is true unless said."""
    house = House(ScriptedGateway(messages=[message(withDeliveryReport=False), message("m2")]))
    await after(5, house.phone(outcome=Outcome(sent_after_s=1)))
    assert sorted(set(house.gateway.reports())) == [
        ("m1", "Processed"),
        ("m1", "Sent"),
        ("m2", "Delivered"),
        ("m2", "Processed"),
        ("m2", "Sent"),
    ]


BAD = (
    (message("a|b"), "an id with |"),
    ({"id": "m0", "phoneNumbers": [NUMBER]}, "no content"),
    ({"id": "m0", "textMessage": {}, "phoneNumbers": [NUMBER]}, "no content"),
    (message("m0", NUMBER, NUMBER), "UNIQUE constraint"),
    ({"textMessage": {"text": "Hi"}, "phoneNumbers": [NUMBER]}, "null"),
    ({"id": "m0", "textMessage": {"text": "Hi"}}, "null"),
)


@pytest.mark.parametrize(("bad", "why"), BAD, ids=[why for _, why in BAD])
@in_virtual_time
async def test_a_bad_item_is_skipped_and_logged_each_time_and_harms_no_other(bad: dict[str, Any], why: str) -> None:
    """SMSGate app, GatewayService.kt, getNewMessages"""
    house = House(ScriptedGateway(messages=[bad, message()]))
    phone = house.phone()
    for round in (1, 2):
        await after(1, phone)
        assert house.sent == [("m1", NUMBER)]
        assert len([line for line in house.log if why in line]) == round, house.log


@pytest.mark.parametrize(
    "fields",
    [
        {"validUntil": "2026-03-20T13:00:00"},
        {"createdAt": "2026-03-20 13:00:00Z"},
        {"scheduleAt": 1773990000},
        {"phoneNumbers": NUMBER},
        {"simNumber": "one"},
        {"priority": 300},
        {"textMessage": "Hi"},
    ],
    ids=str,
)
@in_virtual_time
async def test_one_value_of_a_wrong_type_loses_the_whole_list(fields: dict[str, Any]) -> None:
    """SMSGate app, GatewayApi.kt: Gson throws, and the worker tries again."""
    house = House(ScriptedGateway(messages=[message(), message("m2") | fields]))
    await after(12, house.phone(push_token="fcm"))
    assert house.sent == []
    assert house.gateway.times("GET /message") == [0, 10]


@in_virtual_time
async def test_content_data_before_text_before_message_and_an_unknown_state_is_pending() -> None:
    """SMSGate app, GatewayApi.kt"""
    data = {"data": "aGk=", "port": 53739}
    house = House(
        ScriptedGateway(
            messages=[
                message(state="Teleported", message="old", dataMessage=data),
                message("m2", message="old"),
                {"id": "m3", "message": "old", "phoneNumbers": [OTHER]},
            ]
        )
    )
    await after(1, house.phone())
    assert {sms.id: sms.text for sms in house.air.sent} == {"m1": "data:53739:6869", "m2": "Hi", "m3": "old"}


@in_virtual_time
async def test_an_encrypted_message_is_opened_with_the_passphrase_and_reported_as_it_came() -> None:
    """SMSGate app, EncryptionService.kt"""
    sealed = "$aes-256-cbc/pbkdf2-sha1$i=75000$AAECAwQFBgcICQoLDA0ODw==$%s"
    text, number = (sealed % part for part in _sealed("Hello", NUMBER))
    assert decrypt(text, "passphrase") == "Hello"
    house = House(
        ScriptedGateway(
            messages=[message("m1", number, isEncrypted=True, textMessage={"text": text})],
            settings={"encryption": {"passphrase": "passphrase"}},
        )
    )
    phone = house.phone()
    await after(0.5, phone)
    house.gateway.messages = [message("m2", number, isEncrypted=True, textMessage={"text": text})]
    await after(3, phone)
    assert ("m2", NUMBER, "Hello") in [(sms.id, sms.number, sms.text) for sms in house.air.sent]
    assert house.gateway.bodies("PATCH /message")[-1][0]["recipients"][0]["phoneNumber"] == number


def _sealed(*texts: str) -> list[str]:
    import base64

    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

    salt = bytes(range(16))
    key = PBKDF2HMAC(algorithm=SHA1(), length=32, salt=salt, iterations=75000).derive(b"passphrase")
    found = []
    for text in texts:
        fill = 16 - len(text) % 16
        encryptor = Cipher(algorithms.AES(key), modes.CBC(salt)).encryptor()
        found.append(base64.b64encode(encryptor.update(text.encode() + bytes([fill]) * fill) + encryptor.finalize()).decode())
    return found


# cancelling


@pytest.mark.parametrize(("version", "sent"), [("1.66.0", [("m1", NUMBER)]), ("1.67.0", [])])
@in_virtual_time
async def test_a_listed_cancelling_message_it_never_had_is_reported_cancelled_but_an_old_app_sends_it(
    version: str, sent: list[tuple[str, str]]
) -> None:
    """SMSGate app, GatewayService.kt; known since 1.67"""
    house = House(ScriptedGateway(messages=[message(state="Cancelling")]))
    await after(3, house.phone(version))
    assert house.sent == sent
    assert house.gateway.reports()[-1] == ("m1", "Delivered" if sent else "Cancelled")


@pytest.mark.parametrize("pushed", [True, False])
@in_virtual_time
async def test_a_message_still_waiting_is_cancelled_and_a_sent_one_is_not(pushed: bool) -> None:
    """SMSGate app, GatewayService.kt: by the event MessageCancelled, or by being listed as Cancelling."""
    house = House(ScriptedGateway(messages=[message(scheduleAt="2026-03-20T12:05:00.000Z"), message("m2")], forgets_nothing=True))
    phone = house.phone()
    phone.start()
    await asyncio.sleep(10)
    for id in ("m1", "m2"):
        if pushed:
            house.gateway.tell("MessageCancelled", json.dumps({"messageId": id}))
    if not pushed:
        house.gateway.messages = [message("m1", state="Cancelling"), message("m2", state="Cancelling")]
        house.gateway.tell("MessageEnqueued")
    await asyncio.sleep(600)
    await phone.stop()
    assert house.sent == [("m2", NUMBER)]
    assert {("m1", "Cancelled"), ("m2", "Delivered")} <= set(house.gateway.reports())
    assert not {("m2", "Cancelled"), ("m1", "Processed")} & set(house.gateway.reports())


@pytest.mark.parametrize(("version", "at"), [("1.60.0", 0), ("1.61.0", 300)])
@in_virtual_time
async def test_a_scheduled_message_waits_on_the_phone(version: str, at: int) -> None:
    """SMSGate app, MessagesService.kt; known since 1.61, ignored before"""
    house = House(ScriptedGateway(messages=[message(scheduleAt="2026-03-20T12:05:00.000Z")]))
    phone = house.phone(version)
    phone.start()
    await asyncio.sleep(299)
    assert len(house.sent) == (at == 0)
    await asyncio.sleep(2)
    assert len(house.sent) == 1
    await phone.stop()


# the stream


@in_virtual_time
async def test_no_stream_with_a_push_token_nor_before_the_version_that_has_it() -> None:
    """SMSGate app, EventsReceiver.kt"""
    for version, token, streams in (("1.68.0", "fcm", 0), ("1.42.0", None, 0), ("1.43.0", None, 1)):
        house = House()
        await after(1, house.phone(version, push_token=token))
        assert len(house.gateway.named("GET /events")) == streams


@in_virtual_time
async def test_each_event_does_its_own_and_an_unknown_one_or_one_without_data_does_nothing() -> None:
    """SMSGate app, SSEForegroundService.kt"""
    house = House()
    phone = house.phone()
    phone.start()
    await asyncio.sleep(1)
    before = len(house.gateway.asked)
    frames = {
        b"event: MessageEnqueued\ndata: null\n\n": ["GET /message"],
        b"data: {}\n\n": ["GET /message"],
        b"event: WebhooksUpdated\ndata: null\n\n": ["GET /webhooks"],
        b"event: SettingsUpdated\ndata: null\n\n": ["GET /settings"],
        b"event: MessageEnqueued\n\n": [],
        b"event: Teapot\ndata: null\n\n": [],
        b"event: MessageCancelled\ndata: oops\n\n": [],
        b":keepalive\n\n": [],
    }
    for frame, expected in frames.items():
        house.gateway.push(frame)
        await asyncio.sleep(1)
        assert [house.gateway.name(request) for _, request in house.gateway.asked[before:]] == expected, frame
        before = len(house.gateway.asked)
    await phone.stop()


@in_virtual_time
async def test_it_comes_back_after_5_s_five_times_30_s_five_times_then_60_s_and_pulls_when_open() -> None:
    """SMSGate app, SSEManager.kt, SSEForegroundService.kt"""
    house = House()
    house.gateway.script["GET /events"] = [answer(503)] * 5 + [answer(200, content_type="text/plain")] * 7
    phone = house.phone()
    phone.start()
    await asyncio.sleep(300)
    times = house.gateway.times("GET /events")
    assert [later - before for before, later in zip(times, times[1:], strict=False)] == [5] * 5 + [30] * 5 + [60] * 2
    assert house.gateway.times("GET /message")[-1] == times[-1]
    house.gateway.end_streams()
    await asyncio.sleep(6)
    assert house.gateway.times("GET /events")[-1] == 305
    await phone.stop()


@in_virtual_time
async def test_an_hour_of_silence_ends_a_stream_and_a_comment_keeps_it() -> None:
    """SMSGate app, SSEManager.kt"""
    house = House()
    phone = house.phone()
    phone.start()
    await asyncio.sleep(3000)
    house.gateway.push(b":keepalive\n\n")
    await asyncio.sleep(3599)
    assert house.gateway.times("GET /events") == [0]
    await asyncio.sleep(10)
    assert house.gateway.times("GET /events") == [0, 6605]
    await phone.stop()


@in_virtual_time
async def test_without_a_stream_it_pulls_every_15_minutes_and_syncs_every_day() -> None:
    """SMSGate app, PullMessagesWorker.kt, WebhooksUpdateWorker.kt, SettingsUpdateWorker.kt"""
    house = House()
    await after(86400 + 1, house.phone(push_token="fcm"))
    assert house.gateway.times("GET /message")[:4] == [0, 900, 1800, 2700]
    assert house.gateway.times("GET /webhooks") == house.gateway.times("GET /settings") == [0, 86400]


# settings


@in_virtual_time
async def test_a_ping_interval_counts_from_the_next_start_on() -> None:
    """SMSGate app, PingService.kt"""
    house = House(ScriptedGateway(settings={"ping": {"interval_seconds": "60"}}, hooks=[HOOK | {"event": "system:ping"}]))
    phone = house.phone(push_token="fcm")
    await after(200, phone)
    assert house.gateway.named("POST /hook") == []
    await after(200, phone)
    assert house.gateway.times("POST /hook") == [260, 320, 380]
    assert house.gateway.times("GET /message") == [0, 200, 260, 320, 380]
    health = house.gateway.bodies("POST /hook")[0]["payload"]["health"]
    assert (health["status"], health["version"], health["releaseId"]) == ("pass", "1.68.0", 1068000)
    assert health["checks"]["battery:level"]["observedUnit"] == "percent"


@in_virtual_time
async def test_what_does_not_fit_ends_the_sections_after_it_and_is_tried_again_for_ever() -> None:
    """SMSGate app, SettingsService.kt, SettingsUpdateWorker.kt"""
    tree = {
        "ping": {"interval_seconds": 60},
        "messages": {"limit_value": 5, "processing_order": "RANDOM", "limit_period": "PerDay"},
        "webhooks": {"signing_key": "k"},
    }
    house = House(ScriptedGateway(settings=tree))
    phone = house.phone(push_token="fcm")
    await after(80, phone)
    taken = {
        key: phone.device.setting(key)
        for key in ("ping.interval_seconds", "messages.limit_value", "messages.processing_order", "messages.limit_period")
    }
    assert list(taken.values()) == [60, 5, None, None]
    assert phone.device.setting("webhooks.signing_key") != "k"
    assert house.gateway.times("GET /settings") == [0, 10, 30, 70]


@pytest.mark.parametrize(("version", "is_known"), [("1.66.0", False), ("1.67.0", True)])
@in_virtual_time
async def test_a_limit_period_by_version(version: str, is_known: bool) -> None:
    """SMSGate app, MessagesSettings.kt: Per30Minutes since 1.67"""
    house = House(ScriptedGateway(settings={"messages": {"limit_period": "Per30Minutes"}}))
    phone = house.phone(version)
    await after(1, phone)
    assert phone.device.setting("messages.limit_period") == ("Per30Minutes" if is_known else None)


@in_virtual_time
async def test_a_limit_holds_messages_back_but_not_an_expedited_one() -> None:
    """SMSGate app, MessagesService.kt, applyLimit"""
    house = House(ScriptedGateway(settings={"messages": {"limit_period": "PerMinute", "limit_value": 1}}))
    phone = house.phone()
    await after(1, phone)
    house.gateway.messages = [message("a"), message("b"), message("c", priority=100)]
    phone.start()
    await asyncio.sleep(30)
    assert [id for id, _ in house.sent] == ["c"]
    await asyncio.sleep(60)
    assert [id for id, _ in house.sent] == ["c", "b"]
    await phone.stop()


@in_virtual_time
async def test_sse_only_takes_effect_at_the_next_start() -> None:
    """SMSGate app, GatewaySettings.kt; known since 1.53"""
    house = House(ScriptedGateway(settings={"gateway": {"notification_channel": "SSE_ONLY"}}))
    phone = house.phone("1.53.0", push_token="fcm")
    await after(1, phone)
    assert house.gateway.named("GET /events") == []
    await after(1, phone)
    assert len(house.gateway.named("GET /events")) == 1
    assert "pushToken" not in house.gateway.bodies("PATCH /device")[0]


# webhooks


@pytest.mark.parametrize(
    ("version", "event", "is_taken"),
    [
        ("1.38.0", "sms:data-received", False),
        ("1.39.0", "sms:data-received", True),
        ("1.66.0", "sms:cancelled", False),
        ("1.68.0", "sms:batch:received", False),
    ],
)
@in_virtual_time
async def test_an_event_that_the_version_does_not_know_breaks_the_whole_sync(version: str, event: str, is_taken: bool) -> None:
    """SMSGate app, WebHookEvent.kt: it becomes null, which the phone's database refuses; the hooks of before stay."""
    house = House(ScriptedGateway(hooks=[HOOK]))
    phone = house.phone(version)
    await after(1, phone)
    house.gateway.hooks = [HOOK | {"id": "h2"}, HOOK | {"id": "h3", "event": event}]
    await after(1, phone)
    assert [hook.id for hook in phone.device.memory.hooks()] == (["h2", "h3"] if is_taken else ["h1"])


@in_virtual_time
async def test_a_received_sms_is_posted_signed_until_it_is_taken() -> None:
    """SMSGate app, WebhookQueueProcessorWorker.kt, PayloadSingingPlugin.kt: after 5 s, doubling; the same id and body, the time anew."""
    house = House(ScriptedGateway(hooks=[HOOK], settings={"webhooks": {"signing_key": "KEY"}}))
    house.gateway.script["POST /hook"] = [answer(500), ConnectionResetError(), answer(302)]
    phone = house.phone()
    phone.start()
    await asyncio.sleep(1)
    phone.receive(OTHER, "l'été <1 & 2>")
    await asyncio.sleep(60)
    await phone.stop()
    posts = house.gateway.named("POST /hook")
    assert house.gateway.times("POST /hook") == [1, 6, 16, 36]
    assert len({post.body for post in posts}) == 1
    for seconds, post in zip((1, 6, 16, 36), posts, strict=True):
        headers, body = dict(post.headers), post.body or b""
        assert headers["X-Timestamp"] == str(1774008000 + seconds)
        assert headers["X-Signature"] == hmac.new(b"KEY", body + headers["X-Timestamp"].encode(), sha256).hexdigest()
    assert b"l\\u0027\xc3\xa9t\xc3\xa9 \\u003c1 \\u0026 2\\u003e" in (posts[0].body or b"")
    envelope = json.loads(posts[0].body or b"")
    assert (envelope["webhookId"], envelope["event"], envelope["deviceId"], len(envelope["id"])) == ("h1", "sms:received", "device-1", 21)
    assert envelope["payload"] == {
        "messageId": envelope["payload"]["messageId"],
        "sender": OTHER,
        "recipient": "+32495000001",
        "simNumber": 1,
        "message": "l'été <1 & 2>",
        "receivedAt": "2026-03-20T12:00:01.000Z",
        "phoneNumber": OTHER,
    }


@in_virtual_time
async def test_a_post_is_given_up_after_15_tries() -> None:
    """SMSGate app, WebhooksSettings.kt, retryCount"""
    house = House(ScriptedGateway(hooks=[HOOK]))
    house.gateway.script["POST /hook"] = [answer(500)] * 20
    phone = house.phone(push_token="fcm")
    phone.start()
    await asyncio.sleep(1)
    phone.receive(OTHER, "x")
    await asyncio.sleep(6 * 86400)
    await phone.stop()
    assert len(house.gateway.named("POST /hook")) == 15


@in_virtual_time
async def test_the_signing_key_is_eight_random_characters_until_one_is_set() -> None:
    """SMSGate app, WebhooksSettings.kt"""
    keys = []
    for _ in range(2):
        phone = House().phone()
        await after(1, phone)
        keys.append(phone.device.setting("webhooks.signing_key"))
    assert len(set(keys)) == 2
    assert {len(key) for key in keys} == {8}


@pytest.mark.parametrize(("again", "expected"), [(False, ["while off"]), (True, ["seen", "while off"])])
@in_virtual_time
async def test_an_export_posts_what_came_while_the_app_was_off(again: bool, expected: list[str]) -> None:
    """SMSGate app, ReceiverService.kt: what was processed before is left out, by the apps that note it."""
    house = House(ScriptedGateway(hooks=[HOOK]))
    phone = house.phone(exports_again=again)
    phone.start()
    await asyncio.sleep(1)
    phone.receive(OTHER, "seen")
    await asyncio.sleep(1)
    await phone.stop()
    phone.receive(OTHER, "while off")
    await asyncio.sleep(60)
    phone.start()
    await asyncio.sleep(1)
    before = len(house.gateway.named("POST /hook"))
    assert before == 1
    house.gateway.tell(
        "MessagesExportRequested",
        json.dumps(
            {"since": "2026-03-20T12:00:00.000Z", "until": "2026-03-20T12:00:30.000Z", "messageTypes": "SMS,MMS", "triggerWebhooks": "true"}
        ),
    )
    await asyncio.sleep(1)
    await phone.stop()
    assert [body["payload"]["message"] for body in house.gateway.bodies("POST /hook")[before:]] == expected
