from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from feed_make import FILES, make_feed, read
from kiti.platform.db import Database
from kiti.timetable.model import BadWindow, ImportRequest, PerKm, Window
from kiti.timetable.planner import make_plan
from kiti.timetable.preview import ROUTES_MAX, describe_plan
from kiti.timetable.remarks import Code
from kiti.timetable.report import Report
from kiti.timetable.service import import_gtfs
from kiti.timetable.tariffs import FareSource, make_tariffs

MONDAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
Changes = dict[str, str | bytes | None]


class Stopped(Exception):
    """The person who was warned stopped the import."""


def described(
    folder: Path,
    changes: Changes,
    *,
    days: int = 7,
    classes: tuple[str, ...] = ("VIP", "STANDARD"),
    payable: frozenset[str] | None = None,
) -> Report:
    feed, report = read(folder, changes)
    report.is_dry_run = True
    window = Window(MONDAY, MONDAY + timedelta(days=days - 1))
    plan = make_plan(feed, window, shift=None, today=MONDAY, report=report)
    tariffs = make_tariffs(
        feed, FareSource("NGN", per_km=PerKm(10_000, 50_000)), fare_map={}, classes=classes,
        patterns=feed.patterns, report=report,
    )  # fmt: skip
    describe_plan(plan, tariffs, classes=classes, payable=payable, report=report)
    return report


def routes(count: int) -> Changes:
    """So many routes with a trip each: the first on one day a week, the others every day."""
    return {
        "routes.txt": "route_id,route_long_name,route_type\n"
        + "".join(f"r{n},Line {n},3\n" for n in range(count)),
        "trips.txt": "route_id,service_id,trip_id\n"
        + "".join(f"r{n},{'daily' if n else 'tuesdays'},t{n}\n" for n in range(count)),
        "calendar.txt": FILES["calendar.txt"] + "tuesdays,0,1,0,0,0,0,0,20260101,20291231\n",
        "stop_times.txt": "trip_id,stop_sequence,stop_id,arrival_time,departure_time\n"
        + "".join(
            f"t{n},1,LOS,8:00:00,8:00:00\nt{n},2,IBA,10:00:00,10:00:00\n" for n in range(count)
        ),
    }


def every(seconds: int, trips: int) -> Changes:
    """Trips on one route that leave every so many seconds, all day long."""
    names = [f"t{n}" for n in range(trips)]
    return {
        "trips.txt": "route_id,service_id,trip_id\n" + "".join(f"R,daily,{n}\n" for n in names),
        "stop_times.txt": "trip_id,stop_sequence,stop_id,arrival_time,departure_time\n"
        + "".join(f"{n},1,LOS,0:00:00,\n{n},2,ABV,9:00:00,\n" for n in names),
        "frequencies.txt": "trip_id,start_time,end_time,headway_secs,exact_times\n"
        + "".join(f"{n},0:00:00,24:00:00,{seconds},1\n" for n in names),
    }


def test_a_dry_run_shows_routes_days_and_a_fare(tmp_path: Path):
    report = described(tmp_path, routes(3))
    # 113.7 km of the great circle from Lagos to Ibadan at 100 naira.
    fare = "Lagos to Ibadan 11,369.38 NGN STANDARD"
    assert (
        "\n\nWould be for sale\n"
        f"  Line 1: 7 trips, 2026-11-23 to 2026-11-29; {fare}\n"
        f"  Line 2: 7 trips, 2026-11-23 to 2026-11-29; {fare}\n"
        f"  Line 0: 1 trip, 2026-11-24; {fare}\n"
    ) in report.text()
    told = report.to_dict()["routes"]
    assert isinstance(told, list)
    assert told[2] == {
        "routeId": "r0", "name": "Line 0", "trips": 1, "timetableTrips": 1, "from": "2026-11-24",
        "to": "2026-11-24", "fare": fare,
    }  # fmt: skip


def test_only_the_routes_with_the_most_trips_are_shown(tmp_path: Path):
    report = described(tmp_path, routes(ROUTES_MAX + 5))
    assert len(report.routes) == ROUTES_MAX
    assert "and 5 routes more" in report.text()
    assert report.to_dict()["routesMore"] == 5


def test_the_fare_that_is_shown_is_of_the_longest_segment_that_has_one(tmp_path: Path):
    stops = FILES["stops.txt"].replace("9.0765,7.3986", ",")
    report = described(tmp_path, {"stops.txt": stops}, classes=("VIP",))
    assert [route.example for route in report.routes] == ["Lagos to Ibadan 11,369.38 NGN VIP"]


@pytest.mark.parametrize(
    ("payable", "count"), [(frozenset({"KES"}), 1), (frozenset({"NGN"}), 0), (None, 0)]
)
def test_a_currency_that_nobody_takes_is_told(
    tmp_path: Path, payable: frozenset[str] | None, count: int
):
    report = described(tmp_path, {}, payable=payable)
    assert report.count(Code.CURRENCY_NOT_PAYABLE) == count


def test_more_than_a_million_trips_are_announced_and_far_more_are_refused(tmp_path: Path):
    report = described(tmp_path, every(10, 3), days=40)
    assert report.runs_planned == 3 * 8_640 * 40
    assert report.warnings[0].startswith("1,036,800 trips are planned, which takes about ")
    assert f"\n\nTake care\n  {report.warnings[0]}\n" in report.text()
    assert described(tmp_path, every(10, 3), days=38).warnings == []
    with pytest.raises(BadWindow, match="50,595,840 trips are planned; 50,000,000 at most"):
        described(tmp_path, every(10, 8), days=732)


async def test_a_large_import_is_announced_before_anything_is_written(db: Database, tmp_path: Path):
    layout = tmp_path / "coach.layout"
    layout.write_text("name: Small\n[Main]\n1: A B\n")
    request = ImportRequest(
        file=make_feed(tmp_path, every(10, 3)), layout=layout, currency="NGN", feed="large",
        per_km=PerKm(10_000, 50_000), window_last=MONDAY + timedelta(days=39),
    )  # fmt: skip

    def stop(text: str) -> None:
        raise Stopped(text)

    with pytest.raises(Stopped, match="1,036,800 trips are planned"):
        await import_gtfs(db, request, now=NOW, warn=stop)
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT count(*) FROM stop") == 0
    with pytest.raises(BadWindow, match="2200-12-31"):
        await import_gtfs(db, replace(request, window_first=date(9999, 12, 31)), now=NOW)


def test_what_costs_most_comes_first(tmp_path: Path):
    report = described(
        tmp_path,
        {
            "trips.txt": FILES["trips.txt"] + "R,never,A\nR,daily,B\n",
            "stop_times.txt": FILES["stop_times.txt"] + "A,1,LOS,8:00:00,\nX,1,LOS,8:00:00,\n",
        },
    )
    told = report.to_dict()["findings"]
    assert isinstance(told, list)
    assert [(one["code"], one["trips"]) for one in told] == [
        ("TRIP_WITHOUT_TIMES", 7), ("TRIP_TOO_SHORT", 0), ("STOP_TIME_WITHOUT_TRIP", 0),
    ]  # fmt: skip
    assert report.text().index("TRIP_WITHOUT_TIMES") < report.text().index("TRIP_TOO_SHORT")
