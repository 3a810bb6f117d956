"""A booking exchanged for another one: at once, by paying the difference, or not at all."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from kiti.checkout.earning import earn_departed
from kiti.checkout.trip_cancelling import CancelledTrip, cancel_bookings, cancel_trip
from kiti.fares.policies import put_policy
from kiti.fares.refund_policy import Policy, Rule
from kiti.ledger.model import Account, Kind
from kiti.ledger.service import balance
from kiti.network.catalogue import Catalogue
from kiti.network.model import TripSheet
from paying_steps import by_hand, expire, problem, refunds
from payments_site import Passenger, Site

EIGHTY = Policy(rules=(Rule(refund_percent=80),))
ALL = Policy(rules=(Rule(refund_percent=100),))
WALLET = Policy(rules=(Rule(refund_percent=100, to="wallet", bank_transfer_percent=50),))


async def a_trip(site: Site, policy: Policy = EIGHTY) -> TripSheet:
    sheet = await site.trip()
    async with site.db.transaction() as conn:
        await put_policy(conn, operator_id=sheet.operator_id, policy=policy)
    return sheet


async def sold(site: Site, sheet: TripSheet, *seats: str) -> tuple[Passenger, dict[str, Any]]:
    """A booking that was paid by card, and its payment."""
    ada = await site.passenger(sheet, seats or ("2A",))
    return ada, await pay(ada)


async def pay(ada: Passenger, amount: int | None = None) -> dict[str, Any]:
    payment = await ada.open(amount=ada.total if amount is None else amount)
    await ada.site.pay(payment)
    await ada.site.webhook(payment)
    await ada.site.work()
    return payment


async def more(ada: Passenger, sheet: TripSheet, *seats: str) -> Passenger:
    """Another hold of the same holder."""
    answer = await ada.site.client.post(
        "/api/bookings/reserve",
        json={"tripId": str(sheet.trip_id), "seatNumbers": list(seats or ("3A",))},
        headers=ada.headers,
    )
    assert answer.status_code == 201, answer.text
    return Passenger(ada.site, {**answer.json(), "guestToken": ada.booking["guestToken"]})


async def ask(old: Passenger, new: Passenger) -> httpx2.Response:
    return await old.site.client.get(
        f"/api/bookings/{old.booking_id}/exchange-offer",
        params={"toBookingId": str(new.booking_id)},
        headers=old.headers,
    )


async def offer(old: Passenger, new: Passenger) -> dict[str, Any]:
    answer = await ask(old, new)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def take(
    old: Passenger, offered: dict[str, Any], *, key: str | None = None
) -> httpx2.Response:
    return await old.site.client.post(
        f"/api/bookings/{old.booking_id}/exchange",
        json={"offerId": offered["offerId"]},
        headers=old.headers | {"idempotency-key": key or str(uuid4())},
    )


async def exchanged(old: Passenger, new: Passenger) -> dict[str, Any]:
    answer = await take(old, await offer(old, new))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def cancel(ada: Passenger) -> dict[str, Any]:
    """Give the whole booking back under its best offer."""
    path = f"/api/bookings/{ada.booking_id}"
    offers = await ada.site.client.get(f"{path}/refund-offer", headers=ada.headers)
    best = offers.json()["offers"][0]
    taken = await ada.site.client.post(
        f"{path}/cancel",
        json={"offerId": best["offerId"]},
        headers=ada.headers | {"idempotency-key": str(uuid4())},
    )
    assert taken.status_code == 200, taken.text
    return best


async def held(site: Site, kind: Kind, owner: object = "") -> int:
    async with site.db.connection() as conn:
        return await balance(conn, Account(kind, str(owner)), currency="NGN")


async def statuses(*bookings: Passenger) -> list[str]:
    return [(await each.read())["status"] for each in bookings]


async def test_an_offer_prices_both_and_changes_nothing(site: Site) -> None:
    ada, _ = await sold(site, await a_trip(site))
    new = await more(ada, await a_trip(site), "1A", "2A")
    offered = await offer(ada, new)
    value = ada.total * 80 // 100
    assert (offered["value"], offered["kept"]) == (value, ada.total - value)
    assert (offered["price"], offered["due"]) == (new.total, new.total - value)
    assert (offered["back"], offered["currency"]) == (0, "NGN")
    assert await statuses(ada, new) == ["CONFIRMED", "HELD"]
    assert await site.value("SELECT count(*) FROM booking_exchange") == 0


async def test_a_cheaper_one_is_exchanged_at_once_and_the_rest_goes_back(site: Site) -> None:
    ada, payment = await sold(site, await a_trip(site), "2A", "2B")
    sheet = await a_trip(site, ALL)
    new = await more(ada, sheet)
    done = await exchanged(ada, new)
    value = ada.total // 2 * 80 // 100 * 2  # seat by seat, rounded down
    assert (done["status"], done["due"], done["back"]) == ("DONE", 0, value - new.total)
    assert await statuses(ada, new) == ["CANCELLED", "CONFIRMED"]
    booking = await new.read()
    assert len(booking["tickets"]) == 1
    assert (booking["total"]["amount"], "due" in booking) == (new.total, False)
    await site.work()
    assert await refunds(ada, payment) == [("EXCHANGED", value - new.total, "NGN", "SUCCEEDED")]
    assert await held(site, Kind.PASSENGER_FUNDS, new.booking_id) == new.total
    assert await site.breaches() == []
    assert (await cancel(new))["amount"] == new.total
    await site.work()
    back = await refunds(ada, payment)
    assert back[1:] == [("CANCELLED", new.total, "NGN", "SUCCEEDED")]
    made = await site.refunds_at_gateway(payment)
    assert sum(round(each["amount_refunded"] * 100) for each in made) == value
    assert await site.breaches() == []


async def test_a_dearer_one_is_exchanged_when_the_difference_is_paid(site: Site) -> None:
    ada, first = await sold(site, await a_trip(site))
    new = await more(ada, await a_trip(site), "1A", "2A")
    agreed = await exchanged(ada, new)
    due = new.total - ada.total * 80 // 100
    assert (agreed["status"], agreed["due"]) == ("PAYMENT_DUE", due)
    assert await statuses(ada, new) == ["CONFIRMED", "HELD"]
    assert (await new.read())["due"] == {"amount": due, "currency": "NGN"}
    wrong = await new.initiate()
    assert problem(wrong) == (422, "AMOUNT_MISMATCH")
    assert wrong.json()["total"]["amount"] == due
    second = await pay(new, due)
    assert await statuses(ada, new) == ["CANCELLED", "CONFIRMED"]
    assert len((await new.read())["tickets"]) == 2
    assert await site.breaches() == []
    value = (await cancel(new))["amount"]
    await site.work()
    given = [
        round(each["amount_refunded"] * 100)
        for payment in (first, second)
        for each in await site.refunds_at_gateway(payment)
    ]
    assert sum(given) == value
    assert await site.breaches() == []


async def test_a_seat_is_changed_on_the_same_trip(site: Site) -> None:
    sheet = await a_trip(site, ALL)
    ada, payment = await sold(site, sheet, "2A")
    new = await more(ada, sheet, "3A")
    assert (await exchanged(ada, new))["status"] == "DONE"
    assert await statuses(ada, new) == ["CANCELLED", "CONFIRMED"]
    assert await refunds(ada, payment) == []
    obi = await site.passenger(sheet, ("2A",))
    assert obi.booking["status"] == "HELD"
    assert await site.breaches() == []


async def test_it_is_exchanged_again_and_again(site: Site) -> None:
    ada, first = await sold(site, await a_trip(site, ALL), "1A")
    held_now, dues = ada, [first]
    for seats in (("2A", "2B"), ("3A",), ("2A", "2B", "3A")):
        new = await more(ada, await a_trip(site, ALL), *seats)
        agreed = await exchanged(held_now, new)
        if agreed["status"] == "PAYMENT_DUE":
            dues.append(await pay(new, agreed["due"]))
        held_now = new
        await site.work()
        assert (await new.read())["status"] == "CONFIRMED"
        assert await site.breaches() == []
    await cancel(held_now)
    await site.work()
    for payment in dues:
        status = await ada.status(payment)
        given = sum(refund["amount"] for refund in status["refunds"])
        assert given == status["received"]["amount"]
    assert await site.breaches() == []


async def test_a_wallet_rule_is_worth_the_most_and_its_rest_is_credit(site: Site) -> None:
    ada, payment = await sold(site, await a_trip(site, WALLET), "2A", "2B")
    new = await more(ada, await a_trip(site), "3A")
    done = await exchanged(ada, new)
    assert done["back"] == ada.total - new.total
    credit = await site.client.get("/api/credit", headers=ada.headers)
    assert credit.json()["items"] == [{"amount": done["back"], "currency": "NGN"}]
    await site.work()
    assert await refunds(ada, payment) == []
    assert await site.breaches() == []


async def test_the_difference_may_be_paid_out_of_credit(site: Site) -> None:
    ada, _ = await sold(site, await a_trip(site, WALLET), "1A", "2A")
    new = await more(ada, await a_trip(site, ALL), "3A")
    await exchanged(ada, new)  # the rest is credit
    dear = await more(ada, await a_trip(site, ALL), "2A", "2B")
    agreed = await exchanged(new, dear)
    answer = await dear.initiate(amount=agreed["due"], gateway="credit", paymentMethod=...)
    assert answer.json().get("status") == "SUCCEEDED", answer.text
    assert await statuses(new, dear) == ["CANCELLED", "CONFIRMED"]
    await site.work()
    assert await site.breaches() == []


async def test_when_the_old_one_changed_the_money_goes_back(site: Site) -> None:
    ada, _ = await sold(site, await a_trip(site), "2A")
    new = await more(ada, await a_trip(site), "1A", "2A")
    due = (await exchanged(ada, new))["due"]
    payment = await new.open(amount=due)
    await cancel(ada)
    await site.pay(payment)
    await site.webhook(payment)
    await site.work()
    assert await statuses(ada, new) == ["CANCELLED", "HELD"]
    assert await refunds(new, payment) == [("EXCHANGE_OFF", due, "NGN", "SUCCEEDED")]
    assert "due" not in await new.read()
    await pay(new)  # all of it, as for any hold
    assert (await new.read())["status"] == "CONFIRMED"
    assert await site.breaches() == []


async def test_when_the_old_one_has_left_the_money_goes_back(site: Site) -> None:
    ada, _ = await sold(site, await a_trip(site), "2A")
    new = await more(ada, await a_trip(site), "1A", "2A")
    due = (await exchanged(ada, new))["due"]
    payment = await new.open(amount=due)
    await site.value("UPDATE booking_exchange SET ends_at = clock_timestamp() RETURNING 1")
    await site.pay(payment)
    await site.webhook(payment)
    await site.work()
    assert await statuses(ada, new) == ["CONFIRMED", "HELD"]
    assert await refunds(new, payment) == [("EXCHANGE_OFF", due, "NGN", "SUCCEEDED")]
    assert await site.breaches() == []


async def test_late_money_exchanges_when_the_seats_are_still_free(site: Site) -> None:
    sheet = await a_trip(site)
    ada, _ = await sold(site, await a_trip(site), "2A")
    new = await more(ada, sheet, "1A", "2A")
    payment = await new.open(amount=(await exchanged(ada, new))["due"])
    await expire(site, new)
    await site.pay(payment)
    await site.webhook(payment)
    await site.work()
    assert await statuses(ada, new) == ["CANCELLED", "CONFIRMED"]
    assert await site.breaches() == []


async def test_late_money_for_seats_that_are_sold_leaves_the_old_one(site: Site) -> None:
    sheet = await a_trip(site)
    ada, _ = await sold(site, await a_trip(site), "2A")
    new = await more(ada, sheet, "1A", "2A")
    due = (await exchanged(ada, new))["due"]
    payment = await new.open(amount=due)
    await expire(site, new)
    await site.passenger(sheet, ("2A",))
    await site.pay(payment)
    await site.webhook(payment)
    await site.work()
    assert await statuses(ada, new) == ["CONFIRMED", "EXPIRED"]
    assert await refunds(new, payment) == [("SEATS_GONE", due, "NGN", "SUCCEEDED")]
    assert await site.breaches() == []


async def test_the_full_price_buys_the_new_one_and_the_old_one_stays(site: Site) -> None:
    ada, _ = await sold(site, await a_trip(site), "2A")
    new = await more(ada, await a_trip(site), "1A", "2A")
    opened = await new.open()  # before anything is agreed
    due = (await exchanged(ada, new))["due"]
    assert (await new.status(opened))["status"] == "CANCELLED"
    other = await new.open(amount=due)
    await site.pay(opened)
    await site.webhook(opened)
    await site.work()
    assert await statuses(ada, new) == ["CONFIRMED", "CONFIRMED"]
    await site.pay(other)
    await site.webhook(other)
    await site.work()
    assert await statuses(ada, new) == ["CONFIRMED", "CONFIRMED"]
    assert await refunds(new, other) == [("DUPLICATE", due, "NGN", "SUCCEEDED")]
    assert await site.breaches() == []


async def test_the_difference_paid_twice_exchanges_once(site: Site) -> None:
    ada, _ = await sold(site, await a_trip(site), "2A")
    new = await more(ada, await a_trip(site), "1A", "2A")
    due = (await exchanged(ada, new))["due"]
    payment = await pay(new, due)
    await site.money_unannounced(payment, amount=due / 100)
    await site.job("poll-payments")
    await site.work()
    assert await statuses(ada, new) == ["CANCELLED", "CONFIRMED"]
    assert await refunds(new, payment) == [("DUPLICATE", due, "NGN", "SUCCEEDED")]
    assert await site.breaches() == []


async def test_one_is_given_up_once_however_many_want_it(site: Site) -> None:
    ada, _ = await sold(site, await a_trip(site), "2A", "2B")
    news = [await more(ada, await a_trip(site), "3A") for _ in range(5)]
    offers = [await offer(ada, new) for new in news]
    answers = await asyncio.gather(*(take(ada, each) for each in offers))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 4
    found = await statuses(*news)
    assert sorted(found) == ["CONFIRMED"] + ["HELD"] * 4
    await site.work()
    assert await site.breaches() == []


async def test_crossing_exchanges_do_not_lock_each_other_out(site: Site) -> None:
    one, two = await a_trip(site, ALL), await a_trip(site, ALL)
    pairs: list[tuple[Passenger, Passenger]] = []
    for here, there, seat in ((one, two, "1A"), (two, one, "1B"), (one, two, "1C")):
        ada, _ = await sold(site, here, seat)
        pairs.append((ada, await more(ada, there, seat)))
    offers = [await offer(old, new) for old, new in pairs]
    answers = await asyncio.gather(
        *(take(old, each) for (old, _), each in zip(pairs, offers, strict=True))
    )
    assert [answer.status_code for answer in answers] == [200] * 3
    await site.work()
    assert await site.breaches() == []


async def test_cancelled_and_exchanged_at_the_same_moment_it_goes_one_way(site: Site) -> None:
    for _ in range(4):
        ada, first = await sold(site, await a_trip(site, ALL), "2A")
        new = await more(ada, await a_trip(site, ALL), "1A", "2A")
        due = (await exchanged(ada, new))["due"]
        payment = await new.open(amount=due)
        await site.sandbox.fault("webhook", "drop", times=1)
        await site.pay(payment)
        path = f"/api/bookings/{ada.booking_id}"
        offers = await site.client.get(f"{path}/refund-offer", headers=ada.headers)
        key = {"idempotency-key": str(uuid4())}
        body = {"offerId": offers.json()["offers"][0]["offerId"]}
        taken, _ = await asyncio.gather(
            site.client.post(f"{path}/cancel", json=body, headers=ada.headers | key),
            new.status(payment),  # asks the gateway, and settles
        )
        await site.work()
        is_cancelled = taken.status_code == 200
        assert await statuses(ada, new) == ["CANCELLED", "HELD" if is_cancelled else "CONFIRMED"]
        back = [("EXCHANGE_OFF", due, "NGN", "SUCCEEDED")] if is_cancelled else []
        assert await refunds(new, payment) == back
        given = [("CANCELLED", ada.total, "NGN", "SUCCEEDED")] if is_cancelled else []
        assert await refunds(ada, first) == given
        assert await site.breaches() == []


async def test_without_the_version_two_would_take_one_along(site: Site) -> None:
    """The twin: each that reads the old booking as confirmed would use its worth."""
    ada, _ = await sold(site, await a_trip(site))
    gate = asyncio.Barrier(2)

    async def worth() -> int:
        async with site.db.transaction() as conn:
            sql = "SELECT total_minor FROM booking WHERE booking_id = $1 AND status = 'confirmed'"
            found = await conn.fetchval(sql, ada.booking_id)
            await gate.wait()
            return int(found or 0)

    assert await asyncio.gather(worth(), worth()) == [ada.total, ada.total]


async def test_the_same_key_exchanges_once(site: Site) -> None:
    ada, _ = await sold(site, await a_trip(site), "2A", "2B")
    new = await more(ada, await a_trip(site), "3A")
    offered = await offer(ada, new)
    first, second = await take(ada, offered, key="k"), await take(ada, offered, key="k")
    assert (first.content, second.headers["idempotent-replayed"]) == (second.content, "true")
    again = await take(ada, offered)
    assert problem(again) == (409, "BOOKING_NOT_CONFIRMED")
    bare = await site.client.post(
        f"/api/bookings/{ada.booking_id}/exchange",
        json={"offerId": offered["offerId"]},
        headers=ada.headers,
    )
    assert problem(bare) == (400, "IDEMPOTENCY_KEY_MISSING")


async def test_what_cannot_be_exchanged_is_refused(site: Site) -> None:
    sheet = await a_trip(site)
    ada, _ = await sold(site, sheet, "2A")
    new = await more(ada, await a_trip(site))
    assert problem(await ask(new, ada)) == (409, "BOOKING_NOT_CONFIRMED")
    assert problem(await ask(ada, ada)) == (409, "ALREADY_PAID")
    eve = await site.passenger(await a_trip(site))
    assert problem(await ask(ada, eve)) == (404, "NOT_FOUND")
    assert problem(await ask(eve, ada)) == (404, "NOT_FOUND")
    path = f"/api/bookings/{ada.booking_id}/exchange-offer"
    for query in ({}, {"toBookingId": "x"}):
        answer = await site.client.get(path, params=query, headers=ada.headers)
        assert problem(answer) == (422, "VALIDATION_FAILED")
    offered = await offer(ada, new)
    forged = await take(ada, {"offerId": offered["offerId"][:-2]})
    assert problem(forged) == (422, "VALIDATION_FAILED")
    others = await site.client.post(
        f"/api/bookings/{new.booking_id}/exchange",
        json={"offerId": offered["offerId"]},
        headers=ada.headers | {"idempotency-key": "x"},
    )
    assert problem(others) == (422, "VALIDATION_FAILED")
    async with site.db.transaction() as conn:
        nothing = Policy(rules=(Rule(refund_percent=0),))
        await put_policy(conn, operator_id=sheet.operator_id, policy=nothing)
    assert problem(await ask(ada, new)) == (409, "EXCHANGE_REFUSED")
    await expire(site, new)
    assert problem(await ask(ada, new)) == (409, "HOLD_EXPIRED")
    assert problem(await take(ada, offered)) == (409, "HOLD_EXPIRED")
    assert await statuses(ada) == ["CONFIRMED"]
    assert await site.breaches() == []


async def test_an_offer_ends_with_any_change(site: Site) -> None:
    ada, _ = await sold(site, await a_trip(site), "2A", "2B")
    new = await more(ada, await a_trip(site), "3A")
    offered = await offer(ada, new)
    await site.value(
        "UPDATE booking SET version = version + 1 WHERE booking_id = $1 RETURNING 1",
        ada.booking_id,
    )
    assert problem(await take(ada, offered)) == (409, "OFFER_EXPIRED")
    assert await statuses(ada, new) == ["CONFIRMED", "HELD"]


async def test_a_cancelled_trip_gives_all_of_an_exchanged_booking_back(site: Site) -> None:
    ada, first = await sold(site, await a_trip(site), "2A")
    sheet = await a_trip(site)
    new = await more(ada, sheet, "1A", "2A")
    second = await pay(new, (await exchanged(ada, new))["due"])
    await cancel_trip(site.db, Catalogue(), trip_id=sheet.trip_id, reason="A flood", by=None)
    await cancel_bookings(site.db, CancelledTrip(sheet.trip_id))
    await site.work()
    back = [*await refunds(ada, first), *await refunds(new, second)]
    assert sum(amount for _, amount, _, _ in back) == new.total
    assert {reason for reason, *_ in back} == {"TRIP_CANCELLED"}
    assert await site.breaches() == []


async def test_an_exchanged_booking_is_earned_by_its_own_operator(site: Site) -> None:
    old, sheet = await a_trip(site), await a_trip(site)
    ada, _ = await sold(site, old, "2A")
    new = await more(ada, sheet, "1A", "2A")
    await pay(new, (await exchanged(ada, new))["due"])
    kept = ada.total - ada.total * 80 // 100
    for each in (old, sheet):
        await site.value(
            "UPDATE trip SET starts_at = clock_timestamp() WHERE trip_id = $1 RETURNING 1",
            each.trip_id,
        )
    assert await earn_departed(site.db) == 1
    assert await held(site, Kind.OPERATOR_PAYABLE, old.operator_id) == kept
    assert await held(site, Kind.OPERATOR_PAYABLE, sheet.operator_id) == new.total
    assert await site.breaches() == []


async def test_a_refund_made_at_the_gateway_follows_the_money(site: Site) -> None:
    ada, first = await sold(site, await a_trip(site, ALL), "2A")
    new = await more(ada, await a_trip(site, ALL), "2A", "2B")
    await pay(new, (await exchanged(ada, new))["due"])
    await by_hand(site, first, ada.total / 100)
    await site.job("reconcile-settlements")
    await site.work()
    assert await refunds(ada, first) == [("AT_GATEWAY", ada.total, "NGN", "SUCCEEDED")]
    funds = await held(site, Kind.PASSENGER_FUNDS, new.booking_id)
    assert funds == new.total - ada.total  # the booking stays: a person decides
    found = {each.invariant for each in await site.breaches()}
    assert found == {"the funds of a booking are the fares of its seats"}


BREAKS = {
    "a booking is confirmed exactly when its money came": (
        "UPDATE booking_exchange SET moved_minor = moved_minor - 1, value_minor = value_minor - 1"
    ),
    "what cancelled seats cost goes back or is kept": (
        "UPDATE cancellation SET kept_minor = kept_minor - 1, amount_minor = amount_minor + 1"
    ),
    "the funds of a booking are the fares of its seats": (
        "UPDATE ledger_balance SET balance_minor = balance_minor - 1"
        " WHERE kind = 'passenger_funds' AND balance_minor > 0"
    ),
}


@pytest.mark.parametrize("invariant", BREAKS)
async def test_the_audit_sees_money_that_an_exchange_lost(site: Site, invariant: str) -> None:
    ada, _ = await sold(site, await a_trip(site), "2A")
    new = await more(ada, await a_trip(site), "1A", "2A")
    await pay(new, (await exchanged(ada, new))["due"])
    assert await site.breaches() == []
    await site.value(BREAKS[invariant] + " RETURNING 1")
    assert invariant in {each.invariant for each in await site.breaches()}


async def test_an_exchange_that_is_not_done_brought_nothing(site: Site) -> None:
    ada, _ = await sold(site, await a_trip(site), "2A")
    new = await more(ada, await a_trip(site), "1A", "2A")
    await exchanged(ada, new)
    await site.value("UPDATE booking_exchange SET done_at = clock_timestamp() RETURNING 1")
    found = {each.invariant for each in await site.breaches()}
    assert "a booking is confirmed exactly when its money came" in found
