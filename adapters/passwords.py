"""Passwords kept by argon2id (RFC 9106, its choice for little memory: 3 passes over 64 MiB, 4 lanes), in threads and few at a time."""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher, profiles
from argon2.exceptions import VerificationError

_AT_ONCE = 2
"""each takes 64 MiB while it runs"""


class Argon2:
    """A service.ports.Hasher."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY)
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: str) -> str:
        async with self._free:
            return await asyncio.to_thread(self._hasher.hash, _bytes(password))

    async def matches(self, password: str, hash: str) -> bool:
        async with self._free:
            return await asyncio.to_thread(self._verified, hash, _bytes(password))

    def _verified(self, hash: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(hash, password)
        except VerificationError:
            return False


def _bytes(password: str) -> bytes:
    """Also of one with half a character in it, which no other password is then the same as."""
    return password.encode("utf-8", "surrogatepass")
