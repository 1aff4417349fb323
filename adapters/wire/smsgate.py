"""What the Android app SMSGate and its server say to each other about messages and devices: JSON, and the stream of events.

    GET /message    [{"id": "c319...", "textMessage": {"text": "Hi"}, "phoneNumbers": ["+32..."], "state": "Pending", ...}]
    PATCH /message  [{"id": "c319...", "state": "Sent", "recipients": [{"phoneNumber": "+32...", "state": "Sent"}], "states": {...}}]
    GET /events     event: MessageEnqueued\\ndata: null\\n\\n

The app's own words are in the tables here and in smsgate_hooks.py, and nowhere else. What cannot be read raises service.errors.Invalid.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from service.errors import Invalid

MOST_REPORTS = 1_000
"""messages that one PATCH may speak of"""
MOST_ERROR = 500
MOST_NAME = 255
MOST_SIMS = 8
_ID = re.compile(r"[!-{}~]{1,64}\Z")
"""the app makes an Intent URI of id|number, so no bar is in one"""
_VERSION = re.compile(r"me\.capcom\.smsgateway/(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?")

Version = tuple[int, int, int]
OLDEST: Version = (0, 0, 0)
"""of an app that does not say which it is"""
KNOWS_CANCELLING: Version = (1, 67, 0)
"""an older one would send what is listed as Cancelling"""
KNOWS_SSE_ONLY: Version = (1, 53, 0)


class State(Enum):
    """Of a message on the phone; the order is the app's own: the first that any recipient is in is the whole message's."""

    PENDING = "Pending"
    CANCELLING = "Cancelling"
    CANCELLED = "Cancelled"
    PROCESSED = "Processed"
    SENT = "Sent"
    DELIVERED = "Delivered"
    FAILED = "Failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outgoing:
    """A message as the phone is to fetch it."""

    id: str
    text: str
    recipient: str
    sim: int | None
    """slot from 1; None leaves the choice to the phone"""
    created: datetime
    valid_until: datetime
    state: State = State.PENDING
    priority: int = 0
    """a signed byte; from 100 the phone hurries"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What a phone says about one message."""

    id: str
    state: State
    at: datetime | None
    """by the phone's clock"""
    error: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """What a phone says of itself."""

    id: str | None
    name: str
    sims: int | None
    """the highest slot; None when it may not say"""
    is_pushed: bool
    """whether it waits to be told by the vendor's push service, and so opens no stream"""


def version_of(user_agent: str) -> Version:
    found = _VERSION.match(user_agent)
    return OLDEST if found is None else (int(found[1]), int(found[2]), int(found[3] or 0))


def shown_version(version: Version) -> str:
    return ".".join(map(str, version))


def date(when: datetime) -> str:
    """With exactly three digits after the point: of six the app makes whole seconds, and is minutes wrong."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def date_or_none(value: object) -> datetime | None:
    """A date as the app writes it; None when it is none, or of another century."""
    try:
        when = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return when if when is not None and 1970 < when.year < 2200 else None


def message_list(messages: list[Outgoing]) -> list[dict[str, object]]:
    """The answer to GET /message."""
    return [_listed(message) for message in messages]


def _listed(message: Outgoing) -> dict[str, object]:
    item: dict[str, object] = {
        "id": message.id,
        "textMessage": {"text": message.text},
        "message": message.text,  # all that older apps read
        "phoneNumbers": [message.recipient],
        "withDeliveryReport": True,
        "isEncrypted": False,
        "validUntil": date(message.valid_until),
        "createdAt": date(message.created),
        "priority": message.priority,
        "state": message.state.value,
    }
    return item if message.sim is None else item | {"simNumber": message.sim}


def event(type: str, data: str = "null") -> bytes:
    """A server-sent event. The app drops one without data."""
    return f"event: {type}\ndata: {data}\n\n".encode()


def message_cancelled(id: str) -> bytes:
    return event("MessageCancelled", json.dumps({"messageId": id}))


def export_requested(since: datetime, until: datetime) -> bytes:
    """The phone is to hand in anew what it has received."""
    asked = {"since": date(since), "until": date(until), "messageTypes": "SMS,MMS", "triggerWebhooks": "true"}
    return event("MessagesExportRequested", json.dumps(asked))


# what the phone says


def profile(body: bytes) -> Profile:
    """Of POST and PATCH /device."""
    said = json_object(body)
    name = said.get("name")
    return Profile(
        id=text_of(said, "id", MOST_NAME),
        name=name[:MOST_NAME] if isinstance(name, str) else "",
        sims=sims_of(said.get("simCards")),
        is_pushed=bool(said.get("pushToken")),
    )


def sims_of(cards: object) -> int | None:
    """The highest slot, from 1. Without the permission to look, an app says that there is none."""
    slots = [slot_of(card.get("simNumber")) for card in cards if isinstance(card, dict)] if isinstance(cards, list) else []
    return max((slot for slot in slots if slot is not None), default=None)


def slot_of(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_SIMS else None


def told(body: bytes) -> list[Told]:
    """Of PATCH /message."""
    said = json_of(body)
    if not isinstance(said, list):
        raise Invalid("body", "must be a JSON array")
    if len(said) > MOST_REPORTS:
        raise Invalid("body", f"has more than {MOST_REPORTS} messages")
    return [_told(each) for each in said]


def _told(said: object) -> Told:
    if not isinstance(said, dict):
        raise Invalid("body", "must be an array of objects")
    id = said.get("id")
    if not isinstance(id, str) or not _ID.match(id):
        raise Invalid("id", "must be the id of a message")
    recipients = said.get("recipients")
    listed = recipients if isinstance(recipients, list) else []
    each = [(_state(one.get("state")), one.get("error")) for one in listed if isinstance(one, dict)]
    # the aggregate is asked only where nothing better is said
    state = aggregate([state for state, _ in each]) if each else _state(said.get("state"))
    errors = [error for _, error in each if isinstance(error, str) and error]
    dates = said.get("states")
    at = date_or_none(dates.get(state.value)) if isinstance(dates, dict) else None
    # a delivered message may carry a note of the network, which is no error
    is_failed = state is State.FAILED
    return Told(id=id, state=state, at=at, error=errors[0][:MOST_ERROR] if errors and is_failed else None)


def _state(value: object) -> State:
    try:
        return State(value)
    except ValueError:
        raise Invalid("state", f"must be one of {', '.join(state.value for state in State)}") from None


def aggregate(states: list[State]) -> State:
    """Of a message, from its recipients' (at least one), as the app says that it is computed."""
    for state in (State.PENDING, State.CANCELLING, State.CANCELLED, State.PROCESSED):
        if state in states:
            return state
    only = set(states)
    return only.pop() if len(only) == 1 else State.SENT


def new_password(body: bytes) -> tuple[str, str]:
    """The current one and the new one, of PATCH /user/password."""
    said = json_object(body)
    current, new = text_of(said, "currentPassword", 1_000), text_of(said, "newPassword", 1_000)
    if current is None or new is None:
        raise Invalid("body", "must have currentPassword and newPassword")
    return current, new


def json_of(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Invalid("body", "is not JSON") from None


def json_object(body: bytes) -> dict[str, Any]:
    said = json_of(body)
    if not isinstance(said, dict):
        raise Invalid("body", "must be a JSON object")
    return said


def text_of(said: dict[str, Any], name: str, most: int) -> str | None:
    """None when it is absent."""
    value = said.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > most):
        raise Invalid(name, f"must be a text of at most {most} characters")
    return value
