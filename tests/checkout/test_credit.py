"""Paying out of credit: all of it at once, never twice, and back into credit."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from kiti.identity.model import Role
from kiti.ledger import postings
from kiti.ledger.model import BelowFloor
from kiti.ledger.service import balance, post
from kiti.network.model import TripSheet
from kiti.platform.ids import new_id
from paying_steps import attempts, expire, problem, refunds
from payments_site import Passenger, Site

CREDIT: dict[str, Any] = {"gateway": "credit", "paymentMethod": ...}


async def give(site: Site, ada: Passenger, minor: int, *, currency: str = "NGN") -> None:
    """Credit for the passenger, out of the house's pocket."""
    holder = await holder_of(site, ada)
    entry = postings.credited(
        cancellation_id=new_id(),
        booking_id=ada.booking_id,
        trip_id=ada.booking_id,
        holder_id=holder,
        currency=currency,
        amount_minor=minor,
    )
    paid = postings.received(
        receipt_id=new_id(),
        booking_id=ada.booking_id,
        trip_id=ada.booking_id,
        into=postings.clearing("flutterwave"),
        currency=currency,
        amount_minor=minor,
        applied_minor=minor,
    )
    async with site.db.transaction() as conn:
        await post(conn, [paid, entry])


async def holder_of(site: Site, ada: Passenger) -> Any:  # noqa: ANN401  # a UUID of the database
    return await site.value("SELECT holder_id FROM booking WHERE booking_id = $1", ada.booking_id)


async def credit(ada: Passenger) -> dict[str, int]:
    answer = await ada.site.client.get("/api/credit", headers=ada.headers)
    assert answer.status_code == 200, answer.text
    return {item["currency"]: item["amount"] for item in answer.json()["items"]}


async def another(ada: Passenger, sheet: TripSheet, seat: str) -> Passenger:
    """One more hold of the same guest."""
    answer = await ada.site.client.post(
        "/api/bookings/reserve",
        json={"tripId": str(sheet.trip_id), "seatNumbers": [seat]},
        headers=ada.headers,
    )
    assert answer.status_code == 201, answer.text
    return Passenger(ada.site, {**answer.json(), "guestToken": ada.booking["guestToken"]})


async def test_credit_pays_at_once(site: Site) -> None:
    ada = await site.passenger(seats=("2A", "2B"))
    assert await credit(ada) == {}
    await give(site, ada, ada.total + 700)
    await give(site, ada, 5, currency="KES")
    key = str(uuid4())
    answer = await ada.initiate(**CREDIT, idempotencyKey=key)
    assert answer.status_code == 201, answer.text
    payment = answer.json()
    assert (payment["status"], payment["gateway"]) == ("SUCCEEDED", "credit")
    assert payment["redirectUrl"] is None
    booking = await ada.read()
    assert booking["status"] == "CONFIRMED"
    assert len(booking["tickets"]) == 2
    assert await credit(ada) == {"KES": 5, "NGN": 700}
    status = await ada.status(payment)
    assert status["received"] == {"amount": ada.total, "currency": "NGN"}
    again = await ada.initiate(**CREDIT, idempotencyKey=key)
    assert again.content == answer.content
    assert problem(await ada.initiate(**CREDIT)) == (409, "ALREADY_PAID")
    await site.job("poll-payments")
    await site.work()
    assert await site.calls("create") == 0
    assert await site.breaches() == []


async def test_an_account_pays_out_of_its_credit(site: Site) -> None:
    headers = await site.account(Role.PASSENGER)
    sheet = await site.trip()
    answer = await site.client.post(
        "/api/bookings/reserve",
        json={"tripId": str(sheet.trip_id), "seatNumbers": ["2A"]},
        headers=headers,
    )
    token = headers["authorization"].removeprefix("Bearer ")
    ada = Passenger(site, {**answer.json(), "guestToken": token})
    await give(site, ada, ada.total)
    assert (await ada.initiate(**CREDIT)).json()["status"] == "SUCCEEDED"
    assert await credit(ada) == {}
    assert await site.breaches() == []


async def test_too_little_credit_pays_nothing(site: Site) -> None:
    ada = await site.passenger()
    refused = await ada.initiate(**CREDIT)
    assert problem(refused) == (422, "METHOD_NOT_AVAILABLE")
    assert "credit" in refused.json()["detail"]
    await give(site, ada, ada.total - 1)
    await give(site, ada, ada.total, currency="KES")
    assert problem(await ada.initiate(**CREDIT)) == (422, "METHOD_NOT_AVAILABLE")
    assert await attempts(site, ada) == []
    assert (await ada.read())["status"] == "HELD"
    assert await credit(ada) == {"KES": ada.total, "NGN": ada.total - 1}


