"""Signed tokens: access tokens of accounts, tokens of guests, and the tokens of pages' forms.

JWT, HS256, signed with JWT_SECRET; JWT_SECRET_PREVIOUS is still accepted and never signs.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, Self, cast
from uuid import UUID, uuid4

from jwt.api_jws import PyJWS
from jwt.exceptions import InvalidTokenError

from kiti.config import ConfigurationError, Settings
from kiti.identity.model import (
    ACCESS_TTL,
    AccountId,
    BadToken,
    GuestId,
    Role,
    SessionId,
    TokenExpired,
)
from kiti.platform.secrets import constant_time_equal

ALGORITHM: Final = "HS256"
ISSUER: Final = "kiti"
AUDIENCE: Final = "kiti"
# How far another server's clock may be from ours.
LEEWAY_S: Final = 5
# Ours are under 500 characters: a longer one is refused before it is read.
TOKEN_LENGTH_MAX: Final = 2048

_HEADER: Final = {"alg": ALGORITHM, "typ": "JWT"}
_CSRF_LABEL: Final = b"kiti form token v1"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. `session_id` is None, and `roles` empty, in a guest's."""

    kind: Literal["access", "guest"]
    subject: UUID
    session_id: SessionId | None
    roles: frozenset[Role]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class GuestClaims:
    """All that a guest's token is made of: the same claims and secret give the same token again."""

    guest_id: GuestId
    issued_at: datetime
    valid_until: datetime
    jti: str

    def to_json(self) -> dict[str, str | int]:
        """The claims as a JSON object, to be kept with an answer that may be replayed."""
        return {
            "guestId": str(self.guest_id),
            "iat": _seconds(self.issued_at),
            "exp": _seconds(self.valid_until),
            "jti": self.jti,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, str | int]) -> Self:
        """The claims from `to_json`'s object."""
        return cls(
            GuestId(UUID(str(kept["guestId"]))),
            datetime.fromtimestamp(int(kept["iat"]), UTC),
            datetime.fromtimestamp(int(kept["exp"]), UTC),
            str(kept["jti"]),
        )


def new_guest(guest_id: GuestId | None, *, valid_until: datetime, now: datetime) -> GuestClaims:
    """The claims of a guest's token; a new guest when `guest_id` is None. Whole seconds."""
    return GuestClaims(
        guest_id=guest_id or GuestId(uuid4()),
        issued_at=now.replace(microsecond=0),
        valid_until=valid_until.replace(microsecond=0),
        jti=uuid4().hex,
    )


