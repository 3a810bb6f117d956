"""The SQL of named jobs: their leases and what is kept of their runs."""

from collections.abc import Sequence
from datetime import datetime

from kiti.jobs.model import LeaseId, NamedJobRow
from kiti.platform.db import Conn, execute, fetch_all, fetch_value


async def database_now(conn: Conn) -> datetime:
    """The database's clock."""
    return await fetch_value(conn, "SELECT clock_timestamp()")


async def add_named_job(conn: Conn, *, name: str, next_run_at: datetime, now: datetime) -> bool:
    """Make a job known, due at `next_run_at`; False when it was."""
    return bool(
        await execute(
            conn,
            """
            INSERT INTO named_job (name, next_run_at, done_at)
            VALUES ($1, $2, $3)
            ON CONFLICT (name) DO NOTHING
            """,
            name,
            next_run_at,
            now,
        )
    )


async def list_named_jobs(conn: Conn, *, names: Sequence[str]) -> list[NamedJobRow]:
    """What is kept of these jobs; those not yet known are left out."""
    return await fetch_all(
        conn,
        NamedJobRow,
        """
        SELECT name, next_run_at, started_at, done_at, status,
               leased_until IS NOT NULL AND leased_until > statement_timestamp() AS is_leased,
               statement_timestamp() AS now
        FROM named_job
        WHERE name = ANY ($1)
        """,
        list(names),
    )


async def take_named_job(
    conn: Conn, *, name: str, lease_id: LeaseId, lease_s: float, only_due: bool
) -> datetime | None:
    """Lease the job for a run; when it started, None when another run has it or it is not due.

    Two that try at once: the second waits for the row, then finds it leased, or no longer due.

    Locks: the job's row.
    """
    return await fetch_value(
        conn,
        """
        UPDATE named_job
        SET lease_id = $2, leased_until = clock_timestamp() + make_interval(secs => $3),
            started_at = clock_timestamp()
        WHERE name = $1 AND (leased_until IS NULL OR leased_until <= clock_timestamp())
          AND (NOT $4 OR next_run_at <= clock_timestamp())
        RETURNING started_at
        """,
        name,
        lease_id,
        lease_s,
        only_due,
    )


async def extend_named_job(conn: Conn, *, name: str, lease_id: LeaseId, lease_s: float) -> bool:
    """Let the lease end `lease_s` seconds from now; False when it is no longer ours."""
    return bool(
        await execute(
            conn,
            """
            UPDATE named_job
            SET leased_until = clock_timestamp() + make_interval(secs => $3)
            WHERE name = $1 AND lease_id = $2
            """,
            name,
            lease_id,
            lease_s,
        )
    )


async def finish_named_job(
    conn: Conn,
    *,
    name: str,
    lease_id: LeaseId,
    status: str,
    processed: int,
    duration_ms: int,
    error: str | None,
    next_run_at: datetime,
) -> bool:
    """Keep how the run ended and give the lease back; False, and nothing kept, when it is lost."""
    return bool(
        await execute(
            conn,
            """
            UPDATE named_job
            SET lease_id = NULL, leased_until = NULL, status = $3, processed = $4,
                duration_ms = $5, error = $6, next_run_at = $7,
                done_at = CASE WHEN $3 = 'DONE' THEN clock_timestamp() ELSE done_at END
            WHERE name = $1 AND lease_id = $2
            """,
            name,
            lease_id,
            status,
            processed,
            duration_ms,
            error,
            next_run_at,
        )
    )
