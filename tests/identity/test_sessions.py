"""Register, log in, refresh, log out: over HTTP, on a database that is rolled back."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from identity_site import ORIGIN, PASSWORD, Site, assert_problem, serve
from kiti.identity import service
from kiti.identity.model import DEMO_PASSWORD, Grant, Role
from kiti.identity.passwords import Passwords, random_password
from kiti.platform.db import Database
from kiti.platform.errors import ValidationFailed

EMAIL = "amina@example.com"
LOGIN = {"email": EMAIL, "password": PASSWORD}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def run(db: Database, sql: str, *args: object) -> list[asyncpg.Record]:
    async with db.connection() as conn:
        return await conn.fetch(sql, *args)


async def refresh(site: Site, token: str) -> httpx2.Response:
    return await site.client().post("/api/auth/refresh", json={"refreshToken": token})


async def test_who_registers_is_logged_in_as_a_passenger(site: Site) -> None:
    client = site.client()
    response = await client.post(
        "/api/auth/register",
        json={
            "email": "  Amina@Example.COM ",
            "password": PASSWORD,
            "name": " Amina  Bello ",
            "phone": "+234 803 123 4567",
        },
    )
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    out = response.json()
    user = out["user"]
    assert set(out) == {"user", "accessToken", "expiresIn", "refreshToken"}
    assert user == {
        "id": user["id"],
        "email": EMAIL,
        "name": "Amina Bello",
        "roles": ["passenger"],
    }
    assert UUID(user["id"]).version == 7
    me = await site.client().get("/api/auth/me", headers=bearer(out["accessToken"]))
    assert me.json() == user
    async with site.identity.db.connection() as conn:
        account = await service.find_account_by_email(conn, "AMINA@example.com")
    assert account is not None
    assert account.phone == "+2348031234567"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "amina"), ("email", "amina@localhost"), ("email", "a b@example.com"),
        ("email", "amina@example.com\nbcc: x@y.example"), ("email", "a@-example.com"),
        ("email", ".a@example.com"), ("email", "a..b@example.com"), ("email", ""),
        ("email", "@example.com"), ("email", f"{'a' * 65}@example.com"), ("email", "a@b.example\0"),
        ("email", f"a@{'b' * 63}.{'c' * 63}.{'d' * 63}.{'e' * 63}.example"), ("email", None),
        ("email", f"a@{'b.' * 200}example"), ("email", "a@example.com, b@example.com"),
        ("email", "\u0430mina@example.com"), ("email", "a@1.2.3.4"), ("email", 1),
        ("password", "short"), ("password", "a" * 129), ("password", ""), ("password", 12345678),
        ("name", ""), ("name", "   "), ("name", "a" * 101), ("name", "a\0b"), ("name", "a\x7fb"),
        ("name", "\u202eanimA"), ("name", ["Amina"]),
        ("phone", "08031234567"), ("phone", "+2348"), ("phone", "call me"), ("phone", ""),
        ("phone", "+" + "9" * 30), ("phone", "+2348031234567;ext=5"), ("phone", 2348031234567),
    ],
)  # fmt: skip
async def test_a_wrong_field_is_named(site: Site, field: str, value: object) -> None:
    fields = {"email": EMAIL, "password": PASSWORD, "name": "Amina"}
    response = await site.client().post("/api/auth/register", json=fields | {field: value})
    problem = assert_problem(response, 422, "VALIDATION_FAILED")
    assert [fault["pointer"] for fault in problem["errors"]] == [f"#/{field}"]
    assert PASSWORD not in response.text
    assert await run(site.identity.db, "SELECT account_id FROM account") == []


async def test_every_wrong_field_is_named_at_once(site: Site) -> None:
    response = await site.client().post(
        "/api/auth/register", json={"email": "x", "password": "y", "name": ""}
    )
    problem = assert_problem(response, 422, "VALIDATION_FAILED")
    pointers = {fault["pointer"] for fault in problem["errors"]}
    assert pointers == {"#/email", "#/password", "#/name"}


@pytest.mark.parametrize(
    "field",
    ["role", "roles", "isAdmin", "id", "userId", "accountId", "status", "operatorId", "createdAt"],
)
async def test_no_field_makes_oneself_more_than_a_passenger(site: Site, field: str) -> None:
    response = await site.client().post(
        "/api/auth/register",
        json={"email": EMAIL, "password": PASSWORD, "name": "A", field: "platform_admin"},
    )
    problem = assert_problem(response, 422, "VALIDATION_FAILED")
    assert problem["errors"][0]["pointer"] == f"#/{field}"
    assert await run(site.identity.db, "SELECT role FROM account_role") == []


async def test_an_e_mail_is_one_accounts_in_any_case(site: Site) -> None:
    await site.enter(site.client())
    response = await site.client().post(
        "/api/auth/register", json={"email": "AMINA@EXAMPLE.com", "password": "x" * 8, "name": "B"}
    )
    problem = assert_problem(response, 422, "VALIDATION_FAILED")
    assert problem["errors"] == [
        {"pointer": "#/email", "message": "an account with this e-mail exists"}
    ]
    assert EMAIL not in response.text.lower()
    assert not response.headers.get_list("set-cookie")


@pytest.mark.parametrize("password", ["pa sswörd 🚌", "a" * 128, "        ", "p\u0000assword"])
async def test_any_text_of_8_to_128_characters_is_a_password(site: Site, password: str) -> None:
    body = {"email": EMAIL, "password": password}
    registered = await site.client().post("/api/auth/register", json=body | {"name": "A"})
    assert registered.status_code == 201
    assert (await site.client().post("/api/auth/login", json=body)).status_code == 200
    wrong = body | {"password": password[:-1]}
    assert_problem(await site.client().post("/api/auth/login", json=wrong), 401, "UNAUTHENTICATED")


async def test_nobody_learns_which_e_mails_have_accounts(site: Site) -> None:
    await site.enter(site.client())
    await site.enter(site.client(), email="gone@example.com")
    await run(
        site.identity.db,
        "UPDATE account SET status = 'disabled' WHERE email = 'gone@example.com' RETURNING 1",
    )
    said: list[dict[str, Any]] = []
    for email, password in [
        (EMAIL, "wrong password"),
        ("nobody@example.com", PASSWORD),
        ("gone@example.com", PASSWORD),
        ("no e-mail at all", PASSWORD),
        (EMAIL, "short"),
        (EMAIL, "a" * 500),
    ]:
        response = await site.client().post(
            "/api/auth/login", json={"email": email, "password": password}
        )
        problem = assert_problem(response, 401, "UNAUTHENTICATED")
        assert not response.headers.get_list("set-cookie")
        del problem["requestId"]
        said.append(problem)
    assert all(problem == said[0] for problem in said)


async def test_a_login_begins_a_new_session_each_time(site: Site) -> None:
    first = await site.enter(site.client())
    second = (await site.client().post("/api/auth/login", json=LOGIN)).json()
    assert first["user"] == second["user"]
    assert first["refreshToken"][:20] != second["refreshToken"][:20]
    assert first["accessToken"] != second["accessToken"]
    sessions = await run(site.identity.db, "SELECT session_id FROM session")
    assert len(sessions) == 2


async def test_a_planted_cookie_is_not_what_one_logs_in_to(site: Site) -> None:
    await site.enter(site.client(), email="mallory@example.com")
    mallory = await site.enter(site.client(), email="mallory2@example.com")
    await site.enter(site.client())
    victim = site.client()
    victim.cookies.set("refresh-token", mallory["refreshToken"])
    response = await victim.post("/api/auth/login", json=LOGIN, headers={"origin": ORIGIN})
    assert response.json()["user"]["email"] == EMAIL
    assert response.cookies["refresh-token"] != mallory["refreshToken"]
    assert_problem(await refresh(site, mallory["refreshToken"]), 401, "UNAUTHENTICATED")


async def test_a_refresh_gives_a_new_pair_and_the_database_keeps_no_token(site: Site) -> None:
    first = await site.enter(site.client())
    response = await refresh(site, first["refreshToken"])
    assert response.status_code == 200
    second = response.json()
    assert set(second) == {"user", "accessToken", "expiresIn", "refreshToken"}
    assert second["user"] == first["user"]
    assert second["refreshToken"] != first["refreshToken"]
    me = await site.client().get("/api/auth/me", headers=bearer(second["accessToken"]))
    assert me.status_code == 200
    kept = str(
        await run(site.identity.db, "SELECT session::text, account::text FROM session, account")
    )
    assert EMAIL in kept
    for secret in (first, second):
        raw = service.RefreshToken.read(secret["refreshToken"])
        assert raw is not None
        assert raw.secret.hex() not in kept
        assert raw.family.hex() not in kept
        assert secret["refreshToken"] not in kept
    assert PASSWORD not in kept


async def test_a_refresh_repeated_at_once_gets_the_same_pair(site: Site) -> None:
    first = await site.enter(site.client())
    second = (await refresh(site, first["refreshToken"])).json()
    again = (await refresh(site, first["refreshToken"])).json()
    assert again["refreshToken"] == second["refreshToken"]
    third = await refresh(site, again["refreshToken"])
    assert third.status_code == 200


async def test_an_old_refresh_token_replayed_ends_the_family(site: Site) -> None:
    first = await site.enter(site.client())
    second = (await refresh(site, first["refreshToken"])).json()
    await run(
        site.identity.db,
        "UPDATE session SET rotated_at = rotated_at - interval '11 seconds' RETURNING 1",
    )
    assert_problem(await refresh(site, first["refreshToken"]), 401, "UNAUTHENTICATED")
    assert_problem(await refresh(site, second["refreshToken"]), 401, "UNAUTHENTICATED")
    ended = await run(site.identity.db, "SELECT revoked_for FROM session")
    assert [row["revoked_for"] for row in ended] == ["reuse"]


async def test_an_older_refresh_token_ends_the_family_even_at_once(site: Site) -> None:
    tokens = [(await site.enter(site.client()))["refreshToken"]]
    for _ in range(4):
        tokens.append((await refresh(site, tokens[-1])).json()["refreshToken"])
    assert_problem(await refresh(site, tokens[1]), 401, "UNAUTHENTICATED")
    assert_problem(await refresh(site, tokens[-1]), 401, "UNAUTHENTICATED")


async def test_another_family_lives_on(site: Site) -> None:
    first = await site.enter(site.client())
    other = (await site.client().post("/api/auth/login", json=LOGIN)).json()
    second = (await refresh(site, first["refreshToken"])).json()
    await refresh(site, second["refreshToken"])
    assert_problem(await refresh(site, first["refreshToken"]), 401, "UNAUTHENTICATED")
    assert (await refresh(site, other["refreshToken"])).status_code == 200


@pytest.mark.parametrize(
    "token", ["", "x", "A" * 64, "A" * 63, "A" * 65, "é" * 64, "=" * 64, "\0" * 64, "A" * 1024]
)
async def test_a_refresh_token_that_never_was(site: Site, token: str) -> None:
    assert_problem(await refresh(site, token), 401, "UNAUTHENTICATED")


@pytest.mark.parametrize("body", ['{"refreshToken": 1}', '{"refreshToken": {}, "x": 1}'])
async def test_a_refresh_token_that_is_no_text(site: Site, body: str) -> None:
    assert_problem(await refresh_with(site.client(), body), 422, "VALIDATION_FAILED")


@pytest.mark.parametrize("body", ["[]", '"x"', '{"token": "x"}', '{"refresh_token": "x"}'])
async def test_a_refresh_body_that_is_none_is_looked_at_after_the_cookie(
    site: Site, body: str
) -> None:
    assert_problem(await refresh_with(site.client(), body), 401, "UNAUTHENTICATED")
    browser = site.client()
    await site.enter(browser)
    assert_problem(await refresh_with(browser, body), 403, "CSRF_FAILED")
    ours = await refresh_with(browser, body, origin=site.origin)
    assert_problem(ours, 422, "VALIDATION_FAILED")
    assert (await refresh_with(browser, "{}", origin=site.origin)).status_code == 200


async def refresh_with(client: httpx2.AsyncClient, body: str, **headers: str) -> httpx2.Response:
    sent = {"content-type": "application/json"} | headers
    return await client.post("/api/auth/refresh", content=body, headers=sent)


async def test_size_media_type_and_json_come_first(site: Site) -> None:
    client = site.client()
    json_type = {"content-type": "application/json"}
    for path in ("register", "login", "refresh"):
        url = f"/api/auth/{path}"
        big = await client.post(url, content="x" * 70_000, headers=json_type)
        assert_problem(big, 413, "BODY_TOO_LARGE")
        plain = await client.post(url, content="{}", headers={"content-type": "text/plain"})
        assert_problem(plain, 415, "UNSUPPORTED_MEDIA_TYPE")
        broken = await client.post(url, content='{"email":', headers=json_type)
        assert_problem(broken, 400, "MALFORMED_JSON")


async def test_a_session_ends_when_its_time_is_over(site: Site) -> None:
    first = await site.enter(site.client())
    lives = await run(
        site.identity.db, "SELECT extract(day FROM expires_at - created_at)::int AS d FROM session"
    )
    assert lives[0]["d"] == 30
    await run(site.identity.db, "UPDATE session SET expires_at = clock_timestamp() RETURNING 1")
    assert_problem(await refresh(site, first["refreshToken"]), 401, "UNAUTHENTICATED")


async def test_no_session_outlives_90_days(site: Site) -> None:
    first = await site.enter(site.client())
    await run(
        site.identity.db,
        "UPDATE session SET created_at = clock_timestamp() - interval '80 days' RETURNING 1",
    )
    assert (await refresh(site, first["refreshToken"])).status_code == 200
    left = await run(site.identity.db, "SELECT expires_at - clock_timestamp() AS left FROM session")
    assert left[0]["left"].days == 9


async def test_roles_are_read_again_at_each_refresh(site: Site) -> None:
    first = await site.enter(site.client())
    await run(site.identity.db, "UPDATE account_role SET role = 'finance' RETURNING 1")
    second = (await refresh(site, first["refreshToken"])).json()
    assert second["user"]["roles"] == ["finance"]
    claims = site.identity.tokens.verify(second["accessToken"], now=site.clock())
    assert claims.roles == {Role.FINANCE}


async def test_a_disabled_account_refreshes_no_more(site: Site) -> None:
    first = await site.enter(site.client())
    await run(site.identity.db, "UPDATE account SET status = 'disabled' RETURNING 1")
    assert_problem(await refresh(site, first["refreshToken"]), 401, "UNAUTHENTICATED")
    me = await site.client().get("/api/auth/me", headers=bearer(first["accessToken"]))
    assert_problem(me, 401, "UNAUTHENTICATED")
    await run(site.identity.db, "UPDATE account SET status = 'active' RETURNING 1")
    assert_problem(await refresh(site, first["refreshToken"]), 401, "UNAUTHENTICATED")


async def test_a_logout_by_bearer_ends_its_session_alone(site: Site) -> None:
    first = await site.enter(site.client())
    other = (await site.client().post("/api/auth/login", json=LOGIN)).json()
    out = await site.client().post("/api/auth/logout", headers=bearer(first["accessToken"]))
    assert out.status_code == 204
    assert out.content == b""
    assert_problem(await refresh(site, first["refreshToken"]), 401, "UNAUTHENTICATED")
    assert (await refresh(site, other["refreshToken"])).status_code == 200
    again = await site.client().post("/api/auth/logout", headers=bearer(first["accessToken"]))
    assert again.status_code == 204


async def test_logout_all_ends_every_session_of_the_account(site: Site) -> None:
    first = await site.enter(site.client())
    other = (await site.client().post("/api/auth/login", json=LOGIN)).json()
    stranger = await site.enter(site.client(), email="kofi@example.com")
    out = await site.client().post("/api/auth/logout-all", headers=bearer(first["accessToken"]))
    assert out.status_code == 204
    for ended in (first, other):
        assert_problem(await refresh(site, ended["refreshToken"]), 401, "UNAUTHENTICATED")
    assert (await refresh(site, stranger["refreshToken"])).status_code == 200


@pytest.mark.parametrize("path", ["logout", "logout-all"])
async def test_who_is_not_in_cannot_log_out(site: Site, path: str) -> None:
    response = await site.client().post(f"/api/auth/{path}")
    assert_problem(response, 401, "UNAUTHENTICATED")


async def test_production_lets_nobody_in_with_the_demo_password(db: Database) -> None:
    async with serve(db) as laptop:
        body = {"email": "admin@kiti.example", "password": DEMO_PASSWORD, "name": "Admin"}
        assert (await laptop.client().post("/api/auth/register", json=body)).status_code == 201
        del body["name"]
        assert (await laptop.client().post("/api/auth/login", json=body)).status_code == 200
    async with serve(db, app_env="production", app_url="https://kiti.test") as production:
        client = production.client()
        response = await client.post("/api/auth/login", json=body)
        assert_problem(response, 401, "UNAUTHENTICATED")
        fresh = body | {"email": "new@kiti.example", "name": "New"}
        problem = assert_problem(
            await client.post("/api/auth/register", json=fresh), 422, "VALIDATION_FAILED"
        )
        assert problem["errors"][0]["pointer"] == "#/password"


async def test_an_account_with_operator_roles(db: Database) -> None:
    operator_id = uuid4()
    passwords = Passwords(time_cost=1, memory_kib=64)
    password = random_password()
    new = await service.prepare_account(
        passwords,
        email="staff@example.com",
        name="Staff",
        password=password,
        grants=[
            Grant(Role.AGENT, operator_id),
            Grant(Role.AGENT, uuid4()),
            Grant(Role.FINANCE, None),
        ],
    )
    assert password not in repr(new)
    async with db.transaction() as conn:
        account = await service.create_account(conn, new)
    opened = await service.login(db, passwords, email="staff@example.com", password=password)
    assert opened.account == account
    assert opened.roles == {Role.AGENT, Role.FINANCE}
    assert opened.refresh_token not in repr(opened)
    async with db.connection() as conn:
        grants = await service.list_grants(conn, account.account_id)
    assert Grant(Role.AGENT, operator_id) in grants
    assert len(grants) == 3
    passwords.close()


async def test_a_second_account_of_one_e_mail_is_refused(db: Database) -> None:
    passwords = Passwords(time_cost=1, memory_kib=64)
    new = await service.prepare_account(passwords, email=EMAIL, name="Amina", password=PASSWORD)
    async with db.transaction() as conn:
        await service.create_account(conn, new)
    with pytest.raises(ValidationFailed):
        async with db.transaction() as conn:
            await service.create_account(conn, new)
    passwords.close()
