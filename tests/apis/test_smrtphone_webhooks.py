"""smrtPhone's webhooks, as their receivers read them: field for field, for each way that a message may go."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from adapters.apis import formats
from adapters.apis._smrtphone_webhooks import FORMATS, sms_id
from service.accounts import ApiKey, Principal
from service.events import EventType
from service.fleet import Device, Sim
from service.lifecycle import Status
from service.messages import DeliveryReport, MoMessage, Submit
from service.ports import Settlement
from tests.fakes import START
from tests.scripted_driver import PHONE
from tests.service.test_webhooks import House, looked
from tests.virtual_time import in_virtual_time, now

URL, OURS, OTHERS, TO = "https://crm.test/hook/secret", "+18652730270", "+19088679098", "+12065551212"


async def house() -> House:
    at = await House().open()
    at.webhooks.formats = FORMATS
    cards = (Sim(slot=1, number=OURS), Sim(slot=2, number=OTHERS))
    await at.fleet.keep(Device(id=PHONE.id, account_id=1, kind="test", sims=2, cards=cards))
    return at


async def submitted(at: House, text: str = "Hello", **fields: Any) -> str:
    found = await at.store.find_account("default")
    assert found is not None
    principal = Principal(account=found, key=ApiKey(id=1, account_id=1, label="", digest=b""))
    submit = Submit(recipients=(TO,), text=text, api="smrtphone", **fields)
    return (await at.gateway.submission.submit(principal, submit)).guids[0]


def posted(at: House) -> list[dict[str, Any]]:
    assert all(each.headers == {"Content-Type": "application/json"} for each in at.box.posted), "they are not signed"
    return [json.loads(each.body) for each in at.box.posted]


def test_the_format_is_found() -> None:
    assert {"v1", "v2", "smrtphone"} <= formats().keys()


@in_virtual_time
async def test_a_message_on_its_whole_way() -> None:
    at = await house()
    made = await at.add(URL, v2=False, format="smrtphone")
    assert "secret" not in made
    guid = await submitted(at, "Hello é", from_number=OTHERS)
    await looked()
    [message] = await at.store.claim(device=at.fleet.all()[0], limit=1, now=now(), leased_until=now() + timedelta(minutes=1), leased_by="n")
    await at.store.settle(Settlement(id=message.id, status=Status.SENT, now=now(), attempts=1, device_message_id="1", sim=2))
    await at.store.report(DeliveryReport(device=PHONE.id, device_message_id="1", status=Status.DELIVERED, at=now()), now())
    await looked()
    nobody = {"userName": "", "contactName": ""}
    date = f"{now():%Y%m%d}"
    told: dict[str, Any] = {"smsId": sms_id(guid), "from": OTHERS, "to": TO}
    assert posted(at) == [
        {"event": "smsOutgoing", **told, "message": "Hello é", "date": date, **nobody, "source": "api"},
        {"event": "smsDeliveryCallback", **told, "status": "sent"},
        {"event": "smsDeliveryCallback", **told, "status": "delivered"},
    ]


@pytest.mark.parametrize(("sim", "ours"), [(1, OURS), (2, OTHERS), (None, "")])
@in_virtual_time
async def test_a_received_message(sim: int | None, ours: str) -> None:
    at = await house()
    await at.add(URL, v2=False, format="smrtphone")
    await at.receive(MoMessage(device=PHONE.id, sender=TO, text="Yes", received=START, sim=sim))
    await looked()
    [told] = posted(at)
    assert told.pop("smsId").count("-") == 4
    names = dict.fromkeys(("callerIdName", "userName", "contactName", "source"), "")
    assert told == {"event": "smsIncoming", "from": TO, "to": ours, "message": "Yes", "date": f"{START:%Y%m%d}", **names}


@in_virtual_time
async def test_what_failed_says_why() -> None:
    at = await house()
    await at.add(URL, v2=False, format="smrtphone", events=["smsDeliveryCallback"])
    guid = await submitted(at)
    [message] = await at.store.claim(device=at.fleet.all()[0], limit=1, now=now(), leased_until=now() + timedelta(minutes=1), leased_by="n")
    await at.store.settle(Settlement(id=message.id, status=Status.FAILED, now=now(), attempts=1, error="no longer exists"))
    expired = await submitted(at, validity_s=60)
    await at.store.expire(now() + timedelta(minutes=2), 10)
    await looked()
    told = {each["smsId"]: (each["event"], each["status"], each["failure_reason"]) for each in posted(at)}
    callback = "smsDeliveryCallback"
    assert told == {sms_id(guid): (callback, "failed", "no longer exists"), sms_id(expired): (callback, "undelivered", "expired")}


@in_virtual_time
async def test_a_test_call_and_a_message_that_is_gone() -> None:
    at = await house()
    await at.add(URL, v2=False, format="smrtphone")
    await at.do("test", id=1)
    guid = await submitted(at)
    await at.store.delete_one(1, guid)
    await looked()
    test, gone = posted(at)
    assert test["event"] == "webhookTest"
    assert (gone["event"], gone["smsId"], gone["from"], gone["message"]) == ("smsOutgoing", sms_id(guid), "", "")


def test_only_what_consumers_know_is_told_unasked() -> None:
    assert EventType.MESSAGE_OUTCOME_UNKNOWN not in FORMATS["smrtphone"].defaults
