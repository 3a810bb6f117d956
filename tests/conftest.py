"""Real PostgreSQL for every test: one cluster a session, a migrated database a worker."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from cluster import Cluster
from kiti.platform.db import SERVER_SETTINGS, Conn, Database, connect
from kiti.platform.migrate import migrate

# A busy machine is no failure, and nothing is written to the checkout but .venv.
set_hypothesis_home_dir(Path(__file__).parents[1] / ".venv" / "cache" / "hypothesis")
settings.register_profile("kiti", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kiti")

# Folders whose tests share a running product: of several workers one starts it.
ONE_WORKER = ("tests/journeys/",)


class ByFolder(LoadScopeScheduling):
    """Keeps each folder of ONE_WORKER on one worker; every other test goes to any.

    xdist's own `loadgroup` writes a test's group into a name that pytest 9.2 no longer reads.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in ONE_WORKER if nodeid.startswith(folder)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFolder | None:
    """What `--dist loadgroup` means here."""
    return ByFolder(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Generator[Cluster]:
    """The session's PostgreSQL, shared by the xdist workers of one run."""
    with Cluster.shared(tmp_path_factory.getbasetemp(), worker_id) as running:
        yield running


@pytest.fixture(scope="session")
async def dsn(cluster: Cluster, worker_id: str) -> AsyncGenerator[str]:
    """A migrated database of this worker's own."""
    name = f"kiti_{worker_id}"
    url = await cluster.create_database(name)
    await migrate(url)
    yield url
    await cluster.drop_database(name)


class OneConnection:
    """A pool that hands out one connection, to one user at a time, so that all is rolled back."""

    def __init__(self, conn: Conn) -> None:
        self._conn = conn
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def acquire(self, *, timeout: float) -> AsyncGenerator[Conn]:  # noqa: ASYNC109
        async with asyncio.timeout(timeout):
            await self._turn.acquire()
        try:
            yield self._conn
        finally:
            self._turn.release()

    async def expire_connections(self) -> None:
        """There is no other."""

    async def close(self) -> None:
        """Nothing to close: the fixture owns the connection."""


@pytest.fixture
async def db(dsn: str) -> AsyncGenerator[Database]:
    """A database whose transactions are savepoints of one that is rolled back."""
    conn = await asyncpg.connect(dsn, server_settings=SERVER_SETTINGS)
    outer = conn.transaction()
    await outer.start()
    yield Database(OneConnection(conn))
    await outer.rollback()
    await conn.close()


async def _empty(conn: Conn, tables: list[str]) -> None:
    """Empty the tables; a transaction that a test has left behind may still hold one of them."""
    for _ in range(8):
        try:
            await conn.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
        except (
            asyncpg.DeadlockDetectedError,
            asyncpg.LockNotAvailableError,
            asyncpg.QueryCanceledError,
        ):
            continue
        return
    await conn.execute(f"TRUNCATE {', '.join(tables)} CASCADE")


@pytest.fixture
async def live_db(dsn: str) -> AsyncGenerator[Database]:
    """A database that really commits: races, worker, deferred checks. Emptied afterwards."""
    database = await connect(dsn, size=24)
    yield database
    async with database.connection() as conn:
        tables = await conn.fetch(
            """
            SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name
            FROM pg_tables
            WHERE schemaname = 'public' AND tablename <> 'schema_migration'
            """
        )
        if tables:
            await _empty(conn, [row["name"] for row in tables])
    await database.close()
