"""All five real feeds: what the report tells beside a count of the files by code of its own.

The count knows no object of the product: rows of csv, days one by one, sets and sums. The feeds lie
beside the checkout; where they are absent these tests fail and say so (`real_feed`).
"""

import csv
import io
import zipfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest

from feed_make import real_feed
from kiti.timetable.gtfs.model import Feed
from kiti.timetable.gtfs.reader import read_feed
from kiti.timetable.model import PerKm, Window
from kiti.timetable.planner import Plan, make_plan
from kiti.timetable.preview import describe_plan
from kiti.timetable.remarks import Code
from kiti.timetable.report import Report
from kiti.timetable.tariffs import FareSource, make_tariffs

Rows = list[dict[str, str]]
READ = ("agency", "stops", "routes", "calendar", "calendar_dates", "trips", "stop_times",
        "frequencies", "fare_attributes", "fare_rules", "feed_info")  # fmt: skip


@dataclass
class Counted:
    """A feed's files, counted."""

    rows: dict[str, Rows]
    calls: dict[str, Rows] = field(default_factory=lambda: defaultdict(list))
    headways: dict[str, Rows] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for row in self.rows.get("stop_times", []):
            self.calls[row["trip_id"]].append(row)
        for row in self.rows.get("frequencies", []):
            self.headways[row["trip_id"]].append(row)

    @property
    def trips(self) -> Rows:
        return self.rows["trips"]

    def days_of(self, service_id: str, days: list[date]) -> list[date]:
        removed_or_added = {
            row["date"]: row["exception_type"]
            for row in self.rows.get("calendar_dates", [])
            if row["service_id"] == service_id
        }
        weeks = [row for row in self.rows.get("calendar", []) if row["service_id"] == service_id]
        found: list[date] = []
        for day in days:
            text = f"{day:%Y%m%d}"
            runs = any(
                row["start_date"] <= text <= row["end_date"] and row[f"{day:%A}".lower()] == "1"
                for row in weeks
            )
            if removed_or_added.get(text, "1" if runs else "2") == "1":
                found.append(day)
        return found

    def departures(self, trip_id: str) -> int:
        """How often it leaves on a day: by its row, or at each headway that is exact."""
        if trip_id not in self.headways:
            return 1
        at: set[int] = set()
        for row in self.headways[trip_id]:
            now = seconds(row["start_time"])
            while row.get("exact_times") == "1" and now < seconds(row["end_time"]):
                at.add(now)
                now += int(row["headway_secs"])
        return len(at)

    def runs(self, days: list[date]) -> Counter[str]:
        """By trip: departures a day times days."""
        of_service = {
            service_id: len(self.days_of(service_id, days))
            for service_id in {row["service_id"] for row in self.trips}
        }
        return Counter(
            {
                row["trip_id"]: self.departures(row["trip_id"]) * of_service[row["service_id"]]
                for row in self.trips
            }
        )

    def rides(self, trip_id: str, *, is_letter: bool = True) -> bool:
        """Whether somebody may board and alight later (by the letter of pickup_type, or at all)."""
        known = {row["stop_id"] for row in self.rows["stops"]}
        rows = sorted(self.calls[trip_id], key=lambda row: int(row["stop_sequence"]))
        rows = [row for row in rows if row["stop_id"] in known]
        on = [not is_letter or row.get("pickup_type", "") in {"", "0"} for row in rows]
        off = [not is_letter or row.get("drop_off_type", "") in {"", "0"} for row in rows]
        return any(on[a] and off[b] for a in range(len(rows)) for b in range(a + 1, len(rows)))


def seconds(clock: str) -> int:
    hours, minutes, rest = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(rest)


def count(name: str) -> Counted:
    with zipfile.ZipFile(real_feed(name)) as archive:
        texts = {
            member.removesuffix(".txt"): archive.read(member).decode("utf-8-sig")
            for member in archive.namelist()
            if member.endswith(".txt")
        }
    return Counted(
        {
            member: [
                {key.strip(): (value or "").strip() for key, value in row.items() if key}
                for row in csv.DictReader(io.StringIO(text))
            ]
            for member, text in texts.items()
        }
    )


def told(
    name: str, days: list[date], *, ignores_pickup_types: bool = False
) -> tuple[Feed, Plan, Report]:
    """What the product makes of the feed on these days, as it stands, by the kilometre."""
    report = Report(name)
    feed = read_feed(real_feed(name), report, ignores_pickup_types=ignores_pickup_types)
    window = Window(days[0], days[-1])
    plan = make_plan(feed, window, shift=None, today=days[0], report=report)
    patterns = list({trip.pattern.number: trip.pattern for trip in plan.trips}.values())
    tariffs = make_tariffs(
        feed, FareSource("EUR", per_km=PerKm(10, 0)), fare_map={}, classes=("STANDARD",),
        patterns=patterns, report=report,
    )  # fmt: skip
    sold = plan.only(lambda t: t.pattern.number in tariffs.sold_patterns, Code.NO_FARE, report)
    describe_plan(sold, tariffs, classes=("STANDARD",), payable=frozenset({"EUR"}), report=report)
    return feed, sold, report


def days_from(first: date, length: int = 60) -> list[date]:
    return [first + timedelta(days=at) for at in range(length)]


