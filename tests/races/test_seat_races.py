"""Many buyers at once: the invariant, not the order. Each guard has a twin that shows the race."""

import asyncio
import random
from collections import Counter
from uuid import UUID

import asyncpg
import pytest

from booking_make import NO_LIMITS, Trip, hold, let_expire, make_request, make_stock
from kiti.booking.audit import audit
from kiti.booking.model import HoldRequest, SeatsUnavailable
from kiti.booking.service import (
    cancel_seats,
    confirm_booking,
    get_booking,
    hold_many,
    release_hold,
)
from kiti.booking.sweeping import expire_seats
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn, Database
from kiti.platform.errors import DomainError
from kiti.platform.ids import new_id

BUYERS = 200
CONNECTIONS = 16


async def assert_clean(db: Database) -> None:
    async with db.connection() as conn:
        assert await audit(conn) == []


async def test_200_buyers_of_one_seat_one_wins(live_db: Database) -> None:
    trip = await make_stock(live_db)
    gate = asyncio.Barrier(BUYERS)

    async def buy() -> str:
        await gate.wait()
        return (await hold(live_db, make_request(trip, seats=(7,)))).outcome

    async with asyncio.timeout(60):
        outcomes = Counter(await asyncio.gather(*(buy() for _ in range(BUYERS))))
    assert outcomes == {"held": 1, "unavailable": BUYERS - 1}
    await assert_clean(live_db)


async def test_twin_check_then_insert_without_the_lock_sells_twice(live_db: Database) -> None:
    trip = await make_stock(live_db)
    gate = asyncio.Barrier(2)

    async def buy() -> bool:
        async with live_db.transaction() as conn:
            taken = await conn.fetchval(
                "SELECT count(*) FROM booking WHERE trip_id = $1 AND status = 'held'", trip.trip_id
            )
            await gate.wait()  # both have looked, neither has written
            if taken:
                return False
            await insert_without_asking(conn, make_request(trip))
            return True

    async with asyncio.timeout(30):
        sold = await asyncio.gather(buy(), buy())
    assert sum(sold) == 2
    async with live_db.connection() as conn:
        assert any(f.invariant == "a seat is never sold twice" for f in await audit(conn))


async def insert_without_asking(conn: Conn, request: HoldRequest) -> None:
    """What a writer would do that forgets the trip's row."""
    await conn.execute(
        """
        INSERT INTO booking (booking_id, trip_id, reference, holder_kind, holder_id, seats,
          first_leg, last_leg, mask, passenger_types, fares_minor, total_minor, currency,
          created_at, expires_at, expires_at_max)
        SELECT $1, $2, $3, 'account', $4, '{0}', 0, 1, set_bit(repeat('0', 100)::varbit, 0, 1),
          '{ADULT}', '{1}', 1, 'NGN', now(), now() + interval '1 hour', now() + interval '1 hour'
        """,
        request.booking_id,
        request.trip_id,
        request.reference,
        request.holder_id,
    )


async def test_holds_in_opposite_orders_never_deadlock(live_db: Database) -> None:
    trips = [await make_stock(live_db, n_seats=40) for _ in range(6)]
    gate = asyncio.Barrier(CONNECTIONS)

    async def buy(number: int) -> list[str]:
        chooser = random.Random(number)
        await gate.wait()
        out: list[str] = []
        for _ in range(15):
            picked = chooser.sample(trips, 4)
            requests = [
                make_request(trip, seats=tuple(chooser.sample(range(40), 3))) for trip in picked
            ]
            async with live_db.transaction() as conn:  # no retry: a deadlock would be raised
                out += [o.outcome for o in await hold_many(conn, requests, NO_LIMITS)]
        return out

    async with asyncio.timeout(60):
        outcomes = await asyncio.gather(*(buy(n) for n in range(CONNECTIONS)))
    assert Counter(o for one in outcomes for o in one).keys() <= {"held", "unavailable"}
    await assert_clean(live_db)


async def test_twin_locking_seats_in_the_order_asked_deadlocks(live_db: Database) -> None:
    one, other = await make_stock(live_db), await make_stock(live_db)
    gate = asyncio.Barrier(2)

    async def lock(first: Trip, second: Trip) -> None:
        async with live_db.transaction() as conn:
            statement = "SELECT FROM trip_inventory WHERE trip_id = $1 FOR NO KEY UPDATE"
            await conn.execute(statement, first.trip_id)
            await gate.wait()
            await conn.execute(statement, second.trip_id)

    async with asyncio.timeout(30):
        ended = await asyncio.gather(lock(one, other), lock(other, one), return_exceptions=True)
    assert [type(e) for e in ended if e is not None] == [asyncpg.DeadlockDetectedError]


