"""The Flutterwave adapter on a sandbox of its own, over real HTTP; reset before each test."""

import base64
import hashlib
import hmac
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import httpx2
import pytest

from kiti.payments.gateways.flutterwave import Flutterwave, FlutterwaveKeys, gateway_client
from kiti.payments.gateways.port import CheckoutResult
from kiti.payments.gateways.stripe import Stripe, StripeKeys
from kiti.sandbox import SandboxSettings, serving
from payments.gateway_conformance import Hook
from payments.stripe_bench import KEY, SECRET, StripeBench, stripe_sandbox
from sandbox_driver import SECRET_HASH, SECRET_KEY, Driver, Receiver


@dataclass
class FlutterwaveBench:
    """The adapter, the sandbox and a merchant's server that takes webhooks."""

    gateway: Flutterwave
    driver: Driver
    receiver: Receiver
    clients: list[httpx2.AsyncClient] = field(default_factory=list[httpx2.AsyncClient])

    async def pay(self, result: CheckoutResult, action: str = "pay", **more: str) -> None:
        assert result.redirect_url is not None
        answer = await self.driver.submit(result.redirect_url, action, **more)
        assert answer.status_code == 303, answer.text

    async def pay_again(self, reference: str) -> None:
        order = {"tx_ref": reference}
        answer = await self.driver.control("POST", "/flutterwave/charges", json=order)
        assert answer.status_code == 201, answer.text

    async def refund_by_hand(self, transaction_id: str, minor: int) -> None:
        path = f"/transactions/{transaction_id}/refund"
        answer = await self.driver.call(
            "POST", path, json={"amount": minor // 100, "comments": "goodwill"}
        )
        assert answer.status_code == 200, answer.text

    async def fault(self, call: str, fault: str, **more: object) -> None:
        await self.driver.fault(call, fault, **more)

    async def advance(self, seconds: float) -> None:
        await self.driver.advance(seconds)

    async def calls(self, call: str) -> int:
        return (await self.driver.control("GET", "/calls")).json()["flutterwave"].get(call, 0)

    async def checkouts(self, reference: str) -> int:
        answer = await self.driver.control("GET", "/payments", params={"reference": reference})
        return len(answer.json()["items"])

    async def go_away(self) -> None:
        """From now on the adapter's address has nobody behind it."""
        self.gateway = Flutterwave(
            self.clients[0], base_url="http://127.0.0.1:9/v3", keys=FlutterwaveKeys("k", "s")
        )

    async def hook(self) -> Hook:
        arrived = await self.receiver.next()
        return Hook(arrived.raw, arrived.headers)

    def signed(self, raw: bytes) -> dict[str, str]:
        digest = hmac.new(SECRET_HASH.encode(), raw, hashlib.sha256).digest()
        return {"flutterwave-signature": base64.b64encode(digest).decode()}


@pytest.fixture(scope="session")
async def merchant() -> AsyncGenerator[Receiver]:
    async with Receiver.listening() as receiver:
        yield receiver


@pytest.fixture(scope="session")
async def flutterwave_driver(merchant: Receiver) -> AsyncGenerator[Driver]:
    settings = SandboxSettings(
        app_url=merchant.url,
        flutterwave_secret_key=SECRET_KEY,
        flutterwave_webhook_secret_hash=SECRET_HASH,
    )
    async with serving(settings) as url, httpx2.AsyncClient(trust_env=False) as client:
        yield Driver(client, url)


@pytest.fixture
async def bench(flutterwave_driver: Driver, merchant: Receiver) -> AsyncGenerator[FlutterwaveBench]:
    await flutterwave_driver.control("POST", "/reset")
    merchant.forget()
    keys = FlutterwaveKeys(SECRET_KEY, SECRET_HASH)
    async with gateway_client() as client:
        gateway = Flutterwave(client, base_url=flutterwave_driver.api, keys=keys)
        yield FlutterwaveBench(gateway, flutterwave_driver, merchant, [client])


@pytest.fixture(scope="session")
async def stripe_driver(merchant: Receiver) -> AsyncGenerator[Driver]:
    async with stripe_sandbox(merchant.url) as driver:
        yield driver


@pytest.fixture
async def stripe_bench(stripe_driver: Driver, merchant: Receiver) -> AsyncGenerator[StripeBench]:
    await stripe_driver.control("POST", "/reset")
    merchant.forget()
    async with gateway_client() as client:
        base_url = f"{stripe_driver.url}/stripe"
        gateway = Stripe(client, base_url=base_url, keys=StripeKeys(KEY, SECRET))
        yield StripeBench(gateway, stripe_driver, merchant, [client])
