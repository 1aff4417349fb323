"""Grants: secrets that programs get for a while, for a part of what whoever asks may do. Random, so their SHA-256 is all that is kept.

A grant comes as two secrets under one id: one that is shown with each call, and one that lives longer and only gets another pair. What a
grant is for is said in the words of the API that gave it (its rights), and never more than its key lets it do. It ends with its key; one
that was got by a password, when the password is changed.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from service.accounts import ALL_SCOPES, Account, Accounts, ApiKey, Principal, digest_of, new_secret
from service.errors import Forbidden, KeyExpired, KeyUnknown, WrongNetwork

PREFIX = "dgr_"
"""begins every such secret"""
LIFETIME = timedelta(days=1)
LIFETIME_MOST = timedelta(days=30)
RENEWABLE_FOR = timedelta(days=60)
BY_PASSWORD = 0
"""instead of the id of a key"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    digest: bytes
    """SHA-256 of the secret"""
    id: str
    """what both secrets have in common; nothing secret"""
    account_id: int
    key_id: int
    """whose holder got it; BY_PASSWORD for none"""
    rights: frozenset[str]
    renews: bool
    """it gets another pair, and nothing else"""
    created: datetime
    expires: datetime
    lifetime_s: int
    """how long the pair's first secret lives: another pair's will, too"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """A pair, shown only once."""

    id: str
    secret: str
    renewal: str
    expires: datetime
    """when `secret` does"""


class GrantStore(Protocol):
    async def give(self, grants: tuple[Grant, ...]) -> None:
        """Those that have ended by their `created` are forgotten."""
        ...

    async def find_grant(self, digest: bytes) -> tuple[Grant, Account, ApiKey | None] | None:
        """With its key, if it has one; None also when that is revoked."""
        ...

    async def end_grant(self, account_id: int, id: str) -> bool:
        """Both its secrets. It is said only once, whoever asks."""
        ...


def by_password(account: Account) -> Principal:
    """Somebody who knows the account's password may do everything."""
    return Principal(account=account, key=ApiKey(id=BY_PASSWORD, account_id=account.id, label="", digest=b"", scopes=ALL_SCOPES))


@dataclass(frozen=True, kw_only=True)
class Grants:
    store: GrantStore
    accounts: Accounts

    async def give(self, principal: Principal, rights: Iterable[str], lifetime: timedelta | None = None) -> Given:
        """To whoever may do all that; for at most LIFETIME_MOST, and not longer than its key."""
        now = self.accounts.clock()
        lifetime = min(LIFETIME if lifetime is None else lifetime, LIFETIME_MOST)
        id, secret, renewal = (secrets.token_hex(16), PREFIX + new_secret(), PREFIX + new_secret())
        until = now + lifetime, now + max(lifetime, RENEWABLE_FOR)
        ends = principal.key.expires
        pair = [
            Grant(
                digest=digest_of(each),
                id=id,
                account_id=principal.account.id,
                key_id=principal.key.id,
                rights=frozenset(rights),
                renews=each == renewal,
                created=now,
                expires=expires if ends is None else min(expires, ends),
                lifetime_s=int(lifetime.total_seconds()),
            )
            for each, expires in zip((secret, renewal), until, strict=True)
        ]
        await self.store.give(tuple(pair))
        return Given(id=id, secret=secret, renewal=renewal, expires=pair[0].expires)

    async def authenticate(self, secret: str, *, peer: str | None) -> tuple[Principal, frozenset[str]]:
        """Who is calling, and for what. Raises KeyUnknown, TooManyGuesses, KeyExpired, WrongNetwork, Forbidden (it only renews)."""
        grant, principal = await self._find(secret, peer)
        if grant.renews:
            raise Forbidden("a refresh token only gets new tokens")
        return principal, grant.rights

    async def renew(self, secret: str, *, peer: str | None) -> Given:
        """Another pair in place of this one. Raises as `authenticate` does; Forbidden when it does not renew."""
        grant, principal = await self._find(secret, peer)
        if not grant.renews:
            raise Forbidden("this is no refresh token")
        if not await self.store.end_grant(grant.account_id, grant.id):
            raise KeyUnknown()
        return await self.give(principal, grant.rights, timedelta(seconds=grant.lifetime_s))

    async def end(self, account: Account, id: str) -> bool:
        """False when the account has none of this id."""
        return await self.store.end_grant(account.id, id)

    async def _find(self, secret: str, peer: str | None) -> tuple[Grant, Principal]:
        now = self.accounts.clock()
        found = await self.store.find_grant(digest_of(secret))
        if found is None:
            self.accounts.guesses.wrong(peer, now)
            raise KeyUnknown()
        grant, account, key = found
        if now >= grant.expires or (key is not None and key.expires is not None and now >= key.expires):
            raise KeyExpired()
        if key is None:
            return grant, by_password(account)
        if not key.allows(peer):
            raise WrongNetwork()
        self.accounts.use(key.id, now)
        return grant, Principal(account=account, key=key)
