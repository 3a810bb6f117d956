"""Flutterwave's webhooks: who may speak, and what is understood of it."""

import json

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiti.payments.gateways.flutterwave import Flutterwave, FlutterwaveKeys
from kiti.payments.gateways.port import GatewayEvent
from kiti.payments.model import BadSignature
from kiti.platform.errors import MalformedJson
from kiti.platform.ids import new_id
from payments.conftest import FlutterwaveBench

# The published vector of reference/flutterwave.md section 2.
VECTOR = (
    b'{"event":"charge.completed","data":{"id":285959875,"tx_ref":"BK-7F3K-1",'
    b'"status":"successful","amount":7500,"currency":"NGN"}}'
)
VECTOR_SECRET = "bus-hash-1"
VECTOR_SIGNATURE = "RfP9ULnwxYrFpp8+/E7u6LlnyBGWFiHM0032aM9xLw4="
HMAC = "flutterwave-signature"
HASH = "verif-hash"


def odd_bodies() -> st.SearchStrategy[bytes]:
    """JSON of the known shapes with any values in the known places."""
    odd = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    odd |= st.sampled_from(["\ud800", "successful", "x" * 300, "KT-1", 10**400])
    names = ["id", "tx_ref", "txRef", "reference", "status", "comments", "TransactionId",
             "AmountRefunded", "card", "event"]  # fmt: skip
    data = st.dictionaries(st.sampled_from(names), odd)
    whole = st.fixed_dictionaries(
        {
            "event": st.sampled_from(["charge.completed", "refund.completed", "x"]),
            "data": data | odd,
        }
    )
    return (whole | data).map(lambda value: json.dumps(value).encode())


def adapter(secret: str = VECTOR_SECRET, previous: str = "") -> Flutterwave:
    """An adapter that never calls anybody."""
    keys = FlutterwaveKeys("FLWSECK_TEST-the-api-key", secret, previous)
    return Flutterwave(httpx2.AsyncClient(), base_url="http://127.0.0.1:9/v3", keys=keys)


def read(body: object, *, raw: bytes | None = None) -> GatewayEvent:
    """The event of a body that is let in."""
    raw = json.dumps(body).encode() if raw is None else raw
    (event,) = adapter().parse_webhook(raw, {HASH: VECTOR_SECRET})
    return event


@pytest.mark.parametrize(
    ("headers", "is_good"),
    [
        ({HMAC: VECTOR_SIGNATURE}, True),
        ({HASH: VECTOR_SECRET}, True),
        ({HMAC: VECTOR_SIGNATURE, HASH: "wrong"}, True),
        ({HMAC: "wrong", HASH: VECTOR_SECRET}, False),
        ({HMAC: "", HASH: VECTOR_SECRET}, False),
        ({HMAC: VECTOR_SECRET}, False),
        ({HASH: VECTOR_SIGNATURE}, False),
        ({HASH: "FLWSECK_TEST-the-api-key"}, False),
        ({HASH: VECTOR_SECRET.upper()}, False),
        ({HASH: VECTOR_SECRET + " "}, False),
        ({HASH: "ключ"}, False),
        ({HASH: ""}, False),
        ({}, False),
    ],
)
def test_the_signature_decides(headers: dict[str, str], is_good: bool) -> None:  # noqa: FBT001
    if is_good:
        assert adapter().parse_webhook(VECTOR, headers)
    else:
        with pytest.raises(BadSignature):
            adapter().parse_webhook(VECTOR, headers)


def test_the_hmac_is_over_the_raw_bytes() -> None:
    spaced = json.dumps(json.loads(VECTOR)).encode()
    assert json.loads(spaced) == json.loads(VECTOR)
    for altered in (spaced, VECTOR + b"\n", VECTOR.replace(b"7500", b"7501"), b""):
        with pytest.raises(BadSignature):
            adapter().parse_webhook(altered, {HMAC: VECTOR_SIGNATURE})


def test_an_unset_secret_lets_nobody_in() -> None:
    empty_hmac = "thNnmggU2ex3L5XXeMNfxf8Wl8STcVZTxscSFEKSxa0="  # HMAC-SHA256 of nothing, no key
    for headers in ({HASH: ""}, {}, {HMAC: ""}, {HMAC: empty_hmac}):
        with pytest.raises(BadSignature):
            adapter(secret="").parse_webhook(b"", headers)


def test_the_previous_secret_is_still_accepted() -> None:
    rotated = adapter(secret="bus-hash-2", previous=VECTOR_SECRET)
    assert rotated.parse_webhook(VECTOR, {HMAC: VECTOR_SIGNATURE})
    assert rotated.parse_webhook(VECTOR, {HASH: VECTOR_SECRET})
    assert rotated.parse_webhook(VECTOR, {HASH: "bus-hash-2"})
    with pytest.raises(BadSignature):
        rotated.parse_webhook(VECTOR, {HASH: ""})


