"""Secrets that we must read back, sealed with AES-GCM under a key that is not in the store.

The key is data/secret.key, or the file that `secret_key_file` names: 64 hex digits, readable by its owner only. A restored
backup of the store needs it too. A sealed secret is a version byte (1), a nonce of 12 bytes, and the ciphertext with its tag.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.errors import SealBroken

_VERSION = b"\x01"
_NONCE = 12


class KeyUnusable(Exception):
    """The file with the key cannot be used; the text says why."""


class Sealing:
    """A service.ports.Sealer. `purpose` is sealed in: what was sealed for one purpose cannot be opened for another."""

    def __init__(self, key: bytes, purpose: str) -> None:
        self._cipher = AESGCM(key)
        self._purpose = purpose.encode()

    def seal(self, secret: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return _VERSION + nonce + self._cipher.encrypt(nonce, secret.encode(), self._purpose)

    def open(self, sealed: bytes) -> str:
        if sealed[:1] != _VERSION or len(sealed) <= 1 + _NONCE:
            raise SealBroken("the secret was sealed in an unknown way")
        try:
            return self._cipher.decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], self._purpose).decode()
        except InvalidTag:
            raise SealBroken("the secret cannot be unsealed: was secret.key replaced?") from None


def secret_key(path: Path, *, make: bool) -> bytes:
    """The key in the file, which is made if it is not there and `make` is true. Raises KeyUnusable."""
    try:
        if make and not path.exists():
            _make(path)
        mode = path.stat().st_mode & 0o777
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as failed:
        raise KeyUnusable(f"the key file {path} cannot be read: {getattr(failed, 'strerror', None) or 'it is not text'}") from None
    if mode & 0o077:
        raise KeyUnusable(f"the key file {path} can be read by others than its owner (mode {mode:o}): chmod 600 it")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise KeyUnusable(f"the key file {path} must hold 64 hex digits")
    return bytes.fromhex(text)


def _make(path: Path) -> None:
    """All of it or nothing, also if the power is cut: without it no sealed secret can be opened again."""
    partial = path.with_name(path.name + ".new")
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        os.fchmod(fd, 0o600)  # a file that was there keeps its mode otherwise
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(fd)
    partial.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
