import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import asyncpg
import pytest

from kiti.network import store_trips
from kiti.network.layout import LayoutError
from kiti.network.model import NewCall, NewPattern, NewStop, NewTrip, PatternInvalid
from kiti.network.service import (
    BATCH,
    insert_trips,
    put_city,
    put_layout,
    put_operator,
    put_pattern,
    put_patterns,
    put_route,
    put_stop,
    put_stops,
    put_vehicle,
)
from kiti.network.times import ZoneUnknown
from kiti.platform.db import Conn, Database
from kiti.platform.ids import new_id
from make import LAYOUT, make_calls, make_stops, make_trip


async def make_route(conn: Conn) -> tuple[NewTrip, list[NewCall]]:
    """A trip of a new pattern, not written yet, and the pattern's calls."""
    sheet = await make_trip(conn)
    row = await conn.fetchrow("SELECT pattern_id, feed FROM trip WHERE trip_id = $1", sheet.trip_id)
    assert row is not None
    trip = NewTrip(
        operator_id=sheet.operator_id,
        pattern_id=row["pattern_id"],
        layout_id=sheet.layout_id,
        fare_table_id=sheet.fare_table_id,
        feed=row["feed"],
        code="daily",
        service_date=date(2030, 6, 3),
        starts_at=sheet.starts_at,
    )
    return trip, make_calls([call.stop_id for call in sheet.calls])


async def route_of(conn: Conn, trip: NewTrip) -> UUID:
    route_id: UUID | None = await conn.fetchval(
        "SELECT route_id FROM pattern WHERE pattern_id = $1", trip.pattern_id
    )
    assert route_id is not None
    return route_id


def days(trip: NewTrip, n: int) -> list[NewTrip]:
    """The same trip on `n` days, each with an id of its own."""
    return [
        replace(
            trip,
            trip_id=new_id(),
            service_date=trip.service_date + timedelta(days=day),
            starts_at=trip.starts_at + timedelta(days=day),
        )
        for day in range(n)
    ]


async def test_an_operator_is_found_by_its_code_and_follows_its_source(db: Database):
    async with db.transaction() as conn:
        first = await put_operator(conn, code="abc", name="ABC", timezone="Africa/Lagos")
        second = await put_operator(
            conn, code="abc", name="ABC Transport", timezone="Africa/Lagos", sales_close_minutes=30
        )
        row = await conn.fetchrow("SELECT name, sales_close_minutes FROM operator")
    assert first == second
    assert row is not None
    assert tuple(row) == ("ABC Transport", 30)


async def places_on_disk(conn: Conn) -> list[str]:
    """Where each row lies: an UPDATE, even to the same values, moves it."""
    tables = ("operator", "city", "stop", "layout", "vehicle", "route")
    return [
        f"{table} {row[0]}"
        for table in tables
        for row in await conn.fetch(f"SELECT ctid::text FROM {table} ORDER BY 1")
    ]


async def test_writing_the_same_again_touches_no_row(db: Database):
    async def write(conn: Conn) -> list[str]:
        operator_id = await put_operator(conn, code="o", name="O", timezone="Africa/Lagos")
        city_id = await put_city(
            conn, name="Kano", country="NG", timezone="Africa/Lagos", aliases=["Kano City"]
        )
        await put_stop(conn, NewStop("f", "s", "S", "Africa/Lagos", city_id, 12.0, 8.5))
        layout_id = await put_layout(conn, LAYOUT)
        await put_vehicle(conn, operator_id=operator_id, plate="KAN 1", layout_id=layout_id)
        await put_route(conn, operator_id=operator_id, feed="f", code="r", name="R", mode="BUS")
        return await places_on_disk(conn)

    async with db.transaction() as conn:
        first = await write(conn)
        assert len(first) == 6
        assert await write(conn) == first


async def test_a_vehicle_gets_another_layout(db: Database):
    async with db.transaction() as conn:
        operator_id = await put_operator(conn, code="o", name="O", timezone="Africa/Lagos")
        layouts = [await put_layout(conn, text) for text in (LAYOUT, "1: A B")]
        ids = [
            await put_vehicle(conn, operator_id=operator_id, plate="LAG 1", layout_id=layout_id)
            for layout_id in layouts
        ]
        assert await conn.fetchval("SELECT layout_id FROM vehicle") == layouts[1]
    assert ids[0] == ids[1]


async def test_stops_are_found_by_feed_and_code(db: Database):
    stops = [
        NewStop("a", "1", "One", "Africa/Lagos"),
        NewStop("b", "1", "Another one", "Africa/Lagos"),
        NewStop("a", "2", "Two", "Africa/Lagos", latitude=6.5, longitude=3.4, landmark="Market"),
    ]
    async with db.transaction() as conn:
        first = await put_stops(conn, stops)
        renamed = [replace(stop, name=stop.name.upper()) for stop in reversed(stops)]
        second = await put_stops(conn, renamed)
        rows = await conn.fetch("SELECT stop_id, feed, code, name, landmark FROM stop")
        names = await conn.fetch("SELECT folded FROM place_name WHERE folded LIKE '%another%'")
    assert first == second == {(row["feed"], row["code"]): row["stop_id"] for row in rows}
    assert {row["name"] for row in rows} == {"ONE", "ANOTHER ONE", "TWO"}
    assert [row["landmark"] for row in rows if row["code"] == "2"] == ["Market"]
    assert [row["folded"] for row in names] == ["another one"]


