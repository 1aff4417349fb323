"""What oauth2.py says of its two routes, for /openapi.json. A part of oauth2.py."""

from __future__ import annotations

from adapters.operations import TEXT, WHOLE, Answer, Content, Operation, Schema, json, one_of, record
from service.accounts import ALL_SCOPES
from service.keys import names_of

FORM = "application/x-www-form-urlencoded"
CLIENT: dict[str, Schema] = {"client_id": TEXT, "client_secret": TEXT}
SCOPES = {
    "send": "send, resend, delete",
    "read": "list, mark and delete messages",
    "devices": "list, change and delete phones",
    "webhooks": "change webhooks",
    "admin": "everything else",
}
SECURITY: tuple[Schema, ...] = ({"basic": []}, {})

SCHEMES: dict[str, Schema] = {
    "basic": {"type": "http", "scheme": "basic", "description": "An OAuth2 client's id and secret, urlencoded."},
    "oauth2": {
        "type": "oauth2",
        "flows": {"clientCredentials": {"tokenUrl": "/oauth2/token", "scopes": {name: SCOPES[name] for name in names_of(ALL_SCOPES)}}},
    },
}


def _wording(codes: tuple[str, ...]) -> Content:
    return json(record({"error": one_of(*codes), "error_description": TEXT}, optional=("error_description",)))


def _form(**fields: Schema) -> Content:
    return {FORM: {"type": "object", "properties": {**fields, **CLIENT}}}


TOKEN = Operation(
    method="POST",
    summary="An access token for a client's id and secret",
    about="The client says who it is in the form or by HTTP Basic, not by both.",
    security=SECURITY,
    body=_form(grant_type=one_of("client_credentials"), scope={"type": "string", "examples": ["send read"]}),
    answers={
        200: Answer(
            about="The token works wherever an API key does, as `Authorization: Bearer`.",
            content=json(record({"access_token": TEXT, "expires_in": WHOLE, "token_type": one_of("Bearer"), "scope": TEXT})),
        )
    },
    refusals={
        400: ("invalid_request", "invalid_scope", "unauthorized_client", "unsupported_grant_type"),
        401: ("invalid_client",),
        429: ("invalid_client",),
        503: ("temporarily_unavailable",),
    },
    wording=_wording,
)
REVOKE = Operation(
    method="POST",
    summary="End an access token",
    security=SECURITY,
    body=_form(token=TEXT, token_type_hint=TEXT),
    answers={200: Answer(about="The token is not valid, whether it was or not; the body is empty.")},
    refusals={
        400: ("invalid_request", "unauthorized_client", "unsupported_token_type"),
        401: ("invalid_client",),
        429: ("invalid_client",),
        503: ("temporarily_unavailable",),
    },
    wording=_wording,
)
