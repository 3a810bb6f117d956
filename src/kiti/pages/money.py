"""What became of a booking's payments, told truthfully: open, failed, paid, on its way back."""

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlencode

from kiti.booking.model import Booking
from kiti.checkout.till import RETURN_PATH
from kiti.payments.model import AT_GATEWAY, PaymentMethod, Refund
from kiti.payments.service import History, list_histories
from kiti.platform.db import Conn
from kiti.platform.money import Money

METHODS: Final = {
    PaymentMethod.MOBILE_MONEY: "Mobile money",
    PaymentMethod.CARD: "Card",
    PaymentMethod.BANK_TRANSFER: "Bank transfer",
    PaymentMethod.USSD: "USSD",
}
# What Kiti itself takes is no choice of this page.
NAMES: Final = {
    **METHODS,
    PaymentMethod.CREDIT: "Credit",
    PaymentMethod.CASH: "Cash",
}
# Why money goes back, as a payer understands it.
_REASONS: Final = {
    "OVERPAID": "more came than the price",
    "UNDERPAID": "less came than the price, so nothing could be booked with it",
    "WRONG_CURRENCY": "it came in another currency than the price",
    "DUPLICATE": "the booking was paid already",
    "BOOKING_RELEASED": "the seats had been given back",
    "BOOKING_CANCELLED": "the booking had been cancelled",
    "TRIP_CANCELLED": "the trip has been cancelled",
    "TOO_LATE": "it came too long after the hold had ended",
    "SALES_CLOSED": "sales for the trip had closed",
    "SEATS_GONE": "the seats had been sold to somebody else meanwhile",
    "CANCELLED": "seats were given back",
    "EXCHANGED": "the booking was exchanged for a cheaper one",
    "EXCHANGE_OFF": "the booking could no longer be exchanged",
    "OTHER_BOOKING": "you have another booking on this trip",
    AT_GATEWAY: "it was given back by hand",
}
_ELSE: Final = "it could not be used for the booking"


@dataclass(frozen=True, slots=True)
class RefundView:
    """Money on its way back."""

    amount: Money
    why: str
    status: Literal["PENDING", "SUCCEEDED", "FAILED"]


@dataclass(frozen=True, slots=True)
class MoneyView:
    """One payment of a booking. `pay_url` is the gateway's page, while it can be paid there."""

    status: str
    method: str
    amount: Money
    received: tuple[Money, ...]
    refunds: tuple[RefundView, ...]
    status_url: str
    pay_url: str | None

    @property
    def is_pending(self) -> bool:
        """Whether its outcome is still to come."""
        return self.status == "PENDING"


async def money_of(conn: Conn, booking: Booking) -> list[MoneyView]:
    """The booking's payments, the newest first."""
    histories = await list_histories(conn, booking_ids=[booking.booking_id])
    return [view_of_payment(history) for history in reversed(histories)]


def view_of_payment(history: History) -> MoneyView:
    """One payment with what came of it."""
    payment = history.payment
    return MoneyView(
        status=payment.wire_status,
        method=NAMES[PaymentMethod(payment.method)],
        amount=payment.money,
        received=tuple(receipt.money for receipt in history.receipts),
        refunds=tuple(_refund(refund) for refund in history.refunds),
        status_url=status_url(payment.reference),
        pay_url=payment.redirect_url if payment.is_payable else None,
    )


def status_url(reference: str) -> str:
    """The page that says how the payment of this reference stands."""
    return f"{RETURN_PATH}?{urlencode({'tx_ref': reference})}"


def _refund(refund: Refund) -> RefundView:
    return RefundView(
        Money(refund.amount_minor, refund.currency),
        _REASONS.get(refund.reason, _ELSE),
        refund.wire_status,
    )
