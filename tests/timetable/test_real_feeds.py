"""Real feeds beside an independent count of their files, day by day, by code of its own."""

import csv
import io
import zipfile
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from feed_make import real_feed
from kiti.fares.model import PassengerType
from kiti.fares.service import FareTables
from kiti.network.service import Catalogue
from kiti.platform.db import Database
from kiti.platform.money import Money
from kiti.timetable.gtfs.reader import read_feed
from kiti.timetable.model import FareUse, ImportRequest, PerKm, Shift, window_of
from kiti.timetable.planner import make_plan
from kiti.timetable.remarks import Code
from kiti.timetable.report import Report
from kiti.timetable.service import import_gtfs

LAYOUTS = Path(__file__).parents[2] / "src" / "kiti" / "timetable" / "demo" / "layouts"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONDAY = date(2026, 11, 23)

# Trip, service date, stop, sequence, arrival and departure in UTC.
TripCall = tuple[str, date, str, int, datetime, datetime]
Rows = list[dict[str, str]]


def table(path: Path, name: str) -> Rows:
    with zipfile.ZipFile(path) as archive:
        if name not in archive.namelist():
            return []
        text = archive.read(name).decode("utf-8-sig")
    return [
        {key.strip(): (value or "").strip() for key, value in row.items() if key}
        for row in csv.DictReader(io.StringIO(text))
    ]


def day_of(text: str) -> date:
    return date.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:]}")


def seconds_of(clock: str) -> int:
    hours, minutes, seconds = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


@dataclass
class Files:
    """A feed's files as they stand, expanded one day and one row at a time."""

    path: Path

    def __post_init__(self) -> None:
        self.trips = table(self.path, "trips.txt")
        self.stops = {row["stop_id"] for row in table(self.path, "stops.txt")}
        self.calendar = {
            row["service_id"]: (
                day_of(row["start_date"]),
                day_of(row["end_date"]),
                [row[name] == "1" for name in WEEKDAYS],
            )
            for row in table(self.path, "calendar.txt")
        }
        self.exceptions = {
            (row["service_id"], row["date"]): row["exception_type"]
            for row in table(self.path, "calendar_dates.txt")
        }
        self.zone = ZoneInfo(table(self.path, "agency.txt")[0]["agency_timezone"])
        self.calls: dict[str, Rows] = defaultdict(list)
        for row in table(self.path, "stop_times.txt"):
            self.calls[row["trip_id"]].append(row)
        self.frequencies: dict[str, Rows] = defaultdict(list)
        for row in table(self.path, "frequencies.txt"):
            self.frequencies[row["trip_id"]].append(row)

    def runs_on(self, service_id: str, day: date) -> bool:
        if self.exceptions:
            exception = self.exceptions.get((service_id, f"{day:%Y%m%d}"))
            if exception is not None:
                return exception == "1"
        if service_id not in self.calendar:
            return False
        first, last, weekdays = self.calendar[service_id]
        return first <= day <= last and weekdays[day.weekday()]

    def departures(self, trip_id: str) -> list[tuple[str, int]]:
        """Codes, and seconds that the times of the trip are moved by."""
        if trip_id not in self.frequencies:
            return [(trip_id, 0)]
        out: list[tuple[str, int]] = []
        for row in self.frequencies[trip_id]:
            at = seconds_of(row["start_time"])
            while row.get("exact_times") == "1" and at < seconds_of(row["end_time"]):
                first = min(self.calls[trip_id], key=lambda row: int(row["stop_sequence"]))
                clock = f"{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}"
                out.append((f"{trip_id}@{clock}", at - seconds_of(first["departure_time"])))
                at += int(row["headway_secs"])
        return out

    def runs(self, days: list[date], weeks: int) -> int:
        """Trips that run on these days when the timetable is moved by so many weeks."""
        return sum(
            len(self.departures(trip["trip_id"]))
            for day in days
            for trip in self.trips
            if self.runs_on(trip["service_id"], day - timedelta(weeks=weeks))
        )

    def trip_calls(self, days: list[date], weeks: int) -> set[TripCall]:
        """Every call at a stop that stops.txt knows, of every trip on these days."""
        out: set[TripCall] = set()
        for day in days:
            noon = datetime(day.year, day.month, day.day, 12, tzinfo=self.zone)
            start = noon.astimezone(UTC) - timedelta(hours=12)
            for trip in self.trips:
                if not self.runs_on(trip["service_id"], day - timedelta(weeks=weeks)):
                    continue
                for code, moved in self.departures(trip["trip_id"]):
                    for row in self.calls[trip["trip_id"]]:
                        if row["stop_id"] in self.stops:
                            out.add(self._call(code, day, row, start + timedelta(seconds=moved)))
        return out

    def _call(self, code: str, day: date, row: dict[str, str], start: datetime) -> TripCall:
        arrives_at = start + timedelta(seconds=seconds_of(row["arrival_time"]))
        departs_at = start + timedelta(seconds=seconds_of(row["departure_time"]))
        return code, day, row["stop_id"], int(row["stop_sequence"]), arrives_at, departs_at


