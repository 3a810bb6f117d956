"""Ids that machines use (UUIDv7) and codes that people type (no look-alike letters)."""

import secrets
from uuid import UUID

from kiti.platform.clock import utc_now

# No 0/O, 1/I/L, U/V: what is read out over a bad line is typed back right.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTWXYZ"


def new_id() -> UUID:
    """A UUIDv7: 48 bits of milliseconds, then 74 random bits (RFC 9562 section 5.7)."""
    ms = int(utc_now().timestamp() * 1000)
    random = secrets.randbits(74)
    high, low = random >> 62, random & ((1 << 62) - 1)
    return UUID(int=(ms << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low)


def find_id(text: str) -> UUID | None:
    """The id as we write it, in either case of letters; None for anything else."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None


def new_code(length: int) -> str:
    """`length` random letters and digits out of 29: 4.86 bits each."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
