"""`kiti trip`: which trips there are, and decisions about one, from the command line."""

import sys
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from kiti.app.database import on_database
from kiti.booking import closing
from kiti.booking.closing import TripSales
from kiti.booking.listing import ListedTrip, TripSource, get_source, list_trips
from kiti.checkout.trip_cancelling import (
    BookingsLeft,
    Cancellation,
    CancelledTrip,
    cancel_bookings,
    cancel_trip,
    find_cancellation,
)
from kiti.config import Settings
from kiti.network.model import TripSheet
from kiti.network.service import Catalogue
from kiti.network.times import zone_of
from kiti.platform.db import Database
from kiti.timetable.remarks import counted


def cancel(settings: Settings, trip_id: UUID, *, reason: str) -> int:
    """Cancel a trip and end its bookings here and now; a worker sends the refunds.

    1 when some bookings could not be ended: the trip is cancelled all the same.

    Raises:
        NoSuchTrip, TripDeparted.
    """

    async def work(db: Database) -> None:
        await cancel_trip(db, Catalogue(), trip_id=trip_id, reason=reason, by=None)
        await cancel_bookings(db, CancelledTrip(trip_id))

    try:
        on_database(settings, work)
    except BookingsLeft as left:
        sys.stderr.write(
            f"kiti: the trip is cancelled, but {left} could not be ended yet: "
            "a worker tries them again\n"
        )
        return 1
    sys.stdout.write("cancelled; its bookings have ended, and what was paid goes back\n")
    return 0


def close(settings: Settings, trip_id: UUID) -> int:
    """Take no new bookings of a trip.

    Raises:
        NoSuchTrip, TripCancelled.
    """

    async def work(db: Database) -> None:
        await db.run(lambda conn: closing.close_sales(conn, trip_id=trip_id))

    on_database(settings, work)
    sys.stdout.write("closed; its bookings stay\n")
    return 0


def reopen(settings: Settings, trip_id: UUID) -> int:
    """Sell a trip again that a person has closed.

    Raises:
        NoSuchTrip, TripCancelled, SalesClosed, SalesNotClosedByHand.
    """

    async def work(db: Database) -> None:
        await db.run(lambda conn: closing.reopen_sales(conn, trip_id=trip_id))

    on_database(settings, work)
    sys.stdout.write("on sale again\n")
    return 0


def show(settings: Settings, trip_id: UUID) -> int:
    """Print how a trip stands.

    Raises:
        NoSuchTrip.
    """

    async def work(db: Database) -> _Shown:
        async with db.connection() as conn:
            return _Shown(
                await Catalogue().sheet(conn, trip_id),
                await get_source(conn, trip_id=trip_id),
                await closing.read_sales(conn, trip_id=trip_id),
                await find_cancellation(conn, trip_id=trip_id),
            )

    shown = on_database(settings, work)
    sys.stdout.write("".join(f"{line}\n" for line in _lines(shown)))
    return 0


def show_all(
    settings: Settings, *, operator: str | None, feed: str | None, on: date | None, limit: int
) -> int:
    """Print trips of a service date or, None, those ahead: a line each, by departure."""

    async def work(db: Database) -> list[ListedTrip]:
        async with db.connection() as conn:
            return await list_trips(conn, operator_code=operator, feed=feed, on=on, limit=limit + 1)

    found = on_database(settings, work)
    for trip in found[:limit]:
        departs = trip.starts_at.astimezone(zone_of(trip.timezone))
        sys.stdout.write(
            f"{trip.trip_id}  {departs:%Y-%m-%d %H:%M}  {trip.operator_code}  "
            f"{trip.origin} to {trip.destination}  {trip.sold} sold, {trip.held} held, "
            f"{trip.free} free  {trip.status.replace('_', ' ')}\n"
        )
    if not found:
        sys.stdout.write("no trips\n")
    elif len(found) > limit:
        sys.stdout.write("and more: see --limit, --date, --operator, --feed\n")
    return 0


@dataclass(frozen=True, slots=True)
class _Shown:
    """A trip as it stands."""

    sheet: TripSheet
    source: TripSource
    sales: TripSales
    cancellation: Cancellation | None


def _lines(shown: _Shown) -> list[str]:
    sheet, sales, cancellation = shown.sheet, shown.sales, shown.cancellation
    first, last = sheet.calls[0], sheet.calls[-1]

    def clock(instant: datetime) -> str:
        return instant.astimezone(zone_of(first.timezone)).isoformat(timespec="seconds")

    state = sales.state
    status = state.status.replace("_", " ")
    if state.status == "on_sale" and state.sales_close_at <= state.now:
        status = "closed by clock"
    elif state.closed_by is not None:
        status = f"closed by {state.closed_by.replace('_', ' ')}"
    out = [
        f"{sheet.operator_name}: {first.name} to {last.name}",
        f"feed {shown.source.feed}, code {shown.source.code}",
        f"leaves {clock(first.departs_at)} (service date {sheet.service_date})",
        f"{status}; sales close {clock(state.sales_close_at)}",
        f"{counted(len(sheet.layout.seats), 'seat')}, {counted(sheet.n_legs, 'leg')}",
    ]
    out += [
        f"{each.status}: {counted(each.bookings, 'booking')}, {counted(each.seats, 'seat')}"
        for each in sales.bookings
    ]
    if cancellation is not None:
        done = cancellation.done_at
        ended = "bookings are still to be ended" if done is None else f"done {clock(done)}"
        out.append(f"cancelled {clock(cancellation.cancelled_at)}: {cancellation.reason}")
        out.append(ended)
    return out
