"""Who is who when a source numbers anew: what was sold is found again by what was sold."""

from collections import Counter
from uuid import UUID

import pytest

from booking_make import Trip as Stocked
from booking_make import hold, make_request
from kiti.booking.audit import audit
from kiti.network.model import NewCall, NewPattern, journey_of
from kiti.network.service import list_journeys, put_patterns, put_route
from kiti.platform.db import Conn, Database
from kiti.timetable.model import Window
from kiti.timetable.renewal.changes import Changes, Kind, TooManyRemovals
from kiti.timetable.renewal.engine import compare
from kiti.timetable.renewal.review import keep
from renewal_make import (
    DAY,
    FEED,
    ROADS,
    Source,
    Spec,
    hold_seats,
    make_source,
    no_progress,
    renew,
    sell_seats,
    trip_id_of,
)

EIGHT, NINE, TEN, SIX = Spec(), Spec(minute=540), Spec(minute=600), Spec(minute=360)


async def both(db: Database, source: Source, *, may_remove: bool = True) -> Changes:
    """A real run, which its dry run has foreseen."""
    foreseen = await compare(
        db, FEED, window=Window(DAY, DAY), wanted=source.wanted, progress=no_progress
    )
    done = await renew(db, source, may_remove=may_remove)
    assert foreseen.counts == done.counts
    assert foreseen.examples == done.examples
    assert (foreseen.ahead, foreseen.going) == (done.ahead, done.going)
    async with db.connection() as conn:
        assert await audit(conn) == []
    return done


async def timetable(conn: Conn) -> dict[str, tuple[int, str]]:
    """Each trip on file by its code: when it leaves, as minutes of the day, and its sales."""
    rows = await conn.fetch(
        "SELECT code, starts_at, status FROM trip JOIN trip_inventory USING (trip_id) "
        "WHERE feed = $1",
        FEED,
    )
    return {
        row["code"]: (row["starts_at"].hour * 60 + row["starts_at"].minute, row["status"])
        for row in rows
    }


async def cancel(conn: Conn, trip_id: UUID) -> None:
    await conn.execute(
        "UPDATE trip_inventory SET status = 'cancelled', closed_by = NULL WHERE trip_id = $1",
        trip_id,
    )


async def test_one_bus_was_sold_twice_when_an_edition_gave_its_code_to_another(db: Database):
    source = await make_source(db, {"T1": EIGHT, "T2": NINE})
    await renew(db, source)
    sold = await sell_seats(db, "T1", seats=(0, 1, 2))
    async with db.connection() as conn:
        nine = await trip_id_of(conn, "T2")
    source.trips = {"T1": SIX, "T2": EIGHT, "T3": NINE}
    done = await both(db, source, may_remove=False)
    assert done.counts == {Kind.NEW: 1, Kind.SAME: 2, Kind.RENAMED: 2}
    async with db.connection() as conn:
        assert await trip_id_of(conn, "T2") == sold.trip_id
        assert await trip_id_of(conn, "T3") == nine
        assert await timetable(conn) == {
            "T1": (360, "on_sale"), "T2": (480, "on_sale"), "T3": (540, "on_sale"),
        }  # fmt: skip
        assert await conn.fetchval("SELECT count(*) FROM trip_review") == 0
    # Of the 4 seats that leave at 8, one is left.
    again = [make_request(Stocked(sold.trip_id, 4, 2), seats=(seat,)) for seat in range(4)]
    outcomes = Counter([(await hold(db, request)).outcome for request in again])
    assert outcomes == {"held": 1, "unavailable": 3}


async def test_codes_that_are_exchanged_stay_with_their_departures(db: Database):
    source = await make_source(db, {"1": EIGHT, "2": NINE, "3": TEN})
    await renew(db, source)
    sold = {code: (await sell_seats(db, code)).trip_id for code in source.trips}
    source.trips = {"2": EIGHT, "3": NINE, "1": TEN}
    assert (await both(db, source)).counts == {Kind.SAME: 3, Kind.RENAMED: 3}
    async with db.connection() as conn:
        for old, new in (("1", "2"), ("2", "3"), ("3", "1")):
            assert await trip_id_of(conn, new) == sold[old]


async def test_of_two_that_run_alike_the_one_with_passengers_goes_on(db: Database):
    source = await make_source(db, {"T1": EIGHT, "T2": EIGHT, "T3": NINE})
    await renew(db, source)
    sold = await hold_seats(db, "T2")
    source.trips = {"X1": EIGHT, "X3": NINE}
    assert (await both(db, source)).counts == {Kind.SAME: 2, Kind.RENAMED: 2, Kind.REMOVED: 1}
    async with db.connection() as conn:
        assert await trip_id_of(conn, "X1") == sold.trip_id


