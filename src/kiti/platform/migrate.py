"""Bring the schema up to date: numbered SQL files, each in its own transaction, checked for drift.

Several may start at once: an advisory lock on a connection of its own lets one work while the
others wait, and then find nothing left to do.
"""

import hashlib
from dataclasses import dataclass
from importlib.resources import files

import asyncpg

from kiti.platform.db import Conn

_LOCK = 0x6B697469  # "kiti": the advisory lock that migrations hold
_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migration (
  name text CONSTRAINT schema_migration_pkey PRIMARY KEY,
  sha256 text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now())
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file: its name, its text and the text's SHA-256."""

    name: str
    sql: str
    sha256: str


class SchemaDrift(Exception):
    """A migration that was applied is not the one in this release."""


def migrations() -> list[Migration]:
    """Every migration of this release, in the order of its number."""
    found = [item for item in files("kiti.migrations").iterdir() if item.name.endswith(".sql")]
    texts = [(item.name, item.read_text(encoding="utf-8")) for item in found]
    return [
        Migration(name, sql, hashlib.sha256(sql.encode()).hexdigest())
        for name, sql in sorted(texts)
    ]


async def migrate(dsn: str) -> list[str]:
    """Apply what is missing; the names of what was applied.

    Raises:
        SchemaDrift: a migration already applied has other text here.
    """
    conn = await asyncpg.connect(dsn, server_settings={"lock_timeout": "5000"})
    try:
        await _wait_for_turn(conn)
        await conn.execute(_TABLE)
        missing = await missing_migrations(conn)
        for migration in missing:
            async with conn.transaction():
                await conn.execute(migration.sql)
                await conn.execute(
                    "INSERT INTO schema_migration (name, sha256) VALUES ($1, $2)",
                    migration.name,
                    migration.sha256,
                )
        return [migration.name for migration in missing]
    finally:
        await conn.close()


async def _wait_for_turn(conn: Conn) -> None:
    """Take the advisory lock however long the one before needs: a long backfill is no error."""
    await conn.execute("SET lock_timeout = 0")
    await conn.execute("SELECT pg_advisory_lock($1)", _LOCK)
    await conn.execute("SET lock_timeout = '5s'")


async def missing_migrations(conn: Conn) -> list[Migration]:
    """What this release has and the database lacks, in order; all of it on an empty database.

    Raises:
        SchemaDrift: as `migrate`.
    """
    applied: dict[str, str] = {}
    if await conn.fetchval("SELECT to_regclass('schema_migration') IS NOT NULL"):
        rows = await conn.fetch("SELECT name, sha256 FROM schema_migration")
        applied = {row["name"]: row["sha256"] for row in rows}
    ours = migrations()
    for migration in ours:
        if applied.get(migration.name, migration.sha256) != migration.sha256:
            raise SchemaDrift(
                f"{migration.name} was applied with another text than this release's: use the "
                "release that made this database, or another data folder or database"
            )
    return [migration for migration in ours if migration.name not in applied]
