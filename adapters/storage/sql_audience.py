"""The CampaignStore on an SQL engine; see sql.py."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from adapters.storage import rows
from adapters.storage.rows import ms, when
from service.audience import Contact, Group, SenderCode, StoredText, Subscription
from service.campaigns import Campaign, CampaignState, Portion
from service.lifecycle import Status

if TYPE_CHECKING:
    from adapters.storage.sql import Engine

CANCEL_AT_ONCE = 1_000


class SqlAudience:
    """A service.campaigns.CampaignStore."""

    engine: Engine

    async def sender_codes(self, account_id: int) -> list[SenderCode]:
        return [_code_of(row) for row in await self.engine.read("ask", "sender_codes", {"account_id": account_id})]

    async def save_sender_code(self, code: SenderCode) -> SenderCode:
        row = {"account_id": code.account_id, "code": code.code, "label": code.label, "sims": json.dumps(code.sims)}
        return replace(code, id=(await self.engine.write("ask", "save_sender_code", row))[0][0])

    async def remove_sender_code(self, account_id: int, code: str) -> bool:
        return bool(await self.engine.write("remove_sender_code", {"account_id": account_id, "code": code}))

    async def save_contacts(self, contacts: Sequence[Contact]) -> list[int]:
        given = tuple({**_row_of(each), "fields": json.dumps(dict(each.fields))} for each in contacts)
        return [id for (id,) in await self.engine.write("each", "save_contact", given)]

    async def contacts(self, account_id: int, *, after: str = "", limit: int) -> list[Contact]:
        asked = {"account_id": account_id, "after": after, "limit": limit}
        return [_contact_of(row) for row in await self.engine.read("ask", "contacts", asked)]

    async def find_contact(self, account_id: int, number: str) -> Contact | None:
        found = await self.engine.read("ask", "find_contact", {"account_id": account_id, "number": number})
        return _contact_of(found[0]) if found else None

    async def save_group(self, account_id: int, name: str) -> Group:
        [(id,)] = await self.engine.write("ask", "save_group", {"account_id": account_id, "name": name})
        return Group(id=id, account_id=account_id, name=name)

    async def groups(self, account_id: int) -> list[Group]:
        found = await self.engine.read("ask", "groups", {"account_id": account_id})
        return [Group(id=id, account_id=owner, name=name) for id, owner, name in found]

    async def subscribe(self, subscriptions: Sequence[Subscription]) -> list[Subscription]:
        return [_subscription_of(row) for row in await self.engine.write("each", "add_subscription", tuple(map(_row_of, subscriptions)))]

    async def unsubscribe(self, account_id: int, contact_id: int, code_id: int) -> int:
        asked = {"account_id": account_id, "contact_id": contact_id, "code_id": code_id}
        return len(await self.engine.write("ask", "remove_subscriptions", asked))

    async def subscriptions_of(self, account_id: int, contact_id: int) -> list[Subscription]:
        found = await self.engine.read("ask", "subscriptions_of", {"account_id": account_id, "contact_id": contact_id})
        return [_subscription_of(row) for row in found]

    async def save_text(self, text: StoredText) -> StoredText | None:
        made = await self.engine.write("ask", "save_text", _row_of(text))
        return replace(text, id=made[0][0]) if made else None

    async def texts(self, account_id: int) -> list[StoredText]:
        found = await self.engine.read("ask", "texts", {"account_id": account_id})
        return [StoredText(id=id, account_id=of, name=name, text=text, created=when(at)) for id, of, name, text, at in found]

    async def start_campaign(self, campaign: Campaign) -> Campaign:
        row = {**_row_of(campaign), "sims": json.dumps(campaign.sims), "state": campaign.state.value}
        id, planned = await self.engine.write("start_campaign", row)
        return replace(campaign, id=id, planned=planned)

    async def campaigns(self, account_id: int | None, *, running: bool = False) -> list[Campaign]:
        statement = "campaigns" if account_id is not None else "campaigns_running" if running else "campaigns_of_all"
        found = [_campaign_of(row) for row in await self.engine.read("ask", statement, {"account_id": account_id})]
        return [each for each in found if not running or each.state is CampaignState.RUNNING]

    async def campaign(self, account_id: int, id: int) -> Campaign | None:
        found = await self.engine.read("ask", "campaign", {"account_id": account_id, "id": id})
        return _campaign_of(found[0]) if found else None

    async def campaign_page(self, campaign: Campaign, limit: int) -> list[tuple[int, str]]:
        place = {"code_id": campaign.code_id, "group_id": campaign.group_id, "cursor": campaign.cursor}
        return [(id, number) for id, number in await self.engine.read("ask", "campaign_page", {**place, "limit": limit})]

    async def expand(self, portion: Portion) -> bool:
        step = {"id": portion.campaign.id, "before": portion.campaign.cursor, "cursor": portion.cursor, "now": ms(portion.now)}
        state = CampaignState.DONE if portion.is_last else CampaignState.RUNNING
        made = tuple(map(rows.row_of, portion.messages))
        return bool(await self.engine.write("expand", {**step, "state": state.value}, made))

    async def campaign_counts(self, id: int) -> Counter[Status]:
        found = await self.engine.read("ask", "campaign_counts", {"campaign_id": id})
        return Counter({Status(status): count for status, count in found})

    async def cancel_campaign(self, account_id: int, id: int, now: datetime) -> bool:
        if not await self.engine.write("ask", "cancel_campaign", {"account_id": account_id, "id": id, "now": ms(now)}):
            return False
        after: int | None = 0
        while after is not None:
            after = await self.engine.write("cancel_some", id, after, ms(now), CANCEL_AT_ONCE)
        return True


def _row_of(one: Any) -> dict[str, Any]:
    fields = {name: getattr(one, name) for name in one.__slots__ if name != "id"}
    return {name: ms(value) if isinstance(value, datetime) else value for name, value in fields.items()}


def _code_of(row: Sequence[Any]) -> SenderCode:
    id, account_id, code, label, sims = row
    return SenderCode(id=id, account_id=account_id, code=code, label=label, sims=_sims_of(sims))


def _sims_of(text: str) -> tuple[tuple[str, int], ...]:
    return tuple((device, slot) for device, slot in json.loads(text))


def _contact_of(row: Sequence[Any]) -> Contact:
    id, account_id, number, name, fields, created = row
    return Contact(id=id, account_id=account_id, number=number, name=name, fields=json.loads(fields), created=when(created))


def _subscription_of(row: Sequence[Any]) -> Subscription:
    id, account_id, contact_id, code_id, group_id, created = row
    known = {"id": id, "account_id": account_id, "contact_id": contact_id, "code_id": code_id}
    return Subscription(**known, group_id=group_id, created=when(created))


def _campaign_of(row: Sequence[Any]) -> Campaign:
    fields = dict(zip(Campaign.__slots__, row, strict=True))
    state, created, changed = CampaignState(fields["state"]), when(fields["created"]), when(fields["changed"])
    return Campaign(**{**fields, "sims": _sims_of(fields["sims"]), "state": state, "created": created, "changed": changed})
