"""Campaigns: campaigns.start, campaigns.list, campaigns.watch, campaigns.cancel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from adapters.commands import Command
from adapters.commands._arguments import Arguments, shown, text, text_or_none, whole
from adapters.commands.messages import OPERATOR
from service import keys
from service.accounts import Account, ApiKey, Principal
from service.campaigns import Campaign, CampaignState
from service.gateway import Gateway
from service.lifecycle import Status
from service.numbers import normalise

WATCH_S = 1.0
Answer = dict[str, Any]


async def start(gateway: Gateway, arguments: Arguments) -> Answer:
    """name, text, code; group, or all who are subscribed. Without a running server it waits for one."""
    account = await _account(gateway, arguments)
    caller = Principal(account=account, key=ApiKey(id=OPERATOR, account_id=account.id, label="command line", digest=b""))
    campaign = await gateway.campaigns.start(
        caller,
        name=text(arguments, "name"),
        text=text(arguments, "text"),
        code=normalise(text(arguments, "code"), account.default_country),
        group=text_or_none(arguments, "group"),
        api="cli",
    )
    return await _row(gateway, campaign)


async def listed(gateway: Gateway, arguments: Arguments) -> list[Answer]:
    """The newest first."""
    account = await _account(gateway, arguments)
    return [await _row(gateway, campaign) for campaign in await gateway.store.campaigns(account.id)]


async def watch(gateway: Gateway, arguments: Arguments) -> AsyncIterator[Answer]:
    """id. How it comes on, until nothing of it waits any more."""
    account, id, last = await _account(gateway, arguments), whole(arguments, "id"), None
    while True:
        campaign = await gateway.campaigns.get(account.id, id)
        row = await _row(gateway, campaign)
        if row != last:
            yield row
        if campaign.state is not CampaignState.RUNNING and not row["waiting"] + row["sending"]:
            yield row
            return
        last = row
        await asyncio.sleep(WATCH_S)


async def cancel(gateway: Gateway, arguments: Arguments) -> Answer:
    """id. What no device has yet is not sent."""
    account, id = await _account(gateway, arguments), whole(arguments, "id")
    await gateway.campaigns.cancel(account.id, id)
    return await _row(gateway, await gateway.campaigns.get(account.id, id))


async def _account(gateway: Gateway, arguments: Arguments) -> Account:
    return await keys.account_named(gateway.accounts, text(arguments, "account", "default"))


async def _row(gateway: Gateway, campaign: Campaign) -> Answer:
    counts = await gateway.store.campaign_counts(campaign.id)
    others = {status.value: counts[status] for status in Status if not status.is_waiting}
    return {
        "id": campaign.id,
        "name": campaign.name,
        "code": campaign.code,
        "state": campaign.state.value,
        "planned": campaign.planned,
        "queued": campaign.queued,
        "opted_out": campaign.opted_out,
        "waiting": sum(counts[status] for status in Status if status.is_waiting),
        **others,
        "created": shown(campaign.created),
    }


COMMANDS: dict[str, Command] = {
    "campaigns.start": start,
    "campaigns.list": listed,
    "campaigns.watch": watch,
    "campaigns.cancel": cancel,
}
