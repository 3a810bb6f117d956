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
          passenger, payment, payment_receipt, refund, webhook_event, job, job_dead, idempotency_key
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
