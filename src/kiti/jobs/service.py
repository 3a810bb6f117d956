"""Use cases: enqueue a job, look at the dead and revive them, run a named job, tell the health."""

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, ClassVar, Final, Protocol, TypeVar
from uuid import UUID

import structlog
from pydantic import TypeAdapter

from kiti.jobs import store, store_named
from kiti.jobs.model import (
    STUCK_AFTER_S,
    DeadJob,
    Handler,
    Health,
    JobId,
    JobRun,
    LeaseId,
    NamedJob,
    NoSuchJob,
    Payload,
    RunStatus,
    error_name,
    health_of,
    next_run_at,
)
from kiti.jobs.schedule import Every
from kiti.platform.clock import monotonic_s
from kiti.platform.db import Conn, Database
from kiti.platform.errors import DatabaseUnavailable
from kiti.platform.ids import new_id

log: Final = structlog.get_logger("kiti.jobs")

NAMED_LEASE_S: Final = 60.0

PayloadType = TypeVar("PayloadType")


class PayloadRecord(Protocol):
    """A payload written as a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


async def enqueue(
    conn: Conn,
    *,
    kind: str,
    payload: PayloadRecord | Mapping[str, Any],
    dedupe: str | None = None,
    delay_s: float = 0,
    priority: int = 0,
) -> None:
    """Write a job in the caller's transaction: it is there exactly when that commits.

    `payload` is a dataclass or a dict of JSON types, ids, instants and enums, 8 KiB of text at
    most; it holds ids, never a person's data. With `dedupe` at most one job of this kind and key
    waits: a second call adds none (the first payload stays; the earlier time and the higher
    priority count), but news that comes while one runs makes another. `delay_s` is seconds from
    now; `priority` is 0 (usual) to 3 (first).

    Locks: with `dedupe`, the waiting job of the same key.
    """
    fields = dict(payload) if isinstance(payload, Mapping) else dataclasses.asdict(payload)
    await store.put_job(
        conn,
        job_id=JobId(new_id()),
        kind=kind,
        payload=json.dumps(fields, default=_plain, separators=(",", ":")),
        dedupe=dedupe,
        delay_s=delay_s,
        priority=priority,
    )


def _plain(value: object) -> str | int:
    """What JSON has no word for, as it is on the wire."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum) and isinstance(value.value, str | int):
        return value.value
    raise TypeError(f"a job's payload cannot hold a {type(value).__name__}")


def handler_for(
    payload_type: type[PayloadType], run: Callable[[Database, PayloadType], Awaitable[None]]
) -> Handler:
    """A handler that reads its payload as a `payload_type`: the dataclass that was enqueued."""
    adapter = TypeAdapter(payload_type)

    async def handle(db: Database, payload: Payload) -> None:
        await run(db, adapter.validate_python(payload))

    return handle


async def list_dead(
    conn: Conn, *, before: tuple[datetime, JobId] | None = None, limit: int = 20
) -> list[DeadJob]:
    """Jobs that failed too often, the latest first.

    `before` is `died_at` and id of the last one seen, None for the first page.
    """
    return await store.list_dead_jobs(conn, before=before, limit=limit)


async def revive(conn: Conn, *, job_id: JobId) -> None:
    """Put a dead job back into the queue, due at once, with all its attempts.

    Raises:
        NoSuchJob: no dead job has this id (any more).
    """
    if not await store.revive_job(conn, job_id=job_id):
        raise NoSuchJob


async def know_jobs(conn: Conn, jobs: Sequence[NamedJob]) -> None:
    """Make named jobs known to the database, from when on they can lag; known ones stay as are.

    One that returns every few seconds is due at once, one of cron's at its next time.
    """
    now = await store_named.database_now(conn)
    for job in jobs:
        due = now if isinstance(job.timing, Every) else job.timing.after(now)
        _ = await store_named.add_named_job(conn, name=job.name, next_run_at=due, now=now)


async def run_named(db: Database, job: NamedJob, *, lease_s: float = NAMED_LEASE_S) -> JobRun:
    """Run a named job now, by hand (`run_by_hand` where it has one); what came of it.

    One run at a time: SKIPPED when another holds the lease. A run whose process dies leaves its
    lease to end after `lease_s` seconds, by the database's clock; one that lives renews it.
    """
    return await _run_leased(db, job.by_hand(), lease_s=lease_s, only_due=False)


async def run_due(db: Database, job: NamedJob, *, lease_s: float = NAMED_LEASE_S) -> JobRun:
    """Run a named job if its time has come; SKIPPED when not, or when another run holds the lease.

    Of several callers at the same due time one runs it.
    """
    return await _run_leased(db, job, lease_s=lease_s, only_due=True)


async def _run_leased(db: Database, job: NamedJob, *, lease_s: float, only_due: bool) -> JobRun:
    lease_id = LeaseId(new_id())
    async with db.transaction() as conn:
        if not only_due:
            await know_jobs(conn, [job])
        started_at = await store_named.take_named_job(
            conn, name=job.name, lease_id=lease_id, lease_s=lease_s, only_due=only_due
        )
    if started_at is None:
        return JobRun(job.name, "SKIPPED", processed=0, duration_ms=0)
    began_s = monotonic_s()

    async def finish(status: RunStatus, processed: int, error: str | None) -> JobRun:
        spent_s = monotonic_s() - began_s
        due = next_run_at(
            job.timing,
            started_at=started_at,
            ended_at=started_at + timedelta(seconds=spent_s),
            status=status,
        )
        async with db.transaction() as conn:
            is_ours = await store_named.finish_named_job(
                conn,
                name=job.name,
                lease_id=lease_id,
                status=status,
                processed=processed,
                duration_ms=round(spent_s * 1000),
                error=error,
                next_run_at=due,
            )
        if not is_ours:
            log.warning("a run outlived its lease and was not kept", job=job.name)
        return JobRun(job.name, status, processed, round(spent_s * 1000))

    try:
        async with asyncio.timeout(job.run_s) as limit:
            beat = asyncio.create_task(_keep_lease(db, job.name, lease_id, lease_s, limit))
            try:
                processed = await job.run(db)
            finally:
                beat.cancel()
    except asyncio.CancelledError:
        await finish("FAILED", 0, "CancelledError")  # the lease is given back at once
        raise
    except Exception as error:  # whatever it raised, it is a failed run
        log.exception("named job failed", job=job.name, error=error_name(error))
        return await finish("FAILED", 0, error_name(error))
    return await finish("DONE", processed, None)


async def _keep_lease(
    db: Database, name: str, lease_id: LeaseId, lease_s: float, limit: asyncio.Timeout
) -> None:
    """Renew the lease until cancelled; once it is lost, let the run's time be over."""
    while True:
        await asyncio.sleep(lease_s / 3)
        with suppress(DatabaseUnavailable):
            async with db.transaction() as conn:
                is_ours = await store_named.extend_named_job(
                    conn, name=name, lease_id=lease_id, lease_s=lease_s
                )
            if not is_ours:
                limit.reschedule(asyncio.get_running_loop().time())
                return


async def health(conn: Conn, jobs: Sequence[NamedJob]) -> Health:
    """How the named jobs and the queue are doing, by the database's clock."""
    rows = await store_named.list_named_jobs(conn, names=[job.name for job in jobs])
    kept = {row.name: row for row in rows}
    return Health(
        jobs=[health_of(job, kept.get(job.name)) for job in jobs],
        queue=await store.queue_figures(conn, stuck_after_s=STUCK_AFTER_S),
    )
