"""A process that dies between the phases, a gateway that is silent or refuses."""

import asyncio
from dataclasses import replace

import pytest

from kiti.checkout.paying import initiate
from kiti.payments.gateways.flutterwave import Flutterwave, FlutterwaveKeys, gateway_client
from kiti.payments.gateways.registry import Gateways
from paying_steps import asked_by, attempts, dies_while_asking, let_leases_end, problem
from payments_site import Site
from waiting import until


@pytest.mark.slow
async def test_while_it_may_still_live_the_key_and_the_booking_are_busy(site: Site) -> None:
    ada = await site.passenger()
    await dies_while_asking(site, ada, "the-key")
    same, other = await asyncio.gather(ada.initiate(idempotencyKey="the-key"), ada.initiate())
    assert problem(same) == (409, "IDEMPOTENCY_IN_PROGRESS")
    assert problem(other) == (409, "IDEMPOTENCY_IN_PROGRESS")
    assert same.headers["retry-after"] == "1"
    assert len(await attempts(site, ada)) == 1


async def test_the_poller_finishes_what_crashed(site: Site) -> None:
    ada = await site.passenger()
    lost = await dies_while_asking(site, ada, "the-key")
    await site.job("poll-payments")
    assert await attempts(site, ada) == [(lost["transactionId"], "creating")]  # may still live
    await let_leases_end(site)
    await site.job("poll-payments")
    assert await attempts(site, ada) == [(lost["transactionId"], "unknown")]
    second = await ada.open()
    assert second["transactionId"] != lost["transactionId"]
    await site.sandbox.advance(601)  # the first call reaches the gateway after all, and is paid
    await site.money_unannounced(lost, amount=ada.major)
    await site.webhook(lost)
    await site.work()
    assert (await ada.read())["status"] == "CONFIRMED"
    assert (await ada.status(second))["status"] == "CANCELLED"
    assert await site.breaches() == []


async def test_after_silence_a_new_key_opens_a_new_attempt_and_both_are_watched(
    site: Site,
) -> None:
    ada = await site.passenger()
    await site.sandbox.fault("create", "lose_reply")
    silent = await ada.open()
    second = await ada.open()
    assert second["transactionId"] != silent["transactionId"]
    assert second["redirectUrl"] is not None
    await site.pay(await site.hidden_link(silent))
    await site.pay(second)
    await site.webhook(silent)
    await site.webhook(second)
    await site.work()
    statuses = {p["transactionId"]: p for p in (await ada.read())["payments"]}
    assert {p["status"] for p in statuses.values()} == {"SUCCEEDED"}
    refunds = [refund for p in statuses.values() for refund in p["refunds"]]
    assert [(r["reason"], r["amount"], r["status"]) for r in refunds] == [
        ("DUPLICATE", ada.total, "SUCCEEDED")
    ]
    made = await site.refunds_at_gateway(silent) + await site.refunds_at_gateway(second)
    assert len(made) == 1
    assert await site.breaches() == []


async def test_refused_by_the_gateway_is_failed_and_the_hold_stays(site: Site) -> None:
    ada = await site.passenger()
    async with gateway_client() as client:
        wrong = Flutterwave(
            client, base_url=site.sandbox.api, keys=FlutterwaveKeys("a wrong key", "hash")
        )
        till = replace(site.till, gateways=Gateways([wrong]))
        answer = await initiate(site.db, till, await asked_by(site, ada, "a-key"))
    assert answer.status == 201
    assert b'"status":"FAILED"' in answer.body
    assert b'"redirectUrl":null' in answer.body
    assert (await ada.read())["status"] == "HELD"
    second = await ada.open()
    assert second["redirectUrl"] is not None
    ((first, status), (other, _)) = await attempts(site, ada)
    assert status == "failed"
    assert first != other


async def test_no_transaction_is_open_while_the_gateway_thinks(site: Site) -> None:
    ada = await site.passenger()
    await site.sandbox.fault("create", "delay", delay_s=600)
    asking = asyncio.create_task(ada.initiate())

    async def is_asked() -> bool:
        return await site.calls("create") > 0

    await until(is_asked)
    busy = await site.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND state <> 'active'"
    )
    locks = await site.value(
        "SELECT count(*) FROM pg_locks WHERE relation = 'payment'::regclass"
        " AND pid <> pg_backend_pid()"
    )
    await site.sandbox.advance(601)
    assert (await asking).status_code == 201
    assert (busy, locks) == (0, 0)
