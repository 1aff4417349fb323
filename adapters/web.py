"""The front door: which API a call is for, a task for each, and what is said when there is none or it failed.

    door = FrontDoor(apis, log=log)
    endpoint.listen(door)
    ...
    await door.drain(timeout_s)

It knows no API and no wire format (`http1` has that). The path is never logged with its query, because keys travel there, and of an
exception only its type and where it was: its message may hold a text or a key.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Protocol

import orjson
from twisted.internet import protocol
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime

from adapters.call import Api, Call, Handler, Pipe, Reply, Route, Stream, Trouble
from adapters.http1 import Connection, Limits
from adapters.http_stream import Streams
from service.errors import Refused

__all__ = ["Api", "Call", "FrontDoor", "Handler", "Limits", "Log", "Pipe", "Reply", "Route", "Stream", "Trouble"]

_LIMITS = Limits()
_SWEEP_S = 1
_UNPRINTABLE = re.compile(r"[^!-~]")
_SLASHES = re.compile("//+")
_WHERE_MOST = 20


class Log(Protocol):
    def info(self, event: str, **fields: object) -> object: ...
    def error(self, event: str, **fields: object) -> object: ...


@dataclass(frozen=True, slots=True)
class _Place:
    """A path that is served."""

    api: Api
    handlers: dict[str, Handler]
    """by method"""
    shown: str = ""
    """what is logged instead of a path below it, if that is a secret"""

    @property
    def allow(self) -> str:
        methods = {*self.handlers, "OPTIONS"} | ({"HEAD"} if "GET" in self.handlers else set())
        return ", ".join(sorted(methods))


class FrontDoor(protocol.ServerFactory):
    """Everything that the connections of one process share."""

    noisy = False

    def __init__(
        self, apis: Sequence[Api], *, limits: Limits = _LIMITS, log: Log, clock: IReactorTime | None = None, log_all: bool = False
    ) -> None:
        self.limits = limits
        self.date = ""
        self.draining = False
        self.notes_from = 0 if log_all else 400
        self._log = log
        self._clock = clock or _the_reactor()
        self.seconds: Callable[[], float] = self._clock.seconds
        self.streams = Streams(self.seconds, self._log_failure)
        self._places, self._prefixes = _plan(apis)
        self._connections: set[Connection] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._sweeping: IDelayedCall | None = None
        self._empty: asyncio.Event | None = None
        self._ids = itertools.count()
        self._id_prefix = secrets.token_hex(4)

    # connections

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        return Connection(self)

    def opened(self, connection: Connection) -> Trouble | None:
        """A reason to refuse the connection, if there is one."""
        self._connections.add(connection)
        if self._sweeping is None:
            self._sweep()
        most = self.limits.connections
        if len(self._connections) > most + most // 10 + 1:  # not even time for a word
            connection.abort()
        if len(self._connections) > most:
            return Trouble(503, "busy", "there are too many connections", headers=(("Retry-After", "5"),))
        return None

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._settle()

    def _sweep(self) -> None:
        self.date = formatdate(usegmt=True)
        now = self.seconds()
        for connection in list(self._connections):
            connection.overdue(now)
        self.streams.keep_alive(self.limits.keepalive_s)
        self._sweeping = self._clock.callLater(_SWEEP_S, self._sweep) if self._connections else None

    # calls

    def new_id(self) -> str:
        return f"{self._id_prefix}{next(self._ids) & 0xFFFFFFFF:08x}"

    def serve(self, connection: Connection, call: Call) -> None:
        task = asyncio.get_running_loop().create_task(self._run(connection, call))
        self._tasks[call.request_id] = task

    async def _run(self, connection: Connection, call: Call) -> None:
        reply = None
        try:
            reply = await self._reply(call)
        finally:
            del self._tasks[call.request_id]
            connection.answer(reply)
            self._settle()

    async def _reply(self, call: Call) -> Reply:
        if call.method == "HEAD":
            call = replace(call, method="GET", is_head=True)
        place = self._find(call)
        if place is None:
            return _plain(Trouble(404, "not_found", "there is nothing at this path"))
        handler = place.handlers.get(call.method)
        try:
            if handler is not None:
                return await handler(call)
        except (Refused, Trouble) as refusal:
            return self._word(place.api, call, refusal)
        except Exception as exception:  # whatever it is, the caller gets an answer
            return self._word(place.api, call, self._failed(call.request_id, exception))
        allow = (("Allow", place.allow),)
        if call.method == "OPTIONS":
            return Reply(b"", status=204, headers=allow)
        return self._word(place.api, call, Trouble(405, "method_not_allowed", f"the method must be one of {place.allow}", headers=allow))

    def refuse(self, call: Call, trouble: Trouble) -> Reply:
        """The wording of a trouble with a call that no handler has seen."""
        place = self._find(call)
        return _plain(trouble) if place is None else self._word(place.api, call, trouble)

    def _find(self, call: Call) -> _Place | None:
        # clients put a base URL that ends in a slash before a path that begins with one
        return self._at(call, call.path) or (self._at(call, _SLASHES.sub("/", call.path)) if "//" in call.path else None)

    def _at(self, call: Call, path: str) -> _Place | None:
        place = self._places.get(path)
        if place is not None:
            return place
        for prefix, place in self._prefixes:
            if path.startswith(prefix):
                call.rest = path[len(prefix) :]
                return place
        return None

    def _word(self, api: Api, call: Call, refusal: Refused | Trouble) -> Reply:
        try:
            reply = api.word(call, refusal)
        except Exception as exception:  # a wording may be broken too
            refusal = self._failed(call.request_id, exception)
            reply = _plain(refusal)
        return replace(reply, headers=reply.headers + refusal.headers) if isinstance(refusal, Trouble) and refusal.headers else reply

    # what is written down

    def note(self, call: Call, status: int, took_s: float) -> None:
        place = self._find(call)
        path = _UNPRINTABLE.sub("?", (place is not None and place.shown) or call.path[:200])
        ms = round(took_s * 1000, 1)
        self._log.info("request", request_id=call.request_id, method=call.method, path=path, status=status, ms=ms, peer=call.peer)

    def _failed(self, request_id: str, exception: Exception) -> Trouble:
        self._log_failure(request_id, exception)
        return Trouble(500, "internal", f"the gateway failed; its log has more under the reference {request_id}")

    def _log_failure(self, request_id: str, exception: Exception) -> None:
        frames = traceback.extract_tb(exception.__traceback__)[-_WHERE_MOST:]
        where = [f"{frame.filename}:{frame.lineno}:{frame.name}" for frame in frames]
        self._log.error("handler failed", request_id=request_id, error=type(exception).__qualname__, where=where)

    # the end

    async def drain(self, timeout_s: float) -> bool:
        """Answer what is under way, let nobody ask again, and return once all is quiet (True) or the time is up (False)."""
        self.draining = True
        self._empty = asyncio.Event()
        for connection in list(self._connections):
            connection.drain()
        self._settle()
        timer = self._clock.callLater(timeout_s, self._empty.set)
        await self._empty.wait()
        if timer.active():
            timer.cancel()
        for connection in list(self._connections):
            connection.abort()
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        return not self._tasks

    def _settle(self) -> None:
        if self._empty is not None and not self._connections and not self._tasks:
            self._empty.set()


def _the_reactor() -> IReactorTime:
    from twisted.internet import reactor  # importing it installs one, so not before it is needed

    return reactor


def _plan(apis: Sequence[Api]) -> tuple[dict[str, _Place], list[tuple[str, _Place]]]:
    """Exact paths, and prefixes with the longest first. Raises ValueError when two APIs, or two handlers, want one place."""
    places: dict[str, _Place] = {}
    for api in apis:
        for route in api.routes:
            place = places.setdefault(route.path, _Place(api, {}, route.path if route.is_secret else ""))
            if place.api is not api or not route.methods.isdisjoint(place.handlers):
                raise ValueError(f"{route.path} is served twice, by {place.api.name} and {api.name}")
            place.handlers.update(dict.fromkeys(route.methods, route.handler))
    prefixes = [(path[:-1], places.pop(path)) for path in list(places) if path.endswith("/*")]
    return places, sorted(prefixes, key=lambda each: len(each[0]), reverse=True)


def _plain(trouble: Trouble) -> Reply:
    """How a trouble is worded where no API answers."""
    body = orjson.dumps({"error": trouble.code, "message": trouble.why})
    return Reply(body, status=trouble.status, headers=trouble.headers)
