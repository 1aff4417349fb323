"""What smsmobileapi.py says of its routes, for /openapi.json: the parameters and rows of the vendor's page, and ours. A part of it.

Each endpoint is described once here and served by GET and POST. Types are the wire's: what the vendor sends as a text is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from adapters.apis import _smsmobileapi_mobile as mobile
from adapters.apis.smsmobileapi import CODES, LISTS, NOTES
from adapters.operations import (
    JSON,
    TEXT,
    WHOLE,
    YES_NO,
    Answer,
    Content,
    Operation,
    Parameter,
    Schema,
    Wording,
    any_of,
    json,
    many,
    one_of,
    record,
    shown,
)
from adapters.web import Route
from service.mailbox import DEVICE_LOG

FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
SCHEMES: Mapping[str, Schema] = {
    "apikey": {
        "type": "apiKey",
        "in": "query",
        "name": "apikey",
        "description": "As a field of a form or of a JSON object it is taken too.",
    },
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key or an access token."},
}
KEY = ("key_missing", "key_unknown", "key_expired", "forbidden", "missing", "invalid", "quota_exceeded", "unavailable")
"""how any call that needs a key may be refused, in the core's words"""
BEARER = {401: ("invalid_apikey", "expired_apikey")}

OPTION = shown({"type": "string"}, "1", "yes", "")
NUMBER = shown({"type": ["string", "integer"]}, "+1234567890")
COUNT: Schema = {"type": ["integer", "string"]}
DAY = shown({"type": "string"}, "2026-03-20")
GUID = shown({"type": "string", "pattern": "^[0-9a-f]{40}$"}, "c319d3b35e8f8712cde20dae39ac3c19f86eda25")
MO_GUID = shown({"type": "string"}, "6BFD7DC7-3492-422D-8D02-4AF4E614F122")
DATE = shown({"type": "string", "pattern": "^([0-9]{4}-[0-9]{2}-[0-9]{2})?$"}, "2026-03-20")
HOUR = shown({"type": "string", "pattern": "^([0-9]{2}:[0-9]{2}:[0-9]{2})?$"}, "22:07:44")
STAMP = shown({"type": "string", "pattern": "^([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2})?$"}, "2026-03-20 22:10:04")
INSTANT: Schema = {"type": "string", "format": "date-time"}
NAME_OR_NULL: Schema = {"type": ["string", "null"]}
BIT = one_of("0", "1")
DONE = one_of("0")

