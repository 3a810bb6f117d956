from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import cast

import pytest

from booking_make import Trip, hold, make_request
from kiti.booking.service import get_stock
from kiti.fares.service import FareTables, quote
from kiti.network.service import Catalogue
from kiti.platform.clock import utc_now
from kiti.platform.db import Database
from kiti.platform.money import Money
from kiti.timetable.intake.service import import_timetable
from kiti.timetable.jobs import make_trips
from kiti.timetable.renewal.changes import Kind, TooManyRemovals
from kiti.timetable.schedules.holidays import put_holidays
from kiti.timetable.sheets.cells import BadSheet
from sheet_make import TIMETABLE, make_sheet_request

COUNTS = """
    SELECT (SELECT count(*) FROM trip), (SELECT count(*) FROM stop), (SELECT count(*) FROM city),
      (SELECT count(*) FROM operator), (SELECT count(*) FROM schedule),
      (SELECT count(*) FROM service_calendar), (SELECT count(*) FROM fare_table)
"""


def tomorrow() -> date:
    return utc_now().date() + timedelta(days=1)


async def counts(db: Database) -> tuple[int, ...]:
    async with db.connection() as conn:
        row = await conn.fetchrow(COUNTS)
    assert row is not None
    return tuple(row)


async def test_a_spreadsheet_becomes_schedules_and_trips_on_sale(db: Database, tmp_path: Path):
    day = tomorrow()
    report = await import_timetable(db, make_sheet_request(tmp_path, day=day), now=utc_now())
    assert (report.lines, report.departures, report.stops) == (2, 4, 4)
    assert report.replacement.new_codes == ["IL 1", "LI 1", "LI 2", "LI 3"]
    workdays = sum((day + timedelta(days=n)).weekday() < 5 for n in range(13))
    assert report.changes.count(Kind.NEW) == 3 * 13 + workdays
    async with db.connection() as conn:
        trip_id = await conn.fetchval(
            "SELECT trip_id FROM trip WHERE feed = 'acme' AND code = 'LI 1' AND service_date = $1",
            day,
        )
        assert trip_id is not None
        sheet = await Catalogue().sheet(conn, trip_id)
        stock = await get_stock(conn, trip_id=trip_id)
        table = await FareTables().table(conn, sheet.fare_table_id)
    assert stock is not None
    assert stock.is_on_sale
    assert sheet.operator_name == "Acme Coaches"
    assert [call.name for call in sheet.calls] == ["Jibowu", "Berger", "Challenge", "Iwo Road"]
    assert [call.city for call in sheet.calls] == ["Lagos", "Lagos", "Ibadan", "Ibadan"]
    assert sheet.calls[0].local_departure.isoformat() == f"{day}T06:00:00+01:00"
    assert sheet.calls[1].local_arrival.isoformat() == f"{day}T06:40:00+01:00"
    assert sheet.calls[1].local_departure.isoformat() == f"{day}T06:50:00+01:00"
    assert not sheet.calls[1].drop_off
    vip, standard = sheet.layout.seats[0].index, sheet.layout.seats[-1].index
    assert quote(sheet, sheet.segment(), [vip, standard], ["ADULT", "ADULT"], table) == [
        Money(750_050, "NGN"),
        Money(500_000, "NGN"),
    ]


async def test_the_same_again_changes_nothing(db: Database, tmp_path: Path):
    request = make_sheet_request(tmp_path, day=tomorrow())
    await import_timetable(db, request, now=utc_now())
    before = await counts(db)
    report = await import_timetable(db, request, now=utc_now())
    assert await counts(db) == before
    assert len(report.replacement.kept) == 4
    assert report.replacement.begun == ()
    assert report.changes.count(Kind.SAME) == before[0]
    assert "4 departures as before" in report.text()


