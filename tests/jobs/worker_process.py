"""A worker process for tests that kill it: `worker_process.py DSN LEASE_S`.

Its handler `mark` writes a row (its effect, idempotent) and then, for a payload with `hang`, waits
for ever; `poison` kills its own process. Both say on stdout that they have begun.
"""

import asyncio
import os
import signal
import sys
from typing import Any

from kiti.jobs.model import Backoff, NamedJob
from kiti.jobs.process import work
from kiti.jobs.worker import WorkerLimits
from kiti.platform.db import Database, connect


async def mark(db: Database, payload: dict[str, Any]) -> None:
    async with db.transaction() as conn:
        await conn.execute("INSERT INTO probe.run VALUES ($1, $2)", payload["n"], os.getpid())
        await conn.execute(
            "INSERT INTO probe.effect VALUES ($1) ON CONFLICT DO NOTHING", payload["n"]
        )
    sys.stdout.write(f"began {payload['n']}\n")
    sys.stdout.flush()
    if payload.get("hang") == os.environ.get("HANGS", "yes"):
        await asyncio.Event().wait()


async def poison(db: Database, payload: dict[str, Any]) -> None:
    async with db.transaction() as conn:
        await conn.execute("INSERT INTO probe.run VALUES ($1, $2)", payload["n"], os.getpid())
    os.kill(os.getpid(), signal.SIGKILL)


async def tick(db: Database) -> int:
    async with db.transaction() as conn:
        await conn.execute("INSERT INTO probe.run VALUES (-1, $1)", os.getpid())
    return 1


async def main(dsn: str, lease_s: float) -> None:
    db = await connect(dsn, size=5)
    limits = WorkerLimits(
        concurrency=2,
        attempts_max=3,
        lease_s=lease_s,
        poll_s=0.1,
        grace_s=1,
        backoff=Backoff(first_s=0.01),
    )
    handlers = {"mark": mark, "poison": poison}
    jobs = [NamedJob("tick", "every 1h", tick)]
    await work(db, dsn=dsn, handlers=handlers, jobs=jobs, limits=limits)
    await db.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
