"""What real feeds hold against the reference: one named test each; docs/import.md lists them."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from feed_make import FILES, make_feed, read
from kiti.timetable.gtfs.model import Feed, Trip
from kiti.timetable.gtfs.reader import read_feed
from kiti.timetable.model import Window
from kiti.timetable.planner import Plan, make_plan
from kiti.timetable.remarks import Code
from kiti.timetable.report import Report

Changes = dict[str, str | bytes | None]
MONDAY = date(2026, 11, 23)
DOC = Path(__file__).parents[2] / "docs" / "import.md"
CALENDAR = FILES["calendar.txt"].splitlines()[0]
HEADER = "trip_id,stop_sequence,stop_id,arrival_time,departure_time"


def times(*rows: str, header: str = HEADER) -> Changes:
    return {"stop_times.txt": "\n".join([header, *rows])}


def plan_of(
    folder: Path, changes: Changes, *, first: date = MONDAY, days: int = 7
) -> tuple[Plan, Report]:
    feed, report = read(folder, changes)
    window = Window(first, first + timedelta(days=days - 1))
    return make_plan(feed, window, shift=None, today=first, report=report), report


def the_trip(feed: Feed) -> Trip:
    assert len(feed.trips) == 1
    return feed.trips[0]


def days_of(plan: Plan) -> list[date]:
    return [run.service_date for run in plan.runs()]


def clock_of(trip: Trip) -> list[tuple[int, int]]:
    calls = trip.pattern.calls
    return [(trip.departure_s + c.arrival_s, trip.departure_s + c.departure_s) for c in calls]


def test_every_irregularity_stands_in_the_documentation_beside_its_test():
    told = set(re.findall(r"`(test_irregularity_\w+)`", DOC.read_text(encoding="utf-8")))
    assert told == {name for name in globals() if name.startswith("test_irregularity_")}


# Times


def test_irregularity_times_past_midnight_and_hours_of_one_digit(tmp_path: Path):
    feed, report = read(
        tmp_path, times("T,1,LOS,9:05:00,9:05:00", "T,2,IBA,24:00:00,24:10:00", "T,3,ABV,31:55:00,")
    )
    assert clock_of(the_trip(feed)) == [
        (32_700, 32_700), (86_400, 87_000), (114_900, 114_900),
    ]  # fmt: skip
    assert not report.findings


def test_irregularity_a_trip_begins_after_midnight_of_its_service_date(tmp_path: Path):
    plan, _ = plan_of(
        tmp_path, times("T,1,LOS,25:10:00,25:10:00", "T,2,ABV,30:00:00,30:00:00"), days=1
    )
    [run] = plan.runs()
    assert (run.service_date, run.starts_at) == (
        MONDAY, datetime(2026, 11, 24, 0, 10, tzinfo=UTC),
    )  # fmt: skip


def test_irregularity_frequencies_end_at_midnight_and_cross_it(tmp_path: Path):
    frequencies = (
        "trip_id,start_time,end_time,headway_secs,exact_times\n"
        "T,22:00:00,24:00:00,3600,1\nT,24:00:00,25:00:00,1800,1\n"
    )
    plan, report = plan_of(tmp_path, {"frequencies.txt": frequencies}, days=1)
    assert [run.code for run in plan.runs()] == [
        "T@22:00:00", "T@23:00:00", "T@24:00:00", "T@24:30:00",
    ]  # fmt: skip
    # Lagos is an hour ahead of UTC: 24:30 of Monday is half past midnight there on Tuesday.
    assert [run.starts_at for run in plan.runs()][-1] == datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    assert report.count(Code.FREQUENCY_TWICE) == 0


def test_irregularity_blank_times_between_two_known_ones(tmp_path: Path):
    feed, report = read(
        tmp_path, times("T,1,LOS,8:00:00,8:00:00", "T,2,IBA,,", "T,3,ABV,9:00:00,9:00:00")
    )
    assert clock_of(the_trip(feed))[1] == (30_600, 30_600)
    assert report.count(Code.TIMES_INTERPOLATED) == 1


def test_irregularity_approximate_times_are_sold_and_told(tmp_path: Path):
    rows = ("T,1,LOS,8:00:00,8:00:00,1", "T,2,IBA,8:30:00,8:30:00,0", "T,3,ABV,9:00:00,9:00:00,")
    feed, report = read(tmp_path, times(*rows, header=f"{HEADER},timepoint"))
    assert clock_of(the_trip(feed))[1] == (30_600, 30_600)
    assert report.findings[Code.TIMES_APPROXIMATE].examples == ["trip T at IBA"]


# Stops and calls


def test_irregularity_a_stop_that_stops_lacks_costs_the_call_not_the_trip(tmp_path: Path):
    feed, report = read(
        tmp_path, times("T,1,LOS,8:00:00,8:00:00", "T,2,73,8:30:00,8:30:00", "T,3,ABV,9:00:00,")
    )
    assert [call.stop_id for call in the_trip(feed).pattern.calls] == ["LOS", "ABV"]
    assert report.findings[Code.UNKNOWN_STOP].examples == ["trip T at 73"]


@pytest.mark.parametrize("numbers", [(0, 1, 2), (1, 2, 3), (2, 9, 400), (0, 10, 2_000_000_000)])
def test_irregularity_sequences_start_anywhere_and_have_gaps(
    tmp_path: Path, numbers: tuple[int, int, int]
):
    rows = [
        f"T,{number},{stop},{hour}:00:00,{hour}:00:00"
        for number, stop, hour in zip(numbers, ("LOS", "IBA", "ABV"), (8, 9, 10), strict=True)
    ]
    feed, report = read(tmp_path, times(*reversed(rows)))
    assert tuple(call.sequence for call in the_trip(feed).pattern.calls) == numbers
    assert not report.findings


def test_irregularity_a_stop_twice_in_a_trip_and_twice_in_a_row_and_loops(tmp_path: Path):
    stops = ["LOS", "IBA", "IBA", "ABV", "IBA", "LOS"]
    rows = [f"T,{at},{stop},{8 + at}:00:00,{8 + at}:00:00" for at, stop in enumerate(stops)]
    feed, report = read(tmp_path, times(*rows))
    pattern = the_trip(feed).pattern
    assert [(call.sequence, call.stop_id) for call in pattern.calls] == list(enumerate(stops))
    assert len(list(pattern.segments())) == 15
    assert not report.findings


def test_irregularity_a_row_of_stop_times_stands_twice(tmp_path: Path):
    rows = ("T,1,LOS,8:00:00,8:00:00", "T,2,ABV,9:00:00,9:00:00", "T,1,LOS,8:00:00,8:00:00")
    feed, report = read(tmp_path, times(*rows))
    assert [call.stop_id for call in the_trip(feed).pattern.calls] == ["LOS", "ABV"]
    assert report.count(Code.STOP_TIME_TWICE) == 1


def test_irregularity_stations_platforms_entrances_and_a_blank_location_type(tmp_path: Path):
    stops = (
        "stop_id,stop_name,stop_lat,stop_lon,location_type,parent_station\n"
        "LOS,Lagos,6.5,3.3,,\nSTA,Ibadan,7.3,3.9,1,\nIBA,,,,0,STA\nABV,Abuja,9.0,7.3,0,\n"
        "DOOR,,,,2,STA\nNODE,,,,3,STA\nBAY,,,,4,IBA\n"
    )
    rows = [
        f"T,{at},{stop},{8 + at}:00:00,{8 + at}:00:00"
        for at, stop in enumerate(["LOS", "IBA", "STA", "DOOR", "NODE", "BAY", "ABV"])
    ]
    feed, report = read(tmp_path, {"stops.txt": stops, **times(*rows)})
    assert [call.stop_id for call in the_trip(feed).pattern.calls] == ["LOS", "IBA", "ABV"]
    assert report.count(Code.NOT_A_BOARDING_POINT) == 4
    assert (feed.stops["IBA"].name, feed.stops["IBA"].latitude) == ("Ibadan", 7.3)


def test_irregularity_stops_that_nobody_uses(tmp_path: Path):
    stops = FILES["stops.txt"] + "X,Nowhere,1,1,\n"
    _, report = read(tmp_path, {"stops.txt": stops})
    assert report.findings[Code.STOP_UNUSED].examples == ["X"]


def test_irregularity_a_thousand_stops_of_one_name(tmp_path: Path):
    stops = "stop_id,stop_name,stop_lat,stop_lon\n" + "".join(
        f"S{n},Market,{n / 100},3\n" for n in range(1_000)
    )
    feed, report = read(
        tmp_path, {"stops.txt": stops, **times("T,1,S1,8:00:00,8:00:00", "T,2,S999,9:00:00,")}
    )
    assert {stop.name for stop in feed.stops.values()} == {"Market"}
    assert [call.stop_id for call in the_trip(feed).pattern.calls] == ["S1", "S999"]
    assert report.count(Code.STOP_UNUSED) == 998


# Days


def test_irregularity_one_calendar_for_each_trip(tmp_path: Path):
    trips = range(200)
    changes: Changes = {
        "calendar.txt": "\n".join(
            [CALENDAR, *(f"c{n},1,0,0,0,0,0,0,20261123,20261123" for n in trips)]
        ),
        "trips.txt": "route_id,service_id,trip_id\n" + "".join(f"R,c{n},t{n}\n" for n in trips),
        **times(
            *(f"t{n},1,LOS,8:{n % 60:02}:00," for n in trips),
            *(f"t{n},2,ABV,9:{n % 60:02}:00," for n in trips),
        ),
    }
    plan, report = plan_of(tmp_path, changes)
    assert days_of(plan) == [MONDAY] * 200
    assert len(plan.feed.patterns) == 1
    assert not [code for code in report.findings if code is not Code.STOP_UNUSED]


def test_irregularity_a_calendar_with_a_thousand_exceptions(tmp_path: Path):
    days = [MONDAY + timedelta(days=n) for n in range(1_000)]
    rows = [f"daily,{day:%Y%m%d},{1 if day.weekday() == 6 else 2}" for day in days]
    changes: Changes = {"calendar_dates.txt": "service_id,date,exception_type\n" + "\n".join(rows)}
    plan, _ = plan_of(tmp_path, changes, days=700)
    assert days_of(plan) == [day for day in days[:700] if day.weekday() == 6]


def test_irregularity_exceptions_outside_the_range_of_the_calendar(tmp_path: Path):
    changes: Changes = {
        "calendar.txt": f"{CALENDAR}\ndaily,1,1,1,1,1,1,1,20261123,20261124\n",
        "calendar_dates.txt": (
            "service_id,date,exception_type\ndaily,20261128,1\ndaily,20261127,2\ndaily,20261001,1\n"
        ),
    }
    plan, _ = plan_of(tmp_path, changes)
    assert [day.day for day in days_of(plan)] == [23, 24, 28]


def test_irregularity_a_calendar_of_a_century_with_a_trip_every_five_minutes(tmp_path: Path):
    changes: Changes = {
        "calendar.txt": f"{CALENDAR}\ndaily,1,1,1,1,1,1,1,20000101,21001231\n",
        "frequencies.txt": (
            "trip_id,start_time,end_time,headway_secs,exact_times\nT,05:00:00,22:00:00,300,1\n"
        ),
    }
    plan, report = plan_of(tmp_path, changes, days=2)
    assert len(days_of(plan)) == report.runs_in_calendar == 2 * 204


def test_irregularity_calendar_dates_is_empty_and_the_calendar_is_a_week(tmp_path: Path):
    changes: Changes = {
        "calendar.txt": f"{CALENDAR}\ndaily,1,1,1,1,1,0,0,20261123,20261129\n",
        "calendar_dates.txt": "service_id,date,exception_type\n",
    }
    plan, _ = plan_of(tmp_path, changes, days=60)
    assert [day.day for day in days_of(plan)] == [23, 24, 25, 26, 27]


@pytest.mark.parametrize("calendar", [None, CALENDAR])
def test_irregularity_no_calendar_at_all_but_exceptions(tmp_path: Path, calendar: str | None):
    changes: Changes = {
        "calendar.txt": calendar,
        "calendar_dates.txt": "service_id,date,exception_type\ndaily,20261125,1\n",
    }
    plan, _ = plan_of(tmp_path, changes)
    assert [day.day for day in days_of(plan)] == [25]


def test_irregularity_a_calendar_that_never_runs(tmp_path: Path):
    changes: Changes = {
        "calendar.txt": (
            f"{CALENDAR}\ndaily,1,1,1,1,1,1,1,20261129,20261123\nnone,0,0,0,0,0,0,0,20260101,20261231\n"
        )
    }
    plan, report = plan_of(tmp_path, changes)
    assert days_of(plan) == []
    assert report.count(Code.SERVICE_NEVER_RUNS) == 2
    assert report.count(Code.NOT_IN_WINDOW) == 1


def test_irregularity_feed_info_contradicts_the_calendar(tmp_path: Path):
    info = "feed_publisher_name,feed_start_date,feed_end_date\nKiti,20260101,20260630\n"
    plan, report = plan_of(tmp_path, {"feed_info.txt": info})
    assert len(days_of(plan)) == 7
    assert report.findings[Code.FEED_DATES_DIFFER].examples == ["daily: 2026-01-01 to 2029-12-31"]


# Frequencies


@pytest.mark.parametrize(
    ("header", "row"),
    [(",exact_times", ",0"), (",exact_times", ","), ("", ""), (",exact_times", ",2")],
)
def test_irregularity_a_headway_without_fixed_departures_is_not_sold(
    tmp_path: Path, header: str, row: str
):
    text = f"trip_id,start_time,end_time,headway_secs{header}\nT,6:00:00,9:00:00,600{row}\n"
    plan, report = plan_of(tmp_path, {"frequencies.txt": text})
    assert days_of(plan) == []
    assert report.count(Code.FREQUENCY_NOT_EXACT) == 1
    assert report.runs_in_calendar == 0


def test_irregularity_a_trip_with_fixed_departures_and_a_headway(tmp_path: Path):
    text = (
        "trip_id,start_time,end_time,headway_secs,exact_times\n"
        "T,6:00:00,7:00:00,1800,1\nT,7:00:00,9:00:00,600,0\n"
    )
    plan, report = plan_of(tmp_path, {"frequencies.txt": text}, days=1)
    assert [run.code for run in plan.runs()] == ["T@06:00:00", "T@06:30:00"]
    assert report.count(Code.FREQUENCY_PART) == 1


def test_irregularity_frequencies_overlap_or_touch(tmp_path: Path):
    text = (
        "trip_id,start_time,end_time,headway_secs,exact_times\n"
        "T,6:00:00,7:00:00,1200,1\nT,6:40:00,7:20:00,1200,1\nT,7:20:00,7:40:00,1200,1\n"
    )
    plan, report = plan_of(tmp_path, {"frequencies.txt": text}, days=1)
    assert [run.code[2:7] for run in plan.runs()] == ["06:00", "06:20", "06:40", "07:00", "07:20"]
    assert report.count(Code.FREQUENCY_TWICE) == 1


@pytest.mark.parametrize(
    "row", ["T,6:00:00,9:00:00,0,1", "T,9:00:00,6:00:00,600,1", "T,6:00,9:00:00,600,1",
            "T,6:00:00,6:00:00,600,1", "T,6:00:00,9:00:00,-5,1", "T,6:00:00,9:00:00,ten,1"],
)  # fmt: skip
def test_irregularity_frequencies_that_cannot_be_read_never_sell_the_template(
    tmp_path: Path, row: str
):
    text = f"trip_id,start_time,end_time,headway_secs,exact_times\n{row}\n"
    plan, report = plan_of(tmp_path, {"frequencies.txt": text})
    assert days_of(plan) == []
    assert report.count(Code.BAD_FREQUENCY) == report.count(Code.FREQUENCY_UNREADABLE) == 1


def test_irregularity_more_departures_than_a_day_can_have(tmp_path: Path):
    text = "trip_id,start_time,end_time,headway_secs,exact_times\nT,0:00:00,24:00:00,1,1\n"
    plan, report = plan_of(tmp_path, {"frequencies.txt": text}, days=1)
    assert days_of(plan) == []
    assert report.findings[Code.FREQUENCY_TOO_OFTEN].runs == report.runs_in_calendar == 86_400


# Text


def test_irregularity_line_ends_bom_spaces_quotes_order_and_capitals_of_columns(tmp_path: Path):
    changes: Changes = {
        "stops.txt": (
            "\ufeffStop_Lon , colour,STOP_NAME,stop_id, stop_lat,stop_name\r\n"
            '3.3792,red, "Lagos, ""Jibowu""" , LOS ,6.5244,\r\n'
            "\r\n3.9470,blue,Ibadan,IBA,7.3775\n7.3986,,Abuja,ABV,9.0765"
        ),
        "agency.txt": '"agency_id","agency_name","agency_timezone"\r"A","Kiti","Africa/Lagos"\r',
    }
    feed, report = read(tmp_path, changes)
    plain, _ = read(tmp_path)
    assert the_trip(feed).pattern == the_trip(plain).pattern
    assert feed.stops["LOS"].name == 'Lagos, "Jibowu"'
    assert feed.stops["LOS"].longitude == 3.3792
    assert not report.findings


