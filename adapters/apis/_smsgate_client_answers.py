"""How SMSGate's server answers: JSON, errors as {"message": "..."}, query parameters. A part of smsgate_client.py."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import orjson

from adapters.call import Call, Reply, Trouble
from adapters.fields import BadFields, decode
from adapters.wire.smsgate import date_or_none
from service.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Missing,
    NotFound,
    QuotaExceeded,
    Refused,
    TooManyGuesses,
    Unauthorized,
    Unavailable,
    WrongState,
)
from service.mailbox import ALWAYS
from service.mailbox_queries import Span

STATUSES: tuple[tuple[type[Refused], int], ...] = (
    (Unauthorized, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (Conflict, 409),
    (WrongState, 409),
    (TooManyGuesses, 429),
    (QuotaExceeded, 503),
    (Unavailable, 503),
)
FIELDS = {
    "recipients": "phoneNumbers",
    "text": "textMessage.text",
    "device": "deviceId",
    "sim": "simNumber",
    "due": "scheduleAt",
    "validity_s": "ttl",
    "name": "id",
    "events": "event",
    "secret": "webhooks.signing_key",
}
"""the core's field -> theirs, where they differ"""
NO_STORE = ("Cache-Control", "no-store")
CHALLENGE = ("WWW-Authenticate", 'Basic realm="dragoman"')
MOST_OFFSET = 1_000_000


def as_json(value: object, status: int = 200, *headers: tuple[str, str]) -> Reply:
    return Reply(orjson.dumps(value), status=status, headers=(NO_STORE, *headers))


def word(call: Call, error: Refused | Trouble) -> Reply:
    if isinstance(error, Trouble):
        return as_json({"message": error.why}, error.status)
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), 400)
    after_s = getattr(error, "retry_after_s", None)
    headers = [("Retry-After", str(after_s))] if after_s else []
    if isinstance(error, Unauthorized):
        headers.append(CHALLENGE)
    message = f"{FIELDS.get(error.field, error.field)} {error.why}" if isinstance(error, Invalid) else error.why
    return as_json({"message": message}, status, *headers)


def parameters(call: Call) -> Mapping[str, str]:
    """Of the query alone. Raises Trouble."""
    try:
        return decode(call.query, b"", "")
    except BadFields as bad:
        raise Trouble(400, bad.code, bad.why) from None


def number(asked: Mapping[str, str], name: str, default: int, *, least: int = 0, most: int) -> int:
    """Raises Invalid."""
    value = asked.get(name, "")
    if not value:
        return default
    if not (value.isascii() and value.isdigit() and len(value) < 12 and least <= int(value) <= most):
        raise Invalid(name, f"must be a whole number from {least} to {most}")
    return int(value)


def wish(asked: Mapping[str, str], name: str) -> bool:
    value = asked.get(name, "").lower()
    if value not in ("", "true", "false", "1", "0"):
        raise Invalid(name, "must be true or false")
    return value in ("true", "1")


def moment(value: object, name: str, zone: ZoneInfo) -> datetime:
    """Without an offset it is the account's. Raises Invalid."""
    # a raw plus in a query is a space
    at = date_or_none(value.replace(" ", "+") if isinstance(value, str) and value[10:11] == "T" else value)
    if at is None:
        raise Missing(name) if value in (None, "") else Invalid(name, "must be a date and time (RFC 3339)")
    return at if at.tzinfo else at.replace(tzinfo=zone)


def span(asked: Mapping[str, str], zone: ZoneInfo) -> Span:
    """`from` and `to`, both included."""
    since = moment(asked["from"], "from", zone) if asked.get("from") else ALWAYS.since
    until = moment(asked["to"], "to", zone) + timedelta(milliseconds=1) if asked.get("to") else ALWAYS.until
    return Span(since=since, until=until)
