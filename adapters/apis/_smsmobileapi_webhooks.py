"""What webhooks of SMSMobileAPI look like on the wire: V1, one body for each received SMS, and V2, an envelope that is signed.

V1: POST {"date":"2025-01-20","hour":"10:15:00","time_received":"2025-01-20 10:14:50","message":"Hello","number":"+123456789","guid":"..."}
V2: POST {"id":UUID,"type":"sms.sent","api_version":"2026-09-22","created_at":"...Z","occurred_at":"...Z","data":{...}}
    X-SMSMobileAPI-Event: sms.sent             X-SMSMobileAPI-Event-ID: UUID          X-SMSMobileAPI-Delivery: 17
    X-SMSMobileAPI-Timestamp: 1790000000       X-SMSMobileAPI-Signature: v1=HEX       Idempotency-Key: UUID

HEX is the HMAC-SHA256, under the secret, of the timestamp, a point, and the body as it is. Receivers refuse a timestamp that is older than
300 s, so each try is signed anew. While a secret is rotated, X-SMSMobileAPI-Signature-Next is the same under the next one.

The vendor documents `data` of sms.received only; what the others hold is our choice. It has no word for "delivered", for an outcome that is
not known and for devices: those are ours, and only who names them gets them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from service.events import Delivery, Event, EventType, Format, Rendered

API_VERSION = "2026-09-22"
E = EventType

TYPES: Mapping[str, tuple[EventType, ...]] = {
    "sms.api.submitted": (E.MESSAGE_ACCEPTED,),
    "sms.sent": (E.MESSAGE_SENT,),
    "sms.failed": (E.MESSAGE_FAILED, E.MESSAGE_EXPIRED),
    "sms.received": (E.MESSAGE_RECEIVED,),
    # ours
    "sms.delivered": (E.MESSAGE_DELIVERED,),
    "message.outcome_unknown": (E.MESSAGE_OUTCOME_UNKNOWN,),
    "device.online": (E.DEVICE_ONLINE,),
    "device.offline": (E.DEVICE_OFFLINE,),
}
_OURS = frozenset({E.MESSAGE_DELIVERED, E.MESSAGE_OUTCOME_UNKNOWN, E.DEVICE_ONLINE, E.DEVICE_OFFLINE})
_WORD = {told: word for word, types in TYPES.items() for told in types} | {E.WEBHOOK_TEST: "webhook.test"}
_JSON = ("Content-Type", "application/json")
_TEST_TEXT = "This is a test of your webhook."


class V1:
    """A service.events.Format: received messages only, not signed. Local time is the device's, else the account's."""

    name = "v1"
    types: Mapping[str, tuple[EventType, ...]] = {"sms.received": (E.MESSAGE_RECEIVED,)}
    defaults = frozenset({E.MESSAGE_RECEIVED})
    is_signed = False

    def render(self, delivery: Delivery, secrets: tuple[str, ...], now: datetime) -> Rendered:
        event, zone = delivery.event, ZoneInfo(delivery.time_zone)
        is_test = event.type is E.WEBHOOK_TEST
        body = {
            "date": f"{event.created.astimezone(zone):%Y-%m-%d}",
            "hour": f"{event.created.astimezone(zone):%H:%M:%S}",
            "time_received": f"{event.occurred.astimezone(zone):%Y-%m-%d %H:%M:%S}",
            "message": _TEST_TEXT if is_test else event.text or "",
            "number": event.number or "+10000000000",
            "guid": guid_of(event),
        }
        return Rendered(headers=(_JSON,), body=_as_json(body))


class V2:
    """A service.events.Format."""

    name = "v2"
    types = TYPES
    defaults = frozenset(t for types in TYPES.values() for t in types) - _OURS
    is_signed = True

    def render(self, delivery: Delivery, secrets: tuple[str, ...], now: datetime) -> Rendered:
        event = delivery.event
        envelope = {
            "id": event.uuid,
            "type": _WORD[event.type],
            "api_version": API_VERSION,
            "created_at": _utc(event.created),
            "occurred_at": _utc(event.occurred),
            "data": _data(event),
        }
        body, timestamp = _as_json(envelope), str(int(now.timestamp()))
        signatures = [
            (name, "v1=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest())
            for name, secret in zip(("X-SMSMobileAPI-Signature", "X-SMSMobileAPI-Signature-Next"), secrets, strict=False)
        ]
        headers = (
            _JSON,
            ("X-SMSMobileAPI-Event", _WORD[event.type]),
            ("X-SMSMobileAPI-Event-ID", event.uuid),
            ("X-SMSMobileAPI-Delivery", str(delivery.id)),
            ("X-SMSMobileAPI-Timestamp", timestamp),
            *signatures,
            ("Idempotency-Key", event.uuid),
        )
        return Rendered(headers=headers, body=body)


FORMATS: Mapping[str, Format] = {"v1": V1(), "v2": V2()}


def guid_of(event: Event) -> str:
    """As the message lists show it: a sent message's own, a received one's upper-case UUID."""
    if event.type is E.WEBHOOK_TEST:
        return event.uuid.upper()
    return event.subject


def _data(event: Event) -> dict[str, Any]:
    match event.type:
        case E.MESSAGE_RECEIVED:
            return {
                "guid": guid_of(event),
                "from": event.number,
                "message": event.text or "",
                "received_at": _utc(event.occurred),
                "alias": "",
                "device_id": event.device or "",
            }
        case E.DEVICE_ONLINE | E.DEVICE_OFFLINE:
            return {"device_id": event.subject}
        case E.WEBHOOK_TEST:
            return {"message": _TEST_TEXT}
        case E.MESSAGE_EXPIRED:
            return {"guid": event.subject, "to": event.number, "device_id": event.device or "", "error": "expired"}
        case E.MESSAGE_FAILED:
            return {"guid": event.subject, "to": event.number, "device_id": event.device or "", "error": event.error or ""}
        case _:
            return {"guid": event.subject, "to": event.number, "device_id": event.device or ""}


def _utc(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _as_json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
