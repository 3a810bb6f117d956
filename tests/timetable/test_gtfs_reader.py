from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from feed_make import FILES, read
from kiti.timetable.gtfs.model import Call, Feed, Trip
from kiti.timetable.model import NotAFeed, Window
from kiti.timetable.planner import make_plan
from kiti.timetable.remarks import Code


def the_trip(feed: Feed) -> Trip:
    assert len(feed.trips) == 1
    return feed.trips[0]


def stop_times(*rows: str) -> dict[str, str | bytes | None]:
    header = "trip_id,stop_sequence,stop_id,arrival_time,departure_time,pickup_type,drop_off_type"
    return {"stop_times.txt": "\n".join([header, *rows])}


def test_a_plain_feed_is_read_whole(tmp_path: Path):
    feed, report = read(tmp_path)
    trip = the_trip(feed)
    assert feed.timezone == "Africa/Lagos"
    assert (trip.trip_id, trip.service_id, trip.departure_s) == ("T", "daily", 8 * 3600)
    assert trip.pattern.calls == (
        Call(1, "LOS", 0, 0, pickup=True, drop_off=True),
        Call(2, "IBA", 7200, 8100, pickup=True, drop_off=True),
        Call(3, "ABV", 37800, 37800, pickup=True, drop_off=True),
    )
    assert feed.routes["R"].mode == "BUS"
    assert feed.routes["R"].name == "Lagos to Abuja"
    assert (feed.stops["ABV"].latitude, feed.stops["ABV"].longitude) == (9.0765, 7.3986)
    assert report.rows == {
        "agency": 1, "stops": 3, "routes": 1, "calendar": 1, "trips": 1, "stop_times": 3,
    }  # fmt: skip
    assert not report.findings


