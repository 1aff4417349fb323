"""What the gateway asks of the world, and the world of it. Implementations live under adapters/; fakes under tests/.

Every port is a Protocol; its promises are held by the suites in tests/conformance/, which every implementation passes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from service.accounts import Account, KeyStore
from service.campaigns import CampaignStore
from service.events import Attempt, Delivery, DeliveryState, Event, Patience, Webhook
from service.fleet import Device
from service.grants import GrantStore
from service.invitations import EnrolmentStore
from service.lifecycle import Status
from service.links import LinkStore, ShortLink
from service.mailbox_queries import InboxQuery, Span, Talk
from service.messages import Accepted, DeliveryReport, FirstInLane, MoMessage, MtMessage, Receipt, ReceivedMessage
from service.optouts import OptOutStore, Reaction
from service.quotas import Charge
from service.sealed import SealedText
from service.submits import SubmitStore

LOOK_AT_MOST = 10_000
"""how many waiting messages are counted"""


class Clock(Protocol):
    def __call__(self) -> datetime:
        """Now, UTC and aware."""
        ...


class Inbox(Protocol):
    """Where a driver hands in what its device says. Each call returns once what it brought is on disk."""

    async def report(self, report: DeliveryReport) -> None: ...
    async def taken(self, device: str, device_message_id: str) -> bool:
        """A device that knows messages by `MtMessage.try_guid` says that it has one, and no submit waits for that any more.

        False when it has never been given such a message.
        """
        ...

    async def received(self, message: MoMessage) -> None: ...
    def online(self, device: str, is_online: bool) -> None:
        """The device came or went. Nothing is claimed for a device that is not online."""
        ...


class Driver(Protocol):
    """Speaks one device's language.

    It may not block, retry, or touch the store. Every message is taken (an Accepted) or refused (SendFailed) exactly once.
    A lost connection refuses what is in flight as temporary; after stop, silence: no report, no message, no answer.
    A driver MUST NOT await its inbox inside submit: the inbox may wait for that very submit to end.

    Where the device fetches its messages, submit offers one under its `try_guid`, which is the device_message_id too, and ends when the
    device has acknowledged it (`on_air=False`) or reported on it. If the device falls silent before that, or at stop, what it has not
    fetched is given back, and of what it has fetched nobody knows: `given_back`, `unknown`. Such a driver deduplicates.
    """

    device: Device
    window: int
    """how many submits it takes at a time"""
    submit_timeout_s: float
    """after this an unanswered submit has an unknown outcome"""
    deduplicates: bool
    """whether a message handed over a second time under the same guid goes on the air only once"""

    async def start(self, inbox: Inbox) -> None: ...
    async def submit(self, message: MtMessage) -> Accepted:
        """Raises SendFailed."""
        ...

    async def stop(self) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Idempotency:
    key: str
    fingerprint: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """A message that waits for a while for the device that its recipient is used to, although any may send it."""

    id: int
    device: str
    sim: int | None
    """the slot that it then goes by, where known and possible"""
    until: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Acceptance:
    """What `Store.accept` commits as one."""

    messages: tuple[MtMessage, ...]
    receipt: Receipt
    """with trial_sent 0: the store counts, and answers with the figure"""
    trial_limit: int | None
    idempotency: Idempotency | None
    links: tuple[ShortLink, ...] = ()
    sealed: SealedText | None = None
    pins: tuple[Pin, ...] = ()
    name: str | None = None
    """of the submit"""
    charges: tuple[Charge, ...] = ()
    """each subject at most once"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settlement:
    """What became of a claimed message."""

    id: int
    status: Status
    """SENT, SENDING (the device has it, the network not yet), QUEUED (another try at `due`), FAILED, OUTCOME_UNKNOWN"""
    now: datetime
    attempts: int
    """of the claim that it ends: a settlement that comes after the next claim changes nothing"""
    device_message_id: str | None = None
    due: datetime | None = None
    error: str | None = None
    same_device: bool = False
    """another try must be by the device that has had it, which alone knows that guid and will not send it twice: the message is in doubt"""
    given_back: bool = False
    """the device never had it: whether it is in doubt is as it was before"""
    sim: int | None = None
    """the slot that it was sent by; None leaves what is known"""


