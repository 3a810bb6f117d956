"""Bookings as their holder sees them: the sale with its seats, payments and tickets."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from kiti.booking.model import Booking, Ticket
from kiti.booking.service import list_tickets, sheet_of
from kiti.checkout.exchanging import amounts_due
from kiti.checkout.schemas_bookings import BookingOut, BookingSeatOut, TicketRefOut
from kiti.checkout.schemas_payments import payment_out
from kiti.network.catalogue import Catalogue
from kiti.network.model import TripSheet
from kiti.payments.service import History, list_histories
from kiti.platform.db import Conn
from kiti.platform.http import MoneyOut
from kiti.platform.money import Money

_SEAT_STATUS = {"confirmed": "SOLD", "cancelled": "CANCELLED"}


async def show_bookings(
    conn: Conn, catalogue: Catalogue, bookings: Sequence[Booking]
) -> list[BookingOut]:
    """Each booking with its seats, payments and tickets, in the order given."""
    ids = [booking.booking_id for booking in bookings]
    tickets = await list_tickets(conn, booking_ids=ids)
    payments: dict[UUID, list[History]] = {booking_id: [] for booking_id in ids}
    for history in await list_histories(conn, booking_ids=ids):
        payments[history.payment.booking_id].append(history)
    dues = await amounts_due(conn, bookings)
    shown = [
        _booking_out(
            booking,
            await sheet_of(conn, catalogue, booking),
            tickets[booking.booking_id],
            payments[booking.booking_id],
        )
        for booking in bookings
    ]
    return [_with_due(out, dues.get(out.id)) for out in shown]


async def show_booking(conn: Conn, catalogue: Catalogue, booking: Booking) -> BookingOut:
    """One booking with its seats, payments and tickets."""
    (shown,) = await show_bookings(conn, catalogue, [booking])
    return shown


def _with_due(out: BookingOut, due: Money | None) -> BookingOut:
    """With what an exchange leaves to be paid, where that is not the total."""
    if due is None:
        return out
    shown = MoneyOut(amount=due.amount_minor, currency=due.currency)
    return out.model_copy(update={"due": shown})


def _booking_out(
    booking: Booking, sheet: TripSheet, tickets: Sequence[Ticket], payments: Sequence[History]
) -> BookingOut:
    ticket_of = {ticket.seat: ticket.ticket_id for ticket in tickets}
    return BookingOut.model_construct(
        id=booking.booking_id,
        reference=booking.reference,
        status=booking.status.upper(),
        trip_id=booking.trip_id,
        from_stop_id=sheet.calls[booking.first_leg].stop_id,
        to_stop_id=sheet.calls[booking.last_leg].stop_id,
        seats=[
            _seat_out(booking, sheet, place, ticket_of.get(seat))
            for place, seat in enumerate(booking.seats)
        ],
        total=MoneyOut(amount=booking.total_minor, currency=booking.currency),
        expires_at=booking.expires_at,
        payments=[payment_out(history) for history in payments],
        tickets=[
            TicketRefOut(
                id=ticket.ticket_id,
                number=ticket.number,
                seat_number=sheet.layout.seats[ticket.seat].label,
                status="VALID" if ticket.status == "valid" else "CANCELLED",
            )
            for ticket in tickets
        ],
    )


def _seat_out(
    booking: Booking, sheet: TripSheet, place: int, ticket_id: UUID | None
) -> BookingSeatOut:
    seat = sheet.layout.seats[booking.seats[place]]
    is_cancelled = seat.index in booking.cancelled_seats
    fields: dict[str, Any] = {
        "seat_number": seat.label,
        "seat_class": seat.seat_class,
        "price": MoneyOut(amount=booking.fares_minor[place], currency=booking.currency),
        "passenger_type": booking.passenger_types[place],
        "status": "CANCELLED" if is_cancelled else _SEAT_STATUS.get(booking.status, "HELD"),
    }
    if ticket_id is not None:
        fields["ticket_id"] = ticket_id
    return BookingSeatOut.model_construct(**fields)
