"""Every token that is not ours is 401, in a header and in a cookie, and says nothing of secrets."""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from identity_site import SECRET, Site, assert_problem, serve
from kiti.identity import store
from kiti.identity.model import AccountId, BadToken, Role, SessionId, TokenExpired
from kiti.identity.tokens import GuestClaims, Tokens, new_guest
from kiti.platform.clock import utc_now
from kiti.platform.db import Database

SUBJECT = AccountId(uuid4())
NOW = int(utc_now().timestamp())
OURS: dict[str, object] = {
    "iss": "kiti", "aud": "kiti", "typ": "access", "sub": str(SUBJECT), "sid": str(uuid4()),
    "iat": NOW, "exp": NOW + 86400, "jti": uuid4().hex, "roles": ["passenger"],
}  # fmt: skip
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
RSA_PUBLIC = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def signed(
    claims: object,
    *,
    key: bytes = SECRET.encode(),
    header: Mapping[str, object] | None = None,
    hashed: str = "sha256",
) -> str:
    """A token signed by hand, so that no library refuses to make it."""
    head = part(json.dumps(header or {"alg": "HS256", "typ": "JWT"}).encode())
    body = part(claims if isinstance(claims, bytes) else json.dumps(claims).encode())
    digest = hmac.digest(key, f"{head}.{body}".encode(), hashed)
    return f"{head}.{body}.{part(digest)}"


def raw(name: bytes, value: str) -> list[tuple[bytes, bytes]]:
    """A header as its bytes: a token need not be ASCII."""
    return [(name, value.encode("latin-1"))]


def changed(**claims: object) -> str:
    return signed(OURS | claims)


def without(name: str) -> str:
    return signed({key: value for key, value in OURS.items() if key != name})


def with_header(**header: object) -> str:
    return signed(OURS, header={"alg": "HS256", "typ": "JWT"} | header)


ZOO: dict[str, Callable[[], str]] = {
    "alg none": lambda: jwt.encode(OURS, "", algorithm="none"),
    "alg nOnE": lambda: signed(OURS, header={"alg": "nOnE", "typ": "JWT"}),
    "no alg": lambda: signed(OURS, header={"typ": "JWT"}),
    "alg none, our signature": lambda: signed(OURS, header={"alg": "none", "typ": "JWT"}),
    "HS512, our key": lambda: signed(OURS, header={"alg": "HS512", "typ": "JWT"}, hashed="sha512"),
    "RS256": lambda: jwt.encode(OURS, RSA_KEY, algorithm="RS256"),
    "HS256 by a public key": lambda: signed(OURS, key=RSA_PUBLIC),
    "RS256 said, HS256 done": lambda: signed(OURS, header={"alg": "RS256", "typ": "JWT"}),
    "wrong key": lambda: signed(OURS, key=b"another secret, as long as ours is, or longer"),
    "empty key": lambda: signed(OURS, key=b""),
    "expired": lambda: changed(exp=NOW - 3600),
    "just expired": lambda: changed(exp=NOW - 61),
    "not yet valid": lambda: changed(nbf=NOW + 86400),
    "issued in the future": lambda: changed(iat=NOW + 86400),
    "wrong audience": lambda: changed(aud="another"),
    "audience in a list": lambda: changed(aud=["kiti"]),
    "wrong issuer": lambda: changed(iss="https://evil.example"),
    "refresh as type": lambda: changed(typ="refresh"),
    "no type": lambda: without("typ"),
    "no audience": lambda: without("aud"),
    "no issuer": lambda: without("iss"),
    "no expiry": lambda: without("exp"),
    "no issue time": lambda: without("iat"),
    "no subject": lambda: without("sub"),
    "no session": lambda: without("sid"),
    "no token id": lambda: without("jti"),
    "expiry a text": lambda: changed(exp=str(NOW + 86400)),
    "expiry a fraction": lambda: changed(exp=NOW + 86400.5),
    "expiry true": lambda: changed(exp=True),
    "expiry past all calendars": lambda: changed(exp=10**15),
    "expiry infinite": lambda: signed(b'{"exp": 1e999}'),
    "subject no id": lambda: changed(sub="1 OR 1=1"),
    "subject a number": lambda: changed(sub=1),
    "roles a text": lambda: changed(roles="platform_admin"),
    "claims a list": lambda: signed([OURS]),
    "claims no JSON": lambda: signed(b"{"),
    "claims deep": lambda: signed(b"[" * 1200),
    "kid a path": lambda: with_header(kid="../../../../dev/null"),
    "kid SQL": lambda: with_header(kid="' UNION SELECT 'a' --"),
    "kid a URL": lambda: with_header(kid="http://127.0.0.1:1/key"),
    "jku": lambda: with_header(jku="http://127.0.0.1:1/keys"),
    "x5u": lambda: with_header(x5u="http://127.0.0.1:1/cert"),
    "jwk": lambda: with_header(jwk={"kty": "oct", "k": part(b"x" * 32)}),
    "crit": lambda: with_header(crit=["exp"]),
    "b64 false": lambda: with_header(b64=False, crit=["b64"]),
    "header a list": lambda: f"{part(b'[]')}.{part(b'{}')}.{part(b'x')}",
    "truncated": lambda: changed()[:-5],
    "without signature": lambda: changed().rpartition(".")[0] + ".",
    "two parts": lambda: changed().rpartition(".")[0],
    "payload swapped": lambda: changed().replace(
        changed().split(".")[1], part(json.dumps(OURS | {"roles": ["finance"]}).encode())
    ),
    "1 MB": lambda: "a" * 1_000_000,
    "1 MB of ours": lambda: changed(pad="a" * 750_000),
    "no token": lambda: "not-a-token-at-all",
    "not ASCII": lambda: "t\u00f6ken.x.y",
    "an API key": lambda: "kiti_live_0123456789",
}  # fmt: skip


