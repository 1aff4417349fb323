"""How the driver suite gets at each driver. Adding a driver is one line in DRIVERS, and a rig that stands in for its device."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from adapters.devices.simulator import Behaviour, Simulator
from service.fleet import Device
from service.ports import Driver
from tests.fakes import FakeClock, ripple


class Mood(Enum):
    """What the device is told to do with each submit."""

    TAKES = auto()
    """and reports it sent and delivered"""
    HOLDS = auto()
    """answers only at `Rig.let_go`"""
    REFUSES_FOR_NOW = auto()
    REFUSES_FOR_GOOD = auto()


class Rig(Protocol):
    """A driver together with the device that it speaks to."""

    driver: Driver

    async def settle(self) -> None:
        """Let everything happen that is going to happen, timers included, except what a device HOLDS."""
        ...

    async def let_go(self) -> None:
        """The device answers what it holds, and reports."""
        ...

    async def lose_connection(self) -> None:
        """Now; it is not back before `reconnect`."""
        ...

    async def reconnect(self) -> None: ...


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


DRIVERS: dict[str, Callable[[Mood, Device], Rig]] = {
    "simulator": SimulatorRig,
}
