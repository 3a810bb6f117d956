"""Use cases of stock and bookings: hold, extend, release, confirm, cancel, expire, read.

Whoever sells calls `hold_many`; what decides about seats is the database (migration 0010).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from kiti.booking import store, store_people
from kiti.booking.model import (
    AlreadyPaid,
    Booking,
    BookingNotConfirmed,
    BookingNotHeld,
    Confirmation,
    HolderKind,
    HoldExpired,
    HoldLimit,
    HoldLimits,
    HoldOutcome,
    HoldRequest,
    NewStock,
    NoSuchBooking,
    NotItsSeats,
    Payable,
    Status,
    Ticket,
    TripCancelled,
)
from kiti.booking.stock import Occupancy, Shape, to_int
from kiti.jobs.service import enqueue
from kiti.network.model import TripSheet
from kiti.network.service import Catalogue
from kiti.platform.db import Conn, Database
from kiti.platform.ids import find_id, new_code, new_id

TICKET_CODE_LENGTH = 17  # 29 letters: 82 bits
RELEASED_JOB = "booking.released"


@dataclass(frozen=True, slots=True)
class Stock:
    """A trip's seats at one instant of the database's clock, and whether they are for sale.

    `sheet_version`: the version of the trip whose layout and legs the seats are of.
    """

    occupancy: Occupancy
    status: str
    sales_close_at: datetime
    now: datetime
    sheet_version: int

    @property
    def is_on_sale(self) -> bool:
        """Whether a hold would be taken at that instant."""
        return self.status == "on_sale" and self.sales_close_at > self.now


@dataclass(frozen=True, slots=True)
class SeatsLeft:
    """Seats free over a segment of a trip whose sales are open until `sales_close_at`.

    `free`: a bit for each of `n_seats` seats, the first seat's the highest.
    """

    trip_id: UUID
    seats_left: int
    n_seats: int
    free: int
    sales_close_at: datetime

    def is_free(self, seat: int) -> bool:
        """Whether this seat of the layout is free on every leg of the segment."""
        return bool(self.free >> (self.n_seats - 1 - seat) & 1)


async def open_sales(conn: Conn, stocks: Sequence[NewStock]) -> int:
    """Give trips their stock; one that has stock already keeps it. How many are new."""
    return await store.insert_stock(conn, stocks)


async def get_stock(conn: Conn, *, trip_id: UUID) -> Stock | None:
    """The trip's seats now, due holds given back; None when it has no stock."""
    row = await store.find_inventory(conn, trip_id=trip_id)
    if row is None:
        return None
    due = to_int(row.due)
    shape = Shape(row.n_seats, row.n_legs)
    occupancy = Occupancy(shape, to_int(row.taken) & ~due, to_int(row.sold), to_int(row.blocked))
    return Stock(occupancy, row.status, row.sales_close_at, row.now, row.sheet_version)


async def free_seats(
    conn: Conn, *, trip_ids: Sequence[UUID], firsts: Sequence[int], lasts: Sequence[int]
) -> dict[UUID, SeatsLeft]:
    """Seats left over [first, last) of each trip; a trip whose sales are not open is left out."""
    rows = await store.list_seats_left(conn, trip_ids=trip_ids, firsts=firsts, lasts=lasts)
    return {
        r.trip_id: SeatsLeft(r.trip_id, r.seats_left, len(r.free), to_int(r.free), r.sales_close_at)
        for r in rows
    }


async def hold_many(
    conn: Conn, requests: Sequence[HoldRequest], limits: HoldLimits
) -> list[HoldOutcome]:
    """Hold seats for many requests: each all or nothing, rivals in the order given.

    One outcome for each, in the order given. In one statement, so in autocommit too it is one
    transaction; when it fails, all of them failed.
    Locks: each trip that somebody can win, ids ascending.
    """
    order = sorted(range(len(requests)), key=lambda i: requests[i].trip_id)
    rows = await store.hold_many(conn, [requests[i] for i in order], limits)
    outcomes = {i: _outcome(row, requests[i]) for i, row in zip(order, rows, strict=True)}
    return [outcomes[i] for i in range(len(requests))]


def _outcome(row: store.HoldRow, request: HoldRequest) -> HoldOutcome:
    conflict: tuple[int, ...] = ()
    if row.conflict is not None:
        shape = Shape(request.n_seats, request.n_legs)
        inside = shape.seats_in(to_int(row.conflict), request.first, request.last)
        conflict = tuple(seat for seat in request.seats if shape.has_seat(inside, seat))
    return HoldOutcome(row.outcome, row.decided_at, row.ends_at, conflict)  # pyright: ignore[reportArgumentType]


async def find_booking(conn: Conn, *, booking_id: UUID) -> Booking | None:
    """The booking as it reads now."""
    row = await store.find_booking(conn, booking_id=booking_id)
    return None if row is None else _booking(row)


