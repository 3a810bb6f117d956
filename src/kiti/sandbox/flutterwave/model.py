"""The words of the simulated Flutterwave account. Amounts are major units, as on its wire."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from kiti.sandbox.faults import Fault

ChargeStatus = Literal["successful", "failed", "pending"]
RefundStatus = Literal["completed", "processing", "failed"]
ChargebackStatus = Literal["initiated", "accepted", "declined", "won", "lost"]


class Refused(Exception):
    """The gateway refuses; `message` is what it says."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class Customer:
    """Who pays, as the merchant introduced them."""

    email: str
    name: str
    phone: str | None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a merchant asks when creating a payment. `session_minutes` counts from first opening."""

    tx_ref: str
    amount: Decimal
    currency: str
    customer: Customer
    redirect_url: str | None
    payment_type: str
    title: str
    meta: object
    session_minutes: int
    tries_max: int
    link_expires_at: datetime | None


@dataclass(slots=True)
class Checkout:
    """A hosted link. `twist`: a fault that bends the money that will be paid here."""

    token: str
    terms: Terms
    customer_id: int
    created_at: datetime
    twist: Fault | None
    opened_at: datetime | None = None
    charge_ids: list[int] = field(default_factory=list[int])


@dataclass(frozen=True, slots=True)
class Charge:
    """One attempt of the customer to pay: what Flutterwave calls a transaction.

    `charged` is what left the customer (more than `amount` when they bear the fee), `fee` the
    gateway's share before VAT, `settled` what is the merchant's.
    """

    charge_id: int
    token: str
    terms: Terms
    customer_id: int
    flw_ref: str
    amount: Decimal
    currency: str
    charged: Decimal
    fee: Decimal
    settled: Decimal
    status: ChargeStatus
    created_at: datetime
    settlement_id: int | None = None


@dataclass(frozen=True, slots=True)
class Refund:
    """Money going back; only a failed one leaves the charge refundable again."""

    refund_id: int
    charge_id: int
    flw_ref: str
    amount: Decimal
    status: RefundStatus
    comments: str | None
    created_at: datetime
    updated_at: datetime
    settlement_id: int | None = None


@dataclass(frozen=True, slots=True)
class Chargeback:
    """The payer's bank wants the money back; silence until `due_at` loses it."""

    chargeback_id: int
    charge_id: int
    flw_ref: str
    tx_ref: str
    amount: Decimal
    currency: str
    status: ChargebackStatus
    comment: str
    proof: str | None
    due_at: datetime
    created_at: datetime
    history: tuple[dict[str, object], ...]
    settlement_id: int | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """Money on its way to the merchant's bank. net = gross - fee - chargeback - refund."""

    settlement_id: int
    currency: str
    gross: Decimal
    fee: Decimal
    chargeback: Decimal
    refund: Decimal
    charge_ids: tuple[int, ...]
    refund_ids: tuple[int, ...]
    chargeback_ids: tuple[int, ...]
    created_at: datetime

    @property
    def net(self) -> Decimal:
        """What reaches the bank; negative when more went back than came in."""
        return self.gross - self.fee - self.chargeback - self.refund


class Options(BaseModel):
    """What differs between real accounts and dates, to be chosen by a tester.

    `webhook_signature`: v3 sends `verif-hash`, v4 the HMAC header. `webhook_shape`: the envelope,
    or the flat one that some sandboxes of the gateway sent. `refund_webhooks`: off unless a
    merchant asks for them. `webhook_retries_s`: the real one waits three times 30 minutes, when
    retries are on at all. `not_found_status`: both have been seen beside the error body.
    `is_tx_ref_unique`: whether a second link under one reference is refused (undocumented; the
    default is the more dangerous). `customer_bears_fee`: then more than the amount is charged.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    webhook_signature: Literal["v3", "v4", "both"] = "v3"
    webhook_shape: Literal["envelope", "flat"] = "envelope"
    webhook_retries_s: tuple[float, ...] = Field(default=(1, 5, 30), max_length=10)
    refund_webhooks: bool = False
    not_found_status: Literal[200, 400, 404] = 400
    is_tx_ref_unique: bool = False
    customer_bears_fee: bool = False
