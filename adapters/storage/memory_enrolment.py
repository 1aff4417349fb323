"""Invitations, the secrets of devices, and passwords in memory; a part of memory.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from service.accounts import Account
from service.errors import Unavailable
from service.fleet import Device
from service.grants import BY_PASSWORD, Grant
from service.invitations import Invitation, Kind
from service.preferences import Preferences


@dataclass
class MemoryEnrolment:
    """A service.invitations.EnrolmentStore."""

    _accounts: dict[str, Account]
    _devices: dict[str, Device]
    _invitations: dict[bytes, Invitation] = field(default_factory=dict)
    _device_tokens: dict[bytes, str] = field(default_factory=dict)
    _device_secrets: dict[str, bytes] = field(default_factory=dict)
    _passwords: dict[int, str] = field(default_factory=dict)
    _grants: dict[bytes, Grant] = field(default_factory=dict)
    _preferences: dict[int, Preferences] = field(default_factory=dict)

    async def invite(self, invitation: Invitation) -> None:
        now = invitation.created
        self._invitations = {i.digest: i for i in self._invitations.values() if i.expires is None or i.expires > now}
        self._invitations[invitation.digest] = invitation

    async def find_token(self, digest: bytes) -> Account | None:
        found = self._invitations.get(digest)
        return self._inviting(found) if found is not None and found.kind is Kind.TOKEN else None

    async def take_code(self, digest: bytes, now: datetime) -> Account | None:
        found = self._invitations.get(digest)
        if found is None or found.kind is not Kind.CODE or (found.expires is not None and found.expires <= now):
            return None
        del self._invitations[digest]
        return self._inviting(found)

    def _inviting(self, invitation: Invitation) -> Account:
        return next(account for account in self._accounts.values() if account.id == invitation.account_id)

    async def private_tokens(self, account_id: int | None) -> list[Invitation]:
        found = [i for i in self._invitations.values() if i.kind is Kind.TOKEN and account_id in (None, i.account_id)]
        return sorted(found, key=lambda i: (i.created, i.digest))

    async def revoke_token(self, digest: bytes) -> bool:
        found = self._invitations.get(digest)
        if found is None or found.kind is not Kind.TOKEN:
            return False
        del self._invitations[digest]
        return True

    async def enrol(self, device: Device, *, token_digest: bytes, sealed: bytes, password: str | None) -> bool:
        if token_digest in self._device_tokens:
            raise Unavailable("another device has this token")
        self._devices[device.id] = device
        self._device_tokens[token_digest] = device.id
        self._device_secrets[device.id] = sealed
        return password is not None and self._passwords.setdefault(device.account_id, password) is password

    async def find_device(self, token_digest: bytes) -> Device | None:
        id = self._device_tokens.get(token_digest)
        return None if id is None else self._devices.get(id)

    async def device_secrets(self, device_id: str) -> bytes | None:
        return self._device_secrets.get(device_id)

    async def keep_device_secrets(self, device_id: str, sealed: bytes) -> bool:
        if device_id in self._devices:
            self._device_secrets[device_id] = sealed
        return device_id in self._devices

    def _forget_secrets(self, device: Device) -> None:
        self._device_secrets.pop(device.id, None)
        self._device_tokens = {digest: id for digest, id in self._device_tokens.items() if id != device.id}

    async def password_of(self, account_id: int) -> str | None:
        return self._passwords.get(account_id)

    async def set_password(self, account_id: int, password: str) -> None:
        self._passwords[account_id] = password
        ended = [digest for digest, grant in self._grants.items() if (grant.account_id, grant.key_id) == (account_id, BY_PASSWORD)]
        for digest in ended:
            del self._grants[digest]

    async def preferences(self, account_id: int) -> Preferences:
        return self._preferences.get(account_id, Preferences())

    async def set_preferences(self, account_id: int, preferences: Preferences) -> None:
        self._preferences[account_id] = preferences
