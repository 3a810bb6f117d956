"""The webhook route: what is let in, kept and answered, and what comes of it."""

import json
from uuid import UUID

import pytest

from paying_steps import events, opened
from payments_site import Site
from waiting import until

PATH = "/api/payments/webhook/flutterwave"


async def test_a_webhook_that_lies_about_the_amount(site: Site) -> None:
    ada, payment = await opened(site)
    await site.sandbox.fault("webhook", "wrong_amount", amount=ada.major)
    await site.pay(payment, "pay_wrong_amount")
    await site.webhook(payment)
    await site.work()
    assert (await ada.read())["status"] == "HELD"
    assert [r["reason"] for r in (await ada.status(payment))["refunds"]] == ["UNDERPAID"]


async def test_bodies_have_a_limit_and_a_form(site: Site) -> None:
    big = json.dumps({"event": "x" * 300_000}).encode()
    assert (await site.post_webhook(raw=big)).status_code == 413
    text = await site.client.post(PATH, content=b"{}", headers={"content-type": "text/plain"})
    assert text.status_code == 415
    assert (await site.client.get(PATH)).status_code == 405
    assert (await site.client.post("/api/payments/webhook/stripe", json={})).status_code == 404
    assert await events(site) == []


@pytest.mark.slow
async def test_a_silent_gateway_leaves_the_event_for_later(site: Site) -> None:
    ada, payment = await opened(site)
    await site.sandbox.fault("verify", "error_after")
    await site.pay(payment)
    await site.webhook(payment)
    await site.work()

    async def is_tried_again() -> bool:
        await site.work()
        return (await ada.read())["status"] == "CONFIRMED"

    await until(is_tried_again)
    assert await events(site) == [("payment", "done", 1)]
    assert await site.breaches() == []


async def test_refund_webhooks_bring_the_end_of_a_refund(site: Site) -> None:
    await site.sandbox.options(refund_webhooks=True)
    ada, payment = await opened(site)
    await site.sandbox.fault("refund", "succeed_late", delay_s=600)
    await site.pay(payment, "pay_wrong_amount")
    await site.webhook(payment)
    await site.work()
    (refund,) = (await ada.status(payment))["refunds"]
    assert refund["status"] == "PENDING"
    assert await site.value("SELECT status FROM refund") == "pending"
    await site.sandbox.advance(601)
    await site.webhook(payment, 2)
    await site.work()
    (refund,) = (await ada.status(payment))["refunds"]
    assert refund["status"] == "SUCCEEDED"
    assert [(kind, state) for kind, state, _ in await events(site)] == [
        ("payment", "done"),
        ("refund", "done"),
    ]
    foreign = {"id": 1, "AmountRefunded": 5, "status": "completed", "TransactionId": 7,
               "comments": str(UUID(int=7))}  # fmt: skip
    assert (await site.post_webhook(foreign)).status_code == 200
    assert (await events(site))[-1][:2] == ("refund", "parked")
    assert await site.breaches() == []
