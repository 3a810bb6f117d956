"""The sites of tests/checkout and tests/pages, for the scenarios of payments."""

from collections.abc import AsyncGenerator

import pytest

import pages_site
import payments_site
from cluster import Cluster
from kiti.platform.db import Database


@pytest.fixture(scope="session")
async def shared_site(dsn: str) -> AsyncGenerator[payments_site.Site]:
    async with payments_site.open_site(dsn) as site:
        yield site


@pytest.fixture
async def site(
    shared_site: payments_site.Site, live_db: Database
) -> AsyncGenerator[payments_site.Site]:
    """The API alone, on a database emptied after each test."""
    await shared_site.sandbox.control("POST", "/reset")
    yield shared_site
    await shared_site.sandbox.control("POST", "/reset")  # nothing is delivered to the next test


@pytest.fixture(scope="session")
async def pages(cluster: Cluster, worker_id: str) -> AsyncGenerator[pages_site.Site]:
    """The whole product with its pages, on a database of its own."""
    async with pages_site.open_site(cluster, f"kiti_scenarios_{worker_id}") as running:
        yield running


@pytest.fixture(scope="session")
async def shared_both(dsn: str) -> AsyncGenerator[payments_site.Site]:
    async with payments_site.open_site(dsn, has_stripe=True) as site:
        yield site


@pytest.fixture
async def both(
    shared_both: payments_site.Site, live_db: Database
) -> AsyncGenerator[payments_site.Site]:
    """The API alone with both gateways, on a database emptied after each test."""
    await shared_both.sandbox.control("POST", "/reset")
    yield shared_both
    await shared_both.sandbox.control("POST", "/reset")
