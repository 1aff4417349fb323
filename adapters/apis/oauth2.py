"""OAuth2 for programs: an access token for a client's id and secret (RFC 6749, section 4.4), and its end (RFC 7009).

    POST /oauth2/token   grant_type=client_credentials&client_id=ID&client_secret=SECRET[&scope=send read]
    {"access_token": "...", "expires_in": 3600, "token_type": "Bearer", "scope": "send read"}
    POST /oauth2/revoke  token=TOKEN&client_id=ID&client_secret=SECRET

The client may also say who it is by HTTP Basic. oauthlib knows the rules; it asks without waiting and our store is waited for, so what
it will ask is found out before, and what it has decided is kept after.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

import orjson
from oauthlib.common import Request
from oauthlib.oauth2 import BackendApplicationServer, OAuth2Error, RequestValidator

from adapters.apis import ApiSettings, _oauth2_operations
from adapters.web import Api, Call, Reply, Route, Trouble
from service import tokens
from service.accounts import ApiKey, new_secret
from service.errors import Invalid, KeyExpired, KeyUnknown, Refused, TooManyGuesses, Unavailable, WrongNetwork
from service.gateway import Gateway
from service.keys import names_of, scopes_of

NO_STORE = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))
CHALLENGE = ("WWW-Authenticate", 'Basic realm="dragoman"')


def api(gateway: Gateway, settings: ApiSettings) -> Api:
    endpoint = _Endpoints(gateway)
    post = frozenset({"POST"})
    return Api(
        name="oauth2",
        routes=(
            Route(path="/oauth2/token", handler=endpoint.token, methods=post, describe=(_oauth2_operations.TOKEN,)),
            Route(path="/oauth2/revoke", handler=endpoint.revoke, methods=post, describe=(_oauth2_operations.REVOKE,)),
        ),
        word=_word,
        about="OAuth2 for programs: an access token for a client's id and secret (RFC 6749, section 4.4), and its end (RFC 7009).",
        schemes=_oauth2_operations.SCHEMES,
    )


@dataclass(frozen=True, slots=True)
class _Endpoints:
    gateway: Gateway

    async def token(self, call: Call) -> Reply:
        decided = await self._resolve(call)
        try:
            _, body, status = _server(decided).create_token_response(*_request(call))
        except OAuth2Error as bad:  # what it finds before it looks at the grant it raises
            return _error(bad.error, bad.description, bad.status_code)
        if decided.client is not None and decided.given is not None:
            await tokens.keep(self.gateway.accounts, decided.client, decided.given, scopes_of(decided.scopes))
        return _reply(body.encode(), status)

    async def revoke(self, call: Call) -> Reply:
        decided = await self._resolve(call)
        _, body, status = _server(decided).create_revocation_response(*_request(call))
        if decided.client is not None and decided.ended is not None:
            await tokens.drop(self.gateway.accounts, decided.client, decided.ended)
        return _reply(body.encode(), status)

    async def _resolve(self, call: Call) -> _Decision:
        """Who the client is, if it is one. Raises TooManyGuesses, WrongNetwork."""
        id, secret = _credentials(call)
        if not id or not secret:
            return _Decision()
        try:
            return _Decision(client=await tokens.client_of(self.gateway.accounts, id, secret, peer=call.peer))
        except (KeyUnknown, KeyExpired):
            return _Decision()


@dataclass(slots=True)
class _Decision:
    """What oauthlib is told, and what it says."""

    client: ApiKey | None = None
    scopes: list[str] = field(default_factory=list)
    given: str | None = None
    ended: str | None = None


class _Validator(RequestValidator):  # type: ignore[misc]
    """Answers oauthlib's questions, whose names and words these are."""

    def __init__(self, decision: _Decision) -> None:
        super().__init__()
        self._decision = decision

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        request.client = self._decision.client
        return self._decision.client is not None

    def validate_grant_type(self, client_id: str, grant_type: str, client: ApiKey, request: Any, *args: Any, **kwargs: Any) -> bool:
        return grant_type == "client_credentials"

    def get_default_scopes(self, client_id: str, request: Any, *args: Any, **kwargs: Any) -> list[str]:
        return names_of(request.client.scopes)

    def validate_scopes(self, client_id: str, scopes: list[str], client: ApiKey, request: Any, *args: Any, **kwargs: Any) -> bool:
        try:
            return scopes_of(scopes) in client.scopes
        except Invalid:
            return False

    def save_bearer_token(self, token: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        self._decision.given, self._decision.scopes = token["access_token"], request.scopes

    def revoke_token(self, token: str, token_type_hint: str | None, request: Any, *args: Any, **kwargs: Any) -> None:
        self._decision.ended = token


def _server(decision: _Decision) -> Any:
    lifetime = int(tokens.LIFETIME.total_seconds())
    return BackendApplicationServer(_Validator(decision), token_generator=lambda request: new_secret(), token_expires_in=lifetime)


def _request(call: Call) -> tuple[str, str, str, dict[str, str]]:
    uri = call.path + ("?" + call.query.decode("latin-1") if call.query else "")
    return uri, call.method, call.body.decode("latin-1").strip(), {}


def _credentials(call: Call) -> tuple[str, str]:
    """By HTTP Basic, or in the form; by both is not allowed (RFC 6749, section 2.3). Raises Trouble."""
    form = Request(*_request(call))
    id, secret = form.client_id or "", form.client_secret or ""
    scheme, _, encoded = call.header("authorization").partition(" ")
    if {"client_id", "client_secret"} & set(form.duplicate_params):
        raise Trouble(400, "invalid_request", "the client said twice who it is")
    if scheme.lower() != "basic":
        return id, secret
    try:
        basic_id, _, basic_secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    basic_id, basic_secret = unquote_plus(basic_id), unquote_plus(basic_secret)
    if secret or (id and id != basic_id):
        raise Trouble(400, "invalid_request", "the client said twice who it is: by HTTP Basic and in the form")
    return basic_id, basic_secret


def _word(call: Call, error: Refused | Trouble) -> Reply:
    """RFC 6749, section 5.2; a wrong secret once too often is 429, for which it has no word of its own."""
    if isinstance(error, Trouble):
        return _error(error.code, error.why, error.status)
    if isinstance(error, TooManyGuesses):
        return _error("invalid_client", error.why, 429, ("Retry-After", str(error.retry_after_s)))
    if isinstance(error, WrongNetwork):
        return _error("unauthorized_client", "this client may not ask from this address", 400)
    if isinstance(error, Unavailable):
        return _error("temporarily_unavailable", "try again later", 503)
    return _error("invalid_request", error.why, 400)


def _error(code: str, why: str, status: int, *headers: tuple[str, str]) -> Reply:
    return _reply(orjson.dumps({"error": code, "error_description": why}), status, *headers)


def _reply(body: bytes, status: int, *headers: tuple[str, str]) -> Reply:
    return Reply(body, status=status, headers=(*NO_STORE, *headers, *((CHALLENGE,) if status == 401 else ())))
