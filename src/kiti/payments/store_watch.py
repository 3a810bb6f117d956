"""The SQL of watching payments: which are asked about next, and when again."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kiti.payments.model import CREATING_S_MAX, Status
from kiti.platform.db import Conn, execute, fetch_all


@dataclass(frozen=True, slots=True)
class WatchedRow:
    """A payment whose turn has come, as it was then."""

    payment_id: UUID
    reference: str
    gateway: str
    gateway_id: str | None
    status: Status


async def claim_watched(
    conn: Conn, *, limit: int, lease_s: int, before: datetime | None
) -> list[WatchedRow]:
    """Payments that are due, put out of others' reach for `lease_s` seconds.

    Those whose outcome is open come first. With `before` all that were not asked about since then,
    due or not.
    """
    return await fetch_all(
        conn,
        WatchedRow,
        """
        UPDATE payment AS p
        SET polled_at = clock_timestamp(),
            next_poll_at = clock_timestamp() + make_interval(secs => $2)
        FROM (
          SELECT payment_id
          FROM payment
          WHERE next_poll_at IS NOT NULL
            AND (next_poll_at <= clock_timestamp()
                 OR ($3::timestamptz IS NOT NULL AND (polled_at IS NULL OR polled_at < $3)))
          ORDER BY (status NOT IN ('creating', 'open', 'unknown')), next_poll_at
          LIMIT $1
          FOR NO KEY UPDATE SKIP LOCKED
        ) AS due
        WHERE p.payment_id = due.payment_id
        RETURNING p.payment_id, p.reference, p.gateway, p.gateway_id, p.status
        """,
        limit,
        lease_s,
        before,
    )


async def put_back_watched(conn: Conn, *, payment_id: UUID, delay_s: float | None) -> None:
    """Ask again in `delay_s` seconds, and for the last time at `watch_until`; None: not again."""
    await execute(
        conn,
        """
        UPDATE payment
        SET next_poll_at = CASE
              WHEN $2::float8 IS NOT NULL AND clock_timestamp() < watch_until
              THEN least(clock_timestamp() + make_interval(secs => $2), watch_until) END
        WHERE payment_id = $1
        """,
        payment_id,
        delay_s,
    )


async def hasten_watched(conn: Conn, *, payment_id: UUID, within_s: int) -> None:
    """Ask again within so many seconds: something claims news of it."""
    await execute(
        conn,
        """
        UPDATE payment
        SET next_poll_at = least(next_poll_at, clock_timestamp() + make_interval(secs => $2))
        WHERE payment_id = $1
        """,
        payment_id,
        within_s,
    )


async def end_abandoned(conn: Conn, *, payment_id: UUID) -> None:
    """What time makes of a pending payment nobody has paid.

    One still `creating` has lost its process: unknown. One past its time: expired. They stay
    watched.
    """
    await execute(
        conn,
        """
        UPDATE payment
        SET status = CASE WHEN gives_up_at <= clock_timestamp() THEN 'expired' ELSE 'unknown' END
        WHERE payment_id = $1
          AND ((status IN ('creating', 'open', 'unknown') AND gives_up_at <= clock_timestamp())
               OR (status = 'creating'
                   AND created_at <= clock_timestamp() - make_interval(secs => $2)))
        """,
        payment_id,
        CREATING_S_MAX,
    )
