"""Stripe's wire: exact money in its own minor units, what we send, what its objects mean."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiti.payments.gateways import stripe_wire as wire
from kiti.payments.gateways.stripe_books import read_dispute, read_line, read_settlement
from kiti.payments.model import PaymentMethod
from kiti.platform.money import EXPONENTS, Money
from payments.gateway_conformance import a_request

# Currency, our minor units, Stripe's. Ours are ISO 4217's.
GOLDEN = [
    ("NGN", 750_000, 750_000),
    ("KES", 199, 199),
    ("GHS", 1, 1),
    ("TZS", 100, 100),
    ("ZMW", 12_345, 12_345),
    ("ZAR", 5, 5),
    ("USD", 1099, 1099),
    ("UGX", 5, 500),
    ("UGX", 5000, 500_000),
    ("ISK", 7, 700),
    ("XOF", 5000, 5000),
    ("XAF", 1, 1),
    ("RWF", 15_000, 15_000),
    ("BIF", 3, 3),
    ("DJF", 20, 20),
    ("GNF", 9, 9),
    ("KMF", 9, 9),
    ("JPY", 500, 500),
    ("KRW", 1000, 1000),
    ("CLP", 1000, 1000),
    ("PYG", 1, 1),
    ("VND", 1, 1),
    ("VUV", 1, 1),
    ("XPF", 1, 1),
    ("MGA", 150_000, 1500),
    ("BHD", 10, 10),
    ("KWD", 5120, 5120),
    ("JOD", 1230, 1230),
    ("OMR", 100, 100),
    ("TND", 75_010, 75_010),
]


@pytest.mark.parametrize(("currency", "ours", "theirs"), GOLDEN)
def test_amounts_by_the_golden_table(currency: str, ours: int, theirs: int) -> None:
    assert wire.to_wire(Money(ours, currency)) == theirs
    assert wire.from_wire(theirs, currency) == Money(ours, currency)


@pytest.mark.parametrize(("currency", "ours"), [("KWD", 5123), ("TND", 1), ("MGA", 150_050)])
def test_what_stripe_cannot_take_is_refused(currency: str, ours: int) -> None:
    with pytest.raises(ValueError, match="finer"):
        wire.to_wire(Money(ours, currency))


@pytest.mark.parametrize(("currency", "theirs"), [("UGX", 501), ("UGX", 50), ("ISK", 710)])
def test_what_we_cannot_hold_is_refused(currency: str, theirs: int) -> None:
    with pytest.raises(ValueError, match="finer"):
        wire.from_wire(theirs, currency)


@given(
    currency=st.sampled_from(sorted(wire.CURRENCIES[PaymentMethod.CARD] | set(EXPONENTS))),
    minor=st.integers(1, 10**12),
)
def test_amounts_go_out_and_come_back_the_same_or_not_at_all(currency: str, minor: int) -> None:
    money = Money(minor, currency)
    try:
        sent = wire.to_wire(money)
    except ValueError:
        return
    assert wire.from_wire(sent, currency) == money
    assert sent % wire.step(currency) == 0


@pytest.mark.parametrize(
    ("ttl_s", "lives_s"), [(60, 36 * 60), (900, 36 * 60), (3600, 3600), (90_000, 86_340)]
)
def test_a_session_lives_within_stripes_bounds(ttl_s: int, lives_s: int) -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    request = a_request(ttl_s=ttl_s, expires_at=now + timedelta(seconds=ttl_s))
    params = wire.checkout_params(request)
    assert params.get("expires_at") == int(now.timestamp()) + lives_s


def test_the_reference_goes_wherever_stripe_will_speak_of_the_payment() -> None:
    request = a_request()
    params: Any = wire.checkout_params(request)
    assert params["client_reference_id"] == request.reference
    assert params["metadata"] == {"reference": request.reference}
    assert params["payment_intent_data"] == {"metadata": {"reference": request.reference}}
    assert params["adaptive_pricing"] == {"enabled": False}
    assert wire.checkout_params(replace(request)) == params  # the same again, as its key demands


def an_intent(**changes: object) -> dict[str, object]:
    intent: dict[str, object] = {
        "id": "pi_1",
        "object": "payment_intent",
        "status": "succeeded",
        "amount": 750_000,
        "amount_received": 750_000,
        "currency": "ngn",
        "metadata": {"reference": "KT-1"},
        "latest_charge": {"balance_transaction": {"fee": 21_750, "currency": "ngn"}},
    }
    return intent | changes


def test_a_paid_intent_is_a_receipt() -> None:
    found = wire.read_intent(an_intent())
    assert found.reference == "KT-1"
    assert found.receipt is not None
    assert found.receipt.money == Money(750_000, "NGN")
    assert found.receipt.fee == Money(21_750, "NGN")


@pytest.mark.parametrize(
    "charge",
    [None, "ch_1", {}, {"balance_transaction": "txn_1"},
     {"balance_transaction": {"fee": 9, "currency": "usd"}},
     {"balance_transaction": {"fee": -9, "currency": "ngn"}},
     {"balance_transaction": {"fee": True, "currency": "ngn"}}],
)  # fmt: skip
def test_a_fee_that_is_not_told_in_our_currency_is_not_known(charge: object) -> None:
    found = wire.read_intent(an_intent(latest_charge=charge))
    assert found.receipt is not None
    assert found.receipt.fee is None


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"status": "processing"}, "PENDING"),
        ({"status": "requires_action"}, "PENDING"),
        ({"status": "canceled"}, "FAILED"),
        ({"status": "requires_payment_method"}, "NOT_FOUND"),
        ({"status": "requires_payment_method", "last_payment_error": {}}, "DECLINED"),
    ],
)
def test_states_of_an_intent(changes: dict[str, object], status: str) -> None:
    assert wire.read_intent(an_intent(**changes)).status == status


@pytest.mark.parametrize(
    "changes",
    [{"id": None}, {"id": "ch_1"}, {"status": None}, {"status": "surprise"}, {"currency": "NGN"},
     {"currency": None}, {"amount_received": 0}, {"amount_received": "750000"},
     {"amount_received": 7500.0}, {"amount_received": True}],
)  # fmt: skip
def test_an_intent_that_cannot_be_read_is_no_intent(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not|amount"):
        wire.read_intent(an_intent(**changes))


@pytest.mark.parametrize("value", [None, 3, [], {}, "pi_1", {"object": "list"}])
def test_nonsense_is_no_object_of_stripes(value: object) -> None:
    for read in (wire.read_intent, read_dispute, read_settlement, read_line):
        with pytest.raises(ValueError, match="not"):
            read(value)
    assert wire.read_refund(value).status == "UNKNOWN"


def test_what_was_declined_has_failed_when_nobody_can_try_again() -> None:
    error = {"code": "card_declined"}
    declined = wire.read_intent(
        an_intent(status="requires_payment_method", last_payment_error=error)
    )
    assert wire.snapshot_of([declined], is_over=False).status == "PENDING"
    assert wire.snapshot_of([declined], is_over=True).status == "FAILED"
    paid = wire.read_intent(an_intent(id="pi_2"))
    assert wire.snapshot_of([declined, paid], is_over=True).status == "SUCCEEDED"
    assert wire.snapshot_of([], is_over=True).status == "NOT_FOUND"


@pytest.mark.parametrize(
    ("status", "means"),
    [("succeeded", "SUCCEEDED"), ("pending", "PENDING"), ("requires_action", "PENDING"),
     ("failed", "FAILED"), ("canceled", "FAILED")],
)  # fmt: skip
def test_states_of_a_refund(status: str, means: str) -> None:
    shown = {"id": "re_1", "status": status, "amount": 500, "currency": "ugx"}
    found = wire.read_refund(shown)
    assert found.status == means
    assert found.given == (None if means == "FAILED" else Money(5, "UGX"))


@pytest.mark.parametrize(
    "value",
    ["pi_../refunds", "pi_", "pi-1", "ch_1", "pi_1/x", "pi_١", "", None, 3, "pi_" + "1" * 200],
)
def test_only_an_id_goes_into_a_path(value: object) -> None:
    assert wire.as_id(value, "pi") is None
    assert wire.as_id("pi_3Abc", "pi") == "pi_3Abc"