@dataclass(frozen=True, kw_only=True, slots=True)
class SentQuery:
    """Which of an account's MT messages to list, newest first."""

    account_id: int
    guid: str | None = None
    before_id: int | None = None
    """rows older than this id"""
    refused: bool | None = None
    """True: only those that we refused; False: only the others"""
    failed: bool | None = None
    """True: only those that a device failed; False: only the others"""
    keyword: str | None = None
    """what to look for in recipient and text, see service.search"""
    limit: int = 200


class MailboxStore(Protocol):
    """What an account keeps of the messages that it received, and does with those that it sent.

    Of another account's message, and of one that is not there, a method says the same: None, False or 0.
    """

    async def received(
        self, message: MoMessage, account_id: int, now: datetime, *, sender: str | None = None, reaction: Reaction | None = None
    ) -> bool:
        """Keep an incoming message and what comes of it; False when this very reception is kept already, of which nothing comes again.
        `sender` is the normalised one, if not as it came.

        A message gets the next number of its account. Parts are kept until the last one comes, and then become one message.
        """
        ...

    async def flush_parts(self, before: datetime, now: datetime) -> int:
        """Make messages of parts of which none came after `before`; how many. What never came shows as segments.GAP, and is counted."""
        ...

    async def inbox_of(self, query: InboxQuery) -> list[ReceivedMessage]: ...
    async def received_one(self, account_id: int, guid: str) -> ReceivedMessage | None: ...
    async def set_read(self, account_id: int, guid: str) -> bool: ...
    async def set_alias(self, account_id: int, guid: str, alias: str | None) -> bool: ...
    async def resend(self, message: MtMessage, *, now: datetime, expires: datetime, wanted_device: str | None) -> int | None:
        """Queue a message that has come to a bad end for a new try, for any device unless one is wanted: how often that was done now.

        None when it is in no such state, or was never accepted. A late report about an earlier try changes nothing any more.
        Raises OptedOut when its recipient may not be written to any more.
        """
        ...

    async def delete_one(self, account_id: int, guid: str) -> int:
        """How many are gone: 0 or 1. What is being sent stays. What waits is not sent by us; if it is in doubt, its device may have it."""
        ...

    async def delete_span(self, account_id: int, span: Span) -> int:
        """All that was kept within the span, sent and received, but what is being sent; how many."""
        ...

    async def sent_page(self, account_id: int, span: Span, limit: int, after: MtMessage | None) -> list[MtMessage]:
        """What devices sent within the span, newest first, older than `after`."""
        ...

    async def talks(self, account_id: int, *, sent: bool, span: Span, limit: int) -> list[str]:
        """With whom the account spoke last within the span: whom it sent to, or who sent to it; the latest first."""
        ...

    async def talk(self, account_id: int, number: str, *, span: Span, limit: int) -> Talk:
        """At most `limit` messages of each side."""
        ...

    async def account(self, id: int) -> Account | None: ...
    async def unlink_device(self, device: Device) -> None:
        """Forget a device. What waits for it goes to the pool of its account; what it may have, or has acknowledged and not reported
        on, is of unknown outcome."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a webhook said."""

    status: int
    beginning: str
    """of the body, for a person to read"""


