import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

import asyncpg
import pytest

from kiti.jobs import service, store
from kiti.jobs.model import Backoff, JobId, LeaseId, NoSuchJob, TakenJob
from kiti.platform.db import Conn, Database
from kiti.platform.ids import new_id


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Told:
    payment_id: UUID
    since: datetime
    colour: Colour
    tries: int


async def waiting(conn: Conn) -> list[str]:
    rows = await conn.fetch("SELECT payload ->> 'n' AS n FROM job ORDER BY run_at")
    return [row["n"] for row in rows]


async def take(conn: Conn, kind: str = "told", limit: int = 10) -> list[TakenJob]:
    return await store.take_jobs(
        conn, kinds=[kind], limit=limit, lease_id=LeaseId(new_id()), lease_s=30
    )


class Undone(Exception):
    pass


async def test_a_rolled_back_transaction_leaves_no_job(live_db: Database) -> None:
    async def enqueue_and_fail(conn: Conn) -> None:
        await service.enqueue(conn, kind="told", payload={"n": "1"})
        assert await waiting(conn) == ["1"]
        raise Undone

    with pytest.raises(Undone):
        await live_db.run(enqueue_and_fail)
    async with live_db.connection() as conn:
        assert await waiting(conn) == []


async def test_a_dataclass_goes_in_and_comes_out_at_the_handler(db: Database) -> None:
    told = Told(new_id(), datetime(2026, 11, 23, 7, 30, tzinfo=UTC), Colour.RED, 3)
    seen: list[Told] = []

    async def note(_db: Database, payload: Told) -> None:
        seen.append(payload)

    async with db.transaction() as conn:
        await service.enqueue(conn, kind="told", payload=told)
        payload = str(await conn.fetchval("SELECT payload::text FROM job"))
    await service.handler_for(Told, note)(db, json.loads(payload))
    assert seen == [told]


async def test_a_payload_that_json_cannot_hold_is_a_bug(db: Database) -> None:
    async with db.transaction() as conn:
        with pytest.raises(TypeError):
            await service.enqueue(conn, kind="told", payload={"n": object()})


async def test_only_one_job_waits_for_the_same_work(db: Database) -> None:
    async with db.transaction() as conn:
        for n in ("1", "2"):
            await service.enqueue(conn, kind="told", payload={"n": n}, dedupe="x", delay_s=60)
        await service.enqueue(conn, kind="told", payload={"n": "3"}, dedupe="y")
        await service.enqueue(conn, kind="other", payload={"n": "4"}, dedupe="x")
        assert sorted(await waiting(conn)) == ["1", "3", "4"]


async def test_the_earlier_time_and_the_higher_priority_count(db: Database) -> None:
    async with db.transaction() as conn:
        await service.enqueue(conn, kind="told", payload={"n": "1"}, dedupe="x", delay_s=60)
        await service.enqueue(conn, kind="told", payload={"n": "2"}, dedupe="x", priority=2)
        row = await conn.fetchrow(
            "SELECT priority, run_at <= clock_timestamp() AS is_due FROM job WHERE dedupe = 'x'"
        )
        assert row is not None
        assert (row["priority"], row["is_due"]) == (2, True)


async def test_news_that_comes_while_a_job_runs_makes_another(db: Database) -> None:
    async with db.connection() as conn:
        await service.enqueue(conn, kind="told", payload={"n": "1"}, dedupe="x")
        assert len(await take(conn)) == 1
        await service.enqueue(conn, kind="told", payload={"n": "2"}, dedupe="x")
        assert sorted(await waiting(conn)) == ["1", "2"]


async def has_news_been_lost(db: Database, put: str | None) -> bool:
    """A job waits; a transaction changes what it is about; a worker takes it before the commit.

    Lost: the run saw the state from before, and no job is left to see the one after. `put` is the
    statement that enqueues, None the product's own.
    """
    async with db.connection() as conn:
        await conn.execute("CREATE SCHEMA IF NOT EXISTS probe")
        await conn.execute("CREATE TABLE IF NOT EXISTS probe.state (value integer NOT NULL)")
        await conn.execute("TRUNCATE probe.state")
        await conn.execute("INSERT INTO probe.state VALUES (1)")
        await conn.execute("TRUNCATE job")
        await service.enqueue(conn, kind="told", payload={}, dedupe="x")
    async with db.transaction() as changing:
        await changing.execute("UPDATE probe.state SET value = 2")
        if put is None:
            await service.enqueue(changing, kind="told", payload={}, dedupe="x")
        else:
            await changing.execute(put, new_id())
        async with db.connection() as worker:
            taken = await take(worker)
            seen = await worker.fetchval("SELECT value FROM probe.state") if taken else None
            await store.delete_jobs(worker, taken)
    async with db.connection() as conn:
        left = await conn.fetchval("SELECT count(*) FROM job")
        await conn.execute("DROP SCHEMA probe CASCADE")
    return seen == 1 and left == 0


