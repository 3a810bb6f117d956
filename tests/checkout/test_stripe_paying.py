"""The whole product pays by Stripe: over HTTP, with the simulated Stripe behind it."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest

from kiti.fares.model import NewFareTable
from kiti.platform.clock import utc_now
from kiti.platform.db import Database
from paying_steps import assert_confirmed_once, expire, problem, refunds
from payments_site import STRIPE_SECRET, Passenger, Site, open_site
from waiting import until


@pytest.fixture(scope="module")
async def both(dsn: str) -> AsyncGenerator[Site]:
    async with open_site(dsn, has_stripe=True) as site:
        yield site


@pytest.fixture
async def site(both: Site, live_db: Database) -> AsyncGenerator[Site]:
    """The site with both gateways, on a database emptied after each test."""
    await both.sandbox.control("POST", "/reset")
    yield both
    await both.sandbox.control("POST", "/reset")


async def opened(site: Site, **changes: object) -> tuple[Passenger, dict[str, Any]]:
    ada = await site.passenger()
    return ada, await ada.open(gateway="stripe", **changes)


async def fault(site: Site, call: str, kind: str, **more: object) -> None:
    await site.sandbox.fault(call, kind, gateway="stripe", **more)


async def at_stripe(site: Site, payment: dict[str, Any]) -> dict[str, Any]:
    """The one session that Stripe has for this payment."""
    answer = await site.sandbox.control(
        "GET", "/payments", params={"reference": payment["transactionId"], "gateway": "stripe"}
    )
    (known,) = answer.json()["items"]
    return known


async def let_page_end(site: Site) -> None:
    """As if the hold and the page's time had ended just now."""
    await site.value(
        "UPDATE payment SET created_at = created_at - interval '16 minutes',"
        " expires_at = clock_timestamp() - interval '1 s' RETURNING 1"
    )
    await site.value("UPDATE job SET run_at = clock_timestamp() WHERE kind = 'payment.close'")


def stripe_header(raw: bytes) -> dict[str, str]:
    at = int(utc_now().timestamp())
    digest = hmac.new(STRIPE_SECRET.encode(), f"{at}.".encode() + raw, hashlib.sha256)
    return {"stripe-signature": f"t={at},v1={digest.hexdigest()}"}


async def post_webhook(
    site: Site, raw: bytes, headers: dict[str, str] | None = None
) -> httpx2.Response:
    signed = stripe_header(raw) if headers is None else headers
    return await site.client.post(
        "/api/payments/webhook/stripe",
        content=raw,
        headers={"content-type": "application/json", **signed},
    )


def an_event(payment: dict[str, Any], **changes: object) -> bytes:
    session = {
        "object": "checkout.session",
        "client_reference_id": payment["transactionId"],
        "payment_status": "paid",
    }
    event = {
        "id": "evt_of_the_test",
        "object": "event",
        "type": "checkout.session.completed",
        "livemode": False,
        "data": {"object": session},
    }
    return json.dumps(event | changes).encode()


async def test_reserve_initiate_pay_webhook_confirmed(site: Site) -> None:
    ada = await site.passenger()
    answer = await ada.initiate(gateway="stripe")
    assert answer.status_code == 201, answer.text
    payment = answer.json()
    assert (payment["gateway"], payment["status"]) == ("stripe", "PENDING")
    shown = await site.sandbox.client.get(payment["redirectUrl"])
    assert shown.status_code == 200
    assert payment["transactionId"] in shown.text
    left = await site.sandbox.submit(payment["redirectUrl"], "pay")
    assert left.headers["location"] == (f"{site.till.return_url}?tx_ref={payment['transactionId']}")
    await site.webhook(payment, 2)
    await site.work()
    assert (await ada.status(payment))["status"] == "SUCCEEDED"
    await assert_confirmed_once(site, ada)
    ((transaction_id, fee),) = await site.rows(
        "SELECT gateway_transaction_id, fee_minor FROM payment_receipt"
    )
    assert transaction_id.startswith("pi_")
    assert fee > 0


async def test_the_poller_confirms_when_no_webhook_comes(site: Site) -> None:
    ada, payment = await opened(site)
    await fault(site, "webhook", "drop", times=100)
    await site.pay(payment)
    await site.job("poll-payments")
    assert (await ada.read())["status"] == "CONFIRMED"
    await assert_confirmed_once(site, ada)


