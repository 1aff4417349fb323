"""Making, changing and ending API keys and OAuth2 clients. A secret is shown to whoever asks for it once, here, and is then gone.

An OAuth2 client is a key with a `client_id`: everything about keys is true of it, but its secret gets access tokens (tokens.py) and is
refused as a key.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_network

from service.accounts import ALL_SCOPES, Account, Accounts, ApiKey, Network, Scope, digest_of, new_secret
from service.errors import Conflict, Invalid, Missing, NotFound
from service.quotas import NO_QUOTAS, Quotas, checked

LABEL_MOST = 200
ROTATION = timedelta(days=7)
"""how long the old secret goes on when nobody says"""
ROTATION_MOST = timedelta(days=366)


async def account_named(accounts: Accounts, name: str) -> Account:
    """Raises NotFound."""
    account = await accounts.store.find_account(name)
    if account is None:
        raise NotFound(f"there is no account {name!a}")
    return account


async def create(
    accounts: Accounts,
    account: str,
    *,
    label: str = "",
    scopes: Scope = ALL_SCOPES,
    networks: tuple[Network, ...] = (),
    expires: datetime | None = None,
    is_client: bool = False,
    quotas: Quotas = NO_QUOTAS,
) -> tuple[ApiKey, str]:
    """A new key, or OAuth2 client, and its secret. Raises NotFound, Invalid."""
    owner, now, secret = await account_named(accounts, account), accounts.clock(), new_secret()
    made = ApiKey(
        id=0,
        account_id=owner.id,
        label=label_of(label),
        digest=digest_of(secret),
        scopes=_some(scopes),
        networks=networks,
        expires=_later(expires, now),
        client_id=secrets.token_hex(16) if is_client else None,
        created=now,
        quotas=checked(quotas),
    )
    return await accounts.store.create_key(made), secret


async def find(accounts: Accounts, id: int, *, is_client: bool = False) -> ApiKey:
    """Raises NotFound."""
    for key in await accounts.store.keys():
        if key.id == id and (key.client_id is not None) is is_client:
            return key
    raise NotFound(f"there is no {'OAuth2 client' if is_client else 'API key'} {id}")


async def change(accounts: Accounts, key: ApiKey) -> ApiKey:
    """Keep its label, scopes, networks, expires and quotas. Raises NotFound, Invalid, Conflict when it is revoked."""
    changed = replace(key, label=label_of(key.label), scopes=_some(key.scopes), quotas=checked(key.quotas or NO_QUOTAS))
    if not await accounts.store.change_key(changed):
        raise Conflict("it is revoked")
    accounts.forget()
    return changed


async def rotate(accounts: Accounts, key: ApiKey, grace: timedelta = ROTATION) -> tuple[ApiKey, str]:
    """A new secret; the old one works for `grace` more. Only one old secret does: another rotation ends the one before it.

    Raises Conflict when it is revoked or somebody else rotates it, Invalid.
    """
    if not timedelta(0) <= grace <= ROTATION_MOST:
        raise Invalid("grace", f"must be from 0 to {ROTATION_MOST.days} days")
    secret, ends = new_secret(), accounts.clock() + grace
    if not await accounts.store.rotate_key(replace(key, former_ends=ends), digest_of(secret)):
        raise Conflict("it is revoked, or was rotated just now")
    accounts.forget()
    return replace(key, digest=digest_of(secret), former_digest=key.digest, former_ends=ends), secret


async def revoke(accounts: Accounts, key: ApiKey) -> None:
    """It and its tokens end at once in this process, and in others within accounts.CACHE_FOR. Once more does nothing."""
    await accounts.store.revoke_key(key.id, accounts.clock())
    accounts.forget()


def networks_of(texts: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and CIDR networks. Raises Invalid."""
    found = []
    for text in texts:
        try:
            found.append(ip_network(text.strip()))
        except ValueError:
            raise Invalid("networks", f"{text!a} is not an address or a network such as 192.0.2.0/24") from None
    return tuple(found)


def scopes_of(names: Iterable[str]) -> Scope:
    """By their names in lower case. Raises Invalid."""
    scopes = Scope(0)
    for name in names:
        try:
            scopes |= Scope[name.strip().upper()]
        except KeyError:
            raise Invalid("scopes", f"{name!a} is not one of {', '.join(names_of(ALL_SCOPES))}") from None
    return _some(scopes)


def names_of(scopes: Scope) -> list[str]:
    return [str(scope.name).lower() for scope in Scope if scope in scopes]


def _some(scopes: Scope) -> Scope:
    if not scopes:
        raise Missing("scopes")
    return scopes


def label_of(label: str) -> str:
    """Raises Invalid."""
    if len(label) > LABEL_MOST or not label.isprintable():
        raise Invalid("label", f"must be at most {LABEL_MOST} printable characters")
    return label


def _later(expires: datetime | None, now: datetime) -> datetime | None:
    if expires is not None and expires <= now:
        raise Invalid("expires", "is in the past")
    return expires
