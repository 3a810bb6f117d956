"""What Stripe's calls take, as far as the sandbox knows them: checked parameters.

Texts that Stripe accepts and that change nothing here are taken and not looked at.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from kiti.sandbox.stripe.amounts import step
from kiti.sandbox.stripe.form import Params
from kiti.sandbox.stripe.model import Refused

AMOUNT_MAX: Final = 999_999_999_999
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+\Z")
_URL: Final = re.compile(r"https?://[^\s]+\Z")
_SESSION_MIN: Final = timedelta(minutes=30)
_SESSION_MAX: Final = timedelta(hours=24)
_METADATA_KEYS_MAX: Final = 50
_Text = Annotated[str, Field(max_length=5000)]
_Metadata = Annotated[
    dict[Annotated[str, Field(max_length=40)], Annotated[str, Field(max_length=500)]],
    Field(max_length=_METADATA_KEYS_MAX),
]
_Currency = Annotated[str, Field(pattern="^[A-Za-z]{3}$")]
_Amount = Annotated[int, Field(ge=1, le=AMOUNT_MAX)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ProductData(_Part):
    """What is sold."""

    name: _Text
    description: _Text | None = None


class PriceData(_Part):
    """A price made on the spot."""

    currency: _Currency
    unit_amount: _Amount
    product_data: ProductData


class LineItem(_Part):
    """One line of the order."""

    price_data: PriceData
    quantity: Annotated[int, Field(ge=1, le=1000)] = 1


class IntentData(_Part):
    """What the session gives to its payment intent."""

    metadata: _Metadata = Field(default_factory=dict)
    description: _Text | None = None
    statement_descriptor_suffix: _Text | None = None


class AdaptivePricing(_Part):
    """Whether the payer may pay in their own currency."""

    enabled: bool = True


class SessionParams(Params):
    """`POST /v1/checkout/sessions`, mode payment, with prices made on the spot."""

    mode: Literal["payment"]
    line_items: Annotated[tuple[LineItem, ...], Field(min_length=1, max_length=100)]
    success_url: _Text
    cancel_url: _Text | None = None
    client_reference_id: Annotated[str, Field(max_length=200)] | None = None
    customer_email: Annotated[str, Field(max_length=800)] | None = None
    metadata: _Metadata = Field(default_factory=dict)
    payment_intent_data: IntentData = IntentData()
    payment_method_types: tuple[_Text, ...] = ()
    expires_at: int | None = None
    adaptive_pricing: AdaptivePricing = AdaptivePricing()
    locale: _Text | None = None
    submit_type: _Text | None = None
    ui_mode: _Text | None = None

    @property
    def amount(self) -> int:
        """The total."""
        return sum(item.price_data.unit_amount * item.quantity for item in self.line_items)

    @property
    def currency(self) -> str:
        """In lower case, as Stripe writes it."""
        return self.line_items[0].price_data.currency.lower()

    @property
    def title(self) -> str:
        """What the page says is bought."""
        return self.line_items[0].price_data.product_data.name

    def ends_at(self, now: datetime) -> datetime:
        """When the session ends: as asked, or in a day."""
        if self.expires_at is None:
            return now + _SESSION_MAX
        return datetime.fromtimestamp(self.expires_at, UTC)

    def check(self, now: datetime) -> None:
        """What one field alone cannot tell.

        Raises:
            Refused: an address, an e-mail, a currency, an amount or the end will not do.
        """
        for name, url in (("success_url", self.success_url), ("cancel_url", self.cancel_url)):
            if url is not None and not _URL.match(url):
                raise Refused("Not a valid URL", code="url_invalid", param=name)
        if self.customer_email is not None and not _EMAIL.match(self.customer_email):
            raise Refused(
                f"Invalid email address: {self.customer_email}",
                code="email_invalid",
                param="customer_email",
            )
        if len({item.price_data.currency.lower() for item in self.line_items}) > 1:
            raise Refused("All line items must have the same currency", param="line_items")
        _check_amount(self.amount, self.currency, param="line_items[0][price_data][unit_amount]")
        if self.expires_at is None:
            return
        length = self.ends_at(now) - now.replace(microsecond=0)
        if not _SESSION_MIN <= length <= _SESSION_MAX:
            raise Refused(
                "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout "
                "Session creation.",
                param="expires_at",
            )


class RefundParams(Params):
    """`POST /v1/refunds`."""

    charge: str | None = None
    payment_intent: str | None = None
    amount: _Amount | None = None
    metadata: _Metadata = Field(default_factory=dict)
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None

    def check(self) -> None:
        """Exactly one of charge and payment intent.

        Raises:
            Refused: neither, or both.
        """
        if (self.charge is None) == (self.payment_intent is None):
            raise Refused("One of the following params should be provided: payment_intent, charge.")


class DisputeParams(Params):
    """`POST /v1/disputes/{id}`."""

    evidence: Annotated[dict[str, Annotated[str, Field(max_length=20_000)]], Field()] = Field(
        default_factory=dict
    )
    metadata: _Metadata = Field(default_factory=dict)
    submit: bool = True


class Created(_Part):
    """A range of instants, in seconds since 1970."""

    gt: int | None = None
    gte: int | None = None
    lt: int | None = None
    lte: int | None = None

    def holds(self, at: datetime) -> bool:
        """Whether an instant lies in it; to the second, as Stripe keeps them."""
        seconds = int(at.timestamp())
        return (
            (self.gt is None or seconds > self.gt)
            and (self.gte is None or seconds >= self.gte)
            and (self.lt is None or seconds < self.lt)
            and (self.lte is None or seconds <= self.lte)
        )


class ListParams(Params):
    """What all lists take; each has filters of its own beside."""

    limit: Annotated[int, Field(ge=1, le=100)] = 10
    starting_after: str | None = None
    ending_before: str | None = None
    created: Created | int = Created()

    def holds(self, at: datetime) -> bool:
        """Whether something made then is asked for."""
        if isinstance(self.created, int):
            return int(at.timestamp()) == self.created
        return self.created.holds(at)


class PaymentsParams(ListParams):
    """Lists of what belongs to a payment."""

    payment_intent: str | None = None
    charge: str | None = None
    status: str | None = None
    customer: str | None = None


class PayoutsParams(ListParams):
    """`GET /v1/payouts`."""

    status: str | None = None


class LinesParams(ListParams):
    """`GET /v1/balance_transactions`."""

    payout: str | None = None
    source: str | None = None
    type: str | None = None
    currency: str | None = None


class EventsParams(ListParams):
    """`GET /v1/events`."""

    type: str | None = None
    types: tuple[str, ...] = ()


class SearchParams(Params):
    """`GET /v1/payment_intents/search`."""

    query: str
    limit: Annotated[int, Field(ge=1, le=100)] = 10
    page: str | None = None


def _check_amount(amount: int, currency: str, *, param: str) -> None:
    if amount > AMOUNT_MAX:
        raise Refused("Amount is too large", code="amount_too_large", param=param)
    if amount % step(currency):
        raise Refused(
            f"Invalid amount: amounts in {currency} must be multiples of {step(currency)}",
            code="parameter_invalid_integer",
            param=param,
        )
