"""Ticket tokens: 40 bytes and an Ed25519 signature, that verify without a network.

`KITI1:` and base32 without padding: upper case letters, digits and a colon, which a QR code packs
at 5.5 bits a character.
"""

import base64
import binascii
import hashlib
import re
import struct
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import zxingcpp
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PREFIX: Final = "KITI1:"
# version, key id, ticket, trip, seat, first leg, last leg, 2 spare bytes: 40 bytes.
_BODY: Final = struct.Struct(">BB16s16sHBBxx")
_SIGNATURE_BYTES: Final = 64
_SIZE: Final = re.compile(r'^.*?<svg width="(\d+)" height="(\d+)"', re.DOTALL)
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class TicketFacts:
    """What a ticket's token says: who checks it needs no database. Legs are [first, last)."""

    ticket_id: UUID
    trip_id: UUID
    seat: int
    first_leg: int
    last_leg: int


class TicketSigner:
    """Signs tickets with KITI_TICKET_KEY (the base64 of a 32-byte Ed25519 seed)."""

    def __init__(self, key_base64: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(key_base64))
        self.public_key = self._key.public_key()
        self._key_id = _key_id(self.public_key)

    def sign(self, facts: TicketFacts) -> str:
        """The token of a ticket: the same facts always give the same token."""
        body = _BODY.pack(
            _VERSION,
            self._key_id,
            facts.ticket_id.bytes,
            facts.trip_id.bytes,
            facts.seat,
            facts.first_leg,
            facts.last_leg,
        )
        signed = body + self._key.sign(body)
        return PREFIX + base64.b32encode(signed).decode().rstrip("=")


def verify_token(token: str, public_key: Ed25519PublicKey) -> TicketFacts | None:
    """What the token says; None when it is not one of ours or was changed."""
    if not token.startswith(PREFIX):
        return None
    text = token.removeprefix(PREFIX)
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        return None
    if len(raw) != _BODY.size + _SIGNATURE_BYTES:
        return None
    body, signature = raw[: _BODY.size], raw[_BODY.size :]
    try:
        public_key.verify(signature, body)
    except InvalidSignature:
        return None
    version, key_id, ticket, trip, seat, first, last = _BODY.unpack(body)
    if version != _VERSION or key_id != _key_id(public_key):
        return None
    return TicketFacts(UUID(bytes=ticket), UUID(bytes=trip), seat, first, last)


def _key_id(public_key: Ed25519PublicKey) -> int:
    """One byte that tells keys apart while one is being replaced."""
    raw = public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).digest()[0]


def qr_svg(token: str) -> str:
    """The token as a QR code: an `<svg>` element that scales, for a page or a file."""
    code = zxingcpp.create_barcode(token, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    drawing = code.to_svg(add_quiet_zones=True)
    return _SIZE.sub(r'<svg viewBox="0 0 \1 \2" width="\1" height="\2"', drawing, count=1)
