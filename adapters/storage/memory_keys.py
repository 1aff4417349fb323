"""Accounts, keys and access tokens in memory; a part of memory.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from service.accounts import Account, ApiKey, Token
from service.errors import Conflict
from service.grants import Grant


@dataclass
class MemoryKeys:
    """A service.accounts.KeyStore, and a service.grants.GrantStore."""

    _accounts: dict[str, Account] = field(default_factory=dict)
    _keys: dict[int, ApiKey] = field(default_factory=dict)
    _tokens: dict[bytes, Token] = field(default_factory=dict)
    _grants: dict[bytes, Grant] = field(default_factory=dict)

    async def find_key(self, digest: bytes) -> tuple[ApiKey, Account] | None:
        token = self._tokens.get(digest)
        if token is not None:
            client = self._keys[token.key_id]
            ends = min(client.expires or token.expires, token.expires)
            return None if client.revoked else self._owned(replace(client, scopes=client.scopes & token.scopes, expires=ends))
        for key in self._keys.values():
            if key.revoked or key.client_id is not None:
                continue
            if key.digest == digest:
                return self._owned(key)
            if key.former_digest == digest and key.former_ends is not None:
                return self._owned(replace(key, expires=min(key.expires or key.former_ends, key.former_ends)))
        return None

    async def find_client(self, client_id: str) -> tuple[ApiKey, Account] | None:
        return next((self._owned(key) for key in self._keys.values() if key.client_id == client_id), None)

    def _owned(self, key: ApiKey) -> tuple[ApiKey, Account]:
        return key, next(a for a in self._accounts.values() if a.id == key.account_id)

    async def create_account(self, account: Account) -> Account:
        if account.name in self._accounts:
            raise Conflict("there is an account of this name already")
        self._accounts[account.name] = replace(account, id=len(self._accounts) + 1)
        return self._accounts[account.name]

    async def find_account(self, name: str) -> Account | None:
        return self._accounts.get(name)

    async def accounts(self) -> list[Account]:
        return sorted(self._accounts.values(), key=lambda a: a.name)

    async def change_account(self, account: Account) -> bool:
        was = next((a for a in self._accounts.values() if a.id == account.id), None)
        if was is None:
            return False
        self._accounts[was.name] = replace(account, name=was.name)
        return True

    async def create_key(self, key: ApiKey) -> ApiKey:
        made = replace(key, id=len(self._keys) + 1)
        self._keys[made.id] = made
        return made

    async def keys(self, account_id: int | None = None) -> list[ApiKey]:
        return [key for key in self._keys.values() if account_id in (None, key.account_id)]

    async def change_key(self, key: ApiKey) -> bool:
        was = self._working(key.id)
        if was is not None:
            given = {name: getattr(key, name) for name in ("label", "scopes", "expires", "networks", "quotas")}
            self._keys[key.id] = replace(was, **given)
        return was is not None

    async def rotate_key(self, key: ApiKey, digest: bytes) -> bool:
        was = self._working(key.id)
        if was is None or was.digest != key.digest:
            return False
        self._keys[key.id] = replace(was, digest=digest, former_digest=was.digest, former_ends=key.former_ends)
        return True

    async def revoke_key(self, id: int, now: datetime) -> bool:
        was = self._working(id)
        if was is not None:
            self._keys[id] = replace(was, revoked=now, former_digest=None)
        return was is not None

    def _working(self, id: int) -> ApiKey | None:
        key = self._keys.get(id)
        return None if key is None or key.revoked else key

    async def note_used(self, uses: Mapping[int, datetime]) -> None:
        for id, at in uses.items():
            key = self._keys.get(id)
            if key is not None and (key.used is None or key.used < at):
                self._keys[id] = replace(key, used=at)

    async def create_token(self, token: Token) -> None:
        self._tokens = {digest: kept for digest, kept in self._tokens.items() if kept.expires > token.created}
        self._tokens[token.digest] = token

    async def drop_token(self, digest: bytes, key_id: int) -> bool:
        token = self._tokens.get(digest)
        if token is None or token.key_id != key_id:
            return False
        del self._tokens[digest]
        return True

    async def give(self, grants: tuple[Grant, ...]) -> None:
        for ended in [digest for digest, grant in self._grants.items() if grant.expires <= grants[0].created]:
            del self._grants[ended]
        self._grants.update((grant.digest, grant) for grant in grants)

    async def find_grant(self, digest: bytes) -> tuple[Grant, Account, ApiKey | None] | None:
        grant = self._grants.get(digest)
        if grant is None or (grant.key_id and not self._working(grant.key_id)):
            return None
        return grant, next(a for a in self._accounts.values() if a.id == grant.account_id), self._working(grant.key_id)

    async def end_grant(self, account_id: int, id: str) -> bool:
        ended = [digest for digest, grant in self._grants.items() if (grant.account_id, grant.id) == (account_id, id)]
        for digest in ended:
            del self._grants[digest]
        return bool(ended)