async def test_of_two_stops_with_one_code_the_last_counts(db: Database):
    async with db.transaction() as conn:
        await put_stops(
            conn,
            [NewStop("a", "1", "One", "Africa/Lagos"), NewStop("a", "1", "Uno", "Africa/Lagos")],
        )
        assert await conn.fetchval("SELECT name FROM stop") == "Uno"


@pytest.mark.parametrize(("latitude", "longitude"), [(91.0, 0.0), (0.0, -181.0), (5.0, None)])
async def test_the_schema_refuses_a_place_off_the_earth(
    db: Database, latitude: float | None, longitude: float | None
):
    stop = NewStop("a", "1", "One", "Africa/Lagos", latitude=latitude, longitude=longitude)
    with pytest.raises(asyncpg.CheckViolationError):
        async with db.transaction() as conn:
            await put_stop(conn, stop)


async def test_an_unknown_zone_is_refused_before_anything_is_written(db: Database):
    async with db.transaction() as conn:
        with pytest.raises(ZoneUnknown):
            await put_stops(
                conn,
                [NewStop("a", "1", "A", "Africa/Lagos"), NewStop("a", "2", "B", "Africa/Nowhere")],
            )
        with pytest.raises(ZoneUnknown):
            await put_operator(conn, code="o", name="O", timezone="")
        with pytest.raises(ZoneUnknown):
            await put_city(conn, name="X", country="NG", timezone="Lagos")
        assert await conn.fetchval("SELECT count(*) FROM stop") == 0


async def test_a_layout_is_found_by_its_text_whatever_its_line_ends(db: Database):
    async with db.transaction() as conn:
        first = await put_layout(conn, LAYOUT)
        again = await put_layout(conn, "\ufeff" + LAYOUT.replace("\n", "  \r\n") + "\n")
        other = await put_layout(conn, LAYOUT.replace("Small", "Little"))
        row = await conn.fetchrow(
            "SELECT name, seats, text FROM layout WHERE layout_id = $1", first
        )
        with pytest.raises(LayoutError):
            await put_layout(conn, "seats: 5\n1: A")
    assert first == again != other
    assert row is not None
    assert tuple(row) == ("Small coach", 11, LAYOUT)


async def test_a_pattern_is_found_by_its_calls(db: Database):
    async with db.transaction() as conn:
        trip, calls = await make_route(conn)
        route_id = await route_of(conn, trip)
        assert await put_pattern(conn, route_id, calls) == trip.pattern_id
        last = calls[-1]
        others = [
            [*calls[:-1], replace(last, arrival_s=last.arrival_s + 1)],
            [*calls[:-1], replace(last, departure_s=last.departure_s + 1)],
            [*calls[:-1], replace(last, sequence=last.sequence + 1)],
            [*calls[:-1], replace(last, pickup=False)],
            [*calls[:-1], replace(last, drop_off=False)],
            [*calls[:-1], replace(last, stop_id=calls[0].stop_id)],
            calls[:-1],
        ]
        ids = [await put_pattern(conn, route_id, other) for other in others]
        assert len({trip.pattern_id, *ids}) == 8
        together = [NewPattern(route_id, tuple(other)) for other in [*others, calls, others[0]]]
        assert await put_patterns(conn, together) == [*ids, trip.pattern_id, ids[0]]
        assert await conn.fetchval("SELECT count(*) FROM pattern_call") == 4 * 7 + 3


async def test_patterns_of_many_batches_come_back_in_order(db: Database):
    n_patterns = BATCH + 3
    async with db.transaction() as conn:
        trip, calls = await make_route(conn)
        route_id = await route_of(conn, trip)
        ends = range(90_000, 90_000 + n_patterns)
        patterns = [
            NewPattern(route_id, (calls[0], replace(calls[1], departure_s=end))) for end in ends
        ]
        ids = await put_patterns(conn, patterns)
        rows = await conn.fetch(
            "SELECT pattern_id FROM pattern_call WHERE departure_s >= 90000 ORDER BY departure_s"
        )
        assert await put_patterns(conn, patterns[::-1]) == ids[::-1]
    assert ids == [row["pattern_id"] for row in rows]


