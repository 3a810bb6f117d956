"""The Stripe adapter beyond the suite: what it sends, odd replies, keys, closing, the books."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest
import stripe

from kiti.payments.gateways.flutterwave import gateway_client
from kiti.payments.gateways.port import CheckoutResult
from kiti.payments.gateways.stripe import Stripe, StripeKeys
from kiti.platform.clock import utc_now
from kiti.platform.money import Money
from payments.gateway_conformance import NAIRA, a_refund, a_request
from payments.stripe_bench import KEY, StripeBench


class Scripted:
    """A server that answers what it is told, in turn, and keeps what it was sent."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: deque[tuple[int, bytes]] = deque()
        self.requests: list[tuple[str, dict[str, str], str]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {n.lower(): v for n, v in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.requests.append((first, headers, body.decode()))
        status, answer = self.answers.popleft()
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n"
            f"content-length: {len(answer)}\r\n\r\n".encode()
            + answer
        )
        await writer.drain()
        writer.close()


@asynccontextmanager
async def scripted(*answers: tuple[int, object]) -> AsyncGenerator[tuple[Scripted, Stripe]]:
    script = Scripted()
    for status, body in answers:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        script.answers.append((status, raw))
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with gateway_client() as client:
        yield script, Stripe(client, base_url=script.url, keys=StripeKeys(KEY, "whsec"))
    server.close()
    await server.wait_closed()


def an_error(kind: str = "api_error", **more: str) -> dict[str, object]:
    return {"error": {"type": kind, "message": "no", **more}}


async def test_it_sends_what_the_call_needs_and_nothing_of_this_machine() -> None:
    session = {"id": "cs_test_1", "object": "checkout.session", "url": "http://127.0.0.1/pay"}
    async with scripted((200, session), (200, session)) as (script, gateway):
        request = a_request()
        await gateway.create_checkout(request)
        await gateway.create_checkout(request)
    for first, headers, body in script.requests:
        assert first == "POST /v1/checkout/sessions HTTP/1.1"
        assert headers["idempotency-key"] == request.reference
        assert headers["authorization"] == f"Bearer {KEY}"
        assert not any("telemetry" in name or "client-user" in name for name in headers)
        assert headers["user-agent"].startswith("Stripe/v1 PythonBindings")
        assert "client_reference_id=" in body
    assert script.requests[0][2] == script.requests[1][2]
    assert stripe.api_key is None  # nothing of a module is set


async def test_the_payers_address_is_not_in_the_reason() -> None:
    words = {"code": "email_invalid", "param": "customer_email"}
    answer = an_error("invalid_request_error", **words)
    told = answer["error"]
    assert isinstance(told, dict)
    told["message"] = "Invalid email address: ada@kiti.example"
    async with scripted((400, answer)) as (_, gateway):
        result = await gateway.create_checkout(a_request())
    assert result.outcome == "REFUSED"
    assert result.reason == "400 invalid_request_error email_invalid customer_email"


@pytest.mark.parametrize("status", [429, 409, 503])
async def test_a_busy_gateway_is_asked_again_under_the_same_key(status: int) -> None:
    session = {"id": "cs_test_1", "object": "checkout.session", "url": "http://127.0.0.1/pay"}
    async with scripted((status, an_error("rate_limit")), (200, session)) as (script, gateway):
        result = await gateway.create_checkout(a_request())
    assert result.outcome == "OPEN"
    first, second = (headers["idempotency-key"] for _, headers, _ in script.requests)
    assert first == second


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(400, "REFUSED"), (401, "REFUSED"), (402, "REFUSED"), (403, "REFUSED"), (404, "REFUSED"),
     (408, "UNKNOWN"), (425, "UNKNOWN"), (500, "UNKNOWN"), (501, "UNKNOWN")],
)  # fmt: skip
async def test_which_answers_are_a_refusal(status: int, outcome: str) -> None:
    answer = (status, an_error("invalid_request_error"))
    async with scripted(answer, answer, answer) as (script, gateway):
        assert (await gateway.create_checkout(a_request())).outcome == outcome
        fetched = await gateway.fetch_payment(reference="KT-1", gateway_id="cs_1")
        refunded = await gateway.create_refund(a_refund("pi_1"))
    assert fetched.status == "UNKNOWN"
    assert refunded.status == outcome
    assert len(script.requests) == 3  # none of these is worth a second try