def test_trips_with_the_same_calls_share_a_pattern_at_any_time_of_day(tmp_path: Path):
    rows = [
        f"{trip},{seq},{stop},{hour:02}:00:00,{hour:02}:00:00,,"
        for trip, start in (("T", 6), ("U", 9), ("V", 22))
        for seq, stop, hour in ((1, "LOS", start), (2, "IBA", start + 2), (3, "ABV", start + 10))
    ]
    feed, _ = read(
        tmp_path,
        {
            **stop_times(*rows),
            "trips.txt": "route_id,service_id,trip_id\nR,daily,T\nR,daily,U\nR,daily,V\n",
        },
    )
    assert len(feed.patterns) == 1
    assert {trip.pattern.number for trip in feed.trips} == {0}
    assert [trip.departure_s // 3600 for trip in feed.trips] == [6, 9, 22]


def test_a_call_at_an_unknown_stop_is_left_out_and_the_trip_runs_on(tmp_path: Path):
    feed, report = read(
        tmp_path,
        stop_times(
            "T,1,LOS,8:00:00,8:00:00,,", "T,2,XXX,10:00:00,10:15:00,,", "T,3,ABV,18:30:00,,,"
        ),
    )
    assert [call.stop_id for call in the_trip(feed).pattern.calls] == ["LOS", "ABV"]
    assert report.count(Code.UNKNOWN_STOP) == 1
    assert report.findings[Code.UNKNOWN_STOP].examples == ["trip T at XXX"]
    assert feed.unknown_stops == {"XXX"}
    assert feed.left_out == ()


def test_a_trip_whose_first_stop_is_unknown_begins_at_the_next(tmp_path: Path):
    feed, _ = read(
        tmp_path,
        stop_times(
            "T,1,XXX,8:00:00,8:00:00,,", "T,2,IBA,10:00:00,10:15:00,,", "T,3,ABV,18:30:00,,,"
        ),
    )
    trip = the_trip(feed)
    assert (trip.departure_s, trip.lead_s) == (10 * 3600 + 900, 2 * 3600 + 900)


def test_only_stops_and_platforms_are_boarding_points_and_inherit_from_their_station(
    tmp_path: Path,
):
    feed, report = read(
        tmp_path,
        {
            "stops.txt": (
                "stop_id,stop_name,stop_lat,stop_lon,location_type,parent_station,stop_timezone\n"
                "LOS,Lagos,6.5,3.3,,,\n"
                "STA,Ibadan Station,7.3,3.9,1,,Africa/Accra\n"
                "IBA,,,,0,STA,Africa/Lagos\n"
                "ABV,Abuja,9.0,7.3,0,,\n"
                "DOOR,Entrance,7.3,3.9,2,STA,\n"
            ),
            **stop_times(
                "T,1,LOS,8:00:00,8:00:00,,", "T,2,IBA,10:00:00,10:15:00,,",
                "T,3,STA,10:20:00,10:20:00,,", "T,4,ABV,18:30:00,,,",
            ),
        },
    )  # fmt: skip
    platform = feed.stops["IBA"]
    assert platform.name == "Ibadan Station"
    assert (platform.latitude, platform.longitude) == (7.3, 3.9)
    assert platform.timezone == "Africa/Accra"
    assert [call.stop_id for call in the_trip(feed).pattern.calls] == ["LOS", "IBA", "ABV"]
    assert report.count(Code.NOT_A_BOARDING_POINT) == 1


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        (["T,1,LOS,8:00:00,8:00:00,,", "T,1,ABV,18:30:00,,,"], Code.SEQUENCE_TWICE),
        (["T,1,LOS,8:00:00,8:00:00,,", "T,2,ABV,7:59:59,,,"], Code.TIMES_BACKWARDS),
        (["T,1,LOS,8:00:00,7:00:00,,", "T,2,ABV,18:30:00,,,"], Code.TIMES_BACKWARDS),
        (["T,1,LOS,,,,", "T,2,ABV,18:30:00,,,"], Code.TIMES_MISSING),
        (["T,1,LOS,8:00:00,,,", "T,2,ABV,,,,"], Code.TIMES_MISSING),
        (["T,1,LOS,8:00:00,8:00:00,,"], Code.TRIP_TOO_SHORT),
        (["T,1,LOS,8:00:00,8:00:00,,", "T,2,XXX,9:00:00,,,"], Code.TRIP_TOO_SHORT),
        (["T,1,LOS,8:00,8:00:00,,", "T,2,ABV,18:30:00,,,"], Code.BAD_STOP_TIME),
        (["T,1,LOS,8:60:00,8:60:00,,", "T,2,ABV,18:30:00,,,"], Code.BAD_STOP_TIME),
        (["T,-1,LOS,8:00:00,8:00:00,,", "T,2,ABV,18:30:00,,,"], Code.BAD_STOP_TIME),
        (["T,1,LOS,8:00:00,8:00:00,1,0", "T,2,ABV,18:30:00,,1,0"], Code.NOBODY_CAN_RIDE),
        (["T,1,LOS,8:00:00,8:00:00,0,1", "T,2,ABV,18:30:00,,0,1"], Code.NOBODY_CAN_RIDE),
        (["T,1,LOS,8:00:00,8:00:00,1,0", "T,2,ABV,18:30:00,,0,1"], Code.NOBODY_CAN_RIDE),
        (["U,1,LOS,8:00:00,8:00:00,,"], Code.TRIP_WITHOUT_TIMES),
    ],
)
def test_a_trip_that_makes_no_journey_is_left_out_with_its_reason(
    tmp_path: Path, rows: list[str], code: Code
):
    feed, _ = read(tmp_path, stop_times(*rows))
    assert feed.trips == ()
    assert [(left.trip_id, left.code) for left in feed.left_out] == [("T", code)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"trips.txt": "route_id,service_id,trip_id\nX,daily,T\n"}, Code.TRIP_WITHOUT_ROUTE),
        ({"trips.txt": "route_id,service_id,trip_id\nR,never,T\n"}, Code.TRIP_WITHOUT_SERVICE),
        (
            {"agency.txt": "agency_id,agency_name,agency_timezone\nA,Kiti,Africa/Nowhere\n"},
            Code.AGENCY_ZONE_UNKNOWN,
        ),
        (
            {
                "frequencies.txt": (
                    "trip_id,start_time,end_time,headway_secs\nT,6:00:00,9:00:00,600\n"
                )
            },
            Code.FREQUENCY_NOT_EXACT,
        ),
    ],
)
def test_a_trip_that_refers_to_nothing_is_left_out(
    tmp_path: Path, changes: dict[str, str | bytes | None], code: Code
):
    feed, _ = read(tmp_path, changes)
    assert feed.trips == ()
    assert [left.code for left in feed.left_out] == [code]


