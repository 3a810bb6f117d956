"""The SQL of disputes: what payers' banks ask for, and the refunds that wait for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from kiti.payments.model import Dispute, DisputeState, RefundStatus
from kiti.platform.audit import Finding
from kiti.platform.db import Conn, execute, fetch_all, fetch_optional, fetch_value


@dataclass(frozen=True, slots=True)
class KnownDispute:
    """A dispute as it was last heard of."""

    gateway_dispute_id: str
    status: DisputeState


@dataclass(frozen=True, slots=True)
class RefundAtStake:
    """A refund that is owed, its receipt locked. `rest_minor`: what has not gone back of it.

    `is_sent`: it may have reached the gateway. `is_disputed`: the payer's bank has taken the money
    of the receipt and has not decided.
    """

    refund_id: UUID
    receipt_id: UUID
    gateway: str
    status: RefundStatus
    amount_minor: int
    rest_minor: int
    currency: str
    looks: int
    is_sent: bool
    is_disputed: bool


async def look_since(conn: Conn, *, gateway: str, back: timedelta, back_max: timedelta) -> datetime:
    """Since when disputes are to be listed: so far `back`, or to the oldest that has not ended."""
    return await fetch_value(
        conn,
        """
        SELECT greatest(
                 least(t.now - $2::interval, min(d.opened_at) - interval '1 hour'),
                 t.now - $3::interval)
        FROM (SELECT clock_timestamp() AS now) AS t
        LEFT JOIN dispute AS d ON d.gateway = $1 AND d.ended_at IS NULL
        GROUP BY t.now
        """,
        gateway,
        back,
        back_max,
    )


async def list_known(
    conn: Conn, *, gateway: str, gateway_dispute_ids: Sequence[str]
) -> list[KnownDispute]:
    """Which of a gateway's disputes are known here."""
    return await fetch_all(
        conn,
        KnownDispute,
        """
        SELECT gateway_dispute_id, status
        FROM dispute
        WHERE gateway = $1 AND gateway_dispute_id = ANY ($2)
        """,
        gateway,
        list(gateway_dispute_ids),
    )


async def insert_dispute(conn: Conn, dispute: Dispute) -> bool:
    """Keep a dispute, with what had gone back of its receipt; False when it is here already.

    The caller holds the receipt's lock.
    """
    inserted = await fetch_value(
        conn,
        """
        INSERT INTO dispute (
          dispute_id, receipt_id, payment_id, gateway, gateway_dispute_id, amount_minor, currency,
          status, reason, opened_at, due_at, given_minor, learned_at, taken_at, ended_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
               (SELECT coalesce(sum(f.given_minor), 0) FROM refund AS f WHERE f.receipt_id = $2),
               t.now,
               CASE WHEN $8 NOT IN ('inquiry', 'closed') THEN t.now END,
               CASE WHEN $8 IN ('won', 'lost', 'closed') THEN t.now END
        FROM (SELECT clock_timestamp() AS now) AS t
        ON CONFLICT (gateway, gateway_dispute_id) DO NOTHING
        RETURNING true
        """,
        dispute.dispute_id,
        dispute.receipt_id,
        dispute.payment_id,
        dispute.gateway,
        dispute.gateway_dispute_id,
        dispute.amount_minor,
        dispute.currency,
        dispute.status,
        dispute.reason,
        dispute.opened_at,
        dispute.due_at,
    )
    return bool(inserted)


async def lock_dispute(conn: Conn, *, gateway: str, gateway_dispute_id: str) -> Dispute | None:
    """The dispute, as it is. Locks: it, after its receipt."""
    return await fetch_optional(
        conn,
        Dispute,
        """
        SELECT dispute_id, receipt_id, payment_id, gateway, gateway_dispute_id, amount_minor,
               currency, status, reason, opened_at, due_at
        FROM dispute
        WHERE gateway = $1 AND gateway_dispute_id = $2
        FOR NO KEY UPDATE
        """,
        gateway,
        gateway_dispute_id,
    )


async def move_dispute(
    conn: Conn,
    *,
    dispute_id: UUID,
    before: DisputeState,
    after: DisputeState,
    due_at: datetime | None,
) -> bool:
    """What the gateway says of it now; False when it is not as it was `before` any more."""
    changed = await execute(
        conn,
        """
        UPDATE dispute AS d
        SET status = $3, due_at = $4,
            taken_at = CASE WHEN $3 NOT IN ('inquiry', 'closed')
                         THEN coalesce(d.taken_at, t.now) ELSE d.taken_at END,
            ended_at = CASE WHEN $3 IN ('won', 'lost', 'closed') THEN t.now END
        FROM (SELECT clock_timestamp() AS now) AS t
        WHERE d.dispute_id = $1 AND d.status = $2
        """,
        dispute_id,
        before,
        after,
        due_at,
    )
    return changed == 1


async def list_unfinished_refunds(conn: Conn, *, receipt_id: UUID) -> list[UUID]:
    """The refunds of a receipt that still have to go back."""
    return await fetch_value(
        conn,
        """
        SELECT coalesce(array_agg(refund_id ORDER BY refund_id), '{}')
        FROM refund
        WHERE receipt_id = $1 AND status IN ('owed', 'sending', 'failed')
        """,
        receipt_id,
    )


