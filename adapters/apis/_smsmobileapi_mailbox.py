"""What SMSMobileAPI's callers read and change: logs, inbox, conversations, phones. A part of smsmobileapi.py, whose words it uses.

    GET /getsms/?apikey=KEY&onlyunread=yes
    {"result": {"error": "", "sms": [{"id": 466340, "sIdentifiantPhone": "e5b7...", "number": "+15551234567", ...}]}}

`error` is "" in the inbox, null after a deletion, "0" elsewhere; conversations have `success` instead of `result`. What no source
states (the answers of set-read, update and the gateway's endpoints) is the `result` family with what was named.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from adapters.apis import _smsmobileapi_mobile as mobile
from adapters.apis import _smsmobileapi_rows as rows
from adapters.apis.smsmobileapi import CODES, _asks_nothing, _json, _whole, _zone, authenticate, bearer_of
from adapters.call import Call, Reply, Route
from service.accounts import Account, Principal, Scope
from service.errors import Invalid, Missing
from service.fleet import Device
from service.gateway import Gateway
from service.mailbox import ALWAYS, DEVICE_LOG, MOST_OF_A_TALK, MOST_TALKS, days
from service.mailbox_queries import InboxQuery, Span, Talk
from service.messages import SEQUENCE_BITS, id_of
from service.numbers import normalise_sender
from service.ports import SentQuery
from service.traffic import Wait, wait_of

TALKS = 20
"""conversations that are listed when the call does not say"""
YEARS = range(1970, 2200)
_SECOND = timedelta(seconds=1)
_is_day = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_is_moment = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9:.]{5,15}(?:Z|[+-][0-9:]{2,6})?").fullmatch


def routes(gateway: Gateway) -> tuple[Route, ...]:
    at = _Endpoints(gateway)
    return (
        Route(path="/log/sent/sms", handler=at.log_sent_sms),
        Route(path="/log/sent/frommobile", handler=at.log_sent_frommobile),
        Route(path="/resend", handler=at.resend),
        Route(path="/getsms", handler=at.getsms),
        Route(path="/getsms/set-read", handler=at.set_read),
        Route(path="/getsms/update", handler=at.update),
        Route(path="/deletesms", handler=at.deletesms),
        Route(path="/conversation/sms/list", handler=at.conversations),
        Route(path="/gateway/mobile/list", handler=at.phones),
        Route(path="/gateway/mobile/update", handler=at.update_phone),
        Route(path="/gateway/mobile/delete", handler=at.delete_phone),
        Route(path="/verifytoken", handler=at.verifytoken),
    )


@dataclass(frozen=True, slots=True)
class _Endpoints:
    gateway: Gateway

    async def log_sent_sms(self, call: Call) -> Reply:
        account = (await self._caller(call, Scope.READ)).account
        found = await self.gateway.mailbox.sent(_sent_query(call.fields(), account))
        listed = [rows.sent_row(m, self._zone_of(m.device, account), CODES[m.refusal][1] if m.refusal else "") for m in found]
        return _json({"result": {"error": "0", "sms": listed}})

    async def log_sent_frommobile(self, call: Call) -> Reply:
        account = (await self._caller(call, Scope.READ)).account
        asked = mobile.read(call.fields())
        wanted = mobile.Filter(asked, now=self.gateway.clock(), country=account.default_country)
        async for message in self.gateway.mailbox.sent_from_devices(account):
            wanted.offer(message, self._zone_of(message.device, account))
            if wanted.has_enough:
                break
        found = wanted.best()
        result = {
            "error": "0",
            "count": len(found),
            "limit": asked.limit,
            "history_limit_days": DEVICE_LOG.days,
            "sort_by": asked.sort_by,
            "sort_order": asked.sort_order,
            "sms": found,
        }
        return _json({"result": result})

    async def resend(self, call: Call) -> Reply:
        account = (await self._caller(call, Scope.SEND)).account
        attempt = await self.gateway.mailbox.resend(account, _needed(call.fields(), "guid").lower())
        return _json({"result": {"error": "0", "sms": "resent with successfully", "attempt": attempt}})

    async def getsms(self, call: Call) -> Reply:
        caller = await self._caller(call, Scope.READ)
        found = await self.gateway.mailbox.received(_inbox_query(call.fields(), caller.account))
        # which key this is, and nothing of its secret
        key_hash = hashlib.sha256(str(caller.key.id).encode()).hexdigest()
        return _json({"result": {"error": "", "sms": [rows.received_row(message, key_hash) for message in found]}})

    async def set_read(self, call: Call) -> Reply:
        account = (await self._caller(call, Scope.READ)).account
        guid = _needed(call.fields(), "guid_message")
        await self.gateway.mailbox.set_read(account, guid)
        return _json({"result": {"error": "0", "guid_message": guid.upper()}})

    async def update(self, call: Call) -> Reply:
        account = (await self._caller(call, Scope.READ)).account
        fields = call.fields()
        guid = _needed(fields, "guid")
        alias = _there(fields, "alias").strip() or None
        await self.gateway.mailbox.set_alias(account, guid, alias)
        return _json({"result": {"error": "0", "guid": guid.upper(), "alias": alias}})

    async def deletesms(self, call: Call) -> Reply:
        account = (await self._caller(call, Scope.READ | Scope.SEND)).account
        fields, mailbox = call.fields(), self.gateway.mailbox
        guid = fields.get("guid_message", "").strip()
        first, last = _day(fields, "date_start"), _day(fields, "date_end")
        if guid:
            count = await mailbox.delete(account, guid)
        elif first is None:
            raise Missing("guid_message" if last is None else "date_start")
        else:
            count = await mailbox.delete_days(account, first, last or first)
        return _json({"result": {"error": None, "count_delete": count}})

    async def conversations(self, call: Call) -> Reply:
        account = (await self._caller(call, Scope.READ)).account
        fields = call.fields()
        origin = _one_of(_needed(fields, "origineConversation"), "origineConversation", ("received", "sent"))
        span = _span(fields, account.zone)
        sort = _one_of(fields.get("sort", "").strip().upper() or "DESC", "sort", ("DESC", "ASC"))
        limit = whole(fields, "limit", TALKS, MOST_TALKS)
        resume = _one_of(fields.get("resume", "").strip() or "0", "resume", ("0", "1")) == "1"
        lines = whole(fields, "resume_line_how", 1, MOST_OF_A_TALK)
        most = lines if resume else 2 * MOST_OF_A_TALK
        talks = await self._talks(account, fields, origin == "sent", span, limit, min(most, MOST_OF_A_TALK))
        if sort == "ASC":
            talks.reverse()
        listed = [rows.conversation(talk, self._lines(talk, account)[-most:]) for talk in talks]
        head = {"success": True, "origineConversation": origin, "resume": int(resume), "resume_line_how": lines if resume else None}
        return _json({**head, "conversations": listed})

    async def _talks(self, account: Account, fields: Mapping[str, str], sent: bool, span: Span, limit: int, lines: int) -> list[Talk]:
        numero = fields.get("numero", "")
        if not numero.strip():
            return await self.gateway.mailbox.conversations(account, sent=sent, span=span, limit=limit, lines=lines)
        number = normalise_sender(numero, account.default_country)
        talk = await self.gateway.mailbox.conversation(account, number, span=span, lines=lines)
        return [talk] if talk else []

    def _lines(self, talk: Talk, account: Account) -> list[rows.Line]:
        """Oldest first by the date that is shown."""
        came = [rows.incoming_line(message) for message in talk.incoming]
        went = [rows.outgoing_line(m, m.sent, self._zone_of(m.device, account)) for m in talk.outgoing if m.sent]
        return sorted(came + went, key=lambda line: line[:2])

    async def phones(self, call: Call) -> Reply:
        account = (await self._caller(call, Scope.DEVICES)).account
        sid, search = (call.fields().get(name, "").strip() for name in ("sid", "search"))
        fleet = self.gateway.fleet
        listed = []
        for device in sorted(fleet.of(account.id), key=lambda device: device.id):
            row = rows.phone_row(device, fleet.presence(device.id), fleet.is_online(device.id), self._zone_of(device.id, account))
            is_found = any(search.lower() in str(value).lower() for key, value in row.items() if key != "online")
            if sid in ("", device.id) and is_found:
                listed.append({**row, **rows.wait_fields(await self._wait_of(device))})
        return _json({"result": {"error": "0", "mobiles": listed}})

    async def _wait_of(self, device: Device) -> Wait:
        gateway = self.gateway
        return await wait_of(gateway.outcome.dispatch.traffic, gateway.store, gateway.fleet, device, gateway.clock())

    async def update_phone(self, call: Call) -> Reply:
        """`sync_sent` is ours: 1 has what the phone reports as sent listed by /log/sent/frommobile."""
        account = (await self._caller(call, Scope.DEVICES)).account
        fields = call.fields()
        sid, label, number = _needed(fields, "sid"), _there(fields, "label").strip(), fields.get("phone_number")
        sync = fields.get("sync_sent", "").strip()
        device = await self.gateway.fleet.update(
            account.id,
            sid,
            label=label,
            phone_number=number if number is None else normalise_sender(number, account.default_country),
            sync_sent=_one_of(sync, "sync_sent", ("0", "1")) == "1" if sync else None,
        )
        return _json({"result": {"error": "0", "sid": device.id, "label": device.label, "phone_number": device.phone_number or ""}})

    async def delete_phone(self, call: Call) -> Reply:
        account = (await self._caller(call, Scope.DEVICES)).account
        sid = _needed(call.fields(), "sid")
        await self.gateway.fleet.unlink(account.id, sid)
        return _json({"result": {"error": "0", "sid": sid}})

    async def verifytoken(self, call: Call) -> Reply:
        await self._caller(call, Scope(0))
        return _json({"status": "OK"})

    async def _caller(self, call: Call, scope: Scope) -> Principal:
        return await authenticate(self.gateway, call.fields(), bearer_of(call), scope, peer=call.peer)

    def _zone_of(self, device_id: str | None, account: Account) -> ZoneInfo:
        """The phone's time zone if it told one, else the account's."""
        device = self.gateway.fleet.get(account.id, device_id) if device_id else None
        return _zone(device.time_zone) if device and device.time_zone else account.zone


def _sent_query(fields: Mapping[str, str], account: Account) -> SentQuery:
    return SentQuery(
        account_id=account.id,
        guid=fields.get("guid_message", "").strip() or None,
        before_id=_before(fields.get("before", "").strip()),
        refused=None if _asks_nothing(fields.get("error_api", "")) else True,
        failed=None if _asks_nothing(fields.get("error_mobile", "")) else True,
        keyword=fields.get("keyword") or None,
    )


def _before(value: str) -> int | None:
    """A guid, or epoch seconds against timestamp_server."""
    if _asks_nothing(value):
        return None
    if value.isascii() and value.isdigit() and len(value) < 12:
        return min(int(value) * 1000 << SEQUENCE_BITS, (1 << 63) - 1)
    if (id := id_of(value)) is None:
        raise Invalid("before", "must be a message's guid or a UNIX timestamp")
    return id


def _inbox_query(fields: Mapping[str, str], account: Account) -> InboxQuery:
    after = _whole(fields.get("after_timestamp_unix"), "after_timestamp_unix")
    if after is not None and after >= 1 << 32:
        raise Invalid("after_timestamp_unix", "must be a UNIX timestamp in seconds")
    return InboxQuery(
        account_id=account.id,
        device=fields.get("sIdentifiantPhone", "").strip() or None,
        since=None if after is None else datetime.fromtimestamp(after + 1, UTC),
        unread=fields.get("onlyunread", "").strip().lower() == "yes",
    )


def _there(fields: Mapping[str, str], name: str) -> str:
    """It may be empty, but not absent."""
    if name not in fields:
        raise Missing(name)
    return fields[name]


def _needed(fields: Mapping[str, str], name: str) -> str:
    value = fields.get(name, "").strip()
    if not value:
        raise Missing(name)
    return value


def _one_of(value: str, name: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise Invalid(name, f"must be {' or '.join(known)}")
    return value


def whole(fields: Mapping[str, str], name: str, default: int, most: int) -> int:
    """From 1; what is above the most is the most."""
    value = fields.get(name, "").strip()
    if not value:
        return default
    if not (value.isascii() and value.isdigit() and value.strip("0")):
        raise Invalid(name, "must be a whole number from 1")
    return min(int(value[-20:]) if len(value.lstrip("0")) <= 20 else most, most)


def day(value: str, name: str) -> date:
    try:
        found = date.fromisoformat(value) if _is_day(value) else None
    except ValueError:
        found = None
    if found is None or found.year not in YEARS:
        raise Invalid(name, "must be a date, YYYY-MM-DD")
    return found


def _day(fields: Mapping[str, str], name: str) -> date | None:
    value = fields.get(name, "").strip()
    return day(value, name) if value else None


def _span(fields: Mapping[str, str], zone: ZoneInfo) -> Span:
    """Dates and times without a zone are the account's; a last day and a last second are included."""
    since, until = fields.get("date_from", "").strip(), fields.get("date_to", "").strip()
    span = Span(
        since=_moment(since, "date_from", zone).since if since else ALWAYS.since,
        until=_moment(until, "date_to", zone).until if until else ALWAYS.until,
    )
    if span.until <= span.since:
        raise Invalid("date_to", "is before date_from")
    return span


def _moment(value: str, name: str, zone: ZoneInfo) -> Span:
    if _is_day(value):
        found = day(value, name)
        return days(found, found, zone)
    try:
        moment = datetime.fromisoformat(value) if _is_moment(value) else None
    except ValueError:
        moment = None
    if moment is None or moment.year not in YEARS:
        raise Invalid(name, "must be a date, YYYY-MM-DD, or a date and time")
    at = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    return Span(since=at, until=at + _SECOND)
