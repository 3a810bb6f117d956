import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from kiti.jobs import service
from kiti.jobs.model import Backoff, Handler
from kiti.jobs.worker import Worker, WorkerLimits
from kiti.platform.db import Database, connect
from kiti.platform.errors import Unavailable
from waiting import until

QUICK = WorkerLimits(
    concurrency=4,
    attempts_max=3,
    lease_s=10,
    poll_s=0.05,
    poll_busy_s=0.02,
    grace_s=5,
    backoff=Backoff(first_s=0.01, max_s=0.02),
)
# Nothing is found by looking within a test's time: only a notification wakes this one.
DEAF_BUT_FOR_NEWS = WorkerLimits(poll_s=600, poll_busy_s=600)


@asynccontextmanager
async def working(
    db: Database, dsn: str, handlers: Mapping[str, Handler], limits: WorkerLimits = QUICK
) -> AsyncGenerator[asyncio.Event]:
    """A worker for the length of the block; setting what it yields tells it to stop."""
    stopping = asyncio.Event()
    worker = Worker(db, dsn=dsn, handlers=handlers, limits=limits)
    async with asyncio.timeout(30):
        running = asyncio.create_task(worker.run(stopping))
        yield stopping
        stopping.set()
        await running


async def enqueue(db: Database, n: int = 1, dedupe: str | None = None) -> None:
    async with db.transaction() as conn:
        await service.enqueue(conn, kind="told", payload={"n": n}, dedupe=dedupe)


async def figure(db: Database, sql: str) -> Any:  # noqa: ANN401  # as the query has it
    async with db.connection() as conn:
        return await conn.fetchval(sql)


async def is_queue_empty(db: Database) -> bool:
    return await figure(db, "SELECT count(*) FROM job") == 0


async def test_each_of_many_jobs_runs_once_with_several_workers(
    live_db: Database, dsn: str
) -> None:
    ran: list[int] = []

    async def handle(_db: Database, payload: dict[str, Any]) -> None:
        ran.append(payload["n"])

    async with (
        working(live_db, dsn, {"told": handle}),
        working(live_db, dsn, {"told": handle}),
        working(live_db, dsn, {"told": handle}),
    ):
        await asyncio.gather(*(enqueue(live_db, n) for n in range(60)))
        await until(lambda: is_queue_empty(live_db))
    assert sorted(ran) == list(range(60))


async def test_a_job_wakes_the_worker_at_its_commit(live_db: Database, dsn: str) -> None:
    ran = asyncio.Event()

    async def handle(_db: Database, payload: dict[str, Any]) -> None:
        ran.set()

    async with working(live_db, dsn, {"told": handle}, DEAF_BUT_FOR_NEWS):
        await until(lambda: is_listening(live_db))
        await enqueue(live_db)
        async with asyncio.timeout(10):
            await ran.wait()


async def is_listening(db: Database) -> bool:
    return await figure(
        db,
        """
        SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'kiti listen' AND query ILIKE 'LISTEN%'
          AND state = 'idle' AND datname = current_database()
        """,
    )


async def test_a_worker_that_hears_nothing_still_looks(live_db: Database) -> None:
    ran = asyncio.Event()

    async def handle(_db: Database, payload: dict[str, Any]) -> None:
        ran.set()

    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    async with working(live_db, nowhere, {"told": handle}):
        await enqueue(live_db)
        async with asyncio.timeout(10):
            await ran.wait()


class Broken(Exception):
    pass


async def test_a_poison_job_is_dead_after_its_attempts_and_can_be_revived(
    live_db: Database, dsn: str
) -> None:
    tries: list[int] = []
    is_mended = False

    async def handle(_db: Database, payload: dict[str, Any]) -> None:
        tries.append(payload["n"])
        if not is_mended:
            raise Broken("the message may name somebody and is not kept")

    async def is_dead() -> bool:
        return await figure(live_db, "SELECT count(*) FROM job_dead") == 1

    async with working(live_db, dsn, {"told": handle}):
        await enqueue(live_db, 7)
        await until(is_dead)
        assert tries == [7, 7, 7]
        async with live_db.transaction() as conn:
            (dead,) = await service.list_dead(conn)
            assert (dead.kind, dead.attempts, dead.error) == ("told", 3, "Broken")
            is_mended = True
            await service.revive(conn, job_id=dead.job_id)

        async def is_done() -> bool:
            return len(tries) == 4 and await is_queue_empty(live_db)

        await until(is_done)
    assert await figure(live_db, "SELECT count(*) FROM job_dead") == 0


