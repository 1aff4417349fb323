"""Windows of quotas: days of a time zone, also where its clock is changed; what slides never holds more, whatever is asked and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.storage.rows import charge_row, ms
from adapters.storage.transactions_quotas import charged
from service.errors import Invalid, QuotaExceeded
from service.quotas import MOST, NO_QUOTAS, Quotas, charges, checked, day

MINUTE = timedelta(minutes=1)
BEGIN = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "now", "begins", "hours"),
    [
        ("UTC", "2026-03-20T12:00", "2026-03-20T00:00", 24),
        ("Europe/Brussels", "2026-03-29T12:00", "2026-03-28T23:00", 23),
        ("Europe/Brussels", "2026-10-25T12:00", "2026-10-24T22:00", 25),
        ("Europe/Brussels", "2026-10-25T22:59:59", "2026-10-24T22:00", 25),
        ("America/New_York", "2026-03-08T04:59", "2026-03-07T05:00", 24),
        ("America/New_York", "2026-03-08T05:00", "2026-03-08T05:00", 23),
        # the clock leaps over midnight
        ("America/Santiago", "2026-09-06T12:00", "2026-09-06T04:00", 23),
        ("America/Santiago", "2026-09-06T03:59", "2026-09-05T04:00", 24),
        # midnight comes twice
        ("America/Havana", "2026-11-01T12:00", "2026-11-01T04:00", 25),
    ],
)
def test_a_day_is_one_of_the_time_zone(zone: str, now: str, begins: str, hours: int) -> None:
    at, first = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (now, begins))
    assert day(at, ZoneInfo(zone)) == (first, first + timedelta(hours=hours))


@given(
    steps=st.lists(st.tuples(st.integers(0, 25_000), st.integers(1, 3)), min_size=1, max_size=60),
    most=st.integers(1, 6),
)
@example(steps=[(900, 1), (59_100, 1), (900, 1), (100, 1)], most=1)
def test_no_sixty_seconds_hold_more_and_room_comes_back(steps: list[tuple[int, int]], most: int) -> None:
    now, uses, taken = BEGIN, "", []
    for pause_ms, count in steps:
        now += timedelta(milliseconds=pause_ms)
        [charge] = charges(Quotas(per_minute=most), "key", "1", count=count, now=now, zone=ZoneInfo("UTC"))
        lately = sum(n for at, n in taken if at > now - MINUTE - timedelta(seconds=1))
        try:
            uses = charged(uses, charge_row(charge), ms(now))
            taken.append((now, count))
        except QuotaExceeded as refused:
            assert lately + count > most, "there was room"
            assert (refused.retry_after_s is None) == (count > most)
            assert refused.retry_after_s is None or 1 <= refused.retry_after_s <= 61
        assert sum(n for at, n in taken if at > now - MINUTE) <= most
        assert len(uses.split()) <= 61


def test_what_is_told_to_wait_is_taken_then() -> None:
    zone, uses = ZoneInfo("UTC"), ""
    for at in (0.4, 20.7):
        [charge] = charges(Quotas(per_minute=2), "key", "1", count=1, now=BEGIN + timedelta(seconds=at), zone=zone)
        uses = charged(uses, charge_row(charge), ms(BEGIN))
    now = BEGIN + timedelta(seconds=30.2)
    [charge] = charges(Quotas(per_minute=2), "key", "1", count=1, now=now, zone=zone)
    with pytest.raises(QuotaExceeded) as refused:
        charged(uses, charge_row(charge), ms(now))
    now += timedelta(seconds=refused.value.retry_after_s or 0)
    [charge] = charges(Quotas(per_minute=2), "key", "1", count=1, now=now, zone=zone)
    charged(uses, charge_row(charge), ms(now))


def test_only_numbers_that_mean_something_are_taken() -> None:
    assert checked(NO_QUOTAS) is None
    assert checked(Quotas(per_day=MOST)) == Quotas(per_day=MOST)
    for bad in (0, -1, MOST + 1):
        with pytest.raises(Invalid):
            checked(Quotas(per_hour=bad))
