"""Wire types of what an operator does with a trip."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from kiti.checkout.trip_cancelling import REASON_LENGTH_MAX
from kiti.platform.http import Wire


class CancelTripIn(Wire):
    """Why the trip will not run, as its passengers may be told."""

    reason: Annotated[str, Field(min_length=1, max_length=REASON_LENGTH_MAX)]
    idempotency_key: str | None = None


class CloseTripIn(Wire):
    """Nothing but the key."""

    idempotency_key: str | None = None


class CancelledTripOut(Wire):
    """A trip that is cancelled. `doneAt`: when its last booking had ended; null: not yet."""

    trip_id: UUID
    status: Literal["CANCELLED"]
    reason: str
    cancelled_at: AwareDatetime
    done_at: AwareDatetime | None


class ClosedTripOut(Wire):
    """A trip that takes no new bookings."""

    trip_id: UUID
    status: Literal["CLOSED"]
