"""JSON as the SMSGate app's Gson turns it into what it works with: forgiving in types, merciless in dates, null for an enum it does not know.

    [{"id": "c319...", "textMessage": {"text": "Hi"}, "phoneNumbers": ["+3249..."], "validUntil": "2026-11-22T16:00:00.000Z"}]

One value of a wrong type raises Unreadable, and the whole answer is lost to the app. SMSGate app, GatewayApi.kt; tests/interop holds this
file against Gson itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any

from tests.peers.smsgate_dates import Unreadable, read_date

STATES = frozenset({"Pending", "Cancelling", "Cancelled", "Processed", "Sent", "Delivered", "Failed"})


@dataclass(frozen=True, kw_only=True)
class DataMessage:
    data: str | None
    port: int


@dataclass(frozen=True, kw_only=True)
class Item:
    """One message of the list. None is Kotlin's null: absent, null, or an enum value that the app does not know."""

    id: str | None = None
    message: str | None = None
    text: str | None = None
    data: DataMessage | None = None
    phone_numbers: tuple[str | None, ...] | None = None
    sim_number: int | None = None
    with_delivery_report: bool | None = None
    is_encrypted: bool | None = None
    valid_until_ms: int | None = None
    schedule_at_ms: int | None = None
    priority: int | None = None
    """a Java byte: 200 is -56"""
    state: str | None = None
    created_at_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class Hook:
    id: str
    url: str
    event: str


@dataclass(frozen=True, kw_only=True)
class Registration:
    id: str
    token: str
    login: str
    password: str | None


def read_messages(body: bytes, zone: tzinfo = UTC) -> list[Item]:
    return [_item(_object(value), zone) for value in _array(_json(body))]


def read_hooks(body: bytes) -> list[tuple[str | None, str | None, str | None]]:
    """id, url and event as they are; whether the app knows the event is for its version to say."""
    found = [_object(value) for value in _array(_json(body))]
    return [(_string(hook.get("id")), _string(hook.get("url")), _string(hook.get("event"))) for hook in found]


def read_registration(body: bytes) -> Registration:
    value = _object(_json(body))
    id, token, login = (_string(value.get(name)) for name in ("id", "token", "login"))
    if id is None or token is None or login is None:
        raise Unreadable("a registration without id, token or login")
    return Registration(id=id, token=token, login=login, password=_string(value.get("password")))


def read_settings(body: bytes) -> dict[str, Any]:
    return _object(_json(body))


def read_object(text: str) -> dict[str, Any]:
    """The data of an event; `null` and `{}` are the same."""
    value = _json(text.encode())
    return {} if value is None else _object(value)


def _item(value: dict[str, Any], zone: tzinfo) -> Item:
    text, data = value.get("textMessage"), value.get("dataMessage")
    numbers = value.get("phoneNumbers")
    state = _string(value.get("state"))
    return Item(
        id=_string(value.get("id")),
        message=_string(value.get("message")),
        text=None if text is None else _string(_object(text).get("text")),
        data=None if data is None else _data(_object(data)),
        phone_numbers=None if numbers is None else tuple(_string(number) for number in _array(numbers)),
        sim_number=_integer(value.get("simNumber")),
        with_delivery_report=_boolean(value.get("withDeliveryReport")),
        is_encrypted=_boolean(value.get("isEncrypted")),
        valid_until_ms=_date(value.get("validUntil"), zone),
        schedule_at_ms=_date(value.get("scheduleAt"), zone),
        priority=_byte(value.get("priority")),
        state=state if state in STATES else None,
        created_at_ms=_date(value.get("createdAt"), zone),
    )


def _data(value: dict[str, Any]) -> DataMessage:
    return DataMessage(data=_string(value.get("data")), port=_integer(value.get("port")) or 0)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise Unreadable("no JSON") from error


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Unreadable("expected an array")
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable("expected an object")
    return value


def _string(value: Any) -> str | None:
    """Numbers and booleans are strings to Gson where a string is wanted."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        raise Unreadable("expected a string")
    return json.dumps(value)


def _integer(value: Any) -> int | None:
    """Also from a string, and from a fraction of nothing."""
    if value is None:
        return None
    if isinstance(value, bool | list | dict):
        raise Unreadable("expected a number")
    try:
        number = float(value)
        is_whole = number == int(number) and -(1 << 31) <= number < 1 << 31
    except (ValueError, OverflowError) as error:
        raise Unreadable("expected a number") from error
    if not is_whole:
        raise Unreadable("expected an int")
    return int(number)


def _byte(value: Any) -> int | None:
    number = _integer(value)
    if number is None:
        return None
    if not -128 <= number <= 255:
        raise Unreadable("lossy conversion to byte")
    return number - 256 if number > 127 else number


def _boolean(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.lower() == "true"
    raise Unreadable("expected a boolean")


def _date(value: Any, zone: tzinfo) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool):
        raise Unreadable("expected a date")
    return read_date(_string(value) or "", zone)
