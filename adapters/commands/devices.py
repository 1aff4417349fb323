"""Devices: devices.list."""

from __future__ import annotations

from typing import Any

from adapters.commands import Command
from adapters.commands._arguments import Arguments, text
from service import keys
from service.gateway import Gateway


async def listed(gateway: Gateway, arguments: Arguments) -> list[dict[str, Any]]:
    """All, or an account's. Only a running server knows which are online."""
    name = text(arguments, "account", "")
    owner = (await keys.account_named(gateway.accounts, name)).id if name else None
    names = {account.id: account.name for account in await gateway.accounts.store.accounts()}
    return [
        {
            "id": device.id,
            "account": names.get(device.account_id),
            "kind": device.kind,
            "label": device.label,
            "phone_number": device.phone_number,
            "sims": device.sims,
            "online": gateway.fleet.is_online(device.id),
        }
        for device in await gateway.store.devices()
        if owner in (None, device.account_id)
    ]


COMMANDS: dict[str, Command] = {"devices.list": listed}