class AwayForAnHour(Unavailable):
    """The other side asks for patience."""


async def test_a_failure_that_says_when_to_come_back_is_believed(
    live_db: Database, dsn: str
) -> None:
    async def handle(_db: Database, payload: dict[str, Any]) -> None:
        raise AwayForAnHour(retry_after_s=3600)

    async def is_waiting() -> bool:
        return await figure(live_db, "SELECT count(*) FROM job WHERE error = 'AwayForAnHour'") == 1

    async with working(live_db, dsn, {"told": handle}):
        await enqueue(live_db)
        await until(is_waiting)
    assert await figure(live_db, "SELECT run_at > now() + interval '50 minutes' FROM job")


async def test_a_failed_job_leaves_the_work_to_one_that_waits_for_it_already(
    live_db: Database, dsn: str
) -> None:
    ran: list[int] = []
    has_news = asyncio.Event()

    async def handle(_db: Database, payload: dict[str, Any]) -> None:
        ran.append(payload["n"])
        if payload["n"] == 1:
            await has_news.wait()
            raise Broken

    async def has_begun() -> bool:
        return ran == [1]

    limits = WorkerLimits(concurrency=1, poll_s=0.05, backoff=Backoff(first_s=0.01))
    async with working(live_db, dsn, {"told": handle}, limits):
        await enqueue(live_db, 1, dedupe="x")
        await until(has_begun)
        await enqueue(live_db, 2, dedupe="x")
        has_news.set()
        await until(lambda: is_queue_empty(live_db))
    assert ran == [1, 2]


