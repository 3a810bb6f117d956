"""The database: a pool, transactions that never cancel a COMMIT, and typed reads.

A function that takes `db: Database` begins and commits its own transaction; one that takes
`conn: Conn` works in its caller's and never commits.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, LiteralString, Protocol, TypeVar, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from kiti.platform.errors import DatabaseUnavailable

Conn = asyncpg.Connection | PoolConnectionProxy

Row = TypeVar("Row")
Result = TypeVar("Result")

TRIES_MAX = 3
POOL_WAIT_S = 2.0
CONNECT_S = 3.0

# Server-side limits: a wait in the database ends by itself, and no client ever cancels a COMMIT.
SERVER_SETTINGS = {
    "application_name": "kiti",
    "timezone": "UTC",
    "statement_timeout": "10000",
    "lock_timeout": "3000",
    "idle_in_transaction_session_timeout": "15000",
}

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DiskFullError,
)
_AGAIN = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)


class Pool(Protocol):
    """What `Database` needs of a pool: tests bind it to one connection that is rolled back."""

    def acquire(self, *, timeout: float) -> AbstractAsyncContextManager[Conn]:
        """A connection, for the length of the block; waits `timeout` seconds at most."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class Database:
    """A pool of connections and the one place where transactions begin, commit and are retried."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def close(self) -> None:
        """Close the pool once its connections are back."""
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Conn]:
        """A connection in autocommit: each statement is its own transaction.

        Raises:
            DatabaseUnavailable: none came in time, or the database went away meanwhile.
        """
        try:
            async with self._pool.acquire(timeout=POOL_WAIT_S) as conn:
                yield conn
        except _AWAY as error:
            raise DatabaseUnavailable(retry_after_s=1) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Conn]:
        """One transaction, READ COMMITTED: committed when the block ends, else rolled back.

        Raises:
            DatabaseUnavailable: as `connection`.
        """
        async with self.connection() as conn:
            transaction = conn.transaction()
            await transaction.start()
            try:
                yield conn
            except BaseException:
                await _finish(transaction.rollback())
                raise
            await _finish(transaction.commit())

    async def run(self, work: Callable[[Conn], Awaitable[Result]]) -> Result:
        """Run `work` in one transaction, again (3 times in all) after a deadlock or 40001.

        `work` must be safe to run again: no network call, no effect outside the database.
        """
        for attempt in range(1, TRIES_MAX + 1):
            try:
                async with self.transaction() as conn:
                    return await work(conn)
            except _AGAIN as error:
                if attempt == TRIES_MAX:
                    raise DatabaseUnavailable(retry_after_s=1) from error
        raise AssertionError


async def _finish(ending: Awaitable[None]) -> None:
    """Wait for a COMMIT or ROLLBACK to its end, even when the caller is cancelled meanwhile.

    A cancelled COMMIT may be durable or not, and under a synchronous standby answers success while
    the row is on one node only: so it is never cancelled, and the cancellation is raised after.
    """
    task = asyncio.ensure_future(ending)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled


async def connect(dsn: str, *, size: int = 10) -> Database:
    """A pool of up to `size` connections to `dsn`. The caller closes it.

    No reset between uses (43 % more requests): so no session SET, no session advisory lock, and
    LISTEN only on a connection of its own.
    """
    pool = await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=size,
        timeout=CONNECT_S,
        server_settings=SERVER_SETTINGS,
        reset=_no_reset,
    )
    return Database(cast("Pool", pool))


async def _no_reset(conn: Conn) -> None:
    """Nothing to reset: transactions end with their block."""


async def fetch_optional(
    conn: Conn, row: type[Row], sql: LiteralString, *args: object
) -> Row | None:
    """The one row as a `row`, or None. Column names are the fields of `row`."""
    record = await conn.fetchrow(sql, *args)
    return None if record is None else row(**record)


async def fetch_one(conn: Conn, row: type[Row], sql: LiteralString, *args: object) -> Row:
    """The one row there must be."""
    found = await fetch_optional(conn, row, sql, *args)
    assert found is not None, "a row that must exist is missing"  # noqa: S101
    return found


async def fetch_all(conn: Conn, row: type[Row], sql: LiteralString, *args: object) -> list[Row]:
    """Every row as a `row`; the statement carries its own LIMIT or a bound by key."""
    return [row(**record) for record in await conn.fetch(sql, *args)]


async def fetch_value(conn: Conn, sql: LiteralString, *args: object) -> Any:  # noqa: ANN401
    """The first column of the first row, or None."""
    return await conn.fetchval(sql, *args)


async def execute(conn: Conn, sql: LiteralString, *args: object) -> int:
    """Run a statement; how many rows it changed."""
    status = await conn.execute(sql, *args)
    last = status.rpartition(" ")[2]
    return int(last) if last.isdigit() else 0
