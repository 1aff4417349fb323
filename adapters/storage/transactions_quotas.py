"""What the store does about quotas; the rules of transactions.py hold here too.

A row holds what was used lately, "TIME:COUNT TIME:COUNT". Asking for it locks it until the commit, so that each caller sees what those
before have used. A charge is (subject, quota, per, most, count, since, slot, lasts), the last three in milliseconds.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from service.errors import QuotaExceeded

Charge = tuple[str, str, str, int, int, int, int, int]


def charged(uses: str, charge: Charge, now: int) -> str:
    """What is used afterwards. Raises QuotaExceeded."""
    _, quota, per, most, count, since, slot, lasts = charge
    pairs = (use.split(":") for use in uses.split())
    live = {at: used for at, used in ((int(at), int(used)) for at, used in pairs) if at >= since}
    used = sum(live.values())
    if used + count > most:
        why = f"the quota of {most} messages a {per} for this {quota} is used up"
        raise QuotaExceeded(why, _room_after_s(live, used + count - most, lasts, now), quota, per, most)
    live[slot] = live.get(slot, 0) + count
    return " ".join(f"{at}:{used}" for at, used in sorted(live.items()))


def _room_after_s(live: dict[int, int], too_many: int, lasts: int, now: int) -> int | None:
    """None when there will never be room for so many."""
    for at, used in sorted(live.items()):
        too_many -= used
        if too_many <= 0:
            return max(-(-(at + lasts - now) // 1000), 1)
    return None


def used_after(charges: Sequence[Charge], now: int) -> Generator[Any, Any, list[dict[str, Any]]]:
    """Rows for `keep_uses`; nothing is used yet. Raises QuotaExceeded."""
    if not charges:
        return []
    found = yield "uses", [{"subject": charge[0]} for charge in charges]
    return [{"subject": charge[0], "uses": charged(uses, charge, now)} for charge, [[uses]] in zip(charges, found, strict=True)]
