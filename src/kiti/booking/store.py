"""The SQL of stock, holds and bookings; hot statements are functions of migrations 0005, 0010."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from asyncpg import BitString

from kiti.booking.model import HoldLimits, HoldRequest, NewStock
from kiti.booking.stock import Shape, seat_array
from kiti.platform.db import Conn, execute, fetch_all, fetch_one, fetch_optional, fetch_value


@dataclass(frozen=True, slots=True)
class HoldRow:
    """One request's outcome, as hold_many_2 answers it."""

    outcome: str
    decided_at: datetime
    ends_at: datetime | None
    conflict: BitString | None


@dataclass(frozen=True, slots=True)
class InventoryRow:
    """A trip's bits and state at the instant `now`; `due` are the bits of holds that have ended."""

    n_seats: int
    n_legs: int
    taken: BitString
    sold: BitString
    blocked: BitString
    due: BitString | None
    status: str
    sales_close_at: datetime
    sheet_version: int
    now: datetime


@dataclass(frozen=True, slots=True)
class SeatsLeftRow:
    """Seats free over a segment of a trip whose sales are open; `free`: one bit a seat."""

    trip_id: UUID
    seats_left: int
    free: BitString
    sales_close_at: datetime


@dataclass(frozen=True, slots=True)
class BookingRow:
    """A booking as it reads now; arrays as the database gives them."""

    booking_id: UUID
    trip_id: UUID
    reference: str
    holder_kind: str
    holder_id: UUID
    status: str
    seats: list[int]
    cancelled_seats: list[int]
    first_leg: int
    last_leg: int
    passenger_types: list[str]
    fares_minor: list[int]
    total_minor: int
    currency: str
    created_at: datetime
    expires_at: datetime
    payment_began_at: datetime | None
    confirmed_at: datetime | None
    moved_at: datetime | None
    version: int
    shape: int


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """How a release ended, and whether a payment had begun."""

    outcome: str
    began: bool | None


async def insert_stock(conn: Conn, stocks: Sequence[NewStock]) -> int:
    """Add the stock of trips that have none yet; how many were added."""
    empty = [Shape(s.n_seats, s.n_legs).to_bits(0) for s in stocks]
    blocked = [Shape(s.n_seats, s.n_legs).mask(s.blocked_seats, 0, s.n_legs) for s in stocks]
    return await execute(
        conn,
        """
        INSERT INTO trip_inventory
          (trip_id, n_seats, n_legs, taken, sold, blocked, sales_close_at, sheet_version)
        SELECT trip, seats, legs, blocked, empty, blocked, closes, sheet
        FROM unnest($1::uuid[], $2::smallint[], $3::smallint[], $4::varbit[], $5::varbit[],
                    $6::timestamptz[], $7::integer[])
          AS new (trip, seats, legs, blocked, empty, closes, sheet)
        ON CONFLICT (trip_id) DO NOTHING
        """,
        [s.trip_id for s in stocks],
        [s.n_seats for s in stocks],
        [s.n_legs for s in stocks],
        blocked,
        empty,
        [s.sales_close_at for s in stocks],
        [s.sheet_version for s in stocks],
    )


async def hold_many(
    conn: Conn, requests: Sequence[HoldRequest], limits: HoldLimits
) -> list[HoldRow]:
    """Hold for many requests, sorted by trip; one outcome each, in their order.

    Locks: each trip that somebody can win, ids ascending.
    """
    return await fetch_all(
        conn,
        HoldRow,
        """
        SELECT outcome, decided_at, ends_at, conflict
        FROM hold_many_2($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                         $17, $18)
        """,
        [r.trip_id for r in requests],
        [r.booking_id for r in requests],
        [r.reference for r in requests],
        [r.holder_kind for r in requests],
        [r.holder_id for r in requests],
        [seat_array(r.seats) for r in requests],
        [r.first for r in requests],
        [r.last for r in requests],
        [Shape(r.n_seats, r.n_legs).mask(r.seats, r.first, r.last) for r in requests],
        ["{" + ",".join(r.passenger_types) + "}" for r in requests],
        [seat_array([f.amount_minor for f in r.fares]) for r in requests],
        [r.total_minor for r in requests],
        [r.fares[0].currency for r in requests],
        [r.ttl_s for r in requests],
        limits.ttl_max_s,
        [r.sheet_version for r in requests],
        limits.holder_max,
        limits.guest_share,
    )


