"""Money of a booking that goes back: out of the receipts that paid for it, the oldest first."""

from uuid import UUID

from kiti.booking.model import Booking
from kiti.ledger import postings
from kiti.payments import service as payments
from kiti.payments.owing import NO_CAUSE, owe_refund
from kiti.platform.db import Conn


async def owe_back(
    conn: Conn,
    *,
    booking: Booking,
    amount_minor: int,
    reason: str,
    cause_id: UUID = NO_CAUSE,
) -> None:
    """Owe so much of what paid for the booking; jobs send it. Nothing when it is nothing.

    `cause_id`: as `owe_refund`'s. The caller holds the booking's lock and has seen that it was paid
    and is due.

    Locks: the receipts.
    """
    left = amount_minor
    for history in await payments.list_histories(conn, booking_ids=[booking.booking_id]):
        for receipt in history.receipts:
            part = min(left, receipt.amount_minor - receipt.refunded_minor)
            if receipt.applied_minor == 0 or part <= 0:
                continue
            is_new = await owe_refund(
                conn,
                payment=history.payment,
                receipt=receipt,
                source=postings.funds(booking.booking_id),
                reason=reason,
                amount_minor=part,
                cause_id=cause_id,
            )
            assert is_new, "a refund for this reason is owed already"  # noqa: S101 (rolls all back)
            left -= part
    assert left == 0, "more is due than was paid"  # noqa: S101 (rolls all back)
