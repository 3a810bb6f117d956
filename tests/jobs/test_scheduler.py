import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from kiti.jobs.model import NamedJob
from kiti.jobs.scheduler import Scheduler
from kiti.platform.db import Database
from waiting import until


@asynccontextmanager
async def scheduling(
    db: Database, jobs: Sequence[NamedJob], *, grace_s: float = 5
) -> AsyncGenerator[asyncio.Event]:
    stopping = asyncio.Event()
    scheduler = Scheduler(db, jobs=jobs, tick_s=0.02, lease_s=5, grace_s=grace_s)
    async with asyncio.timeout(30):
        running = asyncio.create_task(scheduler.run(stopping))
        yield stopping
        stopping.set()
        await running


async def rewind(db: Database) -> None:
    async with db.connection() as conn:
        await conn.execute("UPDATE named_job SET next_run_at = now()")


async def test_two_schedulers_run_each_due_job_once(live_db: Database) -> None:
    ran: list[str] = []

    def counting(name: str) -> NamedJob:
        async def run(_db: Database) -> int:
            ran.append(name)
            return 1

        return NamedJob(name, "every 1h", run)

    async def has_run(times: int) -> bool:
        async with live_db.connection() as conn:
            is_quiet = await conn.fetchval(
                """
                SELECT count(*) = 3 FROM named_job
                WHERE lease_id IS NULL AND next_run_at > now() AND status = 'DONE'
                """
            )
        return bool(is_quiet) and len(ran) >= 3 * times

    jobs = [counting(name) for name in ("a", "b", "c")]
    async with scheduling(live_db, jobs), scheduling(live_db, jobs):
        await until(lambda: has_run(1))
        await rewind(live_db)
        await until(lambda: has_run(2))
    assert sorted(ran) == ["a", "a", "b", "b", "c", "c"]


async def test_a_job_returns_by_its_schedule(live_db: Database) -> None:
    ran = 0

    async def run(_db: Database) -> int:
        nonlocal ran
        ran += 1
        return 1

    async def has_returned() -> bool:
        return ran >= 2

    async with scheduling(live_db, [NamedJob("often", "every 1s", run)]):
        await until(has_returned)


async def test_a_slow_job_holds_up_no_other_and_a_failing_one_neither(live_db: Database) -> None:
    may_end = asyncio.Event()
    ran = asyncio.Event()

    async def slow(_db: Database) -> int:
        await may_end.wait()
        return 1

    async def failing(_db: Database) -> int:
        raise ValueError

    async def good(_db: Database) -> int:
        ran.set()
        return 1

    jobs = [
        NamedJob("slow", "every 1h", slow),
        NamedJob("failing", "every 1h", failing),
        NamedJob("good", "every 1h", good),
    ]
    async with scheduling(live_db, jobs):
        await ran.wait()
        may_end.set()


async def test_told_to_stop_it_lets_a_run_end_but_not_for_ever(live_db: Database) -> None:
    begun = asyncio.Event()

    async def endless(_db: Database) -> int:
        begun.set()
        await asyncio.Event().wait()
        return 1

    async with scheduling(live_db, [NamedJob("endless", "every 1h", endless)], grace_s=0.05):
        await begun.wait()
    async with live_db.connection() as conn:
        row = await conn.fetchrow("SELECT lease_id, error FROM named_job")
    assert row is not None
    assert (row["lease_id"], row["error"]) == (None, "CancelledError")


async def test_a_daily_job_waits_for_its_hour(live_db: Database) -> None:
    async def never(_db: Database) -> int:
        raise AssertionError

    async def is_known() -> bool:
        async with live_db.connection() as conn:
            return await conn.fetchval("SELECT count(*) FROM named_job") == 1

    async with scheduling(live_db, [NamedJob("daily", "17 3 29 2 *", never)]):
        await until(is_known)
    async with live_db.connection() as conn:
        assert await conn.fetchval("SELECT started_at IS NULL FROM named_job")
