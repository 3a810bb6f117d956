"""A trip whose vehicle or stops changed: bookings of its older shape never touch its seats."""

import asyncio

import asyncpg
import pytest

from booking_make import NO_LIMITS, Trip, hold, let_expire, make_request, make_stock
from kiti.booking import store
from kiti.booking.audit import audit
from kiti.booking.model import HoldRequest, NewStock
from kiti.booking.restocking import lock_stock, remake_stock
from kiti.booking.service import (
    cancel_seats,
    confirm_booking,
    free_seats,
    get_booking,
    get_stock,
    release_hold,
)
from kiti.booking.sweeping import expire_seats
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn, Database
from waiting import until


async def change(db: Database, trip: Trip, *, n_seats: int, n_legs: int) -> Trip:
    """Another vehicle on other stops, as a renewal brings it: nothing is held or sold."""
    state = await lookup(db, trip)
    async with db.transaction() as conn:
        await lock_stock(conn, trip_ids=[trip.trip_id])
        new = NewStock(trip.trip_id, n_seats, n_legs, (), state.sales_close_at, 2)
        await remake_stock(conn, stocks=[new])
    return Trip(trip.trip_id, n_seats, n_legs)


async def force(db: Database, trip: Trip, *, n_seats: int, n_legs: int) -> Trip:
    """The same by a writer who looks at nothing: bookings of the older shape are left live."""
    async with db.connection() as conn:
        await conn.execute(
            """
            UPDATE trip_inventory
            SET n_seats = $2, n_legs = $3, taken = repeat('0', $4)::varbit,
                sold = repeat('0', $4)::varbit, blocked = repeat('0', $4)::varbit,
                sheet_version = 2, shape = shape + 1
            WHERE trip_id = $1
            """,
            trip.trip_id,
            n_seats,
            n_legs,
            n_seats * n_legs,
        )
    return Trip(trip.trip_id, n_seats, n_legs)


async def lookup(db: Database, trip: Trip) -> store.InventoryRow:
    async with db.connection() as conn:
        row = await store.find_inventory(conn, trip_id=trip.trip_id)
    assert row is not None
    return row


async def held(db: Database, trip: Trip) -> HoldRequest:
    request = make_request(trip, seats=(0, 3))
    assert (await hold(db, request)).outcome == "held"
    return request


async def end(db: Database, request: HoldRequest) -> None:
    async with db.connection() as conn:
        await let_expire(conn, request.booking_id)


async def pay(db: Database, request: HoldRequest) -> tuple[str, str | None]:
    async with db.transaction() as conn:
        done = await confirm_booking(
            conn, booking_id=request.booking_id, learned_at=utc_now(), late_money_minutes=60
        )
    return done.outcome, done.reason


SHAPES = [(12, 5), (20, 3), (5, 20), (50, 9)]  # fewer seats or legs, as many bits, more


@pytest.mark.parametrize(("n_seats", "n_legs"), SHAPES)
async def test_a_request_for_the_trip_as_it_was_is_stale(
    db: Database, n_seats: int, n_legs: int
) -> None:
    trip = await make_stock(db)
    await end(db, await held(db, trip))
    changed = await change(db, trip, n_seats=n_seats, n_legs=n_legs)
    assert (await hold(db, make_request(trip))).outcome == "stale"
    assert (await hold(db, make_request(trip, sheet_version=2, last=1))).outcome in {
        "stale",
        "held",
    }
    new = make_request(changed, seats=(1,), sheet_version=2)
    assert (await hold(db, new)).outcome == "held"


async def test_twin_the_older_function_fails_on_it(db: Database) -> None:
    trip = await make_stock(db)
    await change(db, trip, n_seats=12, n_legs=5)
    with pytest.raises(asyncpg.StringDataLengthMismatchError):
        async with db.transaction() as conn:
            await hold_by(conn, "hold_many_1", make_request(trip))


@pytest.mark.parametrize(("n_seats", "n_legs"), SHAPES)
async def test_late_money_gets_no_seat_of_another_vehicle(
    db: Database, n_seats: int, n_legs: int
) -> None:
    trip = await make_stock(db)
    request = await held(db, trip)
    await end(db, request)
    await change(db, trip, n_seats=n_seats, n_legs=n_legs)
    assert await pay(db, request) == ("refused", "seats_gone")
    async with db.connection() as conn:
        assert await audit(conn) == []


async def test_late_money_gets_its_seats_when_only_prices_changed(db: Database) -> None:
    trip = await make_stock(db)
    request = await held(db, trip)
    await end(db, request)
    async with db.connection() as conn:
        await conn.execute("UPDATE trip_inventory SET sheet_version = 2")
    assert await pay(db, request) == ("confirmed", None)


