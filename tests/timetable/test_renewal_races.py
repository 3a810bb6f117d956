"""A hold or a sale at the same time as the change of its trip, in both orders, with twins."""

import asyncio
from collections import Counter
from dataclasses import replace
from uuid import UUID

from booking_make import NO_LIMITS, hold, let_expire, make_request
from booking_make import Trip as Stocked
from kiti.booking.audit import audit
from kiti.booking.service import confirm_booking, get_booking, hold_many
from kiti.network.service import Catalogue, change_trips
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn, Database
from kiti.timetable.renewal.changes import Kind
from renewal_make import (
    DAY,
    FEED,
    Spec,
    hold_seats,
    make_source,
    renew,
    trip_id_of,
)
from waiting import until

BUYERS = 12


async def stocked(db: Database) -> Stocked:
    async with db.connection() as conn:
        return Stocked(await trip_id_of(conn, "1"), 4, 2)


async def waits_for_a_lock(db: Database) -> bool:
    async with db.connection() as conn:
        return bool(
            await conn.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                "AND datname = current_database()"
            )
        )


async def assert_clean(db: Database) -> None:
    async with db.connection() as conn:
        assert await audit(conn) == []


async def starts_at(db: Database, trip_id: UUID) -> object:
    async with db.connection() as conn:
        return (await Catalogue().sheet(conn, trip_id)).starts_at


async def test_a_hold_under_way_is_waited_for_and_keeps_its_trip(live_db: Database):
    source = await make_source(live_db, {"1": Spec()})
    await renew(live_db, source)
    request = make_request(await stocked(live_db))
    source.change("1", minute=700, layout="other")
    async with live_db.transaction() as conn:
        (outcome,) = await hold_many(conn, [request], NO_LIMITS)
        renewal = asyncio.create_task(renew(live_db, source))
        await until(lambda: waits_for_a_lock(live_db))
    assert outcome.outcome == "held"
    assert (await renewal).counts == {Kind.FLAGGED: 1}
    assert await starts_at(live_db, request.trip_id) == Spec().starts_at
    await assert_clean(live_db)


async def test_a_hold_that_comes_while_the_trip_changes_is_made_for_the_new_trip(
    live_db: Database,
):
    source = await make_source(live_db, {"1": Spec()})
    await renew(live_db, source)
    trip = await stocked(live_db)
    source.change("1", minute=700, layout="other")
    async with live_db.connection() as watcher, watcher.transaction():
        # Whoever locks this row ends the renewal's own transaction only after it is let go.
        await watcher.execute("LOCK TABLE trip IN SHARE MODE")
        renewal = asyncio.create_task(renew(live_db, source))
        await until(lambda: waits_for_a_lock(live_db))
        buyer = asyncio.create_task(hold(live_db, make_request(trip)))
        await until(lambda: both_wait(live_db))
    assert (await renewal).counts == {Kind.CHANGED: 1}
    assert (await buyer).outcome == "stale"
    await hold_seats(live_db, "1")
    await assert_clean(live_db)


async def both_wait(db: Database) -> bool:
    async with db.connection() as conn:
        waiting = await conn.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
            "AND datname = current_database()"
        )
    return int(waiting or 0) == 2


async def test_late_money_at_the_moment_of_the_change_ends_in_one_truth(live_db: Database):
    """The seat as it was sold, on a trip that stays; or no seat, and another trip: 30 trials."""
    source = await make_source(live_db)
    ends: Counter[str] = Counter()
    for trial in range(30):
        code, sold = str(trial), Spec(minute=480 + trial)
        source.trips[code] = sold
        await renew(live_db, source)
        held = await hold_seats(live_db, code)
        async with live_db.connection() as conn:
            await let_expire(conn, held.booking_id)
        source.change(code, minute=600 + trial, layout=("other", "small")[trial % 2])
        gate = asyncio.Barrier(2)

        async def pay(booking_id: UUID = held.booking_id, gate: asyncio.Barrier = gate) -> str:
            await gate.wait()
            async with live_db.transaction() as conn:
                paid = await confirm_booking(
                    conn, booking_id=booking_id, learned_at=utc_now(), late_money_minutes=60
                )
            return paid.outcome

        async def change(gate: asyncio.Barrier = gate) -> None:
            await gate.wait()
            await renew(live_db, source)

        paid, _ = await asyncio.gather(pay(), change())
        ends[paid] += 1
        stands = sold if paid == "confirmed" else source.trips[code]
        assert await starts_at(live_db, held.trip_id) == stands.starts_at
        await assert_clean(live_db)
    assert set(ends) <= {"confirmed", "refused"}


