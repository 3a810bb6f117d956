"""A small server with nothing but /api/auth, for the tests of identity."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import httpx2
from fastapi import FastAPI
from starlette.requests import Request

from kiti.config import Settings
from kiti.identity.parts import Identity
from kiti.identity.passwords import Passwords
from kiti.identity.routes import router
from kiti.platform.clock import utc_now
from kiti.platform.db import Database
from kiti.platform.outer import OuterLayer, install_problems

SECRET = "a secret of the tests, long enough for HS256"
ORIGIN = "http://kiti.test:8000"
PASSWORD = "correct horse battery"


@dataclass
class Clock:
    """The server's clock, which a test moves."""

    ahead: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@dataclass
class Site:
    """The server and its parts."""

    app: OuterLayer
    identity: Identity
    clock: Clock
    origin: str

    def client(self, *, peer: str = "127.0.0.1") -> httpx2.AsyncClient:
        """A client with a cookie jar of its own, whose socket has the address `peer`."""
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(self.app, client=(peer, 40000)), base_url=self.origin
        )

    async def enter(
        self, client: httpx2.AsyncClient, *, email: str = "amina@example.com"
    ) -> dict[str, Any]:
        """Register an account by this client; the answer."""
        response = await client.post(
            "/api/auth/register", json={"email": email, "password": PASSWORD, "name": "Amina"}
        )
        assert response.status_code == 201, response.text
        return response.json()


@asynccontextmanager
async def serve(db: Database, **settings: object) -> AsyncGenerator[Site]:
    """A server with these settings and cheap password hashes."""
    fields: dict[str, object] = {"jwt_secret": SECRET, "app_url": ORIGIN, "app_env": "test"}
    chosen = Settings.model_validate(fields | settings)
    clock = Clock()
    cheap = Passwords(refused=Passwords.of(chosen)._refused, time_cost=1, memory_kib=64)
    identity = replace(Identity.of(db, chosen, clock=clock), passwords=cheap)
    app = FastAPI()
    install_problems(app)
    app.include_router(router(identity))
    yield Site(OuterLayer(app), identity, clock, chosen.app_url)
    cheap.close()


def assert_problem(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document that the response must be."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = json.loads(response.content)
    assert document["code"] == code
    assert document["status"] == status
    return document


def asked(method: str, *headers: tuple[str, str], peer: str = "127.0.0.1") -> Request:
    """A request as a server hands it over."""
    raw = [(name.encode(), value.encode()) for name, value in headers]
    return Request(
        {"type": "http", "method": method, "path": "/", "headers": raw, "client": (peer, 1)}
    )
