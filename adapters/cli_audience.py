"""dragoman audience, dragoman campaigns. The commands are those of adapters/commands/audience.py and campaigns.py."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import click

from adapters.cli_asking import Asking, asks, listed

PORTION = 500
FAILED = 1
Line = tuple[int, dict[str, str]]


@click.group()
def audience() -> None:
    """Audience: contacts, sender codes, groups."""


@audience.command()
@click.option("--account", help="whose  [default: default]")
@click.option("--after", help="those after this number")
@click.option("--limit", type=int, help="how many, at most 1000  [default: 20]")
@asks
def contacts(asking: Asking, **given: Any) -> None:
    """Contacts, by number."""
    asking.show(asking.ask("audience.contacts", **given))


@audience.command("import")
@click.argument("file", type=click.File(encoding="utf-8-sig"))
@click.option("--account", help="whose contacts  [default: default]")
@click.option("--code", help="subscribe them to this sender code")
@click.option("--group", help="in this group, which is made if it is not there")
@asks
def bring(asking: Asking, file: TextIO, **given: Any) -> None:
    """Contacts from a CSV FILE (or -) whose first line names the columns: number, name, and others as you like."""
    count, subscribed, bad = 0, 0, 0
    for portion in _portions(asking, file):
        told = asking.ask("audience.import", lines=portion, **given)
        for line, why in told["bad"]:
            click.echo(f"line {line}: {why}", err=True)
        count, subscribed, bad = count + told["contacts"], subscribed + told["subscribed"], bad + len(told["bad"])
        click.echo(f"line {portion[-1][0]}: {count} contacts, {subscribed} subscribed, {bad} not readable", err=True)
    asking.show({"contacts": count, "subscribed": subscribed, "not_readable": bad})
    sys.exit(FAILED if bad else 0)


def _portions(asking: Asking, file: TextIO) -> Iterator[list[Line]]:
    reader = csv.DictReader(file, restkey="", restval="")
    if "number" not in (reader.fieldnames or ()):
        asking.fail("invalid", "the first line must name the columns, and one of them must be called number")
    portion: list[Line] = []
    for row in reader:
        portion.append((reader.line_num, {name: cell for name, cell in row.items() if name}))
        if len(portion) == PORTION:
            yield portion
            portion = []
    if portion:
        yield portion


@audience.command()
@click.option("--account", help="whose  [default: default]")
@asks
def codes(asking: Asking, **given: Any) -> None:
    """Sender codes: short codes and numbers that messages go by."""
    asking.show(asking.ask("audience.codes", **given))


@audience.command("set-code")
@click.argument("code")
@click.option("--account", help="whose  [default: default]")
@click.option("--label", help="what you call it")
@click.option("--sim", "sims", multiple=True, metavar="DEVICE:SLOT", help="a SIM that has it; several separated by commas  [default: any]")
@asks
def set_code(asking: Asking, sims: tuple[str, ...], **given: Any) -> None:
    """Make CODE a sender code, or change it."""
    asking.show(asking.ask("audience.code", sims=listed(sims), **given))


@audience.command("remove-code")
@click.argument("code")
@click.option("--account", help="whose  [default: default]")
@asks
def remove_code(asking: Asking, **given: Any) -> None:
    """Forget CODE and who is subscribed to it. Opt-outs stay."""
    asking.show(asking.ask("audience.remove_code", **given))


@audience.command()
@click.option("--account", help="whose  [default: default]")
@asks
def groups(asking: Asking, **given: Any) -> None:
    """Groups of subscribers."""
    asking.show(asking.ask("audience.groups", **given))


@audience.command()
@click.argument("number")
@click.option("--code", required=True, help="from which sender code")
@click.option("--account", help="whose  [default: default]")
@asks
def unsubscribe(asking: Asking, **given: Any) -> None:
    """End NUMBER's subscriptions. It is no opt-out: see dragoman optouts add."""
    asking.show(asking.ask("audience.unsubscribe", **given))


@click.group()
def campaigns() -> None:
    """Campaigns: one text to all subscribers."""


@campaigns.command()
@click.argument("name")
@click.argument("text")
@click.option("--code", required=True, help="by which sender code, to its subscribers")
@click.option("--group", help="only to those in this group")
@click.option("--account", help="in whose name  [default: default]")
@asks
def start(asking: Asking, **given: Any) -> None:
    """Send TEXT to all subscribers. Without a running server it waits for one."""
    asking.show(asking.ask("campaigns.start", **given))


@campaigns.command("list")
@click.option("--account", help="whose  [default: default]")
@asks
def show(asking: Asking, **given: Any) -> None:
    """All campaigns, the newest first."""
    asking.show(asking.ask("campaigns.list", **given))


@campaigns.command()
@click.argument("id", type=int)
@click.option("--account", help="whose  [default: default]")
@asks
def watch(asking: Asking, **given: Any) -> None:
    """How a campaign comes on, until nothing of it waits any more."""
    asking.show(asking.ask("campaigns.watch", **given))


@campaigns.command()
@click.argument("id", type=int)
@click.option("--account", help="whose  [default: default]")
@asks
def cancel(asking: Asking, **given: Any) -> None:
    """Send no more of it. What a phone has already may still go out."""
    asking.show(asking.ask("campaigns.cancel", **given))
