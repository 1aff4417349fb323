"""The control socket: how the command line speaks to a running server, and does without one.

A unix socket in the data folder, for its owner only (0600). One JSON line asks; lines of progress and one with the result answer:

    {"command": "keys.create", "arguments": {"label": "shop"}}
    {"result": {"id": 2, "secret": "...", ...}}         or {"error": "invalid", "why": "scopes is required"}

Where no server holds the data folder, `ask` takes the folder's lock and does the command itself. Arguments and results are in no log:
they hold secrets.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from adapters.commands import Command, load
from adapters.data_folder import DataFolder, FolderInUse, open_folder
from adapters.reactor import frames
from service.errors import Invalid, Refused
from service.gateway import Gateway

SOCKET = "control.sock"
LINE_MOST = 64 << 20
WAIT_S = 10.0
"""how long to wait for a server that is just starting or stopping, or for another command"""
_STEP_S = 0.1
_PATH_MOST = 100
"""bytes that any kernel takes as the address of a socket"""

Progress = Callable[[Any], object]
OpenGateway = Callable[[DataFolder], Any]
"""an async context manager with a Gateway over the store of a folder that is held"""


class CommandFailed(Exception):
    """The command was not done; the text says why. `kind` is the core's word for it."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind


async def listen(
    folder: Path, gateway: Gateway, *, log: Any, commands: Mapping[str, Command] | None = None
) -> Callable[[], Awaitable[None]]:
    """Answer on the folder's socket, which nobody else serves, since the folder is ours; returns what stops it."""
    path, known = folder / SOCKET, load() if commands is None else commands
    path.unlink(missing_ok=True)
    listening = _bound(path)
    under_way: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        under_way.add(task)
        try:
            with suppress(OSError, ValueError, asyncio.IncompleteReadError):  # who has gone, or says too much, is not answered
                while line := await reader.readline():
                    async for answer in _answers(gateway, known, line, log):
                        writer.write(json.dumps(answer).encode() + b"\n")
                        await writer.drain()
        finally:
            under_way.discard(task)
            writer.close()

    server = await asyncio.start_unix_server(connected, sock=listening, limit=1 << 20)

    async def stop() -> None:
        server.close()
        path.unlink(missing_ok=True)
        for task in list(under_way):
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    return stop


def _bound(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # from its first moment it is for its owner only
    try:
        with _address(path) as address:
            listening.bind(address)
    except BaseException:
        listening.close()
        raise
    finally:
        os.umask(before)
    return listening


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """A kernel takes short addresses only; a long one is reached through its folder."""
    if len(os.fsencode(path)) <= _PATH_MOST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


async def _answers(gateway: Gateway, commands: Mapping[str, Command], line: bytes, log: Any) -> AsyncIterator[dict[str, Any]]:
    name = "?"
    try:
        asked = json.loads(line)
        if not isinstance(asked, dict) or not isinstance(asked.get("arguments", {}), dict):
            raise Invalid("command", "must be a JSON object with a command and its arguments")
        name = str(asked.get("command"))[:100]
        async for answer in _done(gateway, commands, name, asked.get("arguments", {})):
            yield answer
        log.info("command", command=name)
    except Refused as refused:
        log.info("command_refused", command=name, why=refused.kind)
        yield _refusal(refused)
    except ValueError as bad:  # it is no JSON, or a value is none that we can read
        log.info("command_refused", command=name, why=type(bad).__name__)
        yield {"error": "invalid", "why": "the request cannot be read"}
    except Exception as bug:  # whatever it is, the caller gets an answer
        log.error("command_failed", command=name, error=type(bug).__name__, frames=frames(bug))
        yield {"error": "internal", "why": "the gateway failed; its log has more"}


async def _done(gateway: Gateway, commands: Mapping[str, Command], name: str, arguments: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Lines of progress and one with the result."""
    command = commands.get(name)
    if command is None:
        raise Invalid("command", f"{name!a} is not one that this server knows; it may be of another version")
    made = command(gateway, arguments)
    if not inspect.isasyncgen(made):
        yield {"result": await made}
        return
    last: list[Any] = []
    async for said in made:
        if last:
            yield {"progress": last.pop()}
        last.append(said)
    yield {"result": last[0] if last else None}


def _refusal(refused: Refused) -> dict[str, Any]:
    why = f"{refused.field} {refused.why}" if isinstance(refused, Invalid) else refused.why
    return {"error": refused.kind, "why": why}


async def ask(
    folder: Path,
    command: str,
    arguments: Mapping[str, Any],
    *,
    open_gateway: OpenGateway,
    on_progress: Progress = lambda said: None,
    wait_s: float = WAIT_S,
) -> Any:
    """The result, from the server that holds the folder, or by ourselves. Raises CommandFailed."""
    while True:
        with suppress(FileNotFoundError, ConnectionRefusedError):
            return await _ask_server(folder / SOCKET, command, arguments, on_progress)
        try:
            held = open_folder(folder)
        except FolderInUse as used:
            if wait_s <= 0:
                raise CommandFailed("unavailable", f"{used}; it does not answer on {folder / SOCKET}") from None
            await asyncio.sleep(_STEP_S)
            wait_s -= _STEP_S
            continue
        except OSError as error:
            raise CommandFailed("unavailable", f"the data folder {folder} cannot be used: {error.strerror}") from None
        try:
            return await _ask_ourselves(held, command, arguments, open_gateway, on_progress)
        finally:
            held.close()


async def _ask_server(path: Path, command: str, arguments: Mapping[str, Any], on_progress: Progress) -> Any:
    try:
        with _address(path) as address:
            reader, writer = await asyncio.open_unix_connection(address, limit=LINE_MOST)
    except PermissionError:
        raise CommandFailed("forbidden", f"{path} is for the user who runs the server") from None
    try:
        writer.write(json.dumps({"command": command, "arguments": dict(arguments)}).encode() + b"\n")
        await writer.drain()
        while line := await reader.readline():
            is_last, result = _read(json.loads(line), on_progress)
            if is_last:
                return result
    except OSError:
        pass
    finally:
        writer.close()
    raise CommandFailed("unavailable", "the server went away before it had answered; whether the command was done is not known")


async def _ask_ourselves(
    held: DataFolder, command: str, arguments: Mapping[str, Any], open_gateway: OpenGateway, on_progress: Progress
) -> Any:
    result = None
    try:
        async with open_gateway(held) as gateway:
            async for answer in _done(gateway, load(), command, dict(arguments)):
                _, result = _read(answer, on_progress)
    except Refused as refused:
        _read(_refusal(refused), on_progress)
    return result


def _read(answer: dict[str, Any], on_progress: Progress) -> tuple[bool, Any]:
    """Whether this is the last answer, and the result."""
    if "error" in answer:
        raise CommandFailed(answer["error"], answer["why"])
    if "progress" in answer:
        on_progress(answer["progress"])
        return False, None
    return True, answer["result"]
