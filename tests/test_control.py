"""The control socket: for its owner only, one line asks, lines answer, and nothing that was said is in the log. And without a server."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters import control, offline
from adapters.apis import health
from adapters.control import CommandFailed
from adapters.data_folder import open_folder
from adapters.settings import Settings
from service.accounts import Account, Scope
from service.gateway import Gateway
from tests.apis.gateway import MemoryGateway
from tests.fakes import RecordingLog, on_the_loop


@asynccontextmanager
async def served(folder: Path, commands: Any = None) -> AsyncIterator[tuple[MemoryGateway, RecordingLog]]:
    at, log = MemoryGateway(health.api), RecordingLog()
    await at.store.create_account(Account(id=0, name="default"))
    stop = await control.listen(folder, at.gateway, log=log, commands=commands)
    try:
        yield at, log
    finally:
        await stop()


async def ask(folder: Path, command: str, /, wait_s: float = 5.0, **arguments: Any) -> Any:
    def open_gateway(held: Any) -> Any:
        return offline.open_gateway(Settings(data=folder), held, RecordingLog())

    return await control.ask(folder, command, arguments, open_gateway=open_gateway, wait_s=wait_s)


async def say(folder: Path, *lines: bytes) -> list[dict[str, Any]]:
    reader, writer = await asyncio.open_unix_connection(str(folder / control.SOCKET))
    writer.write(b"".join(line + b"\n" for line in lines))
    writer.write_eof()
    answers = [json.loads(line) for line in (await reader.read()).splitlines()]
    writer.close()
    return answers


@on_the_loop
async def test_the_socket_is_for_its_owner_and_goes_with_the_server(tmp_path: Path) -> None:
    async with served(tmp_path):
        assert stat.S_IMODE((tmp_path / control.SOCKET).stat().st_mode) == 0o600
    assert not (tmp_path / control.SOCKET).exists()


@on_the_loop
async def test_a_socket_that_a_dead_server_left_is_replaced_and_a_deep_folder_is_reached(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    (deep / control.SOCKET).touch()
    async with served(deep):
        assert [row["name"] for row in await ask(deep, "accounts.list")] == ["default"]


@on_the_loop
async def test_a_key_is_made_through_the_socket_and_its_secret_is_in_no_log(tmp_path: Path) -> None:
    async with served(tmp_path) as (at, log):
        made = await ask(tmp_path, "keys.create", label="private label", scopes=["send"], networks=["10.0.0.0/8"], expires="30d")
        principal = await at.gateway.accounts.authenticate(made["secret"], Scope.SEND, peer="10.1.1.1")
        assert (principal.key.id, principal.key.label) == (made["id"], "private label")
        (row,) = await ask(tmp_path, "keys.list")
        assert row == {**{name: value for name, value in made.items() if name != "secret"}, "last_used": "2026-03-20T12:00:00Z"}
        with pytest.raises(CommandFailed):
            await ask(tmp_path, "keys.create", label="bad\nlabel")
    assert log.events == ["command", "command", "command_refused"]
    assert made["secret"] not in repr(log.lines) and "label" not in repr(log.lines)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"", "invalid"),
        (b"[]", "invalid"),
        (b"{}", "invalid"),
        (b'{"command": "nothing.such"}', "invalid"),
        (b'{"command": "keys.list", "arguments": []}', "invalid"),
        (b"\xff", "invalid"),
        (b'{"command": "keys.list", "arguments": {"account": "nobody"}}', "not_found"),
        (b'{"command": "keys.set", "arguments": {"id": "1"}}', "invalid"),
        (b'{"command": "keys.set", "arguments": {}}', "missing"),
        (b'{"command": "keys.revoke", "arguments": {"id": 99}}', "not_found"),
        (b'{"command": "keys.create", "arguments": {"scopes": "send"}}', "invalid"),
        (b'{"command": "keys.create", "arguments": {"expires": "yesterday"}}', "invalid"),
        (b'{"command": "keys.create", "arguments": {"expires": "1999-01-01"}}', "invalid"),
        (b'{"command": "keys.create", "arguments": {"expires": "999999w"}}', "invalid"),
        (b'{"command": "accounts.add", "arguments": {"name": "default"}}', "conflict"),
    ],
)
@on_the_loop
async def test_what_cannot_be_done_is_said_and_the_next_line_is_answered(tmp_path: Path, line: bytes, error: str) -> None:
    async with served(tmp_path):
        first, second = await say(tmp_path, line, b'{"command": "accounts.list"}')
    assert first["error"] == error and first["why"]
    assert second["result"][0]["name"] == "default"


@on_the_loop
async def test_progress_is_told_and_the_last_word_is_the_result(tmp_path: Path) -> None:
    async def slow(gateway: Gateway, arguments: dict[str, Any]) -> AsyncIterator[Any]:
        for step in ("one", "two", {"done": arguments["what"]}):
            yield step

    async def broken(gateway: Gateway, arguments: dict[str, Any]) -> None:
        raise RuntimeError("a secret")

    async with served(tmp_path, {"slow": slow, "broken": broken}) as (_, log):
        answers = await say(tmp_path, b'{"command": "slow", "arguments": {"what": 1}}', b'{"command": "broken"}')
    assert answers[:3] == [{"progress": "one"}, {"progress": "two"}, {"result": {"done": 1}}]
    assert answers[3]["error"] == "internal" and "a secret" not in repr((answers, log.lines))


@on_the_loop
async def test_without_a_server_the_command_is_done_on_the_store_itself(tmp_path: Path) -> None:
    assert (await ask(tmp_path, "accounts.add", name="shop", country="BE"))["country"] == "BE"
    made = await ask(tmp_path, "keys.create", account="shop")
    rotated = await ask(tmp_path, "keys.rotate", id=made["id"], grace="1h")
    assert rotated["secret"] != made["secret"] and rotated["old_secret_until"]
    assert [(row["id"], row["state"]) for row in await ask(tmp_path, "keys.list")] == [(made["id"], "active")]
    assert (await ask(tmp_path, "keys.revoke", id=made["id"]))["state"] == "revoked"
    with pytest.raises(CommandFailed, match="revoked"):
        await ask(tmp_path, "keys.set", id=made["id"], label="new")
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"shop" in kept
    assert made["secret"].encode() not in kept and rotated["secret"].encode() not in kept


@on_the_loop
async def test_a_folder_that_is_held_by_one_who_does_not_answer_is_not_touched(tmp_path: Path) -> None:
    held = open_folder(tmp_path)
    with pytest.raises(CommandFailed, match="another dragoman server"):
        await ask(tmp_path, "accounts.list", wait_s=0.0)
    held.close()
    assert await ask(tmp_path, "accounts.list") == []
