"""Stops near a point, against every distance worked out one by one."""

from math import asin, cos, radians, sin, sqrt
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kiti.network.distance import EARTH_RADIUS_M
from kiti.network.model import NewStop
from kiti.network.places import RADII_M, list_near
from kiti.network.service import put_city, put_stop, put_stops
from kiti.platform.db import Conn, Database
from search_make import undone


def distance_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    (lat_a, lon_a), (lat_b, lon_b) = ((radians(lat), radians(lon)) for lat, lon in (a, b))
    half = sin((lat_b - lat_a) / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin((lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(half)))


async def near(conn: Conn, at: tuple[float, float], q: str | None = None) -> list[str]:
    found = await list_near(conn, latitude=at[0], longitude=at[1], q=q, after=None, limit=50)
    return [stop.name for stop in found]


async def test_the_nearest_stop_comes_first_with_its_distance(db: Database):
    async with db.transaction() as conn:
        lagos = await put_city(conn, name="Lagos", country="NG", timezone="Africa/Lagos")
        places = {
            "Ojota": (6.58, 3.38),
            "Jibowu": (6.52, 3.37),
            "Oshodi": (6.55, 3.34),
            "Challenge": (7.35, 3.87),
            "Utako": (9.06, 7.43),
        }
        for name, (latitude, longitude) in places.items():
            stop = NewStop(
                "t", name, name, "Africa/Lagos", lagos, latitude=latitude, longitude=longitude
            )
            await put_stop(conn, stop)
        await put_stop(conn, NewStop("t", "nowhere", "Nowhere", "Africa/Lagos"))

        found = await list_near(
            conn, latitude=6.5244, longitude=3.3792, q=None, after=None, limit=10
        )
        alone = await near(conn, (6.5244, 3.3792), q="osh")
        none = await near(conn, (0.0, -30.0))

    assert [stop.name for stop in found] == ["Jibowu", "Oshodi", "Ojota"]
    assert [stop.distance_m for stop in found] == [
        round(distance_m((6.5244, 3.3792), places[stop.name])) for stop in found
    ]
    assert (found[0].city, found[0].country) == ("Lagos", "NG")
    assert alone == ["Oshodi"]
    assert none == []


async def test_a_stop_is_found_by_any_of_its_names(db: Database):
    async with db.transaction() as conn:
        stop = NewStop("t", "1", "Old Bus Park", "UTC", latitude=1.0, longitude=1.0)
        await put_stop(conn, stop)
        await put_stop(
            conn,
            NewStop(
                "t", "2", "Kwa Ng'ombe", "UTC", latitude=1.01, longitude=1.0, aliases=("Park B",)
            ),
        )

        assert await near(conn, (1.0, 1.0), q="PARK") == ["Old Bus Park", "Kwa Ng'ombe"]
        assert await near(conn, (1.0, 1.0), q="kwa ngo") == ["Kwa Ng'ombe"]


POINTS = st.tuples(
    st.sampled_from([0.0, 6.5, -26.2, 51.5, 77.0, 89.9, -90.0, 90.0]),
    st.sampled_from([0.0, 3.4, 179.99, -180.0, 180.0, -179.5]),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    centre=POINTS,
    offsets=st.lists(
        st.tuples(st.integers(-120, 120), st.integers(-120, 120)),
        min_size=1,
        max_size=25,
    ),
    limit=st.integers(1, 6),
)
async def test_near_equals_every_distance_one_by_one(
    db: Database, centre: tuple[float, float], offsets: list[tuple[int, int]], limit: int
):
    points = [
        (
            max(-90.0, min(90.0, centre[0] + north / 100)),
            (centre[1] + east / 100 + 180) % 360 - 180,
        )
        for north, east in offsets
    ]
    async with undone(db) as conn:
        stops = [
            NewStop("n", f"{n}", f"Stop {n}", "UTC", latitude=latitude, longitude=longitude)
            for n, (latitude, longitude) in enumerate(points)
        ]
        ids = await put_stops(conn, stops)
        found: list[tuple[int, UUID]] = []
        while page := await list_near(
            conn,
            latitude=centre[0],
            longitude=centre[1],
            q=None,
            after=found[-1] if found else None,
            limit=limit,
        ):
            found += [(stop.distance_m, stop.stop_id) for stop in page]

    expected = sorted(
        (round(distance_m(centre, point)), ids["n", f"{n}"]) for n, point in enumerate(points)
    )
    # A half metre is rounded by two different hands.
    assert [stop_id for _, stop_id in found] == [
        stop_id for metres, stop_id in expected if metres <= RADII_M[-1]
    ] or all(abs(a[0] - b[0]) <= 1 for a, b in zip(found, expected, strict=False))


@pytest.mark.parametrize("analyze", ["SELECT 1", "ANALYZE stop"])
async def test_a_box_is_read_by_its_index(live_db: Database, analyze: str):
    async with live_db.connection() as conn:
        await conn.execute(
            """
            INSERT INTO stop (stop_id, feed, code, name, timezone, latitude, longitude)
            SELECT gen_random_uuid(), 'x', n::text, 'Stop', 'UTC', n % 200 / 10.0, n / 200 / 10.0
            FROM generate_series(0, 19999) AS n
            """
        )
        await conn.execute(analyze)
        before = await conn.fetchval(
            "SELECT seq_scan FROM pg_stat_all_tables WHERE relname = 'stop'"
        )
        async with conn.transaction():
            found = await near(conn, (5.0, 5.0))
            scans, rows = await conn.fetchrow(
                "SELECT seq_scan, idx_tup_fetch FROM pg_stat_xact_user_tables"
                " WHERE relname = 'stop'"
            ) or (0, 0)

    assert before is not None
    assert len(found) == 50
    assert scans == 0
    assert rows < 1000
