"""Jobs over HTTP, for an outside cron and for monitoring; guarded by `x-job-secret`."""

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kiti.config import Settings
from kiti.jobs import service
from kiti.jobs.model import Health, JobRun, NamedJob, NoSuchJob
from kiti.jobs.schemas import HealthOut, JobHealthOut, JobRunOut, QueueOut
from kiti.platform.db import Database
from kiti.platform.errors import Unauthenticated
from kiti.platform.http import answer, refuses
from kiti.platform.secrets import constant_time_equal


def router(db: Database, settings: Settings, jobs: Sequence[NamedJob]) -> APIRouter:
    """`POST /api/jobs/{name}` and `GET /api/jobs/health`."""
    routes = APIRouter(prefix="/api/jobs", tags=["jobs"])
    named = {job.name: job for job in jobs}

    @routes.get("/health", responses={200: {"model": HealthOut}, 503: {"model": HealthOut}})
    async def read_health(request: Request) -> Response:
        """Whether jobs and queue keep up; in production the details need `x-job-secret`."""
        async with db.connection() as conn:
            found = await service.health(conn, jobs)
        is_whole = not settings.is_production or _has_secret(request, settings)
        return answer(_health_out(found, is_whole=is_whole), 200 if found.is_healthy else 503)

    @routes.post("/{name}", responses={200: {"model": JobRunOut}, **refuses(401, 404, 503)})
    async def run_job(name: str, request: Request) -> Response:
        """Run a job now, and wait for its end."""
        if not _has_secret(request, settings):
            raise Unauthenticated
        if name not in named:
            raise NoSuchJob
        return answer(_run_out(await service.run_named(db, named[name])))

    return routes


def _has_secret(request: Request, settings: Settings) -> bool:
    """Both secrets are compared, whichever fits; one that is not set fits nothing."""
    given = request.headers.get("x-job-secret", "")
    is_current = constant_time_equal(given, settings.job_secret_key)
    is_previous = constant_time_equal(given, settings.job_secret_key_previous)
    return is_current or is_previous


def _run_out(run: JobRun) -> JobRunOut:
    return JobRunOut(
        job=run.job, status=run.status, processed=run.processed, duration_ms=run.duration_ms
    )


def _health_out(health: Health, *, is_whole: bool) -> HealthOut:
    status = "OK" if health.is_healthy else "DEGRADED"
    if not is_whole:
        return HealthOut(status=status)
    queue = health.queue
    oldest_s = queue.oldest_waiting_s
    return HealthOut(
        status=status,
        jobs=[
            JobHealthOut(
                name=job.name,
                schedule=job.schedule,
                last_run_at=job.last_run_at,
                last_status=job.last_status,
                lag_seconds=job.lag_s,
            )
            for job in health.jobs
        ],
        queue=QueueOut(
            waiting=queue.waiting,
            running=queue.running,
            stuck=queue.stuck,
            dead=queue.dead,
            oldest_waiting_seconds=None if oldest_s is None else round(oldest_s),
        ),
    )
