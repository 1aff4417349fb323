"""Keeps webhooks told: looks what is due, and posts it, each webhook in a window of its own, so that a slow one delays nobody else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapters.reactor import frames
from service.errors import NotFound, Unavailable
from service.events import Attempt, Delivery, DeliveryState, Webhook, WebhookState
from service.fleet import Fleet
from service.webhooks import PAUSE_FAILURES, WINDOW, Webhooks

LOOK_EVERY_S = 1.0
"""events are noted by the store, maybe for another process, so nobody wakes us"""
LONGEST_WAIT_S = 15.0
TIDY_EVERY_S = 600.0
TIDY_AT_ONCE = 1_000
STOP_S = 20.0
"""how long a stop waits for calls that are being made; it is longer than a call may take"""


@dataclass(kw_only=True)
class WebhookWorker:
    webhooks: Webhooks
    log: Any
    look_every_s: float = LOOK_EVERY_S
    _calls: dict[int, set[asyncio.Task[None]]] = field(default_factory=dict)
    """those that are being made, by webhook"""
    _paused: dict[int, datetime] = field(default_factory=dict)
    """since when those are that we have said are paused"""
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _loops: list[asyncio.Task[None]] = field(default_factory=list)
    _looking: asyncio.Future[None] | None = None
    _presence: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self) -> None:
        self._loops = [asyncio.create_task(self._run()), asyncio.create_task(self._tidy())]

    async def stop(self) -> None:
        """Begin no more calls, let those that are being made end."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        if self._looking is not None:
            await asyncio.gather(self._looking, return_exceptions=True)
        calls = {call for made in self._calls.values() for call in made} | self._presence
        if calls:
            await asyncio.wait(calls, timeout=STOP_S)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    def device_changed(self, fleet: Fleet, device: str) -> None:
        """To be told whenever a device may have come or gone."""
        account_id = fleet.owner(device)  # one that was just unlinked goes offline, too
        if account_id is None:
            return
        noting = asyncio.ensure_future(self._note_presence(account_id, device, fleet.is_online(device)))
        self._presence.add(noting)
        noting.add_done_callback(self._presence.discard)

    async def _note_presence(self, account_id: int, device: str, is_online: bool) -> None:
        try:
            await self.webhooks.presence(account_id, device, is_online)
        except Unavailable as away:
            self.log.warning("store_unavailable", device=device, why=away.why)

    async def look(self) -> None:
        """Begin what is due, as far as each webhook has room."""
        for webhook in await self.webhooks.due():
            calls = self._calls.setdefault(webhook.id, set())
            room = WINDOW - len(calls)
            if room <= 0 or (webhook.state is WebhookState.PAUSED and calls):
                continue
            for delivery in await self.webhooks.claim(webhook, room):
                call = asyncio.create_task(self._call(webhook, delivery))
                calls.add(call)
                call.add_done_callback(lambda done, calls=calls: self._called(calls, done))  # type: ignore[misc]

    def _called(self, calls: set[asyncio.Task[None]], done: asyncio.Task[None]) -> None:
        calls.discard(done)
        self._wake.set()

    async def _call(self, webhook: Webhook, delivery: Delivery) -> None:
        try:
            attempt = await self.webhooks.deliver(webhook, delivery)
            self._say(webhook, attempt)
            if attempt.failed and webhook.state is WebhookState.ACTIVE and webhook.failures + WINDOW >= PAUSE_FAILURES:
                await self._say_if_paused(webhook)
        except NotFound:
            pass  # it was removed meanwhile
        except Unavailable as away:
            # its lease runs out, and it is posted again
            self.log.warning("store_unavailable", webhook=webhook.id, why=away.why)
        except Exception as bug:
            self.log.error("webhook_call_failed", webhook=webhook.id, delivery=delivery.id, error=type(bug).__name__, frames=frames(bug))

    def _say(self, webhook: Webhook, attempt: Attempt) -> None:
        """What an operator should know. Neither the URL, which may hold a token, nor what was answered."""
        about = {"webhook": webhook.id, "account": webhook.account_id}
        if attempt.state is DeliveryState.DEAD:
            self.log.warning("webhook_gave_up", **about, delivery=attempt.delivery.id, attempts=attempt.delivery.attempts)
        elif attempt.failed and webhook.failures == 0:
            self.log.warning("webhook_failed", **about, delivery=attempt.delivery.id, status=attempt.status)
        elif attempt.state is DeliveryState.DONE and webhook.state is WebhookState.PAUSED:
            self.log.info("webhook_works_again", **about)

    async def _say_if_paused(self, webhook: Webhook) -> None:
        now = await self.webhooks.get(webhook.account_id, webhook.id)
        if now.state is WebhookState.PAUSED and now.paused is not None and now.paused != self._paused.get(now.id):
            self._paused[now.id] = now.paused
            self.log.warning("webhook_paused", webhook=now.id, account=now.account_id, failures=now.failures, probe=now.probe)

    async def _run(self) -> None:
        wait_s = self.look_every_s
        while True:
            self._wake.clear()
            try:
                self._looking = asyncio.ensure_future(self.look())
                await asyncio.shield(self._looking)
                wait_s = self.look_every_s
            except Unavailable as away:
                self.log.warning("store_unavailable", why=away.why)
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)
            except Exception as bug:
                self.log.error("webhook_worker_failed", error=type(bug).__name__, frames=frames(bug))
                wait_s = LONGEST_WAIT_S
            await self._sleep(wait_s)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _tidy(self) -> None:
        while True:
            try:
                while await self.webhooks.tidy(TIDY_AT_ONCE) >= TIDY_AT_ONCE:
                    pass
            except Unavailable as away:
                self.log.warning("store_unavailable", why=away.why)
            except Exception as bug:
                self.log.error("webhook_worker_failed", error=type(bug).__name__, frames=frames(bug))
            await asyncio.sleep(TIDY_EVERY_S)
