"""Room 5: apply what a device says: reports about messages that it took, and messages that it received."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from service.dispatch import Dispatch
from service.fleet import Fleet
from service.messages import DeliveryReport, MoMessage
from service.ports import Clock, Store


@dataclass(kw_only=True)
class Outcome:
    """The Inbox that every driver is given."""

    store: Store
    fleet: Fleet
    dispatch: Dispatch
    clock: Clock
    on_unknown: Callable[[DeliveryReport], None] = lambda report: None
    """told of a report about a message that we do not know"""

    async def report(self, report: DeliveryReport) -> None:
        """Returns once it is on disk. A report may overtake the answer to its own submit; then it waits for that."""
        waiting = self.dispatch.in_flight(report.device)
        while not await self.store.report(report, self.clock()):
            if not waiting:
                return self.on_unknown(report)
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)

    async def received(self, message: MoMessage) -> None:
        await self.store.received(message, self.fleet.owner(message.device), self.clock())

    def online(self, device: str, is_online: bool) -> None:
        self.fleet.online(device, is_online)
