"""WhatsApp upstreams without WhatsApp: Meta's Cloud API and a WAHA server, as far as a gateway meets them.

Each is a function from a request to an answer, remembers what it sent, and words and signs the calls that it would make. They know nothing of
the gateway; foreign clients (pywa, waha) hold them to what the real ones do. `serve` puts one behind a socket.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, Any]]
Hook = tuple[dict[str, str], bytes]
"""headers and body of a call that it makes"""


@dataclass
class CloudApi:
    """graph.facebook.com for one number."""

    number_id: str = "106540352242922"
    token: str = "a-token-of-meta"
    app_secret: str = "a-secret-of-the-app"
    longest: int = 4096
    failing: Answer | None = None
    """what every submit is answered"""
    sent: list[tuple[str, str, str]] = field(default_factory=list)
    """(id, to, text)"""
    _ids: Iterator[int] = field(default_factory=itertools.count)

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if headers.get("authorization") != f"Bearer {self.token}":
            return 401, _error(190, "Invalid OAuth access token - Cannot parse access token", "OAuthException")
        target = re.fullmatch(rf"/v\d+\.\d+/{self.number_id}(/messages)?(\?.*)?", path)
        if target is None:
            return 400, _error(100, "Unsupported get request. Object does not exist", "GraphMethodException")
        if not target[1]:
            return 200, {"id": self.number_id}
        return self.failing or self._submit(json.loads(body))

    def _submit(self, asked: dict[str, Any]) -> Answer:
        if asked.get("messaging_product") != "whatsapp" or not re.fullmatch(r"\+?\d+", str(asked.get("to"))):
            return 400, _error(100, "(#100) The parameter to is required", "OAuthException")
        if asked.get("type", "text") == "template":
            text = asked["template"]["components"][0]["parameters"][0]["text"]
        else:
            text = asked["text"]["body"]
        if len(text) > self.longest:
            return 400, _error(100, "(#100) Param text['body'] must be at most 4096 characters long.", "OAuthException")
        id = f"wamid.HBgLM{next(self._ids):012d}A="
        self.sent.append((id, asked["to"].lstrip("+"), text))
        contact = {"input": asked["to"], "wa_id": asked["to"].lstrip("+")}
        return 200, {"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": id}]}

    def status(self, id: str, status: str, at: int = 1795368000, **more: Any) -> Hook:
        told = {"id": id, "status": status, "timestamp": str(at), "recipient_id": "32495898697", **more}
        return self._call({"contacts": [_contact("32495898697")], "statuses": [told]})

    def failed(self, id: str, code: int, title: str) -> Hook:
        return self.status(id, "failed", errors=[{"code": code, "title": title, "message": title, "error_data": {"details": title}}])

    def message(self, sender: str, text: str, id: str = "wamid.in", at: int = 1795368000, **other: Any) -> Hook:
        said = other or {"type": "text", "text": {"body": text}}
        about = {"from": sender, "from_user_id": _contact(sender)["user_id"], "id": id, "timestamp": str(at), **said}
        return self._call({"contacts": [_contact(sender)], "messages": [{name: value for name, value in about.items() if value}]})

    def _call(self, value: dict[str, Any]) -> Hook:
        metadata = {"display_phone_number": "15550783881", "phone_number_id": self.number_id}
        value = {"messaging_product": "whatsapp", "metadata": metadata, **value}
        body = {
            "object": "whatsapp_business_account",
            "entry": [{"id": "102290129340398", "changes": [{"value": value, "field": "messages"}]}],
        }
        return self.signed(json.dumps(body).encode())

    def signed(self, body: bytes) -> Hook:
        digest = hmac.new(self.app_secret.encode(), body, hashlib.sha256).hexdigest()
        return {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={digest}"}, body


def _contact(number: str) -> dict[str, Any]:
    """Since 2026 each person has an id for each business, and the number is withheld of who goes by a name."""
    return {"profile": {"name": "Ann"}, "user_id": "BE.13491208655302741918", **({"wa_id": number} if number else {})}


def _error(code: int, message: str, kind: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code, "fbtrace_id": "Aa1"}}


@dataclass
class Waha:
    """A WAHA server with one session, whose engine gives ids as texts or as objects."""

    key: str = "a-key-of-waha"
    secret: str = "a-secret-for-hooks"
    session: str = "default"
    status_now: str = "WORKING"
    id_is_object: bool = False
    failing: Answer | None = None
    sent: list[tuple[str, str, str]] = field(default_factory=list)
    _ids: Iterator[int] = field(default_factory=itertools.count)

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if headers.get("x-api-key") != self.key:
            return 401, {"message": "Unauthorized", "statusCode": 401}
        if (method, path) == ("GET", f"/api/sessions/{self.session}"):
            return 200, {"name": self.session, "status": self.status_now, "config": {}}
        if (method, path) == ("POST", "/api/sendText"):
            return self.failing or self._submit(json.loads(body))
        return 404, {"message": f"Cannot {method} {path}", "error": "Not Found", "statusCode": 404}

    def _submit(self, asked: dict[str, Any]) -> Answer:
        if asked.get("session", "default") != self.session or self.status_now != "WORKING":
            return 422, {"error": f"Session status is not as expected. Current: {self.status_now}", "statusCode": 422}
        id = f"true_{asked['chatId']}_3EB0{next(self._ids):016X}"
        self.sent.append((id, asked["chatId"], asked["text"]))
        shown: Any = {"fromMe": True, "remote": asked["chatId"], "id": id[-20:], "_serialized": id} if self.id_is_object else id
        about = {"timestamp": 1795368000, "from": "11111111111@c.us", "fromMe": True, "to": asked["chatId"], "body": asked["text"]}
        return 201, {"id": shown, **about, "hasMedia": False, "source": "api", "ack": 0, "ackName": "PENDING", "vCards": []}

    def ack(self, id: str, ack: int, **more: Any) -> Hook:
        return self.event("message.ack", {"id": id, "from": "11111111111@c.us", "fromMe": True, "ack": ack, **more})

    def message(self, sender: str, text: str, id: str = "false_in", **more: Any) -> Hook:
        about = {"id": id, "timestamp": 1795368000, "from": sender, "fromMe": False, "to": "11111111111@c.us", "body": text}
        return self.event("message", {**about, "hasMedia": False, **more})

    def event(self, event: str, payload: dict[str, Any], session: str | None = None) -> Hook:
        said = {"id": "evt_1", "event": event, "session": session or self.session, "engine": "NOWEB", "payload": payload}
        return self.signed(json.dumps(said).encode())

    def signed(self, body: bytes) -> Hook:
        digest = hmac.new(self.secret.encode(), body, hashlib.sha512).hexdigest()
        return {"Content-Type": "application/json", "X-Webhook-Hmac": digest, "X-Webhook-Hmac-Algorithm": "sha512"}, body


@contextmanager
def serve(upstream: CloudApi | Waha) -> Iterator[str]:
    """Its URL, on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, said = upstream.answer(self.command, self.path, headers, self.rfile.read(length))
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
