"""A merchant with the official Stripe SDK, pointed at the sandbox: nothing else of ours."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2
import stripe

from kiti.platform.clock import utc_now
from sandbox_driver import Driver

KEY = "sk_test_of_the_sandboxes_tests"
SECRET = "whsec_of_the_sandboxes_tests"
NAIRA = 750_000
_Result = TypeVar("_Result")


@dataclass
class Shop:
    """The SDK as a merchant has it (it blocks, so it has a thread), and who plays the customer."""

    sdk: stripe.StripeClient
    driver: Driver
    thread: ThreadPoolExecutor

    async def do(self, call: Callable[[stripe.V1Services], _Result]) -> _Result:
        """One call of the SDK."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.thread, lambda: call(self.sdk.v1))

    def session_params(self, **changes: Any) -> Any:  # noqa: ANN401  # the SDK's own dict type
        params = {
            "mode": "payment",
            "client_reference_id": "BK-1",
            "customer_email": "ada@kiti.example",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": "NGN",
                        "unit_amount": NAIRA,
                        "product_data": {"name": "Acme Bus"},
                    },
                }
            ],
            "metadata": {"reference": "BK-1"},
            "payment_intent_data": {"metadata": {"reference": "BK-1"}},
            "success_url": "https://bus.example/pay/return",
            "cancel_url": "https://bus.example/pay/cancelled",
        }
        return {name: value for name, value in (params | changes).items() if value is not ...}

    async def open(self, key: str | None = None, **changes: Any) -> Any:  # noqa: ANN401  # as above
        """A Checkout Session."""
        params = self.session_params(**changes)
        options: Any = {"idempotency_key": key} if key is not None else {}
        return await self.do(lambda v1: v1.checkout.sessions.create(params, options))

    async def submit(self, session: Any, action: str, **more: str) -> httpx2.Response:  # noqa: ANN401
        return await self.driver.submit(session.url, action, **more)

    async def paid(self, **changes: Any) -> Any:  # noqa: ANN401  # as above
        """A session opened and paid; its payment intent with charge and line."""
        session = await self.open(**changes)
        answer = await self.submit(session, "pay")
        assert answer.status_code == 303, answer.text
        expand = ["payment_intent.latest_charge.balance_transaction"]
        read = await self.do(
            lambda v1: v1.checkout.sessions.retrieve(session.id, {"expand": expand})
        )
        return read.payment_intent

    async def refund(self, intent: Any, key: str | None = None, **params: Any) -> Any:  # noqa: ANN401
        options: Any = {"idempotency_key": key} if key is not None else {}
        body: Any = {"payment_intent": intent.id, **params}
        return await self.do(lambda v1: v1.refunds.create(body, options))

    async def fault(self, call: str, fault: str, **more: object) -> None:
        await self.driver.fault(call, fault, gateway="stripe", **more)

    async def steer(self, path: str, **order: object) -> dict[str, Any]:
        answer = await self.driver.control("POST", f"/stripe{path}", json=order)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()

    async def options(self, **options: object) -> None:
        answer = await self.driver.control("PUT", "/stripe/options", json=options)
        assert answer.status_code == 200, answer.text

    async def raw(
        self, path: str, content: str, key: str | None = None, **headers: str
    ) -> httpx2.Response:
        """A POST without the SDK."""
        given = {"authorization": f"Bearer {KEY}", **headers}
        if key is not None:
            given["idempotency-key"] = key
        return await self.driver.client.post(
            f"{self.driver.url}/stripe/v1{path}", content=content, headers=given, timeout=30
        )


@asynccontextmanager
async def a_shop(driver: Driver) -> AsyncGenerator[Shop]:
    """A shop for one test."""
    transport = stripe.RequestsClient()
    sdk = stripe.StripeClient(
        KEY,
        base_addresses={"api": f"{driver.url}/stripe"},
        http_client=transport,
        max_network_retries=0,
    )
    with ThreadPoolExecutor(1) as thread:
        yield Shop(sdk, driver, thread)
        await asyncio.get_running_loop().run_in_executor(thread, transport.close)


def seconds_from_now(minutes: float) -> int:
    return int(utc_now().timestamp() + minutes * 60)