async def get_booking(conn: Conn, *, booking_id: UUID, holder_id: UUID | None) -> Booking:
    """The booking as it reads now, of this holder; `holder_id` None: whoever holds it.

    Raises:
        NoSuchBooking: there is none, or it is another's.
    """
    found = await find_booking(conn, booking_id=booking_id)
    if found is None or (holder_id is not None and found.holder_id != holder_id):
        raise NoSuchBooking
    return found


async def trip_of(db: Database, *, booking_id: str | None) -> str | None:
    """What a change of this booking is `about` (see `Database.run`): its trip, whose lock it takes.

    None when that is no booking's id. The trip never changes, so it is read beforehand.
    """
    wanted = find_id(booking_id or "")
    if wanted is None:
        return None
    async with db.connection() as conn:
        found = await find_booking(conn, booking_id=wanted)
    return None if found is None else str(found.trip_id)


async def list_bookings(
    conn: Conn, *, holder_id: UUID, before: UUID | None, limit: int
) -> list[Booking]:
    """A holder's bookings, the newest first."""
    rows = await store.list_bookings(conn, holder_id=holder_id, before=before, limit=limit)
    return [_booking(row) for row in rows]


def _booking(row: store.BookingRow) -> Booking:
    return Booking(
        booking_id=row.booking_id,
        trip_id=row.trip_id,
        reference=row.reference,
        holder_kind=cast("HolderKind", row.holder_kind),
        holder_id=row.holder_id,
        status=cast("Status", row.status),
        seats=tuple(row.seats),
        cancelled_seats=tuple(row.cancelled_seats),
        first_leg=row.first_leg,
        last_leg=row.last_leg,
        passenger_types=tuple(row.passenger_types),
        fares_minor=tuple(row.fares_minor),
        total_minor=row.total_minor,
        currency=row.currency,
        created_at=row.created_at,
        expires_at=row.expires_at,
        payment_began_at=row.payment_began_at,
        confirmed_at=row.confirmed_at,
        moved_at=row.moved_at,
        version=row.version,
        shape=row.shape,
    )


async def sheet_of(conn: Conn, catalogue: Catalogue, booking: Booking) -> TripSheet:
    """The trip that a booking is of; when it is over, as the trip was when it was made."""
    if booking.is_over:
        return await catalogue.sheet_of(conn, booking.trip_id, shape=booking.shape)
    return await catalogue.sheet(conn, booking.trip_id)


async def lock_trip(conn: Conn, *, trip_id: UUID) -> None:
    """Take the trip's lock: until the transaction ends nobody else changes its bookings."""
    await store.lock_trip(conn, trip_id=trip_id)


async def extend_hold(
    conn: Conn, *, booking_id: UUID, holder_id: UUID | None, minutes: int
) -> Booking:
    """Add minutes to a hold's end, cut to its latest end.

    Raises:
        NoSuchBooking, HoldExpired, BookingNotHeld, TripCancelled.
        HoldLimit: it ends as late as it may already.
    Locks: trip, booking.
    """
    booking = await _lock_held(
        conn, booking_id=booking_id, holder_id=holder_id, paid=BookingNotHeld
    )
    row = await store.extend_hold(
        conn, trip_id=booking.trip_id, booking_id=booking_id, seconds=minutes * 60
    )
    if row is None:
        await _refuse_ended(conn, booking_id=booking_id)
        raise HoldLimit
    return replace(booking, expires_at=row.expires_at, version=booking.version + 1)


async def _lock_held(
    conn: Conn,
    *,
    booking_id: UUID,
    holder_id: UUID | None,
    paid: type[BookingNotHeld | AlreadyPaid],
) -> Booking:
    """Lock the trip, then read the booking, which nobody else can change meanwhile: a live hold."""
    booking = await get_booking(conn, booking_id=booking_id, holder_id=holder_id)
    sales = await store.lock_trip(conn, trip_id=booking.trip_id)
    booking = await get_booking(conn, booking_id=booking_id, holder_id=holder_id)
    if booking.status == "expired":
        raise HoldExpired
    if booking.status == "confirmed":
        raise paid
    if booking.status != "held":
        raise BookingNotHeld
    if sales == "cancelled":
        raise TripCancelled
    return booking


async def _refuse_ended(conn: Conn, *, booking_id: UUID) -> None:
    """Refuse a hold whose end came while its lock was held: the clock does not wait."""
    booking = await get_booking(conn, booking_id=booking_id, holder_id=None)
    if booking.status == "expired":
        raise HoldExpired


