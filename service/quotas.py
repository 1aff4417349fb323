"""How many messages an account, a key, a sending number and a device may have accepted. Pure: the store counts, as it accepts.

What a device puts out, and when, is limits.py's. Here messages are counted as they are accepted, whatever becomes of them. A day is
one of the account's time zone; an hour and a minute slide: no 60 minutes, no 60 seconds hold more. A use is counted under a sixtieth
of its window, so that room comes back up to that much late, and never early.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from service.errors import Invalid

MOST = 100_000_000
"""the highest number that a quota may be"""
_SLIDING = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}
_PARTS = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = timedelta(milliseconds=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Quotas:
    """Messages, from 1; None: any number."""

    per_minute: int | None = None
    per_hour: int | None = None
    per_day: int | None = None


NO_QUOTAS = Quotas()


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountQuotas:
    """What the operator allows an account."""

    whole: Quotas = NO_QUOTAS
    """all that it sends"""
    each_number: Quotas = NO_QUOTAS
    """what is to be sent from one of its numbers"""
    each_device: Quotas = NO_QUOTAS
    """what is to be sent by one of its devices"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Charge:
    """What one submit takes of one quota."""

    subject: str
    """under which the store counts"""
    quota: str
    """account, key, number or device"""
    per: str
    """minute, hour or day"""
    most: int
    count: int
    since: datetime
    """uses that were counted under an earlier time are over"""
    slot: datetime
    """under which this use is counted"""
    lasts: timedelta
    """how long after its slot a use is over"""


def checked(quotas: Quotas) -> Quotas | None:
    """None where nothing is limited. Raises Invalid."""
    for name in Quotas.__slots__:
        most = getattr(quotas, name)
        if most is not None and not 1 <= most <= MOST:
            raise Invalid(name, f"must be from 1 to {MOST}")
    return None if quotas == NO_QUOTAS else quotas


def charges(quotas: Quotas, quota: str, whose: str, *, count: int, now: datetime, zone: ZoneInfo) -> Iterator[Charge]:
    """For `count` messages of the account, key, number or device that `whose` names, which no other account has."""
    for per, most in (("minute", quotas.per_minute), ("hour", quotas.per_hour), ("day", quotas.per_day)):
        if most is not None:
            since, slot, lasts = _window(per, now, zone)
            subject = f"{quota} {whose} {per}"
            yield Charge(subject=subject, quota=quota, per=per, most=most, count=count, since=since, slot=slot, lasts=lasts)


def _window(per: str, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime, timedelta]:
    if per == "day":
        begins, ends = day(now, zone)
        return begins, begins, ends - begins
    length = _SLIDING[per]
    part = length / _PARTS
    slot = now - (now - _EPOCH) % part
    return now - length - part + _INSTANT, slot, length + part


def day(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When the zone's day of `now` begins and ends: 23 or 25 hours where its clock is changed."""
    today = now.astimezone(zone).date()
    # where the clock shows midnight twice the first one counts, where it leaps over it the leap
    begins, ends = (datetime(d.year, d.month, d.day, tzinfo=zone).astimezone(UTC) for d in (today, today + timedelta(days=1)))
    return begins, ends
