"""Sealed messages: the recipient's browser opens one with a key that only the caller was told. Neither key nor text is kept.

A key is 20 base32 characters, 100 random bits, shown in groups of five. HKDF-SHA256 (RFC 5869) makes an AES-256-GCM key of it, with the
message's code as salt; the code is authenticated too. adapters/apis/static/sealed.js does the same in the browser.

A repeated submit is to get the same key again, so the first answer keeps it, sealed under what the caller shows each time and nobody
keeps: the raw API key and the idempotency key. Its fingerprint is keyed with them too: a plain hash of a short text could be guessed.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from service.messages import SealedKey

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
KEY_LENGTH = 20
_GROUP = 5

FOR_TEXT = b"dragoman sealed message"
FOR_RECEIPT = b"dragoman sealed receipt"
FOR_FINGERPRINT = b"dragoman sealed fingerprint"


class Cipher(Protocol):
    """AES-256-GCM: a box is 12 bytes of fresh nonce, the ciphertext, 16 bytes of tag."""

    def seal(self, key: bytes, text: bytes, about: bytes) -> bytes:
        """`about` is not in the box, but must be the same to open it."""
        ...

    def open(self, key: bytes, box: bytes, about: bytes) -> bytes:
        """Raises ValueError for another key, another `about`, or a box that was changed."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SealedText:
    code: str
    account_id: int
    box: bytes
    created: datetime
    expires: datetime


def hkdf(secret: bytes, *, salt: bytes, info: bytes) -> bytes:
    """32 bytes, which is one block of RFC 5869 with SHA-256."""
    return hmac.digest(hmac.digest(salt, secret, "sha256"), info + b"\x01", "sha256")


def new_key() -> str:
    """XXXXX-XXXXX-XXXXX-XXXXX."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(KEY_LENGTH))
    return "-".join(letters[i : i + _GROUP] for i in range(0, KEY_LENGTH, _GROUP))


def seal(cipher: Cipher, key: str, text: str, code: str) -> bytes:
    return cipher.seal(_text_key(key, code), text.encode(), code.encode())


def unseal(cipher: Cipher, key: str, box: bytes, code: str) -> str:
    """What the browser does. Raises ValueError for a wrong key."""
    return cipher.open(_text_key(key, code), box, code.encode()).decode()


def _text_key(key: str, code: str) -> bytes:
    return hkdf(key.replace("-", "").upper().encode(), salt=code.encode(), info=FOR_TEXT)


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Keeps the key of a sealed message in a receipt, for the same caller with the same idempotency key."""

    cipher: Cipher
    caller_secret: str
    idempotency_key: str

    def fingerprint(self, plain: bytes) -> bytes:
        return hmac.digest(self._key(FOR_FINGERPRINT), plain, "sha256")

    def seal(self, key: SealedKey) -> str:
        box = self.cipher.seal(self._key(FOR_RECEIPT), json.dumps([key.key, key.url]).encode(), b"")
        return base64.b64encode(box).decode()

    def open(self, receipt: str) -> SealedKey:
        """Raises ValueError when it was another caller's."""
        key, url = json.loads(self.cipher.open(self._key(FOR_RECEIPT), base64.b64decode(receipt), b""))
        return SealedKey(key=key, url=url)

    def _key(self, info: bytes) -> bytes:
        return hkdf(
            self.caller_secret.encode("utf-8", "surrogatepass"), salt=self.idempotency_key.encode("utf-8", "surrogatepass"), info=info
        )
