"""Who may do what: accounts, their API keys, scopes. A key is random, so its SHA-256 is all that is kept of it.

A secret that comes with a call is an API key, the one that a key had before its rotation, or an access token of an OAuth2 client (which
is a key too: one whose secret gets tokens and is not itself taken). How keys are made and ended is in keys.py, tokens in tokens.py.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Flag, auto
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Protocol
from zoneinfo import ZoneInfo

from service.errors import KeyExpired, KeyMissing, KeyUnknown, ScopeMissing, WrongNetwork
from service.guesses import Guesses
from service.quotas import AccountQuotas, Quotas

Network = IPv4Network | IPv6Network

CACHE_FOR = timedelta(seconds=5)
"""how long a revoked key may go on working in another process"""
USED_EVERY = timedelta(minutes=1)
"""how often at most it is written down that a key was used"""
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
    sticky: bool = False
    """whether a recipient hears from the same device again where that is possible"""
    quotas: AccountQuotas | None = None
    """how much may be accepted; None: any number"""

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
    networks: tuple[Network, ...] = ()
    """from where it may be used; anywhere when empty"""
    client_id: str | None = None
    """the public name of an OAuth2 client, whose secret gets access tokens; None for an API key"""
    created: datetime | None = None
    """None when nobody has noted it"""
    used: datetime | None = None
    """when it was last used, to about a minute"""
    former_digest: bytes | None = None
    """of the secret before the last rotation"""
    former_ends: datetime | None = None
    """until when that one works"""
    revoked: datetime | None = None
    quotas: Quotas | None = None
    """how much may be accepted from its callers; None: any number"""

    def allows(self, peer: str | None) -> bool:
        """Whether it may be used from the address `peer`; an address that is not known is in no network."""
        return not self.networks or is_within(peer, self.networks)


def is_within(peer: str | None, networks: tuple[Network, ...]) -> bool:
    """Whether the address is in one of them; one that is not known is in none."""
    address = address_of(peer)
    return address is not None and any(address.version == network.version and address in network for network in networks)


def address_of(peer: str | None) -> IPv4Address | IPv6Address | None:
    """None when it is no IP address. An IPv4 address that arrived on an IPv6 socket is the IPv4 address."""
    try:
        address = ip_address((peer or "").partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """An access token of an OAuth2 client."""

    digest: bytes
    """SHA-256 of the token"""
    key_id: int
    """the client's"""
    scopes: Scope
    created: datetime
    expires: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """Who is calling."""

    account: Account
    key: ApiKey

    def require(self, scope: Scope) -> None:
        if scope not in self.key.scopes:
            raise ScopeMissing(str(scope.name).lower())


class KeyStore(Protocol):
    """Where accounts, keys and tokens are kept."""

    async def find_key(self, digest: bytes) -> tuple[ApiKey, Account] | None:
        """Whom a secret speaks for; None also for a revoked key, and for the secret of an OAuth2 client, which is not taken by itself.

        By a secret from before the rotation: the key, its `expires` not after that secret's end. By an access token: the client's
        key with the token's `scopes` (as far as the client still has them) and `expires`.
        """
        ...

    async def find_client(self, client_id: str) -> tuple[ApiKey, Account] | None:
        """An OAuth2 client, revoked ones too."""
        ...

    async def create_account(self, account: Account) -> Account:
        """`id` is ignored; the stored account is returned. Raises Conflict when the name is taken."""
        ...

    async def find_account(self, name: str) -> Account | None: ...
    async def accounts(self) -> list[Account]:
        """All, by name."""
        ...

    async def change_account(self, account: Account) -> bool:
        """Replace all but id and name; False when there is none of this id."""
        ...

    async def create_key(self, key: ApiKey) -> ApiKey:
        """`id` is ignored; the stored key is returned."""
        ...

    async def keys(self, account_id: int | None = None) -> list[ApiKey]:
        """An account's or everybody's, OAuth2 clients and revoked ones too, the oldest first."""
        ...

    async def change_key(self, key: ApiKey) -> bool:
        """Replace label, scopes, expires, networks and quotas, and nothing else; False when there is none of this id, or it is revoked."""
        ...

    async def rotate_key(self, key: ApiKey, digest: bytes) -> bool:
        """Give it a new secret; `key.digest` becomes the former one, until `key.former_ends`.

        False, and nothing is done, when it is revoked or its secret is not that of `key` any more.
        """
        ...

    async def revoke_key(self, id: int, now: datetime) -> bool:
        """End it, and with it all its tokens, for good; False when there is none, or it is revoked."""
        ...

    async def note_used(self, uses: Mapping[int, datetime]) -> None:
        """By the keys' ids, when each was last used."""
        ...

    async def create_token(self, token: Token) -> None:
        """Those that have ended by `token.created` are forgotten."""
        ...

    async def drop_token(self, digest: bytes, key_id: int) -> bool:
        """End a token, if it is that client's."""
        ...


def digest_of(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def new_secret() -> str:
    """An API key: 40 characters, 238 random bits, nothing in it that a URL or a form would change."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return "".join(secrets.choice(alphabet) for _ in range(40))


@dataclass(kw_only=True)
class Accounts:
    """Tells from a secret who is calling."""

    store: KeyStore
    clock: Callable[[], datetime]
    guesses: Guesses = field(default_factory=Guesses)
    _cache: dict[bytes, tuple[datetime, Principal]] = field(default_factory=dict, repr=False)
    _used: dict[int, datetime] = field(default_factory=dict, repr=False)
    """uses that nobody has written down"""
    _written: dict[int, datetime] = field(default_factory=dict, repr=False)

    async def authenticate(self, secret: str | None, scope: Scope, *, peer: str | None = None) -> Principal:
        """`peer` is the caller's address.

        Raises KeyMissing, KeyUnknown, TooManyGuesses, KeyExpired, WrongNetwork, or ScopeMissing.
        """
        if not secret:
            raise KeyMissing()
        now = self.clock()
        digest = digest_of(secret)
        cached = self._cache.get(digest)
        principal = cached[1] if cached is not None and now < cached[0] else await self._look_up(digest, now, peer)
        key = principal.key
        if key.expires is not None and now >= key.expires:
            raise KeyExpired()
        if key.networks and not key.allows(peer):
            raise WrongNetwork()
        if scope._value_ & ~key.scopes._value_:  # `in` would take a quarter of all the time that this takes
            principal.require(scope)
        return principal

    async def _look_up(self, digest: bytes, now: datetime, peer: str | None) -> Principal:
        found = await self.store.find_key(digest)
        if found is None:
            self._cache.pop(digest, None)
            self.guesses.wrong(peer, now)
            raise KeyUnknown()
        principal = Principal(key=found[0], account=found[1])
        if len(self._cache) >= _CACHE_MOST:
            self._cache.clear()
        self._cache[digest] = (now + CACHE_FOR, principal)
        self.use(principal.key.id, now)
        return principal

    def use(self, key_id: int, now: datetime) -> None:
        """Remember, to be written down later, that a key was used: once in CACHE_FOR, so that a call pays nothing for it."""
        self._used[key_id] = now

    async def note_used(self) -> None:
        """Write down which keys were used, each at most once in USED_EVERY."""
        due = {id: at for id, at in self._used.items() if id not in self._written or at - self._written[id] >= USED_EVERY}
        if due:
            await self.store.note_used(due)
            self._written.update(due)
            self._used = {id: at for id, at in self._used.items() if due.get(id) != at}

    def forget(self) -> None:
        """A key or token was changed: what is remembered of them is asked for again. Other processes do within CACHE_FOR."""
        self._cache.clear()
