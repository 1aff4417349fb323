"""API keys and OAuth2 clients, which differ in what their secret is for: keys.create, keys.list, keys.set, keys.rotate, keys.revoke;
oauth.create, oauth.list, oauth.set, oauth.rotate, oauth.revoke. A secret is in one answer, that of create or rotate, and nowhere else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from adapters.commands import Command, _quotas
from adapters.commands._arguments import Arguments, instant, shown, span, text, whole, words
from service import keys
from service.accounts import ALL_SCOPES, ApiKey
from service.gateway import Gateway

FIRST_ACCOUNT = "default"


async def create(is_client: bool, gateway: Gateway, arguments: Arguments) -> dict[str, Any]:
    expires = text(arguments, "expires", "never")
    key, secret = await keys.create(
        gateway.accounts,
        text(arguments, "account", FIRST_ACCOUNT),
        label=text(arguments, "label", ""),
        scopes=keys.scopes_of(names) if (names := words(arguments, "scopes")) else ALL_SCOPES,
        networks=keys.networks_of(words(arguments, "networks")),
        expires=instant(expires, "expires", gateway.clock()),
        is_client=is_client,
        quotas=_quotas.changed(None, arguments),
    )
    return {**await _row(gateway, key), "secret": secret}


async def listed(is_client: bool, gateway: Gateway, arguments: Arguments) -> list[dict[str, Any]]:
    await gateway.accounts.note_used()
    name = text(arguments, "account", "")
    owner = (await keys.account_named(gateway.accounts, name)).id if name else None
    found = [key for key in await gateway.accounts.store.keys(owner) if (key.client_id is not None) is is_client]
    return [await _row(gateway, key) for key in found]


async def change(is_client: bool, gateway: Gateway, arguments: Arguments) -> dict[str, Any]:
    key = await _named(gateway, arguments, is_client)
    if "label" in arguments:
        key = replace(key, label=text(arguments, "label", ""))
    if "scopes" in arguments:
        key = replace(key, scopes=keys.scopes_of(words(arguments, "scopes")))
    if "networks" in arguments:
        named = [] if (given := words(arguments, "networks")) == ["any"] else given
        key = replace(key, networks=keys.networks_of(named))
    if "expires" in arguments:
        key = replace(key, expires=instant(text(arguments, "expires"), "expires", gateway.clock()))
    key = replace(key, quotas=_quotas.changed(key.quotas, arguments))
    return await _row(gateway, await keys.change(gateway.accounts, key))


async def rotate(is_client: bool, gateway: Gateway, arguments: Arguments) -> dict[str, Any]:
    key = await _named(gateway, arguments, is_client)
    key, secret = await keys.rotate(gateway.accounts, key, span(text(arguments, "grace", f"{keys.ROTATION.days}d"), "grace"))
    return {**await _row(gateway, key), "secret": secret}


async def revoke(is_client: bool, gateway: Gateway, arguments: Arguments) -> dict[str, Any]:
    key = await _named(gateway, arguments, is_client)
    await keys.revoke(gateway.accounts, key)
    return await _row(gateway, replace(key, revoked=key.revoked or gateway.clock(), former_digest=None))


async def _named(gateway: Gateway, arguments: Arguments, is_client: bool) -> ApiKey:
    return await keys.find(gateway.accounts, whole(arguments, "id"), is_client=is_client)


async def _row(gateway: Gateway, key: ApiKey) -> dict[str, Any]:
    names = {account.id: account.name for account in await gateway.accounts.store.accounts()}
    now = gateway.clock()
    is_ended = key.expires is not None and key.expires <= now
    return {
        "id": key.id,
        **({"client_id": key.client_id} if key.client_id else {}),
        "account": names.get(key.account_id),
        "label": key.label,
        "scopes": keys.names_of(key.scopes),
        "networks": [str(network) for network in key.networks],
        "quotas": _quotas.shown(key.quotas),
        "state": "revoked" if key.revoked else "expired" if is_ended else "active",
        "created": shown(key.created),
        "last_used": shown(key.used),
        "expires": shown(key.expires),
        "old_secret_until": shown(key.former_ends) if key.former_digest and key.former_ends and key.former_ends > now else None,
    }


_VERBS: dict[str, Callable[[bool, Gateway, Arguments], Awaitable[Any]]] = {
    "create": create,
    "list": listed,
    "set": change,
    "rotate": rotate,
    "revoke": revoke,
}
COMMANDS: dict[str, Command] = {
    f"{noun}.{verb}": partial(do, is_client) for noun, is_client in (("keys", False), ("oauth", True)) for verb, do in _VERBS.items()
}
