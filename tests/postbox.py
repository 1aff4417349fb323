"""Receivers of webhooks for the tests: one without a socket, that a test makes behave, and real ones on the loopback."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from service.errors import PostFailed, SealBroken
from service.ports import Answer


class OpenSealer:
    """A service.ports.Sealer whose seal anybody can see and nobody can mistake for the secret."""

    def seal(self, secret: str) -> bytes:
        return b"sealed:" + secret[::-1].encode()

    def open(self, sealed: bytes) -> str:
        if not sealed.startswith(b"sealed:"):
            raise SealBroken("another key")
        return sealed.removeprefix(b"sealed:").decode()[::-1]


@dataclass(frozen=True)
class Posted:
    url: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class NoPoster:
    """A service.ports.Poster that nobody should call."""

    def objection(self, url: str) -> str | None:
        return None

    async def post(self, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        raise AssertionError("nothing is to be posted")


@dataclass
class Postbox:
    """A service.ports.Poster. Each URL answers as `answers` says, else 200; one in `gates` only once its gate is open."""

    posted: list[Posted] = field(default_factory=list)
    answers: dict[str, int | Exception] = field(default_factory=dict)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)

    def objection(self, url: str) -> str | None:
        return "is not a public address" if "//10." in url else None

    async def post(self, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        self.posted.append(Posted(url, dict(headers), body))
        if url in self.gates:
            await self.gates[url].wait()
        answer = self.answers.get(url, 200)
        if isinstance(answer, Exception):
            raise answer
        return Answer(status=answer, beginning="ok")

    def at(self, url: str) -> list[Posted]:
        return [posted for posted in self.posted if posted.url == url]


FAILS = PostFailed("refused the connection")


@dataclass
class Receiver:
    """An HTTP server on the loopback that keeps what it is posted, head and body, and answers with bytes."""

    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    before_answer: Callable[[], Awaitable[object]] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?x=1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            [length] = [line.split(":")[1] for line in head.split("\r\n") if line.lower().startswith("content-length")]
            self.heads.append(head)
            self.bodies.append(await reader.readexactly(int(length)))
            if self.before_answer is not None:
                await self.before_answer()
            writer.write(self.answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving(receiver: Receiver, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", receiver.port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
