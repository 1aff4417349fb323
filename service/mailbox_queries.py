"""What the mailbox asks of the store, and how the store puts it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from service.messages import MtMessage, ReceivedMessage

DELETE_AT_ONCE = 1_000
"""rows that go in one transaction, so that nobody waits long for a large deletion"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """From `since`, up to and without `until`."""

    since: datetime
    until: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class InboxQuery:
    """Which of an account's MO messages to list: those that we kept last, newest first."""

    account_id: int
    device: str | None = None
    since: datetime | None = None
    """kept by us then or later"""
    until: datetime | None = None
    """kept by us before then"""
    unread: bool = False
    keyword: str | None = None
    """what to look for in sender and text, see service.search"""
    limit: int = 500
    offset: int = 0
    """how many of the newest are left out"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Talk:
    """What was said with one number, each side newest first."""

    number: str
    alias: str | None
    """the newest that was given to it"""
    incoming: tuple[ReceivedMessage, ...]
    outgoing: tuple[MtMessage, ...]
    """those that were sent"""
