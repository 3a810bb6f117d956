"""The SQL of receipts: what gateways received for us."""

from collections.abc import Sequence
from uuid import UUID

from kiti.payments.model import Receipt
from kiti.platform.db import Conn, execute, fetch_all, fetch_one, fetch_value


async def list_known(conn: Conn, *, gateway: str, transaction_ids: Sequence[str]) -> list[str]:
    """Which of a gateway's transactions have a receipt here."""
    return await fetch_value(
        conn,
        """
        SELECT coalesce(array_agg(gateway_transaction_id), '{}')
        FROM payment_receipt
        WHERE gateway = $1 AND gateway_transaction_id = ANY ($2)
        """,
        gateway,
        list(transaction_ids),
    )


async def insert_receipt(
    conn: Conn, receipt: Receipt, *, charged_minor: int | None, fee_minor: int | None
) -> bool:
    """The receipt, with nothing refunded; False when this transaction has one already."""
    inserted = await fetch_value(
        conn,
        """
        INSERT INTO payment_receipt (
          receipt_id, payment_id, gateway, gateway_transaction_id, amount_minor, currency,
          charged_minor, fee_minor, applied_minor, learned_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (gateway, gateway_transaction_id) DO NOTHING
        RETURNING true
        """,
        receipt.receipt_id,
        receipt.payment_id,
        receipt.gateway,
        receipt.gateway_transaction_id,
        receipt.amount_minor,
        receipt.currency,
        charged_minor,
        fee_minor,
        receipt.applied_minor,
        receipt.learned_at,
    )
    return bool(inserted)


async def list_receipts_of(
    conn: Conn, *, gateway: str, transaction_ids: Sequence[str]
) -> list[Receipt]:
    """The receipts of these of a gateway's transactions, as many as are known here."""
    return await fetch_all(
        conn,
        Receipt,
        """
        SELECT receipt_id, payment_id, gateway, gateway_transaction_id, amount_minor, currency,
               applied_minor, refunded_minor, learned_at
        FROM payment_receipt
        WHERE gateway = $1 AND gateway_transaction_id = ANY ($2)
        ORDER BY receipt_id
        """,
        gateway,
        list(transaction_ids),
    )


async def lock_receipt(conn: Conn, *, receipt_id: UUID) -> Receipt:
    """The receipt, as it is. Locks: it."""
    return await fetch_one(
        conn,
        Receipt,
        """
        SELECT receipt_id, payment_id, gateway, gateway_transaction_id, amount_minor, currency,
               applied_minor, refunded_minor, learned_at
        FROM payment_receipt
        WHERE receipt_id = $1
        FOR NO KEY UPDATE
        """,
        receipt_id,
    )


async def add_refunded(conn: Conn, *, receipt_id: UUID, amount_minor: int) -> bool:
    """Set so much of a receipt aside for a refund; False when there is not so much left.

    Locks: the receipt.
    """
    changed = await execute(
        conn,
        """
        UPDATE payment_receipt
        SET refunded_minor = refunded_minor + $2
        WHERE receipt_id = $1 AND refunded_minor + $2 <= amount_minor
        """,
        receipt_id,
        amount_minor,
    )
    return changed == 1


async def list_receipts(conn: Conn, *, payment_ids: Sequence[UUID]) -> list[Receipt]:
    """The receipts of these payments, in the order of their coming; of each 100 at most."""
    return await fetch_all(
        conn,
        Receipt,
        """
        SELECT c.receipt_id, c.payment_id, c.gateway, c.gateway_transaction_id, c.amount_minor,
               c.currency, c.applied_minor, c.refunded_minor, c.learned_at
        FROM unnest($1::uuid[]) AS p (payment_id)
        CROSS JOIN LATERAL (
          SELECT receipt_id, payment_id, gateway, gateway_transaction_id, amount_minor, currency,
                 applied_minor, refunded_minor, learned_at
          FROM payment_receipt
          WHERE payment_receipt.payment_id = p.payment_id
          ORDER BY receipt_id
          LIMIT 100
        ) AS c
        ORDER BY c.payment_id, c.receipt_id
        """,
        list(payment_ids),
    )
