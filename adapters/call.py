"""What passes between the front door and an API: a Call comes in, a Reply goes out, and an Api says which calls are its own.

No socket and no wire format here. `Trouble` is what the front door itself refuses, worded by the API whose path was called;
an API's own refusals are `service.errors.Refused`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from adapters.fields import BadFields, decode
from service.errors import Refused

JSON = "application/json"


class Trouble(Exception):
    """The request is refused before any API has done anything, or the API failed. `code` is for programs, `why` ASCII for people."""

    def __init__(self, status: int, code: str, why: str, *, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(why)
        self.status = status
        self.code = code
        self.why = why
        self.headers = headers


@dataclass(slots=True)
class Call:
    """One request. Its repr shows nothing that a caller would not want in a log."""

    method: str
    """upper case; a HEAD arrives as GET"""
    path: str
    """as sent, percent-encoding kept, without query and trailing slash ("/" stays "/")"""
    query: bytes = field(default=b"", repr=False)
    headers: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    """by lower-case name; a repeated one joined with ", " """
    body: bytes = field(default=b"", repr=False)
    peer: str = ""
    """the address of whoever is connected"""
    request_id: str = ""
    rest: str = ""
    """on a prefix route: the raw path after the prefix"""
    is_head: bool = False
    """whether a HEAD has arrived as this GET"""
    _fields: dict[str, str] | None = field(default=None, init=False, repr=False, compare=False)

    def header(self, name: str) -> str:
        """Its value, stripped; "" when absent."""
        return self.headers.get(name.lower().encode("latin-1"), b"").decode("latin-1").strip()

    def fields(self) -> dict[str, str]:
        """The parameters of query and body together; the body wins. Raises Trouble (400) when they cannot be read."""
        if self._fields is None:
            try:
                self._fields = decode(self.query, self.body, self.header("content-type"))
            except BadFields as bad:
                raise Trouble(400, bad.code, bad.why) from None
        return self._fields


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. Content-Length, X-Request-Id, Date and Connection are the front door's to add."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        # a line break would end the header, and begin whatever a caller has put behind it
        for name, value in (*self.headers, ("content-type", self.content_type)):
            if "\r" in value or "\n" in value or not value.isascii():
                raise ValueError(f"the header {name} has a character that no header may have")


class Pipe(Protocol):
    """The open end of an answer that goes on. Once it is closed, or the client has gone, nothing that is done to it does anything."""

    def write(self, data: bytes) -> None:
        """A client that has left more than 64 KiB unread does not get it, and is disconnected."""
        ...

    def close(self) -> None:
        """The answer is complete; the connection ends with it."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream(Reply):
    """An answer that goes on, such as server-sent events. `body` is its first piece; a HEAD gets the head alone."""

    body: bytes = b""
    content_type: str = "text/event-stream"
    opened: Callable[[Pipe], Callable[[], None]]
    """called once the head is out; what it returns is called once, soon after the stream has ended, whoever ended it"""
    keepalive: bytes = b":keepalive\n\n"
    """written after each 15 s without other output"""


Handler = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """`path` has no trailing slash; ending in "/*" it stands for everything below."""

    path: str
    handler: Handler
    methods: frozenset[str] = frozenset({"GET", "POST"})
    is_secret: bool = False
    """whether what a caller asks for below a path ending in "/*" must not be logged"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Api:
    """Which paths an API answers, and how it words a refusal: its handlers' own, and every Trouble on its paths."""

    name: str
    routes: tuple[Route, ...]
    word: Callable[[Call, Refused | Trouble], Reply]
