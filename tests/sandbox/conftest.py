"""One sandbox and one merchant's server for all tests here, over real HTTP; reset each time."""

from collections.abc import AsyncGenerator

import httpx2
import pytest

from kiti.sandbox import SandboxSettings, serving
from sandbox.stripe_shop import KEY, SECRET, Shop, a_shop
from sandbox_driver import SECRET_HASH, SECRET_KEY, Driver, Receiver


@pytest.fixture(scope="session")
async def shared_receiver() -> AsyncGenerator[Receiver]:
    async with Receiver.listening() as receiver:
        yield receiver


@pytest.fixture(scope="session")
async def shared_driver(shared_receiver: Receiver) -> AsyncGenerator[Driver]:
    settings = SandboxSettings(
        app_url=shared_receiver.url,
        flutterwave_secret_key=SECRET_KEY,
        flutterwave_webhook_secret_hash=SECRET_HASH,
        stripe_secret_key=KEY,
        stripe_webhook_secret=SECRET,
    )
    async with serving(settings) as url, httpx2.AsyncClient(trust_env=False) as client:
        yield Driver(client, url)


@pytest.fixture
async def sandbox(shared_driver: Driver, shared_receiver: Receiver) -> Driver:
    await shared_driver.control("POST", "/reset")
    shared_receiver.forget()
    return shared_driver


@pytest.fixture
def receiver(sandbox: Driver, shared_receiver: Receiver) -> Receiver:
    return shared_receiver


@pytest.fixture
async def shop(sandbox: Driver) -> AsyncGenerator[Shop]:
    async with a_shop(sandbox) as shop:
        yield shop
