"""Submits that their callers have named: one name for all messages of a submit, known as long as the account is. Data only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from service.mailbox_queries import Span
from service.messages import SEQUENCE_BITS, MtMessage


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedSubmit:
    account_id: int
    name: str
    guids: tuple[str, ...]
    """of its messages, in the order of the recipients"""
    first_id: int
    """of its first message"""

    @property
    def created(self) -> datetime:
        return datetime.fromtimestamp((self.first_id >> SEQUENCE_BITS) / 1000, UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Submitted:
    """A submit and what has become of it."""

    submit: NamedSubmit
    messages: tuple[MtMessage, ...]
    """those that are still kept"""


@dataclass(frozen=True, kw_only=True, slots=True)
class SubmitQuery:
    """Which of an account's named submits to list: by when they were accepted."""

    account_id: int
    span: Span
    oldest_first: bool = False
    limit: int = 50
    offset: int = 0


class SubmitStore(Protocol):
    """Keeps the names of submits. `Store.accept` gives them, in the transaction that keeps the messages."""

    async def find_submit(self, account_id: int, name: str) -> NamedSubmit | None: ...
    async def submit_of(self, account_id: int, guid: str) -> NamedSubmit | None:
        """The one that a message belongs to; None when it has no name."""
        ...

    async def submits(self, query: SubmitQuery) -> list[NamedSubmit]: ...
    async def count_submits(self, account_id: int, span: Span) -> int: ...
    async def messages_of(self, account_id: int, guids: Sequence[str]) -> list[MtMessage]:
        """Those of the account's MT messages that are there, in the order in which they are named."""
        ...

    async def cancel(self, account_id: int, guid: str, now: datetime) -> bool:
        """Make a message CANCELLED that waits and that no device may have. False for any other, which stays as it is."""
        ...
