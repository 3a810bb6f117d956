from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from booking_make import Trip, hold, make_request
from feed_make import FILES, make_feed
from kiti.booking.service import get_stock
from kiti.fares.model import FareMissing
from kiti.fares.service import FareTables, quote
from kiti.network.service import Catalogue
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn, Database
from kiti.platform.money import Money
from kiti.timetable.model import (
    BadFares,
    BadLayout,
    BadWindow,
    ImportRefused,
    ImportRequest,
    NotAFeed,
    PerKm,
)
from kiti.timetable.remarks import Code
from kiti.timetable.service import import_gtfs

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LAYOUT = "name: Small\nclass v: VIP\nseats: 5\n[Main]\n1: A B . C! :v\n2: A . B\n"
MEASURES = (
    "SELECT count(*) FROM operator", "SELECT count(*) FROM stop", "SELECT count(*) FROM route",
    "SELECT count(*) FROM pattern", "SELECT count(*) FROM layout", "SELECT count(*) FROM trip",
    "SELECT count(*) FROM fare_table", "SELECT count(*) FROM trip_inventory",
)  # fmt: skip


def make_import(
    folder: Path,
    changes: Mapping[str, str | bytes | None] | None = None,
    *,
    layout: str | bytes = LAYOUT,
    days: int = 3,
) -> ImportRequest:
    """An import of the small feed at 100 NGN a kilometre."""
    path = folder / "coach.layout"
    path.write_bytes(layout.encode() if isinstance(layout, str) else layout)
    return ImportRequest(
        file=make_feed(folder, changes),
        layout=path,
        currency="NGN",
        feed="small",
        per_km=PerKm(10_000, 50_000),
        window_last=date(2026, 11, 22) + timedelta(days=days),
    )


async def measure(db: Database) -> list[int]:
    async with db.connection() as conn:
        return [int(await conn.fetchval(sql) or 0) for sql in MEASURES]


async def trip_ids(conn: Conn) -> list[UUID]:
    rows = await conn.fetch("SELECT trip_id FROM trip ORDER BY service_date, code")
    return [row["trip_id"] for row in rows]


async def test_a_feed_becomes_trips_that_are_on_sale(db: Database, tmp_path: Path):
    report = await import_gtfs(db, make_import(tmp_path), now=NOW)
    assert (report.runs_new, report.runs_kept, report.runs_planned) == (3, 0, 3)
    async with db.connection() as conn:
        trip_id = (await trip_ids(conn))[0]
        sheet = await Catalogue().sheet(conn, trip_id)
        stock = await get_stock(conn, trip_id=trip_id)
        table = await FareTables().table(conn, sheet.fare_table_id)
        operator = await conn.fetchrow("SELECT code, name, timezone FROM operator")
        route = await conn.fetchrow("SELECT code, name, mode FROM route")
    assert operator is not None
    assert tuple(operator) == ("small:A", "Kiti Lines", "Africa/Lagos")
    assert route is not None
    assert tuple(route) == ("R", "Lagos to Abuja", "BUS")
    assert sheet.service_date == date(2026, 11, 23)
    assert sheet.starts_at == datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
    assert [(call.name, call.sequence) for call in sheet.calls] == [
        ("Lagos", 1), ("Ibadan", 2), ("Abuja", 3),
    ]  # fmt: skip
    assert sheet.calls[2].arrives_at == datetime(2026, 11, 23, 17, 30, tzinfo=UTC)
    assert stock is not None
    assert stock.sales_close_at == sheet.starts_at - timedelta(minutes=10)
    assert (stock.occupancy.shape.n_seats, stock.occupancy.shape.n_legs) == (5, 2)
    # 112.9 km of the great circle, and no seat of a blocked label.
    [fare] = quote(sheet, sheet.segment(None, sheet.calls[1].stop_id), [3], ["ADULT"], table)
    assert fare.currency == "NGN"
    assert 1_120_000 < fare.amount_minor < 1_140_000
    assert stock.occupancy.blocked == 0b00100_00100


async def test_a_second_import_changes_nothing(db: Database, tmp_path: Path):
    request = make_import(tmp_path)
    await import_gtfs(db, request, now=NOW)
    before = await measure(db)
    report = await import_gtfs(db, request, now=NOW)
    assert (report.runs_new, report.runs_kept) == (0, 3)
    assert await measure(db) == before


