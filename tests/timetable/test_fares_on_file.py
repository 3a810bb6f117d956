"""Sheets without fares: what the fares on file are, when others are planned."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from kiti.platform.clock import utc_now
from kiti.platform.db import Database
from kiti.timetable.intake.model import SheetRefused
from kiti.timetable.intake.report import SheetReport
from kiti.timetable.intake.service import import_timetable
from kiti.timetable.sheets.cells import BadSheet
from sheet_make import make_sheet_request

LI = "line,LI\nstop,city,country,1\nJibowu,Lagos,NG,07:30\nIwo Road,Ibadan,NG,10:15\n"
AA = LI.replace("LI", "AA").replace("07:30", "06:00").replace("10:15", "09:00")
ELSEWHERE = "line,KA\nstop,city,country,1\nSabon Gari,Kano,NG,06:00\nKawo,Kaduna,NG,09:00\n"
AT_5000 = "from,to,amount\nLagos,Ibadan,5000\n"
AT_500 = "from,to,amount\nLagos,Ibadan,500\n"


def in_days(days: int) -> date:
    return utc_now().date() + timedelta(days=days)


async def bring_in(
    db: Database, folder: Path, timetable: str, *, fares: str | None, day: date
) -> SheetReport:
    request = make_sheet_request(
        folder, timetable=timetable, fares=fares, day=day, days_ahead=40, may_remove=True
    )
    return await import_timetable(db, request, now=utc_now())


async def prices(db: Database) -> dict[str, set[int]]:
    """Every amount that the trips of a code are sold at."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT DISTINCT trip.code, fare.amount_minor FROM trip JOIN fare USING (fare_table_id)"
        )
    found: dict[str, set[int]] = {}
    for row in rows:
        found.setdefault(row["code"], set()).add(row["amount_minor"])
    return found


async def test_the_fares_of_a_season_to_come_are_not_those_of_today(db: Database, tmp_path: Path):
    await bring_in(db, tmp_path, LI, fares=AT_5000, day=in_days(1))
    await bring_in(db, tmp_path, f"{AA}\n{LI}", fares=AT_500, day=in_days(30))
    assert await prices(db) == {"AA 1": {50_000}, "LI 1": {500_000, 50_000}}
    later = LI.replace("07:30", "07:45")
    report = await bring_in(db, tmp_path, later, fares=None, day=in_days(1))
    assert await prices(db) == {"LI 1": {500_000}}
    said = f"the fares planned from {in_days(30)} on are given up: those of {in_days(1)} go on"
    assert said in report.remarks


async def test_in_the_season_to_come_its_own_fares_go_on(db: Database, tmp_path: Path):
    await bring_in(db, tmp_path, LI, fares=AT_5000, day=in_days(1))
    await bring_in(db, tmp_path, LI, fares=AT_500, day=in_days(30))
    later = LI.replace("07:30", "07:45")
    report = await bring_in(db, tmp_path, later, fares=None, day=in_days(31))
    async with db.connection() as conn:
        at_500 = await conn.fetchval(
            """
            SELECT bool_and(fare.amount_minor = 50000) FROM trip JOIN fare USING (fare_table_id)
            WHERE trip.service_date >= $1
            """,
            in_days(30),
        )
    assert at_500
    assert (await prices(db))["LI 1"] == {500_000, 50_000}
    assert not any("given up" in text for text in report.remarks)


async def test_a_line_without_fares_on_file_is_a_mistake(db: Database, tmp_path: Path):
    await bring_in(db, tmp_path, LI, fares=AT_5000, day=in_days(1))
    before = await prices(db)
    with pytest.raises(BadSheet, match=r"no fare on file \(give --fares\) for any part of KA 1"):
        await bring_in(db, tmp_path, f"{LI}\n{ELSEWHERE}", fares=None, day=in_days(1))
    assert await prices(db) == before


async def test_fares_that_only_hold_later_are_not_on_file_yet(db: Database, tmp_path: Path):
    await bring_in(db, tmp_path, LI, fares=AT_500, day=in_days(30))
    with pytest.raises(SheetRefused, match=f"no fares on file for {in_days(1)}"):
        await bring_in(db, tmp_path, LI, fares=None, day=in_days(1))
