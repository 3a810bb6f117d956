"""The SQL of the invariant between bookings and money; it reads both slices, and writes neither."""

from kiti.platform.audit import Finding
from kiti.platform.db import Conn, fetch_all


async def wrongly_paid_bookings(conn: Conn) -> list[Finding]:
    """Invariant 2: the money used for a booking is what a confirmed one costs, else nothing.

    A booking that costs nothing needs no money. One cancelled after it was paid keeps what it used
    until its refunds are known here.
    """
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'a booking is confirmed exactly when its money came' AS invariant,
               'booking ' || coalesce(b.booking_id, used.booking_id) AS subject
        FROM (SELECT booking_id, status, total_minor, currency FROM booking) AS b
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
                 coalesce(used.minor, 0) <> b.total_minor
                 OR coalesce(used.currency, b.currency) <> b.currency OR used.currencies > 1))
           OR (b.status IN ('held', 'released', 'expired') AND used.minor > 0)
        LIMIT 100
        """,
    )
