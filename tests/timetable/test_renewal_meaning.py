"""An edition that means another place, or another name, by what was sold: tickets say as before."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from booking_make import Trip, hold, make_request
from feed_make import FILES, make_feed
from kiti.booking.audit import audit
from kiti.booking.service import confirm_booking
from kiti.fares.service import FareTables, quote
from kiti.network.model import TripSheet
from kiti.network.operators import rename_operator
from kiti.network.service import Catalogue, put_operator
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn, Database
from kiti.platform.errors import ValidationFailed
from kiti.timetable.agencies import operator_codes
from kiti.timetable.intake.service import import_timetable
from kiti.timetable.model import ImportRequest, PerKm
from kiti.timetable.remarks import Code
from kiti.timetable.renewal.changes import Kind
from kiti.timetable.renewal.review import Review, move, open_reviews
from kiti.timetable.report import Report
from kiti.timetable.service import import_gtfs
from sheet_make import make_sheet_request

LAYOUT = "name: Small\nseats: 4\n[Main]\n1: A . B\n2: A . B\n"
STOPS = FILES["stops.txt"]
DAY = utc_now().date() + timedelta(days=4)
TWO = {
    "trips.txt": "route_id,service_id,trip_id\nR,daily,T\nR,daily,U\n",
    "stop_times.txt": FILES["stop_times.txt"]
    + "U,1,LOS,09:00:00,09:00:00\nU,2,IBA,11:00:00,11:15:00\nU,3,ABV,19:30:00,19:30:00\n",
}
MOVED = {
    "renamed": STOPS.replace("IBA,Ibadan", "IBA,Challenge"),
    "zoned": STOPS.replace("zone_id\n", "zone_id,stop_timezone\n").replace(",z2", ",z2,Asia/Tokyo"),
    "moved": STOPS.replace("7.3775", "7.5"),
}
WORDS = {
    "renamed": "Ibadan is Challenge now",
    "zoned": "Ibadan is on the clock of Asia/Tokyo instead of Africa/Lagos",
    "moved": "Ibadan is somewhere else now",
}


def make_import(
    folder: Path, changes: Mapping[str, str | bytes | None] | None = None, **fields: object
) -> ImportRequest:
    """Two departures on one day ahead, at 100 NGN a kilometre."""
    path = folder / "coach.layout"
    path.write_text(LAYOUT)
    request = ImportRequest(
        file=make_feed(folder, {**TWO, **(changes or {})}),
        layout=path,
        currency="NGN",
        feed="small",
        per_km=PerKm(10_000, 50_000),
        window_first=DAY,
        window_last=DAY,
    )
    return replace(request, **fields)  # pyright: ignore[reportArgumentType] fields by name


async def bring_in(db: Database, request: ImportRequest) -> Report:
    """A real run, which its dry run has foreseen."""
    foreseen = await import_gtfs(db, replace(request, is_dry_run=True), now=utc_now())
    done = await import_gtfs(db, request, now=utc_now())
    assert foreseen.changes.counts == done.changes.counts
    assert foreseen.changes.examples == done.changes.examples
    assert (foreseen.alerts, foreseen.refusal) == (done.alerts, done.refusal)
    async with db.connection() as conn:
        assert await audit(conn) == []
    return done


async def sheet_of_code(conn: Conn, code: str) -> TripSheet:
    trip_id = await conn.fetchval("SELECT trip_id FROM trip WHERE code = $1", code)
    assert isinstance(trip_id, UUID)
    return await Catalogue().sheet(conn, trip_id)


async def sell(db: Database, code: str) -> UUID:
    """Sell a seat all the way; the trip's id."""
    async with db.connection() as conn:
        sheet = await sheet_of_code(conn, code)
    request = make_request(
        Trip(sheet.trip_id, len(sheet.layout.seats), sheet.n_legs), sheet_version=sheet.version
    )
    assert (await hold(db, request)).outcome == "held"
    async with db.transaction() as conn:
        await confirm_booking(
            conn, booking_id=request.booking_id, learned_at=utc_now(), late_money_minutes=60
        )
    return sheet.trip_id


async def reviews(db: Database) -> list[Review]:
    return [review async for review in open_reviews(db)]


