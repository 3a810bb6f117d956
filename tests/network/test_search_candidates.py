"""Candidate trips against the definition: every trip's own segment, one trip after the other."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kiti.network.model import NewTrip, SegmentBackwards, StopNotOnTrip, TripSheet
from kiti.network.model_search import Candidate, Departures, local_date, local_day
from kiti.network.search import find_search_places, list_dates_served, list_departures
from kiti.network.service import Catalogue, insert_trips, put_city, put_layout, put_operator
from kiti.platform.db import Conn, Database, fetch_value
from kiti.platform.ids import new_id
from search_make import FIRST_DAY, TABLE, ZONES, Built, Plan, build, plans, undone


def expected(
    sheets: list[TripSheet], origins: list[UUID], ends: list[UUID], on: date, *, is_round: bool
) -> set[Candidate]:
    """What the definition gives: each pair of stops on each trip, by the trip's own segment."""
    found: set[Candidate] = set()
    for sheet in sheets:
        for origin in origins:
            for end in ends:
                if origin == end and not is_round:
                    continue
                try:
                    segment = sheet.segment(origin, end)
                except (StopNotOnTrip, SegmentBackwards):
                    continue
                board, leave = sheet.calls[segment.first], sheet.calls[segment.last]
                if board.local_departure.date() == on:
                    found.add(
                        Candidate(
                            sheet.trip_id,
                            sheet.operator_id,
                            sheet.layout_id,
                            sheet.fare_table_id,
                            origin,
                            end,
                            segment.first,
                            segment.last,
                            board.departs_at,
                            leave.arrives_at,
                        )
                    )
    return found


async def found(conn: Conn, origin_id: UUID, end_id: UUID, on: date) -> list[Candidate]:
    """Each trip by each pair of calls that leaves on that date, in the order of the trips."""
    places = await find_search_places(conn, [origin_id, end_id])
    looked = await list_departures(
        conn,
        origin=places[origin_id],
        destination=places[end_id],
        on=on,
        after=None,
        limit=1000,
    )
    assert not looked.is_cut
    firsts = [looked.first_of(trip) for trip in looked.trips]
    assert firsts == sorted(firsts)
    return by_pairs(looked)


def by_pairs(looked: Departures) -> list[Candidate]:
    out: list[Candidate] = []
    for trip in looked.trips:
        for pairs in looked.pairs_by_date(trip).values():
            ranks = [(pair.last - pair.first, pair.first) for pair in pairs]
            assert ranks == sorted(ranks)
            out += [trip.by(pair) for pair in pairs]
    return out


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(plan=plans(), data=st.data())
async def test_candidates_are_what_each_trip_says(db: Database, plan: Plan, data: st.DataObject):
    async with undone(db) as conn:
        built = await build(conn, plan)
        members = built.members(plan)
        on = FIRST_DAY + timedelta(days=data.draw(st.integers(-1, 5)))
        for origin_id, origins in members.items():
            for end_id, ends in members.items():
                is_round = origin_id == end_id and origin_id in built.stops
                rows = await found(conn, origin_id, end_id, on)
                assert set(rows) == expected(built.sheets, origins, ends, on, is_round=is_round)
                assert len(set(rows)) == len(rows)


@given(
    on=st.dates(date(2000, 1, 1), date(2199, 12, 31)),
    zone=st.sampled_from([*ZONES, "America/St_Johns", "Pacific/Apia", "America/Havana"]),
    seconds=st.integers(-100_000, 200_000),
)
def test_every_instant_of_a_local_date_lies_within_its_day(on: date, zone: str, seconds: int):
    day = local_day(on, zone)
    instant = datetime(on.year, on.month, on.day, tzinfo=UTC) + timedelta(seconds=seconds)

    if local_date(instant, zone) == on:
        assert day.begins_at <= instant < day.ends_at


async def one_trip(conn: Conn, *, starts_at: datetime) -> Built:
    plan = Plan(
        zones=(0, 0, 0),
        city_of=(0, 0, 1),
        patterns=(((0, 0, 0, True, True), (1, 60, 5, True, True), (2, 60, 0, True, True)),),
        trips=(),
    )
    built = await build(conn, plan)
    trip = NewTrip(
        operator_id=await put_operator(conn, code="t", name="Test", timezone="UTC"),
        pattern_id=await fetch_value(conn, "SELECT pattern_id FROM pattern"),
        layout_id=await put_layout(conn, "1A 1B\n"),
        fare_table_id=TABLE,
        feed="t",
        code="one",
        service_date=starts_at.date(),
        starts_at=starts_at,
    )
    await insert_trips(conn, [trip])
    return Built(built.stops, built.cities, [await Catalogue().sheet(conn, trip.trip_id)])


async def test_a_coach_that_has_left_a_stop_is_found_at_the_next_one_only(db: Database):
    async with db.transaction() as conn:
        now: datetime = await fetch_value(conn, "SELECT now()")
        built = await one_trip(conn, starts_at=now - timedelta(minutes=30))
        first, second, last = built.stops
        dates = {local_date(now + timedelta(minutes=m), "Africa/Lagos") for m in (-30, 40)}

        gone = [row for on in dates for row in await found(conn, first, last, on)]
        there = [row for on in dates for row in await found(conn, second, last, on)]

    assert gone == []
    assert len(there) == 1


