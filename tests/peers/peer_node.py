"""Peers in Node: the official Flutterwave SDK at our sandbox, and another Stripe's idempotency.

`make peers` gets them and runs this.
"""

import asyncio
import json
import subprocess
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import stripe

from kiti.sandbox import SandboxSettings, serving
from payments.stripe_bench import KEY, SECRET
from peers.peer_process import PEERS, free_port, listens, peer
from sandbox_driver import SECRET_HASH, SECRET_KEY, Driver, Receiver

NODE = PEERS / "node"
# Calls the SDK by name and prints what it answers. It speaks v3 below the address it is given; what
# it would report of itself to its makers is left out.
CALLER = """
const at = process.argv[1] + '/node_modules/flutterwave-node-v3';
const silent = new Proxy({}, { get: () => () => undefined });
require.cache[require.resolve(at + '/utils/logger.js')] = { loaded: true, exports: silent };
const Flutterwave = require(at);
const [url, key, slice, call, payload] = process.argv.slice(2);
new Flutterwave('FLWPUBK_TEST-peer-X', key, url)[slice][call](JSON.parse(payload))
  .then((answer) => { console.log(JSON.stringify(answer)); process.exit(0); });
"""
# The mock would listen everywhere.
MOCK = """
require(process.argv[1] + '/node_modules/stripe-stateful-mock')
  .createExpressApp().listen(+process.argv[2], '127.0.0.1');
"""


@dataclass
class Seller:
    """The official SDK in a process of its own, at our simulated Flutterwave."""

    driver: Driver
    receiver: Receiver

    async def call(self, part: str, call: str, **payload: object) -> dict[str, Any]:
        """What a call of the SDK answers."""
        url, said = f"{self.driver.url}/flutterwave/", json.dumps(payload)
        done = await asyncio.to_thread(
            subprocess.run,
            ["node", "-e", CALLER, str(NODE), url, SECRET_KEY, part, call, said],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture
async def seller() -> AsyncGenerator[Seller]:
    async with Receiver.listening() as receiver, httpx2.AsyncClient(trust_env=False) as http:
        settings = SandboxSettings(
            app_url=receiver.url,
            flutterwave_secret_key=SECRET_KEY,
            flutterwave_webhook_secret_hash=SECRET_HASH,
        )
        async with serving(settings) as url:
            yield Seller(Driver(http, url), receiver)


async def test_the_flutterwave_sdk_verifies_by_id_and_by_reference(seller: Seller) -> None:
    charge_id = await seller.driver.paid(tx_ref="KT-OF-THE-SDK", amount=7500)
    by_id = await seller.call("Transaction", "verify", id=str(charge_id))
    by_reference = await seller.call("Transaction", "verify_by_tx", tx_ref="KT-OF-THE-SDK")
    for found in (by_id, by_reference):
        assert found["status"] == "success"
        data = found["data"]
        assert (data["id"], data["tx_ref"]) == (charge_id, "KT-OF-THE-SDK")
        assert (data["amount"], data["currency"], data["status"]) == (7500, "NGN", "successful")
    missing = await seller.call("Transaction", "verify", id="1")
    assert missing["status"] == "error"


async def test_the_flutterwave_sdk_refunds_and_resends(seller: Seller) -> None:
    charge_id = await seller.driver.paid(amount=7500)
    await seller.receiver.next()
    refund = await seller.call("Transaction", "refund", id=str(charge_id), amount="2500")
    assert (refund["status"], refund["data"]["amount_refunded"]) == ("success", 2500)
    again = await seller.call("Transaction", "resend_hooks", id=str(charge_id))
    assert again["status"] == "success"
    told = await seller.receiver.next()
    assert told.body["data"]["id"] == charge_id
    assert told.headers["verif-hash"] == SECRET_HASH


async def test_the_flutterwave_sdk_reads_settlements(seller: Seller) -> None:
    charge_id = await seller.driver.paid(amount=7500)
    await seller.driver.control("POST", "/flutterwave/settlements")
    found = await seller.call("Settlement", "fetch_all", page="1")
    assert found["status"] == "success"
    (settlement,) = found["data"]
    assert settlement["meta"] == [charge_id]
    assert settlement["gross_amount"] == 7500


Make = Callable[[stripe.StripeClient, str, int], str]


def _charge(client: stripe.StripeClient, key: str, amount: int) -> str:
    """A charge under an idempotency key; its id."""
    made = client.v1.charges.create(
        {"amount": amount, "currency": "usd", "source": "tok_visa"}, {"idempotency_key": key}
    )
    return made.id


def _session(client: stripe.StripeClient, key: str, amount: int) -> str:
    """A Checkout Session under an idempotency key; its id."""
    made = client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "success_url": "http://kiti.test/back",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": "usd",
                        "unit_amount": amount,
                        "product_data": {"name": "A seat"},
                    },
                }
            ],
        },
        {"idempotency_key": key},
    )
    return made.id


@pytest.fixture(params=["stripe-stateful-mock", "ours"])
async def stripes(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncGenerator[tuple[str, Make]]:
    """Two Stripes, and what each can make under a key."""
    if request.param == "ours":
        settings = SandboxSettings(stripe_secret_key=KEY, stripe_webhook_secret=SECRET)
        async with serving(settings) as url:
            yield f"{url}/stripe", _session
        return
    port = free_port()
    with peer("node", "-e", MOCK, NODE, str(port), log=tmp_path / "log", settings={}):
        await listens(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}", _charge


async def test_a_key_makes_one_thing_and_is_not_used_for_another(
    stripes: tuple[str, Make],
) -> None:
    """The same calls of the official SDK have the same answers at both."""
    url, make = stripes
    transport = stripe.RequestsClient()
    client = stripe.StripeClient(
        KEY, base_addresses={"api": url}, max_network_retries=0, http_client=transport
    )

    async def made(key: str, amount: int) -> str:
        return await asyncio.to_thread(make, client, key, amount)

    first = await made("a key", 5000)
    assert await made("a key", 5000) == first
    assert await made("another key", 5000) != first
    with pytest.raises(stripe.IdempotencyError):
        await made("a key", 6000)
    assert await made("a key", 5000) == first