@pytest.mark.parametrize("status", [429, 409, 502, 503, 504])
async def test_busy_twice_is_unknown_never_refused(status: int) -> None:
    async with scripted(*[(status, an_error())] * 6) as (_, gateway):
        assert (await gateway.create_checkout(a_request())).outcome == "UNKNOWN"
        assert (await gateway.create_refund(a_refund("pi_1"))).status == "UNKNOWN"


async def test_a_key_that_was_used_for_something_else_is_unknown() -> None:
    async with scripted((400, an_error("idempotency_error"))) as (_, gateway):
        assert (await gateway.create_checkout(a_request())).outcome == "UNKNOWN"


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"[]", b"null", b"3", b'"x"', b"{}", b'{"id": 3}', b"<html>"]
)
async def test_a_reply_that_is_not_stripes_is_unknown(body: bytes) -> None:
    async with scripted(*[(200, body)] * 12) as (_, gateway):
        assert (await gateway.create_checkout(a_request())).outcome == "UNKNOWN"
        for gateway_id in ("cs_1", None):
            found = await gateway.fetch_payment(reference="KT-1", gateway_id=gateway_id)
            assert found.status in {"UNKNOWN", "NOT_FOUND"}
            assert not found.receipts
        assert (await gateway.create_refund(a_refund("pi_1"))).status == "UNKNOWN"
        assert (await gateway.find_refund(a_refund("pi_1"))).status == "UNKNOWN"
        assert await gateway.list_disputes(since=utc_now()) is None


@pytest.mark.parametrize("link", ["javascript:alert(1)", "ftp://x/y", "", None, "http://[", 3])
async def test_a_link_that_no_browser_may_be_sent_to_is_unknown(link: object) -> None:
    session = {"id": "cs_test_1", "object": "checkout.session", "url": link}
    async with scripted((200, session)) as (_, gateway):
        assert (await gateway.create_checkout(a_request())).outcome == "UNKNOWN"


async def test_another_payments_session_is_not_ours() -> None:
    session = {"id": "cs_1", "client_reference_id": "KT-2", "status": "complete"}
    async with scripted((200, session)) as (_, gateway):
        found = await gateway.fetch_payment(reference="KT-1", gateway_id="cs_1")
    assert found.status == "NOT_FOUND"


async def test_an_amount_that_stripe_cannot_take_is_refused_before_it_is_sent() -> None:
    async with scripted() as (script, gateway):
        tnd = Money(75_001, "TND")
        assert (await gateway.create_checkout(a_request(money=tnd))).outcome == "REFUSED"
        assert (await gateway.create_refund(a_refund("pi_1", money=tnd))).status == "REFUSED"
        assert (await gateway.create_refund(a_refund("8415006"))).status == "REFUSED"
    assert not script.requests


async def opened(bench: StripeBench) -> tuple[str, CheckoutResult]:
    request = a_request()
    return request.reference, await bench.gateway.create_checkout(request)


async def paid(bench: StripeBench) -> tuple[str, str]:
    reference, result = await opened(bench)
    await bench.pay(result)
    found = await bench.gateway.fetch_payment(reference=reference, gateway_id=result.gateway_id)
    return reference, found.receipts[0].gateway_transaction_id


async def test_scenario_07_the_same_key_brings_the_same_session(stripe_bench: StripeBench) -> None:
    request = a_request()
    first = await stripe_bench.gateway.create_checkout(request)
    assert await stripe_bench.gateway.create_checkout(request) == first
    other = await stripe_bench.gateway.create_checkout(replace(request, email="b@kiti.example"))
    assert other.outcome == "UNKNOWN"
    assert await stripe_bench.checkouts(request.reference) == 1


