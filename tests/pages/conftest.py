"""One product for all tests of the pages; each takes a coach, and browsers, of its own."""

from collections.abc import AsyncGenerator

import pytest

from cluster import Cluster
from pages_site import Site, open_site


@pytest.fixture(scope="session")
async def site(cluster: Cluster, worker_id: str) -> AsyncGenerator[Site]:
    async with open_site(cluster, f"kiti_pages_{worker_id}") as running:
        yield running
