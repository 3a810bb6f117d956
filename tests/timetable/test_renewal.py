import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from booking_make import Trip as Stocked
from booking_make import hold, let_expire, make_request
from kiti.booking.audit import audit
from kiti.booking.sales import Holder, Sales, Wanted
from kiti.booking.service import confirm_booking, find_booking, get_stock, sheet_of
from kiti.fares.service import FareTables
from kiti.network.model import NoSuchTrip
from kiti.network.service import Catalogue
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn, Database
from kiti.platform.ids import new_id
from kiti.timetable.model import Window
from kiti.timetable.renewal.changes import FeedBusy, Kind, TooManyRemovals
from kiti.timetable.renewal.engine import bring_in_line, compare, feed_turn
from renewal_make import (
    DAY,
    FEED,
    Source,
    Spec,
    hold_seats,
    make_source,
    no_progress,
    renew,
    sell_seats,
    trip_id_of,
)
from site_parts import make_settings


async def row(conn: Conn, code: str) -> tuple[object, ...]:
    """What a ticket promises of a trip, and its stock but for who has which seat."""
    found = await conn.fetchrow(
        """
        SELECT t.trip_id, t.operator_id, t.pattern_id, t.layout_id, t.starts_at, i.n_seats,
          i.n_legs, i.shape
        FROM trip t JOIN trip_inventory i USING (trip_id) WHERE t.feed = $1 AND t.code = $2
        """,
        FEED,
        code,
    )
    assert found is not None
    return tuple(found)


async def status(conn: Conn, code: str) -> tuple[str, str | None]:
    found = await conn.fetchrow(
        "SELECT status, closed_by FROM trip_inventory WHERE trip_id = $1",
        await trip_id_of(conn, code),
    )
    assert found is not None
    return found["status"], found["closed_by"]


async def reviews(conn: Conn) -> list[tuple[str, str | None]]:
    rows = await conn.fetch("SELECT kind, decision FROM trip_review ORDER BY found_at")
    return [(each["kind"], each["decision"]) for each in rows]


async def assert_foreseen(db: Database, source: Source) -> None:
    """A dry run tells what the real one then does, and writes nothing."""
    foreseen = await compare(
        db, FEED, window=Window(DAY, DAY), wanted=source.wanted, progress=no_progress
    )
    done = await renew(db, source)
    assert foreseen.counts == done.counts
    assert foreseen.examples == done.examples
    assert (foreseen.ahead, foreseen.going) == (done.ahead, done.going)


async def test_what_is_the_same_stays_untouched(db: Database):
    source = await make_source(db, {"1": Spec(), "2": Spec(minute=600)})
    assert (await renew(db, source)).counts == {Kind.NEW: 2}
    async with db.connection() as conn:
        before = await conn.fetch("SELECT xmin::text, * FROM trip ORDER BY code")
    assert (await renew(db, source)).counts == {Kind.SAME: 2}
    async with db.connection() as conn:
        assert await conn.fetch("SELECT xmin::text, * FROM trip ORDER BY code") == before


@pytest.mark.parametrize(
    "changes",
    [{"minute": 485}, {"road": "ABCD"}, {"road": "XBC"}, {"layout": "large"}, {"layout": "other"}],
)
async def test_a_trip_nobody_has_booked_changes_in_place(db: Database, changes: dict[str, object]):
    source = await make_source(db, {"1": Spec()})
    await renew(db, source)
    async with db.connection() as conn:
        trip_id = await trip_id_of(conn, "1")
    source.change("1", **changes)
    await assert_foreseen(db, source)
    spec = source.trips["1"]
    async with db.connection() as conn:
        assert await trip_id_of(conn, "1") == trip_id
        sheet = await Catalogue().sheet(conn, trip_id)
        stock = await get_stock(conn, trip_id=trip_id)
        assert await audit(conn) == []
    assert (sheet.starts_at, sheet.version) == (spec.starts_at, 2)
    assert "".join(call.name[-1] for call in sheet.calls) == spec.road
    assert sheet.layout.name == spec.layout.capitalize()
    assert stock is not None
    assert stock.is_on_sale
    assert stock.sales_close_at == spec.starts_at - timedelta(minutes=10)
    assert stock.occupancy.shape.n_seats == len(sheet.layout.seats)
    assert stock.occupancy.shape.n_legs == sheet.n_legs
    await sell_seats(db, "1", seats=(len(sheet.layout.seats) - 1,))
    assert (await renew(db, source)).counts == {Kind.SAME: 1}


