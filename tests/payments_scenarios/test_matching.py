"""Scenarios 27 to 38: money meets its booking."""

import asyncio
from typing import Final

import httpx2
import pytest

import pages_site
from kiti.app.checks import find_breaches
from kiti.platform.audit import Finding
from kiti.platform.money import Money
from paying_steps import (
    assert_confirmed_once,
    assert_refunded,
    expire,
    give_up,
    open_unheard,
    refunds,
)
from payments_site import Site
from sandbox_driver import SECRET_HASH
from search_site import set_status

LATE_S: Final = 61 * 60


async def test_scenario_27_too_little_goes_back_whole(site: Site) -> None:
    ada, payment = await open_unheard(site)
    await site.pay(payment, "pay_wrong_amount")
    status = await ada.status(payment)
    assert status["received"] == {"amount": ada.total - 1, "currency": "NGN"}
    await assert_refunded(site, ada, payment, "UNDERPAID", money=Money(ada.total - 1, "NGN"))
    assert (await ada.read())["status"] == "HELD"
    again = await ada.open()  # the hold is still theirs to pay
    await site.pay(again)
    assert (await ada.status(again))["status"] == "SUCCEEDED"
    await assert_confirmed_once(site, ada)


async def test_scenario_28_too_much_confirms_and_the_excess_goes_back_once(site: Site) -> None:
    ada = await site.passenger()
    await site.sandbox.fault("create", "wrong_amount", amount=ada.major + 50)
    payment = await ada.open()
    await site.pay(payment)
    await site.webhook(payment)
    await site.work()
    await site.job("poll-payments")
    await assert_refunded(site, ada, payment, "OVERPAID", money=Money(5000, "NGN"))
    await assert_confirmed_once(site, ada)


async def test_scenario_29_the_right_number_in_the_wrong_currency(site: Site) -> None:
    ada = await site.passenger()
    await site.sandbox.fault("create", "wrong_currency", currency="KES")
    payment = await ada.open()
    await site.pay(payment)
    await site.webhook(payment)
    await assert_refunded(site, ada, payment, "WRONG_CURRENCY", money=Money(ada.total, "KES"))
    assert (await ada.read())["status"] == "HELD"


async def test_scenario_30_the_payer_bears_the_fee(site: Site) -> None:
    await site.sandbox.options(customer_bears_fee=True)
    ada, payment = await open_unheard(site)
    await site.pay(payment)
    assert (await ada.status(payment))["received"]["amount"] == ada.total
    assert await site.value("SELECT charged_minor > amount_minor FROM payment_receipt")
    await assert_confirmed_once(site, ada)


async def test_scenario_31_late_money_takes_the_same_seat_again(site: Site) -> None:
    ada, payment = await open_unheard(site)
    await expire(site, ada, ago_s=LATE_S - 120)
    assert (await ada.read())["status"] == "EXPIRED"
    await site.pay(payment)
    assert (await ada.status(payment))["status"] == "SUCCEEDED"
    assert await refunds(ada, payment) == []
    await assert_confirmed_once(site, ada)


async def test_scenario_32_the_seat_was_sold_meanwhile(site: Site) -> None:
    sheet = await site.trip()
    ada, payment = await open_unheard(site, sheet=sheet)
    await expire(site, ada)
    obi = await site.passenger(sheet)
    await site.pay(payment)
    await site.job("poll-payments")
    await assert_refunded(site, ada, payment, "SEATS_GONE")
    theirs = await obi.open()
    await site.pay(theirs)
    await obi.status(theirs)
    await assert_confirmed_once(site, obi)


async def test_scenario_33_one_reference_paid_twice_gives_one_ticket(site: Site) -> None:
    ada = await site.passenger()
    await site.sandbox.fault("create", "duplicate")
    payment = await ada.open()
    await site.pay(payment)
    await site.webhook(payment, 2)
    await assert_refunded(site, ada, payment, "DUPLICATE")
    await assert_confirmed_once(site, ada)
    status = await ada.status(payment)
    assert status["received"] == {"amount": 2 * ada.total, "currency": "NGN"}


@pytest.mark.parametrize(
    ("gone", "is_late", "reason"),
    [
        ("released", False, "BOOKING_RELEASED"),
        ("cancelled", False, "TRIP_CANCELLED"),
        ("cancelled", True, "TRIP_CANCELLED"),
        ("closed", True, "SALES_CLOSED"),
        ("departed", True, "SALES_CLOSED"),
    ],
)
async def test_scenario_34_money_for_what_is_not_sold_any_more(
    site: Site,
    gone: str,
    is_late: bool,  # noqa: FBT001
    reason: str,
) -> None:
    sheet = await site.trip()
    ada, payment = await open_unheard(site, sheet=sheet)
    if is_late:
        await expire(site, ada)
    if gone == "released":
        path = f"/api/bookings/reserve/{ada.booking['bookingId']}"
        assert (await site.client.delete(path, headers=ada.headers)).status_code == 204
    elif gone == "departed":
        await site.value("UPDATE trip_inventory SET sales_close_at = clock_timestamp() RETURNING 1")
    else:
        await set_status(site.db, sheet, gone)
    await site.pay(payment)
    await site.job("poll-payments")
    await assert_refunded(site, ada, payment, reason)
    assert (await ada.read())["tickets"] == []