def test_blank_times_are_spread_evenly_between_the_known_ones(tmp_path: Path):
    feed, report = read(
        tmp_path,
        {
            "stops.txt": "stop_id,stop_name\nA,A\nB,B\nC,C\nD,D\nE,E\n",
            **stop_times(
                "T,1,A,8:00:00,8:00:00,,", "T,2,B,,,,", "T,3,C,,,,", "T,4,D,9:30:00,9:40:00,,",
                "T,5,E,,10:00:00,,",
            ),
        },
    )  # fmt: skip
    calls = the_trip(feed).pattern.calls
    assert [(call.arrival_s, call.departure_s) for call in calls] == [
        (0, 0), (1800, 1800), (3600, 3600), (5400, 6000), (7200, 7200),
    ]  # fmt: skip
    assert all(before.departure_s <= after.arrival_s for before, after in pairwise(calls))
    assert report.count(Code.TIMES_INTERPOLATED) == 2


def test_pickups_and_drop_offs_are_obeyed_and_arrangements_are_not_sold(tmp_path: Path):
    feed, report = read(
        tmp_path,
        stop_times(
            "T,1,LOS,8:00:00,8:00:00,0,1",
            "T,2,IBA,10:00:00,10:00:00,1,0",
            "T,3,ABV,18:30:00,,2,",
        ),
    )
    pattern = the_trip(feed).pattern
    assert [(call.pickup, call.drop_off) for call in pattern.calls] == [
        (True, False), (False, True), (False, True),
    ]  # fmt: skip
    assert list(pattern.segments()) == [(0, 1), (0, 2)]
    assert report.count(Code.PICKUP_BY_ARRANGEMENT) == 1


def test_exact_frequencies_run_at_each_headway_until_before_their_end(tmp_path: Path):
    feed, report = read(
        tmp_path,
        {
            "frequencies.txt": (
                "trip_id,start_time,end_time,headway_secs,exact_times\n"
                "T,22:00:00,24:00:00,3600,1\nT,06:00:00,06:30:00,900,1\nT,6:15:00,6:30:00,900,1\n"
                "T,12:00:00,13:00:00,600,0\nT,12:00:00,13:00:00,0,1\n"
            )
        },
    )
    assert list(the_trip(feed).departures()) == [
        ("T@06:00:00", 21600), ("T@06:15:00", 22500), ("T@22:00:00", 79200), ("T@23:00:00", 82800),
    ]  # fmt: skip
    assert the_trip(feed).runs_a_day == 4
    assert report.count(Code.FREQUENCY_TWICE) == 1
    assert report.count(Code.BAD_FREQUENCY) == 1


def test_a_departure_that_would_be_called_as_another_trip_is_left_out(tmp_path: Path):
    times = FILES["stop_times.txt"]
    feed, report = read(
        tmp_path,
        {
            "trips.txt": FILES["trips.txt"] + "R,daily,T@06:05:00\nR,daily,T@07:05:00\n"
            "R,daily,U\nR,daily,U@09:00:00\nR,daily,U@9:30:00\n",
            "stop_times.txt": times
            + "".join(
                line.replace("T,", f"{name},", 1) + "\n"
                for name in ("T@06:05:00", "T@07:05:00", "U", "U@09:00:00", "U@9:30:00")
                for line in times.splitlines()[1:]
            ),
            # T@07:05:00 runs by its frequencies, and so under no name of its own.
            "frequencies.txt": (
                "trip_id,start_time,end_time,headway_secs,exact_times\n"
                "T,06:05:00,07:06:00,1800,1\nT@07:05:00,10:00:00,11:00:00,3600,1\n"
                "U,09:00:00,09:10:00,1800,1\n"
            ),
        },
    )
    assert sorted(code for trip in feed.trips for code, _ in trip.departures()) == [
        "T@06:05:00",
        "T@06:35:00",
        "T@07:05:00",
        "T@07:05:00@10:00:00",
        "U@09:00:00",
        "U@9:30:00",
    ]
    assert [(one.trip_id, one.code, one.runs_a_day) for one in feed.left_out] == [
        ("T", Code.FREQUENCY_CODE_TAKEN, 1),
        ("U", Code.FREQUENCY_CODE_TAKEN, 1),
    ]
    # What the report counts is what is written: each code once.
    day = date(2026, 11, 23)
    plan = make_plan(feed, Window(day, day), shift=None, today=day, report=report)
    assert plan.runs_count() == len({run.code for run in plan.runs()}) == 6
    assert report.runs_in_calendar == 8
    assert report.findings[Code.FREQUENCY_CODE_TAKEN].runs == 2


def test_more_departures_than_a_city_has_are_refused_at_once(tmp_path: Path):
    rows = "T,0:00:00,24:00:00,10,1\n" * 24
    with pytest.raises(NotAFeed, match="over 200,000 departures a day"):
        read(
            tmp_path,
            {"frequencies.txt": (f"trip_id,start_time,end_time,headway_secs,exact_times\n{rows}")},
        )


