"""Stripe on the wire: exact amounts, what we send, and what its objects mean.

Amounts are whole numbers in Stripe's own minor unit, which is not ISO 4217's for a few currencies.
Source: docs.stripe.com/currencies, docs.stripe.com/api (2026-10-28).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from kiti.payments.gateways.port import (
    CheckoutRequest,
    GatewayReceipt,
    PaymentSnapshot,
    RefundRecord,
    RefundRequest,
    RefundSnapshot,
    RefundState,
)
from kiti.payments.gateways.reading import as_object, as_text, as_uuid
from kiti.payments.model import PaymentMethod
from kiti.platform.money import Money, exponent

if TYPE_CHECKING:
    from stripe.params import RefundCreateParams
    from stripe.params.checkout import SessionCreateParams

AMOUNT_MINOR_MAX: Final = 10**15
# Stripe takes 30 minutes to 24 hours from its own clock, and ours may be five minutes wrong, as it
# may be for its webhooks; a minute is for the way.
LINK_S_MIN: Final = 36 * 60
LINK_S_MAX: Final = 24 * 3600 - 60
REFERENCE: Final = "reference"
REFUND_ID: Final = "refundId"
_ZERO_DECIMAL: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
     "XOF", "XPF"}
)  # fmt: skip
_THREE_DECIMAL: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
# No smaller unit any more, yet written with two decimals, which must be 00.
_WHOLE_ONLY: Final = frozenset({"ISK", "UGX"})
_TWO_DECIMAL: Final = frozenset(
    {"AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT",
     "BGN", "BMD", "BND", "BOB", "BRL", "BSD", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CNY",
     "COP", "CRC", "CVE", "CZK", "DKK", "DOP", "DZD", "EGP", "ETB", "EUR", "FJD", "FKP", "GBP",
     "GEL", "GHS", "GIP", "GMD", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR",
     "JMD", "KES", "KGS", "KHR", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "MAD", "MDL",
     "MKD", "MMK", "MNT", "MOP", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO",
     "NOK", "NPR", "NZD", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "QAR", "RON", "RSD", "SAR",
     "SBD", "SCR", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SZL", "THB", "TJS", "TOP", "TRY",
     "TTD", "TWD", "TZS", "UAH", "USD", "UYU", "UZS", "WST", "XCD", "YER", "ZAR", "ZMW"}
)  # fmt: skip
CURRENCIES: Final = {
    PaymentMethod.CARD: _ZERO_DECIMAL | _THREE_DECIMAL | _WHOLE_ONLY | _TWO_DECIMAL
}
_METHODS: Final = {PaymentMethod.CARD: "card"}
_INTENT_PENDING: Final = frozenset(
    {"processing", "requires_action", "requires_confirmation", "requires_capture"}
)
Prefix = Literal["pi", "cs", "re", "po"]


def decimals(currency: str) -> int:
    """How many digits of Stripe's amounts stand behind the point; ISO 4217 may say another."""
    if currency in _ZERO_DECIMAL:
        return 0
    return 3 if currency in _THREE_DECIMAL else 2


def step(currency: str) -> int:
    """Stripe's amounts in this currency are multiples of this."""
    if currency in _WHOLE_ONLY:
        return 100
    return 10 if currency in _THREE_DECIMAL else 1


def to_wire(money: Money) -> int:
    """Stripe's whole number.

    Raises:
        ValueError: the amount is finer than Stripe takes it (a single fils, a centime of MGA).
    """
    shift = decimals(money.currency) - exponent(money.currency)
    factor = 10 ** abs(shift)
    if shift < 0 and money.amount_minor % factor:
        raise ValueError(f"an amount finer than Stripe takes {money.currency}")
    amount = money.amount_minor * factor if shift >= 0 else money.amount_minor // factor
    if amount % step(money.currency):
        raise ValueError(f"an amount finer than Stripe takes {money.currency}")
    return amount