def test_bad_signature_is_401_of_its_own_code() -> None:
    assert (BadSignature.status, BadSignature.code()) == (401, "BAD_SIGNATURE")


def test_shape_a_the_envelope() -> None:
    data = {"id": 285959875, "tx_ref": "KT-1", "status": "successful", "amount": 100}
    event = read({"event": "charge.completed", "event.type": "CARD_TRANSACTION", "data": data})
    assert (event.kind, event.reference, event.gateway_transaction_id, event.is_success) == (
        "payment",
        "KT-1",
        "285959875",
        True,
    )
    declined = read({"event": "charge.completed", "data": data | {"status": "failed"}})
    assert not declined.is_success
    assert declined.event_key != event.event_key


def test_shape_b_the_flat_one() -> None:
    event = read(
        {"id": 8944267, "txRef": "KT-2", "flwRef": "F", "amount": 3100, "status": "successful",
         "currency": "NGN", "customer": {"id": 1}, "entity": {"card6": "553188"},
         "event.type": "CARD_TRANSACTION"}
    )  # fmt: skip
    assert (event.kind, event.reference, event.gateway_transaction_id, event.is_success) == (
        "payment",
        "KT-2",
        "8944267",
        True,
    )


def test_shape_c_the_refund() -> None:
    refund_id = new_id()
    body = {"id": 89074, "AmountRefunded": 5000, "status": "completed", "FlwRef": "f",
            "comments": str(refund_id), "meta": "{}", "TransactionId": 8784082}  # fmt: skip
    event = read(body)
    assert (event.kind, event.refund_id, event.gateway_transaction_id) == (
        "refund",
        refund_id,
        "8784082",
    )
    assert read(body | {"comments": "made by hand"}).refund_id is None
    assert read(body | {"status": "processing"}).event_key != event.event_key


def test_shape_d_of_v4() -> None:
    data = {"id": "chg_1", "amount": 25000, "status": "succeeded", "reference": "KT-3"}
    event = read({"type": "charge.completed", "data": data})
    assert (event.kind, event.reference, event.is_success) == ("payment", "KT-3", True)
    assert event.gateway_transaction_id is None  # v3 verifies by numbers: the reference leads


def test_other_news_is_kept_and_means_nothing() -> None:
    for body in (
        {"event": "transfer.completed", "data": {"id": 1, "status": "SUCCESSFUL"}},
        {"event": "charge.completed", "data": "successful"},
        {"event": "charge.completed"},
        {"txref": "KT-1"},
        [],
    ):
        event = read(body)
        assert (event.kind, event.reference, event.is_success) == ("other", None, False)


@pytest.mark.parametrize("odd", [None, True, 3.5, "", [], {}, "x" * 500, "a\nb"])
def test_odd_values_are_no_reference(odd: object) -> None:
    body = {"event": "charge.completed", "data": {"id": odd, "tx_ref": odd, "status": odd}}
    event = read(body)
    assert event.reference is None
    assert event.gateway_transaction_id is None
    assert event.event_key.startswith("raw:")


@given(st.binary(max_size=300) | odd_bodies())
def test_any_signed_body_is_an_event_or_malformed(raw: bytes) -> None:
    try:
        (event,) = adapter().parse_webhook(raw, {HASH: VECTOR_SECRET})
    except MalformedJson:
        return
    assert 0 < len(event.event_key) <= 200
    assert event.reference is None or 0 < len(event.reference) <= 200
    assert b"\xed\xa0" not in event.body  # what is kept is UTF-8


async def test_what_is_kept_names_no_card_and_no_payer(bench: FlutterwaveBench) -> None:
    for shape in ("envelope", "flat"):
        await bench.driver.options(webhook_shape=shape)
        reference = await _pay(bench)
        hook = await bench.hook()
        assert b"first_6digits" in hook.raw or b"card6" in hook.raw
        (event,) = bench.gateway.parse_webhook(hook.raw, hook.headers)
        for secret in (b"first_6", b"card6", b"09/32", b"4246", b"ada@", b"0801", b"Ada", b"127.0"):
            assert secret not in event.body, (shape, secret)
        assert reference.encode() in event.body
        assert b"7500" in event.body


async def _pay(bench: FlutterwaveBench) -> str:
    body = bench.driver.body()
    await bench.driver.submit(await bench.driver.create(**body), "pay")
    return body["tx_ref"]
