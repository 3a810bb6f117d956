"""Writing the demo network and its trips: again and again, each time only what is missing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from kiti.fares.model import FareKey, NewFareTable
from kiti.fares.service import put_fare_table
from kiti.network.layout import Layout, parse_layout
from kiti.network.model import NewCall, NewPattern, NewStop, NewTrip
from kiti.network.service import (
    put_city,
    put_layout,
    put_operator,
    put_patterns,
    put_route,
    put_stops,
    put_vehicle,
)
from kiti.network.times import instant_of
from kiti.platform.db import Conn, Database
from kiti.timetable import store
from kiti.timetable.demo.data import Calls, DemoNetwork, DemoRoute, Departures, read_network
from kiti.timetable.on_sale import TripToSell, put_on_sale

FEED: Final = "demo"
# Today and the 45 days after it.
DAYS: Final = 46
_TRIPS_BATCH: Final = 2_000


@dataclass(frozen=True, slots=True)
class DemoLoaded:
    """What there is after loading: operators by code, and how many trips were new."""

    operators: Mapping[str, UUID]
    trips_new: int


@dataclass(frozen=True, slots=True)
class _Line:
    """One direction of a route with all that its trips refer to."""

    code: str
    timezone: str
    operator_id: UUID
    sales_close_minutes: int
    pattern_id: UUID
    fare_table_id: UUID
    n_legs: int
    departures: Departures


@dataclass(frozen=True, slots=True)
class _Written:
    """The network's rows: what trips are made of."""

    operators: Mapping[str, UUID]
    lines: tuple[_Line, ...]
    layouts: Mapping[str, tuple[UUID, Layout]]


async def load_demo(db: Database, *, today: date) -> DemoLoaded:
    """Write the demo network, and its trips on `today` and each of the 45 days after.

    Safe to run again at any time: what is there stays, sold seats and all.
    """
    network = read_network()
    written = await db.run(partial(_write_network, network))
    trips_new = await _write_trips(db, written, today)
    return DemoLoaded(written.operators, trips_new)


async def refresh_demo(db: Database, *, today: date) -> int:
    """Renew the demo's trips, where the demo is loaded; how many are new."""
    async with db.connection() as conn:
        if not await store.has_stops(conn, feed=FEED):
            return 0
    loaded = await load_demo(db, today=today)
    return loaded.trips_new


async def _write_trips(db: Database, written: _Written, today: date) -> int:
    """Add the trips that are missing, in transactions of bounded size; how many those are."""
    last = today + timedelta(days=DAYS - 1)
    trips = [
        trip
        for day in (today + timedelta(days=n) for n in range(DAYS))
        for line in written.lines
        for trip in _trips(line, written.layouts, day)
    ]
    codes = sorted({one.trip.code for one in trips})
    async with db.connection() as conn:
        rows = await store.list_trips(conn, feed=FEED, codes=codes, first=today, last=last)
    there = {(row.code, row.service_date) for row in rows}
    missing = [one for one in trips if (one.trip.code, one.trip.service_date) not in there]
    new = 0
    for at in range(0, len(missing), _TRIPS_BATCH):
        new += await db.run(partial(put_on_sale, trips=missing[at : at + _TRIPS_BATCH]))
    return new


def _trips(
    line: _Line, layouts: Mapping[str, tuple[UUID, Layout]], day: date
) -> Iterator[TripToSell]:
    for departure in line.departures:
        if not departure.runs_on(day):
            continue
        layout_id, layout = layouts[departure.layout]
        trip = NewTrip(
            operator_id=line.operator_id,
            pattern_id=line.pattern_id,
            layout_id=layout_id,
            fare_table_id=line.fare_table_id,
            feed=FEED,
            code=f"{line.code} {departure.minute // 60:02}:{departure.minute % 60:02}",
            service_date=day,
            starts_at=instant_of(day, departure.minute * 60, line.timezone),
        )
        yield TripToSell(trip, layout, line.n_legs, line.sales_close_minutes)


