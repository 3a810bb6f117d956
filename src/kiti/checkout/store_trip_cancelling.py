"""The SQL of cancelled trips: why, by whom, and how far it has come."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kiti.platform.db import Conn, execute, fetch_optional


@dataclass(frozen=True, slots=True)
class Cancellation:
    """A trip that its operator has cancelled.

    `cancelled_by`: an account, None for whoever had the command line. `done_at`: when no booking of
    it was live any more; None: not yet.
    """

    trip_id: UUID
    reason: str
    cancelled_by: UUID | None
    cancelled_at: datetime
    done_at: datetime | None


async def insert_cancellation(
    conn: Conn, *, trip_id: UUID, reason: str, cancelled_by: UUID | None
) -> None:
    """Note it; the first stays."""
    await execute(
        conn,
        """
        INSERT INTO trip_cancellation (trip_id, reason, cancelled_by, cancelled_at)
        VALUES ($1, $2, $3, clock_timestamp())
        ON CONFLICT (trip_id) DO NOTHING
        """,
        trip_id,
        reason,
        cancelled_by,
    )


async def find_cancellation(conn: Conn, *, trip_id: UUID) -> Cancellation | None:
    """The trip's cancellation; None when it runs."""
    return await fetch_optional(
        conn,
        Cancellation,
        """
        SELECT trip_id, reason, cancelled_by, cancelled_at, done_at
        FROM trip_cancellation
        WHERE trip_id = $1
        """,
        trip_id,
    )


async def finish_cancellation(conn: Conn, *, trip_id: UUID) -> None:
    """Note that no booking of the trip is live any more."""
    await execute(
        conn,
        """
        UPDATE trip_cancellation
        SET done_at = clock_timestamp()
        WHERE trip_id = $1 AND done_at IS NULL
        """,
        trip_id,
    )
