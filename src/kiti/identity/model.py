"""Words of identity: accounts, roles, sessions, what a name, e-mail or phone may be; refusals."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, NewType
from uuid import UUID

import phonenumbers

from kiti.platform.errors import Forbidden, Unauthenticated

AccountId = NewType("AccountId", UUID)
SessionId = NewType("SessionId", UUID)
GuestId = NewType("GuestId", UUID)

# The demo accounts' password is public: no production server takes it.
DEMO_PASSWORD: Final = "kiti-demo-2026"  # noqa: S105 (public by contract)

ACCESS_TTL: Final = timedelta(minutes=15)
# A session ends after this long without a refresh, and SESSION_TTL after its login in any case.
SESSION_IDLE_TTL: Final = timedelta(days=30)
SESSION_TTL: Final = timedelta(days=90)
# How long a refresh token that was just used is answered again, with the same new token.
REFRESH_GRACE: Final = timedelta(seconds=10)

EMAIL_LENGTH_MAX: Final = 254
NAME_LENGTH_MAX: Final = 100
PHONE_LENGTH_MAX: Final = 40
PASSWORD_LENGTH_MIN: Final = 8
PASSWORD_LENGTH_MAX: Final = 128

_EMAIL: Final = re.compile(
    r"(?=.{1,64}@)[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
)
# Marks that turn the direction of what follows: on a manifest they make one name look like another.
_TURNS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LOCALE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


class Role(StrEnum):
    """What an account may be; the word is the same in the database, in tokens and on the wire."""

    PASSENGER = "passenger"
    AGENT = "agent"
    CONDUCTOR = "conductor"
    OPERATOR_STAFF = "operator_staff"
    OPERATOR_ADMIN = "operator_admin"
    FINANCE = "finance"
    PLATFORM_ADMIN = "platform_admin"


# The roles that are held at an operator; the others are held on the whole of Kiti.
OPERATOR_ROLES: Final = frozenset(
    {Role.AGENT, Role.CONDUCTOR, Role.OPERATOR_STAFF, Role.OPERATOR_ADMIN}
)


@dataclass(frozen=True, slots=True)
class Grant:
    """One role of an account. `operator_id` None: a role on all of Kiti, or at no operator yet."""

    role: str
    operator_id: UUID | None


@dataclass(frozen=True, slots=True)
class Account:
    """A person who can log in. `phone` is E.164, or None when not given."""

    account_id: AccountId
    email: str
    name: str
    phone: str | None
    locale: str
    status: Literal["active", "disabled"]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a login is judged by. Stays inside identity."""

    account_id: AccountId
    password_hash: str
    status: Literal["active", "disabled"]


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account about to be made, its fields checked and its password hashed."""

    email: str
    name: str
    phone: str | None
    locale: str
    password_hash: str
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Session:
    """A family of refresh tokens.

    `previous_hash` and `next_salt` are None before its first refresh. `revoked_at` None: not
    revoked; it may still be past `expires_at`.
    """

    session_id: SessionId
    account_id: AccountId
    current_hash: bytes
    previous_hash: bytes | None
    next_salt: bytes | None
    created_at: datetime
    rotated_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class BadCredentials(Unauthenticated):
    """The e-mail or the password is wrong."""


class BadToken(Unauthenticated):
    """The token is not valid: log in, or refresh."""


class TokenExpired(Unauthenticated):
    """The token has expired: refresh, or log in."""


class SessionEnded(Unauthenticated):
    """The session has ended: log in again."""


class CsrfFailed(Forbidden):
    """A call with cookies must come from Kiti's own pages."""

    family_code = None


def normalise_email(text: str) -> str:
    """The e-mail as it is stored: trimmed, in lower case.

    ASCII alone, with a dotted domain: what every mail server takes.

    Raises:
        ValueError: it is no such address, or over 254 characters.
    """
    email = text.strip().lower()
    if len(email) > EMAIL_LENGTH_MAX or not _EMAIL.fullmatch(email):
        raise ValueError("not an e-mail address")
    return email


def normalise_name(text: str) -> str:
    """A person's name: NFC, runs of spaces made one, 1 to 100 characters, no control characters.

    Raises:
        ValueError: it is empty, too long, or has a character that no name has.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name:
        raise ValueError("empty")
    if len(name) > NAME_LENGTH_MAX:
        raise ValueError(f"over {NAME_LENGTH_MAX} characters")
    if any(unicodedata.category(letter) in {"Cc", "Cs"} or letter in _TURNS for letter in name):
        raise ValueError("has a character that no name has")
    return name


def normalise_phone(text: str) -> str:
    """The phone number in E.164: `+234 803 123 4567` is `+2348031234567`.

    Judged by its length, not by the ranges in use, for those change faster than releases.

    Raises:
        ValueError: it has no country code, or no number there is so long or short.
    """
    if len(text) > PHONE_LENGTH_MAX or not text.isascii():
        raise ValueError("not a phone number with its country code, such as +2348031234567")
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or number.extension or not phonenumbers.is_possible_number(number):
        raise ValueError("not a phone number with its country code, such as +2348031234567")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def normalise_locale(text: str) -> str:
    """A language tag such as `en` or `fr-CI`, as given.

    Raises:
        ValueError: it is not one.
    """
    if len(text) > 35 or not _LOCALE.fullmatch(text):
        raise ValueError("not a language tag such as en or fr-CI")
    return text


def normalise_password(text: str) -> str:
    """The password as it is hashed: NFKC, so that every keyboard's form of a letter is the same.

    Raises:
        ValueError: it is not 8 to 128 characters long, or cannot be written as text.
    """
    if len(text) > PASSWORD_LENGTH_MAX:
        raise ValueError(f"over {PASSWORD_LENGTH_MAX} characters")
    password = unicodedata.normalize("NFKC", text)
    if len(password) < PASSWORD_LENGTH_MIN:
        raise ValueError(f"under {PASSWORD_LENGTH_MIN} characters")
    if any(unicodedata.category(letter) == "Cs" for letter in password):
        raise ValueError("has a character that cannot be typed")
    return password
