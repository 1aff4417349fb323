"""Every request that the SMSGate app makes of its server, word for word, and what it reads of the answers. SMSGate app, GatewayApi.kt

PATCH /message
[{"id":"c3...","state":"Sent","recipients":[{"phoneNumber":"+32...","state":"Sent"}],"states":{"Pending":"2026-...Z"}}]
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.peers.smsgate_dates import write_date
from tests.peers.smsgate_device import Device
from tests.peers.smsgate_http import Answer, Patience, Request, Stream
from tests.peers.smsgate_reading import (
    Item,
    Registration,
    Unreadable,
    read_hooks,
    read_messages,
    read_object,
    read_registration,
    read_settings,
)
from tests.peers.smsgate_writing import write

_OKHTTP = "okhttp/4.10.0"
_PATIENCE = Patience(connect_s=10, idle_s=10)


class Rejected(OSError):
    """Any status but 2xx, which the app tells apart in one place only."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class Api:
    def __init__(self, device: Device) -> None:
        self._device = device

    async def register(self, push_token: str | None) -> Registration:
        make = self._device.make
        body: dict[str, Any] = {"name": make.name, "pushToken": push_token, "simCards": self.sim_cards()}
        return read_registration((await self._call("POST", "/device", self._first_authorization(), body)).body)

    def _first_authorization(self) -> str | None:
        make = self._device.make
        if make.code is not None:
            return f"Code {make.code}"
        if make.login is not None:
            return "Basic " + b64encode(f"{make.login}:{make.password}".encode()).decode()
        return None if make.private_token is None else f"Bearer {make.private_token}"

    async def patch_device(self, push_token: str | None) -> None:
        body = {"id": self._device.setting("id"), "pushToken": push_token, "simCards": self.sim_cards()}
        await self._call("PATCH", "/device", self._bearer, body)

    async def public_address(self) -> None:
        if read_object((await self._call("GET", "/device", self._bearer)).body.decode()).get("externalIp") is None:
            raise Unreadable("no externalIp")

    async def messages(self) -> list[Item]:
        order = str(self._device.setting("messages.processing_order", "LIFO")).lower()
        query = f"?order={order}" if self._device.make.version.has("order") else ""
        return read_messages((await self._call("GET", f"/message{query}", self._bearer)).body, self._device.make.zone)

    async def patch_message(self, message: str, unknown: list[str] | None) -> None:
        """The state that the message has now; `unknown` are the numbers of one that was cancelled before the phone had it."""
        await self._call("PATCH", "/message", self._bearer, [self._state(message, unknown)])

    def _state(self, message: str, unknown: list[str] | None) -> dict[str, Any]:
        memory, zone = self._device.memory, self._device.make.zone
        if unknown is not None:
            cancelled = [{"phoneNumber": number, "state": "Cancelled"} for number in unknown]
            states = {"Cancelled": write_date(self._device.now_ms(), zone)}
            return {"id": message, "state": "Cancelled", "recipients": cancelled, "states": states}
        return {
            "id": message,
            "state": memory.state(message),
            "recipients": [{"phoneNumber": r.number, "state": r.state, "error": r.error} for r in memory.recipients(message)],
            "states": {state: write_date(at, zone) for state, at in memory.states(message).items()},
        }

    async def hooks(self) -> list[tuple[str | None, str | None, str | None]]:
        return read_hooks((await self._call("GET", "/webhooks", self._bearer)).body)

    async def settings(self) -> dict[str, Any]:
        return read_settings((await self._call("GET", "/settings", self._bearer)).body)

    async def login_code(self) -> str:
        """With which another phone joins the same account; asked by its owner."""
        login, password = (self._device.setting(key) for key in ("login", "password"))
        basic = "Basic " + b64encode(f"{login}:{password}".encode()).decode()
        return str(read_object((await self._call("GET", "/user/code", basic)).body.decode())["code"])

    async def change_password(self, new: str) -> None:
        body = {"currentPassword": self._device.setting("password"), "newPassword": new}
        await self._call("PATCH", "/user/password", self._bearer, body)
        self._device.memory.set("password", new)

    @asynccontextmanager
    async def events(self, patience: Patience) -> AsyncIterator[Stream]:
        """Raises Rejected for a status but 200, and for a content type that is not an event stream's."""
        headers = (("Authorization", self._bearer), ("Accept", "text/event-stream"), ("User-Agent", _OKHTTP))
        request = Request(method="GET", url=f"{self._device.make.url}/events", headers=headers)
        async with self._device.reception.stream(request, patience) as stream:
            media_type = stream.answer.headers.get("content-type", "").partition(";")[0].strip().lower()
            if stream.answer.status != 200 or media_type != "text/event-stream":
                raise Rejected(stream.answer.status)
            yield stream

    def sim_cards(self) -> list[dict[str, Any]] | None:
        if not self._device.make.version.has("sim_cards"):
            return None
        return [
            {
                "slotIndex": sim.slot,
                "simNumber": sim.slot + 1,
                "phoneNumber": _redacted(sim.number),
                "carrierName": _redacted(sim.carrier),
                "iccid": _redacted(sim.iccid),
            }
            for sim in self._device.make.sims
        ]

    @property
    def _bearer(self) -> str:
        return f"Bearer {self._device.setting('token')}"

    async def _call(self, method: str, path: str, authorization: str | None, body: Any = None) -> Answer:
        headers = [("Accept", "application/json"), ("Accept-Charset", "UTF-8")]
        if authorization is not None:
            headers.insert(0, ("Authorization", authorization))
        headers.append(("User-Agent", f"me.capcom.smsgateway/{self._device.make.version.name}"))
        if body is not None:
            headers.append(("Content-Type", "application/json"))
        written = None if body is None else write(body)
        request = Request(method=method, url=f"{self._device.make.url}{path}", headers=tuple(headers), body=written)
        answer = await self._device.reception.exchange(request, _PATIENCE)
        if not answer.is_good:
            raise Rejected(answer.status)
        return answer


def _redacted(text: str | None) -> str | None:
    """All but the last four characters."""
    return None if text is None else "*" * (len(text) - 4) + text[-4:]