SENT = record(
    {
        "error": one_of(0),
        "sent": one_of("1"),
        "id": GUID,
        "note": one_of(*NOTES.values()),
        "datetime": shown(INSTANT, "2026-03-20T21:07:44Z"),
        "datetimeLocal": shown(INSTANT, "2026-03-20T22:07:44+01:00"),
        "port": one_of(None, 1, 2),
        "iac_control": BIT,
        "iac_authorized": BIT,
        "send_with_whatsapp": BIT,
        "encrypted": record({"status": BIT, "key": TEXT, "url": TEXT}, optional=("key", "url")),
        "trial_account": record({"status": BIT, "sms_sent": WHOLE}),
        "ids": many(GUID, minItems=2),
    },
    optional=("ids",),
)
SENT_ROW = record(
    {
        "sIdentifiantPhone": TEXT,
        "port": one_of(0, 1, 2),
        "date_add": DATE,
        "hour_add": HOUR,
        "timestamp": WHOLE,
        "send_from_mobile": one_of(0, 1),
        "send_from_mobile_date": DATE,
        "send_from_mobile_heure": HOUR,
        "send_from_mobile_timestamp": WHOLE,
        "recipients": TEXT,
        "sms": TEXT,
        "error_api": one_of("", *sorted({code for _, code in CODES.values()})),
        "send_from_mobile_erreur": TEXT,
        "guid_message": GUID,
        "timearea": shown({"type": "string", "pattern": "^UTC[+-][0-9]{2}(:[0-9]{2})?$"}, "UTC+01"),
        "date_add_server": DATE,
        "hour_add_server": HOUR,
        "timestamp_server": WHOLE,
        "send_from_mobile_date_server": DATE,
        "send_from_mobile_heure_server": HOUR,
    },
    title="SentMessage",
)
RECEIVED_ROW = record(
    {
        "id": WHOLE,
        "sIdentifiantPhone": TEXT,
        "date": DATE,
        "hour": HOUR,
        "timestamp_unix": WHOLE,
        "time_received": shown({"type": "string", "pattern": "^[0-9]{17}$"}, "20260320222332804"),
        "indice": TEXT,
        "message": TEXT,
        "number": TEXT,
        "guid": MO_GUID,
        "alias": NAME_OR_NULL,
        "apikey": {"type": "string", "description": "SHA-256 of the key's number, not of the key"},
    },
    title="ReceivedMessage",
)
MOBILE_ROW = record(
    {
        "sIdentifiant": TEXT,
        "number": TEXT,
        "message": TEXT,
        "mobile_date_ms": WHOLE,
        "mobile_date_formatted": STAMP,
        "synchro_time": STAMP,
    },
    title="MobileMessage",
)
LINE = record(
    {
        "direction": one_of("incoming", "outgoing"),
        "message_id": TEXT,
        "date": STAMP,
        "timestamp_utc": INSTANT,
        "message": TEXT,
        "status": one_of("received", "sent"),
        "mobile_sid": TEXT,
    },
    title="ConversationLine",
)
PHONE = record(
    {
        "sid": TEXT,
        "sIdentifiant": TEXT,
        "label": TEXT,
        "phone_number": TEXT,
        "battery": TEXT,
        "version": TEXT,
        "date": STAMP,
        "online": YES_NO,
        "waiting": WHOLE,
        "waiting_reason": TEXT,
    },
    title="Phone",
)


def _field(name: str, about: str, schema: Schema = TEXT, *, needed: bool = False) -> Parameter:
    return Parameter(name=name, about=about, schema=schema, is_needed=needed)


def _result(**fields: Schema) -> Schema:
    return record({"result": record({"error": DONE, **fields})})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Endpoint:
    summary: str
    answer: Schema
    fields: tuple[Parameter, ...] = ()
    scopes: tuple[str, ...] = ("read",)
    refusals: tuple[str, ...] = ()
    """beside KEY"""


