"""Flutterwave's amounts and replies, read exactly."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiti.payments.gateways import flutterwave_wire as wire
from kiti.payments.gateways.reading import decode
from kiti.payments.model import PaymentMethod
from kiti.platform.ids import new_id
from kiti.platform.money import EXPONENTS, Money
from payments.conftest import FlutterwaveBench
from payments.gateway_conformance import a_refund, a_request

VERIFIED: dict[str, Any] = {
    "id": 8415006,
    "tx_ref": "KT-1",
    "amount": 2500,
    "currency": "NGN",
    "charged_amount": 2500,
    "app_fee": 35,
    "merchant_fee": 0,
    "status": "successful",
    "amount_settled": Decimal("2462.37"),
}


@given(
    st.integers(min_value=1, max_value=10**15),
    st.sampled_from(["NGN", "KES", "UGX", "XOF", "TND", *EXPONENTS]),
)
def test_amounts_go_out_and_come_back_the_same(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    body = wire.checkout_body(a_request(money=money))
    assert wire.from_wire(decode(body)["amount"], currency) == money
    assert b"e" not in body.split(b",", 1)[0].lower().removeprefix(b'{"amount"')


@pytest.mark.parametrize(
    ("money", "digits"),
    [
        (Money(750_000, "NGN"), b"7500"),
        (Money(750_050, "NGN"), b"7500.50"),
        (Money(1, "KES"), b"0.01"),
        (Money(5000, "UGX"), b"5000"),
        (Money(5000, "XOF"), b"5000"),
        (Money(1500, "TND"), b"1.500"),
        (Money(10**15 - 1, "NGN"), b"9999999999999.99"),
    ],
)
def test_the_digits_on_the_wire(money: Money, digits: bytes) -> None:
    assert wire.checkout_body(a_request(money=money)).startswith(b'{"amount":' + digits + b",")
    assert wire.refund_body(a_refund("1", money=money)).startswith(b'{"amount":' + digits + b",")


@pytest.mark.parametrize(
    ("value", "currency"),
    [(Decimal("5000.5"), "UGX"), (Decimal("0.5"), "XOF"), (Decimal("1.005"), "NGN"), (0, "RWF")],
)
def test_finer_than_the_minor_unit_is_refused(value: object, currency: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        wire.from_wire(value, currency)


def test_whole_amounts_with_decimals_are_whole() -> None:
    assert wire.from_wire(Decimal("5000.00"), "UGX") == Money(5000, "UGX")


def test_the_fee_is_what_is_not_settled() -> None:
    found = wire.read_transaction(VERIFIED)
    assert found.receipt is not None
    assert found.receipt.fee == Money(3763, "NGN")  # 35 and 7.5 % VAT on it
    told = {name: value for name, value in VERIFIED.items() if name != "amount_settled"}
    without = wire.read_transaction(told)
    assert without.receipt is not None
    assert without.receipt.fee == Money(3500, "NGN")


def test_what_counts_is_what_was_asked_not_what_was_charged() -> None:
    bears = VERIFIED | {"charged_amount": Decimal("2538.05"), "amount_settled": 2500}
    found = wire.read_transaction(bears)
    assert found.receipt is not None
    assert found.receipt.money == Money(250_000, "NGN")
    assert found.receipt.charged == Money(253_805, "NGN")
    assert found.receipt.fee == Money(0, "NGN")


@pytest.mark.parametrize(
    ("status", "means"),
    [
        ("successful", "SUCCEEDED"),
        ("succeeded", "SUCCEEDED"),
        ("failed", "FAILED"),
        ("cancelled", "FAILED"),
        ("pending", "PENDING"),
        ("pending auth", "PENDING"),
        ("success-pending-validation", "PENDING"),
        ("a word of tomorrow", "PENDING"),
    ],
)
def test_status_words(status: str, means: str) -> None:
    assert wire.read_transaction(VERIFIED | {"status": status}).status == means


@pytest.mark.parametrize(
    "broken",
    [
        {"id": None},
        {"id": "8415006; DROP"},
        {"id": True},
        {"tx_ref": 3.5},
        {"status": None},
        {"currency": "naira"},
        {"currency": None},
        {"amount": "2500"},
        {"amount": None},
        {"amount": Decimal("2500.001")},
        {"amount": -2500},
    ],
)
def test_what_decides_must_be_readable(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        wire.read_transaction(VERIFIED | broken)


@pytest.mark.parametrize(
    ("status", "means"),
    [
        ("completed", "SUCCEEDED"),
        ("completed-momo", "SUCCEEDED"),
        ("completed-bank-transfer", "SUCCEEDED"),
        ("processing", "PENDING"),
        ("pending-momo", "PENDING"),
        ("failed", "FAILED"),
        ("disburse-failed", "FAILED"),
        ("a word of tomorrow", "PENDING"),
    ],
)
def test_refund_words(status: str, means: str) -> None:
    told = {"id": 75923, "status": status, "amount_refunded": 6900}
    found = wire.read_refund(told, "NGN")
    assert found.status == means
    assert found.given == (None if means == "FAILED" else Money(690_000, "NGN"))


def test_a_refund_tells_its_amount_and_its_currency() -> None:
    told: dict[str, Any] = {"id": 1, "status": "completed", "amount_refunded": Decimal("68.99")}
    assert wire.read_refund(told, "NGN").given == Money(6899, "NGN")
    assert wire.read_refund(told | {"currency": "KES"}, "NGN").given == Money(6899, "KES")
    for odd in (None, "69", 0, -1, Decimal("68.999"), True, [69]):
        found = wire.read_refund(told | {"amount_refunded": odd}, "NGN")
        assert (found.status, found.given) == ("UNKNOWN", None), odd


@pytest.mark.parametrize(
    "digits", [b"1e99999999999999999999", b"1e-99999999999999999999", b"1e9999999", b"9" * 5000]
)
def test_a_number_out_of_all_reason_is_no_amount(digits: bytes) -> None:
    value = decode(b'{"amount":' + digits + b"}")["amount"]
    with pytest.raises(ValueError, match="amount"):
        wire.from_wire(value, "NGN")
    with pytest.raises(ValueError, match="amount"):
        wire.read_transaction(VERIFIED | {"amount": value})


def test_a_record_says_whose_it_is() -> None:
    told: dict[str, Any] = {"id": 1, "tx_id": 7, "status": "completed", "amount_refunded": 69}
    ours = new_id()
    for comments, refund_id, says_whose in (
        (str(ours), ours, True),
        (f"refund {ours} of Kiti", ours, True),
        ("goodwill", None, True),
        (None, None, False),
    ):
        record = wire.read_record(told | {"comments": comments})
        assert record is not None
        assert (record.refund_id, record.says_whose) == (refund_id, says_whose)
        assert (record.gateway_transaction_id, record.status) == ("7", "SUCCEEDED")
    for odd in ({"id": None}, {"tx_id": "x"}, {"status": 3}):
        assert wire.read_record(told | odd) is None


def test_a_refund_is_ours_by_its_comments_or_if_it_may_be() -> None:
    request = a_refund("908790", money=Money(690_000, "NGN"))
    listed = {"id": 1, "tx_id": 908790, "amount_refunded": 6900}
    assert wire.is_our_refund(listed | {"comments": f"{request.refund_id}"}, request)
    assert not wire.is_our_refund(listed | {"comments": "made by hand"}, request)
    assert wire.is_our_refund(listed, request)  # not told: better to wait for a person
    assert not wire.is_our_refund(listed | {"tx_id": 1}, request)
    assert not wire.is_our_refund(listed | {"amount_refunded": 6901}, request)


@pytest.mark.parametrize(
    ("link", "is_https_only", "is_good"),
    [
        ("https://checkout.flutterwave.com/v3/hosted/pay/1", True, True),
        ("http://127.0.0.1:8001/flutterwave/v3/hosted/pay/1", False, True),
        ("http://checkout.flutterwave.com/v3/hosted/pay/1", True, False),
        ("javascript:alert(1)", False, False),
        ("//evil.example/pay", False, False),
        ("https:///pay", True, False),
        ("https://[bad", True, False),
        ("https://x.example/\r\nset-cookie: a=b", True, False),
        ("", False, False),
        (None, False, False),
    ],
)
def test_only_a_page_is_a_link(link: object, is_https_only: bool, is_good: bool) -> None:  # noqa: FBT001
    found = wire.read_link({"data": {"link": link}}, is_https_only=is_https_only)
    assert found == (link if is_good else None)


async def test_the_request_says_what_the_page_needs(bench: FlutterwaveBench) -> None:
    request = a_request(method=PaymentMethod.MOBILE_MONEY, money=Money(12_345, "GHS"))
    body = json.loads(wire.checkout_body(replace(request, phone=None, ttl_s=901)))
    assert body["payment_options"] == "mobilemoneyghana"
    assert body["customer"] == {"email": "ada@kiti.example", "name": 'Ada O\'Neill "Kiti"'}
    assert body["configurations"] == {"session_duration": 16}
    assert body["link_expiration"].endswith("Z")
    result = await bench.gateway.create_checkout(request)
    assert result.outcome == "OPEN"
    await bench.advance(16 * 60)
    assert result.redirect_url is not None
    late = await bench.driver.submit(result.redirect_url, "pay")
    assert late.status_code == 410  # the link ends with the hold


async def test_not_found_is_said_in_many_ways(bench: FlutterwaveBench) -> None:
    for status in (200, 400, 404):
        await bench.driver.options(not_found_status=status)
        found = await bench.gateway.fetch_payment(reference="KT-X", gateway_transaction_id="7")
        assert found.status == "NOT_FOUND"
