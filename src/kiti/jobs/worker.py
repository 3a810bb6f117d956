"""The worker: takes jobs under a lease, runs their handlers, crosses them off or puts them back.

What runs twice: a handler whose worker died, or lost its lease, after the effect. Who finishes late
changes nothing: every statement about a taken job names its lease.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import structlog

from kiti.jobs import store
from kiti.jobs.model import Backoff, Handler, JobId, LeaseId, TakenJob, error_name
from kiti.platform.clock import monotonic_s
from kiti.platform.db import Conn, Database
from kiti.platform.errors import DatabaseUnavailable, DomainError
from kiti.platform.ids import new_id
from kiti.platform.listen import listen

log: Final = structlog.get_logger("kiti.worker")

AWAY_S: Final = 1.0
BUSY_FOR_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What bounds a worker; all but the first and `attempts_max` in seconds.

    `lease_s`: a dead worker's jobs run again after it. `run_s`: one run of a handler. `poll_s`: how
    often an idle worker looks without being woken; `poll_busy_s`: for a second after it had work.
    `grace_s`: what runs may go on for so long once the worker is told to stop.
    """

    concurrency: int = 32
    attempts_max: int = 8
    lease_s: float = 30.0
    run_s: float = 120.0
    poll_s: float = 1.0
    poll_busy_s: float = 0.05
    grace_s: float = 20.0
    backoff: Backoff = field(default_factory=Backoff)


