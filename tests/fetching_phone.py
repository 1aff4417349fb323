"""A phone that fetches its messages, and a driver for it: for the rooms and suites that are about such devices.

The phone keeps what it fetched under the id that it was listed by, sends each id once, and tells again whatever it is asked again; it
does nothing by itself. The driver offers what is submitted until the phone has acknowledged it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from service.errors import SendFailed
from service.fleet import Device
from service.lifecycle import Status
from service.messages import Accepted, DeliveryReport, MtMessage
from service.ports import Inbox
from tests.fakes import START


@dataclass
class Phone:
    """Outlives every driver and every crash of ours."""

    states: dict[str, Status] = field(default_factory=dict)
    """by id: SENDING while it is only stored"""
    on_air: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    """ids whose state it has not told since it changed, or since they were listed again"""

    def store(self, ids: list[str]) -> None:
        for id in ids:
            self.states.setdefault(id, Status.SENDING)
            self.untold.append(id)

    def transmit(self) -> None:
        for id in [id for id, state in self.states.items() if state is Status.SENDING]:
            self.on_air.append(id)
            self.states[id] = Status.SENT
            self.untold.append(id)


@dataclass(eq=False)
class _Offer:
    message: MtMessage
    answer: asyncio.Future[Accepted]
    is_fetched: bool = False


class FetchingDriver:
    """A service.ports.Driver."""

    submit_timeout_s = 300.0
    deduplicates = True

    def __init__(self, device: Device, *, window: int = 4) -> None:
        self.device, self.window = device, window
        self._offers: dict[str, _Offer] = {}
        self._inbox: Inbox | None = None

    async def start(self, inbox: Inbox) -> None:
        if self._inbox is None:
            self._inbox = inbox
            inbox.online(self.device.id, True)
            self._is_connected = True

    async def submit(self, message: MtMessage) -> Accepted:
        if self._inbox is None or not self._is_connected:
            raise SendFailed("the phone is not there", given_back=True)
        if len(self._offers) >= self.window:
            raise SendFailed("the phone has enough to fetch", given_back=True)
        offer = _Offer(message, asyncio.get_running_loop().create_future())
        self._offers[message.try_guid] = offer
        try:
            return await offer.answer
        finally:
            del self._offers[message.try_guid]

    async def stop(self) -> None:
        if self._inbox is not None:
            self._inbox = None
            self._end_all("the driver was stopped")

    # what the phone does

    def fetch(self) -> list[str]:
        for offer in self._offers.values():
            offer.is_fetched = True
        return list(self._offers)

    async def tell(self, id: str, state: Status) -> None:
        """SENDING: it is stored."""
        inbox, offer = self._inbox, self._offers.get(id)
        if inbox is None:
            return
        if offer is not None and not offer.answer.done():
            offer.answer.set_result(Accepted(device_message_id=id, on_air=False))
        elif state is Status.SENDING:
            await inbox.taken(self.device.id, id)
        if state is not Status.SENDING:
            await inbox.report(DeliveryReport(device=self.device.id, device_message_id=id, status=state, at=START))

    def connection(self, is_there: bool) -> None:
        if self._inbox is not None and is_there is not self._is_connected:
            self._is_connected = is_there
            self._inbox.online(self.device.id, is_there)
            if not is_there:
                self._end_all("the phone went away")

    def _end_all(self, why: str) -> None:
        for offer in self._offers.values():
            if not offer.answer.done():
                offer.answer.set_exception(SendFailed(why, unknown=offer.is_fetched, given_back=not offer.is_fetched))
