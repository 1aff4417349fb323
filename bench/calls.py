"""The requests that the load program sends, as raw bytes, and how a success is told from the answer.

Every call is another text to another number, so that no cache and no page of the store sees the same row twice in a while.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

KEY = "benchBENCHbenchBENCHbenchBENCHbenchBENCH"
DIFFERENT = 4096

# what a generated stub sends for all that its program did not set
UNSET = {
    "port": "0",
    "shorturl": "0",
    "sIdentifiant": "",
    "sendwa": "0",
    "sendsms": "1",
    "encrypt_message": "0",
    "waonly": "0",
    "from": "",
    "validity_s": "3600",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """One way to ask for a message."""

    name: str
    parameters: int
    request: Callable[[dict[str, str]], bytes]
    extra: dict[str, str]
    guid: re.Pattern[bytes]
    """finds the message's id in the body of a success, and nothing in any other"""

    def requests(self, *, seed: int = 0, count: int = DIFFERENT) -> list[bytes]:
        dice = random.Random(seed)
        return [self.request(_fields(dice) | self.extra) for _ in range(count)]


def _fields(dice: random.Random) -> dict[str, str]:
    text = f"Your order {dice.randrange(10**6):06d} has left our house and arrives on Tuesday"
    return {"recipients": f"+3247{dice.randrange(10**7):07d}", "message": text, "apikey": KEY}


def _post(path: str, content_type: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: bench.example\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def form_post(fields: dict[str, str]) -> bytes:
    return _post("/sendsms", "application/x-www-form-urlencoded", urlencode(fields).encode())


def form_get(fields: dict[str, str]) -> bytes:
    return f"GET /sendsms?{urlencode(fields, quote_via=quote)} HTTP/1.1\r\nHost: bench.example\r\n\r\n".encode()


def soap(fields: dict[str, str]) -> bytes:
    children = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body>'
        f'<sendSms xmlns="urn:sendSms">{children}</sendSms></SOAP-ENV:Body></SOAP-ENV:Envelope>'
    )
    request = _post("/sendsms/soap", "text/xml; charset=utf-8", body.encode())
    return request.replace(b"\r\n", b'\r\nSOAPAction: "urn:sendSms#sendSms"\r\n', 1)


_IN_JSON = re.compile(rb'"id":"([0-9a-f]{40})"')
_IN_XML = re.compile(rb"<(?:\w+:)?id>([0-9a-f]{40})</")
_THREE = 3

FORM_POST = Way(name="form_post", parameters=_THREE, request=form_post, extra={}, guid=_IN_JSON)
FORM_GET = Way(name="form_get", parameters=_THREE, request=form_get, extra={}, guid=_IN_JSON)
SOAP = Way(name="soap", parameters=_THREE, request=soap, extra={}, guid=_IN_XML)
SOAP_ALL = Way(name="soap_all", parameters=_THREE + len(UNSET), request=soap, extra=UNSET, guid=_IN_XML)