def test_irregularity_ids_with_spaces_and_beyond_ascii_and_names_in_any_script(tmp_path: Path):
    stops = "stop_id,stop_name\nLa gos,室蘭\nÌbà/1,إبادان\n#3;é,阿布贾\n"
    feed, report = read(
        tmp_path,
        {
            "stops.txt": stops,
            **times("T,1,La gos,8:00:00,", "T,2,Ìbà/1,9:00:00,", "T,3,#3;é,10:00:00,"),
        },
    )
    assert [call.stop_id for call in the_trip(feed).pattern.calls] == ["La gos", "Ìbà/1", "#3;é"]
    assert [stop.name for stop in feed.stops.values()] == ["室蘭", "إبادان", "阿布贾"]
    assert not report.findings


def test_irregularity_a_comma_without_quotes_shifts_a_row(tmp_path: Path):
    stops = FILES["stops.txt"].replace("LOS,Lagos,", "LOS,Lagos, Jibowu,")
    feed, report = read(tmp_path, {"stops.txt": stops})
    assert feed.stops["LOS"].latitude is None
    assert report.findings[Code.ROW_TOO_WIDE].examples == ["stops.txt line 2"]


def test_irregularity_a_quote_that_is_closed_only_rows_later(tmp_path: Path):
    stops = FILES["stops.txt"].replace("LOS,Lagos,", 'LOS,"Lagos,') + 'X,Exit",1,1,\n'
    feed, report = read(tmp_path, {"stops.txt": stops})
    assert set(feed.stops) == {"LOS"}
    assert report.findings[Code.ROW_OVER_LINES].examples == ["stops.txt line 5"]


