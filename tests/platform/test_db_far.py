"""A database far away: packets that are dropped, answers that are late, servers that change."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from far_database import FarDatabase, far
from kiti.platform.db import OUTCOME_UNKNOWN, Conn, Database, connect, fetch_value
from kiti.platform.deadlines import Deadlines
from kiti.platform.errors import DatabaseUnavailable, Overloaded
from waiting import until

SHORT = Deadlines(wait_s=1.0, statement_s=0.3, commit_s=0.3, abandon_s=30.0, close_s=0.5)


@asynccontextmanager
async def away(
    dsn: str, deadlines: Deadlines = SHORT, *, size: int = 2, express: int = 0
) -> AsyncGenerator[tuple[Database, FarDatabase]]:
    """The database behind a network, and the network."""
    async with far(dsn) as network:
        db = await connect(network.dsn, size=size, express=express, deadlines=deadlines)
        try:
            yield db, network
        finally:
            network.heal()
            await db.close()


@pytest.fixture
async def probe(live_db: Database) -> AsyncGenerator[Database]:
    """A table of its own for a test that really commits."""
    async with live_db.connection() as conn:
        await conn.execute("CREATE TABLE probe_far (n integer CONSTRAINT probe_far_key UNIQUE)")
    yield live_db
    async with live_db.connection() as conn:
        await conn.execute("DROP TABLE probe_far")


async def put(conn: Conn, n: int) -> None:
    await conn.execute("INSERT INTO probe_far VALUES ($1)", n)


async def count(db: Database) -> int:
    async with db.connection() as conn:
        return await fetch_value(conn, "SELECT count(*) FROM probe_far")


async def ping(db: Database) -> int:
    async with db.connection() as conn:
        return await fetch_value(conn, "SELECT 1")


async def answers(db: Database) -> bool:
    """Whether it answers by now."""
    try:
        return await ping(db) == 1
    except DatabaseUnavailable:
        return False


async def test_a_statement_whose_packets_are_dropped_ends_by_its_deadline(dsn: str) -> None:
    async with away(dsn) as (db, network):
        assert await ping(db) == 1
        network.drop()
        async with asyncio.timeout(10):
            with pytest.raises(DatabaseUnavailable):
                await ping(db)
            with pytest.raises(DatabaseUnavailable):  # nor can a new connection be made
                await ping(db)
        network.heal()
        await until(lambda: answers(db))
        assert network.cancels == 0


async def test_twin_without_a_deadline_it_hangs(dsn: str) -> None:
    async with far(dsn) as network:
        conn = await asyncpg.connect(network.dsn)
        network.drop()
        hanging = asyncio.create_task(conn.fetchval("SELECT 1"))
        done, _ = await asyncio.wait((hanging,), timeout=1.0)
        assert done == set()
        network.heal()
        assert await hanging == 1
        await conn.close()


async def test_a_transaction_whose_packets_are_dropped_is_not_half_done(
    dsn: str, probe: Database
) -> None:
    async with away(dsn) as (db, network):

        async def write(conn: Conn) -> None:
            await put(conn, 1)
            network.drop()
            await put(conn, 2)

        async with asyncio.timeout(10):
            with pytest.raises(DatabaseUnavailable):
                await db.run(write)
        network.heal()
        assert await count(probe) == 0


async def test_a_commit_without_an_answer_is_told_as_unknown_and_runs_on(
    dsn: str, probe: Database
) -> None:
    async with away(dsn, size=1) as (db, network):
        network.hold_after = b"COMMIT"
        with pytest.raises(DatabaseUnavailable, match="not known") as refused:
            async with asyncio.timeout(10), db.transaction() as conn:
                await put(conn, 1)
        assert refused.value.detail == OUTCOME_UNKNOWN
        assert refused.value.retry_after_s == 1
        assert network.held.is_set()
        assert await count(probe) == 1  # it was done: unknown is not failed
        connections = network.connections
        network.heal()  # its answer comes after all, and the connection is whole
        await until(lambda: answers(db))
        assert (network.connections, network.cancels) == (connections, 0)


async def test_a_cancelled_caller_never_cancels_its_commit(dsn: str, probe: Database) -> None:
    async with away(dsn, Deadlines()) as (db, network):
        network.hold_after = b"COMMIT"

        async def write() -> None:
            async with db.transaction() as conn:
                await put(conn, 1)

        writing = asyncio.create_task(write())
        await network.held.wait()
        writing.cancel()
        done, _ = await asyncio.wait((writing,), timeout=0.1)
        assert done == set()
        network.heal()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert network.cancels == 0
        assert await count(probe) == 1
        assert await ping(db) == 1


async def test_a_cancelled_statement_closes_its_connection_and_sends_no_cancel(dsn: str) -> None:
    async with away(dsn, Deadlines()) as (db, network):
        began = network.connections
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), db.transaction() as conn:
                await conn.fetchval("SELECT pg_sleep(5)")
        assert await ping(db) == 1
        assert network.connections > began
        assert network.cancels == 0


async def test_twin_the_driver_itself_sends_a_cancel(dsn: str) -> None:
    async with far(dsn) as network:
        conn = await asyncpg.connect(network.dsn)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await conn.fetchval("SELECT pg_sleep(5)")
        await conn.close()
        assert network.cancels == 1


async def test_late_answers_are_waited_for_and_the_rest_is_shed(dsn: str) -> None:
    """Half a second each way: whoever does not get a connection in time is refused in time."""
    deadlines = Deadlines(wait_s=0.5, statement_s=5.0, commit_s=5.0)
    async with away(dsn, deadlines) as (db, network):
        await asyncio.gather(ping(db), ping(db))
        network.delay_s = 0.5

        async def ask() -> str:
            try:
                return f"{await ping(db)}"
            except DatabaseUnavailable:
                return "refused"

        async with asyncio.timeout(20):
            ended = await asyncio.gather(*(ask() for _ in range(20)))
        assert set(ended) == {"1", "refused"}
        network.delay_s = 0
        assert await ping(db) == 1


async def test_a_server_that_became_read_only_is_left_for_the_one_that_leads(
    dsn: str, probe: Database
) -> None:
    async with away(dsn, Deadlines()) as (db, network):
        async with db.connection() as conn:  # as a demoted primary answers, on this connection
            await conn.execute("SET default_transaction_read_only = on")
        began = network.connections
        await db.run(lambda conn: put(conn, 1))
        assert await count(probe) == 1
        assert network.connections > began


async def test_the_pool_is_used_up_and_recovers(dsn: str) -> None:
    async with away(dsn, Deadlines(wait_s=0.2)) as (db, _):
        async with db.connection(), db.connection():
            with pytest.raises(DatabaseUnavailable):
                await ping(db)
        assert await ping(db) == 1


async def test_express_keeps_its_place_when_all_others_wait(dsn: str) -> None:
    async with away(dsn, Deadlines(wait_s=0.2), size=3, express=1) as (db, _):
        async with db.connection(), db.connection():
            with pytest.raises(Overloaded):
                await ping(db)
            assert await ping(db.express) == 1
        assert await ping(db) == 1


async def test_a_pool_closes_though_a_connection_is_not_given_back(dsn: str) -> None:
    async with away(dsn) as (db, network):
        network.hold_after = b"COMMIT"
        with pytest.raises(DatabaseUnavailable):
            async with db.transaction() as conn:
                await conn.fetchval("SELECT 1")
        async with asyncio.timeout(10):
            await db.close()
