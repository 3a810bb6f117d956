"""The SQL of what is earned: trips that have left, and what was paid for them.

It reads trips, bookings and the ledger, and writes none of them.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kiti.platform.db import Conn, execute, fetch_all, fetch_one


@dataclass(frozen=True, slots=True)
class Mark:
    """How far departures have been looked at; None: never. `now`: the database's clock."""

    left_before: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True)
class DepartedTrip:
    """A trip that has left with money of its passengers. The commission is in thousandths."""

    trip_id: UUID
    starts_at: datetime
    operator_id: UUID
    commission_per_mille: int


@dataclass(frozen=True, slots=True)
class UnearnedBooking:
    """A sold booking and what is left of what was paid for it, minor units."""

    booking_id: UUID
    currency: str
    funds_minor: int


async def find_mark(conn: Conn) -> Mark:
    """How far departures have been looked at, and the clock."""
    return await fetch_one(
        conn,
        Mark,
        """
        SELECT (SELECT left_before FROM earning_mark WHERE is_only) AS left_before,
               clock_timestamp() AS now
        """,
    )


async def put_mark(conn: Conn, *, left_before: datetime) -> None:
    """Note that all that left before is earned. It never goes back."""
    await execute(
        conn,
        """
        INSERT INTO earning_mark (is_only, left_before)
        VALUES (true, $1)
        ON CONFLICT (is_only) DO UPDATE
        SET left_before = greatest(earning_mark.left_before, excluded.left_before)
        """,
        left_before,
    )


async def list_departed(
    conn: Conn, *, after: tuple[datetime, UUID], limit: int
) -> list[DepartedTrip]:
    """Trips that have left with money of their passengers, from after this one on.

    In the order of their departure; cancelled ones are left out.
    """
    starts_at, trip_id = after
    return await fetch_all(
        conn,
        DepartedTrip,
        """
        SELECT t.trip_id, t.starts_at, t.operator_id, o.commission_per_mille
        FROM pattern AS p
        CROSS JOIN LATERAL (
          SELECT trip_id, starts_at, operator_id
          FROM trip
          WHERE trip.pattern_id = p.pattern_id AND trip.starts_at >= $1
            AND trip.starts_at <= (SELECT clock_timestamp())
        ) AS t
        JOIN operator AS o ON o.operator_id = t.operator_id
        JOIN trip_inventory AS inv ON inv.trip_id = t.trip_id AND inv.status <> 'cancelled'
        WHERE (t.starts_at, t.trip_id) > ($1, $2::uuid) AND EXISTS (
          SELECT FROM booking AS b
          JOIN ledger_balance AS l
            ON l.kind = 'passenger_funds' AND l.owner = b.booking_id::text
            AND l.currency = b.currency AND l.trip_id = b.trip_id AND l.balance_minor > 0
          WHERE b.trip_id = t.trip_id AND b.status = 'confirmed')
        ORDER BY t.starts_at, t.trip_id
        LIMIT $3
        """,
        starts_at,
        trip_id,
        limit,
    )


async def list_unearned(conn: Conn, *, trip_id: UUID, limit: int) -> list[UnearnedBooking]:
    """Bookings of a trip that has left whose money is still their passengers'.

    The caller holds the trip's lock.
    """
    return await fetch_all(
        conn,
        UnearnedBooking,
        """
        SELECT b.booking_id, b.currency, l.balance_minor AS funds_minor
        FROM trip AS t
        JOIN booking AS b ON b.trip_id = t.trip_id AND b.status = 'confirmed'
        JOIN ledger_balance AS l
          ON l.kind = 'passenger_funds' AND l.owner = b.booking_id::text
          AND l.currency = b.currency AND l.trip_id = b.trip_id AND l.balance_minor > 0
        WHERE t.trip_id = $1 AND t.starts_at <= clock_timestamp()
        ORDER BY b.booking_id
        LIMIT $2
        """,
        trip_id,
        limit,
    )