async def _write_network(network: DemoNetwork, conn: Conn) -> _Written:
    stops = await _write_places(conn, network)
    layouts = {
        name: (await put_layout(conn, text), parse_layout(text))
        for name, text in sorted(network.layouts.items())
    }
    operators = await _write_operators(conn, network, layouts)
    tables = {
        table.code: await put_fare_table(
            conn,
            NewFareTable(
                name=f"{FEED} {table.code}",
                currency=table.currency,
                fares={
                    FareKey(stops[origin], stops[destination], "STANDARD"): amount
                    for (origin, destination), amount in table.matrix.items()
                },
                class_shares=table.classes,
                type_shares=table.types,
            ),
        )
        for table in network.fares
    }
    lines = await _write_lines(conn, network, stops, operators, tables)
    return _Written(operators, lines, layouts)


async def _write_places(conn: Conn, network: DemoNetwork) -> dict[str, UUID]:
    """Cities and their stops; the stops' ids by code."""
    stops: list[NewStop] = []
    for city in network.cities:
        city_id = await put_city(
            conn,
            name=city.name,
            country=city.country,
            timezone=city.timezone,
            latitude=city.at[0],
            longitude=city.at[1],
            aliases=city.aliases,
        )
        stops += [
            NewStop(
                feed=FEED,
                code=stop.code,
                name=stop.name,
                timezone=city.timezone,
                city_id=city_id,
                latitude=stop.at[0],
                longitude=stop.at[1],
                landmark=stop.landmark,
                aliases=stop.aliases,
            )
            for stop in city.stops
        ]
    written = await put_stops(conn, stops)
    return {code: stop_id for (_, code), stop_id in written.items()}


async def _write_operators(
    conn: Conn, network: DemoNetwork, layouts: Mapping[str, tuple[UUID, Layout]]
) -> dict[str, UUID]:
    out: dict[str, UUID] = {}
    for operator in network.operators:
        operator_id = await put_operator(
            conn,
            code=operator.code,
            name=operator.name,
            timezone=operator.timezone,
            phone=operator.phone,
            sales_close_minutes=operator.sales_close_minutes,
        )
        for vehicle in operator.vehicles:
            layout_id, _ = layouts[vehicle.layout]
            await put_vehicle(
                conn, operator_id=operator_id, plate=vehicle.plate, layout_id=layout_id
            )
        out[operator.code] = operator_id
    return out


async def _write_lines(
    conn: Conn,
    network: DemoNetwork,
    stops: Mapping[str, UUID],
    operators: Mapping[str, UUID],
    tables: Mapping[str, UUID],
) -> tuple[_Line, ...]:
    """Routes and the patterns of both their directions."""
    zones = {stop.code: city.timezone for city in network.cities for stop in city.stops}
    minutes = {one.code: one.sales_close_minutes for one in network.operators}
    ways: list[tuple[DemoRoute, str, Calls, Departures, NewPattern]] = []
    for route in network.routes:
        route_id = await put_route(
            conn,
            operator_id=operators[route.operator],
            feed=FEED,
            code=route.code,
            name=route.name,
            mode=route.mode,
        )
        for way, calls, departures in (
            ("out", route.calls, route.out),
            ("back", route.calls_back, route.back),
        ):
            pattern = NewPattern(route_id, _new_calls(calls, stops))
            ways.append((route, f"{route.code} {way}", calls, departures, pattern))
    pattern_ids = await put_patterns(conn, [pattern for *_, pattern in ways])
    return tuple(
        _Line(
            code=code,
            timezone=zones[calls[0].stop],
            operator_id=operators[route.operator],
            sales_close_minutes=minutes[route.operator],
            pattern_id=pattern_id,
            fare_table_id=tables[route.fares],
            n_legs=len(calls) - 1,
            departures=departures,
        )
        for (route, code, calls, departures, _), pattern_id in zip(ways, pattern_ids, strict=True)
    )


def _new_calls(calls: Calls, stops: Mapping[str, UUID]) -> tuple[NewCall, ...]:
    return tuple(
        NewCall(
            sequence=number,
            stop_id=stops[call.stop],
            arrival_s=call.arrival * 60,
            departure_s=(call.arrival + call.halt) * 60,
            pickup=call.use != "drop" and number < len(calls),
            drop_off=call.use != "pickup" and number > 1,
        )
        for number, call in enumerate(calls, start=1)
    )
