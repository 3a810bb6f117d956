"""The calls as clients see them: pages, cursors, faults, stops and one trip."""

import base64
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncpg.connection import LoggedQuery

from kiti.checkout.model_search import TripQuery
from kiti.checkout.search import find_trips
from kiti.fares.model import NewFareTable
from kiti.network.model import NewCall, NewStop
from kiti.network.service import put_city, put_stop
from kiti.platform.db import Database, fetch_value
from kiti.platform.ids import new_id
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

# The same in every process of a run: it is part of test names.
SOME_ID = "01930000-0000-7000-8000-00000000abcd"


@pytest.fixture
async def site(db: Database) -> AsyncGenerator[Site]:
    made = make_site(db)
    async with made.client:
        yield made


@pytest.fixture
async def line(site: Site) -> Line:
    return await make_line(site.db)


def cursor_of(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


async def pages(site: Site, line: Line, **query: object) -> list[list[dict[str, Any]]]:
    """Every page of Lagos to Ibadan on the date of the trips."""
    asked = {"from_": line.lagos, "to": line.ibadan, "date": "2096-05-01"} | query
    found = [await site.get("/api/trips", **asked)]
    while found[-1]["nextCursor"] is not None:
        found.append(await site.get("/api/trips", **asked, cursor=found[-1]["nextCursor"]))
    assert all("nearestDates" not in page for page in found)
    return [page["items"] for page in found]


async def make_day(site: Site, line: Line) -> None:
    """Seven trips: two leave together, prices and lengths do not go with departures."""
    for hour, amount, minutes in [
        (0, 500, 60),
        (1, 300, 90),
        (1, 300, 90),
        (2, 900, 30),
        (3, 300, 120),
        (4, 100, 45),
        (5, 700, 45),
    ]:
        calls = [
            NewCall(1, line.stops[0], 0, 0),
            NewCall(2, line.stops[4], minutes * 60, minutes * 60),
        ]
        await make_open_trip(
            site.db,
            line.stops,
            starts_at=STARTS_AT + timedelta(hours=hour),
            calls=calls,
            fares=NewFareTable("x", "NGN", per_km_minor=0, minimum_minor=amount),
        )


def key_of(trip: dict[str, Any], sort: str) -> tuple[Any, ...]:
    heads = {"price": [trip["price"]["amount"]], "duration": [trip["durationMinutes"]]}
    return (*heads.get(sort, []), trip["from"]["departsAt"], trip["id"])


@pytest.mark.parametrize("sort", ["departure", "price", "duration"])
@pytest.mark.parametrize("between", ["cities", "stops"])
async def test_pages_join_to_the_whole_in_order(site: Site, line: Line, sort: str, between: str):
    await make_day(site, line)
    ends = {"from_": line.stops[0], "to": line.stops[4]} if between == "stops" else {}
    found = await pages(site, line, sort=sort, limit=2, **ends)
    [whole] = await pages(site, line, sort=sort, **ends)

    assert [len(page) for page in found] == [2, 2, 2, 1]
    assert [trip for page in found for trip in page] == whole
    keys = [key_of(trip, sort) for trip in whole]
    assert keys == sorted(keys)


async def test_a_trip_that_comes_or_goes_meanwhile_moves_no_other(site: Site, line: Line):
    await make_day(site, line)
    asked = {"from_": line.lagos, "to": line.ibadan, "date": "2096-05-01", "limit": 3}
    first = await site.get("/api/trips", **asked)
    [whole] = await pages(site, line)

    await make_open_trip(site.db, line.stops, starts_at=STARTS_AT - timedelta(hours=1))
    second = await site.get("/api/trips", **asked, cursor=first["nextCursor"])

    assert first["items"] == whole[:3]
    assert second["items"] == whole[3:6]


async def test_sold_out_trips_do_not_shorten_a_page(site: Site, line: Line):
    for hour in range(16):
        sheet = await make_open_trip(
            site.db, line.stops, starts_at=STARTS_AT + timedelta(minutes=hour), layout="1A\n"
        )
        if hour != 15:
            await take(site.db, sheet, free_seats_of(sheet))

    [[trip]] = await pages(site, line, limit=1)

    assert trip["from"]["departsAt"] == "2096-05-01T07:45:00Z"


async def test_between_two_stops_a_day_has_no_last_row(site: Site, line: Line):
    await make_day(site, line)
    query = TripQuery(line.stops[0], line.stops[4], STARTS_AT.date(), passengers=2)
    sources = replace(site.sources, rows_max=1)
    async with site.db.connection() as conn:
        page = await find_trips(conn, sources, query=query, after=None, limit=3)
        found = [item.offer.candidate.trip_id for item in page.items]
        while page.next_key is not None:
            page = await find_trips(conn, sources, query=query, after=page.next_key, limit=3)
            assert page.nearest_dates is None
            found += [item.offer.candidate.trip_id for item in page.items]
    [whole] = await pages(site, line)

    assert [str(trip_id) for trip_id in found] == [trip["id"] for trip in whole]


async def test_between_cities_a_search_looks_at_so_many_rows(site: Site, line: Line):
    await make_day(site, line)
    query = TripQuery(line.lagos, line.ibadan, STARTS_AT.date())
    async with site.db.connection() as conn:
        page = await find_trips(
            conn, replace(site.sources, rows_max=3), query=query, after=None, limit=20
        )

    assert (len(page.items), page.next_key) == (3, None)


BAD_CURSORS = [
    "",
    "x",
    "§",
    "e30",
    "!!!!",
    cursor_of(),
    cursor_of("trips:departure"),
    cursor_of("trips:departure", 1),
    cursor_of("trips:departure", "1", SOME_ID),
    cursor_of("trips:departure", 1.5, SOME_ID),
    cursor_of("trips:departure", True, SOME_ID),
    cursor_of("trips:departure", 2**63 - 1, SOME_ID),
    cursor_of("trips:departure", 2**70, SOME_ID),
    cursor_of("trips:departure", 1, "a\0b"),
    cursor_of("trips:departure", 1, "no id"),
    cursor_of("trips:departure", 1, SOME_ID, 3),
    cursor_of("trips:price", "NGN", 5, 1, SOME_ID),
    cursor_of("stops", "CITY", 0, 0, 0, "lagos", SOME_ID),
    base64.urlsafe_b64encode(b"[" * 700).decode(),
    base64.urlsafe_b64encode(b'["trips:departure", NaN, "x"]').decode(),
]


@pytest.mark.parametrize("cursor", BAD_CURSORS)
async def test_a_cursor_of_nobodys_is_refused(site: Site, line: Line, cursor: str):
    response = await site.ask(
        "/api/trips", from_=line.lagos, to=line.ibadan, date="2096-05-01", cursor=cursor
    )

    assert response.status_code == 422, response.text
    assert response.json()["code"] == "VALIDATION_FAILED"
    assert [fault["pointer"] for fault in response.json()["errors"]] == ["#/cursor"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("from", ""),
        ("from", "lagos"),
        ("to", "1"),
        ("date", ""),
        ("date", "2096-5-1"),
        ("date", "20960501"),
        ("date", "2096-W18-2"),
        ("date", "2096-02-30"),
        ("date", "1999-12-31"),
        ("date", "2200-01-01"),
        ("date", "1777593600"),
        ("date", "٢٠٩٦-٠٥-٠١"),
        ("passengers", "0"),
        ("passengers", "11"),
        ("passengers", "two"),
        ("sort", "PRICE"),
        ("sort", "price; DROP TABLE trip"),
        ("includeSoldOut", "perhaps"),
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "1e2"),
        ("cursor", "x" * 2000),
    ],
)
async def test_each_parameter_is_checked_and_named(site: Site, line: Line, name: str, value: str):
    asked = {"from": line.lagos, "to": line.ibadan, "date": "2096-05-01"} | {name: value}

    response = await site.ask("/api/trips", **asked)

    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["code"] == "VALIDATION_FAILED"
    assert [fault["pointer"] for fault in problem["errors"]] == [f"#/{name}"]
    assert value not in response.text or len(value) < 3