async def test_twin_a_change_without_the_lock_moves_a_sold_seat(live_db: Database):
    """Who looks first and writes later, without the trip's lock, moves what was sold in between."""
    source = await make_source(live_db, {"1": Spec()})
    await renew(live_db, source)
    trip = await stocked(live_db)
    source.change("1", minute=700)
    [wanted] = source.wanted(DAY)

    async def look(conn: Conn) -> int:
        return int(
            await conn.fetchval(
                "SELECT count(*) FROM booking WHERE trip_id = $1 "
                "AND status IN ('held', 'confirmed')",
                trip.trip_id,
            )
            or 0
        )

    async with live_db.transaction() as conn:
        assert await look(conn) == 0
        sold = make_request(trip)
        assert (await hold(live_db, sold)).outcome == "held"
        async with live_db.transaction() as other:
            await confirm_booking(
                other, booking_id=sold.booking_id, learned_at=utc_now(), late_money_minutes=60
            )
        await change_trips(conn, [replace(wanted.trip, trip_id=trip.trip_id)])
    async with live_db.connection() as conn:
        booking = await get_booking(conn, booking_id=sold.booking_id, holder_id=None)
    assert booking.status == "confirmed"
    assert await starts_at(live_db, trip.trip_id) != Spec().starts_at  # the ticket lies


async def test_twin_a_stock_made_anew_without_a_look_loses_a_sold_seat(live_db: Database):
    """What the guard in the statement refuses, a plain UPDATE does: the seat is sold twice."""
    source = await make_source(live_db, {"1": Spec()})
    await renew(live_db, source)
    trip = await stocked(live_db)
    assert (await hold(live_db, make_request(trip))).outcome == "held"
    async with live_db.connection() as conn:
        await conn.execute(
            "UPDATE trip_inventory SET taken = blocked, sold = blocked & ~blocked "
            "WHERE trip_id = $1",
            trip.trip_id,
        )
    assert (await hold(live_db, make_request(trip))).outcome == "held"
    async with live_db.connection() as conn:
        assert any("never sold twice" in found.invariant for found in await audit(conn))


async def test_buyers_all_the_while_lose_nothing(live_db: Database):
    """Many buyers of several trips while renewals change, drop and bring back the same trips."""
    codes = [str(n) for n in range(6)]
    source = await make_source(live_db, {code: Spec() for code in codes})
    await renew(live_db, source)
    promised: dict[UUID, tuple[object, ...]] = {}
    done = asyncio.Event()

    async def buy(number: int) -> None:
        while not done.is_set():
            for code in codes[number % 2 :: 2]:
                await buy_one(live_db, code, seat=number % 4, promised=promised)

    buyers = [asyncio.create_task(buy(number)) for number in range(BUYERS)]
    for turn in range(12):
        for number, code in enumerate(codes):
            if (turn + number) % 4 == 3:
                source.trips.pop(code, None)
            else:
                layout = ("small", "other")[(turn + number) % 2]
                source.trips[code] = Spec(minute=480 + 10 * (turn % 3), layout=layout)
        await renew(live_db, source)
        await assert_clean(live_db)
    done.set()
    async with asyncio.timeout(60):
        await asyncio.gather(*buyers)
    assert promised
    async with live_db.connection() as conn:
        for booking_id, promise in promised.items():
            booking = await get_booking(conn, booking_id=booking_id, holder_id=None)
            assert booking.status == "confirmed"
            assert await promise_of(conn, booking.trip_id, booking.seats) == promise
    await assert_clean(live_db)


async def promise_of(conn: Conn, trip_id: UUID, seats: tuple[int, ...]) -> tuple[object, ...]:
    """What a ticket of these seats says: departure, stops, labels, classes."""
    sheet = await Catalogue().sheet(conn, trip_id)
    drawn = [sheet.layout.seats[seat] for seat in seats]
    return (
        sheet.starts_at,
        tuple(call.stop_id for call in sheet.calls),
        tuple((seat.label, seat.seat_class) for seat in drawn),
    )


async def buy_one(
    db: Database, code: str, *, seat: int, promised: dict[UUID, tuple[object, ...]]
) -> None:
    """Read a trip, hold a seat of what was read, and pay: what was read is what must stay."""
    async with db.connection() as conn:
        trip_id = await conn.fetchval(
            "SELECT trip_id FROM trip WHERE feed = $1 AND code = $2", FEED, code
        )
        if not isinstance(trip_id, UUID):
            return
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            row = await conn.fetchrow(
                "SELECT n_seats, n_legs, sheet_version FROM trip_inventory WHERE trip_id = $1",
                trip_id,
            )
            if row is None or not await conn.fetchval(
                "SELECT EXISTS (SELECT FROM trip WHERE trip_id = $1)", trip_id
            ):
                return
            promise = await promise_of(conn, trip_id, (seat,))
    request = make_request(
        Stocked(trip_id, row["n_seats"], row["n_legs"]),
        seats=(seat,),
        sheet_version=row["sheet_version"],
    )
    if (await hold(db, request)).outcome != "held":
        return
    async with db.transaction() as conn:
        paid = await confirm_booking(
            conn, booking_id=request.booking_id, learned_at=utc_now(), late_money_minutes=60
        )
    assert paid.outcome == "confirmed"
    promised[request.booking_id] = promise