async def find_inventory(conn: Conn, *, trip_id: UUID) -> InventoryRow | None:
    """One trip's bits, with the due holds to take off."""
    return await fetch_optional(
        conn,
        InventoryRow,
        """
        SELECT inv.n_seats, inv.n_legs, inv.taken, inv.sold, inv.blocked, inv.status,
               inv.sales_close_at, inv.sheet_version, t.now,
               (SELECT bit_or(b.mask) FROM booking AS b
                WHERE b.trip_id = $1 AND b.status = 'held' AND b.expires_at <= t.now
                  AND mask_fits_1(b.mask, b.shape, inv.taken, inv.shape)) AS due
        FROM trip_inventory AS inv, (SELECT clock_timestamp() AS now) AS t
        WHERE inv.trip_id = $1
        """,
        trip_id,
    )


async def list_seats_left(
    conn: Conn, *, trip_ids: Sequence[UUID], firsts: Sequence[int], lasts: Sequence[int]
) -> list[SeatsLeftRow]:
    """Seats left over [first, last) of each trip; trips whose sales are not open are left out."""
    return await fetch_all(
        conn,
        SeatsLeftRow,
        """
        SELECT trip_id, seats_left, free, sales_close_at
        FROM seats_left_2($1::uuid[], $2::smallint[], $3::smallint[])
        """,
        trip_ids,
        firsts,
        lasts,
    )


async def find_booking(conn: Conn, *, booking_id: UUID) -> BookingRow | None:
    """The booking as it reads at this instant."""
    return await fetch_optional(
        conn,
        BookingRow,
        """
        SELECT booking_id, trip_id, reference, holder_kind, holder_id,
               CASE WHEN status = 'held' AND expires_at <= clock_timestamp() THEN 'expired'
                    ELSE status END AS status,
               seats, cancelled_seats, first_leg, last_leg, passenger_types, fares_minor,
               total_minor, currency, created_at, expires_at, payment_began_at, confirmed_at,
               moved_at, version, coalesce(shape, 1) AS shape
        FROM booking
        WHERE booking_id = $1
        """,
        booking_id,
    )


async def list_bookings(
    conn: Conn, *, holder_id: UUID, before: UUID | None, limit: int
) -> list[BookingRow]:
    """A holder's bookings, the newest first, from before this id on."""
    return await fetch_all(
        conn,
        BookingRow,
        """
        SELECT booking_id, trip_id, reference, holder_kind, holder_id,
               CASE WHEN status = 'held' AND expires_at <= clock_timestamp() THEN 'expired'
                    ELSE status END AS status,
               seats, cancelled_seats, first_leg, last_leg, passenger_types, fares_minor,
               total_minor, currency, created_at, expires_at, payment_began_at, confirmed_at,
               moved_at, version, coalesce(shape, 1) AS shape
        FROM booking
        WHERE holder_id = $1 AND ($2::uuid IS NULL OR booking_id < $2)
        ORDER BY booking_id DESC
        LIMIT $3
        """,
        holder_id,
        before,
        limit,
    )


async def lock_trip(conn: Conn, *, trip_id: UUID) -> str | None:
    """Take the trip's lock, which every change of its seats and bookings begins with.

    How its sales stand: on_sale, closed or cancelled; None when it has no stock.
    """
    return await fetch_value(
        conn, "SELECT status FROM trip_inventory WHERE trip_id = $1 FOR NO KEY UPDATE", trip_id
    )


@dataclass(frozen=True, slots=True)
class ExtendRow:
    """A hold's end before and after, and how far it may go."""

    expires_at: datetime
    expires_at_max: datetime


