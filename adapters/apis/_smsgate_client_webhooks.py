"""What webhooks of SMSGate look like on the wire, as its phones post them. A part of smsgate_client.py.

    POST {"deviceId": "0011...", "event": "sms:received", "id": UUID, "payload": {...}, "webhookId": "..."}
    X-Timestamp: 1763823600      X-Signature: HEX

HEX is the HMAC-SHA256, under the signing key, of the body as it is and the timestamp behind it. Each try is signed anew. A payload has
`messageId`, `phoneNumber` (the other one's, kept by them for old receivers) and what its event adds. What only a phone could tell
(pings, MMS, data messages) is not told.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from service.events import Delivery, Event, EventType, Format, Particulars, Rendered

E = EventType
NAME = "smsgate"
TYPES: Mapping[str, tuple[EventType, ...]] = {
    "sms:received": (E.MESSAGE_RECEIVED,),
    "sms:sent": (E.MESSAGE_SENT,),
    "sms:delivered": (E.MESSAGE_DELIVERED,),
    "sms:failed": (E.MESSAGE_FAILED, E.MESSAGE_EXPIRED),
}
_WORD = {told: word for word, types in TYPES.items() for told in types} | {E.WEBHOOK_TEST: "system:ping"}
_WHEN = {E.MESSAGE_SENT: "sentAt", E.MESSAGE_DELIVERED: "deliveredAt", E.MESSAGE_FAILED: "failedAt", E.MESSAGE_EXPIRED: "failedAt"}


class SmsGate:
    """A service.events.Format, and ParticularFormat. Times are the device's, else the account's, with their offset."""

    name = NAME
    types = TYPES
    defaults = frozenset({E.MESSAGE_RECEIVED})
    is_signed = True

    def render(self, delivery: Delivery, secrets: tuple[str, ...], now: datetime) -> Rendered:
        event = delivery.event
        if event.type is E.WEBHOOK_TEST:
            return _rendered(delivery, {"health": {"status": "pass", "version": "0", "releaseId": 0, "checks": {}}}, secrets, now)
        payload = {
            "messageId": event.subject,
            "message": event.text or "",
            "sender": event.number,
            "receivedAt": _date(event.occurred, delivery),
        }
        return _rendered(delivery, _with_number(payload, event), secrets, now)

    def render_with(self, delivery: Delivery, particulars: Particulars, secrets: tuple[str, ...], now: datetime) -> Rendered:
        event = delivery.event
        if event.type is E.MESSAGE_RECEIVED:
            return self.render(delivery, secrets, now)
        payload: dict[str, Any] = {"messageId": particulars.name or event.subject, "recipient": event.number}
        if event.type in _WHEN:
            payload[_WHEN[event.type]] = _date(event.occurred, delivery)
        if event.type is E.MESSAGE_SENT:
            payload["partsCount"] = particulars.segments
        if event.type in (E.MESSAGE_FAILED, E.MESSAGE_EXPIRED):
            payload["reason"] = "TTL expired" if event.type is E.MESSAGE_EXPIRED else event.error or "failed"
        return _rendered(delivery, _with_number(payload, event), secrets, now)


FORMATS: Mapping[str, Format] = {NAME: SmsGate()}


def _with_number(payload: dict[str, Any], event: Event) -> dict[str, Any]:
    return payload | {"phoneNumber": event.number} | ({} if event.sim is None else {"simNumber": event.sim})


def _date(when: datetime, delivery: Delivery) -> str:
    return when.astimezone(ZoneInfo(delivery.time_zone)).isoformat(timespec="milliseconds")


def _rendered(delivery: Delivery, payload: dict[str, Any], secrets: tuple[str, ...], now: datetime) -> Rendered:
    event = delivery.event
    envelope = {
        "deviceId": event.device or "",
        "event": _WORD.get(event.type, event.type.value),
        "id": event.uuid,
        "payload": payload,
        "webhookId": delivery.webhook_name or str(delivery.webhook_id),
    }
    body = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    timestamp = str(int(now.timestamp()))
    signed = [("X-Signature", hmac.digest(secret.encode(), body + timestamp.encode(), "sha256").hex()) for secret in secrets[:1]]
    return Rendered(headers=(("Content-Type", "application/json"), ("X-Timestamp", timestamp), *signed), body=body)
