"""The webhook route: what is let in, kept and answered, and what comes of it."""

import asyncio
import json
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from payments_site import Passenger, Site
from sandbox_driver import SECRET_HASH, SECRET_KEY
from waiting import until

PATH = "/api/payments/webhook/flutterwave"


def charge(payment: dict[str, Any], *, id: int = 1, status: str = "successful") -> dict[str, Any]:  # noqa: A002
    data = {"id": id, "tx_ref": payment["transactionId"], "status": status, "amount": 1}
    return {"event": "charge.completed", "data": data}


async def events(site: Site) -> list[tuple[Any, ...]]:
    return await site.rows("SELECT kind, state, deliveries FROM webhook_event ORDER BY event_id")


async def opened(site: Site) -> tuple[Passenger, dict[str, Any]]:
    ada = await site.passenger()
    return ada, await ada.open()


@pytest.mark.parametrize(
    "headers",
    [
        {"x-nothing": ""},
        {"verif-hash": ""},
        {"verif-hash": "wrong"},
        {"verif-hash": SECRET_KEY},
        {"flutterwave-signature": "wrong", "verif-hash": SECRET_HASH},
        {"flutterwave-signature": SECRET_HASH},
    ],
)
async def test_13_16_17_a_stranger_is_not_heard(site: Site, headers: dict[str, str]) -> None:
    ada, payment = await opened(site)
    await site.pay(payment)
    await site.webhook(payment)
    before = await events(site)
    answer = await site.post_webhook(charge(payment, id=99), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "BAD_SIGNATURE")
    assert await events(site) == before
    assert await site.calls("verify") == 0
    assert (await ada.read())["status"] == "HELD"


async def test_14_altered_bytes_are_refused(site: Site) -> None:
    await site.sandbox.options(webhook_signature="v4")
    ada, payment = await opened(site)
    await site.pay(payment)
    await site.webhook(payment)
    ((raw_length,),) = await site.rows("SELECT octet_length(sha256) FROM webhook_event")
    assert raw_length == 32
    await site.work()
    assert (await ada.read())["status"] == "CONFIRMED"


@pytest.mark.parametrize("signature", ["v3", "v4", "both"])
@pytest.mark.parametrize("shape", ["envelope", "flat"])
async def test_23_every_shape_and_signature(site: Site, shape: str, signature: str) -> None:
    await site.sandbox.options(webhook_shape=shape, webhook_signature=signature)
    ada, payment = await opened(site)
    await site.pay(payment)
    await site.webhook(payment)
    await site.work()
    assert (await ada.read())["status"] == "CONFIRMED"
    assert await events(site) == [("payment", "done", 1)]


async def test_18_twenty_deliveries_at_once(site: Site) -> None:
    ada, payment = await opened(site)
    await site.sandbox.fault("webhook", "drop")
    await site.pay(payment)
    (made,) = (await site.sandbox.payment(payment["transactionId"]))["charges"]
    gate = asyncio.Barrier(20)

    async def deliver() -> int:
        await gate.wait()
        return (await site.post_webhook(charge(payment, id=made["id"]))).status_code

    assert await asyncio.gather(*(deliver() for _ in range(20))) == [200] * 20
    assert await events(site) == [("payment", "queued", 20)]
    assert await site.value("SELECT count(*) FROM job WHERE kind = 'payment.verify'") == 1
    await site.work()
    assert await site.calls("verify") == 1
    booking = await ada.read()
    assert (booking["status"], len(booking["tickets"])) == ("CONFIRMED", 1)
    assert await site.value("SELECT count(*) FROM payment_receipt") == 1
    assert await site.breaches() == []


async def test_24_a_redelivery_after_the_work_is_a_no_op(site: Site) -> None:
    _, payment = await opened(site)
    await site.sandbox.fault("webhook", "lose_reply")  # stored, but the gateway hears no 200
    await site.pay(payment)

    async def has_come() -> bool:
        return bool(await events(site))

    await until(has_come)
    await site.work()
    await site.sandbox.advance(2)  # it tries again

    async def came_twice() -> bool:
        return await site.value("SELECT deliveries FROM webhook_event") == 2

    await until(came_twice)
    assert await site.value("SELECT count(*) FROM job") == 0
    assert await events(site) == [("payment", "done", 2)]
    assert await site.value("SELECT count(*) FROM payment_receipt") == 1