async def test_a_longer_window_adds_only_the_days_that_are_missing(db: Database, tmp_path: Path):
    await import_gtfs(db, make_import(tmp_path, days=2), now=NOW)
    report = await import_gtfs(db, make_import(tmp_path, days=5), now=NOW)
    assert (report.runs_new, report.runs_kept) == (3, 2)


async def test_a_changed_timetable_never_moves_a_sold_seat(db: Database, tmp_path: Path):
    now = utc_now()
    request = replace(
        make_import(tmp_path), window_first=now.date(), window_last=now.date() + timedelta(days=2)
    )
    await import_gtfs(db, request, now=now)
    async with db.connection() as conn:
        trip_id = (await trip_ids(conn))[-1]
        trip_before = await conn.fetchrow("SELECT * FROM trip WHERE trip_id = $1", trip_id)
    outcome = await hold(db, make_request(Trip(trip_id, 5, 2), seats=(1, 4), last=1))
    assert outcome.outcome == "held"
    times = FILES["stop_times.txt"].replace("1,LOS,08:00:00,08:00:00", "1,IBA,06:00:00,06:00:00")
    changed = make_import(
        tmp_path, {"stop_times.txt": times}, layout="name: Other\nseats: 2\n[Main]\nA B\n"
    )
    report = await import_gtfs(
        db,
        replace(changed, window_first=request.window_first, window_last=request.window_last),
        now=now,
    )
    assert (report.runs_new, report.runs_kept) == (0, 3)
    async with db.connection() as conn:
        trip_after = await conn.fetchrow("SELECT * FROM trip WHERE trip_id = $1", trip_id)
        stock = await get_stock(conn, trip_id=trip_id)
    assert trip_after == trip_before
    assert stock is not None
    assert stock.occupancy.shape.n_seats == 5
    assert stock.occupancy.taken == 0b01101_00100


async def test_two_feeds_may_use_the_same_ids(db: Database, tmp_path: Path):
    request = make_import(tmp_path)
    await import_gtfs(db, request, now=NOW)
    report = await import_gtfs(db, replace(request, feed="other"), now=NOW)
    assert report.runs_new == 3
    counts = await measure(db)
    assert counts[:3] == [2, 6, 2]


async def test_a_dry_run_writes_nothing_and_says_what_it_would_do(db: Database, tmp_path: Path):
    request = make_import(tmp_path, days=2)
    await import_gtfs(db, request, now=NOW)
    before = await measure(db)
    longer = replace(make_import(tmp_path, days=5), is_dry_run=True)
    report = await import_gtfs(db, longer, now=NOW)
    assert (report.runs_planned, report.runs_new, report.runs_kept) == (5, 3, 2)
    assert await measure(db) == before
    assert "3 would be written, 2 already there" in report.text()


async def test_trips_without_any_fare_are_left_out(db: Database, tmp_path: Path):
    fares = tmp_path / "fares.csv"
    fares.write_text("from_stop_id,to_stop_id,class,amount\nABV,LOS,STANDARD,100\n")
    request = replace(make_import(tmp_path), per_km=None, fares_csv=fares)
    report = await import_gtfs(db, request, now=NOW)
    assert report.runs_planned == report.runs_new == 0
    assert report.findings[Code.NO_FARE].runs == report.runs_in_calendar == 3
    assert await measure(db) == [0] * len(MEASURES)


async def test_the_csv_prices_what_it_names_and_nothing_else(db: Database, tmp_path: Path):
    fares = tmp_path / "fares.csv"
    fares.write_text("from_stop_id,to_stop_id,class,amount\nLOS,ABV,STANDARD,1500000\n")
    request = replace(make_import(tmp_path), per_km=None, fares_csv=fares)
    await import_gtfs(db, request, now=NOW)
    async with db.connection() as conn:
        sheet = await Catalogue().sheet(conn, (await trip_ids(conn))[0])
        table = await FareTables().table(conn, sheet.fare_table_id)
    whole = quote(sheet, sheet.segment(), [0, 4], ["ADULT", "CHILD"], table)
    assert whole == [Money(1_500_000, "NGN")] * 2
    with pytest.raises(FareMissing):
        quote(sheet, sheet.segment(None, sheet.calls[1].stop_id), [4], ["ADULT"], table)


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        ("name: Wrong\nseats: 3\n[Main]\n1: A B\n", r"coach\.layout line 2"),
        ("[Main]\n1: A B\n2: A ?\n", r"coach\.layout line 3"),
        (b"[Main]\n1: A B\n-- \xff\n", r"coach\.layout line 3: the text is not UTF-8"),
        ("", r"coach\.layout line"),
        ("[Main]\n" + "A " * 200_000, "larger than"),
    ],
)
async def test_a_wrong_layout_is_told_with_its_line(
    db: Database, tmp_path: Path, layout: str | bytes, said: str
):
    with pytest.raises(BadLayout, match=said):
        await import_gtfs(db, make_import(tmp_path, layout=layout), now=NOW)
    assert await measure(db) == [0] * len(MEASURES)


