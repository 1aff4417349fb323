"""The parameters of a call, wherever its client put them: the query, and a form, a JSON object or multipart in the body.

Callers do not agree with their own Content-Type (a JSON text posted as a form, a form posted as JSON, nothing at all), so a body is
read as what it looks like. Text is UTF-8, and where it is not, Windows-1252: a wrong letter is better than a lost message.
Nothing here knows what a field means; nothing is stripped or guessed, so a number's leading space (a raw "+") arrives.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

import orjson

FIELDS_MOST = 200
NAME_MOST = 200
_PARTS_MOST = 100
_PART_HEAD_MOST = 2048
_EXACT_BELOW = 2**53

_FORM = "application/x-www-form-urlencoded"
_BOM = b"\xef\xbb\xbf"
# the five bytes that Windows-1252 leaves open stay control characters, as browsers read them
_WINDOWS = {byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0xA0)}
_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))', re.IGNORECASE)
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_PARAMETER = re.compile(rb';\s*([a-z*]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";]*))', re.IGNORECASE)


class BadFields(Exception):
    """The parameters cannot be read. `code` is for programs, `why` for people; neither holds a value that was sent."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


def decode(query: bytes, body: bytes, content_type: str) -> dict[str, str]:
    """Query and body merged, the body wins; within one of them the last of a repeated field does. Raises BadFields."""
    fields = _urlencoded(query) if query else {}
    if body:
        fields.update(_from_body(body, content_type, forgiving=bool(query)))
    _check(fields)
    return fields


def text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1").translate(_WINDOWS)


def _check(fields: Mapping[str, str]) -> None:
    if len(fields) > FIELDS_MOST:
        raise _too_many()
    for name, value in fields.items():
        if len(name) > NAME_MOST:
            raise BadFields("invalid_field", f"the name of a field is longer than {NAME_MOST} characters")
        if "\0" in value or "\0" in name:
            raise _bad_character(name)


def _too_many() -> BadFields:
    return BadFields("too_many_fields", f"there are more than {FIELDS_MOST} fields")


def _bad_character(name: str) -> BadFields:
    return BadFields(
        "invalid_character", f"the field {name[:NAME_MOST]!a} has a character that no text may have (NUL or half a surrogate pair)"
    )


def _urlencoded(data: bytes) -> dict[str, str]:
    pairs = data.split(b"&", FIELDS_MOST)
    if len(pairs) > FIELDS_MOST:
        raise _too_many()
    fields = {}
    for pair in pairs:
        if pair:
            name, _, value = pair.partition(b"=")
            fields[_unquoted(name)] = _unquoted(value)
    return fields


def _unquoted(raw: bytes) -> str:
    if b"+" in raw:
        raw = raw.replace(b"+", b" ")
    if b"%" in raw:
        raw = unquote_to_bytes(raw)
    return text(raw)


def _from_body(body: bytes, content_type: str, *, forgiving: bool) -> dict[str, str]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == _FORM and not body.startswith(b"{"):
        return _urlencoded(body.rstrip(b"\r\n"))
    if kind == "multipart/form-data":
        return _multipart(body, content_type)
    body = body.removeprefix(_BOM).strip(b" \t\r\n")
    found = _json(body) if body.startswith(b"{") else None
    if found is not None:
        return found
    if b"=" in body and (kind == _FORM or not body.startswith((b"{", b"[", b'"', b"<"))):
        return _urlencoded(body)
    if body and not forgiving and (kind.endswith("json") or body.startswith(b"{")):
        raise BadFields("invalid_json", "the body is not a JSON object")
    return {}


def _json(body: bytes) -> dict[str, str] | None:
    """None when it is no JSON object."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = _second_reading(text(body))
    return {name: _json_text(name, each) for name, each in value.items()} if isinstance(value, dict) else None


def _second_reading(body: str) -> object:
    """A body that is not UTF-8 is read all the same; half a surrogate pair, which orjson refuses, is blamed on its field."""
    with contextlib.suppress(orjson.JSONDecodeError):
        return orjson.loads(body)
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(body) if "\\ud" in body.lower() else None
        for name, each in value.items() if isinstance(value, dict) else ():
            if _HALF_PAIR.search(name) or (isinstance(each, (str, list)) and _HALF_PAIR.search(_json_text(name, each))):
                raise _bad_character(name)
    return None


def _json_text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, (dict, list)) for each in value)):
        raise BadFields("invalid_field", f"the field {name[:NAME_MOST]!a} is neither a text nor a number nor a list of them")
    if isinstance(value, list):
        return ",".join([_json_text(name, each) for each in value])
    if isinstance(value, float) and abs(value) >= _EXACT_BELOW:
        raise BadFields("invalid_field", f"the number in the field {name[:NAME_MOST]!a} is too large: send it as a text")
    return orjson.dumps(value).decode()


def _multipart(body: bytes, content_type: str) -> dict[str, str]:
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise _bad_multipart("the Content-Type names no boundary")
    delimiter = b"\r\n--" + (boundary[1] or boundary[2]).encode("latin-1")
    pieces = (b"\r\n" + body).split(delimiter, _PARTS_MOST + 2)
    if len(pieces) > _PARTS_MOST + 2:
        raise BadFields("too_many_fields", f"there are more than {_PARTS_MOST} parts")
    fields: dict[str, str] = {}
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return fields
        name, value = _part(piece)
        if name is not None:
            fields[name] = text(value)
    raise _bad_multipart("its last boundary is missing")


def _part(piece: bytes) -> tuple[str | None, bytes]:
    """(name, value); the name of an uploaded file is None, because it is not a field."""
    head, blank, value = piece.lstrip(b" \t").partition(b"\r\n\r\n")
    first, *lines = head[:_PART_HEAD_MOST].split(b"\r\n")
    if first or not blank or len(head) > _PART_HEAD_MOST:
        raise _bad_multipart("the head of a part is broken or too long")
    headers = {name.strip().lower(): rest for name, _, rest in (line.partition(b":") for line in lines)}
    disposition = headers.get(b"content-disposition", b"")
    parameters = {name.lower(): quoted or token for name, quoted, token in _PARAMETER.findall(disposition)}
    if not disposition.strip().lower().startswith(b"form-data") or b"name" not in parameters:
        raise _bad_multipart("a part has no name")
    if headers.get(b"content-transfer-encoding", b"8bit").strip().lower() not in (b"7bit", b"8bit", b"binary"):
        raise _bad_multipart("a part has a transfer encoding")
    if b"filename" in parameters or b"filename*" in parameters:
        return None, b""
    return text(parameters[b"name"].replace(b'\\"', b'"').replace(b"%22", b'"')), value


def _bad_multipart(why: str) -> BadFields:
    return BadFields("invalid_multipart", f"the multipart body cannot be read: {why}")
