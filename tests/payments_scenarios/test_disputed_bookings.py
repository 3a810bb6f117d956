"""What a bank has taken is not given again: no credit of it, nothing exchanged for it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from gateway_hands import Hands
from kiti.checkout.trip_cancelling import CancelledTrip, cancel_bookings, cancel_trip
from kiti.fares.policies import put_policy
from kiti.fares.refund_policy import Policy, Rule
from kiti.network.catalogue import Catalogue
from paying_steps import problem, refunds
from payments_site import Passenger, Site

WALLET = Policy(rules=(Rule(refund_percent=100, to="wallet"),))
HALF = Policy(rules=(Rule(refund_percent=50),))


@dataclass
class Sold:
    """A booking that is paid and confirmed, of an operator with a policy."""

    site: Site
    hands: Hands
    ada: Passenger
    payment: dict[str, Any]

    async def offers(self) -> list[dict[str, Any]]:
        path = f"/api/bookings/{self.ada.booking_id}/refund-offer"
        answer = await self.site.client.get(path, headers=self.ada.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()["offers"]

    async def post(self, what: str, offer_id: str) -> httpx2.Response:
        return await self.site.client.post(
            f"/api/bookings/{self.ada.booking_id}/{what}",
            json={"offerId": offer_id},
            headers=self.ada.headers | {"idempotency-key": str(uuid4())},
        )

    async def dispute(self) -> str:
        """The payer's bank takes the money, and it is known here."""
        (charge,) = await self.hands.paid(self.payment)
        dispute_id = await self.hands.dispute(charge)
        assert dispute_id is not None
        await self.site.job("reconcile-settlements")
        return dispute_id

    async def lose(self, dispute_id: str) -> None:
        await self.hands.decide(dispute_id, is_won=False)
        await self.site.job("reconcile-settlements")

    async def credit(self) -> int:
        answer = await self.site.client.get("/api/credit", headers=self.ada.headers)
        return sum(item["amount"] for item in answer.json()["items"])


async def sell(site: Site, hands: Hands, policy: Policy) -> Sold:
    sheet = await site.trip()
    async with site.db.transaction() as conn:
        await put_policy(conn, operator_id=sheet.operator_id, policy=policy)
    ada = await site.passenger(sheet)
    payment = await hands.open(ada)
    await site.pay(payment)
    await ada.status(payment)
    assert (await ada.read())["status"] == "CONFIRMED"
    return Sold(site, hands, ada, payment)


@pytest.fixture(params=("flutterwave", "stripe"))
async def hands(both: Site, request: pytest.FixtureRequest) -> Hands:
    hands = Hands(both, request.param)
    await hands.fault("webhook", "drop", times=1000)
    return hands


async def test_an_offer_of_credit_is_over_once_the_money_is_disputed(
    both: Site, hands: Hands
) -> None:
    sold = await sell(both, hands, WALLET)
    (credit,) = await sold.offers()
    assert credit["method"] == "CREDIT"
    dispute_id = await sold.dispute()
    assert problem(await sold.post("cancel", credit["offerId"])) == (409, "OFFER_EXPIRED")
    (instead,) = await sold.offers()
    assert (instead["method"], instead["amount"]) == ("ORIGINAL", sold.ada.total)
    assert (await sold.post("cancel", instead["offerId"])).status_code == 200
    await both.work()
    await sold.lose(dispute_id)
    await both.work()
    # The bank has paid: the refund is that, and nothing more goes back.
    assert await refunds(sold.ada, sold.payment) == [
        ("CANCELLED", sold.ada.total, "NGN", "SUCCEEDED")
    ]
    assert await hands.refunds(sold.payment) == []
    assert await sold.credit() == 0
    assert await both.breaches() == []


async def test_a_dispute_that_was_lost_gives_no_credit_either(both: Site, hands: Hands) -> None:
    sold = await sell(both, hands, WALLET)
    await sold.lose(await sold.dispute())
    (offer,) = await sold.offers()
    assert (await sold.post("cancel", offer["offerId"])).status_code == 200
    await both.work()
    assert (offer["method"], await sold.credit()) == ("ORIGINAL", 0)
    assert await hands.refunds(sold.payment) == []
    assert await both.breaches() == []


async def test_a_dispute_that_was_won_is_forgotten(both: Site, hands: Hands) -> None:
    sold = await sell(both, hands, WALLET)
    await hands.decide(await sold.dispute(), is_won=True)
    await both.job("reconcile-settlements")
    (offer,) = await sold.offers()
    assert (await sold.post("cancel", offer["offerId"])).status_code == 200
    assert (offer["method"], await sold.credit()) == ("CREDIT", sold.ada.total)
    assert await both.breaches() == []


async def test_a_booking_whose_money_is_disputed_is_not_exchanged(both: Site, hands: Hands) -> None:
    sold = await sell(both, hands, WALLET)
    held = await both.client.post(
        "/api/bookings/reserve",
        json={"tripId": sold.ada.booking["tripId"], "seatNumbers": ["3A"]},
        headers=sold.ada.headers,
    )
    path = f"/api/bookings/{sold.ada.booking_id}/exchange-offer"
    asked = {"toBookingId": held.json()["bookingId"]}
    answer = await both.client.get(path, params=asked, headers=sold.ada.headers)
    assert answer.status_code == 200, answer.text
    await sold.dispute()
    taken = await sold.post("exchange", answer.json()["offerId"])
    assert problem(taken) == (409, "EXCHANGE_REFUSED")
    again = await both.client.get(path, params=asked, headers=sold.ada.headers)
    assert problem(again) == (409, "EXCHANGE_REFUSED")
    assert (await sold.ada.read())["status"] == "CONFIRMED"
    assert await both.breaches() == []


async def test_an_offer_that_keeps_something_is_over_once_the_trip_is_cancelled(
    both: Site, hands: Hands
) -> None:
    sold = await sell(both, hands, HALF)
    (half,) = await sold.offers()
    trip_id = UUID(sold.ada.booking["tripId"])
    await cancel_trip(both.db, Catalogue(), trip_id=trip_id, reason="Flood", by=None)
    assert problem(await sold.post("cancel", half["offerId"])) == (409, "OFFER_EXPIRED")
    (whole,) = await sold.offers()
    assert (whole["amount"], whole["kept"]) == (sold.ada.total, 0)
    await cancel_bookings(both.db, CancelledTrip(trip_id))
    await both.work()
    assert [(r[1], r[3]) for r in await refunds(sold.ada, sold.payment)] == [
        (sold.ada.total, "SUCCEEDED")
    ]
    assert await both.breaches() == []
