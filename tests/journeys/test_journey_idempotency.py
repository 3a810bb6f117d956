"""The same key twice: the first answer again, byte for byte, and one effect."""

import asyncio
from uuid import uuid4

import httpx2
import pytest

from identity_site import assert_problem
from shop import RESERVE, Shop, bearer


async def count_holds(shop: Shop, trip: dict[str, str]) -> object:
    sql = "SELECT count(*) FROM booking WHERE trip_id = $1::text::uuid"
    return await shop.product.value(sql, trip["id"])


def assert_replayed(again: httpx2.Response, first: httpx2.Response) -> None:
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers


async def test_a_guests_reservation_is_replayed_byte_for_byte_with_its_token(server: Shop):
    trip, key = await server.fresh_trip(), str(uuid4())
    first = await server.reserve(trip, ["3A", "3B"], key=key)
    assert first.status_code == 201, first.text
    assert_replayed(await server.reserve(trip, ["3A", "3B"], key=key), first)
    # The body counts as it is parsed: order and spaces are nothing; the key may be in the body.
    reordered = f'{{ "seatNumbers" : ["3A","3B"],"tripId":"{trip["id"]}" }}'
    headers = {"content-type": "application/json", "idempotency-key": key}
    assert_replayed(
        await server.product.client.post(RESERVE, content=reordered, headers=headers), first
    )
    assert_replayed(await server.reserve(trip, ["3A", "3B"], idempotencyKey=key), first)
    assert await count_holds(server, trip) == 1
    # The token of the replay is good.
    held = first.json()
    assert (await server.booking(held))["status"] == "HELD"
    # After the hold has ended its answer is still the first one.
    await server.release(held)
    assert_replayed(await server.reserve(trip, ["3A", "3B"], key=key), first)
    assert (await server.statuses(trip))["3A"] == "AVAILABLE"


async def test_the_same_key_with_another_body_is_refused(server: Shop):
    trip, key = await server.fresh_trip(), str(uuid4())
    await server.hold(trip, ["3A"], key=key)
    for seats in (["3B"], ["3A", "3B"], ["3a"]):
        answer = await server.reserve(trip, seats, key=key)
        assert_problem(answer, 422, "IDEMPOTENCY_KEY_REUSED")
    # Even when the other body could not be held at all.
    assert_problem(await server.reserve(trip, [], key=key), 422, "IDEMPOTENCY_KEY_REUSED")
    assert await count_holds(server, trip) == 1


# Not one, one made of the time and the machine, and the one that everybody knows.
POOR_KEYS = (
    "abc",
    "cea7d766-e6df-11f1-8732-02fc00000001",
    "00000000-0000-0000-0000-000000000000",
)


@pytest.mark.parametrize("key", POOR_KEYS)
async def test_a_new_guests_key_is_a_random_uuid(server: Shop, key: str):
    trip = await server.a_trip()
    answer = await server.reserve(trip, ["3A"], key=key)
    assert_problem(answer, 400, "IDEMPOTENCY_KEY_INVALID")
    # An account may choose its own.
    token = (await server.register())["accessToken"]
    held = await server.hold(trip, ["3A"], key=key, token=token)
    await server.release(held, token)


@pytest.mark.parametrize("key", ["", "x" * 256, "a key", "a/b", "a.b", "ключ"])
async def test_a_malformed_key_is_refused(server: Shop, key: str):
    trip, token = await server.a_trip(), (await server.register())["accessToken"]
    answer = await server.reserve(trip, ["3A"], token=token, idempotencyKey=key)
    assert_problem(answer, 400, "IDEMPOTENCY_KEY_INVALID")


async def test_a_key_in_the_header_and_another_in_the_body_are_refused(server: Shop):
    trip, key = await server.a_trip(), str(uuid4())
    answer = await server.reserve(trip, ["3A"], key=key, idempotencyKey=str(uuid4()))
    assert_problem(answer, 400, "IDEMPOTENCY_KEY_INVALID")


async def test_a_key_belongs_to_its_caller_and_its_route(server: Shop):
    trip, key = await server.fresh_trip(), str(uuid4())
    one, other = [(await server.register())["accessToken"] for _ in range(2)]
    first = await server.hold(trip, ["3A"], token=one, key=key)
    second = await server.hold(trip, ["3B"], token=other, key=key)
    guest = await server.hold(trip, ["3C"], key=key)
    assert len({each["bookingId"] for each in (first, second, guest)}) == 3
    path = f"/api/bookings/{first['bookingId']}/extend"
    extended = [await server.post(path, {"minutes": 5}, one, idempotency_key=key) for _ in range(2)]
    assert_replayed(extended[1], extended[0])
    assert (await server.booking(first, one))["expiresAt"] == extended[0].json()["expiresAt"]


async def test_a_refusal_is_not_kept_and_the_same_key_runs_again(server: Shop):
    trip, key = await server.fresh_trip(), str(uuid4())
    rival = await server.hold(trip, ["3A"])
    assert await server.refused(trip, ["3A"], key=key) == ["3A"]
    await server.release(rival)
    first = await server.reserve(trip, ["3A"], key=key)
    assert first.status_code == 201, first.text
    assert_replayed(await server.reserve(trip, ["3A"], key=key), first)


async def test_fifty_calls_at_once_with_one_key_hold_once(server: Shop):
    trip, key = await server.fresh_trip(), str(uuid4())
    answers = await asyncio.gather(*(server.reserve(trip, ["3A"], key=key) for _ in range(50)))
    done = [answer for answer in answers if answer.status_code == 201]
    waiting = [answer for answer in answers if answer.status_code != 201]
    for answer in waiting:
        assert_problem(answer, 409, "IDEMPOTENCY_IN_PROGRESS")
    assert len({answer.content for answer in done}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in done) == 1
    assert await count_holds(server, trip) == 1


async def test_beginning_to_pay_is_replayed_and_needs_a_key(server: Shop):
    """The gateway is out of reach: whatever the answer is, it is one attempt."""
    held = await server.hold(await server.fresh_trip(), ["3A"])
    token, key = held["guestToken"], str(uuid4())
    body = {"bookingId": held["bookingId"], "amount": held["total"]["amount"]}
    body |= {"paymentMethod": "CARD"}
    path = "/api/payments/initiate"
    assert_problem(await server.post(path, body, token), 400, "IDEMPOTENCY_KEY_MISSING")
    first = await server.post(path, body, token, idempotency_key=key)
    assert first.status_code == 201, first.text
    again = await server.product.client.post(
        path, json=body | {"idempotencyKey": key}, headers=bearer(token)
    )
    assert_replayed(again, first)
    answer = await server.post(path, body | {"amount": 1}, token, idempotency_key=key)
    assert_problem(answer, 422, "IDEMPOTENCY_KEY_REUSED")
    assert len((await server.booking(held))["payments"]) == 1