@pytest.mark.parametrize(
    ("calls", "message"),
    [
        ([(1, 0, 0)], "2 to 200 calls, not 1"),
        ([(n, n, n) for n in range(201)], "2 to 200 calls, not 201"),
        ([(1, 0, 60), (2, 100, 100)], "count from the departure from the first call"),
        ([(1, 0, 0), (2, 100, 99)], "call 2 departs before it arrives"),
        ([(1, 0, 0), (1, 100, 100)], "sequence 1 follows 1"),
        ([(1, 0, 0), (2, 100, 100), (3, 99, 101)], "call 3 is reached before"),
    ],
)
async def test_calls_that_no_trip_can_make_are_refused(
    db: Database, calls: list[tuple[int, int, int]], message: str
):
    async with db.transaction() as conn:
        [stop] = await make_stops(conn, 1)
        with pytest.raises(PatternInvalid, match=message):
            await put_pattern(conn, new_id(), [NewCall(s, stop, a, d) for s, a, d in calls])


async def test_a_call_may_repeat_its_stop_and_take_no_time(db: Database):
    async with db.transaction() as conn:
        [stop] = await make_stops(conn, 1)
        sheet = await make_trip(conn, calls=[NewCall(0, stop, -60, 0), NewCall(7, stop, 0, 0)])
    assert [call.stop_id for call in sheet.calls] == [stop, stop]
    assert sheet.calls[0].arrives_at == sheet.starts_at - timedelta(minutes=1)


async def test_only_new_trips_come_back(db: Database):
    async with db.transaction() as conn:
        trip, _ = await make_route(conn)
        first = await insert_trips(conn, days(trip, 5))
        second = await insert_trips(conn, days(trip, 7))
        assert await insert_trips(conn, []) == []
        rows = await conn.fetch(
            "SELECT trip_id, service_date, starts_at FROM trip WHERE code = 'daily' ORDER BY 2"
        )
    assert len(first) == 5
    assert [new.service_date for new in second] == [date(2030, 6, 8), date(2030, 6, 9)]
    assert [(row["trip_id"], row["starts_at"]) for row in rows] == [
        (new.trip_id, new.starts_at) for new in first + second
    ]


async def test_a_trip_given_twice_is_written_once(db: Database):
    async with db.transaction() as conn:
        trip, _ = await make_route(conn)
        twin = replace(trip, trip_id=new_id())
        assert await insert_trips(conn, [trip, twin]) == [trip]


async def test_trips_of_many_batches_are_all_written(db: Database):
    async with db.transaction() as conn:
        trip, _ = await make_route(conn)
        many = days(trip, 2 * BATCH + 1)
        assert await insert_trips(conn, many) == many
        assert await insert_trips(conn, many) == []
        assert await conn.fetchval("SELECT count(*) FROM trip WHERE code = 'daily'") == len(many)


@pytest.mark.slow
async def test_the_departures_of_a_city_of_minibuses_come_in_within_the_limit_of_a_statement(
    live_db: Database,
):
    async with live_db.transaction() as conn:
        trip, _ = await make_route(conn)
        many = [
            replace(trip, trip_id=new_id(), code=f"line {n % 563} at {n // 563}")
            for n in range(114_750)
        ]
        assert len(await insert_trips(conn, many)) == 114_750


async def write_at_once(
    db: Database, write: Callable[[Conn, list[NewTrip]], Awaitable[object]], n: int
) -> list[object]:
    """Two transactions write the same `n` trips in opposite orders; what each gave or raised."""
    async with db.transaction() as conn:
        trip, _ = await make_route(conn)
    gate = asyncio.Barrier(2)

    async def run(trips: list[NewTrip]) -> object:
        async with db.transaction() as conn:
            await gate.wait()
            return await write(conn, trips)

    orders = days(trip, n), days(trip, n)[::-1]
    return list(await asyncio.gather(*map(run, orders), return_exceptions=True))


async def test_two_imports_at_once_write_each_trip_once(live_db: Database):
    async def write(conn: Conn, trips: list[NewTrip]) -> int:
        return len(await insert_trips(conn, trips))

    for _ in range(3):
        assert sorted(map(str, await write_at_once(live_db, write, 2000))) == ["0", "2000"]


async def test_twin_without_the_order_of_keys_two_imports_lock_up(live_db: Database):
    async def write(conn: Conn, trips: list[NewTrip]) -> int:
        return len(await store_trips.insert_trips(conn, trips=trips))

    for _ in range(10):
        outcomes = await write_at_once(live_db, write, 2000)
        if any(isinstance(outcome, asyncpg.DeadlockDetectedError) for outcome in outcomes):
            return
    pytest.fail("no deadlock in ten tries: the test of the order proves nothing")


async def test_two_imports_at_once_write_the_same_stops(live_db: Database):
    stops = [NewStop("f", str(n), f"Stop {n}", "Africa/Lagos") for n in range(200)]
    gate = asyncio.Barrier(2)

    async def write(wanted: list[NewStop]) -> dict[tuple[str, str], object]:
        async with live_db.transaction() as conn:
            await gate.wait()
            return dict(await put_stops(conn, wanted))

    first, second = await asyncio.gather(write(stops), write(stops[::-1]))
    assert first == second
    assert len(first) == 200
