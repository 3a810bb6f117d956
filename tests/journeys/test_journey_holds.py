"""The life of a hold over HTTP, where no job runs: whatever ends here ends by the clock alone."""

from datetime import timedelta

import httpx2

from identity_site import assert_problem
from shop import RESERVE, Shop, instant


def length(booking: dict[str, str], held: dict[str, str]) -> timedelta:
    """From the moment of the hold to the booking's end."""
    return instant(booking["expiresAt"]) - instant(held["serverTime"])


async def test_a_hold_is_made_longer_until_its_limit_and_no_further(server: Shop):
    held = await server.hold(await server.fresh_trip(), ["3A"], holdDurationMinutes=5)
    assert length(held, held) == timedelta(minutes=5)
    longer = await server.extend(held, 10)
    assert longer.status_code == 200, longer.text
    assert length(longer.json(), held) == timedelta(minutes=15)
    cut = await server.extend(held, 60)
    assert length(cut.json(), held) == timedelta(minutes=30)
    assert_problem(await server.extend(held, 1), 409, "HOLD_LIMIT")
    assert length(await server.booking(held), held) == timedelta(minutes=30)


async def test_a_released_seat_is_free_at_once_and_stays_released(server: Shop):
    trip = await server.fresh_trip()
    held = await server.hold(trip, ["3A", "3B"])
    assert await server.refused(trip, ["3B", "3C"]) == ["3B"]
    for _ in range(2):
        answer = await server.release(held)
        assert (answer.status_code, answer.content) == (204, b"")
        assert (await server.booking(held))["status"] == "RELEASED"
    other = await server.hold(trip, ["3B", "3C"])
    assert (await server.release(held)).status_code == 204  # and takes nothing from the other
    statuses = await server.statuses(trip)
    assert [statuses[seat] for seat in ("3A", "3B", "3C")] == ["AVAILABLE", "HELD", "HELD"]
    assert (await server.booking(other))["status"] == "HELD"
    assert_problem(await server.extend(held, 5), 409, "BOOKING_NOT_HELD")
    assert_problem(await server.initiate(held, held["guestToken"]), 409, "BOOKING_NOT_HELD")


async def test_an_ended_hold_reads_expired_and_its_seats_are_free_without_any_job(server: Shop):
    trip = await server.fresh_trip()
    held = await server.hold(trip, ["3A", "3B"])
    assert (await server.search_again(trip))["availableSeats"] == trip["availableSeats"] - 2
    await server.product.let_expire(held["bookingId"])
    # The row still says held: nothing has tidied up, and everybody judges by the clock.
    stored = "SELECT status FROM booking WHERE booking_id = $1::text::uuid"
    assert await server.product.value(stored, held["bookingId"]) == "held"
    assert (await server.booking(held))["status"] == "EXPIRED"
    assert (await server.statuses(trip))["3A"] == "AVAILABLE"
    assert (await server.search_again(trip))["availableSeats"] == trip["availableSeats"]
    assert_problem(await server.extend(held, 5), 409, "HOLD_EXPIRED")
    assert_problem(await server.initiate(held, held["guestToken"]), 409, "HOLD_EXPIRED")
    assert await server.product.value(stored, held["bookingId"]) == "held"
    other = await server.hold(trip, ["3B"])
    assert (await server.release(held)).status_code == 204
    assert (await server.booking(held))["status"] == "EXPIRED"
    assert (await server.booking(other))["status"] == "HELD"
    assert await server.audit() == []


async def test_the_seats_of_a_hold_are_taken_on_its_legs_alone(server: Shop):
    trip = await server.fresh_trip()
    first, second, third, last = [call["stopId"] for call in await server.stops_of(trip)]
    await server.hold(trip, ["1A"], from_=second, to=third)
    assert (await server.statuses(trip, from_=first, to=second))["1A"] == "AVAILABLE"
    assert (await server.statuses(trip, from_=third, to=last))["1A"] == "AVAILABLE"
    for origin, destination in ((first, third), (second, third), (second, last), (first, last)):
        assert (await server.statuses(trip, from_=origin, to=destination))["1A"] == "HELD"
        assert await server.refused(trip, ["1A"], from_=origin, to=destination) == ["1A"]
    await server.hold(trip, ["1A"], from_=first, to=second)
    await server.hold(trip, ["1A"], from_=third, to=last)


async def availability(
    shop: Shop, trip: dict[str, str], tag: str | None = None, **segment: str
) -> httpx2.Response:
    headers = {} if tag is None else {"if-none-match": tag}
    params = {"tripId": trip["id"], **segment}
    return await shop.product.client.get(RESERVE, params=params, headers=headers)


async def test_availability_changes_its_tag_with_a_hold_and_with_its_end(server: Shop):
    trip = await server.fresh_trip()
    seen = await availability(server, trip)
    tag = seen.headers["etag"]
    for asked in (tag, f"W/{tag}", f'"another", {tag}'):
        unchanged = await availability(server, trip, asked)
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert unchanged.headers["etag"] == tag

    held = await server.hold(trip, ["5C"])
    changed = await availability(server, trip, tag)
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag
    assert changed.json()["availableSeats"] == seen.json()["availableSeats"] - 1
    assert (await availability(server, trip, changed.headers["etag"])).status_code == 304

    await server.product.let_expire(held["bookingId"])
    ended = await availability(server, trip, changed.headers["etag"])
    assert ended.status_code == 200
    assert ended.json()["seats"] == seen.json()["seats"]


async def test_availability_is_the_same_for_every_caller_and_shows_what_is_not_sold(server: Shop):
    trip = await server.fresh_trip()
    held = await server.hold(trip, ["1A"])
    shown = [
        (await server.get(RESERVE, token, tripId=trip["id"])).json()["seats"]
        for token in (None, held["guestToken"], (await server.register())["accessToken"])
    ]
    assert shown[0] == shown[1] == shown[2]
    by_label = {seat["seatNumber"]: seat for seat in shown[0]}
    assert [by_label[seat]["status"] for seat in ("1A", "1B", "13E")] == [
        "HELD",
        "AVAILABLE",
        "BLOCKED",
    ]
    assert [by_label[seat]["class"] for seat in ("2D", "3A")] == ["VIP", "STANDARD"]
    answer = await server.get(RESERVE, tripId=held["bookingId"])
    assert_problem(answer, 404, "NOT_FOUND")


async def test_a_holder_keeps_ten_seats_of_a_trip_and_no_more(server: Shop):
    trip = await server.fresh_trip()
    token = (await server.register())["accessToken"]
    held = await server.hold(trip, [f"{row}A" for row in range(3, 13)], token=token)
    refused = await server.reserve(trip, ["3B"], token=token)
    assert_problem(refused, 429, "TOO_MANY_HOLDS")
    assert int(refused.headers["retry-after"]) > 0
    await server.hold(await server.fresh_trip(), ["3B"], token=token)
    await server.release(held, token)
    await server.hold(trip, ["3B"], token=token)
