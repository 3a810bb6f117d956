"""Real timetables brought in by a second command while the product runs, then sold."""

import asyncio
from pathlib import Path

import pytest

from feed_make import real_feed
from product_process import Ran
from shop import Shop

pytestmark = pytest.mark.slow

LAYOUTS = Path(__file__).parents[2] / "src" / "kiti" / "timetable" / "demo" / "layouts"


async def import_gtfs(
    shop: Shop,
    name: str | Path,
    *more: str | Path,
    layout: Path = LAYOUTS / "coach-51.layout",
    per_km: bool = True,
) -> Ran:
    """Import the coming week of a feed, as a user types it."""
    fares = ("--per-km", "10", "--minimum", "500") if per_km else ()
    return await shop.product.run(
        "import", "gtfs", name, "--layout", layout, "--currency", "EUR", *fares,
        "--to", shop.day(6), *more,
    )  # fmt: skip


async def test_flixbus_is_sold_on_parts_of_its_stops(demo: Shop):
    feed = real_feed("flixbus-de-2014")
    done = await import_gtfs(demo, feed, "--shift")
    assert (done.code, done.err) == (0, "")
    assert " written, 0 already there" in done.out

    # Trips Hamburg - Hannover - Göttingen - Kassel - … - Frankfurt, seen by the running server.
    north, middle, south = [
        (await demo.place(typed))["id"] for typed in ("hannov", "GÖTTINGEN", "kassel")
    ]
    trip = (await demo.search(north, south, demo.day(2)))[0]
    calls = [call["stopId"] for call in await demo.stops_of(trip)]
    assert len(calls) > 4
    assert calls.index(north) < calls.index(middle) < calls.index(south)

    first = await demo.hold(trip, ["7A"], from_=north, to=middle)
    second = await demo.hold(trip, ["7A"], from_=middle, to=south)
    assert await demo.refused(trip, ["7A", "7B"], from_=north, to=south) == ["7A"]
    assert await demo.refused(trip, ["7B", "7A"]) == ["7A"]
    assert (await demo.statuses(trip, from_=north, to=south))["7B"] == "AVAILABLE"
    for held in (first, second):
        booking = await demo.buy(held)
        assert [seat["status"] for seat in booking["seats"]] == ["SOLD"]
    assert await demo.refused(trip, ["7A"], from_=north, to=south) == ["7A"]
    left = {
        (origin, destination): item["availableSeats"]
        for origin, destination in ((north, south), (north, middle), (south, calls[-1]))
        for item in await demo.search(origin, destination, demo.day(2))
        if item["id"] == trip["id"]
    }
    assert list(left.values()) == [50, 50, 51]
    assert trip["availableSeats"] == 51

    # The same feed once more moves nothing and sells nothing twice.
    again = await import_gtfs(demo, feed, "--shift")
    assert again.code == 0
    assert " 0 written" in again.out
    assert (await demo.statuses(trip, from_=north, to=middle))["7A"] == "SOLD"
    assert await demo.audit() == []


async def test_the_ferry_is_found_by_its_own_name_at_its_own_time_and_fare(demo: Shop):
    feed = real_feed("miyako-muroran-ferry-2018")
    layout = LAYOUTS / "ferry-132.layout"
    done = await import_gtfs(demo, feed, "--shift", layout=layout)
    assert done.code == 0, done.err
    assert "FARE_RIVALS" in done.out  # ten fares, and nothing says which is whose
    origin, destination = await demo.place("室蘭"), await demo.place("宮古")
    assert (origin["kind"], origin["city"], origin["country"]) == ("STOP", None, None)
    (trip,) = await demo.search(origin["id"], destination["id"], demo.day(3))
    assert trip["from"]["localTime"] == f"{demo.day(3)}T20:00:00+09:00"
    assert trip["to"]["localTime"] == f"{demo.day(4)}T06:00:00+09:00"
    assert trip["durationMinutes"] == 600
    assert trip["price"] == {"amount": 15_000, "currency": "JPY"}
    held = await demo.hold(trip, count=3)
    assert held["total"] == {"amount": 45_000, "currency": "JPY"}


async def test_an_import_that_cannot_be_done_says_in_one_line_where_and_exits_with_2(
    demo: Shop, tmp_path: Path
):
    feed = real_feed("flixbus-de-2014")
    layout = tmp_path / "bad.layout"
    layout.write_text("name: Bad\n[Main]\nA B . C D\nA B\n")
    fares = tmp_path / "bad.csv"
    fares.write_text("from_stop_id,to_stop_id,class,amount\n1,2,STANDARD,900\n1,2,VIP,9.50\n")
    text = tmp_path / "feed.zip"
    text.write_text("stop_id,stop_name\n")
    attempts = {
        "bad.layout line 4": import_gtfs(demo, feed, layout=layout),
        "bad.csv line 3": import_gtfs(demo, feed, "--fares", fares, per_km=False),
        "not a zip": import_gtfs(demo, text),
    }
    ended = dict(zip(attempts, await asyncio.gather(*attempts.values()), strict=True))
    for said, done in ended.items():
        assert done.code == 2, done
        assert done.out == ""
        assert said in done.err
        assert done.err.startswith("kiti: ")
        assert done.err.count("\n") == 1


async def test_a_feed_without_a_trip_to_sell_is_read_and_the_report_says_why(demo: Shop):
    done = await import_gtfs(demo, real_feed("flixbus-de-2014"), "--feed", "as it stands")
    assert (done.code, done.err) == (0, "")
    assert "NOT_IN_WINDOW" in done.out
