"""Stripe's webhooks: let in by a fresh signature over the raw bytes alone, read, and cleaned."""

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import stripe

from kiti.payments.gateways.port import GatewayEvent
from kiti.payments.gateways.stripe import Stripe, StripeKeys
from kiti.payments.gateways.stripe_webhook import check_signature, read_event
from kiti.payments.model import BadSignature

# The vector of our reference: made with another implementation.
SECRET = "whsec_test"
AT = datetime.fromtimestamp(1_700_000_000, UTC)
RAW = b'{"id":"evt_1","object":"event","type":"checkout.session.completed"}'
DIGEST = "670e223f19f12fb09ef0441261722546140dc296175e11939853a461c6642659"
HEADER = f"t=1700000000,v1={DIGEST}"


def passes(
    header: str | None,
    *,
    raw: bytes = RAW,
    now: datetime = AT,
    secrets: tuple[str, ...] = (SECRET, ""),
) -> bool:
    headers = {} if header is None else {"stripe-signature": header}
    try:
        check_signature(raw, headers, secrets=secrets, now=now)
    except BadSignature:
        return False
    return True


def sdk_passes(header: str, raw: bytes = RAW) -> bool:
    """What the official SDK says of the same, its clock left out."""
    try:
        stripe.WebhookSignature.verify_header(raw, header, SECRET, tolerance=None)
    except stripe.SignatureVerificationError:
        return False
    return True


def signed(raw: bytes, secret: str = SECRET, at: int = 1_700_000_000) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + raw, hashlib.sha256).hexdigest()


def test_the_published_vector_passes_here_and_in_the_sdk() -> None:
    assert passes(HEADER)
    assert sdk_passes(HEADER)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=1700000000",
        f"v1={DIGEST}",
        f"t=1700000000,v0={DIGEST}",
        f"t=1700000001,v1={DIGEST}",
        f"t=,v1={DIGEST}",
        f"t=x,v1={DIGEST}",
        "t=1700000000,v1=",
        f"t=1700000000,v1={DIGEST[:-1]}",
        f"t=1700000000,v1={DIGEST[:-1]}x",
    ],
)
def test_a_wrong_signature_is_refused_here_and_in_the_sdk(header: str) -> None:
    assert not passes(header)
    assert not sdk_passes(header)


def test_no_header_is_refused() -> None:
    assert not passes(None)
    assert not passes("t=1700000000,v1=é")  # the SDK falls over this one
    assert not passes("t=١٧٠٠٠٠٠٠٠٠,v1=" + DIGEST)


def test_two_instants_are_refused() -> None:
    assert not passes(f"t=1700000000,t=1700000000,v1={DIGEST}")


@pytest.mark.parametrize(
    ("seconds", "is_fresh"),
    [(0, True), (299, True), (300, True), (301, False), (-299, True), (-300, True), (-301, False),
     (99_999, False), (-99_999, False)],
)  # fmt: skip
def test_scenario_15_five_minutes_either_way(seconds: int, is_fresh: bool) -> None:  # noqa: FBT001  # a table's column
    assert passes(HEADER, now=AT + timedelta(seconds=seconds)) is is_fresh


def test_scenario_15_any_of_several_signatures_will_do() -> None:
    header = f"t=1700000000,v1={'0' * 64},v1={DIGEST},v0=x"
    assert passes(header)
    assert sdk_passes(header)


def test_the_secret_before_is_still_good_and_an_empty_one_never() -> None:
    old = f"t=1700000000,v1={signed(RAW, 'whsec_old')}"
    assert passes(old, secrets=("whsec_new", "whsec_old"))
    assert not passes(old, secrets=("whsec_new", ""))
    empty = f"t=1700000000,v1={signed(RAW, '')}"
    assert not passes(empty, secrets=("", ""))
    assert not passes(empty, secrets=(SECRET, ""))


@pytest.mark.parametrize("raw", [RAW + b" ", RAW.replace(b":", b": "), b" " + RAW])
def test_scenario_14_other_bytes_are_refused(raw: bytes) -> None:
    assert json.loads(raw) == json.loads(RAW)
    assert not passes(HEADER, raw=raw)
    assert not sdk_passes(HEADER, raw=raw)


def test_many_signatures_cost_little() -> None:
    assert not passes("t=1700000000" + f",v1={'0' * 64}" * 1000 + f",v1={DIGEST}")


def an_event(kind: str, data: dict[str, Any], **changes: object) -> GatewayEvent:
    event: dict[str, Any] = {
        "id": "evt_7",
        "object": "event",
        "type": kind,
        "livemode": False,
        "data": {"object": data},
    }
    return read_event(json.dumps(event | changes).encode(), is_live=False)


SESSION = {
    "object": "checkout.session",
    "id": "cs_test_1",
    "client_reference_id": "KT-1",
    "payment_intent": "pi_1",
    "payment_status": "paid",
}
INTENT = {"object": "payment_intent", "id": "pi_1", "metadata": {"reference": "KT-1"}}
CHARGE = {
    "object": "charge",
    "id": "ch_1",
    "payment_intent": "pi_1",
    "metadata": {"reference": "KT-1"},
}