@pytest.mark.parametrize("claim", ["successful", "completed"])
async def test_scenario_35_a_forged_return_changes_nothing(
    pages: pages_site.Site, claim: str
) -> None:
    """The address says paid, by another's transaction or with the reference twice: it is not."""
    browser, other = await pages.browser(), await pages.browser()
    link = await pages.to_gateway(browser, await pages.coach(), "2A")
    mine = tx_ref_of(await pages.at_gateway(link, "cancel"))
    paid = await pages.at_gateway(await pages.to_gateway(other, await pages.coach(), "2A"), "pay")
    theirs, number = tx_ref_of(paid), httpx2.URL(paid).params["transaction_id"]
    for query in (
        f"?status={claim}&tx_ref={mine}",
        f"?status={claim}&tx_ref={mine}&transaction_id={number}",
        f"?status={claim}&tx_ref={theirs}&tx_ref={mine}&transaction_id={number}",
        f"?status={claim}&tx_ref={mine}&tx_ref={theirs}&transaction_id={number}",
    ):
        await pages.look_again()
        await browser.get(f"/pay/return{query}")
        status = "SELECT status FROM payment WHERE reference = $1"
        assert await pages.value(status, mine) == "open"
        booked = (
            "SELECT b.status FROM booking AS b JOIN payment AS p USING (booking_id)"
            " WHERE p.reference = $1"
        )
        assert await pages.value(booked, mine) == "held"
    assert await breaches(pages) == []


async def test_scenario_36_nobody_paid_and_the_attempt_expires_still_watched(site: Site) -> None:
    ada, payment = await open_unheard(site)
    await site.job("poll-payments")
    assert (await ada.status(payment))["status"] == "PENDING"
    await give_up(site)
    await site.job("poll-payments")
    assert (await ada.status(payment))["status"] == "EXPIRED"
    await expire(site, ada)
    await site.money_unannounced(payment)
    await site.job("poll-payments")
    assert (await ada.status(payment))["status"] == "SUCCEEDED"
    await assert_confirmed_once(site, ada)


@pytest.mark.parametrize("fault", ["lose_reply", "error_after", "drop"])
async def test_scenario_37_silence_is_no_failure(site: Site, fault: str) -> None:
    ada, payment = await open_unheard(site)
    await site.pay(payment)
    await site.sandbox.fault("verify", fault)
    assert (await ada.status(payment))["status"] == "PENDING"
    await site.job("poll-payments")
    await assert_confirmed_once(site, ada)


@pytest.mark.parametrize("n", range(3))
async def test_scenario_38_return_webhook_and_poller_at_once_have_one_effect(
    pages: pages_site.Site, n: int
) -> None:
    browser = await pages.browser()
    link = await pages.to_gateway(browser, await pages.coach(), "2A")
    await pages.sandbox.fault("webhook", "drop")
    back = await pages.at_gateway(link, "pay")
    reference, number = tx_ref_of(back), int(httpx2.URL(back).params["transaction_id"])
    gate = asyncio.Barrier(7)
    async with httpx2.AsyncClient(base_url=pages.url, trust_env=False, timeout=30) as client:

        async def returns() -> int:
            await gate.wait()
            return (await browser.get(back)).status

        async def webhook() -> int:
            await gate.wait()
            data = {"id": number, "tx_ref": reference, "status": "successful", "amount": n}
            answer = await client.post(
                "/api/payments/webhook/flutterwave",
                json={"event": "charge.completed", "data": data},
                headers={"verif-hash": SECRET_HASH},
            )
            return answer.status_code

        async def poll() -> int:
            await gate.wait()
            secret = {"x-job-secret": pages.parts.settings.job_secret_key}
            answer = await client.post("/api/jobs/poll-payments", headers=secret)
            return answer.status_code

        calls = (returns(), returns(), webhook(), webhook(), webhook(), poll(), poll())
        assert await asyncio.gather(*calls) == [200] * 7
    await pages.work()
    found = await pages.value(
        """
        SELECT array[p.status, b.status] || array(
                 SELECT c.applied_minor - p.amount_minor FROM payment_receipt AS c
                 WHERE c.payment_id = p.payment_id)::text[]
               || array(SELECT 'ticket' FROM ticket AS t WHERE t.booking_id = b.booking_id)
        FROM payment AS p JOIN booking AS b USING (booking_id)
        WHERE p.reference = $1
        """,
        reference,
    )
    assert found == ["succeeded", "confirmed", "0", "ticket"]
    assert await breaches(pages) == []


async def breaches(pages: pages_site.Site) -> list[Finding]:
    async with pages.db.connection() as conn:
        return await find_breaches(conn)


def tx_ref_of(url: str) -> str:
    """Our reference, in the address that the gateway sends the payer back to."""
    return httpx2.URL(url).params["tx_ref"]
