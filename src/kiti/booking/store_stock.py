"""The SQL of stock that changes: trips locked together, made anew, closed and opened again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from kiti.booking.model import NewStock
from kiti.booking.stock import Shape
from kiti.platform.db import Conn, execute, fetch_all, fetch_value


@dataclass(frozen=True, slots=True)
class LockedRow:
    """A trip whose lock was taken."""

    trip_id: UUID


@dataclass(frozen=True, slots=True)
class StockState:
    """Whether a trip is for sale. `was_booked`: some booking may refer to it, live or not.

    `closed_by` is None while sales are open, or when it was not noted.
    """

    trip_id: UUID
    status: str
    closed_by: str | None
    sales_close_at: datetime
    shape: int
    was_booked: bool


@dataclass(frozen=True, slots=True)
class LiveSeats:
    """Seats of a trip that somebody counts on: sold, and held until later than some instant."""

    trip_id: UUID
    sold: int
    held: int


async def lock_trips(
    conn: Conn, *, trip_ids: Sequence[UUID], skips_locked: bool
) -> list[LockedRow]:
    """Take the locks of these trips, ids ascending; with `skips_locked` those that are free."""
    if skips_locked:
        return await fetch_all(
            conn,
            LockedRow,
            """
            SELECT trip_id FROM trip_inventory
            WHERE trip_id = ANY ($1::uuid[])
            ORDER BY trip_id
            FOR NO KEY UPDATE SKIP LOCKED
            """,
            trip_ids,
        )
    return await fetch_all(
        conn,
        LockedRow,
        """
        SELECT trip_id FROM trip_inventory
        WHERE trip_id = ANY ($1::uuid[])
        ORDER BY trip_id
        FOR NO KEY UPDATE
        """,
        trip_ids,
    )


async def read_clock(conn: Conn) -> datetime:
    """The database's clock at this instant."""
    return await fetch_value(conn, "SELECT clock_timestamp()")


async def expire_locked(conn: Conn, *, trip_ids: Sequence[UUID], now: datetime) -> int:
    """Give back what was due at `now` of trips whose locks the caller holds; how many holds."""
    return await fetch_value(
        conn,
        """
        SELECT coalesce(sum(expire_trip_1(due.trip_id, $2)), 0)
        FROM (
          SELECT DISTINCT b.trip_id FROM booking AS b
          WHERE b.trip_id = ANY ($1::uuid[]) AND b.status = 'held' AND b.expires_at <= $2
        ) AS due
        """,
        trip_ids,
        now,
    )


async def list_states(conn: Conn, *, trip_ids: Sequence[UUID]) -> list[StockState]:
    """The state of those of these trips that have stock."""
    return await fetch_all(
        conn,
        StockState,
        """
        SELECT trip_id, status, closed_by, sales_close_at, shape, version > 0 AS was_booked
        FROM trip_inventory
        WHERE trip_id = ANY ($1::uuid[])
        """,
        trip_ids,
    )


async def list_live(conn: Conn, *, trip_ids: Sequence[UUID], now: datetime) -> list[LiveSeats]:
    """Of these trips, those with seats sold, or held beyond `now`."""
    return await fetch_all(
        conn,
        LiveSeats,
        """
        SELECT b.trip_id,
          coalesce(sum(cardinality(b.seats) - cardinality(b.cancelled_seats))
                   FILTER (WHERE b.status = 'confirmed'), 0)::integer AS sold,
          coalesce(sum(cardinality(b.seats)) FILTER (WHERE b.status = 'held'), 0)::integer AS held
        FROM (
          SELECT trip_id, status, seats, cancelled_seats FROM booking
          WHERE trip_id = ANY ($1::uuid[]) AND status = 'confirmed'
          UNION ALL
          SELECT trip_id, status, seats, cancelled_seats FROM booking
          WHERE trip_id = ANY ($1::uuid[]) AND status = 'held' AND expires_at > $2
        ) AS b
        GROUP BY b.trip_id
        """,
        trip_ids,
        now,
    )


async def remake_stock(conn: Conn, *, stocks: Sequence[NewStock]) -> int:
    """Make the bitmaps of trips anew, where nothing is held or sold; how many that were.

    Sales that the clock or a review had closed are open again. The caller holds the locks.
    """
    return await execute(
        conn,
        """
        UPDATE trip_inventory AS inv
        SET n_seats = n.seats, n_legs = n.legs, taken = n.blocked, sold = n.empty,
            blocked = n.blocked, sales_close_at = n.closes, sheet_version = n.sheet,
            shape = inv.shape + 1,
            status = CASE WHEN inv.status = 'closed' AND inv.closed_by IN ('clock', 'review')
                          THEN 'on_sale' ELSE inv.status END,
            closed_by = CASE WHEN inv.closed_by IN ('clock', 'review') THEN NULL
                             WHEN inv.closed_by = 'hand_and_review' THEN 'hand'
                             ELSE inv.closed_by END
        FROM unnest($1::uuid[], $2::smallint[], $3::smallint[], $4::varbit[], $5::varbit[],
                    $6::timestamptz[], $7::integer[])
          AS n (trip, seats, legs, blocked, empty, closes, sheet)
        WHERE inv.trip_id = n.trip AND bit_count(inv.taken & ~inv.blocked) = 0
          AND inv.status <> 'cancelled'
        """,
        [s.trip_id for s in stocks],
        [s.n_seats for s in stocks],
        [s.n_legs for s in stocks],
        [Shape(s.n_seats, s.n_legs).mask(s.blocked_seats, 0, s.n_legs) for s in stocks],
        [Shape(s.n_seats, s.n_legs).to_bits(0) for s in stocks],
        [s.sales_close_at for s in stocks],
        [s.sheet_version for s in stocks],
    )


