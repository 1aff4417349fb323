"""Room 2: accept a Submit or refuse it, store it, answer. The caller's answer leaves from here, after the commit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import product

from service import numbers, segments
from service.accounts import Principal
from service.errors import IdTaken, InDoubt, Invalid, InvalidRecipient, Missing, OptedOut, QuotaExceeded, Refused, Unavailable
from service.fleet import Fleet
from service.habits import Habits
from service.lifecycle import Status
from service.links import Links
from service.messages import Channel, Ids, MtMessage, Receipt, SealedKey, Submit
from service.ports import Acceptance, Clock, Idempotency, Store
from service.quotas import NO_QUOTAS, AccountQuotas, Charge, charges
from service.sealed import Replay

MOST_RECIPIENTS = 1_000
FARTHEST_DUE = timedelta(days=366)
VALIDITY_S = range(60, 604_801)
IDEMPOTENCY_KEY_MOST = 255
NAME_MOST = 64
REFUSED_ROWS_A_MINUTE = 60
"""a key that is refused more often than this has no further rows kept, so that a broken caller cannot fill the store"""
_KEPT = (Invalid, OptedOut, QuotaExceeded)
_ID_TRIES = 3


@dataclass(kw_only=True)
class Submission:
    store: Store
    fleet: Fleet
    clock: Clock
    links: Links
    ids: Ids = field(default_factory=Ids)
    habits: Habits | None = None
    """None: no message is pinned"""
    on_queued: Callable[[int, str | None], None] = lambda account_id, device: None
    """told of each commit: the account, and the device if one was named"""
    _refused: dict[int, tuple[int, int]] = field(default_factory=dict, repr=False)

    async def submit(self, principal: Principal, submit: Submit) -> Receipt:
        """Returns once the messages are on disk.

        Raises Invalid, QuotaExceeded, OptedOut (a row is kept, see `refuse`), Conflict, or Unavailable (nothing is stored). A submit of a
        name that another has is a Conflict, were it the same request.
        """
        try:
            submit = self._from_its_number(principal, submit)
            receipt = await self._accept(principal, submit)
        except _KEPT as refused:
            raise await self.refuse(principal, submit, refused) from None
        if not receipt.replayed:
            self.on_queued(principal.account.id, submit.device)
        return receipt

    async def refuse(self, principal: Principal, submit: Submit, refused: Refused) -> Refused:
        """Keep a FAILED row of a submit that is refused for what it says, and give back the refusal with its guid.

        For an API that finds the fault while it reads: `submit` then holds what it could read.
        """
        now = self.clock()
        # whoever has logged in by a password has no key
        if not isinstance(refused, _KEPT) or not self._may_keep(principal.key.id or -principal.account.id, now):
            return refused
        recipient = refused.recipient if isinstance(refused, InvalidRecipient | OptedOut) else (submit.recipients or ("",))[0]
        id, guid = self.ids.new(now)
        row = MtMessage(
            id=id,
            guid=guid,
            account_id=principal.account.id,
            key_id=principal.key.id,
            api=submit.api,
            recipient=_storable(recipient)[:64],
            # what was to be sealed is kept nowhere
            text="" if submit.seal else _storable(submit.text),
            segments=0,
            status=Status.FAILED,
            created=now,
            due=None,
            expires=now,
            finished=now,
            refusal=refused.kind,
        )
        await self.store.keep_refused(row)
        refused.guid = guid
        return refused

    def _may_keep(self, key_id: int, now: datetime) -> bool:
        minute = int(now.timestamp()) // 60
        since, count = self._refused.get(key_id, (minute, 0))
        count = count + 1 if since == minute else 1
        self._refused[key_id] = (minute, count)
        return count <= REFUSED_ROWS_A_MINUTE

    async def _accept(self, principal: Principal, submit: Submit) -> Receipt:
        now = self.clock()
        account = principal.account
        online = self._choose(account.id, submit)
        recipients = self._recipients(submit, account.default_country)
        for _ in range(_ID_TRIES):
            linked = self.links.write(submit, account.id, now)
            messages = self._messages(principal, submit, linked.text, recipients, now)
            replay = self._replay(submit)
            receipt = Receipt(
                guids=tuple(m.guid for m in messages),
                accepted=now,
                status=messages[0].status,
                device_online=online,
                sim=submit.sim,
                trial=account.is_trial,
                trial_sent=0,
                whatsapp=Channel.WHATSAPP in submit.channels,
                sealed=replay.seal(linked.key) if replay and linked.key else None,
            )
            pins = await self.habits.pins(account, messages, now) if self.habits and account.sticky else ()
            acceptance = Acceptance(
                messages=messages,
                receipt=receipt,
                trial_limit=account.trial_limit,
                idempotency=_idempotency(submit, replay),
                links=linked.links,
                sealed=linked.sealed,
                pins=pins,
                name=_name(submit),
                charges=self._charges(principal, submit, len(messages), now),
            )
            try:
                told = _told(await self.store.accept(acceptance), linked.key, replay)
                for device in {pin.device for pin in pins}:
                    self.on_queued(account.id, device)
                return told
            except IdTaken:
                continue
            except InDoubt:
                # what is on disk is a success, however it was learned; what is not may be tried again by the caller
                if await self.store.exists(messages[0].id):
                    return _told(receipt, linked.key, replay)
                raise
        raise Unavailable("no free message id was found")

    def _from_its_number(self, principal: Principal, submit: Submit) -> Submit:
        """With the device and SIM that have the number it is to be sent from. Raises Invalid."""
        if submit.from_number is None:
            return submit
        owner = self.fleet.owner_of_number(principal.account.id, submit.from_number, principal.account.default_country)
        if owner is None:
            raise Invalid("from_number", "is not a number of this account")
        return replace(submit, device=owner[0].id, sim=owner[1])

    def _charges(self, principal: Principal, submit: Submit, count: int, now: datetime) -> tuple[Charge, ...]:
        account, key = principal.account, principal.key
        if account.quotas is None and key.quotas is None and submit.number_per_day is None:
            return ()
        allowed = account.quotas or AccountQuotas()
        counted = [(allowed.whole, "account", str(account.id)), (key.quotas or NO_QUOTAS, "key", str(key.id))]
        number = submit.from_number or self.fleet.number_of(account.id, submit.device, submit.sim, account.default_country)
        if number is not None:
            of_number = allowed.each_number
            if of_number.per_day is None:
                of_number = replace(of_number, per_day=submit.number_per_day)
            counted.append((of_number, "number", f"{account.id} {number}"))
        if submit.device is not None:
            counted.append((allowed.each_device, "device", submit.device))
        return tuple(
            charge for quotas, what, whose in counted for charge in charges(quotas, what, whose, count=count, now=now, zone=account.zone)
        )

    def _choose(self, account_id: int, submit: Submit) -> bool:
        """Whether a device for each of the channels is online. Raises Invalid."""
        online = [self.fleet.choose_whatsapp(account_id, submit.device)] if Channel.WHATSAPP in submit.channels else []
        if Channel.SMS in submit.channels:
            online.append(self.fleet.choose(account_id, submit.device, submit.sim))
        return all(online)

    def _replay(self, submit: Submit) -> Replay | None:
        """How a sealed message's key is kept for a repeated submit."""
        if not (submit.seal and submit.idempotency_key):
            return None
        if not submit.caller_secret:
            raise Invalid("idempotency_key", "cannot be used with an encrypted message here")
        return Replay(cipher=self.links.cipher, caller_secret=submit.caller_secret, idempotency_key=submit.idempotency_key)

    def _recipients(self, submit: Submit, default_country: str | None) -> list[str]:
        if not submit.recipients:
            raise Missing("recipients")
        if len(submit.recipients) > MOST_RECIPIENTS:
            raise Invalid("recipients", f"has more than {MOST_RECIPIENTS} numbers")
        return [numbers.normalise(r, default_country) for r in submit.recipients]

    def _messages(self, principal: Principal, submit: Submit, text: str, recipients: list[str], now: datetime) -> tuple[MtMessage, ...]:
        if not text:
            raise Missing("text")
        text += submit.footer
        count = segments.count(text)
        due = _due(submit, now)
        expires = due + timedelta(seconds=_validity_s(submit, principal.account.validity_s))
        made = []
        for recipient, channel in product(recipients, submit.channels):
            id, guid = self.ids.new(now)
            made.append(
                MtMessage(
                    id=id,
                    guid=guid,
                    account_id=principal.account.id,
                    key_id=principal.key.id,
                    api=submit.api,
                    recipient=recipient,
                    text=text,
                    segments=count if channel is Channel.SMS else 1,
                    status=Status.SCHEDULED if due > now else Status.QUEUED,
                    created=now,
                    due=due,
                    expires=expires,
                    wanted_device=submit.device,
                    # a SIM slot means nothing to WhatsApp
                    wanted_sim=submit.sim if channel is Channel.SMS else None,
                    channel=channel,
                    sender=submit.sender,
                )
            )
        return tuple(made)


