"""Whom an account writes to: contacts, sender codes, groups, subscriptions, and the texts that it keeps to send again.

A contact is a number, once in an account. A subscription joins it to a sender code, within a group or not. Who has opted out stays a
subscriber: what he is not sent is for the opt-out ledger to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

NO_GROUP = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class SenderCode:
    """A short code or number that messages go by and that handsets answer to."""

    id: int
    account_id: int
    code: str
    label: str = ""
    sims: tuple[tuple[str, int], ...] = ()
    """the devices and their slots, from 1, that have it; none: any device of the account sends for it"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contact:
    id: int
    account_id: int
    number: str
    name: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    """whatever else its account notes of it"""
    created: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    id: int
    account_id: int
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription:
    id: int
    account_id: int
    contact_id: int
    code_id: int
    group_id: int = NO_GROUP
    created: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredText:
    """What a campaign sends, by its name."""

    id: int
    account_id: int
    name: str
    text: str
    created: datetime


class SenderStore(Protocol):
    async def sender_codes(self, account_id: int) -> list[SenderCode]:
        """Oldest first."""
        ...

    async def save_sender_code(self, code: SenderCode) -> SenderCode:
        """`id` is ignored; label and SIMs of a code that is there are replaced."""
        ...

    async def remove_sender_code(self, account_id: int, code: str) -> bool:
        """Whether it was there. Its subscriptions go with it, opt-outs of it stay."""
        ...


class AudienceStore(SenderStore, Protocol):
    """Ids are given by the store; those that come in are ignored."""

    async def save_contacts(self, contacts: Sequence[Contact]) -> list[int]:
        """As one; name and fields of a number that is there are replaced. Their ids."""
        ...

    async def contacts(self, account_id: int, *, after: str = "", limit: int) -> list[Contact]:
        """By number, those after that number."""
        ...

    async def find_contact(self, account_id: int, number: str) -> Contact | None: ...
    async def save_group(self, account_id: int, name: str) -> Group:
        """The one of this name, made if it is not there."""
        ...

    async def groups(self, account_id: int) -> list[Group]: ...
    async def subscribe(self, subscriptions: Sequence[Subscription]) -> list[Subscription]:
        """As one; those that are new, as they are kept. One that is there is not among them."""
        ...

    async def unsubscribe(self, account_id: int, contact_id: int, code_id: int) -> int:
        """From all groups of the code; how many subscriptions ended."""
        ...

    async def subscriptions_of(self, account_id: int, contact_id: int) -> list[Subscription]: ...
    async def save_text(self, text: StoredText) -> StoredText | None:
        """None when there is one of this name."""
        ...

    async def texts(self, account_id: int) -> list[StoredText]:
        """Oldest first."""
        ...
