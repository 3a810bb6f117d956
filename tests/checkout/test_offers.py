"""Seats given back: what is offered, what is taken, and that money and books follow."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from kiti.booking.restocking import lock_stock, take_along
from kiti.fares.policies import put_policy
from kiti.fares.refund_policy import Policy, Rule
from paying_steps import problem, refunds
from payments_site import Passenger, Site

HALF = Policy(rules=(Rule(refund_percent=50),))
WALLET = Policy(rules=(Rule(refund_percent=100, to="wallet", bank_transfer_percent=95),))


async def sold(
    site: Site, seats: tuple[str, ...] = ("2A",), *, policy: Policy | None = None
) -> tuple[Passenger, dict[str, Any]]:
    """A passenger whose booking is confirmed; `policy`: of the trip's operator."""
    sheet = await site.trip()
    if policy is not None:
        async with site.db.transaction() as conn:
            await put_policy(conn, operator_id=sheet.operator_id, policy=policy)
    ada = await site.passenger(sheet, seats)
    payment = await ada.open()
    await site.pay(payment)
    await site.webhook(payment)
    await site.work()
    assert (await ada.read())["status"] == "CONFIRMED"
    return ada, payment


async def ask(ada: Passenger, seats: str | None = None) -> httpx2.Response:
    return await ada.site.client.get(
        f"/api/bookings/{ada.booking_id}/refund-offer",
        params={} if seats is None else {"seatNumbers": seats},
        headers=ada.headers,
    )


async def offers(ada: Passenger, seats: str | None = None) -> list[dict[str, Any]]:
    answer = await ask(ada, seats)
    assert answer.status_code == 200, answer.text
    assert answer.json()["bookingId"] == str(ada.booking_id)
    return answer.json()["offers"]


async def take(ada: Passenger, offer: dict[str, Any], *, key: str | None = None) -> httpx2.Response:
    return await ada.site.client.post(
        f"/api/bookings/{ada.booking_id}/cancel",
        json={"offerId": offer["offerId"]},
        headers=ada.headers | {"idempotency-key": key or str(uuid4())},
    )


