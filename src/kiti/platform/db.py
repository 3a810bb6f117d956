"""The database: a pool, transactions that never cancel a COMMIT, and typed reads.

A function that takes `db: Database` begins and commits its own transaction; one that takes
`conn: Conn` works in its caller's and never commits.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Final, LiteralString, Protocol, TypeVar, cast

import asyncpg
import structlog
from asyncpg.pool import PoolConnectionProxy
from asyncpg.transaction import Transaction

from kiti.platform.deadlines import DeadlineConnection, Deadlines
from kiti.platform.errors import DatabaseUnavailable, Overloaded
from kiti.platform.gates import Gate, Gates

log: Final = structlog.get_logger("kiti.db")

Conn = asyncpg.Connection | PoolConnectionProxy

Row = TypeVar("Row")
Result = TypeVar("Result")

TRIES_MAX = 3
CONNECT_S = 3.0
AGAIN_S = 0.02
ABOUT_MAX = 2  # of a thing that many want, so many at once: one at work, one who waits for its lock
OUTCOME_UNKNOWN = (
    "The database did not answer in time, so it is not known whether this was done: "
    "look, or send it again with the same idempotency key."
)

# Server-side limits: a wait in the database ends by itself, and no client ever cancels a COMMIT.
SERVER_SETTINGS = {
    "application_name": "kiti",
    "timezone": "UTC",
    "statement_timeout": "8000",
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

    async def expire_connections(self) -> None:
        """Have every connection made anew before it is used again."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class Database:
    """A pool of connections and the one place where transactions begin, commit and are retried.

    `turn` lets in as many as may have a connection at once; None: as many as there are. `express`
    is the same database without it, for what must keep its place while all others wait: readiness,
    webhooks, money that has come.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        deadlines: Deadlines | None = None,
        turn: asyncio.Semaphore | None = None,
        about_max: int = ABOUT_MAX,
    ) -> None:
        self.pool = pool
        self.deadlines = deadlines or Deadlines()
        self.turn = turn
        self.gates = Gates(at_once=about_max)
        self._running_on: set[asyncio.Task[None]] = set()
        self.express = (
            self if turn is None else Database(pool, deadlines=self.deadlines, about_max=1)
        )

    async def close(self) -> None:
        """Close the pool once its connections are back, or 10 seconds have passed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.deadlines.close_s):
                await self.pool.close()

    @asynccontextmanager
    async def connection(self, *, about: Hashable = None) -> AsyncGenerator[Conn]:
        """A connection in autocommit: each statement is its own transaction.

        `about`: the thing whose lock it may have to wait for, a trip say. Only few at once are
        given a connection for one thing, so that others are left for the rest.

        Raises:
            DatabaseUnavailable: none came in time, or the database went away meanwhile.
            Overloaded: too many wait already, for a connection or for this thing.
        """
        loan = _Loan(self)
        conn = await loan.take(about)
        try:
            yield conn
        except BaseException as error:
            await loan.give_back(error)
            _tell_away(error)
            raise
        await loan.give_back(None)

    @asynccontextmanager
    async def transaction(self, *, about: Hashable = None) -> AsyncGenerator[Conn]:
        """One transaction, READ COMMITTED: committed when the block ends, else rolled back.

        Raises:
            DatabaseUnavailable, Overloaded: as `connection`. When COMMIT was sent and not answered,
                the detail says so: it may be done.
        """
        loan = _Loan(self)
        conn = await loan.take(about)
        committing: asyncio.Future[None] | None = None
        try:
            transaction = conn.transaction()
            await transaction.start()
            try:
                yield conn
            except BaseException:
                await _roll_back(conn, transaction)
                raise
            committing = asyncio.ensure_future(transaction.commit())
            await _answered(committing, within_s=self.deadlines.commit_s)
        except BaseException as error:
            if committing is None or committing.done():
                await loan.give_back(error)
            else:
                self._let_run_on(committing, loan)
            _tell_away(error, None if committing is None else OUTCOME_UNKNOWN)
            raise
        await loan.give_back(None)

    def _let_run_on(self, committing: "asyncio.Future[None]", loan: "_Loan") -> None:
        """Keep the connection with a COMMIT that nobody waits for any more, until it has ended."""

        async def run_on() -> None:
            (error,) = await asyncio.gather(committing, return_exceptions=True)
            log.warning("a commit was late", error=None if error is None else type(error).__name__)
            await loan.give_back(error)

        task = asyncio.create_task(run_on())
        self._running_on.add(task)
        task.add_done_callback(self._running_on.discard)

    async def run(
        self, work: Callable[[Conn], Awaitable[Result]], *, about: Hashable = None
    ) -> Result:
        """Run `work` in one transaction, again (3 times in all) after a deadlock or 40001.

        Again, too, on a connection that led to a server which has become read-only meanwhile.
        `work` must be safe to run again: no network call, no effect outside the database.
        """
        for attempt in range(1, TRIES_MAX + 1):
            try:
                async with self.transaction(about=about) as conn:
                    return await work(conn)
            except _AGAIN as error:
                if attempt == TRIES_MAX:
                    raise DatabaseUnavailable(retry_after_s=1) from error
                await asyncio.sleep(random.uniform(0, AGAIN_S * attempt))  # noqa: S311  # no secret
            except DatabaseUnavailable as error:
                moved = isinstance(error.__cause__, asyncpg.ReadOnlySQLTransactionError)
                if not moved or attempt > 1:
                    raise
        raise AssertionError