@pytest.mark.parametrize("name", ["from", "to", "date"])
async def test_what_is_needed_and_missing_is_named(site: Site, line: Line, name: str):
    asked = {"from": line.lagos, "to": line.ibadan, "date": "2096-05-01"}
    del asked[name]

    response = await site.ask("/api/trips", **asked)

    assert response.status_code == 422
    assert [fault["pointer"] for fault in response.json()["errors"]] == [f"#/{name}"]


async def test_a_parameter_nobody_knows_is_no_fault(site: Site, line: Line):
    await make_open_trip(site.db, line.stops)

    assert len(await site.trips(line.lagos, line.ibadan, utm_source="sms")) == 1


async def test_places_there_are_not_are_named(site: Site, line: Line):
    gone = {"from_": new_id(), "to": new_id(), "date": "2096-05-01"}

    both = await site.ask("/api/trips", **gone)
    one = await site.ask("/api/trips", **(gone | {"from_": line.lagos}))

    assert both.status_code == one.status_code == 422
    assert [fault["pointer"] for fault in both.json()["errors"]] == ["#/from", "#/to"]
    assert [fault["pointer"] for fault in one.json()["errors"]] == ["#/to"]


WORDS = ("FROM pattern_call", "FROM trip t", "FROM seats_left_2")