def test_irregularity_columns_and_files_that_nobody_knows(tmp_path: Path):
    trips = "route_id,service_id,trip_id,conductor\nR,daily,T,Ada\n"
    changes: Changes = {"trips.txt": trips, "shapes.txt": "a", "notes.md": "b"}
    feed, report = read(tmp_path, changes)
    assert len(feed.trips) == 1
    assert report.findings[Code.FILE_UNUSED].examples == ["shapes.txt"]


# Boarding


def test_irregularity_pickup_type_one_on_every_row(tmp_path: Path):
    rows = ("T,1,LOS,8:00:00,,1", "T,2,IBA,9:00:00,,1", "T,3,ABV,10:00:00,,1")
    changes = times(*rows, header=f"{HEADER},pickup_type")
    plan, report = plan_of(tmp_path, changes)
    assert days_of(plan) == []
    assert report.findings[Code.NOBODY_CAN_RIDE].runs == report.runs_in_calendar == 7
    assert "-> if people do board there, import with --ignore-pickup-types" in report.text()
    again = Report("again")
    feed = read_feed(make_feed(tmp_path, changes), again, ignores_pickup_types=True)
    assert list(the_trip(feed).pattern.segments()) == [(0, 1), (0, 2), (1, 2)]
    assert again.count(Code.PICKUP_TYPES_IGNORED) == 3