async def test_a_read_of_the_status_confirms_when_no_webhook_comes(site: Site) -> None:
    ada, payment = await opened(site)
    await fault(site, "webhook", "drop", times=100)
    await site.pay(payment)
    assert (await ada.status(payment))["status"] == "SUCCEEDED"
    await assert_confirmed_once(site, ada)


async def test_the_gateway_is_chosen_by_currency_and_method(site: Site) -> None:
    naira = await site.passenger()
    assert (await naira.open())["gateway"] == "flutterwave"
    canada = NewFareTable("By km", "CAD", per_km_minor=100, minimum_minor=5000)
    ada = await site.passenger(await site.trip(fares=canada))
    payment = await ada.open()
    assert (payment["gateway"], payment["currency"]) == ("stripe", "CAD")
    for change in ({"paymentMethod": "USSD"}, {"gateway": "flutterwave"}):
        answer = await ada.initiate(**change)
        assert problem(answer) == (422, "METHOD_NOT_AVAILABLE")
    assert answer.json()["gateways"] == ["stripe"]


async def test_scenario_12_shillings_are_a_hundred_times_as_many_at_stripe(site: Site) -> None:
    uganda = NewFareTable("By km", "UGX", per_km_minor=10, minimum_minor=5000)
    ada = await site.passenger(await site.trip(fares=uganda))
    payment = await ada.open(gateway="stripe")
    assert (await at_stripe(site, payment))["amount"] == ada.total * 100
    await site.pay(payment)
    await site.webhook(payment, 2)
    await site.work()
    await assert_confirmed_once(site, ada)