async def test_a_search_asks_the_database_three_times(site: Site, line: Line):
    await make_day(site, line)
    query = TripQuery(line.lagos, line.ibadan, STARTS_AT.date())
    async with site.db.connection() as conn:  # places, fares and layouts are read once and kept
        await find_trips(conn, site.sources, query=query, after=None, limit=20)
    asked: list[str] = []

    def note(record: LoggedQuery) -> None:
        asked.append(record.query)

    async with site.db.connection() as conn:
        with conn.query_logger(note):
            page = await find_trips(conn, site.sources, query=query, after=None, limit=20)
            await fetch_value(conn, "SELECT 'over'")  # what is logged comes a turn later

    assert len(page.items) == 7
    assert [word for text in asked for word in WORDS if word in text] == list(WORDS)
    assert len(asked) in {len(WORDS), len(WORDS) + 1}


async def test_stops_of_one_name_come_with_their_codes(site: Site):
    platform, mall = "Rosebank Platform", "Rosebank Mall"
    async with site.db.transaction() as conn:
        for code, name in (("p1", platform), ("p2", platform), ("m", mall)):
            zone = "Africa/Johannesburg"
            await put_stop(conn, NewStop("r", code, name, zone, latitude=-26.145, longitude=28.043))

    found = await site.get("/api/stops", q="rosebank")
    near = await site.get("/api/stops", near="-26.145,28.043")

    for items in (found["items"], near["items"]):
        codes = {(item["name"], item.get("code")) for item in items}
        assert codes == {(platform, "p1"), (platform, "p2"), (mall, None)}


async def test_typing_finds_cities_then_stops(site: Site):
    async with site.db.transaction() as conn:
        lome = await put_city(conn, name="Lomé", country="TG", timezone="Africa/Lome")
        gare = await put_stop(conn, NewStop("t", "1", "Gare de Lomé", "Africa/Lome", city_id=lome))
        lone = await put_stop(conn, NewStop("t", "2", "Lomelong", "Africa/Accra"))

    found = await site.get("/api/stops", q="LOME")
    first = await site.get("/api/stops", q="lomé", limit=2)
    second = await site.get("/api/stops", q="lomé", limit=2, cursor=first["nextCursor"])

    city = {"city": "Lomé", "country": "TG", "timezone": "Africa/Lome"}
    none = {"city": None, "country": None, "timezone": "Africa/Accra"}
    assert found == {
        "items": [
            {"id": str(lome), "kind": "CITY", "name": "Lomé", **city},
            {"id": str(lone), "kind": "STOP", "name": "Lomelong", **none},
            {"id": str(gare), "kind": "STOP", "name": "Gare de Lomé", **city},
        ],
        "nextCursor": None,
    }
    assert first["items"] + second["items"] == found["items"]
    assert (len(first["items"]), second["nextCursor"]) == (2, None)


@pytest.mark.parametrize("q", ["", "l", " l ", "%%", "x" * 101, "\0\0"])
async def test_two_letters_at_least_are_typed(site: Site, q: str):
    response = await site.ask("/api/stops", q=q)

    assert response.status_code == 422
    assert [fault["pointer"] for fault in response.json()["errors"]] == ["#/q"]


