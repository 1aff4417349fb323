"""Dates as the SMSGate app reads and writes them: instants are milliseconds since 1970, nothing else leaves this file.

The app's Gson reads `yyyy-MM-dd'T'HH:mm:ss.SSSXXX` first, leniently, so that a fraction of six digits is that many *milliseconds*; what
this pattern cannot read is given to Gson's ISO 8601 reader, which is strict and wants a zone. tests/interop holds both against Gson itself.
SMSGate app, GsonBuilder.kt; the patterns of Java's SimpleDateFormat.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

_DAY_MS = 86_400_000
_INT32 = 1 << 32
_LENIENT = re.compile(
    r"[ \t]*(\d+)-[ \t]*(\d+)-[ \t]*(\d+)T[ \t]*(\d+):[ \t]*(\d+):[ \t]*(\d+)\.[ \t]*(\d+)"
    r"(?:Z|([+-])(\d\d):(\d\d))",
    re.ASCII,
)
_STRICT = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)"
    r"(?:T(\d\d):?(\d\d):?(?:(?![Z+-])(\d\d)(?:\.(\d+))?)?)?"
    r"(Z|[+-].*)?",
    re.ASCII | re.DOTALL,
)
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)", re.ASCII)


class Unreadable(ValueError):
    """Gson throws here, and with it the whole answer is lost to the app."""


def read_date(text: str, zone: tzinfo = UTC) -> int:
    """Milliseconds since 1970 as the app understands the text; `zone` is the phone's. Raises Unreadable."""
    lenient = _LENIENT.match(text)
    if lenient is not None:
        read = _read_lenient(lenient)
        if read is not None:
            return read
    return _read_strict(text, zone)


def _read_lenient(found: re.Match[str]) -> int | None:
    year, month, day, hour, minute, second, ms = (_as_java_int(found[n]) for n in range(1, 8))
    offset_ms = 0
    if found[8]:
        hours, minutes = int(found[9]), int(found[10])
        if hours > 23 or minutes > 59:
            return None
        offset_ms = (hours * 60 + minutes) * 60_000 * (-1 if found[8] == "-" else 1)
    days = _days(year + (month - 1) // 12, (month - 1) % 12 + 1) + day - 1
    return days * _DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + ms - offset_ms


def _as_java_int(digits: str) -> int:
    """A number of nine digits is itself; a longer one overflows as `Long.intValue` and `Double.intValue` do."""
    value = int(digits)
    if value >= 1 << 63:
        return _INT32 // 2 - 1
    return (value + _INT32 // 2) % _INT32 - _INT32 // 2


def _days(year: int, month: int) -> int:
    return date(year, month, 1).toordinal() - date(1970, 1, 1).toordinal()


def _read_strict(text: str, zone: tzinfo) -> int:
    found = _STRICT.match(text)
    if found is None:
        raise Unreadable(text)
    has_time, indicator = found[4] is not None, found[8]
    if indicator is None and (has_time or found.end() < len(text)):
        raise Unreadable(f"no time zone indicator: {text}")
    second = int(found[6] or 0)
    try:
        instant = datetime(
            int(found[1]),
            int(found[2]),
            int(found[3]),
            int(found[4] or 0),
            int(found[5] or 0),
            59 if 59 < second < 63 else second,
            int((found[7] or "0")[:3].ljust(3, "0")) * 1000,
            zone if indicator is None else UTC if indicator == "Z" else _offset(indicator),
        )
    except ValueError as error:
        raise Unreadable(text) from error
    return _ms(instant)


def _offset(indicator: str) -> timezone:
    found = _OFFSET.fullmatch(indicator if len(indicator) >= 5 else indicator + "00")
    if found is None or int(found[2]) > 23 or int(found[3]) > 59:
        raise Unreadable(f"mismatching time zone indicator: {indicator}")
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-offset if found[1] == "-" else offset)


def _ms(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def write_date(at_ms: int, zone: tzinfo = UTC) -> str:
    """As Gson writes it: three digits, the phone's offset, `Z` for none."""
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)).astimezone(zone)
    text = local.isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
