"""What may be asked for when seats are held, how it may be spelled, and what is refused."""

import json
from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest

from identity_site import assert_problem
from shop import RESERVE, Shop


@pytest.mark.parametrize("typed", ["3a", " 3A ", "3 a", "３Ａ", "３ａ", "3\u00a0A", "3\u200bA"])
async def test_a_seat_is_known_by_its_number_however_it_is_typed(server: Shop, typed: str):
    trip = await server.fresh_trip()
    held = await server.hold(trip, [typed])
    assert held["seatNumbers"] == ["3A"]
    assert await server.refused(trip, ["3A"]) == ["3A"]


async def test_the_best_seats_are_together_and_of_the_cheapest_class_that_has_as_many(
    server: Shop,
):
    trip = await server.fresh_trip()
    pair = await server.hold(trip, count=2)
    assert pair["seatNumbers"] in (["3A", "3B"], ["3C", "3D"])
    assert pair["total"] == {"amount": 2 * trip["price"]["amount"], "currency": "NGN"}
    for _ in range(4):
        await server.hold(trip, count=10, class_="STANDARD")
    # Two standard seats are left of 44, and eight VIP seats.
    assert (await server.hold(trip, count=3))["seatNumbers"] == ["1A", "1B", "1C"]
    mixed = await server.hold(trip, count=7)
    assert len({seat["class"] for seat in (await server.booking(mixed))["seats"]}) == 2
    assert assert_problem(await server.reserve(trip, count=1), 409, "SEATS_UNAVAILABLE")


async def test_seats_without_a_fare_on_the_segment_are_not_chosen(server: Shop):
    trip = await server.fresh_trip()
    first, _, third, _ = [call["stopId"] for call in await server.stops_of(trip)]
    segment = {"from_": first, "to": third}
    statuses = await server.statuses(trip, **segment)
    assert [statuses[seat] for seat in ("2D", "3A")] == ["AVAILABLE", "BLOCKED"]
    assert_problem(await server.reserve(trip, ["3A"], **segment), 422, "FARE_MISSING")
    answer = await server.reserve(trip, count=9, **segment)
    assert assert_problem(answer, 409, "SEATS_UNAVAILABLE")["unavailable"] == []
    held = await server.hold(trip, count=8, **segment)
    assert sorted(held["seatNumbers"]) == [f"{row}{seat}" for row in (1, 2) for seat in "ABCD"]


async def test_a_class_is_sold_until_it_is_sold_out(server: Shop):
    trip = await server.fresh_trip()
    await server.hold(trip, count=8, class_="VIP")
    answer = await server.reserve(trip, count=1, class_="VIP")
    assert assert_problem(answer, 409, "SEATS_UNAVAILABLE")["unavailable"] == []
    await server.hold(trip, count=10, class_="STANDARD")


async def test_each_passenger_pays_by_type_and_the_total_is_the_sum(server: Shop):
    trip = await server.fresh_trip()
    types = ["ADULT", "CHILD", "SENIOR"]
    held = await server.hold(trip, ["3A", "3B", "1A"], passengerTypes=types)
    booking = await server.booking(held)
    assert [seat["seatNumber"] for seat in booking["seats"]] == ["3A", "3B", "1A"]
    assert [seat["passengerType"] for seat in booking["seats"]] == types
    assert held["total"]["amount"] == sum(seat["price"]["amount"] for seat in booking["seats"])