@pytest.mark.parametrize("change", list(MOVED))
async def test_tickets_changed_with_their_stop_and_nobody_was_asked(
    db: Database, tmp_path: Path, change: str
):
    await bring_in(db, make_import(tmp_path))
    sold = await sell(db, "T")
    async with db.connection() as conn:
        before = await Catalogue().sheet(conn, sold)
    done = await bring_in(db, make_import(tmp_path, {"stops.txt": MOVED[change]}))
    assert done.changes.counts == {Kind.FLAGGED: 1, Kind.CHANGED: 1}
    async with db.connection() as conn:
        after = await Catalogue().sheet(conn, sold)
        free = await sheet_of_code(conn, "U")
        table = await FareTables().table(conn, free.fare_table_id)
        fares = [
            quote(sheet, sheet.segment(None, sheet.calls[1].stop_id), [0], ["ADULT"], table)
            for sheet in (after, free)
        ]
    assert after.calls == before.calls
    assert free.calls[1] != replace(before.calls[1], stop_id=free.calls[1].stop_id)
    # Another place is another distance.
    assert (fares[0] != fares[1]) == (change == "moved")
    [review] = await reviews(db)
    assert (review.trip_id, review.what, review.can_move) == (sold, WORDS[change], True)
    again = await bring_in(db, make_import(tmp_path, {"stops.txt": MOVED[change]}))
    assert again.changes.counts == {Kind.FLAGGED: 1, Kind.SAME: 1}
    # As it was, or as a person decides.
    back = await bring_in(db, make_import(tmp_path))
    assert back.changes.counts == {Kind.RETURNED: 1, Kind.CHANGED: 1}
    await bring_in(db, make_import(tmp_path, {"stops.txt": MOVED[change]}))
    await move(db, trip_id=sold, by="Ada")
    async with db.connection() as conn:
        moved = await Catalogue().sheet(conn, sold)
    assert moved.calls[1].stop_id == free.calls[1].stop_id
    assert await reviews(db) == []


async def test_a_stop_that_is_spelt_otherwise_is_the_same(db: Database, tmp_path: Path):
    await bring_in(db, make_import(tmp_path))
    sold = await sell(db, "T")
    spelt = STOPS.replace("IBA,Ibadan,7.3775", "IBA,IBÀDÀN,7.378")
    done = await bring_in(db, make_import(tmp_path, {"stops.txt": spelt}))
    assert done.changes.counts == {Kind.SAME: 2}
    async with db.connection() as conn:
        assert (await Catalogue().sheet(conn, sold)).calls[1].name == "IBÀDÀN"


async def test_all_is_numbered_anew_while_a_stop_is_renamed_and_no_bus_is_sold_twice(
    db: Database, tmp_path: Path
):
    await bring_in(db, make_import(tmp_path))
    sold = await sell(db, "T")
    anew = {
        "stops.txt": MOVED["renamed"],
        "routes.txt": FILES["routes.txt"].replace("R,A", "R9,A"),
        "trips.txt": TWO["trips.txt"].replace("R,daily,", "R9,daily,X"),
        "stop_times.txt": TWO["stop_times.txt"].replace("\nT,", "\nXT,0").replace("\nU,", "\nXU,0"),
    }
    done = await bring_in(db, make_import(tmp_path, anew))
    assert done.refusal is None
    assert done.changes.counts == {Kind.FLAGGED: 1, Kind.CHANGED: 1, Kind.RENAMED: 2}
    async with db.connection() as conn:
        assert (await sheet_of_code(conn, "XT")).trip_id == sold
        assert await conn.fetchval("SELECT count(*) FROM trip") == 2


