"""The sweeper beside whoever keeps a trip locked, and beside sales."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from booking_make import Trip, hold, make_request, make_stock
from kiti.booking.audit import audit
from kiti.booking.service import lock_trip
from kiti.booking.sweeping import PAGE, expire_seats
from kiti.platform.db import Conn, Database, fetch_value
from waiting import until


async def make_due(db: Database, *, n_trips: int, n_seats: int = 1) -> list[Trip]:
    """Trips with one hold a seat, each ended."""
    trips = [await make_stock(db, n_seats=n_seats, n_legs=1) for _ in range(n_trips)]
    for trip in trips:
        for seat in range(n_seats):
            assert (await hold(db, make_request(trip, seats=(seat,)))).outcome == "held"
    async with db.connection() as conn:  # at once: a hold on a trip gives back what is due on it
        await conn.execute(
            "UPDATE booking SET expires_at = clock_timestamp() WHERE trip_id = ANY ($1)",
            [trip.trip_id for trip in trips],
        )
    return trips


async def still_held(conn: Conn) -> set[UUID]:
    rows = await conn.fetch("SELECT DISTINCT trip_id FROM booking WHERE status = 'held'")
    return {row["trip_id"] for row in rows}


@asynccontextmanager
async def locked(db: Database, trip: Trip) -> AsyncGenerator[Conn]:
    """The trip while somebody keeps it locked; his connection."""
    async with db.transaction() as conn:
        await lock_trip(conn, trip_id=trip.trip_id)
        yield conn


async def test_a_locked_trip_is_passed_over_and_taken_by_the_next_round(live_db: Database) -> None:
    trips = await make_due(live_db, n_trips=5, n_seats=2)
    async with locked(live_db, trips[2]) as conn:
        async with asyncio.timeout(30):
            assert await expire_seats(live_db) == 8
        assert await still_held(conn) == {trips[2].trip_id}
    assert await expire_seats(live_db) == 2
    async with live_db.connection() as conn:
        assert await still_held(conn) == set()
        assert await audit(conn) == []


async def test_twin_waiting_for_the_locked_trip_keeps_the_locks_of_the_others(
    live_db: Database,
) -> None:
    first, second = sorted(await make_due(live_db, n_trips=2), key=lambda trip: trip.trip_id)

    async def sweep_in_order() -> None:
        async with live_db.connection() as conn:
            await conn.execute("SELECT expire_trips_1($1)", [first.trip_id, second.trip_id])

    async with locked(live_db, second) as conn:
        sweeping = asyncio.create_task(sweep_in_order())
        free = "SELECT count(*) FROM trip_inventory WHERE trip_id = $1"
        taking = (
            "SELECT count(*) FROM (SELECT FROM trip_inventory WHERE trip_id = $1 "
            "FOR NO KEY UPDATE SKIP LOCKED) AS free"
        )

        async def is_kept() -> bool:
            return await fetch_value(conn, taking, first.trip_id) == 0

        assert await conn.fetchval(free, first.trip_id) == 1
        await conn.execute("SAVEPOINT before")

        async def first_is_kept() -> bool:
            kept = await is_kept()
            await conn.execute("ROLLBACK TO before")  # not to keep it here
            return kept

        await until(first_is_kept)  # nobody can sell a seat of it meanwhile
    await sweeping


async def test_more_holds_than_a_page_on_trips_that_are_all_locked_end_the_round(
    live_db: Database,
) -> None:
    """Each is looked at once: the round ends, though nothing of it could be done."""
    (trip,) = await make_due(live_db, n_trips=1, n_seats=20)
    async with live_db.connection() as conn:
        await conn.execute(
            """
            INSERT INTO booking (booking_id, trip_id, reference, holder_kind, holder_id, seats,
              first_leg, last_leg, mask, passenger_types, fares_minor, total_minor, currency,
              created_at, expires_at, expires_at_max)
            SELECT gen_random_uuid(), trip_id, reference || n, holder_kind, holder_id, seats,
              first_leg, last_leg, mask, passenger_types, fares_minor, total_minor, currency,
              created_at, expires_at, expires_at_max
            FROM booking, generate_series(1, $1) AS n
            """,
            PAGE // 20,
        )
    async with locked(live_db, trip):
        async with asyncio.timeout(30):
            assert await expire_seats(live_db) == 0
    assert await expire_seats(live_db) == PAGE + 20


async def test_sales_go_on_while_the_sweeper_works(live_db: Database) -> None:
    trips = await make_due(live_db, n_trips=20, n_seats=5)
    outcomes = Counter[str]()

    async def sell(trip: Trip) -> None:
        for seat in range(5):
            held = await hold(live_db, make_request(trip, seats=(seat,)))
            outcomes[held.outcome] += 1

    async with asyncio.timeout(60):
        await asyncio.gather(expire_seats(live_db), *(sell(trip) for trip in trips))
    assert outcomes == {"held": 100}
    async with live_db.connection() as conn:
        assert await audit(conn) == []
