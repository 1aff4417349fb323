"""Looks for what is due by now, for all workers of a process with one question: a worker with nothing to do asks nothing and has no timer.

Who accepts a message wakes a worker himself. What is left is found here: messages that waited for their time, those that are to be tried
again, and those that another process has accepted or given back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from adapters.reactor import frames
from service.errors import Unavailable
from service.messages import FirstInLane
from service.ports import Store

LOOK_S = 5.0
"""it looks again after this long even when it expects nothing: another process may have accepted something"""


@dataclass(kw_only=True)
class Lookout:
    store: Store
    clock: Callable[[], datetime]
    on_due: Callable[[FirstInLane], None]
    log: Any
    _expected: datetime | None = None
    """when it looks next, at the latest"""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def expect(self, due: datetime | None) -> bool:
        """Something will be due then (None: no more is known). True: it is looked for."""
        if due is not None and self._expected is not None and due < self._expected:
            self._expected = due
            self._news.set()
        return True

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            self._expected = self.clock() + timedelta(seconds=LOOK_S)
            try:
                await self._look()
            except Unavailable as away:
                self.log.warning("store_unavailable", why=away.why)
            except Exception as bug:
                self.log.error("lookout_failed", error=type(bug).__name__, frames=frames(bug))
            await self._rest()

    async def _look(self) -> None:
        firsts, now = await self.store.first_in_lanes(), self.clock()
        for first in firsts:
            if first.due <= now:
                self.on_due(first)
            else:
                self.expect(first.due)

    async def _rest(self) -> None:
        """Until the moment has come that is expected first."""
        while self._expected is not None and (seconds := (self._expected - self.clock()).total_seconds()) > 0:
            self._news.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                pass
