"""Refunds made at a gateway's own pages: found by its list, and what they do to bookings.

A webhook tells of one where the gateway sends them; `reconcile-settlements` looks by the clock. A
booking all of whose money went back so is cancelled; a part of it leaves it as it is, for a person.
"""

from datetime import timedelta
from typing import Final

import structlog

from kiti.booking.service import cancel_seats, get_booking, lock_trip
from kiti.checkout.owing import heir_of, ready_funds
from kiti.checkout.till import Till
from kiti.ledger.model import BelowFloor
from kiti.payments import service as payments
from kiti.payments.adopting import (
    AdoptRefunds,
    NotAdopted,
    Stray,
    adopt,
    find_strays,
    post_adopted,
)
from kiti.payments.gateways.port import Gateway, ListsRefunds
from kiti.platform.db import Conn, Database

log: Final = structlog.get_logger("kiti.checkout.adopting")

SINCE: Final = timedelta(days=3)


async def adopt_refunds(db: Database, till: Till, job: AdoptRefunds) -> int:
    """Adopt what this gateway's list has and nobody here asked for. How many."""
    gateway = till.gateways.find(job.gateway)
    if gateway is None or not isinstance(gateway, ListsRefunds):
        return 0
    async with db.connection() as conn:
        now = await payments.read_clock(conn)
    records = await gateway.list_refunds(since=now - SINCE, until=now + timedelta(days=1))
    async with db.connection() as conn:
        strays = await find_strays(conn, gateway=job.gateway, records=records or [])
    return sum([await _adopted(db, gateway, stray) for stray in strays])


async def _adopted(db: Database, gateway: Gateway, stray: Stray) -> bool:
    """Adopt one; False when it is not for us, which is told."""
    try:
        await db.run(lambda conn: _adopt(conn, gateway, stray))
    except (NotAdopted, BelowFloor) as error:
        log.error(  # noqa: TRY400 (no trace: it is told to a person)
            "a refund made at the gateway fits nothing here",
            receipt_id=str(stray.receipt.receipt_id),
            gateway_refund_id=stray.record.gateway_refund_id,
            why=str(error),
        )
        return False
    return True


async def _adopt(conn: Conn, gateway: Gateway, stray: Stray) -> None:
    """Locks: trip (and that of the booking it was exchanged for), booking, receipt, refunds."""
    payment = await payments.get_payment(conn, payment_id=stray.receipt.payment_id)
    heir = await heir_of(conn, booking_id=payment.booking_id)
    for trip_id in sorted({payment.trip_id, heir.trip_id}):
        await lock_trip(conn, trip_id=trip_id)
    if (await heir_of(conn, booking_id=payment.booking_id)).booking_id != heir.booking_id:
        raise NotAdopted("exchanged at this moment")
    adopted = await adopt(conn, gateway, stray)
    if adopted is None:
        return
    given = adopted.given
    await ready_funds(conn, payment=payment, booking=heir, amount_minor=given.amount_minor)
    await post_adopted(conn, adopted, payment=payment)
    log.warning(
        "money went back at the gateway",
        payment_id=str(payment.payment_id),
        amount_minor=given.amount_minor,
        currency=given.currency,
    )
    booking = await get_booking(conn, booking_id=payment.booking_id, holder_id=None)
    histories = await payments.list_histories(conn, booking_ids=[booking.booking_id])
    paid = [each for history in histories for each in history.receipts if each.applied_minor]
    if booking.status == "confirmed" and all(c.refunded_minor == c.amount_minor for c in paid):
        left = [seat for seat in booking.seats if seat not in booking.cancelled_seats]
        await cancel_seats(conn, booking_id=booking.booking_id, seats=left)