async def test_new_fares_apply_from_now_on_and_totals_stand(db: Database):
    source = await make_source(db, {"1": Spec()})
    await renew(db, source)
    sold = await sell_seats(db, "1")
    async with db.connection() as conn:
        before = await find_booking(conn, booking_id=sold.booking_id)
    source.change("1", fare=200)
    await assert_foreseen(db, source)
    stale = replace(sold, booking_id=new_id(), reference="OTHERONE", seats=(1,))
    assert (await hold(db, stale)).outcome == "stale"
    async with db.connection() as conn:
        sheet = await Catalogue().sheet(conn, sold.trip_id)
        assert sheet.fare_table_id == source.fares[200]
        assert await find_booking(conn, booking_id=sold.booking_id) == before
    await hold_seats(db, "1", seats=(1,))


@pytest.mark.parametrize("is_sold", [True, False])
@pytest.mark.parametrize("changes", [{"minute": 700}, {"road": "XBC"}, {"layout": "other"}])
async def test_a_booked_trip_stays_as_it_was_booked_and_waits_for_a_person(
    db: Database,
    is_sold: bool,  # noqa: FBT001  # a parameter of the test
    changes: dict[str, object],
):
    source = await make_source(db, {"1": Spec(), "2": Spec(minute=600)})
    await renew(db, source)
    booked = await (sell_seats if is_sold else hold_seats)(db, "1", seats=(0, 2))
    async with db.connection() as conn:
        before = await row(conn, "1")
        taken = await get_stock(conn, trip_id=booked.trip_id)
    source.change("1", **changes)
    await assert_foreseen(db, source)
    async with db.connection() as conn:
        assert await row(conn, "1") == before
        stock = await get_stock(conn, trip_id=booked.trip_id)
        assert await reviews(conn) == [("changed", None)]
        assert await status(conn, "1") == ("closed", "review")
        assert await status(conn, "2") == ("on_sale", None)
    assert taken is not None
    assert stock is not None
    assert stock.occupancy == taken.occupancy
    late = make_request(Stocked(booked.trip_id, 4, 2), seats=(1,), sheet_version=1)
    assert (await hold(db, late)).outcome == "sales_closed"
    assert (await renew(db, source)).counts == {Kind.FLAGGED: 1, Kind.SAME: 1}
    async with db.connection() as conn:
        assert await reviews(conn) == [("changed", None)]  # said once


async def test_a_hold_on_a_flagged_trip_is_paid_as_it_was_held(db: Database):
    source = await make_source(db, {"1": Spec()})
    await renew(db, source)
    held = await hold_seats(db, "1")
    source.change("1", minute=700)
    await renew(db, source)
    async with db.transaction() as conn:
        paid = await confirm_booking(
            conn, booking_id=held.booking_id, learned_at=utc_now(), late_money_minutes=60
        )
        assert paid.outcome == "confirmed"
        assert await audit(conn) == []


@pytest.mark.parametrize("changes", [{"layout": "large"}, {"road": "ABCD"}])
async def test_a_change_that_takes_nothing_away_is_flagged_and_the_trip_sells_on(
    db: Database, changes: dict[str, object]
):
    source = await make_source(db, {"1": Spec()})
    await renew(db, source)
    await sell_seats(db, "1")
    source.change("1", **changes)
    changed = await renew(db, source)
    assert changed.examples[Kind.FLAGGED] == [
        f"1 on {DAY}: more stops or seats, nothing less; 1 sold, 0 held"
    ]
    async with db.connection() as conn:
        assert await status(conn, "1") == ("on_sale", None)
        assert await reviews(conn) == [("changed", None)]
    await sell_seats(db, "1", seats=(1,))


