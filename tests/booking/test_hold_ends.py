"""A hold whose end comes while somebody works on it, and holds of trips that are cancelled."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from booking_make import hold, let_expire, make_request, make_stock
from kiti.booking.model import HoldExpired, HoldLimit, HoldRequest, TripCancelled
from kiti.booking.sales import Holder, Sales, Wanted
from kiti.booking.service import extend_hold, lengthen_for_payment, lock_payable
from kiti.fares.service import FareTables
from kiti.network.service import Catalogue
from kiti.platform.db import Conn, Database
from kiti.platform.ids import new_id
from make import make_stops
from search_site import make_open_trip
from site_parts import make_settings
from waiting import until

Work = Callable[[Conn, HoldRequest], Awaitable[object]]


async def extend(conn: Conn, request: HoldRequest) -> object:
    return await extend_hold(conn, booking_id=request.booking_id, holder_id=None, minutes=5)


async def begin_to_pay(conn: Conn, request: HoldRequest) -> object:
    payable = await lock_payable(conn, booking_id=request.booking_id, holder_id=None)
    return await lengthen_for_payment(conn, payable=payable, minutes=15)


@pytest.mark.parametrize("work", [extend, begin_to_pay])
async def test_a_hold_that_ends_meanwhile_is_told_as_ended(live_db: Database, work: Work) -> None:
    """It is seen alive under its lock, and is over when it is to be changed."""
    trip = await make_stock(live_db)
    request = make_request(trip)
    await hold(live_db, request)
    async with live_db.connection() as conn:
        await let_expire(conn, request.booking_id, ago_s=-0.7)

    async def try_it() -> object:
        async with live_db.transaction() as conn:
            return await work(conn, request)

    async def is_over() -> bool:
        async with live_db.connection() as conn:
            return (
                await conn.fetchval("SELECT expires_at <= clock_timestamp() FROM booking") is True
            )

    async with live_db.transaction() as conn:
        await conn.execute("LOCK TABLE booking IN SHARE MODE")  # reads pass, changes wait
        trying = asyncio.create_task(try_it())
        await until(is_over)
    with pytest.raises(HoldExpired):
        await trying


async def test_a_hold_that_is_as_long_as_it_may_be_is_told_so(db: Database) -> None:
    request = make_request(await make_stock(db), ttl_s=3600)
    await hold(db, request)
    async with db.connection() as conn:
        with pytest.raises(HoldLimit):
            await extend(conn, request)


@pytest.mark.parametrize("work", [extend, begin_to_pay])
async def test_a_hold_of_a_cancelled_trip_is_neither_made_longer_nor_paid(
    db: Database, work: Work
) -> None:
    request = make_request(await make_stock(db))
    await hold(db, request)
    async with db.connection() as conn:
        await conn.execute("UPDATE trip_inventory SET status = 'cancelled'")
        with pytest.raises(TripCancelled):
            await work(conn, request)
        await let_expire(conn, request.booking_id)
        with pytest.raises(HoldExpired):
            await work(conn, request)


@pytest.mark.parametrize("status", ["closed", "cancelled", "over"])
async def test_nothing_is_available_on_a_trip_that_is_not_on_sale(
    db: Database, status: str
) -> None:
    async with db.transaction() as conn:
        stops = await make_stops(conn)
    sheet = await make_open_trip(db, stops)
    sales = Sales(Catalogue(), FareTables(), make_settings())
    await sales.hold(db, Wanted(sheet.trip_id, ("2A",)), Holder("account", new_id()))
    async with db.connection() as conn:
        before = await sales.availability(conn, trip_id=sheet.trip_id)
        if status == "over":
            await conn.execute("UPDATE trip_inventory SET sales_close_at = clock_timestamp()")
        else:
            await conn.execute("UPDATE trip_inventory SET status = $1", status)
        found = await sales.availability(conn, trip_id=sheet.trip_id)
    assert before.n_available > 0
    assert found.n_available == 0
    assert {seat.status for seat in found.seats} == {"BLOCKED", "HELD"}
    assert found.etag != before.etag
