"""A client of the front door in memory: it says bytes, and reads the answers with a parser of its own. No socket, no time."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from adapters.web import Api, Call, FrontDoor, Limits, Pipe, Reply, Route, Stream, Trouble
from service.errors import Refused


def on_the_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., object]:
    """Runs a coroutine test as a task of the loop that the reactor runs on."""

    @pytest_twisted.ensureDeferred
    @functools.wraps(test)
    async def run(*args: object, **kwargs: object) -> None:
        await Deferred.fromFuture(asyncio.ensure_future(test(*args, **kwargs)))

    return run


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def answers(data: bytes) -> Iterator[Answer]:
    while data:
        head, blank, data = data.partition(b"\r\n\r\n")
        assert blank, head
        first, *lines = head.decode("ascii").split("\r\n")
        version, status = first.split(" ")[:2]
        assert version == "HTTP/1.1"
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        assert len(headers) == len(lines), lines
        length = int(headers.get("content-length", "0"))
        yield Answer(int(status), headers, data[:length])
        data = data[length:]


class Wire(StringTransport):
    """The server's end of the connection."""

    half_closed = False
    no_delay = False
    keeps_alive = False

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self.keeps_alive = enabled

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.no_delay = enabled

    def loseConnection(self) -> None:
        assert self.producer is None, "a real transport would wait for it for ever"
        super().loseConnection()

    def loseWriteConnection(self) -> None:
        assert self.producer is None, "a real transport would wait for it for ever"
        self.half_closed = True

    def abortConnection(self) -> None:
        self.disconnected = self.disconnecting = True


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, object]]] = []

    def info(self, event: str, **fields: object) -> None:
        self.lines.append((event, fields))

    error = info


@dataclass
class Shop:
    """An API that shows what it is handed, and fails on request."""

    calls: list[Call] = field(default_factory=list)
    doors: dict[str, asyncio.Event] = field(default_factory=dict)
    """a call of /wait/NAME waits for its event"""
    pipes: list[Pipe] = field(default_factory=list)
    """of the calls of /events"""
    gone: list[Pipe] = field(default_factory=list)

    async def echo(self, call: Call) -> Reply:
        self.calls.append(call)
        return Reply(f"{call.method} {call.path}|{call.query.decode()}|{call.body.decode()}".encode(), content_type="text/plain")

    async def form(self, call: Call) -> Reply:
        return Reply(repr(call.fields()).encode(), content_type="text/plain; charset=utf-8")

    async def wait(self, call: Call) -> Reply:
        self.calls.append(call)
        await self.doors.setdefault(call.rest, asyncio.Event()).wait()
        return Reply(call.rest.encode())

    def open(self, name: str) -> None:
        self.doors.setdefault(name, asyncio.Event()).set()

    async def events(self, call: Call) -> Reply:
        def opened(pipe: Pipe) -> Callable[[], None]:
            self.pipes.append(pipe)
            if call.query == b"opened=fails":
                raise RuntimeError("SECRET")
            if call.query == b"opened=closes":
                pipe.write(b"all")
                pipe.close()
            if call.query == b"gone=fails":
                return self.fail_to_go
            return lambda: self.gone.append(pipe)

        return Stream(opened=opened, body=b"" if call.query == b"silent" else b"first", headers=(("Cache-Control", "no-store"),))

    def fail_to_go(self) -> None:
        raise RuntimeError("SECRET")

    async def fail(self, call: Call) -> Reply:
        secret = call.query.decode()
        raise RuntimeError(f"the text was {secret}")

    async def refuse(self, call: Call) -> Reply:
        raise Refused("not today")

    async def big(self, call: Call) -> Reply:
        return Reply(b"x" * 1_000_000)

    def word(self, call: Call, refusal: Refused | Trouble) -> Reply:
        if isinstance(refusal, Trouble):
            return Reply(f"shop: {refusal.code}: {refusal.why}".encode(), status=refusal.status, content_type="text/plain")
        return Reply(f"shop: {refusal.why}".encode(), status=402, content_type="text/plain")

    def api(self) -> Api:
        routes = (
            Route(path="/", handler=self.echo),
            Route(path="/echo", handler=self.echo),
            Route(path="/a/b", handler=self.echo, methods=frozenset({"POST"})),
            Route(path="/a/b", handler=self.big, methods=frozenset({"GET"})),
            Route(path="/post", handler=self.echo, methods=frozenset({"POST"})),
            Route(path="/form", handler=self.form),
            Route(path="/events", handler=self.events),
            Route(path="/fail", handler=self.fail),
            Route(path="/refuse", handler=self.refuse),
            Route(path="/wait/*", handler=self.wait),
            Route(path="/wait/here/*", handler=self.echo),
            Route(path="/wait/exactly", handler=self.echo),
        )
        return Api(name="shop", routes=routes, word=self.word)


class House:
    """A front door with the shop behind it, and a clock that stands still."""

    def __init__(self, limits: Limits | None = None, *, log_all: bool = False) -> None:
        self.clock = Clock()
        self.log = Log()
        self.shop = Shop()
        self.door = FrontDoor([self.shop.api()], limits=limits or Limits(), log=self.log, clock=self.clock, log_all=log_all)

    def peer(self) -> Peer:
        return Peer(self)


class Peer:
    def __init__(self, house: House) -> None:
        self.house = house
        self.wire = Wire(lenient=True)
        self.connection = house.door.buildProtocol(None)
        self.connection.makeConnection(self.wire)

    async def say(self, *pieces: bytes) -> list[Answer]:
        """Each piece as a read of its own; what came back, once nothing moves any more."""
        for piece in pieces:
            if not self.closed:
                self.connection.dataReceived(piece)
        return await self.hear()

    async def hear(self) -> list[Answer]:
        for _ in range(10):
            await asyncio.sleep(0)
        said = self.wire.value()
        self.wire.clear()
        return list(answers(said))

    async def after(self, seconds: float) -> list[Answer]:
        """What came back while the clock went on, second by second."""
        self.house.clock.pump([1] * int(seconds))
        return await self.hear()

    def goes(self) -> None:
        self.wire.connected = False
        self.connection.connectionLost()

    @property
    def closed(self) -> bool:
        return self.wire.disconnecting

    @property
    def is_read(self) -> bool:
        return self.wire.producerState == "producing"
