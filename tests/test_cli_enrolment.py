"""What the commands about joining phones ask: their names and arguments, and what is shown once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from adapters import control
from adapters.apis import health
from adapters.cli import dragoman
from tests.apis.gateway import MemoryGateway
from tests.fakes import RecordingLog, on_the_loop

GOOD = "correct horse battery"
ASKED: list[tuple[list[str], str | None, str, dict[str, Any], bool]] = [
    (["devices", "token", "new"], None, "devices.token.new", {}, True),
    (["devices", "token", "new", "--account", "a", "--label", "b"], None, "devices.token.new", {"account": "a", "label": "b"}, True),
    (["devices", "token", "list"], None, "devices.token.list", {}, False),
    (["devices", "token", "list", "--account", "a"], None, "devices.token.list", {"account": "a"}, False),
    (["devices", "token", "revoke", "0a1b"], None, "devices.token.revoke", {"id": "0a1b"}, False),
    (["devices", "code", "--account", "a"], None, "devices.code", {"account": "a"}, True),
    (["accounts", "password", "a"], None, "accounts.password", {"name": "a"}, True),
    (["accounts", "password", "a", "--prompt"], f"{GOOD}\n{GOOD}\n", "accounts.password", {"name": "a", "password": GOOD}, False),
]


@pytest.mark.parametrize(("line", "typed", "command", "arguments", "is_shown"), ASKED)
@on_the_loop
async def test_each_line_asks_its_command(
    tmp_path: Path, line: list[str], typed: str | None, command: str, arguments: dict[str, Any], is_shown: bool
) -> None:
    asked: list[dict[str, Any]] = []

    async def answer(gateway: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        asked.append(arguments)
        return {"id": 3, **({"secret": "s3cret"} if is_shown else {})}

    stop = await control.listen(tmp_path, MemoryGateway(health.api).gateway, log=RecordingLog(), commands={command: answer})
    try:
        result = await asyncio.to_thread(CliRunner().invoke, dragoman, [*line, "--data", str(tmp_path)], input=typed)
    finally:
        await stop()
    assert result.exit_code == 0, result.output
    assert asked == [arguments]
    assert ("s3cret" in result.output and "shown only now" in result.output) is is_shown
    assert GOOD not in result.output