async def test_scenario_18_twenty_deliveries_have_one_effect(site: Site) -> None:
    ada, payment = await opened(site)
    await fault(site, "webhook", "drop", times=100)
    await site.pay(payment)
    raw = an_event(payment)
    answers = await asyncio.gather(*(post_webhook(site, raw) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    await site.work()
    await assert_confirmed_once(site, ada)
    assert await site.rows("SELECT state, deliveries FROM webhook_event") == [("done", 20)]


async def test_scenario_19_two_events_of_one_payment_have_one_effect(site: Site) -> None:
    ada, payment = await opened(site)
    await site.pay(payment)
    await site.webhook(payment, 2)
    await site.work()
    kinds = await site.rows("SELECT event_key, kind, state FROM webhook_event")
    assert len(kinds) == 2
    assert {(kind, state) for _, kind, state in kinds} == {("payment", "done")}
    assert await site.value("SELECT count(*) FROM payment_receipt") == 1
    await assert_confirmed_once(site, ada)


async def test_scenario_13_what_stripe_did_not_sign_is_not_kept(site: Site) -> None:
    _, payment = await opened(site)
    raw = an_event(payment)
    stale = f"t=1700000000,v1={hmac.new(STRIPE_SECRET.encode(), b'', hashlib.sha256).hexdigest()}"
    for headers in ({}, {"stripe-signature": "t=1,v1=x"}, {"stripe-signature": stale}):
        assert problem(await post_webhook(site, raw, headers)) == (401, "BAD_SIGNATURE")
    # Another gateway's signature opens nothing here.
    other = {"verif-hash": "the-hash-of-sandbox-tests"}
    assert problem(await post_webhook(site, raw, other)) == (401, "BAD_SIGNATURE")
    assert await site.value("SELECT count(*) FROM webhook_event") == 0


async def test_scenario_21_a_claim_is_not_money(site: Site) -> None:
    ada, payment = await opened(site)
    assert (await post_webhook(site, an_event(payment))).status_code == 200
    await site.work()
    assert await site.rows("SELECT kind, state FROM webhook_event") == [("payment", "unconfirmed")]
    assert (await ada.read())["status"] == "HELD"


@pytest.mark.parametrize(
    "changes",
    [
        {"livemode": True},
        {"type": "something.new", "data": {"object": {"object": "surprise"}}},
        {"data": {"object": {"object": "checkout.session", "client_reference_id": "KT-OTHER"}}},
    ],
)
async def test_scenario_22_what_is_not_ours_is_parked(site: Site, changes: dict[str, Any]) -> None:
    ada, payment = await opened(site)
    await fault(site, "webhook", "drop", times=100)
    await site.pay(payment)
    assert (await post_webhook(site, an_event(payment, **changes))).status_code == 200
    assert await site.value("SELECT state FROM webhook_event") == "parked"
    assert await site.value("SELECT count(*) FROM job WHERE kind = 'payment.verify'") == 0
    assert (await ada.read())["status"] == "HELD"


async def test_a_lost_reply_is_asked_for_again_and_makes_one_session(site: Site) -> None:
    await fault(site, "create", "lose_reply")
    ada, payment = await opened(site)
    assert payment["redirectUrl"] is not None
    await at_stripe(site, payment)
    await site.pay(payment)
    await site.webhook(payment, 2)
    await site.work()
    await assert_confirmed_once(site, ada)


async def test_a_silent_gateway_leaves_it_pending_and_a_payment_there_is_found(site: Site) -> None:
    await fault(site, "create", "lose_reply", times=2)
    ada, payment = await opened(site)
    assert (payment["status"], payment["redirectUrl"]) == ("PENDING", None)
    known = await at_stripe(site, payment)
    await fault(site, "webhook", "drop", times=100)
    await site.pay(payment | {"redirectUrl": site.sandbox.url + known["path"]})
    await site.job("poll-payments")
    await assert_confirmed_once(site, ada)


async def test_a_declined_card_can_be_followed_by_another_on_the_same_page(site: Site) -> None:
    ada, payment = await opened(site)
    await site.pay(payment, "decline")
    await site.webhook(payment)
    await site.work()
    assert (await ada.status(payment))["status"] == "PENDING"
    again = await ada.initiate(gateway="stripe")
    assert again.status_code == 200
    assert again.json()["redirectUrl"] == payment["redirectUrl"]
    await site.pay(payment)
    await site.webhook(payment, 3)
    await site.work()
    await assert_confirmed_once(site, ada)


async def test_the_page_is_closed_when_the_hold_ends(site: Site) -> None:
    ada, payment = await opened(site)
    assert await site.value("SELECT count(*) FROM job WHERE kind = 'payment.close'") == 1
    await site.work()
    assert (await at_stripe(site, payment))["status"] == "open"  # not before its time
    await expire(site, ada)
    await let_page_end(site)
    await site.work()
    assert (await at_stripe(site, payment))["status"] == "expired"
    assert (await ada.status(payment))["status"] == "EXPIRED"
    late = await site.sandbox.submit(payment["redirectUrl"], "pay")
    assert late.status_code == 410
    assert await site.breaches() == []


async def test_scenario_31_a_page_that_was_paid_cannot_be_closed_and_is_late_money(
    site: Site,
) -> None:
    ada, payment = await opened(site)
    await fault(site, "webhook", "drop", times=100)
    await site.pay(payment)
    await expire(site, ada)
    await let_page_end(site)
    await site.work()
    assert (await ada.status(payment))["status"] == "SUCCEEDED"
    await assert_confirmed_once(site, ada)


async def test_a_hold_that_is_given_back_closes_the_page(site: Site) -> None:
    ada, payment = await opened(site)
    path = f"/api/bookings/reserve/{ada.booking_id}"
    assert (await site.client.delete(path, headers=ada.headers)).status_code == 204
    await site.work()
    assert (await at_stripe(site, payment))["status"] == "expired"
    assert (await ada.status(payment))["status"] == "CANCELLED"
    assert await site.breaches() == []


async def test_a_page_that_comes_after_the_hold_was_given_back_is_closed(site: Site) -> None:
    ada = await site.passenger()
    await fault(site, "create", "delay", delay_s=5)
    asking = asyncio.create_task(ada.initiate(gateway="stripe"))

    async def is_asked() -> bool:
        return "create" in (await site.sandbox.control("GET", "/calls")).json()["stripe"]

    await until(is_asked)
    path = f"/api/bookings/reserve/{ada.booking_id}"
    assert (await site.client.delete(path, headers=ada.headers)).status_code == 204
    await site.work()
    await site.sandbox.advance(6)
    payment = (await asking).json()
    assert (payment["status"], payment["redirectUrl"]) == ("CANCELLED", None)
    await site.work()
    assert (await at_stripe(site, payment))["status"] == "expired"


async def test_scenario_34_money_that_came_before_the_page_closed_goes_back(site: Site) -> None:
    ada, payment = await opened(site)
    await fault(site, "webhook", "drop", times=100)
    await site.pay(payment)
    path = f"/api/bookings/reserve/{ada.booking_id}"
    assert (await site.client.delete(path, headers=ada.headers)).status_code == 204
    await site.work()
    assert await refunds(ada, payment) == [("BOOKING_RELEASED", ada.total, "NGN", "SUCCEEDED")]
    (charge,) = (await at_stripe(site, payment))["charges"]
    assert [refund["amount"] for refund in charge["refunds"]] == [ada.total]
    assert await site.breaches() == []


async def test_another_way_to_pay_closes_the_page(site: Site) -> None:
    ada, payment = await opened(site)
    other = await ada.open(gateway="flutterwave")
    assert other["gateway"] == "flutterwave"
    await site.work()
    assert (await at_stripe(site, payment))["status"] == "expired"
    assert (await ada.status(payment))["status"] == "CANCELLED"
    await site.pay(other)
    await site.webhook(other)
    await site.work()
    await assert_confirmed_once(site, ada)


async def test_a_stripe_that_is_silent_is_told_again_to_close(site: Site) -> None:
    ada, payment = await opened(site)
    port = site.sandbox.url
    gateway = site.till.gateways.find("stripe")
    assert gateway is not None
    api = gateway._sessions._requestor._options.base_addresses  # pyright: ignore[reportAttributeAccessIssue]
    api["api"] = "http://127.0.0.1:9"
    try:
        await ada.open(gateway="flutterwave")
        await site.work()
        assert await site.value("SELECT count(*) FROM job WHERE kind = 'payment.close'") == 1
    finally:
        api["api"] = f"{port}/stripe"
    await site.value("UPDATE job SET run_at = clock_timestamp() WHERE kind = 'payment.close'")
    await site.work()
    assert (await at_stripe(site, payment))["status"] == "expired"


async def test_scenario_33_paid_at_both_gateways_one_goes_back(site: Site) -> None:
    ada, payment = await opened(site)
    await fault(site, "webhook", "drop", times=100)
    await site.pay(payment, "pay_late", delay_s="600")
    other = await ada.open(gateway="flutterwave")
    await site.pay(other)
    await site.webhook(other)
    await site.work()
    await site.sandbox.advance(601)
    await site.job("poll-payments")
    await site.work()
    assert await refunds(ada, payment) == [("DUPLICATE", ada.total, "NGN", "SUCCEEDED")]
    assert await refunds(ada, other) == []
    await assert_confirmed_once(site, ada)


async def test_scenario_27_too_little_goes_back_whole(site: Site) -> None:
    ada, payment = await opened(site)
    await site.pay(payment, "pay_wrong_amount")
    await site.webhook(payment, 2)
    await site.work()
    assert await refunds(ada, payment) == [("UNDERPAID", ada.total - 1, "NGN", "SUCCEEDED")]
    assert await site.breaches() == []


async def test_scenario_40_a_refund_that_is_not_answered_is_given_once(site: Site) -> None:
    ada, payment = await opened(site)
    await fault(site, "refund", "lose_reply", times=2)
    await site.pay(payment, "pay_wrong_amount")
    await site.webhook(payment, 2)
    await site.work()
    assert await site.value("SELECT status FROM refund") == "sending"
    await site.job("retry-refunds")
    assert await refunds(ada, payment) == [("UNDERPAID", ada.total - 1, "NGN", "SUCCEEDED")]
    (charge,) = (await at_stripe(site, payment))["charges"]
    assert len(charge["refunds"]) == 1
    assert await site.breaches() == []


async def test_scenario_42_a_refund_made_in_the_dashboard_is_adopted(site: Site) -> None:
    ada, payment = await opened(site)
    await site.pay(payment)
    await site.webhook(payment, 2)
    await site.work()
    (charge,) = (await at_stripe(site, payment))["charges"]
    answer = await site.sandbox.control(
        "POST", "/stripe/refunds", json={"payment_intent": charge["id"]}
    )
    assert answer.status_code == 201, answer.text
    await site.webhook(payment, 4)
    await site.work()
    ((_, amount, currency, status),) = await refunds(ada, payment)
    assert (amount, currency, status) == (ada.total, "NGN", "SUCCEEDED")
    assert await site.breaches() == []


async def test_a_refund_that_fails_later_is_told_by_webhook_and_sent_again(site: Site) -> None:
    ada, payment = await opened(site)
    await fault(site, "refund", "fail_refund", delay_s=600)
    await site.pay(payment, "pay_wrong_amount")
    await site.webhook(payment, 2)
    await site.work()
    assert await site.value("SELECT status FROM refund") == "pending"
    await site.sandbox.advance(601)
    await site.webhook(payment, 5)
    await site.work()
    assert await site.value("SELECT status FROM refund") == "failed"
    await site.job("retry-refunds")
    assert await refunds(ada, payment) == [("UNDERPAID", ada.total - 1, "NGN", "SUCCEEDED")]
    (charge,) = (await at_stripe(site, payment))["charges"]
    assert [each["status"] for each in charge["refunds"]] == ["failed", "succeeded"]
    assert await site.breaches() == []