async def make_subject(site: Site) -> None:
    """The account that the zoo's tokens name: only what is wrong with a token can refuse it."""
    async with site.identity.db.transaction() as conn:
        await store.insert_account(
            conn,
            account_id=SUBJECT,
            email="subject@example.com",
            name="Subject",
            phone=None,
            locale="en",
            password_hash="$argon2id$none",
        )


@pytest.mark.parametrize("name", ZOO)
async def test_no_token_but_ours_is_let_in(site: Site, name: str) -> None:
    token = ZOO[name]()
    client = site.client()
    await make_subject(site)
    good = await client.get("/api/auth/me", headers=raw(b"authorization", f"Bearer {changed()}"))
    assert good.status_code == 200
    by_header = await client.get("/api/auth/me", headers=raw(b"authorization", f"Bearer {token}"))
    assert_problem(by_header, 401, "UNAUTHENTICATED")
    assert by_header.headers["www-authenticate"] == "Bearer"
    by_cookie = await client.get("/api/auth/me", headers=raw(b"cookie", f"auth-token={token}"))
    assert_problem(by_cookie, 401, "UNAUTHENTICATED")
    for text in (by_header.text, by_cookie.text):
        assert SECRET not in text
        assert token not in text


def test_the_zoo_starts_from_a_token_that_is_good() -> None:
    claims = Tokens(secret=SECRET).verify(changed(), now=utc_now())
    assert claims.roles == {Role.PASSENGER}
    assert str(claims.session_id) == OURS["sid"]


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic YTpi", "bearer  ", "Token x", "Bearer a b", "kiti_x"],
)
async def test_an_authorization_that_is_no_bearer_token(site: Site, authorization: str) -> None:
    response = await site.client().get("/api/auth/me", headers={"authorization": authorization})
    assert_problem(response, 401, "UNAUTHENTICATED")


async def test_two_authorizations_are_one_too_many(site: Site) -> None:
    client = site.client()
    token = (await site.enter(client))["accessToken"]
    one = ("authorization", f"Bearer {token}")
    assert (await client.get("/api/auth/me", headers=[one])).status_code == 200
    assert_problem(await client.get("/api/auth/me", headers=[one, one]), 401, "UNAUTHENTICATED")


async def test_a_refresh_token_is_no_access_token(site: Site) -> None:
    client = site.client()
    refresh_token = (await site.enter(client))["refreshToken"]
    client.cookies.clear()
    by_header = await client.get(
        "/api/auth/me", headers={"authorization": f"Bearer {refresh_token}"}
    )
    assert_problem(by_header, 401, "UNAUTHENTICATED")
    by_cookie = await client.get("/api/auth/me", headers={"cookie": f"auth-token={refresh_token}"})
    assert_problem(by_cookie, 401, "UNAUTHENTICATED")


async def test_an_access_token_is_no_refresh_token(site: Site) -> None:
    client = site.client()
    access_token = (await site.enter(client))["accessToken"]
    client.cookies.clear()
    response = await client.post("/api/auth/refresh", json={"refreshToken": access_token})
    assert_problem(response, 401, "UNAUTHENTICATED")


