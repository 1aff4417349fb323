"""WhatsApp over HTTP: what is asked of an upstream and what it says, as bytes and records. No socket, no device, no rule.

Two dialects. Meta's Cloud API:

    POST /v23.0/PHONE_NUMBER_ID/messages    Authorization: Bearer TOKEN
    {"messaging_product": "whatsapp", "to": "32495898697", "type": "text", "text": {"body": "Hi"}}
    -> {"messages": [{"id": "wamid.HBg..."}]}

and WAHA, a server that the user runs beside a WhatsApp of his own:

    POST /api/sendText                      X-Api-Key: KEY
    {"session": "default", "chatId": "32495898697@c.us", "text": "Hi"}   -> {"id": "true_32495898697@c.us_3EB0..."}

Both call us: Meta signs with X-Hub-Signature-256 (HMAC-SHA256 of the body under the app's secret), WAHA with X-Webhook-Hmac (HMAC-SHA512).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote

from service.errors import SendFailed

KIND = "whatsapp"
HOOKS = "/whatsapp/hooks"
"""below it each device has a path of its own, which its upstream calls"""
MOST_REASON = 200
"""characters of what an upstream says went wrong that are kept"""


class Unreadable(ValueError):
    """A call to us is not of the dialect's shape."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    method: str
    path: str
    """with the query, under the upstream's URL"""
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What became of a message that the upstream has taken."""

    id: str
    state: str
    """sent, delivered, failed"""
    at: datetime | None
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Incoming:
    """A message that somebody wrote."""

    id: str
    sender: str
    """a number with its +, or what the upstream has instead"""
    text: str = field(repr=False)
    at: datetime | None


Event = Told | Incoming


class Dialect(Protocol):
    """How one kind of upstream is spoken to. `recipient` is E.164; everything an upstream says may be anything."""

    def submit(self, recipient: str, text: str) -> Request: ...
    def taken(self, status: int, body: bytes) -> str:
        """Its id of the message. Raises SendFailed."""
        ...

    def probe(self) -> Request:
        """Asks whether it could send now."""
        ...

    def is_up(self, status: int, body: bytes) -> bool: ...
    def is_genuine(self, headers: Callable[[str], str], body: bytes) -> bool:
        """Whether a call to us comes from it. `headers` gives a header's value, or ""."""
        ...

    def events(self, body: bytes) -> Iterator[Event]:
        """Raises Unreadable."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class CloudApi:
    """With a template every text is its first parameter: outside the 24 hours after a person wrote, Meta takes nothing else."""

    phone_number_id: str
    token: str = field(repr=False)
    app_secret: str = field(repr=False)
    version: str = "v23.0"
    template: str = ""
    language: str = "en"

    def submit(self, recipient: str, text: str) -> Request:
        content: dict[str, Any] = {"type": "text", "text": {"body": text}}
        if self.template:
            parameters = [{"type": "body", "parameters": [{"type": "text", "text": text}]}]
            template = {"name": self.template, "language": {"code": self.language}, "components": parameters}
            content = {"type": "template", "template": template}
        whom = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": recipient.lstrip("+")}
        return Request(method="POST", path=f"{self._own}/messages", headers=self._headers, body=_json({**whom, **content}))

    def taken(self, status: int, body: bytes) -> str:
        said = _object(body)
        if status < 300:
            for message in _list(said.get("messages")):
                if isinstance(message.get("id"), str):
                    return str(message["id"])
            raise SendFailed("the answer names no message", unknown=True)
        error = said.get("error")
        if not isinstance(error, dict):
            raise _broken(status)
        code = error.get("code")
        is_passing = status >= 500 or status == 429 or (isinstance(code, int) and code in _META_PASSING)
        raise SendFailed(_meta_error(error), permanent=not is_passing)

    def probe(self) -> Request:
        return Request(method="GET", path=f"{self._own}?fields=id", headers=self._headers)

    def is_up(self, status: int, body: bytes) -> bool:
        return status == 200 and "id" in _object(body)

    def is_genuine(self, headers: Callable[[str], str], body: bytes) -> bool:
        expected = "sha256=" + hmac.new(self.app_secret.encode(), body, hashlib.sha256).hexdigest()
        return bool(self.app_secret) and _same(headers("x-hub-signature-256"), expected)

    def events(self, body: bytes) -> Iterator[Event]:
        """Calls about another number of the same app are told to all: they are passed over."""
        for entry in _list(_called(body).get("entry")):
            for change in _list(entry.get("changes")):
                value = change.get("value")
                if not isinstance(value, dict) or _of(value, "metadata").get("phone_number_id") != self.phone_number_id:
                    continue
                yield from filter(None, map(_meta_told, _list(value.get("statuses"))))
                yield from filter(None, map(_meta_incoming, _list(value.get("messages"))))

    @property
    def _own(self) -> str:
        return f"/{self.version}/{quote(self.phone_number_id, safe='')}"

    @property
    def _headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}


# too many calls, overload, a token that has ended, an account that is being looked at: another try may help once somebody has acted
_META_PASSING = frozenset({0, 1, 2, 4, 10, 190, 80007, 130429, 131000, 131016, 131031, 131042, 131048, 131056, 131057, 133004})
# "delivered" may be left out when "read" comes
_META_STATES = {"sent": "sent", "delivered": "delivered", "read": "delivered", "failed": "failed"}


def _meta_told(said: Mapping[str, Any]) -> Told | None:
    id, state = said.get("id"), _META_STATES.get(str(said.get("status")))
    if not isinstance(id, str) or state is None:
        return None
    errors = _list(said.get("errors"))
    return Told(id=id, state=state, at=_instant(said.get("timestamp")), error=_meta_error(errors[0]) if errors else None)


def _meta_error(error: Mapping[str, Any]) -> str:
    details = _of(error, "error_data").get("details") or error.get("message") or error.get("title") or "no reason"
    return f"{error.get('code')}: {details}"[:MOST_REASON]


def _meta_incoming(said: Mapping[str, Any]) -> Incoming | None:
    # since 2026 the number is withheld of who goes by a name, and an id takes its place
    id, sender, text = said.get("id"), said.get("from") or said.get("from_user_id"), _of(said, "text").get("body")
    if said.get("type") != "text":
        # what has no text is not lost without a word
        text = f"[{said.get('type')}]" + (f" {caption}" if (caption := _caption(said)) else "")
    if not (isinstance(id, str) and isinstance(sender, str) and isinstance(text, str)):
        return None
    return Incoming(id=id, sender=_number(sender), text=text, at=_instant(said.get("timestamp")))


def _caption(said: Mapping[str, Any]) -> str:
    content = _of(said, str(said.get("type")))
    found = content.get("caption") or content.get("text") or ""
    return found if isinstance(found, str) else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waha:
    session: str
    key: str = field(repr=False)
    secret: str = field(repr=False)
    """under which it signs its calls to us"""

    def submit(self, recipient: str, text: str) -> Request:
        body = {"session": self.session, "chatId": f"{recipient.lstrip('+')}@c.us", "text": text}
        return Request(method="POST", path="/api/sendText", headers=self._headers, body=_json(body))

    def taken(self, status: int, body: bytes) -> str:
        said = _object(body)
        if status < 300:
            id = _waha_id(said.get("id")) or _waha_id(said.get("key"))
            if id is None:
                raise SendFailed("the answer names no message", unknown=True)
            return id
        if not said:
            raise _broken(status)
        # 422: the session is not linked at the moment
        raise SendFailed(f"{status}: {said.get('message') or said.get('error')}"[:MOST_REASON], permanent=status in (400, 404, 413))

    def probe(self) -> Request:
        return Request(method="GET", path=f"/api/sessions/{quote(self.session, safe='')}", headers=self._headers)

    def is_up(self, status: int, body: bytes) -> bool:
        return status == 200 and _object(body).get("status") == "WORKING"

    def is_genuine(self, headers: Callable[[str], str], body: bytes) -> bool:
        expected = hmac.new(self.secret.encode(), body, hashlib.sha512).hexdigest()
        return bool(self.secret) and _same(headers("x-webhook-hmac"), expected)

    def events(self, body: bytes) -> Iterator[Event]:
        said = _called(body)
        kind, payload = said.get("event"), _of(said, "payload")
        if said.get("session") != self.session:
            return
        if kind == "message.ack":
            id, state = _waha_id(payload.get("id")), _waha_state(payload.get("ack"))
            if id is not None and state is not None:
                yield Told(id=id, state=state, at=None)
        elif kind == "message":
            yield from filter(None, [_waha_incoming(payload)])

    @property
    def _headers(self) -> Mapping[str, str]:
        return {"X-Api-Key": self.key, "Content-Type": "application/json"}


def dialect_of(config: Mapping[str, str], secrets: Mapping[str, str]) -> Dialect:
    """As a device's config and secrets say. Raises KeyError for what is missing."""
    if config["dialect"] == "waha":
        return Waha(session=config["session"], key=secrets["key"], secret=secrets["secret"])
    optional = {name: config[name] for name in ("version", "template", "language") if config.get(name)}
    return CloudApi(phone_number_id=config["phone_number_id"], token=secrets["key"], app_secret=secrets["secret"], **optional)


