"""A program that was written for SMSGate's server, as bytes on the wire, and a gateway that has both of its APIs behind one door."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock

from adapters.apis import ApiSettings, formats
from adapters.apis.smsgate_client import api
from adapters.web import FrontDoor
from service.accounts import Account
from tests.apis.gateway import KEY
from tests.apis.smsgate_peer import House, basic
from tests.http_peer import Answer
from tests.postbox import Postbox

BASE = "/api/3rdparty/v1"
NUMBER, OTHER = "+32495898697", "+32470123456"
SEND: dict[str, Any] = {"textMessage": {"text": "Hi é"}, "phoneNumbers": [NUMBER]}


class Server(House):
    def __init__(self) -> None:
        super().__init__()
        self.box = Postbox()
        webhooks = self.gateway.webhooks
        webhooks.formats, webhooks.poster = formats(), self.box
        self.door = FrontDoor([self.api, api(self.gateway, ApiSettings())], log=self.log, clock=Clock())

    async def opened(self, **fields: Any) -> Account:
        """A first account, which has the key KEY."""
        return await self.account(name="shop", default_country="BE", **fields)

    async def ask(
        self, method: str, path: str, body: Any = None, *, authorization: str | None = None, base: str = BASE, **headers: str
    ) -> Answer:
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        shown = basic("shop", KEY) if authorization is None else authorization
        lines = [f"{method} {base}{path} HTTP/1.1", "Host: sms.test", f"Content-Length: {len(sent)}", "Content-Type: application/json"]
        lines += [f"Authorization: {shown}"] if shown else []
        return await self.say("\r\n".join(lines).encode() + b"\r\n\r\n" + sent)

    async def told(self, method: str, path: str, body: Any = None, *, status: int = 200, authorization: str | None = None) -> Any:
        """The JSON of an answer that must have this status."""
        answer = await self.ask(method, path, body, authorization=authorization)
        assert answer.status == status, answer
        return json.loads(answer.body) if answer.body else None

    async def sent(self, **fields: Any) -> Any:
        return await self.told("POST", "/messages", {**SEND, **fields}, status=202)