async def test_a_dry_run_tells_the_same_and_writes_nothing(db: Database, tmp_path: Path):
    before = await counts(db)
    dry = make_sheet_request(tmp_path, day=tomorrow(), is_dry_run=True)
    foreseen = await import_timetable(db, dry, now=utc_now())
    assert await counts(db) == before
    real = make_sheet_request(tmp_path, day=tomorrow())
    done = await import_timetable(db, real, now=utc_now())
    assert foreseen.changes.counts == done.changes.counts
    assert foreseen.replacement.new_codes == done.replacement.new_codes
    assert "Nothing was written" in foreseen.text()


async def test_a_change_ahead_leaves_the_days_before_and_sold_seats(db: Database, tmp_path: Path):
    day = tomorrow()
    await import_timetable(db, make_sheet_request(tmp_path, day=day), now=utc_now())
    turn = day + timedelta(days=5)
    sold_on = turn + timedelta(days=1)
    async with db.connection() as conn:
        trip_id = await conn.fetchval(
            "SELECT trip_id FROM trip WHERE code = 'LI 2' AND service_date = $1", sold_on
        )
    assert trip_id is not None
    held = await hold(db, make_request(Trip(trip_id, 5, 2), seats=(0,)))
    assert held.outcome == "held"
    later = TIMETABLE.replace(",06:00,08:00,", ",06:00,08:15,").replace("10:05", "10:20")
    request = make_sheet_request(tmp_path, timetable=later, day=turn)
    report = await import_timetable(db, request, now=utc_now())
    assert report.replacement.changed_codes == ["LI 2"]
    assert report.changes.count(Kind.FLAGGED) == 1
    async with db.connection() as conn:
        starts = {
            row["service_date"]: row["clock"]
            for row in await conn.fetch(
                """
                SELECT service_date, to_char(starts_at AT TIME ZONE 'Africa/Lagos', 'HH24:MI')
                  AS clock
                FROM trip WHERE code = 'LI 2'
                """
            )
        }
    for n in range(13):
        on = day + timedelta(days=n)
        assert starts[on] == ("08:00" if on < turn or on == sold_on else "08:15")
    # The job makes the same of the rules on file, and flags nothing anew.
    assert await make_trips(db) == 0


async def test_more_than_half_of_the_trips_go_only_when_that_is_said(db: Database, tmp_path: Path):
    await import_timetable(db, make_sheet_request(tmp_path, day=tomorrow()), now=utc_now())
    before = await counts(db)
    less = TIMETABLE[TIMETABLE.index("line,IL") :]
    request = make_sheet_request(tmp_path, timetable=less, day=tomorrow())
    with pytest.raises(TooManyRemovals) as refused:
        await import_timetable(db, request, now=utc_now())
    told = await import_timetable(db, replace(request, is_dry_run=True), now=utc_now())
    assert told.refusal == str(refused.value)
    assert f"A real run would be refused: {told.refusal}\n" in told.text()
    assert await counts(db) == before
    allowed = make_sheet_request(tmp_path, timetable=less, day=tomorrow(), may_remove=True)
    report = await import_timetable(db, allowed, now=utc_now())
    assert report.replacement.gone_codes == ["LI 1", "LI 2", "LI 3"]
    assert report.changes.count(Kind.REMOVED) == report.changes.going > 13


async def test_fares_on_file_go_on_when_none_are_given(db: Database, tmp_path: Path):
    await import_timetable(db, make_sheet_request(tmp_path, day=tomorrow()), now=utc_now())
    report = await import_timetable(
        db, make_sheet_request(tmp_path, fares=None, day=tomorrow()), now=utc_now()
    )
    assert len(report.replacement.kept) == 4


async def test_a_class_that_no_seat_has_is_refused(db: Database, tmp_path: Path):
    fares = "from,to,class,amount\nLagos,Ibadan,VPI,5000\n"
    request = make_sheet_request(tmp_path, fares=fares, day=tomorrow())
    with pytest.raises(BadSheet, match=r"fares\.csv line 2, column 3: no layout has the class VPI"):
        await import_timetable(db, request, now=utc_now())