def from_wire(value: object, currency: str) -> Money:
    """The amount in our minor units, exact. `currency` in upper case.

    Raises:
        ValueError: not a positive whole number, too large, or finer than our minor unit.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("not an amount")  # noqa: TRY004  # what a stranger sent, not a caller's bug
    shift = exponent(currency) - decimals(currency)
    factor = 10 ** abs(shift)
    if shift < 0 and value % factor:
        raise ValueError(f"an amount finer than the minor unit of {currency}")
    minor = value * factor if shift >= 0 else value // factor
    if not 0 < minor <= AMOUNT_MINOR_MAX:
        raise ValueError("an amount out of range")
    return Money(minor, currency)


def as_id(value: object, *prefixes: Prefix) -> str | None:
    """One of Stripe's ids as text; None for anything else, which then cannot be put into a path."""
    found = as_text(value, length_max=100)
    if found is None or not re.fullmatch(r"[a-z]{2}_[A-Za-z0-9_]{1,96}", found, re.ASCII):
        return None
    return found if found[:2] in prefixes else None


def as_currency(value: object) -> str:
    """A currency in our case.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str) or re.fullmatch(r"[a-z]{3}", value) is None:
        raise ValueError("not a currency")
    return value.upper()


def as_instant(value: object) -> datetime | None:
    """Seconds since 1970; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 10**11:
        return None
    return datetime.fromtimestamp(value, UTC)


def checkout_params(request: CheckoutRequest) -> "SessionCreateParams":
    """What makes a Checkout Session. The same for the same request, as its key demands.

    The reference goes to the session and to its payment intent: charges, refunds and disputes know
    the intent alone. Prices stay in our currency, whatever the payer's card is in.

    Raises:
        ValueError: Stripe cannot take the amount.
    """
    ends_s = int(request.expires_at.timestamp())
    ends_s += max(LINK_S_MIN - request.ttl_s, 0) - max(request.ttl_s - LINK_S_MAX, 0)
    mark = {REFERENCE: request.reference}
    back = f"{request.return_url}?tx_ref={request.reference}"
    return {
        "mode": "payment",
        "client_reference_id": request.reference,
        "customer_email": request.email,
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": request.money.currency.lower(),
                    "unit_amount": to_wire(request.money),
                    "product_data": {"name": request.title},
                },
            }
        ],
        "metadata": mark,
        "payment_intent_data": {"metadata": mark},
        "payment_method_types": [_METHODS[request.method]],  # pyright: ignore[reportReturnType]
        "adaptive_pricing": {"enabled": False},
        "expires_at": ends_s,
        "success_url": back,
        "cancel_url": f"{back}&status=cancelled",
    }


def refund_params(request: RefundRequest, intent_id: str) -> "RefundCreateParams":
    """What makes a refund; our id in its metadata is how it is found again."""
    return {
        "payment_intent": intent_id,
        "amount": to_wire(request.money),
        "metadata": {REFUND_ID: str(request.refund_id)},
    }


@dataclass(frozen=True, slots=True)
class Intent:
    """A payment intent. `reference` is ours in its metadata; `receipt` is there when it is paid.

    DECLINED: the last try failed, and the payer may try again as long as the page is open.
    """

    intent_id: str
    reference: str | None
    status: Literal["NOT_FOUND", "PENDING", "DECLINED", "FAILED", "SUCCEEDED"]
    receipt: GatewayReceipt | None


