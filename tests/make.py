"""Builders shared by the tests: valid by default; a test names only what it is about."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from kiti.fares.model import NewFareTable
from kiti.fares.service import put_fare_table
from kiti.network.model import NewCall, NewStop, NewTrip, TripSheet
from kiti.network.service import (
    Catalogue,
    insert_trips,
    put_layout,
    put_operator,
    put_pattern,
    put_route,
    put_stops,
)
from kiti.platform.db import Conn
from kiti.platform.ids import new_id

LAYOUT = """\
name: Small coach
class v: VIP
seats: 11
[Main]
@ . . .
1: A B . C :v
2-3: A B . C
4: A! B+
"""
SERVICE_DATE = date(2030, 6, 3)
STARTS_AT = datetime(2030, 6, 3, 6, 0, tzinfo=UTC)


async def make_stops(conn: Conn, n: int = 4, *, timezone: str = "Africa/Lagos") -> list[UUID]:
    """`n` stops of a feed of their own, in a line, one degree of latitude (111.2 km) apart."""
    feed = f"feed {new_id()}"
    stops = [
        NewStop(feed, f"S{i}", f"Stop {i}", timezone, latitude=4.0 + i, longitude=7.0)
        for i in range(n)
    ]
    ids = await put_stops(conn, stops)
    return [ids[feed, stop.code] for stop in stops]


def make_calls(stops: Sequence[UUID]) -> list[NewCall]:
    """A call at each stop, an hour apart, ten minutes' halt at each; sequences 10, 20, 30 …"""
    return [
        NewCall((i + 1) * 10, stop, i * 3600 - (600 if i else 0), i * 3600)
        for i, stop in enumerate(stops)
    ]


async def make_trip(
    conn: Conn,
    *,
    layout: str = LAYOUT,
    calls: Sequence[NewCall] | None = None,
    n_stops: int = 4,
    starts_at: datetime = STARTS_AT,
    fares: NewFareTable | None = None,
    timezone: str = "Africa/Lagos",
) -> TripSheet:
    """A trip of an operator of its own, 100 NGN a kilometre unless `fares` says otherwise.

    Its seats are not on sale yet.
    """
    code = str(new_id())
    operator_id = await put_operator(conn, code=code, name="Kiti Lines", timezone=timezone)
    if calls is None:
        calls = make_calls(await make_stops(conn, n_stops, timezone=timezone))
    route_id = await put_route(
        conn, operator_id=operator_id, feed=code, code="R", name="Line R", mode="BUS"
    )
    trip = NewTrip(
        operator_id=operator_id,
        pattern_id=await put_pattern(conn, route_id, calls),
        layout_id=await put_layout(conn, layout),
        fare_table_id=await put_fare_table(
            conn,
            fares or NewFareTable("By km", "NGN", per_km_minor=10_000, minimum_minor=50_000),
        ),
        feed=code,
        code="T",
        service_date=(starts_at + timedelta(hours=1)).date(),
        starts_at=starts_at,
    )
    await insert_trips(conn, [trip])
    return await Catalogue().sheet(conn, trip.trip_id)
