"""Messages as programs written for SMSGate send, list and cancel them. A part of smsgate_client.py.

    POST /messages  {"id": "order-7", "textMessage": {"text": "Hi"}, "phoneNumbers": ["+32..."], "withDeliveryReport": true}
    202             {"id": "order-7", "deviceId": "", "state": "Pending", "isHashed": false, "isEncrypted": false,
                     "recipients": [{"phoneNumber": "+32...", "state": "Pending"}], "states": {"Pending": "2026-..."}}

One of their messages is a named submit of ours, and each of its recipients a message.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any
from urllib.parse import quote, unquote

from adapters.apis._smsgate_client_answers import MOST_OFFSET, as_json, moment, number, parameters, span, wish
from adapters.apis._smsgate_client_callers import Caller
from adapters.apis._smsgate_client_phones import last_seen
from adapters.call import Call, Reply
from adapters.wire.smsgate import State, aggregate, date, json_object
from service.accounts import Account
from service.errors import Invalid, Missing
from service.gateway import Gateway
from service.lifecycle import Status
from service.messages import MtMessage, Submit
from service.numbers import normalise_sender
from service.submits import SubmitQuery, Submitted

MOST_ID = 36
MOST_RECIPIENTS = 100
MOST_NUMBER = 128
LEAST_TTL_S = 5
PRIORITIES = range(-128, 128)
MOST_LISTED, LISTED = 100, 50
MOST_HOURS = 24 * 366
SORTS = ("created_at", "-created_at")
STATES = {
    Status.SCHEDULED: State.PENDING,
    Status.QUEUED: State.PENDING,
    Status.SENT: State.SENT,
    Status.DELIVERED: State.DELIVERED,
    Status.FAILED: State.FAILED,
    Status.EXPIRED: State.FAILED,
    Status.CANCELLED: State.CANCELLED,
    # the phone had it, and nothing else is known
    Status.OUTCOME_UNKNOWN: State.PROCESSED,
}
CANCELLED = "cancelled"
"""why a message failed that its device was asked to leave"""


@dataclass(frozen=True, slots=True)
class Messages:
    gateway: Gateway

    async def send(self, base: str, caller: Caller, call: Call) -> Reply:
        account, now = caller.principal.account, self.gateway.clock()
        submit = read(json_object(call.body), account, now)
        self._check_device(account, submit.device, parameters(call), now)
        await self.gateway.submission.submit(caller.principal, submit)
        kept = await self.gateway.mailbox.submitted(account, submit.name or "")
        return as_json(state_of(kept), 202, ("Location", f"{base}/messages/{quote(kept.submit.name, safe='')}"))

    def _check_device(self, account: Account, device: str | None, asked: Mapping[str, str], now: datetime) -> None:
        """Whether one of those that may send it was there lately. Raises Invalid."""
        hours = number(asked, "deviceActiveWithin", 0, most=MOST_HOURS)
        wish(asked, "skipPhoneValidation")
        devices = [each for each in self.gateway.fleet.of(account.id) if device in (None, each.id)]
        seen = [at for at in (last_seen(self.gateway, each, now) for each in devices) if at is not None]
        if hours and not any(at >= now - timedelta(hours=hours) for at in seen):
            raise Invalid("deviceActiveWithin", f"fits no device: none was active within {hours} hours")

    async def list(self, caller: Caller, call: Call) -> Reply:
        asked, account = parameters(call), caller.principal.account
        sort, state, device = asked.get("sort") or "-created_at", asked.get("state"), asked.get("deviceId")
        if sort not in SORTS:
            raise Invalid("sort", f"must be {' or '.join(SORTS)}")
        if state and state not in {each.value for each in State}:
            raise Invalid("state", f"must be one of {', '.join(each.value for each in State)}")

        def fits(one: Submitted) -> bool:
            return (not state or _state(one).value == state) and (not device or device in {_device(m) for m in one.messages})

        query = SubmitQuery(
            account_id=account.id,
            span=span(asked, account.zone),
            oldest_first=sort == "created_at",
            limit=number(asked, "limit", LISTED, least=1, most=MOST_LISTED),
            offset=number(asked, "offset", 0, most=MOST_OFFSET),
        )
        found, total = await self.gateway.mailbox.all_submitted(query, fits if state or device else None)
        content = wish(asked, "includeContent")
        return as_json([state_of(each, content=content) for each in found], 200, ("X-Total-Count", str(total)))

    async def show(self, caller: Caller, call: Call) -> Reply:
        return as_json(state_of(await self.gateway.mailbox.submitted(caller.principal.account, unquote(call.rest)), content=True))

    async def cancel(self, caller: Caller, call: Call) -> Reply:
        return as_json(state_of(await self.gateway.mailbox.cancel(caller.principal.account, unquote(call.rest))))


def read(said: Mapping[str, Any], account: Account, now: datetime) -> Submit:
    """Raises Invalid."""
    _check_options(said)
    due = None if said.get("scheduleAt") is None else moment(said["scheduleAt"], "scheduleAt", account.zone)
    if due is not None and due <= now:
        raise Invalid("scheduleAt", "is in the past")
    return Submit(
        recipients=_recipients(said.get("phoneNumbers"), account),
        text=_text(said),
        device=_string(said, "deviceId", 64),
        sim=_whole(said, "simNumber", range(1, 4)),
        due=due,
        validity_s=_validity_s(said, account, now, due),
        name=_string(said, "id", MOST_ID) or secrets.token_urlsafe(15),
        api="smsgate",
    )


def _check_options(said: Mapping[str, Any]) -> None:
    """What cannot be granted, and what makes no difference here but must be what it says it is."""
    for name in ("dataMessage", "mmsMessage"):
        if said.get(name) is not None:
            raise Invalid(name, "asks for what this server does not offer: only texts are sent")
    for name in ("isEncrypted", "withDeliveryReport"):
        if not isinstance(said.get(name), bool | None):
            raise Invalid(name, "must be true or false")
    if said.get("isEncrypted"):
        raise Invalid("isEncrypted", "asks for what this server does not offer: the text must be readable here")
    _whole(said, "priority", PRIORITIES)


def _text(said: Mapping[str, Any]) -> str:
    message = said.get("textMessage")
    if message is None:
        return _string(said, "message", 1 << 20) or ""
    if not isinstance(message, dict):
        raise Invalid("textMessage", "must be an object with a text")
    return _string(message, "text", 1 << 20) or ""


def _recipients(asked: object, account: Account) -> tuple[str, ...]:
    if asked is None or asked == []:
        raise Missing("phoneNumbers")
    if not isinstance(asked, list) or not all(isinstance(each, str) and each and len(each) <= MOST_NUMBER for each in asked):
        raise Invalid("phoneNumbers", "must be a list of phone numbers")
    if len(asked) > MOST_RECIPIENTS:
        raise Invalid("phoneNumbers", f"has more than {MOST_RECIPIENTS} numbers")
    if len({normalise_sender(each, account.default_country) for each in asked}) < len(asked):
        raise Invalid("phoneNumbers", "has a number twice")
    return tuple(asked)


def _validity_s(said: Mapping[str, Any], account: Account, now: datetime, due: datetime | None) -> int | None:
    """From the time when it is due."""
    ttl_s = _whole(said, "ttl", range(LEAST_TTL_S, 1 << 31))
    if said.get("validUntil") is None:
        return ttl_s
    if ttl_s is not None:
        raise Invalid("validUntil", "cannot be given beside ttl")
    left = moment(said["validUntil"], "validUntil", account.zone) - (due or now)
    if left <= timedelta(0):
        raise Invalid("validUntil", "is in the past, or before scheduleAt")
    return ceil(left.total_seconds())


def _string(said: Mapping[str, Any], name: str, most: int) -> str | None:
    """None when it is absent or empty."""
    value = said.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > most):
        raise Invalid(name, f"must be a text of at most {most} characters")
    return value or None


def _whole(said: Mapping[str, Any], name: str, allowed: range) -> int | None:
    value = said.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value not in allowed):
        raise Invalid(name, f"must be a whole number from {allowed.start}" + (f" to {allowed[-1]}" if allowed[-1] < 1 << 30 else ""))
    return value


# how it is


def state_of(one: Submitted, *, content: bool = False) -> dict[str, object]:
    """Their MessageState."""
    told: dict[str, object] = {
        "id": one.submit.name,
        "deviceId": next(filter(None, map(_device, one.messages)), ""),
        "state": _state(one).value,
        "isHashed": False,
        "isEncrypted": False,
        "recipients": [_recipient(message) for message in one.messages],
        "states": _dates(one),
        "createdAt": date(one.submit.created),
    }
    return told | {"textMessage": {"text": one.messages[0].text}} if content else told


def _device(message: MtMessage) -> str:
    return message.device or message.wanted_device or ""


def _state(one: Submitted) -> State:
    return aggregate([_state_of_one(message) for message in one.messages])


def _state_of_one(message: MtMessage) -> State:
    if message.status is Status.SENDING:
        return State.PENDING if message.taken is None else State.PROCESSED
    return State.CANCELLED if message.status is Status.FAILED and message.error == CANCELLED else STATES[message.status]


def _recipient(message: MtMessage) -> dict[str, str]:
    state = _state_of_one(message)
    told = {"phoneNumber": message.recipient, "state": state.value}
    if message.status is Status.EXPIRED:
        return told | {"error": "TTL expired"}
    if message.status is Status.OUTCOME_UNKNOWN:
        return told | {"error": "outcome unknown: the phone may have sent it"}
    return told | {"error": message.error or "failed"} if state is State.FAILED else told


def _dates(one: Submitted) -> dict[str, str]:
    """When the last of its messages reached each state."""
    reached = {State.PENDING: one.submit.created}
    for message in one.messages:
        # a report of the delivery may be the first that is heard of a message
        sent = message.sent or (message.finished if message.status is Status.DELIVERED else None)
        for state, at in ((State.PROCESSED, message.taken), (State.SENT, sent), (_state_of_one(message), message.finished)):
            if at is not None:
                reached[state] = max(reached.get(state, at), at)
    return {state.value: date(at) for state, at in reached.items()}