async def test_wrong_arguments_are_refused_before_anything_is_written(db: Database, tmp_path: Path):
    good = make_import(tmp_path)
    for request, refusal in (
        (replace(good, layout=tmp_path / "none"), BadLayout),
        (replace(good, file=tmp_path / "none.zip"), NotAFeed),
        (replace(good, per_km=None), BadFares),
        (replace(good, fares_csv=tmp_path / "none.csv"), BadFares),
        (replace(good, per_km=None, fares_csv=tmp_path / "none.csv"), BadFares),
        (replace(good, per_km=PerKm(-1, 0)), BadFares),
        (replace(good, currency="NGX"), BadFares),
        (replace(good, currency="ngn"), BadFares),
        (replace(good, feed=""), ImportRefused),
        (replace(good, feed="a\nb"), ImportRefused),
        (replace(good, window_first=date(2027, 1, 1)), BadWindow),
    ):
        with pytest.raises(refusal):
            await import_gtfs(db, request, now=NOW)
    assert await measure(db) == [0] * len(MEASURES)


async def test_today_is_the_day_of_the_feed_s_zone(db: Database, tmp_path: Path):
    request = replace(make_import(tmp_path, days=3), is_dry_run=True)
    late = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    report = await import_gtfs(db, request, now=late)
    assert report.window is not None
    assert report.window.first == date(2026, 11, 24)


async def test_progress_tells_what_is_done_and_ends_full(db: Database, tmp_path: Path):
    heard: list[tuple[str, int, int]] = []

    def hear(what: str, done: int, total: int) -> None:
        heard.append((what, done, total))

    await import_gtfs(db, make_import(tmp_path), now=NOW, progress=hear)
    assert heard[-1] == ("writing trips", 3, 3)
    assert ("writing stops", 3, 3) in heard


async def test_an_import_cut_off_halfway_is_finished_by_running_it_again(
    db: Database, tmp_path: Path
):
    request = make_import(tmp_path)

    def stop(what: str, _done: int, _total: int) -> None:
        if what == "writing patterns":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await import_gtfs(db, request, now=NOW, progress=stop)
    report = await import_gtfs(db, request, now=NOW)
    assert report.runs_new == 3
    counts = await measure(db)
    assert counts[5] == counts[7] == 3


async def test_the_report_is_told_in_words_and_as_data(db: Database, tmp_path: Path):
    request = make_import(
        tmp_path,
        {"stop_times.txt": FILES["stop_times.txt"] + "T,4,GHOST,20:00:00,20:00:00\n"},
    )
    report = await import_gtfs(db, request, now=NOW)
    assert report.text() == (
        "Feed small\n"
        "  read     agency 1, stops 3, routes 1, calendar 1, trips 1, stop_times 4\n"
        "  days     2026-11-23 to 2026-11-25, 3 days\n"
        "  trips    3 run then, 3 are for sale: 1 timetable trip on 1 pattern\n"
        "  fares    NGN on 1 route: 10,000 a kilometre, 50,000 at least (minor units)\n"
        "  result   3 written, 0 already there\n"
        "\n"
        "Left out\n"
        "  1 call at a stop that stops.txt lacks: the call is left out, the trip runs on "
        "[UNKNOWN_STOP]\n"
        "    trip T at GHOST\n"
        "    -> add the stop to stops.txt\n"
    )
    data = report.to_dict()
    assert data["trips"] == {"inCalendar": 3, "planned": 3, "new": 3, "kept": 0}
    assert data["findings"] == [
        {
            "code": "UNKNOWN_STOP",
            "level": "left_out",
            "count": 1,
            "trips": 0,
            "text": "1 call at a stop that stops.txt lacks: the call is left out, the trip runs on",
            "advice": "add the stop to stops.txt",
            "examples": ["trip T at GHOST"],
        }
    ]