# The numbers of the folder's README, and days on which each feed runs as it stands.
FEEDS = {
    "flixbus-de-2014": (date(2014, 5, 26), {"agency": 1, "routes": 53, "stops": 113, "trips": 1_075,
                                            "stop_times": 4_746, "calendar": 1_075}),
    "gautrain-2013": (date(2012, 10, 15), {"routes": 26, "stops": 431, "trips": 264,
                                           "calendar_dates": 38}),
    "miyako-muroran-ferry-2018": (date(2018, 7, 2), {"stops": 2, "fare_attributes": 10}),
    "lagos-rail-2025": (date(2025, 11, 3), {"routes": 2, "stops": 13, "trips": 81,
                                            "stop_times": 432}),
    "accra-trotro": (date(2026, 11, 23), {"routes": 563, "trips": 563, "stops": 2_666,
                                          "stop_times": 11_656}),
}  # fmt: skip

# By feed: every remark with its count and the trips of these days that it costs.
REMARKS: dict[str, dict[Code, tuple[int, int]]] = {
    "flixbus-de-2014": {Code.UNKNOWN_STOP: (2, 0), Code.NOT_IN_WINDOW: (515, 0)},
    "gautrain-2013": {
        Code.NOBODY_CAN_RIDE: (263, 10_560),
        Code.TRIP_WITHOUT_TIMES: (1, 0),
        Code.STOP_UNUSED: (421, 0),
        Code.FILE_UNUSED: (1, 0),
    },
    "miyako-muroran-ferry-2018": {
        Code.FARE_RIVALS: (2, 0),
        Code.FARE_UNUSED: (9, 0),
        Code.OWN_FARES_WIN: (1, 0),
        Code.CURRENCY_NOT_PAYABLE: (1, 0),
    },
    "lagos-rail-2025": {},
    "accra-trotro": {},
}


@pytest.mark.parametrize("name", FEEDS)
def test_the_rows_are_those_of_the_readme_and_of_the_count(name: str):
    first, readme = FEEDS[name]
    counted = count(name)
    _, _, report = told(name, days_from(first, 7))
    for member, rows in readme.items():
        assert report.rows[member] == rows
    assert report.rows == {
        member: len(rows) for member, rows in counted.rows.items() if member in READ
    }


@pytest.mark.parametrize("name", FEEDS)
def test_each_trip_that_runs_is_for_sale_or_explained_by_a_remark_with_its_count(name: str):
    first, _ = FEEDS[name]
    days = days_from(first)
    counted = count(name)
    runs = counted.runs(days)
    feed, plan, report = told(name, days)
    # In all, and trip by trip.
    assert report.runs_in_calendar == runs.total() > 0
    sold = {trip.trip_id: plan.count_of(trip) for trip in plan.trips}
    assert sold == {trip_id: runs[trip_id] for trip_id in sold}
    lost = sum(finding.runs for finding in report.findings.values())
    assert report.runs_planned + lost == runs.total()
    # A trip is for sale exactly when it runs then and somebody may ride it.
    wanted = {trip_id for trip_id in runs if runs[trip_id] and counted.rides(trip_id)}
    assert set(sold) == wanted
    # The stops that trips in the feed call at, those unused and those that are not there.
    called = {row["stop_id"] for trip in feed.trips for row in counted.calls[trip.trip_id]}
    known = {row["stop_id"] for row in counted.rows["stops"]}
    assert {c.stop_id for trip in feed.trips for c in trip.pattern.calls} == called & known
    assert feed.unknown_stops == {
        row["stop_id"] for row in counted.rows["stop_times"] if row["stop_id"] not in known
    }
    found = {code: (f.count, f.runs) for code, f in report.findings.items()}
    assert found == REMARKS[name]


def test_flixbus_is_what_its_readme_says():
    counted = count("flixbus-de-2014")
    stops = [len(rows) for rows in counted.calls.values()]
    assert (sum(n > 2 for n in stops), max(stops)) == (951, 12)
    assert max(row["departure_time"] for row in counted.rows["stop_times"]) == "31:55:00"
    feed, _, _ = told("flixbus-de-2014", days_from(date(2014, 5, 26), 1))
    services = {(s.starts_on, s.ends_on, s.weekdays) for s in feed.services.values()}
    assert len(services) == 625
    bounds = [bound for service in feed.services.values() if (bound := service.bounds())]
    assert f"{min(bounds)[0]:%Y-%m} {max(last for _, last in bounds):%Y-%m}" == "2013-01 2014-12"
    assert max(
        trip.departure_s + trip.pattern.calls[-1].departure_s for trip in feed.trips
    ) == seconds("31:55:00")


def test_gautrain_is_sold_when_its_pickup_types_are_ignored():
    days = days_from(date(2012, 10, 15))
    counted = count("gautrain-2013")
    _, plan, report = told("gautrain-2013", days, ignores_pickup_types=True)
    runs = counted.runs(days)
    wanted = {
        trip_id
        for trip_id in runs
        if runs[trip_id] and counted.rides(trip_id, is_letter=False)
    }  # fmt: skip
    sold = {trip.trip_id for trip in plan.trips}
    unpriced = report.findings.get(Code.NO_FARE)
    assert sold == wanted
    assert unpriced is None
    assert report.runs_planned == sum(runs[trip_id] for trip_id in wanted)
    assert report.count(Code.PICKUP_TYPES_IGNORED) == len(counted.rows["stop_times"])


def test_accra_of_sixty_days_is_announced():
    _, _, report = told("accra-trotro", days_from(date(2026, 11, 23)))
    assert report.runs_planned == 6_883_368
    assert report.warnings[0].startswith("6,883,368 trips are planned")
