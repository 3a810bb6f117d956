"""A plan becomes rows: network, fares, trips and their stock, in transactions of bounded size.

Everything is found again by its key, so an import that was cut off is simply run again.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final, TypeVar
from uuid import UUID

from kiti.fares.service import put_fare_table
from kiti.network.layout import Layout
from kiti.network.model import NewCall, NewPattern, NewStop, NewTrip
from kiti.network.service import (
    put_layout,
    put_operator,
    put_patterns,
    put_route,
    put_stops,
)
from kiti.platform.db import Conn, Database
from kiti.timetable import store
from kiti.timetable.gtfs.model import Feed, Pattern
from kiti.timetable.model import Progress
from kiti.timetable.on_sale import TripToSell, put_on_sale
from kiti.timetable.planner import Plan, Run
from kiti.timetable.report import Report
from kiti.timetable.tariffs import Tariffs

Thing = TypeVar("Thing")
Answer = TypeVar("Answer")

RUNS_BATCH: Final = 2_000
_ROWS_BATCH: Final = 200
SALES_CLOSE_MINUTES: Final = 10


@dataclass(frozen=True, slots=True)
class Written:
    """The ids of what trips refer to, by the feed's own ids; patterns by their number."""

    operators: Mapping[str, UUID]
    patterns: Mapping[int, UUID]
    fare_tables: Mapping[str, UUID]
    layout: Layout
    layout_id: UUID


async def count_kept(db: Database, plan: Plan, report: Report, progress: Progress) -> None:
    """For a dry run: how many of the plan's trips are there already, and how many are new."""
    total, done, kept = plan.runs_count(), 0, 0
    for batch in _batches(plan.runs(), RUNS_BATCH):
        async with db.connection() as conn:
            kept += await store.count_trips(
                conn,
                feed=report.feed,
                codes=[run.code for run in batch],
                service_dates=[run.service_date for run in batch],
            )
        done += len(batch)
        progress("comparing trips", done, total)
    report.runs_kept, report.runs_new = kept, total - kept


async def write_network(
    db: Database,
    plan: Plan,
    tariffs: Tariffs,
    *,
    layout: Layout,
    layout_text: str,
    feed_name: str,
    progress: Progress,
) -> Written:
    """Write what the plan's trips refer to; of their routes every stop, for fares name them all."""
    feed = plan.feed
    patterns = {trip.pattern.number: trip.pattern for trip in plan.trips}
    route_ids = sorted({pattern.route_id for pattern in patterns.values()})
    layout_id = await db.run(lambda conn: put_layout(conn, layout_text))
    operators = await _write_operators(db, feed, route_ids, feed_name)
    called = [pattern for pattern in feed.patterns if pattern.route_id in set(route_ids)]
    stops = await _write_stops(db, feed, called, feed_name, progress)
    routes = await _write_routes(db, feed, route_ids, operators, feed_name)
    tables = await _write_fares(db, tariffs, route_ids, stops, progress)
    ids = await _write_patterns(db, list(patterns.values()), routes, stops, progress)
    return Written(operators, ids, tables, layout, layout_id)


async def write_trips(
    db: Database, plan: Plan, written: Written, report: Report, progress: Progress
) -> None:
    """Write every run with its stock, batch after batch; what is there already is left as it is."""
    total = plan.runs_count()
    for batch in _batches(plan.runs(), RUNS_BATCH):
        new = await db.run(_trips_work(plan.feed, written, batch, report.feed))
        report.runs_new += new
        report.runs_kept += len(batch) - new
        progress("writing trips", report.runs_new + report.runs_kept, total)


def _trips_work(
    feed: Feed, written: Written, runs: Sequence[Run], feed_name: str
) -> Callable[[Conn], Awaitable[int]]:
    async def work(conn: Conn) -> int:
        return await put_on_sale(
            conn, [_trip_to_sell(feed, written, run, feed_name) for run in runs]
        )

    return work


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
    return TripToSell(trip, written.layout, len(pattern.calls) - 1, SALES_CLOSE_MINUTES)


