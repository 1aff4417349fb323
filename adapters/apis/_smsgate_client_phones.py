"""Phones, what they received, and how they are to be, as programs written for SMSGate ask for it. A part of smsgate_client.py.

GET /devices   [{"id": "0011...", "name": "Google/panther", "lastSeen": "2026-...", "simCards": [{"slotIndex": 0, "simNumber": 1}]}]
GET /inbox     [{"id": "019D...", "type": "SMS", "sender": "+32...", "contentPreview": "Hi", "createdAt": "2026-..."}]
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from adapters.apis._smsgate_client_answers import MOST_OFFSET, as_json, moment, number, parameters, span
from adapters.apis._smsgate_client_callers import Caller
from adapters.apis._smsgate_client_webhooks import NAME
from adapters.apis._smsgate_settings import changed, shown
from adapters.call import Call, Reply
from adapters.wire.smsgate import date, json_object, text_of
from service.errors import Invalid, NotFound
from service.fleet import Device
from service.gateway import Gateway
from service.mailbox import MOST_RECEIVED
from service.mailbox_queries import InboxQuery, Span
from service.messages import ReceivedMessage
from service.preferences import Preferences
from service.pulling import SEEN

INBOX_LISTED = 50
TYPES = ("SMS", "DATA_SMS", "MMS", "MMS_DOWNLOADED")
KEPT = "SMS"
"""all that comes in is kept as text"""


@dataclass(frozen=True, slots=True)
class Phones:
    gateway: Gateway

    async def list(self, caller: Caller, call: Call) -> Reply:
        now = self.gateway.clock()
        devices = sorted(self.gateway.fleet.of(caller.principal.account.id), key=lambda device: device.id)
        return as_json([self._shown(device, now) for device in devices])

    def _shown(self, device: Device, now: datetime) -> dict[str, object]:
        told: dict[str, object] = {"id": device.id, "name": device.label}
        seen = last_seen(self.gateway, device, now)
        if seen is not None:
            told["lastSeen"] = date(seen)
        return told | {"simCards": [{"slotIndex": slot, "simNumber": slot + 1} for slot in range(device.sims)]}

    async def remove(self, caller: Caller, call: Call) -> Reply:
        await self.gateway.fleet.unlink(caller.principal.account.id, call.rest)
        return Reply(b"", status=204)

    # what they received

    async def inbox(self, caller: Caller, call: Call) -> Reply:
        asked, account = parameters(call), caller.principal.account
        kind, within = asked.get("type") or KEPT, span(asked, account.zone)
        if kind not in TYPES:
            raise Invalid("type", f"must be one of {', '.join(TYPES)}")
        query = InboxQuery(
            account_id=account.id,
            device=asked.get("deviceId") or None,
            since=within.since,
            until=within.until,
            limit=number(asked, "limit", INBOX_LISTED, least=1, most=MOST_RECEIVED),
            offset=number(asked, "offset", 0, most=MOST_OFFSET),
        )
        found = await self.gateway.mailbox.received(query) if kind == KEPT else []
        return as_json([self._received(message) for message in found])

    def _received(self, message: ReceivedMessage) -> dict[str, object]:
        device = self.gateway.fleet.get(message.account_id, message.device)
        told: dict[str, object] = {"id": message.guid, "type": KEPT, "sender": message.sender, "contentPreview": message.text}
        told |= {"createdAt": date(message.received)}
        told |= {"recipient": device.phone_number} if device and device.phone_number else {}
        return told if message.sim is None else told | {"simNumber": message.sim}

    async def refresh(self, caller: Caller, call: Call) -> Reply:
        """The phones are asked to hand in again what they received; what is kept already is known."""
        said, account = json_object(call.body), caller.principal.account
        wanted = text_of(said, "deviceId", 64)
        devices = [device.id for device in self.gateway.fleet.of(account.id) if wanted in (None, device.id)]
        if wanted is not None and not devices:
            raise NotFound("there is no such device")
        asked = Span(since=moment(said.get("since"), "since", account.zone), until=moment(said.get("until"), "until", account.zone))
        if asked.until <= asked.since:
            raise Invalid("until", "is not after since")
        if not self.gateway.pulls.hand_in(devices, asked):
            raise Invalid("deviceId", "names no phone that can be asked for what it received")
        return as_json({}, 202)

    # how they are to be

    async def settings(self, caller: Caller, call: Call) -> Reply:
        return as_json(shown(await self.gateway.enrolment.store.preferences(caller.principal.account.id)))

    async def replace_settings(self, caller: Caller, call: Call) -> Reply:
        before = await self.gateway.enrolment.store.preferences(caller.principal.account.id)
        return await self._change(caller, call, Preferences(signing_key=before.signing_key))

    async def change_settings(self, caller: Caller, call: Call) -> Reply:
        return await self._change(caller, call, await self.gateway.enrolment.store.preferences(caller.principal.account.id))

    async def _change(self, caller: Caller, call: Call, before: Preferences) -> Reply:
        account_id = caller.principal.account.id
        after, signing_key = changed(json_object(call.body), before)
        if signing_key is not None:
            after = replace(after, signing_key=await self.gateway.webhooks.sign_with(account_id, NAME, signing_key))
        await self.gateway.enrolment.store.set_preferences(account_id, after)
        self.gateway.pulls.tell_settings(device.id for device in self.gateway.fleet.of(account_id))
        return as_json(shown(after))


def last_seen(gateway: Gateway, device: Device, now: datetime) -> datetime | None:
    """None when nobody has noted it."""
    if gateway.fleet.is_online(device.id):
        return now
    noted = device.config.get(SEEN)
    known = gateway.pulls.of(device.id).seen or gateway.fleet.presence(device.id).since
    return known or (datetime.fromisoformat(noted) if noted else None)
