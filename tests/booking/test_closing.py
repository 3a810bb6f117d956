"""Sales close by the clock or by hand, are opened again, and end."""

import asyncio
from datetime import timedelta

import pytest

from booking_make import Trip, hold, make_request, make_stock
from kiti.booking import closing
from kiti.booking.audit import audit
from kiti.booking.closing import (
    close_sales,
    close_trips,
    end_sales,
    lock_sales,
    read_sales,
    reopen_sales,
)
from kiti.booking.model import SalesClosed, SalesNotClosedByHand, TripCancelled
from kiti.booking.restocking import close_for_review, set_terms
from kiti.booking.service import extend_hold
from kiti.network.model import NoSuchTrip
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn, Database
from kiti.platform.errors import DatabaseUnavailable
from kiti.platform.ids import new_id


async def state(db: Database, trip: Trip) -> tuple[str, str | None]:
    async with db.connection() as conn:
        found = (await read_sales(conn, trip_id=trip.trip_id)).state
    return found.status, found.closed_by


async def over(db: Database, trip: Trip) -> None:
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE trip_inventory SET sales_close_at = clock_timestamp() WHERE trip_id = $1",
            trip.trip_id,
        )


async def test_the_job_closes_what_is_over_and_nothing_else(db: Database) -> None:
    due = [await make_stock(db, closes_in=timedelta(seconds=-n)) for n in range(1, 4)]
    open_trip = await make_stock(db)
    cancelled = await make_stock(db, closes_in=timedelta(seconds=-1))
    async with db.transaction() as conn:
        await lock_sales(conn, trip_id=cancelled.trip_id)
        await end_sales(conn, trip_id=cancelled.trip_id)
    assert await close_trips(db) == 3
    assert await close_trips(db) == 0
    assert [await state(db, trip) for trip in due] == [("closed", "clock")] * 3
    assert await state(db, open_trip) == ("on_sale", None)
    assert await state(db, cancelled) == ("cancelled", None)


async def test_many_are_closed_in_batches(db: Database) -> None:
    for _ in range(7):
        await make_stock(db, closes_in=timedelta(seconds=-1))
    async with db.connection() as conn:
        assert await closing.store_closing.close_due(conn, limit=3) == 3
    assert await close_trips(db) == 4


async def test_a_trip_that_is_locked_is_left_for_the_next_look(live_db: Database) -> None:
    locked, free = [await make_stock(live_db, closes_in=timedelta(seconds=-1)) for _ in range(2)]
    async with live_db.transaction() as conn:
        await lock_sales(conn, trip_id=locked.trip_id)
        async with asyncio.timeout(2):
            assert await close_trips(live_db) == 1
    assert await state(live_db, free) == ("closed", "clock")
    assert await state(live_db, locked) == ("on_sale", None)
    assert await close_trips(live_db) == 1


async def test_twin_without_skipping_the_job_waits_for_one_trip(live_db: Database) -> None:
    trip = await make_stock(live_db, closes_in=timedelta(seconds=-1))
    async with live_db.transaction() as conn:
        await lock_sales(conn, trip_id=trip.trip_id)
        with pytest.raises(DatabaseUnavailable):
            await live_db.run(close_all_by_the_clock)


async def close_all_by_the_clock(conn: Conn) -> None:
    await conn.execute("SET LOCAL lock_timeout = '200ms'")
    await conn.execute(
        "UPDATE trip_inventory SET status = 'closed', closed_by = 'clock' "
        "WHERE status = 'on_sale' AND sales_close_at <= clock_timestamp()"
    )


async def test_closed_by_hand_takes_no_hold_and_keeps_what_there_is(db: Database) -> None:
    trip = await make_stock(db)
    request = make_request(trip, ttl_s=60)
    await hold(db, request)
    async with db.transaction() as conn:
        await close_sales(conn, trip_id=trip.trip_id)
        await close_sales(conn, trip_id=trip.trip_id)
        await extend_hold(conn, booking_id=request.booking_id, holder_id=None, minutes=1)
        sales = await read_sales(conn, trip_id=trip.trip_id)
    assert await state(db, trip) == ("closed", "hand")
    assert [(c.status, c.bookings, c.seats) for c in sales.bookings] == [("held", 1, 1)]
    assert (await hold(db, make_request(trip, seats=(1,)))).outcome == "sales_closed"
    async with db.transaction() as conn:
        await reopen_sales(conn, trip_id=trip.trip_id)
        await reopen_sales(conn, trip_id=trip.trip_id)
    assert await state(db, trip) == ("on_sale", None)
    assert (await hold(db, make_request(trip, seats=(1,)))).outcome == "held"
    async with db.connection() as conn:
        assert await audit(conn) == []


async def test_closed_by_hand_after_the_clock_it_stays_closed_when_sales_end_later(
    db: Database,
) -> None:
    trip = await make_stock(db, closes_in=timedelta(seconds=-1))
    assert await close_trips(db) == 1
    async with db.transaction() as conn:
        await close_sales(conn, trip_id=trip.trip_id)
        await set_terms(
            conn,
            trip_ids=[trip.trip_id],
            sales_close_at=[utc_now() + timedelta(hours=1)],
            sheet_versions=[1],
        )
    assert await state(db, trip) == ("closed", "hand")


async def test_a_person_opens_only_what_a_person_closed_and_can_still_be_sold(
    db: Database,
) -> None:
    reviewed, late, ended = [await make_stock(db) for _ in range(3)]
    async with db.transaction() as conn:
        await lock_sales(conn, trip_id=reviewed.trip_id)
        await close_for_review(conn, trip_ids=[reviewed.trip_id])
        with pytest.raises(SalesNotClosedByHand):
            await reopen_sales(conn, trip_id=reviewed.trip_id)
        await close_sales(conn, trip_id=late.trip_id)
    await over(db, late)
    async with db.transaction() as conn:
        with pytest.raises(SalesClosed):
            await reopen_sales(conn, trip_id=late.trip_id)
        await lock_sales(conn, trip_id=ended.trip_id)
        await end_sales(conn, trip_id=ended.trip_id)
        for change in (close_sales, reopen_sales):
            with pytest.raises(TripCancelled):
                await change(conn, trip_id=ended.trip_id)
            with pytest.raises(NoSuchTrip):
                await change(conn, trip_id=new_id())
