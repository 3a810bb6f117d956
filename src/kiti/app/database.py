"""The database of a command: its address, and its schema made ready."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

import asyncpg

from kiti.config import ConfigurationError, Settings
from kiti.platform.migrate import migrate, missing_migrations
from kiti.platform.postgres import Attached, embedded


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
