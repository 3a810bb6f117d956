"""The SQL of tickets, passengers and contacts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kiti.booking.model import Contact, Passenger
from kiti.platform.db import Conn, execute, fetch_all, fetch_optional


@dataclass(frozen=True, slots=True)
class TicketRow:
    """A ticket as it is kept."""

    ticket_id: UUID
    trip_id: UUID
    booking_id: UUID
    seat: int
    number: str
    code: str
    status: str
    issued_at: datetime


async def insert_tickets(
    conn: Conn,
    *,
    trip_id: UUID,
    booking_id: UUID,
    ticket_ids: Sequence[UUID],
    seats: Sequence[int],
    numbers: Sequence[str],
    codes: Sequence[str],
) -> int:
    """Issue one ticket a seat; how many are new."""
    return await execute(
        conn,
        """
        INSERT INTO ticket (ticket_id, trip_id, booking_id, seat, number, code, issued_at)
        SELECT id, $1, $2, seat, number, code, clock_timestamp()
        FROM unnest($3::uuid[], $4::smallint[], $5::text[], $6::text[])
          AS new (id, seat, number, code)
        ON CONFLICT (booking_id, trip_id, seat) DO NOTHING
        """,
        trip_id,
        booking_id,
        ticket_ids,
        seats,
        numbers,
        codes,
    )


async def list_tickets(conn: Conn, *, booking_id: UUID) -> list[TicketRow]:
    """The tickets of one booking, in the order of their numbers."""
    return await fetch_all(
        conn,
        TicketRow,
        """
        SELECT ticket_id, trip_id, booking_id, seat, number, code, status, issued_at
        FROM ticket
        WHERE booking_id = $1
        ORDER BY number
        """,
        booking_id,
    )


async def list_tickets_of(conn: Conn, *, booking_ids: Sequence[UUID]) -> list[TicketRow]:
    """The tickets of several bookings."""
    return await fetch_all(
        conn,
        TicketRow,
        """
        SELECT ticket_id, trip_id, booking_id, seat, number, code, status, issued_at
        FROM ticket
        WHERE booking_id = ANY ($1::uuid[])
        ORDER BY booking_id, number
        """,
        booking_ids,
    )


async def find_ticket(conn: Conn, *, ticket_id: UUID) -> TicketRow | None:
    """One ticket by its id."""
    return await fetch_optional(
        conn,
        TicketRow,
        """
        SELECT ticket_id, trip_id, booking_id, seat, number, code, status, issued_at
        FROM ticket
        WHERE ticket_id = $1
        """,
        ticket_id,
    )


async def put_contact(conn: Conn, *, trip_id: UUID, booking_id: UUID, contact: Contact) -> None:
    """Write the booking's contact, in place of an earlier one."""
    await execute(
        conn,
        """
        INSERT INTO booking_contact (booking_id, trip_id, phone, email)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (booking_id, trip_id) DO UPDATE
        SET phone = excluded.phone, email = excluded.email
        """,
        booking_id,
        trip_id,
        contact.phone,
        contact.email,
    )


async def find_contact(conn: Conn, *, booking_id: UUID) -> Contact | None:
    """How to reach whoever booked."""
    return await fetch_optional(
        conn,
        Contact,
        "SELECT phone, email FROM booking_contact WHERE booking_id = $1",
        booking_id,
    )


async def delete_passengers(conn: Conn, *, trip_id: UUID, booking_id: UUID) -> None:
    """Forget the list, before the whole new one is written."""
    await execute(
        conn,
        "DELETE FROM passenger WHERE trip_id = $1 AND booking_id = $2",
        trip_id,
        booking_id,
    )


async def insert_passengers(
    conn: Conn, *, trip_id: UUID, booking_id: UUID, passengers: Sequence[Passenger]
) -> None:
    """Write the whole list."""
    await execute(
        conn,
        """
        INSERT INTO passenger
          (booking_id, trip_id, seat, name, phone, id_type, id_number, next_of_kin)
        SELECT $1, $2, seat, name, phone, id_type, id_number, next_of_kin
        FROM unnest($3::smallint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[])
          AS new (seat, name, phone, id_type, id_number, next_of_kin)
        """,
        booking_id,
        trip_id,
        [p.seat for p in passengers],
        [p.name for p in passengers],
        [p.phone for p in passengers],
        [p.id_type for p in passengers],
        [p.id_number for p in passengers],
        [p.next_of_kin for p in passengers],
    )


async def list_passengers(conn: Conn, *, booking_id: UUID) -> list[Passenger]:
    """Who travels, by seat."""
    return await fetch_all(
        conn,
        Passenger,
        """
        SELECT seat, name, phone, id_type, id_number, next_of_kin
        FROM passenger
        WHERE booking_id = $1
        ORDER BY seat
        """,
        booking_id,
    )
