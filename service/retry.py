"""How long to wait before another try, and when to give up. Pure: the time and the seed of the jitter are arguments.

Only what a device has plainly refused counts as a try: what was given back, or is in doubt and asked for again, costs nobody anything.

The first three retries come within a minute and a half, for the fault that is gone at once (an operator's network is busy, a modem
registers again); then it slows down to once an hour, for about a day. A device that is offline costs no tries: nothing is claimed for it.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

WAITS_S = (5, 15, 60, 300, 900, 3600)
"""after the first try, the second, ...; the last one repeats"""
MOST_ATTEMPTS = 30
"""five quick retries and 24 hourly ones after the first try; each may cost the SIM's owner money"""
JITTER = 0.2
"""a wait is longer by up to this share, so that what failed together does not return together"""


def next_try(*, attempts: int, now: datetime, expires: datetime, seed: int | str) -> datetime | None:
    """When to try again after `attempts` tries; None to give up. The same arguments give the same time."""
    if attempts >= MOST_ATTEMPTS:
        return None
    wait_s = WAITS_S[min(max(attempts, 1), len(WAITS_S)) - 1]
    jitter = 1 + JITTER * random.Random(f"{seed}:{attempts}").random()
    due = now + timedelta(seconds=wait_s * jitter)
    return due if due < expires else None
