"""What Kiti needs of a gateway. An adapter holds no database and no clock; all pass one suite.

Nothing raises for what a gateway does: silence, overload and nonsense are UNKNOWN, which is never
read as a failure. Only a `PaymentSnapshot`, the gateway's own answer to a question of ours, moves a
payment; an event is a hint to ask.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol, runtime_checkable
from uuid import UUID

from kiti.payments.model import EventKind, PaymentMethod
from kiti.platform.money import Money, total


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a gateway can do.

    `currencies`: for each method, those it takes. `is_signature_bound`: its webhooks' signature
    covers the body. `is_create_repeatable`: a creation may be sent again under the same reference
    without a second checkout. Links live `link_s_min` to `link_s_max` seconds.
    """

    currencies: Mapping[PaymentMethod, frozenset[str]]
    is_signature_bound: bool
    is_create_repeatable: bool
    link_s_min: int
    link_s_max: int

    def takes(self, method: PaymentMethod, currency: str) -> bool:
        """Whether a payment by this method in this currency is possible."""
        return currency in self.currencies.get(method, frozenset())


@dataclass(frozen=True, slots=True)
class CheckoutRequest:
    """A hosted checkout to be made. It ends at `expires_at`, `ttl_s` seconds from now."""

    reference: str
    money: Money
    method: PaymentMethod
    email: str
    name: str | None
    phone: str | None
    return_url: str
    title: str
    expires_at: datetime
    ttl_s: int


@dataclass(frozen=True, slots=True)
class CheckoutResult:
    """OPEN: it is paid at `redirect_url`. REFUSED: there is none. UNKNOWN: there may be one.

    `reason` is the gateway's wording, or what went wrong: for the log, never for a client.
    """

    outcome: Literal["OPEN", "REFUSED", "UNKNOWN"]
    redirect_url: str | None = None
    gateway_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class GatewayReceipt:
    """One successful transaction. `money` is what was asked and paid, before any fee.

    `charged` is what left the payer (more, when they bear the fee); `fee` what the gateway keeps,
    rounded to the minor unit; None where the gateway does not say.
    """

    gateway_transaction_id: str
    money: Money
    charged: Money | None = None
    fee: Money | None = None


