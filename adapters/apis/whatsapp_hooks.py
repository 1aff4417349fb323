"""What WhatsApp upstreams call: reports about messages that they took, and messages that people wrote.

    GET  /whatsapp/hooks/DEVICE?hub.mode=subscribe&hub.verify_token=TOKEN&hub.challenge=1158   -> 1158
    POST /whatsapp/hooks/DEVICE   X-Hub-Signature-256: sha256=...   {"object": "whatsapp_business_account", "entry": [...]}
    POST /whatsapp/hooks/DEVICE   X-Webhook-Hmac: ...               {"event": "message.ack", "session": "default", "payload": {...}}

A call without a good signature is refused, whatever it says. It is answered once what it brought is on disk; a 503 makes the upstream call
again, and what comes twice is known by its id.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

import orjson

from adapters.apis import ApiSettings
from adapters.operations import TEXT, Answer, Content, Operation, Parameter, json, record
from adapters.web import Api, Call, Reply, Route, Trouble
from adapters.wire.whatsapp import HOOKS, KIND, Event, Incoming, Told, Unreadable, dialect_of
from service.errors import NotFound, Refused, SealBroken, Unavailable
from service.fleet import Device
from service.gateway import Gateway
from service.lifecycle import Status
from service.messages import DeliveryReport, MoMessage

_STATUS = {"sent": Status.SENT, "delivered": Status.DELIVERED, "failed": Status.FAILED}


def api(gateway: Gateway, settings: ApiSettings) -> Api:
    hooks = _Hooks(gateway)
    routes = (
        Route(path=f"{HOOKS}/*", handler=hooks.verify, methods=frozenset({"GET"}), describe=(_VERIFY,)),
        Route(path=f"{HOOKS}/*", handler=hooks.take, methods=frozenset({"POST"}), describe=(_TAKE,)),
    )
    return Api(name="whatsapp_hooks", about="For Meta's Cloud API and WAHA servers, which call here.", routes=routes, word=_word)


@dataclass(frozen=True, slots=True)
class _Hooks:
    gateway: Gateway

    async def verify(self, call: Call) -> Reply:
        """Meta asks whether the address is ours before it uses it."""
        asked = dict(parse_qsl(call.query.decode("latin-1")))
        _, secrets = await self._device(call)
        token = secrets.get("verify_token", "")
        if not token or not hmac.compare_digest(asked.get("hub.verify_token", "").encode(), token.encode()):
            raise Trouble(403, "forbidden", "this is not the verify token that was made for this device")
        challenge = asked.get("hub.challenge", "")
        return Reply(
            challenge.encode("latin-1"), content_type="text/plain; charset=utf-8", headers=(("X-Content-Type-Options", "nosniff"),)
        )

    async def take(self, call: Call) -> Reply:
        device, secrets = await self._device(call)
        dialect = dialect_of(device.config, secrets)
        if not dialect.is_genuine(call.header, call.body):
            raise Trouble(403, "forbidden", "the signature is missing or not the one that the secret gives")
        try:
            events = list(dialect.events(call.body))
        except Unreadable as bad:
            raise Trouble(400, "bad_request", str(bad)) from None
        for event in events:
            await self._apply(device, event)
        return Reply(b"{}")

    async def _device(self, call: Call) -> tuple[Device, Mapping[str, str]]:
        device = next((d for d in self.gateway.fleet.all() if d.id == call.rest and d.kind == KIND), None)
        if device is None:
            raise Trouble(404, "not_found", "there is no such WhatsApp device")
        try:
            return device, await self.gateway.enrolment.secrets(device.id)
        except SealBroken as broken:
            raise Unavailable(str(broken)) from None

    async def _apply(self, device: Device, event: Event) -> None:
        now, outcome = self.gateway.clock(), self.gateway.outcome
        match event:
            case Told():
                report = DeliveryReport(
                    device=device.id, device_message_id=event.id, status=_STATUS[event.state], at=event.at or now, error=event.error
                )
                await outcome.report(report)
            case Incoming():
                message = MoMessage(
                    device=device.id, sender=event.sender, text=event.text, received=event.at or now, device_message_id=event.id
                )
                await outcome.received(message)


def _word(call: Call, error: Refused | Trouble) -> Reply:
    known = {Unavailable: 503, NotFound: 404}
    status = error.status if isinstance(error, Trouble) else known.get(type(error), 400)
    return Reply(orjson.dumps({"error": error.why}), status=status)


def _wording(codes: tuple[str, ...]) -> Content:
    return json(record({"error": TEXT}))


_DEVICE = Parameter(name="device", schema={"type": "string", "minLength": 1}, is_needed=True, place="path")
_VERIFY = Operation(
    method="GET",
    path=f"{HOOKS}/{{device}}",
    summary="Meta asks whether this address is yours",
    parameters=(_DEVICE, *(Parameter(name=name) for name in ("hub.mode", "hub.verify_token", "hub.challenge"))),
    answers={200: Answer(about="The challenge.", content={"text/plain": TEXT})},
    refusals={403: ("forbidden",), 404: ("not_found",), 503: ("unavailable",)},
    wording=_wording,
)
_TAKE = Operation(
    method="POST",
    path=f"{HOOKS}/{{device}}",
    summary="Reports and incoming messages",
    about="Signed: X-Hub-Signature-256 by Meta, X-Webhook-Hmac by WAHA.",
    parameters=(_DEVICE,),
    body=json({"type": "object"}),
    answers={200: Answer(about="It is on disk.", content=json(record({})))},
    refusals={400: ("bad_request",), 403: ("forbidden",), 404: ("not_found",), 503: ("unavailable",)},
    wording=_wording,
)
