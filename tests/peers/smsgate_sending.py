"""From a stored message to the air, and what the radio says afterwards: the states of each recipient, and of the message out of them.

SMSGate app, MessagesService.kt: an SMS is handed to Android first and only then noted as Processed; each change of a recipient is told to
whoever listens. Times are milliseconds since 1970.
"""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.padding import PKCS7

from tests.peers.smsgate_air import Outcome, Sms
from tests.peers.smsgate_device import Device, Tasks, Worker
from tests.peers.smsgate_memory import Stored, Work

_EXPEDITED = 100
_PERIOD_S = {"PerMinute": 60, "Per30Minutes": 1800, "PerHour": 3600, "PerDay": 86400}

Changed = Callable[[str, str, str, str | None], None]
"""message, number, state, error"""


class CannotSend(Exception):
    """What the app's exception says."""


class Sending:
    def __init__(self, device: Device, tasks: Tasks, changed: Changed) -> None:
        self._device, self._tasks, self._changed = device, tasks, changed
        self._radio = Worker(device, tasks, "radio", self._radio_says)
        self._is_running = False
        self._wakes_at: int | None = None

    def start(self) -> None:
        self._radio.wake()
        self.wake()

    def wake(self) -> None:
        if not self._is_running and not self._tasks.is_over:
            self._is_running = True
            self._tasks.start(self._run)

    async def _run(self) -> None:
        device, before = self._device, -129
        while (message := self._next()) is not None:
            if message.priority < _EXPEDITED or before >= message.priority:
                await self._keep_limit()
            was_expedited = message.priority >= _EXPEDITED and before < message.priority
            if not self._send(message):
                continue
            before = message.priority
            if not was_expedited:
                await self._pause()
        self._is_running = False
        schedule = device.memory.next_schedule()
        if schedule is not None and schedule != self._wakes_at:
            self._wakes_at = schedule
            self._tasks.later(max(schedule - device.now_ms(), 0) / 1000 + 0.001, self.wake)

    def _next(self) -> Stored | None:
        is_lifo = self._device.setting("messages.processing_order", "LIFO") == "LIFO"
        return self._device.memory.next_pending(is_lifo=is_lifo, now=self._device.now_ms())

    async def _keep_limit(self) -> None:
        period_s = _PERIOD_S.get(self._device.setting("messages.limit_period", "Disabled"))
        limit = self._device.setting("messages.limit_value", 0)
        if not limit or period_s is None:
            return
        now = self._device.now_ms()
        count, last = self._device.memory.processed_since(now - period_s * 1000)
        if count >= limit:
            await asyncio.sleep(period_s - (now - last) / 1000 + 1)

    async def _pause(self) -> None:
        least, most = (self._device.setting(f"messages.send_interval_{name}") for name in ("min", "max"))
        await asyncio.sleep(random.randint(least or 0, most) if most is not None and (least or 0) <= most else 0)

    def _send(self, message: Stored) -> bool:
        """Whether anything was handed to the radio."""
        if message.valid_until is not None and message.valid_until < self._device.now_ms():
            self._set_all(message.id, "Failed", "TTL expired")
            return False
        try:
            self._need_sim(message.sim)
            text = self._text(message)
        except CannotSend as error:
            self._set_all(message.id, "Failed", f"Can't send message: {error}")
            return False
        for recipient in self._device.memory.recipients(message.id):
            try:
                number = self._number(recipient.number, message)
            except CannotSend as error:
                self._set(message.id, recipient.number, "Failed", f"sendSMS: {error}")
                continue
            self._transmit(message, recipient.number, Sms(id=message.id, number=number, text=text))
        return True

    def _need_sim(self, sim: int | None) -> None:
        if sim is not None and sim - 1 not in {card.slot for card in self._device.make.sims}:
            raise CannotSend(f"SIM {sim} not found")

    def _text(self, message: Stored) -> str:
        content = message.data if message.data is not None else message.text or ""
        plain = self._decrypted(content) if message.encrypted else content
        if message.data is None:
            return plain
        try:
            return f"data:{message.port}:{base64.b64decode(plain, validate=True).hex()}"
        except ValueError as error:
            raise CannotSend(f"Invalid Base64 data for message {message.id}") from error

    def _number(self, source: str, message: Stored) -> str:
        plain = self._decrypted(source) if message.encrypted else source
        kept = "".join(char for char in plain if char.isdigit() or char in "+*#")
        if not kept:
            raise CannotSend("Invalid destinationAddress")
        return kept

    def _decrypted(self, text: str) -> str:
        passphrase = self._device.setting("encryption.passphrase")
        if not passphrase:
            raise CannotSend("Passphrase is not set")
        try:
            return decrypt(text, passphrase)
        except ValueError as error:
            raise CannotSend("cannot decrypt") from error

    def _transmit(self, message: Stored, source: str, sms: Sms) -> None:
        outcome = self._device.script.outcome(sms.number)
        self._device.air.transmit(sms)
        self._device.faults.reach("transmitted")
        self._plan(message, source, outcome)
        self._write(message.id, source, "Processed", None)
        self._device.faults.reach("sent")
        self._changed(message.id, source, "Processed", None)

    def _plan(self, message: Stored, source: str, outcome: Outcome) -> None:
        """Android keeps what it will tell the app even when the app is killed."""
        about: dict[str, Any] = {"message": message.id, "number": source}
        if outcome.failure is not None:
            self._radio.add(delay_s=outcome.sent_after_s or 0, state="Failed", error=f"Send result: {outcome.failure}", **about)
            return
        if outcome.sent_after_s is not None:
            self._radio.add(delay_s=outcome.sent_after_s, state="Sent", error=None, **about)
        if outcome.delivered_after_s is None or not message.report or 0x20 <= outcome.delivery_status < 0x40:
            return
        note = f"Delivery result from SC {outcome.service_centre}: {outcome.delivery_status}" if outcome.delivery_status else None
        state = "Delivered" if outcome.delivery_status < 0x20 else "Failed"
        for _ in range(outcome.parts):
            self._radio.add(delay_s=(outcome.sent_after_s or 0) + outcome.delivered_after_s, state=state, error=note, **about)

    async def _radio_says(self, work: Work) -> None:
        self._set(work.details["message"], work.details["number"], work.details["state"], work.details["error"])

    def cancel(self, message: str) -> bool:
        """Whether it was still Pending, and is Cancelled now."""
        if self._device.memory.state(message) != "Pending":
            return False
        self._set_all(message, "Cancelled", None)
        return True

    def _set_all(self, message: str, state: str, error: str | None) -> None:
        numbers = [recipient.number for recipient in self._device.memory.recipients(message)]
        self._write(message, None, state, error)
        for number in numbers:
            self._changed(message, number, state, error)

    def _set(self, message: str, number: str, state: str, error: str | None) -> None:
        self._write(message, number, state, error)
        self._changed(message, number, state, error)

    def _write(self, message: str, number: str | None, state: str, error: str | None) -> None:
        memory = self._device.memory
        states = [state if number in (None, held.number) else held.state for held in memory.recipients(message)]
        memory.set_states(message, number, state=state, error=error, aggregate=aggregate(states), now=self._device.now_ms())


def aggregate(states: list[str]) -> str:
    """Of a message, from those of its recipients. SMSGate app, MessageWithRecipients.kt"""
    for state in ("Pending", "Cancelling", "Cancelled", "Processed"):
        if state in states:
            return state
    for state in ("Failed", "Delivered"):
        if all(each == state for each in states):
            return state
    return "Sent"


def decrypt(text: str, passphrase: str) -> str:
    """`$aes-256-cbc/pbkdf2-sha1$i=75000$salt$ciphertext`, the salt being the IV too. Raises ValueError."""
    _, algorithm, parameters, salt64, sealed64 = text.split("$")
    if algorithm != "aes-256-cbc/pbkdf2-sha1" or not parameters.startswith("i="):
        raise ValueError("unknown algorithm")
    salt = base64.b64decode(salt64)
    key = PBKDF2HMAC(algorithm=SHA1(), length=32, salt=salt, iterations=int(parameters[2:])).derive(passphrase.encode())
    decryptor = Cipher(algorithms.AES(key), modes.CBC(salt)).decryptor()
    padded = decryptor.update(base64.b64decode(sealed64)) + decryptor.finalize()
    unpadder = PKCS7(128).unpadder()
    return (unpadder.update(padded) + unpadder.finalize()).decode()
