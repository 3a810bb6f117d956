"""The SQL of the invariant between bookings and money; it reads both slices, and writes neither."""

from kiti.platform.audit import Finding
from kiti.platform.db import Conn, fetch_all


async def wrongly_paid_bookings(conn: Conn) -> list[Finding]:
    """Invariant 2: the money used for a booking is what a confirmed one costs, else nothing.

    What came with an exchange is such money too. A booking that costs nothing needs none. One
    cancelled after it was paid keeps what it used until its refunds are known here.
    """
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'a booking is confirmed exactly when its money came' AS invariant,
               'booking ' || coalesce(b.booking_id, used.booking_id) AS subject
        FROM (
          SELECT b.booking_id, b.status, b.total_minor, b.currency,
                 coalesce(x.moved_minor, 0) AS moved_minor
          FROM booking AS b
          LEFT JOIN booking_exchange AS x
            ON x.booking_id = b.booking_id AND x.trip_id = b.trip_id AND x.done_at IS NOT NULL
        ) AS b
        FULL JOIN (
          SELECT p.booking_id, sum(c.applied_minor) AS minor, min(c.currency) AS currency,
                 count(DISTINCT c.currency) AS currencies
          FROM payment AS p
          JOIN payment_receipt AS c ON c.payment_id = p.payment_id
          WHERE c.applied_minor > 0
          GROUP BY p.booking_id
        ) AS used ON used.booking_id = b.booking_id
        WHERE b.booking_id IS NULL
           OR (b.status = 'confirmed' AND (
                 coalesce(used.minor, 0) + b.moved_minor <> b.total_minor
                 OR coalesce(used.currency, b.currency) <> b.currency OR used.currencies > 1))
           OR (b.status IN ('held', 'released', 'expired')
               AND coalesce(used.minor, 0) + b.moved_minor > 0)
        LIMIT 100
        """,
    )


async def unbooked_receipts(conn: Conn) -> list[Finding]:
    """Invariant 3: each receipt stands in the ledger with what it brought and what it paid for."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'a receipt stands in the ledger' AS invariant, 'receipt ' || c.receipt_id AS subject
        FROM payment_receipt AS c
        JOIN payment AS p ON p.payment_id = c.payment_id
        LEFT JOIN ledger_entry AS e
          ON e.source_type = 'receipt' AND e.source_id = c.receipt_id AND e.purpose = 'received'
          AND e.trip_id = p.trip_id
        LEFT JOIN LATERAL (
          SELECT coalesce(sum(l.amount_minor) FILTER (WHERE l.amount_minor > 0), 0) AS came,
                 coalesce(-sum(l.amount_minor) FILTER (WHERE l.kind = 'passenger_funds'), 0)
                   AS funds
          FROM ledger_posting AS l
          WHERE l.entry_id = e.entry_id AND l.trip_id = e.trip_id
        ) AS l ON true
        WHERE e.currency IS DISTINCT FROM c.currency OR l.funds <> c.applied_minor
           OR l.came <> c.amount_minor
        ORDER BY c.receipt_id
        LIMIT 100
        """,
    )


async def misbooked_refunds(conn: Conn) -> list[Finding]:
    """Invariant 3: what the ledger says is owed of a refund is what the gateway has not given."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'the ledger owes what is left of a refund' AS invariant,
               'refund ' || f.refund_id AS subject
        FROM refund AS f
        LEFT JOIN ledger_balance AS b
          ON b.kind = 'refunds_payable' AND b.owner = f.refund_id::text AND b.currency = f.currency
        WHERE coalesce(b.balance_minor, -1) <> f.amount_minor - least(
          coalesce(f.given_minor, CASE WHEN f.status = 'succeeded' THEN f.amount_minor ELSE 0 END),
          f.amount_minor)
        ORDER BY f.refund_id
        LIMIT 100
        """,
    )


async def money_in_suspense(conn: Conn) -> list[Finding]:
    """Invariant 3: what pays for nothing is owed back at once, so nothing stays in suspense."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'nothing stays in suspense' AS invariant, 'receipt ' || owner AS subject
        FROM ledger_balance
        WHERE kind = 'suspense' AND balance_minor <> 0
        ORDER BY owner
        LIMIT 100
        """,
    )


async def misbooked_funds(conn: Conn) -> list[Finding]:
    """Invariants 2 and 3: the funds of a sold booking are the fares of the seats it still has.

    Once its trip has left and they are earned, it has none.
    """
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'the funds of a booking are the fares of its seats' AS invariant,
               'booking ' || b.booking_id AS subject
        FROM booking AS b
        LEFT JOIN ledger_balance AS l
          ON l.kind = 'passenger_funds' AND l.owner = b.booking_id::text
          AND l.currency = b.currency AND l.trip_id = b.trip_id
        LEFT JOIN ledger_entry AS e
          ON e.source_type = 'booking' AND e.source_id = b.booking_id AND e.purpose = 'earned'
          AND e.trip_id = b.trip_id
        CROSS JOIN LATERAL (
          SELECT coalesce(sum(s.fare), 0) AS minor
          FROM unnest(b.seats, b.fares_minor) AS s (seat, fare)
          WHERE s.seat <> ALL (b.cancelled_seats) AND e.entry_id IS NULL
        ) AS due
        WHERE b.status IN ('confirmed', 'cancelled') AND coalesce(l.balance_minor, 0) <> due.minor
        ORDER BY b.booking_id
        LIMIT 100
        """,
    )


