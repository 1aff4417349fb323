"""What lets a phone join an account, and what it has afterwards. How both are used is in enrolment.py.

A private token lets in any number of phones until it is revoked; a code one phone, within minutes. All of them are random, so their
SHA-256 is all that is kept. A phone that has joined has a token of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol

from service.accounts import Account
from service.fleet import Device
from service.preferences import Preferences


class Kind(Enum):
    TOKEN = "token"
    CODE = "code"


@dataclass(frozen=True, kw_only=True, slots=True)
class Invitation:
    digest: bytes
    """SHA-256 of the token or code"""
    account_id: int
    kind: Kind
    label: str
    created: datetime
    expires: datetime | None = None
    """None for never"""

    @property
    def id(self) -> str:
        """What an operator calls it."""
        return self.digest[:6].hex()


@dataclass(frozen=True, kw_only=True, slots=True)
class Code:
    code: str = field(repr=False)
    valid_until: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Joined:
    """What a phone is told when it has joined; token and password are shown nowhere else."""

    device: Device
    token: str = field(repr=False)
    login: str
    """the name of its account"""
    password: str | None = field(repr=False)
    """of the account, when this phone is why it has one now"""


class EnrolmentStore(Protocol):
    """Where invitations, the secrets of devices, and passwords are kept. `unlink_device` forgets a device's secrets, too."""

    async def invite(self, invitation: Invitation) -> None:
        """Those that have ended by `invitation.created` are forgotten."""
        ...

    async def find_token(self, digest: bytes) -> Account | None:
        """Whose private token it is."""
        ...

    async def take_code(self, digest: bytes, now: datetime) -> Account | None:
        """Whose one-time code it is, if it has not ended. It is said only once, whoever asks."""
        ...

    async def private_tokens(self, account_id: int | None) -> list[Invitation]:
        """An account's or everybody's, the oldest first."""
        ...

    async def revoke_token(self, digest: bytes) -> bool:
        """False when there is none."""
        ...

    async def enrol(self, device: Device, *, token_digest: bytes, sealed: bytes, password: str | None) -> bool:
        """Keep a new device, its token and its secrets, and the hash of its account's password if that has none yet: all or nothing.

        Whether the password was kept.
        """
        ...

    async def find_device(self, token_digest: bytes) -> Device | None:
        """Whose own token it is."""
        ...

    async def device_secrets(self, device_id: str) -> bytes | None:
        """As they were sealed."""
        ...

    async def keep_device_secrets(self, device_id: str, sealed: bytes) -> bool:
        """False when there is no such device."""
        ...

    async def password_of(self, account_id: int) -> str | None:
        """Its hash."""
        ...

    async def set_password(self, account_id: int, password: str) -> None:
        """Keep its hash. Grants that were got by the one before end."""
        ...

    async def preferences(self, account_id: int) -> Preferences: ...
    async def set_preferences(self, account_id: int, preferences: Preferences) -> None: ...
