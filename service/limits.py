"""How much a device and each of its SIMs may put out, and when it must be quiet. Pure: what went out is remembered here, never looked up.

Messages are counted, not segments, and each try that a device was handed is one. A message counts from when it was claimed; a window
slides: "5 a minute" means that no 60 seconds hold more than 5. Quiet hours are read from the wall clock of a time zone.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from service.errors import Invalid

UNLIMITED = 1 << 30
MOST = 100_000
"""the highest number that a limit may be"""
DAY_MINUTES = 24 * 60
LATELY = timedelta(hours=1)
"""after this long a message counts half for who is the least busy"""
_MINUTE = timedelta(minutes=1)
_WINDOWS = (("a minute", _MINUTE), ("an hour", timedelta(hours=1)), ("a day", timedelta(days=1)))
LONGEST = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Numbers from 1; None: no such limit."""

    per_minute: int | None = None
    per_hour: int | None = None
    per_day: int | None = None
    quiet_from: int | None = None
    """minutes of the local day; quiet hours may go over midnight"""
    quiet_until: int | None = None

    def windows(self) -> Iterator[tuple[int, str, timedelta]]:
        """Those that there are: how many, in what, and how long that is."""
        for most, (name, length) in zip((self.per_minute, self.per_hour, self.per_day), _WINDOWS, strict=True):
            if most is not None:
                yield most, name, length

    @property
    def counts(self) -> bool:
        """Whether it matters how many have gone out."""
        return (self.per_minute, self.per_hour, self.per_day) != (None, None, None)


NO_LIMITS = Limits()


def checked(limits: Limits) -> Limits:
    """Raises Invalid."""
    for name in ("per_minute", "per_hour", "per_day"):
        most = getattr(limits, name)
        if most is not None and not 1 <= most <= MOST:
            raise Invalid(name, f"must be from 1 to {MOST}")
    begins, ends = limits.quiet_from, limits.quiet_until
    is_whole = begins is not None and ends is not None and begins != ends and {begins, ends} <= set(range(DAY_MINUTES))
    if not is_whole and (begins, ends) != (None, None):
        raise Invalid("quiet", "must be two different times of the day, for example 22:00-07:00")
    return limits


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    room: int
    """how many may go out now"""
    until: datetime | None = None
    """where there is no room: when there will be"""
    why: str = ""
    """where there is no room: a sentence for a person, without the time"""


UNBOUND = Allowance(room=UNLIMITED)


def quiet_until(limits: Limits, now: datetime, zone: ZoneInfo) -> datetime | None:
    """When the quiet hours end that `now` is in; None outside of them. They end when the wall clock first shows an hour outside."""
    if limits.quiet_until is None or not _is_quiet(limits, now, zone):
        return None
    local = now.astimezone(zone)
    is_tomorrow = _minute(local) >= limits.quiet_until
    day = local.date() + timedelta(days=is_tomorrow)
    hour, minute = divmod(limits.quiet_until, 60)
    ends = [datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    end = max(min(ends), now.replace(second=0, microsecond=0))
    # where the clock is put forward or back that hour is absent or comes twice: from the earliest on, the first minute that is not quiet
    while end <= now or _is_quiet(limits, end, zone):
        end += _MINUTE
    return end


def _minute(local: datetime) -> int:
    return local.hour * 60 + local.minute


def _is_quiet(limits: Limits, now: datetime, zone: ZoneInfo) -> bool:
    begins, ends = limits.quiet_from, limits.quiet_until
    if begins is None or ends is None:
        return False
    minute = _minute(now.astimezone(zone))
    return begins <= minute < ends if begins < ends else minute >= begins or minute < ends


@dataclass
class Sent:
    """When messages went out, oldest first; what is older than the longest window is forgotten."""

    _times: list[datetime] = field(default_factory=list)

    def add(self, at: datetime) -> None:
        if self._times and self._times[0] <= at - 2 * LONGEST:
            del self._times[: bisect_right(self._times, at - LONGEST)]
        insort(self._times, at)

    def remove(self, at: datetime) -> None:
        if at in self._times:
            self._times.remove(at)

    def allowance(self, limits: Limits, now: datetime) -> Allowance:
        room, until, why = UNLIMITED, None, ""
        for most, name, length in limits.windows():
            begins = bisect_right(self._times, now - length)
            left = most - (len(self._times) - begins)
            if left <= 0:
                # where the limit was lowered, more than one must leave the window before the next may go
                free = self._times[len(self._times) - most] + length
                until, why = max((until or free, why), (free, f"{most} {name} reached"))
            room = min(room, max(left, 0))
        return Allowance(room=room, until=until, why=why)

    def share(self, limits: Limits, now: datetime) -> float:
        """How much of the limits is used up, from 0 to 1."""
        used = ((len(self._times) - bisect_right(self._times, now - length)) / most for most, _, length in limits.windows())
        return min(max(used, default=0.0), 1.0)


@dataclass
class Usage:
    """What one device put out lately, by itself and by each SIM slot."""

    _all: Sent = field(default_factory=Sent)
    _slots: dict[int, Sent] = field(default_factory=dict)
    _score: float = 0.0
    _scored: datetime | None = None

    def seed(self, sent: Iterable[tuple[tuple[int, ...], datetime]]) -> None:
        """In place of what was known: for which slots each counts, and when it went out."""
        self._all, self._slots = Sent(), {}
        for slots, at in sorted(sent, key=lambda one: one[1]):
            self._all.add(at)
            for slot in slots:
                self.of(slot).add(at)

    def count(self, slot: int | None, now: datetime) -> None:
        """None: by none of them."""
        self._all.add(now)
        if slot is not None:
            self.of(slot).add(now)

    def uncount(self, slot: int | None, at: datetime) -> None:
        """What was counted at that time did not go out."""
        self._all.remove(at)
        if slot is not None:
            self.of(slot).remove(at)

    def score(self, count: int, now: datetime) -> None:
        self._score, self._scored = self.lately(now) + count, now

    def lately(self, now: datetime) -> float:
        """How many went out, the older ones counting ever less."""
        if self._scored is None:
            return 0.0
        return self._score * float(0.5 ** ((now - self._scored) / LATELY))

    def everything(self) -> Sent:
        return self._all

    def of(self, slot: int) -> Sent:
        return self._slots.setdefault(slot, Sent())
