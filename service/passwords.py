"""Passwords: the one kind of secret that a person may have chosen, so the one that can be guessed.

A login whose password was wrong many times in a row is refused for growing spans, wherever the tries come from, without a look at what
was tried. Nobody with a key or a token is held back by that. A try counts as wrong until it has turned out right, so that many at the same
moment gain nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from string import ascii_lowercase

from service.accounts import digest_of
from service.errors import Invalid, TooManyGuesses

LEAST = 14
"""characters, as the app that changes it wants"""
MOST = 1000
TRIES = 10
"""wrong ones in a row that cost nothing"""
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=15)
LOGINS_MOST = 10_000
"""beyond so many the oldest that is not refused is forgotten"""


def new_password() -> str:
    """14 lower-case letters, 65 random bits."""
    return "".join(secrets.choice(ascii_lowercase) for _ in range(LEAST))


def checked(password: str, field: str) -> str:
    """Raises Invalid, of `field`."""
    if not LEAST <= len(password) <= MOST:
        raise Invalid(field, f"must have {LEAST} to {MOST} characters")
    return password


@dataclass(kw_only=True)
class Tries:
    _wrong: dict[bytes, tuple[int, datetime]] = field(default_factory=dict, repr=False)
    """how many in a row, and until when the next is refused; by the login's SHA-256, the one tried longest ago first"""

    def begin(self, login: str, now: datetime) -> None:
        """Raises TooManyGuesses."""
        name = digest_of(login)
        count, until = self._wrong.get(name, (0, now))
        if now < until:
            raise TooManyGuesses("too many wrong passwords for this login", max(1, -int(-(until - now).total_seconds() // 1)))
        self._wrong.pop(name, None)
        if len(self._wrong) >= LOGINS_MOST:
            self._forget_one()
        self._wrong[name] = count + 1, now + _wait_after(count + 1)

    def right(self, login: str) -> None:
        self._wrong.pop(digest_of(login), None)

    def _forget_one(self) -> None:
        harmless = (name for name, (count, _) in self._wrong.items() if count < TRIES)
        del self._wrong[next(harmless, next(iter(self._wrong)))]


def _wait_after(wrong: int) -> timedelta:
    """Doubled with each."""
    if wrong < TRIES:
        return timedelta(0)
    return min(FIRST_WAIT * (1 << min(wrong - TRIES, 10)), LONGEST_WAIT)
