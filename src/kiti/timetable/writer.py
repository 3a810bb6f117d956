"""A plan becomes rows: network and fares, in transactions of bounded size, and trips to sell.

Everything is found again by its key, so an import that was cut off is simply run again.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import islice
from typing import Final, Protocol, TypeVar
from uuid import UUID

from kiti.fares.model import NewFareTable
from kiti.fares.service import find_fare_table, put_fare_table
from kiti.network.layout import Layout
from kiti.network.model import Journey, NewCall, NewPattern, NewStop, NewTrip, journey_of
from kiti.network.rehearsal import (
    find_layout,
    find_patterns,
    find_route,
)
from kiti.network.service import (
    PatternStop,
    find_stops,
    put_layout,
    put_patterns,
    put_route,
    put_stops,
)
from kiti.platform.db import Conn
from kiti.platform.ids import new_id
from kiti.timetable.agencies import (
    SALES_CLOSE_MINUTES,
    PutAgency,
    find_agency,
    put_agencies,
    put_agency,
)
from kiti.timetable.gtfs.model import Call, Feed, Pattern, Route
from kiti.timetable.model import Progress
from kiti.timetable.on_sale import TripToSell
from kiti.timetable.planner import Plan, Run
from kiti.timetable.tariffs import Tariffs

Thing = TypeVar("Thing")
Answer = TypeVar("Answer")

_ROWS_BATCH: Final = 200


class Transactions(Protocol):
    """Whoever runs work in a transaction: a database, or a feed's turn."""

    async def run(self, work: Callable[[Conn], Awaitable[Answer]]) -> Answer:
        """Run `work` in one transaction."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """The ids of what trips refer to, by the feed's own ids; patterns by their number.

    `names_kept` says, for a person, which operators are not called what the feed calls them.
    """

    operators: Mapping[str, UUID]
    patterns: Mapping[int, UUID]
    journeys: Mapping[int, Journey]
    fare_tables: Mapping[str, UUID]
    layout: Layout
    layout_id: UUID
    stops: Mapping[str, UUID]
    names_kept: Sequence[str]


@dataclass(frozen=True, slots=True)
class Pen:
    """How what trips refer to gets its ids: by writing it, or for a dry run by looking it up."""

    layout: Callable[[Conn, str], Awaitable[UUID]]
    operator: PutAgency
    stops: Callable[[Conn, Sequence[NewStop]], Awaitable[dict[tuple[str, str], UUID]]]
    route: Callable[[Conn, str, Route, UUID], Awaitable[UUID]]
    fares: Callable[[Conn, NewFareTable], Awaitable[UUID]]
    patterns: Callable[[Conn, Sequence[NewPattern]], Awaitable[list[UUID]]]


async def _put_route(conn: Conn, feed_name: str, route: Route, operator_id: UUID) -> UUID:
    return await put_route(
        conn,
        operator_id=operator_id,
        feed=feed_name,
        code=route.route_id,
        name=route.name,
        mode=route.mode,
    )


async def _find_route(conn: Conn, feed_name: str, route: Route, _operator_id: UUID) -> UUID:
    return await find_route(conn, feed_name, route.route_id)


async def _find_fares(conn: Conn, table: NewFareTable) -> UUID:
    return await find_fare_table(conn, table) or new_id()


WRITING: Final = Pen(put_layout, put_agency, put_stops, _put_route, put_fare_table, put_patterns)
LOOKING: Final = Pen(find_layout, find_agency, find_stops, _find_route, _find_fares, find_patterns)


async def write_network(
    db: Transactions,
    plan: Plan,
    tariffs: Tariffs,
    *,
    pen: Pen,
    layout: tuple[str, Layout],
    feed_name: str,
    progress: Progress,
) -> Written:
    """Write what the plan's trips refer to; of their routes every stop, for fares name them all.

    `layout` is its text and what it draws.
    """
    feed = plan.feed
    patterns = {trip.pattern.number: trip.pattern for trip in plan.trips}
    route_ids = sorted({pattern.route_id for pattern in patterns.values()})
    text, drawn = layout
    layout_id = await db.run(lambda conn: pen.layout(conn, text))
    operators, names_kept = await db.run(
        lambda conn: put_agencies(conn, feed, route_ids, feed_name, put=pen.operator)
    )
    called = [pattern for pattern in feed.patterns if pattern.route_id in set(route_ids)]
    stops = await _write_stops(db, feed, called, feed_name, pen=pen, progress=progress)
    routes = await _write_routes(
        db, pen, [feed.routes[route_id] for route_id in route_ids], operators, feed_name
    )
    tables = await _write_fares(db, tariffs, route_ids, stops, pen=pen, progress=progress)
    new = _new_patterns(list(patterns.values()), routes, stops)
    ids = await _in_batches(db, new, pen.patterns, progress, "writing patterns")
    pattern_ids = (row_id for batch in ids for row_id in batch)
    codes = {stop_id: code for code, stop_id in stops.items()}
    return Written(
        operators=operators,
        patterns=dict(zip(patterns, pattern_ids, strict=True)),
        journeys={
            number: journey_of(one.calls, codes) for number, one in zip(patterns, new, strict=True)
        },
        fare_tables=tables,
        layout=drawn,
        layout_id=layout_id,
        stops=stops,
        names_kept=names_kept,
    )


def calls_of(plan: Plan, written: Written) -> Callable[[UUID], tuple[PatternStop, ...]]:
    """The calls of the plan's patterns by the ids they got, for a dry run that writes none."""
    feed = plan.feed
    patterns = {written.patterns[trip.pattern.number]: trip.pattern for trip in plan.trips}

    def calls(pattern_id: UUID) -> tuple[PatternStop, ...]:
        return tuple(
            _pattern_stop(pattern_id, at, call, feed, written)
            for at, call in enumerate(patterns[pattern_id].calls)
        )

    return calls


