"""Our Stripe adapter against Stripes that others wrote: `make peers` gets them and runs this."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import stripe

from kiti.payments.gateways.flutterwave import gateway_client
from kiti.payments.gateways.port import CheckoutResult, GatewayEvent
from kiti.payments.gateways.stripe import Stripe, StripeKeys
from kiti.platform.money import Money
from payments.gateway_conformance import NAIRA, a_refund, a_request
from peers.peer_process import PEERS, free_port, listens, peer
from sandbox_driver import Receiver

KEY, SECRET = "sk_test_of_the_peers", "whsec_of_the_peers"


@dataclass
class Peer:
    """Another Stripe, our adapter on it, and where its webhooks arrive."""

    url: str
    gateway: Stripe
    receiver: Receiver
    http: httpx2.AsyncClient

    async def event(self) -> GatewayEvent:
        """The next webhook: its signature holds here and in the official SDK."""
        arrived = await self.receiver.next()
        header = arrived.headers["stripe-signature"]
        stripe.Webhook.construct_event(  # pyright: ignore[reportUnknownMemberType]
            arrived.raw, header, SECRET
        )
        (event,) = self.gateway.parse_webhook(arrived.raw, arrived.headers)
        return event

    async def post(self, path: str, **form: str) -> dict[str, Any]:
        """A call of the API by hand."""
        answer = await self.http.post(self.url + path, data=form, auth=(KEY, ""))
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    async with Receiver.listening() as listening:
        yield listening


async def _peer(url: str, receiver: Receiver) -> AsyncGenerator[Peer]:
    await listens(url)
    async with gateway_client() as calls, httpx2.AsyncClient(trust_env=False) as http:
        keys = StripeKeys(KEY, SECRET)
        yield Peer(url, Stripe(calls, base_url=url, keys=keys), receiver, http)


@pytest.fixture
async def getpaid(receiver: Receiver, tmp_path: Path) -> AsyncGenerator[Peer]:
    port = free_port()
    settings = {
        "SIMULATOR_STRIPE_API_KEY": KEY,
        "SIMULATOR_STRIPE_WEBHOOK_SECRET": SECRET,
        "SIMULATOR_STRIPE_NOTIFY_URL": f"{receiver.url}/hook",
    }
    command = (PEERS / "getpaid/bin/python", "-m", "getpaid_simulator")
    options = ("--host", "127.0.0.1", "--port", str(port))
    with peer(*command, *options, log=tmp_path / "log", settings=settings):
        async for each in _peer(f"http://127.0.0.1:{port}", receiver):
            yield each


@pytest.fixture
async def localstripe(receiver: Receiver, tmp_path: Path) -> AsyncGenerator[Peer]:
    port = free_port()
    script = Path(__file__).with_name("localstripe_here.py")
    command = (PEERS / "localstripe/bin/python", script, str(port))
    with peer(*command, log=tmp_path / "log", settings={}):
        async for each in _peer(f"http://127.0.0.1:{port}", receiver):
            hook = {"url": f"{receiver.url}/hook", "secret": SECRET}
            answer = await each.http.post(f"{each.url}/_config/webhooks/kiti", data=hook)
            assert answer.status_code == 200, answer.text
            yield each


async def opened(peer: Peer) -> tuple[str, CheckoutResult]:
    request = a_request()
    result = await peer.gateway.create_checkout(request)
    assert result.outcome == "OPEN", result
    return request.reference, result


async def at_page(peer: Peer, result: CheckoutResult, action: str) -> None:
    assert result.redirect_url is not None
    answer = await peer.http.post(result.redirect_url, data={"action": action})
    assert answer.status_code < 400, answer.text


async def test_getpaid_a_session_is_paid_told_and_given_back(getpaid: Peer) -> None:
    reference, result = await opened(getpaid)
    before = await getpaid.gateway.fetch_payment(reference=reference, gateway_id=result.gateway_id)
    assert before.receipts == ()
    await at_page(getpaid, result, "pay")
    events = [await getpaid.event() for _ in range(3)]
    assert {event.reference for event in events if event.is_success} == {reference}
    named = next(event.gateway_transaction_id for event in events if event.is_success)
    paid = await getpaid.gateway.fetch_payment(
        reference=reference, gateway_id=result.gateway_id, gateway_transaction_id=named
    )
    assert [receipt.money for receipt in paid.receipts] == [NAIRA]
    transaction_id = paid.receipts[0].gateway_transaction_id
    part = a_refund(transaction_id, money=Money(250_000, "NGN"))
    given = await getpaid.gateway.create_refund(part)
    assert (given.status, given.given) in {
        ("SUCCEEDED", Money(250_000, "NGN")), ("PENDING", Money(250_000, "NGN")),
    }  # fmt: skip
    too_much = await getpaid.gateway.create_refund(a_refund(transaction_id))
    assert too_much.status == "REFUSED"
    told = [await getpaid.event() for _ in range(3)]
    assert part.refund_id in {event.refund_id for event in told}


async def test_getpaid_a_declined_card_brings_nothing(getpaid: Peer) -> None:
    reference, result = await opened(getpaid)
    await at_page(getpaid, result, "decline")
    found = await getpaid.gateway.fetch_payment(reference=reference, gateway_id=result.gateway_id)
    assert found.receipts == ()
    assert found.status != "SUCCEEDED"  # it does not expand the intent, so nobody knows


async def test_getpaid_a_page_is_closed_once(getpaid: Peer) -> None:
    _, result = await opened(getpaid)
    assert result.gateway_id is not None
    assert await getpaid.gateway.expire_checkout(gateway_id=result.gateway_id) == "EXPIRED"
    assert await getpaid.gateway.expire_checkout(gateway_id=result.gateway_id) == "NOT_OPEN"
    assert (await getpaid.event()).kind == "payment"


async def paid_intent(peer: Peer, reference: str) -> str:
    """A payment intent with our reference, paid by card."""
    card = {
        "type": "card", "card[number]": "4242424242424242", "card[exp_month]": "12",
        "card[exp_year]": "2030", "card[cvc]": "123",
    }  # fmt: skip
    method = await peer.post("/v1/payment_methods", **card)
    made = await peer.post(
        "/v1/payment_intents",
        **{
            "amount": str(NAIRA.amount_minor), "currency": "ngn", "confirm": "true",
            "payment_method": method["id"], "metadata[reference]": reference,
        },
    )  # fmt: skip
    return made["id"]


async def test_localstripe_an_intent_is_told_and_given_back(localstripe: Peer) -> None:
    """It does not say what was received: that is no money, whatever else it says."""
    reference = a_request().reference
    intent_id = await paid_intent(localstripe, reference)
    found = await localstripe.gateway.fetch_payment(
        reference=reference, gateway_transaction_id=intent_id
    )
    assert (found.status, found.receipts) == ("UNKNOWN", ())
    event = await localstripe.event()
    while not event.is_success:
        event = await localstripe.event()
    assert (event.reference, event.gateway_transaction_id) == (reference, intent_id)
    request = a_refund(intent_id)
    given = await localstripe.gateway.create_refund(request)
    assert (given.status, given.given) == ("SUCCEEDED", NAIRA)
    looked = await localstripe.gateway.find_refund(request)
    assert (looked.status, looked.given) == ("SUCCEEDED", NAIRA)


async def test_localstripe_has_no_sessions_and_that_is_a_refusal(localstripe: Peer) -> None:
    result = await localstripe.gateway.create_checkout(a_request())
    assert result.outcome == "REFUSED"