def test_a_frequency_speaks_of_the_first_stop_even_when_that_was_left_out(tmp_path: Path):
    feed, _ = read(
        tmp_path,
        {
            **stop_times("T,1,XXX,0:00:00,0:00:00,,", "T,2,IBA,0:10:00,,,", "T,3,ABV,1:00:00,,,"),
            "frequencies.txt": (
                "trip_id,start_time,end_time,headway_secs,exact_times\nT,6:00:00,6:01:00,60,1\n"
            ),
        },
    )
    assert list(the_trip(feed).departures()) == [("T@06:00:00", 6 * 3600 + 600)]


def test_calendars_and_exceptions_make_services(tmp_path: Path):
    feed, report = read(
        tmp_path,
        {
            "calendar.txt": FILES["calendar.txt"]
            + "weekend,0,0,0,0,0,1,1,20260601,20260630\nbad,1,1,1,1,1,1,1,20260231,20261231\n"
            + "maybe,2,1,1,1,1,1,1,20260101,20261231\ndaily,0,0,0,0,0,0,0,20260101,20261231\n",
            "calendar_dates.txt": (
                "service_id,date,exception_type\nweekend,20260606,2\nweekend,20260801,1\n"
                "only,20261225,1\nweekend,20260606,1\nweekend,20260607,3\n"
            ),
        },
    )
    weekend = feed.services["weekend"]
    assert weekend.dates(date(2026, 6, 1), date(2026, 8, 31)) == [
        date(2026, 6, day) for day in (7, 13, 14, 20, 21, 27, 28)
    ] + [date(2026, 8, 1)]
    assert feed.services["only"].dates(date(2026, 1, 1), date(2026, 12, 31)) == [date(2026, 12, 25)]
    assert set(feed.services) == {"daily", "weekend", "only"}
    assert feed.services["daily"].runs_on(date(2026, 3, 3))
    assert report.count(Code.BAD_SERVICE) == 2
    assert report.count(Code.DUPLICATE_ID) == 1
    assert report.count(Code.EXCEPTION_TWICE) == 1
    assert report.count(Code.BAD_EXCEPTION) == 1


def test_duplicates_and_rows_without_id_are_counted_and_the_first_counts(tmp_path: Path):
    feed, report = read(
        tmp_path,
        {
            "stops.txt": FILES["stops.txt"] + "LOS,Other,1,1,\n,Nameless,1,1,\nBAD,Bad,91,0,\n",
            "routes.txt": FILES["routes.txt"] + "R,A,Other,4\nQ,Z,,4\n",
        },
    )
    assert feed.stops["LOS"].name == "Lagos"
    assert feed.stops["BAD"].latitude is None
    assert feed.routes["R"].mode == "BUS"
    assert (feed.routes["Q"].agency_id, feed.routes["Q"].name) == ("A", "Q")
    assert {code: finding.count for code, finding in report.findings.items()} == {
        Code.DUPLICATE_ID: 2,
        Code.BAD_ROW: 1,
        Code.BAD_COORDINATES: 1,
        Code.ROUTE_AGENCY_UNKNOWN: 1,
        Code.NAME_MISSING: 1,
        Code.STOP_UNUSED: 1,
    }


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("0", "RAIL"), ("1", "RAIL"), ("2", "RAIL"), ("3", "BUS"), ("4", "FERRY"), ("7", "OTHER"),
        ("11", "BUS"), ("12", "RAIL"), ("102", "RAIL"), ("204", "BUS"), ("715", "BUS"),
        ("1000", "FERRY"), ("1100", "OTHER"), ("", "OTHER"), ("bus", "OTHER"),
    ],
)  # fmt: skip
def test_plain_and_extended_route_types_have_a_mode(tmp_path: Path, kind: str, mode: str):
    feed, _ = read(tmp_path, {"routes.txt": f"route_id,agency_id,route_type\nR,A,{kind}\n"})
    assert feed.routes["R"].mode == mode


def test_an_agency_without_id_is_the_only_one(tmp_path: Path):
    feed, _ = read(
        tmp_path,
        {
            "agency.txt": "agency_name,agency_timezone\nSolo,Africa/Accra\n",
            "routes.txt": "route_id,route_short_name,route_long_name,route_type\nR,12,Coast,3\n",
        },
    )
    assert feed.zone_of("R") == "Africa/Accra"
    assert feed.routes["R"].name == "12 Coast"
    assert len(feed.trips) == 1