def _pattern_stop(
    pattern_id: UUID, at: int, call: Call, feed: Feed, written: Written
) -> PatternStop:
    stop = feed.stops[call.stop_id]
    return PatternStop(
        pattern_id=pattern_id,
        position=at,
        sequence=call.sequence,
        arrival_s=call.arrival_s,
        departure_s=call.departure_s,
        pickup=call.pickup,
        drop_off=call.drop_off,
        stop_id=written.stops[call.stop_id],
        name=stop.name,
        timezone=stop.timezone,
        latitude=stop.latitude,
        longitude=stop.longitude,
        city=None,
        stop_code=stop.stop_id,
    )


def trips_on(plan: Plan, written: Written, feed_name: str, day: date) -> Iterator[TripToSell]:
    """The trips of one service date, ready to be sold."""
    return (_trip_to_sell(plan.feed, written, run, feed_name) for run in plan.runs_on(day))


def _trip_to_sell(feed: Feed, written: Written, run: Run, feed_name: str) -> TripToSell:
    pattern = run.trip.pattern
    trip = NewTrip(
        operator_id=written.operators[feed.routes[pattern.route_id].agency_id],
        pattern_id=written.patterns[pattern.number],
        layout_id=written.layout_id,
        fare_table_id=written.fare_tables[pattern.route_id],
        feed=feed_name,
        code=run.code,
        service_date=run.service_date,
        starts_at=run.starts_at,
    )
    return TripToSell(
        trip,
        written.journeys[pattern.number],
        written.layout,
        len(pattern.calls) - 1,
        SALES_CLOSE_MINUTES,
    )


async def _write_stops(
    db: Transactions,
    feed: Feed,
    patterns: Iterable[Pattern],
    feed_name: str,
    *,
    pen: Pen,
    progress: Progress,
) -> dict[str, UUID]:
    stop_ids = sorted({call.stop_id for pattern in patterns for call in pattern.calls})
    stops = [
        NewStop(
            feed=feed_name,
            code=stop.stop_id,
            name=stop.name,
            timezone=stop.timezone,
            latitude=stop.latitude,
            longitude=stop.longitude,
        )
        for stop in (feed.stops[stop_id] for stop_id in stop_ids)
    ]
    written = await _in_batches(db, stops, pen.stops, progress, "writing stops")
    return {code: stop_id for ids in written for (_, code), stop_id in ids.items()}


async def _write_routes(
    db: Transactions,
    pen: Pen,
    routes: Sequence[Route],
    operators: Mapping[str, UUID],
    feed_name: str,
) -> dict[str, UUID]:
    out: dict[str, UUID] = {}
    for batch in _batches(routes, _ROWS_BATCH):

        async def work(conn: Conn, batch: Sequence[Route] = batch) -> dict[str, UUID]:
            return {
                route.route_id: await pen.route(conn, feed_name, route, operators[route.agency_id])
                for route in batch
            }

        out |= await db.run(work)
    return out


async def _write_fares(
    db: Transactions,
    tariffs: Tariffs,
    route_ids: Sequence[str],
    stops: Mapping[str, UUID],
    *,
    pen: Pen,
    progress: Progress,
) -> dict[str, UUID]:
    """One table a transaction: it may have many fares. Routes with one tariff share its table."""
    written: dict[int, UUID] = {}
    out: dict[str, UUID] = {}
    for done, route_id in enumerate(route_ids, start=1):
        tariff = tariffs.by_route[route_id]
        if id(tariff) not in written:
            table = tariff.to_table(stops)
            written[id(tariff)] = await db.run(partial(_put, pen.fares, table))
        out[route_id] = written[id(tariff)]
        progress("writing fares", done, len(route_ids))
    return out


def _new_patterns(
    patterns: Iterable[Pattern], routes: Mapping[str, UUID], stops: Mapping[str, UUID]
) -> list[NewPattern]:
    return [
        NewPattern(
            route_id=routes[pattern.route_id],
            calls=tuple(
                NewCall(
                    sequence=call.sequence,
                    stop_id=stops[call.stop_id],
                    arrival_s=call.arrival_s,
                    departure_s=call.departure_s,
                    pickup=call.pickup,
                    drop_off=call.drop_off,
                )
                for call in pattern.calls
            ),
        )
        for pattern in patterns
    ]


async def _in_batches(
    db: Transactions,
    things: Sequence[Thing],
    put: Callable[[Conn, Sequence[Thing]], Awaitable[Answer]],
    progress: Progress,
    what: str,
) -> list[Answer]:
    """`put` batch after batch, each in its own transaction; the answers in order."""
    out: list[Answer] = []
    done = 0
    for batch in _batches(things, _ROWS_BATCH):
        out.append(await db.run(partial(_put, put, batch)))
        done += len(batch)
        progress(what, done, len(things))
    return out


async def _put(put: Callable[[Conn, Thing], Awaitable[Answer]], thing: Thing, conn: Conn) -> Answer:
    return await put(conn, thing)


def _batches(things: Iterable[Thing], size: int) -> Iterator[list[Thing]]:
    left = iter(things)
    while batch := list(islice(left, size)):
        yield batch
