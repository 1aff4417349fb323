"""Audience and campaigns in memory. A part of memory.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count

from adapters.storage.memory_mailbox import MemoryMailbox
from service.audience import NO_GROUP, Contact, Group, SenderCode, StoredText, Subscription
from service.campaigns import Campaign, CampaignState, Portion
from service.errors import IdTaken
from service.lifecycle import Status, advance


@dataclass
class MemoryAudience(MemoryMailbox):
    """A service.campaigns.CampaignStore."""

    _codes: dict[int, SenderCode] = field(default_factory=dict)
    _contacts: dict[tuple[int, str], Contact] = field(default_factory=dict)
    _groups: dict[int, Group] = field(default_factory=dict)
    _subscriptions: dict[int, Subscription] = field(default_factory=dict)
    _texts: dict[int, StoredText] = field(default_factory=dict)
    _campaigns: dict[int, Campaign] = field(default_factory=dict)
    _of_campaign: dict[int, list[int]] = field(default_factory=dict)
    _next_id: count[int] = field(default_factory=lambda: count(1))

    async def sender_codes(self, account_id: int) -> list[SenderCode]:
        return [code for code in self._codes.values() if code.account_id == account_id]

    async def save_sender_code(self, code: SenderCode) -> SenderCode:
        known = [each.id for each in await self.sender_codes(code.account_id) if each.code == code.code]
        made = replace(code, id=known[0] if known else next(self._next_id))
        self._codes[made.id] = made
        return made

    async def remove_sender_code(self, account_id: int, code: str) -> bool:
        gone = [each.id for each in await self.sender_codes(account_id) if each.code == code]
        for id in gone:
            del self._codes[id]
            self._subscriptions = {key: one for key, one in self._subscriptions.items() if one.code_id != id}
        return bool(gone)

    async def save_contacts(self, contacts: Sequence[Contact]) -> list[int]:
        ids = []
        for contact in contacts:
            key = (contact.account_id, contact.number)
            known = self._contacts.get(key)
            made = replace(contact, id=known.id, created=known.created) if known else replace(contact, id=next(self._next_id))
            self._contacts[key] = made
            ids.append(made.id)
        return ids

    async def contacts(self, account_id: int, *, after: str = "", limit: int) -> list[Contact]:
        return [one for (owner, number), one in sorted(self._contacts.items()) if owner == account_id and number > after][:limit]

    async def find_contact(self, account_id: int, number: str) -> Contact | None:
        return self._contacts.get((account_id, number))

    async def save_group(self, account_id: int, name: str) -> Group:
        known = [group for group in await self.groups(account_id) if group.name == name]
        group = known[0] if known else Group(id=next(self._next_id), account_id=account_id, name=name)
        self._groups[group.id] = group
        return group

    async def groups(self, account_id: int) -> list[Group]:
        return [group for group in self._groups.values() if group.account_id == account_id]

    async def subscribe(self, subscriptions: Sequence[Subscription]) -> list[Subscription]:
        made = []
        for one in subscriptions:
            there = {(each.code_id, each.contact_id, each.group_id) for each in self._subscriptions.values()}
            if (one.code_id, one.contact_id, one.group_id) not in there:
                made.append(replace(one, id=next(self._next_id)))
                self._subscriptions[made[-1].id] = made[-1]
        return made

    async def unsubscribe(self, account_id: int, contact_id: int, code_id: int) -> int:
        gone = [one.id for one in await self.subscriptions_of(account_id, contact_id) if one.code_id == code_id]
        for id in gone:
            del self._subscriptions[id]
        return len(gone)

    async def subscriptions_of(self, account_id: int, contact_id: int) -> list[Subscription]:
        return [one for one in self._subscriptions.values() if (one.account_id, one.contact_id) == (account_id, contact_id)]

    async def save_text(self, text: StoredText) -> StoredText | None:
        if any(each.name == text.name for each in await self.texts(text.account_id)):
            return None
        made = replace(text, id=next(self._next_id))
        self._texts[made.id] = made
        return made

    async def texts(self, account_id: int) -> list[StoredText]:
        return [text for text in self._texts.values() if text.account_id == account_id]

    async def start_campaign(self, campaign: Campaign) -> Campaign:
        planned = len(await self.campaign_page(campaign, len(self._contacts)))
        made = replace(campaign, id=next(self._next_id), planned=planned)
        self._campaigns[made.id] = made
        return made

    async def campaigns(self, account_id: int | None, *, running: bool = False) -> list[Campaign]:
        found = [each for each in reversed(self._campaigns.values()) if account_id in (None, each.account_id)]
        return [each for each in found if not running or each.state is CampaignState.RUNNING]

    async def campaign(self, account_id: int, id: int) -> Campaign | None:
        found = self._campaigns.get(id)
        return found if found and found.account_id == account_id else None

    async def campaign_page(self, campaign: Campaign, limit: int) -> list[tuple[int, str]]:
        of_code = [one for one in self._subscriptions.values() if one.code_id == campaign.code_id]
        ids = {one.contact_id for one in of_code if campaign.group_id in (NO_GROUP, one.group_id)}
        return sorted((each.id, each.number) for each in self._contacts.values() if each.id in ids and each.id > campaign.cursor)[:limit]

    async def expand(self, portion: Portion) -> bool:
        campaign = self._campaigns[portion.campaign.id]
        if campaign.state is not CampaignState.RUNNING or campaign.cursor != portion.campaign.cursor:
            return False
        if any(message.id in self._messages for message in portion.messages):
            raise IdTaken
        wanted = [m for m in portion.messages if not self._barred(m.account_id, m.recipient, m.sender)]
        for message in wanted:
            self._messages[message.id] = message
            self._queues[message.queue].add(message.id)
        self._of_campaign.setdefault(campaign.id, []).extend(message.id for message in wanted)
        self._campaigns[campaign.id] = replace(
            campaign,
            cursor=portion.cursor,
            changed=portion.now,
            state=CampaignState.DONE if portion.is_last else CampaignState.RUNNING,
            queued=campaign.queued + len(wanted),
            opted_out=campaign.opted_out + len(portion.messages) - len(wanted),
        )
        return True

    async def campaign_counts(self, id: int) -> Counter[Status]:
        return Counter(self._messages[each].status for each in self._of_campaign.get(id, []) if each in self._messages)

    async def cancel_campaign(self, account_id: int, id: int, now: datetime) -> bool:
        campaign = await self.campaign(account_id, id)
        if campaign is None or campaign.state is CampaignState.CANCELLED:
            return False
        self._campaigns[id] = replace(campaign, state=CampaignState.CANCELLED, changed=now)
        its = [message for each in self._of_campaign.get(id, []) if (message := self._messages.get(each))]
        for message in its:
            if message.status.is_waiting and not message.in_doubt and advance(message.status, Status.CANCELLED) is Status.CANCELLED:
                self._messages[message.id] = replace(message, status=Status.CANCELLED, due=None, finished=now)
                for ids in self._queues.values():
                    ids.discard(message.id)
        return True
