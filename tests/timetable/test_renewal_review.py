"""What a person decides of trips that changed after they were booked."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

import pytest

from booking_make import let_expire
from kiti.booking.audit import audit
from kiti.booking.closing import close_sales, end_sales, lock_sales, reopen_sales
from kiti.booking.model import SalesNotClosedByHand, TripCancelled
from kiti.booking.service import confirm_booking, find_booking, get_booking, sheet_of
from kiti.network.model import NoSuchTrip
from kiti.network.service import Catalogue
from kiti.platform.clock import utc_now
from kiti.platform.db import Database
from kiti.platform.ids import new_id
from kiti.timetable.renewal.changes import Kind, MoveImpossible, NoSuchReview
from kiti.timetable.renewal.review import Review, keep, move, open_reviews
from renewal_make import DAY, Source, Spec, hold_seats, make_source, renew, sell_seats, trip_id_of


async def listed(db: Database) -> list[Review]:
    return [review async for review in open_reviews(db)]


async def flagged(db: Database, **changes: object) -> tuple[Source, UUID]:
    """A trip with a seat sold, and what its source wants of it since."""
    source = await make_source(db, {"1": Spec(), "2": Spec(minute=600)})
    await renew(db, source)
    sold = await sell_seats(db, "1")
    if changes:
        source.change("1", **changes)
    else:
        del source.trips["1"]
    await renew(db, source)
    return source, sold.trip_id


async def status(db: Database, trip_id: UUID) -> str:
    async with db.connection() as conn:
        found = await conn.fetchval("SELECT status FROM trip_inventory WHERE trip_id = $1", trip_id)
    return str(found)


async def test_the_list_says_what_is_different_and_who_counts_on_it(db: Database):
    source = await make_source(
        db, {code: Spec(minute=480 + 60 * n) for n, code in enumerate("abcde")}
    )
    await renew(db, source)
    for code in ("a", "b", "c", "d"):
        await sell_seats(db, code, seats=(0, 1))
    await hold_seats(db, "a", seats=(2,))
    source.change("a", minute=500)
    source.change("b", road="XBC")
    source.change("c", layout="other", minute=590)
    del source.trips["d"]
    source.change("e", minute=730)
    await renew(db, source)
    found = {review.code: review for review in await listed(db)}
    assert {code: (one.what, one.sold, one.held, one.can_move) for code, one in found.items()} == {
        "a": ("leaves 20 min later", 2, 1, True),
        "b": ("no longer serves Stop A", 2, 0, False),
        "c": ("leaves 10 min earlier, no longer has seats 1A, 1B", 2, 0, False),
        "d": ("no longer in the timetable", 2, 0, False),
    }
    one = asdict(found["a"])
    assert (one["feed"], one["operator_name"]) == ("lines", "Kiti Lines")
    # Lagos is an hour ahead of UTC.
    assert f"{found['a'].departure:%H:%M}" == "09:00"
    assert found["a"].new_departure == found["a"].departure + timedelta(minutes=20)
    assert found["d"].new_departure is None


@pytest.mark.parametrize("changes", [{"minute": 700}, {"road": "XBC"}, {}])
async def test_kept_it_runs_as_booked_and_sells_while_the_source_says_the_same(
    db: Database, changes: dict[str, object]
):
    source, trip_id = await flagged(db, **changes)
    assert await status(db, trip_id) == "closed"
    await keep(db, trip_id=trip_id, by="Ada")
    assert await status(db, trip_id) == "on_sale"
    assert await listed(db) == []
    assert (await renew(db, source)).counts == {Kind.SAME: 1, Kind.KEPT: 1}
    assert await status(db, trip_id) == "on_sale"
    await sell_seats(db, "1", seats=(1,))
    if changes:
        source.change("1", fare=200)
        assert (await renew(db, source)).counts == {Kind.SAME: 1, Kind.KEPT: 1}
        async with db.connection() as conn:
            sheet = await Catalogue().sheet(conn, trip_id)
        assert sheet.fare_table_id == source.fares[200]
        # Something else than what was decided about is for a person again.
        source.change("1", minute=710)
        assert (await renew(db, source)).counts == {Kind.SAME: 1, Kind.FLAGGED: 1}
        assert await status(db, trip_id) == "closed"


async def test_moved_its_bookings_go_with_it_and_those_that_are_over_do_not(db: Database):
    source = await make_source(db, {"1": Spec(), "2": Spec(minute=600)})
    await renew(db, source)
    over = await hold_seats(db, "1", seats=(0,))
    async with db.connection() as conn:
        await let_expire(conn, over.booking_id)
    sold = await sell_seats(db, "1", seats=(0, 1))
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO booking_contact (booking_id, trip_id, phone) VALUES ($1, $2, $3)",
            sold.booking_id,
            sold.trip_id,
            "+2348000000001",
        )
    held = await hold_seats(db, "1", seats=(2,), last=1)
    source.change("1", minute=700)
    await renew(db, source)
    moved = await move(db, trip_id=sold.trip_id, by="Ada")
    assert moved.is_on_sale
    assert [asdict(one) for one in moved.bookings] == [
        {"reference": sold.reference, "phone": "+2348000000001", "email": None}
    ]
    assert "+234" not in str(moved)
    assert moved.new_departure - moved.departure == timedelta(minutes=220)
    assert (await renew(db, source)).counts == {Kind.SAME: 2}
    assert await listed(db) == []
    assert await status(db, sold.trip_id) == "on_sale"
    async with db.transaction() as conn:
        assert await audit(conn) == []
        unpaid = await confirm_booking(
            conn, booking_id=held.booking_id, learned_at=utc_now(), late_money_minutes=60
        )
        # Nobody pays for a trip that leaves at another time than was shown: this money goes back.
        assert (unpaid.outcome, unpaid.reason) == ("refused", "released")
        refused = await confirm_booking(
            conn, booking_id=over.booking_id, learned_at=utc_now(), late_money_minutes=60
        )
        assert (refused.outcome, refused.reason) == ("refused", "seats_gone")
        assert await audit(conn) == []
        for request, starts_at in (
            (sold, Spec(minute=700).starts_at),
            (held, Spec().starts_at),
            (over, Spec().starts_at),
        ):
            booking = await get_booking(conn, booking_id=request.booking_id, holder_id=None)
            sheet = await sheet_of(conn, Catalogue(), booking)
            assert sheet.starts_at == starts_at
    await sell_seats(db, "1", seats=(3,))


async def test_a_hold_on_a_moved_trip_is_released(db: Database):
    source = await make_source(db, {"1": Spec(), "2": Spec(minute=600)})
    await renew(db, source)
    held = await hold_seats(db, "1")
    soon = utc_now() + timedelta(minutes=12)  # sales close two minutes from now
    source.change("1", minute=int((soon - Spec(minute=0).starts_at) / timedelta(minutes=1)))
    await renew(db, source)
    await move(db, trip_id=held.trip_id, by="Ada")
    async with db.connection() as conn:
        booking = await find_booking(conn, booking_id=held.booking_id)
        closes = await conn.fetchval(
            "SELECT sales_close_at FROM trip_inventory WHERE trip_id = $1", held.trip_id
        )
    assert booking is not None
    assert (booking.status, booking.expires_at) == ("released", closes)


@pytest.mark.parametrize("changes", [{"road": "XBC"}, {"road": "ABCD"}, {"layout": "large"}, {}])
async def test_what_changes_more_than_times_cannot_be_moved(
    db: Database, changes: dict[str, object]
):
    _, trip_id = await flagged(db, **changes)
    before = await status(db, trip_id)
    with pytest.raises(MoveImpossible):
        await move(db, trip_id=trip_id, by="Ada")
    assert await status(db, trip_id) == before
    assert len(await listed(db)) == 1


async def test_a_trip_that_does_not_wait_is_not_decided(db: Database):
    source, _ = await flagged(db, minute=700)
    async with db.connection() as conn:
        other = await trip_id_of(conn, "2")
    for trip_id, refusal in ((other, NoSuchReview), (new_id(), NoSuchTrip)):
        for decide in (keep, move):
            with pytest.raises(refusal):
                await decide(db, trip_id=trip_id, by="Ada")
    assert source.trips["2"].on == DAY


async def test_a_kept_trip_may_still_be_moved(db: Database):
    _, trip_id = await flagged(db, minute=700)
    await keep(db, trip_id=trip_id, by="Ada")
    await move(db, trip_id=trip_id, by="Bayo")
    async with db.connection() as conn:
        rows = await conn.fetch("SELECT decision, decided_by FROM trip_review")
    assert [tuple(row) for row in rows] == [("move", "Bayo")]


async def test_a_cancelled_trip_was_decided_and_is_neither_kept_nor_moved(db: Database):
    source, trip_id = await flagged(db, minute=700)
    async with db.transaction() as conn:
        await lock_sales(conn, trip_id=trip_id)
        await end_sales(conn, trip_id=trip_id)
    assert await listed(db) == []
    for decide in (keep, move):
        with pytest.raises(TripCancelled):
            await decide(db, trip_id=trip_id, by="Ada")
    async with db.connection() as conn:
        starts_at = await conn.fetchval("SELECT starts_at FROM trip WHERE trip_id = $1", trip_id)
    assert starts_at == Spec().starts_at
    assert (await renew(db, source)).counts == {Kind.SAME: 1, Kind.LEFT: 1}
    assert await status(db, trip_id) == "cancelled"


@pytest.mark.parametrize("closed", ["before", "after"])
async def test_closed_by_hand_while_it_waits_it_is_opened_by_nobody_else(db: Database, closed: str):
    source = await make_source(db, {"1": Spec(), "2": Spec(minute=600)})
    await renew(db, source)
    trip_id = (await sell_seats(db, "1")).trip_id

    async def by_hand(change: Callable[..., Awaitable[None]]) -> None:
        async with db.transaction() as conn:
            await change(conn, trip_id=trip_id)

    if closed == "before":
        await by_hand(close_sales)
    source.change("1", minute=700)
    await renew(db, source)
    if closed == "after":
        await by_hand(close_sales)
    # What waits for a decision is not opened by hand either.
    with pytest.raises(SalesNotClosedByHand, match="kiti review"):
        await by_hand(reopen_sales)
    source.change("1", minute=480)
    assert (await renew(db, source)).count(Kind.RETURNED) == 1
    assert await status(db, trip_id) == "closed"
    assert (await renew(db, source)).counts == {Kind.SAME: 2}
    await by_hand(reopen_sales)
    assert await status(db, trip_id) == "on_sale"


@pytest.mark.parametrize("decide", [keep, move])
async def test_a_decision_does_not_open_what_a_person_has_closed(
    db: Database, decide: Callable[..., Awaitable[object]]
):
    _, trip_id = await flagged(db, minute=700)
    async with db.transaction() as conn:
        await close_sales(conn, trip_id=trip_id)
    said = await decide(db, trip_id=trip_id, by="Ada")
    assert said is False or getattr(said, "is_on_sale", None) is False
    assert await status(db, trip_id) == "closed"
    async with db.transaction() as conn:
        await reopen_sales(conn, trip_id=trip_id)
    assert await status(db, trip_id) == "on_sale"
