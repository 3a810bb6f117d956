"""The SQL of payments, one row an attempt."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from kiti.payments.model import GRACE, WATCH, NewPayment, Payment
from kiti.platform.db import Conn, execute, fetch_all, fetch_one, fetch_optional, fetch_value

# The first look by ourselves: a process that was making the checkout is done or dead by then.
FIRST_POLL: timedelta = timedelta(seconds=60)


async def read_clock(conn: Conn) -> datetime:
    """The database's clock, now."""
    return await fetch_value(conn, "SELECT clock_timestamp()")


async def insert_payment(
    conn: Conn, new: NewPayment, *, count_max: int, within: timedelta
) -> Payment | None:
    """The attempt, `creating`: committed before the gateway hears of it.

    None when the booking has had `count_max` attempts in the time `within`. The caller holds the
    booking's lock, so that the count is exact.
    """
    return await fetch_optional(
        conn,
        Payment,
        """
        INSERT INTO payment (
          payment_id, reference, booking_id, trip_id, holder_id, gateway, method, amount_minor,
          currency, status, key_digest, created_at, expires_at, gives_up_at, watch_until,
          next_poll_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, 'creating', $10, t.now, $11::timestamptz,
               $11 + $12::interval, greatest($11 + $12, t.now + $13::interval),
               t.now + $14::interval
        FROM (SELECT clock_timestamp() AS now) AS t
        WHERE (SELECT count(*) FROM payment AS p
               WHERE p.booking_id = $3 AND p.created_at > t.now - $16::interval) < $15
        RETURNING payment_id, reference, booking_id, trip_id, holder_id, gateway, method,
                  amount_minor, currency, status, redirect_url, gateway_id, created_at, expires_at,
                  created_at AS now
        """,
        new.payment_id,
        new.reference,
        new.booking_id,
        new.trip_id,
        new.holder_id,
        new.gateway,
        new.method.value,
        new.money.amount_minor,
        new.money.currency,
        new.key_digest,
        new.expires_at,
        GRACE,
        WATCH,
        FIRST_POLL,
        count_max,
        within,
    )


async def insert_taken(conn: Conn, new: NewPayment) -> Payment:
    """A payment that is over as it begins: its money is here. Nobody is asked about it."""
    return await fetch_one(
        conn,
        Payment,
        """
        INSERT INTO payment (
          payment_id, reference, booking_id, trip_id, holder_id, gateway, method, amount_minor,
          currency, status, key_digest, created_at, expires_at, gives_up_at, watch_until,
          settled_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, 'succeeded', $10, t.now, t.now, t.now, t.now,
               t.now
        FROM (SELECT clock_timestamp() AS now) AS t
        RETURNING payment_id, reference, booking_id, trip_id, holder_id, gateway, method,
                  amount_minor, currency, status, redirect_url, gateway_id, created_at, expires_at,
                  created_at AS now
        """,
        new.payment_id,
        new.reference,
        new.booking_id,
        new.trip_id,
        new.holder_id,
        new.gateway,
        new.method.value,
        new.money.amount_minor,
        new.money.currency,
        new.key_digest,
    )


async def get_payment(conn: Conn, *, payment_id: UUID) -> Payment:
    """The payment, as it is."""
    return await fetch_one(
        conn,
        Payment,
        """
        SELECT payment_id, reference, booking_id, trip_id, holder_id, gateway, method, amount_minor,
               currency, status, redirect_url, gateway_id, created_at, expires_at,
               clock_timestamp() AS now
        FROM payment
        WHERE payment_id = $1
        """,
        payment_id,
    )


async def room_in_s(conn: Conn, *, booking_id: UUID, count_max: int, within: timedelta) -> int:
    """Whole seconds, 1 at least, until the booking may have one more attempt."""
    return await fetch_value(
        conn,
        """
        SELECT greatest(1, ceil(extract(epoch FROM min(created_at) + $3 - clock_timestamp())))::int
        FROM (
          SELECT created_at
          FROM payment
          WHERE booking_id = $1
          ORDER BY created_at DESC
          LIMIT $2
        ) AS latest
        """,
        booking_id,
        count_max,
        within,
    )


async def lock_open_payment(conn: Conn, *, booking_id: UUID) -> Payment | None:
    """The booking's open attempt, its row locked; None when there is none.

    Locks: the payment, under the booking's lock, which the caller holds.
    """
    return await fetch_optional(
        conn,
        Payment,
        """
        SELECT payment_id, reference, booking_id, trip_id, holder_id, gateway, method, amount_minor,
               currency, status, redirect_url, gateway_id, created_at, expires_at,
               clock_timestamp() AS now
        FROM payment
        WHERE booking_id = $1 AND status IN ('creating', 'open')
        FOR NO KEY UPDATE
        """,
        booking_id,
    )


async def find_payment(
    conn: Conn, *, reference: str, holder_id: UUID | None = None
) -> Payment | None:
    """The payment of this reference, and of this holder where one is given."""
    return await fetch_optional(
        conn,
        Payment,
        """
        SELECT payment_id, reference, booking_id, trip_id, holder_id, gateway, method, amount_minor,
               currency, status, redirect_url, gateway_id, created_at, expires_at,
               clock_timestamp() AS now
        FROM payment
        WHERE reference = $1 AND ($2::uuid IS NULL OR holder_id = $2)
        """,
        reference,
        holder_id,
    )


