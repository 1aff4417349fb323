from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.retry import JITTER, MOST_ATTEMPTS, next_try

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
FAR = NOW + timedelta(days=3)


def wait_s(attempts: int, seed: int | str = "a") -> float:
    due = next_try(attempts=attempts, now=NOW, expires=FAR, seed=seed)
    assert due is not None
    return (due - NOW).total_seconds()


@pytest.mark.parametrize(("attempts", "least_s"), [(1, 5), (2, 15), (3, 60), (4, 300), (5, 900), (6, 3600), (7, 3600), (29, 3600)])
def test_the_waits_grow_to_an_hour(attempts: int, least_s: int) -> None:
    assert least_s <= wait_s(attempts) <= least_s * (1 + JITTER)


def test_after_the_most_attempts_it_gives_up() -> None:
    assert next_try(attempts=MOST_ATTEMPTS - 1, now=NOW, expires=FAR, seed="a") is not None
    assert next_try(attempts=MOST_ATTEMPTS, now=NOW, expires=FAR, seed="a") is None
    assert next_try(attempts=MOST_ATTEMPTS + 1, now=NOW, expires=FAR, seed="a") is None


def test_all_tries_together_take_about_a_day() -> None:
    assert 24 * 3600 < sum(wait_s(attempts) for attempts in range(1, MOST_ATTEMPTS)) < 30 * 3600


def test_a_try_that_would_come_when_the_validity_has_ended_is_not_made() -> None:
    due = NOW + timedelta(seconds=wait_s(1))
    assert next_try(attempts=1, now=NOW, expires=due, seed="a") is None
    assert next_try(attempts=1, now=NOW, expires=due + timedelta(microseconds=1), seed="a") == due


def test_jitter_comes_from_the_seed_and_the_attempt_alone() -> None:
    assert wait_s(6, "a") == wait_s(6, "a")
    assert len({wait_s(6, seed) for seed in range(100)}) > 90
    assert len({wait_s(attempts, "a") for attempts in range(6, 16)}) == 10


@given(attempts=st.integers(0, 40), validity_s=st.integers(0, 700_000), seed=st.text())
def test_a_try_is_always_later_than_now_and_within_the_validity(attempts: int, validity_s: int, seed: str) -> None:
    expires = NOW + timedelta(seconds=validity_s)
    due = next_try(attempts=attempts, now=NOW, expires=expires, seed=seed)
    assert due is None or NOW < due < expires