async def test_scenario_09_an_error_that_is_said_again_is_not_final(
    stripe_bench: StripeBench,
) -> None:
    request = a_request()
    await stripe_bench.fault("create", "error_after")
    for _ in range(3):
        result = await stripe_bench.gateway.create_checkout(request)
        assert result.outcome == "UNKNOWN"
    assert await stripe_bench.checkouts(request.reference) == 1
    (known,) = await stripe_bench.payments(request.reference)
    hidden = CheckoutResult("OPEN", stripe_bench.driver.url + known["path"])
    await stripe_bench.pay(hidden)
    found = await stripe_bench.gateway.fetch_payment(reference=request.reference)
    assert found.status == "SUCCEEDED"


async def test_a_refund_sent_twice_by_mistake_is_made_once(stripe_bench: StripeBench) -> None:
    _, transaction_id = await paid(stripe_bench)
    refund = a_refund(transaction_id, money=Money(100_000, "NGN"))
    first = await stripe_bench.gateway.create_refund(refund)
    assert await stripe_bench.gateway.create_refund(refund) == first
    assert (await stripe_bench.gateway.find_refund(refund)).given == Money(100_000, "NGN")


async def test_a_refund_that_was_refused_is_sent_again_under_a_new_key(
    stripe_bench: StripeBench,
) -> None:
    _, transaction_id = await paid(stripe_bench)
    refund = a_refund(transaction_id)
    await stripe_bench.fault("refund", "fail_refund", refuse=True)
    assert (await stripe_bench.gateway.create_refund(refund)).status == "REFUSED"
    # The first key is said again, and uses up the first of these; the second is refused anew.
    await stripe_bench.fault("refund", "fail_refund", refuse=True, times=2)
    assert (await stripe_bench.gateway.create_refund(refund)).status == "REFUSED"
    assert (await stripe_bench.gateway.create_refund(refund)).status == "SUCCEEDED"
    assert (await stripe_bench.gateway.find_refund(refund)).given == NAIRA


async def test_the_rest_of_a_refund_is_another_sending(stripe_bench: StripeBench) -> None:
    _, transaction_id = await paid(stripe_bench)
    refund = a_refund(transaction_id)
    await stripe_bench.fault("refund", "wrong_amount", amount=7000)
    assert (await stripe_bench.gateway.create_refund(refund)).given == Money(700_000, "NGN")
    rest = replace(refund, money=Money(50_000, "NGN"))
    assert (await stripe_bench.gateway.create_refund(rest)).given == rest.money
    assert (await stripe_bench.gateway.find_refund(refund)).given == NAIRA


async def test_slow_money_that_fails_has_failed(stripe_bench: StripeBench) -> None:
    reference, result = await opened(stripe_bench)
    await stripe_bench.pay(result, "pay_late", delay_s="9000")
    gateway, session_id = stripe_bench.gateway, result.gateway_id
    assert session_id is not None
    assert await gateway.expire_checkout(gateway_id=session_id) == "NOT_OPEN"
    (known,) = await stripe_bench.payments(reference)
    intent_id = known["charges"][0]["id"]
    await stripe_bench.steer("/payments/end", payment_intent=intent_id, is_paid=False)
    found = await gateway.fetch_payment(reference=reference, gateway_id=session_id)
    assert found.status == "FAILED"


async def test_a_decline_has_failed_once_the_page_is_over(stripe_bench: StripeBench) -> None:
    reference, result = await opened(stripe_bench)
    await stripe_bench.pay(result, "decline")
    await stripe_bench.advance(40 * 60)
    found = await stripe_bench.gateway.fetch_payment(
        reference=reference, gateway_id=result.gateway_id
    )
    assert found.status == "FAILED"


async def test_an_event_can_lead_to_a_payment_beside_the_session(
    stripe_bench: StripeBench,
) -> None:
    reference, result = await opened(stripe_bench)
    made = await stripe_bench.steer("/payments", reference=reference)
    found = await stripe_bench.gateway.fetch_payment(
        reference=reference, gateway_id=result.gateway_id, gateway_transaction_id=made["id"]
    )
    assert [each.gateway_transaction_id for each in found.receipts] == [made["id"]]


