"""What the commands of the command line share: whom to ask, how to show the answer, with which exit status to end.

0: done. 1: refused or failed, said on standard error (with --json as JSON). 2: the command line or a setting is wrong.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adapters import control, offline
from adapters import settings as setting
from adapters.control import CommandFailed
from adapters.data_folder import DataFolder
from adapters.log import configure
from adapters.settings import Settings, SettingsError
from service.gateway import Gateway

FAILED = 1
WRONG_SETTINGS = 2
_WIDTH = 200
"""of a table that goes into a file or a pipe"""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Asks the server of a data folder, or does the command where none runs; shows the answer."""

    settings: Settings
    is_json: bool

    def ask(self, command: str, **arguments: Any) -> Any:
        """The result. An argument that is None was not given. Ends the program when the command fails."""
        given = {name: value for name, value in arguments.items() if value is not None}
        if not self.settings.data.is_dir():
            self.fail("not_found", f"there is no data folder {self.settings.data}: start the server once, or name another with --data")
        try:
            return asyncio.run(control.ask(self.settings.data, command, given, open_gateway=self._open, on_progress=self._progress))
        except CommandFailed as failed:
            self.fail(failed.kind, str(failed))

    def _open(self, folder: DataFolder) -> AbstractAsyncContextManager[Gateway]:
        return offline.open_gateway(self.settings, folder, configure(self.settings.log))

    def _progress(self, said: Any) -> None:
        click.echo(json.dumps({"progress": said}) if self.is_json else _word(said), err=True)

    def fail(self, kind: str, why: str) -> NoReturn:
        """Say why it was not done, and end the program."""
        click.echo(json.dumps({"error": kind, "why": why}) if self.is_json else f"error: {why}", err=True)
        sys.exit(FAILED)

    def show(self, result: Any) -> None:
        """A list of rows as a table, one row as lines of name and value; with --json as it is."""
        if self.is_json:
            click.echo(json.dumps(result, ensure_ascii=False))
        elif isinstance(result, list):
            _print(_table(result) if result else "none")
        elif isinstance(result, Mapping):
            _print(_lines(result))
        else:
            _print("done" if result is None else escape(_word(result)))

    def show_with_secret(self, result: Mapping[str, Any]) -> None:
        """The same, and its `secret`, which is shown this once."""
        if self.is_json:
            return self.show(result)
        self.show({name: value for name, value in result.items() if name != "secret"})
        click.echo(f"\nThe secret, shown only now:\n\n    {result['secret']}\n")


def asks(command: Callable[..., None]) -> Callable[..., Any]:
    """A command whose first argument is an Asking, with the options that one needs."""

    @click.option("--config", type=click.Path(path_type=Path), help="the TOML file with settings that the server uses, if it does")
    @click.option("--data", metavar="FOLDER", help="the data folder  [env DRAGOMAN_DATA; default: data]")
    @click.option("--json", "is_json", is_flag=True, help="answer with one line of JSON")
    @functools.wraps(command)
    def run(*, config: Path | None, data: str | None, is_json: bool, **arguments: Any) -> None:
        try:
            settings = setting.read(config=config, flags={"data": data}, environment=os.environ)
        except SettingsError as wrong:
            for complaint in wrong.complaints:
                click.echo(f"error: {complaint}", err=True)
            sys.exit(WRONG_SETTINGS)
        command(Asking(settings=settings, is_json=is_json), **arguments)

    return run


def listed(values: Sequence[str]) -> list[str] | None:
    """A repeated option, each value of which may hold several, separated by commas; None when it was not given."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()] or None


def _print(what: Any) -> None:
    # without emoji, since a fingerprint with :CD: in it would be shown a disc
    console = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False, emoji=False)
    console.print(what)


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table()
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(escape(_word(value)) for value in row.values()))
    return table


def _lines(row: Mapping[str, Any]) -> Table:
    table = Table(box=None, show_header=False)
    for name, value in row.items():
        table.add_row(name.replace("_", " "), escape(_word(value)))
    return table


def _word(value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)
