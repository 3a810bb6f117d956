"""Filters, the strip of days and stops near a point, over HTTP."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from kiti.fares.model import NewFareTable
from kiti.network.model import NewStop
from kiti.network.service import put_stop
from kiti.platform.db import Database
from search_site import (
    STARTS_AT,
    Line,
    Site,
    free_seats_of,
    make_line,
    make_open_trip,
    make_site,
    take,
)

PLAIN = "name: Plain\n1A 1B\n"
RICH = "name: Rich\nclass v: VIP\namenities: wifi, AC\n1A:v 1B:v . 1C\n# . .\n"
CHEAP = NewFareTable("cheap", "NGN", per_km_minor=0, minimum_minor=1_000)
DEAR = NewFareTable("dear", "NGN", per_km_minor=0, minimum_minor=3_000, class_shares={"VIP": 2_000})


@pytest.fixture
async def site(db: Database) -> AsyncGenerator[Site]:
    made = make_site(db)
    async with made.client:
        yield made


@pytest.fixture
async def line(site: Site) -> Line:
    return await make_line(site.db)


@pytest.fixture
async def day(site: Site, line: Line) -> list[str]:
    """Ids of two trips: a plain and cheap one at 07:30, a rich and dear one at 19:30."""
    plain = await make_open_trip(site.db, line.stops, layout=PLAIN, fares=CHEAP)
    rich = await make_open_trip(
        site.db,
        line.stops,
        layout=RICH,
        fares=DEAR,
        starts_at=STARTS_AT + timedelta(hours=12),
    )
    return [str(plain.trip_id), str(rich.trip_id)]


async def ids(site: Site, line: Line, **query: object) -> list[str]:
    return [trip["id"] for trip in await site.trips(line.stops[0], line.ibadan, **query)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "plain rich"),
        ({"departAfter": "07:30"}, "plain rich"),
        ({"departAfter": "07:31"}, "rich"),
        ({"departBefore": "07:30"}, ""),
        ({"departBefore": "19:30"}, "plain"),
        ({"departAfter": "19:00", "departBefore": "08:00"}, "plain rich"),
        ({"departAfter": "20:00", "departBefore": "08:00"}, "plain"),
        ({"departAfter": "08:00", "departBefore": "08:00"}, "plain rich"),
        ({"class": "vip"}, "rich"),
        ({"class": "STANDARD"}, "plain rich"),
        ({"class": "FIRST"}, ""),
        ({"amenity": "WIFI"}, "rich"),
        ({"amenity": "toilet"}, "rich"),
        ({"amenity": "POOL"}, ""),
        ({"maxPrice": "1000"}, "plain"),
        ({"maxPrice": "999"}, ""),
        ({"maxPrice": "3000"}, "plain rich"),
        ({"passengers": "3"}, "rich"),
        ({"passengers": "3", "class": "VIP"}, ""),
    ],
)
async def test_a_filter_leaves_what_passes(
    site: Site, line: Line, day: list[str], query: dict[str, object], found: str
):
    names = dict(zip(day, ("plain", "rich"), strict=True))
    assert " ".join([names[trip] for trip in await ids(site, line, **query)]) == found


async def test_a_class_asked_for_says_its_own_seats_and_price(
    site: Site, line: Line, day: list[str]
):
    [trip] = await site.trips(line.lagos, line.ibadan, **{"class": "VIP"})

    assert trip["id"] == day[1]
    assert (trip["availableSeats"], trip["price"]["amount"]) == (2, 6_000)
    assert trip["layout"]["amenities"] == ["WIFI", "AC", "TOILET"]


async def test_values_of_one_filter_are_alternatives_but_amenities_add_up(
    site: Site, line: Line, day: list[str]
):
    async def found(*pairs: tuple[str, object]) -> list[str]:
        fixed = [("from", line.lagos), ("to", line.ibadan), ("date", "2096-05-01")]
        query = urlencode([(name, str(value)) for name, value in [*fixed, *pairs]])
        answer = await site.client.get(f"/api/trips?{query}")
        assert answer.status_code == 200, answer.text
        return [trip["id"] for trip in answer.json()["items"]]

    operators = {
        trip["id"]: trip["operator"]["id"] for trip in await site.trips(line.lagos, line.ibadan)
    }
    both = [("operator", operators[trip]) for trip in day]
    assert await found(both[0]) == [day[0]]
    assert await found(*both) == day
    assert await found(("class", "VIP"), ("class", "FIRST")) == [day[1]]
    assert await found(("amenity", "WIFI"), ("amenity", "AC")) == [day[1]]
    assert await found(("amenity", "WIFI"), ("amenity", "POOL")) == []


async def test_the_first_page_says_what_can_be_filtered(site: Site, line: Line, day: list[str]):
    asked = {"from_": line.lagos, "to": line.ibadan, "date": "2096-05-01", "limit": 1}
    plain = await site.get("/api/trips", **asked)
    found = await site.get("/api/trips", **asked, includeFilters="true", departAfter="23:00")
    first = await site.get("/api/trips", **asked, includeFilters="true")
    second = await site.get(
        "/api/trips", **asked, includeFilters="true", cursor=first["nextCursor"]
    )

    assert "filters" not in plain
    assert "filters" not in second
    assert found["items"] == []
    # Whatever the filters leave, the choices are those of the day.
    assert found["filters"] == first["filters"]
    assert first["filters"]["classes"] == ["STANDARD", "VIP"]
    assert first["filters"]["amenities"] == ["AC", "TOILET", "WIFI"]
    assert len(first["filters"]["operators"]) == 2
    assert {one["name"] for one in first["filters"]["operators"]} == {"Kiti Lines"}
    assert len(day) == 2


async def test_nearest_dates_are_those_that_pass_the_filters(
    site: Site, line: Line, day: list[str]
):
    await make_open_trip(site.db, line.stops, layout=RICH, starts_at=STARTS_AT + timedelta(days=3))
    await make_open_trip(site.db, line.stops, layout=PLAIN, starts_at=STARTS_AT + timedelta(days=1))
    asked = {"from_": line.lagos, "to": line.ibadan, "date": "2096-05-02", "class": "VIP"}

    found = await site.get("/api/trips", **asked)

    assert found["nearestDates"] == ["2096-05-01", "2096-05-04"]
    assert len(day) == 2


@pytest.mark.parametrize(
    ("name", "value", "pointer"),
    [
        ("departAfter", "7:30", "departAfter"),
        ("departAfter", "24:00", "departAfter"),
        ("departBefore", "07:30:00", "departBefore"),
        ("departBefore", "noon", "departBefore"),
        ("operator", "x", "operator/0"),
        ("class", "", "class/0"),
        ("class", "x" * 101, "class/0"),
        ("amenity", "x" * 101, "amenity/0"),
        ("maxPrice", "-1", "maxPrice"),
        ("maxPrice", "1.5", "maxPrice"),
        ("maxPrice", "9" * 30, "maxPrice"),
        ("includeFilters", "perhaps", "includeFilters"),
    ],
)
async def test_each_filter_is_checked_and_named(
    site: Site, line: Line, name: str, value: str, pointer: str
):
    asked = {"from": line.lagos, "to": line.ibadan, "date": "2096-05-01", name: value}

    response = await site.ask("/api/trips", **asked)

    assert response.status_code == 422, response.text
    assert [fault["pointer"] for fault in response.json()["errors"]] == [f"#/{pointer}"]


async def test_too_many_values_of_a_filter_are_refused(site: Site, line: Line):
    asked = f"from={line.lagos}&to={line.ibadan}&date=2096-05-01" + "&class=VIP" * 21
    response = await site.client.get(f"/api/trips?{asked}")

    assert response.status_code == 422
    assert [fault["pointer"] for fault in response.json()["errors"]] == ["#/class"]


async def strip(site: Site, line: Line, **query: object) -> list[dict[str, Any]]:
    asked = {"from_": line.lagos, "to": line.ibadan, "date": "2096-04-30", "days": 4} | query
    return (await site.get("/api/trips/calendar", **asked))["items"]


async def test_the_calendar_tells_trips_seats_and_price_of_each_day(
    site: Site, line: Line, day: list[str]
):
    later = await make_open_trip(
        site.db, line.stops, layout=PLAIN, fares=DEAR, starts_at=STARTS_AT + timedelta(days=2)
    )

    assert await strip(site, line) == [
        {"date": "2096-04-30", "trips": 0, "availableSeats": None, "price": None},
        {
            "date": "2096-05-01",
            "trips": 2,
            "availableSeats": 5,
            "price": {"amount": 1_000, "currency": "NGN"},
        },
        {"date": "2096-05-02", "trips": 0, "availableSeats": None, "price": None},
        {
            "date": "2096-05-03",
            "trips": 1,
            "availableSeats": 2,
            "price": {"amount": 3_000, "currency": "NGN"},
        },
    ]
    vip = await strip(site, line, **{"class": "VIP"})
    assert [each["trips"] for each in vip] == [0, 1, 0, 0]
    await take(site.db, later, free_seats_of(later))
    assert [each["trips"] for each in await strip(site, line, passengers=3)] == [0, 1, 0, 0]
    assert [each["trips"] for each in await strip(site, line)] == [0, 2, 0, 0]
    assert len(await strip(site, line, days=31)) == 31
    assert len(day) == 2


async def test_a_trip_that_leaves_a_city_on_two_dates_is_on_both(site: Site, line: Line):
    await make_open_trip(
        site.db, line.stops, layout=PLAIN, starts_at=STARTS_AT + timedelta(hours=16)
    )

    found = await strip(site, line)

    # 23:30 from the first stop of the city, 00:30 from the second.
    assert [each["trips"] for each in found] == [0, 1, 1, 0]
    assert [each["availableSeats"] for each in found] == [None, 2, 2, None]


@pytest.mark.parametrize(
    ("name", "value"), [("days", "0"), ("days", "32"), ("date", ""), ("passengers", "11")]
)
async def test_the_calendar_checks_its_fields(site: Site, line: Line, name: str, value: str):
    asked = {"from": line.lagos, "to": line.ibadan, "date": "2096-05-01"} | {name: value}

    response = await site.ask("/api/trips/calendar", **asked)

    assert response.status_code == 422
    assert [fault["pointer"] for fault in response.json()["errors"]] == [f"#/{name}"]


async def test_stops_near_a_point_come_in_pages(site: Site):
    async with site.db.transaction() as conn:
        for n in range(5):
            await put_stop(
                conn,
                NewStop("t", f"{n}", f"Stop {n}", "UTC", latitude=6.0 + n / 100, longitude=3.0),
            )

    whole = await site.get("/api/stops", near="6.0,3.0")
    found = [await site.get("/api/stops", near="6.0,3.0", limit=2)]
    while found[-1]["nextCursor"]:
        found.append(
            await site.get("/api/stops", near="6.0,3.0", limit=2, cursor=found[-1]["nextCursor"])
        )

    assert [stop["name"] for stop in whole["items"]] == [f"Stop {n}" for n in range(5)]
    assert [stop["distanceMetres"] for stop in whole["items"]] == [0, 1112, 2224, 3336, 4448]
    assert [stop for page in found for stop in page["items"]] == whole["items"]
    assert [len(page["items"]) for page in found] == [2, 2, 1]
    assert (await site.get("/api/stops", near="6.0,3.0", q="stop"))["items"] == whole["items"]


@pytest.mark.parametrize(
    "near", ["", "6", "6,", "6;3", "91,0", "0,181", "-90.1,0", "nan,0", "1e1,2", "6.0, 3.0", "٦,٣"]
)
async def test_a_point_is_checked(site: Site, near: str):
    response = await site.ask("/api/stops", near=near)

    assert response.status_code == 422
    assert [fault["pointer"] for fault in response.json()["errors"]] == ["#/near"]


async def test_neither_letters_nor_a_point_is_named(site: Site):
    response = await site.ask("/api/stops")

    assert response.status_code == 422
    assert [fault["pointer"] for fault in response.json()["errors"]] == ["#/q"]
