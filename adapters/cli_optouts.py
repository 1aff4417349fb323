"""dragoman optouts: who is not written to. The commands are those of adapters/commands/optouts.py."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import click

from adapters.cli_asking import Asking, asks

PAGE = 1_000
PORTION = 5_000
FAILED = 1
_COLUMNS = ("number", "code", "source", "by", "since")
_HISTORY = ("id", "at", "number", "code", "what", "source", "by")


@click.group()
def optouts() -> None:
    """Opt-outs: who is not written to, by any API."""


@optouts.command("list")
@click.option("--account", help="whose  [default: default]")
@click.option("--number", help="only of this number")
@click.option("--history", is_flag=True, help="every change, the newest first")
@click.option("--limit", type=int, help="how many, at most 1000  [default: 20]")
@asks
def show(asking: Asking, history: bool, **given: Any) -> None:
    """Who is not written to, by number."""
    asking.show(asking.ask("optouts.history" if history else "optouts.list", **given))


@optouts.command()
@click.argument("numbers", nargs=-1)
@click.option("--account", help="whose messages  [default: default]")
@click.option("--code", help="only what goes by this sender code")
@click.option("--file", "lines", type=click.File(encoding="utf-8-sig"), help="a CSV file (or -) with numbers in its first column")
@asks
def add(asking: Asking, numbers: tuple[str, ...], lines: TextIO | None, **given: Any) -> None:
    """Write to NUMBERS no more; what waits for them is cancelled."""
    if lines is None:
        return asking.show(asking.ask("optouts.add", numbers=list(numbers), **given))
    count, bad, by = 0, 0, Path(lines.name).name
    for portion in _portions(lines):
        told = asking.ask("optouts.import", lines=portion, by=by, **given)
        for line, why in told["bad"]:
            click.echo(f"line {line}: {why}", err=True)
        count, bad = count + told["opted_out"], bad + len(told["bad"])
        click.echo(f"line {portion[-1][0]}: {count} opted out, {bad} not readable", err=True)
    asking.show({"opted_out": count, "not_readable": bad})
    sys.exit(FAILED if bad else 0)


def _portions(lines: TextIO) -> Iterator[list[tuple[int, str]]]:
    """Line by line the number in the first column; a first line that says "number" is a heading."""
    portion: list[tuple[int, str]] = []
    reader = csv.reader(lines)
    for row in reader:
        number = row[0].strip() if row else ""
        if number and not (reader.line_num == 1 and number.lower() == "number"):
            portion.append((reader.line_num, number))
        if len(portion) == PORTION:
            yield portion
            portion = []
    if portion:
        yield portion


@optouts.command()
@click.argument("numbers", nargs=-1, required=True)
@click.option("--account", help="whose messages  [default: default]")
@click.option("--code", help="only what is of this sender code; without it all that there is")
@asks
def remove(asking: Asking, numbers: tuple[str, ...], **given: Any) -> None:
    """NUMBERS may be written to again. Only when they have asked for it."""
    asking.show(asking.ask("optouts.remove", numbers=list(numbers), **given))


@optouts.command()
@click.argument("word", required=False, type=click.Choice(["stop", "start", "help"]))
@click.argument("text", required=False)
@click.option("--account", help="whose answer  [default: default]")
@asks
def reply(asking: Asking, **given: Any) -> None:
    """What handsets are answered to WORD from now on: TEXT, or nothing if it is empty. Without a word: what they are answered."""
    asking.show(asking.ask("optouts.reply", **given))


@optouts.command()
@click.option("--account", help="whose  [default: default]")
@click.option("--history", is_flag=True, help="every change, the newest first")
@click.option("--output", type=click.File("w"), default="-", help="the file  [default: standard output]")
@asks
def export(asking: Asking, history: bool, output: TextIO, **given: Any) -> None:
    """All of it as CSV."""
    columns = _HISTORY if history else _COLUMNS
    writer = csv.DictWriter(output, columns)
    writer.writeheader()
    place: dict[str, Any] = {}
    while page := asking.ask("optouts.history" if history else "optouts.list", limit=PAGE, **place, **given):
        writer.writerows(page)
        place = {"before": page[-1]["id"]} if history else {"after": [page[-1]["number"], page[-1]["code"]]}
