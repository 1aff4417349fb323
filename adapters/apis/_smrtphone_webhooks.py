"""What smrtPhone's webhooks look like on the wire: a JSON object whose `event` says what it is. They are not signed.

    POST {"event":"smsIncoming","smsId":"b6df1664-...","from":"+12065551212","to":"+18652730270","message":"Yes","date":"20260810",..}
    POST {"event":"smsOutgoing","smsId":..,"from":"+18652730270","to":"+12065551212","message":"Hello","source":"api",..}
    POST {"event":"smsDeliveryCallback","smsId":..,"status":"delivered","to":"+12065551212","from":"+18652730270"}

Every value is a text. `smsId` is the one that /sms/send answered; messages of the other APIs are told of, too. Numbers are E.164, the
date is a day of the device's or account's time zone.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import orjson

from service.events import Delivery, Event, EventType, Format, Particulars, Rendered

E = EventType
_NAMESPACE = uuid.UUID("0e1b0c5e-8a54-5f0c-9b54-4f2f6d1f6b8e")
TYPES: Mapping[str, tuple[EventType, ...]] = {
    "smsIncoming": (E.MESSAGE_RECEIVED,),
    "smsOutgoing": (E.MESSAGE_ACCEPTED,),
    "smsDeliveryCallback": (E.MESSAGE_SENT, E.MESSAGE_DELIVERED, E.MESSAGE_FAILED, E.MESSAGE_EXPIRED),
}
_WORD = {told: word for word, types in TYPES.items() for told in types} | {E.WEBHOOK_TEST: "webhookTest"}
_STATUS = {E.MESSAGE_SENT: "sent", E.MESSAGE_DELIVERED: "delivered", E.MESSAGE_FAILED: "failed", E.MESSAGE_EXPIRED: "undelivered"}
_NOTHING = Particulars()


def sms_id(subject: str) -> str:
    """A UUID for the guid of a sent message, always the same; that of a received message is one."""
    try:
        return str(uuid.UUID(subject))
    except ValueError:
        return str(uuid.uuid5(_NAMESPACE, subject))


class SmrtPhone:
    """A service.events.Format, and a ParticularFormat."""

    name = "smrtphone"
    types = TYPES
    defaults = frozenset(told for types in TYPES.values() for told in types)
    is_signed = False

    def render(self, delivery: Delivery, secrets: tuple[str, ...], now: datetime) -> Rendered:
        return self.render_with(delivery, _NOTHING, secrets, now)

    def render_with(self, delivery: Delivery, particulars: Particulars, secrets: tuple[str, ...], now: datetime) -> Rendered:
        body = {"event": _WORD[delivery.event.type], "smsId": sms_id(delivery.event.subject), **_fields(delivery, particulars)}
        return Rendered(headers=(("Content-Type", "application/json"),), body=orjson.dumps(body))


FORMATS: Mapping[str, Format] = {"smrtphone": SmrtPhone()}


def _fields(delivery: Delivery, particulars: Particulars) -> dict[str, str]:
    event, ours = delivery.event, particulars.own_number or ""
    if event.type is E.WEBHOOK_TEST:
        return {"message": "This is a test of your webhook.", "date": _date(event.created, delivery.time_zone)}
    if event.type in _STATUS:
        status = {"status": _STATUS[event.type], **_reason(event)}
        return {**status, "to": event.number, "from": ours}
    is_ours = event.type is E.MESSAGE_ACCEPTED
    names = ("userName", "contactName") if is_ours else ("callerIdName", "userName", "contactName")
    return {
        "from": ours if is_ours else event.number,
        "to": event.number if is_ours else ours,
        "message": (particulars.text if is_ours else event.text) or "",
        "date": _date(event.occurred, delivery.time_zone),
        **dict.fromkeys(names, ""),
        "source": "api" if is_ours else "",
    }


def _reason(event: Event) -> dict[str, str]:
    if event.type is E.MESSAGE_EXPIRED:
        return {"failure_reason": "expired"}
    return {"failure_reason": event.error or ""} if event.type is E.MESSAGE_FAILED else {}


def _date(at: datetime, time_zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(time_zone)):%Y%m%d}"