async def calls_in_database(db: Database) -> set[TripCall]:
    async with db.connection() as conn:
        rows = await conn.fetch(
            """
            SELECT trip.code AS trip, trip.service_date, stop.code AS stop, call.sequence,
              trip.starts_at + make_interval(secs => call.arrival_s) AS arrives_at,
              trip.starts_at + make_interval(secs => call.departure_s) AS departs_at
            FROM trip
            JOIN pattern_call call ON call.pattern_id = trip.pattern_id
            JOIN stop ON stop.stop_id = call.stop_id
            """
        )
    return {tuple(row) for row in rows}


def import_of(
    name: str, *, layout: str = "coach-51", shift: Shift | None = None, currency: str = "EUR"
) -> ImportRequest:
    return ImportRequest(
        file=real_feed(name),
        layout=LAYOUTS / f"{layout}.layout",
        currency=currency,
        feed=name,
        per_km=PerKm(10, 500),
        shift=shift,
    )


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


async def test_flixbus_comes_in_whole(db: Database):
    request = import_of("flixbus-de-2014", shift="fullest")
    report = await import_gtfs(db, request, now=noon(MONDAY))
    files = Files(request.file)
    days = window_of(None, None, today=MONDAY).dates()
    assert len(days) == 60
    weeks = (MONDAY - date(2014, 5, 26)).days // 7
    assert report.shift_weeks == weeks
    assert report.runs_new == report.runs_in_calendar == files.runs(days, weeks) == 13_180
    assert report.rows == {
        "agency": 1, "stops": 113, "routes": 53, "calendar": 1_075, "trips": 1_075,
        "stop_times": 4_746,
    }  # fmt: skip
    found = await calls_in_database(db)
    wanted = files.trip_calls(days, weeks)
    assert len(wanted) > 50_000
    assert found == wanted
    # The one stop that stops.txt lacks costs its calls, and no trip.
    assert report.findings[Code.UNKNOWN_STOP].examples == ["trip 1001 at 73", "trip 1002 at 73"]
    left_out = {code for code in report.findings if code.level.value == "left_out"}
    assert left_out == {Code.UNKNOWN_STOP}
    async with db.connection() as conn:
        stocks = await conn.fetchval(
            """
            SELECT count(*) FROM trip_inventory stock
            JOIN trip USING (trip_id)
            WHERE stock.n_seats = 51 AND stock.status = 'on_sale' AND bit_count(stock.taken) = 0
              AND stock.sales_close_at = trip.starts_at - interval '10 minutes'
              AND stock.n_legs + 1 =
                (SELECT count(*) FROM pattern_call WHERE pattern_id = trip.pattern_id)
            """
        )
        patterns = await conn.fetchval("SELECT count(*) FROM pattern")
    assert stocks == 13_180
    assert patterns == report.patterns < 300


def test_without_a_date_the_fullest_window_of_flixbus_is_taken_on_any_weekday():
    path = real_feed("flixbus-de-2014")
    files = Files(path)
    feed = read_feed(path, Report("flixbus"))
    days = [date(2013, 1, 1) + timedelta(days=n) for n in range(730)]
    per_day = {day: files.runs([day], 0) for day in days}
    for today in (MONDAY + timedelta(days=n) for n in range(7)):
        window = window_of(None, None, today=today)
        plan = make_plan(feed, window, shift="fullest", today=today, report=Report("flixbus"))
        sums = {
            weeks: sum(per_day.get(day - timedelta(weeks=weeks), 0) for day in window.dates())
            for weeks in range(600, 760)
        }
        assert plan.runs_count() == max(sums.values()) == sums[plan.shift_weeks]


async def test_flixbus_as_it_stands_has_nothing_left_to_sell(db: Database):
    report = await import_gtfs(db, import_of("flixbus-de-2014"), now=noon(MONDAY))
    assert report.runs_in_calendar == report.runs_new == 0
    assert report.count(Code.NOT_IN_WINDOW) == 1_075
    assert await calls_in_database(db) == set()


FERRY_LAYOUT = """\
name: Silver
class s: SPECIAL
class f: FIRST
class b: BERTH
[Main]
A B . C D :s
E F . G H :f
I J . K L :b
M N . O P
"""
FERRY_FARES = {
    f"{kind}_{name}": FareUse(seat_class, kind.upper())
    for kind, names in (
        ("adult", ("special_class", "first_class", "second_class_berth", "second_class")),
        ("child", ("special_class", "first_class", "second_class_berth", "second_class")),
        ("student", ("second_class_berth", "second_class")),
    )
    for name, seat_class in zip(
        names, ("SPECIAL", "FIRST", "BERTH", "STANDARD")[-len(names) :], strict=True
    )
}