async def test_a_sold_trip_that_is_gone_gives_up_its_code_and_gets_it_back(db: Database):
    source = await make_source(db, {"1": EIGHT, "2": NINE})
    await renew(db, source)
    sold, other = await sell_seats(db, "1"), await sell_seats(db, "2")
    source.trips = {"1": NINE}
    done = await both(db, source)
    assert done.counts == {Kind.SAME: 1, Kind.RENAMED: 1, Kind.FLAGGED_GONE: 1}
    async with db.connection() as conn:
        assert await trip_id_of(conn, "1") == other.trip_id
        assert await trip_id_of(conn, "1~1") == sold.trip_id
        assert (await timetable(conn))["1~1"] == (480, "closed")
    source.trips = {"1": EIGHT, "2": NINE}
    assert (await both(db, source)).counts == {Kind.SAME: 1, Kind.RETURNED: 1, Kind.RENAMED: 2}
    async with db.connection() as conn:
        assert await trip_id_of(conn, "1") == sold.trip_id
        assert await timetable(conn) == {"1": (480, "on_sale"), "2": (540, "on_sale")}


@pytest.mark.parametrize("codes", [("T1", "T2"), ("X1", "X2"), ("T2", "T1")])
async def test_a_cancelled_trip_stays_cancelled_under_any_code(
    db: Database, codes: tuple[str, str]
):
    source = await make_source(db, {"T1": EIGHT, "T2": NINE})
    await renew(db, source)
    async with db.connection() as conn:
        cancelled = await trip_id_of(conn, "T1")
        await cancel(conn, cancelled)
    source.trips = dict(zip(codes, (EIGHT, NINE), strict=True))
    done = await both(db, source)
    assert (done.count(Kind.LEFT), done.count(Kind.SAME), done.count(Kind.NEW)) == (1, 1, 0)
    async with db.connection() as conn:
        assert await trip_id_of(conn, codes[0]) == cancelled
        assert await timetable(conn) == {
            codes[0]: (480, "cancelled"), codes[1]: (540, "on_sale"),
        }  # fmt: skip


async def test_a_trip_that_has_left_makes_way_for_another_of_its_code(db: Database):
    source = await make_source(db, {"1": EIGHT, "2": NINE})
    await renew(db, source)
    sold = await sell_seats(db, "2")
    async with db.connection() as conn:
        left = await trip_id_of(conn, "1")
        await conn.execute("UPDATE trip SET starts_at = clock_timestamp() WHERE trip_id = $1", left)
    source.trips = {"1": NINE}
    assert (await both(db, source)).counts == {Kind.SAME: 1, Kind.RENAMED: 1}
    async with db.connection() as conn:
        assert await trip_id_of(conn, "1") == sold.trip_id
        assert await trip_id_of(conn, "1~1") == left


async def number_anew(db: Database, source: Source, *, route: str, step: int) -> None:
    """The same journeys as patterns of a route of another code, their stops counted in steps."""

    async def work(conn: Conn) -> dict[str, UUID]:
        route_id = await put_route(
            conn, operator_id=source.operator_id, feed=FEED, code=route, name="R", mode="BUS"
        )
        rows = await conn.fetch("SELECT code, stop_id FROM stop WHERE feed = $1", FEED)
        stops = {row["code"]: row["stop_id"] for row in rows}
        patterns = {
            road: NewPattern(
                route_id,
                tuple(
                    NewCall((n + 1) * step, stops[name], seconds, seconds)
                    for n, (name, seconds) in enumerate(zip(road, times, strict=True))
                ),
            )
            for road, times in ROADS.items()
        }
        ids = await put_patterns(conn, list(patterns.values()))
        source.journeys = await list_journeys(conn, ids)
        assert [source.journeys[each] for each in ids] == [
            journey_of(one.calls, {stop_id: code for code, stop_id in stops.items()})
            for one in patterns.values()
        ]
        return dict(zip(patterns, ids, strict=True))

    source.patterns = await db.run(work)


