"""Accounts, keys and access tokens on an SQL engine; a part of sql.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from adapters.storage import rows
from adapters.storage.rows import ms, ms_or_none, when
from adapters.storage.statements_keys import ACCOUNT_COLUMNS, GRANT_COLUMNS, KEY_COLUMNS
from service.accounts import Account, ApiKey, Scope, Token
from service.errors import Conflict
from service.grants import Grant

if TYPE_CHECKING:
    from adapters.storage.sql import Engine

_KEY = len(KEY_COLUMNS)
_BOTH = _KEY + len(ACCOUNT_COLUMNS)


class SqlKeys:
    """A service.accounts.KeyStore, and a service.grants.GrantStore."""

    engine: Engine

    async def find_key(self, digest: bytes) -> tuple[ApiKey, Account] | None:
        found = await self.engine.read("find_key", digest)
        if found is None:
            return None
        how, row = found
        key = rows.key_of(row[:_KEY])
        if how == "find_rotated_key":
            key = replace(key, expires=min(key.expires or key.former_ends, key.former_ends) if key.former_ends else key.expires)
        if how == "find_token":
            scopes, expires = row[_BOTH:]
            key = replace(key, scopes=key.scopes & Scope(scopes), expires=min(key.expires or when(expires), when(expires)))
        return key, rows.account_of(row[_KEY:_BOTH])

    async def find_client(self, client_id: str) -> tuple[ApiKey, Account] | None:
        found = await self.engine.read("ask", "find_client", {"client_id": client_id})
        return (rows.key_of(found[0][:_KEY]), rows.account_of(found[0][_KEY:_BOTH])) if found else None

    async def create_account(self, account: Account) -> Account:
        given = await self.engine.write("ask", "create_account", rows.account_row(account))
        if not given:
            raise Conflict("there is an account of this name already")
        return replace(account, id=given[0][0])

    async def find_account(self, name: str) -> Account | None:
        found = await self.engine.read("ask", "find_account", {"name": name})
        return rows.account_of(found[0]) if found else None

    async def accounts(self) -> list[Account]:
        return [rows.account_of(row) for row in await self.engine.read("ask", "accounts", {})]

    async def change_account(self, account: Account) -> bool:
        return bool(await self.engine.write("ask", "change_account", rows.account_row(account)))

    async def create_key(self, key: ApiKey) -> ApiKey:
        given = await self.engine.write("ask", "create_key", rows.key_row(key))
        return replace(key, id=given[0][0])

    async def keys(self, account_id: int | None = None) -> list[ApiKey]:
        if account_id is None:
            found = await self.engine.read("ask", "all_keys", {})
        else:
            found = await self.engine.read("ask", "keys", {"account_id": account_id})
        return [rows.key_of(row) for row in found]

    async def change_key(self, key: ApiKey) -> bool:
        return bool(await self.engine.write("ask", "change_key", rows.key_row(key)))

    async def rotate_key(self, key: ApiKey, digest: bytes) -> bool:
        change = {"id": key.id, "digest": key.digest, "new_digest": digest, "former_ends": ms_or_none(key.former_ends)}
        return bool(await self.engine.write("ask", "rotate_key", change))

    async def revoke_key(self, id: int, now: datetime) -> bool:
        return bool(await self.engine.write("ask", "revoke_key", {"id": id, "now": ms(now)}))

    async def note_used(self, uses: Mapping[int, datetime]) -> None:
        for id, at in uses.items():
            await self.engine.write("tell", "note_used", {"id": id, "used": ms(at)})

    async def create_token(self, token: Token) -> None:
        made = {"digest": token.digest, "key_id": token.key_id, "scopes": token.scopes.value}
        await self.engine.write("create_token", {**made, "created": ms(token.created), "expires": ms(token.expires)})

    async def drop_token(self, digest: bytes, key_id: int) -> bool:
        return bool(await self.engine.write("ask", "drop_token", {"digest": digest, "key_id": key_id}))

    async def give(self, grants: tuple[Grant, ...]) -> None:
        await self.engine.write("give", [_grant(grant) for grant in grants])

    async def find_grant(self, digest: bytes) -> tuple[Grant, Account, ApiKey | None] | None:
        found = await self.engine.read("find_grant", digest, GRANT_COLUMNS.index("key_id"))
        if found is None:
            return None
        row, key = found
        return _grant_of(row[: len(GRANT_COLUMNS)]), rows.account_of(row[len(GRANT_COLUMNS) :]), key and rows.key_of(key)

    async def end_grant(self, account_id: int, id: str) -> bool:
        return bool(await self.engine.write("ask", "end_grant", {"account_id": account_id, "id": rows.storable(id)}))


def _grant(grant: Grant) -> dict[str, Any]:
    fields = dict(zip(grant.__slots__, astuple(grant), strict=True))
    return {**fields, "rights": " ".join(sorted(grant.rights)), "created": ms(grant.created), "expires": ms(grant.expires)}


def _grant_of(row: Sequence[Any]) -> Grant:
    fields = dict(zip(GRANT_COLUMNS, row, strict=True))
    told = {"digest": bytes(fields["digest"]), "rights": frozenset(fields["rights"].split()), "renews": bool(fields["renews"])}
    return Grant(**{**fields, **told, "created": when(fields["created"]), "expires": when(fields["expires"])})
