"""What may be a password, and how long a login waits after wrong ones."""

from __future__ import annotations

from datetime import timedelta
from string import ascii_lowercase

import pytest

from service import passwords
from service.errors import Invalid, TooManyGuesses
from service.passwords import LOGINS_MOST, LONGEST_WAIT, TRIES, Tries, checked, new_password
from tests.fakes import START


def test_a_new_password_is_14_small_letters_and_never_the_same() -> None:
    made = {new_password() for _ in range(100)}
    assert len(made) == 100
    assert all(len(password) == 14 and set(password) <= set(ascii_lowercase) for password in made)
    assert all(checked(password, "x") == password for password in made)


@pytest.mark.parametrize("password", ["", "x" * 13, "x" * 1001])
def test_one_that_is_too_short_or_too_long_is_refused(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked(password, "newPassword")
    assert refused.value.field == "newPassword"


def wait_of(tries: Tries, login: str, at_s: float) -> int | None:
    """What the next try is told: to wait for so many seconds, or (None) nothing."""
    try:
        tries.begin(login, START + timedelta(seconds=at_s))
    except TooManyGuesses as refused:
        return refused.retry_after_s
    return None


def test_after_ten_wrong_ones_each_further_try_waits_longer() -> None:
    tries, at, waits = Tries(), 0.0, []
    for _ in range(TRIES):
        assert wait_of(tries, "acme", at) is None
    for _ in range(7):
        wait = wait_of(tries, "acme", at)
        assert wait is not None
        assert wait_of(tries, "acme", at + wait - 0.5) == 1, "a refused try changes nothing"
        at += wait
        waits.append(wait)
        assert wait_of(tries, "acme", at) is None
    assert waits == [30, 60, 120, 240, 480, 900, 900]
    assert wait_of(tries, "other", at) is None


def test_a_right_one_is_the_end_of_the_row() -> None:
    tries = Tries()
    for _ in range(3):
        for _ in range(TRIES - 1):
            assert wait_of(tries, "acme", 0) is None
        tries.right("acme")
    tries.right("nobody")


def test_it_never_overflows() -> None:
    assert passwords._wait_after(10**9) == LONGEST_WAIT


def test_many_logins_do_not_wash_away_one_that_is_refused() -> None:
    tries = Tries()
    for _ in range(TRIES):
        wait_of(tries, "acme", 0)
    for n in range(LOGINS_MOST + 10):
        wait_of(tries, f"guess {n}", 0)
    assert len(tries._wrong) == LOGINS_MOST
    assert wait_of(tries, "acme", 0) == 30
    assert wait_of(tries, f"guess {n}", 0) is None
