"""Schedules: runs each named job when it is due; several schedulers at once run each once."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from kiti.jobs import store_named
from kiti.jobs.model import NamedJob, NamedJobRow
from kiti.jobs.service import NAMED_LEASE_S, know_jobs, run_due
from kiti.jobs.worker import AWAY_S, drain, wait
from kiti.platform.db import Database
from kiti.platform.errors import DatabaseUnavailable

log: Final = structlog.get_logger("kiti.scheduler")

TICK_S: Final = 1.0
TICK_MIN_S: Final = 0.02


class Scheduler:
    """Looks at the named jobs at least each `tick_s` seconds and starts those that are due."""

    def __init__(
        self,
        db: Database,
        *,
        jobs: Sequence[NamedJob],
        tick_s: float = TICK_S,
        lease_s: float = NAMED_LEASE_S,
        grace_s: float = 20.0,
    ) -> None:
        self._db = db
        self._jobs = {job.name: job for job in jobs}
        self._tick_s = tick_s
        self._lease_s = lease_s
        self._grace_s = grace_s
        self._runs: dict[str, asyncio.Task[None]] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Run due jobs until `stopping` is set, then let what runs end (`grace_s` seconds)."""
        async with asyncio.TaskGroup() as group:
            while not stopping.is_set():
                try:
                    pause_s = await self._start_due(group)
                except DatabaseUnavailable:
                    log.warning("the database is away, trying again")
                    pause_s = AWAY_S
                await wait(stopping, pause_s)
            await drain(set(self._runs.values()), grace_s=self._grace_s)

    async def _start_due(self, group: asyncio.TaskGroup) -> float:
        """Start what is due; seconds until something may be due again."""
        rows = await self._rows()
        pause_s = self._tick_s
        for row in rows:
            if row.name in self._runs or row.is_leased:
                continue
            until_s = (row.next_run_at - row.now).total_seconds()
            if until_s > 0:
                pause_s = min(pause_s, max(until_s, TICK_MIN_S))
                continue
            self._runs[row.name] = group.create_task(self._run(self._jobs[row.name]))
        return pause_s

    async def _rows(self) -> list[NamedJobRow]:
        names = list(self._jobs)
        async with self._db.connection() as conn:
            rows = await store_named.list_named_jobs(conn, names=names)
            if len(rows) == len(names):
                return rows
            await know_jobs(conn, list(self._jobs.values()))
            return await store_named.list_named_jobs(conn, names=names)

    async def _run(self, job: NamedJob) -> None:
        try:
            _ = await run_due(self._db, job, lease_s=self._lease_s)
        except DatabaseUnavailable:
            log.warning("the database went away during a run", job=job.name)
        finally:
            del self._runs[job.name]
