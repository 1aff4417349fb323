"""Wrong keys, counted for each address, so that whoever tries many is told to stop.

A good key is never held back, wherever it comes from: behind a proxy, and behind the one address of an office, everybody has the same one,
and a stranger's guessing must not stop them. Nothing is lost by that: keys have 238 random bits, and looking one up costs the same as
serving a call. What the limit does is to answer 429 instead of 403 and to say so in the log, for the caller who has forgotten to change
a key and tries for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address

from service.errors import TooManyGuesses

GUESSES_MOST = 60
"""wrong keys that an address may try in a WINDOW; IPv6 addresses of one /64 are one"""
WINDOW = timedelta(minutes=1)
ADDRESSES_MOST = 10_000
"""beyond so many the oldest is forgotten"""


@dataclass(kw_only=True)
class Guesses:
    on_many: Callable[[str], object] = lambda address: None
    """told once in a window of an address that has tried too many"""
    _counts: dict[str, tuple[datetime, int]] = field(default_factory=dict, repr=False)
    """when the window began, and how many; the oldest window first"""

    def wrong(self, peer: str | None, now: datetime) -> None:
        """Count a wrong key. Raises TooManyGuesses beyond the limit."""
        address = _of_one_caller(peer or "")
        began, count = self._counts.get(address, (now, 0))
        if now - began >= WINDOW:
            began, count = now, 0
        if count == 0:
            self._counts.pop(address, None)
            if len(self._counts) >= ADDRESSES_MOST:
                del self._counts[next(iter(self._counts))]
        self._counts[address] = (began, count + 1)
        if count == GUESSES_MOST:
            self.on_many(address)
        if count >= GUESSES_MOST:
            raise _too_many(began + WINDOW - now)

    def hold(self, peer: str | None, now: datetime) -> None:
        """For what costs much to look at, such as a password: raises TooManyGuesses when the next wrong one from there would."""
        began, count = self._counts.get(_of_one_caller(peer or ""), (now, 0))
        if count >= GUESSES_MOST and now - began < WINDOW:
            raise _too_many(began + WINDOW - now)


def _too_many(left: timedelta) -> TooManyGuesses:
    return TooManyGuesses("too many wrong API keys came from this address", max(1, -int(-left.total_seconds() // 1)))


def _of_one_caller(peer: str) -> str:
    """An IPv6 caller has a whole /64 to choose from."""
    if ":" not in peer:
        return peer
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(IPv6Address(int(address) >> 64 << 64)) + "/64"
    return str(getattr(address, "ipv4_mapped", address))
