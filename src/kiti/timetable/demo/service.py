"""Writing the demo network as schedules: again and again, each time only what is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Final
from uuid import UUID

from kiti.fares.model import FareKey, NewFareTable
from kiti.fares.policies import has_policy, put_policy
from kiti.fares.refund_policy import Policy
from kiti.fares.service import put_fare_table
from kiti.network.model import NewCall, NewPattern, NewStop
from kiti.network.service import (
    put_city,
    put_layout,
    put_operator,
    put_patterns,
    put_route,
    put_stops,
    put_vehicle,
)
from kiti.platform.db import Conn, Database
from kiti.timetable.demo.data import Calls, DemoNetwork, DemoRoute, Departures, read_network
from kiti.timetable.renewal.changes import Kind
from kiti.timetable.renewal.engine import feed_turn
from kiti.timetable.schedules.calendar import Calendar
from kiti.timetable.schedules.model import Rule
from kiti.timetable.schedules.service import (
    find_replacement,
    make_trips_of,
    write_replacement,
)

FEED: Final = "demo"
# Today and the 45 days after it.
DAYS: Final = 46


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
    departures: Departures


@dataclass(frozen=True, slots=True)
class _Written:
    """The network's rows: what trips are made of."""

    operators: Mapping[str, UUID]
    lines: tuple[_Line, ...]
    layouts: Mapping[str, UUID]


async def load_demo(db: Database, *, today: date) -> DemoLoaded:
    """Write the demo network and its schedules, and its trips on `today` and the 45 days after.

    Safe to run again at any time: sold seats stay, and the job `make-trips` adds the days to come.

    Raises:
        FeedBusy: it is being loaded, or its trips are being made.
    """
    network = read_network()
    async with feed_turn(db, FEED) as turn:
        operators = await turn.run(partial(_write_demo, network, today))
    changes = await make_trips_of(
        db, FEED, days_ahead=DAYS, today=today, progress=lambda _what, _done, _total: None
    )
    return DemoLoaded(operators, changes.count(Kind.NEW))


async def _write_demo(network: DemoNetwork, today: date, conn: Conn) -> Mapping[str, UUID]:
    """Write the network and make its departures the demo's schedules; operators' ids by code."""
    written = await _write_network(network, conn)
    rules = [
        Rule(
            code=f"{line.code} {departure.minute // 60:02}:{departure.minute % 60:02}",
            operator_id=line.operator_id,
            pattern_id=line.pattern_id,
            layout_id=written.layouts[departure.layout],
            fare_table_id=line.fare_table_id,
            calendar=Calendar(departure.weekdays),
            departure_s=departure.minute * 60,
            timezone=line.timezone,
            sales_close_minutes=line.sales_close_minutes,
        )
        for line in written.lines
        for departure in line.departures
    ]
    replacement = await find_replacement(conn, FEED, rules, today)
    await write_replacement(conn, FEED, replacement, days_ahead=DAYS)
    return written.operators


async def _write_network(network: DemoNetwork, conn: Conn) -> _Written:
    stops = await _write_places(conn, network)
    layouts = {name: await put_layout(conn, text) for name, text in sorted(network.layouts.items())}
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
    conn: Conn, network: DemoNetwork, layouts: Mapping[str, UUID]
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
        if operator.refunds and not await has_policy(conn, operator_id=operator_id):
            await put_policy(conn, operator_id=operator_id, policy=Policy(rules=operator.refunds))
        for vehicle in operator.vehicles:
            await put_vehicle(
                conn,
                operator_id=operator_id,
                plate=vehicle.plate,
                layout_id=layouts[vehicle.layout],
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
