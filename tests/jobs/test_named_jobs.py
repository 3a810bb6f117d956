import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from kiti.jobs import service, store_named
from kiti.jobs.model import FAILED_AGAIN, JobRun, LeaseId, NamedJob, next_run_at
from kiti.jobs.schedule import parse_schedule
from kiti.platform.clock import utc_now
from kiti.platform.db import Database
from kiti.platform.ids import new_id
from waiting import until


def job(run: Callable[[Database], Awaitable[int]], schedule: str = "every 1h") -> NamedJob:
    return NamedJob("tidy", schedule, run)


async def seven(_db: Database) -> int:
    return 7


class Broken(Exception):
    pass


async def broken(_db: Database) -> int:
    raise Broken("not kept")


async def row(db: Database) -> dict[str, Any]:
    async with db.connection() as conn:
        found = await conn.fetchrow(
            """
            SELECT lease_id, status, processed, error, next_run_at, started_at, done_at,
                   clock_timestamp() AS now
            FROM named_job WHERE name = 'tidy'
            """
        )
    assert found is not None
    return dict(found)


async def test_a_run_tells_what_it_did_and_is_kept(db: Database) -> None:
    run = await service.run_named(db, job(seven))
    assert (run.job, run.status, run.processed) == ("tidy", "DONE", 7)
    kept = await row(db)
    assert (kept["lease_id"], kept["status"], kept["processed"]) == (None, "DONE", 7)
    assert timedelta(minutes=59) < kept["next_run_at"] - kept["now"] <= timedelta(hours=1)
    assert kept["done_at"] >= kept["started_at"]


async def test_a_failed_run_keeps_the_class_of_the_error_and_comes_back_soon(
    db: Database,
) -> None:
    run = await service.run_named(db, job(broken))
    assert (run.status, run.processed) == ("FAILED", 0)
    kept = await row(db)
    assert (kept["lease_id"], kept["status"], kept["error"]) == (None, "FAILED", "Broken")
    assert kept["next_run_at"] - kept["now"] <= FAILED_AGAIN


async def test_a_run_that_takes_too_long_has_failed(db: Database) -> None:
    async def endless(_db: Database) -> int:
        await asyncio.Event().wait()
        return 0

    run = await service.run_named(db, NamedJob("tidy", "every 1h", endless, run_s=0.02))
    assert run.status == "FAILED"
    assert (await row(db))["error"] == "TimeoutError"


async def test_by_hand_another_function_may_run(db: Database) -> None:
    async def eight(_db: Database) -> int:
        return 8

    both = NamedJob("tidy", "every 1h", seven, run_by_hand=eight)
    assert (await service.run_named(db, both)).processed == 8
    async with db.connection() as conn:
        await conn.execute("UPDATE named_job SET next_run_at = now()")
    assert (await service.run_due(db, both)).processed == 7


async def race(db: Database, run: Callable[[], Awaitable[JobRun]]) -> list[str]:
    gate = asyncio.Barrier(6)

    async def one() -> str:
        await gate.wait()
        return (await run()).status

    return sorted(await asyncio.gather(*(one() for _ in range(6))))


async def test_of_many_that_run_a_job_at_once_one_does(live_db: Database) -> None:
    others_are_done = asyncio.Event()
    ran: list[int] = []

    async def slow(_db: Database) -> int:
        ran.append(1)
        await others_are_done.wait()
        return 1

    async def one() -> JobRun:
        run = await service.run_named(live_db, job(slow))
        if run.status == "SKIPPED":
            skipped.append(run)
        if len(skipped) == 5:
            others_are_done.set()
        return run

    skipped: list[JobRun] = []
    assert await race(live_db, one) == ["DONE"] + ["SKIPPED"] * 5
    assert ran == [1]


async def test_of_many_at_the_same_due_time_one_runs_it_even_when_it_ends_at_once(
    live_db: Database,
) -> None:
    async with live_db.connection() as conn:
        await service.know_jobs(conn, [job(seven)])
    statuses = await race(live_db, lambda: service.run_due(live_db, job(seven)))
    assert statuses == ["DONE"] + ["SKIPPED"] * 5


async def test_twin_that_looks_and_then_runs_runs_it_several_times(db: Database) -> None:
    async with db.connection() as conn:
        await service.know_jobs(conn, [job(seven)])
    gate = asyncio.Barrier(6)

    async def look_and_run() -> bool:
        async with db.connection() as conn:
            (found,) = await store_named.list_named_jobs(conn, names=["tidy"])
        await gate.wait()
        return found.next_run_at <= found.now and not found.is_leased

    assert sum(await asyncio.gather(*(look_and_run() for _ in range(6)))) == 6


