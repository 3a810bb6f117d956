"""The words of the slice: payments, receipts, refunds, events, states, and what it refuses."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from kiti.platform.errors import Conflict, Invalid, NotFound, Unauthenticated
from kiti.platform.money import Money

Status = Literal["creating", "open", "unknown", "succeeded", "failed", "cancelled", "expired"]
WireStatus = Literal["PENDING", "SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"]
RefundStatus = Literal["owed", "sending", "pending", "succeeded", "failed"]
RefundWireStatus = Literal["PENDING", "SUCCEEDED", "FAILED"]
EventKind = Literal["payment", "refund", "dispute", "other"]
EventState = Literal["queued", "done", "unconfirmed", "parked"]
DisputeState = Literal["inquiry", "needs_response", "under_review", "won", "lost", "closed"]

# The states of a payment and the ways between them; docs/states.md draws the same. The only way
# back from an end is money that comes after all.
TRANSITIONS: Final[dict[Status, frozenset[Status]]] = {
    "creating": frozenset({"open", "unknown", "succeeded", "failed", "cancelled", "expired"}),
    "open": frozenset({"succeeded", "failed", "cancelled", "expired"}),
    "unknown": frozenset({"succeeded", "failed", "cancelled", "expired"}),
    "failed": frozenset({"succeeded"}),
    "cancelled": frozenset({"succeeded"}),
    "expired": frozenset({"succeeded"}),
    "succeeded": frozenset(),
}
# A refund that failed is still owed: it is sent again until its tries run out, then by hand.
REFUND_TRANSITIONS: Final[dict[RefundStatus, frozenset[RefundStatus]]] = {
    "owed": frozenset({"sending", "succeeded"}),
    "sending": frozenset({"owed", "pending", "succeeded", "failed"}),
    "pending": frozenset({"owed", "succeeded", "failed"}),
    "failed": frozenset({"sending", "pending", "succeeded"}),
    "succeeded": frozenset(),
}
# What is kept of a webhook; a second delivery can still deal with what was parked.
EVENT_TRANSITIONS: Final[dict[EventState, frozenset[EventState]]] = {
    "queued": frozenset({"done", "unconfirmed"}),
    "parked": frozenset({"done", "unconfirmed"}),
    "unconfirmed": frozenset({"done"}),
    "done": frozenset(),
}
# A bank's verdict is its last word here; an inquiry that was closed can come again as a dispute.
DISPUTE_TRANSITIONS: Final[dict[DisputeState, frozenset[DisputeState]]] = {
    "inquiry": frozenset({"needs_response", "under_review", "won", "lost", "closed"}),
    "needs_response": frozenset({"under_review", "won", "lost", "closed"}),
    "under_review": frozenset({"needs_response", "won", "lost", "closed"}),
    "closed": frozenset({"inquiry", "needs_response", "under_review", "won", "lost"}),
    "won": frozenset(),
    "lost": frozenset(),
}

_WIRE: Final[dict[Status, WireStatus]] = {
    "creating": "PENDING",
    "open": "PENDING",
    "unknown": "PENDING",
    "succeeded": "SUCCEEDED",
    "failed": "FAILED",
    "cancelled": "CANCELLED",
    "expired": "EXPIRED",
}
_REFUND_WIRE: Final[dict[RefundStatus, RefundWireStatus]] = {
    "owed": "PENDING",
    "sending": "PENDING",
    "pending": "PENDING",
    "succeeded": "SUCCEEDED",
    "failed": "FAILED",
}

# After the end of its link a payment still reads PENDING for so long: mobile money and transfers
# take minutes. Then it reads EXPIRED, and is watched for a week: money may still come.
GRACE: Final = timedelta(minutes=30)
WATCH: Final = timedelta(days=7)
# An attempt that is still `creating` after so long has lost its process: its fate is unknown.
CREATING_S_MAX: Final = 45

ASK_EVERY_S: Final = 5
# The "gateways" that are Kiti itself: a holder's credit here, and cash in the hands of staff.
IN_CREDIT: Final = "credit"
IN_CASH: Final = "cash"
# Why money went back that nobody here sent; followed by what tells one such refund from another.
AT_GATEWAY: Final = "AT_GATEWAY"
# Attempts to pay one booking: each is a call to a gateway, and a hold lives half an hour.
ATTEMPTS_MAX: Final = 20
ATTEMPTS_WITHIN: Final = timedelta(hours=1)


class PaymentMethod(StrEnum):
    """How a passenger pays."""

    CARD = "CARD"
    MOBILE_MONEY = "MOBILE_MONEY"
    BANK_TRANSFER = "BANK_TRANSFER"
    USSD = "USSD"
    # What Kiti itself takes; no adapter's.
    CREDIT = "CREDIT"
    CASH = "CASH"


class NoSuchPayment(NotFound):
    """There is no such payment, or it is not the caller's."""


class AmountMismatch(Invalid):
    """The amount is not what the booking costs."""


class MethodNotAvailable(Invalid):
    """This method cannot be paid with in this currency here."""