async def _write_operators(
    db: Database, feed: Feed, route_ids: Sequence[str], feed_name: str
) -> dict[str, UUID]:
    """Agencies are operators; their code carries the feed's name, for ids are unique within it."""
    agency_ids = sorted({feed.routes[route_id].agency_id for route_id in route_ids})

    async def work(conn: Conn) -> dict[str, UUID]:
        return {
            agency_id: await put_operator(
                conn,
                code=f"{feed_name}:{agency_id}",
                name=feed.agencies[agency_id].name,
                timezone=feed.agencies[agency_id].timezone,
                phone=feed.agencies[agency_id].phone,
                sales_close_minutes=SALES_CLOSE_MINUTES,
            )
            for agency_id in agency_ids
        }

    return await db.run(work)


async def _write_stops(
    db: Database, feed: Feed, patterns: Iterable[Pattern], feed_name: str, progress: Progress
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
    written = await _in_batches(db, stops, put_stops, progress, "writing stops")
    return {code: stop_id for ids in written for (_, code), stop_id in ids.items()}


async def _write_routes(
    db: Database,
    feed: Feed,
    route_ids: Sequence[str],
    operators: Mapping[str, UUID],
    feed_name: str,
) -> dict[str, UUID]:
    out: dict[str, UUID] = {}
    for batch in _batches(route_ids, _ROWS_BATCH):

        async def work(conn: Conn, batch: Sequence[str] = batch) -> dict[str, UUID]:
            return {
                route_id: await put_route(
                    conn,
                    operator_id=operators[feed.routes[route_id].agency_id],
                    feed=feed_name,
                    code=route_id,
                    name=feed.routes[route_id].name,
                    mode=feed.routes[route_id].mode,
                )
                for route_id in batch
            }

        out |= await db.run(work)
    return out


async def _write_fares(
    db: Database,
    tariffs: Tariffs,
    route_ids: Sequence[str],
    stops: Mapping[str, UUID],
    progress: Progress,
) -> dict[str, UUID]:
    """One table a transaction: it may have many fares. Routes with one tariff share its table."""
    written: dict[int, UUID] = {}
    out: dict[str, UUID] = {}
    for done, route_id in enumerate(route_ids, start=1):
        tariff = tariffs.by_route[route_id]
        if id(tariff) not in written:
            table = tariff.to_table(stops)
            written[id(tariff)] = await db.run(partial(put_fare_table, table=table))
        out[route_id] = written[id(tariff)]
        progress("writing fares", done, len(route_ids))
    return out


async def _write_patterns(
    db: Database,
    patterns: Sequence[Pattern],
    routes: Mapping[str, UUID],
    stops: Mapping[str, UUID],
    progress: Progress,
) -> dict[int, UUID]:
    new = [
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
    written = await _in_batches(db, new, put_patterns, progress, "writing patterns")
    ids = [pattern_id for batch in written for pattern_id in batch]
    return {pattern.number: row_id for pattern, row_id in zip(patterns, ids, strict=True)}


async def _in_batches(
    db: Database,
    things: Sequence[Thing],
    put: Callable[[Conn, Sequence[Thing]], Awaitable[Answer]],
    progress: Progress,
    what: str,
) -> list[Answer]:
    """`put` batch after batch, each in its own transaction; the answers in order."""
    out: list[Answer] = []
    done = 0
    for batch in _batches(things, _ROWS_BATCH):
        out.append(await db.run(partial(_put_batch, put, batch)))
        done += len(batch)
        progress(what, done, len(things))
    return out


async def _put_batch(
    put: Callable[[Conn, Sequence[Thing]], Awaitable[Answer]], batch: Sequence[Thing], conn: Conn
) -> Answer:
    return await put(conn, batch)


def _batches(things: Iterable[Thing], size: int) -> Iterator[list[Thing]]:
    left = iter(things)
    while batch := list(islice(left, size)):
        yield batch
