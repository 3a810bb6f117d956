"""The SQL of exchanges: a booking given up for another one, agreed and done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from kiti.platform.db import Conn, execute, fetch_all, fetch_optional, fetch_value


@dataclass(frozen=True, slots=True)
class Exchange:
    """A confirmed booking (`from_…`) given up for a held one (`booking_id`), minor units.

    `value_minor` is what the policy gives back of the old one, `kept_minor` what it does not.
    `moved_minor` of the value pays for the new one, `due_minor` is still to be paid; `method` says
    how the rest of the value goes back. `ends_at`: until then it can be done. `done_at` None: it is
    agreed only.
    """

    exchange_id: UUID
    trip_id: UUID
    booking_id: UUID
    from_trip_id: UUID
    from_booking_id: UUID
    from_version: int
    from_operator_id: UUID
    method: Literal["ORIGINAL", "CREDIT"]
    value_minor: int
    kept_minor: int
    moved_minor: int
    due_minor: int
    currency: str
    rule: str
    ends_at: datetime
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class Source:
    """A booking whose money went into another one."""

    booking_id: UUID


async def put_exchange(conn: Conn, new: Exchange) -> bool:
    """Agree on an exchange, in place of what was agreed for this booking; False: one is done."""
    changed = await execute(
        conn,
        """
        INSERT INTO booking_exchange (
          exchange_id, trip_id, booking_id, from_trip_id, from_booking_id, from_version,
          from_operator_id, method, value_minor, kept_minor, moved_minor, due_minor, currency, rule,
          ends_at, agreed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, clock_timestamp())
        ON CONFLICT (booking_id, trip_id) DO UPDATE
        SET exchange_id = excluded.exchange_id, from_trip_id = excluded.from_trip_id,
            from_booking_id = excluded.from_booking_id, from_version = excluded.from_version,
            from_operator_id = excluded.from_operator_id, method = excluded.method,
            value_minor = excluded.value_minor, kept_minor = excluded.kept_minor,
            moved_minor = excluded.moved_minor, due_minor = excluded.due_minor,
            currency = excluded.currency, rule = excluded.rule, ends_at = excluded.ends_at,
            agreed_at = excluded.agreed_at
        WHERE booking_exchange.done_at IS NULL
        """,
        new.exchange_id,
        new.trip_id,
        new.booking_id,
        new.from_trip_id,
        new.from_booking_id,
        new.from_version,
        new.from_operator_id,
        new.method,
        new.value_minor,
        new.kept_minor,
        new.moved_minor,
        new.due_minor,
        new.currency,
        new.rule,
        new.ends_at,
    )
    return changed == 1


async def find_exchange(conn: Conn, *, booking_id: UUID, trip_id: UUID) -> Exchange | None:
    """What this booking is, or shall be, exchanged from; None: it is bought by itself."""
    return await fetch_optional(
        conn,
        Exchange,
        """
        SELECT exchange_id, trip_id, booking_id, from_trip_id, from_booking_id, from_version,
               from_operator_id, method, value_minor, kept_minor, moved_minor, due_minor, currency,
               rule, ends_at, done_at
        FROM booking_exchange
        WHERE booking_id = $1 AND trip_id = $2
        """,
        booking_id,
        trip_id,
    )


async def list_agreed(conn: Conn, *, booking_ids: Sequence[UUID]) -> list[Exchange]:
    """Of these bookings those with an exchange that is agreed and not done."""
    return await fetch_all(
        conn,
        Exchange,
        """
        SELECT exchange_id, trip_id, booking_id, from_trip_id, from_booking_id, from_version,
               from_operator_id, method, value_minor, kept_minor, moved_minor, due_minor, currency,
               rule, ends_at, done_at
        FROM booking_exchange
        WHERE booking_id = ANY ($1) AND done_at IS NULL
        """,
        list(booking_ids),
    )


async def mark_done(conn: Conn, *, booking_id: UUID, trip_id: UUID) -> bool:
    """Say that an exchange is done; False when it was. The caller holds both trips' locks."""
    changed = await execute(
        conn,
        """
        UPDATE booking_exchange
        SET done_at = clock_timestamp()
        WHERE booking_id = $1 AND trip_id = $2 AND done_at IS NULL
        """,
        booking_id,
        trip_id,
    )
    return changed == 1


async def list_sources(conn: Conn, *, booking_id: UUID) -> list[Source]:
    """The bookings that this one was exchanged from, one after the other; the last given up first.

    A hundred at most.
    """
    return await fetch_all(
        conn,
        Source,
        """
        WITH RECURSIVE chain AS (
          SELECT x.from_booking_id, 1 AS depth
          FROM booking_exchange AS x
          WHERE x.booking_id = $1 AND x.done_at IS NOT NULL
          UNION ALL
          SELECT x.from_booking_id, chain.depth + 1
          FROM chain
          JOIN booking_exchange AS x
            ON x.booking_id = chain.from_booking_id AND x.done_at IS NOT NULL
          WHERE chain.depth < 100)
        SELECT from_booking_id AS booking_id FROM chain ORDER BY depth
        """,
        booking_id,
    )


async def find_heir(conn: Conn, *, booking_id: UUID) -> UUID | None:
    """The booking that has the money of this one now, by all exchanges; None: it has it itself."""
    return await fetch_value(
        conn,
        """
        WITH RECURSIVE chain AS (
          SELECT x.booking_id, 1 AS depth
          FROM booking_exchange AS x
          WHERE x.from_booking_id = $1 AND x.done_at IS NOT NULL
          UNION ALL
          SELECT x.booking_id, chain.depth + 1
          FROM chain
          JOIN booking_exchange AS x
            ON x.from_booking_id = chain.booking_id AND x.done_at IS NOT NULL
          WHERE chain.depth < 100)
        SELECT booking_id FROM chain ORDER BY depth DESC LIMIT 1
        """,
        booking_id,
    )


async def insert_cancellation(conn: Conn, exchange: Exchange, *, seats: Sequence[int]) -> None:
    """Note the seats that an exchange gave up, and for how much."""
    await execute(
        conn,
        """
        INSERT INTO cancellation (
          cancellation_id, trip_id, booking_id, seats, method, amount_minor, kept_minor, currency,
          rule, cancelled_at)
        VALUES ($1, $2, $3, $4, 'EXCHANGE', $5, $6, $7, $8, clock_timestamp())
        """,
        exchange.exchange_id,
        exchange.from_trip_id,
        exchange.from_booking_id,
        list(seats),
        exchange.value_minor,
        exchange.kept_minor,
        exchange.currency,
        exchange.rule,
    )