async def test_the_ferry_comes_in_whole_with_its_own_fares(db: Database, tmp_path: Path):
    layout = tmp_path / "silver.layout"
    layout.write_text(FERRY_LAYOUT)
    path = real_feed("miyako-muroran-ferry-2018")
    request = ImportRequest(
        file=path, layout=layout, currency="EUR", feed="ferry", per_km=PerKm(10, 500),
        fare_map=FERRY_FARES, shift="fullest",
    )  # fmt: skip
    report = await import_gtfs(db, request, now=noon(MONDAY))
    files = Files(path)
    days = window_of(None, None, today=MONDAY).dates()
    assert report.runs_new == report.runs_in_calendar == files.runs(days, report.shift_weeks) == 120
    found = await calls_in_database(db)
    assert found == files.trip_calls(days, report.shift_weeks)
    assert {code for code in report.findings if code.level.value == "left_out"} == set()
    async with db.connection() as conn:
        trip_id = await conn.fetchval(
            "SELECT trip_id FROM trip WHERE code = 'to_miyako' AND service_date = $1", MONDAY
        )
        assert trip_id is not None
        sheet = await Catalogue().sheet(conn, trip_id)
        fares = await FareTables().table(conn, sheet.fare_table_id)
    assert [call.name for call in sheet.calls] == [
        "室蘭フェリーターミナル",
        "宮古フェリーターミナル",
    ]
    # 20:00 in Tokyo, and 30:00:00 is six in the morning of the next day.
    assert sheet.calls[0].departs_at == datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
    assert sheet.calls[1].local_arrival.isoformat() == "2026-11-24T06:00:00+09:00"
    ends = sheet.calls[0].stop_id, sheet.calls[1].stop_id
    prices = {row["fare_id"]: int(row["price"]) for row in table(path, "fare_attributes.txt")}
    assert len(prices) == 10
    by_use = {FERRY_FARES[fare_id]: price for fare_id, price in prices.items()}
    # Both ways, each class and type; a student without a fare of his own pays an adult's.
    for origin, destination in (ends, (ends[1], ends[0])):
        for seat_class in ("SPECIAL", "FIRST", "BERTH", "STANDARD"):
            for kind in ("ADULT", "CHILD", "STUDENT"):
                adult = by_use[FareUse(seat_class, "ADULT")]
                fare = fares.fare(origin, destination, seat_class, kind, km=None)
                assert fare == Money(by_use.get(FareUse(seat_class, kind), adult), "JPY")


async def test_the_ferry_without_mapping_is_sold_at_its_highest_fare(db: Database):
    request = import_of("miyako-muroran-ferry-2018", shift=date(2018, 7, 2))
    report = await import_gtfs(db, request, now=noon(MONDAY))
    assert report.runs_new == 120
    assert report.count(Code.FARE_RIVALS) == 2
    assert report.count(Code.FARE_UNUSED) == 9
    async with db.connection() as conn:
        rows = await conn.fetch("SELECT amount_minor, class, passenger_type FROM fare")
        currency = await conn.fetchval("SELECT currency FROM fare_table")
    assert currency == "JPY"
    assert {tuple(row) for row in rows} == {(15_000, "STANDARD", PassengerType.ADULT)}


def test_accra_runs_every_five_minutes():
    path = real_feed("accra-trotro")
    window = window_of(MONDAY, MONDAY, today=MONDAY)
    report = Report("accra")
    plan = make_plan(read_feed(path, report), window, shift=None, today=MONDAY, report=report)
    files = Files(path)
    assert plan.runs_count() == files.runs([MONDAY], 0) == 114_750
    wanted = {code for trip in files.trips for code, _ in files.departures(trip["trip_id"])}
    assert {run.code for run in plan.runs()} == wanted


@pytest.mark.parametrize(("name", "trips"), [("lagos-rail-2025", 81 * 5), ("gautrain-2013", 1_200)])
async def test_railways_come_in_whole(db: Database, name: str, trips: int):
    """The fullest week; for Gautrain with its pickup types passed over, else nobody may board."""
    request = replace(
        import_of(name, layout="train-180", shift="fullest"),
        window_last=MONDAY + timedelta(days=6),
        ignores_pickup_types=name == "gautrain-2013",
    )
    report = await import_gtfs(db, request, now=noon(MONDAY))
    files = Files(request.file)
    days = window_of(MONDAY, request.window_last, today=MONDAY).dates()
    wanted = files.trip_calls(days, report.shift_weeks)
    assert len({(code, day) for code, day, *_ in wanted}) == report.runs_planned == trips
    assert report.runs_new == trips
    assert await calls_in_database(db) == wanted