async def test_a_job_is_not_taken_before_its_news_can_be_seen(live_db: Database) -> None:
    assert not await has_news_been_lost(live_db, put=None)


async def test_twin_do_nothing_loses_the_news(live_db: Database) -> None:
    do_nothing = """
        INSERT INTO job (job_id, kind, payload, dedupe, priority, run_at)
        VALUES ($1, 'told', '{}', 'x', 0, clock_timestamp())
        ON CONFLICT DO NOTHING
        """
    assert await has_news_been_lost(live_db, put=do_nothing)


async def test_urgent_jobs_come_first_then_the_older_and_never_more_than_asked_for(
    db: Database,
) -> None:
    async with db.connection() as conn:
        for n, priority in (("1", 0), ("2", 0), ("3", 3), ("4", 1)):
            await service.enqueue(conn, kind="told", payload={"n": n}, priority=priority)
        order = [job.payload for job in await take(conn, limit=2)]
        assert sorted(order) == ['{"n": "3"}', '{"n": "4"}']
        assert [job.payload for job in await take(conn, limit=1)] == ['{"n": "1"}']
        assert [job.payload for job in await take(conn, limit=5)] == ['{"n": "2"}']


async def test_a_job_is_not_taken_before_its_time_nor_by_a_worker_without_a_handler(
    db: Database,
) -> None:
    async with db.connection() as conn:
        await service.enqueue(conn, kind="told", payload={}, delay_s=60)
        await service.enqueue(conn, kind="newer-release", payload={})
        assert await take(conn) == []


async def test_many_that_take_at_once_share_the_jobs(live_db: Database) -> None:
    async with live_db.transaction() as conn:
        for n in range(100):
            await service.enqueue(conn, kind="told", payload={"n": n})
    gate = asyncio.Barrier(8)

    async def taker() -> list[JobId]:
        found: list[JobId] = []
        async with live_db.connection() as conn:
            await gate.wait()
            while jobs := await take(conn, limit=7):
                found += [job.job_id for job in jobs]
        return found

    found = [job_id for ids in await asyncio.gather(*(taker() for _ in range(8))) for job_id in ids]
    # A taker that finds the rest locked stops early; nobody finds what another has.
    assert len(found) == len(set(found))
    async with live_db.connection() as conn:
        found += [job.job_id for job in await take(conn, limit=100)]
    assert len(set(found)) == 100


async def test_twin_takers_without_the_lock_take_the_same_job(live_db: Database) -> None:
    async with live_db.transaction() as conn:
        await service.enqueue(conn, kind="told", payload={})
    gate = asyncio.Barrier(4)

    async def taker() -> str:
        async with live_db.connection() as conn:
            job_id = await conn.fetchval("SELECT job_id FROM job WHERE run_at <= now() LIMIT 1")
            await gate.wait()
            return await conn.execute(
                """
                UPDATE job SET lease_id = $2, run_at = now() + interval '30 s', attempts = 1
                WHERE job_id = $1
                """,
                job_id,
                new_id(),
            )

    assert await asyncio.gather(*(taker() for _ in range(4))) == ["UPDATE 1"] * 4


async def test_only_one_of_the_transactions_that_overlap_notifies(
    live_db: Database, dsn: str
) -> None:
    heard: list[int] = []
    listener = await asyncpg.connect(dsn)

    def hear(*_: object) -> None:
        heard.append(1)

    await listener.add_listener(store.CHANNEL, hear)
    async with live_db.transaction() as first, live_db.transaction() as second:
        await service.enqueue(first, kind="told", payload={})
        await service.enqueue(second, kind="told", payload={})
    await listener.execute("SELECT 1")
    assert heard == [1]
    async with live_db.transaction() as conn:
        await service.enqueue(conn, kind="told", payload={}, delay_s=60)
    await listener.execute("SELECT 1")
    assert heard == [1]
    await listener.close()


