"""What a timetable's renewal may do to stock: never to a seat that somebody counts on.

Each begins with `lock_stock`, which all changes of a trip's seats wait for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kiti.booking import store_stock
from kiti.booking.model import NewStock
from kiti.booking.service import release_hold
from kiti.booking.store_stock import LiveContact, LiveSeats, StockState
from kiti.platform.db import Conn

__all__ = [
    "LiveContact",
    "LiveSeats",
    "LockedStock",
    "StockState",
    "close_for_review",
    "lock_stock",
    "read_live",
    "remake_stock",
    "reopen_after_review",
    "set_terms",
    "take_along",
]


@dataclass(frozen=True, slots=True)
class LockedStock:
    """A trip whose lock is held: its state, and the seats that are sold or held beyond now."""

    state: StockState
    sold: int
    held: int

    @property
    def is_live(self) -> bool:
        """Whether anybody counts on a seat."""
        return self.sold + self.held > 0


async def lock_stock(
    conn: Conn, *, trip_ids: Sequence[UUID], skips_locked: bool = False
) -> dict[UUID, LockedStock]:
    """Lock trips, give back what is due on them, and tell what is still held or sold.

    Due and live are judged at one instant of the database's clock, read after the locks; until
    the transaction ends nobody else changes a seat. With `skips_locked` a trip that somebody else
    has locked is left out, like one without stock.

    Locks: the trips, ids ascending.
    """
    locked = await store_stock.lock_trips(conn, trip_ids=trip_ids, skips_locked=skips_locked)
    ids = [row.trip_id for row in locked]
    if not ids:
        return {}
    now = await store_stock.read_clock(conn)
    await store_stock.expire_locked(conn, trip_ids=ids, now=now)
    states = await store_stock.list_states(conn, trip_ids=ids)
    booked = [state.trip_id for state in states if state.was_booked]
    live = {row.trip_id: row for row in await _live(conn, booked, now)}
    return {
        state.trip_id: LockedStock(state, found.sold, found.held)
        for state in states
        for found in [live.get(state.trip_id, LiveSeats(state.trip_id, 0, 0))]
    }


async def read_live(conn: Conn, *, trip_ids: Sequence[UUID]) -> dict[UUID, LiveSeats]:
    """Of these trips those with seats held or sold at this instant; no promise for the next."""
    now = await store_stock.read_clock(conn)
    return {row.trip_id: row for row in await _live(conn, trip_ids, now)}


async def _live(conn: Conn, trip_ids: Sequence[UUID], now: datetime) -> list[LiveSeats]:
    return await store_stock.list_live(conn, trip_ids=trip_ids, now=now) if trip_ids else []


async def remake_stock(conn: Conn, *, stocks: Sequence[NewStock]) -> None:
    """Make the stock of trips anew on which nobody counts; bookings of the past get no seat of it.

    The caller holds the trips' locks and has seen that nothing is held or sold.
    """
    if stocks:
        remade = await store_stock.remake_stock(conn, stocks=stocks)
        assert remade == len(stocks), "a seat that is held or sold was to be moved"  # noqa: S101


async def set_terms(
    conn: Conn,
    *,
    trip_ids: Sequence[UUID],
    sales_close_at: Sequence[datetime],
    sheet_versions: Sequence[int],
) -> None:
    """Set when sales close, and the trip's version that prices must come from. Seats stay.

    A hold ends at the close of sales at the latest. The caller holds the trips' locks.
    """
    if trip_ids:
        await store_stock.set_terms(
            conn, trip_ids=trip_ids, sales_close_at=sales_close_at, sheet_versions=sheet_versions
        )
        await store_stock.cut_holds(conn, trip_ids=trip_ids)


async def close_for_review(conn: Conn, *, trip_ids: Sequence[UUID]) -> None:
    """Take no new bookings until a person has decided. The caller holds the trips' locks."""
    if trip_ids:
        await store_stock.close_for_review(conn, trip_ids=trip_ids)


async def reopen_after_review(conn: Conn, *, trip_ids: Sequence[UUID]) -> None:
    """Sell again what `close_for_review` closed, and that alone. The caller holds the locks."""
    if trip_ids:
        await store_stock.reopen_after_review(conn, trip_ids=trip_ids)


async def take_along(conn: Conn, *, trip_id: UUID) -> list[LiveContact]:
    """Let the sold bookings of a trip go with it to its new times; how their buyers are reached.

    Holds are released: nobody pays for a trip that leaves at another time than was shown, and money
    that still comes goes back. Bookings that ended before stay of what the trip was, too. The
    caller holds the trip's lock, from `lock_stock`, and moves the trip in the same transaction.
    """
    for held in await store_stock.list_held(conn, trip_id=trip_id):
        await release_hold(conn, booking_id=held.booking_id, holder_id=None)
    shape = await store_stock.raise_shape(conn, trip_id=trip_id)
    await store_stock.take_along(conn, trip_id=trip_id, shape=shape)
    return await store_stock.list_live_contacts(conn, trip_id=trip_id)
