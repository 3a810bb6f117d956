from collections import Counter
from datetime import date, timedelta

from booking_make import Trip, hold, make_request
from kiti.booking.service import get_stock
from kiti.fares.service import FareTables, quote
from kiti.network.places import list_places
from kiti.network.service import Catalogue
from kiti.platform.clock import utc_now
from kiti.platform.db import Database
from kiti.platform.money import Money
from kiti.timetable.demo.service import DAYS, load_demo
from kiti.timetable.jobs import make_trips

MONDAY = date(2030, 11, 25)
MUST_HAVE = [
    ("Lagos", "Ibadan"), ("Lagos", "Abuja"), ("Accra", "Kumasi"), ("Nairobi", "Mombasa"),
    ("Kampala", "Nairobi"), ("Dar es Salaam", "Arusha"), ("Dar es Salaam", "Zanzibar City"),
]  # fmt: skip

CITY_PAIRS = """
    SELECT DISTINCT a_city.name AS origin, b_city.name AS destination, trip.service_date
    FROM trip
    JOIN trip_inventory USING (trip_id)
    JOIN pattern_call a ON a.pattern_id = trip.pattern_id AND a.pickup
    JOIN pattern_call b ON b.pattern_id = trip.pattern_id AND b.drop_off AND b.position > a.position
    JOIN stop a_stop ON a_stop.stop_id = a.stop_id
    JOIN stop b_stop ON b_stop.stop_id = b.stop_id
    JOIN city a_city ON a_city.city_id = a_stop.city_id
    JOIN city b_city ON b_city.city_id = b_stop.city_id
"""
COUNTS = """
    SELECT (SELECT count(*) FROM trip), (SELECT count(*) FROM trip_inventory),
      (SELECT count(*) FROM stop), (SELECT count(*) FROM city), (SELECT count(*) FROM operator),
      (SELECT count(*) FROM route), (SELECT count(*) FROM pattern), (SELECT count(*) FROM vehicle),
      (SELECT count(*) FROM layout), (SELECT count(*) FROM fare_table),
      (SELECT count(*) FROM place_name)
"""


async def test_every_promised_pair_runs_both_ways_on_each_of_the_next_45_days(db: Database):
    loaded = await load_demo(db, today=MONDAY)
    assert 3_000 < loaded.trips_new < 6_000
    async with db.connection() as conn:
        await conn.execute("ANALYZE trip, trip_inventory, pattern_call, stop, city")
        rows = await conn.fetch(CITY_PAIRS)
        currencies = await conn.fetch("SELECT DISTINCT currency FROM fare_table")
    days = Counter((row["origin"], row["destination"]) for row in rows)
    for origin, destination in MUST_HAVE:
        assert days[origin, destination] == days[destination, origin] == DAYS == 46
    assert {row["currency"] for row in currencies} == {"NGN", "GHS", "KES", "UGX", "TZS"}


async def test_loading_again_changes_nothing_and_a_new_day_adds_only_itself(db: Database):
    first = await load_demo(db, today=MONDAY)
    async with db.connection() as conn:
        before = await conn.fetchrow(COUNTS)
    again = await load_demo(db, today=MONDAY)
    async with db.connection() as conn:
        assert await conn.fetchrow(COUNTS) == before
    assert again.trips_new == 0
    assert again.operators == first.operators
    new = (await load_demo(db, today=MONDAY + timedelta(days=1))).trips_new
    async with db.connection() as conn:
        last = await conn.fetchrow(
            "SELECT count(*) AS trips, min(service_date) AS day FROM trip WHERE service_date > $1",
            MONDAY + timedelta(days=DAYS - 1),
        )
    assert last is not None
    assert (last["trips"], last["day"]) == (new, MONDAY + timedelta(days=DAYS))
    assert 50 < new < 150


async def test_the_job_renews_only_a_demo_that_was_loaded(db: Database):
    assert await make_trips(db) == 0
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT count(*) FROM stop") == 0
    await load_demo(db, today=utc_now().date() - timedelta(days=2))
    assert await make_trips(db) > 100
    assert await make_trips(db) == 0


async def test_a_held_seat_survives_the_renewal_and_prices_are_whole(db: Database):
    today = utc_now().date()
    await load_demo(db, today=today)
    async with db.connection() as conn:
        trip_id = await conn.fetchval(
            "SELECT trip_id FROM trip WHERE code = 'lagos-abuja out 08:00' AND service_date = $1",
            today + timedelta(days=3),
        )
        assert trip_id is not None
        sheet = await Catalogue().sheet(conn, trip_id)
        table = await FareTables().table(conn, sheet.fare_table_id)
    seats = [sheet.layout.seat_index(label) for label in ("1A", "4A")]
    assert None not in seats
    taken = tuple(seat for seat in seats if seat is not None)
    held = await hold(db, make_request(Trip(trip_id, 34, sheet.n_legs), seats=taken))
    assert held.outcome == "held"
    await make_trips(db)
    async with db.connection() as conn:
        stock = await get_stock(conn, trip_id=trip_id)
    assert stock is not None
    assert stock.is_on_sale
    assert stock.occupancy.taken.bit_count() == 2 * sheet.n_legs
    # VIP is 1.35 of 37,500.00 NGN, a child half of it.
    assert quote(sheet, sheet.segment(), taken, ["CHILD", "ADULT"], table) == [
        Money(2_531_250, "NGN"),
        Money(3_750_000, "NGN"),
    ]


async def test_cities_are_found_by_the_names_people_give_them(db: Database):
    await load_demo(db, today=MONDAY)
    async with db.connection() as conn:
        for typed, name in (
            ("eko", "Lagos"), ("fct", "Abuja"), ("mvita", "Mombasa"), ("dar", "Dar es Salaam"),
            ("unguja", "Zanzibar City"), ("lome", "Lomé"), ("ìbàdàn", "Ibadan"),
        ):  # fmt: skip
            found = await list_places(conn, q=typed, after=None, limit=5)
            assert found[0].kind == "CITY"
            assert found[0].name == name


async def test_a_trip_over_two_zones_tells_each_stop_s_own_time(db: Database):
    await load_demo(db, today=MONDAY)
    async with db.connection() as conn:
        trip_id = await conn.fetchval(
            "SELECT trip_id FROM trip WHERE code = 'lagos-accra back 05:30' AND service_date = $1",
            MONDAY,
        )
        assert trip_id is not None
        sheet = await Catalogue().sheet(conn, trip_id)
    assert sheet.calls[0].local_departure.isoformat() == "2030-11-25T05:30:00+00:00"
    assert sheet.calls[-1].local_arrival.isoformat() == "2030-11-25T18:30:00+01:00"
