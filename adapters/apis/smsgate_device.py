"""What phones with the Android app SMSGate ask of us: to join, for their messages and settings, and to be told what is new.

    POST /mobile/v1/device     Authorization: Bearer PRIVATE-TOKEN    {"name": "Google/panther", "simCards": [...]}
    201                        {"id": "00112233445566ff", "token": "...", "login": "default", "password": "..."}
    GET /mobile/v1/message     Authorization: Bearer TOKEN            [{"id": "c319...", "textMessage": {"text": "Hi"}, ...}]
    GET /mobile/v1/events      event: MessageEnqueued ...

The same at /api/mobile/v1, the path of the app's own server. Errors are {"message": "..."}. The shapes are in adapters/wire/smsgate.py,
what the phone posts by itself in _smsgate_hooks.py, and what waits for it in service/pulling.py.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import orjson

from adapters.apis import ApiSettings
from adapters.apis._smsgate_events import EventLine
from adapters.apis._smsgate_hooks import HOOK, SIGNING_KEY, Hooks
from adapters.apis._smsgate_operations import OPERATIONS, SCHEMES, posted
from adapters.apis._smsgate_settings import shown
from adapters.call import Api, Call, Handler, Pipe, Reply, Route, Stream, Trouble
from adapters.wire import smsgate as wire
from adapters.wire.smsgate import State, Told
from adapters.wire.smsgate_hooks import hooks
from service.accounts import Account
from service.errors import Conflict, Forbidden, KeyMissing, NotFound, QuotaExceeded, Refused, Unauthorized, Unavailable
from service.fleet import Device
from service.gateway import Gateway
from service.lifecycle import Status
from service.messages import DeliveryReport, MtMessage, try_of
from service.pulling import News, Outbox

KIND = "smsgate"
BASES = ("/mobile/v1", "/api/mobile/v1")
SMALL = 64 * 1024
"""of a body that speaks of the phone only"""
ASK_AGAIN_EVERY = timedelta(minutes=5)
ASK_AGAIN_AFTER = timedelta(minutes=15)
"""since a phone has acknowledged a message, without another word"""
ASK_AGAIN_MOST = 50
OURS_AND_THEIRS = timedelta(hours=1)
"""how far the clock of a phone may be off where it is asked for a span of time"""
_REPORTED = {State.SENT: Status.SENT, State.DELIVERED: Status.DELIVERED, State.FAILED: Status.FAILED, State.CANCELLED: Status.FAILED}
"""what is not here says that the phone has the message, and no more"""
_NO_STORE = ("Cache-Control", "no-store")
_UNBUFFERED = ("X-Accel-Buffering", "no")
_HOST = re.compile(r"[\w.\-\[\]:]{1,300}", re.ASCII)
_STATUSES: tuple[tuple[type[Refused], int], ...] = (
    (Unauthorized, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (Conflict, 409),
    (QuotaExceeded, 429),
    (Unavailable, 503),
)


def api(gateway: Gateway, settings: ApiSettings) -> Api:
    device = _DeviceApi(gateway, settings)
    receive = Hooks(gateway, device.learn_sims).receive
    routes = [route for base in BASES for route in device.routes(base)]
    hooked = [
        Route(path=f"{base}/hooks/*", handler=receive, methods=frozenset({"POST"}), is_secret=True, describe=(posted(base),))
        for base in BASES
    ]
    about = "For phones with the Android app SMSGate, which connect by themselves; nobody else needs it."
    return Api(name="smsgate_device", about=about, routes=(*routes, *hooked), word=_word, schemes=SCHEMES)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Phone:
    """Who is calling."""

    device: Device
    outbox: Outbox
    version: wire.Version


@dataclass(frozen=True, slots=True)
class _DeviceApi:
    gateway: Gateway
    settings: ApiSettings

    def routes(self, base: str) -> list[Route]:
        table: tuple[tuple[str, str, Handler], ...] = (
            ("POST", "/device", self.join),
            ("GET", "/device", self.show),
            ("PATCH", "/device", self.change),
            ("GET", "/message", self.fetch),
            ("GET", "/messages", self.fetch),
            ("PATCH", "/message", self.report),
            ("PATCH", "/messages", self.report),
            ("GET", "/webhooks", partial(self.list_hooks, base)),
            ("GET", "/settings", self.show_settings),
            ("GET", "/events", self.listen),
            ("GET", "/user/code", self.new_code),
            ("PATCH", "/user/password", self.change_password),
        )
        return [
            Route(path=base + path, handler=handler, methods=frozenset({method}), describe=(OPERATIONS[path][method],))
            for method, path, handler in table
        ]

    # the phone itself

    async def join(self, call: Call) -> Reply:
        profile = wire.profile(_small(call))
        account = await self._inviter(call)
        joined = await self.gateway.enrolment.join(
            account,
            kind=KIND,
            label=profile.name,
            sims=profile.sims or 1,
            secrets={HOOK: secrets.token_urlsafe(24), SIGNING_KEY: secrets.token_urlsafe(24)},
        )
        self._heard(call, joined.device)
        self._mind_push(joined.device, profile)
        told = {"id": joined.device.id, "token": joined.token, "login": joined.login}
        return _json(told if joined.password is None else told | {"password": joined.password}, 201)

    async def _inviter(self, call: Call) -> Account:
        """Raises Unauthorized, TooManyGuesses."""
        scheme, _, shown = call.header("authorization").partition(" ")
        enrolment, shown = self.gateway.enrolment, shown.strip()
        if scheme.lower() == "code":
            return await enrolment.by_code(shown, peer=call.peer)
        if scheme.lower() == "bearer":
            return await enrolment.by_token(shown, peer=call.peer)
        return await self._owner(call)

    async def _owner(self, call: Call) -> Account:
        """Whose name and password these are, by HTTP Basic."""
        scheme, _, shown = call.header("authorization").partition(" ")
        if scheme.lower() != "basic":
            raise KeyMissing()
        try:
            login, _, password = base64.b64decode(shown.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise KeyMissing() from None
        return await self.gateway.enrolment.by_password(login, password, peer=call.peer)

    async def show(self, call: Call) -> Reply:
        """The address is all that the app reads; it asks also before it has a token."""
        return _json({"externalIp": call.peer})

    async def change(self, call: Call) -> Reply:
        phone = await self._phone(call)
        profile = wire.profile(_small(call))
        if profile.id != phone.device.id:
            raise Forbidden("this is not the phone of this token")
        self._mind_push(phone.device, profile)
        await self.learn_sims(phone.device, profile.sims)
        return Reply(b"", status=204)

    async def learn_sims(self, device: Device, sims: int | None) -> None:
        if sims is not None:
            await self.gateway.fleet.set_slots(device.account_id, device.id, sims)

    def _mind_push(self, device: Device, profile: wire.Profile) -> None:
        if profile.is_pushed:
            why = "it waits to be told by Google's push service and fetches only now and then: choose SSE Only in the app and restart it"
            self.gateway.pulls.on_trouble(device.id, why)

    async def _phone(self, call: Call) -> _Phone:
        """Raises Unauthorized, TooManyGuesses."""
        scheme, _, token = call.header("authorization").partition(" ")
        if scheme.lower() != "bearer":
            raise KeyMissing()
        device = await self.gateway.enrolment.device_by(token.strip(), peer=call.peer)
        return self._heard(call, device)

    def _heard(self, call: Call, device: Device) -> _Phone:
        version = wire.version_of(call.header("user-agent"))
        phone = _Phone(device=device, outbox=self.gateway.pulls.of(device.id), version=version)
        phone.outbox.heard(self.gateway.clock())
        if version != wire.OLDEST:
            self.gateway.fleet.heard(device.id, version=wire.shown_version(version))
        return phone

    # messages

    async def fetch(self, call: Call) -> Reply:
        """Everything that waits, so it makes no difference which `order` the phone asks for."""
        phone, now = await self._phone(call), self.gateway.clock()
        again = await self._ask_again(phone, now)
        unwanted = phone.outbox.cancelled(now) if phone.version >= wire.KNOWS_CANCELLING else []
        known = {message.try_guid for message in unwanted}
        listed = [_outgoing(m) for m in (*phone.outbox.fetch(now), *again) if m.try_guid not in known]
        return _json(wire.message_list([*listed, *(_outgoing(message, State.CANCELLING) for message in unwanted)]))

    async def _ask_again(self, phone: _Phone, now: datetime) -> list[MtMessage]:
        """What it has acknowledged and not reported on: listed again, it only makes the phone say how far it is."""
        outbox = phone.outbox
        if outbox.asked_again is not None and now - outbox.asked_again < ASK_AGAIN_EVERY:
            return []
        outbox.asked_again = now
        before = now - ASK_AGAIN_AFTER
        found = await self.gateway.store.taken_before(phone.device.id, before, ASK_AGAIN_MOST, after=outbox.asked_last)
        # when there were no more, it begins anew
        outbox.asked_last = found[-1] if len(found) == ASK_AGAIN_MOST else None
        return found

    async def report(self, call: Call) -> Reply:
        """Answered once all of it is on disk. Of a message that we do not know nothing is said, or the phone would ask for ever."""
        phone = await self._phone(call)
        for told in wire.told(call.body):
            await self._apply(phone, told)
        return Reply(b"", status=204)

    async def _apply(self, phone: _Phone, told: Told) -> None:
        status = _REPORTED.get(told.state)
        if status is None:
            await phone.outbox.acknowledge(told.id)
            return
        phone.outbox.settled(told.id)
        now = self.gateway.clock()
        error = "cancelled" if told.state is State.CANCELLED else told.error
        report = DeliveryReport(
            device=phone.device.id, device_message_id=told.id, status=status, at=_plausible(told.id, told.at, now), error=error
        )
        if status is Status.FAILED:
            await phone.outbox.fail(report)
        elif status is Status.DELIVERED:
            # the app tells only how far it is now, so this may be all that is ever said of the sending
            sent = replace(report, status=Status.SENT, at=_plausible(told.id, told.sent or told.at, now))
            if await phone.outbox.report(sent):
                await phone.outbox.report(report)
        else:
            await phone.outbox.report(report)

    # what is decided about it

    async def list_hooks(self, base: str, call: Call) -> Reply:
        phone = await self._phone(call)
        kept = await self.gateway.enrolment.secrets(phone.device.id)
        url = f"{self._public_url(call)}{base}/hooks/{phone.device.id}/{kept[HOOK]}"
        return _json(hooks(phone.device.id, url, phone.version))

    def _public_url(self, call: Call) -> str:
        """Ours as configured, else as this phone has it."""
        if self.settings.public_url is not None:
            return self.settings.public_url
        host = call.header("host") or self.settings.listens_on
        if not _HOST.fullmatch(host):
            raise Trouble(400, "invalid_host", "the Host header is not the name of a host")
        return f"{call.scheme}://{host}"

    async def show_settings(self, call: Call) -> Reply:
        """One value that an app does not know would keep it from all that follow, so there is little, and the newest comes last."""
        phone = await self._phone(call)
        kept = await self.gateway.enrolment.secrets(phone.device.id)
        told = shown(await self.gateway.enrolment.store.preferences(phone.device.account_id))
        told["webhooks"]["signing_key"] = kept[SIGNING_KEY]
        gateway = told.pop("gateway")
        return _json(told | {"gateway": gateway} if phone.version >= wire.KNOWS_SSE_ONLY else told)

    async def listen(self, call: Call) -> Reply:
        phone = await self._phone(call)
        return Stream(headers=(_NO_STORE, _UNBUFFERED), opened=partial(self._opened, phone))

    def _opened(self, phone: _Phone, pipe: Pipe) -> Callable[[], None]:
        outbox, now = phone.outbox, self.gateway.clock()
        line = EventLine(pipe)
        if outbox.missed_since is not None:
            # what came in while we were away, and was given up by the phone, is handed in again
            pipe.write(wire.export_requested(outbox.missed_since - OURS_AND_THEIRS, now + OURS_AND_THEIRS))
            outbox.missed_since = None
        outbox.listen(line, now)
        if not outbox.is_greeted:
            # some apps ask for both only before they have joined, and then once a day
            outbox.is_greeted = True
            line.tell(News.HOOKS)
            line.tell(News.SETTINGS)
        return lambda: outbox.hung_up(line, self.gateway.clock())

    # whoever holds it

    async def new_code(self, call: Call) -> Reply:
        code = await self.gateway.enrolment.new_code(await self._owner(call))
        return _json({"code": code.code, "validUntil": wire.date(code.valid_until)})

    async def change_password(self, call: Call) -> Reply:
        phone = await self._phone(call)
        current, new = wire.new_password(_small(call))
        account = await self.gateway.store.account(phone.device.account_id)
        if account is None:
            raise NotFound("the account is gone")
        await self.gateway.enrolment.change_password(account, current, new, peer=call.peer)
        return Reply(b"", status=204)


def _outgoing(message: MtMessage, state: State = State.PENDING) -> wire.Outgoing:
    return wire.Outgoing(
        id=message.try_guid,
        text=message.text,
        recipient=message.recipient,
        sim=message.wanted_sim if message.sim is None else message.sim,
        created=message.created,
        valid_until=message.expires,
        state=state,
    )


def _plausible(id: str, told: datetime | None, now: datetime) -> datetime:
    """When it happened by the phone's clock, which may be hours wrong: not before we had the message, and not in the future."""
    ours = try_of(id)
    if ours is None or told is None or told.tzinfo is None:
        return now
    accepted = datetime.fromtimestamp(int(ours.guid[:12], 16) / 1000, UTC)
    return min(max(told.astimezone(UTC), accepted), now)


def _small(call: Call) -> bytes:
    if len(call.body) > SMALL:
        raise Trouble(413, "too_large", f"the body is larger than {SMALL} bytes")
    return call.body


def _word(call: Call, error: Refused | Trouble) -> Reply:
    if isinstance(error, Trouble):
        return _json({"message": error.why}, error.status)
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 400)
    after_s = getattr(error, "retry_after_s", None)
    headers = (("Retry-After", str(after_s)),) if after_s else ()
    field = getattr(error, "field", None)
    return replace(_json({"message": f"{field}: {error.why}" if field else error.why}, status), headers=(_NO_STORE, *headers))


def _json(value: object, status: int = 200) -> Reply:
    return Reply(orjson.dumps(value), status=status, headers=(_NO_STORE,))