async def test_disputes_are_told_with_their_deadline(stripe_bench: StripeBench) -> None:
    gateway, since = stripe_bench.gateway, utc_now() - timedelta(hours=1)
    assert await gateway.list_disputes(since=since) == []
    _, transaction_id = await paid(stripe_bench)
    _, other_id = await paid(stripe_bench)
    await stripe_bench.steer("/disputes", payment_intent=transaction_id, due_s=86_400)
    await stripe_bench.steer("/disputes", payment_intent=other_id, is_inquiry=True)
    found = await gateway.list_disputes(since=since)
    assert found is not None
    inquiry, dispute = found
    assert (inquiry.status, dispute.status) == ("INQUIRY", "NEEDS_RESPONSE")
    assert dispute.gateway_transaction_id == transaction_id
    assert gateway.from_wire(dispute.amount, dispute.currency or "") == NAIRA
    assert dispute.due_at is not None
    assert timedelta(hours=23) < dispute.due_at - utc_now() < timedelta(hours=25)
    await stripe_bench.steer(f"/disputes/{dispute.gateway_dispute_id}", status="lost")
    again = await gateway.list_disputes(since=since)
    assert again is not None
    assert [each.status for each in again] == ["INQUIRY", "LOST"]
    assert again[1].due_at is None
    assert await gateway.list_disputes(since=utc_now() + timedelta(hours=1)) == []


async def test_a_disputed_payment_is_not_refunded(stripe_bench: StripeBench) -> None:
    _, transaction_id = await paid(stripe_bench)
    await stripe_bench.steer("/disputes", payment_intent=transaction_id)
    refund = await stripe_bench.gateway.create_refund(a_refund(transaction_id))
    assert refund.status == "REFUSED"


async def test_the_lines_of_a_settlement_sum_to_what_was_paid(stripe_bench: StripeBench) -> None:
    gateway, since = stripe_bench.gateway, utc_now() - timedelta(hours=1)
    _, first_id = await paid(stripe_bench)
    _, second_id = await paid(stripe_bench)
    refund = a_refund(first_id, money=Money(100_000, "NGN"))
    await gateway.create_refund(refund)
    await stripe_bench.steer("/disputes", payment_intent=second_id, amount=1000)
    await stripe_bench.steer("/payouts")
    found = await gateway.list_settlements(since=since)
    assert found is not None
    (settlement,) = found
    assert settlement.status == "PAID"
    lines = await gateway.list_settlement_lines(settlement_id=settlement.settlement_id)
    assert lines is not None
    assert [each.kind for each in lines] == ["PAYOUT", "DISPUTE", "REFUND", "PAYMENT", "PAYMENT"]
    nets = [line.amount - line.fee for line in lines if line.kind != "PAYOUT"]
    assert sum(net.amount_minor for net in nets) == settlement.money.amount_minor
    assert [each.gateway_transaction_id for each in lines[1:]] == [
        second_id,
        first_id,
        second_id,
        first_id,
    ]
    assert lines[2].refund_id == str(refund.refund_id)
    assert await gateway.list_settlement_lines(settlement_id="../refunds") is None
    assert await gateway.list_settlement_lines(settlement_id="po_unknown") is None


async def test_long_lists_are_read_to_their_end(stripe_bench: StripeBench) -> None:
    _, transaction_id = await paid(stripe_bench)
    for _ in range(105):
        await stripe_bench.gateway.create_refund(a_refund(transaction_id, money=Money(100, "NGN")))
    await stripe_bench.steer("/payouts")
    (settlement,) = await stripe_bench.gateway.list_settlements(
        since=utc_now() - timedelta(hours=1)
    ) or [None]
    assert settlement is not None
    lines = await stripe_bench.gateway.list_settlement_lines(settlement_id=settlement.settlement_id)
    assert lines is not None
    assert len(lines) == 107
    assert len({line.line_id for line in lines}) == 107


async def test_a_client_of_ours_is_all_that_it_uses() -> None:
    """No client of the SDK's own is made: it would read the environment's proxies."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        gateway = Stripe(client, base_url="http://127.0.0.1:9/", keys=StripeKeys("sk", "wh"))
        found = await gateway.fetch_payment(reference="KT-1", gateway_id="cs_1")
    assert found.status == "UNKNOWN"
    assert stripe.default_http_client is None
