"""x-user-id is believed of a trusted socket alone, and makes a passenger of whoever it names."""

from uuid import uuid4

import pytest

from identity_site import Site, asked, assert_problem, serve
from kiti.config import ConfigurationError
from kiti.identity.caller import networks
from kiti.identity.model import Role
from kiti.platform.db import Database
from kiti.platform.errors import Unauthenticated

FORGED = ["x-user-id", "x-role", "x-forwarded-user", "x-remote-user", "x-authenticated-user"]


@pytest.mark.parametrize("header", FORGED)
async def test_nobody_is_who_a_header_says(site: Site, header: str) -> None:
    client = site.client()
    victim = (await site.enter(site.client(), email="victim@example.com"))["user"]["id"]
    headers = {header: victim, "x-forwarded-for": "127.0.0.1"}
    assert_problem(await client.get("/api/auth/me", headers=headers), 401, "UNAUTHENTICATED")
    mine = await site.enter(client)
    headers["authorization"] = f"Bearer {mine['accessToken']}"
    assert (await client.get("/api/auth/me", headers=headers)).json() == mine["user"]
    cookie = {"cookie": f"user_id={victim}; x-user-id={victim}"}
    assert_problem(await site.client().get("/api/auth/me", headers=cookie), 401, "UNAUTHENTICATED")
    query = await site.client().get("/api/auth/me", params={"userId": victim, "user_id": victim})
    assert_problem(query, 401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("peer", "is_trusted"),
    [
        ("10.1.2.3", True),
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("2001:db8::5", True),
        ("192.0.2.8", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("2001:db9::5", False),
        ("testclient", False),
    ],
)
async def test_only_the_sockets_peer_counts(db: Database, peer: str, *, is_trusted: bool) -> None:
    trusted = "10.0.0.0/8, 192.0.2.7 2001:db8::/32"
    async with serve(db, trusted_identity_proxies=trusted) as site:
        user = (await site.enter(site.client()))["user"]
        headers = {"x-user-id": user["id"], "x-forwarded-for": "192.0.2.7"}
        response = await site.client(peer=peer).get("/api/auth/me", headers=headers)
        if is_trusted:
            assert response.json() == user
        else:
            assert_problem(response, 401, "UNAUTHENTICATED")


async def test_by_a_proxy_everybody_is_a_passenger(db: Database) -> None:
    async with serve(db, trusted_identity_proxies="127.0.0.1") as site:
        user = (await site.enter(site.client()))["user"]
        async with db.connection() as conn:
            await conn.execute("UPDATE account_role SET role = 'platform_admin'")
        request = asked("GET", ("x-user-id", user["id"]))
        caller = await site.identity.callers.require(request)
        assert (caller.kind, caller.via, caller.roles) == ("account", "proxy", {Role.PASSENGER})
        assert str(caller.id) == user["id"]


async def test_a_proxy_that_names_nobody_is_refused(db: Database) -> None:
    async with serve(db, trusted_identity_proxies="127.0.0.1") as site:
        user = (await site.enter(site.client()))["user"]["id"]
        other = (await site.enter(site.client(), email="kofi@example.com"))["user"]["id"]
        lists: list[list[tuple[str, str]]] = [
            [("x-user-id", "")],
            [("x-user-id", "admin")],
            [("x-user-id", str(uuid4()))],
            [("x-user-id", f"{user}, {other}")],
            [("x-user-id", user), ("x-user-id", other)],
            [("x-user-id", "' OR 1=1 --")],
        ]
        for headers in lists:
            response = await site.client().get("/api/auth/me", headers=headers)
            assert_problem(response, 401, "UNAUTHENTICATED")
        async with db.connection() as conn:
            await conn.execute("UPDATE account SET status = 'disabled'")
        with pytest.raises(Unauthenticated):
            await site.identity.callers.identify(asked("POST", ("x-user-id", user)))


async def test_a_token_says_more_than_a_proxy_and_a_proxy_more_than_a_cookie(db: Database) -> None:
    async with serve(db, trusted_identity_proxies="127.0.0.1") as site:
        client = site.client()
        mine = await site.enter(client)
        other = (await site.enter(site.client(), email="kofi@example.com"))["user"]
        named = {"x-user-id": other["id"]}
        assert (await client.get("/api/auth/me", headers=named)).json() == other
        named["authorization"] = f"Bearer {mine['accessToken']}"
        assert (await client.get("/api/auth/me", headers=named)).json() == mine["user"]


@pytest.mark.parametrize("setting", ["proxy.example", "10.0.0.0/33", "10.0.0.1/8", "*", "1"])
def test_a_list_that_cannot_be_read_stops_the_start(setting: str) -> None:
    with pytest.raises(ConfigurationError, match="TRUSTED_IDENTITY_PROXIES"):
        networks(setting)


def test_by_default_nobody_is_trusted() -> None:
    assert networks("") == []
