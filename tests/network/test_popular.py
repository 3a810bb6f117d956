"""Routes that a first page offers, and places by their ids."""

from datetime import timedelta

from kiti.network.model import NewStop
from kiti.network.places import find_places
from kiti.network.popular import TTL_S, PopularRoutes
from kiti.network.service import put_city, put_stop
from kiti.platform.clock import utc_now
from kiti.platform.db import Database
from kiti.platform.ids import new_id
from make import make_calls, make_stops, make_trip


class Clock:
    """A clock that a test moves."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def test_the_busiest_routes_of_the_next_days_come_first(db: Database):
    soon = utc_now() + timedelta(hours=5)
    async with db.transaction() as conn:
        lagos = await put_city(conn, name="Lagos", country="NG", timezone="Africa/Lagos")
        ibadan = await put_city(conn, name="Ibadan", country="NG", timezone="Africa/Lagos")
        stops = [
            await put_stop(conn, NewStop("f", name, name, "Africa/Lagos", city_id=city))
            for name, city in (("a", lagos), ("b", ibadan))
        ]
        for n in range(2):
            await make_trip(conn, calls=make_calls(stops), starts_at=soon + timedelta(hours=n))
        await make_trip(conn, n_stops=3, starts_at=soon)
        await make_trip(conn, calls=make_calls(stops[::-1]), starts_at=soon + timedelta(days=9))
        await make_trip(conn, calls=make_calls(stops[::-1]), starts_at=soon - timedelta(days=1))
    async with db.connection() as conn:
        routes = await PopularRoutes().routes(conn)
    assert [(route.from_name, route.to_name, route.trips) for route in routes] == [
        ("Lagos", "Ibadan", 2),
        ("Stop 0", "Stop 2", 1),
    ]
    assert (routes[0].from_id, routes[0].to_id) == (lagos, ibadan)
    assert routes[0].from_timezone == "Africa/Lagos"


async def test_routes_between_cities_come_before_busier_ones_between_stops(db: Database):
    soon = utc_now() + timedelta(hours=5)
    async with db.transaction() as conn:
        cities = [
            await put_city(conn, name=name, country="NG", timezone="Africa/Lagos")
            for name in ("Lagos", "Ibadan")
        ]
        stops = [
            await put_stop(conn, NewStop("f", f"{city}", "Park", "Africa/Lagos", city_id=city))
            for city in cities
        ]
        lone = make_calls(await make_stops(conn, 2))
        for n in range(3):
            await make_trip(conn, calls=lone, starts_at=soon + timedelta(hours=n))
        await make_trip(conn, calls=make_calls(stops), starts_at=soon)
    async with db.connection() as conn:
        routes = await PopularRoutes().routes(conn)
    assert [(route.from_name, route.trips) for route in routes] == [("Lagos", 1), ("Stop 0", 3)]


async def test_they_are_kept_for_a_while_but_none_are_not(db: Database):
    clock = Clock()
    popular = PopularRoutes(clock=clock)
    soon = utc_now() + timedelta(hours=5)
    async with db.transaction() as conn:
        assert await popular.routes(conn) == ()
        await make_trip(conn, starts_at=soon)
        assert len(await popular.routes(conn)) == 1
        await make_trip(conn, calls=make_calls(await make_stops(conn, 2)), starts_at=soon)
        assert len(await popular.routes(conn)) == 1
        clock.now_s = TTL_S
        assert len(await popular.routes(conn)) == 2


async def test_places_are_found_by_their_ids(db: Database):
    async with db.transaction() as conn:
        lagos = await put_city(conn, name="Lagos", country="NG", timezone="Africa/Lagos")
        inside = await put_stop(conn, NewStop("f", "a", "Jibowu", "Africa/Lagos", city_id=lagos))
        alone = await put_stop(conn, NewStop("f", "b", "Roadside", "Africa/Accra"))
        found = await find_places(conn, [lagos, inside, alone, new_id(), lagos])
    assert {(p.kind, p.name, p.city, p.country, p.timezone) for p in found.values()} == {
        ("CITY", "Lagos", "Lagos", "NG", "Africa/Lagos"),
        ("STOP", "Jibowu", "Lagos", "NG", "Africa/Lagos"),
        ("STOP", "Roadside", None, None, "Africa/Accra"),
    }
    assert set(found) == {lagos, inside, alone}
