"""Invitations, the secrets of devices, and passwords on an SQL engine; a part of sql.py."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from adapters.storage import rows
from adapters.storage.rows import ms, ms_or_none, when, when_or_none
from service.accounts import Account
from service.fleet import Device
from service.invitations import Invitation, Kind
from service.preferences import Period, Preferences, SimChoice

if TYPE_CHECKING:
    from adapters.storage.sql import Engine


class SqlEnrolment:
    """A service.invitations.EnrolmentStore."""

    engine: Engine

    async def invite(self, invitation: Invitation) -> None:
        row = {
            "digest": invitation.digest,
            "account_id": invitation.account_id,
            "kind": invitation.kind.value,
            "label": invitation.label,
            "created": ms(invitation.created),
            "expires": ms_or_none(invitation.expires),
        }
        await self.engine.write("invite", row)

    async def find_token(self, digest: bytes) -> Account | None:
        found = await self.engine.read("ask", "find_private_token", {"digest": digest})
        return rows.account_of(found[0]) if found else None

    async def take_code(self, digest: bytes, now: datetime) -> Account | None:
        found = await self.engine.write("take_code", digest, ms(now))
        return rows.account_of(found) if found else None

    async def private_tokens(self, account_id: int | None) -> list[Invitation]:
        if account_id is None:
            found = await self.engine.read("ask", "all_private_tokens", {})
        else:
            found = await self.engine.read("ask", "private_tokens", {"account_id": account_id})
        return [_invitation(row) for row in found]

    async def revoke_token(self, digest: bytes) -> bool:
        return bool(await self.engine.write("ask", "revoke_private_token", {"digest": digest}))

    async def enrol(self, device: Device, *, token_digest: bytes, sealed: bytes, password: str | None) -> bool:
        return bool(await self.engine.write("enrol", rows.device_row(device), token_digest, sealed, password))

    async def find_device(self, token_digest: bytes) -> Device | None:
        found = await self.engine.read("ask", "find_device", {"token_digest": token_digest})
        return rows.device_of(found[0]) if found else None

    async def device_secrets(self, device_id: str) -> bytes | None:
        found = await self.engine.read("ask", "device_secrets", {"device_id": device_id})
        return bytes(found[0][0]) if found else None

    async def keep_device_secrets(self, device_id: str, sealed: bytes) -> bool:
        return bool(await self.engine.write("ask", "keep_device_secrets", {"device_id": device_id, "sealed": sealed}))

    async def password_of(self, account_id: int) -> str | None:
        found = await self.engine.read("ask", "password_of", {"account_id": account_id})
        return str(found[0][0]) if found else None

    async def set_password(self, account_id: int, password: str) -> None:
        await self.engine.write("change_password", {"account_id": account_id, "hash": password})

    async def preferences(self, account_id: int) -> Preferences:
        found = await self.engine.read("ask", "preferences", {"account_id": account_id})
        return _preferences(found[0]) if found else Preferences()

    async def set_preferences(self, account_id: int, preferences: Preferences) -> None:
        phones = {name: value for name in _PHONES if (value := getattr(preferences, name)) is not None}
        row = {"phones": json.dumps(phones, default=lambda word: word.value), "signing_key": preferences.signing_key}
        await self.engine.write("tell", "set_preferences", {"account_id": account_id, **row})


_PHONES = tuple(name for name in Preferences.__slots__ if name != "signing_key")
_WORDS = {"limit_period": Period, "sim_choice": SimChoice}


def _preferences(row: Sequence[Any]) -> Preferences:
    phones: dict[str, Any] = {name: _WORDS.get(name, int)(value) for name, value in json.loads(row[0]).items()}
    return Preferences(**phones, signing_key=None if row[1] is None else bytes(row[1]))


def _invitation(row: Sequence[Any]) -> Invitation:
    digest, account_id, kind, label, created, expires = row
    return Invitation(
        digest=bytes(digest), account_id=account_id, kind=Kind(kind), label=label, created=when(created), expires=when_or_none(expires)
    )