@pytest.mark.parametrize(("n_seats", "n_legs"), SHAPES)
@pytest.mark.parametrize("way", ["release", "sweep", "look", "cancel"])
async def test_a_booking_of_another_shape_ends_and_leaves_the_seats_alone(
    db: Database, n_seats: int, n_legs: int, way: str
) -> None:
    trip = await make_stock(db)
    request = await held(db, trip)
    if way == "cancel":
        assert await pay(db, request) == ("confirmed", None)
    changed = await force(db, trip, n_seats=n_seats, n_legs=n_legs)
    other = make_request(changed, seats=tuple(range(5)), sheet_version=2)
    assert (await hold(db, other)).outcome == "held"
    taken = (await lookup(db, trip)).taken
    if way in {"sweep", "look"}:
        await end(db, request)
    if way == "release":
        async with db.transaction() as conn:
            await release_hold(conn, booking_id=request.booking_id, holder_id=None)
    elif way == "sweep":
        assert await expire_seats(db) == 1
    elif way == "cancel":
        async with db.transaction() as conn:
            await cancel_seats(conn, booking_id=request.booking_id, seats=[0])
            await cancel_seats(conn, booking_id=request.booking_id, seats=[3])
    async with db.connection() as conn:
        stock = await get_stock(conn, trip_id=trip.trip_id)
        left = await free_seats(conn, trip_ids=[trip.trip_id], firsts=[0], lasts=[n_legs])
        booking = await get_booking(conn, booking_id=request.booking_id, holder_id=None)
        assert await audit(conn) == [] or way == "look"
    assert stock is not None
    assert len(stock.occupancy.free_seats(0, n_legs)) == n_seats - 5
    assert left[trip.trip_id].seats_left == n_seats - 5
    assert (await lookup(db, trip)).taken == taken
    ends = {"release": "released", "sweep": "expired", "look": "expired", "cancel": "cancelled"}
    assert booking.status == ends[way]


async def test_the_audit_names_a_live_booking_of_another_shape(db: Database) -> None:
    trip = await make_stock(db)
    await held(db, trip)
    await force(db, trip, n_seats=5, n_legs=20)
    async with db.connection() as conn:
        found = {finding.invariant for finding in await audit(conn)}
    assert "held, sold, blocked and free are the seats of the layout" in found


async def hold_by(conn: Conn, function: str, request: HoldRequest) -> str:
    """One hold by the function of this name."""
    outcome = await conn.fetchval(
        f"SELECT outcome FROM {function}(ARRAY[$1::uuid], ARRAY[$2::uuid], ARRAY[$3], "
        "ARRAY['account'], ARRAY[$4::uuid], ARRAY['{0}'], ARRAY[0::smallint], "
        "ARRAY[$5::smallint], ARRAY[$6::varbit], ARRAY['{ADULT}'], ARRAY['{10000}'], "
        "ARRAY[10000::bigint], ARRAY['NGN'], ARRAY[600], 3600, ARRAY[$7::integer], 100, NULL)",
        request.trip_id,
        request.booking_id,
        request.reference,
        request.holder_id,
        request.n_legs,
        store.Shape(request.n_seats, request.n_legs).mask(request.seats, 0, request.n_legs),
        request.sheet_version,
    )
    return str(outcome)


async def swept_between(db: Database, function: str) -> str:
    """The outcome for a seat whose hold has ended, and is swept while the function looks at it.

    The function can read the trip; it waits where it first reads bookings.
    """
    trip = await make_stock(db)
    first = make_request(trip)
    assert (await hold(db, first, NO_LIMITS)).outcome == "held"
    await end(db, first)

    async def look() -> str:
        async with db.connection() as conn:
            return await hold_by(conn, function, make_request(trip))

    async def is_waiting() -> bool:
        async with db.connection() as conn:
            waiting = "SELECT FROM pg_locks WHERE relation = 'booking'::regclass AND NOT granted"
            return bool(await conn.fetch(waiting))

    async with db.transaction() as conn:
        await conn.execute("LOCK TABLE booking IN ACCESS EXCLUSIVE MODE")
        looking = asyncio.create_task(look())
        await until(is_waiting)
        await conn.execute("SELECT expire_trip_1($1, clock_timestamp())", trip.trip_id)
    return await looking


async def test_a_seat_swept_meanwhile_is_free(live_db: Database) -> None:
    assert await swept_between(live_db, "hold_many_2") == "held"


async def test_twin_two_snapshots_refuse_a_free_seat(live_db: Database) -> None:
    assert await swept_between(live_db, "hold_many_1") == "unavailable"
