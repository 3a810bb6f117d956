"""Flutterwave v3 on the wire: exact amounts, what we send, and what its replies mean.

Amounts are major units (naira, not kobo), as JSON numbers with the currency's ISO 4217 decimals;
they are Decimal here and never a float. Source: developer.flutterwave.com, API v3.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, Literal

from kiti.payments.gateways.port import (
    CheckoutRequest,
    DisputeSnapshot,
    DisputeStatus,
    GatewayReceipt,
    PaymentSnapshot,
    RefundRecord,
    RefundRequest,
    RefundSnapshot,
    RefundState,
)
from kiti.payments.gateways.reading import as_link, as_object, as_text, as_uuid
from kiti.payments.model import PaymentMethod
from kiti.platform.money import Money, exponent

AMOUNT_MINOR_MAX: Final = 10**15
SESSION_MINUTES_MAX: Final = 1440
_SUCCESSFUL: Final = frozenset({"successful", "succeeded"})
_FAILED: Final = frozenset({"failed", "cancelled", "canceled"})
_NOT_FOUND: Final = re.compile(r"no transaction|not found|does not exist", re.IGNORECASE)
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ID: Final = re.compile(r"[0-9]{1,20}\Z")

# What the page offers. Mobile money has another word for each country's networks.
_MOBILE_MONEY: Final = {
    "GHS": "mobilemoneyghana",
    "KES": "mpesa",
    "RWF": "mobilemoneyrwanda",
    "TZS": "mobilemoneytanzania",
    "UGX": "mobilemoneyuganda",
    "XAF": "mobilemoneyfranco",
    "XOF": "mobilemoneyfranco",
    "ZMW": "mobilemoneyzambia",
}
_OPTIONS: Final = {
    PaymentMethod.CARD: "card",
    PaymentMethod.BANK_TRANSFER: "banktransfer",
    PaymentMethod.USSD: "ussd",
}
CURRENCIES: Final = {
    PaymentMethod.CARD: frozenset(
        {"EUR", "GBP", "GHS", "KES", "MWK", "NGN", "RWF", "SLL", "TZS", "UGX", "USD", "XAF", "XOF",
         "ZAR", "ZMW"}
    ),
    PaymentMethod.MOBILE_MONEY: frozenset(_MOBILE_MONEY),
    PaymentMethod.BANK_TRANSFER: frozenset({"NGN"}),
    PaymentMethod.USSD: frozenset({"NGN"}),
}  # fmt: skip

# Its words for a chargeback; the merchant's own answer decides nothing but an acceptance.
_DISPUTES: Final[dict[str, DisputeStatus]] = {
    "initiated": "NEEDS_RESPONSE",
    "pending": "NEEDS_RESPONSE",
    "declined": "UNDER_REVIEW",
    "accepted": "LOST",
    "lost": "LOST",
    "won": "WON",
}

TransactionStatus = Literal["PENDING", "FAILED", "SUCCEEDED"]


@dataclass(frozen=True, slots=True)
class Transaction:
    """One attempt of a payer. `receipt` is there when it succeeded."""

    transaction_id: str
    reference: str
    status: TransactionStatus
    receipt: GatewayReceipt | None


def to_wire(money: Money) -> int | Decimal:
    """Major units: an int where they are whole, else a Decimal with the currency's decimals."""
    major = money.to_major()
    return int(major) if major == major.to_integral_value() else major


def from_wire(value: object, currency: str) -> Money:
    """The amount in minor units, exact.

    Raises:
        ValueError: not a finite positive number, too large, or finer than the minor unit.
    """
    major = _decimal(value)
    if major is None:
        raise ValueError("not an amount")
    minor = major.scaleb(exponent(currency))
    if not 0 < minor <= AMOUNT_MINOR_MAX:
        raise ValueError("an amount out of range")
    if minor != minor.to_integral_value():
        raise ValueError(f"an amount finer than the minor unit of {currency}")
    return Money(int(minor), currency)


def _decimal(value: object) -> Decimal | None:
    """A JSON number, exact; None for anything else. As decoded here, fractions are Decimal."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    number = Decimal(value)
    is_of_a_size = number.is_finite() and -AMOUNT_MINOR_MAX <= number <= AMOUNT_MINOR_MAX
    return number if is_of_a_size else None


def as_id(value: object) -> str | None:
    """One of the gateway's numeric ids as text; None for anything else."""
    text = as_text(value)
    return text if text is not None and _ID.match(text) else None


