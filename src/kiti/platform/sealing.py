"""Sealed fields: what even a copy of the database must not show (next of kin)."""

import base64
import secrets
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES: Final = 12


class Seal:
    """AES-256-GCM under KITI_PRIVACY_KEY; each sealed value is bound to what it belongs to."""

    def __init__(self, key_base64: str) -> None:
        self._cipher = AESGCM(base64.b64decode(key_base64, validate=True))

    def close(self, text: str, *, bound_to: bytes) -> bytes:
        """The sealed text: it opens only with the same `bound_to`, so a row cannot be moved."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), bound_to)

    def open(self, sealed: bytes, *, bound_to: bytes) -> str:
        """The text. Raises cryptography's InvalidTag when it was changed or moved."""
        nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return self._cipher.decrypt(nonce, body, bound_to).decode()
