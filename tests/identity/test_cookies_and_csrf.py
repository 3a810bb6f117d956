"""Cookies: names, flags, what stands before what; and calls that must not come from elsewhere."""

from datetime import timedelta

import httpx2
import pytest

from identity_site import ORIGIN, PASSWORD, SECRET, Site, asked, assert_problem, serve
from kiti.identity.caller import origin_of
from kiti.identity.model import CsrfFailed
from kiti.identity.tokens import new_guest
from kiti.platform.db import Database

EVIL = "https://evil.example"
FROM_HERE = {"origin": ORIGIN}


def set_cookies(response: httpx2.Response) -> dict[str, set[str]]:
    """Each cookie set: its name, and its attributes in lower case."""
    out: dict[str, set[str]] = {}
    for line in response.headers.get_list("set-cookie"):
        pair, *attributes = line.split("; ")
        out[pair.partition("=")[0]] = {item.lower() for item in attributes}
    return out


def guest_token(site: Site) -> str:
    now = site.clock()
    return site.identity.tokens.issue_guest(
        new_guest(None, valid_until=now + timedelta(days=30), now=now)
    )


async def test_cookies_on_a_laptop(site: Site) -> None:
    response = await site.client().post(
        "/api/auth/register", json={"email": "a@b.example", "password": PASSWORD, "name": "A"}
    )
    flags = {"httponly", "samesite=lax", "path=/"}
    found = set_cookies(response)
    assert found["auth-token"] == flags | {"max-age=900"}
    assert flags <= found["refresh-token"]
    assert "secure" not in found["refresh-token"]
    assert found.keys() == {"auth-token", "refresh-token"}


async def test_cookies_in_production(db: Database) -> None:
    async with serve(db, app_env="production", app_url="https://kiti.test") as site:
        client = site.client()
        entered = await client.post(
            "/api/auth/register", json={"email": "a@b.example", "password": PASSWORD, "name": "A"}
        )
        names = {"__Host-auth-token", "__Host-refresh-token"}
        flags = {"httponly", "samesite=lax", "path=/", "secure"}
        found = set_cookies(entered)
        assert found.keys() == names
        assert all(flags <= attributes for attributes in found.values())
        assert not any("domain" in item for item in found["__Host-auth-token"])
        assert (await client.get("/api/auth/me")).status_code == 200

        token = entered.json()["accessToken"]
        unprefixed = await site.client().get(
            "/api/auth/me", headers={"cookie": f"auth-token={token}"}
        )
        assert_problem(unprefixed, 401, "UNAUTHENTICATED")

        out = await client.post("/api/auth/logout", headers={"origin": "https://kiti.test"})
        cleared = set_cookies(out)
        assert cleared.keys() == names | {"__Host-guest-token"}
        assert all(flags | {"max-age=0"} <= attributes for attributes in cleared.values())


@pytest.mark.parametrize("path", ["register", "login", "refresh"])
async def test_a_browser_gets_its_tokens_in_cookies_only(site: Site, path: str) -> None:
    client = site.client()
    if path != "register":
        await site.enter(client)
    body = {"email": "amina@example.com", "password": PASSWORD}
    if path == "register":
        body["name"] = "Amina"
    content = None if path == "refresh" else body
    response = await client.post(f"/api/auth/{path}", json=content, headers=FROM_HERE)
    assert response.is_success
    assert set(response.json()) == {"user", "expiresIn"}
    assert set_cookies(response).keys() == {"auth-token", "refresh-token"}
    assert (await client.get("/api/auth/me")).status_code == 200


async def test_a_program_gets_them_in_both(site: Site) -> None:
    client = site.client()
    entered = await site.enter(client)
    assert client.cookies["auth-token"] == entered["accessToken"]
    assert client.cookies["refresh-token"] == entered["refreshToken"]


