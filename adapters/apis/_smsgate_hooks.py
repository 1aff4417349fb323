"""What a phone posts by itself: received messages and how it is. A part of smsgate_device.py.

    POST /mobile/v1/hooks/<device>/<secret>     the secret is the phone's own, so nobody else can speak for it

A phone that has our signing key must sign from its first good signature on; before that it may still use one that it has made up. How old
a timestamp is counts for nothing: the clocks of phones are wrong by hours, and a reception that comes twice is known.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from adapters.call import Call, Reply
from adapters.wire.smsgate_hooks import Happened, Ping, Received, Started, happened, is_signed
from service.errors import KeyUnknown, Unavailable
from service.fleet import Device
from service.gateway import Gateway
from service.messages import MoMessage
from service.pulling import News

HOOK = "hook"
SIGNING_KEY = "signing_key"
SIGNED = "signed"
"""names of what is kept for a phone; the last is there once it has signed with our key"""
ANSWER_S = 4.0
"""the phone waits for 5"""
PINGS_EVERY = timedelta(seconds=300)


@dataclass(frozen=True, slots=True)
class Hooks:
    gateway: Gateway
    learn_sims: Callable[[Device, int | None], Awaitable[None]]

    async def receive(self, call: Call) -> Reply:
        """Answered once it is on disk. Raises Unauthorized, TooManyGuesses, Invalid, Unavailable."""
        try:
            async with asyncio.timeout(ANSWER_S):
                device = await self._who(call)
                await self._apply(device, happened(call.body))
        except TimeoutError:
            raise Unavailable("this takes too long now") from None
        return Reply(b"{}")

    async def _who(self, call: Call) -> Device:
        id, _, secret = call.rest.partition("/")
        account_id = self.gateway.fleet.owner_or_none(id)
        device = None if account_id is None else self.gateway.fleet.get(account_id, id)
        kept = {} if device is None else await self.gateway.enrolment.secrets(id)
        if device is None or not hmac.compare_digest(kept.get(HOOK, "").encode(), secret.encode("utf-8", "replace")) or not secret:
            self.gateway.accounts.guesses.wrong(call.peer, self.gateway.clock())
            raise KeyUnknown()
        await self._check_signature(call, device, kept)
        self.gateway.pulls.of(id).heard(self.gateway.clock())
        return device

    async def _check_signature(self, call: Call, device: Device, kept: dict[str, str]) -> None:
        if is_signed(call.body, call.header("x-timestamp"), call.header("x-signature"), kept[SIGNING_KEY]):
            if SIGNED not in kept:
                await self.gateway.enrolment.set_secrets(device.id, kept | {SIGNED: "yes"})
        elif SIGNED in kept:
            # somebody may have changed the key in the app: with the settings it gets ours again
            self.gateway.pulls.of(device.id).tell(News.SETTINGS)
            self.gateway.pulls.on_trouble(device.id, "what it posts is not signed with the key that it was given")
            raise KeyUnknown()

    async def _apply(self, device: Device, what: Happened) -> None:
        outbox = self.gateway.pulls.of(device.id)
        match what:
            case Received():
                await outbox.received(self._message(device, what))
            case Ping():
                outbox.calls_every(PINGS_EVERY)
                self.gateway.fleet.heard(device.id, battery=what.battery)
                if what.failing:
                    self.gateway.pulls.on_trouble(device.id, f"it does not pass its own checks: {', '.join(what.failing)}")
            case Started():
                await self.learn_sims(device, what.sims)

    def _message(self, device: Device, said: Received) -> MoMessage:
        return MoMessage(
            device=device.id,
            sender=said.sender,
            text=said.text,
            received=said.at or self.gateway.clock(),
            sim=said.sim,
            device_message_id=said.key,
        )
