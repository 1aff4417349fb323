"""How the driver suite gets at each driver. Adding a driver is one line in DRIVERS, and a rig that stands in for its device."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

from adapters.devices.simulator import Behaviour, Simulator
from adapters.devices.smsgate import SmsGate
from service.errors import Unavailable
from service.fleet import Device
from service.lifecycle import Status
from service.messages import DeliveryReport
from service.ports import Driver
from service.pulling import LISTENS_AGAIN, News, Pulls
from tests.conformance.rig import FetchingRig, Mood, Rig
from tests.conformance.whatsapp_rig import WhatsAppRig
from tests.fakes import FakeClock, ripple
from tests.fetching_phone import FetchingDriver

_BEHAVIOURS = {
    Mood.TAKES: Behaviour(sent_reports=1, delivered_reports=1, delivered_after_s=(1, 3), window=4),
    Mood.HOLDS: Behaviour(latency_s=(900, 900), sent_reports=1, delivered_reports=1, window=4),
    Mood.REFUSES_FOR_NOW: Behaviour(temporary_failures=1, window=4),
    Mood.REFUSES_FOR_GOOD: Behaviour(permanent_failures=1, window=4),
}


class SimulatorRig:
    def __init__(self, mood: Mood, device: Device) -> None:
        self._clock = FakeClock()
        self._simulator = Simulator(device, _BEHAVIOURS[mood], clock=self._clock, call_later=self._clock.call_later)
        self.driver: Driver = self._simulator

    async def settle(self) -> None:
        await ripple()
        self._clock.advance(4)
        await ripple()

    async def let_go(self) -> None:
        self._clock.advance(1000)
        await ripple()

    async def lose_connection(self) -> None:
        self._simulator.lose_connection()
        await ripple()

    async def reconnect(self) -> None:
        self._clock.advance(5)
        await ripple()


class FetchingPhoneRig:
    def __init__(self, mood: Mood, device: Device) -> None:
        self._phone = FetchingDriver(device)
        self.driver: Driver = self._phone

    async def settle(self) -> None:
        await ripple()

    async def let_go(self) -> None:
        for id in await self.fetch():
            await self.acknowledge(id)

    async def lose_connection(self) -> None:
        self._phone.connection(False)
        await ripple()

    async def reconnect(self) -> None:
        self._phone.connection(True)
        await ripple()

    async def fetch(self) -> list[str]:
        return self._phone.fetch()

    async def acknowledge(self, id: str) -> None:
        await self._phone.tell(id, Status.SENDING)
        await ripple()

    async def report(self, id: str, status: Status) -> None:
        await self._phone.tell(id, status)
        await ripple()


class SmsGateRig:
    """The phone in memory: it keeps a line open, fetches when it is told, and says what its mood is."""

    def __init__(self, mood: Mood, device: Device) -> None:
        self._mood, self._clock = mood, FakeClock()
        self._pulls = Pulls(clock=self._clock)
        self._outbox = self._pulls.of(device.id)
        self.driver: Driver = SmsGate(device, self._outbox)
        self._tasks: set[asyncio.Task[None]] = set()
        self._outbox.listen(self, self._clock())

    # a service.pulling.Line

    def tell(self, news: News, about: str = "") -> None:
        if self._mood is Mood.REFUSES_FOR_NOW:
            asyncio.get_running_loop().call_soon(self._fall_silent)
        elif self._mood is not Mood.HOLDS:
            self._begin(self._go_on())

    def hang_up(self) -> None:
        pass

    def _begin(self, what: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _go_on(self) -> None:
        for id in await self.fetch():
            self._begin(self.report(id, Status.FAILED) if self._mood is Mood.REFUSES_FOR_GOOD else self._take(id))

    async def _take(self, id: str) -> None:
        """As the app does: each report waits for the answer to the one before."""
        await self.acknowledge(id)
        for status in (Status.SENT, Status.DELIVERED):
            await self.report(id, status)

    def _fall_silent(self) -> None:
        self._outbox.hung_up(self, self._clock())
        self._clock.advance(3 * LISTENS_AGAIN.total_seconds())
        self._pulls.sweep()

    async def settle(self) -> None:
        await ripple()

    async def let_go(self) -> None:
        await self._go_on()
        await ripple()

    async def lose_connection(self) -> None:
        self._fall_silent()
        await ripple()

    async def reconnect(self) -> None:
        self._outbox.listen(self, self._clock())
        await ripple()

    async def fetch(self) -> list[str]:
        return [message.try_guid for message in self._outbox.fetch(self._clock())]

    async def acknowledge(self, id: str) -> None:
        with suppress(Unavailable):  # it would say it again later
            await self._outbox.acknowledge(id)

    async def report(self, id: str, status: Status) -> None:
        report = DeliveryReport(device=self.driver.device.id, device_message_id=id, status=status, at=self._clock())
        with suppress(Unavailable):
            await (self._outbox.fail(report) if status is Status.FAILED else self._outbox.report(report))


DRIVERS: dict[str, Callable[[Mood, Device], Rig]] = {
    "simulator": SimulatorRig,
    "smsgate": SmsGateRig,
    "whatsapp by the Cloud API": partial(WhatsAppRig, "cloud"),
    "whatsapp by WAHA": partial(WhatsAppRig, "waha"),
}
FETCHING: dict[str, Callable[[Mood, Device], FetchingRig]] = {
    "model": FetchingPhoneRig,
    "smsgate": SmsGateRig,
}
"""those whose devices fetch their messages; a real one stands in DRIVERS, too"""
