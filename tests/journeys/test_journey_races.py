"""Many buyers over HTTP, at two server processes. The guards' twins stand in tests/races."""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import httpx2
import pytest

from identity_site import assert_problem
from shop import Shop

pytestmark = pytest.mark.slow

BUYERS = 200


async def at_once(*calls: Coroutine[Any, Any, httpx2.Response]) -> list[httpx2.Response]:
    async with asyncio.timeout(120):
        return list(await asyncio.gather(*calls))


async def test_200_buyers_of_one_seat_one_wins(server: Shop):
    trip = await server.fresh_trip()
    answers = await at_once(*(server.reserve(trip, ["7A"]) for _ in range(BUYERS)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: BUYERS - 1}
    for answer in answers:
        if answer.status_code == 409:
            problem = assert_problem(answer, 409, "SEATS_UNAVAILABLE")
            assert problem["unavailable"] == ["7A"]
    assert list((await server.statuses(trip)).values()).count("HELD") == 1
    assert await server.audit() == []


async def test_buyers_of_crossing_groups_never_deadlock_and_take_whole_groups(server: Shop):
    """Seats named in every order, on trips that overlap: all or nothing for each."""
    trips = [await server.fresh_trip() for _ in range(3)]
    seats = [f"{row}{seat}" for row in range(3, 8) for seat in "ABCD"]
    chooser = random.Random(7)
    wanted = [(chooser.choice(trips), chooser.sample(seats, 4)) for _ in range(BUYERS)]
    answers = await at_once(*(server.reserve(trip, asked) for trip, asked in wanted))
    assert {answer.status_code for answer in answers} == {201, 409}
    for trip in trips:
        held = [
            seat
            for (asked_trip, asked), answer in zip(wanted, answers, strict=True)
            if answer.status_code == 201 and asked_trip is trip
            for seat in asked
        ]
        assert len(held) == len(set(held)) > 0
        statuses = await server.statuses(trip)
        assert sorted(held) == sorted(seat for seat in seats if statuses[seat] == "HELD")
    for (_, asked), answer in zip(wanted, answers, strict=True):
        if answer.status_code == 409:
            problem = assert_problem(answer, 409, "SEATS_UNAVAILABLE")
            assert set(problem["unavailable"]) & set(asked) == set(problem["unavailable"]) != set()
    assert await server.audit() == []


async def test_groups_that_ask_for_a_number_fill_a_trip_to_its_last_pair(server: Shop):
    """All are drawn to the same best seats: who comes late there is given others."""
    trip = await server.fresh_trip()
    answers = await at_once(*(server.reserve(trip, count=2) for _ in range(60)))
    pairs = trip["availableSeats"] // 2
    assert Counter(answer.status_code for answer in answers) == {201: pairs, 409: 60 - pairs}
    held = [seat for a in answers if a.status_code == 201 for seat in a.json()["seatNumbers"]]
    assert len(held) == len(set(held))
    assert set((await server.statuses(trip)).values()) == {"HELD", "BLOCKED"}


async def test_a_holder_who_asks_many_times_at_once_keeps_no_more_than_ten(server: Shop):
    trip = await server.fresh_trip()
    token = (await server.register())["accessToken"]
    seats = [f"{row}{seat}" for row in range(3, 8) for seat in "ABCD"]
    answers = await at_once(*(server.reserve(trip, [seat], token=token) for seat in seats))
    assert Counter(answer.status_code for answer in answers) == {201: 10, 429: 10}
