"""Stripe's idempotency in the sandbox: the first answer again, errors too, for a day."""

import asyncio
import json
from urllib.parse import urlencode

import pytest
import stripe

from sandbox.stripe_shop import NAIRA, Shop, seconds_from_now
from waiting import until

REFUND = "/refunds"


async def test_the_same_key_is_answered_the_same(shop: Shop) -> None:
    intent = await shop.paid()
    body = urlencode({"payment_intent": intent.id, "amount": 100})
    first = await shop.raw(REFUND, body, "k-1")
    again = await shop.raw(REFUND, body, "k-1")
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["request-id"] == first.headers["request-id"]
    other = await shop.raw(REFUND, body, "k-2")
    assert other.json()["id"] != first.json()["id"]


async def test_the_sdk_sees_the_same_object(shop: Shop) -> None:
    first, second = await shop.open("k-1"), await shop.open("k-1")
    assert first.id == second.id
    assert (await shop.open("k-2")).id != first.id


async def test_other_parameters_under_the_same_key_are_an_error(shop: Shop) -> None:
    await shop.open("k-1")
    with pytest.raises(stripe.IdempotencyError):
        await shop.open("k-1", customer_email="b@kiti.example")
    intent = await shop.paid()
    body = urlencode({"payment_intent": intent.id})
    answer = await shop.raw(REFUND, body, "k-1")
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "idempotency_error")


async def test_a_call_under_way_is_a_conflict(shop: Shop) -> None:
    intent = await shop.paid()
    body = urlencode({"payment_intent": intent.id, "amount": 100})
    await shop.fault("refund", "delay", delay_s=600)
    slow = asyncio.create_task(shop.raw(REFUND, body, "k-1"))

    async def is_there() -> bool:
        counts = (await shop.driver.control("GET", "/calls")).json()
        return counts["stripe"].get("refund", 0) == 1

    await until(is_there)
    clash = await shop.raw(REFUND, body, "k-1")
    assert clash.status_code == 409
    assert clash.json()["error"]["code"] == "idempotency_key_in_use"
    await shop.driver.advance(601)
    assert (await slow).status_code == 200
    replay = await shop.raw(REFUND, body, "k-1")
    assert replay.headers["idempotent-replayed"] == "true"


async def test_an_error_is_kept_once_the_work_began(shop: Shop) -> None:
    intent = await shop.paid()
    body = urlencode({"payment_intent": intent.id, "amount": 100})
    await shop.fault("refund", "error_after")
    first = await shop.raw(REFUND, body, "k-1")
    again = await shop.raw(REFUND, body, "k-1")
    assert first.status_code == again.status_code == 500
    assert again.headers["idempotent-replayed"] == "true"
    found = await shop.do(lambda v1: v1.refunds.list({"payment_intent": intent.id}))
    assert [each.amount for each in found.data] == [100]


async def test_a_refusal_is_kept_once_the_work_began(shop: Shop) -> None:
    intent = await shop.paid()
    await shop.refund(intent)
    body = urlencode({"payment_intent": intent.id})
    for is_replayed in (False, True):
        answer = await shop.raw(REFUND, body, "k-1")
        assert answer.status_code == 400
        assert ("idempotent-replayed" in answer.headers) is is_replayed


async def test_what_fails_validation_is_not_kept(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        await shop.open("k-1", success_url="nonsense")
    assert (await shop.open("k-1")).status == "open"


async def test_a_reply_that_was_lost_is_there_for_the_next_try(shop: Shop) -> None:
    intent = await shop.paid()
    body = urlencode({"payment_intent": intent.id})
    await shop.fault("refund", "lose_reply")
    with pytest.raises(stripe.APIConnectionError):
        await shop.refund(intent, "k-1")
    again = await shop.raw(REFUND, body, "k-1")
    assert again.headers["idempotent-replayed"] == "true"
    assert json.loads(again.content)["amount"] == NAIRA


async def test_a_call_that_never_arrived_is_made_by_the_next_try(shop: Shop) -> None:
    intent = await shop.paid()
    await shop.fault("refund", "drop")
    with pytest.raises(stripe.APIConnectionError):
        await shop.refund(intent, "k-1")
    assert (await shop.refund(intent, "k-1")).amount == NAIRA


async def test_a_replayed_session_is_not_checked_again(shop: Shop) -> None:
    ends_at = seconds_from_now(31)
    first = await shop.open("k-1", expires_at=ends_at)
    await shop.driver.advance(20 * 60)
    assert (await shop.open("k-1", expires_at=ends_at)).id == first.id


async def test_a_key_is_forgotten_after_a_day(shop: Shop) -> None:
    first = await shop.open("k-1")
    await shop.driver.advance(24 * 3600 + 1)
    assert (await shop.open("k-1")).id != first.id


async def test_without_a_key_twice_asked_is_twice_done(shop: Shop) -> None:
    intent = await shop.paid()
    body = urlencode({"payment_intent": intent.id, "amount": 100})
    ids = {(await shop.raw(REFUND, body)).json()["id"] for _ in range(2)}
    assert len(ids) == 2


async def test_a_key_has_a_length(shop: Shop) -> None:
    intent = await shop.paid()
    body = urlencode({"payment_intent": intent.id})
    assert (await shop.raw(REFUND, body, "k" * 256)).status_code == 400
    assert (await shop.raw(REFUND, body, "k" * 255)).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        "a[b][c][d][e][f][g][h][i]=1",
        "[]=1",
        "payment_intent[x]=1&payment_intent[y]=2",
        "payment_intent=pi_1&payment_intent[x]=2",
        "amount=nonsense",
        "amount=-1",
        "amount=99999999999999999999",
        "\xff=\xfe",
        "&".join(f"metadata[k{n}]=v" for n in range(1001)),
        "metadata[" + "k" * 41 + "]=v",
    ],
)
async def test_odd_forms_are_refused(shop: Shop, body: str) -> None:
    answer = await shop.raw(REFUND, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_a_body_has_a_limit(shop: Shop) -> None:
    assert (await shop.raw(REFUND, "a=" + "x" * 300_000)).status_code == 413
