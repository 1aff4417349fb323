"""What travels through the house: a Submit, the MtMessage made of it, the Receipt, reports and incoming messages.

Ids. A message's `id` is 63 bits, time-ordered (42 bits of milliseconds, 21 of sequence). Its public `guid` is 40 lowercase
hex: 12 of milliseconds, then 28 that look random, of which the first 21 bits are the sequence; so `id_of(guid)` finds the
row by its primary key, no index on guid is needed, and the 91 random bits that are left keep it unguessable.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from service.lifecycle import Status

SEQUENCE_BITS = 21
_RANDOM_BITS = 112 - SEQUENCE_BITS
_GUID = re.compile(r"[0-9a-f]{40}\Z")
_TRY_GUID = re.compile(r"([0-9a-f]{40})(?:-([1-9][0-9]{0,8}))?\Z")


class Channel(Enum):
    """How a message reaches the handset."""

    SMS = "sms"
    WHATSAPP = "whatsapp"


@dataclass(frozen=True, kw_only=True, slots=True)
class Submit:
    """One request to send, as an API understood it. Field names are what `Invalid.field` says."""

    recipients: tuple[str, ...]
    """as the caller wrote them"""
    text: str
    device: str | None = None
    """id of the device that must send it"""
    sim: int | None = None
    """slot from 1"""
    due: datetime | None = None
    """not before"""
    validity_s: int | None = None
    idempotency_key: str | None = None
    api: str
    """which API it came by, for the trace"""
    channels: tuple[Channel, ...] = (Channel.SMS,)
    """each recipient gets one message by each"""
    shorten: bool = False
    """put short links in place of those in the text"""
    seal: bool = False
    """send a link to the encrypted text instead of the text"""
    name: str | None = None
    """what the caller calls it, and asks for all its messages by; each of an account's is another"""
    from_number: str | None = None
    """the number of ours that it is to be sent from, E.164, in place of `device` and `sim`"""
    footer: str = ""
    """what the API puts behind the text by itself, so that a repetition may come without it"""
    number_per_day: int | None = None
    """how many messages a day the API takes for one such number where its account says nothing"""
    sender: str | None = None
    """the sender code that it goes by"""
    caller_secret: str = field(default="", repr=False)
    """what the caller showed to be let in; needed to seal under an idempotency key, never stored"""

    def fingerprint(self) -> bytes:
        """Equal for equal requests, whichever API they came by."""
        parts = (*self.recipients, "", self.text, self.device or "", str(self.sim or ""), str(self.due or ""), str(self.validity_s or ""))
        if self.channels != (Channel.SMS,) or self.shorten or self.seal:
            parts = (*parts, *(channel.value for channel in self.channels), f"{self.shorten} {self.seal}")
        if self.sender is not None:
            parts = (*parts, f"by {self.sender}")
        return hashlib.sha256("\0".join(parts).encode()).digest()


@dataclass(frozen=True, kw_only=True, slots=True)
class MtMessage:
    """One text to one recipient, and what became of it so far."""

    id: int
    guid: str
    account_id: int
    key_id: int
    api: str
    recipient: str
    text: str
    segments: int
    status: Status
    created: datetime
    due: datetime | None
    """None when there is nothing left to do"""
    expires: datetime
    wanted_device: str | None = None
    wanted_sim: int | None = None
    device: str | None = None
    """the device that sent it or is sending it"""
    device_message_id: str | None = None
    attempts: int = 0
    sent: datetime | None = None
    finished: datetime | None = None
    """when it was delivered, failed, expired or cancelled"""
    refusal: str | None = None
    """why we refused it: the `kind` of a service.errors.Refused; such a message was never queued"""
    error: str | None = None
    """what the device said when it last failed"""
    channel: Channel = Channel.SMS
    resends: int = 0
    """how often it was sent again because somebody asked"""
    taken: datetime | None = None
    """when the device said that it has it; None once it has said what became of it"""
    in_doubt: bool = False
    """the device may have it and has not said so: it is asked again, and no other"""
    sim: int | None = None
    """the slot that it is sent by, where known"""
    failures: int = 0
    """how often a device said that it could not send it, since it was last asked for"""
    sender: str | None = None
    """the sender code that it goes by"""

    @property
    def try_guid(self) -> str:
        """What a device that deduplicates is to know it by: another one for each resend, which is meant to go on the air again."""
        return f"{self.guid}-{self.resends}" if self.resends else self.guid

    @property
    def queue(self) -> str:
        """Where it waits: with the device that it asked for, or in the account's pool; WhatsApp messages have queues of their own."""
        return queue_of(self.account_id, self.wanted_device, self.channel)


WHATSAPP_QUEUE = "-wa"
_POOL = "pool-"
"""ends the name of a queue that only devices with WhatsApp look into"""


def queue_of(account_id: int, device: str | None, channel: Channel = Channel.SMS) -> str:
    queue = device or f"{_POOL}{account_id}"
    return queue if channel is Channel.SMS else queue + WHATSAPP_QUEUE


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstInLane:
    """When the first is due of those that wait in one queue for one SIM."""

    account_id: int | None
    """of a pool"""
    device: str | None
    """of a device's own queue"""
    channel: Channel
    wanted_sim: int | None
    due: datetime


