"""Reads the body of `POST /payments`, and refuses it the way the gateway does: one field a time."""

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final, cast
from urllib.parse import urlsplit

from kiti.sandbox.currency import exponent
from kiti.sandbox.flutterwave.model import Customer, Refused, Terms

AMOUNT_MAX: Final = Decimal(10) ** 12
_TEXT_MAX: Final = 255
_SESSION_MINUTES: Final = 30
_SESSION_MINUTES_MAX: Final = 1440
_TRIES: Final = 5
_TRIES_MAX: Final = 50
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
# What `payment_options` says, and what the transaction then says: the two differ on the real wire.
_PAYMENT_TYPES: Final = {
    "account": "account",
    "banktransfer": "bank_transfer",
    "mobilemoneyfranco": "mobilemoneysn",
    "mobilemoneyghana": "mobilemoneygh",
    "mobilemoneyrwanda": "mobilemoneyrw",
    "mobilemoneytanzania": "mobilemoneytz",
    "mobilemoneyuganda": "mobilemoneyug",
    "mobilemoneyzambia": "mobilemoneyzm",
    "mpesa": "mpesa",
    "nqr": "qr",
    "ussd": "ussd",
}


def read_terms(body: dict[str, object]) -> Terms:
    """The terms of a new payment. The currency is NGN when none is given.

    Stricter than documented in one point: a fraction finer than the currency's minor unit is
    refused, since no merchant means it.

    Raises:
        Refused: a field is missing or wrong; 400, naming the first.
    """
    tx_ref = required_text(body, "tx_ref")
    if "amount" not in body:
        raise Refused("amount is required")
    currency = optional_text(body, "currency") or "NGN"
    if not _CURRENCY.fullmatch(currency):
        raise Refused("currency is invalid")
    amount = read_amount(body["amount"], currency)
    customer = _read_customer(body.get("customer"))
    settings = _configuration(body)
    customizations = as_object(body.get("customizations"))
    return Terms(
        tx_ref=tx_ref,
        amount=amount,
        currency=currency,
        customer=customer,
        redirect_url=_read_url(body),
        payment_type=_payment_type(optional_text(body, "payment_options") or "card"),
        title=optional_text(customizations, "title") or "Payment",
        meta=body.get("meta"),
        session_minutes=_read_count(
            settings.get("session_duration"),
            "session_duration",
            default=_SESSION_MINUTES,
            most=_SESSION_MINUTES_MAX,
        ),
        tries_max=_read_count(
            settings.get("max_retry_attempt"), "max_retry_attempt", default=_TRIES, most=_TRIES_MAX
        ),
        link_expires_at=read_instant(body, "link_expiration"),
    )


def read_amount(value: object, currency: str) -> Decimal:
    """A positive amount in major units: a number, or a number in a string, as the real one takes.

    Raises:
        Refused: it is none, not positive, too large, or finer than the minor unit.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise Refused("amount is invalid")
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise Refused("amount is invalid") from None
    if not amount.is_finite() or not 0 < amount < AMOUNT_MAX:
        raise Refused("amount is invalid")
    if amount != round(amount, exponent(currency)):
        raise Refused(f"amount has too many decimals for {currency}")
    return amount


def required_text(body: dict[str, object], name: str) -> str:
    """The text under this name.

    Raises:
        Refused: it is missing, empty, too long or no text.
    """
    value = optional_text(body, name)
    if value is None:
        raise Refused(f"{name} is required")
    return value


def optional_text(body: dict[str, object], name: str) -> str | None:
    """The text under this name; None when it is missing, null or empty.

    Raises:
        Refused: it is too long or no text.
    """
    value = body.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > _TEXT_MAX:
        raise Refused(f"{name} is invalid")
    return value


def read_instant(body: dict[str, object], name: str) -> datetime | None:
    """The instant under this name, UTC when it names no zone; None when there is none.

    Raises:
        Refused: it is no ISO 8601 instant.
    """
    value = optional_text(body, name)
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise Refused(f"{name} is invalid") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def as_object(value: object) -> dict[str, object]:
    """The object itself; an empty one for anything else."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _configuration(body: dict[str, object]) -> dict[str, object]:
    """The gateway's pages disagree on where these live: all three places are read."""
    return {
        **body,
        **as_object(body.get("configuration")),
        **as_object(body.get("configurations")),
    }


def _read_customer(value: object) -> Customer:
    found = as_object(value)
    if not found:
        raise Refused("customer is required")
    email = optional_text(found, "email")
    if email is None:
        raise Refused("customer email is required")
    if not _EMAIL.fullmatch(email):
        raise Refused("customer email is invalid")
    phone = optional_text(found, "phonenumber") or optional_text(found, "phone_number")
    return Customer(email, optional_text(found, "name") or "Anonymous customer", phone)


def _read_url(body: dict[str, object]) -> str | None:
    value = body.get("redirect_url")
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > 2000:
        raise Refused("redirect_url is invalid")
    try:
        parts = urlsplit(value)
    except ValueError:
        raise Refused("redirect_url is invalid") from None
    if parts.scheme not in {"http", "https"} or not parts.netloc or not value.isprintable():
        raise Refused("redirect_url is invalid")
    return value


def _read_count(value: object, name: str, *, default: int, most: int) -> int:
    if value is None:
        return default
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise Refused(f"{name} is invalid")
    return value


def _payment_type(options: str) -> str:
    first = options.split(",", maxsplit=1)[0].strip()
    return _PAYMENT_TYPES.get(first, "card")
