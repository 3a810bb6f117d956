"""Money that comes: right, wrong, twice or unannounced; it ends in a seat or a refund."""

import asyncio

import asyncpg
import pytest

from kiti.checkout.settling import settle
from kiti.checkout.watching import poll_payments
from kiti.payments.gateways.port import GatewayReceipt, PaymentSnapshot
from kiti.payments.service import claim_watched
from kiti.platform.money import Money
from paying_steps import assert_confirmed_once, assert_refunded, open_unheard, refunds
from payments_site import Site


async def test_two_parts_of_the_price_do_not_add_up(site: Site) -> None:
    ada, payment = await open_unheard(site)
    for _ in range(2):
        await site.money_unannounced(payment, amount=ada.major / 2)
    await site.job("poll-payments")
    await site.job("poll-payments")
    await site.work()
    assert {r[0] for r in await refunds(ada, payment)} == {"UNDERPAID"}
    assert len(await site.refunds_at_gateway(payment)) == 2
    assert (await ada.read())["status"] == "HELD"
    assert await site.breaches() == []


async def test_a_second_payment_that_nobody_announced_is_found(site: Site) -> None:
    ada, payment = await open_unheard(site)
    await site.pay(payment)
    assert (await ada.status(payment))["status"] == "SUCCEEDED"
    await site.money_unannounced(payment)
    await site.job("poll-payments")  # once more after success: all transactions are listed
    await assert_refunded(site, ada, payment, "DUPLICATE")
    await assert_confirmed_once(site, ada)


async def test_looks_by_hand_never_end_the_watching(site: Site) -> None:
    """A second payment under one reference came after the one look that there was."""
    ada, payment = await open_unheard(site)
    await site.pay(payment)
    assert (await ada.status(payment))["status"] == "SUCCEEDED"
    due_in = "SELECT extract(epoch FROM next_poll_at - clock_timestamp()) FROM payment"
    for _ in range(3):
        await site.job("poll-payments")
        assert 0 < await site.value(due_in) < 3600
    await site.value("UPDATE payment SET created_at = created_at - interval '3 days' RETURNING 1")
    await site.job("poll-payments")
    assert 21500 < await site.value(due_in) < 21601
    await site.value("UPDATE payment SET next_poll_at = clock_timestamp() RETURNING 1")
    await site.money_unannounced(payment)
    assert await poll_payments(site.db, site.till, is_by_hand=False) == 1
    await assert_refunded(site, ada, payment, "DUPLICATE")
    await assert_confirmed_once(site, ada)


async def test_the_last_look_is_at_the_end_of_the_week(site: Site) -> None:
    ada, payment = await open_unheard(site)
    await site.pay(payment)
    await ada.status(payment)
    await site.value(
        "UPDATE payment SET created_at = created_at - interval '6 days 22 hours',"
        " expires_at = expires_at - interval '6 days 22 hours',"
        " gives_up_at = gives_up_at - interval '6 days 22 hours',"
        " watch_until = clock_timestamp() + interval '2 hours' RETURNING 1"
    )
    await site.job("poll-payments")
    assert await site.value("SELECT next_poll_at = watch_until FROM payment")
    await site.value(
        "UPDATE payment SET watch_until = clock_timestamp(), next_poll_at = clock_timestamp()"
        " RETURNING 1"
    )
    assert await poll_payments(site.db, site.till, is_by_hand=False) == 1
    assert await site.value("SELECT next_poll_at FROM payment") is None
    assert await site.breaches() == []


async def test_those_whose_outcome_is_open_are_asked_about_first(site: Site) -> None:
    ada, paid = await open_unheard(site)
    await site.pay(paid)
    await ada.status(paid)
    _, pending = await open_unheard(site)
    await site.value(
        "UPDATE payment SET next_poll_at = clock_timestamp() - CASE status WHEN 'succeeded'"
        " THEN interval '1 hour' ELSE interval '1 s' END RETURNING 1"
    )
    async with site.db.transaction() as conn:
        (first,) = await claim_watched(conn, limit=1)
    assert first.reference == pending["transactionId"]


async def test_not_found_stays_pending(site: Site) -> None:
    ada, payment = await open_unheard(site)
    await site.job("poll-payments")
    assert (await ada.status(payment))["status"] == "PENDING"
    assert await site.breaches() == []


async def test_declined_is_failed_and_the_same_page_may_still_succeed(site: Site) -> None:
    ada, payment = await open_unheard(site)
    await site.pay(payment, "decline")
    assert (await ada.status(payment))["status"] == "FAILED"
    assert (await ada.read())["status"] == "HELD"
    await site.pay(payment)
    await site.job("poll-payments")
    assert (await ada.status(payment))["status"] == "SUCCEEDED"
    await assert_confirmed_once(site, ada)


async def test_the_status_asks_once_in_five_seconds(site: Site) -> None:
    ada, payment = await open_unheard(site)
    await asyncio.gather(*(ada.status(payment) for _ in range(12)))
    assert await site.calls("verify") == 1
    await site.value("UPDATE payment SET asked_at = asked_at - interval '5 s' RETURNING 1")
    await ada.status(payment)
    assert await site.calls("verify") == 2
    await site.pay(payment)
    assert (await ada.status(payment))["status"] == "PENDING"  # asked a moment ago


async def test_without_the_claim_every_reader_would_ask(site: Site) -> None:
    """The twin: readers who look at the time and then ask all see the same time."""
    await open_unheard(site)
    gate = asyncio.Barrier(5)

    async def read() -> bool:
        may_ask = await site.value(
            "SELECT asked_at IS NULL OR asked_at < clock_timestamp() - interval '5 s' FROM payment"
        )
        await gate.wait()
        await site.value("UPDATE payment SET asked_at = clock_timestamp() RETURNING 1")
        return bool(may_ask)

    assert sum(await asyncio.gather(*(read() for _ in range(5)))) == 5


async def test_a_receipt_belongs_to_one_payment(site: Site) -> None:
    """The same transaction named for two payments is one receipt, of the first."""
    ada, _ = await open_unheard(site)
    obi, _ = await open_unheard(site)
    rows = await site.rows("SELECT payment_id, booking_id FROM payment")
    ids = {booking_id: payment_id for payment_id, booking_id in rows}
    receipt = GatewayReceipt("7", Money(ada.total, "NGN"))
    for booking_id in (ada.booking_id, obi.booking_id):
        await settle(
            site.db,
            payment_id=ids[booking_id],
            snapshot=PaymentSnapshot("SUCCEEDED", (receipt,)),
            late_money_minutes=60,
        )
    assert (await ada.read())["status"] == "CONFIRMED"
    assert (await obi.read())["status"] == "HELD"
    assert await site.breaches() == []


@pytest.mark.slow
async def test_a_lock_that_is_not_had_in_time_loses_nothing(site: Site) -> None:
    ada, payment = await open_unheard(site)
    await site.pay(payment)
    blocker = await asyncpg.connect(site.dsn)
    async with blocker.transaction():
        await blocker.execute("SELECT 1 FROM trip_inventory FOR UPDATE")
        answer = await site.client.get(
            "/api/payments/status",
            params={"transactionId": payment["transactionId"]},
            headers=ada.headers,
        )
        assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
    await blocker.close()
    await site.job("poll-payments")
    await assert_confirmed_once(site, ada)