async def test_an_import_that_is_refused_writes_nothing_at_all(db: Database, tmp_path: Path):
    await bring_in(db, make_import(tmp_path))
    tables = ("operator", "stop", "place_name", "route", "pattern", "fare_table", "layout", "trip")

    async def all_rows() -> list[object]:
        async with db.connection() as conn:
            return [
                await conn.fetch(f"SELECT xmin::text, * FROM {name} ORDER BY 2, 3")  # our own words
                for name in tables
            ]

    before = await all_rows()
    cut = {
        "agency.txt": FILES["agency.txt"].replace("Kiti Lines", "Cut Lines"),
        "stops.txt": MOVED["moved"].replace("Lagos", "Elsewhere"),
        "routes.txt": FILES["routes.txt"].replace("Lagos to Abuja", "A route"),
        "trips.txt": "route_id,service_id,trip_id\nR,daily,V\n",
        "stop_times.txt": FILES["stop_times.txt"].replace("\nT,", "\nV,").replace(" 08", " 07")
        .replace("08:00", "06:00"),
    }  # fmt: skip
    done = await bring_in(db, make_import(tmp_path, cut, per_km=PerKm(20_000, 50_000)))
    assert done.refusal is not None
    assert await all_rows() == before


async def test_an_operator_keeps_its_name_while_passengers_count_on_it(
    db: Database, tmp_path: Path
):
    await bring_in(db, make_import(tmp_path))
    renamed = make_import(tmp_path, {"agency.txt": FILES["agency.txt"].replace("Kiti", "Other")})

    async def name() -> object:
        async with db.connection() as conn:
            return await conn.fetchval("SELECT name FROM operator")

    sold = await sell(db, "T")
    done = await bring_in(db, renamed)
    [alert] = done.alerts
    assert alert == (
        "Kiti Lines is called Other Lines in the feed, but passengers have booked with Kiti Lines, "
        "so that stays; kiti operator rename small:A 'Other Lines'"
    )
    assert await name() == "Kiti Lines"
    async with db.connection() as conn:
        operator_id = await conn.fetchval("SELECT operator_id FROM operator")
        assert isinstance(operator_id, UUID)
        for wrong in ("", " ", "x" * 201):
            with pytest.raises(ValidationFailed):
                await rename_operator(conn, operator_id=operator_id, name=wrong)
        await rename_operator(conn, operator_id=operator_id, name="Other Lines ")
        assert (await Catalogue().sheet(conn, sold)).operator_name == "Other Lines"
    assert (await bring_in(db, renamed)).alerts == []


async def test_an_operator_that_nobody_has_booked_with_is_called_what_the_feed_calls_it(
    db: Database, tmp_path: Path
):
    await bring_in(db, make_import(tmp_path))
    agencies = FILES["agency.txt"].replace("Kiti", "Other")
    assert (await bring_in(db, make_import(tmp_path, {"agency.txt": agencies}))).alerts == []
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT name FROM operator") == "Other Lines"


async def test_operators_of_two_feeds_became_one_by_a_colon(db: Database, tmp_path: Path):
    assert operator_codes("a", "b:c")[0] != operator_codes("a:b", "c")[0]
    assert operator_codes("a%3Ab", "c")[0] != operator_codes("a:b", "c")[0]
    names = [("a", "b:c"), ("a:b", "c")]
    for feed, agency in names:
        files = {
            "agency.txt": FILES["agency.txt"].replace("\nA,", f"\n{agency},"),
            "routes.txt": FILES["routes.txt"].replace("R,A,", f"R,{agency},"),
        }
        request = make_import(tmp_path, files, feed=feed, is_feed_named=True)
        await import_gtfs(db, request, now=utc_now())
    async with db.connection() as conn:
        codes = await conn.fetch("SELECT code FROM operator ORDER BY code")
    assert [row["code"] for row in codes] == ["a%3Ab:c", "a:b:c"]


async def test_an_operator_goes_on_under_the_code_it_was_given_before(db: Database, tmp_path: Path):
    request = make_import(tmp_path, feed="a:b")
    await import_gtfs(db, request, now=utc_now())
    async with db.connection() as conn:
        await conn.execute("UPDATE operator SET code = 'a:b:A'")
    assert (await bring_in(db, request)).changes.counts == {Kind.SAME: 2}
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT string_agg(code, ' ') FROM operator") == "a:b:A"
        # Not one that merely has this code.
        await conn.execute("UPDATE operator SET code = 'a%3Ab:A'")
        other = await put_operator(conn, code="a:b:A", name="Else", timezone="Africa/Lagos")
    await bring_in(db, request)
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT name FROM operator WHERE operator_id = $1", other) == (
            "Else"
        )


