"""What may be paid, how much, by which method, until when; and the order of the checks."""

import asyncio
import json
from collections import Counter
from datetime import datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from booking_make import let_expire
from kiti.checkout.routes_payments import PATH
from kiti.fares.model import NewFareTable
from kiti.payments.service import list_histories
from kiti.platform.ids import new_id
from paying_steps import attempts, problem
from payments_site import Site
from waiting import until


async def test_the_booking_says_what_it_costs(site: Site) -> None:
    ada = await site.passenger()
    total = ada.booking["total"]
    for amount in (ada.total - 1, ada.total + 1, 0):
        answer = await ada.initiate(amount=amount)
        assert problem(answer) == (422, "AMOUNT_MISMATCH")
        assert answer.json()["total"] == total
    answer = await ada.initiate(currency="GHS")
    assert problem(answer) == (422, "CURRENCY_MISMATCH")
    assert answer.json()["total"] == total
    assert await site.calls("create") == 0


@pytest.mark.parametrize("amount", [-1, 1.5, "50000", True, None, 10**16])
async def test_an_amount_is_a_whole_number(site: Site, amount: object) -> None:
    ada = await site.passenger()
    answer = await ada.initiate(amount=amount)
    assert problem(answer) == (422, "VALIDATION_FAILED")
    raw = json.dumps(ada.body(amount="?")).replace('"?"', "1e400").encode()
    huge = await site.client.post(
        PATH, content=raw, headers=ada.headers | {"content-type": "application/json"}
    )
    assert huge.status_code in {400, 422}
    assert await attempts(site, ada) == []


async def test_no_gateway_for_it(site: Site) -> None:
    ada = await site.passenger()
    for change in ({"paymentMethod": "MOBILE_MONEY"}, {"gateway": "stripe"}):
        answer = await ada.initiate(**change)
        assert problem(answer) == (422, "METHOD_NOT_AVAILABLE")
    assert answer.json()["detail"] == "stripe does not take CARD in NGN here. Ask for flutterwave."
    assert answer.json()["gateways"] == ["flutterwave"]
    assert problem(await ada.initiate(paymentMethod="CASH")) == (422, "VALIDATION_FAILED")
    assert problem(await ada.initiate(gateway="paystack")) == (422, "VALIDATION_FAILED")
    assert (await ada.initiate(gateway="flutterwave", currency="NGN")).status_code == 201


async def test_checks_run_in_the_contracts_order(site: Site) -> None:
    ada, obi = await site.passenger(), await site.passenger()
    path = "/api/payments/initiate"
    post = site.client.post
    as_json = {"content-type": "application/json"}
    assert problem(await post(path, content=b"{", headers=as_json)) == (400, "MALFORMED_JSON")
    assert (await post(path, content=b"{}", headers=ada.headers)).status_code == 415
    assert (await post(path, content=b"[" * 70_000, headers=as_json)).status_code == 413
    assert problem(await post(path, json={})) == (401, "UNAUTHENTICATED")
    missing = await post(path, json={}, headers=ada.headers)
    assert problem(missing) == (400, "IDEMPOTENCY_KEY_MISSING")
    theirs = ada.body(amount="wrong", paymentMethod=..., surprise=1)
    assert problem(await post(path, json=theirs, headers=obi.headers)) == (404, "NOT_FOUND")
    nobodys = ada.body(bookingId=str(uuid4()), amount="wrong")
    assert problem(await post(path, json=nobodys, headers=ada.headers)) == (404, "NOT_FOUND")
    for wrong in ({"surprise": 1}, {"bookingId": 7}, {"bookingId": "x"}, {"amount": ...}):
        assert problem(await ada.initiate(**wrong)) == (422, "VALIDATION_FAILED")
    for raw in (b"[]", b'"text"', b"5", b"null"):
        headers = ada.headers | as_json | {"idempotency-key": str(uuid4())}
        answer = await post(path, content=raw, headers=headers)
        assert problem(answer) == (422, "VALIDATION_FAILED")
    async with site.db.connection() as conn:
        await let_expire(conn, ada.booking_id)
    assert problem(await ada.initiate(amount=1)) == (422, "AMOUNT_MISMATCH")
    assert problem(await ada.initiate(paymentMethod="MOBILE_MONEY")) == (
        422,
        "METHOD_NOT_AVAILABLE",
    )
    assert problem(await ada.initiate()) == (409, "HOLD_EXPIRED")
    assert await site.calls("create") == 0