def test_irregularity_pickups_and_drop_offs_alternate(tmp_path: Path):
    rows = ("T,1,LOS,8:00:00,,0,1", "T,2,IBA,9:00:00,,0,1", "T,3,ABV,10:00:00,,1,0")
    feed, report = read(tmp_path, times(*rows, header=f"{HEADER},pickup_type,drop_off_type"))
    assert list(the_trip(feed).pattern.segments()) == [(0, 2), (1, 2)]
    assert not report.findings


@pytest.mark.parametrize(
    ("kind", "code"),
    [("2", Code.PICKUP_BY_ARRANGEMENT), ("3", Code.PICKUP_BY_ARRANGEMENT),
     ("4", Code.PICKUP_TYPE_UNKNOWN), ("x", Code.PICKUP_TYPE_UNKNOWN)],
)  # fmt: skip
def test_irregularity_boarding_by_arrangement_is_not_sold(tmp_path: Path, kind: str, code: Code):
    rows = ("T,1,LOS,8:00:00,,0", f"T,2,IBA,9:00:00,,{kind}", "T,3,ABV,10:00:00,,0")
    feed, report = read(tmp_path, times(*rows, header=f"{HEADER},pickup_type"))
    assert list(the_trip(feed).pattern.segments()) == [(0, 1), (0, 2)]
    assert report.findings[code].examples == ["trip T at IBA"]