async def find_payment_by_key(conn: Conn, *, key_digest: bytes, kept: timedelta) -> Payment | None:
    """The latest payment that this idempotency key began, no longer than `kept` ago."""
    return await fetch_optional(
        conn,
        Payment,
        """
        SELECT payment_id, reference, booking_id, trip_id, holder_id, gateway, method, amount_minor,
               currency, status, redirect_url, gateway_id, created_at, expires_at,
               clock_timestamp() AS now
        FROM payment
        WHERE key_digest = $1 AND created_at > clock_timestamp() - $2::interval
        ORDER BY created_at DESC
        LIMIT 1
        """,
        key_digest,
        kept,
    )


async def list_payments(conn: Conn, *, booking_ids: Sequence[UUID]) -> list[Payment]:
    """The payments of these bookings, the oldest first; of each the newest 100 at most."""
    return await fetch_all(
        conn,
        Payment,
        """
        SELECT p.payment_id, p.reference, p.booking_id, p.trip_id, p.holder_id, p.gateway, p.method,
               p.amount_minor, p.currency, p.status, p.redirect_url, p.gateway_id, p.created_at,
               p.expires_at, clock_timestamp() AS now
        FROM unnest($1::uuid[]) AS b (booking_id)
        CROSS JOIN LATERAL (
          SELECT payment_id, reference, booking_id, trip_id, holder_id, gateway, method,
                 amount_minor, currency, status, redirect_url, gateway_id, created_at, expires_at
          FROM payment
          WHERE payment.booking_id = b.booking_id
          ORDER BY payment_id DESC
          LIMIT 100
        ) AS p
        ORDER BY p.booking_id, p.payment_id
        """,
        list(booking_ids),
    )


@dataclass(frozen=True, slots=True)
class CancelledRow:
    """A payment that was closed; `gateway_id`: of its page, where the gateway names one."""

    payment_id: UUID
    gateway_id: str | None


async def mark_open(
    conn: Conn, *, payment_id: UUID, redirect_url: str, gateway_id: str | None
) -> None:
    """The gateway has a checkout for it; one that has moved on meanwhile stays as it is.

    The gateway's name of the checkout is kept in any case: it may have to be closed.
    """
    await execute(
        conn,
        """
        UPDATE payment
        SET status = CASE WHEN status = 'creating' THEN 'open' ELSE status END,
            redirect_url = CASE WHEN status = 'creating' THEN $2 ELSE redirect_url END,
            gateway_id = $3
        WHERE payment_id = $1 AND (status = 'creating' OR $3::text IS NOT NULL)
        """,
        payment_id,
        redirect_url,
        gateway_id,
    )


async def mark_unknown(conn: Conn, *, payment_id: UUID) -> bool:
    """Nobody knows whether the gateway has a checkout for it; False when it has moved on."""
    changed = await execute(
        conn,
        "UPDATE payment SET status = 'unknown' WHERE payment_id = $1 AND status = 'creating'",
        payment_id,
    )
    return changed == 1


async def end_payment(
    conn: Conn, *, payment_id: UUID, status: Literal["failed", "cancelled", "expired"]
) -> bool:
    """End a pending payment without money; False when it is not pending any more."""
    changed = await execute(
        conn,
        """
        UPDATE payment
        SET status = $2
        WHERE payment_id = $1 AND status IN ('creating', 'open', 'unknown')
        """,
        payment_id,
        status,
    )
    return changed == 1


async def cancel_pending(conn: Conn, *, booking_id: UUID, but: UUID | None) -> list[CancelledRow]:
    """Close the booking's pending payments, all `but` one; they stay watched."""
    return await fetch_all(
        conn,
        CancelledRow,
        """
        UPDATE payment
        SET status = 'cancelled'
        WHERE booking_id = $1 AND payment_id IS DISTINCT FROM $2::uuid
          AND status IN ('creating', 'open', 'unknown')
        RETURNING payment_id, gateway_id
        """,
        booking_id,
        but,
    )


async def mark_succeeded(conn: Conn, *, payment_id: UUID) -> bool:
    """Money came, whatever it was before; False when that was known.

    It is asked about again after its link's end: the reference could be paid twice.
    """
    changed = await execute(
        conn,
        """
        UPDATE payment
        SET status = 'succeeded', settled_at = clock_timestamp(),
            next_poll_at = greatest(gives_up_at, clock_timestamp() + $2::interval)
        WHERE payment_id = $1 AND status <> 'succeeded'
        """,
        payment_id,
        GRACE,
    )
    return changed == 1


async def claim_ask(conn: Conn, *, payment_id: UUID, every_s: int) -> bool:
    """Whether the caller is the one to ask the gateway now, once in `every_s` seconds."""
    changed = await execute(
        conn,
        """
        UPDATE payment
        SET asked_at = clock_timestamp()
        WHERE payment_id = $1 AND status IN ('creating', 'open', 'unknown')
          AND (asked_at IS NULL OR asked_at <= clock_timestamp() - make_interval(secs => $2))
        """,
        payment_id,
        every_s,
    )
    return changed == 1
