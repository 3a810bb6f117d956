import asyncio
import signal
import subprocess
from collections.abc import Callable

from kiti.jobs import service
from kiti.platform.db import Database
from waiting import until

StartWorker = Callable[..., "subprocess.Popen[str]"]


async def enqueue(db: Database, kind: str, n: int, hang: str = "") -> None:
    async with db.transaction() as conn:
        await service.enqueue(conn, kind=kind, payload={"n": n, "hang": hang})


async def runs(db: Database, n: int) -> list[int]:
    async with db.connection() as conn:
        rows = await conn.fetch("SELECT pid FROM probe.run WHERE n = $1", n)
    return [row["pid"] for row in rows]


async def count(db: Database, table: str) -> int:
    async with db.connection() as conn:
        return int(await conn.fetchval(f"SELECT count(*) FROM {table}") or 0)


async def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        return (await asyncio.to_thread(process.stdout.readline)).strip()


async def ended(process: "subprocess.Popen[str]") -> int:
    return await asyncio.to_thread(process.wait, 20)


async def test_a_job_whose_worker_was_killed_runs_again_with_one_effect(
    probe: Database, start_worker: StartWorker
) -> None:
    await enqueue(probe, "mark", 1, hang="yes")
    first = start_worker()
    assert await said(first) == "began 1"
    first.kill()
    second = start_worker(HANGS="no")
    assert await said(second) == "began 1"

    async def is_done() -> bool:
        return await count(probe, "job") == 0

    await until(is_done)
    assert await runs(probe, 1) == [first.pid, second.pid]
    assert await count(probe, "probe.effect") == 1


async def test_a_worker_that_stopped_responding_loses_its_job_and_changes_nothing_after(
    probe: Database, start_worker: StartWorker
) -> None:
    await enqueue(probe, "mark", 1, hang="yes")
    first = start_worker(lease_s=1.5)
    assert await said(first) == "began 1"
    first.send_signal(signal.SIGSTOP)
    second = start_worker(lease_s=1.5)
    assert await said(second) == "began 1"
    first.send_signal(signal.SIGCONT)
    first.send_signal(signal.SIGTERM)
    assert await ended(first) == 0
    async with probe.connection() as conn:
        attempts = await conn.fetchval("SELECT attempts FROM job WHERE lease_id IS NOT NULL")
    assert attempts == 2


async def test_a_job_that_kills_its_worker_is_dead_after_its_last_attempt(
    probe: Database, start_worker: StartWorker
) -> None:
    await enqueue(probe, "poison", 1)
    for _ in range(3):
        assert await ended(start_worker(lease_s=0.8)) == -signal.SIGKILL
    survivor = start_worker(lease_s=0.8)

    async def is_dead() -> bool:
        return await count(probe, "job_dead") == 1

    await until(is_dead)
    assert len(await runs(probe, 1)) == 3
    assert survivor.poll() is None
    async with probe.connection() as conn:
        (dead,) = await service.list_dead(conn)
    assert (dead.error, dead.attempts) == ("WorkerDied", 3)


async def test_sigterm_lets_what_runs_end_and_gives_back_what_does_not(
    probe: Database, start_worker: StartWorker
) -> None:
    await enqueue(probe, "mark", 1, hang="yes")
    worker = start_worker(lease_s=60)
    assert await said(worker) == "began 1"
    worker.terminate()
    assert await ended(worker) == 0
    async with probe.connection() as conn:
        row = await conn.fetchrow(
            "SELECT attempts, lease_id, run_at <= clock_timestamp() AS is_due FROM job"
        )
    assert row is not None
    assert (row["attempts"], row["lease_id"], row["is_due"]) == (0, None, True)


async def test_two_worker_processes_run_a_named_job_once_when_it_is_due(
    probe: Database, start_worker: StartWorker
) -> None:
    workers = [start_worker(lease_s=30), start_worker(lease_s=30)]

    async def are_listening() -> bool:
        listeners = "pg_stat_activity WHERE application_name = 'kiti listen'"
        return await count(probe, f"{listeners} AND datname = current_database()") == 2

    await until(are_listening)
    for n in (1, 2, 3, 4):
        await enqueue(probe, "mark", n)

    async def is_done() -> bool:
        return await count(probe, "probe.effect") == 4 and await count(probe, "job") == 0

    await until(is_done)

    async def has_ticked() -> bool:
        return len(await runs(probe, -1)) > 0

    await until(has_ticked)
    for worker in workers:
        worker.terminate()
        assert await ended(worker) == 0
    assert len(await runs(probe, -1)) == 1
    assert [len(await runs(probe, n)) for n in (1, 2, 3, 4)] == [1, 1, 1, 1]
