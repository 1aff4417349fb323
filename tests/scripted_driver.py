"""A driver that does what a test tells it, for the rooms that work with one."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from service.fleet import Device
from service.lifecycle import Status
from service.messages import Accepted, Ids, MtMessage, Receipt
from service.ports import Acceptance, Inbox, Store

PHONE = Device(id="00112233445566ff", account_id=1, kind="test")
OTHER_PHONE = Device(id="8899aabbccddeeff", account_id=1, kind="test")


class ScriptedDriver:
    """Takes everything, as "1", "2", ...; `script` has what befalls the next submits first. While `gate` is closed none is answered."""

    submit_timeout_s = 30.0

    def __init__(self, device: Device = PHONE, *, window: int = 4, deduplicates: bool = False) -> None:
        self.device, self.window, self.deduplicates = device, window, deduplicates
        self.script: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.handed_over: list[MtMessage] = []
        self.on_air = True
        self.answered = 0
        self.cancelled = 0
        self.inbox: Inbox | None = None
        self.stops = 0

    async def start(self, inbox: Inbox) -> None:
        self.inbox = inbox
        inbox.online(self.device.id, True)

    async def submit(self, message: MtMessage) -> Accepted:
        self.handed_over.append(message)
        its_id = str(len(self.handed_over))
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.answered += 1
        if self.script:
            raise self.script.pop(0)
        return Accepted(device_message_id=its_id, on_air=self.on_air)

    async def stop(self) -> None:
        self.stops += 1


_ids = Ids()


async def queue(store: Store, at: datetime, **fields: Any) -> MtMessage:
    """A message of account 1 that waits in the store, due at once and for an hour unless `fields` says otherwise."""
    id, guid = _ids.new(at)
    given: dict[str, Any] = {"status": Status.QUEUED, "due": at, "expires": at + timedelta(hours=1), "text": "hello", **fields}
    message = MtMessage(id=id, guid=guid, account_id=1, key_id=1, api="test", recipient="+32495898697", segments=1, created=at, **given)
    receipt = Receipt(guids=(guid,), accepted=at, status=message.status, device_online=True, sim=None, trial=False, trial_sent=0)
    await store.accept(Acceptance(messages=(message,), receipt=receipt, trial_limit=None, idempotency=None))
    return message
