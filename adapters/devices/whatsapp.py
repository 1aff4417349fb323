"""WhatsApp as a device: Meta's Cloud API, or a WAHA server that the user runs (adapters/wire/whatsapp.py has both dialects).

Its device has no SIM slots, so that only messages whose channel is WhatsApp come here. What becomes of them comes by calls to us
(adapters/apis/whatsapp_hooks.py). It is online while the upstream says that it could send: it is asked once a minute, and more often
while it is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable

import httpx

from adapters.devices import Tools
from adapters.wire.whatsapp import KIND as KIND
from adapters.wire.whatsapp import Dialect, Request, dialect_of
from service.errors import SendFailed
from service.fleet import Device
from service.messages import Accepted, MtMessage
from service.ports import Inbox

READS_SECRETS = True
META_URL = "https://graph.facebook.com"
LOOK_S = 10.0
"""how often it is looked after an upstream that is away"""
LOOKS_AWAY = 6
"""how many times less often after one that is there"""
ANSWER_S = 20.0
TIMEOUT = httpx.Timeout(ANSWER_S, connect=5.0, pool=5.0)
# Node closes idle connections after 5 s: a message that meets that would be of unknown outcome
LIMITS = httpx.Limits(max_connections=20, keepalive_expiry=2.0)

Sleep = Callable[[float], Awaitable[None]]


class WhatsApp:
    deduplicates = False
    window = 16
    submit_timeout_s = ANSWER_S + 10

    def __init__(self, device: Device, dialect: Dialect, connect: Callable[[], httpx.AsyncClient], *, sleep: Sleep = asyncio.sleep) -> None:
        """`connect` makes a client that knows the upstream's URL."""
        self.device = device
        self._dialect = dialect
        self._connect = connect
        self._sleep = sleep
        self._inbox: Inbox | None = None
        self._is_online = False
        self._watching: asyncio.Task[None] | None = None
        self._in_flight: set[asyncio.Task[httpx.Response]] = set()

    async def start(self, inbox: Inbox) -> None:
        if self._inbox is None:
            self._inbox, self._client = inbox, self._connect()
            self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        if self._inbox is None or self._watching is None:
            return
        self._inbox, self._is_online = None, False
        ending = [self._watching, *self._in_flight]
        for task in ending:
            task.cancel()
        await asyncio.gather(asyncio.sleep(0), *ending, return_exceptions=True)
        await self._client.aclose()

    async def submit(self, message: MtMessage) -> Accepted:
        if self._inbox is None or not self._is_online:
            raise SendFailed("the WhatsApp upstream is not connected")
        if len(self._in_flight) >= self.window:
            raise SendFailed("too many messages are on their way already")
        answer = await self._ask(self._dialect.submit(message.recipient, message.text))
        return Accepted(device_message_id=self._dialect.taken(answer.status_code, answer.content))

    async def _ask(self, request: Request) -> httpx.Response:
        """Raises SendFailed; `unknown` from the moment on which the upstream may have the request."""
        asking = asyncio.create_task(self._send(request))
        self._in_flight.add(asking)
        try:
            return await asking
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as failed:
            self._came_or_went(False)
            raise SendFailed(f"the WhatsApp upstream cannot be reached ({type(failed).__name__})") from None
        except httpx.HTTPError as failed:
            self._came_or_went(isinstance(failed, httpx.TimeoutException))
            raise SendFailed(f"the WhatsApp upstream did not answer ({type(failed).__name__})", unknown=True) from None
        except asyncio.CancelledError:
            if self._inbox is None:
                raise SendFailed("the gateway stopped before the WhatsApp upstream answered", unknown=True) from None
            asking.cancel()
            raise
        finally:
            self._in_flight.discard(asking)

    async def _send(self, request: Request) -> httpx.Response:
        return await self._client.request(request.method, request.path, headers=dict(request.headers), content=request.body)

    async def _watch(self) -> None:
        for tick in itertools.count():
            if not self._is_online or tick % LOOKS_AWAY == 0:
                await self._look()
            await self._sleep(LOOK_S)

    async def _look(self) -> None:
        up = False
        with contextlib.suppress(httpx.HTTPError):
            answer = await self._send(self._dialect.probe())
            up = self._dialect.is_up(answer.status_code, answer.content)
        self._came_or_went(up)

    def _came_or_went(self, is_online: bool) -> None:
        if self._inbox is not None and is_online is not self._is_online:
            self._is_online = is_online
            self._inbox.online(self.device.id, is_online)


def driver(device: Device, tools: Tools) -> WhatsApp:
    def connect() -> httpx.AsyncClient:
        url = device.config.get("url") or META_URL
        return httpx.AsyncClient(base_url=url, timeout=TIMEOUT, limits=LIMITS, follow_redirects=False)

    return WhatsApp(device, dialect_of(device.config, tools.secrets), connect)
