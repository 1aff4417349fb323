"""dragoman webhooks: who is called when something happens. The commands are those of adapters/commands/webhooks.py."""

from __future__ import annotations

from typing import Any, TextIO

import click

from adapters.cli_asking import Asking, asks, listed


@click.group()
def webhooks() -> None:
    """Webhooks: URLs that are called when something happens."""


@webhooks.command()
@click.argument("url")
@click.option("--account", help="whose events  [default: default]")
@click.option("--v2", is_flag=True, help="the signed format with an envelope; without it the six fields of a received message")
@click.option("--format", help="another format by its name: smrtphone")
@click.option("--events", multiple=True, help="which events; several separated by commas  [default: the usual ones]")
@click.option("--secret-file", type=click.File(), help="sign with what this file (or -) holds, not with a new secret")
@asks
def add(asking: Asking, v2: bool, events: tuple[str, ...], secret_file: TextIO | None, **given: Any) -> None:
    """Have URL called. The secret that signs the calls is shown once."""
    secret = None if secret_file is None else secret_file.read().strip()
    made = asking.ask("webhooks.add", v2=v2, events=listed(events), secret=secret, **given)
    asking.show_with_secret(made) if isinstance(made, dict) and made.get("secret") else asking.show(made)


@webhooks.command("list")
@click.option("--account", help="only this account's")
@asks
def show(asking: Asking, **given: Any) -> None:
    """All webhooks, and whether each is active."""
    asking.show(asking.ask("webhooks.list", **given))


@webhooks.command()
@click.argument("id", type=int)
@asks
def remove(asking: Asking, **given: Any) -> None:
    """Call it no more."""
    asking.show(asking.ask("webhooks.remove", **given))


@webhooks.command()
@click.argument("id", type=int)
@asks
def test(asking: Asking, **given: Any) -> None:
    """Call it with a test event."""
    asking.show(asking.ask("webhooks.test", **given))


@webhooks.command()
@click.argument("id", type=int)
@click.option("--finish", is_flag=True, default=None, help="from now on only the new secret counts")
@asks
def rotate(asking: Asking, **given: Any) -> None:
    """A new secret, shown once; for a while calls are signed with both."""
    made = asking.ask("webhooks.rotate", **given)
    asking.show_with_secret(made) if isinstance(made, dict) and made.get("secret") else asking.show(made)


@webhooks.command()
@click.argument("id", type=int)
@click.option("--state", help="only those that are waiting, done or dead")
@click.option("--limit", type=int, help="how many")
@asks
def deliveries(asking: Asking, **given: Any) -> None:
    """The calls that were made and that wait, the newest first."""
    asking.show(asking.ask("webhooks.deliveries", **given))


@webhooks.command()
@click.argument("id", type=int)
@click.option("--delivery", type=int, help="only this one")
@asks
def replay(asking: Asking, **given: Any) -> None:
    """Make the calls again that were given up."""
    asking.show(asking.ask("webhooks.replay", **given))


@webhooks.command()
@click.argument("id", type=int)
@asks
def resume(asking: Asking, **given: Any) -> None:
    """Go on calling a webhook that was paused."""
    asking.show(asking.ask("webhooks.resume", **given))
