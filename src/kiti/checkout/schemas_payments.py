"""Wire types of payments: CONTRACT section 5, rows /payments/initiate and /payments/status."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from kiti.payments.model import RefundWireStatus, WireStatus
from kiti.payments.service import History
from kiti.platform.http import MoneyOut, Wire
from kiti.platform.money import total

_NOT_STRICT = Field(strict=False)  # JSON has no UUIDs and no enums: they come as text


class InitiateIn(Wire):
    """A booking to be paid. `amount` is what is due for it, its total, in minor units.

    `paymentMethod` goes with a gateway; `credit` and `cash` are taken here and have none.
    """

    booking_id: Annotated[UUID, _NOT_STRICT]
    amount: Annotated[int, Field(ge=0, le=10**15)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    payment_method: Literal["CARD", "MOBILE_MONEY", "BANK_TRANSFER", "USSD"] | None = None
    gateway: Literal["flutterwave", "stripe", "credit", "cash"] | None = None
    idempotency_key: str | None = None


class PaidOutIn(Wire):
    """That a refund was handed out in cash."""

    idempotency_key: str | None = None


class PaidOutOut(Wire):
    """A refund that was handed out in cash."""

    refund_id: UUID
    amount: int
    currency: str
    status: Literal["SUCCEEDED"]


class CreditItemOut(Wire):
    """What somebody has to spend here in one currency."""

    amount: int
    currency: str


class CreditOut(Wire):
    """What the caller has to spend here; a currency without any is left out."""

    items: list[CreditItemOut]


class InitiateOut(Wire):
    """An attempt to pay. `redirectUrl` is where to pay; null while it is not known."""

    payment_id: UUID
    transaction_id: str
    status: WireStatus
    gateway: str
    redirect_url: str | None
    amount: int
    currency: str
    expires_at: AwareDatetime


class RefundOut(Wire):
    """Money on its way back."""

    refund_id: UUID
    amount: int
    currency: str
    status: RefundWireStatus
    reason: str
    created_at: AwareDatetime


class PaymentOut(Wire):
    """A payment and what came of it. `received` is there once money came."""

    payment_id: UUID
    transaction_id: str
    booking_id: UUID
    status: WireStatus
    redirect_url: str | None = None
    received: MoneyOut | None = None
    refunds: list[RefundOut]
    amount: int
    currency: str


def payment_out(history: History) -> PaymentOut:
    """A payment on the wire; its link only while it can be paid there."""
    payment = history.payment
    out = PaymentOut(
        payment_id=payment.payment_id,
        transaction_id=payment.reference,
        booking_id=payment.booking_id,
        status=payment.wire_status,
        refunds=[
            RefundOut(
                refund_id=refund.refund_id,
                amount=refund.amount_minor,
                currency=refund.currency,
                status=refund.wire_status,
                reason=refund.reason,
                created_at=refund.created_at,
            )
            for refund in history.refunds
        ],
        amount=payment.amount_minor,
        currency=payment.currency,
    )
    more: dict[str, object] = {}
    if payment.is_payable:
        more["redirect_url"] = payment.redirect_url
    if history.receipts:
        more["received"] = _received(history)
    return out.model_copy(update=more)


def _received(history: History) -> MoneyOut:
    """All that came in the currency of the first receipt; another currency shows as its refund."""
    currency = history.receipts[0].currency
    came = [each.money for each in history.receipts if each.currency == currency]
    return MoneyOut(amount=total(came, currency=currency).amount_minor, currency=currency)