def _waha_state(ack: object) -> str | None:
    """-1 error, 0 pending, 1 server, 2 device, 3 read, 4 played."""
    if not isinstance(ack, int) or ack == 0:
        return None
    return "failed" if ack < 0 else "sent" if ack == 1 else "delivered"


def _waha_id(said: object) -> str | None:
    """A text, or an object whose fields depend on the engine."""
    if isinstance(said, dict):
        said = said.get("_serialized") or said.get("id")
    return said if isinstance(said, str) and said else None


def _waha_incoming(said: Mapping[str, Any]) -> Incoming | None:
    id, sender, text = _waha_id(said.get("id")), said.get("from"), said.get("body")
    if id is None or not isinstance(sender, str) or said.get("fromMe") or not sender.endswith(("@c.us", "@s.whatsapp.net", "@lid")):
        return None  # our own, or a group's
    if said.get("hasMedia"):
        text = f"[media] {text or ''}".strip()
    number, _, server = sender.partition("@")
    # a @lid hides the number: it is kept as it came
    return Incoming(
        id=id,
        sender=sender if server == "lid" else _number(number),
        text=text if isinstance(text, str) else "",
        at=_instant(said.get("timestamp")),
    )


def _broken(status: int) -> SendFailed:
    """Something on the way answered instead: a proxy knows of 502 and 504 only that nobody answered it."""
    return SendFailed(f"answered HTTP {status}", unknown=status >= 500, permanent=status in (404, 405))


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.strip().lower().encode(), expected.encode())


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _object(body: bytes) -> dict[str, Any]:
    """The object that was said; an empty one when it was something else."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _called(body: bytes) -> dict[str, Any]:
    said = _object(body)
    if not said:
        raise Unreadable("the body must be a JSON object")
    return said


def _of(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = said.get(name)
    return found if isinstance(found, dict) else {}


def _list(said: object) -> list[dict[str, Any]]:
    return [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []


def _number(digits: str) -> str:
    return f"+{digits}" if digits.isascii() and digits.isdigit() else digits


def _instant(said: object) -> datetime | None:
    """Seconds since 1970, as a number or a text."""
    try:
        return datetime.fromtimestamp(int(said), UTC) if isinstance(said, int | str) else None
    except (ValueError, OverflowError, OSError):
        return None
