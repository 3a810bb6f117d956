"""The SQL of refunds that somebody made at the gateway's own pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from kiti.payments.model import Receipt, RefundStatus
from kiti.platform.db import Conn, fetch_all, fetch_value


@dataclass(frozen=True, slots=True)
class RefundOfReceipt:
    """A refund of a receipt, locked. `is_leased`: a sender has it."""

    refund_id: UUID
    status: RefundStatus
    amount_minor: int
    given_minor: int | None
    is_leased: bool


async def list_known(conn: Conn, *, gateway: str, gateway_refund_ids: Sequence[str]) -> list[str]:
    """Which of a gateway's refunds are refunds here."""
    return await fetch_value(
        conn,
        """
        SELECT coalesce(array_agg(gateway_refund_id), '{}')
        FROM refund
        WHERE gateway = $1 AND gateway_refund_id = ANY ($2)
        """,
        gateway,
        list(gateway_refund_ids),
    )


async def lock_refunds(conn: Conn, *, receipt_id: UUID) -> list[RefundOfReceipt]:
    """All refunds of a receipt. Locks: them, after the receipt."""
    return await fetch_all(
        conn,
        RefundOfReceipt,
        """
        SELECT refund_id, status, amount_minor, given_minor,
               coalesce(leased_until > clock_timestamp(), false) AS is_leased
        FROM refund
        WHERE receipt_id = $1
        ORDER BY refund_id
        FOR NO KEY UPDATE
        """,
        receipt_id,
    )


async def insert_adopted(
    conn: Conn,
    *,
    refund_id: UUID,
    receipt: Receipt,
    reason: str,
    cause_id: UUID,
    amount_minor: int,
    gateway_refund_id: str,
) -> bool:
    """A refund that is done already; False when this one is here."""
    inserted = await fetch_value(
        conn,
        """
        INSERT INTO refund (
          refund_id, receipt_id, payment_id, gateway, reason, amount_minor, currency, status,
          gateway_refund_id, given_minor, created_at, settled_at, cause_id)
        SELECT $1, $2, $3, $4, $5, $6, $7, 'succeeded', $8, $6, t.now, t.now, $9
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
        gateway_refund_id,
        cause_id,
    )
    return bool(inserted)
