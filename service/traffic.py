"""Who may put out what, now: what each device has sent lately, held against its limits; which SIM comes next; why a device waits.

One for a process. It learns from the store what went out before it began, and only for devices that have limits: the others are merely
watched for how busy they are. Time comes as an argument.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from service.fleet import Device, Fleet
from service.limits import LONGEST, NO_LIMITS, UNBOUND, UNLIMITED, Allowance, Usage, quiet_until
from service.messages import Channel, FirstInLane, MtMessage
from service.ports import Store

ZONE_FOR = timedelta(minutes=1)
"""how long an account's change of time zone may go unnoticed"""
WHATSAPP_LANE = -1
QUIET = "quiet hours"
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, kw_only=True, slots=True)
class Leave:
    """What a device may claim now."""

    room: int
    """how many messages, whichever SIM they want; 0 while it must wait"""
    slots: tuple[int, ...]
    """by which SIMs"""
    until: datetime | None = None
    """when it may do more than now; None when nothing holds it back"""
    why: str = ""
    """what holds it, or one of its SIMs, back"""

    def lanes(self, device: Device) -> frozenset[int]:
        """What of its account's pool it looks into: slots, 0 for messages that leave the SIM to us, -1 for WhatsApp."""
        if not self.room:
            return frozenset()
        return frozenset((*self.slots, *(0,) * bool(self.slots), *(WHATSAPP_LANE,) * device.whatsapp))


def lane_of(first: FirstInLane) -> int:
    """As Leave.lanes names it."""
    return first.wanted_sim or 0 if first.channel is Channel.SMS else WHATSAPP_LANE


@dataclass(kw_only=True)
class Traffic:
    store: Store
    _usage: dict[str, Usage] = field(default_factory=dict, repr=False)
    _counted: set[str] = field(default_factory=set, repr=False)
    """devices of which every message is counted, and what they sent before is known"""
    _zones: dict[int, tuple[ZoneInfo, datetime]] = field(default_factory=dict, repr=False)
    _given: dict[tuple[str, int], datetime] = field(default_factory=dict, repr=False)
    """when a message that a device has in its hands was counted"""

    async def learn(self, device: Device, now: datetime) -> None:
        """What `leave` needs to know of the past, and of the place. Raises Unavailable."""
        if not _counts(device):
            self._counted.discard(device.id)
        elif device.id not in self._counted:
            sent = await self.store.sent_since(device, now - LONGEST, now)
            self._of(device.id).seed(_by_slot(device, sent))
            self._counted.add(device.id)
        if device.is_limited:
            await self.learn_zone(device, now)

    async def learn_zone(self, device: Device, now: datetime) -> None:
        known = self._zones.get(device.account_id)
        if device.time_zone is None and (known is None or known[1] <= now - ZONE_FOR):
            account = await self.store.account(device.account_id)
            self._zones[device.account_id] = (account.zone if account else _UTC, now)

    def zone(self, device: Device) -> ZoneInfo:
        """The device's own, else its account's."""
        if device.time_zone:
            return ZoneInfo(device.time_zone)
        known = self._zones.get(device.account_id)
        return known[0] if known else _UTC

    def leave(self, device: Device, now: datetime) -> Leave:
        slots = tuple(device.slots)
        if not device.is_limited:
            return Leave(room=UNLIMITED, slots=slots)
        usage, zone = self._of(device.id), self.zone(device)
        ends = quiet_until(device.limits, now, zone)
        own = _quiet(ends) if ends else usage.everything().allowance(device.limits, now)
        if not own.room:
            return Leave(room=0, slots=(), until=own.until, why=own.why)
        by_slot = {slot: self._of_slot(device, slot, now) for slot in slots}
        held = [replace(its, why=f"SIM {slot}: {its.why}") for slot, its in by_slot.items() if not its.room]
        first = min(held, key=lambda its: its.until or now, default=UNBOUND)
        usable = tuple(slot for slot, its in by_slot.items() if its.room)
        # so few at a time that they may all want the same SIM
        room = min((own.room, *(by_slot[slot].room for slot in usable))) if usable or device.whatsapp else 0
        return Leave(room=room, slots=usable, until=first.until, why=first.why)

    def _of_slot(self, device: Device, slot: int, now: datetime) -> Allowance:
        limits = device.card(slot).limits
        ends = quiet_until(limits, now, self.zone(device))
        return _quiet(ends) if ends else self._of(device.id).of(slot).allowance(limits, now)

    def take(self, device: Device, messages: list[MtMessage], leave: Leave, now: datetime) -> list[MtMessage]:
        """What was claimed with that leave, each with the SIM that it goes by, and counted."""
        usage, counts = self._of(device.id), device.id in self._counted
        if messages:
            usage.score(len(messages), now)
        taken = []
        for message in messages:
            slot = self._slot_for(device, message, leave, now)
            taken.append(message if message.sim == slot else replace(message, sim=slot))
            if counts:
                usage.count(slot, now)
                self._given[device.id, message.id] = now
        return taken

    def _slot_for(self, device: Device, message: MtMessage, leave: Leave, now: datetime) -> int | None:
        if message.channel is not Channel.SMS:
            return None
        if message.wanted_sim is not None:
            return message.wanted_sim
        # the one that its recipient is used to; a later try may need another
        if message.attempts == 1 and message.sim in leave.slots:
            return message.sim
        if all(card.limits == NO_LIMITS for card in device.cards):
            return None  # the device's own choice is as good
        usage = self._of(device.id)
        return min(leave.slots, key=lambda slot: (usage.of(slot).share(device.card(slot).limits, now), slot))

    def done(self, device: str, message: MtMessage, *, given_back: bool) -> None:
        """It is no longer in the device's hands; what was given back never counted."""
        at = self._given.pop((device, message.id), None)
        if given_back and at is not None:
            self._of(device).uncount(message.sim, at)

    def burden(self, device: Device, now: datetime) -> tuple[float, float]:
        """How busy it is, to be compared: the share of its limits that is used up, then how much it sent lately."""
        usage, share = self._of(device.id), 0.0
        if device.is_limited:
            by_slot = (usage.of(slot).share(device.card(slot).limits, now) for slot in device.slots)
            share = max(usage.everything().share(device.limits, now), min(by_slot, default=0.0))
        return share, usage.lately(now)

    def _of(self, device: str) -> Usage:
        return self._usage.setdefault(device, Usage())


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """How many messages a device could send that it has not, and why; no reason where it is about to."""

    count: int
    reason: str


