"""Reading a command's arguments: plain values that came as JSON. Each function raises service.errors.Invalid with the argument's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from service.errors import Invalid, Missing

Arguments = Mapping[str, Any]
_SPAN = re.compile(r"(\d{1,6})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def text(arguments: Arguments, name: str, default: str | None = None) -> str:
    value = arguments.get(name)
    if value is None or value == "":
        if default is None:
            raise Missing(name)
        return default
    if not isinstance(value, str):
        raise Invalid(name, "must be a text")
    return value


def text_or_none(arguments: Arguments, name: str) -> str | None:
    return text(arguments, name, "") or None


def whole(arguments: Arguments, name: str) -> int:
    value = arguments.get(name)
    if value is None:
        raise Missing(name)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 1 << 63:
        raise Invalid(name, "must be a whole number")
    return value


def flag(arguments: Arguments, name: str) -> bool:
    value = arguments.get(name, False)
    if not isinstance(value, bool):
        raise Invalid(name, "must be true or false")
    return value


def words(arguments: Arguments, name: str) -> list[str]:
    value = arguments.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Invalid(name, "must be a list of texts")
    return value


def span(value: str, name: str) -> timedelta:
    """90s, 15m, 12h, 30d, 4w."""
    found = _SPAN.fullmatch(value.strip())
    if found is None:
        raise Invalid(name, "must be a number with a unit: 90s, 15m, 12h, 30d or 4w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def instant(value: str, name: str, now: datetime) -> datetime | None:
    """A date, a time with its zone (UTC when it has none), a span from now, or `never`."""
    if value == "never":
        return None
    try:
        if _SPAN.fullmatch(value.strip()):
            return now + span(value, name)
        when = datetime.fromisoformat(value)
    except (ValueError, OverflowError):
        raise Invalid(name, "must be a date such as 2030-12-31, a time such as 2030-12-31T12:00Z, 30d, or never") from None
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def past(value: str, name: str, now: datetime) -> datetime:
    """A date, a time with its zone (UTC when it has none), or how long ago: 90s, 15m, 12h, 30d, 4w."""
    try:
        when = now - span(value, name) if _SPAN.fullmatch(value.strip()) else instant(value, name, now)
    except (Invalid, OverflowError):
        when = None
    if when is None:
        raise Invalid(name, "must be a date such as 2026-12-31, a time such as 2026-12-31T12:00Z, or how long ago: 30d")
    return when


def shown(when: datetime | None) -> str | None:
    return None if when is None else when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