async def test_a_job_that_lost_its_lease_cannot_be_ended_by_its_old_holder(
    db: Database,
) -> None:
    async with db.connection() as conn:
        await service.enqueue(conn, kind="told", payload={})
        first = (
            await store.take_jobs(
                conn, kinds=["told"], limit=1, lease_id=LeaseId(new_id()), lease_s=0
            )
        )[0]
        second = (await take(conn))[0]
        assert (second.job_id, second.attempts) == (first.job_id, 2)
        assert await store.delete_jobs(conn, [first]) == 0
        assert not await store.put_back_job(conn, first, attempts=1, error="X", delay_s=0)
        assert not await store.bury_job(conn, first, attempts=1, error="X")
        held = [(first.job_id, first.lease_id), (second.job_id, second.lease_id)]
        assert await store.extend_leases(conn, held=held, lease_s=30) == {held[1]}
        assert await store.delete_jobs(conn, [first, second]) == 1


async def test_twin_without_the_lease_the_old_holder_ends_the_new_ones_job(
    db: Database,
) -> None:
    async with db.connection() as conn:
        await service.enqueue(conn, kind="told", payload={})
        job = (await take(conn))[0]
        assert await conn.execute("DELETE FROM job WHERE job_id = $1", job.job_id) == "DELETE 1"
        assert await store.delete_jobs(conn, [job]) == 0


async def bury(conn: Conn, n: str, dedupe: str | None = None) -> JobId:
    await service.enqueue(conn, kind="told", payload={"n": n}, dedupe=dedupe)
    job = (await take(conn, limit=1))[0]
    assert await store.bury_job(conn, job, attempts=1, error="Broken")
    return job.job_id


async def test_the_dead_are_listed_page_by_page_the_latest_first(db: Database) -> None:
    async with db.connection() as conn:
        buried = [await bury(conn, str(n)) for n in range(5)]
        first = await service.list_dead(conn, limit=3)
        last = first[-1]
        rest = await service.list_dead(conn, before=(last.died_at, last.job_id), limit=3)
    assert [job.job_id for job in [*first, *rest]] == buried[::-1]
    assert {(job.kind, job.attempts, job.error) for job in first} == {("told", 1, "Broken")}


async def test_a_dead_job_is_revived_once_with_all_its_attempts(db: Database) -> None:
    async with db.connection() as conn:
        job_id = await bury(conn, "1", dedupe="x")
        await service.revive(conn, job_id=job_id)
        again = (await take(conn))[0]
        assert (again.job_id, again.payload, again.attempts) == (job_id, '{"n": "1"}', 1)
        with pytest.raises(NoSuchJob):
            await service.revive(conn, job_id=job_id)


async def test_a_dead_job_whose_work_waits_already_joins_it(db: Database) -> None:
    async with db.connection() as conn:
        job_id = await bury(conn, "1", dedupe="x")
        await service.enqueue(conn, kind="told", payload={"n": "2"}, dedupe="x", delay_s=60)
        await service.revive(conn, job_id=job_id)
        assert [job.payload for job in await take(conn)] == ['{"n": "2"}']
        assert await service.list_dead(conn) == []


def test_each_failure_waits_longer_up_to_a_limit_and_never_all_at_once() -> None:
    backoff = Backoff(first_s=2, max_s=900)
    whole = [backoff.delay_s(attempts=n, jitter=0) for n in range(1, 9)]
    assert whole == [2, 6, 18, 54, 162, 486, 900, 900]
    assert backoff.delay_s(attempts=3, jitter=0.999) == pytest.approx(9, rel=0.01)
    assert backoff.delay_s(attempts=10_000, jitter=0) == 900


async def test_figures_tell_what_waits_runs_and_is_stuck(db: Database) -> None:
    async with db.connection() as conn:
        figures = await store.queue_figures(conn, stuck_after_s=60)
        assert (figures.waiting, figures.oldest_waiting_s, figures.is_healthy) == (0, None, True)
        _ = await bury(conn, "1")
        await service.enqueue(conn, kind="told", payload={})
        await service.enqueue(conn, kind="told", payload={})
        _ = await take(conn, limit=1)
        figures = await store.queue_figures(conn, stuck_after_s=60)
        assert (figures.waiting, figures.running, figures.stuck, figures.dead) == (1, 1, 0, 1)
        assert figures.is_healthy
        await conn.execute("UPDATE job SET run_at = run_at - interval '2 minutes'")
        figures = await store.queue_figures(conn, stuck_after_s=60)
        assert figures.stuck == 1
        assert figures.oldest_waiting_s == pytest.approx(120, abs=30)
        assert not figures.is_healthy
