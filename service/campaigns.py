"""Campaigns: one text to all subscribers of a sender code, or of one of its groups.

A campaign is one durable job. It turns into messages in portions; each portion is one transaction with the place up to which it came, so
whichever process dies whenever, nobody is left out and nobody is written to twice. Whoever has opted out is left out, and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from service import segments
from service.accounts import Principal
from service.audience import NO_GROUP, AudienceStore, SenderCode
from service.errors import Forbidden, IdTaken, InDoubt, Invalid, Missing, NotFound, WrongState
from service.lifecycle import Status
from service.messages import Ids, MtMessage

AT_ONCE = 500
"""messages of a portion: its transaction keeps everybody else waiting"""
MOST_NAME = 255
MOST_TEXT = 10_000


class CampaignState(Enum):
    RUNNING = "running"
    DONE = "done"
    """all of its messages are queued"""
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True, slots=True)
class Campaign:
    id: int
    account_id: int
    key_id: int
    api: str
    name: str
    text: str
    code_id: int
    code: str
    sims: tuple[tuple[str, int], ...] = ()
    """which send it, in turn; none: any device"""
    group_id: int = NO_GROUP
    """NO_GROUP: all who are subscribed to the code"""
    validity_s: int
    state: CampaignState = CampaignState.RUNNING
    planned: int = 0
    """how many subscribers there were when it began"""
    queued: int = 0
    """how many messages were made of it"""
    opted_out: int = 0
    cursor: int = 0
    """all contacts up to this id have been seen to"""
    created: datetime
    changed: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Portion:
    """What `CampaignStore.expand` commits as one."""

    campaign: Campaign
    """as it was when the portion was made"""
    cursor: int
    is_last: bool
    messages: tuple[MtMessage, ...]
    now: datetime


class CampaignStore(AudienceStore, Protocol):
    async def start_campaign(self, campaign: Campaign) -> Campaign:
        """`id` and `planned` are the store's."""
        ...

    async def campaigns(self, account_id: int | None, *, running: bool = False) -> list[Campaign]:
        """The account's, or (None) everybody's, newest first."""
        ...

    async def campaign(self, account_id: int, id: int) -> Campaign | None: ...
    async def campaign_page(self, campaign: Campaign, limit: int) -> list[tuple[int, str]]:
        """Ids and numbers of the next subscribers, by id."""
        ...

    async def expand(self, portion: Portion) -> bool:
        """Keep the messages, but for who has opted out, and where the campaign is now. False when another process has done it, or the
        campaign runs no more: then nothing was kept. Raises IdTaken."""
        ...

    async def campaign_counts(self, id: int) -> Counter[Status]:
        """How many of its messages are in which state now."""
        ...

    async def cancel_campaign(self, account_id: int, id: int, now: datetime) -> bool:
        """It makes no more messages, and those that wait are cancelled. False when it was cancelled before, or is not there."""
        ...


@dataclass(kw_only=True)
class Campaigns:
    store: CampaignStore
    clock: Callable[[], datetime]
    ids: Ids = field(default_factory=Ids)
    on_queued: Callable[[int, str | None], None] = lambda account_id, device: None
    """told of each portion: the account, and each device that is to send some of it"""

    async def start(self, caller: Principal, *, name: str, text: str, code: str, group: str | None, api: str) -> Campaign:
        """Returns once it is on disk; it goes out by itself. Raises Missing, Invalid, NotFound (no such code or group), Forbidden."""
        account, now = caller.account, self.clock()
        if not name or not text:
            raise Missing("text" if name else "name")
        if len(name) > MOST_NAME or len(text) > MOST_TEXT or "\0" in name + text:
            raise Invalid("name" if len(name) > MOST_NAME or "\0" in name else "text", "is too long, or holds what cannot be kept")
        if account.is_trial:
            raise Forbidden("a trial account has no campaigns")
        sender = await self._code(account.id, code)
        campaign = Campaign(
            id=0,
            account_id=account.id,
            key_id=caller.key.id,
            api=api,
            name=name,
            text=text,
            code_id=sender.id,
            code=sender.code,
            sims=sender.sims,
            group_id=NO_GROUP if group is None else await self._group(account.id, group),
            validity_s=account.validity_s,
            created=now,
            changed=now,
        )
        return await self.store.start_campaign(campaign)

    async def _code(self, account_id: int, code: str) -> SenderCode:
        found = [each for each in await self.store.sender_codes(account_id) if each.code == code]
        if not found:
            raise NotFound("there is no such sender code")
        return found[0]

    async def _group(self, account_id: int, name: str) -> int:
        found = [each.id for each in await self.store.groups(account_id) if each.name == name]
        if not found:
            raise NotFound("there is no such group")
        return found[0]

    async def get(self, account_id: int, id: int) -> Campaign:
        """Raises NotFound."""
        campaign = await self.store.campaign(account_id, id)
        if campaign is None:
            raise NotFound("there is no such campaign")
        return campaign

    async def cancel(self, account_id: int, id: int) -> None:
        """What has not been handed to a device is not sent. Raises NotFound, WrongState."""
        await self.get(account_id, id)
        if not await self.store.cancel_campaign(account_id, id, self.clock()):
            raise WrongState("the campaign was cancelled before")

    async def step(self) -> bool:
        """A portion of each campaign that runs; whether any is left running."""
        running = await self.store.campaigns(None, running=True)
        for campaign in reversed(running):
            await self._expand(campaign)
        return bool(running)

    async def _expand(self, campaign: Campaign) -> None:
        page = await self.store.campaign_page(campaign, AT_ONCE)
        cursor = page[-1][0] if page else campaign.cursor
        try:
            messages = self._messages(campaign, page)
            portion = Portion(campaign=campaign, cursor=cursor, is_last=len(page) < AT_ONCE, messages=messages, now=self.clock())
            if not await self.store.expand(portion):
                return
        except (IdTaken, InDoubt):
            return  # the next step looks where it is now
        for device in {message.wanted_device for message in messages}:
            self.on_queued(campaign.account_id, device)

    def _messages(self, campaign: Campaign, page: Sequence[tuple[int, str]]) -> tuple[MtMessage, ...]:
        now, count = self.clock(), segments.count(campaign.text)
        made = []
        for contact_id, number in page:
            id, guid = self.ids.new(now)
            device, sim = campaign.sims[contact_id % len(campaign.sims)] if campaign.sims else (None, None)
            made.append(
                MtMessage(
                    id=id,
                    guid=guid,
                    account_id=campaign.account_id,
                    key_id=campaign.key_id,
                    api=campaign.api,
                    recipient=number,
                    text=campaign.text,
                    segments=count,
                    status=Status.QUEUED,
                    created=now,
                    due=now,
                    expires=now + timedelta(seconds=campaign.validity_s),
                    wanted_device=device,
                    wanted_sim=sim,
                    sender=campaign.code,
                )
            )
        return tuple(made)