@pytest.mark.parametrize(
    ("kind", "data", "is_success"),
    [
        ("checkout.session.completed", SESSION, True),
        ("checkout.session.completed", SESSION | {"payment_status": "unpaid"}, False),
        ("checkout.session.async_payment_succeeded", SESSION, True),
        ("checkout.session.async_payment_failed", SESSION, False),
        ("checkout.session.expired", SESSION | {"payment_intent": None}, False),
        ("payment_intent.succeeded", INTENT, True),
        ("payment_intent.payment_failed", INTENT, False),
        ("payment_intent.processing", INTENT, False),
        ("payment_intent.canceled", INTENT, False),
        ("charge.succeeded", CHARGE, True),
        ("charge.failed", CHARGE, False),
    ],
)
def test_events_of_a_payment(kind: str, data: dict[str, Any], is_success: bool) -> None:  # noqa: FBT001  # a table's column
    event = an_event(kind, data)
    assert (event.kind, event.reference, event.is_success) == ("payment", "KT-1", is_success)
    assert event.gateway_transaction_id == (None if "expired" in kind else "pi_1")
    assert event.event_key == "evt_7"


def test_events_of_a_refund_name_ours_by_its_metadata() -> None:
    ours = uuid4()
    data = {
        "object": "refund",
        "id": "re_1",
        "payment_intent": "pi_1",
        "metadata": {"refundId": str(ours)},
    }
    for kind in ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated"):
        event = an_event(kind, data)
        assert (event.kind, event.refund_id) == ("refund", ours)
        assert event.gateway_transaction_id == "pi_1"
        assert not event.is_success
    stranger = an_event("refund.created", data | {"metadata": {}})
    assert (stranger.kind, stranger.refund_id) == ("refund", None)
    charge = an_event("charge.refunded", CHARGE)
    assert (charge.kind, charge.reference, charge.refund_id) == ("refund", "KT-1", None)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("payout.paid", {"object": "payout", "id": "po_1"}),
        ("payment_intent.succeeded", INTENT | {"metadata": {}}),
        ("checkout.session.completed", SESSION | {"client_reference_id": None}),
        ("something.new", {"object": "surprise"}),
        ("", {}),
    ],
)
def test_other_events_are_kept_and_claim_nothing(kind: str, data: dict[str, Any]) -> None:
    event = an_event(kind, data)
    assert (event.kind, event.refund_id, event.is_success) == ("other", None, False)


@pytest.mark.parametrize(("is_live", "livemode"), [(True, False), (False, True), (True, None)])
def test_scenario_22_money_of_the_other_mode_is_never_ours(
    is_live: bool,  # noqa: FBT001  # a table's column
    livemode: bool | None,  # noqa: FBT001  # the same
) -> None:
    body = {"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": INTENT}}
    raw = json.dumps(body | ({} if livemode is None else {"livemode": livemode})).encode()
    event = read_event(raw, is_live=is_live)
    assert (event.kind, event.reference, event.is_success) == ("other", None, False)


@pytest.mark.parametrize(
    ("key", "is_live"),
    [("sk_live_1", True), ("rk_live_1", True), ("sk_test_1", False), ("whatever_live_", False)],
)
def test_the_key_says_whose_money_it_is(key: str, is_live: bool) -> None:  # noqa: FBT001  # a table's column
    assert StripeKeys(key, "whsec").is_live is is_live


def test_nothing_of_card_or_payer_is_kept() -> None:
    data = CHARGE | {
        "billing_details": {"email": "ada@kiti.example", "name": "Ada"},
        "payment_method_details": {"card": {"last4": "4242"}},
        "receipt_email": "ada@kiti.example",
        "customer_details": {"phone": "+234801"},
        "shipping": {"address": {"line1": "1 Marina"}},
        "source": {"last4": "4242"},
    }
    body = an_event("charge.succeeded", data).body
    assert b"KT-1" in body
    for secret in (b"4242", b"ada@", b"Ada", b"+234801", b"Marina"):
        assert secret not in body


def test_keys_are_not_shown() -> None:
    shown = repr(StripeKeys("sk_test_secret", "whsec_secret", "whsec_before"))
    assert "secret" not in shown.replace("StripeKeys", "")
    assert "whsec" not in shown


async def test_the_adapter_reads_its_own_clock() -> None:
    clock: Callable[[], datetime] = lambda: AT  # noqa: E731  # one line, used once
    async with httpx2.AsyncClient(trust_env=False) as client:
        gateway = Stripe(
            client, base_url="http://127.0.0.1:9", keys=StripeKeys("sk_test_1", SECRET), now=clock
        )
        assert gateway.parse_webhook(RAW, {"stripe-signature": HEADER})
        with pytest.raises(BadSignature):
            gateway.parse_webhook(RAW, {})


def test_an_event_of_a_dispute_names_its_payment_and_claims_no_money() -> None:
    data = {"object": "dispute", "id": "du_1", "payment_intent": "pi_1"}
    event = an_event("charge.dispute.created", data)
    assert (event.kind, event.gateway_transaction_id, event.is_success) == (
        "dispute",
        "pi_1",
        False,
    )
    assert (event.reference, event.refund_id) == (None, None)
