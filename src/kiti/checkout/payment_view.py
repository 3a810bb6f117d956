"""A payment as its booking's holder sees it, on the wire."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime

from kiti.payments.service import History
from kiti.platform.http import MoneyOut, Wire


class RefundOut(Wire):
    """Money on its way back."""

    refund_id: UUID
    amount: int
    currency: str
    status: Literal["PENDING", "SUCCEEDED", "FAILED"]
    reason: str
    created_at: AwareDatetime


class PaymentOut(Wire):
    """One attempt to pay. `received` is what came, when any did, in minor units of its currency."""

    payment_id: UUID
    transaction_id: str
    booking_id: UUID
    status: Literal["PENDING", "SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"]
    gateway: str
    redirect_url: str | None
    received: MoneyOut | None
    refunds: list[RefundOut]
    amount: int
    currency: str


def payment_out(history: History) -> PaymentOut:
    """The payment with what came of it."""
    payment = history.payment
    return PaymentOut(
        payment_id=payment.payment_id,
        transaction_id=payment.reference,
        booking_id=payment.booking_id,
        status=payment.wire_status,
        gateway=payment.gateway,
        redirect_url=payment.redirect_url,
        received=_received(history),
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


def _received(history: History) -> MoneyOut | None:
    """All that came, in the currency of the first receipt; None when nothing came yet."""
    if not history.receipts:
        return None
    currency = history.receipts[0].currency
    amount = sum(each.amount_minor for each in history.receipts if each.currency == currency)
    return MoneyOut(amount=amount, currency=currency)
