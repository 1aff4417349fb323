"""Whom an account writes to: contacts, sender codes, groups, subscriptions, and the texts that it keeps to send again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class SenderCode:
    """A short code or number that messages go by and that handsets answer to."""

    id: int
    account_id: int
    code: str
    label: str = ""
    sims: tuple[tuple[str, int], ...] = ()
    """the devices and their slots, from 1, that have it; none: any device of the account sends for it"""


class SenderStore(Protocol):
    async def sender_codes(self, account_id: int) -> list[SenderCode]:
        """Oldest first."""
        ...

    async def save_sender_code(self, code: SenderCode) -> SenderCode:
        """`id` is ignored; label and SIMs of a code that is there are replaced."""
        ...

    async def remove_sender_code(self, account_id: int, code: str) -> bool:
        """Whether it was there. Opt-outs of it stay."""
        ...
