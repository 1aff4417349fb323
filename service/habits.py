"""Which device a recipient is used to: the one by which its account spoke with it last, sent or received, for accounts that are `sticky`.

A message is pinned to it when it is accepted, with one look by an index. It does not wait there for long: a pin ends with its time, and
when the device goes away, and then any device may send the message.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from service.accounts import Account
from service.fleet import Device, Fleet
from service.mailbox_queries import Span
from service.messages import Channel, MtMessage
from service.ports import Pin, Store
from service.traffic import Traffic

REMEMBERED = timedelta(days=30)
PATIENCE = timedelta(minutes=1)
"""how long a message waits for its device; one that must wait longer itself is not waited for"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Habits:
    store: Store
    fleet: Fleet
    traffic: Traffic

    async def pins(self, account: Account, messages: tuple[MtMessage, ...], now: datetime) -> tuple[Pin, ...]:
        """For those of a sticky account that any device may send. Raises Unavailable."""
        found = [await self._pin(account, m, now) for m in messages if m.wanted_device is None and m.channel is Channel.SMS]
        return tuple(pin for pin in found if pin is not None)

    async def _pin(self, account: Account, message: MtMessage, now: datetime) -> Pin | None:
        span = Span(since=now - REMEMBERED, until=now + timedelta(days=1))  # phones' clocks may be ahead
        talk = await self.store.talk(account.id, message.recipient, span=span, limit=1)
        spoken = [(m.sent, m.device, m.sim) for m in talk.outgoing if m.sent] + [(m.received, m.device, m.sim) for m in talk.incoming]
        if not spoken:
            return None
        _, id, sim = max(spoken, key=lambda each: each[0])
        device = self.fleet.get(account.id, id) if id else None
        due = max(message.due or now, now)
        if device is None or (message.wanted_sim or 1) > device.sims or (due <= now and not await self._is_at_hand(device, now)):
            return None
        return Pin(id=message.id, device=device.id, sim=message.wanted_sim or sim, until=due + PATIENCE)

    async def _is_at_hand(self, device: Device, now: datetime) -> bool:
        """It is online, and may send within a minute."""
        if not self.fleet.is_online(device.id):
            return False
        await self.traffic.learn(device, now)
        leave = self.traffic.leave(device, now)
        return bool(leave.room) or (leave.until is not None and leave.until <= now + PATIENCE)
