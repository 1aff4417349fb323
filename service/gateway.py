"""The frozen bundle of use cases that every API is handed."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.accounts import Accounts
from service.campaigns import Campaigns
from service.enrolment import Enrolment
from service.fleet import Fleet
from service.links import Links
from service.mailbox import Mailbox
from service.optouts import OptOuts
from service.outcome import Outcome
from service.ports import Clock, Store
from service.pulling import Pulls
from service.submission import Submission
from service.webhooks import Webhooks


@dataclass(frozen=True, kw_only=True, slots=True)
class Gateway:
    accounts: Accounts
    submission: Submission
    mailbox: Mailbox
    fleet: Fleet
    clock: Clock
    store: Store
    links: Links
    webhooks: Webhooks
    outcome: Outcome
    """for what a device says by calling us"""
    pulls: Pulls
    """the outboxes of the devices that fetch their messages"""
    enrolment: Enrolment
    optouts: OptOuts
    campaigns: Campaigns
    urls: list[str] = field(default_factory=list)
    """where callers reach it; empty while it listens nowhere"""

    async def ready(self) -> None:
        """Returns when an accepted message could be kept now; raises Unavailable."""
        await self.store.ready()
