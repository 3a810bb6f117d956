"""Wire types of bookings: the sale with its seats, payments and tickets; passengers; extension."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from kiti.booking.schemas import SeatNumber
from kiti.checkout.schemas_payments import PaymentOut
from kiti.platform.http import MoneyOut, Wire


class BookingSeatOut(Wire):
    """One seat of a booking. `ticketId` is there once it is sold."""

    seat_number: str
    seat_class: Annotated[str, Field(alias="class")]
    price: MoneyOut
    passenger_type: str
    status: Literal["HELD", "SOLD", "CANCELLED"]
    ticket_id: UUID | None = None


class TicketRefOut(Wire):
    """A ticket of the booking; GET /tickets/{id} has all of it."""

    id: UUID
    number: str
    seat_number: str
    status: Literal["VALID", "CANCELLED"]


class BookingOut(Wire):
    """A booking as it reads at this instant."""

    id: UUID
    reference: str
    status: Literal["HELD", "CONFIRMED", "EXPIRED", "RELEASED", "CANCELLED"]
    trip_id: UUID
    from_stop_id: Annotated[UUID, Field(alias="from")]
    to_stop_id: Annotated[UUID, Field(alias="to")]
    seats: list[BookingSeatOut]
    total: MoneyOut
    due: MoneyOut | None = None
    expires_at: AwareDatetime
    payments: list[PaymentOut]
    tickets: list[TicketRefOut]


class BookingsOut(Wire):
    """A holder's bookings, the newest first."""

    items: list[BookingOut]
    next_cursor: str | None


class ExtendIn(Wire):
    """Minutes to add to a hold."""

    minutes: Annotated[int, Field(ge=1, le=24 * 60)]
    idempotency_key: str | None = None


class NextOfKinIn(Wire):
    """Who to tell when something happens: asked for by law in some countries, and sealed."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    phone: Annotated[str, Field(min_length=1, max_length=40)]


class PassengerIn(Wire):
    """Who travels on one seat of the booking. `type` is the one that was priced, if given."""

    seat_number: SeatNumber
    name: Annotated[str, Field(min_length=1, max_length=100)]
    type: Literal["ADULT", "CHILD", "INFANT", "STUDENT", "SENIOR"] | None = None
    phone: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    id_type: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    id_number: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    next_of_kin: NextOfKinIn | None = None


class ContactIn(Wire):
    """How to reach whoever booked: phone with its country code, e-mail if there is one."""

    phone: Annotated[str, Field(min_length=1, max_length=40)]
    email: Annotated[str, Field(min_length=1, max_length=254)] | None = None


class PassengersIn(Wire):
    """The whole list each time."""

    contact: ContactIn
    passengers: Annotated[list[PassengerIn], Field(max_length=10)]