async def test_20_failed_after_success_does_not_take_it_back(site: Site) -> None:
    ada, payment = await opened(site)
    await site.pay(payment)
    await site.webhook(payment)
    await site.work()
    for status in ("failed", "pending", "cancelled"):
        assert (await site.post_webhook(charge(payment, status=status))).status_code == 200
    await site.money_unannounced(payment, status="failed")
    await site.webhook(payment, 2)
    await site.work()
    assert (await ada.status(payment))["status"] == "SUCCEEDED"
    assert (await ada.read())["status"] == "CONFIRMED"
    assert {state for _, state, _ in await events(site)} == {"done"}


async def test_20_success_overtakes_failure(site: Site) -> None:
    ada, payment = await opened(site)
    await site.sandbox.fault("webhook", "reorder")
    await site.pay(payment, "decline")
    await site.pay(payment)
    await site.webhook(payment, 2)
    await site.work()
    assert (await ada.status(payment))["status"] == "SUCCEEDED"
    assert (await ada.read())["status"] == "CONFIRMED"


async def test_21_a_success_that_is_not_confirmed_stays_pending(site: Site) -> None:
    ada, payment = await opened(site)
    assert (await site.post_webhook(charge(payment))).status_code == 200
    await site.work()
    assert (await ada.status(payment))["status"] == "PENDING"
    assert (await ada.read())["status"] == "HELD"
    assert await events(site) == [("payment", "unconfirmed", 1)]
    due_in = "SELECT extract(epoch FROM next_poll_at - clock_timestamp()) FROM payment"
    assert await site.value(due_in) <= 30
    await site.sandbox.fault("webhook", "drop")
    await site.pay(payment)
    assert (await site.post_webhook(charge(payment))).status_code == 200  # says it again
    await site.work()
    assert await events(site) == [("payment", "done", 2)]
    assert (await ada.read())["status"] == "CONFIRMED"


async def test_21_a_webhook_that_lies_about_the_amount(site: Site) -> None:
    ada, payment = await opened(site)
    await site.sandbox.fault("webhook", "wrong_amount", amount=ada.major)
    await site.pay(payment, "pay_wrong_amount")
    await site.webhook(payment)
    await site.work()
    assert (await ada.read())["status"] == "HELD"
    assert [r["reason"] for r in (await ada.status(payment))["refunds"]] == ["UNDERPAID"]


async def test_22_an_unknown_reference_is_parked(site: Site) -> None:
    stranger = {"transactionId": "KT-ANOTHER-SYSTEM"}
    assert (await site.post_webhook(charge(stranger))).status_code == 200
    assert (await site.post_webhook({"event": "transfer.completed"})).status_code == 200
    assert (await site.post_webhook([])).status_code == 200
    kinds = await events(site)
    assert [(kind, state) for kind, state, _ in kinds] == [
        ("payment", "parked"),
        ("other", "parked"),
        ("other", "parked"),
    ]
    assert await site.value("SELECT count(*) FROM job") == 0
    assert await site.breaches() == []


@pytest.mark.slow
async def test_25_the_database_is_away(site: Site) -> None:
    """Nothing can be kept: the gateway is told to come again, and nothing is half there."""
    _, payment = await opened(site)
    blocker = await asyncpg.connect(site.dsn)
    async with blocker.transaction():
        await blocker.execute("LOCK TABLE webhook_event IN ACCESS EXCLUSIVE MODE")
        answer = await site.post_webhook(charge(payment))
        assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
        assert "retry-after" in answer.headers
    await blocker.close()
    assert await events(site) == []
    assert await site.value("SELECT count(*) FROM job") == 0


async def test_26_the_webhook_is_there_before_the_link(site: Site) -> None:
    ada = await site.passenger()
    await site.sandbox.fault("create", "delay", delay_s=600)
    opening = asyncio.create_task(ada.initiate())

    async def is_asked() -> bool:
        return await site.calls("create") > 0

    await until(is_asked)
    reference = await site.value("SELECT reference FROM payment")
    payment = {"transactionId": reference}
    await site.money_unannounced(payment, amount=ada.major)
    await site.webhook(payment)
    await site.work()
    assert (await ada.read())["status"] == "CONFIRMED"
    await site.sandbox.advance(601)
    answer = await opening
    assert answer.status_code == 201
    assert (answer.json()["status"], answer.json()["redirectUrl"]) == ("SUCCEEDED", None)
    assert await site.breaches() == []


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