async def test_a_page_goes_on_after_a_departure_and_a_trip(db: Database):
    async with db.transaction() as conn:
        at = datetime(2096, 5, 1, 8, tzinfo=UTC)
        built = await one_trip(conn, starts_at=at)
        places = await find_search_places(conn, [built.stops[0], built.stops[2]])
        trip_id = built.sheets[0].trip_id

        async def search(after: tuple[datetime, UUID]) -> int:
            looked = await list_departures(
                conn,
                origin=places[built.stops[0]],
                destination=places[built.stops[2]],
                on=at.date(),
                after=after,
                limit=10,
            )
            return len(looked.trips)

        assert await search((at, UUID(int=trip_id.int - 1))) == 1
        assert await search((at, trip_id)) == 0
        assert await search((at - timedelta(seconds=1), trip_id)) == 1
        assert await search((at + timedelta(seconds=1), UUID(int=0))) == 0


async def test_more_trips_than_the_limit_are_told(db: Database):
    async with db.transaction() as conn:
        at = datetime(2096, 5, 1, 8, tzinfo=UTC)
        built = await one_trip(conn, starts_at=at)
        await conn.execute(
            """
            INSERT INTO trip (trip_id, operator_id, pattern_id, layout_id, fare_table_id, feed,
              code, service_date, starts_at)
            SELECT gen_random_uuid(), operator_id, pattern_id, layout_id, fare_table_id, feed,
              'two', service_date, starts_at + interval '1 hour'
            FROM trip
            """
        )
        places = await find_search_places(conn, built.cities)

        async def search(limit: int) -> tuple[int, bool]:
            looked = await list_departures(
                conn,
                origin=places[built.cities[0]],
                destination=places[built.cities[1]],
                on=date(2096, 5, 1),
                after=None,
                limit=limit,
            )
            return len(looked.trips), looked.is_cut

        # Two stops of the first city are called at, and still a trip counts once.
        assert await search(2) == (2, False)
        assert await search(1) == (1, True)


async def test_dates_served_are_the_local_ones(db: Database):
    async with db.transaction() as conn:
        built = await one_trip(conn, starts_at=datetime(2096, 5, 1, 23, 30, tzinfo=UTC))
        places = await find_search_places(conn, [built.stops[0], built.stops[2]])

        served = await list_dates_served(
            conn,
            origin=places[built.stops[0]],
            destination=places[built.stops[2]],
            dates=[date(2096, 4, 30) + timedelta(days=n) for n in range(5)],
        )

    assert served == {date(2096, 5, 2)}


async def test_a_city_without_stops_is_known_and_an_unknown_id_is_not(db: Database):
    async with db.transaction() as conn:
        city = await put_city(conn, name="Nowhere", country="NG", timezone="UTC")

        places = await find_search_places(conn, [city, new_id()])

    assert list(places) == [city]
    assert places[city].stops == ()


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("figures", ["never analyzed", "analyzed"])
async def test_cost_is_by_the_days_trips_not_by_those_on_file(
    live_db: Database, mode: str, figures: str
):
    async with live_db.transaction() as conn:
        built = await one_trip(conn, starts_at=datetime(2096, 5, 1, 8, tzinfo=UTC))
        await conn.execute(
            """
            WITH line AS (
              INSERT INTO pattern (pattern_id, route_id, digest)
              SELECT gen_random_uuid(), route_id, 'copy ' || n
              FROM pattern, generate_series(1, 40) AS n
              RETURNING pattern_id, digest
            ), call AS (
              INSERT INTO pattern_call (pattern_id, position, sequence, stop_id, arrival_s,
                departure_s, pickup, drop_off)
              SELECT line.pattern_id, c.position, c.sequence,
                CASE WHEN line.digest < 'copy 2' THEN c.stop_id ELSE $1 END,
                c.arrival_s, c.departure_s, true, true
              FROM line, pattern_call c
            )
            INSERT INTO trip (trip_id, operator_id, pattern_id, layout_id, fare_table_id, feed,
              code, service_date, starts_at)
            SELECT gen_random_uuid(), t.operator_id, line.pattern_id, t.layout_id, t.fare_table_id,
              't', line.digest, (t.starts_at + make_interval(days => n))::date,
              t.starts_at + make_interval(days => n)
            FROM trip t, line, generate_series(-400, 399) AS n
            """,
            built.stops[1],
        )
        lines = await fetch_value(
            conn, "SELECT count(*) FROM pattern_call WHERE stop_id = $1", built.stops[0]
        )
    if figures == "analyzed":
        async with live_db.connection() as conn:
            await conn.execute("ANALYZE")
    async with live_db.transaction() as conn:
        await conn.execute(f"SET LOCAL plan_cache_mode = {mode}")
        places = await find_search_places(conn, built.cities)
        origin, destination = places[built.cities[0]], places[built.cities[1]]
        on = date(2096, 5, 1)
        dates = [on + timedelta(days=n) for n in range(-14, 15)]

        scans, reads = await reads_of_trip(conn)
        looked = await list_departures(
            conn, origin=origin, destination=destination, on=on, after=None, limit=5000
        )
        scans_after, reads_after = await reads_of_trip(conn)
        served = await list_dates_served(conn, origin=origin, destination=destination, dates=dates)
        scans_at_end, reads_at_end = await reads_of_trip(conn)

    assert lines > 10
    assert len({trip.trip_id for trip in looked.trips}) == lines
    assert served == set(dates)
    assert scans == scans_after == scans_at_end
    assert reads_after - reads == lines
    assert reads_at_end - reads_after <= 2 * lines * len(dates)


async def reads_of_trip(conn: Conn) -> tuple[int, int]:
    """Sequential scans of table trip, and rows fetched by an index, in this transaction."""
    row = await conn.fetchrow(
        "SELECT seq_scan, idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'trip'"
    )
    assert row is not None
    return row["seq_scan"], row["idx_tup_fetch"]
