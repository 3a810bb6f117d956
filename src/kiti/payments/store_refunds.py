"""The SQL of refunds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kiti.payments.model import Receipt, Refund, RefundStatus
from kiti.platform.db import Conn, execute, fetch_all, fetch_optional, fetch_value


@dataclass(frozen=True, slots=True)
class TakenRefund:
    """A refund under one sender's lease.

    `before`: its status when it was taken. `sent_before`: when it may have reached the gateway
    earlier; None: surely never. ``now`: the database's clock.
    """

    refund_id: UUID
    gateway: str
    gateway_transaction_id: str
    gateway_refund_id: str | None
    amount_minor: int
    currency: str
    given_minor: int | None
    before: RefundStatus
    sent_before: datetime | None
    created_at: datetime
    tries: int
    looks: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Given:
    """How a gateway's word moved what it has given back of a refund, in minor units.

    `looks`: how often it was looked at so far; a look moves it once.
    """

    refund_id: UUID
    trip_id: UUID
    gateway: str
    currency: str
    amount_minor: int
    looks: int
    before_minor: int
    after_minor: int


async def insert_refund(
    conn: Conn,
    *,
    refund_id: UUID,
    receipt: Receipt,
    reason: str,
    cause_id: UUID,
    amount_minor: int,
    is_sent: bool,
) -> bool:
    """Owe a refund; False when this receipt has one for this reason and cause.

    `is_sent`: a job sends it and looks after it; else it waits for a person.
    """
    inserted = await fetch_value(
        conn,
        """
        INSERT INTO refund (
          refund_id, receipt_id, payment_id, gateway, reason, amount_minor, currency, cause_id,
          created_at, next_try_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, t.now,
               CASE WHEN $9 THEN t.now + interval '1 minute' ELSE 'infinity' END
        FROM (SELECT clock_timestamp() AS now) AS t
        ON CONFLICT (receipt_id, reason, cause_id) DO NOTHING
        RETURNING true
        """,
        refund_id,
        receipt.receipt_id,
        receipt.payment_id,
        receipt.gateway,
        reason,
        amount_minor,
        receipt.currency,
        cause_id,
        is_sent,
    )
    return bool(inserted)


async def take_refund(conn: Conn, *, refund_id: UUID, lease_s: int) -> TakenRefund | None:
    """Lease an unfinished refund, and say that it is being sent if it never was.

    One that succeeded too, when its turn to be looked for once more has come. None when it is
    finished, or another sender has it.
    """
    return await fetch_optional(
        conn,
        TakenRefund,
        """
        UPDATE refund AS r
        SET leased_until = due.now + make_interval(secs => $2),
            looks = r.looks + 1,
            status = CASE WHEN due.sent_at IS NULL THEN 'sending' ELSE r.status END,
            tries = CASE WHEN due.sent_at IS NULL THEN r.tries + 1 ELSE r.tries END,
            sent_at = coalesce(due.sent_at, due.now)
        FROM (
          SELECT f.refund_id, f.status, f.sent_at, c.gateway_transaction_id, t.now
          FROM refund AS f
          JOIN payment_receipt AS c ON c.receipt_id = f.receipt_id
          CROSS JOIN (SELECT clock_timestamp() AS now) AS t
          WHERE f.refund_id = $1 AND (f.status <> 'succeeded' OR f.next_try_at <= t.now)
            AND f.next_try_at IS DISTINCT FROM 'infinity'
            AND (f.leased_until IS NULL OR f.leased_until <= t.now)
          FOR NO KEY UPDATE OF f
        ) AS due
        WHERE r.refund_id = due.refund_id
        RETURNING r.refund_id, r.gateway, due.gateway_transaction_id, r.gateway_refund_id,
                  r.amount_minor, r.currency, r.given_minor, due.status AS before,
                  due.sent_at AS sent_before, r.created_at, r.tries, r.looks, due.now
        """,
        refund_id,
        lease_s,
    )


async def mark_sent_again(conn: Conn, *, refund_id: UUID) -> bool:
    """Say, before it is, that it is sent once more; False when the lease has run out."""
    changed = await execute(
        conn,
        """
        UPDATE refund
        SET status = 'sending', sent_at = clock_timestamp(), tries = tries + 1,
            gateway_refund_id = NULL
        WHERE refund_id = $1 AND status <> 'succeeded' AND leased_until > clock_timestamp()
        """,
        refund_id,
    )
    return changed == 1


async def put_back_refund(
    conn: Conn, *, refund_id: UUID, status: RefundStatus, delay_s: float | None
) -> None:
    """Give the lease back with a state, looked at in `delay_s` seconds; None: by hand only."""
    await execute(
        conn,
        """
        UPDATE refund
        SET status = $2, leased_until = NULL,
            next_try_at = clock_timestamp() + make_interval(secs => $3)
        WHERE refund_id = $1 AND status <> 'succeeded'
        """,
        refund_id,
        status,
        delay_s,
    )


async def unsend_refund(
    conn: Conn, *, refund_id: UUID, sent_before: datetime | None, is_try: bool
) -> None:
    """The last sending surely had no effect: back to when it was sent before that.

    `is_try`: it counts as a try all the same, since the gateway has refused it.
    """
    await execute(
        conn,
        """
        UPDATE refund
        SET sent_at = $2, tries = CASE WHEN $3 THEN tries ELSE greatest(tries - 1, 0) END
        WHERE refund_id = $1 AND status <> 'succeeded'
        """,
        refund_id,
        sent_before,
        is_try,
    )


async def record_refund(
    conn: Conn,
    *,
    refund_id: UUID,
    status: RefundStatus,
    gateway_refund_id: str | None,
    given_minor: int | None,
    delay_s: float | None,
) -> Given | None:
    """What the gateway says of it, and how that moved what was given; None: it has succeeded.

    Locks: the refund.
    """
    return await fetch_optional(
        conn,
        Given,
        """
        UPDATE refund AS r
        SET status = $2, gateway_refund_id = coalesce($3, r.gateway_refund_id), leased_until = NULL,
            given_minor = coalesce($4, r.given_minor),
            settled_at = CASE WHEN $2 = 'succeeded' THEN clock_timestamp() END,
            next_try_at = clock_timestamp() + make_interval(secs => $5)
        FROM (
          SELECT f.refund_id, p.trip_id, coalesce(f.given_minor, 0) AS before_minor
          FROM refund AS f
          JOIN payment AS p ON p.payment_id = f.payment_id
          WHERE f.refund_id = $1 AND f.status <> 'succeeded'
          FOR NO KEY UPDATE OF f
        ) AS was
        WHERE r.refund_id = was.refund_id
        RETURNING r.refund_id, was.trip_id, r.gateway, r.currency, r.amount_minor, r.looks,
                  was.before_minor, coalesce(r.given_minor, 0) AS after_minor
        """,
        refund_id,
        status,
        gateway_refund_id,
        given_minor,
        delay_s,
    )


async def record_look(
    conn: Conn, *, refund_id: UUID, given_minor: int | None, delay_s: float | None
) -> Given | None:
    """What a later look at a refund that has succeeded found; `delay_s` None: no more looks.

    Locks: the refund.
    """
    return await fetch_optional(
        conn,
        Given,
        """
        UPDATE refund AS r
        SET given_minor = coalesce($2, r.given_minor), leased_until = NULL,
            next_try_at = clock_timestamp() + make_interval(secs => $3)
        FROM (
          SELECT f.refund_id, p.trip_id, coalesce(f.given_minor, f.amount_minor) AS before_minor
          FROM refund AS f
          JOIN payment AS p ON p.payment_id = f.payment_id
          WHERE f.refund_id = $1 AND f.status = 'succeeded'
          FOR NO KEY UPDATE OF f
        ) AS was
        WHERE r.refund_id = was.refund_id
        RETURNING r.refund_id, was.trip_id, r.gateway, r.currency, r.amount_minor, r.looks,
                  was.before_minor, coalesce(r.given_minor, was.before_minor) AS after_minor
        """,
        refund_id,
        given_minor,
        delay_s,
    )


async def list_due_refunds(conn: Conn, *, limit: int, is_by_hand: bool) -> list[UUID]:
    """Refunds to be looked at, the longest waiting first; by hand all unfinished that are sent.

    One that succeeded is among them only when it is due: it is looked for once more.
    """
    return await fetch_value(
        conn,
        """
        SELECT coalesce(array_agg(refund_id ORDER BY next_try_at NULLS LAST, refund_id), '{}')
        FROM (
          SELECT refund_id, next_try_at
          FROM refund
          WHERE next_try_at <= clock_timestamp()
             OR ($2 AND status <> 'succeeded' AND next_try_at IS DISTINCT FROM 'infinity')
          ORDER BY next_try_at NULLS LAST, refund_id
          LIMIT $1
        ) AS due
        """,
        limit,
        is_by_hand,
    )


async def has_refund(conn: Conn, *, refund_id: UUID, gateway: str) -> bool:
    """Whether a refund of this id is ours, at this gateway."""
    found = await fetch_value(
        conn, "SELECT true FROM refund WHERE refund_id = $1 AND gateway = $2", refund_id, gateway
    )
    return bool(found)


async def list_refunds(conn: Conn, *, payment_ids: Sequence[UUID]) -> list[Refund]:
    """The refunds of these payments, the oldest first; of each 100 at most."""
    return await fetch_all(
        conn,
        Refund,
        """
        SELECT r.refund_id, r.receipt_id, r.payment_id, r.reason, r.amount_minor, r.currency,
               r.status, r.created_at
        FROM unnest($1::uuid[]) AS p (payment_id)
        CROSS JOIN LATERAL (
          SELECT refund_id, receipt_id, payment_id, reason, amount_minor, currency, status,
                 created_at
          FROM refund
          WHERE refund.payment_id = p.payment_id
          ORDER BY refund_id
          LIMIT 100
        ) AS r
        ORDER BY r.payment_id, r.refund_id
        """,
        list(payment_ids),
    )