@pytest.mark.parametrize(("route", "step"), [("R", 10), ("R9", 1)])
@pytest.mark.parametrize("codes", [("T1", "T2"), ("X1", "X2")])
async def test_numbers_that_no_passenger_sees_are_followed_without_a_word(
    db: Database, route: str, step: int, codes: tuple[str, str]
):
    """stop_sequence as 10, 20, 30, or another route_id: the journey is the same."""
    source = await make_source(db, {"T1": EIGHT, "T2": NINE})
    await renew(db, source)
    sold = await sell_seats(db, "T1")
    await number_anew(db, source, route=route, step=step)
    source.trips = dict(zip(codes, (EIGHT, NINE), strict=True))
    done = await both(db, source, may_remove=False)
    assert done.counts.pop(Kind.RENAMED, 0) == (2 if codes[0] == "X1" else 0)
    assert done.counts == {Kind.REPRICED: 2}
    async with db.connection() as conn:
        assert await trip_id_of(conn, codes[0]) == sold.trip_id
        pattern = await conn.fetchval(
            "SELECT pattern_id FROM trip WHERE trip_id = $1", sold.trip_id
        )
        assert pattern == source.patterns["ABC"]
        assert await conn.fetchval("SELECT count(*) FROM trip_review") == 0
    assert (await both(db, source)).counts == {Kind.SAME: 2}
    stale = make_request(Stocked(sold.trip_id, 4, 2), seats=(1,), sheet_version=1)
    assert (await hold(db, stale)).outcome == "stale"
    await hold_seats(db, codes[0], seats=(1,))


async def test_a_person_s_word_stands_when_the_source_only_numbers_anew(db: Database):
    source = await make_source(db, {"1": EIGHT, "2": NINE})
    await renew(db, source)
    sold = await sell_seats(db, "1")
    source.change("1", minute=700)
    await renew(db, source)
    await keep(db, trip_id=sold.trip_id, by="Ada")
    await number_anew(db, source, route="R", step=10)
    assert (await both(db, source)).counts == {Kind.KEPT: 1, Kind.REPRICED: 1}
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT count(*) FROM trip_review") == 1


async def test_what_a_person_was_told_of_is_no_reason_to_refuse_the_same_import_again(
    db: Database,
):
    source = await make_source(db, {"1": EIGHT, "2": NINE, "3": TEN})
    await renew(db, source)
    two, three = await sell_seats(db, "2"), await sell_seats(db, "3")
    source.trips = {"1": EIGHT}
    with pytest.raises(TooManyRemovals):
        await renew(db, source, may_remove=False)
    await renew(db, source)
    assert (await both(db, source, may_remove=False)).count(Kind.FLAGGED_GONE) == 2
    for sold in (two, three):
        await keep(db, trip_id=sold.trip_id, by="Ada")
    assert (await both(db, source, may_remove=False)).counts == {Kind.SAME: 1, Kind.KEPT: 2}
    # They do not make room for a feed that is cut short, either.
    source.trips = {}
    with pytest.raises(TooManyRemovals, match="1 of the 1 trips ahead"):
        await renew(db, source, may_remove=False)


async def test_another_operator_s_bus_at_the_same_time_is_another_bus(db: Database):
    """Of its own trips that is; when nothing else can be meant, it is the same and is told."""
    source = await make_source(db, {"1": EIGHT, "2": EIGHT})
    await renew(db, source)
    sold = await sell_seats(db, "1")
    async with db.connection() as conn:
        other = await trip_id_of(conn, "2")
        await conn.execute(
            "INSERT INTO operator (operator_id, code, name, timezone) "
            "SELECT gen_random_uuid(), 'other', 'Other', timezone FROM operator"
        )
        await conn.execute(
            "UPDATE trip SET operator_id = (SELECT operator_id FROM operator WHERE code = 'other') "
            "WHERE trip_id = $1",
            other,
        )
        operator_id = await conn.fetchval("SELECT operator_id FROM operator WHERE code = 'other'")
    assert isinstance(operator_id, UUID)
    source.operator_id, source.trips = operator_id, {"2": EIGHT}
    assert (await both(db, source)).counts == {Kind.SAME: 1, Kind.FLAGGED_GONE: 1}
    async with db.connection() as conn:
        assert await trip_id_of(conn, "2") == other
        await conn.execute("DELETE FROM trip WHERE trip_id = $1", other)
    source.trips = {"X": EIGHT}
    done = await both(db, source)
    assert done.counts == {Kind.FLAGGED: 1, Kind.RENAMED: 1}
    assert done.examples[Kind.FLAGGED] == [f"X on {DAY}: other operator; 1 sold, 0 held"]
    async with db.connection() as conn:
        assert await trip_id_of(conn, "X") == sold.trip_id
