"""Scenarios 39 to 44: money goes back. 43 is in test_disputes.py."""

import asyncio

import asyncpg
import pytest

from paying_steps import by_hand, let_it_settle, owed, refunds, send, state
from payments_site import JOB_SECRET, Site


async def test_scenario_39_at_once_it_is_sent_once_and_never_more_than_came(site: Site) -> None:
    _, payment, refund_id = await owed(site)
    gate = asyncio.Barrier(10)

    async def sending() -> bool:
        await gate.wait()
        return await send(site, refund_id)

    async def by_hand() -> str:
        await gate.wait()
        path, secret = "/api/jobs/retry-refunds", {"x-job-secret": JOB_SECRET}
        return (await site.client.post(path, headers=secret)).json()["status"]

    ends = await asyncio.gather(*(sending() for _ in range(8)), by_hand(), by_hand())
    assert sum(end is True for end in ends) <= 1
    assert {"DONE"} <= set(ends[8:]) <= {"DONE", "SKIPPED"}
    assert await site.calls("refund") == 1
    assert len(await site.refunds_at_gateway(payment)) == 1
    with pytest.raises(asyncpg.CheckViolationError, match="payment_receipt_refunded_check"):
        await site.value("UPDATE payment_receipt SET refunded_minor = refunded_minor + 1")
    assert await site.breaches() == []


@pytest.mark.parametrize("fault", ["lose_reply", "error_after"])
async def test_scenario_40_a_lost_reply_is_looked_up(site: Site, fault: str) -> None:
    ada, payment, _ = await owed(site)
    await site.sandbox.fault("refund", fault)
    await site.work()
    assert await state(site) == ("sending", 1)
    assert [r[3] for r in await refunds(ada, payment)] == ["PENDING"]
    await site.job("retry-refunds")
    assert await state(site) == ("succeeded", 1)
    assert await site.calls("refund") == 1
    assert len(await site.refunds_at_gateway(payment)) == 1
    assert await site.breaches() == []


async def test_scenario_40_a_lost_request_is_sent_again_later(site: Site) -> None:
    _, payment, _ = await owed(site)
    await site.sandbox.fault("refund", "drop")
    await site.work()
    assert await state(site) == ("sending", 1)
    await site.job("retry-refunds")  # it may still be on its way
    assert await state(site) == ("sending", 1)
    assert await site.calls("refund") == 1
    await let_it_settle(site)
    await site.job("retry-refunds")
    assert await state(site) == ("succeeded", 2)
    assert len(await site.refunds_at_gateway(payment)) == 1
    assert await site.breaches() == []


async def test_scenario_41_failed_later_is_told_and_sent_again_in_its_turn(site: Site) -> None:
    ada, payment, _ = await owed(site)
    await site.sandbox.fault("refund", "fail_refund", delay_s=600)
    await site.work()
    assert await state(site) == ("pending", 1)
    await site.sandbox.advance(601)
    await site.job("retry-refunds")
    assert await state(site) == ("failed", 1)
    assert [r[3] for r in await refunds(ada, payment)] == ["FAILED"]
    await site.job("retry-refunds")
    assert await state(site) == ("succeeded", 2)
    made = await site.refunds_at_gateway(payment)
    assert [each["status"] for each in made] == ["failed", "completed"]
    assert await site.breaches() == []


@pytest.mark.parametrize("is_told", [True, False], ids=["by webhook", "by the clock"])
async def test_scenario_42_a_refund_of_the_dashboard_is_adopted(
    site: Site,
    is_told: bool,  # noqa: FBT001
) -> None:
    """Made whole at the gateway's own pages: the seat is free again, and the books agree."""
    await site.sandbox.options(refund_webhooks=is_told)
    ada = await site.passenger()
    payment = await ada.open()
    await site.pay(payment)
    await site.webhook(payment)
    await site.work()
    assert (await ada.read())["status"] == "CONFIRMED"
    await by_hand(site, payment, ada.major)
    for _ in range(2):
        if is_told:
            await site.webhook(payment, 2)
            await site.work()
        else:
            await site.job("reconcile-settlements")
    assert await refunds(ada, payment) == [("AT_GATEWAY", ada.total, "NGN", "SUCCEEDED")]
    booking = await ada.read()
    assert booking["status"] == "CANCELLED"
    assert {ticket["status"] for ticket in booking["tickets"]} == {"CANCELLED"}
    body = {"tripId": ada.booking["tripId"], "seatNumbers": ["2A"]}
    assert (await site.client.post("/api/bookings/reserve", json=body)).status_code == 201
    assert await site.calls("refund") == 1
    assert await site.breaches() == []


async def test_scenario_44_no_webhook_tells_and_the_end_is_found(site: Site) -> None:
    ada, payment, _ = await owed(site)
    await site.sandbox.fault("refund", "succeed_late", delay_s=600)
    await site.work()
    assert [r[3] for r in await refunds(ada, payment)] == ["PENDING"]
    await site.sandbox.advance(601)
    await site.job("retry-refunds")
    assert [r[3] for r in await refunds(ada, payment)] == ["SUCCEEDED"]
    assert await site.calls("refund") == 1