class Poster(Protocol):
    """Calls webhooks: whatever they do, each call ends within 20 seconds. It follows no redirect."""

    def objection(self, url: str) -> str | None:
        """Why this URL will never be called, where its text alone tells: an address that is not a public one."""
        ...

    async def post(self, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        """Raises PostFailed, also when each address of the host is one that may not be called."""
        ...


class Sealer(Protocol):
    """Keeps secrets that we must read back unreadable to who has only the store."""

    def seal(self, secret: str) -> bytes: ...
    def open(self, sealed: bytes) -> str:
        """Raises SealBroken."""
        ...


class Hasher(Protocol):
    """Keeps passwords so that nobody can read them back. Slow on purpose, but never on the loop."""

    async def hash(self, password: str) -> str: ...
    async def matches(self, password: str, hash: str) -> bool: ...


class WebhookStore(Protocol):
    """Webhooks, and the events that wait for them.

    Once a webhook asks for them, the transaction that accepts a message, settles it, applies a report to it, expires it, or keeps a
    received one, notes the event for it: both are on disk or neither. A message that is reported delivered straight away was sent, too.
    """

    async def add_webhook(self, webhook: Webhook) -> Webhook:
        """`id` is ignored; the stored webhook is returned."""
        ...

    async def webhooks(self, account_id: int | None) -> list[Webhook]:
        """The account's, or (None) everybody's, oldest first."""
        ...

    async def remove_webhook(self, id: int) -> None:
        """Its deliveries go with it."""
        ...

    async def set_secrets(self, id: int, *, secret: bytes, next_secret: bytes | None, rotates: datetime | None) -> None: ...
    async def resume_webhook(self, id: int) -> None:
        """It is active, and what waits for it is due."""
        ...

    async def note_event(self, event: Event, webhook_id: int | None = None) -> None:
        """For each webhook of the account that asks for its type, or only for the one that is named."""
        ...

    async def webhooks_due(self, now: datetime) -> list[Webhook]:
        """Those, of any account and state, that have a delivery that is due."""
        ...

    async def take_probe(self, id: int, *, now: datetime, next_probe: datetime) -> bool:
        """Whether the paused webhook may be probed now, which for each time is said only once."""
        ...

    async def claim_deliveries(
        self, webhook_id: int, *, limit: int, now: datetime, leased_until: datetime, leased_by: str
    ) -> list[Delivery]:
        """Up to `limit` that are due, each with the try counted.

        None whose subject has an earlier delivery to this webhook that still waits. No two claims return the same one while its lease runs.
        """
        ...

    async def settle_delivery(self, attempt: Attempt, patience: Patience) -> None:
        """Record how a try went. A success makes the webhook active; a failure counts, and pauses it when patience ends.

        News of a try that was overtaken by another changes nothing, unless it is a success. Afterwards the next of its subject is due.
        """
        ...

    async def deliveries(self, webhook_id: int, state: DeliveryState | None, limit: int) -> list[Delivery]:
        """Newest first."""
        ...

    async def replay(self, webhook_id: int, delivery_id: int | None) -> int:
        """Make one finished delivery, or (None) all dead ones, wait again, with all their tries; how many."""
        ...

    async def tidy_deliveries(
        self, *, now: datetime, paused_before: datetime, done_before: datetime, dead_before: datetime, limit: int
    ) -> int:
        """Make dead what waits for webhooks that were paused before then, erase what was finished before then, at most `limit` each."""
        ...


class SearchStore(Protocol):
    """Finds by service.search.Wanted, through SentQuery and InboxQuery. Messages that are not in an index yet are looked through, too."""

    async def index(self, before: datetime, limit: int) -> int:
        """Put messages that were kept before then into the index, oldest first, at most `limit` of each kind.

        How many; 0 when none is left, or when another process is doing it. What is committed later, with an earlier time than `before`,
        is never put in.
        """
        ...


class Store(
    KeyStore,
    GrantStore,
    LinkStore,
    MailboxStore,
    SearchStore,
    SubmitStore,
    WebhookStore,
    EnrolmentStore,
    OptOutStore,
    CampaignStore,
    Protocol,
):
    """Keeps everything. What a method returned from is on disk: commits are grouped, but nobody is answered before his.

    A method raises Unavailable when the store cannot be reached or is full (nothing was stored), and InDoubt when it went away in
    the middle (it may have been).
    """

    async def accept(self, acceptance: Acceptance) -> Receipt:
        """Store the messages, their links and the idempotency record, count a trial and the quotas: all or nothing.

        Returns the receipt, or for a known idempotency key the first one with `replayed`. An idempotency record lives for 24 h.
        Raises Conflict (same key, other fingerprint; or another submit of this name), QuotaExceeded (trial or a quota used up), IdTaken,
        and OptedOut when one of the recipients may not be written to by what was committed before. Whoever else accepts at the same time,
        no quota is ever passed.
        """
        ...

    async def exists(self, id: int) -> bool:
        """Whether a message is stored: to ask after InDoubt."""
        ...

    async def keep_refused(self, message: MtMessage) -> None:
        """Store a row for a submit that was refused, so that the log shows it."""
        ...

    async def claim(
        self,
        *,
        device: Device,
        limit: int,
        now: datetime,
        leased_until: datetime,
        leased_by: str,
        slots: Collection[int] | None = None,
    ) -> list[MtMessage]:
        """Up to `limit` due messages of the device's own queue and its account's pool, soonest due first, now SENDING.

        No two claims ever return the same message while its lease runs. A message with `wanted_sim` goes only to a device with that SIM.
        With `slots` only what may go by one of these: with none, only messages by WhatsApp.
        Those whose validity has ended become EXPIRED, or OUTCOME_UNKNOWN if they are in doubt, and are not returned.
        """
        ...

    async def settle(self, settlement: Settlement) -> None:
        """Record what became of a claimed message; the lease ends. A status that may not follow, or a claim that is not the last, changes
        nothing. A message of unknown outcome is QUEUED instead where its account has `resend_unknown`.

        Settled as SENDING it is taken: no lease, no try, and only a report or the end of all patience (see `expire`) changes it."""
        ...

    async def acknowledge(self, device: str, device_message_id: str, now: datetime) -> bool:
        """The device says that it has the message of this `try_guid`: one that it was the last to claim, and did not acknowledge yet, is
        taken now, also if it waits or is of unknown outcome. False when there is none of this try and device."""
        ...

    async def taken_before(self, device: str, before: datetime, limit: int, *, after: MtMessage | None = None) -> list[MtMessage]:
        """What the device acknowledged before then and never reported on, oldest first; of these only what follows `after`."""
        ...

    async def report(self, report: DeliveryReport, now: datetime) -> bool:
        """Advance the message that the device knows by `device_message_id`. False when there is none (yet)."""
        ...

    async def next_due(self, device: Device, slots: Collection[int] | None = None) -> datetime | None:
        """When the next message of the device's queue or its account's pool is due; None when nothing waits. `slots` as for `claim`."""
        ...

    async def first_in_lanes(self) -> list[FirstInLane]:
        """One for each queue and SIM that anything waits for, of all accounts. It costs nothing for those where nothing waits."""
        ...

    async def waiting(self, device: Device, now: datetime) -> int:
        """How many messages are due that the device may claim; more than LOOK_AT_MOST of one kind are not counted."""
        ...

    async def sent_since(self, device: Device, since: datetime, now: datetime) -> list[tuple[int | None, datetime]]:
        """By which SIM and when the device sent each message after `since`; what it has in its hands counts as sent now, or when it
        took it. The SIM is 0 for a message by WhatsApp, None where it is not known. What was deleted is not counted."""
        ...

    async def release(self, now: datetime, device: str | None = None) -> list[int]:
        """Pinned messages whose time has ended, or all of one device, go to the pool, but for those in doubt: their accounts, each once."""
        ...

    async def recover(self, *, now: datetime, leased_by: str | None, deduplicating: Sequence[str]) -> list[str]:
        """Take back what a dead process had claimed: all of `leased_by`'s, and (None) everybody's whose lease has run out.

        A message of a device in `deduplicating` is QUEUED again for it, in doubt; one of an account with `resend_unknown` for any device;
        any other becomes OUTCOME_UNKNOWN. Returns the guids of the latter. What is taken has no lease and stays.
        """
        ...

    async def expire(self, now: datetime, limit: int) -> int:
        """Make waiting messages whose validity has ended EXPIRED, at most `limit`; how many changed.

        OUTCOME_UNKNOWN instead are those in doubt, and those taken whose validity ended 24 h ago without a report: a device may have sent
        them. No account's policy sends them again.
        """
        ...

    async def sent(self, query: SentQuery) -> list[MtMessage]: ...
    async def save_device(self, device: Device) -> None:
        """Insert it, or replace what is kept under its id."""
        ...

    async def devices(self) -> list[Device]: ...
    async def ready(self) -> None:
        """Returns when the store can commit; raises Unavailable."""
        ...

    async def open(self) -> None: ...
    async def close(self) -> None: ...
