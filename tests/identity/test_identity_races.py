"""The same refresh token, or the same e-mail, from many at once; each with its twin unguarded."""

import asyncio
from uuid import uuid4

import pytest

from identity_site import PASSWORD, Site, serve
from kiti.identity import service
from kiti.identity.model import Session, SessionEnded
from kiti.identity.refresh_tokens import RefreshToken, new_salt
from kiti.platform.db import Conn, Database, fetch_one
from kiti.platform.errors import ValidationFailed

CALLERS = 8


async def entered(site: Site) -> str:
    return (await site.enter(site.client()))["refreshToken"]


async def test_a_token_refreshed_by_many_at_once_gives_all_of_them_one_that_works(
    live_db: Database,
) -> None:
    async with serve(live_db) as site:
        token = await entered(site)
    gate = asyncio.Barrier(CALLERS)

    async def call() -> str:
        async with gate:
            return (await service.refresh(live_db, token)).refresh_token

    given = await asyncio.gather(*(call() for _ in range(CALLERS)))
    assert len(set(given)) == 1
    for each in given:
        await service.refresh(live_db, each)


async def test_twin_without_the_lock_hands_out_tokens_that_are_dead(live_db: Database) -> None:
    async with serve(live_db) as site:
        text = await entered(site)
    token = RefreshToken.read(text)
    assert token is not None
    gate = asyncio.Barrier(CALLERS)

    async def call() -> str:
        async with live_db.transaction() as conn:
            session = await read_unlocked(conn, token.family_hash)
            assert session.current_hash == token.secret_hash
            await gate.wait()
            salt = new_salt()
            following = token.next(salt)
            await conn.execute(
                "UPDATE session SET current_hash = $2, previous_hash = $3, next_salt = $4 "
                "WHERE session_id = $1",
                session.session_id,
                following.secret_hash,
                token.secret_hash,
                salt,
            )
            return following.text

    given = await asyncio.gather(*(call() for _ in range(CALLERS)))
    assert len(set(given)) == CALLERS
    async with live_db.connection() as conn:
        current = (await read_unlocked(conn, token.family_hash)).current_hash
    dead = [each for each in given if hash_of(each) != current]
    assert len(dead) == CALLERS - 1
    with pytest.raises(SessionEnded):
        await service.refresh(live_db, dead[0])


async def test_a_thief_and_the_owner_cannot_both_go_on(live_db: Database) -> None:
    async with serve(live_db) as site:
        stolen = await entered(site)
    thief = (await service.refresh(live_db, stolen)).refresh_token
    owner = (await service.refresh(live_db, stolen)).refresh_token
    await service.refresh(live_db, thief)
    async with live_db.connection() as conn:
        await conn.execute("UPDATE session SET rotated_at = rotated_at - interval '11 seconds'")
    with pytest.raises(SessionEnded):
        await service.refresh(live_db, owner)
    async with live_db.connection() as conn:
        assert await conn.fetchval("SELECT revoked_for FROM session") == "reuse"


async def test_a_refresh_under_way_when_the_account_logs_out_everywhere(live_db: Database) -> None:
    """Whichever comes first, no refresh token works after the logout."""
    for _ in range(5):
        async with serve(live_db) as site:
            answer = await site.enter(site.client(), email=f"{uuid4().hex}@example.com")
        gate = asyncio.Barrier(2)

        async def refresh(gate: asyncio.Barrier, token: str) -> str:
            async with gate:
                try:
                    return (await service.refresh(live_db, token)).refresh_token
                except SessionEnded:
                    return token

        async def end(gate: asyncio.Barrier, account_id: str) -> None:
            async with live_db.connection() as conn:
                account = await service.find_account_by_email(conn, account_id)
            assert account is not None
            async with gate:
                await service.end_sessions(live_db, account.account_id)

        last, _ = await asyncio.gather(
            refresh(gate, answer["refreshToken"]), end(gate, answer["user"]["email"])
        )
        with pytest.raises(SessionEnded):
            await service.refresh(live_db, last)


async def test_one_e_mail_registered_by_many_at_once_is_one_account(live_db: Database) -> None:
    async with serve(live_db) as site:
        new = await service.prepare_account(
            site.identity.passwords, email="amina@example.com", name="Amina", password=PASSWORD
        )
    gate = asyncio.Barrier(CALLERS)

    async def call() -> bool:
        async with gate:
            try:
                await service.register(live_db, new)
            except ValidationFailed:
                return False
            return True

    made = await asyncio.gather(*(call() for _ in range(CALLERS)))
    assert sum(made) == 1
    async with live_db.connection() as conn:
        assert await conn.fetchval("SELECT count(*) FROM account") == 1
        assert await conn.fetchval("SELECT count(*) FROM session") == 1


async def test_twin_that_looks_first_and_has_no_unique_key_makes_many(live_db: Database) -> None:
    gate = asyncio.Barrier(CALLERS)
    async with live_db.connection() as conn:
        await conn.execute("CREATE TABLE twin_account (account_id uuid, email text)")

    async def call() -> None:
        async with live_db.transaction() as conn:
            taken = await conn.fetchval("SELECT count(*) FROM twin_account WHERE email = 'a@b.c'")
            await gate.wait()
            if taken == 0:
                await conn.execute("INSERT INTO twin_account VALUES ($1, 'a@b.c')", uuid4())

    await asyncio.gather(*(call() for _ in range(CALLERS)))
    async with live_db.connection() as conn:
        made = await conn.fetchval("SELECT count(*) FROM twin_account")
        await conn.execute("DROP TABLE twin_account")
    assert made == CALLERS


async def read_unlocked(conn: Conn, family_hash: bytes) -> Session:
    """As the store's, without FOR UPDATE."""
    return await fetch_one(
        conn,
        Session,
        """
        SELECT session_id, account_id, current_hash, previous_hash, next_salt,
               created_at, rotated_at, expires_at, revoked_at
        FROM session
        WHERE family_hash = $1
        """,
        family_hash,
    )


def hash_of(text: str) -> bytes:
    token = RefreshToken.read(text)
    assert token is not None
    return token.secret_hash
