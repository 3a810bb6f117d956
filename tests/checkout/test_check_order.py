"""Every route checks in the contract's order: a stranger is not told what is wrong with fields."""

import re
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from identity_site import assert_problem
from kiti.app.web import create_api, create_app
from kiti.platform.db import Database
from site_parts import make_parts

# Open to all by the contract; the webhooks go by their signature.
OPEN = {
    "POST /api/auth/register",
    "POST /api/auth/login",
    "GET /api/stops",
    "GET /api/trips",
    "GET /api/trips/calendar",
    "GET /api/trips/{trip_id}",
    "GET /api/bookings/reserve",
    "POST /api/bookings/reserve",
    "GET /api/jobs/health",
    "GET /healthz",
    "GET /readyz",
}
MALFORMED = [
    "1",
    "-1",
    "9223372036854775808",
    "not-an-id",
    "%00",
    "..%2f..%2fetc",
    "{7*7}",
    "0" * 32,
]
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Route:
    """One operation of the OpenAPI document."""

    method: str
    path: str
    operation: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def has_body(self) -> bool:
        return "requestBody" in self.operation

    @property
    def has_id(self) -> bool:
        return any(p["in"] == "path" and p["name"] != "name" for p in self._parameters)

    @property
    def _parameters(self) -> list[dict[str, Any]]:
        return self.operation.get("parameters", [])

    def url(self, path_id: str) -> str:
        """With this for every id in the path, and nothing in every parameter of the query."""
        names = [p["name"] for p in self._parameters if p["in"] == "query" and p["name"] != "code"]
        query = "&".join(f"{name}=" for name in names)
        return re.sub(r"\{\w+\}", path_id, self.path) + (f"?{query}" if query else "")


@dataclass(frozen=True)
class Front:
    client: httpx2.AsyncClient
    routes: list[Route]
    token: str

    def guarded(self) -> Iterator[Route]:
        return (r for r in self.routes if r.name not in OPEN and "webhook" not in r.path)

    async def ask(self, route: Route, path_id: str, **more: Any) -> httpx2.Response:  # noqa: ANN401
        return await self.client.request(route.method, route.url(path_id), **more)


@pytest.fixture
async def front(db: Database) -> AsyncGenerator[Front]:
    parts = make_parts(db)
    document = create_api(parts).openapi()
    routes = [
        Route(method.upper(), path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    transport = httpx2.ASGITransport(create_app(parts))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        body = {"email": "ada@example.com", "password": "a long walk home", "name": "Ada"}
        entered = await client.post("/api/auth/register", json=body)
        client.cookies.clear()
        yield Front(client, routes, entered.json()["accessToken"])
    parts.identity.passwords.close()


async def test_whoever_is_not_known_is_told_nothing_else(front: Front) -> None:
    seen = 0
    for route in front.guarded():
        body = {"content": b"{}", "headers": JSON} if route.has_body else {}
        for path_id in MALFORMED:
            answer = await front.ask(route, path_id, **body)
            assert answer.status_code in {401, 404}, (route.name, path_id, answer.text)
            if answer.status_code == 404:  # no route has such a path at all
                assert "%2f" in path_id, (route.name, path_id)
            seen += answer.status_code == 401
    assert seen > 50


async def test_size_type_and_json_come_before_who_is_calling(front: Front) -> None:
    bodies = [route for route in front.routes if route.has_body]
    assert len(bodies) >= 8
    for route in bodies:
        huge = await front.ask(route, "1", content=b" " * 70_000, headers=JSON)
        assert_problem(huge, 413, "BODY_TOO_LARGE")
        plain = await front.ask(route, "1", content=b"{", headers={"content-type": "text/plain"})
        assert_problem(plain, 415, "UNSUPPORTED_MEDIA_TYPE")
        for bad in (b"{", b'{"a": 1, "a": 2}', b'{"a": [{"b": 1, "b": 1}]}'):
            answer = await front.ask(route, "1", content=bad, headers=JSON)
            assert_problem(answer, 400, "MALFORMED_JSON")


async def test_an_id_that_is_none_is_not_found_before_the_fields(front: Front) -> None:
    # With a key, which some of them cannot do without; a refusal leaves it free for the next.
    mine = {"authorization": f"Bearer {front.token}", "idempotency-key": "one"}
    routes = [route for route in front.guarded() if route.has_id]
    assert len(routes) >= 5
    for route in routes:
        body = {"content": b'{"odd": 1}'} if route.has_body else {}
        for path_id in [*MALFORMED, str(uuid4())]:
            answer = await front.ask(route, path_id, headers=mine | JSON, **body)
            assert_problem(answer, 404, "NOT_FOUND")


async def test_the_key_comes_before_the_object(front: Front) -> None:
    mine = {"authorization": f"Bearer {front.token}"}
    for route in front.guarded():
        if route.method != "POST" or not route.has_body or "/auth/" in route.path:
            continue
        odd = mine | JSON | {"idempotency-key": "no key!"}
        answer = await front.ask(route, "1", content=b'{"odd": 1}', headers=odd)
        assert_problem(answer, 400, "IDEMPOTENCY_KEY_INVALID")
        twice = [*(mine | JSON).items(), ("idempotency-key", "one"), ("idempotency-key", "one")]
        answer = await front.ask(route, "1", content=b"{}", headers=twice)
        assert_problem(answer, 400, "IDEMPOTENCY_KEY_INVALID")


async def test_the_query_is_read_after_the_caller_and_refused_as_fields(front: Front) -> None:
    mine = {"authorization": f"Bearer {front.token}"}
    for url in ("/api/bookings?limit=0", "/api/bookings?limit=x", "/api/bookings?cursor=x",
                "/api/payments/status", "/api/payments/status?transactionId="):  # fmt: skip
        assert_problem(await front.client.get(url), 401, "UNAUTHENTICATED")
        answer = await front.client.get(url, headers=mine)
        assert_problem(answer, 422, "VALIDATION_FAILED")


async def test_fields_are_known_by_their_wire_names_alone(front: Front) -> None:
    """`tripId`, never `trip_id`; in a query `from`, never `from_id`."""
    mine = {"authorization": f"Bearer {front.token}"} | JSON
    snake = b'{"trip_id": "%s", "seat_numbers": ["1A"]}' % str(uuid4()).encode()
    answer = await front.client.post("/api/bookings/reserve", content=snake, headers=mine)
    problem = assert_problem(answer, 422, "VALIDATION_FAILED")
    pointers = {error["pointer"] for error in problem["errors"]}
    assert pointers == {"#/tripId", "#/trip_id", "#/seat_numbers"}
    ends = {"from_id": str(uuid4()), "to_id": str(uuid4()), "on": "2026-11-23"}
    answer = await front.client.get("/api/trips", params=ends)
    assert_problem(answer, 422, "VALIDATION_FAILED")


async def test_paying_has_two_names_and_each_an_operation_of_its_own(front: Front) -> None:
    found = [r for r in front.routes if r.path in {"/api/payments", "/api/payments/initiate"}]
    ids = [route.operation["operationId"] for route in found]
    assert sorted(ids) == ["createPayment", "initiatePayment"]
    every = [route.operation["operationId"] for route in front.routes]
    assert len(every) == len(set(every))
