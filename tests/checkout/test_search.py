"""What a search finds: seats, prices, places, dates and sales."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest

from booking_make import let_expire
from kiti.fares.model import FareKey, NewFareTable
from kiti.network.model import NewCall
from kiti.network.service import put_city
from kiti.platform.db import Database, fetch_value
from make import make_calls
from search_site import (
    STARTS_AT,
    Line,
    Site,
    free_seats_of,
    make_line,
    make_open_trip,
    make_site,
    set_status,
    take,
)

# Eleven seats: 1A to 1C are VIP, 4A is not sold.
N_SOLD = 10
VIP = [0, 1, 2]


@pytest.fixture
async def site(db: Database) -> AsyncGenerator[Site]:
    made = make_site(db)
    async with made.client:
        yield made


@pytest.fixture
async def line(site: Site) -> Line:
    return await make_line(site.db)


async def test_a_trip_found_says_all_that_the_contract_says(site: Site, line: Line):
    sheet = await make_open_trip(site.db, line.stops)

    found = await site.get(
        "/api/trips", from_=line.stops[1], to=line.stops[3], date="2096-05-01", passengers=2
    )

    assert found == {
        "items": [
            {
                "id": str(sheet.trip_id),
                "operator": {"id": str(sheet.operator_id), "name": "Kiti Lines"},
                "from": {
                    "stopId": str(line.stops[1]),
                    "name": "Stop 1",
                    "departsAt": "2096-05-01T07:30:00Z",
                    "localTime": "2096-05-01T08:30:00+01:00",
                },
                "to": {
                    "stopId": str(line.stops[3]),
                    "name": "Stop 3",
                    "arrivesAt": "2096-05-01T09:20:00Z",
                    "localTime": "2096-05-01T10:20:00+01:00",
                },
                "durationMinutes": 110,
                "availableSeats": N_SOLD,
                "price": {"amount": 2223902, "currency": "NGN"},
                "layout": {
                    "id": str(sheet.layout_id),
                    "name": "Small coach",
                    "seats": 11,
                    "amenities": ["STEP_FREE"],
                },
            }
        ],
        "nextCursor": None,
    }


async def test_seats_left_are_those_of_the_legs_asked_for(site: Site, line: Line):
    sheet = await make_open_trip(site.db, line.stops)
    await take(site.db, sheet, free_seats_of(sheet)[:4], first=0, last=2)

    [early] = await site.trips(line.stops[0], line.stops[1])
    [across] = await site.trips(line.stops[1], line.stops[3])
    [late] = await site.trips(line.stops[2], line.stops[4])

    seats = [trip["availableSeats"] for trip in (early, across, late)]
    assert seats == [N_SOLD - 4, N_SOLD - 4, N_SOLD]


async def test_the_seats_of_a_hold_that_has_ended_are_free(site: Site, line: Line):
    sheet = await make_open_trip(site.db, line.stops)
    booking_id = await take(site.db, sheet, free_seats_of(sheet))
    assert await site.trips(line.stops[0], line.stops[1]) == []

    async with site.db.transaction() as conn:
        await let_expire(conn, booking_id)

    [trip] = await site.trips(line.stops[0], line.stops[1])
    assert trip["availableSeats"] == N_SOLD


async def test_a_trip_needs_a_seat_for_each_passenger(site: Site, line: Line):
    sheet = await make_open_trip(site.db, line.stops)
    await take(site.db, sheet, free_seats_of(sheet)[3:])

    assert len(await site.trips(line.stops[0], line.stops[4], passengers=3)) == 1
    assert await site.trips(line.stops[0], line.stops[4], passengers=4) == []


async def test_sold_out_trips_are_shown_to_who_asks_for_them(site: Site, line: Line):
    full = await make_open_trip(site.db, line.stops)
    await take(site.db, full, free_seats_of(full))
    await make_open_trip(site.db, line.stops, closes_at=datetime(2020, 1, 1, tzinfo=UTC))

    assert await site.trips(line.stops[0], line.stops[1]) == []
    [trip] = await site.trips(line.stops[0], line.stops[1], includeSoldOut="true")
    assert (trip["id"], trip["availableSeats"]) == (str(full.trip_id), 0)


@pytest.mark.parametrize("status", ["closed", "cancelled"])
async def test_a_trip_off_sale_is_not_found(site: Site, line: Line, status: str):
    sheet = await make_open_trip(site.db, line.stops)
    await set_status(site.db, sheet, status)

    found = await site.trips(line.stops[0], line.stops[1], includeSoldOut="true")

    assert found == []


async def test_sales_close_by_the_clock_of_the_database(site: Site, line: Line):
    async with site.db.connection() as conn:
        now: datetime = await fetch_value(conn, "SELECT clock_timestamp()")
    starts_at = now + timedelta(hours=3)
    shut = await make_open_trip(site.db, line.stops, starts_at=starts_at, closes_at=now)
    still = await make_open_trip(
        site.db, line.stops, starts_at=starts_at, closes_at=now + timedelta(hours=1)
    )
    on = (starts_at + timedelta(hours=1)).date()

    found = await site.trips(line.stops[0], line.stops[1], date=on)

    assert [trip["id"] for trip in found] == [str(still.trip_id)]
    assert str(shut.trip_id) != str(still.trip_id)


async def test_the_date_is_the_one_on_the_clock_of_the_stop(site: Site, line: Line):
    # 23:30 of May the 1st in UTC is 00:30 of the 2nd in Lagos; an hour later at the second stop.
    await make_open_trip(site.db, line.stops, starts_at=datetime(2096, 5, 1, 22, 30, tzinfo=UTC))

    assert len(await site.trips(line.stops[0], line.stops[3], date="2096-05-01")) == 1
    assert await site.trips(line.stops[1], line.stops[3], date="2096-05-01") == []
    assert len(await site.trips(line.stops[1], line.stops[3], date="2096-05-02")) == 1


async def test_a_city_stands_for_its_stops_and_a_trip_comes_once(site: Site, line: Line):
    await make_open_trip(site.db, line.stops)

    [trip] = await site.trips(line.lagos, line.ibadan)

    assert trip["from"]["stopId"] == str(line.stops[1])
    assert trip["to"]["stopId"] == str(line.stops[3])
    assert len(await site.trips(line.lagos, line.stops[2])) == 1
    assert len(await site.trips(line.stops[0], line.ibadan)) == 1
    assert await site.trips(line.ibadan, line.lagos) == []


async def test_of_a_citys_stops_one_with_a_fare_is_taken(site: Site, line: Line):
    fares = {FareKey(line.stops[0], line.stops[4], "STANDARD"): 500000}
    await make_open_trip(site.db, line.stops, fares=NewFareTable("Ends", "NGN", fares=fares))

    [trip] = await site.trips(line.lagos, line.ibadan)

    assert trip["from"]["stopId"] == str(line.stops[0])
    assert trip["to"]["stopId"] == str(line.stops[4])
    assert trip["price"] == {"amount": 500000, "currency": "NGN"}


async def test_of_a_citys_stops_one_on_the_date_is_taken(site: Site, line: Line):
    # 23:30 at the first stop of Lagos, 00:30 of the next day at the second.
    await make_open_trip(site.db, line.stops, starts_at=datetime(2096, 5, 1, 22, 30, tzinfo=UTC))

    [first] = await site.trips(line.lagos, line.ibadan, date="2096-05-01")
    [second] = await site.trips(line.lagos, line.ibadan, date="2096-05-02")

    assert first["from"]["stopId"] == str(line.stops[0])
    assert second["from"]["stopId"] == str(line.stops[1])


async def test_a_segment_without_a_fare_is_not_found(site: Site, line: Line):
    fares = {FareKey(line.stops[0], line.stops[4], "STANDARD"): 500000}
    await make_open_trip(site.db, line.stops, fares=NewFareTable("Ends", "NGN", fares=fares))

    assert await site.trips(line.stops[0], line.stops[3], includeSoldOut="true") == []
    assert len(await site.trips(line.stops[0], line.stops[4])) == 1


async def test_the_price_is_the_lowest_that_can_still_be_paid(site: Site, line: Line):
    fares = {FareKey(line.stops[0], line.stops[4], "STANDARD"): 500000}
    table = NewFareTable("Ends", "NGN", fares=fares, class_shares={"VIP": 1500})
    sheet = await make_open_trip(site.db, line.stops, fares=table)
    ends = (line.stops[0], line.stops[4])
    [before] = await site.trips(*ends)

    await take(site.db, sheet, [s for s in free_seats_of(sheet) if s not in VIP])
    [after] = await site.trips(*ends)
    await take(site.db, sheet, VIP)
    [at_end] = await site.trips(*ends, includeSoldOut="true")

    assert [trip["price"]["amount"] for trip in (before, after, at_end)] == [
        500000,
        750000,
        500000,
    ]


async def test_seats_of_a_class_without_a_fare_are_not_for_sale(site: Site, line: Line):
    fares = {FareKey(line.stops[0], line.stops[4], "VIP"): 900000}
    await make_open_trip(site.db, line.stops, fares=NewFareTable("VIP", "NGN", fares=fares))
    ends = (line.stops[0], line.stops[4])

    [trip] = await site.trips(*ends, passengers=len(VIP))

    assert (trip["availableSeats"], trip["price"]["amount"]) == (len(VIP), 900000)
    assert await site.trips(*ends, passengers=len(VIP) + 1) == []


async def test_where_a_trip_calls_twice_the_nearest_pair_is_meant(site: Site, line: Line):
    around = [line.stops[0], line.stops[1], line.stops[0], line.stops[2], line.stops[0]]
    sheet = await make_open_trip(site.db, line.stops, calls=make_calls(around))
    await take(site.db, sheet, free_seats_of(sheet)[:3], first=0, last=2)

    [trip] = await site.trips(line.stops[0], line.stops[2])
    [tour] = await site.trips(line.stops[0], line.stops[0])

    assert (trip["from"]["departsAt"], trip["availableSeats"]) == ("2096-05-01T08:30:00Z", N_SOLD)
    assert (tour["from"]["departsAt"], tour["availableSeats"]) == (
        "2096-05-01T06:30:00Z",
        N_SOLD - 3,
    )


async def test_nobody_boards_or_leaves_where_the_trip_does_not_allow_it(site: Site, line: Line):
    a, b, c = line.stops[:3]
    calls = [
        NewCall(1, a, 0, 0),
        NewCall(2, b, 3000, 3600, pickup=False),
        NewCall(3, c, 6600, 7200, drop_off=False),
        NewCall(4, line.stops[3], 9000, 9000),
    ]
    await make_open_trip(site.db, line.stops, calls=calls)

    assert len(await site.trips(a, b)) == 1
    assert await site.trips(b, line.stops[3]) == []
    assert await site.trips(a, c) == []
    assert len(await site.trips(c, line.stops[3])) == 1


async def test_nothing_found_names_the_nearest_dates_with_seats(site: Site, line: Line):
    days = (-20, -6, -2, 1, 2, 3, 9)
    sheets = {
        day: await make_open_trip(site.db, line.stops, starts_at=STARTS_AT + timedelta(days=day))
        for day in days
    }
    await take(site.db, sheets[1], free_seats_of(sheets[1]))
    await take(site.db, sheets[2], free_seats_of(sheets[2])[1:])
    query = {"from_": line.lagos, "to": line.ibadan, "date": "2096-05-01"}

    one = await site.get("/api/trips", **query)
    two = await site.get("/api/trips", **query, passengers=2, includeSoldOut="true", sort="price")

    assert one == {
        "items": [],
        "nextCursor": None,
        "nearestDates": ["2096-05-03", "2096-04-29", "2096-05-04"],
    }
    assert two["nearestDates"] == ["2096-04-29", "2096-05-04", "2096-04-25"]


async def test_places_that_nothing_joins_have_no_nearest_dates(site: Site, line: Line):
    async with site.db.transaction() as conn:
        nowhere = await put_city(conn, name="Nowhere", country="NG", timezone="Africa/Lagos")
    await make_open_trip(site.db, line.stops)

    back = await site.get("/api/trips", from_=line.ibadan, to=line.lagos, date="2096-05-01")
    lost = await site.get("/api/trips", from_=line.ibadan, to=nowhere, date="2096-05-01")

    assert back == lost == {"items": [], "nextCursor": None, "nearestDates": []}


async def test_a_date_gone_by_is_empty_and_names_dates_to_come(site: Site, line: Line):
    async with site.db.connection() as conn:
        now: datetime = await fetch_value(conn, "SELECT clock_timestamp()")
    for days in (-3, 5):
        await make_open_trip(site.db, line.stops, starts_at=now + timedelta(days=days))
    past = now + timedelta(days=-3, hours=1)
    coming = now + timedelta(days=5, hours=1)

    found = await site.get("/api/trips", from_=line.lagos, to=line.ibadan, date=past.date())
    far = await site.get("/api/trips", from_=line.lagos, to=line.ibadan, date="2000-01-01")

    assert found["items"] == []
    assert coming.date().isoformat() in found["nearestDates"]
    assert far["nearestDates"] == []
