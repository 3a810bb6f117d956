"""The words of the slice: bookings, holds, tickets, and what it refuses."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NewType
from uuid import UUID

from kiti.platform.errors import Conflict, Invalid, NotFound, TooMany
from kiti.platform.money import Money

TripId = NewType("TripId", UUID)
BookingId = NewType("BookingId", UUID)

HolderKind = Literal["account", "guest"]
Status = Literal["held", "confirmed", "released", "expired", "cancelled"]

SEATS_PER_HOLD_MAX = 10

# The states of a booking and the ways between them; docs/states.md draws the same.
TRANSITIONS: dict[Status, frozenset[Status]] = {
    "held": frozenset({"confirmed", "released", "expired"}),
    "expired": frozenset({"confirmed"}),
    "confirmed": frozenset({"cancelled"}),
    "released": frozenset(),
    "cancelled": frozenset(),
}


class NoSuchBooking(NotFound):
    """There is no such booking, or it is not the caller's."""


class NoSuchTicket(NotFound):
    """There is no such ticket, or neither the caller nor the code may see it."""


class SeatUnknown(Invalid):
    """The trip has no seat of that name."""


class NotItsSeats(Invalid):
    """The booking does not have these seats, or they are cancelled already."""


class SeatsUnavailable(Conflict):
    """One of these seats is no longer free for the whole segment."""


class SalesClosed(Conflict):
    """Sales for this trip have closed."""


class TripCancelled(Conflict):
    """This trip has been cancelled."""


class TripDeparted(Conflict):
    """This trip has left: it can no longer be cancelled."""


class SalesNotClosedByHand(Conflict):
    """The sales of this trip were not closed by a person, so no person opens them again."""


class HoldExpired(Conflict):
    """The hold has ended and its seats are free again."""


class HoldLimit(Conflict):
    """The hold cannot be made longer."""


class BookingNotHeld(Conflict):
    """The booking is not a hold any more."""


class BookingNotConfirmed(Conflict):
    """The booking is not paid and confirmed."""


class AlreadyPaid(Conflict):
    """The booking is already paid."""


class BoardingClosed(Conflict):
    """Passengers cannot be changed any more: the trip has left."""


class TooManyHolds(TooMany):
    """Too many seats of this trip are held and not paid yet."""


@dataclass(frozen=True, slots=True)
class NewStock:
    """The stock of a new trip: seats of its layout, legs between its calls, seats never sold."""

    trip_id: UUID
    n_seats: int
    n_legs: int
    blocked_seats: tuple[int, ...]
    sales_close_at: datetime
    sheet_version: int


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """Seats wanted by one holder over legs [first, last) of one trip, priced.

    `fares` go with `seats` and `passenger_types`; `sheet_version` is the trip's version they were
    priced from. `ttl_s` seconds from the moment the seats are taken.
    """

    booking_id: UUID
    reference: str
    trip_id: UUID
    holder_kind: HolderKind
    holder_id: UUID
    seats: tuple[int, ...]
    first: int
    last: int
    n_seats: int
    n_legs: int
    passenger_types: tuple[str, ...]
    fares: tuple[Money, ...]
    ttl_s: int
    sheet_version: int

    @property
    def total_minor(self) -> int:
        """What all seats cost together, in minor units."""
        return sum(fare.amount_minor for fare in self.fares)


@dataclass(frozen=True, slots=True)
class HoldLimits:
    """How long, and how many seats of a trip, may be held.

    `ttl_max_s`: seconds in all; `holder_max`: seats by one holder, unsold;
    `guest_share`: thousandths of a trip's seats that guests may hold together; None: no limit.
    """

    ttl_max_s: int
    holder_max: int
    guest_share: int | None


@dataclass(frozen=True, slots=True)
class HoldOutcome:
    """What became of one request, decided at one instant of the database's clock.

    `ends_at` when held; `conflict` (the seats in the way) when unavailable.
    """

    outcome: Literal[
        "held",
        "unavailable",
        "stale",
        "sales_closed",
        "cancelled",
        "no_trip",
        "holder_full",
        "guests_full",
    ]
    decided_at: datetime
    ends_at: datetime | None
    conflict: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ticket:
    """One seat sold: what lets a passenger travel. `code` is 80 random bits, for the message."""

    ticket_id: UUID
    trip_id: UUID
    booking_id: UUID
    seat: int
    number: str
    code: str
    status: Literal["valid", "cancelled"]
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking as it reads at one instant: a hold that is due reads expired.

    Seats are indexes of the trip's layout; legs are [first_leg, last_leg). `shape`: which of the
    trip's shapes these are of; when it is over, the trip may have become another one since.
    `confirmed_at`: when it was sold, None before. `moved_at`: when it last went with its trip to
    other times, None: never.
    """

    booking_id: UUID
    trip_id: UUID
    reference: str
    holder_kind: HolderKind
    holder_id: UUID
    status: Status
    seats: tuple[int, ...]
    cancelled_seats: tuple[int, ...]
    first_leg: int
    last_leg: int
    passenger_types: tuple[str, ...]
    fares_minor: tuple[int, ...]
    total_minor: int
    currency: str
    created_at: datetime
    expires_at: datetime
    payment_began_at: datetime | None
    confirmed_at: datetime | None
    moved_at: datetime | None
    version: int
    shape: int

    @property
    def is_over(self) -> bool:
        """Whether it ended without a seat: expired, released or cancelled."""
        return self.status in {"expired", "released", "cancelled"}

    @property
    def total(self) -> Money:
        """All that the passenger pays."""
        return Money(self.total_minor, self.currency)


@dataclass(frozen=True, slots=True)
class Payable:
    """A live hold whose row is locked, about to be paid."""

    booking_id: UUID
    trip_id: UUID
    reference: str
    holder_id: UUID
    total: Money
    expires_at: datetime
    payment_began_at: datetime | None


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What became of a booking whose money came.

    `refused` carries the reason: released, cancelled, trip_cancelled, too_late, sales_closed,
    seats_gone, other_booking or no_booking; or one of whoever asked for it.
    """

    outcome: Literal["confirmed", "already", "refused"]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Passenger:
    """Who travels on one seat. `next_of_kin` is sealed; None when not given."""

    seat: int
    name: str
    phone: str | None
    id_type: str | None
    id_number: str | None
    next_of_kin: bytes | None


@dataclass(frozen=True, slots=True)
class Contact:
    """How to reach whoever booked: phone in E.164, e-mail if given."""

    phone: str
    email: str | None