async def test_a_flagged_trip_that_comes_back_as_it_was_sells_again(db: Database):
    source = await make_source(db, {"1": Spec()})
    await renew(db, source)
    await sell_seats(db, "1")
    source.change("1", minute=700)
    await renew(db, source)
    source.change("1", minute=480, fare=200)
    await assert_foreseen(db, source)
    async with db.connection() as conn:
        assert await status(conn, "1") == ("on_sale", None)
        assert await reviews(conn) == [("changed", "withdrawn")]
        sheet = await Catalogue().sheet(conn, await trip_id_of(conn, "1"))
    assert sheet.fare_table_id == source.fares[200]
    assert (await renew(db, source)).counts == {Kind.SAME: 1}


async def test_another_change_of_a_flagged_trip_takes_the_flag_s_place(db: Database):
    source = await make_source(db, {"1": Spec()})
    await renew(db, source)
    await sell_seats(db, "1")
    source.change("1", minute=700)
    await renew(db, source)
    source.change("1", minute=480, layout="large")
    await renew(db, source)
    async with db.connection() as conn:
        assert await reviews(conn) == [("changed", "withdrawn"), ("changed", None)]
        assert await status(conn, "1") == ("on_sale", None)  # nothing is lost by this one


async def test_when_the_last_booking_ends_the_timetable_has_its_way(db: Database):
    source = await make_source(db, {"1": Spec()})
    await renew(db, source)
    held = await hold_seats(db, "1", seats=(3,))
    source.change("1", minute=700, road="AC", layout="other")
    await renew(db, source)
    async with db.connection() as conn:
        await let_expire(conn, held.booking_id)
    await assert_foreseen(db, source)
    async with db.connection() as conn:
        assert await status(conn, "1") == ("on_sale", None)
        assert await reviews(conn) == [("changed", "settled")]
        assert await audit(conn) == []
        booking = await find_booking(conn, booking_id=held.booking_id)
        assert booking is not None
        assert booking.status == "expired"
        old = await sheet_of(conn, Catalogue(), booking)
        new = await Catalogue().sheet(conn, held.trip_id)
    assert (old.starts_at, old.n_legs, old.layout.name) == (Spec().starts_at, 2, "Small")
    assert (new.starts_at, new.n_legs, new.layout.name) == (Spec(minute=700).starts_at, 1, "Other")


@pytest.mark.parametrize("changes", [{"minute": 700}, {"layout": "other"}, {"road": "ABCD"}])
async def test_late_money_gets_no_seat_of_a_trip_that_became_another(
    db: Database, changes: dict[str, object]
):
    source = await make_source(db, {"1": Spec()})
    await renew(db, source)
    held = await hold_seats(db, "1")
    async with db.connection() as conn:
        await let_expire(conn, held.booking_id)
    source.change("1", **changes)
    assert (await renew(db, source)).counts == {Kind.CHANGED: 1}
    async with db.transaction() as conn:
        paid = await confirm_booking(
            conn, booking_id=held.booking_id, learned_at=utc_now(), late_money_minutes=60
        )
        assert (paid.outcome, paid.reason) == ("refused", "seats_gone")
        assert await audit(conn) == []


async def test_a_trip_that_goes_is_removed_unless_a_booking_names_it(db: Database):
    listed = {
        code: Spec(minute=480 + n) for n, code in enumerate(("new", "over", "held", "sold", "x"))
    }
    source = await make_source(db, listed)
    await renew(db, source)
    over = await hold_seats(db, "over")
    held, sold = await hold_seats(db, "held"), await sell_seats(db, "sold")
    async with db.connection() as conn:
        await let_expire(conn, over.booking_id)
        gone = await trip_id_of(conn, "new")
    source.trips = {"x": listed["x"]}
    await assert_foreseen(db, source)
    async with db.connection() as conn:
        with pytest.raises(NoSuchTrip):
            await Catalogue().sheet(conn, gone)
        for code in ("over", "held", "sold"):
            assert await status(conn, code) == ("closed", "review")
        assert await reviews(conn) == [("gone", None), ("gone", None)]
        assert await audit(conn) == []
    assert (await hold(db, make_request(Stocked(gone, 4, 2)))).outcome == "sales_closed"
    again = await renew(db, source)
    assert again.counts == {Kind.SAME: 1, Kind.FLAGGED_GONE: 2}
    assert [*sorted(again.examples[Kind.FLAGGED_GONE])] == [
        f"held on {DAY}: 0 sold, 1 held", f"sold on {DAY}: 1 sold, 0 held",
    ]  # fmt: skip
    # All of them are listed again: as new, open again, and flags withdrawn.
    source.trips = dict(listed)
    await assert_foreseen(db, source)
    async with db.connection() as conn:
        assert await trip_id_of(conn, "new") != gone
        for code in source.trips:
            assert await status(conn, code) == ("on_sale", None)
        assert await reviews(conn) == [("gone", "withdrawn"), ("gone", "withdrawn")]
        for booked in (held, sold):
            assert await trip_id_of(conn, "held" if booked is held else "sold") == booked.trip_id


