"""Signed bodies of every kind: kept and answered 200, whatever stands in them; and no card."""

import json
from typing import Any

import pytest

from payments_site import Passenger, Site
from sandbox_driver import SECRET_HASH

CARD = "5531886652142950"


async def kept(site: Site) -> list[tuple[str, str, bytes]]:
    return await site.rows("SELECT kind, state, body FROM webhook_event ORDER BY event_id")  # pyright: ignore[reportReturnType]


async def opened(site: Site) -> tuple[Passenger, dict[str, Any]]:
    ada = await site.passenger()
    payment = await ada.open()
    await site.sandbox.fault("webhook", "drop", times=10)
    return ada, payment


def hook(reference: str, *, charge_id: object = 1, more: str = "") -> bytes:
    """A success as the gateway writes it; `more` is put into its data as it stands."""
    data = f'"id":{charge_id},"tx_ref":"{reference}","status":"successful","amount":1'
    return f'{{"event":"charge.completed","data":{{{data}{more}}}}}'.encode()


@pytest.mark.parametrize(
    "odd",
    [
        ',"app_fee":1e99999999999999999999',
        ',"app_fee":-1e-99999999999999999999',
        ',"app_fee":' + "9" * 5000,
        ',"narration":"\\ud800"',
        ',"narration":"\\u0000"',
        ',"narration":"' + "é" * 70_000 + '"',
        ',"tx_ref2":1,"tx_ref2":2',
    ],
    ids=["huge", "tiny", "long", "surrogate", "nul", "accents", "twice"],
)
async def test_what_can_be_read_is_dealt_with(site: Site, odd: str) -> None:
    ada, payment = await opened(site)
    await site.pay(payment)
    (made,) = (await site.sandbox.payment(payment["transactionId"]))["charges"]
    raw = hook(payment["transactionId"], charge_id=made["id"], more=odd)
    answer = await site.post_webhook(raw=raw)
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    await site.work()
    assert (await ada.read())["status"] == "CONFIRMED"
    assert [(kind, state) for kind, state, _ in await kept(site)] == [("payment", "done")]


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"\xff", b'{"a": NaN}', b"[" * 100_000, b'{"event":"' + CARD.encode()],
    ids=["nothing", "cut", "bytes", "nan", "deep", "card"],
)
async def test_what_cannot_be_read_is_parked_by_its_digest(site: Site, raw: bytes) -> None:
    for _ in range(2):
        answer = await site.post_webhook(raw=raw)
        assert (answer.status_code, answer.json()) == (200, {"received": True})
    ((kind, state, body),) = await kept(site)
    assert (kind, state) == ("other", "parked")
    assert json.loads(body) == {"kiti": "cannot be read", "bytes": len(raw)}
    assert await site.value("SELECT deliveries FROM webhook_event") == 2
    assert await site.value("SELECT count(*) FROM job") == 0
    unsigned = await site.post_webhook(raw=raw, headers={"verif-hash": "wrong"})
    assert (unsigned.status_code, unsigned.json()["code"]) == (400, "MALFORMED_JSON")
    assert len(await kept(site)) == 1


async def test_what_is_too_long_when_written_again_is_kept_short(site: Site) -> None:
    _, payment = await opened(site)
    more = ',"meta":[' + ",".join(["1e9"] * 60_000) + "]"
    assert (
        await site.post_webhook(raw=hook(payment["transactionId"], more=more))
    ).status_code == 200
    ((kind, _, body),) = await kept(site)
    assert kind == "payment"
    assert json.loads(body)["kiti"] == "too long to be kept"


async def test_no_card_is_kept_wherever_it_stands(site: Site) -> None:
    places = (
        {"card": {"first_6digits": CARD[:6], "last_4digits": CARD[-4:], "expiry": "09/32"}},
        {"first_6digits": CARD[:6], "card_last4": CARD[-4:], "expiry": "09/32"},
        {"deep": [{"payment_method": {"card": {"number": CARD}}}, {"card_number": CARD}]},
    )
    for place in places:
        body = {"event": "charge.completed", "data": {"id": 1, "status": "failed", **place}}
        assert (await site.post_webhook(body)).status_code == 200
        assert (await site.post_webhook([body])).status_code == 200
    found = await kept(site)
    assert len(found) == 6
    for _, _, body in found:
        for part in (CARD, CARD[:6], CARD[-4:], "09/32"):
            assert part.encode() not in body


async def test_news_of_two_payments_are_two_though_the_gateways_id_is_one(site: Site) -> None:
    """A body that its signature does not bind named another payment, and took the place of this."""
    ada, payment = await opened(site)
    _, other = await opened(site)
    await site.pay(payment)
    (made,) = (await site.sandbox.payment(payment["transactionId"]))["charges"]
    for reference in ("KT-NOT-OURS-1", other["transactionId"], payment["transactionId"]):
        raw = hook(reference, charge_id=made["id"])
        assert (await site.post_webhook(raw=raw)).status_code == 200
        await site.work()
    assert (await ada.read())["status"] == "CONFIRMED"
    states = [state for _, state, _ in await kept(site)]
    assert states == ["parked", "unconfirmed", "done"]


async def test_another_media_type_is_refused_before_anything_is_read(site: Site) -> None:
    answer = await site.client.post(
        "/api/payments/webhook/flutterwave",
        content=hook("KT-1"),
        headers={"content-type": "text/plain", "verif-hash": SECRET_HASH},
    )
    assert answer.status_code == 415
    assert await kept(site) == []
