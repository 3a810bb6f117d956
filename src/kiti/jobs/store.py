"""The SQL of the queue: `job` and `job_dead`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from kiti.jobs.model import DeadJob, JobId, LeaseId, QueueFigures, TakenJob
from kiti.platform.db import Conn, execute, fetch_all, fetch_one, fetch_value

CHANNEL: Final = "kiti_job"


async def put_job(
    conn: Conn,
    *,
    job_id: JobId,
    kind: str,
    payload: str,
    dedupe: str | None,
    delay_s: float,
    priority: int,
) -> None:
    """Write a waiting job and wake the workers at commit; with `dedupe`, one for the same work.

    The waiting job of the same key is updated, not left alone: that locks it until this transaction
    ends, so no worker takes it before what it is about can be seen. DO NOTHING would lose news.

    Of the transactions that overlap only one notifies: NOTIFY commits one transaction at a time (a
    third to a seventh of the commits a second), and a worker once awake looks again by itself.

    Locks: the waiting job of the same key.
    """
    _ = await fetch_value(
        conn,
        """
        WITH put AS (
          INSERT INTO job AS j (job_id, kind, payload, dedupe, priority, run_at)
          VALUES ($1, $2, $3::jsonb, $4, $6, clock_timestamp() + make_interval(secs => $5))
          ON CONFLICT (kind, dedupe) WHERE lease_id IS NULL AND dedupe IS NOT NULL DO UPDATE
          SET run_at = least(j.run_at, excluded.run_at),
              priority = greatest(j.priority, excluded.priority)
          RETURNING run_at
        )
        SELECT CASE WHEN pg_try_advisory_xact_lock(hashtextextended('kiti_job', 0))
               THEN pg_notify('kiti_job', '')::text END
        FROM put
        WHERE run_at <= clock_timestamp()
        """,
        job_id,
        kind,
        payload,
        dedupe,
        delay_s,
        priority,
    )


async def take_jobs(
    conn: Conn, *, kinds: Sequence[str], limit: int, lease_id: LeaseId, lease_s: float
) -> list[TakenJob]:
    """Lease up to `limit` jobs of these kinds whose time has come, the most urgent first.

    Waiting jobs and those whose lease has ended alike; jobs that another transaction has locked are
    passed over. Each priority is one walk down the index, which stops at the limit.
    """
    return await fetch_all(
        conn,
        TakenJob,
        """
        WITH due AS MATERIALIZED (
          SELECT ready.job_id
          FROM generate_series(3, 0, -1) AS level (priority)
          CROSS JOIN LATERAL (
            SELECT job.job_id
            FROM job
            WHERE job.priority = level.priority AND job.run_at <= statement_timestamp()
              AND job.kind = ANY ($1)
            ORDER BY job.run_at
            LIMIT $2
            FOR UPDATE OF job SKIP LOCKED
          ) AS ready
          LIMIT $2
        )
        UPDATE job
        SET lease_id = $3, run_at = clock_timestamp() + make_interval(secs => $4),
            attempts = job.attempts + 1
        FROM due
        WHERE job.job_id = due.job_id
        RETURNING job.job_id, job.kind, job.payload::text AS payload, job.lease_id, job.attempts
        """,
        list(kinds),
        limit,
        lease_id,
        lease_s,
    )


async def extend_leases(
    conn: Conn, *, held: Sequence[tuple[JobId, LeaseId]], lease_s: float
) -> set[tuple[JobId, LeaseId]]:
    """Let these leases end `lease_s` seconds from now; those that are still ours."""
    rows = await conn.fetch(
        """
        UPDATE job
        SET run_at = clock_timestamp() + make_interval(secs => $3)
        FROM unnest($1::uuid[], $2::uuid[]) AS held (job_id, lease_id)
        WHERE job.job_id = held.job_id AND job.lease_id = held.lease_id
        RETURNING job.job_id, job.lease_id
        """,
        [job_id for job_id, _ in held],
        [lease_id for _, lease_id in held],
        lease_s,
    )
    return {(JobId(row["job_id"]), LeaseId(row["lease_id"])) for row in rows}


async def delete_jobs(conn: Conn, jobs: Sequence[TakenJob]) -> int:
    """Cross off jobs that are done; how many of the leases were still ours."""
    return await execute(
        conn,
        """
        DELETE FROM job
        USING unnest($1::uuid[], $2::uuid[]) AS done (job_id, lease_id)
        WHERE job.job_id = done.job_id AND job.lease_id = done.lease_id
        """,
        [job.job_id for job in jobs],
        [job.lease_id for job in jobs],
    )


async def put_back_job(
    conn: Conn, job: TakenJob, *, attempts: int, error: str | None, delay_s: float
) -> bool:
    """Let a job wait again for `delay_s` seconds; False when the lease is no longer ours.

    `error` is the class of its failure, None when it did not fail but its worker was told to end.
    Raises asyncpg.UniqueViolationError when another job waits under the same key.
    """
    return bool(
        await execute(
            conn,
            """
            UPDATE job
            SET lease_id = NULL, attempts = $3, error = coalesce($4, error),
                run_at = clock_timestamp() + make_interval(secs => $5)
            WHERE job_id = $1 AND lease_id = $2
            """,
            job.job_id,
            job.lease_id,
            attempts,
            error,
            delay_s,
        )
    )


async def bury_job(conn: Conn, job: TakenJob, *, attempts: int, error: str) -> bool:
    """Move a job that failed `attempts` times to the dead; False when the lease is not ours."""
    return bool(
        await execute(
            conn,
            """
            WITH gone AS (
              DELETE FROM job
              WHERE job_id = $1 AND lease_id = $2
              RETURNING job_id, kind, payload, dedupe, priority, created_at
            )
            INSERT INTO job_dead
              (job_id, kind, payload, dedupe, priority, attempts, error, created_at, died_at)
            SELECT job_id, kind, payload, dedupe, priority, $3, $4, created_at,
                   clock_timestamp()
            FROM gone
            """,
            job.job_id,
            job.lease_id,
            attempts,
            error,
        )
    )


async def list_dead_jobs(
    conn: Conn, *, before: tuple[datetime, JobId] | None, limit: int
) -> list[DeadJob]:
    """The dead, the latest first; `before` is where the page before ended, None at the start."""
    died_at, job_id = before or (None, None)
    return await fetch_all(
        conn,
        DeadJob,
        """
        SELECT job_id, kind, payload::text AS payload, attempts, error, created_at, died_at
        FROM job_dead
        WHERE $1::timestamptz IS NULL OR (died_at, job_id) < ($1, $2::uuid)
        ORDER BY died_at DESC, job_id DESC
        LIMIT $3
        """,
        died_at,
        job_id,
        limit,
    )


async def revive_job(conn: Conn, *, job_id: JobId) -> bool:
    """Move a dead job back to the queue, with all its attempts; False when there is none.

    Where another job waits under its key, that one does the work.

    Locks: the waiting job of the same key.
    """
    return bool(
        await execute(
            conn,
            """
            WITH risen AS (
              DELETE FROM job_dead
              WHERE job_id = $1
              RETURNING job_id, kind, payload, dedupe, priority, created_at
            )
            INSERT INTO job AS j (job_id, kind, payload, dedupe, priority, run_at, created_at)
            SELECT job_id, kind, payload, dedupe, priority, clock_timestamp(), created_at
            FROM risen
            ON CONFLICT (kind, dedupe) WHERE lease_id IS NULL AND dedupe IS NOT NULL DO UPDATE
            SET run_at = least(j.run_at, excluded.run_at)
            """,
            job_id,
        )
    )


async def queue_figures(conn: Conn, *, stuck_after_s: float) -> QueueFigures:
    """How many jobs are in each state, each count up to 10,000, and the oldest that is overdue."""
    return await fetch_one(
        conn,
        QueueFigures,
        """
        SELECT
          (SELECT count(*) FROM (SELECT FROM job WHERE lease_id IS NULL LIMIT 10000) AS w)
            AS waiting,
          (SELECT count(*) FROM (SELECT FROM job WHERE lease_id IS NOT NULL LIMIT 10000) AS r)
            AS running,
          (SELECT count(*) FROM (
             SELECT FROM job
             WHERE lease_id IS NOT NULL
               AND run_at < statement_timestamp() - make_interval(secs => $1)
             LIMIT 10000) AS s) AS stuck,
          (SELECT count(*) FROM (SELECT FROM job_dead LIMIT 10000) AS d) AS dead,
          (SELECT extract(epoch FROM statement_timestamp() - min(first.run_at))::float8
           FROM generate_series(0, 3) AS level (priority)
           CROSS JOIN LATERAL (
             SELECT job.run_at
             FROM job
             WHERE job.priority = level.priority AND job.run_at <= statement_timestamp()
             ORDER BY job.run_at
             LIMIT 1
           ) AS first) AS oldest_waiting_s
        """,
        stuck_after_s,
    )
