"""Owing a refund: noted with its entry in the ledger, and sent the way its money came.

What a gateway received a job sends back through it. What was taken out of credit is credit again at
once. What was paid in cash waits for staff to hand it out (`house.pay_out`).
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from kiti.jobs.service import enqueue
from kiti.ledger import postings
from kiti.ledger.model import Account
from kiti.ledger.service import post
from kiti.payments import store_adopting, store_receipts, store_refunds
from kiti.payments.model import IN_CASH, IN_CREDIT, Payment, Receipt
from kiti.platform.db import Conn
from kiti.platform.ids import new_id

SEND_REFUND: Final = "refund.send"
NO_CAUSE: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class SendRefund:
    """The payload of a job that moves a refund on."""

    refund_id: UUID


async def owe_refund(
    conn: Conn,
    *,
    payment: Payment,
    receipt: Receipt,
    source: Account,
    reason: str,
    amount_minor: int,
    cause_id: UUID = NO_CAUSE,
) -> bool:
    """Owe so much of a receipt, once for each reason and cause, and see that it is sent.

    `source`: the account of the ledger that it comes from: the receipt's suspense, or the funds of
    the booking it paid for. `cause_id`: which of several that have one reason; NO_CAUSE where there
    can be one. False when it is owed already.

    Locks: the receipt.
    """
    refund_id = new_id()
    if not await _insert(conn, refund_id, receipt, (reason, cause_id), amount_minor):
        return False
    has_so_much = await store_receipts.add_refunded(
        conn, receipt_id=receipt.receipt_id, amount_minor=amount_minor
    )
    assert has_so_much, "a refund larger than its receipt"  # noqa: S101 (rolls the refund back)
    owed = postings.refund_owed(
        refund_id=refund_id,
        source=source,
        trip_id=payment.trip_id,
        currency=receipt.currency,
        amount_minor=amount_minor,
    )
    await post(conn, [owed])
    if receipt.gateway == IN_CREDIT:
        given = postings.refund_given(
            refund_id=refund_id,
            look=0,
            trip_id=payment.trip_id,
            out_of=postings.passenger_credit(payment.holder_id),
            currency=receipt.currency,
            paid_minor=amount_minor,
            given_minor=amount_minor,
        )
        await post(conn, [given])
    elif receipt.gateway != IN_CASH:
        await enqueue(
            conn, kind=SEND_REFUND, payload=SendRefund(refund_id), dedupe=str(refund_id), priority=1
        )
    return True


async def _insert(
    conn: Conn, refund_id: UUID, receipt: Receipt, why: tuple[str, UUID], amount_minor: int
) -> bool:
    """The refund's row; False when this receipt has one for this reason and cause."""
    reason, cause_id = why
    if receipt.gateway == IN_CREDIT:
        return await store_adopting.insert_adopted(
            conn,
            refund_id=refund_id,
            receipt=receipt,
            reason=reason,
            cause_id=cause_id,
            amount_minor=amount_minor,
            gateway_refund_id=str(refund_id),
        )
    return await store_refunds.insert_refund(
        conn,
        refund_id=refund_id,
        receipt=receipt,
        reason=reason,
        cause_id=cause_id,
        amount_minor=amount_minor,
        is_sent=receipt.gateway != IN_CASH,
    )