async def test_a_run_that_takes_too_long_is_a_failure(live_db: Database, dsn: str) -> None:
    async def handle(_db: Database, payload: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    async def is_dead() -> bool:
        return await figure(live_db, "SELECT error FROM job_dead") == "TimeoutError"

    limits = WorkerLimits(run_s=0.05, attempts_max=1, poll_s=0.05)
    async with working(live_db, dsn, {"told": handle}, limits):
        await enqueue(live_db)
        await until(is_dead)


async def test_a_long_run_keeps_its_lease(live_db: Database, dsn: str) -> None:
    begun: list[int] = []
    may_end = asyncio.Event()

    async def handle(_db: Database, payload: dict[str, Any]) -> None:
        begun.append(payload["n"])
        await may_end.wait()

    first = "SELECT run_at FROM job"
    limits = replace(QUICK, lease_s=1.5)
    async with (
        working(live_db, dsn, {"told": handle}, limits),
        working(live_db, dsn, {"told": handle}, limits),
    ):
        await enqueue(live_db)

        async def has_begun() -> bool:
            return begun == [1]

        await until(has_begun)
        end_of_first_lease = await figure(live_db, first)

        async def is_past_the_first_lease() -> bool:
            return await figure(live_db, "SELECT clock_timestamp()") > end_of_first_lease

        await until(is_past_the_first_lease)
        assert begun == [1]
        may_end.set()
        await until(lambda: is_queue_empty(live_db))
    assert begun == [1]


async def test_a_run_whose_lease_was_taken_over_is_cancelled(live_db: Database, dsn: str) -> None:
    ended: list[str] = []
    begun = asyncio.Event()

    async def handle(_db: Database, payload: dict[str, Any]) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async with working(live_db, dsn, {"told": handle}, replace(QUICK, lease_s=0.3)):
        await enqueue(live_db)
        await begun.wait()
        async with live_db.connection() as conn:
            await conn.execute(
                "UPDATE job SET lease_id = $1, run_at = now() + interval '1 hour'",
                service.new_id(),
            )

        async def is_cancelled() -> bool:
            return ended == ["cancelled"]

        await until(is_cancelled)
    assert await figure(live_db, "SELECT count(*) FROM job WHERE lease_id IS NOT NULL") == 1


async def test_told_to_stop_it_finishes_what_runs_and_takes_nothing_new(
    live_db: Database, dsn: str
) -> None:
    ran: list[int] = []
    begun = asyncio.Event()
    may_end = asyncio.Event()

    async def handle(_db: Database, payload: dict[str, Any]) -> None:
        begun.set()
        await may_end.wait()
        ran.append(payload["n"])

    # With one place, and that taken, it does not even look for more before it is told to stop.
    limits = WorkerLimits(concurrency=1, poll_s=0.05)
    async with working(live_db, dsn, {"told": handle}, limits) as stopping:
        await enqueue(live_db, 1)
        await begun.wait()
        stopping.set()
        await enqueue(live_db, 2)
        may_end.set()
    assert ran == [1]
    assert await figure(live_db, "SELECT payload ->> 'n' FROM job WHERE attempts = 0") == "2"


async def test_what_does_not_end_within_the_grace_is_given_back_without_losing_an_attempt(
    live_db: Database, dsn: str
) -> None:
    begun = asyncio.Event()

    async def handle(_db: Database, payload: dict[str, Any]) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with working(live_db, dsn, {"told": handle}, WorkerLimits(grace_s=0.05)):
        await enqueue(live_db)
        await begun.wait()
    given_back = (
        "SELECT count(*) FROM job WHERE lease_id IS NULL AND attempts = 0 AND run_at <= now()"
    )
    assert await figure(live_db, given_back) == 1


async def test_a_worker_outlives_the_loss_of_every_connection(live_db: Database, dsn: str) -> None:
    ran: list[int] = []

    async def handle(_db: Database, payload: dict[str, Any]) -> None:
        ran.append(payload["n"])

    async def is_done() -> bool:
        return await is_queue_empty(live_db)

    pool = await connect(dsn, size=4)
    async with working(pool, dsn, {"told": handle}):
        await enqueue(live_db, 1)
        await until(is_done)
        await until(lambda: is_listening(live_db))
        cut = await figure(
            live_db,
            """
            SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
            """,
        )
        assert cut >= 2
        await until(lambda: is_listening(live_db))
        await enqueue(live_db, 2)
        await until(is_done)
    await pool.close()
    assert ran == [1, 2]


class Line:
    """A line to the database that can be cut, as if it was away; `dsn` leads through it."""

    def __init__(self, dsn: str, folder: Path) -> None:
        parts = urlsplit(dsn)
        self._behind = Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432"
        self._socket = folder / ".s.PGSQL.5432"
        self.dsn = f"postgresql://kiti@{parts.path}?host={quote(str(folder), safe='')}"
        self.is_cut = False
        self.turned_away = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._pumps: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        server = await asyncio.start_unix_server(self._serve, self._socket)
        yield
        await self.cut()
        server.close()
        await server.wait_closed()

    async def cut(self) -> None:
        self.is_cut = True
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        if self._pumps:
            _ = await asyncio.wait(self._pumps)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            self.turned_away += 1
            writer.transport.abort()
            return
        behind_reader, behind_writer = await asyncio.open_unix_connection(self._behind)
        self._writers += [writer, behind_writer]
        for source, sink in ((reader, behind_writer), (behind_reader, writer)):
            pump = asyncio.create_task(self._pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
        sink.close()


async def test_a_worker_waits_for_a_database_that_is_away_and_goes_on(
    live_db: Database, dsn: str, tmp_path: Path
) -> None:
    ran: list[int] = []
    begun = asyncio.Event()
    may_end = asyncio.Event()

    async def handle(_db: Database, payload: dict[str, Any]) -> None:
        ran.append(payload["n"])
        begun.set()
        await may_end.wait()

    line = Line(dsn, tmp_path)

    async def is_missed() -> bool:
        return line.turned_away >= 5

    async with line.open():
        pool = await connect(line.dsn, size=4)
        limits = WorkerLimits(lease_s=20, poll_s=0.05)
        async with working(pool, line.dsn, {"told": handle}, limits):
            await enqueue(live_db, 1)
            await begun.wait()
            await line.cut()
            may_end.set()  # the effect is there, but that it is cannot be written down yet
            await enqueue(live_db, 2)
            await until(is_missed)
            assert ran == [1]
            line.is_cut = False
            await until(lambda: is_queue_empty(live_db))
            await until(lambda: is_listening(live_db))
        await pool.close()
    assert ran == [1, 2]
