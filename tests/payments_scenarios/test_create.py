"""Scenarios 1 to 12: a payment is begun. Stripe's 9 is in test_stripe_keys_and_events.py."""

import asyncio
from uuid import uuid4

import httpx2
import pytest

from kiti.fares.model import NewFareTable
from paying_steps import attempts, dies_while_asking, let_leases_end, problem
from payments_site import Site

REPLAYED = "idempotent-replayed"


async def test_scenario_01_same_key_same_body_same_answer(site: Site) -> None:
    ada = await site.passenger()
    body = ada.body()
    first, *more = [
        await site.client.post("/api/payments/initiate", json=body, headers=ada.headers)
        for _ in range(3)
    ]
    reordered = dict(reversed(body.items()))
    more.append(
        await site.client.post("/api/payments/initiate", json=reordered, headers=ada.headers)
    )
    assert first.status_code == 201
    assert REPLAYED not in first.headers
    for again in more:
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers[REPLAYED] == "true"
    assert len(await attempts(site, ada)) == 1
    assert await site.calls("create") == 1


async def test_scenario_02_same_key_fifty_at_once(site: Site) -> None:
    ada = await site.passenger()
    body = ada.body()
    gate = asyncio.Barrier(50)

    async def call() -> httpx2.Response:
        await gate.wait()
        return await site.client.post("/api/payments/initiate", json=body, headers=ada.headers)

    answers = await asyncio.gather(*(call() for _ in range(50)))
    good = [each for each in answers if each.status_code == 201]
    assert {each.status_code for each in answers} <= {201, 409}
    assert good
    assert len({each.content for each in good}) == 1
    assert sum(REPLAYED not in each.headers for each in good) == 1
    assert await site.calls("create") == 1
    assert len(await attempts(site, ada)) == 1


async def test_scenario_03_same_key_other_body(site: Site) -> None:
    ada = await site.passenger()
    key = str(uuid4())
    await ada.open(idempotencyKey=key)
    for change in ({"amount": ada.total + 1}, {"paymentMethod": "USSD"}, {"nonsense": 1}):
        answer = await ada.initiate(idempotencyKey=key, **change)
        assert problem(answer) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert await site.calls("create") == 1


@pytest.mark.parametrize(
    ("key", "header", "code"),
    [
        (..., None, "IDEMPOTENCY_KEY_MISSING"),
        ("", None, "IDEMPOTENCY_KEY_INVALID"),
        ("x" * 256, None, "IDEMPOTENCY_KEY_INVALID"),
        ("a key", None, "IDEMPOTENCY_KEY_INVALID"),
        ("ключ", None, "IDEMPOTENCY_KEY_INVALID"),
        (7, None, "IDEMPOTENCY_KEY_INVALID"),
        ("one", "other", "IDEMPOTENCY_KEY_INVALID"),
    ],
)
async def test_scenario_04_the_key_must_be_good(
    site: Site, key: object, header: str | None, code: str
) -> None:
    ada = await site.passenger()
    headers = ada.headers | ({} if header is None else {"idempotency-key": header})
    answer = await site.client.post(
        "/api/payments/initiate", json=ada.body(idempotencyKey=key), headers=headers
    )
    assert problem(answer) == (400, code)
    assert await attempts(site, ada) == []


async def test_scenario_05_two_passengers_may_use_one_key(site: Site) -> None:
    ada, obi = await site.passenger(), await site.passenger()
    one = await ada.open(idempotencyKey="the-same")
    two = await obi.open(idempotencyKey="the-same")
    assert one["paymentId"] != two["paymentId"]
    assert (await ada.status(one))["bookingId"] == ada.booking["bookingId"]
    answer = await site.client.get(
        "/api/payments/status",
        params={"transactionId": one["transactionId"]},
        headers=obi.headers,
    )
    assert problem(answer) == (404, "NOT_FOUND")


async def test_scenario_06_a_crash_before_the_outcome_leaves_one_attempt(site: Site) -> None:
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


@pytest.mark.parametrize("fault", ["lose_reply", "error_after"])
async def test_scenario_07_silence_is_pending_and_never_sent_again(site: Site, fault: str) -> None:
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


async def test_scenario_08_refused_is_failed_the_hold_stays_and_the_next_is_new(site: Site) -> None:
    """More than the gateway takes: it says no. Nothing was paid, and the seats are still theirs."""
    fares = NewFareTable(
        "Dear", "NGN", per_km_minor=0, minimum_minor=10**12, type_shares={"STUDENT": 100_000}
    )
    ada = await site.passenger(await site.trip(fares=fares), passengerTypes=["STUDENT"])
    first, second = await ada.open(), await ada.open()
    for each in (first, second):
        assert (each["status"], each["redirectUrl"]) == ("FAILED", None)
        assert (await ada.status(each))["status"] == "FAILED"
    assert first["transactionId"] != second["transactionId"]
    assert [status for _, status in await attempts(site, ada)] == ["failed", "failed"]
    assert await site.calls("create") == 2
    assert (await ada.read())["status"] == "HELD"
    assert (await ada.read())["expiresAt"] == first["expiresAt"]
    assert await site.breaches() == []


async def test_scenario_10_a_double_click_finds_the_open_attempt(site: Site) -> None:
    ada = await site.passenger()
    gate = asyncio.Barrier(8)

    async def click() -> httpx2.Response:
        await gate.wait()
        return await ada.initiate()

    answers = await asyncio.gather(*(click() for _ in range(8)))
    assert sorted(each.status_code for each in answers) == [200] * 7 + [201]
    assert len({each.json()["redirectUrl"] for each in answers}) == 1
    assert await site.calls("create") == 1
    later = await ada.initiate()
    assert later.status_code == 200
    assert later.json()["transactionId"] == answers[0].json()["transactionId"]
    assert REPLAYED not in later.headers


async def test_scenario_11_the_total_stands_though_fares_have_changed(site: Site) -> None:
    sheet = await site.trip()
    ada = await site.passenger(sheet)
    await site.value("UPDATE fare_table SET per_km_minor = per_km_minor * 2 RETURNING 1")
    await site.value("UPDATE trip SET version = version + 1 RETURNING 1")
    assert problem(await ada.initiate(amount=ada.total * 2)) == (422, "AMOUNT_MISMATCH")
    payment = await ada.open()
    assert payment["amount"] == ada.total
    await site.pay(payment)
    assert (await ada.status(payment))["status"] == "SUCCEEDED"
    assert (await ada.read())["total"] == ada.booking["total"]


@pytest.mark.parametrize("currency", ["UGX", "RWF", "XOF"])
async def test_scenario_12_whole_currencies_go_out_whole(site: Site, currency: str) -> None:
    fares = NewFareTable("Whole", currency, per_km_minor=0, minimum_minor=5_000)
    ada = await site.passenger(await site.trip(fares=fares))
    assert ada.total == 5_000
    for finer in (5000.5, "5000"):
        refused = await ada.initiate(paymentMethod="MOBILE_MONEY", amount=finer)
        assert problem(refused) == (422, "VALIDATION_FAILED")
    payment = await ada.open(paymentMethod="MOBILE_MONEY")
    known = await site.sandbox.payment(payment["transactionId"])
    assert (known["amount"], known["currency"]) == (5_000, currency)
    await site.pay(payment)
    assert (await ada.status(payment))["received"] == {"amount": 5_000, "currency": currency}
    assert await site.breaches() == []
