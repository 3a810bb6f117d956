"""Scenarios 13 to 26: what gateways tell. Stripe's 15 and 19 are in a file of their own."""

import asyncio
import base64
import hashlib
import hmac
import json

import asyncpg
import httpx2
import pytest
from fastapi import FastAPI

from kiti.payments.gateways.flutterwave import Flutterwave, FlutterwaveKeys, gateway_client
from kiti.payments.gateways.registry import Gateways
from kiti.payments.routes import webhook_routes
from kiti.platform.outer import OuterLayer, install_problems
from paying_steps import charge, events, opened, problem
from payments_site import Site
from sandbox_driver import SECRET_HASH, SECRET_KEY
from waiting import until


def signature(raw: bytes, secret: str) -> str:
    """As the newer header carries it."""
    return base64.b64encode(hmac.new(secret.encode(), raw, hashlib.sha256).digest()).decode()


async def assert_not_heard(site: Site, headers: dict[str, str]) -> None:
    """Refused; nothing is kept, nobody is asked, and nothing moves, though the money is there."""
    ada, payment = await opened(site)
    await site.sandbox.fault("webhook", "drop")
    await site.pay(payment)
    answer = await site.post_webhook(charge(payment, id=99), headers=headers)
    assert problem(answer) == (401, "BAD_SIGNATURE")
    assert await events(site) == []
    assert await site.value("SELECT count(*) FROM job") == 0
    assert await site.calls("verify") == 0
    assert (await ada.read())["status"] == "HELD"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-nothing": ""},
        {"verif-hash": ""},
        {"verif-hash": "wrong"},
        {"verif-hash": SECRET_HASH[:-1]},
        {"flutterwave-signature": ""},
        {"flutterwave-signature": SECRET_HASH},
    ],
)
async def test_scenario_13_a_stranger_is_not_heard(site: Site, headers: dict[str, str]) -> None:
    await assert_not_heard(site, headers)


async def test_scenario_13_where_no_secret_is_set_nobody_is_heard(site: Site) -> None:
    """An empty secret signs nothing, though anybody could sign with it."""
    async with gateway_client() as http:
        keys = FlutterwaveKeys(SECRET_KEY, "")
        unset = Gateways([Flutterwave(http, base_url=site.sandbox.api, keys=keys)])
        app = FastAPI()
        install_problems(app)
        app.include_router(webhook_routes(site.db, unset), prefix="/api")
        transport = httpx2.ASGITransport(OuterLayer(app))
        async with httpx2.AsyncClient(transport=transport, base_url="http://kiti.test") as client:
            for headers in (
                {},
                {"verif-hash": ""},
                {"flutterwave-signature": signature(b"{}", "")},
            ):
                answer = await client.post(
                    "/api/payments/webhook/flutterwave", json={}, headers=headers
                )
                assert problem(answer) == (401, "BAD_SIGNATURE")
    assert await events(site) == []


async def test_scenario_14_altered_bytes_are_refused(site: Site) -> None:
    ada, payment = await opened(site)
    raw = json.dumps(charge(payment)).encode()
    good = {"flutterwave-signature": signature(raw, SECRET_HASH)}
    altered = (
        raw + b"\n",
        raw.replace(b": ", b":"),
        json.dumps(charge(payment), indent=1).encode(),
    )
    for other in altered:
        assert json.loads(other) == json.loads(raw)
        assert problem(await site.post_webhook(raw=other, headers=good)) == (401, "BAD_SIGNATURE")
    assert await events(site) == []
    assert (await site.post_webhook(raw=raw, headers=good)).status_code == 200
    assert await events(site) == [("payment", "queued", 1)]
    assert (await ada.read())["status"] == "HELD"


async def test_scenario_16_a_wrong_hmac_beside_the_right_hash_is_refused(site: Site) -> None:
    for wrong in ("wrong", "", SECRET_HASH):
        await assert_not_heard(site, {"flutterwave-signature": wrong, "verif-hash": SECRET_HASH})


async def test_scenario_17_the_api_key_is_no_webhook_secret(site: Site) -> None:
    await assert_not_heard(site, {"verif-hash": SECRET_KEY})
    raw = json.dumps(charge({"transactionId": "KT-ANY-PAYMENT"})).encode()
    by_key = {"flutterwave-signature": signature(raw, SECRET_KEY)}
    assert problem(await site.post_webhook(raw=raw, headers=by_key)) == (401, "BAD_SIGNATURE")


async def test_scenario_18_twenty_deliveries_at_once(site: Site) -> None:
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


async def test_scenario_20_any_order_ends_the_same(site: Site) -> None:
    """A refund before the success it belongs to; then failed, pending and cancelled after it."""
    ada, payment = await opened(site)
    await site.sandbox.fault("webhook", "reorder")
    await site.pay(payment, "decline")
    await site.pay(payment)  # the success overtakes the failure
    await site.webhook(payment, 2)
    (made,) = [c for c in (await site.sandbox.payment(payment["transactionId"]))["charges"]
               if c["status"] == "successful"]  # fmt: skip
    refund = {"id": 5, "AmountRefunded": 1, "status": "completed", "TransactionId": made["id"]}
    assert (await site.post_webhook(refund)).status_code == 200
    await site.work()
    for status in ("failed", "pending", "cancelled"):
        news = charge(payment, id=made["id"], status=status)
        assert (await site.post_webhook(news)).status_code == 200
    await site.money_unannounced(payment, status="failed")
    await site.webhook(payment, 3)
    await site.work()
    assert (await ada.status(payment))["status"] == "SUCCEEDED"
    booking = await ada.read()
    assert (booking["status"], len(booking["tickets"])) == ("CONFIRMED", 1)
    assert await site.value("SELECT count(*) FROM payment_receipt") == 1
    assert {state for kind, state, _ in await events(site) if kind == "payment"} == {"done"}
    assert await site.breaches() == []


async def test_scenario_21_a_success_that_is_not_confirmed_stays_pending(site: Site) -> None:
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


async def test_scenario_22_an_unknown_reference_is_parked(site: Site) -> None:
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


@pytest.mark.parametrize("signed", ["v3", "v4", "both"])
@pytest.mark.parametrize("shape", ["envelope", "flat"])
async def test_scenario_23_every_shape_is_read(site: Site, shape: str, signed: str) -> None:
    """The envelope, the flat one, the refund in PascalCase; and news nobody knows is kept."""
    await site.sandbox.options(webhook_shape=shape, webhook_signature=signed, refund_webhooks=True)
    ada, payment = await opened(site)
    await site.pay(payment, "pay_wrong_amount")
    await site.webhook(payment)
    await site.work()
    await site.webhook(payment, 2)
    assert [r["status"] for r in (await ada.status(payment))["refunds"]] == ["SUCCEEDED"]
    assert (await site.post_webhook({"event": "transfer.completed", "data": {}})).status_code == 200
    assert [(kind, state) for kind, state, _ in await events(site)] == [
        ("payment", "done"),
        ("refund", "done"),
        ("other", "parked"),
    ]


async def test_scenario_24_a_redelivery_after_the_work_is_a_no_op(site: Site) -> None:
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


@pytest.mark.slow
async def test_scenario_25_the_database_is_away(site: Site) -> None:
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


async def test_scenario_26_the_webhook_is_there_before_the_link(site: Site) -> None:
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