async def test_trips_that_were_numbered_anew_are_the_same_trips(db: Database):
    """Else the same vehicle would be sold a second time, under its other code."""
    source = await make_source(
        db, {"1": Spec(), "2": Spec(minute=600), "3": Spec(minute=700), "4": Spec()}
    )
    await renew(db, source)
    sold, other = await sell_seats(db, "1"), await sell_seats(db, "2")
    source.trips = {"x": Spec(), "y": Spec(minute=600, layout="other"), "4": Spec()}
    foreseen = await compare(
        db, FEED, window=Window(DAY, DAY), wanted=source.wanted, progress=no_progress
    )
    done = await renew(db, source, may_remove=False)
    assert foreseen.counts == done.counts == {
        Kind.SAME: 2, Kind.FLAGGED: 1, Kind.REMOVED: 1, Kind.RENAMED: 2,
    }  # fmt: skip
    assert (done.ahead, done.going, done.listed) == (4, 1, 3)
    assert done.examples[Kind.RENAMED] == [f"1 on {DAY} is x", f"2 on {DAY} is y"]
    async with db.connection() as conn:
        assert await trip_id_of(conn, "x") == sold.trip_id
        assert await trip_id_of(conn, "y") == other.trip_id
        assert await status(conn, "x") == ("on_sale", None)
    again = replace(sold, booking_id=new_id(), reference="OTHERONE")
    assert (await hold(db, again)).outcome == "unavailable"


async def test_of_twin_departures_each_takes_one_place(db: Database):
    source = await make_source(db, {"1": Spec(), "2": Spec(), "3": Spec()})
    await renew(db, source)
    async with db.connection() as conn:
        first = await trip_id_of(conn, "1")
    source.trips = {"b": Spec(), "a": Spec(), "3": Spec(), "c": Spec()}
    assert (await renew(db, source)).counts == {Kind.RENAMED: 2, Kind.SAME: 3, Kind.NEW: 1}
    async with db.connection() as conn:
        assert await trip_id_of(conn, "a") == first


async def test_what_a_person_has_closed_stays_closed(db: Database):
    source = await make_source(db, {"1": Spec(), "2": Spec(minute=600)})
    await renew(db, source)
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE trip_inventory SET status = 'closed', closed_by = 'hand' WHERE trip_id = $1",
            await trip_id_of(conn, "1"),
        )
    source.change("1", minute=700)
    assert (await renew(db, source)).counts == {Kind.CHANGED: 1, Kind.SAME: 1}
    async with db.connection() as conn:
        assert await status(conn, "1") == ("closed", "hand")


async def test_a_cancelled_trip_and_one_that_has_left_stay_as_they_are(db: Database):
    source = await make_source(db, {"1": Spec(), "2": Spec(minute=600)})
    await renew(db, source)
    async with db.connection() as conn:
        cancelled, left = await trip_id_of(conn, "1"), await trip_id_of(conn, "2")
        await conn.execute(
            "UPDATE trip_inventory SET status = 'cancelled' WHERE trip_id = $1", cancelled
        )
        await conn.execute("UPDATE trip SET starts_at = clock_timestamp() WHERE trip_id = $1", left)
    source.change("1", minute=700)
    assert (await renew(db, source)).counts == {Kind.LEFT: 2}
    source.trips = {}
    assert (await renew(db, source)).counts == {}


