"""An operator's staff close and cancel trips of their own operator over HTTP; nobody else does."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx2
import pytest

from identity_site import assert_problem
from kiti.app.parts import Parts
from kiti.app.web import create_app
from kiti.identity.model import AccountId, Grant, Role, SessionId
from kiti.identity.service import create_account, prepare_account
from kiti.network.model import TripSheet
from kiti.platform.clock import utc_now
from kiti.platform.db import Database
from make import make_stops
from search_site import make_open_trip
from site_parts import make_parts

REASON = {"reason": "The road is flooded"}


@dataclass(frozen=True)
class Office:
    client: httpx2.AsyncClient
    parts: Parts
    sheet: TripSheet

    async def token(self, role: Role, operator_id: UUID | None, *, said: Role | None = None) -> str:
        """A token of a new account with this role; `said`: the role its token speaks of."""
        new = await prepare_account(
            self.parts.identity.passwords,
            email=f"{uuid4().hex}@example.com",
            name="Ada",
            password="a long walk home",
            grants=[Grant(role, operator_id)],
        )
        async with self.parts.db.transaction() as conn:
            account = await create_account(conn, new)
        return self.parts.identity.tokens.issue_access(
            AccountId(account.account_id),
            session_id=SessionId(uuid4()),
            roles=frozenset({said or role}),
            now=utc_now(),
        )

    async def ask(
        self, act: str, token: str, body: object = None, *, key: str | None = None
    ) -> httpx2.Response:
        headers = {"authorization": f"Bearer {token}"} | ({} if key is None else {
            "idempotency-key": key
        })  # fmt: skip
        body = (REASON if act == "cancel" else {}) if body is None else body
        path = f"/api/trips/{self.sheet.trip_id}/{act}"
        return await self.client.post(path, json=body, headers=headers)

    async def status(self) -> str:
        return (await self.client.get(f"/api/trips/{self.sheet.trip_id}")).json()["status"]


@pytest.fixture
async def office(db: Database) -> AsyncGenerator[Office]:
    parts = make_parts(db)
    async with db.transaction() as conn:
        stops = await make_stops(conn)
    sheet = await make_open_trip(db, stops)
    transport = httpx2.ASGITransport(create_app(parts))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        yield Office(client, parts, sheet)
    parts.identity.passwords.close()


@pytest.mark.parametrize("act", ["cancel", "close"])
@pytest.mark.parametrize("role", list(Role))
async def test_only_its_operators_staff_and_the_platform_may(
    office: Office, role: Role, act: str
) -> None:
    operators = {Role.OPERATOR_STAFF, Role.OPERATOR_ADMIN}
    at_operator = operators | {Role.AGENT, Role.CONDUCTOR}
    other = UUID(int=7)
    if role in at_operator:
        assert_problem(await office.ask(act, await office.token(role, other)), 403, "FORBIDDEN")
        assert_problem(await office.ask(act, await office.token(role, None)), 403, "FORBIDDEN")
    own = office.sheet.operator_id if role in at_operator else None
    answer = await office.ask(act, await office.token(role, own))
    if role in operators | {Role.PLATFORM_ADMIN}:
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == await office.status()
    else:
        assert_problem(answer, 403, "FORBIDDEN")
        assert await office.status() == "ON_SALE"


@pytest.mark.parametrize("act", ["cancel", "close"])
async def test_a_role_that_was_taken_away_ends_at_once(office: Office, act: str) -> None:
    token = await office.token(Role.PASSENGER, None, said=Role.PLATFORM_ADMIN)
    assert_problem(await office.ask(act, token), 403, "FORBIDDEN")
    own = office.sheet.operator_id
    token = await office.token(Role.OPERATOR_ADMIN, own, said=Role.PASSENGER)
    assert_problem(await office.ask(act, token), 403, "FORBIDDEN")


async def test_a_cancelled_trip_is_told_and_stays_so(office: Office) -> None:
    token = await office.token(Role.OPERATOR_STAFF, office.sheet.operator_id)
    key = str(uuid4())
    first = await office.ask("cancel", token, key=key)
    assert first.status_code == 200, first.text
    told = first.json()
    assert told == {
        "tripId": str(office.sheet.trip_id),
        "status": "CANCELLED",
        "reason": REASON["reason"],
        "cancelledAt": told["cancelledAt"],
        "doneAt": None,
    }
    again = await office.ask("cancel", token, key=key)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    other = await office.ask("cancel", token, {"reason": "Another"}, key=key)
    assert_problem(other, 422, "IDEMPOTENCY_KEY_REUSED")
    later = await office.ask("cancel", token, {"reason": "Another"})
    assert later.json() == told
    assert_problem(await office.ask("close", token), 409, "TRIP_CANCELLED")
    assert await office.status() == "CANCELLED"


ODD_REASONS: list[object] = [
    {}, {"reason": ""}, {"reason": 1}, {"reason": "x" * 201}, {"reason": "\u0000"},
    {"reason": "a", "refund": False}, [],
]  # fmt: skip


@pytest.mark.parametrize("body", ODD_REASONS)
async def test_a_reason_that_is_none_is_refused(office: Office, body: object) -> None:
    token = await office.token(Role.OPERATOR_STAFF, office.sheet.operator_id)
    assert_problem(await office.ask("cancel", token, body), 422, "VALIDATION_FAILED")
    assert await office.status() == "ON_SALE"
