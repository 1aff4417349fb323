"""Room 6: who is told what, how it is tried again, given up and replayed; the formats as a receiver written from the contract reads them."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from adapters.aes_gcm import AesGcm
from adapters.apis._smsmobileapi_webhooks import FORMATS
from adapters.commands.webhooks import COMMANDS
from adapters.storage.memory import MemoryStore
from adapters.webhook_worker import LOOK_EVERY_S, WebhookWorker
from service.accounts import Account, Accounts
from service.campaigns import Campaigns
from service.dispatch import Dispatch
from service.enrolment import Enrolment
from service.errors import Conflict, Invalid, Missing, NotFound, Refused
from service.events import DeliveryState, EventType, WebhookState
from service.fleet import Device, Fleet
from service.gateway import Gateway
from service.lifecycle import Status
from service.links import Links
from service.mailbox import Mailbox
from service.messages import DeliveryReport, MoMessage
from service.optouts import OptOuts
from service.outcome import Outcome
from service.ports import Settlement
from service.pulling import Pulls
from service.submission import Submission
from service.webhooks import PAUSE_FAILURES, PROBE_EVERY, ROTATION, WAITS_S, WINDOW, Webhooks, next_try
from tests.fakes import START, QuickHasher, RecordingLog
from tests.postbox import FAILS, OpenSealer, Postbox, Posted
from tests.scripted_driver import PHONE, queue
from tests.virtual_time import in_virtual_time, now

URL, OTHER = "https://shop.test/hook", "https://slow.test/hook"
RECEIVED = MoMessage(device=PHONE.id, sender="+123456789", text="Hello, this is a test. é", received=START - timedelta(seconds=10))


class House:
    """A worker beside a store, on virtual time; what it posts is in the box."""

    def __init__(self, *, look_every_s: float = LOOK_EVERY_S) -> None:
        self.store, self.box, self.log = MemoryStore(), Postbox(), RecordingLog()
        self.fleet = Fleet(store=self.store)
        links = Links(store=self.store, cipher=AesGcm(), clock=now)
        self.webhooks = Webhooks(store=self.store, fleet=self.fleet, poster=self.box, sealer=OpenSealer(), formats=FORMATS, clock=now)
        self.worker = WebhookWorker(webhooks=self.webhooks, log=self.log, look_every_s=look_every_s)
        dispatch = Dispatch(store=self.store, clock=now, node="here", sleep=asyncio.sleep)
        accounts, sealer = Accounts(store=self.store, clock=now), OpenSealer()
        self.gateway = Gateway(
            accounts=accounts,
            submission=Submission(store=self.store, fleet=self.fleet, clock=now, links=links),
            mailbox=Mailbox(store=self.store, fleet=self.fleet, clock=now),
            fleet=self.fleet,
            clock=now,
            store=self.store,
            webhooks=self.webhooks,
            links=links,
            outcome=Outcome(store=self.store, fleet=self.fleet, dispatch=dispatch, clock=now),
            pulls=Pulls(clock=now),
            enrolment=Enrolment(store=self.store, accounts=accounts, fleet=self.fleet, sealer=sealer, hasher=QuickHasher(), clock=now),
            optouts=OptOuts(store=self.store),
            campaigns=Campaigns(store=self.store, clock=now),
        )

    async def open(self) -> House:
        await self.store.create_account(Account(id=0, name="default"))
        await self.store.create_account(Account(id=0, name="other", time_zone="Europe/Brussels"))
        self.worker.start()
        return self

    async def do(self, command: str, **arguments: Any) -> Any:
        told = await COMMANDS[f"webhooks.{command}"](self.gateway, arguments)
        json.dumps(told)
        return told

    async def add(self, url: str = URL, **arguments: Any) -> dict[str, Any]:
        made: dict[str, Any] = await self.do("add", url=url, **{"v2": True, **arguments})
        return made

    async def send(self) -> str:
        """A message on its whole way."""
        message = await queue(self.store, now())
        await self.store.claim(device=PHONE, limit=1, now=now(), leased_until=now() + timedelta(minutes=1), leased_by="n")
        await self.store.settle(Settlement(id=message.id, status=Status.SENT, now=now(), attempts=1, device_message_id=message.guid))
        report = DeliveryReport(device=PHONE.id, device_message_id=message.guid, status=Status.DELIVERED, at=now())
        await self.store.report(report, now())
        return message.guid

    async def receive(self, message: MoMessage = RECEIVED, account_id: int = 1) -> None:
        await self.store.received(message, account_id, now())

    async def state(self, id: int = 1) -> dict[str, Any]:
        [found] = [w for w in await self.do("list") if w["id"] == id]
        return dict(found)


async def looked(times: float = 1, every_s: float = LOOK_EVERY_S) -> None:
    await asyncio.sleep(every_s * times + 0.01)


def is_signed(posted: Posted, secret: str, header: str = "X-SMSMobileAPI-Signature", at: float | None = None) -> bool:
    """As the contract has it."""
    timestamp = posted.headers["X-SMSMobileAPI-Timestamp"]
    expected = "v1=" + hmac.new(secret.encode(), timestamp.encode() + b"." + posted.body, hashlib.sha256).hexdigest()
    is_fresh = abs((at if at is not None else now().timestamp()) - int(timestamp)) <= 300
    return is_fresh and hmac.compare_digest(expected, posted.headers.get(header, ""))


# formats


@in_virtual_time
async def test_v1_is_the_six_fields_of_a_received_message_and_nothing_else() -> None:
    house = await House().open()
    made = await house.add(v2=False, account="other")
    assert "secret" not in made
    await house.send()
    await house.receive(account_id=2)
    await looked()
    [posted] = house.box.posted
    body = posted.json
    guid = body.pop("guid")
    assert body == {
        "date": "2026-03-20",
        "hour": "13:00:00",
        "time_received": "2026-03-20 12:59:50",
        "message": "Hello, this is a test. é",
        "number": "+123456789",
    }
    assert isinstance(guid, str) and guid
    assert posted.headers == {"Content-Type": "application/json"}


@in_virtual_time
async def test_v2_is_an_envelope_with_a_signature_that_holds() -> None:
    house = await House().open()
    secret = (await house.add())["secret"]
    guid = await house.send()
    await looked()
    submitted, sent = house.box.posted
    assert [p.json["type"] for p in (submitted, sent)] == ["sms.api.submitted", "sms.sent"], "delivered is ours, and was not asked for"
    assert set(sent.json) == {"id", "type", "api_version", "created_at", "occurred_at", "data"}
    assert (sent.json["api_version"], sent.json["occurred_at"]) == ("2026-09-22", "2026-03-20T12:00:00Z")
    assert sent.json["data"] == {"guid": guid, "to": "+32495898697", "device_id": PHONE.id}
    assert str(UUID(sent.json["id"])) == sent.json["id"] == sent.headers["X-SMSMobileAPI-Event-ID"] == sent.headers["Idempotency-Key"]
    assert sent.headers["X-SMSMobileAPI-Event"] == "sms.sent"
    assert sent.headers["X-SMSMobileAPI-Delivery"].isdigit()
    assert is_signed(sent, secret)
    assert not is_signed(sent, secret + "x")
    assert "X-SMSMobileAPI-Signature-Next" not in sent.headers


@in_virtual_time
async def test_v2_tells_of_a_received_message_as_the_vendor_does() -> None:
    house = await House().open()
    await house.add(events=["sms.received"])
    await house.receive()
    await looked()
    data = house.box.posted[0].json["data"]
    assert data.pop("guid")
    assert data == {
        "from": "+123456789",
        "message": "Hello, this is a test. é",
        "received_at": "2026-03-20T11:59:50Z",
        "alias": "",
        "device_id": PHONE.id,
    }


@in_virtual_time
async def test_types_of_ours_go_only_to_who_names_them() -> None:
    house = await House().open()
    house.fleet.register(Device(id=PHONE.id, account_id=1, kind="test"))
    await house.add()
    await house.add(OTHER, events=["device.online", "device.offline", "message.delivered", "message.outcome_unknown"])
    for is_online in (True, True, False, False):
        house.fleet.online(PHONE.id, is_online)
        house.worker.device_changed(house.fleet, PHONE.id)
        await looked()
    await house.send()
    await looked()
    lost = await queue(house.store, now())
    await house.store.claim(device=PHONE, limit=1, now=now(), leased_until=now() + timedelta(minutes=1), leased_by="n")
    await house.store.settle(Settlement(id=lost.id, status=Status.OUTCOME_UNKNOWN, now=now(), attempts=1))
    await looked()
    told = [p.json for p in house.box.at(OTHER)]
    assert [body["type"] for body in told] == ["device.online", "device.offline", "sms.delivered", "message.outcome_unknown"]
    assert told[-1]["data"] == {"guid": lost.guid, "to": lost.recipient, "device_id": PHONE.id}
    assert [p.json["type"] for p in house.box.at(URL)] == ["sms.api.submitted", "sms.sent", "sms.api.submitted"]


@in_virtual_time
async def test_an_expired_message_has_failed_in_the_vendors_words() -> None:
    house = await House().open()
    await house.add(events=["sms.failed"])
    await queue(house.store, now(), expires=START + timedelta(seconds=1))
    await house.store.expire(START + timedelta(seconds=2), 9)
    await looked()
    assert [(p.json["type"], p.json["data"]["error"]) for p in house.box.posted] == [("sms.failed", "expired")]


@in_virtual_time
async def test_a_rotation_signs_with_both_until_it_ends() -> None:
    house = await House(look_every_s=60).open()
    old = (await house.add())["secret"]
    new = (await house.do("rotate", id=1))["secret"]
    with pytest.raises(Conflict):
        await house.do("rotate", id=1)
    await house.receive()
    await looked(every_s=60)
    assert is_signed(house.box.posted[0], old)
    assert is_signed(house.box.posted[0], new, "X-SMSMobileAPI-Signature-Next")
    await house.do("rotate", id=1, finish=True)
    third = (await house.do("rotate", id=1))["secret"]
    await asyncio.sleep(ROTATION.total_seconds())
    await house.receive()
    await looked(every_s=60)
    assert is_signed(house.box.posted[1], third), "it ends by itself"
    assert "X-SMSMobileAPI-Signature-Next" not in house.box.posted[1].headers


# delivery


@in_virtual_time
async def test_a_failure_is_tried_again_signed_anew_under_the_same_id() -> None:
    house = await House().open()
    secret = (await house.add())["secret"]
    house.box.answers[URL] = 500
    await house.receive()
    await asyncio.sleep(1000)
    first, *_, last = house.box.posted
    assert len(house.box.posted) == 5
    assert {(p.headers["Idempotency-Key"], p.body) for p in house.box.posted} == {(first.headers["Idempotency-Key"], first.body)}
    assert is_signed(first, secret, at=START.timestamp())
    assert is_signed(last, secret), "fresh, though the event is old"
    house.box.answers[URL] = 204
    await asyncio.sleep(WAITS_S[4] * 1.3)
    [row] = await house.do("deliveries", id=1)
    assert (row["state"], row["attempts"], row["status"], row["about"] != "") == ("done", 6, 204, True)
    assert "Hello" not in json.dumps(row)


def test_tries_take_about_a_day() -> None:
    when, attempts = START, 0
    while True:
        attempts += 1
        due = next_try(attempts=attempts, now=when, seed=7)
        if due is None:
            break
        assert due == next_try(attempts=attempts, now=when, seed=7)
        when = due
    assert attempts == 11
    assert timedelta(hours=20) < when - START < timedelta(hours=27)


@in_virtual_time
async def test_the_next_event_of_a_message_waits_for_the_one_before_and_other_messages_do_not() -> None:
    house = await House().open()
    await house.add()
    house.box.answers[URL] = FAILS
    stuck = await house.send()
    await looked()
    house.box.answers[URL] = 200
    fine = await house.send()
    await looked(2)
    told = [(p.json["data"]["guid"], p.json["type"]) for p in house.box.posted]
    assert told == [(stuck, "sms.api.submitted"), (fine, "sms.api.submitted"), (fine, "sms.sent")]
    await asyncio.sleep(10)
    told = [(p.json["data"]["guid"], p.json["type"]) for p in house.box.posted[3:]]
    assert told == [(stuck, "sms.api.submitted"), (stuck, "sms.sent")]


@in_virtual_time
async def test_a_receiver_that_hangs_delays_nobody_else_and_has_a_window() -> None:
    house = await House().open()
    await house.add()
    await house.add(OTHER)
    house.box.gates[OTHER] = asyncio.Event()
    for _ in range(3 * WINDOW):
        await house.receive()
    await looked(5)
    assert (len(house.box.at(URL)), len(house.box.at(OTHER))) == (3 * WINDOW, WINDOW)
    house.box.gates[OTHER].set()
    await looked(2)
    assert len({p.headers["Idempotency-Key"] for p in house.box.at(OTHER)}) == 3 * WINDOW


@in_virtual_time
async def test_what_is_given_up_is_a_dead_letter_and_can_be_replayed() -> None:
    house = await House(look_every_s=60).open()
    await house.add()
    await house.receive()
    house.box.answers[URL] = 500
    await asyncio.sleep(30 * 3600)
    [row] = await house.do("deliveries", id=1, state="dead")
    assert (row["attempts"], row["status"], len(house.box.posted)) == (11, 500, 11)
    assert "webhook_gave_up" in house.log.events
    house.box.answers[URL] = 200
    assert await house.do("replay", id=1) == {"replayed": 1}
    await looked(every_s=60)
    assert len({p.headers["Idempotency-Key"] for p in house.box.posted}) == 1
    assert [r["state"] for r in await house.do("deliveries", id=1)] == ["done"]


@in_virtual_time
async def test_a_webhook_that_keeps_failing_is_paused_says_so_and_works_again_after_a_probe() -> None:
    house = await House(look_every_s=60).open()
    await house.add()
    house.box.answers[URL] = FAILS
    for _ in range(PAUSE_FAILURES):
        await house.receive()
    await asyncio.sleep(2 * 3600)
    state = await house.state()
    assert (state["state"], "refused the connection" in state["why"]) == ("paused", True)
    assert house.log.events.count("webhook_paused") == 1
    await house.receive()
    tried = len(house.box.posted)
    await asyncio.sleep(PROBE_EVERY.total_seconds() * 3)
    assert len(house.box.posted) - tried == 3, "one an hour"
    house.box.answers[URL] = 200
    await asyncio.sleep(PROBE_EVERY.total_seconds() + 8 * 3600)
    assert (await house.state())["state"] == "active"
    assert "webhook_works_again" in house.log.events
    assert {r["state"] for r in await house.do("deliveries", id=1)} == {"done"}, "nothing is lost"


@in_virtual_time
async def test_a_paused_webhook_is_resumed_by_hand() -> None:
    house = await House().open()
    await house.add()
    house.box.answers[URL] = FAILS
    for _ in range(PAUSE_FAILURES):
        await house.receive()
    await asyncio.sleep(2 * 3600)
    house.box.answers[URL] = 200
    assert await house.do("resume", id=1) == {"resumed": 1}
    await looked(5)
    assert (await house.state())["state"] == WebhookState.ACTIVE.value
    assert {r["state"] for r in await house.do("deliveries", id=1)} == {"done"}


@in_virtual_time
async def test_a_process_that_dies_before_it_records_posts_again() -> None:
    """At least once: the second worker stands for the process after a kill -9."""
    house = await House().open()
    await house.add()
    await house.receive()
    house.box.gates[URL] = asyncio.Event()
    await looked()
    for task in (*house.worker._loops, *house.worker._calls[1]):
        task.cancel()
    del house.box.gates[URL]
    again = WebhookWorker(webhooks=house.webhooks, log=house.log)
    again.start()
    await asyncio.sleep(61)
    assert len(house.box.posted) == 2
    assert len({p.headers["Idempotency-Key"] for p in house.box.posted}) == 1
    assert [r["state"] for r in await house.do("deliveries", id=1)] == ["done"]
    await again.stop()


@in_virtual_time
async def test_a_stop_lets_a_call_end() -> None:
    house = await House().open()
    await house.add()
    await house.receive()
    house.box.gates[URL] = asyncio.Event()
    await looked()
    asyncio.get_running_loop().call_later(5, house.box.gates[URL].set)
    await house.worker.stop()
    assert [r["state"] for r in await house.do("deliveries", id=1)] == ["done"]


@in_virtual_time
async def test_secrets_texts_and_urls_are_in_no_log_and_secrets_are_sealed() -> None:
    house = await House(look_every_s=60).open()
    made = await house.add(URL + "?token=abc")
    house.box.answers[URL + "?token=abc"] = FAILS
    await house.receive()
    await asyncio.sleep(30 * 3600)
    said = repr(house.log.lines)
    assert house.log.lines
    assert not [word for word in (made["secret"], "token=abc", "Hello", "+123456789") if word in said]
    [kept] = await house.store.webhooks(None)
    assert made["secret"].encode() not in (kept.secret or b"")
    assert made["secret"] not in json.dumps(await house.do("list"))


@in_virtual_time
async def test_a_secret_that_cannot_be_unsealed_is_a_failure_that_is_shown() -> None:
    house = await House().open()
    await house.add()
    await house.store.set_secrets(1, secret=b"of another key", next_secret=None, rotates=None)
    await house.receive()
    await looked()
    [row] = await house.do("deliveries", id=1)
    assert (row["state"], row["answer"], house.box.posted) == ("waiting", "another key", [])


# commands


@in_virtual_time
async def test_a_test_call_is_made_in_each_format() -> None:
    house = await House().open()
    await house.add()
    await house.add(OTHER, v2=False)
    event = (await house.do("test", id=1))["event"]
    await house.do("test", id=2)
    await looked()
    [v2], [v1] = house.box.at(URL), house.box.at(OTHER)
    assert (v2.json["type"], v2.json["id"]) == ("webhook.test", event)
    assert set(v1.json) == {"date", "hour", "time_received", "message", "number", "guid"}


@in_virtual_time
async def test_what_is_removed_is_called_no_more() -> None:
    house = await House().open()
    await house.add()
    await house.receive()
    assert await house.do("remove", id=1) == {"removed": 1}
    await house.receive()
    await looked(3)
    assert (house.box.posted, await house.do("list")) == ([], [])


REFUSED: dict[str, tuple[str, dict[str, Any], type[Refused]]] = {
    "no url": ("add", {}, Missing),
    "scheme": ("add", {"url": "ftp://a.test/"}, Invalid),
    "no host": ("add", {"url": "http:///x"}, Invalid),
    "port": ("add", {"url": "http://a.test:99999/"}, Invalid),
    "user": ("add", {"url": "http://u:p@a.test/"}, Invalid),
    "header": ("add", {"url": "http://a.test/\r\nX: y"}, Invalid),
    "not ascii": ("add", {"url": "http://é.test/"}, Invalid),
    "inside": ("add", {"url": "http://10.0.0.1/"}, Invalid),
    "long": ("add", {"url": "http://a.test/" + "x" * 2000}, Invalid),
    "number": ("add", {"url": 7}, Invalid),
    "format": ("add", {"url": URL, "format": "v3"}, Invalid),
    "event": ("add", {"url": URL, "v2": True, "events": ["call.missed"]}, Invalid),
    "event of v1": ("add", {"url": URL, "events": ["sms.sent"]}, Invalid),
    "events": ("add", {"url": URL, "events": [7]}, Invalid),
    "short secret": ("add", {"url": URL, "v2": True, "secret": "x"}, Invalid),
    "secret of v1": ("add", {"url": URL, "secret": "x" * 20}, Invalid),
    "account": ("list", {"account": "nobody"}, NotFound),
    "no id": ("test", {}, Missing),
    "bad id": ("test", {"id": "x"}, Invalid),
    "unknown id": ("test", {"id": 9}, NotFound),
    "another account's": ("remove", {"id": 1, "account": "other"}, NotFound),
    "rotate v1": ("rotate", {"id": 1}, Invalid),
    "finish what is not": ("rotate", {"id": 1, "finish": True}, Conflict),
    "state": ("deliveries", {"id": 1, "state": "lost"}, Invalid),
    "limit": ("deliveries", {"id": 1, "limit": 0}, Invalid),
    "no such delivery": ("replay", {"id": 1, "delivery": 9}, NotFound),
    "resume": ("resume", {"id": 9}, NotFound),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_arguments_are_refused(name: str) -> None:
    command, arguments, error = REFUSED[name]

    @in_virtual_time
    async def test() -> None:
        house = await House().open()
        await house.add(v2=False)
        with pytest.raises(error):
            await house.do(command, **arguments)
        assert len(await house.do("list")) == 1

    test()


@in_virtual_time
async def test_an_account_has_only_so_many() -> None:
    house = await House().open()
    for _ in range(20):
        await house.add()
    with pytest.raises(Invalid):
        await house.add()
    await house.add(account="other")
    assert [len(await house.do("list", account=name)) for name in ("default", "other")] == [20, 1]


def test_every_type_has_a_word_in_v2() -> None:
    assert {t for told in FORMATS["v2"].types.values() for t in told} == set(EventType) - {EventType.WEBHOOK_TEST}
    assert {s.value for s in DeliveryState} == {"waiting", "done", "dead"}