async def wait_of(traffic: Traffic, store: Store, fleet: Fleet, device: Device, now: datetime) -> Wait:
    """Times in the reason are those of the device's zone. Raises Unavailable."""
    await traffic.learn(device, now)
    await traffic.learn_zone(device, now)
    count, zone, leave = await store.waiting(device, now), traffic.zone(device), traffic.leave(device, now)
    if not fleet.is_online(device.id):
        since = fleet.presence(device.id).since
        return Wait(count=count, reason=f"offline since {since.astimezone(zone):%Y-%m-%d %H:%M:%S}" if since else "offline")
    if leave.until is None:
        return Wait(count=count, reason="")
    if leave.why.endswith(QUIET):
        return Wait(count=count, reason=f"{leave.why} until {_clock(leave.until, now, zone, '%H:%M')}")
    # a message counts until its window has passed, so the second that is named must be over
    until = leave.until + timedelta(seconds=1) if leave.until.microsecond else leave.until
    return Wait(count=count, reason=f"{leave.why}, next at {_clock(until, now, zone, '%H:%M:%S')}")


def _clock(at: datetime, now: datetime, zone: ZoneInfo, form: str) -> str:
    local = at.astimezone(zone)
    return local.strftime(form if local.date() == now.astimezone(zone).date() or form == "%H:%M" else f"%Y-%m-%d {form}")


def _counts(device: Device) -> bool:
    return device.limits.counts or any(card.limits.counts for card in device.cards)


def _quiet(ends: datetime) -> Allowance:
    return Allowance(room=0, until=ends, why=QUIET)


def _by_slot(device: Device, sent: list[tuple[int | None, datetime]]) -> list[tuple[tuple[int, ...], datetime]]:
    """What went by a SIM that nobody noted counts for each of them: rather too few than too many."""
    return [(tuple(device.slots) if slot is None else (slot,) if slot else (), at) for slot, at in sent]
