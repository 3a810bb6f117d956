"""The simulated Stripe's page, faults and webhooks: signed as the SDK wants, tried again, bent."""

from typing import Any

import pytest
import stripe

from sandbox.stripe_shop import NAIRA, SECRET, Shop
from sandbox_driver import Driver, Receiver


def verified(raw: bytes, headers: dict[str, str]) -> dict[str, Any]:
    """The event, as the official SDK lets it in."""
    event = stripe.Webhook.construct_event(raw, headers["stripe-signature"], SECRET)
    return event.to_dict()


async def hooks(receiver: Receiver, count: int) -> list[dict[str, Any]]:
    return [
        verified(hook.raw, hook.headers) for hook in [await receiver.next() for _ in range(count)]
    ]


async def test_a_payment_is_told_by_two_events_that_the_sdk_lets_in(
    shop: Shop, receiver: Receiver
) -> None:
    session = await shop.open()
    await shop.submit(session, "pay")
    arrived = {event["type"]: event for event in await hooks(receiver, 2)}
    assert set(arrived) == {"checkout.session.completed", "payment_intent.succeeded"}
    completed = arrived["checkout.session.completed"]
    assert completed["data"]["object"]["id"] == session.id
    assert completed["data"]["object"]["payment_status"] == "paid"
    assert completed["livemode"] is False
    assert arrived["payment_intent.succeeded"]["data"]["object"]["metadata"] == {
        "reference": "BK-1"
    }


async def test_each_try_is_signed_anew_and_keeps_its_event(shop: Shop, receiver: Receiver) -> None:
    await shop.options(enabled_events=["checkout.session.completed"], webhook_retries_s=[60])
    receiver.answers.append(500)
    await shop.submit(await shop.open(), "pay")
    first = await receiver.next()
    # The sandbox's clock is ahead, the merchant's is not: the new signature is good all the same.
    await shop.driver.advance(3600)
    second = await receiver.next()
    assert verified(first.raw, first.headers)["id"] == verified(second.raw, second.headers)["id"]
    assert first.raw == second.raw


async def test_delayed_money_is_complete_and_unpaid_then_succeeds(
    shop: Shop, receiver: Receiver
) -> None:
    session = await shop.open()
    await shop.submit(session, "pay_late", delay_s="600")
    (completed,) = await hooks(receiver, 1)
    assert completed["data"]["object"]["payment_status"] == "unpaid"
    read: Any = await shop.do(
        lambda v1: v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    )
    assert (read.status, read.payment_intent.status) == ("complete", "processing")
    await shop.driver.advance(601)
    kinds = {event["type"] for event in await hooks(receiver, 2)}
    assert kinds == {"payment_intent.succeeded", "checkout.session.async_payment_succeeded"}


async def test_delayed_money_can_fail(shop: Shop, receiver: Receiver) -> None:
    session = await shop.open()
    await shop.submit(session, "pay_late", delay_s="600")
    read = await shop.do(lambda v1: v1.checkout.sessions.retrieve(session.id))
    await shop.steer("/payments/end", payment_intent=read.payment_intent, is_paid=False)
    kinds = {event["type"] for event in await hooks(receiver, 3)}
    assert "checkout.session.async_payment_failed" in kinds
    answer = await shop.driver.control(
        "POST",
        "/stripe/payments/end",
        json={"payment_intent": read.payment_intent, "is_paid": True},
    )
    assert answer.status_code == 422


async def test_the_page_can_be_left_and_used_once(shop: Shop) -> None:
    session = await shop.open()
    left = await shop.submit(session, "cancel")
    assert left.headers["location"] == "https://bus.example/pay/cancelled"
    declined = await shop.submit(session, "decline")
    assert declined.status_code == 303
    for _ in range(2):  # a double click
        assert (await shop.submit(session, "pay")).status_code == 303
    charges = await shop.do(lambda v1: v1.charges.list())
    assert [charge.status for charge in charges.data] == ["succeeded", "failed"]
    for action in ("surprise", ""):
        assert (await shop.submit(await shop.open(), action)).status_code == 400
    nobody = shop.driver.url + "/stripe/c/pay/cs_none"
    assert (await shop.driver.submit(nobody, "pay")).status_code == 404
    assert (await shop.driver.client.get(nobody)).status_code == 404


async def test_what_is_shown_is_escaped(shop: Shop) -> None:
    session = await shop.open(client_reference_id="<script>alert(1)</script>")
    page = await shop.driver.client.get(session.url)
    assert "<script>" not in page.text


@pytest.mark.parametrize(
    ("fault", "received", "currency"),
    [("wrong_amount", NAIRA - 1, "ngn"), ("wrong_currency", NAIRA, "usd")],
)
async def test_the_money_itself_can_be_wrong(
    shop: Shop, fault: str, received: int, currency: str
) -> None:
    await shop.fault("create", fault)
    intent = await shop.paid()
    assert (intent.amount_received, intent.currency) == (received, currency)


