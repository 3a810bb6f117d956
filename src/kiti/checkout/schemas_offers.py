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


class CancelIn(Wire):
    """The offer that is taken."""

    offer_id: Annotated[str, Field(min_length=1, max_length=4000)]
    idempotency_key: str | None = None
