"""dragoman devices add-phone, remove: an operator's phones. What is asked of the server is in adapters/commands/devices.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from adapters.cli_asking import Asking, asks
from adapters.lan import own_names
from adapters.qr import qr_lines
from adapters.settings import Settings

BASE = "/mobile/v1"
CHANNEL = "SSE Only"
_TYPE_IN = """In the app SMSGate: Settings, Cloud Server

    API URL                 {api_url}
    Private Token           {secret}
    Notification channel    {notification_channel}

then close the app, open it again, switch "Cloud server" on and tap "Offline". The token is shown only now; it lets any number of phones
join the account {account}. What else there is to do on a phone: docs/phones.md
"""
_LOCAL = "Only this machine reaches that address: give --url, or set public_url, listen_tls or listen"
_PLAIN = "The app refuses plain HTTP, but for its variant app-insecure.apk: dragoman tls init, or a proxy with HTTPS, lets any phone in"


@click.command("add-phone")
@click.option("--account", help="which account it joins  [default: default]")
@click.option("--label", help="what you call the token")
@click.option("--url", help="under which address the phone reaches this server  [default: public_url, or where it listens]")
@asks
def add_phone(asking: Asking, url: str | None, **given: Any) -> None:
    """Say what to type into the app on a phone. It then joins by itself."""
    made = asking.ask("devices.token.new", **given)
    url = url or for_phones(asking.ask("devices.reached")["urls"] or listened_to(asking.settings))
    made |= {"api_url": url.rstrip("/") + BASE, "notification_channel": CHANNEL}
    if asking.is_json:
        return asking.show(made)
    click.echo(_TYPE_IN.format(**made))
    for line in qr_lines(made["api_url"]):
        click.echo(line)
    for warning in warnings(made["api_url"]):
        click.echo(f"\n{warning}.", err=True)


def listened_to(settings: Settings) -> list[str]:
    """Where a server with these settings will be reached."""
    if settings.public_url is not None:
        return [settings.public_url]
    return [*(f"https://{address}" for address in settings.listen_tls), *(f"http://{address}" for address in settings.listen)]


def for_phones(urls: Sequence[str]) -> str:
    """By HTTPS where there is that; for all addresses of this machine stands its own in the LAN."""
    scheme, _, address = min(urls, key=lambda url: not url.startswith("https:")).partition("://")
    host, _, port = address.rpartition(":")
    if host in ("0.0.0.0", "[::]"):
        found = own_names()[0]
        address = f"[{found}]:{port}" if ":" in found else f"{found}:{port}"
    return f"{scheme}://{address}"


def warnings(url: str) -> list[str]:
    is_local = "//127." in url or "//localhost" in url or "//[::1]" in url
    return [*[_LOCAL] * is_local, *[_PLAIN] * url.startswith("http:")]


@click.command()
@click.argument("id")
@asks
def remove(asking: Asking, **given: Any) -> None:
    """Let go of a device: its token works no more, its messages go to the account's other devices, the logs stay."""
    asking.show(asking.ask("devices.remove", **given))
