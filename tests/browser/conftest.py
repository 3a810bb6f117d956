"""Debian's chromium, and one product for all tests in it."""

from collections.abc import AsyncGenerator

import pytest
from playwright.async_api import Browser, async_playwright

from cluster import Cluster
from pages_site import Site, open_site

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
async def site(cluster: Cluster, worker_id: str) -> AsyncGenerator[Site]:
    async with open_site(cluster, f"kiti_browser_{worker_id}") as running:
        yield running


@pytest.fixture(scope="session")
async def chromium() -> AsyncGenerator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()
