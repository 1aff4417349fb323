"""What webhooks carry: an Event in our words, the Webhook that asked for it, the Delivery of one to the other. Data only."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol, runtime_checkable

_NAMESPACE = uuid.UUID("6d0f6a0c-5a55-5cb4-9d5f-1b8a53a7a5c1")


class EventType(Enum):
    MESSAGE_ACCEPTED = "message.accepted"
    MESSAGE_SENT = "message.sent"
    MESSAGE_DELIVERED = "message.delivered"
    MESSAGE_FAILED = "message.failed"
    MESSAGE_EXPIRED = "message.expired"
    MESSAGE_OUTCOME_UNKNOWN = "message.outcome_unknown"
    """it may have been sent; each time that this becomes so is an event"""
    MESSAGE_RECEIVED = "message.received"
    DEVICE_ONLINE = "device.online"
    DEVICE_OFFLINE = "device.offline"
    WEBHOOK_TEST = "webhook.test"
    """made by hand, for one webhook"""


ABOUT_MESSAGES = frozenset(t for t in EventType if t.value.startswith("message."))


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that has become true."""

    account_id: int
    type: EventType
    subject: str
    """what it is about: a sent message's guid, a received message's id, a device, a webhook. Events of one subject keep their order"""
    occurred: datetime
    """by the device's clock where that told"""
    created: datetime
    """when we learned of it"""
    number: str = ""
    """the recipient, or the sender of a received message"""
    text: str | None = None
    """of received messages only"""
    device: str | None = None
    sim: int | None = None
    error: str | None = None
    """why it failed, as the device put it"""

    @property
    def uuid(self) -> str:
        """The same at each try, for each webhook, and after a restart."""
        return str(uuid.uuid5(_NAMESPACE, f"{self.account_id}/{self.type.value}/{self.subject}/{self.occurred.timestamp():.3f}"))


class WebhookState(Enum):
    ACTIVE = "active"
    PAUSED = "paused"
    """it has failed for long; it collects events, and is probed now and then"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhook:
    """A URL of an account that wants to be told of some events."""

    id: int
    account_id: int
    url: str
    format: str
    """how its calls look: a name in service.webhooks.Webhooks.formats"""
    types: frozenset[EventType]
    created: datetime
    secret: bytes | None = None
    """what its calls are signed with, sealed; None in a format that does not sign"""
    next_secret: bytes | None = None
    """what they will be signed with, sealed, while the secret is being rotated"""
    rotates: datetime | None = None
    """when the next secret takes the place of the secret"""
    state: WebhookState = WebhookState.ACTIVE
    why: str | None = None
    """why it is paused"""
    failures: int = 0
    """tries that have failed since the last success"""
    failing_since: datetime | None = None
    paused: datetime | None = None
    """since when"""
    probe: datetime | None = None
    """when a paused one is tried again"""
    name: str | None = None
    """what its owner calls it; each of an account's is another"""


class DeliveryState(Enum):
    WAITING = "waiting"
    DONE = "done"
    DEAD = "dead"
    """given up; kept, and can be replayed"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One event on its way to one webhook."""

    id: int
    webhook_id: int
    event: Event
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    due: datetime | None = None
    """when it is tried next; while it is being tried, when another process may; None when there is nothing left to do"""
    finished: datetime | None = None
    status: int | None = None
    """of the last answer"""
    answer: str | None = None
    """the beginning of the last answer, or why there was none"""
    time_zone: str = "UTC"
    """IANA name: the device's where it told one, else the account's. Known of claimed ones"""
    webhook_name: str | None = None
    """known of those that are being posted"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """How one try to deliver went."""

    delivery: Delivery
    """as it was claimed"""
    state: DeliveryState
    now: datetime
    due: datetime | None = None
    """of the next try, for one that is still WAITING"""
    status: int | None = None
    answer: str | None = None
    failed: bool = False
    """whether the webhook is at fault; a try that we cut short is nobody's"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """When a webhook that keeps failing is paused: after so many failures in a row, the first of them before that time."""

    failures: int
    before: datetime
    why: str
    probe: datetime
    """when a webhook that is paused is tried again"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """A call as its format has it."""

    headers: tuple[tuple[str, str], ...]
    body: bytes


class Format(Protocol):
    """One vendor's way to tell of events. Implementations live beside that vendor's API."""

    name: str
    types: Mapping[str, tuple[EventType, ...]]
    """its words for ours"""
    defaults: frozenset[EventType]
    """what a webhook gets that does not say what it wants"""
    is_signed: bool

    def render(self, delivery: Delivery, secrets: tuple[str, ...], now: datetime) -> Rendered:
        """`secrets` holds the current one, and the next one while it is being rotated; it is empty where nothing is signed."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Particulars:
    """More of a message than its events hold."""

    own_number: str | None = None
    """of ours: which it was or is to be sent from, or was sent to; None where nobody knows"""
    text: str | None = None
    """of a sent message"""
    segments: int = 1
    name: str | None = None
    """of the submit of a sent message"""


@runtime_checkable
class ParticularFormat(Protocol):
    """A Format whose calls tell more of a message than its event does."""

    def render_with(self, delivery: Delivery, particulars: Particulars, secrets: tuple[str, ...], now: datetime) -> Rendered: ...
