"""What the phone posts by itself to the hooks that it pulled: one at a time, kept until taken, signed anew at each try.

    POST <url>
    X-Timestamp: 1763823600
    X-Signature: hex(HMAC-SHA256(signing_key, body + timestamp))
    {"id":"<21 characters>","webhookId":"...","event":"sms:received","deviceId":"...","payload":{...}}

SMSGate app, WebHooksService.kt, WebhookQueueProcessorWorker.kt, PayloadSingingPlugin.kt; the payloads: SmsEventPayload.kt.
"""

from __future__ import annotations

import hmac
import secrets
import string
from hashlib import sha256
from typing import Any

from tests.peers.smsgate_dates import write_date
from tests.peers.smsgate_device import Device, Tasks, Worker
from tests.peers.smsgate_http import Patience, Request
from tests.peers.smsgate_memory import Received, Work
from tests.peers.smsgate_writing import write

PATIENCE = Patience(connect_s=5, idle_s=5, total_s=30)
_FIRST_BACKOFF_S = 5
_KEPT_S = 7 * 86400
_ID_ALPHABET = string.ascii_letters + string.digits + "_-"


class Hooks:
    def __init__(self, device: Device, tasks: Tasks) -> None:
        self._device = device
        self._posts = Worker(device, tasks, "post", self._post)

    def start(self) -> None:
        self._posts.wake()

    def emit(self, event: str, payload: dict[str, Any]) -> None:
        """One post for each hook of this event."""
        for hook in self._device.memory.hooks(event):
            body = {
                "id": "".join(secrets.choice(_ID_ALPHABET) for _ in range(21)),
                "webhookId": hook.id,
                "event": event,
                "deviceId": self._device.setting("id"),
                "payload": payload,
            }
            self._posts.add(url=hook.url, body=write(body).decode(), since=self._device.now_ms())

    async def _post(self, work: Work) -> float | None:
        device = self._device
        if device.setting("webhooks.internet_required", True):
            await device.reception.wait()
        body = work.details["body"].encode()
        try:
            answer = await device.reception.exchange(self._request(work.details["url"], body), PATIENCE)
            if answer.is_good:
                return None
            why = f"status {answer.status}"
        except OSError as error:
            why = type(error).__name__
        if work.attempt + 1 >= device.setting("webhooks.retry_count", 15) or device.now_ms() - work.details["since"] > _KEPT_S * 1000:
            device.log(f"a post is given up: {why}")
            return None
        return float(_FIRST_BACKOFF_S * 2**work.attempt)

    def _request(self, url: str, body: bytes) -> Request:
        timestamp = str(self._device.now_ms() // 1000)
        headers = (
            ("X-Timestamp", timestamp),
            ("X-Signature", signature(self._device.setting("webhooks.signing_key"), body, timestamp)),
            ("Accept", "application/json"),
            ("Accept-Charset", "UTF-8"),
            ("User-Agent", f"me.capcom.smsgateway/{self._device.make.version.name}"),
            ("Content-Type", "application/json"),
        )
        return Request(method="POST", url=url, headers=headers, body=body)

    def received(self, received: Received) -> None:
        sim = next((sim for sim in self._device.make.sims if received.sim == sim.slot + 1), None)
        payload = {
            "messageId": content_hash(received),
            "sender": received.sender,
            "recipient": None if sim is None else sim.number,
            "simNumber": received.sim,
            "message": received.text,
            "receivedAt": write_date(received.at, self._device.make.zone),
            "phoneNumber": received.sender,
        }
        self.emit("sms:received", payload)

    def changed(self, message: str, number: str, state: str, error: str | None) -> None:
        """Sent, Delivered, Failed and Cancelled are events too; a server that asks for none of them hears none."""
        event = f"sms:{state.lower()}"
        if event not in ("sms:sent", "sms:delivered", "sms:failed", "sms:cancelled"):
            return
        at = write_date(self._device.now_ms(), self._device.make.zone)
        about: dict[str, Any] = {"messageId": message, "recipient": number}
        details = {"partsCount": 1, "sentAt": at} if state == "Sent" else {f"{state.lower()}At": at, "reason": error}
        self.emit(event, about | details | {"phoneNumber": number})

    def ping(self) -> None:
        failed = self._device.memory.failed_since(self._device.now_ms() - 3_600_000)
        status = "warn" if failed else "pass"
        checks = {
            "messages:failed": _check(status, failed, "messages", "Failed messages for last hour"),
            "connection:status": _check("pass", 1, "boolean", "Internet connection status"),
            "connection:transport": _check("pass", 4, "flags", "Network transport type"),
            "battery:level": _check("pass", 87, "percent", "Battery level in percent"),
            "battery:charging": _check("pass", 2, "flags", "Is the phone charging?"),
        }
        version = self._device.make.version
        release = sum(part * 1000 ** (2 - place) for place, part in enumerate(version.parts))
        self.emit("system:ping", {"health": {"status": status, "version": version.name, "releaseId": release, "checks": checks}})


def _check(status: str, value: int, unit: str, description: str) -> dict[str, Any]:
    return {"status": status, "observedValue": value, "observedUnit": unit, "description": description}


def signature(key: str, body: bytes, timestamp: str) -> str:
    return hmac.new(key.encode(), body + timestamp.encode(), sha256).hexdigest()


def content_hash(received: Received) -> str:
    """Java's hash of sender, date, SIM and text: 32 bits, so two messages may share one. SMSGate app, InboxMessage.kt"""
    date = received.at ^ (received.at >> 32)
    of_sender = 31 * (31 * _java_hash(received.sender) + date) + (0 if received.sim is None else received.sim)
    return f"{(31 * of_sender + _java_hash(received.text)) & 0xFFFFFFFF:x}"


def _java_hash(text: str) -> int:
    units = text.encode("utf-16-be")
    value = 0
    for high, low in zip(units[::2], units[1::2], strict=True):
        value = (31 * value + (high << 8 | low)) & 0xFFFFFFFF
    return value