async def test_the_longest_names_that_a_feed_may_have_are_imported(db: Database, tmp_path: Path):
    agency, phone = "a" * 200, "0803 123 4567, 0803 123 4568, 0803 123 4569"
    files = {
        "agency.txt": "agency_id,agency_name,agency_timezone,agency_phone\n"
        f'{agency},Kiti Lines,Africa/Lagos,"{phone}"\n',
        "routes.txt": FILES["routes.txt"].replace("R,A,", f"R,{agency},"),
    }
    request = make_import(tmp_path, files, feed=":" * 100)
    done = await bring_in(db, request)
    assert done.changes.counts == {Kind.NEW: 2}
    assert done.findings[Code.PHONE_TOO_LONG].count == 1
    assert (await bring_in(db, request)).changes.counts == {Kind.SAME: 2}
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT phone IS NULL FROM operator")


async def test_a_spreadsheet_s_zone_was_corrected_and_the_review_said_what_was_never_sold(
    db: Database, tmp_path: Path
):
    def timetable(zone: str) -> str:
        return (
            f"line,L\nstop,city,country,zone,1\nJibowu,Lagos,NG,{zone},08:00\n"
            f"Iwo Road,Ibadan,NG,{zone},10:15\n"
        )

    async def bring(zone: str) -> None:
        request = make_sheet_request(
            tmp_path, timetable=timetable(zone), fares="from,to,amount\nLagos,Ibadan,5000\n"
        )
        await import_timetable(db, request, now=utc_now())

    await bring("Africa/Nairobi")
    async with db.connection() as conn:
        trip_id = await conn.fetchval("SELECT trip_id FROM trip ORDER BY starts_at DESC LIMIT 1")
        assert isinstance(trip_id, UUID)
        before = await Catalogue().sheet(conn, trip_id)
    request = make_request(
        Trip(trip_id, len(before.layout.seats), 1), last=1, sheet_version=before.version
    )
    assert (await hold(db, request)).outcome == "held"
    await bring("Africa/Lagos")
    async with db.connection() as conn:
        assert (await Catalogue().sheet(conn, trip_id)).calls == before.calls
    [review] = await reviews(db)
    assert review.new_departure is not None
    assert [f"{at:%H:%M %Z}" for at in (review.departure, review.new_departure)] == [
        "08:00 EAT", "08:00 WAT",
    ]  # fmt: skip
    assert review.can_move


async def test_a_column_put_in_front_of_a_spreadsheet_sells_no_bus_twice(
    db: Database, tmp_path: Path
):
    async def bring(*hours: int) -> None:
        columns = ",".join(str(n + 1) for n in range(len(hours)))
        rows = [
            f"{stop},NG," + ",".join(f"{hour + more:02}:00" for hour in hours)
            for stop, more in (("Jibowu,Lagos", 0), ("Iwo Road,Ibadan", 2))
        ]
        timetable = "\n".join(["line,L", f"stop,city,country,{columns}", *rows, ""])
        request = make_sheet_request(
            tmp_path, timetable=timetable, fares="from,to,amount\nLagos,Ibadan,5000\n"
        )
        await import_timetable(db, request, now=utc_now())

    await bring(8, 9)
    async with db.connection() as conn:
        trip_id = await conn.fetchval(
            "SELECT trip_id FROM trip WHERE code = 'L 1' ORDER BY starts_at DESC LIMIT 1"
        )
        assert isinstance(trip_id, UUID)
        sheet = await Catalogue().sheet(conn, trip_id)
    request = make_request(
        Trip(trip_id, len(sheet.layout.seats), 1), last=1, sheet_version=sheet.version
    )
    assert (await hold(db, request)).outcome == "held"
    await bring(6, 8, 9)
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT trip_id = $1 AS is_sold, code, status, extract(hour FROM starts_at)::int "
            "FROM trip JOIN trip_inventory USING (trip_id) WHERE service_date = $2 ORDER BY 4",
            trip_id,
            sheet.service_date,
        )
    assert [tuple(row) for row in rows] == [
        (False, "L 1", "on_sale", 5), (True, "L 2", "on_sale", 7), (False, "L 3", "on_sale", 8),
    ]  # fmt: skip
    assert await reviews(db) == []