OTHER_ORIGINS: dict[str, list[tuple[str, str]]] = {
    "none": [],
    "null": [("origin", "null")],
    "another site": [("origin", EVIL)],
    "another port": [("origin", "http://kiti.test:8001")],
    "another scheme": [("origin", "https://kiti.test:8000")],
    "a longer host": [("origin", ORIGIN + ".evil.example")],
    "a user in front": [("origin", "http://kiti.test:8000@evil.example")],
    "with a path": [("origin", ORIGIN + "/")],
    "in capitals": [("origin", ORIGIN.upper())],
    "empty": [("origin", "")],
    "two": [("origin", ORIGIN), ("origin", EVIL)],
    "two in one": [("origin", f"{ORIGIN}, {EVIL}")],
    "a referer instead": [("referer", ORIGIN + "/")],
}


@pytest.mark.parametrize("name", OTHER_ORIGINS)
@pytest.mark.parametrize("path", ["logout", "logout-all", "refresh"])
async def test_a_cookies_post_from_elsewhere_changes_nothing(
    site: Site, path: str, name: str
) -> None:
    client = site.client()
    await site.enter(client)
    response = await client.post(f"/api/auth/{path}", headers=OTHER_ORIGINS[name])
    assert_problem(response, 403, "CSRF_FAILED")
    assert not response.headers.get_list("set-cookie")
    assert (await client.post("/api/auth/refresh", headers=FROM_HERE)).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("cookie", ["auth-token", "guest-token"])
async def test_every_method_that_changes_needs_the_origin(
    site: Site, method: str, cookie: str
) -> None:
    token = (
        guest_token(site)
        if cookie == "guest-token"
        else (await site.enter(site.client()))["accessToken"]
    )
    borne = ("cookie", f"{cookie}={token}")
    callers = site.identity.callers
    with pytest.raises(CsrfFailed):
        await callers.identify(asked(method, borne))
    for safe in ("GET", "HEAD"):
        caller = await callers.require(asked(safe, borne, ("origin", EVIL)))
        assert caller.via == "cookie"
    assert await callers.identify(asked(method, borne, ("origin", ORIGIN))) is not None


async def test_a_bearer_needs_no_origin(site: Site) -> None:
    entered = await site.enter(site.client())
    headers = {"authorization": f"Bearer {entered['accessToken']}", "origin": EVIL}
    response = await site.client().post("/api/auth/logout", headers=headers)
    assert response.status_code == 204


@pytest.mark.parametrize("path", ["register", "login"])
async def test_another_site_logs_nobody_in(site: Site, path: str) -> None:
    body = {"email": "amina@example.com", "password": PASSWORD, "name": "Amina"}
    if path == "login":
        await site.enter(site.client())
        del body["name"]
    response = await site.client().post(f"/api/auth/{path}", json=body, headers={"origin": EVIL})
    assert_problem(response, 403, "CSRF_FAILED")
    assert not response.headers.get_list("set-cookie")


async def test_a_forms_token_stands_in_for_the_origin(site: Site) -> None:
    tokens, callers = site.identity.tokens, site.identity.callers
    client = site.client()
    entered = await site.enter(client)
    borne = ("cookie", f"auth-token={entered['accessToken']}")
    form = tokens.issue_csrf((await callers.require(asked("GET", borne))).form_binding)
    post = asked("POST", borne)
    assert (await callers.require(post, form_token=form)).kind == "account"
    other = await site.enter(site.client(), email="kofi@example.com")
    theirs = asked("GET", ("cookie", f"auth-token={other['accessToken']}"))
    bad = ["", form[:-2], tokens.issue_csrf((await callers.require(theirs)).form_binding)]
    for token in bad:
        with pytest.raises(CsrfFailed):
            await callers.require(asked("POST", borne, ("origin", ORIGIN)), form_token=token)

    refreshed = (await client.post("/api/auth/refresh", headers=FROM_HERE)).cookies["auth-token"]
    assert refreshed != entered["accessToken"]
    later = asked("POST", ("cookie", f"auth-token={refreshed}"))
    assert (await callers.require(later, form_token=form)).kind == "account"