async def test_only_a_live_hold_is_paid(site: Site) -> None:
    ada, obi = await site.passenger(), await site.passenger()
    payment = await ada.open()
    await site.pay(payment)
    await site.webhook(payment)
    await site.work()
    assert problem(await ada.initiate()) == (409, "ALREADY_PAID")
    path = f"/api/bookings/reserve/{obi.booking['bookingId']}"
    assert (await site.client.delete(path, headers=obi.headers)).status_code == 204
    assert problem(await obi.initiate()) == (409, "BOOKING_NOT_HELD")


async def test_the_first_initiate_lengthens_the_hold_once(site: Site) -> None:
    ada = await site.passenger(holdDurationMinutes=1)
    held_until = datetime.fromisoformat(ada.booking["expiresAt"])
    first = await ada.open()
    until_first = datetime.fromisoformat(first["expiresAt"])
    assert until_first - held_until > timedelta(minutes=13)
    assert (await ada.read())["expiresAt"] == first["expiresAt"]
    second = await ada.open(paymentMethod="USSD")
    assert second["expiresAt"] == first["expiresAt"]
    known = await site.sandbox.payment(first["transactionId"])
    assert known["redirectUrl"] == f"{site.url}/pay/return"


async def test_a_booking_that_costs_nothing_is_confirmed_at_once(site: Site) -> None:
    fares = NewFareTable(
        "Free for infants", "NGN", per_km_minor=100, minimum_minor=100, type_shares={"INFANT": 0}
    )
    ada = await site.passenger(await site.trip(fares=fares), passengerTypes=["INFANT"])
    assert ada.total == 0
    payment = await ada.open()
    assert (payment["status"], payment["redirectUrl"]) == ("SUCCEEDED", None)
    assert (await ada.read())["status"] == "CONFIRMED"
    assert await site.calls("create") == 0
    assert await site.breaches() == []


async def test_the_gateway_is_told_how_to_reach_who_booked(site: Site) -> None:
    ada = await site.passenger()
    people = {
        "contact": {"phone": "+2348031234567", "email": "ada@passengers.example"},
        "passengers": [{"seatNumber": "2A", "name": "Ada Obi"}],
    }
    path = f"/api/bookings/{ada.booking['bookingId']}/passengers"
    assert (await site.client.put(path, json=people, headers=ada.headers)).status_code == 200
    payment = await ada.open()
    page = (await site.sandbox.client.get(payment["redirectUrl"])).text
    assert "ada@passengers.example" in page
    nobody = await (await site.passenger()).open()
    assert "@kiti.example" in (await site.sandbox.client.get(nobody["redirectUrl"])).text


async def test_unknown_payments_are_nobodys(site: Site) -> None:
    ada = await site.passenger()
    for reference in ("KT-X", "x" * 200, "'; DROP TABLE payment", "KT-\0" * 5, "KT-Ы" * 5):
        answer = await site.client.get(
            "/api/payments/status", params={"transactionId": reference}, headers=ada.headers
        )
        assert answer.status_code == 404
    for params in ({}, {"transactionId": ""}, {"transactionId": "x" * 201}):
        answer = await site.client.get("/api/payments/status", params=params, headers=ada.headers)
        assert answer.status_code == 422
    assert (await site.client.get("/api/payments/status?transactionId=a")).status_code == 401


