import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from kiti.fares.model import FareKey, FareMissing, FareTableInvalid, NewFareTable, PassengerType
from kiti.fares.service import FareTables, put_fare_table, quote, seat_fares
from kiti.network.model import Segment
from kiti.platform.db import Database
from kiti.platform.ids import new_id
from kiti.platform.money import Money
from make import make_calls, make_stops, make_trip
from statements import statements

A, B, C = (UUID(int=n) for n in (1, 2, 3))
CHILD = PassengerType.CHILD
TABLE = NewFareTable(
    name="Trunk road",
    currency="KES",
    fares={
        FareKey(A, B, "STANDARD"): 120_000,
        FareKey(A, B, "VIP", CHILD): 90_000,
        FareKey(B, C, "STANDARD"): 40_000,
    },
    per_km_minor=250,
    minimum_minor=20_000,
    class_shares={"VIP": 1500},
    type_shares={CHILD: 500},
)


async def test_a_table_is_read_back_as_it_was_written(db: Database):
    tables = FareTables()
    async with db.transaction() as conn:
        fare_table_id = await put_fare_table(conn, TABLE)
        table = await tables.table(conn, fare_table_id)
    assert table.fare_table_id == fare_table_id
    for name in (
        "currency",
        "fares",
        "per_km_minor",
        "minimum_minor",
        "class_shares",
        "type_shares",
    ):
        assert getattr(table, name) == getattr(TABLE, name), name
    assert table.fare(A, B, "VIP", CHILD, km=None) == Money(90_000, "KES")
    assert table.fare(A, B, "VIP", "CHILD", km=None) == Money(90_000, "KES")


async def test_a_table_is_found_again_by_its_prices(db: Database):
    shuffled = replace(TABLE, name="Another name", fares=dict(reversed(list(TABLE.fares.items()))))
    others = [
        replace(TABLE, currency="UGX"),
        replace(TABLE, per_km_minor=251),
        replace(TABLE, minimum_minor=20_001),
        replace(TABLE, per_km_minor=None, minimum_minor=None),
        replace(TABLE, class_shares={"VIP": 1501}),
        replace(TABLE, type_shares={}),
        replace(TABLE, type_shares={}, class_shares={"VIP": 1500, "CHILD": 500}),
        replace(TABLE, fares={**TABLE.fares, FareKey(A, B, "STANDARD"): 120_001}),
        replace(TABLE, fares={**TABLE.fares, FareKey(C, A, "STANDARD"): 1}),
    ]
    async with db.transaction() as conn:
        first = await put_fare_table(conn, TABLE)
        assert await put_fare_table(conn, shuffled) == first
        ids = [await put_fare_table(conn, other) for other in others]
        assert len({first, *ids}) == len(others) + 1
        name = await conn.fetchval("SELECT name FROM fare_table WHERE fare_table_id = $1", first)
    assert name == "Trunk road"


async def test_an_empty_table_sells_nothing(db: Database):
    async with db.transaction() as conn:
        fare_table_id = await put_fare_table(conn, NewFareTable("Nothing", "GHS"))
        table = await FareTables().table(conn, fare_table_id)
    assert table.fare(A, B, "STANDARD", "ADULT", km=10.0) is None


async def test_a_large_table_is_written_whole(db: Database):
    stops = [UUID(int=n) for n in range(1, 80)]
    fares = {
        FareKey(a, b, "STANDARD"): i * 1000 + j
        for i, a in enumerate(stops)
        for j, b in enumerate(stops)
    }
    async with db.transaction() as conn:
        fare_table_id = await put_fare_table(conn, NewFareTable("Matrix", "GHS", fares=fares))
        table = await FareTables().table(conn, fare_table_id)
    assert table.fares == fares


async def test_a_refused_table_writes_nothing(db: Database):
    async with db.transaction() as conn:
        with pytest.raises(FareTableInvalid):
            await put_fare_table(conn, replace(TABLE, per_km_minor=None))
        assert await conn.fetchval("SELECT count(*) FROM fare_table") == 0


async def test_tables_are_kept_and_bounded(db: Database):
    tables = FareTables(fares_max=7)  # a table weighs its fares and one
    async with db.transaction() as conn:
        first = await put_fare_table(conn, TABLE)
        second = await put_fare_table(conn, replace(TABLE, currency="UGX"))
        kept = await tables.table(conn, first)
        async with statements(conn) as sent:
            assert await tables.table(conn, first) is kept
        assert (sent, tables.misses) == ([], 1)

        await tables.table(conn, second)  # no room for both
        async with statements(conn) as sent:
            assert await tables.table(conn, first) == kept
        assert (len(sent), tables.misses) == (3, 3)


async def test_a_trip_without_a_fare_table_has_no_fare(db: Database):
    async with db.transaction() as conn:
        with pytest.raises(FareMissing) as refused:
            await FareTables().table(conn, new_id())
    assert (refused.value.status, refused.value.code()) == (422, "FARE_MISSING")


async def test_two_write_one_table_at_once(live_db: Database):
    gate = asyncio.Barrier(4)

    async def write() -> UUID:
        async with live_db.transaction() as conn:
            await gate.wait()
            return await put_fare_table(conn, TABLE)

    assert len(set(await asyncio.gather(*(write() for _ in range(4))))) == 1
    async with live_db.transaction() as conn:
        assert await conn.fetchval("SELECT count(*) FROM fare") == 3


async def test_fares_of_a_segment_by_class_and_of_seats_by_type(db: Database):
    async with db.transaction() as conn:
        stops = await make_stops(conn, 3)
        fares = NewFareTable(
            "Pairs",
            "NGN",
            fares={
                FareKey(stops[0], stops[2], "STANDARD"): 500_000,
                FareKey(stops[0], stops[1], "VIP"): 300_000,
            },
            class_shares={"VIP": 1400},
            type_shares={CHILD: 500},
        )
        sheet = await make_trip(conn, calls=make_calls(stops), fares=fares)
        table = await FareTables().table(conn, sheet.fare_table_id)
    whole, half = Segment(0, 2), Segment(0, 1)
    assert seat_fares(sheet, whole, table) == {
        "VIP": Money(700_000, "NGN"),
        "STANDARD": Money(500_000, "NGN"),
    }
    assert seat_fares(sheet, half, table) == {"VIP": Money(300_000, "NGN"), "STANDARD": None}
    assert seat_fares(sheet, whole, table, CHILD)["VIP"] == Money(350_000, "NGN")
    # Seats 0 to 2 are VIP.
    assert quote(sheet, whole, [3, 0, 1], ["ADULT", "CHILD", "ADULT"], table) == [
        Money(500_000, "NGN"),
        Money(350_000, "NGN"),
        Money(700_000, "NGN"),
    ]
    with pytest.raises(FareMissing) as refused:
        quote(sheet, half, [0, 3], ["ADULT", "ADULT"], table)
    assert refused.value.extension == {"seat_class": "STANDARD", "passenger_type": "ADULT"}


async def test_fares_by_the_kilometre_go_from_boarding_to_alighting(db: Database):
    async with db.transaction() as conn:
        sheet = await make_trip(conn)  # a degree of latitude between stops, 100 NGN a kilometre
        table = await FareTables().table(conn, sheet.fare_table_id)
    assert seat_fares(sheet, Segment(0, 1), table)["STANDARD"] == Money(1_111_951, "NGN")
    assert seat_fares(sheet, Segment(0, 3), table)["STANDARD"] == Money(3_335_852, "NGN")