async def extend_hold(
    conn: Conn, *, trip_id: UUID, booking_id: UUID, seconds: int
) -> ExtendRow | None:
    """Add seconds to a live hold, up to its latest end; None when there is nothing left to add.

    The caller holds the trip's lock.
    """
    return await fetch_optional(
        conn,
        ExtendRow,
        """
        WITH t AS (SELECT clock_timestamp() AS now)
        UPDATE booking AS b
        SET expires_at = least(b.expires_at + make_interval(secs => $3), b.expires_at_max),
            version = b.version + 1
        FROM t
        WHERE b.trip_id = $1 AND b.booking_id = $2 AND b.status = 'held' AND b.expires_at > t.now
          AND b.expires_at < b.expires_at_max
        RETURNING b.expires_at, b.expires_at_max
        """,
        trip_id,
        booking_id,
        seconds,
    )


async def lengthen_for_payment(
    conn: Conn, *, trip_id: UUID, booking_id: UUID, seconds: int
) -> datetime | None:
    """Move a live hold's end to at least `seconds` from now, once.

    At the close of sales at the latest. None when it has been lengthened before.
    The caller holds the trip's lock.
    """
    return await fetch_value(
        conn,
        """
        WITH t AS (SELECT clock_timestamp() AS now)
        UPDATE booking AS b
        SET expires_at = greatest(
              b.expires_at, least(t.now + make_interval(secs => $3), inv.sales_close_at)),
            payment_began_at = t.now, version = b.version + 1
        FROM trip_inventory AS inv, t
        WHERE b.trip_id = $1 AND b.booking_id = $2 AND inv.trip_id = $1
          AND b.status = 'held' AND b.expires_at > t.now AND b.payment_began_at IS NULL
        RETURNING b.expires_at
        """,
        trip_id,
        booking_id,
        seconds,
    )


async def confirm_booking(
    conn: Conn, *, trip_id: UUID, booking_id: UUID, learned_at: datetime, late: timedelta
) -> str:
    """Sell the booking's seats; how it ended, as confirm_booking_2 says. Locks: trip, booking."""
    return await fetch_value(
        conn,
        "SELECT confirm_booking_2($1, $2, $3, $4)",
        trip_id,
        booking_id,
        learned_at,
        late,
    )


async def release_hold(conn: Conn, *, trip_id: UUID, booking_id: UUID) -> ReleaseRow:
    """Give a hold's seats back. Locks: trip, booking."""
    return await fetch_one(
        conn,
        ReleaseRow,
        "SELECT outcome, began FROM release_hold_2($1, $2)",
        trip_id,
        booking_id,
    )


async def cancel_seats(conn: Conn, *, trip_id: UUID, booking_id: UUID, seats: Sequence[int]) -> str:
    """Give back seats of a confirmed booking; how it ended. Locks: trip, booking."""
    return await fetch_value(conn, "SELECT cancel_seats_2($1, $2, $3)", trip_id, booking_id, seats)


@dataclass(frozen=True, slots=True)
class DuePage:
    """Trips with holds that have ended, and the last of the `holds` that were looked at."""

    trip_ids: list[UUID]
    holds: int
    last_expires_at: datetime
    last_trip_id: UUID


async def find_due_page(
    conn: Conn, *, after: tuple[datetime, UUID] | None, limit: int
) -> DuePage | None:
    """Of the holds that have ended the next `limit`, the longest over first; None when no more.

    `after`: end and trip of the last one before.
    """
    expires_at, trip_id = after or (None, None)
    return await fetch_optional(
        conn,
        DuePage,
        """
        SELECT array_agg(DISTINCT trip_id) AS trip_ids, count(*) AS holds,
               max(expires_at) AS last_expires_at,
               (array_agg(trip_id ORDER BY expires_at DESC, trip_id DESC))[1] AS last_trip_id
        FROM (
          SELECT expires_at, trip_id FROM booking
          WHERE status = 'held' AND expires_at > '-infinity'
            AND expires_at <= (SELECT clock_timestamp())
            AND (expires_at, trip_id) > (coalesce($1, '-infinity'::timestamptz),
                                         coalesce($2, '00000000-0000-0000-0000-000000000000'::uuid))
          ORDER BY expires_at, trip_id
          LIMIT $3
        ) AS due
        HAVING count(*) > 0
        """,
        expires_at,
        trip_id,
        limit,
    )


async def expire_trips(conn: Conn, *, trip_ids: Sequence[UUID]) -> int:
    """Give back the due holds of those trips that nobody has locked; how many. Locks: these."""
    return await fetch_value(conn, "SELECT expire_trips_2($1)", trip_ids)
