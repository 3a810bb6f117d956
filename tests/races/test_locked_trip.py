"""A trip that somebody keeps locked: its buyers are refused soon, all others go on buying."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar

import httpx2
import pytest

from kiti.app.web import create_app
from kiti.booking.service import lock_trip
from kiti.network.model import TripSheet
from kiti.platform.db import Database, connect, fetch_value
from kiti.platform.deadlines import Deadlines
from make import make_stops
from product_process import NO_COOKIES
from search_site import make_open_trip
from site_parts import make_parts, make_settings
from waiting import until

BUYERS = 200
SIZE, EXPRESS = 12, 4
# The lock is waited for longer than the test takes: nothing frees a connection by itself.
DEADLINES = Deadlines(wait_s=1.0, lock_s=7.0)


async def make_trips(db: Database, n: int) -> list[TripSheet]:
    out: list[TripSheet] = []
    for _ in range(n):
        async with db.transaction() as conn:
            stops = await make_stops(conn)
        out.append(await make_open_trip(db, stops))
    return out


@asynccontextmanager
async def pool(dsn: str, *, express: int = 0) -> AsyncGenerator[Database]:
    db = await connect(dsn, size=SIZE, express=express, deadlines=DEADLINES)
    try:
        yield db
    finally:
        await db.close()


@asynccontextmanager
async def site(db: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """The whole application on this database, called in the test's own loop."""
    parts = make_parts(db, settings=make_settings(kiti_rate_limits="off"))
    transport = httpx2.ASGITransport(create_app(parts), raise_app_exceptions=False)
    async with httpx2.AsyncClient(
        transport=transport,
        base_url="http://127.0.0.1:8000",
        timeout=60,
        cookies=CookieJar(NO_COOKIES),
    ) as client:
        yield client
    parts.identity.passwords.close()


async def reserve(client: httpx2.AsyncClient, sheet: TripSheet, seat: int) -> httpx2.Response:
    labels = [seat.label for seat in sheet.layout.seats]
    body = {"tripId": str(sheet.trip_id), "seatNumbers": [labels[seat % len(labels)]]}
    return await client.post("/api/bookings/reserve", json=body)


@asynccontextmanager
async def rush(
    live_db: Database, client: httpx2.AsyncClient, sheet: TripSheet, *, stuck: int
) -> AsyncGenerator["list[asyncio.Task[httpx2.Response]]"]:
    """Many buyers of a trip that is locked for the length of the block; so many wait for it."""
    async with live_db.transaction() as conn:
        await lock_trip(conn, trip_id=sheet.trip_id)
        buying = [asyncio.create_task(reserve(client, sheet, n)) for n in range(BUYERS)]

        async def are_stuck() -> bool:
            async with live_db.connection() as looking:
                waiting = await fetch_value(
                    looking,
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND wait_event_type = 'Lock'",
                )
            return waiting >= stuck

        await until(are_stuck)
        yield buying
    await asyncio.gather(*buying)


async def test_a_locked_trip_holds_up_nobody_elses_sale(dsn: str, live_db: Database) -> None:
    locked, other = await make_trips(live_db, 2)
    async with pool(dsn, express=EXPRESS) as db, site(db) as client:
        async with rush(live_db, client, locked, stuck=2) as buying:
            answers = await asyncio.gather(*(reserve(client, other, n) for n in range(5)))
            assert [answer.status_code for answer in answers] == [201] * 5
            assert (await client.get("/readyz")).status_code == 200
            done, still = await asyncio.wait(buying, timeout=4)
            assert len(still) == 2  # who are in the gate
            refused = [task.result() for task in done]
            assert {answer.status_code for answer in refused} == {503}
            assert {answer.json()["code"] for answer in refused} == {"OVERLOADED"}
            assert {answer.headers["retry-after"] for answer in refused} == {"1"}
        assert (await reserve(client, locked, 7)).status_code == 201


async def test_twin_without_the_gate_one_locked_trip_stops_all_sales(
    dsn: str, live_db: Database
) -> None:
    locked, other = await make_trips(live_db, 2)
    async with pool(dsn) as db:
        ungated = Database(db.pool, deadlines=DEADLINES, about_max=BUYERS)
        async with site(ungated) as client, rush(live_db, client, locked, stuck=SIZE):
            answer = await reserve(client, other, 0)
            assert answer.status_code == 503
            assert (await client.get("/readyz")).status_code == 503


@pytest.mark.parametrize("call", ["extend", "release", "initiate"])
async def test_what_else_needs_the_trip_waits_outside_too(
    dsn: str, live_db: Database, call: str
) -> None:
    locked, other = await make_trips(live_db, 2)
    async with pool(dsn, express=EXPRESS) as db, site(db) as client:
        held = (await reserve(client, locked, 0)).json()
        headers = {"authorization": f"Bearer {held['guestToken']}"}
        path = f"/api/bookings/{held['bookingId']}"

        async def change(n: int) -> int:
            if call == "extend":
                answer = await client.post(f"{path}/extend", json={"minutes": 1}, headers=headers)
            elif call == "release":
                answer = await client.delete(
                    f"/api/bookings/reserve/{held['bookingId']}", headers=headers
                )
            else:
                body = {
                    "bookingId": held["bookingId"],
                    "amount": held["total"]["amount"],
                    "paymentMethod": "CARD",
                    "idempotencyKey": f"key-{n}",
                }
                answer = await client.post("/api/payments/initiate", json=body, headers=headers)
            return answer.status_code

        async with live_db.transaction() as conn:
            await lock_trip(conn, trip_id=locked.trip_id)
            changing = [asyncio.create_task(change(n)) for n in range(30)]
            done, _ = await asyncio.wait(changing, timeout=4)
            assert Counter(task.result() for task in done) == {503: 28}
            assert (await reserve(client, other, 0)).status_code == 201
        await asyncio.gather(*changing)
