"""The words of the simulated Stripe account. Amounts are whole numbers, as on its wire.

Currencies are in lower case, as there. Ids carry Stripe's prefixes.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from kiti.sandbox.faults import Fault

SessionStatus = Literal["open", "complete", "expired"]
IntentStatus = Literal["requires_payment_method", "processing", "succeeded", "canceled"]
ChargeStatus = Literal["pending", "succeeded", "failed"]
RefundStatus = Literal["pending", "requires_action", "succeeded", "failed", "canceled"]
DisputeStatus = Literal[
    "warning_needs_response", "needs_response", "under_review", "won", "lost", "warning_closed"
]
Category = Literal["charge", "refund", "refund_failure", "dispute", "dispute_reversal", "payout"]


class Refused(Exception):
    """Stripe refuses; the fields of its `error` object."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.code = code
        self.param = param


@dataclass(slots=True)
class Session:
    """A Checkout Session. `twist`: a fault that bends the money that will be paid here."""

    session_id: str
    amount: int
    currency: str
    title: str
    created_at: datetime
    expires_at: datetime
    success_url: str
    cancel_url: str | None
    client_reference_id: str | None
    customer_email: str | None
    method_types: tuple[str, ...]
    metadata: dict[str, str]
    intent_metadata: dict[str, str]
    twist: Fault | None
    status: SessionStatus = "open"
    intent_id: str | None = None


@dataclass(slots=True)
class Intent:
    """A PaymentIntent: one payment, whatever number of tries. `received` is what came."""

    intent_id: str
    amount: int
    currency: str
    metadata: dict[str, str]
    created_at: datetime
    status: IntentStatus = "requires_payment_method"
    received: int = 0
    decline_code: str | None = None
    session_id: str | None = None
    charge_ids: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Charge:
    """One try to take the money."""

    charge_id: str
    intent_id: str
    amount: int
    currency: str
    metadata: dict[str, str]
    created_at: datetime
    status: ChargeStatus
    refunded: int = 0
    is_disputed: bool = False
    line_id: str | None = None
    refund_ids: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Refund:
    """Money going back; a failed one leaves the charge refundable again."""

    refund_id: str
    charge_id: str
    intent_id: str
    amount: int
    currency: str
    metadata: dict[str, str]
    reason: str | None
    created_at: datetime
    status: RefundStatus
    failure_reason: str | None = None
    line_id: str | None = None
    failure_line_id: str | None = None


@dataclass(slots=True)
class Dispute:
    """The payer's bank wants the money back; silence until `due_at` loses it."""

    dispute_id: str
    charge_id: str
    intent_id: str
    amount: int
    currency: str
    reason: str
    created_at: datetime
    due_at: datetime
    status: DisputeStatus
    evidence: dict[str, str] = field(default_factory=dict[str, str])
    submissions: int = 0
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    line_ids: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Line:
    """A balance transaction: `amount` less `fee` reaches the balance. `source_id`: of what."""

    line_id: str
    category: Category
    amount: int
    fee: int
    currency: str
    source_id: str
    created_at: datetime
    payout_id: str | None = None


@dataclass(slots=True)
class Payout:
    """Money on its way to the merchant's bank."""

    payout_id: str
    amount: int
    currency: str
    created_at: datetime
    status: Literal["paid"] = "paid"
    line_id: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as webhooks and the list of events tell it: `shown`, ready."""

    event_id: str
    kind: str
    created_at: datetime
    shown: dict[str, object]


class Options(BaseModel):
    """What differs between real accounts and dates, to be chosen by a tester.

    `enabled_events`: what the endpoint for webhooks takes; empty: everything. `webhook_retries_s`:
    the real one goes on for three days. `search_delay_s`: how long the search does not see a new
    payment intent (usually under a minute there). `api_version` is what events are written in.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    enabled_events: tuple[str, ...] = (
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "checkout.session.expired",
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "charge.refunded",
        "refund.created",
        "refund.updated",
        "refund.failed",
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "payout.paid",
        "payout.reconciliation_completed",
    )
    webhook_retries_s: tuple[float, ...] = Field(default=(1, 5, 30), max_length=10)
    search_delay_s: float = Field(default=0, ge=0, le=86_400)
    api_version: str = "2026-10-28.endive"
