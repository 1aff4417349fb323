"""`dragoman optouts` as an operator types it, over a real control socket and a gateway in memory."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from pathlib import Path

from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from adapters import control
from adapters.apis import health
from adapters.cli import dragoman
from adapters.cli_optouts import PORTION, _portions
from service.accounts import Account
from tests.apis.gateway import MemoryGateway
from tests.fakes import RecordingLog, on_the_loop


class Desk:
    """An operator beside a running gateway with the account `default`."""

    def __init__(self, folder: Path, noun: str = "optouts") -> None:
        self.folder, self.noun, self.at = folder, noun, MemoryGateway(health.api)

    async def run(self, *line: str) -> Result:
        if await self.at.store.find_account("default") is None:
            await self.at.store.create_account(Account(id=0, name="default", default_country="BE"))
        stop = await control.listen(self.folder, self.at.gateway, log=RecordingLog())
        try:
            arguments = [self.noun, *line, "--data", str(self.folder)]
            return await asyncio.to_thread(CliRunner().invoke, dragoman, arguments)
        finally:
            await stop()

    async def json(self, *line: str) -> object:
        result = await self.run(*line, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@on_the_loop
async def test_an_operator_adds_lists_and_removes(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert await desk.json("add", "0495 00 00 01", "+32495000002") == {"opted_out": 2}
    assert await desk.json("add", "0495000001", "--code", "1234") == {"opted_out": 1}
    row = {"number": "+32495000001", "code": "", "source": "operator", "by": "", "since": "2026-03-20T12:00:00Z"}
    assert await desk.json("list", "--number", "0495000001") == [row, {**row, "code": "1234"}]
    assert await desk.json("remove", "0495000001") == {"lifted": 1}
    history = await desk.json("list", "--history", "--limit", "2")
    assert isinstance(history, list)
    assert [(line["what"], line["code"]) for line in history] == [("in", "1234"), ("in", "")]


@on_the_loop
async def test_bad_lines_of_a_file_are_said_and_the_others_count(tmp_path: Path) -> None:
    file = tmp_path / "old.csv"
    file.write_text("number,name\n0495000001,Anne\n\nAnne,0495000002\n0495000003,\n")
    desk = Desk(tmp_path)
    result = await desk.run("add", "--file", str(file))
    assert (result.exit_code, result.stderr.splitlines()[0]) == (1, "line 4: 'Anne' is not a phone number")
    rows = await desk.json("list")
    assert isinstance(rows, list)
    assert [(row["number"], row["source"], row["by"]) for row in rows] == [
        ("+32495000001", "import", "old.csv"),
        ("+32495000003", "import", "old.csv"),
    ]


@on_the_loop
async def test_an_export_has_everything_however_much_it_is(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    numbers = [f"+324950{i:05}" for i in range(2_001)]
    await desk.json("add", *numbers)
    for more in ([], ["--history"]):
        file = tmp_path / "out.csv"
        assert (await desk.run("export", "--output", str(file), *more)).exit_code == 0
        with file.open() as lines:
            assert sorted(row["number"] for row in csv.DictReader(lines)) == numbers


@on_the_loop
async def test_answers_are_set_shown_and_taken_away(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert await desk.json("reply", "help", "Acme.") == {"stop": None, "start": None, "help": "Acme."}
    assert await desk.json("reply", "help", "") == await desk.json("reply") == {"stop": None, "start": None, "help": None}
    assert (await desk.run("reply", "help")).exit_code == 1


_CELL = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)


@given(rows=st.lists(st.lists(_CELL, min_size=1, max_size=3), max_size=20))
def test_whatever_a_csv_file_holds_its_first_cells_are_read(rows: list[list[str]]) -> None:
    written = io.StringIO(newline="")
    csv.writer(written).writerows([["number"], *rows])
    written.seek(0)
    read = [number for portion in _portions(written) for _, number in portion]
    assert read == [row[0].strip() for row in rows if row[0].strip()]


def test_a_long_file_comes_in_portions() -> None:
    lines = io.StringIO("\n".join(str(10**9 + i) for i in range(2 * PORTION + 1)))
    assert [len(portion) for portion in _portions(lines)] == [PORTION, PORTION, 1]
