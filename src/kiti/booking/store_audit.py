"""The SQL of this slice's invariants, for `kiti audit`: each returns the rows that break it."""

from kiti.platform.audit import Finding
from kiti.platform.db import Conn, fetch_all


async def overlapping_bookings(conn: Conn) -> list[Finding]:
    """Invariant 1: no two live bookings share a leg of one seat of one trip, or differ in shape."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'a seat is never sold twice' AS invariant,
               'trip ' || a.trip_id || ': bookings ' || a.booking_id || ' and ' || b.booking_id
                 AS subject
        FROM booking AS a
        JOIN booking AS b ON b.trip_id = a.trip_id AND b.booking_id > a.booking_id
        CROSS JOIN (SELECT clock_timestamp() AS now) AS t
        WHERE (a.status = 'confirmed' OR (a.status = 'held' AND a.expires_at > t.now))
          AND (b.status = 'confirmed' OR (b.status = 'held' AND b.expires_at > t.now))
          AND CASE WHEN bit_length(a.mask) = bit_length(b.mask)
                   THEN bit_count(a.mask & b.mask) > 0 ELSE true END
        LIMIT 100
        """,
    )


async def wrong_bitmaps(conn: Conn) -> list[Finding]:
    """Invariant 7: taken is blocked or a live mask, sold is a confirmed mask, nothing else.

    No live mask is of another shape than the trip's.
    """
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'held, sold, blocked and free are the seats of the layout' AS invariant,
               'trip ' || inv.trip_id AS subject
        FROM trip_inventory AS inv
        LEFT JOIN LATERAL (
          SELECT bit_or(f.mask) AS live,
                 bit_or(f.mask) FILTER (WHERE f.status = 'confirmed') AS sold,
                 bool_or(f.mask IS NULL) AS is_odd
          FROM (
            SELECT b.status,
                   CASE WHEN mask_fits_1(b.mask, b.shape, inv.taken, inv.shape) THEN b.mask END
                     AS mask
            FROM booking AS b
            WHERE b.trip_id = inv.trip_id AND b.status IN ('held', 'confirmed')
          ) AS f
        ) AS b ON true
        WHERE b.is_odd
           OR inv.taken <> (inv.blocked | coalesce(b.live, inv.blocked))
           OR inv.sold <> coalesce(b.sold, inv.sold & ~inv.sold)
        LIMIT 100
        """,
    )


async def wrong_sold_rows(conn: Conn) -> list[Finding]:
    """Invariant 1 again, from the guard: seat_sold holds the confirmed bookings' seats and legs."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'seat_sold holds what confirmed bookings take' AS invariant,
               'trip ' || coalesce(w.trip_id, s.trip_id) || ', booking '
                 || coalesce(w.booking_id, s.booking_id) AS subject
        FROM (
          SELECT b.trip_id, b.booking_id, seat, leg
          FROM booking AS b, unnest(b.seats) AS seat,
               generate_series(b.first_leg::integer, b.last_leg - 1) AS leg
          WHERE b.status = 'confirmed' AND seat <> ALL (b.cancelled_seats)
        ) AS w
        FULL JOIN seat_sold AS s
          ON s.trip_id = w.trip_id AND s.seat = w.seat AND s.leg = w.leg
          AND s.booking_id = w.booking_id
        WHERE w.trip_id IS NULL OR s.trip_id IS NULL
        LIMIT 100
        """,
    )


async def wrong_tickets(conn: Conn) -> list[Finding]:
    """Invariant 4: one valid ticket for each seat sold, and none for any other."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'one ticket for each seat sold' AS invariant,
               'booking ' || coalesce(w.booking_id, t.booking_id) AS subject
        FROM (
          SELECT b.trip_id, b.booking_id, seat
          FROM booking AS b, unnest(b.seats) AS seat
          WHERE b.status = 'confirmed' AND seat <> ALL (b.cancelled_seats)
        ) AS w
        FULL JOIN (
          SELECT trip_id, booking_id, seat FROM ticket WHERE status = 'valid'
        ) AS t ON t.trip_id = w.trip_id AND t.booking_id = w.booking_id AND t.seat = w.seat
        WHERE w.booking_id IS NULL OR t.booking_id IS NULL
        LIMIT 100
        """,
    )


async def wrong_references(conn: Conn) -> list[Finding]:
    """Every booking is found by its reference, and no reference names another."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'a reference names its booking' AS invariant, 'booking ' || b.booking_id AS subject
        FROM booking AS b
        LEFT JOIN booking_reference AS r ON r.reference = b.reference
        WHERE r.booking_id IS DISTINCT FROM b.booking_id
        LIMIT 100
        """,
    )
