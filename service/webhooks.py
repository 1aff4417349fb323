"""Room 6: tell webhooks what has become true. Who wants what; then claim, sign, post, try again, give up, replay.

Events come from the store itself, which notes them in the transaction that made them true. A call is made at least once: after a crash
it may be made again, under the same event id. Each message's events reach a webhook in their order; one webhook's slowness is its own.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from service.errors import Conflict, Invalid, Missing, NotFound, PostFailed, SealBroken
from service.events import (
    ABOUT_MESSAGES,
    Attempt,
    Delivery,
    DeliveryState,
    Event,
    EventType,
    Format,
    ParticularFormat,
    Particulars,
    Patience,
    Rendered,
    Webhook,
    WebhookState,
)
from service.fleet import Fleet
from service.ports import Clock, Poster, Sealer, Store

WAITS_S = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 21600, 28800)
"""after the first try, the second, ...: given up after eleven, which is about a day"""
JITTER = 0.2
LEASE = timedelta(seconds=60)
"""outlives the longest post; what a crash cut short is posted again after this"""
WINDOW = 8
"""calls at a time to one webhook"""
PAUSE_FAILURES = 10
PAUSE_AFTER = timedelta(hours=1)
"""a webhook is paused when nothing but failures came for so long"""
PROBE_EVERY = timedelta(hours=1)
COLLECT_FOR = timedelta(days=7)
"""how long a paused webhook collects events before they become dead letters"""
KEEP_DONE = timedelta(days=3)
KEEP_DEAD = timedelta(days=30)
MOST_WEBHOOKS = 20
"""of an account: each makes each message dearer"""
ROTATION = timedelta(days=7)
"""how long calls are signed with both secrets, unless the rotation is finished by hand before"""
URL_MOST = 2000
SECRET_MOST = 200
MOST_ROWS = 200


def next_try(*, attempts: int, now: datetime, seed: int) -> datetime | None:
    """When to try again after `attempts` tries; None to give up."""
    if attempts > len(WAITS_S):
        return None
    wait_s = WAITS_S[max(attempts, 1) - 1]
    return now + timedelta(seconds=wait_s * (1 + JITTER * random.Random(f"{seed}:{attempts}").random()))


@dataclass(kw_only=True)
class Webhooks:
    store: Store
    fleet: Fleet
    poster: Poster
    sealer: Sealer
    formats: Mapping[str, Format]
    clock: Clock
    node: str = "here"
    """who claims"""
    _presence: dict[str, bool] = field(default_factory=dict, repr=False)

    async def add(
        self, *, account_id: int, url: str, format: str, events: Sequence[str] = (), secret: str | None = None, name: str | None = None
    ) -> tuple[Webhook, str | None]:
        """The webhook, in place of one of its name, and its secret, which is not shown again; None in a format that does not sign.

        Raises Invalid or Missing.
        """
        spoken, types = self._format(format), _types(self._format(format), events)
        self._check_url(url)
        known = await self.store.webhooks(account_id)
        former = next((each for each in known if name is not None and each.name == name), None)
        if former is None and len(known) >= MOST_WEBHOOKS:
            raise Invalid("url", f"the account has {MOST_WEBHOOKS} webhooks already")
        if secret is not None:
            check_secret(secret, spoken)
        secret = (secret or new_secret()) if spoken.is_signed else None
        webhook = Webhook(
            id=0,
            account_id=account_id,
            url=url,
            format=spoken.name,
            types=types,
            created=self.clock(),
            secret=None if secret is None else self.sealer.seal(secret),
            name=name,
        )
        added = await self.store.add_webhook(webhook)
        if former is not None:
            await self.store.remove_webhook(former.id)
        return added, secret

    async def sign_with(self, account_id: int, format: str, secret: str) -> bytes:
        """All the account's webhooks of this format are signed with one secret from now on, which is given back sealed. Raises Invalid."""
        check_secret(secret, self._format(format))
        sealed = self.sealer.seal(secret)
        for webhook in await self.store.webhooks(account_id):
            if webhook.format == format:
                await self.store.set_secrets(webhook.id, secret=sealed, next_secret=None, rotates=None)
        return sealed

    def _format(self, name: str) -> Format:
        if name not in self.formats:
            raise Invalid("format", f"must be one of {', '.join(sorted(self.formats))}")
        return self.formats[name]

    def _check_url(self, url: str) -> None:
        if not url:
            raise Missing("url")
        if len(url) > URL_MOST or not url.isascii() or not url.isprintable() or " " in url:
            raise Invalid("url", f"must be at most {URL_MOST} ASCII characters without spaces")
        try:
            parts = urlsplit(url)
            is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_good = False
        if not is_good:
            raise Invalid("url", "must be an http or https address")
        if parts.username is not None or parts.fragment:
            raise Invalid("url", "must not hold a user name, a password or a fragment")
        objection = self.poster.objection(url)
        if objection is not None:
            raise Invalid("url", objection)

    async def of(self, account_id: int | None) -> list[Webhook]:
        return await self.store.webhooks(account_id)

    async def get(self, account_id: int | None, id: int) -> Webhook:
        """Raises NotFound, for another account's too. None asks for anybody's."""
        for webhook in await self.store.webhooks(account_id):
            if webhook.id == id:
                return webhook
        raise NotFound(f"there is no webhook {id}")

    async def remove(self, account_id: int | None, id: int) -> None:
        """What waits for it goes too. Raises NotFound."""
        await self.store.remove_webhook((await self.get(account_id, id)).id)

    async def test(self, account_id: int | None, id: int) -> Event:
        """Queue a call that is only a test. Raises NotFound."""
        webhook, now = await self.get(account_id, id), self.clock()
        event = Event(account_id=webhook.account_id, type=EventType.WEBHOOK_TEST, subject=str(webhook.id), occurred=now, created=now)
        await self.store.note_event(event, webhook_id=webhook.id)
        return event

    async def rotate(self, account_id: int | None, id: int) -> str:
        """The next secret: calls are signed with both, for ROTATION or until `finish_rotation`. Raises NotFound, Invalid or Conflict."""
        webhook = self._rotated(await self.get(account_id, id))
        if webhook.secret is None:
            raise Invalid("format", f"the calls of format {webhook.format} are not signed")
        if webhook.next_secret is not None:
            raise Conflict("its secret is being rotated already; finish that first")
        secret = new_secret()
        await self.store.set_secrets(id, secret=webhook.secret, next_secret=self.sealer.seal(secret), rotates=self.clock() + ROTATION)
        return secret

    async def finish_rotation(self, account_id: int | None, id: int) -> None:
        """Only the next secret counts from now on. Raises NotFound or Conflict."""
        webhook = self._rotated(await self.get(account_id, id))
        if webhook.next_secret is None:
            raise Conflict("its secret is not being rotated")
        await self.store.set_secrets(id, secret=webhook.next_secret, next_secret=None, rotates=None)

    def _rotated(self, webhook: Webhook) -> Webhook:
        """With the secrets that count now."""
        if webhook.rotates is None or self.clock() < webhook.rotates:
            return webhook
        return replace(webhook, secret=webhook.next_secret, next_secret=None, rotates=None)

    async def resume(self, account_id: int | None, id: int) -> None:
        """A paused webhook is called again, beginning with what it missed. Raises NotFound."""
        await self.store.resume_webhook((await self.get(account_id, id)).id)

    async def deliveries(
        self, account_id: int | None, id: int, state: DeliveryState | None = None, limit: int = MOST_ROWS
    ) -> list[Delivery]:
        """Newest first. Raises NotFound."""
        return await self.store.deliveries((await self.get(account_id, id)).id, state, min(limit, MOST_ROWS))

    async def replay(self, account_id: int | None, id: int, delivery_id: int | None = None) -> int:
        """Post one delivery once more, or (None) all dead letters; how many. Raises NotFound."""
        webhook = await self.get(account_id, id)
        replayed = await self.store.replay(webhook.id, delivery_id)
        if delivery_id is not None and not replayed:
            raise NotFound(f"webhook {id} has no finished delivery {delivery_id}")
        return replayed

    async def presence(self, account_id: int, device: str, is_online: bool) -> None:
        """A device came or went; saying so again is no event."""
        if self._presence.get(device, False) is is_online:
            return
        self._presence[device] = is_online
        now = self.clock()
        told = EventType.DEVICE_ONLINE if is_online else EventType.DEVICE_OFFLINE
        event = Event(account_id=account_id, type=told, subject=device, device=device, occurred=now, created=now)
        await self.store.note_event(event)

    async def due(self) -> list[Webhook]:
        """Those to which something is to be posted now."""
        now = self.clock()
        waiting = await self.store.webhooks_due(now)
        return [w for w in waiting if w.state is WebhookState.ACTIVE or (w.probe is not None and w.probe <= now)]

    async def claim(self, webhook: Webhook, room: int) -> list[Delivery]:
        """Up to `room` deliveries, whose posting the caller begins at once; of a paused webhook one, as a probe."""
        now = self.clock()
        if webhook.state is WebhookState.PAUSED:
            if not await self.store.take_probe(webhook.id, now=now, next_probe=now + PROBE_EVERY):
                return []
            room = 1
        return await self.store.claim_deliveries(webhook.id, limit=room, now=now, leased_until=now + LEASE, leased_by=self.node)

    async def deliver(self, webhook: Webhook, delivery: Delivery) -> Attempt:
        """Post one that was claimed; returns when the result is on disk."""
        try:
            call = await self._render(webhook, delivery)
            answer = await self.poster.post(webhook.url, call.headers, call.body)
        except (PostFailed, SealBroken) as failed:
            attempt = self._failed(delivery, None, str(failed))
        else:
            if 200 <= answer.status < 300:
                attempt = Attempt(
                    delivery=delivery, state=DeliveryState.DONE, now=self.clock(), status=answer.status, answer=answer.beginning
                )
            else:
                attempt = self._failed(delivery, answer.status, answer.beginning)
        await self.store.settle_delivery(attempt, self._patience(attempt))
        return attempt

    async def _render(self, webhook: Webhook, delivery: Delivery) -> Rendered:
        webhook, format = self._rotated(webhook), self.formats[webhook.format]
        sealed = [secret for secret in (webhook.secret, webhook.next_secret) if secret is not None]
        delivery, secrets = replace(delivery, webhook_name=webhook.name), tuple(map(self.sealer.open, sealed))
        if isinstance(format, ParticularFormat) and delivery.event.type in ABOUT_MESSAGES:
            return format.render_with(delivery, await self._particulars(delivery.event), secrets, self.clock())
        return format.render(delivery, secrets, self.clock())

    async def _particulars(self, event: Event) -> Particulars:
        account = await self.store.account(event.account_id)
        country = account.default_country if account else None
        if event.type is EventType.MESSAGE_RECEIVED:
            return Particulars(own_number=self.fleet.number_of(event.account_id, event.device, event.sim, country))
        found = await self.store.messages_of(event.account_id, (event.subject,))
        if not found:
            return Particulars()
        [sent] = found
        submit = await self.store.submit_of(event.account_id, event.subject)
        device, sim = sent.device or sent.wanted_device, sent.sim or sent.wanted_sim
        return Particulars(
            own_number=self.fleet.number_of(event.account_id, device, sim, country),
            text=sent.text,
            segments=sent.segments,
            name=submit.name if submit else None,
        )

    def _failed(self, delivery: Delivery, status: int | None, answer: str) -> Attempt:
        now = self.clock()
        due = next_try(attempts=delivery.attempts, now=now, seed=delivery.id)
        state = DeliveryState.DEAD if due is None else DeliveryState.WAITING
        return Attempt(delivery=delivery, state=state, now=now, due=due, status=status, answer=answer, failed=True)

    def _patience(self, attempt: Attempt) -> Patience:
        last = f"answered {attempt.status}" if attempt.status is not None else attempt.answer or "failed"
        why = f"it has failed for {PAUSE_AFTER // timedelta(minutes=1)} minutes; the last time it {last}"
        now = attempt.now
        return Patience(failures=PAUSE_FAILURES, before=now - PAUSE_AFTER, why=why, probe=now + PROBE_EVERY)

    async def tidy(self, limit: int) -> int:
        """Give up what a paused webhook has collected for too long, and erase old deliveries, at most `limit` of each; how many."""
        now = self.clock()
        return await self.store.tidy_deliveries(
            now=now, paused_before=now - COLLECT_FOR, done_before=now - KEEP_DONE, dead_before=now - KEEP_DEAD, limit=limit
        )


def check_secret(secret: str, format: Format) -> None:
    """Raises Invalid."""
    if not (format.is_signed and 16 <= len(secret) <= SECRET_MOST and secret.isprintable()):
        raise Invalid("secret", "must have 16 to 200 printable characters, in a format that signs")


def new_secret() -> str:
    return "whsec_" + secrets.token_hex(24)


def _types(format: Format, events: Sequence[str]) -> frozenset[EventType]:
    """Each event may be named in our words or in the format's."""
    if not events:
        return format.defaults
    ours = {t.value: (t,) for told in format.types.values() for t in told}
    known = {**ours, **format.types}
    wrong = [name for name in events if name not in known]
    if wrong:
        raise Invalid("events", f"{wrong[0]!a} is not known; there are: {', '.join(sorted(known))}")
    return frozenset(t for name in events for t in known[name])
