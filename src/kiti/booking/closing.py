"""The sales of a trip: they close by the clock or by hand, and end when the trip is cancelled."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from kiti.booking import store_closing
from kiti.booking.model import SalesClosed, SalesNotClosedByHand, TripCancelled
from kiti.booking.store_closing import BookingCount, SalesState
from kiti.network.model import NoSuchTrip
from kiti.platform.db import Conn, Database

__all__ = [
    "BookingCount",
    "SalesState",
    "TripSales",
    "close_sales",
    "close_trips",
    "end_sales",
    "list_live_bookings",
    "lock_sales",
    "read_sales",
    "reopen_sales",
]

CLOSE_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class TripSales:
    """How a trip's sales stand, and its bookings by their states."""

    state: SalesState
    bookings: tuple[BookingCount, ...]


async def close_trips(db: Database) -> int:
    """Note that sales whose time has come are closed. How many trips.

    Nobody waits for it: every statement that sells judges by the clock itself.
    """
    closed = 0
    while True:
        async with db.transaction() as conn:
            batch = await store_closing.close_due(conn, limit=CLOSE_BATCH)
        closed += batch
        if batch < CLOSE_BATCH:
            return closed


async def lock_sales(conn: Conn, *, trip_id: UUID) -> SalesState:
    """How a trip's sales stand; until the transaction ends nobody else changes its bookings.

    Raises:
        NoSuchTrip: it has no stock.
    Locks: the trip.
    """
    state = await store_closing.lock_sales(conn, trip_id=trip_id)
    if state is None:
        raise NoSuchTrip
    return state


async def read_sales(conn: Conn, *, trip_id: UUID) -> TripSales:
    """How a trip's sales stand at this instant.

    Raises:
        NoSuchTrip: it has no stock.
    """
    state = await store_closing.find_sales(conn, trip_id=trip_id)
    if state is None:
        raise NoSuchTrip
    return TripSales(state, tuple(await store_closing.count_bookings(conn, trip_id=trip_id)))


async def close_sales(conn: Conn, *, trip_id: UUID) -> None:
    """Take no new bookings; those there are stay, and holds may still be paid.

    Nothing when a person has closed them already. What the clock or a review of the timetable had
    closed is closed by hand then: it stays so when the timetable changes again.

    Raises:
        NoSuchTrip, TripCancelled.
    Locks: the trip.
    """
    state = await lock_sales(conn, trip_id=trip_id)
    if state.status == "cancelled":
        raise TripCancelled
    await store_closing.close_sales(conn, trip_id=trip_id)


async def reopen_sales(conn: Conn, *, trip_id: UUID) -> None:
    """Sell again what a person has closed. Nothing when it is on sale.

    Raises:
        NoSuchTrip, TripCancelled.
        SalesClosed: the time to sell is over.
        SalesNotClosedByHand: a review of the timetable holds it closed, and that decides.
    Locks: the trip.
    """
    state = await lock_sales(conn, trip_id=trip_id)
    if state.status == "cancelled":
        raise TripCancelled
    if state.sales_close_at <= state.now:
        raise SalesClosed
    if state.status == "on_sale":
        return
    if not await store_closing.reopen_sales(conn, trip_id=trip_id):
        raise SalesNotClosedByHand(
            "the timetable differs from what was sold, and that keeps the sales closed: "
            "decide it first, see `kiti review`"
        )


async def end_sales(conn: Conn, *, trip_id: UUID) -> None:
    """Mark the trip cancelled: from the commit on nothing of it is held, paid or confirmed.

    The caller holds the trip's lock.
    """
    await store_closing.end_sales(conn, trip_id=trip_id)


async def list_live_bookings(
    conn: Conn, *, trip_id: UUID, after: UUID | None = None, limit: int
) -> list[UUID]:
    """The ids of the trip's bookings that are held or confirmed, from after this one on."""
    rows = await store_closing.list_live_bookings(conn, trip_id=trip_id, after=after, limit=limit)
    return [row.booking_id for row in rows]