async def test_less_can_be_paid_at_the_page(shop: Shop) -> None:
    session = await shop.open()
    await shop.submit(session, "pay_wrong_amount")
    (intent,) = (await shop.do(lambda v1: v1.payment_intents.list())).data
    assert (intent.amount, intent.amount_received) == (NAIRA, NAIRA - 1)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("wrong_amount", {"amount_received": NAIRA - 1}),
        ("wrong_currency", {"currency": "usd"}),
        ("succeed_late", {"status": "processing"}),
    ],
)
async def test_a_lying_answer_lies_once(shop: Shop, fault: str, told: dict[str, Any]) -> None:
    intent = await shop.paid()
    await shop.fault("verify", fault)
    for is_lie in (True, False):
        read = await shop.do(lambda v1: v1.payment_intents.retrieve(intent.id))
        shown = read.to_dict()
        assert (shown | told == shown) is is_lie


@pytest.mark.parametrize("fault", ["wrong_amount", "wrong_currency", "succeed_late"])
async def test_a_lying_webhook(shop: Shop, receiver: Receiver, fault: str) -> None:
    await shop.options(enabled_events=["checkout.session.completed"])
    await shop.fault("webhook", fault, delay_s=60)
    await shop.submit(await shop.open(), "pay")
    (event,) = await hooks(receiver, 1)
    session = event["data"]["object"]
    lies = {
        "wrong_amount": session["amount_total"] == NAIRA - 1,
        "wrong_currency": session["currency"] == "usd",
        "succeed_late": session["payment_status"] == "unpaid",
    }
    assert lies[fault]
    if fault == "succeed_late":
        await shop.driver.advance(61)
        (again,) = await hooks(receiver, 1)
        assert again["id"] == event["id"]
        assert again["data"]["object"]["payment_status"] == "paid"


async def test_webhooks_can_be_doubled_and_dropped(shop: Shop, receiver: Receiver) -> None:
    await shop.options(enabled_events=["checkout.session.completed"])
    await shop.fault("webhook", "duplicate", copies=3)
    await shop.submit(await shop.open(), "pay")
    assert len({event["id"] for event in await hooks(receiver, 3)}) == 1
    await shop.fault("webhook", "drop")
    await shop.submit(await shop.open(client_reference_id="BK-2"), "pay")
    (kept,) = await shop.driver.webhooks("BK-2")
    assert kept["state"] == "dropped"
    assert receiver.is_empty()


async def test_a_payment_can_be_doubled(shop: Shop) -> None:
    await shop.fault("create", "duplicate")
    await shop.submit(await shop.open(), "pay")
    found = (await shop.do(lambda v1: v1.payment_intents.list())).data
    assert [intent.status for intent in found] == ["succeeded", "succeeded"]
    assert {intent.metadata["reference"] for intent in found} == {"BK-1"}


async def test_a_refund_can_fail_later_and_its_money_is_back(
    shop: Shop, receiver: Receiver
) -> None:
    intent = await shop.paid()
    await hooks(receiver, 2)
    await shop.fault("refund", "fail_refund", delay_s=60)
    refund = await shop.refund(intent)
    assert refund.status == "pending"
    await hooks(receiver, 2)
    await shop.driver.advance(61)
    (failed,) = await hooks(receiver, 1)
    assert failed["type"] == "refund.failed"
    assert failed["data"]["object"]["failure_reason"]
    lines = (await shop.do(lambda v1: v1.balance_transactions.list())).data
    assert [line.reporting_category for line in lines] == ["refund_failure", "refund", "charge"]
    assert (await shop.refund(intent)).status == "succeeded"


async def test_disputes_and_payouts_are_told(shop: Shop, receiver: Receiver) -> None:
    intent = await shop.paid()
    await hooks(receiver, 2)
    made = await shop.steer("/disputes", payment_intent=intent.id)
    told = {event["type"] for event in await hooks(receiver, 2)}
    assert told == {"charge.dispute.created", "charge.dispute.funds_withdrawn"}
    await shop.steer(f"/disputes/{made['id']}", status="won")
    told = {event["type"] for event in await hooks(receiver, 2)}
    assert told == {"charge.dispute.funds_reinstated", "charge.dispute.closed"}
    await shop.steer("/payouts")
    told = {event["type"] for event in await hooks(receiver, 2)}
    assert told == {"payout.paid", "payout.reconciliation_completed"}


@pytest.mark.parametrize(
    ("path", "order"),
    [
        ("/payments", {"reference": "BK-NEW"}),
        ("/payments", {"reference": ""}),
        ("/refunds", {"payment_intent": "pi_none"}),
        ("/disputes", {"payment_intent": "pi_none"}),
        ("/disputes/du_none", {"status": "won"}),
        ("/disputes/du_none", {"status": "surprise"}),
        ("/payments/end", {"payment_intent": "pi_none", "is_paid": True}),
    ],
)
async def test_an_order_that_cannot_be_is_refused(
    sandbox: Driver, path: str, order: dict[str, Any]
) -> None:
    answer = await sandbox.control("POST", f"/stripe{path}", json=order)
    assert answer.status_code == 422
    assert answer.json()["error"]


async def test_options_go_back_to_their_defaults(shop: Shop) -> None:
    await shop.options(search_delay_s=5)
    answer = await shop.driver.control("GET", "/stripe/options")
    assert answer.json()["search_delay_s"] == 5
    await shop.driver.control("POST", "/reset")
    answer = await shop.driver.control("GET", "/stripe/options")
    assert answer.json()["search_delay_s"] == 0
    answer = await shop.driver.control("PUT", "/stripe/options", json={"surprise": 1})
    assert answer.status_code == 422
