"""A ride's times are each stop's own, and its length is what a passenger sits through."""

from datetime import UTC, datetime, timedelta

from kiti.network.model import NewCall, NewStop
from kiti.network.service import put_city, put_stop
from kiti.pages.rides import ride_of
from kiti.platform.db import Database
from make import make_calls, make_stops, make_trip


async def test_clocks_that_change_on_the_way_change_no_length(db: Database):
    starts_at = datetime(2030, 3, 31, 0, 30, tzinfo=UTC)  # 01:30; at 02:00 it is 03:00
    async with db.transaction() as conn:
        stops = await make_stops(conn, 2, timezone="Europe/Berlin")
        sheet = await make_trip(conn, calls=make_calls(stops), starts_at=starts_at)
    ride = ride_of(sheet, 0, 1)
    assert (ride.departs.hour, ride.arrives.hour) == (1, 3)
    assert ride.minutes == 50


async def test_two_zones_and_a_midnight(db: Database):
    starts_at = datetime(2030, 6, 3, 22, 30, tzinfo=UTC)
    async with db.transaction() as conn:
        accra = await put_city(conn, name="Accra", country="GH", timezone="Africa/Accra")
        stops = [
            await put_stop(conn, NewStop("f", "a", "Accra Tudu", "Africa/Accra", city_id=accra)),
            await put_stop(conn, NewStop("f", "b", "Circle", "Africa/Lagos", city_id=accra)),
        ]
        calls = [NewCall(1, stops[0], 0, 0), NewCall(2, stops[1], 3600, 3600)]
        sheet = await make_trip(conn, calls=calls, starts_at=starts_at)
    ride = ride_of(sheet, 0, 1)
    assert ride.minutes == 60
    assert ride.arrives - ride.departs == timedelta(hours=1)
    assert ride.days_later == 1
    assert (ride.board, ride.leave) == ("Accra Tudu", "Circle, Accra")
