"""What the Android app SMSGate posts to the URLs that it was given: received messages, and how the phone is.

    POST <hook>   X-Timestamp: 1763823600   X-Signature: hex(HMAC-SHA256(signing key, body + timestamp))
    {"id": "...", "webhookId": "...", "event": "sms:received", "deviceId": "...",
     "payload": {"messageId": "a1b2c3d4", "sender": "+32...", "message": "Hi", "receivedAt": "2026-11-22T16:00:00.000+01:00"}}

An app that is given an event it does not know gives up all of them, so each is listed only to those that know it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapters.wire.smsgate import Version, date_or_none, json_object, sims_of, slot_of, text_of
from service.errors import Invalid

EVENTS: dict[str, Version] = {
    "sms:received": (0, 0, 0),
    "system:ping": (0, 0, 0),
    "sms:data-received": (1, 39, 0),
    "mms:received": (1, 47, 0),
    "mms:downloaded": (1, 56, 0),
    "app:started": (1, 66, 0),
}
"""those that we want, and the first version of the app that knows each"""
MOST_ID = 255
MOST_TEXT = 100_000
MOST_CHECKS = 100
_HEALTHY = ("pass", "warn")


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """A message that came in."""

    key: str
    """the same whenever the phone hands in this reception again, after a failure or because it was asked to"""
    sender: str
    text: str
    at: datetime | None
    """by the phone's clock, in its offset"""
    sim: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ping:
    battery: int | None
    """percent"""
    failing: tuple[str, ...]
    """the names of the checks that the phone does not pass"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    sims: int | None


Happened = Received | Ping | Started | None
"""None for an event that we have not asked for"""


def hooks(device: str, url: str, version: Version) -> list[dict[str, str]]:
    """The answer to GET /webhooks. The ids stay: the app tells its owner of each that is new."""
    return [{"id": f"{device}-{name.replace(':', '-')}", "url": url, "event": name} for name, first in EVENTS.items() if version >= first]


def is_signed(body: bytes, timestamp: str, signature: str, key: str) -> bool:
    """Over the very bytes that came."""
    expected = hmac.digest(key.encode(), body + timestamp.encode("utf-8", "replace"), "sha256").hex()
    return hmac.compare_digest(expected.encode(), signature.lower().encode("utf-8", "replace"))


def happened(body: bytes) -> Happened:
    said = json_object(body)
    payload = said.get("payload")
    if not isinstance(payload, dict):
        raise Invalid("payload", "must be an object")
    name, id = text_of(said, "event", MOST_ID), text_of(said, "id", MOST_ID)
    if name is None:
        raise Invalid("event", "is required")
    if name == "system:ping":
        return _ping(payload)
    if name == "app:started":
        return Started(sims=sims_of(payload.get("simCards")))
    reader = _TEXTS.get(name)
    return None if reader is None else _received(name, id or "", payload, reader(payload))


def _received(event: str, id: str, payload: dict[str, Any], text: str) -> Received:
    known = text_of(payload, "transactionId", MOST_ID) or text_of(payload, "messageId", MOST_ID)
    at = date_or_none(payload.get("receivedAt"))
    # the phone's id is a hash that may come again, the time is what tells; an offset may change when the phone is asked later
    when = str(payload.get("receivedAt"))[:64] if at is None else at.astimezone(UTC).isoformat() if at.tzinfo else at.isoformat()
    key = id if known is None else f"{known} {when}"
    return Received(
        key=f"{event.partition(':')[2]} {key}" if event.startswith("mms:") else key,
        sender=text_of(payload, "sender", MOST_ID) or text_of(payload, "phoneNumber", MOST_ID) or "unknown",
        text=text,
        at=at,
        sim=slot_of(payload.get("simNumber")),
    )


def _sms(payload: dict[str, Any]) -> str:
    return text_of(payload, "message", MOST_TEXT) or ""


def _data(payload: dict[str, Any]) -> str:
    """What is text is shown as text, anything else as it came, in base64."""
    data = text_of(payload, "data", MOST_TEXT) or ""
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        return data


def _mms(payload: dict[str, Any]) -> str:
    """Of a message with pictures the words are kept, and what else there was is named."""
    attachments = payload.get("attachments")
    listed = attachments[:MOST_CHECKS] if isinstance(attachments, list) else []
    named = [_attachment(each) for each in listed if isinstance(each, dict)]
    words = [text_of(payload, "subject", MOST_TEXT), text_of(payload, "body", MOST_TEXT), *named]
    return "\n".join(filter(None, words)) or "[MMS]"


def _attachment(said: dict[str, Any]) -> str:
    kind, name = text_of(said, "contentType", MOST_ID) or "file", text_of(said, "name", MOST_ID)
    return f"[{kind}{f' {name}' if name else ''}]"


_TEXTS = {"sms:received": _sms, "sms:data-received": _data, "mms:received": _mms, "mms:downloaded": _mms}


def _ping(payload: dict[str, Any]) -> Ping:
    health = payload.get("health")
    checks = health.get("checks") if isinstance(health, dict) else None
    named = (
        [(name, check) for name, check in list(checks.items())[:MOST_CHECKS] if isinstance(check, dict)] if isinstance(checks, dict) else []
    )
    level = dict(named).get("battery:level", {}).get("observedValue")
    return Ping(
        battery=int(level) if isinstance(level, int | float) and not isinstance(level, bool) and 0 <= level <= 100 else None,
        failing=tuple(name[:MOST_ID] for name, check in named if check.get("status", "pass") not in _HEALTHY),
    )
