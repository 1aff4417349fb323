"""How an account wants its phones to send, and what its webhooks are signed with: decided once, for all that it has and will have."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from service.errors import Invalid

INTERVAL_MOST_S = 86_400
LIMIT_MOST = 1_000_000
DAYS_MOST = 3_650


class Period(Enum):
    NONE = "none"
    """no limit, whatever the phone's owner has set"""
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


class SimChoice(Enum):
    """Of a message that names no SIM."""

    PHONE = "phone"
    """as the phone is set"""
    IN_TURN = "in_turn"
    RANDOM = "random"


@dataclass(frozen=True, kw_only=True, slots=True)
class Preferences:
    """None leaves it to each phone."""

    interval_least_s: int | None = None
    """between two messages"""
    interval_most_s: int | None = None
    limit_period: Period | None = None
    limit: int | None = None
    """messages in each period"""
    sim_choice: SimChoice | None = None
    messages_days: int | None = None
    """how long the phone remembers what it has sent"""
    log_days: int | None = None
    signing_key: bytes | None = None
    """of webhooks that are to be added, sealed; None to make one for each"""

    def checked(self) -> Preferences:
        """Raises Invalid."""
        for field, most in _MOST.items():
            value = getattr(self, field)
            if value is not None and not 0 <= value <= most:
                raise Invalid(field, f"must be from 0 to {most}")
        if self.interval_least_s is not None and self.interval_most_s is not None and self.interval_least_s > self.interval_most_s:
            raise Invalid("interval_least_s", "is more than the longest interval")
        if self.limit_period not in (None, Period.NONE) and not self.limit:
            raise Invalid("limit", "is required with a period, and must be 1 or more")
        return self


_MOST = {
    "interval_least_s": INTERVAL_MOST_S,
    "interval_most_s": INTERVAL_MOST_S,
    "limit": LIMIT_MOST,
    "messages_days": DAYS_MOST,
    "log_days": DAYS_MOST,
}
