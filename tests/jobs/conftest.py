"""What the tests of jobs share: tables for the effects of handlers, and worker processes."""

import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path

import pytest

from kiti.platform.db import Database

StartWorker = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
async def probe(live_db: Database) -> AsyncGenerator[Database]:
    """`live_db` with `probe.run`, a row a run of a handler, and `probe.effect`, a row an effect."""
    async with live_db.connection() as conn:
        await conn.execute("CREATE SCHEMA probe")
        await conn.execute("CREATE TABLE probe.run (n integer NOT NULL, pid integer NOT NULL)")
        await conn.execute("CREATE TABLE probe.effect (n integer PRIMARY KEY)")
    yield live_db
    async with live_db.connection() as conn:
        await conn.execute("DROP SCHEMA probe CASCADE")


@pytest.fixture
def start_worker(dsn: str) -> Generator[StartWorker]:
    """Starts worker processes; those still running at the end are killed."""
    started: list[subprocess.Popen[str]] = []

    def start(lease_s: float = 1.0, **environment: str) -> "subprocess.Popen[str]":
        script = Path(__file__).parent / "worker_process.py"
        process = subprocess.Popen(
            [sys.executable, script, dsn, str(lease_s)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
