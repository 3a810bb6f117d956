"""Small networks as hypothesis draws them, for what finds trips."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st

from kiti.network.model import NewCall, NewStop, NewTrip, TripSheet
from kiti.network.service import (
    Catalogue,
    insert_trips,
    put_city,
    put_layout,
    put_operator,
    put_pattern,
    put_route,
    put_stop,
)
from kiti.platform.db import Conn, Database
from kiti.platform.ids import new_id

ZONES = ["Africa/Lagos", "Africa/Accra", "Africa/Nairobi", "Africa/Cairo", "Europe/Berlin"]
FIRST_DAY = date(2096, 4, 25)  # clocks change in Cairo at midnight of the 27th
TABLE = new_id()


@dataclass(frozen=True)
class Plan:
    """A small network as hypothesis draws it; stops by number, times in minutes."""

    zones: tuple[int, ...]
    city_of: tuple[int | None, ...]
    patterns: tuple[tuple[tuple[int, int, int, bool, bool], ...], ...]
    trips: tuple[tuple[int, int], ...]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    n_stops = draw(st.integers(2, 5))
    stop = st.integers(0, n_stops - 1)
    call = st.tuples(stop, st.integers(0, 300), st.integers(0, 30), st.booleans(), st.booleans())
    patterns = draw(st.lists(st.lists(call, min_size=2, max_size=7), min_size=1, max_size=4))
    start = st.tuples(st.integers(0, len(patterns) - 1), st.integers(0, 4 * 48))
    return Plan(
        zones=tuple(draw(st.integers(0, len(ZONES) - 1)) for _ in range(n_stops)),
        city_of=tuple(draw(st.none() | st.integers(0, 1)) for _ in range(n_stops)),
        patterns=tuple(tuple(calls) for calls in patterns),
        trips=tuple(draw(st.lists(start, min_size=1, max_size=15))),
    )


@dataclass(frozen=True)
class Built:
    stops: list[UUID]
    cities: list[UUID]
    sheets: list[TripSheet]

    def members(self, plan: Plan) -> dict[UUID, list[UUID]]:
        """Each stop and city with the stops it stands for."""
        found = {stop: [stop] for stop in self.stops}
        for number, city in enumerate(self.cities):
            found[city] = [s for n, s in enumerate(self.stops) if plan.city_of[n] == number]
        return found


async def build(conn: Conn, plan: Plan) -> Built:
    """The whole network, of one layout, without fares."""
    stops, cities = await build_places(conn, plan)
    sheets = await build_trips(conn, plan, stops, layouts=["1A 1B\n"], fare_table_ids=[TABLE])
    return Built(stops, cities, sheets)


async def build_places(conn: Conn, plan: Plan) -> tuple[list[UUID], list[UUID]]:
    """Its stops and its two cities."""
    cities = [
        await put_city(conn, name=f"City {n}", country="NG", timezone="UTC") for n in range(2)
    ]
    stops = [
        await put_stop(
            conn,
            NewStop(
                "t",
                str(n),
                f"Stop {n}",
                ZONES[zone],
                city_id=None if plan.city_of[n] is None else cities[plan.city_of[n] or 0],
                latitude=5.0 + n,
                longitude=7.0,
            ),
        )
        for n, zone in enumerate(plan.zones)
    ]
    return stops, cities


async def build_trips(
    conn: Conn,
    plan: Plan,
    stops: list[UUID],
    *,
    layouts: Sequence[str],
    fare_table_ids: Sequence[UUID],
) -> list[TripSheet]:
    """Its trips, which take layouts and fare tables in turn."""
    operator = await put_operator(conn, code="t", name="Test", timezone="UTC")
    route = await put_route(conn, operator_id=operator, feed="t", code="1", name="T", mode="BUS")
    layout_ids = [await put_layout(conn, layout) for layout in layouts]
    patterns = [await put_pattern(conn, route, calls_of(calls, stops)) for calls in plan.patterns]
    begin = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
    trips = [
        NewTrip(
            operator_id=operator,
            pattern_id=patterns[pattern],
            layout_id=layout_ids[number % len(layout_ids)],
            fare_table_id=fare_table_ids[number % len(fare_table_ids)],
            feed="t",
            code=str(number),
            service_date=FIRST_DAY,
            starts_at=begin + timedelta(minutes=30 * half_hours),
        )
        for number, (pattern, half_hours) in enumerate(plan.trips)
    ]
    await insert_trips(conn, trips)
    sheets = await Catalogue().sheets(conn, [trip.trip_id for trip in trips])
    return [sheets[trip.trip_id] for trip in trips]  # in the order drawn, whatever their ids


def calls_of(
    drawn: tuple[tuple[int, int, int, bool, bool], ...], stops: list[UUID]
) -> tuple[NewCall, ...]:
    calls: list[NewCall] = []
    at = 0
    for sequence, (stop, ride, stay, pickup, drop_off) in enumerate(drawn):
        arrival = at + ride * 60 if calls else 0
        at = arrival + stay * 60 if calls else 0
        calls.append(NewCall(sequence, stops[stop], arrival, at, pickup, drop_off))
    return tuple(calls)


@asynccontextmanager
async def undone(db: Database) -> AsyncGenerator[Conn]:
    """A transaction without a trace, for one example of many."""
    async with db.connection() as conn:
        transaction = conn.transaction()
        await transaction.start()
        try:
            yield conn
        finally:
            await transaction.rollback()
