"""Money of a booking that goes back: out of the receipts that paid for it, the oldest first.

What an exchange brought was paid for the booking that was given up: it goes back to that one's
funds first, and from there.
"""

from uuid import UUID

from kiti.booking.model import Booking
from kiti.booking.service import get_booking
from kiti.checkout import store_exchanging as store
from kiti.checkout.earning import take_back
from kiti.ledger import postings
from kiti.ledger.service import post
from kiti.payments import disputing
from kiti.payments import service as payments
from kiti.payments.model import Payment
from kiti.payments.owing import NO_CAUSE, owe_refund
from kiti.platform.db import Conn
from kiti.platform.ids import new_id


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
    if left == 0:
        return
    sources = await store.list_sources(conn, booking_id=booking.booking_id)
    ids = [booking.booking_id, *(source.booking_id for source in sources)]
    for history in await payments.list_histories(conn, booking_ids=ids):
        for receipt in history.receipts:
            part = min(left, receipt.amount_minor - receipt.refunded_minor)
            if receipt.applied_minor == 0 or part <= 0:
                continue
            await move_funds(conn, booking=booking, payment=history.payment, amount_minor=part)
            is_new = await owe_refund(
                conn,
                payment=history.payment,
                receipt=receipt,
                source=postings.funds(history.payment.booking_id),
                reason=reason,
                amount_minor=part,
                cause_id=cause_id,
            )
            assert is_new, "a refund for this reason is owed already"  # noqa: S101 (rolls all back)
            left -= part
    assert left == 0, "more is due than was paid"  # noqa: S101 (rolls all back)


async def is_disputed(conn: Conn, *, booking: Booking, is_locking: bool = False) -> bool:
    """Whether a bank has taken what paid for the booking, also through an exchange.

    Locks: with `is_locking` the receipts.
    """
    sources = await store.list_sources(conn, booking_id=booking.booking_id)
    ids = [booking.booking_id, *(source.booking_id for source in sources)]
    return await disputing.is_disputed(conn, booking_ids=ids, is_locking=is_locking)


async def ready_funds(conn: Conn, *, payment: Payment, booking: Booking, amount_minor: int) -> None:
    """Make so much the funds of the booking that a payment was for, wherever it has gone since.

    `booking`: the one that has it now, by `heir_of`; the caller holds both trips' locks.

    Locks: the balances.
    """
    await take_back(conn, booking=booking, amount_minor=amount_minor, cause_id=new_id())
    await move_funds(conn, booking=booking, payment=payment, amount_minor=amount_minor)


async def heir_of(conn: Conn, *, booking_id: UUID) -> Booking:
    """The booking that has the money of this one now: itself, or what it was exchanged for."""
    heir_id = await store.find_heir(conn, booking_id=booking_id)
    return await get_booking(conn, booking_id=heir_id or booking_id, holder_id=None)


async def move_funds(conn: Conn, *, booking: Booking, payment: Payment, amount_minor: int) -> None:
    """Move funds of a booking back to the one that a payment was for; nothing when it is the same.

    Locks: the balances.
    """
    if payment.booking_id == booking.booking_id:
        return
    moved = postings.transferred(
        transfer_id=new_id(),
        booking_ids=(booking.booking_id, payment.booking_id),
        trip_ids=(booking.trip_id, payment.trip_id),
        holder_id=booking.holder_id,
        currency=booking.currency,
        amount_minor=amount_minor,
    )
    await post(conn, moved)
