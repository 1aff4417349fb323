"""Dates as the app reads them. tests/interop/test_gson.py asks Gson itself about the same rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.peers.smsgate_dates import Unreadable, read_date, write_date

RIGHT = 1774008000123
ROWS: dict[str, int | None] = {
    "2026-03-20T12:00:00.123Z": RIGHT,
    "2026-03-20T14:00:00.123+02:00": RIGHT,
    "2026-03-20T12:00:00Z": RIGHT - 123,
    "2026-03-20T12:00:00+00:00": RIGHT - 123,
    "2026-03-20T14:00:00+0200": RIGHT - 123,
    "2026-03-20T14:00:00+02": RIGHT - 123,
    "2026-03-20T14:00:00.123456+02:00": RIGHT - 123 + 123_456,
    "2026-03-20T12:00:00.123456789Z": RIGHT - 123 + 123_456_789,
    "2026-03-20T12:00:00.1234567891Z": RIGHT - 123 + 1_234_567_891,
    "2026-03-20T12:00:00.12345678912Z": RIGHT - 123 - 539_222_976,
    "2026-03-20T12:00:00.99999999999999999999Z": RIGHT - 123 + 2**31 - 1,
    "2026-03-20T12:00:00.5Z": RIGHT - 123 + 5,
    "2026-03-20T14:00:00.123456+0200": RIGHT,
    "2026-03-20T12:00:00.123Z and more": RIGHT,
    "2026-02-48T12:00:00.123Z": RIGHT,
    "2026-03-20T12:00Z": RIGHT - 123,
    "20260320T120000Z": RIGHT - 123,
    "2026-03-20": RIGHT - 123 - 12 * 3_600_000,
    "2026-03-20T12:00:60Z": RIGHT - 123 + 59_000,
    "2026-02-48T12:00:00Z": None,
    "2026-03-20T12:00:00.123": None,
    "2026-03-20T12:00:00": None,
    "2026-03-20 12:00:00Z": None,
    "2026-03-20T12:00:00.Z": None,
    "2026-03-20T12:00:00+2:00": None,
    "2026-03-20T12:00:00+24:00": None,
    "1774008000": None,
    "1774008000123": None,
    "": None,
    "now": None,
}
"""text -> milliseconds, or None where Gson throws"""


def read(text: str) -> int | None:
    try:
        return read_date(text)
    except Unreadable:
        return None


@pytest.mark.parametrize(("text", "expected"), ROWS.items(), ids=ROWS)
def test_a_date_is_understood_as_gson_does(text: str, expected: int | None) -> None:
    """SMSGate app, GsonBuilder.kt: three digits or none are right, six are two minutes off, and without a zone nothing is read."""
    assert read(text) == expected


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)), st.sampled_from(["UTC", "Europe/Brussels", "Asia/Kathmandu"]))
def test_what_the_app_writes_it_reads(moment: datetime, zone: str) -> None:
    at_ms = (moment - datetime(1970, 1, 1)) // timedelta(milliseconds=1)
    assert read_date(write_date(at_ms, ZoneInfo(zone))) == at_ms


def test_it_writes_three_digits_and_the_offset_of_the_phone() -> None:
    assert write_date(RIGHT) == "2026-03-20T12:00:00.123Z"
    assert write_date(RIGHT - 123, ZoneInfo("Europe/Brussels")) == "2026-03-20T13:00:00.000+01:00"
