"""Devices: devices.list, devices.set, devices.remove. Only a running server knows which are online."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from adapters.commands import Command
from adapters.commands._arguments import Arguments, shown, text, whole
from service import keys
from service.errors import Invalid, NotFound
from service.fleet import Device
from service.gateway import Gateway
from service.pulling import SEEN

MOST_SIMS = 8


async def listed(gateway: Gateway, arguments: Arguments) -> list[dict[str, Any]]:
    """All, or an account's."""
    name = text(arguments, "account", "")
    owner = (await keys.account_named(gateway.accounts, name)).id if name else None
    names = await _names(gateway)
    return [_row(gateway, device, names) for device in await gateway.store.devices() if owner in (None, device.account_id)]


async def change(gateway: Gateway, arguments: Arguments) -> dict[str, Any]:
    """Those of label, number and sims that are given; the number `none` takes it away."""
    device = _named(gateway, arguments)
    number = text(arguments, "number", "") or None
    device = await gateway.fleet.update(
        device.account_id,
        device.id,
        label=text(arguments, "label", device.label),
        phone_number="" if number == "none" else number,
    )
    if "sims" in arguments:
        sims = whole(arguments, "sims")
        if not 1 <= sims <= MOST_SIMS:
            raise Invalid("sims", f"must be 1 to {MOST_SIMS}")
        device = replace(device, sims=sims)
        await gateway.fleet.link(device)  # what it can be asked for depends on it
    return _row(gateway, device, await _names(gateway))


async def remove(gateway: Gateway, arguments: Arguments) -> dict[str, Any]:
    device = _named(gateway, arguments)
    row = _row(gateway, device, await _names(gateway))
    await gateway.fleet.unlink(device.account_id, device.id)
    return row | {"online": False}


def _named(gateway: Gateway, arguments: Arguments) -> Device:
    id = text(arguments, "id")
    account_id = gateway.fleet.owner(id)
    device = None if account_id is None else gateway.fleet.get(account_id, id)
    if device is None:
        raise NotFound(f"there is no device {id!a}")
    return device


async def _names(gateway: Gateway) -> dict[int, str]:
    return {account.id: account.name for account in await gateway.accounts.store.accounts()}


def _row(gateway: Gateway, device: Device, names: dict[int, str]) -> dict[str, Any]:
    presence = gateway.fleet.presence(device.id)
    return {
        "id": device.id,
        "account": names.get(device.account_id),
        "kind": device.kind,
        "label": device.label,
        "phone_number": device.phone_number,
        "sims": device.sims,
        "online": gateway.fleet.is_online(device.id),
        "last_seen": shown(_seen(gateway, device)),
        "battery": presence.battery,
        "version": presence.version,
    }


def _seen(gateway: Gateway, device: Device) -> datetime | None:
    """When it last called, of a device that does; as it was written down when this process has not heard of it."""
    written = device.config.get(SEEN)
    return gateway.pulls.seen(device.id) or (datetime.fromisoformat(written) if written else None)


COMMANDS: dict[str, Command] = {"devices.list": listed, "devices.set": change, "devices.remove": remove}
