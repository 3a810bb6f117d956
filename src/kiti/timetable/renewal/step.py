"""One step of a renewal: trips that differ are locked, judged again and brought in line."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from kiti.booking.restocking import (
    LiveSeats,
    LockedStock,
    close_for_review,
    lock_stock,
    read_live,
    remake_stock,
    reopen_after_review,
    set_terms,
)
from kiti.network.layout import Layout
from kiti.network.model import NewTrip
from kiti.network.service import (
    Catalogue,
    PatternStop,
    change_trips,
    delete_trips,
    keep_former,
    list_pattern_stops,
)
from kiti.platform.db import Conn
from kiti.platform.ids import new_id
from kiti.timetable.on_sale import TripToSell
from kiti.timetable.renewal import store
from kiti.timetable.renewal.changes import Kind
from kiti.timetable.renewal.judge import (
    Difference,
    Shape,
    difference,
    is_as_reviewed,
    judge,
    kind_of,
)
from kiti.timetable.renewal.store import NewReview, There

# A trip on file and what is wanted of it; None: its source lists it no more.
Pair = tuple[UUID, TripToSell | None]
# The calls of a pattern that is not on file yet, by the id that trips wanted name it by.
CallsOf = Callable[[UUID], tuple[PatternStop, ...]]


@dataclass(frozen=True, slots=True)
class Note:
    """What became of one trip, and how to name it to a person."""

    kind: Kind
    example: str


@dataclass(frozen=True, slots=True)
class Settled:
    """What a step did, and the trips it left out because somebody else had them locked."""

    notes: list[Note]
    skipped: list[Pair]


@dataclass(slots=True)
class _Orders:
    """All that is to be written for the trips of one step."""

    former: dict[UUID, int] = field(default_factory=dict[UUID, int])
    trips: list[NewTrip] = field(default_factory=list[NewTrip])
    remade: dict[UUID, TripToSell] = field(default_factory=dict[UUID, TripToSell])
    terms: dict[UUID, datetime] = field(default_factory=dict[UUID, datetime])
    closed: list[UUID] = field(default_factory=list[UUID])
    reopened: list[UUID] = field(default_factory=list[UUID])
    deleted: list[UUID] = field(default_factory=list[UUID])
    reviews: list[NewReview] = field(default_factory=list[NewReview])
    withdrawn: list[UUID] = field(default_factory=list[UUID])
    settled: list[UUID] = field(default_factory=list[UUID])


async def settle(
    conn: Conn, pairs: Sequence[Pair], *, layouts: Catalogue, skips_locked: bool
) -> Settled:
    """Bring trips on file in line with what is wanted, each decided under its lock.

    `layouts` reads layouts, which never change; nothing else is read through it.
    Locks: the trips, ids ascending; with `skips_locked` those that are free.
    """
    wanted = dict(pairs)
    locked = await lock_stock(conn, trip_ids=list(wanted), skips_locked=skips_locked)
    found = await store.list_there(conn, trip_ids=list(locked))
    by_id = {row.trip_id: row for row in found}
    rows = [by_id[trip_id] for trip_id in wanted if trip_id in by_id]
    kinds = {
        row.trip_id: kind_of(
            row, judge(row, wanted[row.trip_id]), is_live=locked[row.trip_id].is_live
        )
        for row in rows
    }
    differences = await _differences(
        conn, [row for row in rows if kinds[row.trip_id] is Kind.FLAGGED], wanted, layouts
    )
    orders = _Orders()
    notes: list[Note] = []
    for row in rows:
        kind, stock = kinds[row.trip_id], locked[row.trip_id]
        lost = differences.get(row.trip_id)
        _order(orders, row, wanted[row.trip_id], (kind, stock, lost))
        live = LiveSeats(row.trip_id, stock.sold, stock.held)
        notes.append(Note(kind, _example(row, wanted[row.trip_id], lost, live)))
    await _write(conn, orders)
    skipped = [pair for pair in pairs if pair[0] not in locked] if skips_locked else []
    return Settled(notes, skipped)


def all_on_file(pattern_id: UUID) -> tuple[PatternStop, ...]:
    """The calls of a new pattern, where there is none."""
    raise AssertionError(f"the pattern {pattern_id} is not on file")


async def foresee(
    conn: Conn,
    pairs: Sequence[tuple[There, TripToSell | None]],
    *,
    layouts: Catalogue,
    calls_of: CallsOf,
) -> list[Note]:
    """What `settle` would do with these trips now; locks and writes nothing."""
    booked = [there.trip_id for there, _ in pairs if there.was_booked]
    live = await read_live(conn, trip_ids=booked)
    kinds = {
        there.trip_id: kind_of(there, judge(there, wanted), is_live=there.trip_id in live)
        for there, wanted in pairs
    }
    flagged = [there for there, _ in pairs if kinds[there.trip_id] is Kind.FLAGGED]
    by_id = {there.trip_id: wanted for there, wanted in pairs}
    differences = await _differences(conn, flagged, by_id, layouts, calls_of)
    return [
        Note(
            kinds[there.trip_id],
            _example(there, wanted, differences.get(there.trip_id), live.get(there.trip_id)),
        )
        for there, wanted in pairs
    ]


async def _differences(
    conn: Conn,
    rows: Iterable[There],
    wanted: Mapping[UUID, TripToSell | None],
    layouts: Catalogue,
    calls_of: CallsOf = all_on_file,
) -> dict[UUID, Difference]:
    """What each of these trips would lose for its passengers."""
    pairs = [(row, one) for row in rows if (one := wanted[row.trip_id]) is not None]
    if not pairs:
        return {}
    pattern_ids = {each for row, one in pairs for each in (row.pattern_id, one.trip.pattern_id)}
    calls = await list_pattern_stops(conn, pattern_ids)
    calls |= {pattern_id: calls_of(pattern_id) for pattern_id in pattern_ids - calls.keys()}
    old = await layouts.layouts(conn, {row.layout_id for row, _ in pairs})

    def layout_of(row: There, one: TripToSell) -> Layout:
        return old[row.layout_id] if row.layout_id == one.trip.layout_id else one.layout

    return {
        row.trip_id: difference(
            Shape(row.starts_at, calls[row.pattern_id], old[row.layout_id]),
            Shape(one.trip.starts_at, calls[one.trip.pattern_id], layout_of(row, one)),
            has_other_operator=row.operator_id != one.trip.operator_id,
        )
        for row, one in pairs
    }


def _order(
    orders: _Orders,
    there: There,
    wanted: TripToSell | None,
    found: tuple[Kind, LockedStock, Difference | None],
) -> None:
    """What is to be written for one trip."""
    kind, stock, lost = found
    match kind:
        case Kind.CHANGED if wanted is not None:
            _remake(orders, there, wanted, stock)
        case Kind.REPRICED if wanted is not None:
            _reprice(orders, there, wanted, wanted.stock.sales_close_at)
        case Kind.RETURNED if wanted is not None:
            _reprice(orders, there, wanted, wanted.stock.sales_close_at)
            orders.reopened.append(there.trip_id)
            _end(orders.withdrawn, there)
        case Kind.KEPT if wanted is not None:
            _reprice(orders, there, wanted, there.sales_close_at)
        case Kind.FLAGGED if wanted is not None and lost is not None:
            _reprice(orders, there, wanted, there.sales_close_at)
            (orders.closed if lost.is_visible else orders.reopened).append(there.trip_id)
            if not is_as_reviewed(there, wanted):
                _end(orders.withdrawn, there)
                orders.reviews.append(_review(there, wanted))
        case Kind.FLAGGED_GONE:
            orders.closed.append(there.trip_id)
            if there.review_kind != "gone":
                _end(orders.withdrawn, there)
                orders.reviews.append(_review(there, None))
        case Kind.CLOSED | Kind.REMOVED:
            orders.closed.append(there.trip_id)
            _end(orders.settled, there)
            if kind is Kind.REMOVED:
                orders.deleted.append(there.trip_id)
        case _:
            pass


def _end(reviews: list[UUID], there: There) -> None:
    if there.review_id is not None:
        reviews.append(there.review_id)


def _remake(orders: _Orders, there: There, wanted: TripToSell, stock: LockedStock) -> None:
    """The trip becomes another one: nobody has a seat of it."""
    orders.trips.append(replace(wanted.trip, trip_id=there.trip_id))
    orders.remade[there.trip_id] = wanted
    if there.was_booked:
        orders.former[there.trip_id] = stock.state.shape
    _end(orders.settled, there)


def _reprice(orders: _Orders, there: There, wanted: TripToSell, sales_close_at: datetime) -> None:
    """Other fares, another close of sales or other numbers, where they differ; all else stays."""
    runs_alike = there.calls == wanted.journey.calls
    pattern_id = wanted.trip.pattern_id if runs_alike else there.pattern_id
    if (there.fare_table_id, there.pattern_id, there.sales_close_at) == (
        wanted.trip.fare_table_id, pattern_id, sales_close_at,
    ):  # fmt: skip
        return
    orders.trips.append(
        replace(
            wanted.trip,
            trip_id=there.trip_id,
            operator_id=there.operator_id,
            pattern_id=pattern_id,
            layout_id=there.layout_id,
            starts_at=there.starts_at,
        )
    )
    orders.terms[there.trip_id] = sales_close_at


def _review(there: There, wanted: TripToSell | None) -> NewReview:
    if wanted is None:
        return NewReview(new_id(), there.trip_id, "gone", None, None, None, None, None)
    trip = wanted.trip
    return NewReview(
        new_id(),
        there.trip_id,
        "changed",
        trip.operator_id,
        trip.pattern_id,
        trip.layout_id,
        trip.starts_at,
        wanted.stock.sales_close_at,
    )


async def _write(conn: Conn, orders: _Orders) -> None:
    await keep_former(conn, orders.former)
    versions = await change_trips(conn, orders.trips)
    await remake_stock(
        conn,
        stocks=[
            replace(wanted.stock, trip_id=trip_id, sheet_version=versions[trip_id])
            for trip_id, wanted in orders.remade.items()
        ],
    )
    await set_terms(
        conn,
        trip_ids=list(orders.terms),
        sales_close_at=list(orders.terms.values()),
        sheet_versions=[versions[trip_id] for trip_id in orders.terms],
    )
    await close_for_review(conn, trip_ids=orders.closed)
    await reopen_after_review(conn, trip_ids=orders.reopened)
    await delete_trips(conn, orders.deleted)
    for review_ids, decision in ((orders.withdrawn, "withdrawn"), (orders.settled, "settled")):
        if review_ids:
            await store.end_reviews(conn, review_ids=review_ids, decision=decision)
    if orders.reviews:
        await store.insert_reviews(conn, reviews=orders.reviews)


def _example(
    there: There, wanted: TripToSell | None, lost: Difference | None, live: LiveSeats | None
) -> str:
    """The trip, what is different, and who counts on it."""
    code = there.code if wanted is None else wanted.trip.code
    name = f"{code} on {there.service_date}"
    parts: list[str] = []
    if lost is not None:
        parts.append(lost.text())
    elif wanted is not None and (outline := _outline(there, wanted)):
        parts.append(outline)
    if live is not None and live.sold + live.held:
        parts.append(f"{live.sold} sold, {live.held} held")
    return f"{name}: {'; '.join(parts)}" if parts else name


def _outline(there: There, wanted: TripToSell) -> str:
    """What is different, as far as the rows tell."""
    trip = wanted.trip
    old, new = Shape(there.starts_at, None, None), Shape(trip.starts_at, None, None)
    parts = [difference(old, new).text()] if there.starts_at != trip.starts_at else []
    if there.calls != wanted.journey.calls:
        parts.append("other stops or times on the way")
    if there.layout_id != trip.layout_id:
        parts.append("other layout")
    if there.operator_id != trip.operator_id:
        parts.append("other operator")
    if there.fare_table_id != trip.fare_table_id:
        parts.append("other fares")
    if not parts and there.sales_close_at != wanted.stock.sales_close_at:
        parts.append("sales close at another time")
    if not parts and there.pattern_id != trip.pattern_id:
        parts.append("other numbers of the source")
    return ", ".join(parts)
