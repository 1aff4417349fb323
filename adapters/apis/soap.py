"""SMSMobileAPI's SOAP: the operation sendSms of sendsms.wsdl, for any stub in any style, and the WSDLs themselves.

    POST /sendsms/soap                     <sendSms xmlns="urn:sendSms"><recipients>+1234567890</recipients>...</sendSms>
    GET  /sendsms/wsdl/sendsms.wsdl        document/literal, all parameters; the same as /sendsms/soap?wsdl
    GET  /sendsms/wsdl/sendsms-rpc.wsdl    rpc/literal, the three documented arguments

An envelope becomes the parameters of the form endpoint, which does the work; its `result`, or its refusal as a fault, goes back in
an envelope: a fault has HTTP 500 (SOAP 1.2: 400 where the caller is to blame), because nusoap takes other statuses for no answer at
all. Only what the front door refuses keeps the front door's status; it is a fault too.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Protocol
from urllib.parse import parse_qsl
from xml.sax.saxutils import quoteattr

from adapters.apis import ApiSettings, smsmobileapi
from adapters.apis._answers import answer, fault
from adapters.apis._envelope import BadEnvelope, Request, Version, read
from adapters.apis._spyne import NEEDED, PARAMETERS, WHOLE_NUMBERS, decode
from adapters.apis._xml import Malformed
from adapters.web import Api, Call, Reply, Route, Trouble
from service.errors import Missing, QuotaExceeded, Refused, Unavailable
from service.gateway import Gateway

ENDPOINT = "/sendsms/soap"
WSDLS = ("sendsms.wsdl", "sendsms-rpc.wsdl")
"""the first is what ?wsdl answers"""
YES = frozenset({"true", "yes"})
"""what some stubs send for 1"""
CONTENT_TYPES = {Version.SOAP11: "text/xml; charset=utf-8", Version.SOAP12: "application/soap+xml; charset=utf-8"}
PAGE = f"""This is the SOAP endpoint of an SMS gateway. POST an envelope with the operation sendSms here.
Its description: {ENDPOINT}?wsdl and, for rpc clients, /sendsms/wsdl/sendsms-rpc.wsdl
"""

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
_ADDRESS = re.compile(r'(?<=<soap:address location=)"[^"]*"')


class Send(Protocol):
    """`smsmobileapi.send`, for one gateway."""

    def __call__(self, fields: Mapping[str, str], *, bearer: str | None, peer: str) -> Awaitable[dict[str, object]]: ...


def api(gateway: Gateway, settings: ApiSettings) -> Api:
    def send(fields: Mapping[str, str], *, bearer: str | None, peer: str) -> Awaitable[dict[str, object]]:
        return smsmobileapi.send(gateway, fields, bearer=bearer, peer=peer, api="soap")

    return endpoint(send, settings)


def endpoint(send: Send, settings: ApiSettings) -> Api:
    """The API over anything that sends."""
    handlers = _Handlers(send, settings, {name: files("wsdl").joinpath(name).read_text() for name in WSDLS})
    wsdls = [Route(path=f"/sendsms/wsdl/{name}", handler=partial(handlers.wsdl, name)) for name in WSDLS]
    return Api(name="soap", routes=(Route(path=ENDPOINT, handler=handlers.endpoint), *wsdls), word=word)


def word(call: Call, error: Refused | Trouble) -> Reply:
    """A fault in the SOAP version of the call's content type."""
    version = _version(call)
    if isinstance(error, Refused):
        return _refused(version, error)
    side = "Server" if error.status >= 500 else "Client"
    body = fault(version, fault=side, code=error.code, why=f"{error.code}: {error.why}")
    return Reply(body, status=error.status, content_type=CONTENT_TYPES[version])


