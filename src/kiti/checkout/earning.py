"""What operators earn: when a trip has left, what was paid for it is theirs, less the commission.

Until then it is the passengers'. What goes back to a passenger afterwards is taken back of both.
"""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import structlog

from kiti.booking.closing import lock_sales
from kiti.booking.model import Booking
from kiti.checkout import store_earning as store
from kiti.checkout.store_earning import DepartedTrip
from kiti.jobs.model import error_name
from kiti.ledger import postings
from kiti.ledger.model import Kind
from kiti.ledger.service import list_lines_by_cause, lock_held, post
from kiti.network.operators import operator_of
from kiti.platform.db import Conn, Database
from kiti.platform.errors import DatabaseUnavailable

log: Final = structlog.get_logger("kiti.checkout.earning")

PAGE: Final = 200
BATCH: Final = 200
# Each look begins so long before the last one's end, for what was committed or changed late.
LOOK_BACK: Final = timedelta(hours=6)
_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)


async def earn_departed(db: Database) -> int:
    """Post as earned what was paid for trips that have left. How many bookings.

    Once for each booking; a run that stops half-way goes on with the next. A trip that fails is
    told, keeps no other one, and is looked at again.
    """
    async with db.connection() as conn:
        mark = await store.find_mark(conn)
    done_before = mark.now - LOOK_BACK
    after = (mark.left_before or _FIRST, UUID(int=0))
    earned = 0
    while True:
        async with db.connection() as conn:
            page = await store.list_departed(conn, after=after, limit=PAGE)
        for trip in page:
            count = await _earned(db, trip)
            earned += count or 0
            if count is None:
                done_before = min(done_before, trip.starts_at)
        if len(page) < PAGE:
            break
        after = (page[-1].starts_at, page[-1].trip_id)
    async with db.transaction() as conn:
        await store.put_mark(conn, left_before=done_before)
    return earned


async def _earned(db: Database, trip: DepartedTrip) -> int | None:
    """Earn one trip, some bookings at a time. How many; None: it failed, which is told."""
    earned = 0
    try:
        while batch := await db.run(partial(_earn_some, trip=trip)):
            earned += batch
    except DatabaseUnavailable:
        raise
    except Exception as error:
        log.exception("a trip was not earned", trip_id=str(trip.trip_id), error=error_name(error))
        return None
    return earned


async def _earn_some(conn: Conn, *, trip: DepartedTrip) -> int:
    """Locks: trip, balances."""
    state = await lock_sales(conn, trip_id=trip.trip_id)
    if state.status == "cancelled":
        return 0
    bookings = await store.list_unearned(conn, trip_id=trip.trip_id, limit=BATCH)
    entries = [
        postings.earned(
            booking_id=booking.booking_id,
            trip_id=trip.trip_id,
            operator_id=trip.operator_id,
            currency=booking.currency,
            gross_minor=booking.funds_minor,
            commission_minor=booking.funds_minor * trip.commission_per_mille // 1000,
            tax_minor=0,
        )
        for booking in bookings
    ]
    return await post(conn, entries)


async def take_back(conn: Conn, *, booking: Booking, amount_minor: int, cause_id: UUID) -> bool:
    """If a booking's money was earned, make so much of it its funds again, to be given back.

    The house gives its commission's share, rounded down, the operator the rest: out of what it is
    still to be paid, else it owes it. `cause_id`: what it goes back for, once. False when nothing
    of the booking was earned: its funds are still there.

    Locks: what the operator is to be paid.
    """
    lines = await list_lines_by_cause(
        conn,
        source_type="booking",
        source_id=booking.booking_id,
        purpose="earned",
        trip_id=booking.trip_id,
    )
    if not lines:
        return False
    if amount_minor == 0:
        return True
    gross = sum(line.amount_minor for line in lines if line.kind == Kind.PASSENGER_FUNDS)
    commission = -sum(line.amount_minor for line in lines if line.kind == Kind.COMMISSION)
    operator = await operator_of(conn, trip_id=booking.trip_id)
    ours = amount_minor * commission // gross
    account = postings.operator_payable(operator.operator_id)
    held = await lock_held(conn, account, currency=booking.currency)
    theirs = min(held, amount_minor - ours)
    entry = postings.unearned(
        cause_id=cause_id,
        booking_id=booking.booking_id,
        trip_id=booking.trip_id,
        operator_id=operator.operator_id,
        currency=booking.currency,
        payable_minor=theirs,
        receivable_minor=amount_minor - ours - theirs,
        commission_minor=ours,
    )
    await post(conn, [entry])
    return True
