"""Devices: devices.list, devices.set, devices.remove. Only a running server knows which are online."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from adapters.commands import Command
from adapters.commands._arguments import Arguments, flag, shown, text, whole
from service import keys
from service.accounts import Account
from service.errors import Invalid, NotFound
from service.fleet import Device
from service.gateway import Gateway
from service.limits import Limits
from service.numbers import normalise_sender
from service.pulling import SEEN
from service.traffic import wait_of

_QUIET = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]):([0-5]\d)")


async def listed(gateway: Gateway, arguments: Arguments) -> list[dict[str, Any]]:
    """All, or an account's."""
    name = text(arguments, "account", "")
    owner = (await keys.account_named(gateway.accounts, name)).id if name else None
    names = {account.id: account.name for account in await gateway.accounts.store.accounts()}
    return [
        await _row(gateway, gateway.fleet.current(device), names.get(device.account_id))
        for device in await gateway.store.devices()
        if owner in (None, device.account_id)
    ]


async def reached(gateway: Gateway, arguments: Arguments) -> dict[str, Any]:
    """Where devices that call us reach this very server; nowhere, where none runs."""
    return {"urls": gateway.urls}


async def remove(gateway: Gateway, arguments: Arguments) -> dict[str, Any]:
    device, account = await _named(gateway, arguments)
    row = await _row(gateway, device, account.name)
    await gateway.fleet.unlink(device.account_id, device.id)
    return row | {"online": False}


async def _named(gateway: Gateway, arguments: Arguments) -> tuple[Device, Account]:
    id = text(arguments, "id")
    device = next((device for device in gateway.fleet.all() if device.id == id), None)
    account = await gateway.store.account(device.account_id) if device is not None else None
    if device is None or account is None:
        raise NotFound(f"there is no device {id!a}")
    return device, account


def _seen(gateway: Gateway, device: Device) -> datetime | None:
    """When it last called, of a device that does; as it was written down when this process has not heard of it."""
    written = device.config.get(SEEN)
    return gateway.pulls.seen(device.id) or (datetime.fromisoformat(written) if written else None)


async def _row(gateway: Gateway, device: Device, account: str | None) -> dict[str, Any]:
    presence = gateway.fleet.presence(device.id)
    wait = await wait_of(gateway.outcome.dispatch.traffic, gateway.store, gateway.fleet, device, gateway.clock())
    return {
        "id": device.id,
        "account": account,
        "kind": device.kind,
        "label": device.label,
        "phone_number": device.phone_number,
        "sims": device.sims,
        "limits": list(_limits(device)),
        "online": gateway.fleet.is_online(device.id),
        "waiting": wait.count,
        "waiting_reason": wait.reason or None,
        "last_seen": shown(_seen(gateway, device)),
        "battery": presence.battery,
        "version": presence.version,
    }


def _limits(device: Device) -> Iterator[str]:
    yield from _words(device.limits)
    for card in device.cards:
        whose = f"SIM {card.slot}" + (f" ({card.number})" if card.number else "")
        yield f"{whose}: {', '.join(_words(card.limits))}" if list(_words(card.limits)) else whose


def _words(limits: Limits) -> Iterator[str]:
    for most, name, _ in limits.windows():
        yield f"{most} {name}"
    if limits.quiet_from is not None and limits.quiet_until is not None:
        begins, ends = divmod(limits.quiet_from, 60), divmod(limits.quiet_until, 60)
        yield f"quiet {begins[0]:02d}:{begins[1]:02d}-{ends[0]:02d}:{ends[1]:02d}"


async def change(gateway: Gateway, arguments: Arguments) -> dict[str, Any]:
    """Label, number and SIM slots of a device; limits of it, or with `sim` of one of its SIMs. 0 takes a limit away, "" the number."""
    fleet, (device, account) = gateway.fleet, await _named(gateway, arguments)
    id = device.id
    slot, changes = whole(arguments, "sim") if "sim" in arguments else None, _changes(arguments)
    number, sim_number = (_number(arguments, name, account.default_country) for name in ("number", "sim_number"))
    if sim_number is not None and slot is None:
        raise Invalid("sim_number", "needs the slot: --sim 1")
    if changes or slot is not None:
        device = await fleet.restrict(account.id, id, slot=slot, **changes)
    if sim_number is not None and slot is not None:
        device = await fleet.number_sim(account.id, id, slot, sim_number)
    if number is not None or "label" in arguments:
        device = await fleet.update(
            account.id, id, label=text(arguments, "label", "") if "label" in arguments else device.label, phone_number=number
        )
    if "sims" in arguments:
        device = await fleet.set_slots(account.id, id, whole(arguments, "sims"))
    return await _row(gateway, device, account.name)


def _number(arguments: Arguments, name: str, country: str | None) -> str | None:
    return normalise_sender(text(arguments, name, ""), country) if name in arguments else None


def _changes(arguments: Arguments) -> dict[str, int | None]:
    changes: dict[str, int | None] = {
        name: whole(arguments, name) or None for name in ("per_minute", "per_hour", "per_day") if name in arguments
    }
    if flag(arguments, "no_quiet"):
        changes |= {"quiet_from": None, "quiet_until": None}
    elif "quiet" in arguments:
        found = _QUIET.fullmatch(text(arguments, "quiet").strip())
        if found is None:
            raise Invalid("quiet", "must be two times of the day, for example 22:00-07:00")
        from_hour, from_minute, until_hour, until_minute = map(int, found.groups())
        changes |= {"quiet_from": from_hour * 60 + from_minute, "quiet_until": until_hour * 60 + until_minute}
    return changes


COMMANDS: dict[str, Command] = {"devices.list": listed, "devices.set": change, "devices.remove": remove, "devices.reached": reached}
