"""The SQL of idempotency keys."""

from dataclasses import dataclass
from typing import Protocol

from kiti.platform.db import Conn, execute, fetch_optional, fetch_value


class Key(Protocol):
    """What names a key, and the fingerprint of its body."""

    @property
    def scope(self) -> str: ...  # noqa: D102
    @property
    def route(self) -> str: ...  # noqa: D102
    @property
    def key(self) -> str: ...  # noqa: D102
    @property
    def fingerprint(self) -> bytes: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A claimed key; without status and body its work is still under way."""

    fingerprint: bytes
    status: int | None
    body: bytes | None
    context: str | None


async def claim_key(conn: Conn, key: Key, *, kept_hours: int, lease_s: int | None) -> bool:
    """Insert the claim, or take the place of one that is past its day; False when it is taken.

    Waits for another transaction that has inserted the same key.
    """
    claimed = await fetch_value(
        conn,
        """
        INSERT INTO idempotency_key AS k
          (scope, route, key, fingerprint, locked_until, created_at, expires_at)
        SELECT $1, $2, $3, $4, t.now + make_interval(secs => $6), t.now,
               t.now + make_interval(hours => $5)
        FROM (SELECT clock_timestamp() AS now) AS t
        ON CONFLICT (scope, route, key) DO UPDATE
        SET fingerprint = excluded.fingerprint, locked_until = excluded.locked_until,
            status = NULL, body = NULL, context = NULL,
            created_at = excluded.created_at, expires_at = excluded.expires_at
        WHERE k.expires_at <= excluded.created_at
        RETURNING true
        """,
        key.scope,
        key.route,
        key.key,
        key.fingerprint,
        kept_hours,
        lease_s,
    )
    return bool(claimed)


async def find_key(conn: Conn, key: Key) -> KeyRow | None:
    """The claim as it stands; None when there is none, or it is past its day."""
    return await fetch_optional(
        conn,
        KeyRow,
        """
        SELECT fingerprint, status, body, context::text AS context
        FROM idempotency_key
        WHERE scope = $1 AND route = $2 AND key = $3 AND expires_at > clock_timestamp()
        """,
        key.scope,
        key.route,
        key.key,
    )


async def take_over_key(conn: Conn, key: Key, *, lease_s: int) -> bool:
    """Lease again a claim whose work stopped half-way; False when its lease still runs."""
    changed = await execute(
        conn,
        """
        UPDATE idempotency_key
        SET locked_until = clock_timestamp() + make_interval(secs => $4)
        WHERE scope = $1 AND route = $2 AND key = $3
          AND status IS NULL AND locked_until <= clock_timestamp()
        """,
        key.scope,
        key.route,
        key.key,
        lease_s,
    )
    return changed == 1


async def keep_answer(
    conn: Conn, key: Key, *, status: int, body: bytes, context: str | None
) -> None:
    """Write the first answer; a second one never replaces it."""
    await execute(
        conn,
        """
        UPDATE idempotency_key
        SET status = $4, body = $5, context = $6::jsonb, locked_until = NULL
        WHERE scope = $1 AND route = $2 AND key = $3 AND status IS NULL
        """,
        key.scope,
        key.route,
        key.key,
        status,
        body,
        context,
    )


async def forget_claim(conn: Conn, key: Key) -> None:
    """Delete a claim that has no answer."""
    await execute(
        conn,
        """
        DELETE FROM idempotency_key
        WHERE scope = $1 AND route = $2 AND key = $3 AND status IS NULL
        """,
        key.scope,
        key.route,
        key.key,
    )


async def delete_due_keys(conn: Conn, *, limit: int) -> int:
    """Delete up to `limit` keys past their day; how many."""
    return await execute(
        conn,
        """
        DELETE FROM idempotency_key AS k
        USING (
          SELECT scope, route, key
          FROM idempotency_key
          WHERE expires_at <= now()
          ORDER BY expires_at
          LIMIT $1
          FOR UPDATE SKIP LOCKED
        ) AS due
        WHERE k.scope = due.scope AND k.route = due.route AND k.key = due.key
        """,
        limit,
    )
