import asyncio
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kiti.network.model import NoSuchOperator
from kiti.network.service import put_city
from kiti.platform.clock import utc_now
from kiti.platform.db import Database
from kiti.timetable.intake.report import SheetReport
from kiti.timetable.intake.service import import_timetable
from kiti.timetable.jobs import make_trips
from kiti.timetable.renewal.changes import FeedBusy
from kiti.timetable.schedules.holidays import list_holidays, put_holidays, remove_holiday
from kiti.timetable.schedules.model import HolidayInvalid, NoSuchSchedule
from kiti.timetable.schedules.service import list_schedules, make_trips_of, show_schedules
from kiti.timetable.service import no_progress
from kiti.timetable.sheets.cells import BadSheet
from sheet_make import make_sheet_request

FARES = "from,to,amount\nLagos,Ibadan,5000\n"
HEAD = "line,L\nstop,city,country,1,2\n"


def next_weekday(weekday: int, *, weeks: int = 1) -> date:
    """The next Monday (0) and so on, tomorrow or later."""
    day = utc_now().date() + timedelta(days=1)
    return day + timedelta(days=(weekday - day.weekday()) % 7, weeks=weeks - 1)


async def dates_on_file(db: Database, code: str) -> set[date]:
    async with db.connection() as conn:
        rows = await conn.fetch("SELECT service_date FROM trip WHERE code = $1", code)
    return {row["service_date"] for row in rows}


async def bring_in(db: Database, folder: Path, timetable: str, **changes: object) -> SheetReport:
    request = make_sheet_request(folder, timetable=timetable, **({"fares": FARES} | changes))  # pyright: ignore[reportArgumentType] fields by name
    return await import_timetable(db, request, now=utc_now())


async def test_holidays_do_what_each_calendar_says(db: Database, tmp_path: Path):
    sunday, wednesday = next_weekday(6), next_weekday(2)
    timetable = (
        "line,L\ndays,,,daily,Mon-Fri,Sun\nholidays,,,yes,no,sunday\n"
        "stop,city,country,1,2,3\nJibowu,Lagos,NG,06:00,07:00,08:00\n"
        "Iwo Road,Ibadan,NG,08:00,09:00,10:00\n"
    )
    await bring_in(db, tmp_path, timetable, day=utc_now().date() + timedelta(days=1))
    assert wednesday in await dates_on_file(db, "L 2")
    async with db.connection() as conn:
        await put_holidays(conn, {wednesday: "Feast"}, country="NG", operator_code=None)
        await put_holidays(conn, {wednesday: "Elsewhere"}, country="GH", operator_code=None)
        [shown] = await show_schedules(conn, "L 3", today=utc_now().date())
    assert {wednesday, sunday} <= set(shown.dates)
    assert await make_trips(db) == 1
    assert wednesday in await dates_on_file(db, "L 1")
    assert wednesday not in await dates_on_file(db, "L 2")
    assert wednesday in await dates_on_file(db, "L 3")
    async with db.connection() as conn:
        assert await remove_holiday(conn, wednesday, country="NG", operator_code=None)
        assert not await remove_holiday(conn, wednesday, country="NG", operator_code=None)
        await put_holidays(conn, {sunday: "Our day"}, country=None, operator_code="acme")
    await make_trips(db)
    assert wednesday in await dates_on_file(db, "L 2")
    assert wednesday not in await dates_on_file(db, "L 3")


async def test_a_holiday_belongs_to_somebody(db: Database):
    day = date(2030, 12, 25)
    async with db.connection() as conn:
        for country, operator in ((None, None), ("NG", "acme")):
            with pytest.raises(HolidayInvalid):
                await put_holidays(conn, {day: "x"}, country=country, operator_code=operator)
        with pytest.raises(HolidayInvalid):
            await put_holidays(conn, {day: ""}, country="NG", operator_code=None)
        with pytest.raises(NoSuchOperator):
            await put_holidays(conn, {day: "x"}, country=None, operator_code="nobody")
        for name in ("Noel", "Christmas"):
            await put_holidays(conn, {day: name}, country="CI", operator_code=None)
        listed = await list_holidays(conn, country="CI", operator_code=None, since=day)
        assert [(one.holiday_on, one.name) for one in listed] == [(day, "Christmas")]
        with pytest.raises(NoSuchSchedule):
            await show_schedules(conn, "none", today=day)


