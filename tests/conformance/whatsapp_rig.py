"""The WhatsApp driver with an upstream that is none, for the driver suite."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from adapters.devices.whatsapp import WhatsApp
from adapters.wire.whatsapp import Told, dialect_of
from service.fleet import Device
from service.lifecycle import Status
from service.messages import DeliveryReport
from service.ports import Driver
from tests.conformance.rig import Mood
from tests.fakes import START, ripple
from tests.peers.whatsapp_upstreams import CloudApi, Waha

_UPSTREAMS: dict[str, Callable[[], CloudApi | Waha]] = {"cloud": lambda: CloudApi(longest=50_000), "waha": Waha}
_REFUSALS: dict[tuple[str, Mood], tuple[int, dict[str, Any]]] = {
    ("cloud", Mood.REFUSES_FOR_NOW): (429, {"error": {"code": 130429, "message": "Rate limit hit"}}),
    ("cloud", Mood.REFUSES_FOR_GOOD): (400, {"error": {"code": 131026, "message": "Message undeliverable"}}),
    ("waha", Mood.REFUSES_FOR_NOW): (422, {"error": "Session status is not as expected. Current: STARTING"}),
    ("waha", Mood.REFUSES_FOR_GOOD): (400, {"message": "chatId is wrong"}),
}


class WhatsAppRig:
    """The upstream behind httpx, which is real. Its calls go to the inbox by the way that the API takes with them."""

    def __init__(self, dialect: str, mood: Mood, device: Device) -> None:
        self._upstream = _UPSTREAMS[dialect]()
        self._upstream.failing = _REFUSALS.get((dialect, mood))
        self._holds, self._is_away = mood is Mood.HOLDS, False
        self._free, self._sleeper = asyncio.Event(), None
        self._told, self._inbox, self._reporting = 0, None, set[asyncio.Task[None]]()
        numbers = {"phone_number_id": CloudApi.number_id, "session": Waha.session}
        keys = {"cloud": (CloudApi.token, CloudApi.app_secret), "waha": (Waha.key, Waha.secret)}[dialect]
        self._dialect = dialect_of({"dialect": dialect, **numbers}, dict(zip(("key", "secret"), keys, strict=True)))
        self._whatsapp = WhatsApp(device, self._dialect, self._connect, sleep=self._sleep)
        start, stop = self._whatsapp.start, self._whatsapp.stop

        async def starting(inbox: Any) -> None:
            self._inbox = inbox
            await start(inbox)

        async def stopping() -> None:
            self._inbox = None
            for task in self._reporting:
                task.cancel()
            await stop()

        self._whatsapp.start, self._whatsapp.stop = starting, stopping  # type: ignore[method-assign]
        self.driver: Driver = self._whatsapp

    def _connect(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url="http://upstream.test", transport=httpx.MockTransport(self._answer))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if self._is_away:
            raise httpx.ConnectError("gone")
        if self._holds and request.method == "POST":
            await self._free.wait()
        if self._is_away:
            raise httpx.ReadError("gone")
        headers = {name.lower(): value for name, value in request.headers.items()}
        status, said = self._upstream.answer(request.method, request.url.raw_path.decode(), headers, request.content)
        return httpx.Response(status, json=said)

    async def _sleep(self, seconds: float) -> None:
        self._sleeper = asyncio.get_running_loop().create_future()
        await self._sleeper

    async def settle(self) -> None:
        await ripple()
        for id, *_ in self._upstream.sent[self._told :]:
            self._told += 1
            if self._inbox is not None:
                self._reporting.add(asyncio.create_task(self._report(id, self._inbox)))
        await ripple()

    async def _report(self, id: str, inbox: Any) -> None:
        upstream = self._upstream
        states: tuple[Any, ...] = ("sent", "delivered") if isinstance(upstream, CloudApi) else (1, 2)
        for state in states:
            _, body = upstream.status(id, state) if isinstance(upstream, CloudApi) else upstream.ack(id, state)
            for told in self._dialect.events(body):
                assert isinstance(told, Told)
                status = {"sent": Status.SENT, "delivered": Status.DELIVERED}[told.state]
                report = DeliveryReport(device=self.driver.device.id, device_message_id=told.id, status=status, at=told.at or START)
                await inbox.report(report)

    async def let_go(self) -> None:
        self._free.set()
        await ripple()
        self._free.clear()

    async def lose_connection(self) -> None:
        self._is_away = True
        await self.let_go()
        await self._look()

    async def reconnect(self) -> None:
        self._is_away = False
        await self._look()

    async def _look(self) -> None:
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)
        await ripple()