@pytest.mark.parametrize(
    "cursor",
    [
        cursor_of("stops", "CITY", 0, 0, 0, "lagos", "no id"),
        cursor_of("stops", "TOWN", 0, 0, 0, "lagos", SOME_ID),
        cursor_of("stops", "CITY", 2**20, 0, 0, "lagos", SOME_ID),
        cursor_of("stops", "CITY", 0, 2**20, 0, "lagos", SOME_ID),
        cursor_of("stops", "CITY", 0, 0, 1, "lagos", SOME_ID),
        cursor_of("stops", "CITY", 0, "lagos", SOME_ID),
        cursor_of("near", 0, SOME_ID),
        cursor_of("trips:departure", 1, SOME_ID),
        "abc",
    ],
)
async def test_a_cursor_of_stops_is_checked(site: Site, cursor: str):
    response = await site.ask("/api/stops", q="la", cursor=cursor)

    assert response.status_code == 422
    assert [fault["pointer"] for fault in response.json()["errors"]] == ["#/cursor"]


async def test_one_trip_says_all_that_the_contract_says(site: Site, line: Line):
    sheet = await make_open_trip(site.db, line.stops[1:4], layout="name: Taxi\n@ .\n1: A B+\n")

    found = await site.get(f"/api/trips/{sheet.trip_id}")

    decks = found["layout"].pop("decks")
    stops = found.pop("stops")
    assert found == {
        "id": str(sheet.trip_id),
        "operator": {"id": str(sheet.operator_id), "name": "Kiti Lines"},
        "serviceDate": "2096-05-01",
        "status": "ON_SALE",
        "currency": "NGN",
        "salesCloseAt": "2096-05-01T06:20:00Z",
        "layout": {"id": str(sheet.layout_id), "name": "Taxi"},
    }
    assert [cell["label"] for cell in decks[0]["cells"]] == [None, "1A", "1B"]
    assert [stop["localTime"] for stop in stops] == [
        "2096-05-01T07:30:00+01:00",
        "2096-05-01T08:30:00+01:00",
        "2096-05-01T09:20:00+01:00",
    ]
    assert stops[1] == {
        "stopId": str(line.stops[2]),
        "sequence": 20,
        "name": "Stop 2",
        "city": None,
        "timezone": "Africa/Lagos",
        "arrivesAt": "2096-05-01T07:20:00Z",
        "departsAt": "2096-05-01T07:30:00Z",
        "localTime": "2096-05-01T08:30:00+01:00",
        "pickup": True,
        "dropOff": True,
    }
    assert stops[0]["city"] == "Lagos"


async def test_a_trip_says_whether_it_can_be_booked(site: Site, line: Line):
    async with site.db.connection() as conn:
        now: datetime = await fetch_value(conn, "SELECT clock_timestamp()")
    gone = await make_open_trip(site.db, line.stops, starts_at=now - timedelta(seconds=5))
    shut = await make_open_trip(site.db, line.stops, starts_at=now + timedelta(minutes=9))
    ended = await make_open_trip(site.db, line.stops)
    await set_status(site.db, ended, "closed")
    off = await make_open_trip(site.db, line.stops, starts_at=now - timedelta(days=1))
    await set_status(site.db, off, "cancelled")

    status = {
        name: (await site.get(f"/api/trips/{sheet.trip_id}"))["status"]
        for name, sheet in {"gone": gone, "shut": shut, "ended": ended, "off": off}.items()
    }

    assert status == {"gone": "DEPARTED", "shut": "CLOSED", "ended": "CLOSED", "off": "CANCELLED"}


@pytest.mark.parametrize("trip_id", [SOME_ID, "none", "1", "%00", "a" * 500])
async def test_a_trip_there_is_not_is_404(site: Site, trip_id: str):
    response = await site.ask(f"/api/trips/{trip_id}")

    assert response.status_code == 404
    assert response.json()["code"] == "NOT_FOUND"


async def test_instants_end_in_z(site: Site, line: Line):
    await make_open_trip(site.db, line.stops, starts_at=datetime(2096, 5, 1, 6, 0, 1, tzinfo=UTC))

    [trip] = await site.trips(line.lagos, line.ibadan)

    assert trip["from"]["departsAt"] == "2096-05-01T07:00:01Z"
    assert trip["from"]["localTime"] == "2096-05-01T08:00:01+01:00"
