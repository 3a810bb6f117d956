"""The server under test, on the database that is rolled back."""

from collections.abc import AsyncGenerator

import pytest

from identity_site import Site, serve
from kiti.platform.db import Database


@pytest.fixture
async def site(db: Database) -> AsyncGenerator[Site]:
    """A server in APP_ENV=test."""
    async with serve(db) as running:
        yield running
