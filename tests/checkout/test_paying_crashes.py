"""A process that dies between the phases, a gateway that is silent or refuses."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from kiti.checkout.paying import Asked, Wish, initiate
from kiti.checkout.routes_payments import PATH, ROUTE
from kiti.payments.gateways.flutterwave import Flutterwave, FlutterwaveKeys, gateway_client
from kiti.payments.gateways.registry import Gateways
from kiti.payments.model import PaymentMethod
from kiti.platform.http import Body
from kiti.platform.idempotency import claim_for
from paying_steps import attempts, problem
from payments_site import Passenger, Site
from waiting import until


async def dies_while_asking(site: Site, ada: Passenger, key: str) -> dict[str, Any]:
    """The process dies after the intent was committed, while the gateway is being asked."""
    await site.sandbox.fault("create", "delay", delay_s=600)
    asked = await asked_by(site, ada, key)
    dying = asyncio.create_task(initiate(site.db, site.till, asked))

    async def is_asked() -> bool:
        return await site.calls("create") > 0

    await until(is_asked)
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    ((reference, status),) = await attempts(site, ada)
    assert status == "creating"
    return {"transactionId": reference}


async def asked_by(site: Site, ada: Passenger, key: str) -> Asked:
    """What the route makes of this passenger's call to pay by card."""
    holder_id: UUID = await site.value(
        "SELECT holder_id FROM booking WHERE booking_id = $1", ada.booking_id
    )
    body = Body(b"", ada.body(idempotencyKey=key))
    claim = claim_for(f"guest:{holder_id}", route=ROUTE, path=PATH, key=key, body=body)
    wish = Wish(ada.booking_id, ada.total, None, PaymentMethod.CARD, None)
    return Asked(holder_id, False, claim, str(ada.booking_id), lambda: wish)


async def let_leases_end(site: Site) -> None:
    """As if the process had been dead for a minute."""
    await site.value("UPDATE idempotency_key SET locked_until = clock_timestamp() RETURNING 1")
    await site.value(
        "UPDATE payment SET created_at = created_at - interval '60 s',"
        " next_poll_at = next_poll_at - interval '60 s' RETURNING 1"
    )


async def test_6_a_crash_before_the_outcome_leaves_one_attempt(site: Site) -> None:
    ada = await site.passenger()
    lost = await dies_while_asking(site, ada, "the-key")
    waiting = asyncio.create_task(ada.initiate(idempotencyKey="the-key"))
    await let_leases_end(site)
    again = await waiting
    assert again.status_code == 201, again.text
    found = again.json()
    assert (found["transactionId"], found["status"], found["redirectUrl"]) == (
        lost["transactionId"],
        "PENDING",
        None,
    )
    assert (await ada.initiate(idempotencyKey="the-key")).content == again.content
    assert len(await attempts(site, ada)) == 1
    assert await site.calls("create") == 1
    assert await site.breaches() == []


@pytest.mark.slow
async def test_6_while_it_may_still_live_the_key_and_the_booking_are_busy(site: Site) -> None:
    ada = await site.passenger()
    await dies_while_asking(site, ada, "the-key")
    same, other = await asyncio.gather(ada.initiate(idempotencyKey="the-key"), ada.initiate())
    assert problem(same) == (409, "IDEMPOTENCY_IN_PROGRESS")
    assert problem(other) == (409, "IDEMPOTENCY_IN_PROGRESS")
    assert same.headers["retry-after"] == "1"
    assert len(await attempts(site, ada)) == 1


async def test_6_the_poller_finishes_what_crashed(site: Site) -> None:
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


@pytest.mark.parametrize("fault", ["lose_reply", "error_after"])
async def test_7_silence_is_pending_and_never_sent_again(site: Site, fault: str) -> None:
    ada = await site.passenger()
    await site.sandbox.fault("create", fault)
    body = ada.body()
    first = await site.client.post("/api/payments/initiate", json=body, headers=ada.headers)
    assert first.status_code == 201
    payment = first.json()
    assert (payment["status"], payment["redirectUrl"]) == ("PENDING", None)
    again = await site.client.post("/api/payments/initiate", json=body, headers=ada.headers)
    assert again.content == first.content
    status = await ada.status(payment)
    assert status["status"] == "PENDING"
    assert "redirectUrl" not in status
    assert await site.calls("create") == 1
    await site.sandbox.fault("webhook", "drop")
    await site.pay(await site.hidden_link(payment))
    await site.job("poll-payments")
    assert (await ada.status(payment))["status"] == "SUCCEEDED"
    assert (await ada.read())["status"] == "CONFIRMED"


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


async def test_8_refused_by_the_gateway_is_failed_and_the_hold_stays(site: Site) -> None:
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