async def find_unsent(conn: Conn, *, refund_id: UUID) -> str | None:
    """The gateway of a refund that surely was never sent; None for any other."""
    return await fetch_value(
        conn,
        "SELECT gateway FROM refund"
        " WHERE refund_id = $1 AND sent_at IS NULL AND status <> 'succeeded'",
        refund_id,
    )


async def lock_stake(conn: Conn, *, refund_id: UUID) -> RefundAtStake | None:
    """A refund that is about to be sent; None when it has succeeded.

    Locks: its receipt, so that no dispute of it is noted meanwhile.
    """
    return await fetch_optional(
        conn,
        RefundAtStake,
        """
        SELECT f.refund_id, f.receipt_id, f.gateway, f.status, f.amount_minor,
               f.amount_minor - coalesce(f.given_minor, 0) AS rest_minor, f.currency, f.looks,
               f.sent_at IS NOT NULL AS is_sent,
               EXISTS (
                 SELECT FROM dispute AS d
                 WHERE d.receipt_id = f.receipt_id
                   AND d.status IN ('needs_response', 'under_review')) AS is_disputed
        FROM refund AS f
        JOIN payment_receipt AS c ON c.receipt_id = f.receipt_id
        WHERE f.refund_id = $1 AND f.status <> 'succeeded'
        FOR NO KEY UPDATE OF c
        """,
        refund_id,
    )


async def put_off_refund(conn: Conn, *, refund_id: UUID, delay_s: float | None) -> None:
    """Give it back unsent, to be looked at in `delay_s` seconds; None: by hand only."""
    await execute(
        conn,
        """
        UPDATE refund
        SET leased_until = NULL, looks = looks + 1,
            next_try_at = clock_timestamp() + make_interval(secs => $2)
        WHERE refund_id = $1 AND status <> 'succeeded'
        """,
        refund_id,
        delay_s,
    )


async def cover(conn: Conn, *, receipt_id: UUID, currency: str, amount_minor: int) -> str | None:
    """Take so much of a lost dispute of the receipt; its id at the gateway, or None: none has it.

    Locks: the dispute, after its receipt.
    """
    return await fetch_value(
        conn,
        """
        UPDATE dispute
        SET covered_minor = covered_minor + $3
        WHERE dispute_id = (
          SELECT dispute_id
          FROM dispute
          WHERE receipt_id = $1 AND status = 'lost' AND currency = $2
            AND covered_minor + $3 <= amount_minor
          ORDER BY dispute_id
          LIMIT 1)
        RETURNING gateway_dispute_id
        """,
        receipt_id,
        currency,
        amount_minor,
    )


async def has_lost(conn: Conn, *, receipt_id: UUID) -> bool:
    """Whether the payer's bank kept money of this receipt that no refund was set against."""
    found = await fetch_value(
        conn,
        "SELECT true FROM dispute"
        " WHERE receipt_id = $1 AND status = 'lost' AND covered_minor < amount_minor LIMIT 1",
        receipt_id,
    )
    return bool(found)


async def lock_paid(conn: Conn, *, booking_ids: Sequence[UUID]) -> int:
    """Lock what was received for these bookings; how many receipts."""
    return await execute(
        conn,
        """
        SELECT c.receipt_id
        FROM payment_receipt AS c
        JOIN payment AS p ON p.payment_id = c.payment_id
        WHERE p.booking_id = ANY ($1::uuid[])
        ORDER BY c.receipt_id
        FOR NO KEY UPDATE OF c
        """,
        list(booking_ids),
    )


async def is_disputed(conn: Conn, *, booking_ids: Sequence[UUID]) -> bool:
    """Whether a bank has taken money that paid for these bookings, and has not given it back."""
    return await fetch_value(
        conn,
        """
        SELECT EXISTS (
          SELECT FROM dispute AS d
          JOIN payment AS p ON p.payment_id = d.payment_id
          WHERE p.booking_id = ANY ($1::uuid[])
            AND d.status IN ('needs_response', 'under_review', 'lost'))
        """,
        list(booking_ids),
    )


async def unsettled_disputes(conn: Conn) -> list[Finding]:
    """Invariant 3: what a bank has taken and not decided about is held in the ledger, and no more.

    A dispute that took money and ended without a verdict is among them: a person must look.
    """
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'the ledger holds what is disputed' AS invariant,
               'dispute ' || d.dispute_id AS subject
        FROM dispute AS d
        LEFT JOIN LATERAL (
          SELECT sum(l.amount_minor) AS minor
          FROM ledger_posting AS l
          WHERE l.kind = 'dispute_hold' AND l.owner = d.dispute_id::text
        ) AS held ON true
        WHERE coalesce(held.minor, 0) <> CASE
          WHEN d.status IN ('needs_response', 'under_review') THEN d.amount_minor ELSE 0 END
        ORDER BY d.dispute_id
        LIMIT 100
        """,
    )


async def refunds_of_disputed(conn: Conn) -> list[Finding]:
    """Invariant 2: nothing is sent back while the payer's bank has the money too."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'no money goes back while it is disputed' AS invariant,
               'refund ' || f.refund_id AS subject
        FROM dispute AS d
        JOIN refund AS f ON f.receipt_id = d.receipt_id
        WHERE f.sent_at > d.taken_at AND (d.ended_at IS NULL OR f.sent_at < d.ended_at)
        ORDER BY f.refund_id
        LIMIT 100
        """,
    )
