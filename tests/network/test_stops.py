"""A stop that its source means another place by: the one that was sold stays beside it."""

from dataclasses import replace

import pytest

from kiti.network.model import NewStop
from kiti.network.places import list_near, list_places
from kiti.network.search import find_search_places
from kiti.network.service import find_stops, put_city, put_stop, put_stops
from kiti.platform.db import Conn, Database

STOP = NewStop("f", "S", "Accra Circle", "Africa/Accra", latitude=5.57, longitude=-0.21)
# 0.004 degrees are 440 m, 0.005 are 560 m.
CORRECTIONS = [
    {"name": "ACCRA  Círcle"},
    {"latitude": 5.574},
    {"landmark": "under the bridge"},
    {"latitude": None, "longitude": None},
    {},
]
OTHERS = [
    {"name": "Accra Station"},
    {"timezone": "Africa/Lagos"},
    {"latitude": 5.575},
    {"longitude": -0.2},
]


async def rows(conn: Conn) -> list[tuple[str, str, str | None]]:
    """Name, zone and former code of each stop on file, the oldest first."""
    found = await conn.fetch("SELECT name, timezone, former_code FROM stop ORDER BY stop_id")
    return [(row["name"], row["timezone"], row["former_code"]) for row in found]


@pytest.mark.parametrize("changes", CORRECTIONS)
async def test_a_correction_is_made_in_place(db: Database, changes: dict[str, object]):
    corrected = replace(STOP, **changes)  # pyright: ignore[reportArgumentType] fields by name
    async with db.transaction() as conn:
        stop_id = await put_stop(conn, STOP)
        assert await find_stops(conn, [corrected]) == {("f", "S"): stop_id}
        assert await put_stop(conn, corrected) == stop_id
        assert await rows(conn) == [(corrected.name, corrected.timezone, None)]
        assert await conn.fetchval("SELECT landmark FROM stop") == corrected.landmark


@pytest.mark.parametrize("changes", OTHERS)
async def test_another_place_is_another_stop_and_comes_back_as_it_was(
    db: Database, changes: dict[str, object]
):
    other = replace(STOP, **changes)  # pyright: ignore[reportArgumentType] fields by name
    async with db.transaction() as conn:
        first = await put_stop(conn, STOP)
        foreseen = await find_stops(conn, [other])
        second = await put_stop(conn, other)
        assert first not in {second, foreseen["f", "S"]}
        assert await rows(conn) == [
            (STOP.name, STOP.timezone, "S"), (other.name, other.timezone, None),
        ]  # fmt: skip
        assert await conn.fetchval("SELECT code FROM stop WHERE stop_id = $1", second) == "S"
        assert await put_stop(conn, other) == second
        # As it was: the same stop, also for what was sold of it.
        assert await find_stops(conn, [STOP]) == {("f", "S"): first}
        assert await put_stop(conn, STOP) == first
        assert await rows(conn) == [
            (STOP.name, STOP.timezone, None), (other.name, other.timezone, "S"),
        ]  # fmt: skip


async def test_a_third_meaning_is_a_third_stop(db: Database):
    meanings = [replace(STOP, name=name) for name in ("One", "Two", "Three", "Two", "One")]
    async with db.transaction() as conn:
        one, two, three, *again = [await put_stop(conn, stop) for stop in meanings]
        assert len({one, two, three}) == 3
        assert again == [two, one]
        codes = await conn.fetch("SELECT code, former_code FROM stop WHERE stop_id <> $1", one)
        assert {(row["code"].partition("~")[0], row["former_code"]) for row in codes} == {
            ("S", "S")
        }


async def test_a_stop_of_another_city_is_another_stop_and_one_that_gets_a_city_is_not(db: Database):
    async with db.transaction() as conn:
        cities = [
            await put_city(conn, name=name, country="GH", timezone="Africa/Accra")
            for name in ("Accra", "Tema")
        ]
        first = await put_stop(conn, STOP)
        assert await put_stop(conn, replace(STOP, city_id=cities[0])) == first
        assert await put_stop(conn, replace(STOP, city_id=cities[1])) != first


async def test_the_longest_code_may_change_its_meaning(db: Database):
    long = replace(STOP, code="x" * 300)
    async with db.transaction() as conn:
        assert await put_stop(conn, long) != await put_stop(conn, replace(long, name="Other"))


async def test_stops_of_one_feed_change_together_and_others_not_at_all(db: Database):
    stops = [replace(STOP, code=code, feed=feed) for feed in ("f", "g") for code in "ABC"]
    async with db.transaction() as conn:
        before = await put_stops(conn, stops)
        after = await put_stops(conn, [replace(s, name="Other") for s in stops if s.feed == "f"])
        assert not set(after.values()) & set(before.values())
        again = await put_stops(conn, stops)
    assert again == before


async def test_who_looks_for_the_stop_finds_one_and_trips_of_both(db: Database):
    """Names and the map show the stop as it is now; trips may still call where it was."""
    moved = replace(STOP, latitude=5.6)
    async with db.transaction() as conn:
        first, second = await put_stop(conn, STOP), await put_stop(conn, moved)
        [named] = await list_places(conn, q="circle", after=None, limit=9)
        [near] = await list_near(conn, latitude=5.57, longitude=-0.21, q=None, after=None, limit=9)
        found = await find_search_places(conn, [first, second])
    assert (named.place_id, near.stop_id) == (second, second)
    for place in found.values():
        assert {stop.stop_id for stop in place.stops} == {first, second}
        assert not place.is_city
