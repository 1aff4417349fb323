"""Who may do what: accounts, their API keys, scopes. A key is random, so its SHA-256 is all that is kept of it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Flag, auto
from typing import Protocol
from zoneinfo import ZoneInfo

from service.errors import Forbidden, KeyExpired, KeyMissing, KeyUnknown

CACHE_FOR = timedelta(seconds=5)
"""how long a revoked key may go on working in another process"""
_CACHE_MOST = 10_000


class Scope(Flag):
    SEND = auto()
    READ = auto()
    DEVICES = auto()
    WEBHOOKS = auto()
    ADMIN = auto()


ALL_SCOPES = Scope.SEND | Scope.READ | Scope.DEVICES | Scope.WEBHOOKS | Scope.ADMIN


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    id: int
    name: str
    default_country: str | None = None
    """ISO 3166 alpha-2; numbers without a country code are read as this country's"""
    time_zone: str = "UTC"
    """IANA name"""
    validity_s: int = 72 * 3600
    """how long a message may wait when the call does not say"""
    trial_limit: int | None = None
    """messages that a trial account may send; None for a regular account"""
    resend_unknown: bool = False
    """whether a message whose outcome is unknown is sent again by itself, at the price of a possible double"""

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def is_trial(self) -> bool:
        return self.trial_limit is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    id: int
    account_id: int
    label: str
    digest: bytes
    """SHA-256 of the secret"""
    scopes: Scope = ALL_SCOPES
    expires: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """Who is calling."""

    account: Account
    key: ApiKey

    def require(self, scope: Scope) -> None:
        if scope not in self.key.scopes:
            raise Forbidden(f"the API key may not do this: it lacks the scope {str(scope.name).lower()}")


class KeyStore(Protocol):
    async def find_key(self, digest: bytes) -> tuple[ApiKey, Account] | None: ...


def digest_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def new_secret() -> str:
    """An API key: 40 characters, 238 random bits, nothing in it that a URL or a form would change."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return "".join(secrets.choice(alphabet) for _ in range(40))


@dataclass(kw_only=True)
class Accounts:
    """Tells from a secret who is calling."""

    store: KeyStore
    clock: Callable[[], datetime]
    _cache: dict[bytes, tuple[datetime, Principal]] = field(default_factory=dict, repr=False)

    async def authenticate(self, secret: str | None, scope: Scope) -> Principal:
        """Raises KeyMissing, KeyUnknown, KeyExpired, or Forbidden when the key lacks the scope."""
        if not secret:
            raise KeyMissing()
        now = self.clock()
        digest = digest_of(secret)
        cached = self._cache.get(digest)
        if cached is not None and now < cached[0]:
            principal = cached[1]
        else:
            principal = await self._look_up(digest, now)
        if principal.key.expires is not None and now >= principal.key.expires:
            raise KeyExpired()
        principal.require(scope)
        return principal

    async def _look_up(self, digest: bytes, now: datetime) -> Principal:
        found = await self.store.find_key(digest)
        if found is None:
            self._cache.pop(digest, None)
            raise KeyUnknown()
        principal = Principal(key=found[0], account=found[1])
        if len(self._cache) >= _CACHE_MOST:
            self._cache.clear()
        self._cache[digest] = (now + CACHE_FOR, principal)
        return principal