async def test_only_the_days_of_the_window_are_looked_at(db: Database):
    tomorrow = DAY + timedelta(days=1)
    source = await make_source(db, {"1": Spec(), "2": Spec(on=tomorrow)})
    assert (await renew(db, source, window=Window(DAY, tomorrow))).counts == {Kind.NEW: 2}
    source.trips = {}
    assert (await renew(db, source, window=Window(tomorrow, tomorrow))).counts == {Kind.REMOVED: 1}
    async with db.connection() as conn:
        await trip_id_of(conn, "1")


async def test_unlisted_trips_stay_when_the_source_is_only_a_part(db: Database):
    source = await make_source(db, {"1": Spec(), "2": Spec(minute=600)})
    await renew(db, source)
    source.trips = {"2": Spec(minute=500)}
    async with feed_turn(db, FEED) as turn:
        changes = await bring_in_line(
            turn,
            window=Window(DAY, DAY),
            wanted=source.wanted,
            ends_unlisted=False,
            progress=no_progress,
        )
    assert changes.counts == {Kind.CHANGED: 1}


@pytest.mark.parametrize(("left", "is_refused"), [(3, False), (2, False), (1, True), (0, True)])
async def test_a_source_that_is_cut_short_is_refused(
    db: Database,
    left: int,
    is_refused: bool,  # noqa: FBT001  # a parameter of the test
):
    source = await make_source(db, {str(n): Spec() for n in range(4)})
    await renew(db, source)
    source.trips = {str(n): Spec(minute=500) for n in range(left)}
    if not is_refused:
        assert (await renew(db, source, may_remove=False)).count(Kind.REMOVED) == 4 - left
        return
    with pytest.raises(TooManyRemovals, match=f"{4 - left} of the 4 trips ahead"):
        await renew(db, source, may_remove=False)
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT count(*) FROM trip WHERE version = 1") == 4
    assert (await renew(db, source, may_remove=True)).count(Kind.REMOVED) == 4 - left


async def test_of_two_runs_the_second_is_refused_while_the_first_is_alive(live_db: Database):
    source = await make_source(live_db, {"1": Spec()})
    async with feed_turn(live_db, FEED, lease_s=60) as turn:
        done = asyncio.Event()

        async def keep_alive() -> None:
            while not done.is_set():
                await turn.renew()

        alive = asyncio.create_task(keep_alive())
        with pytest.raises(FeedBusy):
            await feed_turn(live_db, FEED).__aenter__()
        done.set()
        await alive
    assert (await renew(live_db, source)).counts == {Kind.NEW: 1}


async def test_a_killed_run_is_waited_for_and_what_it_would_still_write_is_refused(
    live_db: Database,
):
    source = await make_source(live_db, {"1": Spec()})
    killed = feed_turn(live_db, FEED, lease_s=0.5)
    turn = await killed.__aenter__()
    assert (await renew(live_db, source)).counts == {Kind.NEW: 1}
    source.change("1", minute=700)
    with pytest.raises(FeedBusy):
        await bring_in_line(
            turn, window=Window(DAY, DAY), wanted=source.wanted, progress=no_progress
        )
    async with live_db.connection() as conn:
        sheet = await Catalogue().sheet(conn, await trip_id_of(conn, "1"))
    assert sheet.starts_at == Spec().starts_at


async def test_whoever_still_knows_the_trip_as_it_was_reads_it_anew(db: Database):
    """Within the seconds for which a trip is kept, its seats are of another layout already."""
    source = await make_source(db, {"1": Spec(layout="large")})
    await renew(db, source)
    sales = Sales(Catalogue(), FareTables(), make_settings())
    async with db.connection() as conn:
        trip_id = await trip_id_of(conn, "1")
        before = await sales.availability(conn, trip_id=trip_id)
    assert before.n_available == 6
    source.change("1", layout="other", road="AC")
    await renew(db, source)
    wanted = Wanted(trip_id, None, count=2)
    held = await sales.hold(db, wanted, Holder("account", new_id()))
    async with db.connection() as conn:
        after = await sales.availability(conn, trip_id=trip_id)
    assert (after.n_available, after.sheet.n_legs, after.sheet.layout.name) == (2, 1, "Other")
    assert held.sheet == after.sheet
    assert after.etag != before.etag
