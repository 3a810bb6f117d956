"""What a plain form sends, and where a form may lead."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl
from uuid import uuid4

import phonenumbers
from babel.core import get_global
from starlette.requests import Request

from kiti.platform.errors import BadRequest, DomainError, UnsupportedMediaType
from kiti.platform.http import read_bytes
from kiti.platform.idempotency import IdempotencyKeyInvalid

FIELDS_MAX: Final = 200
TEXT_LENGTH_MAX: Final = 500
FORM_TYPE: Final = "application/x-www-form-urlencoded"
_KEY: Final = re.compile(r"[0-9a-f-]{36}\Z")
# One slash, then no second one: `//other.example` is another site's address.
_OWN_PATH: Final = re.compile(r"/(?![/\\])[\x21-\x7e]*\Z")


class FormUnreadable(BadRequest):
    """The form cannot be read: it has too many fields."""


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form in the order they were sent; a name may come several times."""

    fields: tuple[tuple[str, str], ...] = ()

    def text(self, name: str) -> str:
        """The first value of this name, trimmed and cut to 500 characters; empty when none came."""
        for key, value in self.fields:
            if key == name:
                return value.strip()[:TEXT_LENGTH_MAX]
        return ""

    def texts(self, name: str) -> tuple[str, ...]:
        """Every value of this name."""
        return tuple(value[:TEXT_LENGTH_MAX] for key, value in self.fields if key == name)

    def maybe(self, name: str) -> str | None:
        """As `text`, but None when it is empty."""
        return self.text(name) or None


async def read_form(request: Request) -> Form:
    """The fields of the body.

    Raises:
        BodyTooLarge, UnsupportedMediaType, FormUnreadable.
    """
    raw = await read_bytes(request)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != FORM_TYPE:
        raise UnsupportedMediaType("The body must be a form's.")
    return form_of(raw)


def form_of(raw: bytes) -> Form:
    """The fields of an encoded form or query.

    Raises:
        FormUnreadable: over 200 fields.
    """
    text = raw.decode("utf-8", "replace")
    try:
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        raise FormUnreadable from None
    return Form(tuple(fields))


def own_path(text: str, *, default: str = "/") -> str:
    """`text` when it is a path of this site, else `default`: no form leads to another site."""
    return text if _OWN_PATH.match(text) else default


def new_key() -> str:
    """An idempotency key for one rendered form: a second click is the same call."""
    return str(uuid4())


def sent_key(form: Form) -> str:
    """The key that a form was rendered with.

    Raises:
        IdempotencyKeyInvalid: it is none of `new_key`.
    """
    key = form.text("key")
    if not _KEY.match(key):
        raise IdempotencyKeyInvalid
    return key


def read_count(text: str, *, least: int, most: int, default: int) -> int:
    """A number in a form, moved into its bounds; `default` when it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        return default
    return min(max(int(text), least), most)


def with_country(phone: str, *, timezone: str) -> str:
    """A phone number as typed, in E.164 where it was typed as one dials it at home.

    The country is guessed from the zone of the stop where they board. What cannot be read is given
    back as it is, for whoever checks it to say what is wrong.
    """
    region: str | None = get_global("zone_territories").get(timezone)
    if phone.startswith("+") or region is None or not phone.isascii() or len(phone) > 40:
        return phone
    try:
        number = phonenumbers.parse(phone, region)
    except phonenumbers.NumberParseException:
        return phone
    if number.extension or not phonenumbers.is_possible_number(number):
        return phone
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field of a form: the field's id, and the words for people."""

    field: str
    message: str


def faults_of(refusal: DomainError, fields: dict[str, str]) -> list[Fault]:
    """The faults of a `ValidationFailed`, by the JSON pointers of `fields` and their form fields.

    A pointer that the form does not have stands at its first field.
    """
    errors: Sequence[dict[str, str]] = refusal.extension.get("errors", [])  # pyright: ignore[reportAssignmentType]
    first = next(iter(fields.values()), "")
    return [Fault(fields.get(each["pointer"], first), each["message"]) for each in errors]