async def test_a_crashed_runs_lease_ends_by_the_databases_clock(db: Database) -> None:
    async with db.connection() as conn:
        await service.know_jobs(conn, [job(seven)])
        crashed = LeaseId(new_id())
        assert await store_named.take_named_job(
            conn, name="tidy", lease_id=crashed, lease_s=60, only_due=True
        )
    assert (await service.run_named(db, job(seven))).status == "SKIPPED"
    async with db.connection() as conn:
        await conn.execute("UPDATE named_job SET leased_until = clock_timestamp()")
    # Its schedule has not moved on: the run that crashed is due again.
    assert (await service.run_due(db, job(seven))).status == "DONE"


async def test_who_finishes_late_overwrites_nothing(db: Database) -> None:
    async def slow(db: Database) -> int:
        async with db.connection() as conn:
            await conn.execute("UPDATE named_job SET leased_until = clock_timestamp()")
        newer = await service.run_named(db, job(seven))
        assert newer.status == "DONE"
        return 99

    late = await service.run_named(db, job(slow))
    assert (late.status, late.processed) == ("DONE", 99)
    kept = await row(db)
    assert (kept["processed"], kept["lease_id"]) == (7, None)


async def test_a_run_whose_lease_was_taken_over_is_ended(live_db: Database) -> None:
    async def robbed(db: Database) -> int:
        async with db.connection() as conn:
            await conn.execute("UPDATE named_job SET lease_id = $1", new_id())
        await asyncio.Event().wait()
        return 0

    run = await service.run_named(live_db, job(robbed), lease_s=0.06)
    assert run.status == "FAILED"
    assert (await row(live_db))["status"] is None


async def test_a_long_run_keeps_its_lease(live_db: Database) -> None:
    async def long(db: Database) -> int:
        first = await database_time(db)

        async def is_later() -> bool:
            return await database_time(db) > first + timedelta(seconds=1.6)

        await until(is_later)
        assert (await service.run_named(db, job(seven))).status == "SKIPPED"
        return 1

    assert (await service.run_named(live_db, job(long), lease_s=1.5)).status == "DONE"


async def database_time(db: Database) -> datetime:
    async with db.connection() as conn:
        return await store_named.database_now(conn)


async def test_a_cancelled_run_gives_its_lease_back(live_db: Database) -> None:
    begun = asyncio.Event()

    async def endless(_db: Database) -> int:
        begun.set()
        await asyncio.Event().wait()
        return 0

    running = asyncio.create_task(service.run_named(live_db, job(endless)))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await service.run_named(live_db, job(seven))).status == "DONE"


def test_a_run_longer_than_its_period_is_due_a_period_after_its_end() -> None:
    start = utc_now()
    schedule = parse_schedule("every 5s")

    def due(seconds: float) -> float:
        at = next_run_at(
            schedule,
            started_at=start,
            ended_at=start + timedelta(seconds=seconds),
            status="DONE",
        )
        return (at - start).total_seconds()

    assert due(1) == 5
    assert due(8) == 13


async def test_lag_counts_from_the_last_success_and_is_bad_beyond_three_periods(
    db: Database,
) -> None:
    quick, daily = job(seven, "every 1m"), NamedJob("count", "17 3 * * *", seven)
    async with db.connection() as conn:
        health = await service.health(conn, [quick, daily])
        assert [(j.lag_s, j.last_run_at) for j in health.jobs] == [(None, None)] * 2
        assert health.is_healthy
        await service.know_jobs(conn, [quick, daily])
        health = await service.health(conn, [quick, daily])
        assert [j.lag_s for j in health.jobs] == [0, 0]
        await conn.execute("UPDATE named_job SET done_at = now() - interval '3 minutes'")
        health = await service.health(conn, [quick, daily])
        assert health.jobs[0].lag_s == pytest.approx(120, abs=5)
        assert health.is_healthy
        await conn.execute("UPDATE named_job SET done_at = now() - interval '6 minutes'")
        health = await service.health(conn, [quick])
        assert health.jobs[0].is_late
        assert not health.is_healthy
        await conn.execute("UPDATE named_job SET done_at = now() - interval '2 days'")
        health = await service.health(conn, [daily])
        assert health.jobs[0].is_late
