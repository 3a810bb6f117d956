from datetime import timedelta
from uuid import UUID

import pytest

from kiti.network.catalogue import CALLS_TTL_S, SHEET_TTL_S
from kiti.network.model import NewStop, NoSuchTrip
from kiti.network.service import Catalogue, put_city, put_stop
from kiti.platform.db import Conn, Database
from kiti.platform.ids import new_id
from make import STARTS_AT, make_calls, make_stops, make_trip
from statements import statements


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def change_trip(conn: Conn, trip_id: UUID) -> None:
    await conn.execute(
        "UPDATE trip SET version = version + 1, starts_at = starts_at + interval '1 hour' "
        "WHERE trip_id = $1",
        trip_id,
    )


async def test_a_sheet_is_all_that_was_written(db: Database):
    async with db.transaction() as conn:
        stops = await make_stops(conn, 3)
        sheet = await make_trip(conn, calls=make_calls(stops))
    assert [call.stop_id for call in sheet.calls] == stops
    assert [call.position for call in sheet.calls] == [0, 1, 2]
    assert [call.sequence for call in sheet.calls] == [10, 20, 30]
    assert [call.name for call in sheet.calls] == ["Stop 0", "Stop 1", "Stop 2"]
    assert sheet.calls[0].departs_at == sheet.starts_at == STARTS_AT
    assert sheet.calls[1].arrives_at == STARTS_AT + timedelta(minutes=50)
    assert sheet.calls[1].departs_at == STARTS_AT + timedelta(hours=1)
    assert (sheet.calls[2].latitude, sheet.calls[2].longitude) == (6.0, 7.0)
    assert (sheet.operator_name, sheet.version, sheet.n_legs) == ("Kiti Lines", 1, 2)
    assert sheet.layout.seat_index("4a") == 9
    assert sheet.calls[0].city is None


async def test_an_unknown_trip_is_refused_and_not_remembered(db: Database):
    catalogue = Catalogue()
    async with db.transaction() as conn:
        unknown = new_id()
        with pytest.raises(NoSuchTrip) as refused:
            await catalogue.sheet(conn, unknown)
        assert (refused.value.status, refused.value.code()) == (404, "NOT_FOUND")
        with pytest.raises(NoSuchTrip):
            await catalogue.sheet(conn, unknown)
    assert catalogue.reads()["sheets"].misses == 2


async def test_a_changed_trip_is_seen_at_once_when_asked_fresh_and_by_all_in_5_s(db: Database):
    clock = Clock()
    catalogue = Catalogue(clock=clock)
    async with db.transaction() as conn:
        made = await make_trip(conn)
        assert await catalogue.sheet(conn, made.trip_id) == made
        await change_trip(conn, made.trip_id)
        clock.now += SHEET_TTL_S
        assert (await catalogue.sheet(conn, made.trip_id)).version == 1
        clock.now += 0.01
        changed = await catalogue.sheet(conn, made.trip_id)
        assert (changed.version, changed.calls[0].departs_at) == (2, STARTS_AT + timedelta(hours=1))

        await change_trip(conn, made.trip_id)
        assert (await catalogue.sheet(conn, made.trip_id, fresh=True)).version == 3
        assert (await catalogue.sheet(conn, made.trip_id)).version == 3


async def test_a_stop_that_was_corrected_is_seen_in_a_minute_or_fresh(db: Database):
    clock = Clock()
    catalogue = Catalogue(clock=clock)
    async with db.transaction() as conn:
        stops = [
            await put_stop(conn, NewStop("f", code, "old park", "Africa/Lagos"))
            for code in ("A", "B")
        ]
        made = await make_trip(conn, calls=make_calls(stops))
        await catalogue.sheet(conn, made.trip_id)
        city_id = await put_city(conn, name="Jos", country="NG", timezone="Africa/Lagos")
        placed = NewStop("f", "A", "Old Park", "Africa/Lagos", city_id, 9.9, 8.9)
        assert await put_stop(conn, placed) == stops[0]

        clock.now += CALLS_TTL_S  # the sheet is read again, the calls are not yet
        assert (await catalogue.sheet(conn, made.trip_id)).calls[0].name == "old park"
        call = (await catalogue.sheet(conn, made.trip_id, fresh=True)).calls[0]
        assert (call.name, call.city, call.stop_id) == ("Old Park", "Jos", stops[0])
        assert (call.latitude, call.longitude) == (9.9, 8.9)

        await put_stop(conn, NewStop("f", "A", "Old  Park", "Africa/Lagos", city_id))
        clock.now += CALLS_TTL_S + 0.01
        call = (await catalogue.sheet(conn, made.trip_id)).calls[0]
        assert (call.name, call.latitude) == ("Old  Park", None)


async def test_trips_of_one_pattern_and_layout_share_what_was_read(db: Database):
    catalogue = Catalogue()
    async with db.transaction() as conn:
        sheets = [await make_trip(conn) for _ in range(3)]
        ids = [sheet.trip_id for sheet in sheets]
        async with statements(conn) as sent:
            await catalogue.sheets(conn, [*ids, new_id()])
        assert len(sent) == 3
        async with statements(conn) as sent:
            await catalogue.sheets(conn, ids)
        assert sent == []
        again = await catalogue.sheets(conn, [*ids, ids[0]])
    assert again == {sheet.trip_id: sheet for sheet in sheets}
    assert len({id(sheet.layout) for sheet in again.values()}) == 1
    reads = catalogue.reads()
    assert (reads["layouts"].misses, reads["layouts"].hits) == (1, 0)
    assert (reads["patterns"].misses, reads["patterns"].hits) == (3, 0)
    assert (reads["sheets"].misses, reads["sheets"].hits) == (4, 6)


async def test_layouts_are_kept_for_good(db: Database):
    clock = Clock()
    catalogue = Catalogue(clock=clock)
    async with db.transaction() as conn:
        made = await make_trip(conn)
        first = await catalogue.layouts(conn, [made.layout_id])
        clock.now += 1e9
        second = await catalogue.layouts(conn, [made.layout_id])
    assert first[made.layout_id] is second[made.layout_id]
    assert first[made.layout_id] == made.layout
