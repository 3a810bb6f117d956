from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
import pytest
from fastapi import FastAPI

from kiti.config import Settings
from kiti.jobs import service
from kiti.jobs.model import NamedJob
from kiti.jobs.routes import router
from kiti.platform.db import Database
from kiti.platform.outer import OuterLayer, install_problems

SECRET = "current-" + "s3cr3t-of-the-jobs-0123456789"
PREVIOUS = "previous-" + "s3cr3t-of-the-jobs-0123456789"
DEVELOPMENT = Settings(job_secret_key=SECRET, job_secret_key_previous=PREVIOUS)
PRODUCTION = DEVELOPMENT.model_copy(update={"app_env": "production"})


async def seven(_db: Database) -> int:
    return 7


async def failing(_db: Database) -> int:
    raise ValueError("secret words")


JOBS = [NamedJob("tidy", "every 5s", seven), NamedJob("broken", "17 3 * * *", failing)]


@asynccontextmanager
async def site(db: Database, settings: Settings) -> AsyncGenerator[httpx2.AsyncClient]:
    app = FastAPI()
    app.include_router(router(db, settings, JOBS))
    install_problems(app)
    transport = httpx2.ASGITransport(app=OuterLayer(app))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


@pytest.mark.parametrize("secret", [SECRET, PREVIOUS])
async def test_a_job_is_run_at_once_with_either_secret(db: Database, secret: str) -> None:
    async with site(db, DEVELOPMENT) as client:
        answer = await client.post("/api/jobs/tidy", headers={"x-job-secret": secret})
    assert answer.status_code == 200
    body = answer.json()
    assert {**body, "durationMs": 0} == {
        "job": "tidy",
        "status": "DONE",
        "processed": 7,
        "durationMs": 0,
    }
    assert isinstance(body["durationMs"], int)


async def test_a_job_that_fails_says_so_and_nothing_more(db: Database) -> None:
    async with site(db, DEVELOPMENT) as client:
        answer = await client.post("/api/jobs/broken", headers={"x-job-secret": SECRET})
    assert (answer.status_code, answer.json()["status"]) == (200, "FAILED")
    assert "secret words" not in answer.text


async def test_while_a_run_holds_the_lease_another_is_skipped(db: Database) -> None:
    async with site(db, DEVELOPMENT) as client:
        _ = await client.post("/api/jobs/tidy", headers={"x-job-secret": SECRET})
        async with db.connection() as conn:
            await conn.execute(
                """
                UPDATE named_job SET lease_id = gen_random_uuid(),
                leased_until = now() + interval '1 minute' WHERE name = 'tidy'
                """
            )
        answer = await client.post("/api/jobs/tidy", headers={"x-job-secret": SECRET})
    assert (answer.status_code, answer.json()["status"]) == (200, "SKIPPED")


@pytest.mark.parametrize("name", ["tidy", "no-such-job", "health"])
@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET[:-1], SECRET + "x", SECRET.upper()])
async def test_without_the_secret_nothing_runs_and_no_name_is_told(
    db: Database, name: str, secret: str | None
) -> None:
    headers = {} if secret is None else {"x-job-secret": secret}
    async with site(db, DEVELOPMENT) as client:
        answer = await client.post(f"/api/jobs/{name}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT count(*) FROM named_job") == 0


@pytest.mark.parametrize("secret", [None, "", "anything"])
async def test_a_secret_that_is_not_set_opens_nothing(db: Database, secret: str | None) -> None:
    headers = {} if secret is None else {"x-job-secret": secret}
    async with site(db, Settings()) as client:
        answer = await client.post("/api/jobs/tidy", headers=headers)
    assert answer.status_code == 401


async def test_an_unknown_name_is_not_found(db: Database) -> None:
    async with site(db, DEVELOPMENT) as client:
        answer = await client.post("/api/jobs/no-such-job", headers={"x-job-secret": SECRET})
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


async def test_health_tells_of_every_job_and_of_the_queue(db: Database) -> None:
    async with site(db, DEVELOPMENT) as client:
        _ = await client.post("/api/jobs/tidy", headers={"x-job-secret": SECRET})
        answer = await client.get("/api/jobs/health")
    body = answer.json()
    assert (answer.status_code, body["status"]) == (200, "OK")
    tidy, broken = body["jobs"]
    assert tidy["lastRunAt"].endswith("Z")
    assert {**tidy, "lastRunAt": ""} == {
        "name": "tidy",
        "schedule": "every 5s",
        "lastRunAt": "",
        "lastStatus": "DONE",
        "lagSeconds": 0,
    }
    assert broken == {
        "name": "broken",
        "schedule": "17 3 * * *",
        "lastRunAt": None,
        "lastStatus": None,
        "lagSeconds": None,
    }
    assert body["queue"] == {
        "waiting": 0,
        "running": 0,
        "stuck": 0,
        "dead": 0,
        "oldestWaitingSeconds": None,
    }


async def lag(db: Database) -> None:
    async with db.connection() as conn:
        await service.know_jobs(conn, JOBS)
        await conn.execute("UPDATE named_job SET done_at = now() - interval '1 hour'")


async def test_health_is_503_when_a_job_lags_far(db: Database) -> None:
    await lag(db)
    async with site(db, DEVELOPMENT) as client:
        answer = await client.get("/api/jobs/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "DEGRADED")
    assert answer.json()["jobs"][0]["lagSeconds"] > 3000


async def test_health_is_503_when_a_job_is_stuck(db: Database) -> None:
    async with db.connection() as conn:
        await service.enqueue(conn, kind="told", payload={})
        await conn.execute(
            """
            UPDATE job SET lease_id = gen_random_uuid(), attempts = 1,
            run_at = now() - interval '2 minutes'
            """
        )
    async with site(db, DEVELOPMENT) as client:
        answer = await client.get("/api/jobs/health")
    assert (answer.status_code, answer.json()["queue"]["stuck"]) == (503, 1)


async def test_in_production_health_without_the_secret_is_the_status_alone(
    db: Database,
) -> None:
    async with site(db, PRODUCTION) as client:
        answer = await client.get("/api/jobs/health")
        assert (answer.status_code, answer.json()) == (200, {"status": "OK"})
        await lag(db)
        answer = await client.get("/api/jobs/health", headers={"x-job-secret": "wrong"})
        assert (answer.status_code, answer.json()) == (503, {"status": "DEGRADED"})
        answer = await client.get("/api/jobs/health", headers={"x-job-secret": SECRET})
        assert len(answer.json()["jobs"]) == 2