def first_in_lane(queue: str, wanted_sim: int | None, due: datetime) -> FirstInLane:
    """`queue` as `queue_of` names it."""
    name = queue.removesuffix(WHATSAPP_QUEUE)
    is_pool = name.startswith(_POOL)
    return FirstInLane(
        account_id=int(name.removeprefix(_POOL)) if is_pool else None,
        device=None if is_pool else name,
        channel=Channel.SMS if name == queue else Channel.WHATSAPP,
        wanted_sim=wanted_sim,
        due=due,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class SealedKey:
    """What the caller of a sealed message is told, and nobody else."""

    key: str = field(repr=False)
    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """What the caller is told, after the commit."""

    guids: tuple[str, ...]
    accepted: datetime
    status: Status
    device_online: bool
    """whether a device that may send it was online"""
    sim: int | None
    trial: bool
    trial_sent: int
    """messages that the trial account has used, these included; 0 for any other account"""
    replayed: bool = False
    whatsapp: bool = False
    """whether it goes by WhatsApp, alone or beside an SMS"""
    sealed: str | None = None
    """the key of a sealed message, sealed for the same caller"""
    sealed_key: SealedKey | None = None
    """the same for this caller to read; no store keeps it"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """A device has taken a message over."""

    device_message_id: str
    on_air: bool = True
    """False: the device has stored it, the network has not got it yet; a report will say when"""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryReport:
    """What a device says about a message that it took."""

    device: str
    device_message_id: str
    status: Status
    """SENT, DELIVERED or FAILED"""
    at: datetime
    """by the device's clock where it has one"""
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Which part of a long message this is, where the device does not join them itself."""

    reference: int
    """what the parts of one message have in common"""
    number: int
    """from 1"""
    total: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MoMessage:
    """A message that a device received."""

    device: str
    sender: str
    text: str
    received: datetime
    """by the device's clock, in its own offset where the device tells one"""
    sim: int | None = None
    device_message_id: str | None = None
    """the device's own id of this reception, by which a redelivery is known"""
    part: Part | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceivedMessage:
    """A message that a device received, as an account keeps it."""

    id: int
    guid: str
    """a UUID in upper case"""
    number: int
    """its place among all that the account received, from 1"""
    account_id: int
    device: str
    sender: str
    """E.164, a short code, or the name that the network showed"""
    text: str
    received: datetime
    """by the device's clock, in its offset"""
    created: datetime
    """when we kept it, UTC"""
    sim: int | None = None
    device_message_id: str | None = None
    is_read: bool = False
    alias: str | None = None
    """what the account calls the sender, said at this message"""
    missing_parts: int = 0
    """how many parts of it never came; each gap shows in the text as segments.GAP"""


class Ids:
    """Makes ids and guids. The sequence starts anywhere in each millisecond, so that processes rarely meet."""

    def __init__(self) -> None:
        self._ms = 0
        self._sequence = 0

    def new(self, now: datetime) -> tuple[int, str]:
        """(id, guid), the ids of one process strictly growing while its clock does not step back."""
        ms = int(now.timestamp() * 1000)
        random = int.from_bytes(os.urandom(14), "big")
        if ms == self._ms:
            self._sequence = (self._sequence + 1) & ((1 << SEQUENCE_BITS) - 1)
        else:
            # half the range is left above the start, so that a millisecond's ids stay in order
            self._ms, self._sequence = ms, random >> (_RANDOM_BITS + 1)
        tail = (self._sequence << _RANDOM_BITS) | (random & ((1 << _RANDOM_BITS) - 1))
        return (ms << SEQUENCE_BITS) | self._sequence, f"{ms:012x}{tail:028x}"


_UUID = re.compile(r"[0-9A-F]{8}-[0-9A-F]{4}-7[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}\Z")
_LOW_BITS = 9
_TAIL_BITS = 62 - _LOW_BITS


def received_guid(id: int) -> str:
    """The guid of an incoming message: a UUID of version 7 with the id within it, and 53 random bits."""
    ms, sequence = divmod(id, 1 << SEQUENCE_BITS)
    high, low = divmod(sequence, 1 << _LOW_BITS)
    tail = (low << _TAIL_BITS) | (int.from_bytes(os.urandom(8), "big") >> (64 - _TAIL_BITS))
    return str(uuid.UUID(int=(ms << 80) | (7 << 76) | (high << 64) | (2 << 62) | tail)).upper()


def received_id_of(guid: str) -> int | None:
    """The id within the guid of an incoming message; None when it is not one of ours."""
    if not _UUID.match(guid):
        return None
    number = uuid.UUID(guid).int
    ms = number >> 80
    if ms >= 1 << 42:
        return None
    sequence = ((number >> 64) & 0xFFF) << _LOW_BITS | (number & ((1 << 62) - 1)) >> _TAIL_BITS
    return (ms << SEQUENCE_BITS) | sequence


def first_id(at: datetime) -> int:
    """No message kept at `at` or later has a smaller id."""
    ms = int(at.timestamp()) * 1000 + at.microsecond // 1000
    return min(max(ms, 0), (1 << 42) - 1) << SEQUENCE_BITS


def id_of(guid: str) -> int | None:
    """The id within a guid; None when it is not one of ours."""
    if not _GUID.match(guid):
        return None
    ms = int(guid[:12], 16)
    if ms >= 1 << 42:
        return None
    return (ms << SEQUENCE_BITS) | (int(guid[12:], 16) >> _RANDOM_BITS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Try:
    """Which message, and which of its resends, a device speaks of that knows messages by our ids."""

    id: int
    guid: str
    resends: int


def try_of(device_message_id: str) -> Try | None:
    """The reverse of `MtMessage.try_guid`; None when it is not one of ours."""
    found = _TRY_GUID.match(device_message_id)
    id = id_of(found[1]) if found else None
    return Try(id=id, guid=found[1], resends=int(found[2] or 0)) if found and id is not None else None
