"""A server for the tests of the played phone: it answers what it was told to and remembers what it was asked. In memory, or on a socket.

It knows nothing of queues or accounts: a message is listed until a PATCH names it, as the phone's protocol asks of any server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.peers.smsgate_http import Answer, Patience, Request

BASE = "http://gateway.test/mobile/v1"


def answer(status: int = 200, body: Any = None, **headers: str) -> Answer:
    written = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status=status, headers=headers, body=written)


@dataclass
class ScriptedGateway:
    messages: list[dict[str, Any]] = field(default_factory=list)
    hooks: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    asked: list[tuple[float, Request]] = field(default_factory=list)
    """the loop's time and what came then"""
    script: dict[str, list[Answer | Exception]] = field(default_factory=dict)
    """`PATCH /message` -> what the next ones get instead of the usual"""
    forgets_nothing: bool = False
    """goes on listing what was reported"""
    streams: list[asyncio.Queue[bytes | None]] = field(default_factory=list)
    event_type: str = "text/event-stream"
    _devices: int = 0

    def name(self, request: Request) -> str:
        path = urlsplit(request.url).path
        return f"{request.method} {path.removeprefix('/api').removeprefix('/mobile/v1')}"

    def named(self, name: str) -> list[Request]:
        return [request for _, request in self.asked if self.name(request) == name]

    def times(self, name: str) -> list[int]:
        """Whole seconds of the loop at which it was asked."""
        return [int(at) for at, request in self.asked if self.name(request) == name]

    def bodies(self, name: str) -> list[Any]:
        return [json.loads(request.body or b"null") for request in self.named(name)]

    def reports(self) -> list[tuple[str, str]]:
        return [(report["id"], report["state"]) for [report] in self.bodies("PATCH /message")]

    def handle(self, request: Request) -> Answer:
        self.asked.append((asyncio.get_running_loop().time(), request))
        scripted = self.script.get(self.name(request))
        if scripted:
            found = scripted.pop(0)
            if isinstance(found, Exception):
                raise found
            return found
        return self._usual(request)

    def _usual(self, request: Request) -> Answer:
        match self.name(request):
            case "POST /device":
                self._devices += 1
                self.tokens.add(f"token-{self._devices}")
                made = {
                    "id": f"device-{self._devices}",
                    "token": f"token-{self._devices}",
                    "login": "ABCDEF",
                    "password": "secret-password",
                }
                return answer(201, made)
            case "PATCH /device":
                return answer(204 if dict(request.headers)["Authorization"].removeprefix("Bearer ") in self.tokens else 401)
            case "GET /device":
                return answer(200, {"externalIp": "127.0.0.1"})
            case "GET /message":
                return answer(200, self.messages)
            case "PATCH /message":
                named = {report["id"] for report in json.loads(request.body or b"[]")}
                if not self.forgets_nothing:
                    self.messages = [message for message in self.messages if message.get("id") not in named]
                return answer(204)
            case "GET /webhooks":
                return answer(200, self.hooks)
            case "GET /settings":
                return answer(200, self.settings)
            case "GET /events":
                return Answer(status=200, headers={"content-type": self.event_type})
            case "GET /user/code":
                return answer(200, {"code": "abc234", "validUntil": "2026-03-20T12:05:00.000Z"})
            case "PATCH /user/password" | "POST /hook":
                return answer(204)
        return answer(404, {"message": "not found"})

    def push(self, frame: bytes) -> None:
        for stream in self.streams:
            stream.put_nowait(frame)

    def tell(self, event: str, data: str = "null") -> None:
        self.push(f"event: {event}\ndata: {data}\n\n".encode())

    def end_streams(self) -> None:
        for stream in self.streams:
            stream.put_nowait(None)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[asyncio.Queue[bytes | None]]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.streams.append(queue)
        try:
            yield queue
        finally:
            self.streams.remove(queue)


class _Stream:
    def __init__(self, head: Answer, queue: asyncio.Queue[bytes | None], patience: Patience) -> None:
        self.answer = head
        self._queue, self._patience = queue, patience
        self._is_cut = False

    async def read(self) -> bytes:
        async with asyncio.timeout(self._patience.idle_s):
            piece = await self._queue.get()
        if self._is_cut:
            raise ConnectionResetError("cut")
        return piece or b""

    def cut(self) -> None:
        self._is_cut = True
        self._queue.put_nowait(None)


class Memo:
    """A Network that ends in a scripted gateway, without a socket."""

    def __init__(self, gateway: ScriptedGateway) -> None:
        self._gateway = gateway

    async def exchange(self, request: Request, patience: Patience) -> Answer:
        await asyncio.sleep(0)
        return self._gateway.handle(request)

    @asynccontextmanager
    async def stream(self, request: Request, patience: Patience) -> AsyncIterator[_Stream]:
        head = self._gateway.handle(request)
        async with self._gateway.opened() as queue:
            yield _Stream(head, queue, patience)

    def close(self) -> None:
        pass


@asynccontextmanager
async def on_a_socket(gateway: ScriptedGateway, *, ssl: Any = None) -> AsyncIterator[str]:
    """Its base URL on the loopback."""
    talks: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(_talk(gateway, reader, writer))
        talks.add(task)
        task.add_done_callback(talks.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=ssl, backlog=4096)
    scheme = "http" if ssl is None else "https"
    try:
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/mobile/v1"
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def _talk(gateway: ScriptedGateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            first, *lines = head.decode().strip().split("\r\n")
            method, target, _ = first.split(" ")
            headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
            length = int(dict(headers).get("Content-Length", "0"))
            body = await reader.readexactly(length) if length else None
            given = gateway.handle(Request(method=method, url=target, headers=headers, body=body))
            if given.headers.get("content-type") == "text/event-stream" and given.status == 200:
                return await _send_stream(gateway, writer)
            extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.headers.items())
            writer.write(f"HTTP/1.1 {given.status} Said\r\nContent-Length: {len(given.body)}\r\n{extra}\r\n".encode() + given.body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _send_stream(gateway: ScriptedGateway, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n")
    async with gateway.opened() as queue:
        while (piece := await queue.get()) is not None:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()
