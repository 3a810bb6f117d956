"""The SQL of refunds in cash: owed until somebody of the staff hands them out."""

from dataclasses import dataclass
from uuid import UUID

from kiti.payments.model import RefundStatus
from kiti.platform.db import Conn, fetch_optional


@dataclass(frozen=True, slots=True)
class RefundInCash:
    """A refund and the trip that its payment was for. `gateway`: cash, or it is not in cash."""

    refund_id: UUID
    trip_id: UUID
    gateway: str
    amount_minor: int
    currency: str
    status: RefundStatus


async def find_refund(conn: Conn, *, refund_id: UUID) -> RefundInCash | None:
    """The refund of this id, as it is."""
    return await fetch_optional(
        conn,
        RefundInCash,
        """
        SELECT f.refund_id, p.trip_id, f.gateway, f.amount_minor, f.currency, f.status
        FROM refund AS f
        JOIN payment AS p ON p.payment_id = f.payment_id
        WHERE f.refund_id = $1
        """,
        refund_id,
    )


async def mark_paid_out(conn: Conn, *, refund_id: UUID) -> RefundInCash | None:
    """Say that a refund in cash was handed out; None when it was already. Locks: the refund."""
    return await fetch_optional(
        conn,
        RefundInCash,
        """
        UPDATE refund AS f
        SET status = 'succeeded', given_minor = f.amount_minor, settled_at = clock_timestamp(),
            next_try_at = NULL
        FROM payment AS p
        WHERE f.refund_id = $1 AND f.gateway = 'cash' AND f.status = 'owed'
          AND p.payment_id = f.payment_id
        RETURNING f.refund_id, p.trip_id, f.gateway, f.amount_minor, f.currency, f.status
        """,
        refund_id,
    )