async def test_a_holidays_country_is_an_iso_code(db: Database):
    day = date(2030, 12, 25)
    async with db.connection() as conn:
        for country, said in (("Kenya", "write the country's code, KE"), ("ZZ", "is no country")):
            with pytest.raises(HolidayInvalid, match=said):
                await put_holidays(conn, {day: "x"}, country=country, operator_code=None)
            with pytest.raises(HolidayInvalid, match=said):
                await list_holidays(conn, country=country, operator_code=None, since=day)
            with pytest.raises(HolidayInvalid, match=said):
                await remove_holiday(conn, day, country=country, operator_code=None)
        assert await put_holidays(conn, {day: "x"}, country="ke", operator_code=None) == 1
        [listed] = await list_holidays(conn, country="ke", operator_code=None, since=day)
        assert listed.country == "KE"


async def test_the_job_adds_the_days_that_come_and_two_at_once_are_safe(
    live_db: Database, tmp_path: Path
):
    today = utc_now().date()
    timetable = HEAD + "Jibowu,Lagos,NG,22:00,23:30\nIwo Road,Ibadan,NG,00:15,25:45\n"
    await bring_in(live_db, tmp_path, timetable, day=today + timedelta(days=1))
    before = await dates_on_file(live_db, "L 1")
    assert max(before) == today + timedelta(days=13)

    async def run() -> int | None:
        try:
            changes = await make_trips_of(
                live_db,
                "acme",
                days_ahead=14,
                today=today + timedelta(days=3),
                progress=no_progress,
            )
        except FeedBusy:
            return None
        return changes.listed

    done = await asyncio.gather(run(), run(), run())
    assert any(one is not None for one in done)
    assert await dates_on_file(live_db, "L 1") == before | {
        today + timedelta(days=n) for n in (14, 15, 16)
    }
    async with live_db.connection() as conn:
        rows = await conn.fetch("SELECT code, service_date FROM trip")
    assert max(Counter((row["code"], row["service_date"]) for row in rows).values()) == 1


async def test_a_night_coach_and_stops_of_two_zones_keep_their_own_clocks(
    db: Database, tmp_path: Path
):
    day = utc_now().date() + timedelta(days=2)
    timetable = HEAD + (
        "Jibowu,Lagos,NG,22:00,06:00\nCotonou Gare,Cotonou,BJ,02:00/02:20,-\n"
        "Circle,Accra,GH,06:30,18:30\n"
    )
    await bring_in(db, tmp_path, timetable, day=day, fares="from,to,amount\nLagos,Accra,90\n")
    async with db.connection() as conn:
        rows = await conn.fetch(
            """
            SELECT trip.code, trip.starts_at, call.arrival_s, call.departure_s
            FROM trip JOIN pattern_call call USING (pattern_id)
            WHERE trip.service_date = $1 ORDER BY trip.code, call.position
            """,
            day,
        )
        zones = await conn.fetch("SELECT name, timezone FROM city ORDER BY name")
    hours = [(row["arrival_s"] / 3600, row["departure_s"] / 3600) for row in rows]
    # Accra's clock is an hour behind that of Lagos.
    assert hours == [(0, 0), (4, 4 + 1 / 3), (9.5, 9.5), (0, 0), (13.5, 13.5)]
    assert rows[0]["starts_at"].isoformat() == f"{day}T21:00:00+00:00"
    assert [row["timezone"] for row in zones] == [
        "Africa/Accra",
        "Africa/Porto-Novo",
        "Africa/Lagos",
    ]


async def test_departures_keep_their_time_of_day_when_the_clocks_change(
    db: Database, tmp_path: Path
):
    """Cairo's clocks change in April and October: the trips of a year show it on any day."""
    async with db.connection() as conn:
        for name in ("Cairo", "Alexandria"):
            await put_city(conn, name=name, country="EG", timezone="Africa/Cairo")
    timetable = HEAD + "Turgoman,Cairo,EG,00:30,08:00\nMoharam Bek,Alexandria,EG,03:30,11:00\n"
    fares = "from,to,amount\nCairo,Alexandria,200\n"
    request = make_sheet_request(
        tmp_path, timetable=timetable, fares=fares, currency="EGP", days_ahead=366,
        day=utc_now().date() + timedelta(days=1),
    )  # fmt: skip
    await import_timetable(db, request, now=utc_now())
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT starts_at AT TIME ZONE 'Africa/Cairo' AS at, service_date FROM trip"
            " WHERE code = 'L 2'"
        )
        offsets = await conn.fetchval(
            "SELECT count(DISTINCT starts_at - service_date::timestamp AT TIME ZONE 'UTC')"
            " FROM trip WHERE code = 'L 2'"
        )
    assert len(rows) == 365
    assert {
        row["at"] - datetime.combine(row["service_date"], datetime.min.time()) for row in rows
    } == {timedelta(hours=8)}
    assert offsets == 2