async def test_the_rules_of_every_payment_hold_for_credit(site: Site) -> None:
    ada = await site.passenger()
    await give(site, ada, ada.total * 2)
    assert problem(await ada.initiate(**CREDIT, amount=1)) == (422, "AMOUNT_MISMATCH")
    assert problem(await ada.initiate(**CREDIT, currency="KES")) == (422, "CURRENCY_MISMATCH")
    methods = await ada.initiate(gateway="credit")
    assert problem(methods) == (422, "VALIDATION_FAILED")
    assert methods.json()["errors"][0]["pointer"] == "#/paymentMethod"
    missing = await ada.initiate(paymentMethod=...)
    assert missing.json()["errors"][0]["pointer"] == "#/paymentMethod"
    eve = await site.passenger()
    stolen = await eve.initiate(**CREDIT, bookingId=ada.booking["bookingId"])
    assert problem(stolen) == (404, "NOT_FOUND")
    await expire(site, ada)
    assert problem(await ada.initiate(**CREDIT)) == (409, "HOLD_EXPIRED")
    assert await credit(ada) == {"NGN": ada.total * 2}


async def test_credit_after_a_page_was_opened_closes_it(site: Site) -> None:
    ada = await site.passenger()
    opened = await ada.open()
    await give(site, ada, ada.total)
    assert (await ada.initiate(**CREDIT)).json()["status"] == "SUCCEEDED"
    assert (await ada.status(opened))["status"] == "CANCELLED"
    await site.pay(opened)  # all the same
    await site.webhook(opened)
    await site.work()
    assert await refunds(ada, opened) == [("DUPLICATE", ada.total, "NGN", "SUCCEEDED")]
    assert await site.breaches() == []


async def test_what_was_paid_out_of_credit_goes_back_into_it(site: Site) -> None:
    ada = await site.passenger(seats=("2A", "2B"))
    await give(site, ada, ada.total)
    payment = (await ada.initiate(**CREDIT)).json()
    path = f"/api/bookings/{ada.booking_id}"
    for seat in ("2A", "2B"):
        offers = await site.client.get(
            f"{path}/refund-offer", params={"seatNumbers": seat}, headers=ada.headers
        )
        (offer,) = offers.json()["offers"]
        assert (offer["method"], offer["amount"]) == ("ORIGINAL", ada.total // 2)
        taken = await site.client.post(
            f"{path}/cancel",
            json={"offerId": offer["offerId"]},
            headers=ada.headers | {"idempotency-key": str(uuid4())},
        )
        assert taken.status_code == 200, taken.text
    assert await credit(ada) == {"NGN": ada.total}
    back = [("CANCELLED", ada.total // 2, "NGN", "SUCCEEDED")] * 2
    assert await refunds(ada, payment) == back
    assert await site.value("SELECT count(*) FROM job WHERE kind = 'refund.send'") == 0
    await site.job("retry-refunds")
    assert await site.breaches() == []


async def test_credit_for_one_pays_one(site: Site) -> None:
    sheet = await site.trip()
    ada = await site.passenger(sheet, ("1A",))
    others = [await another(ada, sheet, seat) for seat in ("2A", "2B", "3A")]
    other = await site.trip()
    others += [await another(ada, other, seat) for seat in ("1A", "2A", "2B")]
    fare = others[0].total
    await give(site, ada, fare)
    answers = await asyncio.gather(*(each.initiate(**CREDIT) for each in others))
    codes = [answer.status_code for answer in answers]
    assert sorted(codes) == [201] + [422] * 5
    assert await credit(ada) == {}
    states = [(await each.read())["status"] for each in others]
    assert sorted(states) == ["CONFIRMED"] + ["HELD"] * 5
    assert await site.breaches() == []


async def test_without_the_floor_credit_for_one_would_pay_two(site: Site) -> None:
    """The twin: who reads the balance first is told that there is enough, and so is the other."""
    ada = await site.passenger()
    await give(site, ada, 100)
    account = postings.passenger_credit(await holder_of(site, ada))
    gate = asyncio.Barrier(2)

    async def spend() -> str:
        async with site.db.transaction() as conn:
            assert await balance(conn, account, currency="NGN") == 100
            await gate.wait()
            spent = postings.received(
                receipt_id=new_id(),
                booking_id=new_id(),
                trip_id=new_id(),
                into=account,
                currency="NGN",
                amount_minor=100,
                applied_minor=100,
            )
            await post(conn, [spent])
        return "spent"

    found = await asyncio.gather(spend(), spend(), return_exceptions=True)
    assert "spent" in found
    assert any(isinstance(each, BelowFloor) for each in found)  # the floor alone stopped it


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer nobody"}])
async def test_credit_is_asked_for_by_somebody(site: Site, headers: dict[str, str]) -> None:
    assert (await site.client.get("/api/credit", headers=headers)).status_code == 401
