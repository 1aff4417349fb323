"""Webhooks as programs written for SMSGate register them: one for each event. A part of smsgate_client.py.

    POST /webhooks   {"id": null, "url": "https://example.org/sms", "event": "sms:received"}
    201              {"id": "...", "url": "https://example.org/sms", "event": "sms:received"}

They are webhooks of the account as all others, in the format of _smsgate_client_webhooks.py.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from urllib.parse import unquote

from adapters.apis._smsgate_client_answers import as_json
from adapters.apis._smsgate_client_callers import Caller
from adapters.apis._smsgate_client_webhooks import NAME, TYPES
from adapters.call import Call, Reply
from adapters.wire.smsgate import json_object, text_of
from service.errors import Invalid, Missing
from service.events import Webhook
from service.gateway import Gateway

MOST_ID = 36
MOST_URL = 2000


@dataclass(frozen=True, slots=True)
class Hooks:
    gateway: Gateway

    async def list(self, caller: Caller, call: Call) -> Reply:
        return as_json([_shown(webhook) for webhook in await self._all(caller)])

    async def add(self, caller: Caller, call: Call) -> Reply:
        said, account_id = json_object(call.body), caller.principal.account.id
        event, url = text_of(said, "event", 50), text_of(said, "url", MOST_URL)
        if not event or not url:
            raise Missing("url" if event else "event")
        if event not in TYPES:
            raise Invalid("event", f"is not one that is told here; there are: {', '.join(TYPES)}")
        if said.get("deviceId"):
            raise Invalid("deviceId", "cannot be chosen: a webhook is told of all phones of the account")
        signing_key = (await self.gateway.enrolment.store.preferences(account_id)).signing_key
        webhook, _ = await self.gateway.webhooks.add(
            account_id=account_id,
            url=url,
            format=NAME,
            events=(event,),
            secret=None if signing_key is None else self.gateway.webhooks.sealer.open(signing_key),
            name=text_of(said, "id", MOST_ID) or secrets.token_urlsafe(15),
        )
        return as_json(_shown(webhook), 201)

    async def remove(self, caller: Caller, call: Call) -> Reply:
        """Of one that is not there nothing else is said, as their server does."""
        for webhook in await self._all(caller):
            if _id(webhook) == unquote(call.rest):
                await self.gateway.webhooks.remove(webhook.account_id, webhook.id)
        return Reply(b"", status=204)

    async def _all(self, caller: Caller) -> tuple[Webhook, ...]:
        return tuple(each for each in await self.gateway.webhooks.of(caller.principal.account.id) if each.format == NAME)


def _id(webhook: Webhook) -> str:
    return webhook.name or str(webhook.id)


def _shown(webhook: Webhook) -> dict[str, str]:
    event = next((word for word, types in TYPES.items() if webhook.types.issuperset(types)), "")
    return {"id": _id(webhook), "url": webhook.url, "event": event}
