"""What each process does: the web server, the worker, and the commands that run both."""

import asyncio
import gc
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

import asyncpg
import uvicorn
import uvloop
from starlette.types import ASGIApp

from kiti.app.parts import Parts, open_parts
from kiti.app.web import create_app
from kiti.config import ConfigurationError, Settings
from kiti.jobs.process import work
from kiti.jobs.service import know_jobs
from kiti.platform.migrate import migrate, missing_migrations
from kiti.platform.postgres import Attached, embedded

GRACE_S: Final = 20


@contextmanager
def database(settings: Settings) -> Generator[tuple[str, Attached | None]]:
    """The address of the database: DATABASE_URL, or the embedded PostgreSQL of the data folder."""
    if settings.database_url:
        yield settings.database_url, None
        return
    with embedded(settings.kiti_data_dir) as attached:
        yield attached.dsn, attached


def make_schema_ready(settings: Settings, dsn: str) -> list[str]:
    """Migrate; in production only look, and refuse a schema that is behind.

    Raises:
        ConfigurationError: the schema is behind in production.
    """
    if not settings.is_production:
        return asyncio.run(migrate(dsn))
    behind = asyncio.run(_missing(dsn))
    if behind:
        raise ConfigurationError(f"the schema is behind by {behind} migrations: run `kiti migrate`")
    return []


async def _missing(dsn: str) -> int:
    conn = await asyncpg.connect(dsn)
    try:
        return len(await missing_migrations(conn))
    finally:
        await conn.close()


def serve_web(
    settings: Settings,
    dsn: str,
    listener: socket.socket,
    *,
    create: Callable[[Parts], ASGIApp] = create_app,
) -> None:
    """Serve HTTP on the socket until told to stop; requests under way are finished.

    `create` makes the application of the process's parts: the product's, or a benchmark's.
    """

    async def main() -> None:
        async with open_parts(settings, dsn) as parts:
            async with parts.db.transaction() as conn:
                await know_jobs(conn, parts.jobs)  # so that health sees a worker that never ran
            config = uvicorn.Config(
                create(parts),
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE_S,
            )
            gc.collect()
            gc.freeze()  # what is here by now stays: the collector need not look at it again
            await uvicorn.Server(config).serve(sockets=[listener])

    uvloop.run(main())


def run_worker(settings: Settings, dsn: str) -> None:
    """Run jobs and schedules until told to stop."""

    async def main() -> None:
        async with open_parts(settings, dsn) as parts:
            await work(parts.db, dsn=dsn, handlers=parts.handlers, jobs=parts.jobs)

    uvloop.run(main())