SID = _field("sid", "the phone's id", needed=True)
GUID_FIELD = _field("guid", "the message", GUID, needed=True)
ENDPOINTS: Mapping[str, _Endpoint] = {
    "/sendsms": _Endpoint(
        summary="Send a message to one or several recipients",
        scopes=("send",),
        refusals=("invalid_recipient", "opted_out", "conflict"),
        answer=record({"result": SENT}),
        fields=(
            _field("recipients", "a number, or up to 1,000 separated by comma or semicolon", NUMBER, needed=True),
            _field("message", "up to 255 segments", shown(TEXT, "Hello"), needed=True),
            _field("port", "SIM slot", shown(COUNT, 1, 2, "")),
            _field("sIdentifiant", "the phone that must send it"),
            _field("schedule_timestamp", "when, in UNIX seconds", COUNT),
            _field("sendwa", "1: by WhatsApp, too", OPTION),
            _field("sendsms", "0: no SMS", OPTION),
            _field("waonly", "yes: by WhatsApp only", OPTION),
            _field("shorturl", "1: links in the text become short ones", OPTION),
            _field("encrypt_message", "yes: the SMS is a link to the encrypted text", OPTION),
            _field("validity_s", "ours: how long it may wait, 60 to 604800 seconds", COUNT),
            _field("idempotency_key", "ours: the same request again under it gets the first answer, for 24 hours"),
            _field("from", "origin tag, ignored"),
        ),
    ),
    "/log/sent/sms": _Endpoint(
        summary="What was sent, the newest first, at most 200",
        answer=_result(sms=many(SENT_ROW, maxItems=200)),
        fields=(
            _field("guid_message", "only this message", GUID),
            _field("before", "a guid or UNIX seconds: older ones", COUNT),
            _field("error_api", "1: only refused ones", OPTION),
            _field("error_mobile", "1: only those that a phone failed", OPTION),
            _field("keyword", "in number or text"),
        ),
    ),
    "/log/sent/frommobile": _Endpoint(
        summary="What phones reported as sent in the last 7 days",
        answer=_result(
            count=WHOLE,
            limit=WHOLE,
            history_limit_days=one_of(DEVICE_LOG.days),
            sort_by=one_of(*mobile.COLUMNS),
            sort_order=one_of("ASC", "DESC"),
            sms=many(MOBILE_ROW, maxItems=mobile.MOST),
        ),
        fields=(
            _field("date", "one day of the phone", DAY),
            _field("date_from", "from that day", DAY),
            _field("date_to", "up to that day", DAY),
            _field("period", "", one_of("", *mobile.PERIODS, mobile.LAST_24H)),
            _field("sIdentifiant", "only this phone's"),
            _field("number", "the whole number, or a run of its digits", NUMBER),
            _field("message", "words of the text, or how they begin"),
            _field("search", f"in number and message by words, or a part of any of {', '.join(mobile.SEARCHED_AS_SHOWN)}"),
            _field("sort_by", "", one_of(*mobile.COLUMNS)),
            _field("sort_order", "", one_of("ASC", "DESC")),
            _field("limit", f"from 1; at most {mobile.MOST}", COUNT),
        ),
    ),
    "/resend": _Endpoint(
        summary="Queue a failed message again",
        scopes=("send",),
        refusals=("not_found", "wrong_state"),
        answer=_result(sms=one_of("resent with successfully"), attempt=WHOLE),
        fields=(GUID_FIELD,),
    ),
    "/getsms": _Endpoint(
        summary="The inbox: the 500 messages that were kept last",
        answer=record({"result": record({"error": one_of(""), "sms": many(RECEIVED_ROW, maxItems=500)})}),
        fields=(
            _field("sIdentifiantPhone", "only this phone's"),
            _field("after_timestamp_unix", "strictly later, against timestamp_unix", COUNT),
            _field("onlyunread", "yes: only those", one_of("yes", "no", "")),
        ),
    ),
    "/getsms/set-read": _Endpoint(
        summary="Mark a received message as read",
        refusals=("not_found",),
        answer=_result(guid_message=TEXT),
        fields=(_field("guid_message", "the message", MO_GUID, needed=True),),
    ),
    "/getsms/update": _Endpoint(
        summary="What the account calls the sender of a message",
        refusals=("not_found",),
        answer=_result(guid=TEXT, alias=NAME_OR_NULL),
        fields=(_field("guid", "the message", MO_GUID, needed=True), _field("alias", "empty: none", needed=True)),
    ),
    "/deletesms": _Endpoint(
        summary="Delete one message, sent or received, or those of some days",
        scopes=("send", "read"),
        answer=record({"result": record({"error": one_of(None), "count_delete": WHOLE})}),
        fields=(
            _field("guid_message", "the message"),
            _field("date_start", "that day, where date_end is not given", DAY),
            _field("date_end", "the last day", DAY),
        ),
    ),
    "/conversation/sms/list": _Endpoint(
        summary="Conversations, the latest first",
        answer=record(
            {
                "success": one_of(True),
                "origineConversation": one_of("received", "sent"),
                "resume": one_of(0, 1),
                "resume_line_how": {"type": ["integer", "null"]},
                "conversations": many(record({"phone_number": TEXT, "contact_alias": NAME_OR_NULL, "messages": many(LINE)})),
            }
        ),
        fields=(
            _field(
                "origineConversation", "who wrote last to the account, or to whom it sent last", one_of("received", "sent"), needed=True
            ),
            _field("numero", "only with this number", NUMBER),
            _field("date_from", "a day, or a date and time", DAY),
            _field("date_to", "a day, or a date and time; included", DAY),
            _field("sort", "", one_of("DESC", "ASC")),
            _field("limit", "conversations, at most 200", COUNT),
            _field("resume", "1: only the last messages of each", one_of("0", "1")),
            _field("resume_line_how", "how many, with resume", COUNT),
        ),
    ),
    "/gateway/mobile/list": _Endpoint(
        summary="The account's phones",
        scopes=("devices",),
        answer=_result(mobiles=many(PHONE)),
        fields=(_field("sid", "only this one"), _field("search", "in any of what is shown")),
    ),
    "/gateway/mobile/update": _Endpoint(
        summary="Label a phone",
        scopes=("devices",),
        refusals=("not_found",),
        answer=_result(sid=TEXT, label=TEXT, phone_number=TEXT),
        fields=(
            SID,
            _field("label", "may be empty", needed=True),
            _field("phone_number", "empty: removed"),
            _field("sync_sent", "ours. 1: what it reports as sent is listed by /log/sent/frommobile", one_of("0", "1", "")),
        ),
    ),
    "/gateway/mobile/delete": _Endpoint(
        summary="Unlink a phone; the logs stay",
        scopes=("devices",),
        refusals=("not_found",),
        answer=_result(sid=TEXT),
        fields=(SID,),
    ),
    "/verifytoken": _Endpoint(summary="Is the key good", scopes=(), answer=record({"status": one_of("OK")})),
}


