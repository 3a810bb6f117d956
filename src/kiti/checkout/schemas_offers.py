"""Wire types of refund offers and cancelling: CONTRACT section 5."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from kiti.platform.http import Wire


class OfferOut(Wire):
    """What goes back by one method, in minor units, and what is kept. `rule` says why."""

    offer_id: str
    method: Literal["ORIGINAL", "CREDIT"]
    amount: int
    currency: str
    kept: int
    valid_until: AwareDatetime
    rule: str


class OffersOut(Wire):
    """The offers for a booking's seats, the most first."""

    booking_id: UUID
    offers: list[OfferOut]


class ExchangeOfferOut(Wire):
    """What exchanging a booking for another one comes to, in minor units of one currency.

    `value` is what the old one is worth by `rule`, `kept` what is not given back of it. `due` is
    to be paid for the new one; or `back` goes back by `method`.
    """

    booking_id: UUID
    to_booking_id: UUID
    offer_id: str
    value: int
    kept: int
    price: int
    due: int
    back: int
    method: Literal["ORIGINAL", "CREDIT"]
    currency: str
    valid_until: AwareDatetime
    rule: str


class ExchangeIn(Wire):
    """The exchange offer that is taken."""

    offer_id: Annotated[str, Field(min_length=1, max_length=4000)]
    idempotency_key: str | None = None


class ExchangeOut(Wire):
    """An exchange that is done; or agreed, and done when `due` is paid for the new booking."""

    status: Literal["DONE", "PAYMENT_DUE"]
    booking_id: UUID
    to_booking_id: UUID
    due: int
    back: int
    currency: str


class CancelIn(Wire):
    """The offer that is taken."""

    offer_id: Annotated[str, Field(min_length=1, max_length=4000)]
    idempotency_key: str | None = None
