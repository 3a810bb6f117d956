"""The SQL of this slice's invariants: each returns what breaks it."""

from kiti.platform.audit import Finding
from kiti.platform.db import Conn, fetch_all


async def unused_money(conn: Conn) -> list[Finding]:
    """Invariant 2: each part of what was received pays for a booking or is owed back."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'money received is used or owed back' AS invariant,
               'receipt ' || receipt_id || ' of payment ' || payment_id AS subject
        FROM payment_receipt
        WHERE applied_minor + refunded_minor < amount_minor
        ORDER BY receipt_id
        LIMIT 100
        """,
    )


async def wrong_refund_sums(conn: Conn) -> list[Finding]:
    """Invariant 2: what a receipt counts as going back are its refunds, in its currency."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'refunds of a receipt are what it counts, and never more than came' AS invariant,
               'receipt ' || c.receipt_id AS subject
        FROM payment_receipt AS c
        LEFT JOIN LATERAL (
          SELECT coalesce(sum(r.amount_minor), 0) AS minor,
                 coalesce(bool_or(r.currency <> c.currency OR r.payment_id <> c.payment_id), false)
                   AS is_foreign
          FROM refund AS r
          WHERE r.receipt_id = c.receipt_id
        ) AS r ON true
        WHERE r.minor <> c.refunded_minor OR r.minor > c.amount_minor OR r.is_foreign
        ORDER BY c.receipt_id
        LIMIT 100
        """,
    )


async def unreceived_successes(conn: Conn) -> list[Finding]:
    """Invariant 2: a payment has succeeded exactly when money came (or none was wanted)."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'a payment succeeded exactly when its money came' AS invariant,
               'payment ' || p.payment_id AS subject
        FROM payment AS p
        WHERE (p.status = 'succeeded') <> (
            p.amount_minor = 0
            OR EXISTS (SELECT 1 FROM payment_receipt AS c WHERE c.payment_id = p.payment_id))
        ORDER BY p.payment_id
        LIMIT 100
        """,
    )


async def double_uses(conn: Conn) -> list[Finding]:
    """Invariant 4: a booking is paid once; a second payment of it goes back."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'a booking is paid once' AS invariant, 'booking ' || p.booking_id AS subject
        FROM payment_receipt AS c
        JOIN payment AS p ON p.payment_id = c.payment_id
        WHERE c.applied_minor > 0
        GROUP BY p.booking_id
        HAVING count(*) > 1
        ORDER BY p.booking_id
        LIMIT 100
        """,
    )


async def double_checkouts(conn: Conn) -> list[Finding]:
    """Invariant 4: one checkout for each idempotency key, as long as a key is kept."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'one checkout for each idempotency key' AS invariant,
               'payments ' || a.payment_id || ' and ' || b.payment_id AS subject
        FROM payment AS a
        JOIN payment AS b ON b.key_digest = a.key_digest AND b.payment_id > a.payment_id
        WHERE b.created_at < a.created_at + interval '24 hours'
        ORDER BY a.payment_id, b.payment_id
        LIMIT 100
        """,
    )


async def overdue_payments(conn: Conn) -> list[Finding]:
    """Invariant 6: no payment is pending an hour past its gateway's expiry and grace."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'no payment is pending past its gateway''s expiry and grace' AS invariant,
               'payment ' || payment_id AS subject
        FROM payment
        WHERE status IN ('creating', 'open', 'unknown')
          AND gives_up_at < clock_timestamp() - interval '1 hour'
        ORDER BY payment_id
        LIMIT 100
        """,
    )


async def unwatched_payments(conn: Conn) -> list[Finding]:
    """Invariant 6: a payment that may still bring money is asked about to the end of its week."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'a payment is watched' AS invariant, 'payment ' || payment_id AS subject
        FROM payment
        WHERE (next_poll_at IS NULL AND amount_minor > 0
               AND (watch_until > clock_timestamp()
                    OR status IN ('creating', 'open', 'unknown')))
           OR next_poll_at < clock_timestamp() - interval '1 hour'
        ORDER BY payment_id
        LIMIT 100
        """,
    )


async def stuck_refunds(conn: Conn) -> list[Finding]:
    """Invariant 6: a refund that is owed moves on, or waits for a person who is told here."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'a refund that is owed moves on' AS invariant, 'refund ' || refund_id AS subject
        FROM refund
        WHERE status <> 'succeeded'
          AND (next_try_at IS NULL OR next_try_at < clock_timestamp() - interval '1 hour')
          AND coalesce(leased_until, '-infinity') < clock_timestamp()
        ORDER BY refund_id
        LIMIT 100
        """,
    )


async def wrongly_given(conn: Conn) -> list[Finding]:
    """Invariant 2: by the gateway's own figures, as much went back as was owed."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'as much went back as was owed' AS invariant,
               'refund ' || refund_id || ' of ' || amount_minor || ' ' || currency || ': '
               || given_minor || ' went back' AS subject
        FROM refund
        WHERE status = 'succeeded' AND given_minor <> amount_minor
        ORDER BY refund_id
        LIMIT 100
        """,
    )


async def lost_refunds(conn: Conn) -> list[Finding]:
    """Invariant 6: a day after it was sent, it is known what became of a refund."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'a refund that was sent is found' AS invariant, 'refund ' || refund_id AS subject
        FROM refund
        WHERE status = 'sending' AND sent_at < clock_timestamp() - interval '1 day'
        ORDER BY refund_id
        LIMIT 100
        """,
    )


async def stuck_events(conn: Conn) -> list[Finding]:
    """Invariant 6: an event that was kept is dealt with."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'an event that was kept is dealt with' AS invariant, 'event ' || event_id AS subject
        FROM webhook_event
        WHERE state = 'queued' AND received_at < clock_timestamp() - interval '1 hour'
        ORDER BY event_id
        LIMIT 100
        """,
    )