def read_intent(value: object) -> Intent:
    """A payment intent with its latest charge and that charge's line on the balance, if expanded.

    Raises:
        ValueError: something in it that decides cannot be read.
    """
    data = as_object(value)
    intent_id = as_id(data.get("id"), "pi")
    status = data.get("status")
    if intent_id is None or not isinstance(status, str):
        raise ValueError("not a payment intent")
    reference = as_text(as_object(data.get("metadata")).get(REFERENCE), length_max=200)
    if status == "succeeded":
        currency = as_currency(data.get("currency"))
        money = from_wire(data.get("amount_received"), currency)
        receipt = GatewayReceipt(intent_id, money, fee=_fee(data, money))
        return Intent(intent_id, reference, "SUCCEEDED", receipt)
    if status == "canceled":
        return Intent(intent_id, reference, "FAILED", None)
    if status in _INTENT_PENDING:
        return Intent(intent_id, reference, "PENDING", None)
    if status == "requires_payment_method":
        was_tried = data.get("last_payment_error") is not None
        return Intent(intent_id, reference, "DECLINED" if was_tried else "NOT_FOUND", None)
    raise ValueError("a payment intent in a state that is not known")


def _fee(intent: dict[str, Any], money: Money) -> Money | None:
    """What Stripe keeps, half up to our minor unit; None when not told, or in another currency."""
    line = as_object(as_object(intent.get("latest_charge")).get("balance_transaction"))
    fee, currency = line.get("fee"), line.get("currency")
    if not isinstance(fee, int) or isinstance(fee, bool) or fee < 0:
        return None
    return signed(fee, money.currency) if currency == money.currency.lower() else None


def signed(amount: int, currency: str) -> Money:
    """An amount that only informs, half up (away from zero) to our minor unit."""
    shift = exponent(currency) - decimals(currency)
    factor = 10 ** abs(shift)
    if shift >= 0:
        return Money(amount * factor, currency)
    minor = (abs(amount) + factor // 2) // factor
    return Money(minor if amount >= 0 else -minor, currency)


def snapshot_of(intents: list[Intent], *, is_over: bool) -> PaymentSnapshot:
    """What the payment intents of one reference mean together: a success, then a pending one.

    `is_over`: nobody can try again, so that what was declined has failed.
    """
    receipts = {each.intent_id: each.receipt for each in intents if each.receipt is not None}
    if receipts:
        return PaymentSnapshot("SUCCEEDED", tuple(receipts.values()))
    found = {each.status for each in intents}
    if "PENDING" in found or ("DECLINED" in found and not is_over):
        return PaymentSnapshot("PENDING")
    return PaymentSnapshot("FAILED" if found & {"DECLINED", "FAILED"} else "NOT_FOUND")


def read_refund(value: object) -> RefundSnapshot:
    """A refund, just made, by its id or in a list."""
    data = as_object(value)
    refund_id, status = as_id(data.get("id"), "re"), data.get("status")
    try:
        given = from_wire(data.get("amount"), as_currency(data.get("currency")))
    except ValueError:
        given = None
    if refund_id is None or given is None:
        return RefundSnapshot("UNKNOWN", reason="not a refund")
    state = _refund_state(status)
    if state == "FAILED":
        why = as_text(data.get("failure_reason")) or str(status)
        return RefundSnapshot(state, refund_id, reason=why)
    return RefundSnapshot(state, refund_id, given=given)


def read_record(value: object) -> RefundRecord | None:
    """A listed refund, whoever asked for it; None when it cannot be read, or is of no intent."""
    data = as_object(value)
    refund_id, intent_id = as_id(data.get("id"), "re"), as_id(data.get("payment_intent"), "pi")
    if refund_id is None or intent_id is None:
        return None
    return RefundRecord(
        gateway_refund_id=refund_id,
        gateway_transaction_id=intent_id,
        refund_id=as_uuid(as_object(data.get("metadata")).get(REFUND_ID)),
        says_whose=True,
        status=_refund_state(data.get("status")),
        amount=data.get("amount"),
        currency=as_currency(data.get("currency")),
    )


def _refund_state(status: object) -> RefundState:
    if status in {"failed", "canceled"}:
        return "FAILED"
    return "SUCCEEDED" if status == "succeeded" else "PENDING"


def is_our_refund(value: object, request: RefundRequest) -> bool:
    """Whether a listed refund is ours: by our id in its metadata."""
    return as_object(as_object(value).get("metadata")).get(REFUND_ID) == str(request.refund_id)