async def test_payment_at_the_very_end_of_the_hold_ends_in_one_owner(live_db: Database) -> None:
    """A hold that ends as its money comes, while a rival wants the seat: 60 trials."""
    for _ in range(60):
        trip = await make_stock(live_db, n_seats=1, n_legs=1)
        first, rival = make_request(trip), make_request(trip)
        await hold(live_db, first)
        async with live_db.connection() as conn:
            await let_expire(conn, first.booking_id, ago_s=0)
        gate = asyncio.Barrier(3)

        async def pay() -> str:
            await gate.wait()  # noqa: B023
            async with live_db.transaction() as conn:
                paid = await confirm_booking(
                    conn,
                    booking_id=first.booking_id,  # noqa: B023
                    learned_at=utc_now(),
                    late_money_minutes=60,
                )
            return paid.outcome

        async def buy() -> str:
            await gate.wait()  # noqa: B023
            return (await hold(live_db, rival)).outcome  # noqa: B023

        async def sweep() -> str:
            await gate.wait()  # noqa: B023
            await expire_seats(live_db)
            return "swept"

        async with asyncio.timeout(30):
            paid, held, _ = await asyncio.gather(pay(), buy(), sweep())
        assert (paid, held) in {("confirmed", "unavailable"), ("refused", "held")}
    await assert_clean(live_db)


async def test_the_last_guard_refuses_what_slips_past_the_bitmap(live_db: Database) -> None:
    trip = await make_stock(live_db)
    first, second = make_request(trip), make_request(trip)
    await hold(live_db, first)
    async with live_db.transaction() as conn:
        await confirm_booking(
            conn, booking_id=first.booking_id, learned_at=utc_now(), late_money_minutes=60
        )
        await conn.execute(  # a writer that clears bits it must not
            "UPDATE trip_inventory SET taken = taken & ~taken, sold = sold & ~sold "
            "WHERE trip_id = $1",
            trip.trip_id,
        )
    await hold(live_db, second)
    with pytest.raises(asyncpg.UniqueViolationError, match="seat_sold_pkey"):
        async with live_db.transaction() as conn:
            await confirm_booking(
                conn, booking_id=second.booking_id, learned_at=utc_now(), late_money_minutes=60
            )


@pytest.mark.slow
async def test_everything_at_once_breaks_nothing(live_db: Database) -> None:
    """16 connections, 4 trips of 20 seats and 5 legs: holds, batches, confirms, ends, cancels."""
    trips = [await make_stock(live_db) for _ in range(4)]
    alive: list[UUID] = []
    done = Counter[str]()

    async def trade(number: int) -> None:
        chooser = random.Random(number)
        for _ in range(250):
            await one_step(live_db, chooser, trips, alive, done)

    async with asyncio.timeout(240):
        await asyncio.gather(*(trade(n) for n in range(CONNECTIONS)))
    assert done["held"] > 100
    assert done["confirmed"] > 50
    assert done["cancelled"] > 10
    await assert_clean(live_db)
    async with live_db.connection() as conn:
        ended = "SELECT count(*) FROM booking WHERE status = 'expired'"
        assert (await conn.fetchval(ended) or 0) > 10
        # The two guards agree to the last bit.
        assert await conn.fetchval("SELECT count(*) FROM seat_sold") == await conn.fetchval(
            "SELECT coalesce(sum(bit_count(sold)), 0) FROM trip_inventory"
        )


def some_request(chooser: random.Random, trips: list[Trip]) -> HoldRequest:
    first = chooser.randrange(5)
    return make_request(
        chooser.choice(trips),
        seats=tuple(chooser.sample(range(20), chooser.choice((1, 1, 2, 3)))),
        first=first,
        last=chooser.randrange(first + 1, 6),
    )


async def one_step(
    db: Database,
    chooser: random.Random,
    trips: list[Trip],
    alive: list[UUID],
    done: Counter[str],
) -> None:
    action = chooser.choices(
        ["hold", "batch", "confirm", "end", "release", "cancel", "sweep"],
        [30, 8, 18, 10, 8, 14, 5],
    )[0]
    victim = chooser.choice(alive) if alive else new_id()
    try:
        if action in {"hold", "batch"}:
            count = 1 if action == "hold" else chooser.randrange(2, 9)
            requests = [some_request(chooser, trips) for _ in range(count)]
            async with db.connection() as conn:
                outcomes = await hold_many(conn, requests, NO_LIMITS)
            for request, outcome in zip(requests, outcomes, strict=True):
                done[outcome.outcome] += 1
                if outcome.outcome == "held":
                    alive.append(request.booking_id)
        elif action == "confirm":
            async with db.transaction() as conn:
                ended = await confirm_booking(
                    conn, booking_id=victim, learned_at=utc_now(), late_money_minutes=60
                )
            done[ended.outcome] += 1
        elif action == "end":
            async with db.connection() as conn:
                await conn.execute(
                    "UPDATE booking SET expires_at = clock_timestamp() "
                    "WHERE booking_id = $1 AND status = 'held'",
                    victim,
                )
        elif action == "release":
            async with db.transaction() as conn:
                await release_hold(conn, booking_id=victim, holder_id=None)
            done["released"] += 1
        elif action == "cancel":
            async with db.transaction() as conn:
                booking = await get_booking(conn, booking_id=victim, holder_id=None)
                left = [seat for seat in booking.seats if seat not in booking.cancelled_seats]
                await cancel_seats(
                    conn, booking_id=victim, seats=left[: chooser.randrange(1, 3)] or [0]
                )
            done["cancelled"] += 1
        else:
            done["expired"] += await expire_seats(db)
    except SeatsUnavailable:
        raise
    except DomainError as refused:
        done[refused.code()] += 1
