"""A caller of the SOAP API in memory: envelopes to bytes, answers to what they say. What sends is a fake that remembers."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lxml import etree

from adapters.apis import ApiSettings, soap
from adapters.web import Call, Limits, Reply, Trouble
from service.errors import Refused

SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
TYPE11 = "text/xml; charset=utf-8"
TYPE12 = "application/soap+xml; charset=utf-8"
LATIN1 = "text/xml; charset=ISO-8859-1"
CAPTURED = {path.stem: path.read_bytes() for path in sorted((Path(__file__).parent / "soap_requests").glob("*.xml"))}
"""what real clients put on the wire"""
ARGUMENTS = "<recipients>+1234567890</recipients><message>Hello World</message><apikey>KEY</apikey>"

PARTS = (["faultcode", "faultstring", "detail"], ["Code", "Reason", "Detail"])
"""of a fault, in SOAP 1.1 and 1.2; some clients trip over more"""

RESULT: dict[str, object] = {
    "error": 0,
    "sent": "1",
    "id": "c319d3b35e8f8712cde20dae39ac3c19f86eda25",
    "note": "sent by mobile",
    "datetime": "2026-03-20T21:07:44Z",
    "datetimeLocal": "2026-03-20T22:07:44+01:00",
    "port": None,
    "iac_control": "1",
    "iac_authorized": "1",
    "send_with_whatsapp": "0",
    "encrypted": {"status": "0"},
    "trial_account": {"status": "0", "sms_sent": 0},
}


def envelope(operation: str, *, namespace: str = SOAP11, header: str = "", before: str = "") -> bytes:
    body = f'<s:Envelope xmlns:s="{namespace}">{header}<s:Body>{operation}</s:Body></s:Envelope>'
    return (before + body).encode()


def call_of(arguments: str = ARGUMENTS, *, namespace: str = SOAP11, header: str = "") -> bytes:
    return envelope(f'<sendSms xmlns="urn:sendSms">{arguments}</sendSms>', namespace=namespace, header=header)


@dataclass(frozen=True)
class Fault:
    status: int
    fault: str
    """its code, without prefix"""
    code: str
    why: str


@dataclass
class Peer:
    """Does what the front door does with the API's replies and refusals."""

    settings: ApiSettings = field(default_factory=ApiSettings)
    result: dict[str, object] = field(default_factory=lambda: dict(RESULT))
    refusal: Exception | None = None
    sent: list[dict[str, str]] = field(default_factory=list)
    bearers: list[str | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.api = soap.endpoint(self._send, self.settings)

    async def _send(self, fields: Mapping[str, str], *, bearer: str | None, peer: str) -> dict[str, object]:
        self.sent.append(dict(fields))
        self.bearers.append(bearer)
        if self.refusal is not None:
            raise self.refusal
        return self.result

    def ask(self, call: Call) -> Reply:
        if len(call.body) > Limits().body:
            return self.api.word(call, Trouble(413, "too_large", "the body is too large"))
        route = next(route for route in self.api.routes if route.path == call.path)
        try:
            return _now(route.handler(call))
        except (Refused, Trouble) as refusal:
            return self.api.word(call, refusal)

    def post(self, body: bytes, content_type: str = TYPE11, *, path: str = "/sendsms/soap", **headers: str) -> Reply:
        names = {b"content-type": content_type.encode()} | {k.replace("_", "-").encode(): v.encode() for k, v in headers.items()}
        return self.ask(Call("POST", path, headers=names, body=body))

    def get(self, path: str, query: str = "", host: str = "sms.example") -> Reply:
        return self.ask(Call("GET", path, query=query.encode(), headers={b"host": host.encode()}))


def _now(awaitable: Any) -> Reply:
    """What it returns; nothing here ever waits."""
    coroutine: Coroutine[None, None, Reply] = awaitable
    try:
        coroutine.send(None)
    except StopIteration as done:
        reply: Reply = done.value
        return reply
    raise AssertionError("the handler waits for something")


def result_of(reply: Reply) -> dict[str, Any]:
    """The children of `return` by local name; a repeated one as a list."""
    assert reply.status == 200, reply.body
    (found,) = [element for element in etree.fromstring(reply.body).iter() if element.tag.rpartition("}")[2] == "return"]
    return _content(found)


def _content(element: etree._Element) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for child in element:
        name = child.tag.rpartition("}")[2]
        value = _content(child) if len(child) else child.text or ""
        content[name] = value if name not in content else [*_list(content[name]), value]
    return content


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def fault_of(reply: Reply) -> Fault:
    """Checks that it is a fault as both SOAP versions want it, in its own version's content type."""
    root = etree.fromstring(reply.body)
    is_12 = root.tag == f"{{{SOAP12}}}Envelope"
    assert reply.content_type == (TYPE12 if is_12 else TYPE11)
    ((body,),) = [root]
    (fault,) = body
    assert [child.tag.rpartition("}")[2] for child in fault] == PARTS[is_12]
    detail = fault.find(f"{{{SOAP12}}}Detail" if is_12 else "detail")
    assert detail is not None and not detail.text and [child.tag for child in detail] == ["{urn:sendSms}code"]
    assert b'<code xmlns="urn:sendSms">' in reply.body and reply.body.isascii()
    code, why = fault.find("faultcode"), fault.find("faultstring")
    if is_12:
        code, why = fault.find(f"{{{SOAP12}}}Code/{{{SOAP12}}}Value"), fault.find(f"{{{SOAP12}}}Reason/{{{SOAP12}}}Text")
    prefix, _, name = code.text.partition(":")
    assert code.nsmap[prefix] == (SOAP12 if is_12 else SOAP11)
    assert why.text.startswith(detail[0].text + ": ")
    return Fault(reply.status, name, detail[0].text, why.text)
