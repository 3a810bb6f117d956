"""Creating and verifying payments on the simulated Flutterwave."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from kiti.sandbox.flutterwave.account import Account
from kiti.sandbox.flutterwave.terms import read_terms
from sandbox_driver import Driver


async def test_create_answers_a_hosted_link_and_no_transaction(sandbox: Driver) -> None:
    answer = await sandbox.call("POST", "/payments", json=sandbox.body(tx_ref="BK-link"))

    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["message"]) == ("success", "Hosted Link")
    assert list(body["data"]) == ["link"]
    assert body["data"]["link"].startswith(f"{sandbox.api}/hosted/pay/flwlnk-")
    assert (await sandbox.by_reference("BK-link")).status_code == 400


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "Authorization required"),
        ({"authorization": "Basic eDp5"}, "Authorization required"),
        ({"authorization": "Bearer"}, "Authorization required"),
        ({"authorization": "Bearer FLWSECK_TEST-another-X"}, "Invalid authorization key"),
        ({"authorization": "Bearer schlüssel".encode()}, "Invalid authorization key"),
    ],
)
async def test_only_the_secret_key_opens(
    sandbox: Driver, headers: dict[str, Any], message: str
) -> None:
    for method, path in [
        ("POST", "/payments"),
        ("GET", "/transactions/1/verify"),
        ("GET", "/transactions/verify_by_reference?tx_ref=x"),
        ("POST", "/transactions/1/refund"),
        ("GET", "/refunds"),
        ("GET", "/settlements"),
        ("GET", "/chargebacks"),
    ]:
        answer = await sandbox.client.request(method, sandbox.api + path, headers=headers)

        assert answer.status_code == 401
        assert answer.json() == {"status": "error", "message": message, "data": None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tx_ref": ...}, "tx_ref is required"),
        ({"tx_ref": ""}, "tx_ref is required"),
        ({"tx_ref": 7}, "tx_ref is invalid"),
        ({"amount": ...}, "amount is required"),
        ({"amount": 0}, "amount is invalid"),
        ({"amount": -5}, "amount is invalid"),
        ({"amount": True}, "amount is invalid"),
        ({"amount": "a lot"}, "amount is invalid"),
        ({"amount": "NaN"}, "amount is invalid"),
        ({"amount": 10**12}, "amount is invalid"),
        ({"amount": 10.005}, "amount has too many decimals for NGN"),
        ({"amount": 10.5, "currency": "UGX"}, "amount has too many decimals for UGX"),
        ({"currency": "naira"}, "currency is invalid"),
        ({"customer": ...}, "customer is required"),
        ({"customer": {"name": "Ada"}}, "customer email is required"),
        ({"customer": {"email": "ada"}}, "customer email is invalid"),
        ({"redirect_url": "javascript:alert(1)"}, "redirect_url is invalid"),
        ({"redirect_url": "/pay/return"}, "redirect_url is invalid"),
        ({"link_expiration": "tomorrow"}, "link_expiration is invalid"),
        ({"session_duration": 1441}, "session_duration is invalid"),
        ({"configurations": {"session_duration": "soon"}}, "session_duration is invalid"),
    ],
)
async def test_create_refuses_a_missing_or_wrong_field(
    sandbox: Driver, changes: dict[str, Any], message: str
) -> None:
    answer = await sandbox.call("POST", "/payments", json=sandbox.body(**changes))

    assert answer.status_code == 400
    assert answer.json() == {"status": "error", "message": message, "data": None}


@pytest.mark.parametrize("raw", [b"{", b"[]", b'{"amount": NaN}', b"\xff", b"{}" + b" " * 300_000])
async def test_create_refuses_a_body_that_is_no_small_json_object(
    sandbox: Driver, raw: bytes
) -> None:
    answer = await sandbox.call("POST", "/payments", content=raw)

    assert answer.status_code == 400
    assert answer.json()["status"] == "error"


async def test_a_number_in_a_string_is_an_amount_and_naira_the_default(sandbox: Driver) -> None:
    charge_id = await sandbox.paid(amount="2500.50", currency=...)

    found = await sandbox.verify(charge_id)
    assert (found["amount"], found["currency"]) == (2500.5, "NGN")


async def test_the_same_reference_gets_a_second_link(sandbox: Driver) -> None:
    first = await sandbox.create(tx_ref="BK-twice")
    second = await sandbox.create(tx_ref="BK-twice")

    assert first != second
    await sandbox.submit(first, "pay")
    await sandbox.submit(second, "pay")
    answer = await sandbox.call("GET", "/transactions", params={"tx_ref": "BK-twice"})
    assert [row["status"] for row in answer.json()["data"]] == ["successful", "successful"]


async def test_the_same_reference_is_refused_when_the_account_says_so(sandbox: Driver) -> None:
    await sandbox.options(is_tx_ref_unique=True)
    await sandbox.create(tx_ref="BK-once")

    answer = await sandbox.call("POST", "/payments", json=sandbox.body(tx_ref="BK-once"))

    assert answer.status_code == 400


async def test_verify_shows_the_transaction_with_fee_and_what_is_settled(sandbox: Driver) -> None:
    charge_id = await sandbox.paid(tx_ref="BK-fee", amount=2500)

    answer = await sandbox.call("GET", f"/transactions/{charge_id}/verify")

    body = answer.json()
    assert (body["status"], body["message"]) == ("success", "Transaction fetched successfully")
    data = body["data"]
    assert data["id"] == charge_id
    assert data["tx_ref"] == "BK-fee"
    assert data["status"] == "successful"
    assert (data["amount"], data["charged_amount"], data["currency"]) == (2500, 2500, "NGN")
    assert (data["app_fee"], data["merchant_fee"], data["amount_settled"]) == (35, 0, 2462.37)
    assert data["meta"] == {"booking_id": "b-1"}
    assert data["customer"]["email"] == "ada@kiti.example"
    assert data["customer"]["phone_number"] == "0801"
    assert data["card"]["last_4digits"] == "4246"
    assert data["created_at"].endswith("Z")
    assert (await sandbox.by_reference("BK-fee")).json()["data"] == data


async def test_amounts_are_whole_in_a_currency_without_minor_unit(sandbox: Driver) -> None:
    charge_id = await sandbox.paid(amount=5050, currency="UGX", payment_options="mobilemoneyuganda")

    found = await sandbox.verify(charge_id)
    assert (found["amount"], found["app_fee"], found["amount_settled"]) == (5050, 71, 4974)
    assert found["payment_type"] == "mobilemoneyug"
    assert "card" not in found


async def test_a_customer_who_bears_the_fee_is_charged_more(sandbox: Driver) -> None:
    await sandbox.options(customer_bears_fee=True)

    found = await sandbox.verify(await sandbox.paid(amount=2500))

    assert (found["amount"], found["charged_amount"], found["amount_settled"]) == (
        2500,
        2537.63,
        2500,
    )


@pytest.mark.parametrize("status", [200, 400, 404])
async def test_an_unknown_transaction_is_not_found(sandbox: Driver, status: int) -> None:
    await sandbox.options(not_found_status=status)

    for path in (
        "/transactions/1/verify",
        "/transactions/BK-1/verify",
        f"/transactions/{'9' * 5000}/verify",
        "/transactions/verify_by_reference?tx_ref=nobody",
    ):
        answer = await sandbox.call("GET", path)

        assert answer.status_code == status
        assert answer.json() == {
            "status": "error",
            "message": "No transaction was found for this id",
            "data": None,
        }


async def test_verify_by_reference_needs_one(sandbox: Driver) -> None:
    answer = await sandbox.call("GET", "/transactions/verify_by_reference")

    assert (answer.status_code, answer.json()["message"]) == (400, "tx_ref is required")


async def test_a_success_speaks_for_the_reference_before_failures(sandbox: Driver) -> None:
    link = await sandbox.create(tx_ref="BK-tries")
    await sandbox.submit(link, "decline")
    failed = (await sandbox.by_reference("BK-tries")).json()["data"]
    await sandbox.submit(link, "pay")
    paid = (await sandbox.by_reference("BK-tries")).json()["data"]
    later = {"tx_ref": "BK-tries", "status": "failed"}
    await sandbox.control("POST", "/flutterwave/charges", json=later)

    assert (failed["status"], failed["amount_settled"]) == ("failed", None)
    assert paid["status"] == "successful"
    assert paid["id"] != failed["id"]
    assert (await sandbox.by_reference("BK-tries")).json()["data"]["id"] == paid["id"]


async def test_ids_never_come_twice_even_after_a_reset(sandbox: Driver) -> None:
    before = await sandbox.paid()
    await sandbox.control("POST", "/reset")

    assert await sandbox.paid() > before
    assert before < 2**53


async def test_the_list_filters_and_pages(sandbox: Driver) -> None:
    ids = [await sandbox.paid() for _ in range(11)]
    await sandbox.submit(await sandbox.create(), "decline")

    first = (await sandbox.call("GET", "/transactions?status=successful")).json()
    second = (await sandbox.call("GET", "/transactions?status=successful&page=2")).json()

    assert first["meta"]["page_info"] == {
        "total": 11,
        "current_page": 1,
        "total_pages": 2,
        "page_size": 10,
    }
    assert [row["id"] for row in first["data"] + second["data"]] == ids[::-1]
    assert first["data"][0]["customer_email"] == "ada@kiti.example"
    none = (await sandbox.call("GET", "/transactions?to=2020-01-01")).json()
    assert (none["data"], none["meta"]["page_info"]["total"]) == ([], 0)
    assert (await sandbox.call("GET", "/transactions?from=yesterday")).status_code == 400


async def test_fee_and_timeline(sandbox: Driver) -> None:
    fee = (await sandbox.call("GET", "/transactions/fee?amount=1000&currency=NGN")).json()
    charge_id = await sandbox.paid()
    events = (await sandbox.call("GET", f"/transactions/{charge_id}/events")).json()

    assert (fee["message"], fee["data"]["fee"]) == ("Charged fee", 14)
    assert [event["action"] for event in events["data"]] == ["loaded", "click", "completed"]


async def test_a_hundred_payments_at_once_each_get_their_own(sandbox: Driver) -> None:
    ids = await asyncio.gather(*(sandbox.paid() for _ in range(100)))

    assert len(set(ids)) == 100


def test_the_oldest_payments_are_forgotten_with_all_that_is_theirs() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    account = Account(now, checkouts_max=2)
    body: dict[str, object] = {"amount": 100, "customer": {"email": "ada@kiti.example"}}
    for number in (1, 2, 3):
        terms = read_terms(body | {"tx_ref": f"BK-{number}"})
        checkout = account.open_checkout(terms, twist=None, now=now)
        charge = account.charge(checkout, status="successful", now=now)
        account.refund(charge.charge_id, amount=None, comments=None, status="completed", now=now)

    assert [c.terms.tx_ref for c in account.checkouts(reference=None, limit=9)] == ["BK-3", "BK-2"]
    assert account.find_by_reference("BK-1") is None
    assert (len(account.charges), len(account.refunds)) == (2, 2)
