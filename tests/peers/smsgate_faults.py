"""What goes wrong with a phone, by script: where it is killed, what becomes of its reports, when it has no network, how its clock is wrong.

`Reception` is the phone's network with these faults in it. The app itself does not know that this file exists, but for four places where
it says how far it came: `pulled`, `stored`, `transmitted`, `sent`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from enum import Enum

from tests.peers.smsgate_http import Answer, Network, Patience, Request, Stream

POINTS = ("pulled", "stored", "transmitted", "sent")
"""A list was read and nothing stored; a message was stored and not sent; an SMS is on the air and the phone's memory does not say so (on this
a real phone sends again); the memory says so and nothing was reported."""


class Fate(Enum):
    """of one PATCH /message"""

    ARRIVES = "arrives"
    LOST = "lost"
    """on the way there; the phone tries again"""
    ANSWER_LOST = "answer_lost"
    """the server took it; the phone tries again"""
    TWICE = "twice"
    DROPPED = "dropped"
    """the phone thinks that it arrived, as when it gave up"""
    HELD = "held"
    """arrives after the next one"""


class Killed(BaseException):
    """The process is gone, as far as this phone is concerned."""


def end_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Faults:
    def __init__(
        self,
        *,
        kill_at: str | None = None,
        kill_on: int = 1,
        kill: Callable[[], None] = end_process,
        clock_offset_s: float = 0,
        read_pause_s: float = 0,
    ) -> None:
        assert kill_at in (None, *POINTS)
        self._kill_at, self._kill_on, self._kill = kill_at, kill_on, kill
        self.clock_offset_s = clock_offset_s
        self.read_pause_s = read_pause_s

    def reach(self, point: str) -> None:
        if point == self._kill_at:
            self._kill_on -= 1
            if self._kill_on == 0:
                self._kill()
                raise Killed


class Reception:
    """A Network that can be away. `fates` are those of the next reports; all later ones arrive. Each fault is told to `log` when it happens."""

    def __init__(self, network: Network, *, fates: Iterable[Fate] = (), log: Callable[[str], None] = lambda _: None) -> None:
        self._network = network
        self._log = log
        self._fates = iter(fates)
        self._streams: list[Stream] = []
        self._held: list[Request] = []
        self._online: asyncio.Event | None = None

    async def exchange(self, request: Request, patience: Patience) -> Answer:
        self._need_network()
        if request.method != "PATCH" or not request.url.endswith("/message"):
            return await self._network.exchange(request, patience)
        return await self._report(request, patience)

    async def _report(self, request: Request, patience: Patience) -> Answer:
        fate = next(self._fates, Fate.ARRIVES)
        if fate is not Fate.ARRIVES:
            self._log(f"fault report_{fate.value}")
        if fate is Fate.HELD:
            self._held.append(request)
        if fate in (Fate.HELD, Fate.DROPPED):
            return Answer(status=204, headers={})
        if fate is Fate.LOST:
            raise ConnectionResetError("the report was lost")
        answer = await self._network.exchange(request, patience)
        if fate is Fate.TWICE:
            answer = await self._network.exchange(request, patience)
        while self._held:
            await self._network.exchange(self._held.pop(0), patience)
        if fate is Fate.ANSWER_LOST:
            raise ConnectionResetError("the answer was lost")
        return answer

    @asynccontextmanager
    async def stream(self, request: Request, patience: Patience) -> AsyncIterator[Stream]:
        self._need_network()
        async with self._network.stream(request, patience) as stream:
            self._streams.append(stream)
            try:
                yield stream
            finally:
                self._streams.remove(stream)

    def cut(self) -> None:
        """The streams that are open."""
        for stream in self._streams:
            self._log("fault stream_cut")
            stream.cut()

    def lose(self) -> None:
        self._log("fault no_network")
        self._online = asyncio.Event()
        self.cut()
        self._network.close()

    def regain(self) -> None:
        if self._online is not None:
            self._online.set()
            self._online = None

    async def wait(self) -> None:
        """Android starts no work that needs a network while there is none."""
        if self._online is not None:
            await self._online.wait()

    def _need_network(self) -> None:
        if self._online is not None:
            raise OSError("no network")

    def close(self) -> None:
        self._network.close()
