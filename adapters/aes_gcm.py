"""AES-256-GCM by the package cryptography: a service.sealed.Cipher."""

from __future__ import annotations

import os

NONCE = 12


class AesGcm:
    def seal(self, key: bytes, text: bytes, about: bytes) -> bytes:
        # imported when it is first needed: it takes megabytes, and most servers seal nothing
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(NONCE)
        return nonce + AESGCM(key).encrypt(nonce, text, about)

    def open(self, key: bytes, box: bytes, about: bytes) -> bytes:
        """Raises ValueError."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            return AESGCM(key).decrypt(box[:NONCE], box[NONCE:], about)
        except InvalidTag:
            raise ValueError("it is not opened by this key") from None