async def test_a_dry_run_shows_when_each_departure_runs(db: Database, tmp_path: Path):
    day = tomorrow()
    sunday = day + timedelta(days=(6 - day.weekday()) % 7)
    timetable = TIMETABLE.replace(
        "days,,,daily,daily,Mon-Fri\n",
        f"days,,,daily,daily,Sun\nnot on,,,{day}\nholidays,,,,,no\nuntil,,,,{day}\n",
    )
    async with db.connection() as conn:
        await put_holidays(conn, {sunday: "Feast"}, country="NG", operator_code=None)
    request = make_sheet_request(tmp_path, timetable=timetable, day=day, is_dry_run=True)
    report = await import_timetable(db, request, now=utc_now())

    def dates(first: date, step: int = 1, count: int = 3) -> str:
        each = (first + timedelta(days=step * n) for n in range(count))
        return ", ".join(f"{one:%a} {one}" for one in each)

    text = report.text()
    after = dates(day + timedelta(days=1))
    assert f"    daily, not on {day}: {after}\n      LI 1 at 06:00\n" in text
    assert f"    daily, until {day}: {dates(day, count=1)}\n      LI 2 at 08:00\n" in text
    sundays = dates(sunday + timedelta(days=7), step=7)
    assert f"    Sun, not on holidays: {sundays}\n      LI 3 at 17:30\n" in text
    assert f"    daily: {dates(day)}\n      IL 1 at 09:00\n" in text
    [first, *_] = cast("list[dict[str, object]]", report.to_dict()["days"])
    assert (first["code"], first["at"], first["runs"]) == ("LI 1", "06:00", f"daily, not on {day}")
    real = make_sheet_request(tmp_path, timetable=timetable, day=day)
    assert "next dates" not in (await import_timetable(db, real, now=utc_now())).text()


SHORT_AND_LONG = """\
line,NM
stop,city,country,latitude,longitude,1
River Road,Nairobi,KE,-1.28,36.83,06:00
Voi Stage,Voi,KE,-3.39,38.57,10:00
Mazeras Stage,Mazeras,KE,-3.97,39.55,12:00
Bondeni,Mombasa,KE,-4.05,39.67,12:30
"""


async def far_off(db: Database, folder: Path, timetable: str, fares: str) -> list[str]:
    request = make_sheet_request(
        folder, timetable=timetable, fares=f"from,to,class,type,amount\n{fares}",
        currency="KES", timezone="Africa/Nairobi", is_dry_run=True,
    )  # fmt: skip
    report = await import_timetable(db, request, now=utc_now())
    return [one for one in report.remarks if "usual in this sheet" in one]


async def test_a_fare_far_from_the_others_is_remarked_and_never_refused(
    db: Database, tmp_path: Path
):
    plain = SHORT_AND_LONG.replace(",latitude,longitude", "")
    plain = plain.replace(",-1.28,36.83", "").replace(",-3.39,38.57", "")
    plain = plain.replace(",-3.97,39.55", "").replace(",-4.05,39.67", "")
    slip = "Nairobi,Mombasa,STANDARD,adult,15\nNairobi,Voi,,adult,1100\nVoi,Mombasa,,adult,600\n"
    for timetable in (plain, SHORT_AND_LONG):
        [said] = await far_off(db, tmp_path, timetable, slip)
        assert said.startswith(
            "fares.csv line 2, column 1: Nairobi to Mombasa at 15.00 KES is less than a 20th"
        )
    # A class with few fares of its own is compared with all; free infants are no slip.
    fares = slip.replace(",15\n", ",1500\n") + "Nairobi,Mombasa,VIP,adult,150000\n"
    fares += "Nairobi,Mombasa,,infant,0\nNairobi,Voi,,infant,300\n"
    [said] = await far_off(db, tmp_path, plain, fares)
    assert "at 150,000.00 KES is more than 20 times" in said
    # A short ride is cheap for its length, not for its amount.
    short = "Nairobi,Mombasa,,adult,1500\nNairobi,Voi,,adult,1100\nMazeras,Mombasa,,adult,50\n"
    assert await far_off(db, tmp_path, SHORT_AND_LONG, short) == []
    assert len(await far_off(db, tmp_path, plain, short)) == 1
