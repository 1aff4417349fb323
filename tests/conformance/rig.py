"""What the driver suite needs of whatever plays a driver's device."""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

from service.lifecycle import Status
from service.ports import Driver


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


class FetchingRig(Rig, Protocol):
    """The same for a device that fetches its messages. One that TAKES does by itself what the three steps below have one do that HOLDS."""

    async def fetch(self) -> list[str]:
        """The device fetches what is offered: the ids under which it gets it. It says nothing of them yet."""
        ...

    async def acknowledge(self, id: str) -> None:
        """The device says that it has stored this one."""
        ...

    async def report(self, id: str, status: Status) -> None: ...