async def unearned_departures(conn: Conn) -> list[Finding]:
    """Invariant 6: what was paid for a trip is earned soon after it has left."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'what was paid for a trip that left is earned' AS invariant,
               'booking ' || b.booking_id AS subject
        FROM ledger_balance AS l
        JOIN trip AS t ON t.trip_id = l.trip_id
        JOIN trip_inventory AS inv ON inv.trip_id = l.trip_id
        JOIN booking AS b ON b.trip_id = l.trip_id AND b.booking_id::text = l.owner
        WHERE l.kind = 'passenger_funds' AND l.balance_minor > 0 AND b.status = 'confirmed'
          AND inv.status <> 'cancelled' AND t.starts_at < clock_timestamp() - interval '1 day'
        ORDER BY b.booking_id
        LIMIT 100
        """,
    )


async def misbooked_cancellations(conn: Conn) -> list[Finding]:
    """Invariant 2: what is given back and kept of cancelled seats is what they cost.

    Given back is what is refunded, what became credit, and what paid for another booking.
    """
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'what cancelled seats cost goes back or is kept' AS invariant,
               'cancellation ' || c.cancellation_id AS subject
        FROM cancellation AS c
        LEFT JOIN booking AS b ON b.booking_id = c.booking_id AND b.trip_id = c.trip_id
        CROSS JOIN LATERAL (
          SELECT coalesce(sum(s.fare), 0) AS minor, count(*) AS seats
          FROM unnest(b.seats, b.fares_minor) AS s (seat, fare)
          WHERE s.seat = ANY (c.seats) AND s.seat = ANY (b.cancelled_seats)
        ) AS cost
        CROSS JOIN LATERAL (
          SELECT coalesce(sum(f.amount_minor), 0) AS minor
          FROM refund AS f
          WHERE f.cause_id = c.cancellation_id AND f.currency = c.currency
        ) AS back
        CROSS JOIN LATERAL (
          SELECT coalesce(-sum(l.amount_minor), 0) AS minor
          FROM ledger_entry AS e
          JOIN ledger_posting AS l ON l.entry_id = e.entry_id AND l.trip_id = e.trip_id
          WHERE e.source_type = 'cancellation' AND e.source_id = c.cancellation_id
            AND e.purpose = 'credited' AND e.trip_id = c.trip_id AND l.kind = 'passenger_credit'
        ) AS credited
        CROSS JOIN LATERAL (
          SELECT coalesce(sum(x.moved_minor), 0) AS minor, count(*) AS exchanges
          FROM booking_exchange AS x
          WHERE x.from_booking_id = c.booking_id AND x.exchange_id = c.cancellation_id
            AND x.done_at IS NOT NULL
        ) AS moved
        WHERE cost.minor <> c.amount_minor + c.kept_minor OR cost.seats <> cardinality(c.seats)
           OR back.minor + credited.minor + moved.minor <> c.amount_minor
           OR (c.method = 'EXCHANGE') <> (moved.exchanges = 1)
        ORDER BY c.cancellation_id
        LIMIT 100
        """,
    )


async def unfinished_cancellations(conn: Conn) -> list[Finding]:
    """Invariant 6: the bookings of a cancelled trip end soon."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'the bookings of a cancelled trip end soon' AS invariant,
               'trip ' || trip_id AS subject
        FROM trip_cancellation
        WHERE done_at IS NULL AND cancelled_at < clock_timestamp() - interval '1 hour'
        ORDER BY trip_id
        LIMIT 100
        """,
    )


async def bookings_of_cancelled_trips(conn: Conn) -> list[Finding]:
    """Invariant 2: nothing is held or sold on a trip whose cancellation is done."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'a cancelled trip has no bookings' AS invariant,
               'trip ' || c.trip_id || coalesce(', booking ' || b.booking_id, '') AS subject
        FROM trip_cancellation AS c
        JOIN trip_inventory AS inv ON inv.trip_id = c.trip_id
        LEFT JOIN booking AS b
          ON b.trip_id = c.trip_id AND b.status IN ('held', 'confirmed')
        WHERE c.done_at IS NOT NULL AND (b.booking_id IS NOT NULL OR inv.status <> 'cancelled')
        ORDER BY c.trip_id, b.booking_id
        LIMIT 100
        """,
    )


async def unrefunded_cancellations(conn: Conn) -> list[Finding]:
    """Invariant 2: a booking that ended with its trip keeps nothing; all of its funds go back."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'a booking that ended with its trip is paid back' AS invariant,
               'booking ' || b.booking_id AS subject
        FROM trip_cancellation AS c
        JOIN booking AS b
          ON b.trip_id = c.trip_id AND b.status = 'cancelled' AND b.ended_at >= c.cancelled_at
        LEFT JOIN ledger_balance AS l
          ON l.kind = 'passenger_funds' AND l.owner = b.booking_id::text
          AND l.currency = b.currency AND l.trip_id = b.trip_id
        WHERE coalesce(l.balance_minor, 0) <> 0
           OR (b.total_minor > 0 AND NOT EXISTS (
                 SELECT FROM ledger_posting AS g
                 JOIN ledger_entry AS e ON e.entry_id = g.entry_id AND e.trip_id = g.trip_id
                 WHERE g.kind = 'passenger_funds' AND g.owner = b.booking_id::text
                   AND g.amount_minor > 0 AND e.source_type IN ('refund', 'transfer')))
        ORDER BY b.booking_id
        LIMIT 100
        """,
    )