LONG = "x" * 65
NO_SUCH = "00000000-0000-7000-8000-000000000000"
# What is wrong with the fields, where that is said, and the code when it is a special one.
WRONG_FIELDS: dict[str, tuple[dict[str, object], str, str]] = {
    "no seats": ({"seatNumbers": []}, "#/seatNumbers", ""),
    "eleven": ({"seatNumbers": [f"{n}A" for n in range(1, 12)]}, "#/seatNumbers", ""),
    "twice": ({"seatNumbers": ["3A", "3A"]}, "#/seatNumbers", ""),
    "twice, spelled in two ways": ({"seatNumbers": ["3A", " ３a"]}, "#/seatNumbers", ""),
    "unknown": ({"seatNumbers": ["3A", "99Z"]}, "#/seatNumbers/1", "SEAT_UNKNOWN"),
    "empty": ({"seatNumbers": ["3A", " "]}, "#/seatNumbers/1", "SEAT_UNKNOWN"),
    "nothing": ({"seatNumbers": [""]}, "#/seatNumbers/0", ""),
    "too long": ({"seatNumbers": [LONG]}, "#/seatNumbers/0", ""),
    "a number": ({"seatNumbers": [3]}, "#/seatNumbers/0", ""),
    "null": ({"seatNumbers": [None]}, "#/seatNumbers/0", ""),
    "a text for a list": ({"seatNumbers": "3A"}, "#/seatNumbers", ""),
    "neither": ({"seatNumbers": ...}, "#", ""),
    "both": ({"count": 1}, "#", ""),
    "count 0": ({"seatNumbers": ..., "count": 0}, "#/count", ""),
    "count 11": ({"seatNumbers": ..., "count": 11}, "#/count", ""),
    "a bool for a count": ({"seatNumbers": ..., "count": True}, "#/count", ""),
    "a float for a count": ({"seatNumbers": ..., "count": 1.0}, "#/count", ""),
    "a text for a count": ({"seatNumbers": ..., "count": "1"}, "#/count", ""),
    "class without count": ({"class": "VIP"}, "#", ""),
    "unknown field": ({"seats": ["3A"]}, "#/seats", ""),
    "snake case": ({"trip_id": NO_SUCH}, "#/trip_id", ""),
    "no trip": ({"tripId": ...}, "#/tripId", ""),
    "no id": ({"tripId": "1"}, "#/tripId", ""),
    "a number for an id": ({"tripId": 1}, "#/tripId", ""),
    "0 minutes": ({"holdDurationMinutes": 0}, "#/holdDurationMinutes", ""),
    "31 minutes": ({"holdDurationMinutes": 31}, "#/holdDurationMinutes", ""),
    "a bool for minutes": ({"holdDurationMinutes": True}, "#/holdDurationMinutes", ""),
    "a huge number": ({"holdDurationMinutes": 10**30}, "#/holdDurationMinutes", ""),
    "unknown type": ({"passengerTypes": ["DOG"]}, "#/passengerTypes/0", ""),
    "a type too many": ({"passengerTypes": ["ADULT", "CHILD"]}, "#/passengerTypes", ""),
    "no types": ({"passengerTypes": []}, "#/passengerTypes", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_FIELDS)
async def test_wrong_fields_are_refused_and_pointed_at(server: Shop, name: str):
    trip = await server.a_trip()
    change, pointer, code = WRONG_FIELDS[name]
    body = {"tripId": trip["id"], "seatNumbers": ["3A"]} | change
    answer = await server.post(RESERVE, {n: v for n, v in body.items() if v is not ...})
    problem = assert_problem(answer, 422, code or "VALIDATION_FAILED")
    assert pointer in [error["pointer"] for error in problem["errors"]], problem
    assert LONG not in answer.text
    assert set((await server.statuses(trip)).values()) == {"AVAILABLE", "BLOCKED"}


@pytest.mark.parametrize("value", [[], "text", 7, None, True])
async def test_json_that_is_no_object_is_refused(server: Shop, value: object):
    headers = {"content-type": "application/json"}
    content = json.dumps(value)
    answer = await server.product.client.post(RESERVE, content=content, headers=headers)
    problem = assert_problem(answer, 422, "VALIDATION_FAILED")
    assert [error["pointer"] for error in problem["errors"]] == ["#"]


async def test_stops_that_the_trip_does_not_serve_so_are_refused(server: Shop):
    trip = await server.a_trip()
    first, second, *_ = [call["stopId"] for call in await server.stops_of(trip)]
    backwards = await server.reserve(trip, ["3A"], from_=second, to=first)
    assert_problem(backwards, 422, "SEGMENT_BACKWARDS")
    nowhere = await server.reserve(trip, ["3A"], from_=NO_SUCH)
    assert_problem(nowhere, 422, "STOP_NOT_ON_TRIP")
    nowhere = await server.reserve(trip, ["3A"], fromSequence=9)
    assert_problem(nowhere, 422, "STOP_NOT_ON_TRIP")


async def send(
    shop: Shop, content: bytes, code: str, status: int, *, path: str = RESERVE, **headers: str
) -> None:
    """A body as it is, which is refused so."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {"content-type": "application/json"} | named
    answer = await shop.product.client.post(path, content=content, headers=sent)
    assert_problem(answer, status, code)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"{'tripId': 1}", b'{"tripId": 1,}', b'{"count": NaN}', b'{"count": Infinity}',
        b'{"a": "\xff"}', b'{"a": "\\ud800"}', b"[" * 60_000, b'{"a":' * 10_000, b"\xef\xbb\xbf{}x",
        b'{"a": 1} {"b": 2}', b"\x00",
    ],
)  # fmt: skip
async def test_what_is_no_json_is_malformed(server: Shop, content: bytes):
    await send(server, content, "MALFORMED_JSON", 400)


async def test_checks_run_in_the_contracts_order(server: Shop):
    trip = await server.fresh_trip()
    held = await server.hold(trip, ["3A"])
    stranger = (await server.hold(await server.fresh_trip(), ["3A"]))["guestToken"]
    extend = f"/api/bookings/{held['bookingId']}/extend"
    mine = f"Bearer {held['guestToken']}"
    bad = {"authorization": "Bearer nonsense", "idempotency_key": "no key!"}
    # Size and media type come before everything, then JSON, then who is calling, then the key …
    huge = b'{"a": "' + b"x" * 65_536 + b'"}'
    await send(server, huge, "BODY_TOO_LARGE", 413, **bad)
    await send(server, huge, "BODY_TOO_LARGE", 413, content_type="text/plain")
    await send(server, b"{", "UNSUPPORTED_MEDIA_TYPE", 415, content_type="text/plain", **bad)
    await send(server, b"{", "MALFORMED_JSON", 400, **bad)
    await send(server, b"{}", "UNAUTHENTICATED", 401, **bad)
    await send(server, b"{}", "UNAUTHENTICATED", 401, path=extend)
    wrong = json.dumps({"tripId": trip["id"], "seatNumbers": ["99Z"]}).encode()
    await send(server, wrong, "IDEMPOTENCY_KEY_INVALID", 400, idempotency_key="no key!")
    pay, other = "/api/payments/initiate", f"Bearer {stranger}"
    payment = json.dumps({"bookingId": held["bookingId"], "amount": "much"}).encode()
    await send(server, payment, "IDEMPOTENCY_KEY_MISSING", 400, path=pay, authorization=other)
    # … then whose it is, then the fields, then the state.
    key = str(uuid4())
    await send(
        server, payment, "NOT_FOUND", 404, path=pay, authorization=other, idempotency_key=key
    )
    await send(
        server, payment, "VALIDATION_FAILED", 422, path=pay, authorization=mine, idempotency_key=key
    )
    await send(server, b'{"minutes": "5"}', "NOT_FOUND", 404, path=extend, authorization=other)
    await send(
        server, b'{"minutes": "5"}', "VALIDATION_FAILED", 422, path=extend, authorization=mine
    )
    both = json.dumps({"tripId": trip["id"], "seatNumbers": ["3A", "99Z"]}).encode()
    await send(server, both, "SEAT_UNKNOWN", 422)
    assert (await server.release(held)).status_code == 204
    await send(server, b'{"minutes": true}', "VALIDATION_FAILED", 422, path=extend,
               authorization=mine)  # fmt: skip
    await send(server, b'{"minutes": 5}', "BOOKING_NOT_HELD", 409, path=extend, authorization=mine)


async def test_an_unknown_trip_or_path_is_not_found_and_a_wrong_method_is_told(server: Shop):
    assert_problem(await server.reserve({"id": NO_SUCH}, ["3A"]), 404, "NOT_FOUND")
    assert_problem(await server.get("/api/nothing"), 404, "NOT_FOUND")
    assert_problem(await server.product.client.put(RESERVE), 405, "METHOD_NOT_ALLOWED")


async def test_a_body_without_a_length_is_measured_as_it_comes(server: Shop):
    async def endless() -> AsyncGenerator[bytes]:
        for _ in range(70):
            yield b" " * 1024

    answer = await server.product.client.post(
        RESERVE, content=endless(), headers={"content-type": "application/json"}
    )
    assert_problem(answer, 413, "BODY_TOO_LARGE")


async def test_every_answer_has_an_id_and_no_bug_shows_its_inside(server: Shop):
    answer = await server.post(RESERVE, {"tripId": NO_SUCH})
    problem = assert_problem(answer, 422, "VALIDATION_FAILED")
    assert problem["requestId"] == answer.headers["x-request-id"]
    assert problem["instance"] == RESERVE
    assert problem["type"] == "/problems/validation-failed"
    assert answer.headers["x-content-type-options"] == "nosniff"
