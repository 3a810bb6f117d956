"""Trips that changed, or went, after somebody had booked them: listed, and decided by a person.

Until then such a trip runs as its tickets say, and is not sold any further where it will differ.
To cancel it is the third way out, and not of this module: the money goes back then.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from kiti.booking.model import TripCancelled
from kiti.booking.restocking import (
    LiveContact,
    LiveSeats,
    LockedStock,
    lock_stock,
    read_live,
    reopen_after_review,
    set_terms,
    take_along,
)
from kiti.network.model import NewTrip, NoSuchTrip
from kiti.network.service import (
    Catalogue,
    PatternStop,
    change_trips,
    keep_former,
    list_pattern_stops,
)
from kiti.network.times import zone_of
from kiti.platform.db import Conn, Database
from kiti.timetable.renewal import store_review as store
from kiti.timetable.renewal.changes import MoveImpossible, NoSuchReview
from kiti.timetable.renewal.judge import Shape, difference, has_same_calls
from kiti.timetable.renewal.store_review import ReviewRow

PAGE: Final = 100
DECIDED_BY_LENGTH_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Review:
    """A trip that waits for a person.

    Departures are on the clock of the first stop, each of its own; `new_departure` is None when the
    source lists the trip no more. `what` says what its passengers would lose, in words; `can_move`:
    whether the trip can follow its source with all its bookings.
    """

    trip_id: UUID
    feed: str
    code: str
    operator_name: str
    found_at: datetime
    departure: datetime
    new_departure: datetime | None
    what: str
    can_move: bool
    sold: int
    held: int


@dataclass(frozen=True, slots=True)
class Moved:
    """A trip that follows its source now, and the bookings whose buyers must hear of it."""

    departure: datetime
    new_departure: datetime
    bookings: tuple[LiveContact, ...]
    is_on_sale: bool


async def open_reviews(db: Database) -> AsyncGenerator[Review]:
    """Every trip ahead that waits for a person, the longest first."""
    layouts = Catalogue()
    after: tuple[datetime, UUID] | None = None
    while True:
        async with db.connection() as conn:
            rows = await store.list_open(conn, after=after, limit=PAGE)
            found = await _described(conn, rows, layouts)
        for review in found:
            yield review
        if len(rows) < PAGE:
            return
        after = (rows[-1].found_at, rows[-1].review_id)


async def keep(db: Database, *, trip_id: UUID, by: str) -> bool:
    """Let the trip run as it was booked, and sell it again, while its source says the same.

    False: a person has closed its sales, and they stay closed.

    Raises:
        NoSuchTrip, TripCancelled.
        NoSuchReview: it does not wait for anybody.
    Locks: the trip.
    """

    async def work(conn: Conn) -> bool:
        locked = await _lock(conn, trip_id)
        row = await _get(conn, trip_id)
        await store.decide(
            conn, review_id=row.review_id, decision="keep", decided_by=by[:DECIDED_BY_LENGTH_MAX]
        )
        await reopen_after_review(conn, trip_ids=[trip_id])
        return not _is_closed_by_hand(locked)

    return await db.run(work)


async def move(db: Database, *, trip_id: UUID, by: str) -> Moved:
    """Let the trip follow its source to other times, with all its bookings; then sell it again.

    Tickets show the new times from now on; whoever booked must be told, and nobody is told here.

    Raises:
        NoSuchTrip, TripCancelled.
        NoSuchReview: it does not wait for anybody.
        MoveImpossible: more than times would change, or it has left.
    Locks: the trip.
    """

    async def work(conn: Conn) -> Moved:
        locked = await _lock(conn, trip_id)
        row = await _get(conn, trip_id)
        calls = await list_pattern_stops(
            conn, {each for each in (row.pattern_id, row.new_pattern_id) if each is not None}
        )
        if row.new_starts_at is None or row.new_sales_close_at is None or not _can_move(row, calls):
            raise MoveImpossible
        await keep_former(conn, {trip_id: locked.state.shape})
        versions = await change_trips(conn, [_as_wanted(row, row.new_starts_at)])
        await set_terms(
            conn,
            trip_ids=[trip_id],
            sales_close_at=[row.new_sales_close_at],
            sheet_versions=[versions[trip_id]],
        )
        bookings = await take_along(conn, trip_id=trip_id)
        await reopen_after_review(conn, trip_ids=[trip_id])
        await store.decide(
            conn, review_id=row.review_id, decision="move", decided_by=by[:DECIDED_BY_LENGTH_MAX]
        )
        zone = zone_of(row.timezone)
        return Moved(
            row.starts_at.astimezone(zone),
            _new_departure(row, calls) or row.new_starts_at,
            tuple(bookings),
            is_on_sale=not _is_closed_by_hand(locked),
        )

    return await db.run(work)


async def _lock(conn: Conn, trip_id: UUID) -> LockedStock:
    """Lock the trip. Who has cancelled it has decided it."""
    locked = (await lock_stock(conn, trip_ids=[trip_id])).get(trip_id)
    if locked is None:
        raise NoSuchTrip
    if locked.state.status == "cancelled":
        raise TripCancelled
    return locked


def _is_closed_by_hand(locked: LockedStock) -> bool:
    return locked.state.closed_by in {"hand", "hand_and_review"}


async def _get(conn: Conn, trip_id: UUID) -> ReviewRow:
    row = await store.find_review(conn, trip_id=trip_id)
    if row is None:
        raise NoSuchReview
    return row


def _as_wanted(row: ReviewRow, starts_at: datetime) -> NewTrip:
    """The trip with the times that its source wants, and all else as it is."""
    return NewTrip(
        operator_id=row.operator_id,
        pattern_id=row.new_pattern_id or row.pattern_id,
        layout_id=row.layout_id,
        fare_table_id=row.fare_table_id,
        feed=row.feed,
        code=row.code,
        service_date=row.service_date,
        starts_at=starts_at,
        trip_id=row.trip_id,
    )


def _can_move(row: ReviewRow, calls: dict[UUID, tuple[PatternStop, ...]]) -> bool:
    """Whether only times differ: then a booking's seats and stops mean the same afterwards."""
    if row.kind != "changed" or row.has_left or row.is_past is not False:
        return False
    is_same = (row.operator_id, row.layout_id) == (row.new_operator_id, row.new_layout_id)
    new = () if row.new_pattern_id is None else calls.get(row.new_pattern_id, ())
    return is_same and has_same_calls(calls.get(row.pattern_id, ()), new)


