"""Cancelling a trip: sales end at once, then each booking ends by itself and its money goes back.

The trip is marked and a job written in one transaction. The job ends the bookings one by one, each
in a transaction with all that is owed for it, so it can stop and go on anywhere; one that fails
does not keep the others. A payment that is under way stays watched: its money goes back too.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from kiti.booking import closing
from kiti.booking.model import TripDeparted
from kiti.booking.service import cancel_seats, get_booking, lock_trip, release_hold
from kiti.checkout import store_trip_cancelling as store
from kiti.checkout.earning import take_back
from kiti.checkout.owing import owe_back
from kiti.checkout.store_trip_cancelling import Cancellation
from kiti.jobs.model import error_name
from kiti.jobs.service import enqueue
from kiti.network.service import Catalogue
from kiti.platform.db import Conn, Database
from kiti.platform.errors import DatabaseUnavailable, ValidationFailed

__all__ = [
    "TRIP_CANCELLED",
    "BookingsLeft",
    "Cancellation",
    "CancelledTrip",
    "cancel_bookings",
    "cancel_trip",
    "cancel_trip_within",
    "find_cancellation",
]

log: Final = structlog.get_logger("kiti.checkout.trip_cancelling")

TRIP_CANCELLED: Final = "trip.cancelled"
REASON: Final = "TRIP_CANCELLED"
REASON_LENGTH_MAX: Final = 200
BATCH: Final = 100


class BookingsLeft(Exception):
    """Some bookings of a cancelled trip could not be ended; the job is run again."""


@dataclass(frozen=True, slots=True)
class CancelledTrip:
    """The payload of the job that ends the bookings of a trip."""

    trip_id: UUID


async def cancel_trip(
    db: Database, catalogue: Catalogue, *, trip_id: UUID, reason: str, by: UUID | None
) -> Cancellation:
    """Cancel a trip: from the commit on nothing of it is held, paid or confirmed.

    `by`: the account that does it; None: whoever has the command line. A trip that is cancelled
    already stays as it is, and its job is written again when it is not done.

    Raises:
        ValidationFailed: the reason is empty, too long or no plain text.
        NoSuchTrip, TripDeparted.
    Locks: the trip.
    """
    return await db.run(
        lambda conn: cancel_trip_within(conn, catalogue, trip_id=trip_id, reason=reason, by=by)
    )


async def cancel_trip_within(
    conn: Conn, catalogue: Catalogue, *, trip_id: UUID, reason: str, by: UUID | None
) -> Cancellation:
    """The same as `cancel_trip`, in the caller's transaction."""
    reason = _plain(reason)
    state = await closing.lock_sales(conn, trip_id=trip_id)
    if state.status != "cancelled":
        sheet = await catalogue.sheet(conn, trip_id, fresh=True)
        if sheet.starts_at <= state.now:
            raise TripDeparted
        await closing.end_sales(conn, trip_id=trip_id)
    await store.insert_cancellation(conn, trip_id=trip_id, reason=reason, cancelled_by=by)
    found = await store.find_cancellation(conn, trip_id=trip_id)
    assert found is not None, "it was just noted"  # noqa: S101 (for the type checker)
    if found.done_at is None:
        await enqueue(
            conn,
            kind=TRIP_CANCELLED,
            payload=CancelledTrip(trip_id),
            dedupe=str(trip_id),
            priority=1,
        )
    return found


def _plain(reason: str) -> str:
    reason = " ".join(reason.split())
    if not reason.isprintable() or not 1 <= len(reason) <= REASON_LENGTH_MAX:
        message = f"1 to {REASON_LENGTH_MAX} characters of plain text"
        raise ValidationFailed(errors=[{"pointer": "#/reason", "message": message}])
    return reason


async def find_cancellation(conn: Conn, *, trip_id: UUID) -> Cancellation | None:
    """The trip's cancellation; None when it was not cancelled."""
    return await store.find_cancellation(conn, trip_id=trip_id)


async def cancel_bookings(db: Database, job: CancelledTrip) -> None:
    """End every booking of a cancelled trip: holds are released, paid ones cancelled and owed back.

    Raises:
        BookingsLeft: some could not be ended; the others are.
        DatabaseUnavailable: it stopped half-way, and goes on when run again.
    """
    failed = 0
    after: UUID | None = None
    while True:
        async with db.connection() as conn:
            batch = await closing.list_live_bookings(
                conn, trip_id=job.trip_id, after=after, limit=BATCH
            )
        if not batch:
            break
        for booking_id in batch:
            failed += not await _ended(db, booking_id)
        after = batch[-1]
    if failed:
        raise BookingsLeft(f"{failed} bookings")
    async with db.transaction() as conn:
        await lock_trip(conn, trip_id=job.trip_id)
        if not await closing.list_live_bookings(conn, trip_id=job.trip_id, limit=1):
            await store.finish_cancellation(conn, trip_id=job.trip_id)


async def _ended(db: Database, booking_id: UUID) -> bool:
    """End one booking; False when it cannot be, which is told and keeps nobody else."""
    try:
        await db.run(lambda conn: _end_booking(conn, booking_id))
    except DatabaseUnavailable:
        raise
    except Exception as error:
        log.exception(
            "a booking of a cancelled trip could not be ended",
            booking_id=str(booking_id),
            error=error_name(error),
        )
        return False
    return True


async def _end_booking(conn: Conn, booking_id: UUID) -> None:
    """Locks: trip, booking, receipts."""
    booking = await get_booking(conn, booking_id=booking_id, holder_id=None)
    await lock_trip(conn, trip_id=booking.trip_id)
    booking = await get_booking(conn, booking_id=booking_id, holder_id=None)
    if booking.status != "confirmed":
        if booking.status in {"held", "expired"}:
            await release_hold(conn, booking_id=booking_id, holder_id=None)
        return
    fares = zip(booking.seats, booking.fares_minor, strict=True)
    due = {seat: minor for seat, minor in fares if seat not in booking.cancelled_seats}
    await cancel_seats(conn, booking_id=booking_id, seats=list(due))
    amount = sum(due.values())
    await take_back(conn, booking=booking, amount_minor=amount, cause_id=booking_id)
    await owe_back(conn, booking=booking, amount_minor=amount, reason=REASON)
