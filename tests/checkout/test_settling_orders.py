"""Webhook, poll, status and return in any order and at once: one effect, one end."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from kiti.checkout.settling import settle
from kiti.checkout.watching import come_back
from kiti.payments.gateways.port import GatewayReceipt, PaymentSnapshot
from kiti.platform.money import Money
from paying_steps import assert_confirmed_once, open_unheard, refunds
from payments_site import Passenger, Site

Step = Callable[[Site, Passenger, dict[str, Any]], Awaitable[object]]


async def by_webhook(site: Site, ada: Passenger, payment: dict[str, Any]) -> None:
    """The gateway's webhooks for all its transactions come, and their jobs run."""
    del ada
    for charge in (await site.sandbox.payment(payment["transactionId"]))["charges"]:
        data = {"id": charge["id"], "tx_ref": payment["transactionId"], "status": "successful"}
        answer = await site.post_webhook({"event": "charge.completed", "data": data})
        assert answer.status_code == 200
    await site.work()


async def by_poll(site: Site, ada: Passenger, payment: dict[str, Any]) -> None:
    del ada, payment
    await site.job("poll-payments")


async def by_status(site: Site, ada: Passenger, payment: dict[str, Any]) -> None:
    del site
    await ada.status(payment)


async def by_return(site: Site, ada: Passenger, payment: dict[str, Any]) -> None:
    del ada
    await come_back(
        site.db,
        site.till,
        reference=payment["transactionId"],
        gateway_transaction_id=None,
    )


WAYS: Final[tuple[Step, ...]] = (by_webhook, by_poll, by_status, by_return)


# What was paid, as a share of the price, for each transaction; and the end it must have.
CASES: Final[dict[str, tuple[tuple[float, ...], str, list[str]]]] = {
    "right": ((1.0,), "CONFIRMED", []),
    "too little": ((0.5,), "HELD", ["UNDERPAID"]),
    "too much": ((2.0,), "CONFIRMED", ["OVERPAID"]),
    "twice": ((1.0, 1.0), "CONFIRMED", ["DUPLICATE"]),
    "half and whole": ((0.5, 1.0), "CONFIRMED", ["UNDERPAID"]),
}


async def paid_as(site: Site, case: str) -> tuple[Passenger, dict[str, Any]]:
    ada, payment = await open_unheard(site)
    for share in CASES[case][0]:
        await site.money_unannounced(payment, amount=round(ada.major * share, 2))
    return ada, payment


async def assert_end(site: Site, ada: Passenger, payment: dict[str, Any], case: str) -> None:
    """Once everything has run, the one end of this case."""
    _, booking_status, reasons = CASES[case]
    await site.job("poll-payments")
    await site.work()
    await site.job("retry-refunds")
    assert (await ada.status(payment))["status"] == "SUCCEEDED"
    found = await refunds(ada, payment)
    assert sorted(reason for reason, *_ in found) == reasons
    assert {state for *_, state in found} <= {"SUCCEEDED"}
    assert len(await site.refunds_at_gateway(payment)) == len(reasons)
    booking = await ada.read()
    assert booking["status"] == booking_status
    assert len(booking["tickets"]) == (booking_status == "CONFIRMED")
    assert await site.breaches() == []


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "order", list(itertools.permutations(WAYS)), ids=lambda o: "-".join(s.__name__[3:] for s in o)
)
async def test_every_order_reaches_the_same_end(
    site: Site, order: tuple[Step, ...], case: str
) -> None:
    ada, payment = await paid_as(site, case)
    for step in order:
        await step(site, ada, payment)
    await assert_end(site, ada, payment, case)


@pytest.mark.parametrize("case", CASES)
async def test_all_at_once_have_one_effect(site: Site, case: str) -> None:
    ada, payment = await paid_as(site, case)
    await asyncio.gather(*(way(site, ada, payment) for way in WAYS * 2 if way is not by_poll))
    await assert_end(site, ada, payment, case)


def two_receipts(price: Money) -> PaymentSnapshot:
    return PaymentSnapshot("SUCCEEDED", (GatewayReceipt("1", price), GatewayReceipt("2", price)))


async def test_settling_many_times_at_once_has_one_effect(site: Site) -> None:
    ada, payment = await open_unheard(site)
    snapshot = two_receipts(Money(ada.total, "NGN"))
    gate = asyncio.Barrier(10)
    payment_id = await site.value("SELECT payment_id FROM payment")

    async def settling() -> None:
        await gate.wait()
        await settle(site.db, payment_id=payment_id, snapshot=snapshot, late_money_minutes=60)

    await asyncio.gather(*(settling() for _ in range(10)))
    assert await site.value("SELECT count(*) FROM payment_receipt") == 2
    assert await site.value("SELECT count(*) FROM refund") == 1
    assert await site.value("SELECT count(*) FROM job WHERE kind = 'refund.send'") == 1
    await site.value("DELETE FROM job WHERE kind = 'refund.send' RETURNING 1")
    await assert_confirmed_once(site, ada)
    assert (await ada.status(payment))["status"] == "SUCCEEDED"


async def test_without_the_unique_receipt_each_settling_would_refund(site: Site) -> None:
    """The twin: who looks for the receipt and then writes it writes one for each caller."""
    async with site.db.connection() as conn:
        await conn.execute("CREATE UNLOGGED TABLE naive_receipt (transaction_id text)")
    gate = asyncio.Barrier(5)

    async def settling() -> None:
        async with site.db.transaction() as conn:
            known = await conn.fetchval("SELECT true FROM naive_receipt WHERE transaction_id = '1'")
            await gate.wait()
            if not known:
                await conn.execute("INSERT INTO naive_receipt VALUES ('1')")

    try:
        await asyncio.gather(*(settling() for _ in range(5)))
        assert await site.value("SELECT count(*) FROM naive_receipt") == 5
    finally:
        async with site.db.connection() as conn:
            await conn.execute("DROP TABLE naive_receipt")


async def test_the_trip_is_locked_before_the_payment(site: Site) -> None:
    """Initiate and settle at once, over and over: no deadlock ends in an error."""
    ada, payment = await open_unheard(site)
    payment_id = await site.value("SELECT payment_id FROM payment")

    async def settling(n: int) -> None:
        each = PaymentSnapshot("SUCCEEDED", (GatewayReceipt(str(n), Money(ada.total - 1, "NGN")),))
        await settle(site.db, payment_id=payment_id, snapshot=each, late_money_minutes=60)

    calls = [ada.initiate(paymentMethod=("CARD", "USSD")[n % 2]) for n in range(6)]
    answers = await asyncio.gather(*calls, *(settling(n) for n in range(6)))
    assert {a.status_code for a in answers if a is not None} <= {200, 201, 409}
    assert (await ada.status(payment))["status"] == "SUCCEEDED"
    assert await site.value("SELECT count(*) FROM payment_receipt") == 6