async def _described(conn: Conn, rows: Sequence[ReviewRow], layouts: Catalogue) -> list[Review]:
    if not rows:
        return []
    live = await read_live(conn, trip_ids=[row.trip_id for row in rows])
    pattern_ids = {each for row in rows for each in (row.pattern_id, row.new_pattern_id) if each}
    layout_ids = {each for row in rows for each in (row.layout_id, row.new_layout_id) if each}
    calls = await list_pattern_stops(conn, pattern_ids)
    drawn = await layouts.layouts(conn, layout_ids)
    out: list[Review] = []
    for row in rows:
        what = "no longer in the timetable"
        if row.new_starts_at is not None and row.new_pattern_id and row.new_layout_id:
            what = difference(
                Shape(row.starts_at, calls[row.pattern_id], drawn[row.layout_id]),
                Shape(row.new_starts_at, calls[row.new_pattern_id], drawn[row.new_layout_id]),
                has_other_operator=row.operator_id != row.new_operator_id,
            ).text()
        seats = live.get(row.trip_id, LiveSeats(row.trip_id, 0, 0))
        can_move = _can_move(row, calls)
        out.append(_review(row, what, seats, _new_departure(row, calls), can_move=can_move))
    return out


def _new_departure(
    row: ReviewRow, calls: Mapping[UUID, tuple[PatternStop, ...]]
) -> datetime | None:
    """What the source wants, on the clock of the stop that it wants to be the first."""
    if row.new_starts_at is None or row.new_pattern_id is None:
        return None
    return row.new_starts_at.astimezone(zone_of(calls[row.new_pattern_id][0].timezone))


def _review(
    row: ReviewRow,
    what: str,
    seats: LiveSeats,
    new_departure: datetime | None,
    *,
    can_move: bool,
) -> Review:
    zone = zone_of(row.timezone)
    return Review(
        trip_id=row.trip_id,
        feed=row.feed,
        code=row.code,
        operator_name=row.operator_name,
        found_at=row.found_at,
        departure=row.starts_at.astimezone(zone),
        new_departure=new_departure,
        what=what,
        can_move=can_move,
        sold=seats.sold,
        held=seats.held,
    )
