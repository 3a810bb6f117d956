"""A guest's first call sent again: the key finds it by its own scope and by the guest it made."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from identity_site import assert_problem
from kiti.app.web import create_app
from kiti.network.model import TripSheet
from kiti.platform.db import Database
from make import make_stops
from search_site import STARTS_AT, make_open_trip
from site_parts import make_parts

RESERVE = "/api/bookings/reserve"
ORIGIN = {"origin": "http://127.0.0.1:8000"}


@pytest.fixture
async def client(db: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    parts = make_parts(db)
    transport = httpx2.ASGITransport(create_app(parts))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        yield client
    parts.identity.passwords.close()


@pytest.fixture
async def sheet(db: Database) -> TripSheet:
    async with db.transaction() as conn:
        stops = await make_stops(conn)
    return await make_open_trip(db, stops)


async def reserve(
    client: httpx2.AsyncClient, sheet: TripSheet, seat: str, key: str, **headers: str
) -> httpx2.Response:
    body = {"tripId": str(sheet.trip_id), "seatNumbers": [seat]}
    return await client.post(RESERVE, json=body, headers={"idempotency-key": key} | headers)


async def count_bookings(db: Database) -> int | None:
    async with db.connection() as conn:
        return await conn.fetchval("SELECT count(*) FROM booking")


async def test_a_browsers_second_click_with_its_new_cookie_is_the_first_one(
    client: httpx2.AsyncClient, db: Database, sheet: TripSheet
) -> None:
    key = str(uuid4())
    first = await reserve(client, sheet, "2A", key, **ORIGIN)
    assert first.status_code == 201, first.text
    assert client.cookies.get("guest-token")
    again = await reserve(client, sheet, "2A", key, **ORIGIN)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert_problem(await reserve(client, sheet, "2B", key, **ORIGIN), 422, "IDEMPOTENCY_KEY_REUSED")
    assert await count_bookings(db) == 1


async def test_a_program_that_sends_its_new_token_gets_the_same_bytes(
    client: httpx2.AsyncClient, db: Database, sheet: TripSheet
) -> None:
    key = str(uuid4())
    first = await reserve(client, sheet, "2A", key)
    client.cookies.clear()
    mine = {"authorization": f"Bearer {first.json()['guestToken']}"}
    again = await reserve(client, sheet, "2A", key, **mine)
    assert again.content == first.content
    assert await count_bookings(db) == 1


async def test_another_guest_with_the_same_key_is_another_caller(
    client: httpx2.AsyncClient, db: Database, sheet: TripSheet
) -> None:
    key = str(uuid4())
    first = await reserve(client, sheet, "2A", key)
    client.cookies.clear()
    other = await reserve(client, sheet, "3A", str(uuid4()))
    client.cookies.clear()
    theirs = {"authorization": f"Bearer {other.json()['guestToken']}"}
    held = await reserve(client, sheet, "2B", key, **theirs)
    assert held.status_code == 201, held.text
    assert "idempotent-replayed" not in held.headers
    assert held.json()["bookingId"] != first.json()["bookingId"]
    assert await count_bookings(db) == 3


async def test_a_replay_takes_no_later_token_away(
    client: httpx2.AsyncClient, db: Database, sheet: TripSheet
) -> None:
    key = str(uuid4())
    await reserve(client, sheet, "2A", key, **ORIGIN)
    async with db.transaction() as conn:
        stops = await make_stops(conn)
    later = await make_open_trip(db, stops, starts_at=STARTS_AT.replace(year=2097))
    await reserve(client, later, "2A", str(uuid4()), **ORIGIN)
    token = client.cookies.get("guest-token")
    again = await reserve(client, sheet, "2A", key, **ORIGIN)
    assert again.headers["idempotent-replayed"] == "true"
    assert client.cookies.get("guest-token") == token


@pytest.mark.parametrize("tag", ["*", '"other", {}', "W/{}"])
async def test_what_has_not_changed_is_not_sent_again(
    client: httpx2.AsyncClient, sheet: TripSheet, tag: str
) -> None:
    params: dict[str, Any] = {"tripId": str(sheet.trip_id)}
    first = await client.get(RESERVE, params=params)
    named = tag.format(first.headers["etag"])
    again = await client.get(RESERVE, params=params, headers={"if-none-match": named})
    assert (again.status_code, again.content) == (304, b"")
    other = await client.get(RESERVE, params=params, headers={"if-none-match": '"other"'})
    assert other.status_code == 200