def checkout_body(request: CheckoutRequest) -> bytes:
    """The body of `POST /payments`. `session_duration` is sent and never relied on."""
    option = (
        _MOBILE_MONEY[request.money.currency]
        if request.method is PaymentMethod.MOBILE_MONEY
        else _OPTIONS[request.method]
    )
    customer = {
        "email": request.email,
        "name": request.name,
        "phonenumber": request.phone,
    }
    minutes = min(max(-(-request.ttl_s // 60), 1), SESSION_MINUTES_MAX)
    return _with_amount(
        request.money,
        {
            "tx_ref": request.reference,
            "currency": request.money.currency,
            "redirect_url": request.return_url,
            "payment_options": option,
            "customer": {name: value for name, value in customer.items() if value},
            "customizations": {"title": request.title},
            "link_expiration": request.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "configurations": {"session_duration": minutes},
        },
    )


def refund_body(request: RefundRequest) -> bytes:
    """The body of a refund. Our id goes into `comments`: the gateway has no idempotency here."""
    return _with_amount(request.money, {"comments": str(request.refund_id)})


def _with_amount(money: Money, rest: dict[str, Any]) -> bytes:
    """A JSON object with the exact digits of the amount, which `json` would only write as float."""
    text = json.dumps(rest, ensure_ascii=False, separators=(",", ":"))
    return f'{{"amount":{to_wire(money)},{text[1:]}'.encode()


def is_not_found(body: dict[str, Any]) -> bool:
    """Whether the reply says that there is no such transaction: nobody has paid yet."""
    message = body.get("message")
    return (
        body.get("status") == "error"
        and isinstance(message, str)
        and _NOT_FOUND.search(message) is not None
    )


def read_link(body: dict[str, Any], *, is_https_only: bool) -> str | None:
    """The hosted page of a new payment; None when there is none that a browser may be sent to."""
    return as_link(as_object(body.get("data")).get("link"), is_https_only=is_https_only)


def read_transaction(value: object) -> Transaction:
    """A transaction, as verify and the list tell of it.

    Raises:
        ValueError: something in it that decides cannot be read.
    """
    data = as_object(value)
    transaction_id = as_id(data.get("id"))
    reference = as_text(data.get("tx_ref"), length_max=200)
    status = data.get("status")
    if transaction_id is None or reference is None or not isinstance(status, str):
        raise ValueError("not a transaction")
    if status.lower() in _FAILED:
        return Transaction(transaction_id, reference, "FAILED", None)
    if status.lower() not in _SUCCESSFUL:
        return Transaction(transaction_id, reference, "PENDING", None)
    currency = data.get("currency")
    if not isinstance(currency, str) or re.fullmatch(r"[A-Z]{3}", currency) is None:
        raise ValueError("not a currency")
    money = from_wire(data.get("amount"), currency)
    receipt = GatewayReceipt(
        transaction_id,
        money,
        charged=_rounded(data.get("charged_amount"), currency),
        fee=_fee(data, money),
    )
    return Transaction(transaction_id, reference, "SUCCEEDED", receipt)


def _fee(data: dict[str, Any], money: Money) -> Money | None:
    """What the gateway keeps: the amount less what it settles; `app_fee` leaves out its tax."""
    settled = _rounded(data.get("amount_settled"), money.currency)
    if settled is None:
        return _rounded(data.get("app_fee"), money.currency)
    fee = money - settled
    return fee if fee.amount_minor >= 0 else None


def _rounded(value: object, currency: str) -> Money | None:
    """An amount that only informs, half up to the minor unit; None when there is none."""
    number = _decimal(value)
    if number is None or number < 0:
        return None
    minor = number.scaleb(exponent(currency)).to_integral_value(rounding=ROUND_HALF_UP)
    return Money(int(minor), currency)


def snapshot_of(transactions: list[Transaction]) -> PaymentSnapshot:
    """What the transactions of one reference mean together: a success, then a pending one."""
    receipts = {t.transaction_id: t.receipt for t in transactions if t.receipt is not None}
    if receipts:
        return PaymentSnapshot("SUCCEEDED", tuple(receipts.values()))
    if any(t.status == "PENDING" for t in transactions):
        return PaymentSnapshot("PENDING")
    return PaymentSnapshot("FAILED" if transactions else "NOT_FOUND")


def read_refund(value: object, currency: str) -> RefundSnapshot:
    """A refund in the list, by id, or just made; its status words are many, and grow.

    The gateway gives back in the `currency` of the transaction unless it says another.
    """
    data = as_object(value)
    refund_id = as_id(data.get("id"))
    words = data.get("status")
    if refund_id is None or not isinstance(words, str) or not words:
        return RefundSnapshot("UNKNOWN", reason="not a refund")
    status = _refund_status(words)
    if status == "FAILED":
        return RefundSnapshot("FAILED", refund_id, reason=words[:100])
    told = data.get("currency", currency)
    try:
        given = from_wire(_refunded(data), told if isinstance(told, str) else currency)
    except ValueError as error:
        return RefundSnapshot("UNKNOWN", reason=f"a refund of {error}")
    return RefundSnapshot(status, refund_id, given=given)


def _refund_status(words: str) -> RefundState:
    words = words.lower()
    if "fail" in words or words.startswith(("cancel", "reject", "decline")):
        return "FAILED"
    return "SUCCEEDED" if words.startswith(("completed", "succe")) else "PENDING"


def _refunded(data: dict[str, Any]) -> object:
    return data.get("amount_refunded", data.get("AmountRefunded"))


def read_record(value: object) -> RefundRecord | None:
    """A listed refund, whoever asked for it; None when it cannot be read."""
    data = as_object(value)
    refund_id = as_id(data.get("id"))
    transaction_id = as_id(data.get("tx_id", data.get("TransactionId")))
    amount, words = _refunded(data), data.get("status")
    if refund_id is None or transaction_id is None or not isinstance(words, str):
        return None
    comments = data.get("comments", data.get("comment"))
    ours = _UUID.search(comments) if isinstance(comments, str) else None
    currency = data.get("currency")
    return RefundRecord(
        refund_id,
        transaction_id,
        None if ours is None else as_uuid(ours.group()),
        isinstance(comments, str),
        _refund_status(words),
        amount,
        currency if isinstance(currency, str) else None,
    )


def is_our_refund(value: object, request: RefundRequest) -> bool:
    """Whether a listed refund is ours: by our id in its comments.

    One of the same transaction and amount whose comments are not told is taken for ours: better to
    wait for a person than to give the money twice.
    """
    data = as_object(value)
    comments = data.get("comments", data.get("comment"))
    if isinstance(comments, str):
        return str(request.refund_id) in comments
    transaction_id = as_id(data.get("tx_id", data.get("TransactionId")))
    amount = _refunded(data)
    return (
        transaction_id == request.gateway_transaction_id
        and amount is not None
        and amount == to_wire(request.money)
    )


def read_dispute(value: object) -> DisputeSnapshot:
    """A chargeback in the list; in a state with no name here it is under review: nothing is sent.

    Raises:
        ValueError: it is none.
    """
    data = as_object(value)
    dispute_id, status = as_id(data.get("id")), data.get("status")
    opened_at = _instant(data.get("created_at"))
    if dispute_id is None or opened_at is None or not isinstance(status, str):
        raise ValueError("not a chargeback")
    known = _DISPUTES.get(status.lower(), "UNDER_REVIEW")
    currency = data.get("currency")
    return DisputeSnapshot(
        gateway_dispute_id=dispute_id,
        gateway_transaction_id=as_id(data.get("transaction_id")),
        amount=data.get("amount"),
        currency=currency if isinstance(currency, str) else None,
        status=known,
        reason=as_text(data.get("comment")) or "general",
        opened_at=opened_at,
        due_at=_instant(data.get("due_date")) if known == "NEEDS_RESPONSE" else None,
    )


def _instant(value: object) -> datetime | None:
    """An instant of ISO 8601, in UTC where it names no zone; None for anything else."""
    text = as_text(value)
    try:
        found = datetime.fromisoformat(text) if text is not None else None
    except ValueError:
        return None
    if found is None or found.tzinfo is not None:
        return found
    return found.replace(tzinfo=UTC)
