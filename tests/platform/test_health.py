"""Liveness and readiness, by GET and by HEAD, and a path asked by a method it does not take."""

from collections.abc import AsyncGenerator

import httpx2
import pytest

from kiti.app.web import create_app
from kiti.platform.db import Database
from site_parts import make_parts


@pytest.fixture
async def client(db: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    parts = make_parts(db)
    transport = httpx2.ASGITransport(create_app(parts))
    async with httpx2.AsyncClient(transport=transport, base_url="http://any.host") as asking:
        yield asking
    parts.identity.passwords.close()


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_is_told_by_head_too(client: httpx2.AsyncClient, path: str) -> None:
    by_get, by_head = await client.get(path), await client.head(path)
    assert (by_get.status_code, by_head.status_code) == (200, 200)
    assert by_head.headers["content-length"] == by_get.headers["content-length"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/api/bookings/reserve", "GET, POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("GET", "/api/payments/initiate", "POST"),
        ("TRACE", "/api/trips", "GET"),
    ],
)
async def test_a_method_that_is_not_taken_is_answered_with_those_that_are(
    client: httpx2.AsyncClient, method: str, path: str, allow: str
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allow
    assert answer.headers["content-type"] == "application/problem+json" or path == "/healthz"
