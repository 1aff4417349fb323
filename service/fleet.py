"""Devices: which there are, whose they are, which are online."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from service.errors import Invalid


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
    """how many SIM slots it has"""
    time_zone: str | None = None
    """IANA name, when it told one"""
    whatsapp: bool = False
    """whether it can send WhatsApp messages"""


def new_device_id() -> str:
    return secrets.token_hex(8)


@dataclass(kw_only=True)
class Fleet:
    """What this process knows of the devices."""

    _devices: dict[str, Device] = field(default_factory=dict)
    _online: set[str] = field(default_factory=set)
    on_change: Callable[[str], None] = lambda device: None

    def register(self, device: Device) -> None:
        self._devices[device.id] = device

    def get(self, account_id: int, device_id: str) -> Device | None:
        found = self._devices.get(device_id)
        return found if found is not None and found.account_id == account_id else None

    def of(self, account_id: int) -> list[Device]:
        return [d for d in self._devices.values() if d.account_id == account_id]

    def owner(self, device_id: str) -> int:
        """The account that has the device."""
        return self._devices[device_id].account_id

    def online(self, device_id: str, is_online: bool) -> None:
        (self._online.add if is_online else self._online.discard)(device_id)
        self.on_change(device_id)

    def is_online(self, device_id: str) -> bool:
        return device_id in self._online

    def choose_whatsapp(self, account_id: int, device_id: str | None) -> bool:
        """Whether a device that may send this by WhatsApp is online. Raises Invalid when the account has none, or the device cannot."""
        device = None if device_id is None else self.get(account_id, device_id)
        if device_id is not None and device is None:
            raise Invalid("device", "is not one of this account's devices")
        able = [d for d in (self.of(account_id) if device is None else [device]) if d.whatsapp]
        if not able:
            raise Invalid(
                "channels", "no phone of this account can send WhatsApp messages" if device is None else "this phone has no WhatsApp"
            )
        return any(d.id in self._online for d in able)

    def choose(self, account_id: int, device_id: str | None, sim: int | None) -> bool:
        """Whether a device that may send this is online. Raises Invalid for a device or SIM that the account does not have.

        With no device at all a message is accepted and waits, so a SIM can only be checked once there is one.
        """
        if device_id is not None:
            device = self.get(account_id, device_id)
            if device is None:
                raise Invalid("device", "is not one of this account's devices")
            candidates = [device]
        else:
            candidates = self.of(account_id)
        able = [d for d in candidates if sim is None or sim <= d.sims]
        if candidates and not able:
            raise Invalid("sim", "no device has this SIM slot")
        return any(d.id in self._online for d in able)