class NoSuchRefund(NotFound):
    """There is no such refund, or it is not the caller's."""


class RefundNotInCash(Conflict):
    """This refund goes back the way its money came: nobody hands it out."""


class BadSignature(Unauthenticated):
    """The webhook is not signed by its gateway."""

    family_code = "BAD_SIGNATURE"


@dataclass(frozen=True, slots=True)
class NewPayment:
    """An attempt about to be made. `expires_at`: the end of the hold, and of the gateway's link.

    `key_digest` names the idempotency key that asked for it, so that the same key finds it again.
    """

    payment_id: UUID
    reference: str
    booking_id: UUID
    trip_id: UUID
    holder_id: UUID
    gateway: str
    method: PaymentMethod
    money: Money
    expires_at: datetime
    key_digest: bytes


@dataclass(frozen=True, slots=True)
class Payment:
    """One attempt to pay a booking. `reference` is ours; the gateway knows the payment by it.

    `redirect_url`: where the passenger pays, None when not known (yet). `gateway_id`: the gateway's
    own name of the checkout, where it has one. `now` is the database's clock when it was read.
    """

    payment_id: UUID
    reference: str
    booking_id: UUID
    trip_id: UUID
    holder_id: UUID
    gateway: str
    method: str
    amount_minor: int
    currency: str
    status: Status
    redirect_url: str | None
    gateway_id: str | None
    created_at: datetime
    expires_at: datetime
    now: datetime

    @property
    def money(self) -> Money:
        """What it is to bring."""
        return Money(self.amount_minor, self.currency)

    @property
    def wire_status(self) -> WireStatus:
        """The status as clients know it: what is not known reads PENDING."""
        return _WIRE[self.status]

    @property
    def is_pending(self) -> bool:
        """Whether its outcome is still to come."""
        return self.wire_status == "PENDING"

    @property
    def is_under_way(self) -> bool:
        """Whether some process is asking the gateway for its checkout at this moment."""
        age_s = (self.now - self.created_at).total_seconds()
        return self.status == "creating" and age_s < CREATING_S_MAX

    @property
    def is_payable(self) -> bool:
        """Whether the passenger can pay it at its link now."""
        return self.status == "open" and self.now < self.expires_at


@dataclass(frozen=True, slots=True)
class Receipt:
    """Money that a gateway says it received: one of its transactions.

    `applied_minor` pays for the booking, `refunded_minor` is given or owed back.
    """

    receipt_id: UUID
    payment_id: UUID
    gateway: str
    gateway_transaction_id: str
    amount_minor: int
    currency: str
    applied_minor: int
    refunded_minor: int
    learned_at: datetime

    @property
    def money(self) -> Money:
        """What came."""
        return Money(self.amount_minor, self.currency)


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back to the payer, of one receipt, for one reason."""

    refund_id: UUID
    receipt_id: UUID
    payment_id: UUID
    reason: str
    amount_minor: int
    currency: str
    status: RefundStatus
    created_at: datetime

    @property
    def wire_status(self) -> RefundWireStatus:
        """The status as clients know it: what is not known reads PENDING."""
        return _REFUND_WIRE[self.status]


@dataclass(frozen=True, slots=True)
class Dispute:
    """A payer's bank asks about a receipt, or has taken its money until it decides.

    `due_at`: when the answer is due; None when none is wanted (any more).
    """

    dispute_id: UUID
    receipt_id: UUID
    payment_id: UUID
    gateway: str
    gateway_dispute_id: str
    amount_minor: int
    currency: str
    status: DisputeState
    reason: str
    opened_at: datetime
    due_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether the bank has the money and has not decided."""
        return self.status in {"needs_response", "under_review"}

    def moved(self, status: DisputeState) -> "Dispute":
        """The same dispute in another state."""
        return replace(self, status=status)


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why a receipt cannot pay for the booking, whatever the booking's state."""

    reason: Literal["UNDERPAID", "WRONG_CURRENCY"]


def shortfall(received: Money, *, price: Money) -> Shortfall | None:
    """Why `received` does not pay `price`; None when it does. There is no topping up."""
    if received.currency != price.currency:
        return Shortfall("WRONG_CURRENCY")
    if received.amount_minor < price.amount_minor:
        return Shortfall("UNDERPAID")
    return None


def poll_delay_s(*, age_s: float) -> float:
    """Seconds until a payment of this age is asked about again: half its age, 30 s to 6 hours."""
    return min(max(age_s / 2, 30.0), 21600.0)


def refund_delay_s(*, looks: int) -> float:
    """Seconds until a refund is looked at again after `looks` times: a minute, doubling to 6 h."""
    return min(60.0 * 2 ** min(max(looks - 1, 0), 20), 21600.0)


def refund_settle_s(*, tries: int) -> float:
    """Seconds after the last of `tries` sendings in which one that fell silent may still land.

    Our call ends after 20 s and the gateway's own after 30; between them lie queues that keep a
    request for minutes. 10 minutes at first, twice as long after each sending, 6 hours at most.
    """
    return min(600.0 * 2 ** min(max(tries - 1, 0), 20), 21600.0)
