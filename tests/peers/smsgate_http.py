"""HTTP/1.1 as the SMSGate app's client speaks it, by hand and light, so that one process can be ten thousand phones. No word of the app here.

One connection is one `_Connection`, an asyncio protocol. An idle one is kept and used again; what fails on a kept connection before a byte
of the answer came is tried once more on a new one (OkHttp, RetryAndFollowUpInterceptor.kt).
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

_MOST_HEAD = 64 * 1024
_MOST_UNREAD = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Patience:
    connect_s: float = 10
    idle_s: float = 10
    """between two reads"""
    total_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None

    def wire(self) -> bytes:
        """With what OkHttp adds (BridgeInterceptor.kt)."""
        parts = urlsplit(self.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        length = () if self.body is None else (("Content-Length", str(len(self.body))),)
        added = (*length, ("Host", parts.netloc), ("Connection", "Keep-Alive"), ("Accept-Encoding", "gzip"))
        lines = [f"{self.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in (*self.headers, *added)), "", ""]
        return "\r\n".join(lines).encode() + (self.body or b"")


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    """names in lower case"""
    body: bytes = b""

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300


class Stream(Protocol):
    @property
    def answer(self) -> Answer: ...

    async def read(self) -> bytes:
        """b"" at the end. Raises OSError when the connection breaks, TimeoutError when nothing comes for too long."""
        ...

    def cut(self) -> None:
        """As when the radio goes: who reads is told that it broke."""
        ...


class Network(Protocol):
    """Raises OSError, of which TimeoutError is one, for whatever keeps an answer from coming."""

    async def exchange(self, request: Request, patience: Patience) -> Answer: ...

    def stream(self, request: Request, patience: Patience) -> AbstractAsyncContextManager[Stream]: ...

    def close(self) -> None: ...


class _Body:
    """Takes the bytes after the head apart: by length, in chunks, or until the end."""

    def __init__(self, request: Request, answer: Answer) -> None:
        self._left: int | None = None
        self._is_chunked = answer.headers.get("transfer-encoding", "").lower() == "chunked"
        self._kept = b""
        self._unzip = zlib.decompressobj(31) if answer.headers.get("content-encoding") == "gzip" else None
        if request.method == "HEAD" or answer.status in (204, 304):
            self._left = 0
        elif not self._is_chunked and "content-length" in answer.headers:
            self._left = int(answer.headers["content-length"])
        self.is_whole = self._left == 0
        self.ends_with_connection = not self._is_chunked and self._left is None

    def feed(self, data: bytes) -> bytes:
        piece = self._chunks(data) if self._is_chunked else self._counted(data)
        return self._unzip.decompress(piece) if self._unzip else piece

    def _counted(self, data: bytes) -> bytes:
        if self._left is None:
            return data
        piece = data[: self._left]
        self._left -= len(piece)
        self.is_whole = self._left == 0
        return piece

    def _chunks(self, data: bytes) -> bytes:
        self._kept += data
        pieces = []
        while not self.is_whole:
            head, found, rest = self._kept.partition(b"\r\n")
            if not found:
                break
            size = int(head.partition(b";")[0], 16)
            if len(rest) < size + 2:
                break
            pieces.append(rest[:size])
            self._kept = rest[size + 2 :]
            self.is_whole = size == 0
        return b"".join(pieces)


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.answer: Answer | None = None
        self.is_dead = False
        self._transport: asyncio.Transport | None = None
        self._request: Request | None = None
        self._head = b""
        self._body: _Body | None = None
        self._pieces: deque[bytes] = deque()
        self._unread = 0
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_dead = True
        self._wake()

    def data_received(self, data: bytes) -> None:
        if self._request is None:
            return self.close()  # nobody asked
        if self._body is None:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return self.close() if len(self._head) > _MOST_HEAD else None
            self.answer, self._head = _read_head(head), b""
            self._body = _Body(self._request, self.answer)
        self._keep(self._body.feed(data) if data else b"")

    def _keep(self, piece: bytes) -> None:
        assert self._transport is not None
        if piece:
            self._pieces.append(piece)
            self._unread += len(piece)
            if self._unread > _MOST_UNREAD:
                self._transport.pause_reading()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _more(self, patience: Patience) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(patience.idle_s):
            await self._waiter

    async def begin(self, request: Request, patience: Patience) -> Answer:
        """Raises ConnectionResetError when it ends before the head is whole."""
        assert self._transport is not None
        self._request, self.answer, self._body = request, None, None
        self._transport.write(request.wire())
        while self.answer is None:
            if self.is_dead:
                raise ConnectionResetError("closed before an answer")
            await self._more(patience)
        return self.answer

    async def read(self, patience: Patience) -> bytes:
        assert self._body is not None and self._transport is not None
        while not self._pieces:
            if self._body.is_whole:
                return b""
            if self.is_dead:
                if self._body.ends_with_connection:
                    return b""
                raise ConnectionResetError("closed within an answer")
            await self._more(patience)
        piece = self._pieces.popleft()
        self._unread -= len(piece)
        if self._unread <= _MOST_UNREAD and not self.is_dead:
            self._transport.resume_reading()
        return piece

    @property
    def is_free(self) -> bool:
        assert self.answer is not None and self._body is not None
        return not self.is_dead and self._body.is_whole and self.answer.headers.get("connection", "").lower() != "close"

    def rest(self) -> None:
        self._request = None

    def cut(self) -> None:
        assert self._body is not None
        self._body.ends_with_connection = False
        self._pieces.clear()
        self.close()

    def close(self) -> None:
        self.is_dead = True
        if self._transport is not None:
            self._transport.abort()


def _read_head(head: bytes) -> Answer:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status = first.split(" ", 2)[:2]
    if not version.startswith("HTTP/1."):
        raise ConnectionError(f"not HTTP/1.1: {version}")
    headers = (line.partition(":") for line in lines)
    return Answer(status=int(status), headers={name.strip().lower(): value.strip() for name, _, value in headers})


class _Reading:
    """A Stream."""

    def __init__(self, connection: _Connection, answer: Answer, patience: Patience) -> None:
        self.answer = answer
        self._connection, self._patience = connection, patience

    async def read(self) -> bytes:
        return await self._connection.read(self._patience)

    def cut(self) -> None:
        self._connection.cut()


class Internet:
    """A Network of sockets, for one phone. `trust` verifies https; `keep_alive_s` as OkHttp's pool has it."""

    def __init__(self, trust: ssl.SSLContext | None = None, *, keep_alive_s: float = 300) -> None:
        self._trust = trust
        self._keep_alive_s = keep_alive_s
        self._idle: dict[str, tuple[_Connection, asyncio.TimerHandle]] = {}

    async def exchange(self, request: Request, patience: Patience) -> Answer:
        async with asyncio.timeout(patience.total_s):
            kept = self._take(request.url)
            if kept is not None:
                try:
                    return await self._exchange(kept, request, patience)
                except ConnectionError:
                    if kept.answer is not None:
                        raise
            return await self._exchange(await self._connect(request.url, patience), request, patience)

    async def _exchange(self, connection: _Connection, request: Request, patience: Patience) -> Answer:
        pieces = []
        try:
            answer = await connection.begin(request, patience)
            while piece := await connection.read(patience):
                pieces.append(piece)
        except BaseException:
            connection.close()
            raise
        self._keep(request.url, connection)
        return Answer(status=answer.status, headers=answer.headers, body=b"".join(pieces))

    @asynccontextmanager
    async def stream(self, request: Request, patience: Patience) -> AsyncIterator[Stream]:
        connection = await self._connect(request.url, patience)
        try:
            yield _Reading(connection, await connection.begin(request, patience), patience)
        finally:
            connection.close()

    def close(self) -> None:
        for connection, timer in self._idle.values():
            timer.cancel()
            connection.close()
        self._idle.clear()

    def _take(self, url: str) -> _Connection | None:
        connection, timer = self._idle.pop(_origin(url), (None, None))
        if timer is not None:
            timer.cancel()
        return None if connection is None or connection.is_dead else connection

    def _keep(self, url: str, connection: _Connection) -> None:
        origin = _origin(url)
        if not connection.is_free or origin in self._idle or not self._keep_alive_s:
            return connection.close()
        connection.rest()

        def forget() -> None:
            self._idle.pop(origin)
            connection.close()

        self._idle[origin] = connection, asyncio.get_running_loop().call_later(self._keep_alive_s, forget)

    async def _connect(self, url: str, patience: Patience) -> _Connection:
        parts = urlsplit(url)
        is_tls = parts.scheme == "https"
        trust = (self._trust or ssl.create_default_context()) if is_tls else None
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(patience.connect_s):
            _, connection = await loop.create_connection(_Connection, parts.hostname, parts.port or (443 if is_tls else 80), ssl=trust)
        return connection


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