def test_irregularity_continuous_stopping_is_told_and_not_sold(tmp_path: Path):
    rows = ("T,1,LOS,8:00:00,,0", "T,2,IBA,9:00:00,,1", "T,3,ABV,10:00:00,,")
    routes = "route_id,agency_id,route_type,continuous_drop_off\nR,A,3,2\n"
    changes = {**times(*rows, header=f"{HEADER},continuous_pickup"), "routes.txt": routes}
    feed, report = read(tmp_path, changes)
    assert len(list(the_trip(feed).pattern.segments())) == 3
    assert report.findings[Code.CONTINUOUS_STOPPING].examples == ["route R", "trip T at LOS"]


def test_irregularity_areas_served_on_demand(tmp_path: Path):
    header = f"{HEADER},start_pickup_drop_off_window,end_pickup_drop_off_window,location_id"
    rows = (
        "T,1,LOS,8:00:00,8:00:00,,,", "T,2,,,,8:00:00,9:00:00,zone", "T,3,ABV,9:00:00,9:00:00,,,",
        "U,1,,,,8:00:00,9:00:00,zone", "U,2,IBA,,,8:00:00,9:00:00,",
    )  # fmt: skip
    trips = FILES["trips.txt"] + "R,daily,U\n"
    feed, report = read(tmp_path, {**times(*rows, header=header), "trips.txt": trips})
    assert [call.stop_id for call in the_trip(feed).pattern.calls] == ["LOS", "ABV"]
    assert report.count(Code.ON_DEMAND_CALL) == 3
    assert [(left.trip_id, left.code) for left in feed.left_out] == [("U", Code.ON_DEMAND_TRIP)]