async def set_terms(
    conn: Conn,
    *,
    trip_ids: Sequence[UUID],
    sales_close_at: Sequence[datetime],
    sheet_versions: Sequence[int],
) -> int:
    """Set the close of sales, and the version that prices must come from; how many trips.

    Sales that the clock had closed are open again, until it closes them. Caller holds the locks.
    """
    return await execute(
        conn,
        """
        UPDATE trip_inventory AS inv
        SET sales_close_at = n.closes, sheet_version = n.sheet,
            status = CASE WHEN inv.status = 'closed' AND inv.closed_by = 'clock'
                          THEN 'on_sale' ELSE inv.status END,
            closed_by = nullif(inv.closed_by, 'clock')
        FROM unnest($1::uuid[], $2::timestamptz[], $3::integer[]) AS n (trip, closes, sheet)
        WHERE inv.trip_id = n.trip
        """,
        trip_ids,
        sales_close_at,
        sheet_versions,
    )


async def close_for_review(conn: Conn, *, trip_ids: Sequence[UUID]) -> int:
    """Stop the sales of trips, also for when the clock or a person opens them; how many.

    The caller holds the locks.
    """
    return await execute(
        conn,
        """
        UPDATE trip_inventory
        SET status = 'closed',
            closed_by = CASE WHEN closed_by = 'hand' THEN 'hand_and_review' ELSE 'review' END
        WHERE trip_id = ANY ($1::uuid[])
          AND (status = 'on_sale' OR (status = 'closed' AND closed_by IN ('clock', 'hand')))
        """,
        trip_ids,
    )


async def reopen_after_review(conn: Conn, *, trip_ids: Sequence[UUID]) -> int:
    """Open sales that a review had closed; how many. What a person closed stays closed."""
    return await execute(
        conn,
        """
        UPDATE trip_inventory
        SET status = CASE WHEN closed_by = 'review' THEN 'on_sale' ELSE status END,
            closed_by = CASE WHEN closed_by = 'review' THEN NULL ELSE 'hand' END
        WHERE trip_id = ANY ($1::uuid[]) AND status = 'closed'
          AND closed_by IN ('review', 'hand_and_review')
        """,
        trip_ids,
    )


async def raise_shape(conn: Conn, *, trip_id: UUID) -> int:
    """Give a trip that keeps its bitmaps a new shape; its number. The caller holds the lock."""
    return await fetch_value(
        conn,
        "UPDATE trip_inventory SET shape = shape + 1 WHERE trip_id = $1 RETURNING shape",
        trip_id,
    )


async def take_along(conn: Conn, *, trip_id: UUID, shape: int) -> int:
    """Make the sold bookings of a trip bookings of this shape; how many.

    The caller holds the lock, with no hold left.
    """
    return await execute(
        conn,
        """
        UPDATE booking
        SET shape = $2, version = version + 1, moved_at = clock_timestamp()
        WHERE trip_id = $1 AND status = 'confirmed'
        """,
        trip_id,
        shape,
    )


@dataclass(frozen=True, slots=True)
class LiveBooking:
    """A booking that is held."""

    booking_id: UUID


async def list_held(conn: Conn, *, trip_id: UUID) -> list[LiveBooking]:
    """The trip's holds, due or not."""
    return await fetch_all(
        conn,
        LiveBooking,
        """
        SELECT booking_id FROM booking WHERE trip_id = $1 AND status = 'held' ORDER BY booking_id
        """,
        trip_id,
    )


async def cut_holds(conn: Conn, *, trip_ids: Sequence[UUID]) -> int:
    """Let the holds of these trips end at their close of sales at the latest; how many are cut.

    The caller holds the locks.
    """
    return await execute(
        conn,
        """
        UPDATE booking AS b
        SET expires_at = least(b.expires_at, inv.sales_close_at),
            expires_at_max = least(b.expires_at_max, inv.sales_close_at),
            version = b.version + 1
        FROM trip_inventory AS inv
        WHERE b.trip_id = ANY ($1::uuid[]) AND b.status = 'held' AND inv.trip_id = b.trip_id
          AND b.expires_at_max > inv.sales_close_at
        """,
        trip_ids,
    )


@dataclass(frozen=True, slots=True)
class LiveContact:
    """What people call a live booking by, and how its buyer is reached; None where not told."""

    reference: str
    phone: str | None = field(repr=False)
    email: str | None = field(repr=False)


async def list_live_contacts(conn: Conn, *, trip_id: UUID) -> list[LiveContact]:
    """The trip's bookings that are held or sold, by their references."""
    return await fetch_all(
        conn,
        LiveContact,
        """
        SELECT b.reference, contact.phone, contact.email
        FROM booking b
        LEFT JOIN booking_contact contact
          ON contact.booking_id = b.booking_id AND contact.trip_id = b.trip_id
        WHERE b.trip_id = $1 AND b.status IN ('held', 'confirmed')
        ORDER BY b.reference
        """,
        trip_id,
    )