class _Loan:
    """A connection lent to a caller: taken and given back in two calls, for it may outlive him."""

    __slots__ = ("_conn", "_db", "_gate", "_has_turn", "_lending")

    def __init__(self, db: Database) -> None:
        self._db = db
        self._gate: Gate | None = None
        self._has_turn = False
        self._lending: AbstractAsyncContextManager[Conn] | None = None
        self._conn: Conn | None = None

    async def take(self, about: Hashable) -> Conn:
        """Wait for the thing's gate, then for a turn, then for a connection."""
        db = self._db
        if about is not None:
            self._gate = await db.gates.enter(about)
        try:
            if db.turn is not None:
                await self._take_turn(db.turn)
            lending = db.pool.acquire(timeout=db.deadlines.wait_s)
            self._conn = await lending.__aenter__()
        except BaseException as error:
            await self.give_back(error)
            _tell_away(error)
            raise
        self._lending = lending
        return self._conn

    async def _take_turn(self, turn: asyncio.Semaphore) -> None:
        if turn.locked():
            try:
                async with asyncio.timeout(self._db.deadlines.wait_s):
                    await turn.acquire()
            except TimeoutError:
                raise Overloaded(retry_after_s=1) from None
        else:
            await turn.acquire()  # at once
        self._has_turn = True

    async def give_back(self, error: BaseException | None) -> None:
        """Give back what was taken; `error`: what the work ended by."""
        try:
            if self._lending is not None:
                await self._return(self._lending, error)
        finally:
            if self._has_turn and self._db.turn is not None:
                self._db.turn.release()
            if self._gate is not None:
                self._db.gates.leave(self._gate, error)

    async def _return(
        self, lending: AbstractAsyncContextManager[Conn], error: BaseException | None
    ) -> None:
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError) and self._conn is not None:
            self._conn.terminate()  # another server leads by now
            await self._db.pool.expire_connections()
        with suppress(*_AWAY):  # it is closed then; the work has ended as it has
            if error is None:
                await lending.__aexit__(None, None, None)
            else:
                await lending.__aexit__(type(error), error, error.__traceback__)


def _tell_away(error: BaseException, detail: str | None = None) -> None:
    """Raise what callers know, when the database is away: one refusal, whatever the driver said."""
    if isinstance(error, _AWAY):
        raise DatabaseUnavailable(detail, retry_after_s=1) from error


async def _roll_back(conn: Conn, transaction: Transaction) -> None:
    """Undo the transaction; where that cannot be said any more, the connection's end does it."""
    undoing = asyncio.ensure_future(transaction.rollback())
    try:
        await _answered(undoing, within_s=None)
    except _AWAY:
        with suppress(asyncpg.InterfaceError):  # it is closed and given back already
            conn.terminate()


async def _answered(ending: "asyncio.Future[None]", *, within_s: float | None) -> None:
    """Wait for a COMMIT or ROLLBACK to end, even when the caller is cancelled meanwhile.

    A cancelled COMMIT may be durable or not, and under a synchronous standby answers success while
    the row is on one node only: so it is never cancelled, and the cancellation is raised after.
    `within_s` None: as long as its connection lets it.

    Raises:
        TimeoutError: it goes on.
    """
    cancelled: asyncio.CancelledError | None = None
    loop = asyncio.get_running_loop()
    alarm = None
    is_late = False

    def wake(by: object = None) -> None:
        nonlocal is_late
        is_late = by is None
        if not waking.done():
            waking.set_result(None)

    if within_s is not None:
        alarm = loop.call_later(within_s, wake)
    while not (ending.done() or is_late):
        waking = loop.create_future()
        ending.add_done_callback(wake)
        try:
            await waking
        except asyncio.CancelledError as error:
            cancelled = error
    ending.remove_done_callback(wake)
    if alarm is not None:
        alarm.cancel()
    if not ending.done():
        raise cancelled or TimeoutError
    if cancelled is None:
        ending.result()
        return
    with suppress(*_AWAY):
        ending.result()
    raise cancelled


async def connect(
    dsn: str, *, size: int = 10, express: int = 0, deadlines: Deadlines | None = None
) -> Database:
    """A pool of up to `size` connections to `dsn`, `express` of them kept for `Database.express`.

    The caller closes it. No reset between uses (43 % more requests): so no session SET, no session
    advisory locks, and LISTEN only on a connection of its own.
    """
    patience = deadlines or Deadlines()

    async def begin(conn: DeadlineConnection) -> None:
        conn.guard(patience)

    pool = await asyncpg.create_pool(
        dsn,
        init_size=1,  # so that a database that is away is known at once
        min_size=0,  # and none is kept in the background: whoever needs one makes it
        max_size=size,
        timeout=CONNECT_S,
        command_timeout=patience.statement_s,
        server_settings=SERVER_SETTINGS
        | {
            "lock_timeout": f"{patience.lock_s * 1000:.0f}",
            "statement_timeout": f"{patience.server_s * 1000:.0f}",
        },
        connection_class=DeadlineConnection,
        init=begin,
        reset=_no_reset,
    )
    turn = asyncio.Semaphore(size - express) if express else None
    return Database(cast("Pool", pool), deadlines=patience, turn=turn)


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