async def test_a_booking_has_twenty_attempts_an_hour(site: Site) -> None:
    """A thousand checkouts were made for one booking in a few seconds."""
    ada = await site.passenger()
    answers = [await ada.initiate(paymentMethod=("CARD", "USSD")[n % 2]) for n in range(21)]
    assert [each.status_code for each in answers] == [201] * 20 + [429]
    assert problem(answers[-1]) == (429, "RATE_LIMITED")
    assert 3500 < int(answers[-1].headers["retry-after"]) <= 3600
    assert await site.calls("create") == 20
    last = answers[19].json()
    assert (await ada.status(last))["status"] == "PENDING"  # the refused one closed nothing
    same = await ada.initiate(paymentMethod="USSD")
    assert (same.status_code, same.json()["transactionId"]) == (200, last["transactionId"])
    await site.pay(last)
    await site.job("poll-payments")
    assert (await ada.read())["status"] == "CONFIRMED"


async def test_attempts_have_their_room_again_after_an_hour(site: Site) -> None:
    ada = await site.passenger()
    for n in range(20):
        await ada.open(paymentMethod=("CARD", "USSD")[n % 2])
    await site.value("UPDATE payment SET created_at = created_at - interval '59 min' RETURNING 1")
    refused = await ada.initiate()
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    await site.value(
        "UPDATE payment SET created_at = created_at - interval '1 min'"
        " WHERE payment_id = (SELECT payment_id FROM payment ORDER BY payment_id LIMIT 1)"
        " RETURNING 1"
    )
    assert (await ada.initiate()).status_code == 201
    assert (await ada.initiate(paymentMethod="USSD")).status_code == 429


async def test_thirty_attempts_at_once_are_twenty_at_most(site: Site) -> None:
    ada = await site.passenger()
    calls = [ada.initiate(paymentMethod=("CARD", "USSD")[n % 2]) for n in range(30)]
    answers = await asyncio.gather(*calls)
    assert {each.status_code for each in answers} <= {200, 201, 409, 429}
    assert len(await attempts(site, ada)) <= 20
    assert await site.breaches() == []


async def test_every_booking_of_a_list_shows_its_newest_payments(site: Site) -> None:
    """Of many bookings with many payments the newest booking's were cut off."""
    ada = await site.passenger()
    payment = await ada.open()
    bookings = [new_id() for _ in range(12)]
    await site.value(
        """
        INSERT INTO payment
        SELECT (jsonb_populate_record(p, jsonb_build_object(
                  'payment_id', gen_random_uuid(), 'reference', 'KT-MANY-' || b.n || '-' || i.n,
                  'booking_id', b.booking_id, 'status', 'expired'))).*
        FROM payment AS p
        CROSS JOIN unnest($1::uuid[]) WITH ORDINALITY AS b (booking_id, n)
        CROSS JOIN generate_series(1, 110) AS i (n)
        """,
        bookings,
    )
    wanted = [*bookings, ada.booking_id]
    async with site.db.connection() as conn:
        found = await list_histories(conn, booking_ids=wanted)
    counts = Counter(each.payment.booking_id for each in found)
    assert counts == dict.fromkeys(bookings, 100) | {ada.booking_id: 1}
    assert payment["transactionId"] in {each.payment.reference for each in found}


async def test_a_hold_that_ends_while_its_payment_waits_is_not_paid(site: Site) -> None:
    ada = await site.passenger()
    first = await ada.open()
    blocker = await asyncpg.connect(site.dsn)
    async with blocker.transaction():
        await blocker.execute("SELECT 1 FROM payment FOR UPDATE")
        waiting = asyncio.create_task(ada.initiate(paymentMethod="USSD"))

        async def is_waiting() -> bool:
            return await site.value(
                "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"
                " AND locktype IN ('transactionid', 'tuple')"
            )

        await until(is_waiting)
        # It has the trip's lock, not the booking's: the hold's end is moved, as time would pass.
        await site.value(
            "UPDATE booking SET expires_at = clock_timestamp() WHERE booking_id = $1 RETURNING 1",
            ada.booking_id,
        )
    await blocker.close()
    assert problem(await waiting) == (409, "HOLD_EXPIRED")
    assert [reference for reference, _ in await attempts(site, ada)] == [first["transactionId"]]
    assert await site.calls("create") == 1
