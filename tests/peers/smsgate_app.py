"""The SMSGate app of one phone, played by the description of its protocol: it registers, listens, pulls, sends, reports, posts.

    POST /device        -> 201 {"id", "token", "login", "password"}     once, later PATCH /device at each start
    GET  /message?order=lifo -> 200 [...]                               at start, every 15 min, at each event
    PATCH /message      -> 204                                          a list of one, after each change of state
    GET  /events        -> 200 text/event-stream                        when there is no push token

Nothing here comes from the server's code: where the two differ, one of them is wrong. SMSGate app, GatewayService.kt, EventsReceiver.kt,
SSEManager.kt, PullMessagesWorker.kt, SendStateWorker.kt.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import string
from typing import Any

from tests.peers.smsgate_api import Api, Rejected
from tests.peers.smsgate_dates import read_date
from tests.peers.smsgate_device import Device, Errand, Tasks, Worker, backoff_s
from tests.peers.smsgate_hooks import Hooks
from tests.peers.smsgate_http import Patience
from tests.peers.smsgate_memory import Work
from tests.peers.smsgate_reading import Hook, Item, Unreadable, read_object
from tests.peers.smsgate_sending import Sending
from tests.peers.smsgate_settings import apply_settings
from tests.peers.smsgate_sse import Event, EventReader

_DAY_S = 86400
_REPORT_TRIES = 10
_STREAM_PATIENCE = Patience(idle_s=3600)


class Phone:
    """Started, killed and started again over one memory, it is the same phone."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.api = Api(device)
        self._begin()

    def _begin(self) -> None:
        device = self.device
        self._tasks = Tasks(device.log)
        self._hooks = Hooks(device, self._tasks)
        self._sending = Sending(device, self._tasks, self._changed)
        self._reports = Worker(device, self._tasks, "report", self._report)
        self._registering = Errand(device, self._tasks, self._register, every_s=None)
        self._pulling = Errand(device, self._tasks, self._pull, every_s=device.make.poll_s)
        self._syncing = Errand(device, self._tasks, self._sync_hooks, every_s=_DAY_S)
        self._adopting = Errand(device, self._tasks, self._adopt_settings, every_s=_DAY_S)
        self._is_listening = False
        self._is_registered = False

    def start(self) -> None:
        """The app starts, for the first time or after `stop`."""
        memory = self.device.memory
        if self._tasks.is_over:
            self._begin()
        if memory.setting("webhooks.signing_key") is None:
            memory.set("webhooks.signing_key", "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(8)))
        self._registering.start()
        self._sending.start()
        self._reports.wake()
        self._hooks.start()
        ping_s = self.device.setting("ping.interval_seconds")
        if ping_s:
            self._tasks.later(ping_s, lambda: self._ping(ping_s))

    async def stop(self) -> None:
        """As by kill: nothing is said to anyone. Raises what went wrong in this program."""
        await self._tasks.end()
        self.device.reception.close()
        if self._tasks.failures:
            raise self._tasks.failures[0]

    @property
    def is_over(self) -> bool:
        return self._tasks.is_over

    @property
    def id(self) -> str | None:
        return self.device.memory.setting("id")

    @property
    def is_registered(self) -> bool:
        """Since this start; it begins to listen and to pull then."""
        return self._is_registered

    @property
    def push_token(self) -> str | None:
        """None makes it listen to the stream."""
        is_sse_only = self.device.setting("gateway.notification_channel") == "SSE_ONLY"
        return None if is_sse_only else self.device.make.push_token

    def receive(self, sender: str, text: str, *, sim: int | None = 1) -> None:
        """An SMS from outside. With the app off it only lies in the phone's inbox."""
        received = self.device.memory.receive(sender=sender, text=text, at=self.device.now_ms(), sim=sim)
        if not self._tasks.is_over:
            self.device.memory.mark_processed(received)
            self._hooks.received(received)

    async def _register(self) -> None:
        memory = self.device.memory
        is_known = False
        if memory.setting("token") is not None:
            try:
                await self.api.patch_device(self.push_token)
                is_known = True
            except Rejected as rejected:
                if rejected.status != 401:
                    raise
        if not is_known:
            registration = await self.api.register(self.push_token)
            for key in ("id", "token", "login", "password"):
                memory.set(key, getattr(registration, key))
        self._registered()

    def _registered(self) -> None:
        if self.push_token is None and self.device.make.version.has("stream") and not self._is_listening:
            self._is_listening = True
            for _ in range(self.device.make.streams):
                self._tasks.start(self._listen)
        Errand(self.device, self._tasks, self.api.public_address, every_s=None).start()
        for errand in (self._syncing, self._adopting, self._pulling):
            errand.start()
        if self.device.make.version.knows_event("app:started"):
            self._hooks.emit("app:started", {"simCards": self.api.sim_cards()})
        self._is_registered = True

    async def _listen(self) -> None:
        failures = 0
        while True:
            try:
                async with self.api.events(_STREAM_PATIENCE) as stream:
                    failures = 0
                    self._pulling.start()
                    reader = EventReader()
                    while piece := await stream.read():
                        for event in reader.feed(piece):
                            self._take(event)
                        if self.device.faults.read_pause_s:
                            await asyncio.sleep(self.device.faults.read_pause_s)
            except OSError as error:
                self.device.log(f"stream: {type(error).__name__} {error}")
            failures += 1
            await asyncio.sleep(60 if failures > 10 else 30 if failures > 5 else 5)

    def _take(self, event: Event) -> None:
        try:
            match event.type or "MessageEnqueued":
                case "MessageEnqueued":
                    self._pulling.start()
                case "WebhooksUpdated":
                    self._syncing.start()
                case "SettingsUpdated":
                    self._adopting.start()
                case "MessageCancelled" if self.device.make.version.has("cancelling"):
                    self._cancel(str(read_object(event.data)["messageId"]))
                case "MessagesExportRequested":
                    self._export(read_object(event.data))
                case unknown:
                    self.device.log(f"unknown event {unknown}")
        except (Unreadable, KeyError) as error:
            self.device.log(f"event {event.type} cannot be read: {error}")

    async def _pull(self) -> None:
        items = await self.api.messages()
        self.device.faults.reach("pulled")
        for item in items:
            self.device.on_listed(item.id or "")
            try:
                self._accept(item)
            except (TypeError, sqlite3.IntegrityError, Unreadable) as error:
                self.device.log(f"message skipped: {type(error).__name__} {error}")
        self._sending.wake()

    def _accept(self, item: Item) -> None:
        device = self.device
        if item.id is None or item.phone_numbers is None or None in item.phone_numbers:
            raise TypeError("null where the app allows none")
        is_cancelling = item.state == "Cancelling" and device.make.version.has("cancelling")
        if device.memory.state(item.id) is not None:
            if is_cancelling:
                self._sending.cancel(item.id)
            return self._reports.add(message=item.id)
        if is_cancelling:
            return self._reports.add(message=item.id, unknown=list(item.phone_numbers))
        if "|" in item.id:
            raise Unreadable("an id with | in it")
        text = item.text if item.text is not None else item.message
        if text is None and (item.data is None or item.data.data is None):
            raise Unreadable("no content")
        device.memory.store(item, text=text, now=device.now_ms(), has_schedule=device.make.version.has("schedule"))
        device.faults.reach("stored")

    def _cancel(self, message: str) -> None:
        if self.device.memory.state(message) is not None:
            self._sending.cancel(message)
            self._reports.add(message=message)

    def _changed(self, message: str, number: str, state: str, error: str | None) -> None:
        self._reports.add(message=message)
        self._hooks.changed(message, number, state, error)

    async def _report(self, work: Work) -> float | None:
        await self.device.reception.wait()
        try:
            await self.api.patch_message(work.details["message"], work.details.get("unknown"))
        except OSError as error:
            self.device.log(f"report, try {work.attempt + 1}: {type(error).__name__} {error}")
            return None if work.attempt >= _REPORT_TRIES else backoff_s(work.attempt + 1)
        return None

    async def _sync_hooks(self) -> None:
        found = await self.api.hooks()
        hooks = []
        for id, url, event in found:
            if id is None or url is None or event is None or not self.device.make.version.knows_event(event):
                raise Unreadable(f"a hook with null in it, from event {event}")
            hooks.append(Hook(id=id, url=url, event=event))
        self.device.memory.replace_hooks(hooks)

    async def _adopt_settings(self) -> None:
        if apply_settings(await self.api.settings(), self.device.memory, self.device.make.version):
            self.device.log("settings changed, restart the app")

    def _ping(self, every_s: float) -> None:
        self._hooks.ping()
        self._pulling.start()
        self._tasks.later(every_s, lambda: self._ping(every_s))

    def _export(self, asked: dict[str, Any]) -> None:
        since, until = (read_date(str(asked[name]), self.device.make.zone) for name in ("since", "until"))
        if "SMS" not in str(asked.get("messageTypes", "SMS,MMS")).split(","):
            return
        for received in self.device.memory.inbox(since=since, until=until, has_processed=self.device.make.exports_again):
            self.device.memory.mark_processed(received)
            if str(asked.get("triggerWebhooks", "true")) == "true":
                self._hooks.received(received)