async def test_an_offer_tells_what_goes_back_and_stores_nothing(site: Site) -> None:
    ada, _ = await sold(site, policy=HALF)
    (offer,) = await offers(ada)
    assert offer["method"] == "ORIGINAL"
    assert (offer["amount"], offer["kept"]) == (ada.total // 2, ada.total - ada.total // 2)
    assert offer["currency"] == "NGN"
    assert offer["rule"] == "before departure: 50 %"
    now = await site.value("SELECT clock_timestamp()")
    until = datetime.fromisoformat(offer["validUntil"])
    assert timedelta(minutes=9) < until - now <= timedelta(minutes=10)
    assert await site.value("SELECT count(*) FROM cancellation") == 0
    assert (await ada.read())["status"] == "CONFIRMED"


async def test_a_cancelled_booking_is_free_again_and_its_money_goes_back(site: Site) -> None:
    ada, payment = await sold(site, ("2A", "2B"), policy=HALF)
    (offer,) = await offers(ada)
    answer = await take(ada, offer)
    assert answer.status_code == 200, answer.text
    booking = answer.json()
    assert booking["status"] == "CANCELLED"
    assert {seat["status"] for seat in booking["seats"]} == {"CANCELLED"}
    assert {ticket["status"] for ticket in booking["tickets"]} == {"CANCELLED"}
    assert booking["total"]["amount"] == ada.total
    await site.work()
    assert await refunds(ada, payment) == [("CANCELLED", ada.total // 2, "NGN", "SUCCEEDED")]
    (made,) = await site.refunds_at_gateway(payment)
    assert round(made["amount_refunded"] * 100) == ada.total // 2
    kept = await site.value("SELECT sum(balance_minor) FROM ledger_balance WHERE kind = $1",
                            "operator_payable")  # fmt: skip
    assert kept == ada.total - ada.total // 2
    again = await site.client.post(
        "/api/bookings/reserve",
        json={"tripId": ada.booking["tripId"], "seatNumbers": ["2A", "2B"]},
    )
    assert again.status_code == 201
    assert await site.breaches() == []


async def test_seats_go_back_one_after_the_other(site: Site) -> None:
    ada, payment = await sold(site, ("2A", "2B", "3A"), policy=HALF)
    fare = ada.total // 3
    for label, status in (("2B", "CONFIRMED"), ("2a", "CONFIRMED"), ("3A", "CANCELLED")):
        (offer,) = await offers(ada, label)
        assert offer["amount"] == fare // 2
        answer = await take(ada, offer)
        assert answer.json()["status"] == status
        assert await site.breaches() == []
    await site.work()
    assert await refunds(ada, payment) == [("CANCELLED", fare // 2, "NGN", "SUCCEEDED")] * 3
    assert len(await site.refunds_at_gateway(payment)) == 3
    assert await site.breaches() == []


async def test_the_same_key_takes_an_offer_once(site: Site) -> None:
    ada, payment = await sold(site, policy=HALF)
    (offer,) = await offers(ada)
    first, second = await take(ada, offer, key="k"), await take(ada, offer, key="k")
    assert (first.content, second.headers["idempotent-replayed"]) == (second.content, "true")
    await site.work()
    assert len(await site.refunds_at_gateway(payment)) == 1


async def test_two_who_cancel_at_once_get_one_refund(site: Site) -> None:
    ada, payment = await sold(site, policy=HALF)
    (offer,) = await offers(ada)
    answers = await asyncio.gather(*(take(ada, offer) for _ in range(8)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [200] + [409] * 7
    await site.work()
    assert len(await site.refunds_at_gateway(payment)) == 1
    assert await site.breaches() == []


async def test_any_change_of_the_booking_ends_its_offers(site: Site) -> None:
    ada, _ = await sold(site, ("2A", "2B"), policy=HALF)
    (whole,) = await offers(ada)
    (part,) = await offers(ada, "2B")
    assert (await take(ada, part)).status_code == 200
    assert problem(await take(ada, whole)) == (409, "OFFER_EXPIRED")
    assert problem(await take(ada, part)) == (409, "OFFER_EXPIRED")
    assert await site.breaches() == []


async def test_an_offer_ends_by_the_database_s_clock(site: Site) -> None:
    ada, _ = await sold(site, policy=HALF)
    leaves = await site.value(
        "UPDATE booking SET confirmed_at = clock_timestamp() - interval '59 minutes 59.2 seconds'"
        " RETURNING confirmed_at"
    )
    hour = Policy(
        rules=(Rule(within_hours_of_purchase=1, refund_percent=100), Rule(refund_percent=0))
    )
    async with site.db.transaction() as conn:
        operator_id = UUID(str(await conn.fetchval("SELECT operator_id FROM trip")))
        await put_policy(conn, operator_id=operator_id, policy=hour)
    (offer,) = await offers(ada)
    assert offer["amount"] == ada.total
    assert datetime.fromisoformat(offer["validUntil"]) == leaves + timedelta(hours=1)
    await site.value("SELECT pg_sleep(1)")
    assert problem(await take(ada, offer)) == (409, "OFFER_EXPIRED")
    (now,) = await offers(ada)
    assert now["amount"] == 0


async def test_a_wallet_rule_offers_both_ways_and_credit_is_given_at_once(site: Site) -> None:
    ada, payment = await sold(site, policy=WALLET)
    credit, original = await offers(ada)
    assert (credit["method"], credit["amount"]) == ("CREDIT", ada.total)
    assert (original["method"], original["amount"]) == ("ORIGINAL", ada.total * 95 // 100)
    assert (await take(ada, credit)).status_code == 200
    holder = await site.value("SELECT holder_id FROM booking")
    held = await site.value(
        "SELECT balance_minor FROM ledger_balance WHERE kind = 'passenger_credit' AND owner = $1",
        str(holder),
    )
    assert held == ada.total
    await site.work()
    assert await refunds(ada, payment) == []
    assert await site.refunds_at_gateway(payment) == []
    assert await site.breaches() == []


async def test_a_trip_that_the_operator_moved_is_given_up_for_all_that_was_paid(
    site: Site,
) -> None:
    ada, payment = await sold(site, policy=HALF)
    (before,) = await offers(ada)
    assert before["amount"] == ada.total // 2
    async with site.db.transaction() as conn:
        trip_id = UUID(ada.booking["tripId"])
        await lock_stock(conn, trip_ids=[trip_id])
        await take_along(conn, trip_id=trip_id)
    assert problem(await take(ada, before)) == (409, "OFFER_EXPIRED")
    (after,) = await offers(ada)
    assert (after["amount"], after["kept"]) == (ada.total, 0)
    assert (await take(ada, after)).status_code == 200
    await site.work()
    assert await refunds(ada, payment) == [("CANCELLED", ada.total, "NGN", "SUCCEEDED")]
    assert await site.breaches() == []


async def test_a_hold_of_a_trip_that_moves_is_released_and_its_money_goes_back(site: Site) -> None:
    ada = await site.passenger()
    payment = await ada.open()
    async with site.db.transaction() as conn:
        trip_id = UUID(ada.booking["tripId"])
        await lock_stock(conn, trip_ids=[trip_id])
        await take_along(conn, trip_id=trip_id)
    assert (await ada.read())["status"] == "RELEASED"
    await site.money_unannounced(payment, amount=ada.major)
    await site.job("poll-payments")
    await site.work()
    assert await refunds(ada, payment) == [("BOOKING_RELEASED", ada.total, "NGN", "SUCCEEDED")]
    assert await site.breaches() == []


async def test_only_what_is_sold_has_offers(site: Site) -> None:
    ada = await site.passenger()
    assert problem(await ask(ada)) == (409, "BOOKING_NOT_CONFIRMED")
    forged = {"offerId": "bm8.bm8"}
    assert problem(await take(ada, forged)) == (422, "VALIDATION_FAILED")


async def test_offers_are_the_holders_alone(site: Site) -> None:
    ada, _ = await sold(site, policy=HALF)
    (offer,) = await offers(ada)
    eve, _ = await sold(site, policy=HALF)
    mine = f"/api/bookings/{ada.booking_id}"
    answer = await site.client.get(f"{mine}/refund-offer", headers=eve.headers)
    assert problem(answer) == (404, "NOT_FOUND")
    assert (await site.client.get(f"{mine}/refund-offer")).status_code == 401
    body = {"offerId": offer["offerId"]}
    keyed = eve.headers | {"idempotency-key": "x"}
    answer = await site.client.post(f"{mine}/cancel", json=body, headers=keyed)
    assert problem(answer) == (404, "NOT_FOUND")
    other = f"/api/bookings/{eve.booking_id}/cancel"
    answer = await site.client.post(other, json=body, headers=keyed)
    assert problem(answer) == (422, "VALIDATION_FAILED")
    assert (await ada.read())["status"] == "CONFIRMED"


@pytest.mark.parametrize(
    ("seats", "code"),
    [("9Z", "SEAT_UNKNOWN"), ("2A,2A", "SEAT_UNKNOWN"), (",", "VALIDATION_FAILED")],
)
async def test_seats_it_does_not_have_are_refused(site: Site, seats: str, code: str) -> None:
    ada, _ = await sold(site, policy=HALF)
    assert problem(await ask(ada, seats)) == (422, code)


async def test_a_cancel_needs_a_key_and_an_offer_as_it_was_signed(site: Site) -> None:
    ada, _ = await sold(site, policy=HALF)
    (offer,) = await offers(ada)
    path = f"/api/bookings/{ada.booking_id}/cancel"
    answer = await site.client.post(path, json={"offerId": "x"}, headers=ada.headers)
    assert problem(answer) == (400, "IDEMPOTENCY_KEY_MISSING")
    raw, _, mac = offer["offerId"].partition(".")
    for changed in (f"{raw}A.{mac}", f"{raw}.{mac[:-1]}", raw, "", f"{raw}.{mac}.x"):
        answer = await take(ada, {"offerId": changed})
        assert problem(answer) == (422, "VALIDATION_FAILED"), changed
    assert await site.value("SELECT count(*) FROM cancellation") == 0


async def test_an_offer_of_nothing_gives_the_seats_back_all_the_same(site: Site) -> None:
    ada, payment = await sold(site, policy=Policy(rules=(Rule(refund_percent=0),)))
    (offer,) = await offers(ada)
    assert (offer["amount"], offer["kept"]) == (0, ada.total)
    assert (await take(ada, offer)).json()["status"] == "CANCELLED"
    await site.work()
    assert await site.refunds_at_gateway(payment) == []
    assert await site.breaches() == []


async def test_the_audit_sees_a_cancellation_that_lost_money(site: Site) -> None:
    ada, _ = await sold(site, policy=HALF)
    (offer,) = await offers(ada)
    await take(ada, offer)
    await site.value("UPDATE cancellation SET kept_minor = kept_minor - 1 RETURNING 1")
    found = {each.invariant for each in await site.breaches()}
    assert found == {"what cancelled seats cost goes back or is kept"}
