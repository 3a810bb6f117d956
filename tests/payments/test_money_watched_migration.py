"""The migration that watches payments again: rows from before it and after it."""

from collections.abc import AsyncGenerator

import asyncpg
import pytest

from cluster import Cluster
from kiti.platform.migrate import migrate, migrations

NAME = "0008_money_watched.sql"


@pytest.fixture
async def before(cluster: Cluster, worker_id: str) -> AsyncGenerator[str]:
    """A database as the release before left it."""
    name = f"kiti_watched_{worker_id}"
    dsn = await cluster.create_database(name)
    conn = await asyncpg.connect(dsn)
    await conn.execute("CREATE TABLE schema_migration (name text PRIMARY KEY, sha256 text NOT NULL,"
                       " applied_at timestamptz NOT NULL DEFAULT now())")  # fmt: skip
    for each in migrations():
        if each.name < NAME:
            await conn.execute(each.sql)
            await conn.execute(
                "INSERT INTO schema_migration VALUES ($1, $2)", each.name, each.sha256
            )
    await conn.close()
    yield dsn
    await cluster.drop_database(name)


async def insert(conn: asyncpg.Connection, n: int, *, status: str, days: int, minor: int) -> None:
    """A payment whose watching has ended, and whose week ends in so many days."""
    await conn.execute(
        """
        INSERT INTO payment (
          payment_id, reference, booking_id, trip_id, holder_id, gateway, method, amount_minor,
          currency, status, key_digest, created_at, expires_at, gives_up_at, watch_until,
          settled_at)
        SELECT gen_random_uuid(), 'KT-PAYMENT-' || $1::int, gen_random_uuid(), gen_random_uuid(),
               gen_random_uuid(), 'flutterwave', 'CARD', $4, 'NGN', $2, sha256($1::text::bytea),
               t.ago, t.ago, t.ago, now() + make_interval(days => $3),
               CASE WHEN $2 = 'succeeded' THEN t.ago END
        FROM (SELECT now() - interval '30 days' AS ago) AS t
        """,
        n,
        status,
        days,
        minor,
    )


async def test_succeeded_payments_inside_their_week_are_watched_again(before: str) -> None:
    conn = await asyncpg.connect(before)
    await insert(conn, 1, status="succeeded", days=3, minor=100)
    await insert(conn, 2, status="succeeded", days=-1, minor=100)
    await insert(conn, 3, status="succeeded", days=3, minor=0)
    await insert(conn, 4, status="expired", days=-1, minor=100)
    assert NAME in await migrate(before)
    await insert(conn, 5, status="succeeded", days=3, minor=100)
    rows = await conn.fetch(
        "SELECT reference, next_poll_at = watch_until AS is_watched FROM payment"
    )
    watched = {row["reference"] for row in rows if row["is_watched"]}
    assert watched == {"KT-PAYMENT-1"}
    assert await conn.fetchval("SELECT count(*) FROM refund WHERE given_minor IS NOT NULL") == 0
    await conn.close()
