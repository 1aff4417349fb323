"""What smsgate_client.py says of its routes, for /openapi.json. A part of smsgate_client.py. The shapes are those of the app's server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from adapters.operations import TEXT, WHOLE, YES_NO, Answer, Content, Operation, Parameter, Schema, json, many, one_of, record
from adapters.wire.smsgate import State

DATE: Schema = {"type": "string", "format": "date-time"}
STATE = one_of(*(state.value for state in State))
ANY: Schema = {"type": "object"}
SCHEMES: dict[str, Schema] = {
    "grant": {"type": "http", "scheme": "bearer", "description": "A token of POST /auth/token, an API key, or an access token."},
}
_SECURITY: tuple[Schema, ...] = ({"password": []}, {"grant": []})

_CHECKS: Schema = {"type": "object", "additionalProperties": ANY}
_HEALTH = json(record({"status": one_of("pass", "fail"), "version": TEXT, "releaseId": WHOLE, "checks": _CHECKS}))
_MESSAGE_STATE = record(
    {
        "id": TEXT,
        "deviceId": TEXT,
        "state": STATE,
        "isHashed": YES_NO,
        "isEncrypted": YES_NO,
        "recipients": many(record({"phoneNumber": TEXT, "state": STATE, "error": TEXT}, optional=("error",))),
        "states": {"type": "object", "additionalProperties": DATE},
        "createdAt": DATE,
        "textMessage": record({"text": TEXT}),
    },
    optional=("textMessage",),
    title="MessageState",
)
_MESSAGE: Schema = {
    "type": "object",
    "required": ["phoneNumbers"],
    "properties": {
        "id": {"type": "string", "maxLength": 36},
        "textMessage": {"type": "object", "required": ["text"], "properties": {"text": TEXT}},
        "message": TEXT,
        "phoneNumbers": many(TEXT, minItems=1, maxItems=100),
        "deviceId": TEXT,
        "simNumber": {"type": "integer", "minimum": 1, "maximum": 3},
        "withDeliveryReport": YES_NO,
        "isEncrypted": one_of(False),
        "ttl": {"type": "integer", "minimum": 60},
        "validUntil": DATE,
        "scheduleAt": DATE,
        "priority": {"type": "integer", "minimum": -128, "maximum": 127},
    },
    "examples": [{"textMessage": {"text": "Hello"}, "phoneNumbers": ["+32495898697"]}],
}
_RECEIVED = record(
    {"id": TEXT, "type": TEXT, "sender": TEXT, "recipient": TEXT, "simNumber": WHOLE, "contentPreview": TEXT, "createdAt": DATE},
    optional=("recipient", "simNumber"),
    title="IncomingMessage",
)
_SIM = record({"slotIndex": WHOLE, "simNumber": WHOLE})
_DEVICE = record({"id": TEXT, "name": TEXT, "lastSeen": DATE, "simCards": many(_SIM)}, optional=("lastSeen",), title="ClientDevice")
_WEBHOOK = record({"id": TEXT, "url": TEXT, "event": TEXT}, title="ClientWebhook")
_TOKEN = record(
    {
        **dict.fromkeys(("id", "access_token", "refresh_token", "accessToken", "refreshToken"), TEXT),
        **dict.fromkeys(("token_type", "tokenType"), one_of("Bearer")),
        **dict.fromkeys(("expires_at", "expiresAt"), DATE),
    },
    title="Grant",
)


def _wording(codes: tuple[str, ...]) -> Content:
    return json(record({"message": TEXT}))


def _operation(method: str, summary: str, answers: Mapping[int, Answer], *refused: int, body: Schema | None = None) -> Operation:
    """The wording has no codes, so one stands for all."""
    return Operation(
        method=method,
        summary=summary,
        body={} if body is None else json(body),
        answers=answers,
        refusals=dict.fromkeys((400, 401, 403, 429, 503, *refused), ("refused",)),
        wording=_wording,
        security=_SECURITY,
    )


def _told(schema: Schema, status: int = 200, about: str = "As the app's server has it.") -> dict[int, Answer]:
    return {status: Answer(about=about, content=json(schema))}


def _asked(operation: Operation, **parameters: Schema) -> Operation:
    return replace(operation, parameters=tuple(Parameter(name=name.rstrip("_"), schema=schema) for name, schema in parameters.items()))


_GONE = {204: Answer(about="It is gone, or never was.")}
_SPAN: dict[str, Schema] = {"since": DATE, "until": DATE}
_EXPORT: Schema = {"type": "object", "required": ["since", "until"], "properties": {"deviceId": TEXT, **_SPAN}}
_PAGE: dict[str, Schema] = {"from_": DATE, "to": DATE, "deviceId": TEXT, "offset": WHOLE}
_SEND = _operation("POST", "Send a text", _told(_MESSAGE_STATE, 202, "It is on disk; Location leads to it."), 404, 409, body=_MESSAGE)
_LIST = _asked(
    _operation("GET", "What was sent by this API", _told(many(_MESSAGE_STATE))),
    **_PAGE,
    state=STATE,
    limit={"type": "integer", "minimum": 1, "maximum": 100},
    includeContent=YES_NO,
    sort=one_of("created_at", "-created_at"),
)
_SHOW = _operation("GET", "How far a message is", _told(_MESSAGE_STATE), 404)
_CANCEL = _operation("DELETE", "Do not send it", _told(_MESSAGE_STATE), 404, 409)
_REFRESH = _operation("POST", "Have phones hand in again what they received", _told(record({}), 202, "They are asked."), 404, body=_EXPORT)
_ADD = {"type": "object", "required": ["url", "event"], "properties": {"id": TEXT, "url": TEXT, "event": TEXT}}
_ASK = {"type": "object", "required": ["scopes"], "properties": {"scopes": many(TEXT, minItems=1), "ttl": WHOLE}}
_NO_LOGS = _operation("GET", "Not kept here either", {501: Answer(about="Never otherwise.", content=json(record({"message": TEXT})))})

_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("/messages", "POST"): _SEND,
    ("/messages", "GET"): _LIST,
    ("/messages/{id}", "GET"): _SHOW,
    ("/messages/{id}", "DELETE"): _CANCEL,
    ("/messages/inbox/export", "POST"): _REFRESH,
    ("/inbox/export", "POST"): _REFRESH,
    ("/inbox/refresh", "POST"): _REFRESH,
    ("/inbox", "GET"): _asked(
        _operation("GET", "What phones received", _told(many(_RECEIVED))),
        **_PAGE,
        type=TEXT,
        limit={"type": "integer", "minimum": 1, "maximum": 500},
    ),
    ("/devices", "GET"): _operation("GET", "The account's phones", _told(many(_DEVICE))),
    ("/devices/{id}", "DELETE"): _operation("DELETE", "Unlink a phone", {204: Answer(about="It is unlinked.")}, 404),
    ("/settings", "GET"): _operation("GET", "How phones are set from here", _told(ANY)),
    ("/settings", "PUT"): _operation("PUT", "Set phones anew", _told(ANY), body=ANY),
    ("/settings", "PATCH"): _operation("PATCH", "Change how phones are set", _told(ANY), body=ANY),
    ("/webhooks", "GET"): _operation("GET", "Webhooks of this API", _told(many(_WEBHOOK))),
    ("/webhooks", "POST"): _operation("POST", "Be told of an event", _told(_WEBHOOK, 201), 409, body=_ADD),
    ("/webhooks/{id}", "DELETE"): _operation("DELETE", "Be told no more", _GONE),
    ("/logs", "GET"): _NO_LOGS,
    ("/auth/token", "POST"): _operation("POST", "A token with some of the caller's rights", _told(_TOKEN, 201), body=_ASK),
    ("/auth/token/refresh", "POST"): _operation("POST", "Another token for a refresh token", _told(_TOKEN, 201)),
    ("/auth/token/{id}", "DELETE"): _operation("DELETE", "End a token", _GONE),
    **{
        (f"/health{part}", "GET"): Operation(
            method="GET",
            summary="Whether messages can be kept" if part != "/live" else "Whether the process lives",
            answers={200: Answer(about="They can.", content=_HEALTH), 503: Answer(about="Not now.", content=_HEALTH)},
            wording=_wording,
        )
        for part in ("", "/live", "/ready", "/startup")
    },
}
_ID = Parameter(name="id", schema={"type": "string", "minLength": 1}, is_needed=True, place="path")


def described(base: str, path: str, method: str) -> Operation:
    """What is said of a route; `path` as the route has it, without its base."""
    whole = path.replace("/*", "/{id}")
    operation = _OPERATIONS[whole.replace("/message/", "/messages/") if whole != "/message" else "/messages", method]
    return operation if whole == path else replace(operation, path=base + whole, parameters=(_ID, *operation.parameters))