async def test_a_token_ends_after_15_minutes(site: Site) -> None:
    client = site.client()
    entered = await site.enter(client)
    client.cookies.clear()
    assert entered["expiresIn"] == 900
    headers = {"authorization": f"Bearer {entered['accessToken']}"}
    site.clock.ahead = timedelta(seconds=895)
    assert (await client.get("/api/auth/me", headers=headers)).status_code == 200
    site.clock.ahead = timedelta(seconds=906)
    assert_problem(await client.get("/api/auth/me", headers=headers), 401, "UNAUTHENTICATED")


async def test_after_a_rotation_the_old_secret_is_accepted(db: Database) -> None:
    new_secret = "the secret after the rotation, long enough too"
    async with serve(db) as before:
        token = (await before.enter(before.client()))["accessToken"]
    headers = {"authorization": f"Bearer {token}"}
    async with serve(db, jwt_secret=new_secret, jwt_secret_previous=SECRET) as during:
        response = await during.client().get("/api/auth/me", headers=headers)
        assert response.status_code == 200
    async with serve(db, jwt_secret=new_secret) as after:
        response = await after.client().get("/api/auth/me", headers=headers)
        assert_problem(response, 401, "UNAUTHENTICATED")


async def test_sessions_and_forms_outlive_a_rotation(db: Database) -> None:
    async with serve(db) as before:
        refresh_token = (await before.enter(before.client()))["refreshToken"]
        form = before.identity.tokens.issue_csrf("account:1")
    settings = {"jwt_secret": "a wholly new secret of thirty-two and more"}
    async with serve(db, **settings, jwt_secret_previous=SECRET) as after:
        response = await after.client().post(
            "/api/auth/refresh", json={"refreshToken": refresh_token}
        )
        assert response.status_code == 200
        assert after.identity.tokens.is_csrf(form, "account:1")


def test_the_old_secret_never_signs() -> None:
    now = utc_now()
    tokens = Tokens(secret="n" * 40, previous=SECRET)
    only_old = Tokens(secret=SECRET)
    access = tokens.issue_access(
        AccountId(uuid4()), session_id=SessionId(uuid4()), roles=frozenset(Role), now=now
    )
    guest = tokens.issue_guest(new_guest(None, valid_until=now + timedelta(days=30), now=now))
    for token in (access, guest):
        tokens.verify(token, now=now)
        with pytest.raises(BadToken):
            only_old.verify(token, now=now)
    assert tokens.issue_csrf("a") != only_old.issue_csrf("a")


def test_an_empty_previous_secret_accepts_nothing() -> None:
    tokens = Tokens(secret=SECRET, previous="")
    with pytest.raises(BadToken):
        tokens.verify(signed(OURS, key=b""), now=utc_now())


def test_a_guests_token_is_the_same_for_the_same_claims() -> None:
    now = utc_now()
    tokens = Tokens(secret=SECRET)
    guest = new_guest(None, valid_until=now + timedelta(days=30), now=now)
    kept = json.loads(json.dumps(guest.to_json()))
    again = GuestClaims.from_json(kept)
    assert again == guest
    assert tokens.issue_guest(again) == tokens.issue_guest(guest)
    claims = tokens.verify(tokens.issue_guest(guest), now=now)
    assert (claims.kind, claims.subject, claims.session_id) == ("guest", guest.guest_id, None)
    assert claims.expires_at == guest.valid_until
    with pytest.raises(TokenExpired):
        tokens.verify(tokens.issue_guest(guest), now=now + timedelta(days=30, seconds=6))


def test_a_guest_stays_the_same_for_a_later_trip() -> None:
    now = utc_now()
    first = new_guest(None, valid_until=now + timedelta(days=30), now=now)
    later = new_guest(first.guest_id, valid_until=now + timedelta(days=60), now=now)
    assert later.guest_id == first.guest_id
    assert later.valid_until > first.valid_until


def test_a_guests_token_gives_no_role_whatever_it_says() -> None:
    claims = Tokens(secret=SECRET).verify(
        changed(typ="guest", roles=["platform_admin"]), now=utc_now()
    )
    assert claims.roles == frozenset()
    assert claims.session_id is None


def test_a_role_of_a_newer_server_gives_nothing_here() -> None:
    claims = Tokens(secret=SECRET).verify(
        changed(roles=["agent", "archivist", 1, None, []]), now=utc_now()
    )
    assert claims.roles == {Role.AGENT}


def test_a_forms_token_is_its_holders_alone() -> None:
    tokens = Tokens(secret=SECRET)
    token = tokens.issue_csrf("account:1")
    assert tokens.is_csrf(token, "account:1")
    for other in ("", token[:-1], token + "A", "\udc80", tokens.issue_csrf("account:2")):
        assert not tokens.is_csrf(other, "account:1")
