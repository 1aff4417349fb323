"""What the tests of the played phone share: a phone in virtual time, its gateway, its air."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.fakes import START
from tests.peers.scripted_gateway import BASE, Memo, ScriptedGateway
from tests.peers.smsgate_air import ListedAir, Outcome, Script
from tests.peers.smsgate_app import Phone
from tests.peers.smsgate_device import Device, Make
from tests.peers.smsgate_faults import Fate, Faults, Reception
from tests.peers.smsgate_memory import Memory, Storage
from tests.peers.smsgate_versions import Version

NUMBER = "+32495898697"
OTHER = "+32470123456"


def message(id: str = "m1", *numbers: str, **fields: Any) -> dict[str, Any]:
    return {"id": id, "textMessage": {"text": "Hi"}, "phoneNumbers": list(numbers or (NUMBER,)), **fields}


def now_s() -> float:
    """The virtual loop's, since 1970."""
    return START.timestamp() + asyncio.get_running_loop().time()


class House:
    def __init__(self, gateway: ScriptedGateway | None = None, *, path: Path | None = None) -> None:
        self.gateway = gateway or ScriptedGateway()
        self.storage = Storage(path)
        self.air = ListedAir()
        self.log: list[str] = []

    def phone(
        self,
        version: str = "1.68.0",
        *,
        outcome: Outcome | None = None,
        outcomes: dict[str, Outcome] | None = None,
        fates: Iterable[Fate] = (),
        faults: dict[str, Any] | None = None,
        **make: Any,
    ) -> Phone:
        """The same one each time, over what it remembers."""
        wrong = Faults(**({"kill": lambda: None} | (faults or {})))
        device = Device(
            make=Make(url=BASE, version=Version(version), **({"private_token": "private"} | make)),
            memory=Memory(self.storage, 0),
            reception=Reception(Memo(self.gateway), fates=fates),
            air=self.air,
            faults=wrong,
            script=Script(outcome or Outcome(), outcomes or {}),
            log=self.log.append,
            clock=now_s,
        )
        return Phone(device)

    @property
    def sent(self) -> list[tuple[str, str]]:
        return [(sms.id, sms.number) for sms in self.air.sent]


async def after(seconds: float, phone: Phone) -> None:
    """Starts it unless it runs, lets the time pass and stops it."""
    phone.start()
    await asyncio.sleep(seconds)
    await phone.stop()
