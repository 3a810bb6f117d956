"""The database of a command: its address, and its schema made ready."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

import asyncpg

from kiti.config import ConfigurationError, Settings
from kiti.platform.db import Database, connect
from kiti.platform.deadlines import PATIENT
from kiti.platform.migrate import migrate, missing_migrations
from kiti.platform.postgres import Attached, embedded

Result = TypeVar("Result")


@contextmanager
def database(settings: Settings) -> Generator[tuple[str, Attached | None]]:
    """The address of the database: DATABASE_URL, or the embedded PostgreSQL of the data folder."""
    if settings.database_url:
        yield settings.database_url, None
        return
    with embedded(settings.kiti_data_dir) as attached:
        yield attached.dsn, attached


def require_database(settings: Settings) -> None:
    """Refuse to look at an embedded database that is not there: to look must not make one.

    Raises:
        ConfigurationError: the data folder has none.
    """
    if not settings.database_url and not (settings.kiti_data_dir / "postgres").exists():
        raise ConfigurationError(
            f"there is no database in {settings.kiti_data_dir}: run `make run` or `kiti migrate` "
            "first, or set KITI_DATA_DIR or DATABASE_URL to the one that is meant"
        )


def on_database(
    settings: Settings, work: Callable[[Database], Awaitable[Result]], *, makes_it: bool = False
) -> Result:
    """What `work` answers on the database of a command, its schema made ready.

    `makes_it`: an embedded database that is not there yet is made.

    Raises:
        ConfigurationError: there is no database to look at, or its schema is behind in production.
    """

    async def main(dsn: str) -> Result:
        db = await connect(dsn, size=2, deadlines=PATIENT)
        try:
            return await work(db)
        finally:
            await db.close()

    if not makes_it:
        require_database(settings)
    with database(settings) as (dsn, _):
        make_schema_ready(settings, dsn)
        return asyncio.run(main(dsn))


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
