"""Refresh tokens: 16 bytes that name the family for its whole life, then 32 that change each time.

The next secret is made from the one presented and a salt kept with the session. So a call repeated
with the same token gets the same answer, and neither the database alone nor an old token alone is
enough to make it. Only hashes are kept.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final, Self

FAMILY_BYTES: Final = 16
SECRET_BYTES: Final = 32
TEXT_LENGTH: Final = 64


@dataclass(frozen=True, slots=True, repr=False)
class RefreshToken:
    """A refresh token in the clear; never kept, never logged."""

    family: bytes
    secret: bytes

    @classmethod
    def new(cls) -> Self:
        """The first token of a new family."""
        return cls(secrets.token_bytes(FAMILY_BYTES), secrets.token_bytes(SECRET_BYTES))

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The token that this text is; None when it cannot be one."""
        if len(text) != TEXT_LENGTH or not text.isascii():
            return None
        try:
            both = base64.b64decode(text, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        return cls(both[:FAMILY_BYTES], both[FAMILY_BYTES:])

    @property
    def text(self) -> str:
        """As the client keeps it: 64 characters."""
        return base64.urlsafe_b64encode(self.family + self.secret).decode()

    @property
    def family_hash(self) -> bytes:
        """What the session is found by."""
        return hashlib.sha256(self.family).digest()

    @property
    def secret_hash(self) -> bytes:
        """What tells the current token from an old one."""
        return hashlib.sha256(self.secret).digest()

    def next(self, salt: bytes) -> "RefreshToken":
        """The token that follows this one, always the same for the same salt."""
        return RefreshToken(self.family, hmac.digest(self.secret, salt, hashlib.sha256))


def new_salt() -> bytes:
    """A salt for one rotation."""
    return secrets.token_bytes(SECRET_BYTES)
