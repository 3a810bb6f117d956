"""Beginning to pay, over HTTP: one checkout for each key, one open attempt for each booking."""

import asyncio
import hashlib
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg

from kiti.payments import service as payments
from kiti.payments.model import NewPayment, PaymentMethod
from kiti.platform.ids import new_id
from kiti.platform.money import Money
from payments_site import Passenger, Site

REPLAYED = "idempotent-replayed"


async def test_a_seat_is_paid_and_confirmed(site: Site) -> None:
    ada = await site.passenger(seats=("2A", "2B"))
    payment = await ada.open()
    assert payment["status"] == "PENDING"
    assert payment["gateway"] == "flutterwave"
    assert (payment["amount"], payment["currency"]) == (ada.total, "NGN")
    assert (await ada.status(payment))["redirectUrl"] == payment["redirectUrl"]
    await site.pay(payment)
    await site.webhook(payment)
    await site.work()
    status = await ada.status(payment)
    assert "redirectUrl" not in status
    assert status["status"] == "SUCCEEDED"
    assert status["received"] == {"amount": ada.total, "currency": "NGN"}
    assert status["refunds"] == []
    booking = await ada.read()
    assert booking["status"] == "CONFIRMED"
    assert len(booking["tickets"]) == 2
    assert await site.breaches() == []


async def test_the_key_may_come_in_the_header(site: Site) -> None:
    ada = await site.passenger()
    key = "k" * 255
    by_header = await site.client.post(
        "/api/payments",
        json=ada.body(idempotencyKey=...),
        headers=ada.headers | {"idempotency-key": key},
    )
    by_body = await ada.initiate(idempotencyKey=key)
    assert by_header.status_code == 201, by_header.text
    assert by_body.content == by_header.content


async def test_a_refusal_leaves_the_key_free(site: Site) -> None:
    ada = await site.passenger()
    key = str(uuid4())
    refused = await ada.initiate(idempotencyKey=key, amount=ada.total + 1)
    assert refused.status_code == 422
    again = await ada.initiate(idempotencyKey=key)
    assert again.status_code == 201
    assert REPLAYED not in again.headers


async def test_without_the_lock_a_double_click_begins_twice(site: Site) -> None:
    """The twin: without the booking's lock both find none open and begin; the index stops one."""
    ada = await site.passenger()
    gate = asyncio.Barrier(2)

    async def click() -> str:
        async with site.db.transaction() as conn:
            assert await payments.lock_open(conn, booking_id=ada.booking_id) is None
            await gate.wait()
            try:
                await payments.begin_payment(conn, a_new_payment(ada))
            except asyncpg.UniqueViolationError as error:
                return str(error.as_dict()["constraint_name"])
        return "begun"

    found = await asyncio.gather(click(), click())
    assert sorted(found) == ["begun", "payment_booking_open"]


def a_new_payment(ada: Passenger) -> NewPayment:
    reference = payments.new_reference()
    return NewPayment(
        payment_id=new_id(),
        reference=reference,
        booking_id=ada.booking_id,
        trip_id=UUID(ada.booking["tripId"]),
        holder_id=new_id(),
        gateway="flutterwave",
        method=PaymentMethod.CARD,
        money=Money(ada.total, "NGN"),
        expires_at=datetime.fromisoformat(ada.booking["expiresAt"]),
        key_digest=hashlib.sha256(reference.encode()).digest(),
    )


async def test_another_method_closes_the_open_attempt_which_stays_watched(site: Site) -> None:
    ada = await site.passenger()
    card = await ada.open(paymentMethod="CARD")
    ussd = await ada.open(paymentMethod="USSD")
    assert ussd["transactionId"] != card["transactionId"]
    assert (await ada.status(card))["status"] == "CANCELLED"
    assert (await site.sandbox.payment(ussd["transactionId"]))["amount"] == ada.major
    await site.sandbox.fault("webhook", "drop", times=2)
    await site.pay(card)
    await site.job("poll-payments")
    assert (await ada.status(card))["status"] == "SUCCEEDED"
    assert (await ada.status(ussd))["status"] == "CANCELLED"
    await site.pay(ussd)
    await site.job("poll-payments")
    await site.job("retry-refunds")
    paid_twice = await ada.status(ussd)
    assert paid_twice["status"] == "SUCCEEDED"
    assert [r["reason"] for r in paid_twice["refunds"]] == ["DUPLICATE"]
    assert len(await site.refunds_at_gateway(ussd)) == 1
    assert await site.refunds_at_gateway(card) == []
    assert await site.breaches() == []


async def test_an_attempt_whose_link_has_ended_makes_room(site: Site) -> None:
    ada = await site.passenger()
    first = await ada.open()
    await site.value(
        "UPDATE payment SET expires_at = clock_timestamp() - interval '1 s' RETURNING 1"
    )
    second = await ada.open()
    assert second["transactionId"] != first["transactionId"]
    assert (await ada.status(first))["status"] == "EXPIRED"