async def release_hold(conn: Conn, *, booking_id: UUID, holder_id: UUID | None) -> None:
    """Give a hold's seats back at once. A hold that is over already stays so.

    When a payment was begun, the job `booking.released` closes its checkout.

    Raises:
        NoSuchBooking.
        BookingNotHeld: it is confirmed or cancelled.
    Locks: trip, booking.
    """
    booking = await get_booking(conn, booking_id=booking_id, holder_id=holder_id)
    row = await store.release_hold(conn, trip_id=booking.trip_id, booking_id=booking_id)
    if row.outcome in {"confirmed", "cancelled"}:
        raise BookingNotHeld
    if row.began:
        await enqueue(
            conn,
            kind=RELEASED_JOB,
            payload={"bookingId": str(booking_id)},
            dedupe=f"{RELEASED_JOB}:{booking_id}",
        )


async def lock_payable(conn: Conn, *, booking_id: UUID, holder_id: UUID | None) -> Payable:
    """A live hold, locked until the transaction ends, for a payment to begin.

    Raises:
        NoSuchBooking, HoldExpired, BookingNotHeld, AlreadyPaid, TripCancelled.
    Locks: trip.
    """
    booking = await _lock_held(conn, booking_id=booking_id, holder_id=holder_id, paid=AlreadyPaid)
    return Payable(
        booking.booking_id,
        booking.trip_id,
        booking.reference,
        booking.holder_id,
        booking.total,
        booking.expires_at,
        booking.payment_began_at,
    )


async def lengthen_for_payment(conn: Conn, *, payable: Payable, minutes: int) -> datetime:
    """The hold's end, moved once to at least `minutes` from now as its first payment begins.

    The caller has it locked by `lock_payable`.

    Raises:
        HoldExpired: its end has come since.
    """
    moved = await store.lengthen_for_payment(
        conn, trip_id=payable.trip_id, booking_id=payable.booking_id, seconds=minutes * 60
    )
    if moved is None:
        await _refuse_ended(conn, booking_id=payable.booking_id)
    return moved or payable.expires_at


async def confirm_booking(
    conn: Conn, *, booking_id: UUID, learned_at: datetime, late_money_minutes: int
) -> Confirmation:
    """Sell the booking's seats and issue its tickets, or say why not: then the money goes back.

    `learned_at`: when the money was first known here, by the database's clock.
    Locks: trip, booking.
    """
    booking = await find_booking(conn, booking_id=booking_id)
    if booking is None:
        return Confirmation("refused", "no_booking")
    outcome = await store.confirm_booking(
        conn,
        trip_id=booking.trip_id,
        booking_id=booking_id,
        learned_at=learned_at,
        late=timedelta(minutes=late_money_minutes),
    )
    if outcome == "already":
        return Confirmation("already")
    if outcome != "confirmed":
        return Confirmation("refused", outcome)
    await store_people.insert_tickets(
        conn,
        trip_id=booking.trip_id,
        booking_id=booking_id,
        ticket_ids=[new_id() for _ in booking.seats],
        seats=booking.seats,
        numbers=[f"{booking.reference}-{n}" for n in range(1, len(booking.seats) + 1)],
        codes=[new_code(TICKET_CODE_LENGTH) for _ in booking.seats],
    )
    return Confirmation("confirmed")


async def cancel_seats(conn: Conn, *, booking_id: UUID, seats: Sequence[int]) -> Booking:
    """Give back seats of a confirmed booking; with its last one the booking is cancelled.

    The money is the caller's affair, in the same transaction.

    Raises:
        NoSuchBooking, BookingNotConfirmed, NotItsSeats.
    Locks: trip, booking.
    """
    booking = await get_booking(conn, booking_id=booking_id, holder_id=None)
    if any(seat not in booking.seats for seat in seats):
        raise NotItsSeats
    outcome = await store.cancel_seats(
        conn, trip_id=booking.trip_id, booking_id=booking_id, seats=seats
    )
    if outcome == "not_confirmed":
        raise BookingNotConfirmed
    if outcome == "not_its_seats":
        raise NotItsSeats
    return await get_booking(conn, booking_id=booking_id, holder_id=None)


async def list_tickets(conn: Conn, *, booking_ids: Sequence[UUID]) -> dict[UUID, list[Ticket]]:
    """The tickets of these bookings, each booking's in the order of their numbers."""
    rows = await store_people.list_tickets_of(conn, booking_ids=booking_ids)
    out: dict[UUID, list[Ticket]] = {booking_id: [] for booking_id in booking_ids}
    for row in rows:
        out[row.booking_id].append(_ticket(row))
    return out


async def find_ticket(conn: Conn, *, ticket_id: UUID) -> Ticket | None:
    """One ticket by its id; whether the caller may see it is the caller's affair."""
    row = await store_people.find_ticket(conn, ticket_id=ticket_id)
    return None if row is None else _ticket(row)


def _ticket(row: store_people.TicketRow) -> Ticket:
    return Ticket(
        row.ticket_id,
        row.trip_id,
        row.booking_id,
        row.seat,
        row.number,
        row.code,
        "valid" if row.status == "valid" else "cancelled",
        row.issued_at,
    )