class Worker:
    """Runs the jobs of the kinds it has a handler for, until it is told to stop.

    `dsn` is for the connection that listens; everything else goes through `db`, whose pool may be
    smaller than `concurrency`: a handler holds a connection only for its transactions.
    """

    def __init__(
        self,
        db: Database,
        *,
        dsn: str,
        handlers: Mapping[str, Handler],
        limits: WorkerLimits | None = None,
    ) -> None:
        self._db = db
        self._dsn = dsn
        self._handlers = handlers
        self._limits = limits or WorkerLimits()
        self._wake = asyncio.Event()
        self._runs: set[asyncio.Task[None]] = set()
        self._done: list[TakenJob] = []
        self._crossing_off = asyncio.Lock()
        self._handling: dict[tuple[JobId, LeaseId], asyncio.Task[None]] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish what runs (for `grace_s` seconds) and return.

        What still runs then is cancelled and given back, without the loss of an attempt.
        """
        async with asyncio.TaskGroup() as group:
            helpers = [
                group.create_task(listen(self._dsn, store.CHANNEL, self._wake.set)),
                group.create_task(self._keep_leases()),
                group.create_task(self._wake_to_stop(stopping)),
            ]
            await self._take_until(stopping, group)
            await drain(self._runs, grace_s=self._limits.grace_s)
            for helper in helpers:
                helper.cancel()

    async def _wake_to_stop(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._wake.set()

    async def _take_until(self, stopping: asyncio.Event, group: asyncio.TaskGroup) -> None:
        busy_until_s = 0.0
        while not stopping.is_set():
            self._wake.clear()
            try:
                taken = await self._take()
            except DatabaseUnavailable:
                log.warning("the database is away, trying again")
                await wait(stopping, AWAY_S)
                continue
            for job in taken:
                run = group.create_task(self._run(job))
                self._runs.add(run)
                run.add_done_callback(self._forget)
            if taken:
                busy_until_s = monotonic_s() + BUSY_FOR_S
            is_busy = monotonic_s() < busy_until_s
            await wait(self._wake, self._limits.poll_busy_s if is_busy else self._limits.poll_s)

    def _forget(self, run: asyncio.Task[None]) -> None:
        self._runs.discard(run)
        self._wake.set()

    async def _take(self) -> list[TakenJob]:
        free = self._limits.concurrency - len(self._runs)
        if free <= 0:
            return []
        async with self._db.connection() as conn:
            return await store.take_jobs(
                conn,
                kinds=list(self._handlers),
                limit=free,
                lease_id=LeaseId(new_id()),
                lease_s=self._limits.lease_s,
            )

    async def _run(self, job: TakenJob) -> None:
        """Run one job to its end, whatever that is."""
        if job.attempts > self._limits.attempts_max:
            # The attempt before was the last, and took its worker with it.
            await self._bury(job, attempts=job.attempts - 1, error="WorkerDied")
            return
        try:
            await self._handle(job)
        except asyncio.CancelledError:
            await self._put_back(job, attempts=job.attempts - 1, error=None, delay_s=0)
            raise
        except Exception as error:  # noqa: BLE001  # whatever it raised, it is a failed attempt
            await self._fail(job, error)
        else:
            await self._cross_off(job)

    async def _handle(self, job: TakenJob) -> None:
        """Run the handler, known as running for as long as its lease must be kept."""
        me = asyncio.current_task()
        assert me is not None  # noqa: S101  # a coroutine of ours always runs in a task
        key = (job.job_id, job.lease_id)
        self._handling[key] = me
        try:
            async with asyncio.timeout(self._limits.run_s):
                await self._handlers[job.kind](self._db, json.loads(job.payload))
        finally:
            del self._handling[key]

    async def _fail(self, job: TakenJob, error: Exception) -> None:
        name = error_name(error)
        log.warning(
            "job failed",
            kind=job.kind,
            job_id=str(job.job_id),
            attempt=job.attempts,
            error=name,
            exc_info=None if isinstance(error, DomainError) else error,
        )
        if job.attempts >= self._limits.attempts_max:
            await self._bury(job, attempts=job.attempts, error=name)
            return
        delay_s = self._limits.backoff.delay_s(
            attempts=job.attempts,
            jitter=random.random(),  # noqa: S311  # not a secret
        )
        if isinstance(error, DomainError) and error.retry_after_s is not None:
            delay_s = max(delay_s, error.retry_after_s)
        await self._put_back(job, attempts=job.attempts, error=name, delay_s=delay_s)

    async def _put_back(
        self, job: TakenJob, *, attempts: int, error: str | None, delay_s: float
    ) -> None:
        try:
            await self._record(
                lambda conn: store.put_back_job(
                    conn, job, attempts=attempts, error=error, delay_s=delay_s
                )
            )
        except asyncpg.UniqueViolationError:
            # News made another job for the same work meanwhile: that one waits in its place.
            await self._cross_off(job)

    async def _bury(self, job: TakenJob, *, attempts: int, error: str) -> None:
        log.error("job is dead", kind=job.kind, job_id=str(job.job_id), error=error)
        await self._record(lambda conn: store.bury_job(conn, job, attempts=attempts, error=error))

    async def _cross_off(self, job: TakenJob) -> None:
        """Delete a job that is done, together with those that end while a delete is under way."""
        self._done.append(job)
        async with self._crossing_off:
            batch, self._done = self._done, []
            if batch:
                await self._record(lambda conn: store.delete_jobs(conn, batch))

    async def _record(self, work: Callable[[Conn], Awaitable[int]]) -> None:
        """Write how jobs ended; while the database is away, again, as long as a lease lasts.

        Where a lease has passed to another worker nothing is changed: it is that one's to end.
        """
        deadline_s = monotonic_s() + self._limits.lease_s
        while True:
            try:
                _ = await self._db.run(work)
            except DatabaseUnavailable:
                if monotonic_s() >= deadline_s:
                    log.warning("the end of a job was not recorded: it will run again")
                    return
                await asyncio.sleep(min(AWAY_S, self._limits.lease_s / 3))
            else:
                return

    async def _keep_leases(self) -> None:
        """Renew the leases of what runs; a run whose lease is lost is another worker's: end it."""
        while True:
            await asyncio.sleep(self._limits.lease_s / 3)
            held = list(self._handling)
            if not held:
                continue
            with suppress(DatabaseUnavailable):
                async with self._db.connection() as conn:
                    ours = await store.extend_leases(conn, held=held, lease_s=self._limits.lease_s)
                for key in held:
                    if key not in ours and key in self._handling:
                        self._handling[key].cancel()


async def wait(event: asyncio.Event, timeout_s: float) -> None:
    """Until `event` is set, `timeout_s` seconds at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()


async def drain(tasks: set[asyncio.Task[None]], *, grace_s: float) -> None:
    """Let the tasks end by themselves for `grace_s` seconds, then cancel what is left."""
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=grace_s)
        for task in late:
            task.cancel()
        if late:
            _ = await asyncio.wait(late)
