"""A phone with the Android app SMSGate, which calls us: it fetches its messages, and says later what became of them.

    submit   ->  the phone's outbox; "event: MessageEnqueued" on its stream, if it has one
             <-  GET /message, then PATCH /message [{"id": <try_guid>, "state": "Pending", ...}]  : the phone has stored it

The phone calls adapters/apis/smsgate_device.py; the two meet in the outbox (service/pulling.py). A phone puts a message that it knows
the id of on the air only once, however often it is listed.
"""

from __future__ import annotations

from datetime import datetime

from adapters.devices import Tools
from service.errors import SendFailed
from service.fleet import Device
from service.messages import Accepted, Channel, MtMessage
from service.ports import Inbox
from service.pulling import PATIENCE, SEEN, Outbox

KIND = "smsgate"
WINDOW = 50
"""what a phone fetches at a time: it stores one by one, and sends far more slowly than that"""


class SmsGate:
    deduplicates = True
    window = WINDOW
    submit_timeout_s = 2 * PATIENCE.total_seconds()
    """the outbox gives up before that, and knows what the phone can have had"""

    def __init__(self, device: Device, outbox: Outbox) -> None:
        self.device = device
        self._outbox = outbox

    async def start(self, inbox: Inbox) -> None:
        self._outbox.open(inbox)

    async def submit(self, message: MtMessage) -> Accepted:
        if message.channel is Channel.WHATSAPP:
            raise SendFailed("this phone's app sends no WhatsApp messages", permanent=True)
        return await self._outbox.offer(message)

    async def stop(self) -> None:
        await self._outbox.close()


def driver(device: Device, tools: Tools) -> SmsGate:
    outbox = tools.pulls.of(device.id)
    if outbox.seen is None and SEEN in device.config:
        outbox.missed_since = datetime.fromisoformat(device.config[SEEN])
    return SmsGate(device, outbox)
