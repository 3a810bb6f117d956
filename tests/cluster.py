"""A throw-away PostgreSQL for the length of one test run: the product's own, without durability."""

import asyncio
import fcntl
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import asyncpg

from kiti.platform.postgres import embedded

# Nobody misses these data after a crash, and each worker of a run brings pools of its own.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
}


class Cluster:
    """A running server."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def url(self, database: str, *, role: str = "kiti") -> str:
        """The address of one of its databases."""
        return self._dsn.replace("kiti@/kiti?", f"{role}@/{database}?")

    @classmethod
    @contextmanager
    def shared(cls, basetemp: Path, worker_id: str) -> Generator[Self]:
        """One server for all workers of a run: the first starts it, the last stops it."""
        run = basetemp if worker_id == "master" else basetemp.parent
        # Not inside pytest's folder: when root runs the tests, PostgreSQL's user cannot enter it.
        folder = Path("/tmp", f"kiti-{run.parent.name}-{run.name}")
        folder.mkdir(mode=0o711, exist_ok=True)
        with (folder / "first").open("a") as first:
            fcntl.flock(first, fcntl.LOCK_EX)
            if not (folder / "postgres" / "data").exists():
                with embedded(folder) as attached:
                    asyncio.run(cls(attached.dsn).prepare())  # takes effect at the next start
        with (folder / "users").open("a") as users:
            fcntl.flock(users, fcntl.LOCK_SH)
            with embedded(folder) as attached:
                yield cls(attached.dsn)
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            shutil.rmtree(folder)

    async def prepare(self) -> None:
        """Set what makes tests quick."""
        await self._run(*(f"ALTER SYSTEM SET {name} = {SETTINGS[name]}" for name in SETTINGS))

    async def create_database(self, name: str) -> str:
        """An empty database; its address."""
        await self.drop_database(name)
        await self._run(f"CREATE DATABASE {name} OWNER kiti")
        return self.url(name)

    async def drop_database(self, name: str) -> None:
        """Drop it, whoever is still connected."""
        await self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def _run(self, *statements: str) -> None:
        conn = await asyncpg.connect(self.url("postgres", role="postgres"))
        for statement in statements:
            await conn.execute(statement)
        await conn.close()
