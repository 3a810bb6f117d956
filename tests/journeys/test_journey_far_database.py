"""The product while its database is cut off: every call is answered, and all is well afterwards."""

import asyncio
from collections.abc import Awaitable
from http.cookiejar import CookieJar

import httpx2
import pytest

from far_database import far
from kiti.app.parts import EXPRESS, POOL_SIZE, WEB_DEADLINES
from kiti.app.web import create_app
from kiti.booking.audit import audit
from kiti.platform.db import Database, connect
from make import make_stops
from product_process import NO_COOKIES
from search_site import make_open_trip
from site_parts import make_parts
from waiting import until

pytestmark = pytest.mark.slow


async def test_a_database_that_is_cut_off_is_told_within_the_deadline_and_heals(
    dsn: str, live_db: Database
):
    async with live_db.transaction() as conn:
        stops = await make_stops(conn)
    sheet = await make_open_trip(live_db, stops)
    async with far(dsn) as network:
        db = await connect(network.dsn, size=POOL_SIZE, express=EXPRESS, deadlines=WEB_DEADLINES)
        parts = make_parts(db)
        transport = httpx2.ASGITransport(create_app(parts))
        async with httpx2.AsyncClient(
            transport=transport,
            base_url="http://127.0.0.1:8000",
            timeout=60,
            cookies=CookieJar(NO_COOKIES),
        ) as client:

            async def in_time(asked: Awaitable[httpx2.Response]) -> httpx2.Response:
                async with asyncio.timeout(20):  # 9 s, on a machine that is busy
                    return await asked

            def reserve(label: str) -> Awaitable[httpx2.Response]:
                body = {"tripId": str(sheet.trip_id), "seatNumbers": [label]}
                return client.post("/api/bookings/reserve", json=body)

            labels = [seat.label for seat in sheet.layout.seats]
            assert (await in_time(reserve(labels[0]))).status_code == 201
            network.drop()
            answers = await asyncio.gather(
                *(in_time(reserve(label)) for label in labels[1:4]),
                in_time(client.get("/api/bookings/reserve", params={"tripId": str(sheet.trip_id)})),
            )
            for answer in answers:
                assert answer.status_code == 503
                assert answer.json()["code"] in {"DATABASE_UNAVAILABLE", "OVERLOADED"}
                assert answer.headers["retry-after"] == "1"
            assert (await in_time(client.get("/healthz"))).status_code == 200
            assert (await in_time(client.get("/readyz"))).status_code == 503
            network.heal()

            async def is_ready() -> bool:
                return (await client.get("/readyz")).status_code == 200

            await until(is_ready)
            assert (await in_time(reserve(labels[5]))).status_code == 201
            assert network.cancels == 0
        parts.identity.passwords.close()
        await db.close()
    async with live_db.connection() as conn:
        assert await audit(conn) == []
