"""The Stripe adapter on a sandbox of its own, over real HTTP."""

import hashlib
import hmac
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import stripe

from kiti.payments.gateways.port import CheckoutResult
from kiti.payments.gateways.stripe import Stripe, StripeKeys
from kiti.platform.clock import utc_now
from kiti.sandbox import SandboxSettings, serving
from payments.gateway_conformance import Hook
from sandbox_driver import Driver, Receiver

KEY = "sk_test_of_the_adapters_tests"
SECRET = "whsec_of_the_adapters_tests"


@dataclass
class StripeBench:
    """The adapter, the sandbox and a merchant's server that takes webhooks."""

    gateway: Stripe
    driver: Driver
    receiver: Receiver
    clients: list[httpx2.AsyncClient] = field(default_factory=list[httpx2.AsyncClient])

    async def pay(self, result: CheckoutResult, action: str = "pay", **more: str) -> None:
        assert result.redirect_url is not None
        answer = await self.driver.submit(result.redirect_url, action, **more)
        assert answer.status_code == 303, answer.text

    async def pay_again(self, reference: str) -> None:
        await self.steer("/payments", reference=reference)

    async def refund_by_hand(self, transaction_id: str, minor: int) -> None:
        await self.steer("/refunds", payment_intent=transaction_id, amount=minor)

    async def fault(self, call: str, fault: str, **more: object) -> None:
        await self.driver.fault(call, fault, gateway="stripe", **more)

    async def advance(self, seconds: float) -> None:
        await self.driver.advance(seconds)

    async def calls(self, call: str) -> int:
        return (await self.driver.control("GET", "/calls")).json()["stripe"].get(call, 0)

    async def checkouts(self, reference: str) -> int:
        return len(await self.payments(reference))

    async def payments(self, reference: str) -> list[dict[str, Any]]:
        answer = await self.driver.control("GET", "/payments", params={"reference": reference})
        return answer.json()["items"]

    async def go_away(self) -> None:
        """From now on the adapter's address has nobody behind it."""
        self.gateway = Stripe(
            self.clients[0], base_url="http://127.0.0.1:9", keys=StripeKeys("k", "s")
        )

    async def hook(self) -> Hook:
        arrived = await self.receiver.next()
        return Hook(arrived.raw, arrived.headers)

    def signed(self, raw: bytes) -> dict[str, str]:
        """The header as the official SDK makes it."""
        text = raw.decode(errors="surrogateescape")
        try:
            header = stripe.WebhookSignature.generate_signature_header(text, SECRET)
        except UnicodeEncodeError:  # bytes that Stripe never sends
            return {"stripe-signature": self._signed_by_hand(raw)}
        return {"stripe-signature": header}

    @staticmethod
    def _signed_by_hand(raw: bytes) -> str:
        at = int(utc_now().timestamp())
        digest = hmac.new(SECRET.encode(), f"{at}.".encode() + raw, hashlib.sha256)
        return f"t={at},v1={digest.hexdigest()}"

    async def steer(self, path: str, **order: object) -> dict[str, Any]:
        """A control of the simulated Stripe alone."""
        answer = await self.driver.control("POST", f"/stripe{path}", json=order)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()

    async def options(self, **options: object) -> None:
        answer = await self.driver.control("PUT", "/stripe/options", json=options)
        assert answer.status_code == 200, answer.text


@asynccontextmanager
async def stripe_sandbox(merchant_url: str) -> AsyncGenerator[Driver]:
    """The sandbox with Stripe alone."""
    settings = SandboxSettings(
        app_url=merchant_url, stripe_secret_key=KEY, stripe_webhook_secret=SECRET
    )
    async with serving(settings) as url, httpx2.AsyncClient(trust_env=False) as client:
        yield Driver(client, url)