@dataclass(frozen=True, slots=True)
class PaymentSnapshot:
    """What the gateway says of one payment of ours, now.

    NOT_FOUND is no failure: nobody has tried to pay yet. `receipts` are all successful transactions
    it told of, at least one when SUCCEEDED.
    """

    status: Literal["NOT_FOUND", "PENDING", "FAILED", "SUCCEEDED", "UNKNOWN"]
    receipts: tuple[GatewayReceipt, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """What a webhook claims. `event_key` is the same for a second delivery of the same news.

    `is_success`: it claims that money came. `refund_id`: our own id in what it says of a refund.
    `body`: what may be kept of it, without card details.
    """

    event_key: str
    kind: EventKind
    reference: str | None
    gateway_transaction_id: str | None
    refund_id: UUID | None
    is_success: bool
    body: bytes


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Money to give back of one transaction. `refund_id` is ours, and how it is found again.

    `money`: what is to be sent; to find it, all that is owed under our id. Every sending of it lies
    between `since` and `until`. `gateway_refund_id` is there when one refund is all there can be.
    """

    refund_id: UUID
    gateway_transaction_id: str
    money: Money
    since: datetime
    until: datetime
    gateway_refund_id: str | None = None


@dataclass(frozen=True, slots=True)
class RefundSnapshot:
    """What is known of a refund at the gateway.

    NOT_FOUND: the gateway has none of our id. NOT_SENT: the request never left. REFUSED: the
    gateway did not take it. UNKNOWN: it may or may not have. `given`: what went back or is on its
    way, by the gateway's own figures, whatever was asked; None where it does not say.
    """

    status: Literal["NOT_FOUND", "NOT_SENT", "REFUSED", "UNKNOWN", "PENDING", "SUCCEEDED", "FAILED"]
    gateway_refund_id: str | None = None
    reason: str | None = None
    given: Money | None = None


RefundState = Literal["PENDING", "SUCCEEDED", "FAILED"]


@dataclass(frozen=True, slots=True)
class RefundRecord:
    """A refund in a gateway's list, whoever asked for it.

    `refund_id`: the id of ours that it carries; None: none. `says_whose`: the list shows such ids.
    `amount` is as on the wire, for `from_wire`; `currency` None: the transaction's.
    """

    gateway_refund_id: str
    gateway_transaction_id: str
    refund_id: UUID | None
    says_whose: bool
    status: RefundState
    amount: object
    currency: str | None = None


def sum_refunds(found: Sequence[RefundSnapshot]) -> RefundSnapshot:
    """All refunds that a gateway has under one id of ours, as one: what they give together.

    One that cannot be read makes the whole UNKNOWN; else any that lives comes before a failed one.
    """
    unknown = next((each for each in found if each.status == "UNKNOWN"), None)
    living = [each for each in found if each.status in {"PENDING", "SUCCEEDED"}]
    if unknown is not None or not living:
        failed = next((each for each in found if each.status == "FAILED"), None)
        return unknown or failed or RefundSnapshot("NOT_FOUND")
    speaks = next((each for each in living if each.status == "PENDING"), living[0])
    given = [each.given for each in living if each.given is not None]
    if len(given) < len(living):
        return replace(speaks, given=None)
    currency = given[0].currency
    if any(money.currency != currency for money in given):
        return RefundSnapshot("UNKNOWN", reason="refunds in several currencies")
    return replace(speaks, given=total(given, currency=currency))


ExpireOutcome = Literal["EXPIRED", "NOT_OPEN", "UNKNOWN"]
DisputeStatus = Literal["INQUIRY", "NEEDS_RESPONSE", "UNDER_REVIEW", "WON", "LOST", "CLOSED"]
LineKind = Literal[
    "PAYMENT", "REFUND", "REFUND_FAILURE", "DISPUTE", "DISPUTE_REVERSAL", "FEE", "PAYOUT", "OTHER"
]


@dataclass(frozen=True, slots=True)
class DisputeSnapshot:
    """What the gateway says of a dispute, now.

    INQUIRY: the bank asks and has taken nothing. CLOSED: it ended without a verdict. `due_at`: when
    the answer is due, None when none is wanted (any more). `amount` is as on the wire, for
    `from_wire`; `currency` None: the transaction's.
    """

    gateway_dispute_id: str
    gateway_transaction_id: str | None
    amount: object
    currency: str | None
    status: DisputeStatus
    reason: str
    opened_at: datetime
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class SettlementSnapshot:
    """Money on its way to our bank. `arrives_at`: None where the gateway does not say."""

    settlement_id: str
    money: Money
    status: Literal["PENDING", "PAID", "FAILED"]
    made_at: datetime
    arrives_at: datetime | None


@dataclass(frozen=True, slots=True)
class SettlementLine:
    """One line of a settlement: `amount` less `fee` moved our balance there.

    Both are signed: a refund is below zero. `refund_id`: our own id, where the line is of a refund
    that has one. Without the PAYOUT line the nets of all lines are what is paid.
    """

    line_id: str
    kind: LineKind
    gateway_transaction_id: str | None
    refund_id: str | None
    amount: Money
    fee: Money
    made_at: datetime


class Gateway(Protocol):
    """A company that moves money."""

    @property
    def name(self) -> str:
        """Its name in our API and tables."""
        ...

    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    def to_wire(self, money: Money) -> int | Decimal:
        """The amount as this gateway writes it."""
        ...

    def from_wire(self, value: object, currency: str) -> Money:
        """The amount that it wrote.

        Raises:
            ValueError: it is none, or finer than the currency's minor unit.
        """
        ...

    async def create_checkout(self, request: CheckoutRequest) -> CheckoutResult:
        """Ask for a hosted page."""
        ...

    async def fetch_payment(
        self,
        *,
        reference: str,
        gateway_id: str | None = None,
        gateway_transaction_id: str | None = None,
    ) -> PaymentSnapshot:
        """Ask what became of a payment; `gateway_transaction_id` is a hint where to look."""
        ...

    def parse_webhook(self, raw: bytes, headers: Mapping[str, str]) -> list[GatewayEvent]:
        """What a webhook claims, once its signature over the raw bytes holds.

        Header names are in lower case.

        Raises:
            BadSignature: it is not signed by this gateway, or no secret is set.
            MalformedJson: it is signed but cannot be read; it is parked.
        """
        ...


@runtime_checkable
class Refunds(Protocol):
    """A gateway that gives money back by its API."""

    async def create_refund(self, request: RefundRequest) -> RefundSnapshot:
        """Ask for the refund. Never again before `find_refund` has said NOT_FOUND or FAILED."""
        ...

    async def find_refund(self, request: RefundRequest) -> RefundSnapshot:
        """Look for our refund at the gateway: all that it has under our id, as one."""
        ...


@runtime_checkable
class ListsRefunds(Protocol):
    """A gateway that tells of all refunds, also of those made by hand at its own pages."""

    async def list_refunds(self, *, since: datetime, until: datetime) -> list[RefundRecord] | None:
        """All refunds of these days; None when the gateway did not tell of all."""
        ...


@runtime_checkable
class Several(Protocol):
    """A gateway where one reference can be paid more than once."""

    async def fetch_all(self, *, reference: str) -> PaymentSnapshot:
        """Every transaction under our reference, also when `fetch_payment` tells of one only."""
        ...


@runtime_checkable
class Expires(Protocol):
    """A gateway whose hosted page can be closed before its time."""

    async def expire_checkout(self, *, gateway_id: str) -> ExpireOutcome:
        """Close the page. NOT_OPEN: it is used or over; money that came there is late money."""
        ...


@runtime_checkable
class Disputes(Protocol):
    """A gateway that tells of disputes by its API."""

    async def list_disputes(self, *, since: datetime) -> list[DisputeSnapshot] | None:
        """All disputes opened since then; None when the gateway did not tell of all."""
        ...


@runtime_checkable
class Settlements(Protocol):
    """A gateway that tells by its API what it paid to our bank."""

    async def list_settlements(self, *, since: datetime) -> list[SettlementSnapshot] | None:
        """All settlements made since then; None when the gateway did not tell of all."""
        ...

    async def list_settlement_lines(self, *, settlement_id: str) -> list[SettlementLine] | None:
        """What a settlement is made of; None when the gateway did not tell of all."""
        ...
