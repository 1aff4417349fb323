"""The two lines of HTTP that need a closer look than the parser's: what a request asks for, and how an answer begins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus

_STATUS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_HIGH = re.compile(rb"[\x80-\xff]")
_AUTHORITY = re.compile(rb"\Ahttps?://[^/?]*", re.IGNORECASE)
BODILESS = frozenset({204, 304})


def quoted(data: bytes) -> bytes:
    """With the letters that a sloppy client left unencoded in the request line encoded, because llhttp refuses them."""
    line, end, rest = data.partition(b"\r\n")
    return _HIGH.sub(lambda match: b"%%%02X" % ord(match[0]), line) + end + rest


def target(url: bytes) -> tuple[str, bytes]:
    """(path without trailing slash, query); the host of an absolute URL is not looked at."""
    if url and not url.startswith(b"/"):
        url = _AUTHORITY.sub(b"", url) or b"/"
    path, _, query = url.partition(b"?")
    return path.decode("latin-1").rstrip("/") or "/"[: len(url)], query


def answer_head(status: int, content_type: str, length: int | None, headers: Sequence[tuple[str, str]]) -> bytes:
    """Up to and with the blank line. 204 and 304 have no body, and so neither type nor length; the length of one that goes on is None."""
    lines = [f"HTTP/1.1 {_STATUS.get(status) or status}", *[f"{name}: {value}" for name, value in headers]]
    if status not in BODILESS:
        lines.append(f"Content-Type: {content_type}")
        if length is not None:
            lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1")
