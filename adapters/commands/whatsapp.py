"""WhatsApp devices: whatsapp.add_cloud, whatsapp.add_waha, whatsapp.key. They stand among the others in devices.list."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from adapters.commands import Command
from adapters.commands._arguments import Arguments, text, text_or_none
from adapters.wire.whatsapp import HOOKS, KIND
from service import keys
from service.accounts import new_secret
from service.errors import Invalid, NotFound
from service.fleet import Device, new_device_id
from service.gateway import Gateway


async def add_cloud(gateway: Gateway, arguments: Arguments) -> dict[str, Any]:
    """A number at Meta's Cloud API. `app_secret` is what Meta signs its calls to us with."""
    number_id, version = text(arguments, "phone_number_id"), text(arguments, "version", "")
    if not re.fullmatch(r"\d{1,32}", number_id):
        raise Invalid("phone_number_id", "must be the digits that Meta shows as Phone number ID, not the number itself")
    if version and not re.fullmatch(r"v\d+\.\d+", version):
        raise Invalid("version", "must be a version of the Graph API, for example v23.0")
    config = {"dialect": "cloud", "phone_number_id": number_id, "version": version, "url": _url(arguments, "url", "")}
    config |= {name: text(arguments, name, "") for name in ("template", "language")}
    given = {"key": _printable(arguments, "token"), "secret": _printable(arguments, "app_secret"), "verify_token": new_secret()}
    device = await _add(gateway, arguments, config, given, f"WhatsApp {number_id}")
    return {**_row(gateway, device), "subscribe_to": ["messages"], "secret": given["verify_token"]}


async def add_waha(gateway: Gateway, arguments: Arguments) -> dict[str, Any]:
    """A session of a WAHA server, which signs its calls to us with the secret that is made here."""
    session = text(arguments, "session", "default")
    if not re.fullmatch(r"[\w.-]{1,64}", session, re.ASCII):
        raise Invalid("session", "must be the session's name: letters, digits, dots, dashes")
    config = {"dialect": "waha", "url": _url(arguments, "url"), "session": session}
    given = {"key": _printable(arguments, "key"), "secret": secrets.token_hex(32)}
    device = await _add(gateway, arguments, config, given, f"WhatsApp {session}")
    return {**_row(gateway, device), "subscribe_to": ["message", "message.ack"], "secret": given["secret"]}


async def key(gateway: Gateway, arguments: Arguments) -> dict[str, Any]:
    """Another token for the Cloud API, or another key for WAHA; messages wait while the device is connected anew."""
    id = text(arguments, "id")
    device = next((d for d in gateway.fleet.all() if d.id == id and d.kind == KIND), None)
    if device is None:
        raise NotFound("there is no such WhatsApp device; dragoman devices list shows them")
    kept = await gateway.enrolment.secrets(device.id)
    await gateway.enrolment.set_secrets(device.id, {**kept, "key": _printable(arguments, "key")})
    await gateway.fleet.link(device)
    return _row(gateway, device)


async def _add(gateway: Gateway, arguments: Arguments, config: dict[str, str], given: dict[str, str], label: str) -> Device:
    account = await keys.account_named(gateway.accounts, text(arguments, "account", "default"))
    device = Device(id=new_device_id(), account_id=account.id, kind=KIND, label=text(arguments, "label", label), sims=0, whatsapp=True)
    device = replace(
        device, phone_number=text_or_none(arguments, "number"), config={name: value for name, value in config.items() if value}
    )
    await gateway.fleet.keep(device)
    await gateway.enrolment.set_secrets(device.id, given)
    await gateway.fleet.link(device)
    return device


def _row(gateway: Gateway, device: Device) -> dict[str, Any]:
    host = gateway.links.public_url or "https://YOUR-PUBLIC-URL"
    return {"id": device.id, "label": device.label, "hook": f"{host}{HOOKS}/{device.id}"}


def _url(arguments: Arguments, name: str, default: str | None = None) -> str:
    value = text(arguments, name, default).rstrip("/")
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
        raise Invalid(name, "must be an http or https address without a query")
    return value


def _printable(arguments: Arguments, name: str) -> str:
    """A secret that goes into a header."""
    value = text(arguments, name).strip()
    if not re.fullmatch(r"[!-~]{1,1000}", value):
        raise Invalid(name, "must be printable ASCII characters without spaces")
    return value


COMMANDS: dict[str, Command] = {"whatsapp.add_cloud": add_cloud, "whatsapp.add_waha": add_waha, "whatsapp.key": key}
