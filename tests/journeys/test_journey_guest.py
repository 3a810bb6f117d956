"""A guest's way from the search to the ticket, and what other guests see of it."""

from datetime import timedelta
from uuid import uuid4

import httpx2

from identity_site import assert_problem
from shop import Shop, bearer, instant


def people(*seats: str) -> dict[str, object]:
    return {
        "contact": {"phone": "+2348031234567", "email": "ada@kiti.example"},
        "passengers": [{"seatNumber": seat, "name": f"Ada {seat}"} for seat in seats],
    }


async def test_a_guest_finds_holds_pays_and_has_tickets(demo: Shop):
    origin, destination = await demo.place("Lagos"), await demo.place("abuj")
    assert (origin["kind"], destination["name"]) == ("CITY", "Abuja")
    found = await demo.search(origin["id"], destination["id"], demo.day(41), passengers="2")
    trip = found[0]
    assert [item["from"]["departsAt"] for item in found] == sorted(
        item["from"]["departsAt"] for item in found
    )
    segment = {"from_": trip["from"]["stopId"], "to": trip["to"]["stopId"]}
    before = await demo.statuses(trip, **segment)
    assert list(before.values()).count("AVAILABLE") == trip["availableSeats"]

    held = await demo.hold(trip, count=2, passengerTypes=["ADULT", "CHILD"], **segment)
    seats = held["seatNumbers"]
    assert (held["from"], held["to"]) == (segment["from_"], segment["to"])
    assert instant(held["expiresAt"]) - instant(held["serverTime"]) == timedelta(minutes=15)
    assert {(await demo.statuses(trip, **segment))[seat] for seat in seats} == {"HELD"}

    booking = await demo.booking(held)
    assert sum(seat["price"]["amount"] for seat in booking["seats"]) == held["total"]["amount"]
    assert [seat["passengerType"] for seat in booking["seats"]] == ["ADULT", "CHILD"]
    assert booking["seats"][0]["price"]["amount"] == trip["price"]["amount"]
    answer = await demo.product.client.put(
        f"/api/bookings/{held['bookingId']}/passengers",
        json=people(*seats),
        headers=bearer(held["guestToken"]),
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["total"] == held["total"]

    booking = await demo.buy(held)
    assert (booking["status"], booking["reference"]) == ("CONFIRMED", held["reference"])
    assert {(await demo.statuses(trip, **segment))[seat] for seat in seats} == {"SOLD"}
    for ticket in booking["tickets"]:
        shown = (await demo.get(f"/api/tickets/{ticket['id']}", held["guestToken"])).json()
        assert shown["number"] == ticket["number"]
        assert shown["passengerName"] == f"Ada {ticket['seatNumber']}"
        assert (shown["from"]["stopId"], shown["to"]["stopId"]) == (held["from"], held["to"])
        assert shown["qr"].startswith("<svg")
    assert len({ticket["number"] for ticket in booking["tickets"]}) == 2


async def test_a_guest_who_comes_again_with_the_token_is_the_same_guest(demo: Shop):
    first = await demo.hold(await demo.fresh_trip(), count=1)
    second = await demo.hold(await demo.fresh_trip(), count=1, token=first["guestToken"])
    answer = await demo.get("/api/bookings", second["guestToken"], limit="1")
    page = answer.json()
    assert [item["id"] for item in page["items"]] == [second["bookingId"]]
    rest = await demo.get(
        "/api/bookings", second["guestToken"], limit="1", cursor=page["nextCursor"]
    )
    assert [item["id"] for item in rest.json()["items"]] == [first["bookingId"]]
    assert rest.json()["nextCursor"] is None
    # The first token is still good, and the newer one sees what was booked before.
    assert (await demo.booking(second, first["guestToken"]))["status"] == "HELD"
    assert (await demo.booking(first, second["guestToken"]))["status"] == "HELD"


async def test_what_is_another_guests_does_not_exist(demo: Shop):
    mine = await demo.hold(await demo.fresh_trip(), count=1)
    theirs = await demo.hold(await demo.fresh_trip(), count=1)
    bought = await demo.buy(theirs)
    stranger = mine["guestToken"]
    booking = f"/api/bookings/{theirs['bookingId']}"
    ticket = f"/api/tickets/{bought['tickets'][0]['id']}"
    transaction = bought["payments"][0]["transactionId"]
    passengers = await demo.product.client.put(
        f"{booking}/passengers", json=people("1A"), headers=bearer(stranger)
    )
    answers = [
        await demo.get(booking, stranger),
        await demo.extend(theirs, 5, stranger),
        await demo.release(theirs, stranger),
        passengers,
        await demo.initiate(theirs, stranger),
        await demo.get(ticket, stranger),
        await demo.get(ticket, code="A" * 17),
        await demo.get("/api/payments/status", stranger, transactionId=transaction),
        await demo.get(f"/api/bookings/{uuid4()}", stranger),
    ]
    for answer in answers:
        assert_problem(answer, 404, "NOT_FOUND")
    assert [item["id"] for item in (await demo.get("/api/bookings", stranger)).json()["items"]] == [
        mine["bookingId"]
    ]
    assert (await demo.booking(theirs))["status"] == "CONFIRMED"


async def test_nobody_is_refused_and_a_bad_token_is_never_a_guest(demo: Shop):
    held = await demo.hold(await demo.fresh_trip(), count=1)
    ticket = f"/api/tickets/{uuid4()}"
    for token in (None, "nonsense", held["guestToken"][:-2] + "xx"):
        for path in ("/api/bookings", f"/api/bookings/{held['bookingId']}", "/api/auth/me", ticket):
            assert_problem(await demo.get(path, token), 401, "UNAUTHENTICATED")
    before = await demo.statuses(trip := await demo.fresh_trip())
    answer = await demo.reserve(trip, count=1, token="nonsense")
    assert_problem(answer, 401, "UNAUTHENTICATED")
    assert await demo.statuses(trip) == before
    # A guest has no account.
    assert_problem(await demo.get("/api/auth/me", held["guestToken"]), 403, "FORBIDDEN")


async def test_a_browser_gets_the_guests_token_in_a_cookie_alone(demo: Shop):
    origin = {"origin": demo.product.url}
    body = {"tripId": (await demo.fresh_trip())["id"], "count": 1}
    async with demo.product.new_client() as browser:
        answer = await browser.post("/api/bookings/reserve", json=body, headers=origin)
        assert answer.status_code == 201, answer.text
        assert "guestToken" not in answer.json()
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        mine = f"/api/bookings/{answer.json()['bookingId']}"
        assert (await browser.get(mine)).status_code == 200
        # Another site's page, or none, may not act for this browser.
        for foreign in ({}, {"origin": "https://evil.example"}):
            refused: httpx2.Response = await browser.post(
                f"{mine}/extend", json={"minutes": 1}, headers=foreign
            )
            assert_problem(refused, 403, "CSRF_FAILED")
        extended = await browser.post(f"{mine}/extend", json={"minutes": 1}, headers=origin)
        assert extended.status_code == 200, extended.text
