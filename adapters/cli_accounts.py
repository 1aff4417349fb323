"""dragoman accounts, dragoman devices, dragoman send, dragoman log, dragoman inbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from adapters.cli_asking import Asking, asks


@click.group()
def accounts() -> None:
    """Accounts: who owns keys, devices and messages."""


def _quotas(prefix: str, of: str) -> list[Callable[[Callable[..., Any]], Any]]:
    names = (("minute", "a minute"), ("hour", "an hour"), ("day", "a day of its time zone"))
    return [
        click.option(f"--{prefix}per-{name}", type=int, help=f"messages {shown} that are accepted {of}; 0: any number")
        for name, shown in names
    ]


def _fields(command: Callable[..., Any]) -> Callable[..., Any]:
    for flag in reversed(
        (
            click.option("--country", help="numbers without a country code are read as this country's: BE; none"),
            click.option("--time-zone", help="IANA name: Europe/Brussels"),
            click.option("--validity-s", type=int, help="how long a message may wait, in seconds: 60 to 604800"),
            click.option("--trial-limit", type=int, help="make it a trial with so many messages; -1: a regular account"),
            click.option(
                "--resend-unknown/--no-resend-unknown",
                default=None,
                help="whether a message whose outcome is unknown is sent again, at the price of a possible double",
            ),
            click.option("--sticky/--no-sticky", default=None, help="whether a recipient hears from the same phone again where possible"),
            *_quotas("", "for it"),
            *_quotas("number-", "for each of its numbers"),
            *_quotas("device-", "for each of its phones"),
        )
    ):
        command = flag(command)
    return command


@accounts.command()
@click.argument("name")
@_fields
@asks
def add(asking: Asking, **given: Any) -> None:
    """Make an account. It has no key yet: dragoman keys create --account NAME."""
    asking.show(asking.ask("accounts.add", **given))


@accounts.command("list")
@asks
def show(asking: Asking) -> None:
    """All accounts."""
    asking.show(asking.ask("accounts.list"))


@accounts.command("set")
@click.argument("name")
@_fields
@asks
def change(asking: Asking, **given: Any) -> None:
    """Change what is given, keep the rest."""
    asking.show(asking.ask("accounts.set", **given))


@click.group()
def devices() -> None:
    """Devices: what puts messages on the air."""


@devices.command("list")
@click.option("--account", help="only this account's")
@asks
def show_devices(asking: Asking, **given: Any) -> None:
    """All devices; only a running server knows which are online."""
    asking.show(asking.ask("devices.list", **given))


@devices.command("set")
@click.argument("id")
@click.option("--label", help="what you call it")
@click.option("--number", help="its number; empty: none")
@click.option("--sims", type=int, help="how many SIM slots it has, where it may not say")
@click.option("--sim", type=int, help="the SIM slot that the following are about, instead of the whole device")
@click.option("--sim-number", help="the number of the SIM in that slot; empty: none")
@click.option("--per-minute", type=int, help="messages a minute at most; 0: any number")
@click.option("--per-hour", type=int, help="messages an hour at most; 0: any number")
@click.option("--per-day", type=int, help="messages in 24 hours at most; 0: any number")
@click.option("--quiet", metavar="HH:MM-HH:MM", help="when it sends nothing, in its time zone or the account's: 22:00-07:00")
@click.option("--no-quiet", is_flag=True, default=None, help="no quiet hours")
@asks
def change_device(asking: Asking, **given: Any) -> None:
    """Change what is given, keep the rest."""
    asking.show(asking.ask("devices.set", **given))


@click.command()
@click.argument("recipients", nargs=-1, required=True)
@click.argument("text")
@click.option("--account", help="in whose name  [default: default]")
@click.option("--device", help="by which device")
@click.option("--sim", type=int, help="by which SIM slot")
@asks
def send(asking: Asking, recipients: tuple[str, ...], **given: Any) -> None:
    """Send TEXT to RECIPIENTS. Without a running server it waits for one."""
    asking.show(asking.ask("messages.send", recipients=list(recipients), **given))


@click.command()
@click.option("--account", help="whose  [default: default]")
@click.option("--id", help="only the message with this id")
@click.option("--limit", type=int, help="how many, at most 200  [default: 20]")
@asks
def log(asking: Asking, **given: Any) -> None:
    """What was sent, the newest first."""
    asking.show(asking.ask("messages.log", **given))


@click.command()
@click.option("--account", help="whose  [default: default]")
@click.option("--unread", is_flag=True, default=None, help="only what is not marked as read")
@click.option("--from", "sender", help="only of this number or name")
@click.option("--after", help="only what was kept after a date, a time, or so long ago: 2026-12-31, 12h, 30d")
@click.option("--limit", type=int, help="how many, at most 500  [default: 20]")
@click.option("--mark-read", is_flag=True, default=None, help="mark what is shown as read")
@asks
def inbox(asking: Asking, sender: str | None, **given: Any) -> None:
    """What was received, the newest first, with its text."""
    asking.show(asking.ask("messages.inbox", **given, **{"from": sender}))