async def test_what_stands_before_what(site: Site) -> None:
    callers = site.identity.callers
    mine = (await site.enter(site.client()))["accessToken"]
    other = (await site.enter(site.client(), email="kofi@example.com"))["accessToken"]
    bearer = ("authorization", f"Bearer {other}")
    both = asked("POST", bearer, ("cookie", f"auth-token={mine}"))
    caller = await callers.require(both)
    assert caller.via == "bearer"
    assert caller.id == site.identity.tokens.verify(other, now=site.clock()).subject
    guest = ("cookie", f"guest-token={guest_token(site)}; auth-token={mine}")
    assert (await callers.require(asked("GET", guest))).kind == "account"
    assert await callers.identify(asked("POST")) is None
    assert await callers.identify(asked("POST", ("cookie", "theme=dark"))) is None


async def test_a_bad_credential_is_never_a_guest(site: Site) -> None:
    client = site.client()
    entered = await site.enter(client)
    guest = guest_token(site)
    site.clock.ahead = timedelta(minutes=16)
    expired = entered["accessToken"]
    refresh_token = entered["refreshToken"]
    for cookie in (
        f"auth-token={expired}",
        f"auth-token={expired}; guest-token={guest}",
        f"refresh-token={refresh_token}",
        f"refresh-token={refresh_token}; guest-token={guest}",
        f"auth-token={guest}",
        "guest-token=x",
        "guest-token=",
        "auth-token=",
        f"guest-token={expired}",
    ):
        response = await site.client().get("/api/auth/me", headers={"cookie": cookie})
        assert_problem(response, 401, "UNAUTHENTICATED")
    by_bearer = {"authorization": f"Bearer {expired}", "cookie": f"guest-token={guest}"}
    response = await site.client().get("/api/auth/me", headers=by_bearer)
    assert_problem(response, 401, "UNAUTHENTICATED")


async def test_a_guest_is_no_account(site: Site) -> None:
    token = guest_token(site)
    headers = {"authorization": f"Bearer {token}"}
    caller = await site.identity.callers.require(asked("POST", *headers.items()))
    assert (caller.kind, caller.roles, caller.session_id) == ("guest", frozenset(), None)
    for method, path in [("GET", "me"), ("POST", "logout-all")]:
        response = await site.client().request(method, f"/api/auth/{path}", headers=headers)
        assert_problem(response, 403, "FORBIDDEN")
    out = await site.client().post("/api/auth/logout", headers=headers)
    assert set_cookies(out).keys() == {"auth-token", "refresh-token", "guest-token"}


async def test_a_logout_by_cookie_works_with_an_expired_access_token(site: Site) -> None:
    client = site.client()
    entered = await site.enter(client)
    site.clock.ahead = timedelta(minutes=16)
    assert (await client.post("/api/auth/logout", headers=FROM_HERE)).status_code == 204
    assert not client.cookies
    again = await site.client().post(
        "/api/auth/refresh", json={"refreshToken": entered["refreshToken"]}
    )
    assert_problem(again, 401, "UNAUTHENTICATED")


async def test_a_dead_refresh_cookie_is_taken_away(site: Site) -> None:
    client = site.client()
    entered = await site.enter(client)
    headers = {"authorization": f"Bearer {entered['accessToken']}"}
    await site.client().post("/api/auth/logout", headers=headers)
    response = await client.post("/api/auth/refresh", headers=FROM_HERE)
    assert_problem(response, 401, "UNAUTHENTICATED")
    assert not client.cookies
    assert entered["refreshToken"] not in response.text
    assert SECRET not in response.text


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://kiti.example", "https://kiti.example"),
        ("https://Kiti.example:443/app?x#y", "https://kiti.example"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://kiti.example:80", "http://kiti.example"),
        ("", None),
        ("kiti.example", None),
        ("ftp://kiti.example", None),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url: str, origin: str | None) -> None:
    assert origin_of(url) == origin


async def test_without_an_app_url_no_cookie_changes_anything(db: Database) -> None:
    async with serve(db, app_url="") as site:
        site.origin = ORIGIN
        client = site.client()
        await site.enter(client)
        response = await client.post("/api/auth/logout", headers=FROM_HERE)
        assert_problem(response, 403, "CSRF_FAILED")
