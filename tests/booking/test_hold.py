"""Holding seats: what hold_many promises, on one connection."""

from datetime import timedelta

from booking_make import NO_LIMITS, hold, let_expire, make_request, make_stock
from kiti.booking.model import HoldLimits
from kiti.booking.service import get_stock, hold_many
from kiti.booking.sweeping import expire_seats
from kiti.platform.db import Database
from kiti.platform.ids import new_id


async def test_a_seat_is_sold_twice_on_legs_that_do_not_overlap(db: Database) -> None:
    trip = await make_stock(db)
    assert (await hold(db, make_request(trip, first=0, last=2))).outcome == "held"
    assert (await hold(db, make_request(trip, first=2, last=5))).outcome == "held"
    refused = await hold(db, make_request(trip, first=1, last=3))
    assert refused.outcome == "unavailable"
    assert refused.conflict == (0,)


async def test_all_or_nothing_names_the_seats_in_the_way(db: Database) -> None:
    trip = await make_stock(db)
    assert (await hold(db, make_request(trip, seats=(3, 7)))).outcome == "held"
    refused = await hold(db, make_request(trip, seats=(1, 7, 2, 3)))
    assert refused.conflict == (7, 3)
    assert (await hold(db, make_request(trip, seats=(1, 2)))).outcome == "held"


async def test_rivals_in_one_batch_win_in_the_order_given(db: Database) -> None:
    trip = await make_stock(db)
    other = await make_stock(db)
    requests = [
        make_request(trip, seats=(0, 1)),
        make_request(other, seats=(0,)),
        make_request(trip, seats=(1, 2)),
        make_request(trip, seats=(2,)),
        make_request(other, seats=(0, 1)),
    ]
    async with db.transaction() as conn:
        outcomes = await hold_many(conn, requests, NO_LIMITS)
    assert [o.outcome for o in outcomes] == ["held", "held", "unavailable", "held", "unavailable"]
    assert outcomes[2].conflict == (1,)


async def test_a_hold_that_is_over_is_free_without_any_job(db: Database) -> None:
    trip = await make_stock(db)
    first = make_request(trip)
    await hold(db, first)
    async with db.connection() as conn:
        await let_expire(conn, first.booking_id)
        stock = await get_stock(conn, trip_id=trip.trip_id)
    assert stock is not None
    assert stock.occupancy.statuses(0, 5)[0] == "AVAILABLE"
    assert (await hold(db, make_request(trip))).outcome == "held"


async def test_the_sweeper_gives_back_what_is_over_and_nothing_else(db: Database) -> None:
    trip = await make_stock(db)
    over, live = make_request(trip, seats=(0,)), make_request(trip, seats=(1,))
    await hold(db, over)
    await hold(db, live)
    async with db.connection() as conn:
        await let_expire(conn, over.booking_id)
    assert await expire_seats(db) == 1
    assert await expire_seats(db) == 0
    async with db.connection() as conn:
        rows = await conn.fetch("SELECT booking_id, status FROM booking")
    assert {row["booking_id"]: row["status"] for row in rows} == {
        over.booking_id: "expired",
        live.booking_id: "held",
    }


async def test_a_hold_ends_at_the_close_of_sales_at_the_latest(db: Database) -> None:
    trip = await make_stock(db, closes_in=timedelta(minutes=2))
    outcome = await hold(db, make_request(trip, ttl_s=600))
    assert outcome.ends_at is not None
    assert timedelta(minutes=1) < outcome.ends_at - outcome.decided_at <= timedelta(minutes=2)


async def test_closed_cancelled_stale_and_unknown_trips_are_refused(db: Database) -> None:
    closed = await make_stock(db, closes_in=timedelta(seconds=-1))
    cancelled = await make_stock(db)
    fresh = await make_stock(db)
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE trip_inventory SET status = 'cancelled' WHERE trip_id = $1", cancelled.trip_id
        )
        await conn.execute(
            "UPDATE trip_inventory SET sheet_version = 2 WHERE trip_id = $1", fresh.trip_id
        )
    assert (await hold(db, make_request(closed))).outcome == "sales_closed"
    assert (await hold(db, make_request(cancelled))).outcome == "cancelled"
    assert (await hold(db, make_request(fresh))).outcome == "stale"
    assert (await hold(db, make_request(fresh, sheet_version=2))).outcome == "held"
    unknown = type(fresh)(new_id(), 20, 5)
    assert (await hold(db, make_request(unknown))).outcome == "no_trip"


async def test_blocked_seats_are_never_held(db: Database) -> None:
    trip = await make_stock(db, blocked=(4,))
    assert (await hold(db, make_request(trip, seats=(4,)))).conflict == (4,)


async def test_one_holder_may_hold_ten_seats_of_a_trip_and_no_more(db: Database) -> None:
    trip = await make_stock(db, n_seats=50)
    limits = HoldLimits(ttl_max_s=3600, holder_max=10, guest_share=None)
    me = new_id()
    seats = tuple(range(8))
    assert (await hold(db, make_request(trip, seats=seats, holder_id=me), limits)).outcome == "held"
    three = make_request(trip, seats=(10, 11, 12), holder_id=me)
    assert (await hold(db, three, limits)).outcome == "holder_full"
    two = make_request(trip, seats=(10, 11), holder_id=me)
    assert (await hold(db, two, limits)).outcome == "held"
    other = make_request(trip, seats=(20,))
    assert (await hold(db, other, limits)).outcome == "held"


async def test_the_holder_limit_counts_within_one_batch_too(db: Database) -> None:
    trip = await make_stock(db, n_seats=50)
    limits = HoldLimits(ttl_max_s=3600, holder_max=2, guest_share=None)
    me = new_id()
    requests = [make_request(trip, seats=(seat,), holder_id=me) for seat in range(4)]
    async with db.transaction() as conn:
        outcomes = await hold_many(conn, requests, limits)
    assert [o.outcome for o in outcomes] == ["held", "held", "holder_full", "holder_full"]


async def test_guests_together_hold_their_share_of_a_trip(db: Database) -> None:
    trip = await make_stock(db, n_seats=40)
    limits = HoldLimits(ttl_max_s=3600, holder_max=10, guest_share=500)
    for start in (0, 10):
        seats = tuple(range(start, start + 10))
        request = make_request(trip, seats=seats, holder_kind="guest")
        assert (await hold(db, request, limits)).outcome == "held"
    guest = make_request(trip, seats=(30,), holder_kind="guest")
    assert (await hold(db, guest, limits)).outcome == "guests_full"
    account = make_request(trip, seats=(30,))
    assert (await hold(db, account, limits)).outcome == "held"