async def test_zones_whose_clocks_part_during_the_season_need_two_columns(
    db: Database, tmp_path: Path
):
    async with db.connection() as conn:
        await put_city(conn, name="Aswan", country="EG", timezone="Africa/Cairo")
        await put_city(conn, name="Khartoum", country="SD", timezone="Africa/Khartoum")
    timetable = HEAD + "Station,Aswan,EG,08:00,08:30\nBahri,Khartoum,SD,20:00,20:30\n"
    fares = "from,to,amount\nAswan,Khartoum,200\n"
    request = make_sheet_request(tmp_path, timetable=timetable, fares=fares, currency="EGP")
    with pytest.raises(BadSheet, match="clocks of Africa/Khartoum and Africa/Cairo change"):
        await import_timetable(db, request, now=utc_now())


async def test_seasons_of_one_code_follow_each_other(db: Database, tmp_path: Path):
    first = utc_now().date() + timedelta(days=1)
    turn = first + timedelta(days=4)
    timetable = (
        f"line,L\nfrom,,,,{turn}\nuntil,,,{turn - timedelta(days=1)},\n"
        "stop,city,country,1,1\nJibowu,Lagos,NG,06:00,07:00\nIwo Road,Ibadan,NG,08:00,09:00\n"
    )
    report = await bring_in(db, tmp_path, timetable, day=first)
    assert report.departures == 2
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT service_date, extract(hour FROM starts_at AT TIME ZONE 'Africa/Lagos') AS hour"
            " FROM trip ORDER BY service_date"
        )
        listed = await list_schedules(conn, since=first, operator_code="acme")
    assert [int(row["hour"]) for row in rows] == [6] * 4 + [7] * 9
    assert [one.schedule.rule.code for one in listed] == ["L 1", "L 1"]
    overlap = timetable.replace(f"until,,,{turn - timedelta(days=1)},\n", "")
    with pytest.raises(BadSheet, match=f"L 1 runs twice on {turn}"):
        await bring_in(db, tmp_path, overlap, day=first)


async def test_a_change_beyond_the_days_ahead_makes_no_trips_yet(db: Database, tmp_path: Path):
    timetable = HEAD + "Jibowu,Lagos,NG,06:00,07:00\nIwo Road,Ibadan,NG,08:00,09:00\n"
    day = utc_now().date() + timedelta(days=40)
    report = await bring_in(db, tmp_path, timetable, day=day)
    assert report.window is None
    assert "they are made when these days come nearer" in report.text()
    assert await dates_on_file(db, "L 1") == set()
    assert await make_trips(db) == 0
    await make_trips_of(
        db, "acme", days_ahead=14, today=day - timedelta(days=1), progress=no_progress
    )
    assert min(await dates_on_file(db, "L 1")) == day


async def test_times_of_day_stay_when_the_clocks_change(db: Database, tmp_path: Path):
    """Every trip of a year leaves when the clock of its stop shows what the clerk wrote."""
    berlin = ZoneInfo("Europe/Berlin")
    timetable = (
        "line,LD\nstop,city,country,zone,a,b,c\n"
        "Hbf,Berlin,DE,Europe/Berlin,00:30,23:50,24:45\n"
        "Zob,Potsdam,DE,Europe/Berlin,01:30,24:50,25:45\n"
    )
    await bring_in(
        db,
        tmp_path,
        timetable,
        fares="from,to,amount\nBerlin,Potsdam,5000\n",
        timezone="Europe/Berlin",
        days_ahead=366,
    )
    async with db.connection() as conn:
        rows = await conn.fetch("SELECT code, service_date, starts_at FROM trip")
    shown = {"LD a": (0, "00:30"), "LD b": (0, "23:50"), "LD c": (1, "00:45")}
    offsets: set[timedelta | None] = set()
    for row in rows:
        at = row["starts_at"].astimezone(berlin)
        days, clock = shown[row["code"]]
        assert (at.date(), f"{at:%H:%M}") == (row["service_date"] + timedelta(days=days), clock)
        offsets.add(at.utcoffset())
    assert len(rows) >= 3 * 365
    assert len(offsets) == 2
