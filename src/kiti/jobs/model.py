"""Words of the slice: jobs, dead jobs, named jobs and their runs; retries; what healthy means."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NewType, TypeAlias
from uuid import UUID

from kiti.jobs.schedule import Schedule, parse_schedule, period_s
from kiti.platform.db import Database
from kiti.platform.errors import NotFound

JobId = NewType("JobId", UUID)
LeaseId = NewType("LeaseId", UUID)

Payload: TypeAlias = dict[str, Any]
Handler: TypeAlias = Callable[[Database, Payload], Awaitable[None]]
Run: TypeAlias = Callable[[Database], Awaitable[int]]
RunStatus: TypeAlias = Literal["DONE", "FAILED", "SKIPPED"]

PAYLOAD_BYTES_MAX: Final = 8192
PRIORITY_MAX: Final = 3
FAILED_AGAIN: Final = timedelta(minutes=5)
LAG_MIN_S: Final = 60.0
LAG_MAX_S: Final = 3600.0
WAITING_MAX_S: Final = 300.0
STUCK_AFTER_S: Final = 60.0


class NoSuchJob(NotFound):
    """There is no job of that name, or no dead job of that id."""


@dataclass(frozen=True, slots=True)
class TakenJob:
    """A job that a worker has under its lease; `attempts` counts this one."""

    job_id: JobId
    kind: str
    payload: str
    lease_id: LeaseId
    attempts: int


@dataclass(frozen=True, slots=True)
class DeadJob:
    """A job that failed `attempts` times; `error` is the class of the last failure."""

    job_id: JobId
    kind: str
    payload: str
    attempts: int
    error: str
    created_at: datetime
    died_at: datetime


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a failed job waits: `first_s`, then three times as long each time, `max_s` at most.

    Each wait is shortened at random by up to a half, so that what failed together does not come
    back together.
    """

    first_s: float = 2.0
    max_s: float = 900.0

    def delay_s(self, *, attempts: int, jitter: float) -> float:
        """Seconds to wait after failure number `attempts` (from 1); `jitter` is in [0, 1)."""
        whole = min(self.max_s, self.first_s * 3.0 ** min(attempts - 1, 20))
        return whole * (1.0 - jitter / 2.0)


@dataclass(frozen=True, slots=True)
class NamedJob:
    """Work that returns by the clock; `run` says how many things it processed.

    `schedule` is `every 5s` or cron's five fields in UTC. `run_by_hand` runs instead of `run` when
    a person or an outside cron asks (None: the same). A run is ended after `run_s` seconds.
    """

    name: str
    schedule: str
    run: Run
    run_by_hand: Run | None = None
    run_s: float = 600.0

    def __post_init__(self) -> None:
        _ = parse_schedule(self.schedule)  # a schedule nobody can read ends the start, not a run

    @property
    def timing(self) -> Schedule:
        """The schedule, read."""
        return parse_schedule(self.schedule)

    def by_hand(self) -> "NamedJob":
        """The same job as it runs when somebody asks for it."""
        return self if self.run_by_hand is None else replace(self, run=self.run_by_hand)


@dataclass(frozen=True, slots=True)
class JobRun:
    """How a run of a named job ended; SKIPPED when another run holds the lease."""

    job: str
    status: RunStatus
    processed: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class NamedJobRow:
    """What is kept of a named job, and the database's clock at the same moment.

    `status` is the last finished run's, None before the first; `done_at` the end of the last run
    that succeeded, or when the job was first known.
    """

    name: str
    next_run_at: datetime
    started_at: datetime | None
    done_at: datetime
    status: str | None
    is_leased: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """Jobs by state, each count up to 10,000; `stuck` are those whose lease ended a minute ago.

    `oldest_waiting_s` is how long the longest overdue job has waited beyond its time, None when
    none is due.
    """

    waiting: int
    running: int
    stuck: int
    dead: int
    oldest_waiting_s: float | None

    @property
    def is_healthy(self) -> bool:
        """Nothing stuck, nothing overdue for five minutes; dead jobs wait for a person."""
        return self.stuck == 0 and (self.oldest_waiting_s or 0.0) <= WAITING_MAX_S


@dataclass(frozen=True, slots=True)
class JobHealth:
    """A named job as the health page shows it; None where it never ran or is not yet known."""

    name: str
    schedule: str
    last_run_at: datetime | None
    last_status: str | None
    lag_s: int | None
    is_late: bool


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the jobs keep up: every named job, and the queue."""

    jobs: list[JobHealth]
    queue: QueueFigures

    @property
    def is_healthy(self) -> bool:
        """No job far past its schedule, and the queue moves."""
        return self.queue.is_healthy and not any(job.is_late for job in self.jobs)


def error_name(error: Exception) -> str:
    """All that is kept of an error: its class. A message may carry somebody's data."""
    return type(error).__name__[:100]


def next_run_at(
    schedule: Schedule, *, started_at: datetime, ended_at: datetime, status: RunStatus
) -> datetime:
    """When a job is due again: by its schedule, and at the latest in 5 minutes after a failure."""
    due = schedule.after(started_at)
    if due <= ended_at:
        due = schedule.after(ended_at)
    return min(due, ended_at + FAILED_AGAIN) if status == "FAILED" else due


def health_of(job: NamedJob, row: NamedJobRow | None) -> JobHealth:
    """How far a job is past the moment at which it should have succeeded again.

    It is late beyond three periods of its schedule, but never before a minute and always after an
    hour. A job without a row was never known to any worker or server: nothing is said of its lag.
    """
    if row is None:
        return JobHealth(job.name, job.schedule, None, None, None, is_late=False)
    lag_s = max(0.0, (row.now - job.timing.after(row.done_at)).total_seconds())
    allowed_s = min(LAG_MAX_S, max(LAG_MIN_S, 3 * period_s(job.timing, now=row.now)))
    return JobHealth(
        job.name,
        job.schedule,
        last_run_at=row.started_at,
        last_status=row.status,
        lag_s=round(lag_s),
        is_late=lag_s > allowed_s,
    )
