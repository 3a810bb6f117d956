"""The SQL of a trip's sales: closed by the clock or by hand, opened again, ended for good."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kiti.platform.db import Conn, execute, fetch_all, fetch_optional


@dataclass(frozen=True, slots=True)
class SalesState:
    """How a trip's sales stand at `now`, by the database's clock.

    `status`: on_sale, closed or cancelled; `closed_by`: clock, hand, review or hand_and_review,
    None while open or when it was not noted.
    """

    trip_id: UUID
    status: str
    closed_by: str | None
    sales_close_at: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class LiveBooking:
    """A booking that counts on its seats: confirmed, or a hold, ended or not."""

    booking_id: UUID


@dataclass(frozen=True, slots=True)
class BookingCount:
    """How many bookings of a trip read so now, and how many seats they have, cancelled ones not."""

    status: str
    bookings: int
    seats: int


async def lock_sales(conn: Conn, *, trip_id: UUID) -> SalesState | None:
    """How a trip's sales stand, its lock taken; None when it has no stock."""
    return await fetch_optional(
        conn,
        SalesState,
        """
        SELECT trip_id, status, closed_by, sales_close_at, clock_timestamp() AS now
        FROM trip_inventory
        WHERE trip_id = $1
        FOR NO KEY UPDATE
        """,
        trip_id,
    )


async def find_sales(conn: Conn, *, trip_id: UUID) -> SalesState | None:
    """How a trip's sales stand; None when it has no stock."""
    return await fetch_optional(
        conn,
        SalesState,
        """
        SELECT trip_id, status, closed_by, sales_close_at, clock_timestamp() AS now
        FROM trip_inventory
        WHERE trip_id = $1
        """,
        trip_id,
    )


async def close_due(conn: Conn, *, limit: int) -> int:
    """Close the sales of up to `limit` trips whose time has come; how many.

    One that somebody has locked is left for the next look.
    """
    return await execute(
        conn,
        """
        UPDATE trip_inventory AS inv
        SET status = 'closed', closed_by = 'clock', version = inv.version + 1
        FROM (
          SELECT trip_id FROM trip_inventory
          WHERE status = 'on_sale' AND sales_close_at <= (SELECT clock_timestamp())
          ORDER BY sales_close_at
          LIMIT $1
          FOR NO KEY UPDATE SKIP LOCKED
        ) AS due
        WHERE inv.trip_id = due.trip_id
        """,
        limit,
    )


async def close_sales(conn: Conn, *, trip_id: UUID) -> bool:
    """Close by hand what is not closed by hand; False when it is. The caller holds the lock.

    What the clock or a review had closed stays closed when that changes.
    """
    changed = await execute(
        conn,
        """
        UPDATE trip_inventory
        SET status = 'closed', version = version + 1,
            closed_by = CASE WHEN closed_by = 'review' THEN 'hand_and_review' ELSE 'hand' END
        WHERE trip_id = $1 AND (status = 'on_sale' OR (status = 'closed'
          AND (closed_by IS NULL OR closed_by IN ('clock', 'review'))))
        """,
        trip_id,
    )
    return changed == 1


async def reopen_sales(conn: Conn, *, trip_id: UUID) -> bool:
    """Open what was closed by hand; False when it was not. The caller holds the lock."""
    changed = await execute(
        conn,
        """
        UPDATE trip_inventory
        SET status = 'on_sale', closed_by = NULL, version = version + 1
        WHERE trip_id = $1 AND status = 'closed' AND closed_by = 'hand'
        """,
        trip_id,
    )
    return changed == 1


async def end_sales(conn: Conn, *, trip_id: UUID) -> bool:
    """Mark the trip cancelled; False when it is already. The caller holds the lock."""
    changed = await execute(
        conn,
        """
        UPDATE trip_inventory
        SET status = 'cancelled', closed_by = NULL, version = version + 1
        WHERE trip_id = $1 AND status <> 'cancelled'
        """,
        trip_id,
    )
    return changed == 1


async def list_live_bookings(
    conn: Conn, *, trip_id: UUID, after: UUID | None, limit: int
) -> list[LiveBooking]:
    """The trip's bookings that are confirmed or held, by their ids, from after this one on."""
    return await fetch_all(
        conn,
        LiveBooking,
        """
        SELECT booking_id
        FROM booking
        WHERE trip_id = $1 AND status IN ('held', 'confirmed')
          AND ($2::uuid IS NULL OR booking_id > $2)
        ORDER BY booking_id
        LIMIT $3
        """,
        trip_id,
        after,
        limit,
    )


async def count_bookings(conn: Conn, *, trip_id: UUID) -> list[BookingCount]:
    """The trip's bookings by how they read now."""
    return await fetch_all(
        conn,
        BookingCount,
        """
        SELECT b.status, count(*) AS bookings, sum(b.seats)::bigint AS seats
        FROM (
          SELECT CASE WHEN status = 'held' AND expires_at <= clock_timestamp() THEN 'expired'
                      ELSE status END AS status,
                 cardinality(seats) - cardinality(cancelled_seats) AS seats
          FROM booking
          WHERE trip_id = $1
        ) AS b
        GROUP BY b.status
        ORDER BY b.status
        """,
        trip_id,
    )