# Agencies, trips, zones


def test_irregularity_trips_without_stop_times(tmp_path: Path):
    plan, report = plan_of(tmp_path, {"trips.txt": FILES["trips.txt"] + "R,daily,C4\n"})
    finding = report.findings[Code.TRIP_WITHOUT_TIMES]
    assert (finding.examples, finding.runs) == (["C4"], 7)
    assert report.runs_in_calendar == plan.runs_count() + 7


def test_irregularity_an_agency_called_default(tmp_path: Path):
    agency = "agency_id,agency_name,agency_timezone\ndefault,default,Africa/Lagos\n"
    routes = "route_id,route_long_name,route_type\nR,Lagos to Abuja,3\n"
    feed, report = read(tmp_path, {"agency.txt": agency, "routes.txt": routes})
    assert feed.agencies["default"].name == "default"
    assert feed.routes["R"].agency_id == "default"
    assert not report.findings


def test_irregularity_one_service_in_two_time_zones(tmp_path: Path):
    changes: Changes = {
        "agency.txt": "agency_id,agency_name,agency_timezone\n"
        "A,West,Africa/Lagos\nB,East,Africa/Nairobi\n",
        "routes.txt": "route_id,agency_id,route_type\nR,A,3\nQ,B,3\n",
        "trips.txt": "route_id,service_id,trip_id\nR,daily,T\nQ,daily,U\n",
        **times("T,1,LOS,8:00:00,", "T,2,ABV,9:00:00,", "U,1,LOS,8:00:00,", "U,2,ABV,9:00:00,"),
    }
    plan, report = plan_of(tmp_path, changes, days=1)
    assert {run.code: run.starts_at.hour for run in plan.runs()} == {"T": 7, "U": 5}
    assert report.findings[Code.SEVERAL_ZONES].examples == ["East (Africa/Nairobi)"]


def test_irregularity_a_stop_in_another_zone_than_its_agency(tmp_path: Path):
    stops = "stop_id,stop_name,stop_timezone\nLOS,Lagos,\nABV,Accra,Africa/Accra\nX,X,Mars/Base\n"
    changes: Changes = {"stops.txt": stops, **times("T,1,LOS,8:00:00,", "T,2,ABV,12:00:00,")}
    plan, report = plan_of(tmp_path, changes, days=1)
    [run] = plan.runs()
    # Times are the agency's: noon of Lagos is 11:00 in UTC, shown as 11:00 in Accra.
    arrives_at = run.starts_at + timedelta(seconds=run.trip.pattern.calls[1].arrival_s)
    assert arrives_at == datetime(2026, 11, 23, 11, tzinfo=UTC)
    assert plan.feed.stops["ABV"].timezone == "Africa/Accra"
    assert report.findings[Code.STOP_ZONE_UNKNOWN].examples == ["X (line 4)"]
