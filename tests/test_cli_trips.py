"""`kiti trip`: one trip from the command line."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from booking_make import Trip, hold, make_request
from cluster import Cluster
from kiti.platform.db import connect
from kiti.platform.ids import new_id
from kiti.platform.migrate import migrate
from make import make_stops
from product_process import Ran, environment, run_kiti
from search_site import make_open_trip

Kiti = Callable[..., Ran]


async def make_booked_trip(dsn: str) -> UUID:
    """A trip on sale, with one hold of two seats."""
    db = await connect(dsn, size=1)
    async with db.transaction() as conn:
        stops = await make_stops(conn)
    sheet = await make_open_trip(db, stops)
    trip = Trip(sheet.trip_id, len(sheet.layout.seats), sheet.n_legs)
    assert (await hold(db, make_request(trip, seats=(0, 1)))).outcome == "held"
    await db.close()
    return sheet.trip_id


@pytest.fixture
def kiti(tmp_path: Path) -> Kiti:
    def start(url: str, *arguments: str) -> Ran:
        known = environment(tmp_path / "data", DATABASE_URL=url)
        return run_kiti("trip", *arguments, cwd=tmp_path, environment=known)

    return start


@pytest.mark.slow
async def test_a_trip_is_shown_closed_opened_and_cancelled(
    kiti: Kiti, cluster: Cluster, worker_id: str
) -> None:
    name = f"kiti_trips_{worker_id}"
    url = await cluster.create_database(name)
    await migrate(url)
    trip_id = str(await make_booked_trip(url))

    def said(*arguments: str) -> str:
        done = kiti(url, *arguments)
        assert (done.code, done.err) == (0, ""), done.err
        return done.out

    shown = said("show", trip_id)
    assert "on sale; sales close" in shown
    (line,) = said("list").splitlines()
    first, at, *rest = line.split("  ")
    assert first == trip_id
    # Everything on the clock of the first stop.
    assert f"leaves {at.replace(' ', 'T')}:00+" in shown
    assert set(re.findall(r"T[0-9:]{8}(\S+)", shown)) == {"+01:00"}
    code, ends, seats, status = rest
    assert (seats, status) == ("0 sold, 2 held, 8 free", "on sale")
    assert f": {ends}" in shown.splitlines()[0]
    feed = re.search(r"^feed (\S+), code \S+$", shown, re.MULTILINE)
    assert feed is not None
    assert said("list", "--operator", code, "--feed", feed[1], "--date", at[:10]) == f"{line}\n"
    for nothing in (("--operator", "x"), ("--feed", "x"), ("--date", "2020-01-01")):
        assert said("list", *nothing) == "no trips\n"
    assert "held: 1 booking, 2 seats" in shown
    assert said("close", trip_id) == "closed; its bookings stay\n"
    assert "closed by hand" in said("show", trip_id)
    assert said("reopen", trip_id) == "on sale again\n"
    assert said("cancel", trip_id, "--reason", "The road is flooded").startswith("cancelled;")
    shown = said("show", trip_id)
    for line in ("cancelled; sales close", "released: 1 booking, 2 seats", "The road is flooded"):
        assert line in shown
    done = kiti(url, "close", trip_id)
    assert (done.code, done.out, done.err) == (1, "", "kiti: This trip has been cancelled\n")
    unknown = kiti(url, "show", str(new_id()))
    assert (unknown.code, unknown.err) == (1, "kiti: There is no such trip\n")
    await cluster.drop_database(name)


@pytest.mark.slow
async def test_a_booking_that_cannot_be_ended_is_told_in_one_line(
    kiti: Kiti, cluster: Cluster, worker_id: str
) -> None:
    name = f"kiti_broken_trips_{worker_id}"
    url = await cluster.create_database(name)
    await migrate(url)
    trip_id = await make_booked_trip(url)
    conn = await asyncpg.connect(url)
    await conn.execute(
        "ALTER TABLE booking ADD CONSTRAINT none_ends CHECK (status <> 'released') NOT VALID"
    )
    await conn.close()
    done = kiti(url, "cancel", str(trip_id), "--reason", "The road is flooded")
    assert (done.code, done.out) == (1, "")
    logged, said = done.err.splitlines()
    assert json.loads(logged)["event"] == "a booking of a cancelled trip could not be ended"
    assert said == (
        "kiti: the trip is cancelled, but 1 bookings could not be ended yet: "
        "a worker tries them again"
    )
    await cluster.drop_database(name)
