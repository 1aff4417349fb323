"""A phone with SMSGate as bytes on the wire, and the gateway that it calls: the real rules, driver and outbox over a store in memory."""

from __future__ import annotations

import asyncio
import hmac
import json
from base64 import b64encode
from datetime import datetime
from typing import Any

from adapters.apis import ApiSettings
from adapters.apis.smsgate_device import api
from adapters.devices import Tools
from adapters.devices.smsgate import driver
from service.accounts import Account
from service.fleet import Device
from service.messages import MtMessage
from tests.apis.gateway import MemoryGateway
from tests.fakes import ripple
from tests.http_peer import Answer, Wire
from tests.scripted_driver import queue

BASE = "/mobile/v1"
NEWEST = "1.68.0"
SIMS = [{"slotIndex": 0, "simNumber": 1, "phoneNumber": "*******0001"}, {"slotIndex": 1, "simNumber": 2}]


class House(MemoryGateway):
    """The device API behind the door; each phone that joins has its driver, which is handed what is due when a test says so."""

    def __init__(self, settings: ApiSettings | None = None) -> None:
        super().__init__(api, settings)
        self.pulls = self.gateway.pulls
        self.troubles: list[tuple[str, str]] = []
        self.pulls.on_trouble = lambda device, why: self.troubles.append((device, why))
        self.drivers: dict[str, Any] = {}
        self.sending: set[asyncio.Task[None]] = set()
        self.fleet.on_link, self.fleet.on_unlink = self._engage, self._dismiss
        self.gateway.mailbox.on_cancel = self.pulls.cancel

    async def _engage(self, device: Device) -> None:
        if device.id in self.drivers:
            await self.drivers[device.id].stop()
        made = driver(device, Tools(clock=self.clock, folder=None, pulls=self.pulls))  # type: ignore[arg-type]
        self.drivers[device.id] = made
        await made.start(self.outcome)

    async def _dismiss(self, device: Device) -> None:
        await self.drivers.pop(device.id).stop()
        await ripple()
        self.pulls.drop(device.id)

    async def hand_over(self, device: str) -> None:
        """What is due for the device is claimed and offered to it."""
        its = self.drivers[device]
        for message in await self.dispatch.claim(its, its.window):
            task = asyncio.ensure_future(self.dispatch.send(its, message))
            self.sending.add(task)
            task.add_done_callback(self.sending.discard)
        await ripple()

    async def queued(self, device: str, **fields: Any) -> MtMessage:
        """A message for the device that has been offered to it."""
        message = await queue(self.store, self.clock(), **fields)
        await self.hand_over(device)
        return message

    async def row(self, guid: str) -> MtMessage:
        [found] = [row for row in await self.rows() if row.guid == guid]
        return found

    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.pulls.sweep()

    async def joined(self, version: str = NEWEST, account: Account | None = None, *, is_greeted: bool = True, **said: Any) -> Phone:
        """A phone that has joined the account (or the first one) by a private token, and knows what is decided about it."""
        account = account or await self.store.account(1) or await self.account()
        token = await self.gateway.enrolment.new_token(account)
        phone = Phone(self, version)
        answer = await phone.say("POST", "/device", {"name": "Google/panther", "simCards": SIMS, **said}, authorization=f"Bearer {token}")
        assert answer.status == 201, answer
        registered = json.loads(answer.body)
        phone.id, phone.token, phone.registered = registered["id"], registered["token"], registered
        self.pulls.of(phone.id).is_greeted = is_greeted
        return phone


class Phone:
    def __init__(self, house: House, version: str = NEWEST) -> None:
        self.house, self.agent = house, f"me.capcom.smsgateway/{version}"
        self.id = self.token = ""
        self.registered: dict[str, Any] = {}

    async def say(
        self, method: str, path: str, body: Any = None, *, authorization: str | None = None, base: str = BASE, **headers: str
    ) -> Answer:
        return await self.house.say(self.request(method, base + path, body, authorization, headers))

    def request(
        self, method: str, path: str, body: Any = None, authorization: str | None = None, headers: dict[str, str] | None = None
    ) -> bytes:
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        shown = f"Bearer {self.token}" if authorization is None else authorization
        lines = [f"{method} {path} HTTP/1.1", "Host: sms.test", f"User-Agent: {self.agent}", f"Content-Length: {len(sent)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in (headers or {}).items()]
        lines += [f"Authorization: {shown}"] if shown else []
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + sent

    async def read(self, path: str) -> Any:
        answer = await self.say("GET", path)
        assert answer.status == 200, answer
        return json.loads(answer.body)

    async def tell(self, id: str, state: str, error: str | None = None, at: str | None = None) -> None:
        """As the app does: a list of one, with what it knows of the only recipient."""
        recipient = {"phoneNumber": "+32495898697", "state": state} | ({} if error is None else {"error": error})
        told = {"id": id, "state": state, "recipients": [recipient], "states": {} if at is None else {state: at}}
        answer = await self.say("PATCH", "/message", [told])
        assert (answer.status, answer.body) == (204, b"")

    async def post(self, event: str, payload: Any, *, key: str | None = None, secret: str | None = None, id: str = "e1") -> Answer:
        """To the hook that it was given for all events."""
        listed = await self.read("/webhooks")
        path = listed[0]["url"].removeprefix("http://sms.test")
        if secret is not None:
            path = path.rpartition("/")[0] + "/" + secret
        body = json.dumps({"id": id, "webhookId": "w", "event": event, "deviceId": self.id, "payload": payload}).encode()
        signature = {} if key is None else {"X-Timestamp": "1763823600", "X-Signature": signed(key, body, "1763823600")}
        return await self.house.say(self.request("POST", path, body, "", signature))

    async def listen(self) -> Listening:
        wire, connection = Wire(lenient=True), self.house.door.buildProtocol(None)  # type: ignore[no-untyped-call]
        connection.makeConnection(wire)  # type: ignore[no-untyped-call]
        connection.dataReceived(self.request("GET", BASE + "/events"))
        await ripple()
        return Listening(wire, connection)


class Listening:
    """An open stream."""

    def __init__(self, wire: Wire, connection: Any) -> None:
        self.wire, self.connection = wire, connection
        self.head, _, self._unread = self._said().partition("\r\n\r\n")

    def _said(self) -> str:
        said: bytes = self.wire.value()  # type: ignore[no-untyped-call]
        self.wire.clear()  # type: ignore[no-untyped-call]
        return said.decode()

    def events(self) -> list[tuple[str, str]]:
        """Type and data of those that came since the last time."""
        lines, self._unread = (self._unread + self._said()).split("\n"), ""
        types = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
        return list(zip(types, (line.removeprefix("data: ") for line in lines if line.startswith("data: ")), strict=True))

    async def cut(self) -> None:
        self.connection.connectionLost()
        await ripple()


def signed(key: str, body: bytes, timestamp: str) -> str:
    return hmac.new(key.encode(), body + timestamp.encode(), "sha256").hexdigest()


def basic(login: str, password: str) -> str:
    return "Basic " + b64encode(f"{login}:{password}".encode()).decode()


def wire_date(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"
