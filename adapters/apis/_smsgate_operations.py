"""What smsgate_device.py says of its routes, for /openapi.json. A part of smsgate_device.py. The shapes are the app's own."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.operations import TEXT, WHOLE, YES_NO, Answer, Content, Operation, Parameter, Schema, json, many, one_of, record
from adapters.wire.smsgate import MOST_SIMS, State

Methods = Mapping[str, Operation]
"""by the method"""

DATE: Schema = {"type": "string", "format": "date-time"}
STATE = one_of(*(state.value for state in State))
STREAM = "text/event-stream"

_PHONE: tuple[Schema, ...] = ({"phone": []},)
_HOLDER: tuple[Schema, ...] = ({"password": []},)
SCHEMES: dict[str, Schema] = {
    "phone": {"type": "http", "scheme": "bearer", "description": "The token that a phone was given when it joined."},
    "invitation": {"type": "http", "scheme": "bearer", "description": "A private token of an account; or Authorization: Code CODE."},
    "password": {"type": "http", "scheme": "basic", "description": "An account's name with its password, or with an API key of it."},
}

SIM_CARD: Schema = {"type": "object", "title": "SimCard", "properties": {"slotIndex": WHOLE, "simNumber": WHOLE}}
MESSAGE = record(
    {
        "id": TEXT,
        "textMessage": record({"text": TEXT}),
        "message": TEXT,
        "phoneNumbers": many(TEXT, minItems=1),
        "simNumber": WHOLE,
        "withDeliveryReport": YES_NO,
        "isEncrypted": YES_NO,
        "validUntil": DATE,
        "createdAt": DATE,
        "priority": WHOLE,
        "state": STATE,
    },
    optional=("simNumber",),
    title="PhoneMessage",
)
_PROFILE: Schema = {
    "type": "object",
    "properties": {"id": TEXT, "name": TEXT, "pushToken": TEXT, "simCards": many(SIM_CARD, maxItems=MOST_SIMS)},
}
_REPORT = many(
    {
        "type": "object",
        "required": ["id", "state"],
        "properties": {
            "id": TEXT,
            "state": STATE,
            "recipients": many({"type": "object", "properties": {"phoneNumber": TEXT, "state": STATE, "error": TEXT}}),
            "states": {"type": "object", "additionalProperties": DATE},
        },
    }
)


def _wording(codes: tuple[str, ...]) -> Content:
    return json(record({"message": TEXT}))


def _refusals(*more: int) -> dict[int, tuple[str, ...]]:
    """The wording has no codes, so one stands for all."""
    return dict.fromkeys((401, 429, 503, *more), ("refused",))


def _told(schema: Schema, about: str = "") -> dict[int, Answer]:
    return {200: Answer(about=about or "As the app reads it.", content=json(schema))}


_DONE = {204: Answer(about="It is on disk.")}
_JOINED = record({"id": TEXT, "token": TEXT, "login": TEXT, "password": TEXT}, optional=("password",), title="Joined")
_FETCH = Operation(
    method="GET",
    summary="What the phone is to send",
    about="Listed until the phone has said that it has it. Which `order` is asked for makes no difference: all of it is listed.",
    parameters=(Parameter(name="order", schema=one_of("lifo", "fifo")),),
    answers=_told(many(MESSAGE)),
    refusals=_refusals(),
    wording=_wording,
    security=_PHONE,
)
_TELL = Operation(
    method="PATCH",
    summary="How far the phone is with messages",
    body=json(_REPORT),
    answers=_DONE,
    refusals=_refusals(400),
    wording=_wording,
    security=_PHONE,
)
_ROUTES: Mapping[str, tuple[Operation, ...]] = {
    "/device": (
        Operation(
            method="POST",
            summary="A phone joins an account",
            about="By a private token, a one-time code, or the account's name and password. `password` is there when the account had none.",
            body=json(_PROFILE),
            answers={201: Answer(about="It has joined; the token is shown only now.", content=json(_JOINED))},
            refusals=_refusals(400, 403),
            wording=_wording,
            security=({"invitation": []}, {"password": []}),
        ),
        Operation(
            method="GET",
            summary="The address that the phone is seen under",
            answers=_told(record({"externalIp": TEXT})),
            wording=_wording,
        ),
        Operation(
            method="PATCH",
            summary="What has changed on the phone",
            body=json(_PROFILE),
            answers=_DONE,
            refusals=_refusals(400, 403),
            wording=_wording,
            security=_PHONE,
        ),
    ),
    "/message": (_FETCH, _TELL),
    "/messages": (_FETCH, _TELL),
    "/webhooks": (
        Operation(
            method="GET",
            summary="Where the phone posts what it receives",
            answers=_told(many(record({"id": TEXT, "url": TEXT, "event": TEXT}))),
            refusals=_refusals(400),
            wording=_wording,
            security=_PHONE,
        ),
    ),
    "/settings": (
        Operation(
            method="GET",
            summary="What the phone is set to by the server",
            answers=_told({"type": "object", "additionalProperties": {"type": "object"}}),
            refusals=_refusals(),
            wording=_wording,
            security=_PHONE,
        ),
    ),
    "/events": (
        Operation(
            method="GET",
            summary="Told at once when there is something to fetch",
            about="Server-sent events; a comment every 15 seconds keeps the line open.",
            answers={200: Answer(about="It goes on until either end hangs up.", content={STREAM: TEXT})},
            refusals=_refusals(),
            wording=_wording,
            security=_PHONE,
        ),
    ),
    "/user/code": (
        Operation(
            method="GET",
            summary="A code with which one more phone may join",
            answers=_told(record({"code": TEXT, "validUntil": DATE})),
            refusals=_refusals(403),
            wording=_wording,
            security=_HOLDER,
        ),
    ),
    "/user/password": (
        Operation(
            method="PATCH",
            summary="Change the account's password",
            body=json(record({"currentPassword": TEXT, "newPassword": {"type": "string", "minLength": 14}})),
            answers=_DONE,
            refusals=_refusals(400, 404),
            wording=_wording,
            security=_PHONE,
        ),
    ),
}
OPERATIONS: Mapping[str, Methods] = {path: {each.method: each for each in said} for path, said in _ROUTES.items()}


def posted(base: str) -> Operation:
    """What phones post by themselves."""
    event = {
        "type": "object",
        "required": ["event"],
        "properties": {"id": TEXT, "event": TEXT, "deviceId": TEXT, "payload": {"type": "object"}},
    }
    names = ("device", "secret")
    return Operation(
        method="POST",
        path=f"{base}/hooks/{{device}}/{{secret}}",
        summary="A phone hands in what it received, or says how it is",
        parameters=tuple(Parameter(name=name, schema={"type": "string", "minLength": 1}, is_needed=True, place="path") for name in names),
        body=json(event),
        answers={200: Answer(about="It is on disk.", content=json(record({})))},
        refusals=_refusals(400),
        wording=_wording,
    )
