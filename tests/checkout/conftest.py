"""One server and one sandbox for all tests of paying, on a database emptied after each."""

from collections.abc import AsyncGenerator

import pytest

from kiti.platform.db import Database
from payments_site import Site, open_site


@pytest.fixture(scope="session")
async def shared_site(dsn: str) -> AsyncGenerator[Site]:
    async with open_site(dsn) as site:
        yield site


@pytest.fixture
async def site(shared_site: Site, live_db: Database) -> AsyncGenerator[Site]:
    await shared_site.sandbox.control("POST", "/reset")
    yield shared_site
    await shared_site.sandbox.control("POST", "/reset")  # nothing is delivered to the next test
