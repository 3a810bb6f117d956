"""Wire types of the jobs' routes."""

from datetime import datetime
from typing import Literal

from kiti.platform.http import Wire


class JobRunOut(Wire):
    """How a run by hand ended."""

    job: str
    status: Literal["DONE", "FAILED", "SKIPPED"]
    processed: int
    duration_ms: int


class JobHealthOut(Wire):
    """A named job; null where it never ran, `lagSeconds` too where nobody ever knew it."""

    name: str
    schedule: str
    last_run_at: datetime | None
    last_status: str | None
    lag_seconds: int | None


class QueueOut(Wire):
    """Jobs by state, each count up to 10,000; the age is of the longest overdue job."""

    waiting: int
    running: int
    stuck: int
    dead: int
    oldest_waiting_seconds: int | None


class HealthOut(Wire):
    """OK, or DEGRADED with status 503. In production without the secret, the status alone."""

    status: Literal["OK", "DEGRADED"]
    jobs: list[JobHealthOut] | None = None
    queue: QueueOut | None = None
