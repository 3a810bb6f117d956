"""The wire types of holds, availability and tickets."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from kiti.booking.model import SEATS_PER_HOLD_MAX
from kiti.platform.http import MoneyOut, Wire

PassengerTypeName = Literal["ADULT", "CHILD", "INFANT", "STUDENT", "SENIOR"]
SeatNumber = Annotated[str, Field(min_length=1, max_length=64)]
Sequence = Annotated[int, Field(ge=0, le=2**31 - 1)]
_JSON_STRICT_OFF = Field(strict=False)  # JSON has no UUIDs: they come as text


class ReserveIn(Wire):
    """Seats to hold: by their numbers, or the best `count` together."""

    trip_id: Annotated[UUID, _JSON_STRICT_OFF]
    seat_numbers: (
        Annotated[list[SeatNumber], Field(min_length=1, max_length=SEATS_PER_HOLD_MAX)] | None
    ) = None
    count: Annotated[int, Field(ge=1, le=SEATS_PER_HOLD_MAX)] | None = None
    seat_class: Annotated[str | None, Field(alias="class", min_length=1, max_length=64)] = None
    from_stop_id: Annotated[UUID | None, Field(alias="from", strict=False)] = None
    to_stop_id: Annotated[UUID | None, Field(alias="to", strict=False)] = None
    from_sequence: Sequence | None = None
    to_sequence: Sequence | None = None
    hold_duration_minutes: Annotated[int, Field(ge=1)] | None = None
    passenger_types: (
        Annotated[list[PassengerTypeName], Field(min_length=1, max_length=SEATS_PER_HOLD_MAX)]
        | None
    ) = None
    idempotency_key: str | None = None

    @model_validator(mode="after")
    def _seats_or_count(self) -> "ReserveIn":
        if (self.seat_numbers is None) == (self.count is None):
            raise ValueError("give either seatNumbers or count")
        if self.seat_class is not None and self.count is None:
            raise ValueError("class goes with count")
        return self


class ReserveOut(Wire):
    """Seats held. `guestToken` is there for guests who are no browser."""

    booking_id: UUID
    reference: str
    status: Literal["HELD"]
    trip_id: UUID
    seat_numbers: list[str]
    from_stop_id: Annotated[UUID, Field(alias="from")]
    to_stop_id: Annotated[UUID, Field(alias="to")]
    expires_at: AwareDatetime
    server_time: AwareDatetime
    total: MoneyOut
    guest_token: str | None = None


class SeatOut(Wire):
    """One seat over the segment. `price` is an adult's; null when it is not for sale there."""

    seat_number: str
    seat_class: Annotated[str, Field(alias="class")]
    status: Literal["AVAILABLE", "HELD", "SOLD", "BLOCKED"]
    price: MoneyOut | None


class AvailabilityOut(Wire):
    """Every seat of a trip over a segment, the same for every caller."""

    trip_id: UUID
    from_stop_id: Annotated[UUID, Field(alias="from")]
    to_stop_id: Annotated[UUID, Field(alias="to")]
    server_time: AwareDatetime
    available_seats: int
    seats: list[SeatOut]


class CallOut(Wire):
    """Where and when a passenger boards or leaves."""

    stop_id: UUID
    name: str
    at: AwareDatetime
    local_time: str


class TicketOut(Wire):
    """A ticket. `token` verifies without a network; `qr` is the same as a picture (SVG)."""

    id: UUID
    number: str
    status: Literal["VALID", "CANCELLED"]
    booking_id: UUID
    reference: str
    trip_id: UUID
    operator: str
    seat_number: str
    seat_class: Annotated[str, Field(alias="class")]
    passenger_type: str
    passenger_name: str | None
    from_call: Annotated[CallOut, Field(alias="from")]
    to_call: Annotated[CallOut, Field(alias="to")]
    token: str
    qr: str
