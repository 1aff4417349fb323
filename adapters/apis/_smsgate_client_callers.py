"""Who calls, and what they may do: SMSGate's scopes beside our own. A part of smsgate_client.py.

    Authorization: Basic LOGIN:PASSWORD     the account's name with its password, or with an API key of it
    Authorization: Bearer TOKEN             a token of POST /auth/token, an API key, or an access token of an OAuth2 client

A token has the scopes that were asked for it, and never more than what it was asked with.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from adapters.apis._smsgate_client_answers import as_json
from adapters.call import Call, Handler, Reply
from adapters.wire.smsgate import date, json_object
from service.accounts import Principal, Scope
from service.errors import Invalid, KeyMissing, ScopeMissing
from service.gateway import Gateway
from service.grants import PREFIX, Given, Grants

RIGHTS = {
    "messages:send": Scope.SEND,
    "messages:cancel": Scope.SEND,
    "messages:list": Scope.READ,
    "messages:read": Scope.READ,
    "messages:export": Scope.READ,
    "inbox:list": Scope.READ,
    "inbox:refresh": Scope.READ,
    "logs:read": Scope.READ,
    "devices:list": Scope.DEVICES,
    "devices:delete": Scope.DEVICES,
    "settings:read": Scope.DEVICES,
    "settings:write": Scope.DEVICES,
    "webhooks:list": Scope.WEBHOOKS,
    "webhooks:write": Scope.WEBHOOKS,
    "webhooks:delete": Scope.WEBHOOKS,
    "tokens:manage": Scope.ADMIN,
}
"""their scope -> the one that a key needs for it"""
ALL = "all:any"
MOST_SCOPES = 100
Guarded = Callable[["Caller", Call], Awaitable[Reply]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    principal: Principal
    rights: frozenset[str]


@dataclass(frozen=True, slots=True)
class Callers:
    gateway: Gateway
    grants: Grants

    def guarded(self, right: str, handle: Guarded) -> Handler:
        async def handler(call: Call) -> Reply:
            return await handle(await self._caller(call, right), call)

        return handler

    async def _caller(self, call: Call, right: str) -> Caller:
        """Raises Unauthorized, TooManyGuesses, Forbidden."""
        scheme, shown = _credentials(call)
        scope = RIGHTS[right]
        if scheme == "basic":
            login, _, password = shown.partition(":")
            return _caller(await self.gateway.enrolment.logged_in(login, password, scope, peer=call.peer))
        if not shown.startswith(PREFIX):
            return _caller(await self.gateway.accounts.authenticate(shown, scope, peer=call.peer))
        principal, rights = await self.grants.authenticate(shown, peer=call.peer)
        if right not in rights:
            raise ScopeMissing(right)
        principal.require(scope)
        return Caller(principal=principal, rights=rights)

    # tokens

    async def new_token(self, caller: Caller, call: Call) -> Reply:
        said = json_object(call.body)
        wanted, ttl = _scopes(said.get("scopes"), caller), said.get("ttl")
        if ttl is not None and (not isinstance(ttl, int) or isinstance(ttl, bool) or not 0 <= ttl < 1 << 31):
            raise Invalid("ttl", "must be a whole number of seconds")
        return _given(await self.grants.give(caller.principal, wanted, timedelta(seconds=ttl) if ttl else None))

    async def renew(self, call: Call) -> Reply:
        scheme, shown = _credentials(call)
        return _given(await self.grants.renew(shown if scheme == "bearer" else "", peer=call.peer))

    async def end_token(self, caller: Caller, call: Call) -> Reply:
        """Of one that has ended, or never was, nothing else is said."""
        await self.grants.end(caller.principal.account, call.rest)
        return Reply(b"", status=204)


def _caller(principal: Principal) -> Caller:
    return Caller(principal=principal, rights=frozenset(right for right, scope in RIGHTS.items() if scope in principal.key.scopes))


def _credentials(call: Call) -> tuple[str, str]:
    """`basic` with login:password, or `bearer` with a token. Raises KeyMissing."""
    scheme, _, shown = call.header("authorization").partition(" ")
    scheme, shown = scheme.lower(), shown.strip()
    if scheme == "basic":
        try:
            shown = base64.b64decode(shown, validate=True).decode()
        except (binascii.Error, ValueError):
            raise KeyMissing() from None
    elif scheme != "bearer":
        raise KeyMissing()
    return scheme, shown


def _scopes(asked: object, caller: Caller) -> frozenset[str]:
    """Raises Invalid, ScopeMissing."""
    if not isinstance(asked, list) or not 0 < len(asked) <= MOST_SCOPES or not all(isinstance(each, str) for each in asked):
        raise Invalid("scopes", "must be a list of scopes")
    unknown = [each for each in asked if each not in RIGHTS and each != ALL]
    if unknown:
        raise Invalid("scopes", f"{unknown[0][:50]!a} is not known; there are: {', '.join((ALL, *RIGHTS))}")
    wanted = frozenset(RIGHTS) if ALL in asked else frozenset(asked)
    missing = sorted(wanted - caller.rights)
    if missing:
        raise ScopeMissing(missing[0])
    return wanted


def _given(given: Given) -> Reply:
    """In both spellings: the server writes access_token, its Python client reads accessToken."""
    told = {"id": given.id, "token_type": "Bearer", "access_token": given.secret, "refresh_token": given.renewal}
    told |= {"tokenType": "Bearer", "accessToken": given.secret, "refreshToken": given.renewal}
    return as_json(told | {"expires_at": date(given.expires), "expiresAt": date(given.expires)}, 201)