class Tokens:
    """Issues and verifies, with two secrets during a rotation."""

    def __init__(self, *, secret: str, previous: str = "") -> None:
        if not secret:
            raise ConfigurationError("JWT_SECRET is missing")
        self._secret = secret.encode()
        self._accepted = [self._secret, *([previous.encode()] if previous else [])]
        self._jws = PyJWS(algorithms=[ALGORITHM])

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """With the secrets of these settings."""
        return cls(secret=settings.jwt_secret, previous=settings.jwt_secret_previous)

    def issue_access(
        self,
        account_id: AccountId,
        *,
        session_id: SessionId,
        roles: frozenset[Role],
        now: datetime,
    ) -> str:
        """An access token, valid for ACCESS_TTL from `now`."""
        return self._sign(
            {
                "aud": AUDIENCE,
                "exp": _seconds(now + ACCESS_TTL),
                "iat": _seconds(now),
                "iss": ISSUER,
                "jti": uuid4().hex,
                "roles": sorted(roles),
                "sid": str(session_id),
                "sub": str(account_id),
                "typ": "access",
            }
        )

    def issue_guest(self, guest: GuestClaims) -> str:
        """The guest's token: byte for byte the same for the same claims and secret."""
        return self._sign(
            {
                "aud": AUDIENCE,
                "exp": _seconds(guest.valid_until),
                "iat": _seconds(guest.issued_at),
                "iss": ISSUER,
                "jti": guest.jti,
                "sub": str(guest.guest_id),
                "typ": "guest",
            }
        )

    def verify(self, token: str, *, now: datetime) -> Claims:
        """What the token says.

        Its header must be exactly ours: a key named by the token (kid, jku, jwk, x5u) is never
        looked for. Claims that are not known are passed over, for a newer server may add some.

        Raises:
            BadToken: not signed by us, not for us, or not made as ours are.
            TokenExpired: it was good until a moment before `now`.
        """
        claims = self._signed(token)
        seconds = now.timestamp()
        if claims.get("iss") != ISSUER or claims.get("aud") != AUDIENCE:
            raise BadToken
        kind, roles = claims.get("typ"), claims.get("roles", [])
        if kind not in {"access", "guest"} or not isinstance(roles, list) or not claims.get("jti"):
            raise BadToken
        if _instant(claims, "iat") > seconds + LEEWAY_S:
            raise BadToken
        if "nbf" in claims and _instant(claims, "nbf") > seconds + LEEWAY_S:
            raise BadToken
        expires_s = _instant(claims, "exp")
        if expires_s + LEEWAY_S <= seconds:
            raise TokenExpired
        is_access = kind == "access"
        return Claims(
            kind="access" if is_access else "guest",
            subject=_id(claims, "sub"),
            session_id=SessionId(_id(claims, "sid")) if is_access else None,
            roles=frozenset(role for role in Role if is_access and role.value in roles),
            expires_at=datetime.fromtimestamp(expires_s, UTC),
        )

    def issue_csrf(self, bound_to: str) -> str:
        """A form's token, for whoever holds `bound_to` (`Caller.form_binding`)."""
        return _csrf(self._secret, bound_to)

    def is_csrf(self, token: str, bound_to: str) -> bool:
        """Whether `token` is that of `bound_to`, by either secret; in constant time."""
        return any(constant_time_equal(token, _csrf(key, bound_to)) for key in self._accepted)

    def sign_text(self, purpose: str, text: str) -> str:
        """A text with our signature, good for this purpose alone; anybody may read it."""
        raw = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        return f"{raw}.{_mac(self._secret, purpose.encode(), text)}"

    def read_text(self, purpose: str, signed: str) -> str:
        """The text of `sign_text` for this purpose, by either secret.

        Raises:
            BadToken: not signed by us, or for another purpose.
        """
        raw, _, mac = signed[:TOKEN_LENGTH_MAX].partition(".")
        try:
            padded = raw.encode("ascii") + b"=" * (-len(raw) % 4)
            text = base64.b64decode(padded, b"-_", validate=True).decode()
        except ValueError:
            raise BadToken from None
        if not any(
            constant_time_equal(mac, _mac(key, purpose.encode(), text)) for key in self._accepted
        ):
            raise BadToken
        return text

    def _sign(self, claims: Mapping[str, object]) -> str:
        payload = json.dumps(claims, separators=(",", ":"), sort_keys=True).encode()
        return self._jws.encode(payload, self._secret, ALGORITHM)

    def _signed(self, token: str) -> dict[str, object]:
        """The claims, whatever they are, of a token that bears one of our signatures."""
        if len(token) > TOKEN_LENGTH_MAX or not token.isascii():
            raise BadToken
        for key in self._accepted:
            try:
                found = self._jws.decode_complete(token, key, algorithms=[ALGORITHM])
            except InvalidTokenError:
                continue
            if found["header"] != _HEADER:
                break
            try:
                claims = json.loads(found["payload"])
            except (ValueError, RecursionError):
                break
            if isinstance(claims, dict):
                return cast("dict[str, object]", claims)
            break
        raise BadToken


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def _instant(claims: Mapping[str, object], name: str) -> int:
    """A claim in whole seconds that a calendar can hold (years 1970 to 9999)."""
    value = claims.get(name)
    if type(value) is not int or not 0 <= value < 253_402_300_800:
        raise BadToken
    return value


def _id(claims: Mapping[str, object], name: str) -> UUID:
    try:
        return UUID(str(claims.get(name)))
    except ValueError:
        raise BadToken from None


def _csrf(key: bytes, bound_to: str) -> str:
    return _mac(key, _CSRF_LABEL, bound_to)


def _mac(key: bytes, label: bytes, text: str) -> str:
    """A signature under a key of its own for each label."""
    derived = hmac.digest(key, label, hashlib.sha256)
    digest = hmac.digest(derived, text.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