def _due(submit: Submit, now: datetime) -> datetime:
    if submit.due is None or submit.due <= now:
        return now
    if submit.due > now + FARTHEST_DUE:
        raise Invalid("due", "is more than a year away")
    return submit.due


def _validity_s(submit: Submit, default: int) -> int:
    if submit.validity_s is None:
        return default
    if submit.validity_s not in VALIDITY_S:
        raise Invalid("validity_s", f"must be from {VALIDITY_S.start} to {VALIDITY_S.stop - 1}")
    return submit.validity_s


def _told(receipt: Receipt, key: SealedKey | None, replay: Replay | None) -> Receipt:
    """With what only the caller is told."""
    if receipt.replayed and receipt.sealed and replay:
        key = replay.open(receipt.sealed)
    return receipt if key is None else replace(receipt, sealed_key=key)


def _idempotency(submit: Submit, replay: Replay | None) -> Idempotency | None:
    key = submit.idempotency_key
    if not key:
        return None
    if len(key) > IDEMPOTENCY_KEY_MOST:
        raise Invalid("idempotency_key", f"is longer than {IDEMPOTENCY_KEY_MOST} characters")
    fingerprint = submit.fingerprint()
    # hashed, because it is half of what opens a sealed receipt
    hashed = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return Idempotency(key=hashed, fingerprint=replay.fingerprint(fingerprint) if replay else fingerprint)


def _name(submit: Submit) -> str | None:
    if submit.name is not None and not (0 < len(submit.name) <= NAME_MOST and submit.name.isascii() and submit.name.isprintable()):
        raise Invalid("name", f"must have 1 to {NAME_MOST} printable ASCII characters")
    return submit.name


def _storable(text: str) -> str:
    """What no store can hold (NUL, half a surrogate pair) replaced: the row is kept for people to read."""
    return text.replace("\0", "�").encode("utf-8", "replace").decode()
