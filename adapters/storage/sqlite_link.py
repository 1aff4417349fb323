"""The server's end of SQLite's writing process: starts it, hands it batches, notices its death, starts it again."""

from __future__ import annotations

import asyncio
import marshal
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from adapters.storage.batches import Operation, Outcome
from adapters.storage.sqlite_lock import FileLock
from adapters.storage.sqlite_run import RawStatement
from adapters.storage.sqlite_writer import LENGTH
from service import errors
from service.errors import InDoubt, Unavailable

START_WAIT_S = 15.0
STOP_WAIT_S = 15.0
_ROOT = Path(__file__).parents[2]


class WritingProcess:
    """A batches.Link."""

    def __init__(self, path: str, lock: FileLock, statements: Mapping[str, RawStatement]) -> None:
        self._path = path
        self._lock = lock
        self._statements = dict(statements)
        self._process: subprocess.Popen[bytes] | None = None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def is_open(self) -> bool:
        return self._streams is not None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def open(self) -> None:
        await self.close()
        ours, theirs = socket.socketpair()
        try:
            self._process = _start(theirs.fileno(), self._lock.fd)
        except OSError as error:
            ours.close()
            raise Unavailable(f"the writing process does not start: {error.strerror}") from error
        finally:
            theirs.close()
        self._streams = await asyncio.open_connection(sock=ours)
        try:
            async with asyncio.timeout(START_WAIT_S):
                complaint = await self._ask((self._path, self._statements))
        except (EOFError, OSError, TimeoutError) as error:
            await self.close()
            raise Unavailable("the writing process does not start") from error
        if complaint:
            raise Unavailable(complaint)

    async def write(self, batch: Sequence[Operation]) -> list[Outcome]:
        if self._streams is None or self._streams[0].at_eof():
            # it died while it had nothing to do, so nothing is in doubt
            await self.open()
        try:
            outcomes = await self._ask(batch)
        except (EOFError, OSError) as error:
            await self.close()
            raise InDoubt("the writing process of the database has died") from error
        if isinstance(outcomes, tuple):
            raise _outcome(*outcomes)
        return [_outcome(*outcome) for outcome in outcomes]

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            with suppress(OSError):
                await self._streams[1].wait_closed()
            self._streams = None
        if self._process is not None:
            # it ends when it reads the end of the socket, after its last commit
            await asyncio.to_thread(_end, self._process)
            self._process = None

    async def _ask(self, value: Any) -> Any:
        assert self._streams is not None
        reader, writer = self._streams
        body = _marshal(value)
        writer.write(LENGTH.pack(len(body)) + body)
        (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        return marshal.loads(await reader.readexactly(length))


def _outcome(error: str, result: Any) -> Outcome:
    return getattr(errors, error)(*result) if error else result


def _marshal(value: Any) -> bytes:
    try:
        return marshal.dumps(value)
    except ValueError:
        # a subclass of str, as XML libraries make them, or the like
        return marshal.dumps(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple(map(_plain, value))
    if isinstance(value, dict):
        return {_plain(k): _plain(v) for k, v in value.items()}
    exact = next((kind for kind in (bool, int, str, bytes) if isinstance(value, kind)), None)
    return value if value is None else exact(value) if exact else repr(value)


def _start(socket_fd: int, lock_fd: int) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "adapters.storage.sqlite_writer", str(socket_fd)],
        pass_fds=(socket_fd, lock_fd),
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