@dataclass(frozen=True, slots=True)
class _Handlers:
    send: Send
    settings: ApiSettings
    wsdls: Mapping[str, str]

    async def endpoint(self, call: Call) -> Reply:
        if call.method == "POST":
            return await self._called(call)
        asked = {name.lower() for name, _ in parse_qsl(call.query.decode("latin-1"), keep_blank_values=True)}
        if asked & {"wsdl", "singlewsdl"}:
            return self._described(call, WSDLS[0])
        return Reply(PAGE.encode(), content_type="text/plain; charset=utf-8")

    async def wsdl(self, name: str, call: Call) -> Reply:
        return await self._called(call) if call.method == "POST" else self._described(call, name)

    async def _called(self, call: Call) -> Reply:
        try:
            request = read(call.body, call.header("content-type"), PARAMETERS)
        except Malformed as bad:
            return _malformed(_version(call), bad)
        bearer = smsmobileapi.bearer_of(call)
        try:
            fields = _fields(request)
            if key := call.header("idempotency-key"):
                fields["idempotency_key"] = key
            if bearer is None and "apikey" not in fields:
                _refuse_what_lost_its_arguments(fields)
            result = await self.send(fields, bearer=bearer, peer=call.peer)
        except Refused as refused:
            return _refused(request.version, refused)
        body = answer(request.version, request.is_qualified, request.namespace, result)
        return Reply(body, content_type=CONTENT_TYPES[request.version])

    def _described(self, call: Call, name: str) -> Reply:
        """With our address in it: the configured one, else the one that this caller has used, which no one else may be served."""
        base = self.settings.public_url
        if base is None:
            host = call.header("host") or self.settings.listens_on  # HTTP/1.0 need not name one
            if not _HOST.fullmatch(host):
                raise Trouble(400, "invalid_host", "the Host header is not the name of a host")
            base = f"{call.scheme}://{host}"
        text = _ADDRESS.sub(lambda _: quoteattr(base + ENDPOINT), self.wsdls[name])
        return Reply(text.encode(), content_type="text/xml; charset=utf-8", headers=(("Cache-Control", "no-store"),))


def _fields(request: Request) -> dict[str, str]:
    """The call as a form. Generated stubs send 0 or false for each number that was not set: that asks for nothing."""
    asked = {}
    for name, text in request.values.items():
        if name in WHOLE_NUMBERS:
            said = text.strip().lower()
            if said in smsmobileapi.NOTHING:
                continue
            text = "1" if said in YES else text
        asked[name] = text
    fields = {name: str(value) for name, value in decode(asked).items() if value != 0}
    if "sendwa" in fields and request.values.get("sendsms", "").strip():
        # only beside another way to send does a 0 here say something
        fields.setdefault("sendsms", "0")
    return fields


def _refuse_what_lost_its_arguments(fields: Mapping[str, str]) -> None:
    """A stub that drops them drops the key too, and "no key" would send its owner the wrong way."""
    for name in NEEDED:
        if name not in fields:
            raise Missing(name)


def _version(call: Call) -> Version:
    is_12 = call.header("content-type").lower().startswith("application/soap+xml")
    return Version.SOAP12 if is_12 else Version.SOAP11


def _malformed(version: Version, bad: Malformed) -> Reply:
    side = "Client"
    if isinstance(bad, BadEnvelope):
        side, version = bad.fault, bad.version or version
    return _fault(version, side, bad.code, bad.why)


def _refused(version: Version, refused: Refused) -> Reply:
    _, code, why = smsmobileapi.code_of(refused)
    retry: tuple[tuple[str, str], ...] = ()
    if isinstance(refused, QuotaExceeded):
        retry = (("Retry-After", str(refused.retry_after_s or smsmobileapi.DEFAULT_RETRY_AFTER_S)),)
    return _fault(version, "Server" if isinstance(refused, Unavailable) else "Client", code, why, retry)


def _fault(version: Version, side: str, code: str, why: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    status = 400 if version is Version.SOAP12 and side == "Client" else 500
    body = fault(version, fault=side, code=code, why=f"{code}: {why}")
    return Reply(body, status=status, content_type=CONTENT_TYPES[version], headers=headers)
