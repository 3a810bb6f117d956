"""A feed imported again, by whole imports: the same week, the same name, refused in both ways."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from booking_make import Trip, hold, make_request
from feed_make import FILES, make_feed
from kiti.platform.clock import utc_now
from kiti.platform.db import Database
from kiti.timetable.model import BadFares, FareUse, ImportRequest, PerKm
from kiti.timetable.remarks import Code
from kiti.timetable.renewal.changes import ALTERED, Kind
from kiti.timetable.report import Report
from kiti.timetable.service import import_gtfs

NOW = utc_now()
TODAY = NOW.date()
LAYOUT = "name: Small\nseats: 4\n[Main]\n1: A B\n2: A B\n"
OLD = FILES["calendar.txt"].replace("20260101,20291231", "20140101,20141231")
Changes = dict[str, str | bytes | None]


def make_import(folder: Path, changes: Changes | None = None) -> ImportRequest:
    """An import of the small feed, at 100 NGN a kilometre."""
    layout = folder / "coach.layout"
    layout.write_text(LAYOUT)
    return ImportRequest(
        file=make_feed(folder, changes), layout=layout, currency="NGN", feed="one",
        per_km=PerKm(10_000, 50_000),
    )  # fmt: skip


async def count_trips(db: Database, feed: str) -> int:
    async with db.connection() as conn:
        found = await conn.fetchval("SELECT count(*) FROM trip WHERE feed = $1", feed)
    assert isinstance(found, int)
    return found


def altered(report: Report) -> int:
    return sum(map(report.changes.count, ALTERED))


async def test_a_bare_shift_stays_with_the_week_of_the_import_before(db: Database, tmp_path: Path):
    request = replace(make_import(tmp_path, {"calendar.txt": OLD}), shift="fullest")
    first = await import_gtfs(db, request, now=NOW)
    assert first.runs_new == 60
    later = NOW + timedelta(days=9)
    foreign = replace(request, feed="never imported", is_dry_run=True)
    assert (await import_gtfs(db, foreign, now=later)).shift_weeks != first.shift_weeks
    for is_dry_run in (True, False):
        again = await import_gtfs(db, replace(request, is_dry_run=is_dry_run), now=later)
        assert again.shift_weeks == again.shift_weeks_before == first.shift_weeks
        assert "weeks later, as before\n" in again.text()
        assert (altered(again), again.alerts, again.refusal) == (0, [], None)
    # A window that begins elsewhere is no other week either.
    window = replace(request, window_first=TODAY + timedelta(days=20))
    assert (await import_gtfs(db, window, now=NOW)).shift_weeks == first.shift_weeks


async def test_a_calendar_that_has_run_out_is_moved_anew_only_when_that_is_said(
    db: Database, tmp_path: Path
):
    request = replace(
        make_import(tmp_path, {"calendar.txt": OLD}),
        shift="fullest",
        window_last=TODAY + timedelta(days=59),
    )
    first = await import_gtfs(db, request, now=NOW)
    behind = replace(request, window_first=TODAY + timedelta(days=45))
    behind = replace(behind, window_last=TODAY + timedelta(days=104))
    told = await import_gtfs(db, replace(behind, is_dry_run=True), now=NOW)
    assert told.shift_weeks > first.shift_weeks
    (alert,) = told.alerts
    assert alert == (
        f"the import before moved this timetable by {first.shift_weeks} weeks, this one does by "
        f"{told.shift_weeks}: trips on file are compared with another week's"
    )
    assert f"Feed one\n  TAKE CARE  {alert}\n" in told.text()


async def test_another_week_is_refused_when_it_changes_trips_on_file(db: Database, tmp_path: Path):
    request = replace(make_import(tmp_path, {"calendar.txt": OLD}), shift="fullest")
    first = await import_gtfs(db, request, now=NOW)
    # The week before: so the last days of the calendar fall before the end of the window.
    monday = TODAY - timedelta(days=TODAY.weekday())
    other = replace(request, shift=monday - timedelta(weeks=first.shift_weeks - 1))
    for is_dry_run in (True, False):
        refused = await import_gtfs(db, replace(other, is_dry_run=is_dry_run), now=NOW)
        assert refused.shift_weeks == first.shift_weeks - 1
        assert refused.refusal is not None
        assert "on file would become another week's; say --allow-removals" in refused.refusal
        assert 0 < altered(refused) <= 7
        assert await count_trips(db, "one") == 60
    # What was refused is no edition: the next bare shift is still the first one's.
    assert (await import_gtfs(db, request, now=NOW)).shift_weeks == first.shift_weeks
    allowed = await import_gtfs(db, replace(other, may_remove=True), now=NOW)
    assert (allowed.refusal, altered(allowed)) == (None, altered(refused))
    assert (await import_gtfs(db, request, now=NOW)).shift_weeks == first.shift_weeks - 1


async def test_another_week_that_changes_nothing_is_only_told(db: Database, tmp_path: Path):
    request = make_import(tmp_path)
    await import_gtfs(db, request, now=NOW)
    moved = await import_gtfs(db, replace(request, shift=TODAY - timedelta(weeks=2)), now=NOW)
    assert (moved.shift_weeks, moved.refusal) == (2, None)
    assert len(moved.alerts) == 1


async def test_an_import_that_was_cut_off_has_told_its_week(db: Database, tmp_path: Path):
    request = replace(make_import(tmp_path, {"calendar.txt": OLD}), shift="fullest")

    def stop(what: str, done: int, _total: int) -> None:
        if what == "writing trips" and done > 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await import_gtfs(db, request, now=NOW, progress=stop)
    again = await import_gtfs(db, request, now=NOW + timedelta(days=9))
    assert again.shift_weeks == again.shift_weeks_before
    assert altered(again) == 0


async def test_a_feed_under_a_new_name_is_asked_back(db: Database, tmp_path: Path):
    request = make_import(tmp_path)
    await import_gtfs(db, request, now=NOW)
    agency = FILES["agency.txt"].replace("Kiti Lines", "KITI lines")
    other = replace(
        make_import(tmp_path, {"agency.txt": agency}), feed="edition-2", is_feed_named=False
    )
    said = "60 trips of Kiti Lines are on file under the feed one: give --feed one to renew them"
    for is_dry_run in (True, False):
        report = await import_gtfs(db, replace(other, is_dry_run=is_dry_run), now=NOW)
        assert report.text().splitlines()[1] == f"  TAKE CARE  {said}"
        assert report.refusal is not None
        assert "--feed one" in report.refusal
        assert report.to_dict()["warnings"] == [said]
        assert await count_trips(db, "edition-2") == 0
    # A person who says the name means it; and then the feed is known.
    named = await import_gtfs(db, replace(other, is_feed_named=True), now=NOW)
    assert (named.alerts, named.refusal, named.runs_new) == ([said], None, 60)
    again = await import_gtfs(db, other, now=NOW)
    assert (again.alerts, again.refusal, again.runs_kept) == ([], None, 60)


async def test_other_days_or_another_operator_are_not_asked_back(db: Database, tmp_path: Path):
    request = make_import(tmp_path)
    await import_gtfs(db, request, now=NOW)
    unnamed = replace(request, feed="two", is_feed_named=False, is_dry_run=True)
    beyond = replace(unnamed, window_first=TODAY + timedelta(days=61))
    assert (await import_gtfs(db, beyond, now=NOW)).refusal is None
    agency = FILES["agency.txt"].replace("Kiti Lines", "Other Lines")
    other = replace(unnamed, file=make_feed(tmp_path, {"agency.txt": agency}))
    assert (await import_gtfs(db, other, now=NOW)).refusal is None


async def test_a_dry_run_refuses_what_a_real_run_refuses_and_counts_the_same(
    db: Database, tmp_path: Path
):
    two = FILES["trips.txt"] + "R,daily,U\nR,daily,V\n"
    times = FILES["stop_times.txt"]
    more = (
        "".join(
            line.replace("T,", f"{name},").replace(":00,", f":{minute}:00,", 1)
            for name, minute in (("U", 10), ("V", 20))
            for line in ("T,1,LOS,09:00,09:30:00\n", "T,2,ABV,19:00,19:30:00\n")
        )
        .replace("09:00", "09")
        .replace("19:00", "19")
    )
    await import_gtfs(
        db, make_import(tmp_path, {"trips.txt": two, "stop_times.txt": times + more}), now=NOW
    )
    cut = make_import(tmp_path)
    told = await import_gtfs(db, replace(cut, is_dry_run=True), now=NOW)
    done = await import_gtfs(db, cut, now=NOW)
    assert told.refusal is not None
    assert told.refusal == done.refusal
    assert "120 of the 180 trips ahead are no longer listed" in told.refusal
    assert told.changes.counts == done.changes.counts == {Kind.SAME: 60, Kind.REMOVED: 120}
    assert f"  result   a real run is refused: {told.refusal}\n" in told.text()
    assert f"  result   no trip is written: {told.refusal}\n" in done.text()
    for report in (told, done):
        assert "           else 0 would be written, 60 already there\n" in report.text()
    assert await count_trips(db, "one") == 180


async def test_a_dry_run_and_a_real_run_say_the_same_of_a_trip_that_differs(
    db: Database, tmp_path: Path
):
    await import_gtfs(db, make_import(tmp_path), now=NOW)
    async with db.connection() as conn:
        trip_id = await conn.fetchval(
            "SELECT trip_id FROM trip WHERE service_date = $1", TODAY + timedelta(days=3)
        )
    assert isinstance(trip_id, UUID)
    assert (await hold(db, make_request(Trip(trip_id, 4, 2), seats=(0,)))).outcome == "held"
    stops = FILES["stops.txt"] + "KAN,Kano,12.0,8.5,z4\n"
    times = FILES["stop_times.txt"].replace("2,IBA,10:00:00,10:15:00", "2,KAN,10:00:00,10:15:00")
    changed = make_import(tmp_path, {"stop_times.txt": times, "stops.txt": stops})
    told = await import_gtfs(db, replace(changed, is_dry_run=True), now=NOW)
    done = await import_gtfs(db, changed, now=NOW)
    said = [f"T on {TODAY + timedelta(days=3)}: no longer serves Ibadan; 0 sold, 1 held"]
    assert told.changes.examples[Kind.FLAGGED] == said
    assert told.changes.examples == done.changes.examples
    assert told.changes.counts == done.changes.counts


OWN = {
    "fare_attributes.txt": "fare_id,price,currency_type,payment_method,transfers\nx,900,NGN,0,\n",
    "fare_rules.txt": "fare_id,origin_id,destination_id\nx,z1,z3\n",
}


async def test_a_feed_with_fares_of_its_own_needs_no_others(db: Database, tmp_path: Path):
    request = replace(make_import(tmp_path, {**OWN}), per_km=None)
    report = await import_gtfs(db, request, now=NOW)
    assert report.runs_new == 60
    assert report.count(Code.SEGMENT_WITHOUT_FARE) == 2
    with pytest.raises(BadFares, match="no fares of its own"):
        await import_gtfs(db, replace(make_import(tmp_path), per_km=None), now=NOW)


async def test_a_fare_for_a_class_that_the_layout_lacks_is_refused(db: Database, tmp_path: Path):
    request = make_import(tmp_path, {**OWN})
    wrong = replace(request, fare_map={"x": FareUse("FISRT", "ADULT")})
    with pytest.raises(BadFares, match="no class FISRT; it has STANDARD"):
        await import_gtfs(db, wrong, now=NOW)


async def test_a_dry_run_shows_how_far_fares_lie_apart(db: Database, tmp_path: Path):
    request = replace(make_import(tmp_path), is_dry_run=True)
    report = await import_gtfs(db, request, now=NOW)
    assert "an adult pays 11,369.38 to " in report.text()
    (spread,) = report.fare_spreads
    assert (spread.segments, spread.seat_class) == (3, "STANDARD")
    assert spread.lowest.amount_minor < spread.median.amount_minor < spread.highest.amount_minor
    assert report.count(Code.FARE_IS_MINIMUM) == 0
    # 60 kobo a kilometre where 60 naira were meant.
    wrong = await import_gtfs(db, replace(request, per_km=PerKm(60, 50_000)), now=NOW)
    assert wrong.count(Code.FARE_IS_MINIMUM) == 3
    assert (
        "an adult pays 500.00 to 500.00 NGN, 500.00 in the middle (STANDARD, 3 segments)"
        in wrong.text()
    )