def described(routes: Iterable[Route], *, is_legacy: bool) -> tuple[Route, ...]:
    """`is_legacy`: refusals are answered with the status 200."""
    return tuple(replace(route, describe=_operations(route.path, is_legacy)) if route.path in ENDPOINTS else route for route in routes)


def _operations(path: str, is_legacy: bool) -> tuple[Operation, ...]:
    it, wording = ENDPOINTS[path], _wording_at(path.strip("/"))
    refusals = refusals_of((*KEY, *it.refusals))
    schema = it.answer
    if is_legacy:
        codes = sorted({code for codes in refusals.values() for code in codes})
        schema, refusals = any_of(schema, wording(tuple(codes))[JSON]), {}
    get = Operation(
        method="GET",
        summary=it.summary,
        parameters=it.fields,
        answers={200: Answer(about="Done.", content=json(schema))},
        refusals=refusals,
        wording=wording,
        security=({"apikey": []}, {"bearer": []}, {"oauth2": list(it.scopes)}),
    )
    form = _form(it.fields)
    return get, replace(get, method="POST", parameters=(), body={FORM: form, MULTIPART: form, JSON: form})


def refusals_of(kinds: Iterable[str]) -> dict[int, tuple[str, ...]]:
    """Codes by status; for a Bearer token that is not good the status is another."""
    found: dict[int, tuple[str, ...]] = dict(BEARER)
    for status, code in (CODES[kind] for kind in kinds):
        found[status] = (*found.get(status, ()), code)
    return found


def _form(fields: tuple[Parameter, ...]) -> Schema:
    """What is needed may be in the query, so nothing is here."""
    properties: dict[str, Any] = {"apikey": TEXT}
    for field in fields:
        properties[field.name] = {**field.schema, "description": field.about} if field.about else field.schema
    return {"type": "object", "properties": properties}


def _wording_at(path: str) -> Wording:
    if path.startswith("conversation/"):
        return lambda codes: json(record({"success": one_of(False), "error": TEXT}))

    def wording(codes: tuple[str, ...]) -> Content:
        fields: dict[str, Schema] = {"error": one_of(*codes), "sent": one_of("0"), "message": TEXT}
        if path == "sendsms":
            fields["id"] = {**GUID, "description": "of the row that was kept of a refused send"}
        if path in LISTS:
            fields[LISTS[path]] = {"type": "array", "maxItems": 0}
        return json(record({"result": record(fields, optional=("id",))}))

    return wording
