"""Devices: which there are, whose they are, which are online."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from service import numbers
from service.errors import Invalid, NotFound
from service.limits import NO_LIMITS, Limits, checked

MOST_LABEL = 255
MOST_PHONE_NUMBER = 64
MOST_SIMS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Sim:
    """What the operator says of the card in a slot; what a phone tells of it is never kept here."""

    slot: int
    """from 1"""
    number: str | None = None
    limits: Limits = NO_LIMITS


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    id: str
    """16 lowercase hex, as the vendors show it"""
    account_id: int
    kind: str
    """which driver speaks to it"""
    label: str = ""
    phone_number: str | None = None
    sims: int = 1
    """how many SIM slots it has; one without any sends no SMS"""
    time_zone: str | None = None
    """IANA name, when it told one"""
    whatsapp: bool = False
    """whether it can send WhatsApp messages"""
    sync_sent: bool = False
    """whether what it reports as sent is listed for its account"""
    config: Mapping[str, str] = field(default_factory=dict)
    """what its driver needs to know to find it; nothing secret"""
    limits: Limits = NO_LIMITS
    """for all of its SIMs together"""
    cards: tuple[Sim, ...] = ()
    """those that the operator said something about, by slot"""

    @property
    def slots(self) -> range:
        return range(1, self.sims + 1)

    @property
    def is_limited(self) -> bool:
        """Whether anything holds it back but itself."""
        return self.limits != NO_LIMITS or any(card.limits != NO_LIMITS for card in self.cards)

    def card(self, slot: int) -> Sim:
        return next((card for card in self.cards if card.slot == slot), Sim(slot=slot))

    def with_card(self, card: Sim) -> Device:
        others = [other for other in self.cards if other.slot != card.slot]
        return replace(self, cards=tuple(sorted([*others, card], key=lambda each: each.slot)))


def new_device_id() -> str:
    return secrets.token_hex(8)


@dataclass(frozen=True, kw_only=True, slots=True)
class Presence:
    """What this process has heard of a device since it started."""

    since: datetime | None = None
    """when it last came or went"""
    battery: int | None = None
    """percent"""
    version: str | None = None
    """of the program on it"""


class DeviceStore(Protocol):
    async def save_device(self, device: Device) -> None: ...
    async def unlink_device(self, device: Device) -> None: ...


async def _nobody_speaks(device: Device) -> None:
    return None


@dataclass(slots=True)
class _Park:
    """The devices of one account; counted by (SIM slots, has WhatsApp), so that a message is accepted without looking at each."""

    devices: dict[str, Device] = field(default_factory=dict)
    able: Counter[tuple[int, bool]] = field(default_factory=Counter)
    online: Counter[tuple[int, bool]] = field(default_factory=Counter)

    def count(self, device: Device, by: int, *, is_online: bool) -> None:
        kind = device.sims, device.whatsapp
        self.able[kind] += by
        if is_online:
            self.online[kind] += by

    def kinds(self) -> list[tuple[int, bool]]:
        return [kind for kind, count in self.able.items() if count]


_NO_DEVICES = _Park()


@dataclass(kw_only=True)
class Fleet:
    """What this process knows of the devices."""

    _devices: dict[str, Device] = field(default_factory=dict)
    _parks: dict[int, _Park] = field(default_factory=dict)
    """by account"""
    _online: set[str] = field(default_factory=set)
    on_change: Callable[[str], None] = lambda device: None
    on_link: Callable[[Device], Awaitable[None]] = _nobody_speaks
    """starts whatever speaks to the device"""
    on_unlink: Callable[[Device], Awaitable[None]] = _nobody_speaks
    """stops whatever speaks to the device; nothing that is in flight may be left when it returns"""
    store: DeviceStore | None = None
    """where changes are kept; None where nothing is"""
    _heard: dict[str, Presence] = field(default_factory=dict)
    _former: dict[str, int] = field(default_factory=dict)
    """devices that were unlinked, and whose they were"""

    def register(self, device: Device) -> None:
        known = self._devices.get(device.id)
        if known is not None:
            self._count(known, -1)
            if known.account_id != device.account_id:
                del self._parks[known.account_id].devices[device.id]
        self._devices[device.id] = device
        self._parks.setdefault(device.account_id, _Park()).devices[device.id] = device
        self._count(device, 1)

    def _count(self, device: Device, by: int) -> None:
        self._parks[device.account_id].count(device, by, is_online=device.id in self._online)

    def _forget(self, device: Device) -> None:
        self._count(device, -1)
        del self._devices[device.id], self._parks[device.account_id].devices[device.id]

    def get(self, account_id: int, device_id: str) -> Device | None:
        found = self._devices.get(device_id)
        return found if found is not None and found.account_id == account_id else None

    def current(self, device: Device) -> Device:
        """The device as it is now: its driver was built when it may have been another."""
        return self._devices.get(device.id, device)

    def all(self) -> list[Device]:
        return list(self._devices.values())

    def of(self, account_id: int) -> list[Device]:
        return list(self._parks.get(account_id, _NO_DEVICES).devices.values())

    def owner_of_number(self, account_id: int, number: str, country: str | None = None) -> tuple[Device, int | None] | None:
        """Which of the account's devices has the number, and in which SIM slot; None for the slot where the device has it as a whole.

        `number` is E.164; what the operator wrote without a country code is read as `country`'s. One that is online comes first.
        """
        found: list[tuple[Device, int | None]] = []
        for device in self.of(account_id):
            cards = {card.slot: card.number for card in device.cards if card.slot in device.slots}
            its = [*cards.items(), (None, device.phone_number)]
            slot = next((slot for slot, own in its if own and numbers.normalise_sender(own, country) == number), -1)
            if slot != -1:
                found.append((device, slot))
        return min(found, key=lambda each: not self.is_online(each[0].id), default=None)

    def number_of(self, account_id: int, device_id: str | None, sim: int | None, country: str | None = None) -> str | None:
        """Of the SIM in that slot, else of the device; E.164 as far as it can be read so. None where nobody has said."""
        device = None if device_id is None else self.get(account_id, device_id)
        if device is None:
            return None
        own = (sim and device.card(sim).number) or device.phone_number
        return numbers.normalise_sender(own, country) if own else None

    def owner(self, device_id: str) -> int | None:
        """The account that has the device, or had it until a moment ago: it may still be handing in what it has received."""
        device = self._devices.get(device_id)
        return self._former.get(device_id) if device is None else device.account_id

    def was_unlinked(self, device_id: str) -> bool:
        """Whether it was a device until this process unlinked it."""
        return device_id in self._former and device_id not in self._devices

    def online(self, device_id: str, is_online: bool, at: datetime | None = None) -> None:
        device = self._devices.get(device_id)
        if device is not None and is_online is not (device_id in self._online):
            self._parks[device.account_id].online[device.sims, device.whatsapp] += 1 if is_online else -1
        (self._online.add if is_online else self._online.discard)(device_id)
        if at is not None:
            self._heard[device_id] = replace(self.presence(device_id), since=at)
        self.on_change(device_id)

    def heard(self, device_id: str, *, battery: int | None = None, version: str | None = None) -> None:
        """What a device says of itself; None leaves what it said before."""
        known = self.presence(device_id)
        self._heard[device_id] = replace(
            known, battery=known.battery if battery is None else battery, version=known.version if version is None else version
        )

    def presence(self, device_id: str) -> Presence:
        return self._heard.get(device_id, Presence())

    async def update(
        self, account_id: int, device_id: str, *, label: str, phone_number: str | None = None, sync_sent: bool | None = None
    ) -> Device:
        """The device as it is now, kept. None leaves a field as it is, an empty phone number removes it. Raises NotFound, Invalid."""
        if len(label) > MOST_LABEL:
            raise Invalid("label", f"is longer than {MOST_LABEL} characters")
        if phone_number is not None and len(phone_number) > MOST_PHONE_NUMBER:
            raise Invalid("phone_number", f"is longer than {MOST_PHONE_NUMBER} characters")
        known = self._known(account_id, device_id)
        changed = replace(
            known,
            label=label,
            phone_number=known.phone_number if phone_number is None else phone_number or None,
            sync_sent=known.sync_sent if sync_sent is None else sync_sent,
        )
        await self.keep(changed)
        return changed

    async def restrict(self, account_id: int, device_id: str, *, slot: int | None = None, **changes: int | None) -> Device:
        """Changes the limits of the device, or of one of its SIMs: fields of Limits. Kept. Raises NotFound, Invalid."""
        known = self._known(account_id, device_id)
        if slot is None:
            changed = replace(known, limits=checked(replace(known.limits, **changes)))
        else:
            card = self._card(known, slot)
            changed = known.with_card(replace(card, limits=checked(replace(card.limits, **changes))))
        await self.keep(changed)
        self.on_change(device_id)
        return changed

    async def number_sim(self, account_id: int, device_id: str, slot: int, number: str) -> Device:
        """The number of the card in a slot; an empty one removes it. Raises NotFound, Invalid."""
        if len(number) > MOST_PHONE_NUMBER:
            raise Invalid("sim_number", f"is longer than {MOST_PHONE_NUMBER} characters")
        known = self._known(account_id, device_id)
        changed = known.with_card(replace(self._card(known, slot), number=number or None))
        await self.keep(changed)
        return changed

    async def set_slots(self, account_id: int, device_id: str, sims: int) -> Device:
        """How many SIM slots it has; if that is news it is spoken to anew, since what it can be asked for depends on it.

        Raises NotFound, Invalid: also of a device that sends no SMS, which would get some from then on.
        """
        known = self._known(account_id, device_id)
        if not known.sims:
            raise Invalid("sims", "this device sends no SMS")
        if not 1 <= sims <= MOST_SIMS:
            raise Invalid("sims", f"must be 1 to {MOST_SIMS}")
        if sims != known.sims:
            await self.link(replace(known, sims=sims))
        return self._known(account_id, device_id)

    def _card(self, device: Device, slot: int) -> Sim:
        if slot not in device.slots:
            raise Invalid("sim", f"must be from 1 to {device.sims}")
        return device.card(slot)

    async def keep(self, device: Device) -> None:
        """The device is as it is told here from now on; whatever speaks to it goes on."""
        if self.store is not None:
            await self.store.save_device(device)
        self.register(device)

    async def note(self, device_id: str, **config: str) -> None:
        """Remember something of a device for its driver; nothing is done for one that is not there."""
        known = self._devices.get(device_id)
        if known is not None:
            changed = replace(known, config={**known.config, **config})
            self.register(changed)  # at once, so that no change that is made meanwhile is written over
            if self.store is not None:
                await self.store.save_device(changed)

    async def link(self, device: Device) -> None:
        """The device is kept and spoken to; to one that is known already, anew."""
        await self.keep(device)
        await self.on_link(device)

    async def unlink(self, account_id: int, device_id: str) -> None:
        """The device is this account's no longer: nothing is accepted for it, whatever speaks to it is stopped, its messages go to the
        pool, the logs stay. Raises NotFound."""
        device = self._known(account_id, device_id)
        self._former[device_id] = account_id
        self._forget(device)
        try:
            await self.on_unlink(device)
            if self.store is not None:
                await self.store.unlink_device(device)
        except Exception:
            self.register(device)
            raise
        self._online.discard(device_id)
        self._heard.pop(device_id, None)
        self.on_change(device_id)

    def _known(self, account_id: int, device_id: str) -> Device:
        device = self.get(account_id, device_id)
        if device is None:
            raise NotFound("there is no such device")
        return device

    def is_online(self, device_id: str) -> bool:
        return device_id in self._online

    def choose_whatsapp(self, account_id: int, device_id: str | None) -> bool:
        """Whether a device that may send this by WhatsApp is online. Raises Invalid when the account has none, or the device cannot."""
        device = None if device_id is None else self.get(account_id, device_id)
        if device_id is not None and device is None:
            raise Invalid("device", "is not one of this account's devices")
        park = self._parks.get(account_id, _NO_DEVICES)
        if not (any(has_it for _, has_it in park.kinds()) if device is None else device.whatsapp):
            raise Invalid(
                "channels", "no phone of this account can send WhatsApp messages" if device is None else "this phone has no WhatsApp"
            )
        if device is not None:
            return device.id in self._online
        return any(count for (_, has_it), count in park.online.items() if has_it)

    def choose(self, account_id: int, device_id: str | None, sim: int | None) -> bool:
        """Whether a device that may send this is online. Raises Invalid for a device or SIM that the account does not have.

        With no device at all a message is accepted and waits, so a SIM can only be checked once there is one.
        """
        if device_id is not None:
            device = self.get(account_id, device_id)
            if device is None:
                raise Invalid("device", "is not one of this account's devices")
            if not device.sims:
                raise Invalid("device", "sends no SMS")
            if (sim or 1) > device.sims:
                raise Invalid("sim", "no device has this SIM slot")
            return device.id in self._online
        park = self._parks.get(account_id)
        if park is None:
            return False
        most = max((sims for sims, _ in park.kinds()), default=0)
        if most and (sim or 1) > most:
            raise Invalid("sim", "no device has this SIM slot")
        return any(count for (sims, _), count in park.online.items() if (sim or 1) <= sims)
