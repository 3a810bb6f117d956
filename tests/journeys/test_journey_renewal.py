"""A timetable imported again while the product sells it: booked trips stay, and are decided."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from feed_make import FILES, make_feed
from product_process import Ran
from shop import Shop
from waiting import until

pytestmark = pytest.mark.slow

LAYOUT = "name: Small\nseats: 4\n[Main]\n1: A . B\n2: A . B\n"


async def import_feed(
    shop: Shop, folder: Path, *more: str, feed: str = "renewed", later: bool = False
) -> Ran:
    """Import the next days of a feed of one trip a day, the trip half an hour later or not."""
    times = FILES["stop_times.txt"]
    if later:
        times = (
            times.replace(":00:00", ":30:00").replace("10:15", "10:45").replace("18:30:", "19:00:")
        )
    layout = folder / "small.layout"
    layout.write_text(LAYOUT)
    stops = FILES["stops.txt"].replace(",Lagos,", f",Lagos {feed},")
    file = make_feed(folder, {"stop_times.txt": times, "stops.txt": stops})
    return await shop.product.run(
        "import", "gtfs", file, "--layout", layout, "--currency", "NGN", "--per-km", "10000",
        "--minimum", "50000", "--feed", feed, "--from", shop.day(1), "--to", shop.day(3),
        *more,
    )  # fmt: skip


async def test_a_sold_trip_stays_is_listed_and_moved_and_its_ticket_shows_it(
    demo: Shop, tmp_path: Path
):
    first = await import_feed(demo, tmp_path)
    assert (first.code, first.err) == (0, "")
    assert "3 written, 0 already there" in first.out
    origin = (await demo.place("Lagos renewed"))["id"]
    destination = (await demo.get("/api/stops", q="Abuja")).json()["items"]
    (trip,) = [
        trip
        for place in destination
        for trip in await demo.search(origin, place["id"], demo.day(2))
    ]
    held = await demo.hold(trip, ["1A"])
    booking = await demo.buy(held)
    departs = await _departure(demo, booking, held["guestToken"])

    foreseen = await import_feed(demo, tmp_path, "--dry-run", later=True)
    done = await import_feed(demo, tmp_path, later=True)
    for ran in (foreseen, done):
        assert ran.code == 0, ran.err
        assert re.search(r"^ +2 changed, nobody had booked$", ran.out, re.MULTILINE), ran.out
        assert re.search(r"^ +1 changed after they were booked: kept", ran.out, re.MULTILINE)
        assert f"T on {demo.day(2)}: leaves 30 min later; 1 sold, 0 held" in ran.out
    listed = await demo.product.run("review", "--json")
    (waiting,) = json.loads(listed.out)["items"]
    assert waiting["tripId"] == trip["id"]
    assert (waiting["sold"], waiting["canMove"]) == (1, True)
    assert await demo.audit() == []

    moved = await demo.product.run("review", "move", trip["id"], "--by", "Ada")
    assert moved.code == 0, moved.err
    assert booking["reference"] in moved.out

    async def shows_it() -> bool:
        later = await _departure(demo, booking, held["guestToken"])
        return later - departs == timedelta(minutes=30)

    await until(shows_it)  # the server keeps a trip for some seconds
    again = await demo.product.run("review", "move", trip["id"])
    assert again.code == 1
    assert again.err.count("\n") == 1
    assert "no trip waits" in (await demo.product.run("review")).out
    assert (await import_feed(demo, tmp_path, later=True)).out.endswith("3 already there\n")
    assert await demo.audit() == []


async def test_a_feed_that_lost_its_trips_ends_no_timetable(demo: Shop, tmp_path: Path):
    await import_feed(demo, tmp_path, feed="cut")
    empty = make_feed(
        tmp_path,
        {
            "trips.txt": "route_id,service_id,trip_id\nR,daily,X\n",
            "stop_times.txt": FILES["stop_times.txt"].replace("T,", "X,").replace("08:00", "08:10"),
        },
    )
    words = (
        "import", "gtfs", empty, "--layout", tmp_path / "small.layout", "--currency", "NGN",
        "--per-km", "10000", "--minimum", "50000", "--feed", "cut", "--from", demo.day(1), "--to",
        demo.day(3),
    )  # fmt: skip
    refused = await demo.product.run(*words)
    assert refused.code == 1, refused.out
    assert "no trip is written: 3 of the 3 trips ahead are no longer listed" in refused.out
    allowed = await demo.product.run(*words, "--allow-removals")
    assert allowed.code == 0
    assert "3 written, 0 already there" in allowed.out
    assert "3 no longer listed: removed" in allowed.out


async def _departure(shop: Shop, booking: Mapping[str, Any], token: str) -> datetime:
    """When the ticket says that the trip leaves."""
    answer = await shop.get(f"/api/tickets/{booking['tickets'][0]['id']}", token)
    assert answer.status_code == 200, answer.text
    return datetime.fromisoformat(answer.json()["from"]["localTime"])
