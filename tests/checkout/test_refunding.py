"""Refunds on their way: sent once, looked up before they are sent again, followed to the end."""

import asyncio

import asyncpg
import pytest

from kiti.ledger.postings import suspense
from kiti.payments import refunding
from kiti.payments.gateways.flutterwave import Flutterwave, FlutterwaveKeys, gateway_client
from kiti.payments.gateways.registry import Gateways
from kiti.payments.model import Receipt
from kiti.payments.owing import owe_refund
from kiti.payments.service import get_payment
from kiti.platform.db import Conn
from kiti.platform.ids import new_id
from paying_steps import let_it_settle, open_unheard, owed, refunds, send, state
from payments_site import Site
from waiting import until


async def test_without_the_lookup_the_money_would_go_twice(site: Site) -> None:
    """The twin: the gateway gives what it is asked for, as often as it is asked."""
    ada, payment = await open_unheard(site)
    await site.pay(payment)
    await ada.status(payment)
    (charge,) = (await site.sandbox.payment(payment["transactionId"]))["charges"]
    for _ in range(2):
        path = f"/transactions/{charge['id']}/refund"
        answer = await site.sandbox.call("POST", path, json={"amount": 1, "comments": "the same"})
        assert answer.status_code == 200
    assert len(await site.refunds_at_gateway(payment)) == 2


async def test_refused_stays_owed_and_is_tried_again(site: Site) -> None:
    ada, payment, _ = await owed(site)
    await site.sandbox.fault("refund", "fail_refund", refuse=True)
    await site.work()
    assert await state(site) == ("failed", 1)
    assert [r[3] for r in await refunds(ada, payment)] == ["FAILED"]
    assert await site.value("SELECT next_try_at > clock_timestamp() FROM refund")
    await site.job("retry-refunds")
    assert await state(site) == ("succeeded", 2)
    assert len(await site.refunds_at_gateway(payment)) == 1


async def test_a_gateway_that_is_away_was_asked_nothing(site: Site) -> None:
    _, payment, refund_id = await owed(site)
    async with gateway_client() as client:
        keys = FlutterwaveKeys("key", "hash")
        nobody = Gateways([Flutterwave(client, base_url="http://127.0.0.1:9/v3", keys=keys)])
        for gateways in (nobody, Gateways([])):
            assert await refunding.send_refund(site.db, gateways, refund_id=refund_id)
            assert await state(site) == ("owed", 0)
            assert await site.value("SELECT sent_at FROM refund") is None
    await site.job("retry-refunds")
    assert await state(site) == ("succeeded", 1)
    assert len(await site.refunds_at_gateway(payment)) == 1


async def test_its_tries_run_out_and_a_person_is_told(site: Site) -> None:
    await owed(site)
    await site.value("UPDATE refund SET tries = 11 RETURNING 1")
    await site.sandbox.fault("refund", "fail_refund", refuse=True)
    await site.work()
    assert await state(site) == ("failed", 12)
    assert await site.value("SELECT next_try_at FROM refund") is None
    (found,) = await site.breaches()
    assert found.invariant == "a refund that is owed moves on"
    await site.job("retry-refunds")  # the person has looked
    assert (await state(site))[0] == "succeeded"
    assert await site.breaches() == []


async def test_a_sender_that_dies_is_followed_by_another(site: Site) -> None:
    _, payment, refund_id = await owed(site)
    await site.sandbox.fault("refund", "delay", delay_s=600)
    dying = asyncio.create_task(send(site, refund_id))

    async def is_asked() -> bool:
        return await site.calls("refund") > 0

    await until(is_asked)
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    assert not await send(site, refund_id)  # its lease still runs
    await site.sandbox.advance(601)

    async def has_arrived() -> bool:
        return len(await site.refunds_at_gateway(payment)) == 1

    await until(has_arrived)
    await site.value("UPDATE refund SET leased_until = clock_timestamp() RETURNING 1")
    assert await send(site, refund_id)
    assert await state(site) == ("succeeded", 1)
    assert await site.calls("refund") == 1


async def test_a_refund_that_is_done_is_not_touched(site: Site) -> None:
    _, _, refund_id = await owed(site)
    await site.work()
    assert not await send(site, refund_id)
    assert not await send(site, new_id())
    assert (await site.job("retry-refunds"))["processed"] == 0


async def test_refunds_are_retried_by_themselves_in_time(site: Site) -> None:
    await owed(site)
    await site.sandbox.fault("refund", "fail_refund", refuse=True)
    await site.work()
    count = await refunding.retry_refunds(site.db, site.till.gateways, is_by_hand=False)
    assert count == 0
    await site.value("UPDATE refund SET next_try_at = clock_timestamp() RETURNING 1")
    count = await refunding.retry_refunds(site.db, site.till.gateways, is_by_hand=False)
    assert count == 1
    assert (await state(site))[0] == "succeeded"


async def test_a_sending_that_may_still_appear_is_waited_for(site: Site) -> None:
    """An older refund failed, the next fell silent: the failure says nothing of the silent one."""
    _, payment, refund_id = await owed(site)
    await site.sandbox.fault("refund", "fail_refund")
    await site.work()
    assert await state(site) == ("failed", 1)
    await site.sandbox.fault("refund", "drop")
    await site.job("retry-refunds")
    assert await state(site) == ("sending", 2)
    for _ in range(2):
        await site.job("retry-refunds")
        assert await state(site) == ("sending", 2)
    await let_it_settle(site)
    await site.job("retry-refunds")
    assert await state(site) == ("failed", 2)
    assert await send(site, refund_id)
    assert await state(site) == ("succeeded", 3)
    living = [r for r in await site.refunds_at_gateway(payment) if r["status"] != "failed"]
    assert len(living) == 1


async def test_never_more_than_came(site: Site) -> None:
    await owed(site)
    async with site.db.transaction() as conn:
        row = await conn.fetchrow("SELECT * FROM payment_receipt")
        assert row is not None
        receipt = Receipt(
            **{
                name: row[name]
                for name in (
                    "receipt_id", "payment_id", "gateway", "gateway_transaction_id",
                    "amount_minor", "currency", "applied_minor", "refunded_minor", "learned_at",
                )
            }
        )  # fmt: skip
    assert receipt.refunded_minor == receipt.amount_minor

    async def owe(conn: Conn, reason: str) -> bool:
        return await owe_refund(
            conn,
            payment=await get_payment(conn, payment_id=receipt.payment_id),
            receipt=receipt,
            source=suspense(receipt.receipt_id),
            reason=reason,
            amount_minor=1,
        )

    with pytest.raises(AssertionError):
        async with site.db.transaction() as conn:
            await owe(conn, "ANOTHER")
    async with site.db.transaction() as conn:
        same = await owe(conn, "UNDERPAID")
    assert not same  # one refund for each reason
    assert await site.value("SELECT count(*) FROM refund") == 1
    with pytest.raises(asyncpg.CheckViolationError, match="payment_receipt_refunded_check"):
        await site.value("UPDATE payment_receipt SET refunded_minor = refunded_minor + 1")
