"""The SQL of the benchmarks: emptying tables, the reference's requests, what came of them."""

from collections.abc import Sequence
from uuid import UUID

from asyncpg import BitString

from kiti.platform.db import Conn, execute, fetch_value


async def keep_stock(conn: Conn) -> None:
    """Remember the trips' stock as it is now: what `empty` goes back to."""
    await conn.execute("CREATE TABLE bench_stock AS SELECT * FROM trip_inventory")


async def empty(conn: Conn) -> None:
    """Forget every hold, sale, payment and job, so that each run begins alike."""
    await conn.execute(
        """
        TRUNCATE trip_inventory, booking, booking_reference, seat_sold, ticket, booking_contact,
          passenger, payment, payment_receipt, refund, webhook_event, job, job_dead,
          idempotency_key,
          ledger_entry, ledger_posting, ledger_balance, cancellation
        CASCADE
        """
    )
    await conn.execute("INSERT INTO trip_inventory SELECT * FROM bench_stock")


async def tidy(conn: Conn) -> None:
    """Let no checkpoint of the last run fall into the next. Needs a superuser.

    The tables that fill are left without statistics, as they are in a new installation: those of an
    empty table would have the server plan for a handful of rows.
    """
    for statement in ("VACUUM (ANALYZE) trip_inventory", "CHECKPOINT"):
        await conn.execute(statement)


async def put_requests(
    conn: Conn,
    *,
    trips: Sequence[UUID],
    holders: Sequence[UUID],
    seats: Sequence[str],
    masks: Sequence[BitString],
    fare_minor: int,
) -> None:
    """The reference's requests, numbered from 0, in the order in which the load makes its own.

    `seats` are arrays as text, a mask with each. References are unique and in no order.
    """
    await conn.execute("DROP TABLE IF EXISTS bench_request")
    await conn.execute(
        """
        CREATE TABLE bench_request (
          n integer PRIMARY KEY, trip_id uuid NOT NULL, holder_id uuid NOT NULL,
          reference text NOT NULL, seats text NOT NULL, mask varbit NOT NULL, types text NOT NULL,
          fares text NOT NULL, total bigint NOT NULL)
        """
    )
    await execute(
        conn,
        """
        INSERT INTO bench_request
        SELECT n, ($1::uuid[])[1 + n % cardinality($1::uuid[])],
               ($2::uuid[])[1 + n % cardinality($2::uuid[])],
               lpad(upper(to_hex(n::bigint * 2654435761 % 4294967296)), 8, '0'), s.seats, s.mask,
               format('{%s}', array_to_string(array_fill('ADULT'::text, ARRAY[s.size]), ',')),
               format('{%s}', array_to_string(array_fill($5::bigint, ARRAY[s.size]), ',')),
               $5::bigint * s.size
        FROM (SELECT seats, mask, cardinality(seats::smallint[]) AS size, place - 1 AS place
              FROM unnest($3::text[], $4::varbit[]) WITH ORDINALITY AS u (seats, mask, place)) AS s,
             generate_series((s.place * cardinality($1::uuid[]))::integer,
                             ((s.place + 1) * cardinality($1::uuid[]) - 1)::integer) AS n
        """,
        trips,
        holders,
        seats,
        masks,
        fare_minor,
    )
    await conn.execute("VACUUM ANALYZE bench_request")


async def count_bookings(conn: Conn) -> int:
    """How many bookings there are."""
    return await fetch_value(conn, "SELECT count(*) FROM booking")


async def list_ticketed(conn: Conn, *, booking_ids: Sequence[UUID]) -> list[UUID]:
    """Those of these bookings that have a ticket: they are sold."""
    rows = await conn.fetch(
        "SELECT DISTINCT booking_id FROM ticket WHERE booking_id = ANY ($1::uuid[])", booking_ids
    )
    return [row["booking_id"] for row in rows]


async def version(conn: Conn) -> str:
    """The server's version."""
    return await fetch_value(conn, "SHOW server_version")


async def backend(conn: Conn) -> int:
    """The process that serves this connection."""
    return await fetch_value(conn, "SELECT pg_backend_pid()")


async def create_database(conn: Conn, *, name: str) -> None:
    """Make a database of the application's role. Needs a superuser."""
    await conn.execute(f'CREATE DATABASE "{name}" OWNER kiti')


async def drop_database(conn: Conn, *, name: str) -> None:
    """Remove it, whoever is still connected."""
    await conn.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def insert_trips(
    conn: Conn,
    *,
    operator_id: UUID,
    pattern_ids: Sequence[UUID],
    layout_id: UUID,
    fare_table_id: UUID,
    feed: str,
    days: tuple[int, int],
    per_day: int,
    seats: int,
    legs: int,
) -> None:
    """Trips of each pattern on each of `days` [first, last) from today, all seats free.

    As an import leaves them: day after day. A superuser's checks of keys are left out, or most of
    the time would be theirs.
    """
    await conn.execute("SET LOCAL session_replication_role = replica")
    await execute(
        conn,
        """
        INSERT INTO trip (trip_id, operator_id, pattern_id, layout_id, fare_table_id, feed, code,
          service_date, starts_at)
        SELECT uuidv7(), $1, line.pattern_id, $3, $4, $5, format('%s %s', line.number, nth),
          current_date + day, current_date + day + interval '5 hours' + nth * interval '1 hour'
        FROM generate_series($6::integer, $7::integer - 1) AS day
        CROSS JOIN unnest($2::uuid[]) WITH ORDINALITY AS line (pattern_id, number)
        CROSS JOIN generate_series(1, $8::integer) AS nth
        """,
        operator_id,
        pattern_ids,
        layout_id,
        fare_table_id,
        feed,
        *days,
        per_day,
    )
    await execute(
        conn,
        """
        INSERT INTO trip_inventory (trip_id, n_seats, n_legs, taken, sold, blocked, sales_close_at,
          sheet_version)
        SELECT trip_id, $1, $2, none.bits, none.bits, none.bits, starts_at, 1
        FROM trip
        CROSS JOIN (SELECT repeat('0', $1::integer * $2::integer)::varbit AS bits) AS none
        """,
        seats,
        legs,
    )


async def settle(conn: Conn) -> None:
    """What the database does in the quiet after an import. Needs a superuser."""
    for statement in ("VACUUM (ANALYZE)", "CHECKPOINT"):
        await conn.execute(statement)
