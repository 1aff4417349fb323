"""What a recipient's browser asks for: the end of a short link, and the page of a sealed message.

    GET /s/4fK0aZp9QxT      302, Location: the URL that stood in the message
    GET /m/8yTq2LmZ0aB      a page that asks for the key and decrypts in the browser (static/sealed.js, by WebCrypto)

The code is the only key that is asked for. A HEAD, as previews make it, counts as no click.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from string import Template
from urllib.parse import quote, urlsplit, urlunsplit

import idna

from adapters.apis import ApiSettings
from adapters.operations import TEXT as STRING
from adapters.operations import Answer, Content, Operation, Parameter
from adapters.web import Api, Call, Reply, Route, Trouble
from service.errors import Refused, Unavailable
from service.gateway import Gateway

GET = frozenset({"GET"})
HTML, TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"
ASSETS = {"sealed.js": "text/javascript; charset=utf-8", "sealed.css": "text/css; charset=utf-8"}
MOST_CODE = 64

PRIVATE = (("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"), ("X-Content-Type-Options", "nosniff"))
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PAGE = (*PRIVATE, ("Content-Security-Policy", POLICY), ("X-Frame-Options", "DENY"), ("X-Robots-Tag", "noindex"))

_SAFE = "!#$%&'()*+,/:;=?@[]~"
"""what a URL may hold as it is; what was percent-encoded stays so"""


def api(gateway: Gateway, settings: ApiSettings) -> Api:
    """/s/CODE, /m/CODE and what the page of the latter loads."""
    links = _Links(gateway, urlsplit(settings.public_url or "").path)
    assets = [Route(path=f"/m/{name}", handler=partial(links.asset, name), methods=GET, describe=(_asset(name),)) for name in ASSETS]
    return Api(
        name="short_links",
        about="What a recipient's browser asks for. The code in the path is the only key.",
        routes=(
            Route(path="/s/*", handler=links.follow, methods=GET, describe=(_FOLLOW,)),
            Route(path="/m/*", handler=links.page, methods=GET, describe=(_PAGE,)),
            *assets,
        ),
        word=word,
    )


def word(call: Call, error: Refused | Trouble) -> Reply:
    """A sentence for a person."""
    if isinstance(error, Trouble):
        return Reply(f"{error.why}\n".encode(), status=error.status, content_type=TEXT, headers=PRIVATE)
    status = 503 if isinstance(error, Unavailable) else 400
    return Reply(b"This cannot be shown now. Please try again later.\n", status=status, content_type=TEXT, headers=PRIVATE)


def location(url: str) -> str:
    """The same place in ASCII, as a header has it."""
    if url.isascii():
        return quote(url, safe=_SAFE)
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not host.isascii():
        host = _ascii_host(*host.partition(":"))
    rest = (quote(part, safe=_SAFE) for part in (parts.path, parts.query, parts.fragment))
    return urlunsplit((parts.scheme, quote(user, safe=_SAFE) + at + host, *rest))


def _ascii_host(name: str, colon: str, port: str) -> str:
    """As browsers do it; Python's own codec would send straße.test to strasse.test."""
    try:
        return idna.encode(name, uts46=True).decode() + colon + port
    except idna.IDNAError:
        return quote(name, safe=_SAFE) + colon + port


@dataclass(frozen=True, slots=True)
class _Links:
    gateway: Gateway
    path: str
    """of the public URL, where a proxy serves us under one"""
    template: Template = field(default_factory=lambda: Template(_read("sealed.html").decode()))
    assets: dict[str, bytes] = field(default_factory=lambda: {name: _read(name) for name in ASSETS})

    async def follow(self, call: Call) -> Reply:
        url = await self.gateway.links.follow(_code(call), is_click=not call.is_head)
        if url is None:
            raise _gone()
        return Reply(b"", status=302, content_type=TEXT, headers=(("Location", location(url)), *PRIVATE))

    async def page(self, call: Call) -> Reply:
        found = await self.gateway.links.sealed_text(_code(call))
        if found is None:
            raise _gone()
        values = {"path": quote(self.path), "code": found.code, "box": base64.b64encode(found.box).decode()}
        page = self.template.substitute(values, expires=found.expires.strftime("%Y-%m-%d %H:%M UTC"))
        return Reply(page.encode(), content_type=HTML, headers=PAGE)

    async def asset(self, name: str, call: Call) -> Reply:
        return Reply(self.assets[name], content_type=ASSETS[name], headers=(("Cache-Control", "max-age=3600"), *PRIVATE[2:]))


def _read(name: str) -> bytes:
    return files("adapters.apis").joinpath("static", name).read_bytes()


def _code(call: Call) -> str:
    """Raises Trouble for what cannot be one."""
    if not (call.rest.isascii() and call.rest.isalnum() and len(call.rest) <= MOST_CODE):
        raise _gone()
    return call.rest


def _gone() -> Trouble:
    return Trouble(404, "not_found", "There is nothing here, or it has expired.")


def _wording(codes: tuple[str, ...]) -> Content:
    return {TEXT: STRING}


def _asset(name: str) -> Operation:
    answer = Answer(about="The file.", content={ASSETS[name]: STRING})
    return Operation(method="GET", summary=f"What the page of a sealed message loads: {name}", answers={200: answer}, wording=_wording)


_CODE = Parameter(name="code", about="as it stood in the message", schema={"type": "string", "minLength": 1}, is_needed=True, place="path")
_GONE = {404: ("not_found",)}
_FOLLOW = Operation(
    method="GET",
    path="/s/{code}",
    summary="Follow a short link",
    about="A click is counted; a HEAD is none.",
    parameters=(_CODE,),
    answers={302: Answer(about="To the link that stood in the message.", content={TEXT: STRING}, headers={"Location": "that link"})},
    refusals=_GONE,
    wording=_wording,
)
_PAGE = Operation(
    method="GET",
    path="/m/{code}",
    summary="The page that opens a sealed message",
    about="It asks for the key and decrypts in the browser; the server has neither key nor text.",
    parameters=(_CODE,),
    answers={200: Answer(about="The page.", content={HTML: STRING})},
    refusals=_GONE,
    wording=_wording,
)
