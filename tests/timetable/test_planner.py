from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed_make import FILES, read
from kiti.timetable.gtfs.model import Service
from kiti.timetable.model import BadWindow, Shift, Window, window_of
from kiti.timetable.planner import Plan, make_plan, runs_by_day
from kiti.timetable.remarks import Code
from kiti.timetable.report import Report

MONDAY = date(2026, 11, 23)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAYS = st.dates(date(2026, 10, 1), date(2027, 2, 28))
SERVICES = st.builds(
    Service,
    service_id=st.just("S"),
    weekdays=st.tuples(*[st.booleans()] * 7),
    starts_on=DAYS,
    ends_on=DAYS,
    added=st.frozensets(DAYS, max_size=6),
    removed=st.frozensets(DAYS, max_size=6),
)


def runs_by_brute_force(service: Service, day: date) -> bool:
    """GTFS in the words of its reference, not in those of the code."""
    if day in service.added:
        return True
    if day in service.removed:
        return False
    assert service.starts_on is not None
    assert service.ends_on is not None
    inside = service.starts_on.toordinal() <= day.toordinal() <= service.ends_on.toordinal()
    names = [name for name, on in zip(WEEKDAYS, service.weekdays, strict=True) if on]
    return inside and day.strftime("%A").lower() in names


def every_day(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


@given(SERVICES, DAYS, st.integers(0, 90))
def test_any_calendar_expands_to_the_dates_of_a_brute_force(
    service: Service, first: date, length: int
):
    last = first + timedelta(days=length)
    wanted = [day for day in every_day(first, last) if runs_by_brute_force(service, day)]
    assert service.dates(first, last) == wanted


@settings(deadline=None)
@given(st.lists(st.tuples(SERVICES, st.integers(0, 300)), max_size=4))
def test_runs_by_day_count_the_same_as_a_brute_force(loads: list[tuple[Service, int]]):
    first, counts = runs_by_day(loads)
    found = {first + timedelta(days=at): runs for at, runs in enumerate(counts) if runs}
    wanted = {
        day: sum(runs for service, runs in loads if runs_by_brute_force(service, day))
        for day in every_day(date(2026, 9, 20), date(2027, 3, 10))
    }
    assert found == {day: runs for day, runs in wanted.items() if runs}


def test_a_calendar_of_centuries_is_cut_not_refused():
    forever = Service("S", (True,) * 7, date(1, 1, 1), date(9999, 12, 31))
    first, counts = runs_by_day([(forever, 2)])
    assert set(counts) == {2}
    assert len(counts) == (date(2200, 12, 31) - first).days + 1


def calendar(rows: str) -> dict[str, str | bytes | None]:
    header = FILES["calendar.txt"].splitlines()[0]
    trips = [row.split(",")[0] for row in rows.split()]
    return {
        "calendar.txt": "\n".join([header, *rows.split()]),
        "trips.txt": "route_id,service_id,trip_id\n"
        + "".join(f"R,{name},{name}\n" for name in trips),
        "stop_times.txt": "trip_id,stop_sequence,stop_id,arrival_time,departure_time\n"
        + "".join(
            f"{name},1,LOS,8:00:00,8:00:00\n{name},2,ABV,18:00:00,18:00:00\n" for name in trips
        ),
    }


def plan_of(
    folder: Path,
    changes: dict[str, str | bytes | None],
    *,
    window: Window,
    shift: Shift | None = None,
    today: date = MONDAY,
) -> tuple[Plan, Report]:
    feed, report = read(folder, changes)
    return make_plan(feed, window, shift=shift, today=today, report=report), report


def keys(plan: Plan) -> set[tuple[str, date]]:
    return {(run.code, run.service_date) for run in plan.runs()}


def test_trips_run_on_the_dates_of_their_service_and_the_rest_is_counted(tmp_path: Path):
    window = Window(MONDAY, MONDAY + timedelta(days=6))
    plan, report = plan_of(
        tmp_path,
        calendar("wed,0,0,1,0,0,0,0,20260101,20291231 gone,1,1,1,1,1,1,1,20250101,20251231"),
        window=window,
    )
    assert keys(plan) == {("wed", date(2026, 11, 25))}
    assert plan.runs_count() == report.runs_in_calendar == 1
    assert report.findings[Code.NOT_IN_WINDOW].examples == ["gone"]


def test_what_left_out_trips_would_have_run_is_counted(tmp_path: Path):
    changes = calendar("ok,1,1,1,1,1,0,0,20260101,20291231 bad,1,1,1,1,1,0,0,20260101,20291231")
    changes["stop_times.txt"] = str(changes["stop_times.txt"]).replace(
        "bad,2,ABV,18:00:00,18:00:00", "bad,2,ABV,7:00:00,7:00:00"
    )
    plan, report = plan_of(tmp_path, changes, window=Window(MONDAY, MONDAY + timedelta(days=13)))
    finding = report.findings[Code.TIMES_BACKWARDS]
    assert (finding.count, finding.runs) == (1, 10)
    assert plan.runs_count() == 10
    assert report.runs_in_calendar == plan.runs_count() + finding.runs


@pytest.mark.parametrize("asked", [date(2019, 5, 6), date(2019, 5, 9), date(2019, 5, 12)])
@pytest.mark.parametrize("today", [MONDAY, date(2026, 11, 26), date(2026, 11, 29)])
def test_shift_makes_the_week_of_a_date_this_week(tmp_path: Path, asked: date, today: date):
    window = Window(MONDAY - timedelta(days=7), MONDAY + timedelta(days=20))
    changes = calendar("mon,1,0,0,0,0,0,0,20190506,20190506 sun,0,0,0,0,0,0,1,20190501,20190519")
    plan, report = plan_of(tmp_path, changes, window=window, shift=asked, today=today)
    assert keys(plan) == {
        ("mon", MONDAY),
        ("sun", date(2026, 11, 22)),
        ("sun", date(2026, 11, 29)),
        ("sun", date(2026, 12, 6)),
    }
    assert report.shift_weeks == (MONDAY - date(2019, 5, 6)).days // 7


def test_shift_moves_exceptions_too(tmp_path: Path):
    changes = calendar("wk,1,1,1,1,1,0,0,20190506,20190510")
    changes["calendar_dates.txt"] = (
        "service_id,date,exception_type\nwk,20190508,2\nwk,20190512,1\nwk,20190420,1\n"
    )
    plan, _ = plan_of(
        tmp_path,
        changes,
        window=Window(MONDAY, MONDAY + timedelta(days=6)),
        shift=date(2019, 5, 6),
    )
    days = sorted(run.service_date.day for run in plan.runs())
    assert days == [23, 24, 26, 27, 29]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(SERVICES, st.integers(1, 5)), min_size=1, max_size=4),
    st.integers(0, 6),
    st.integers(1, 40),
)
def test_the_fullest_shift_is_the_best_of_all_shifts(
    tmp_path_factory: pytest.TempPathFactory,
    loads: list[tuple[Service, int]],
    weekday: int,
    length: int,
):
    first = date(2024, 5, 6) + timedelta(days=weekday)
    window = Window(first, first + timedelta(days=length - 1))
    changes = _feed_of(loads)
    folder = tmp_path_factory.mktemp("feed")
    plan, report = plan_of(folder, changes, window=window, shift="fullest", today=first)
    counts = {
        day: sum(runs for service, runs in loads if runs_by_brute_force(service, day))
        for day in every_day(date(2026, 9, 20), date(2027, 3, 10))
    }
    best = max(
        sum(counts.get(day, 0) for day in window.moved(-7 * weeks).dates())
        for weeks in range(-160, 20)
    )
    assert plan.runs_count() == best
    assert best == 0 or report.shift_weeks < 0


def _feed_of(loads: list[tuple[Service, int]]) -> dict[str, str | bytes | None]:
    """A feed with so many trips of each service."""
    rows: list[str] = []
    dates = ["service_id,date,exception_type"]
    trips = ["route_id,service_id,trip_id"]
    times = ["trip_id,stop_sequence,stop_id,arrival_time,departure_time"]
    for number, (service, runs) in enumerate(loads):
        assert service.starts_on is not None
        assert service.ends_on is not None
        on = ",".join(str(int(is_on)) for is_on in service.weekdays)
        rows.append(f"s{number},{on},{service.starts_on:%Y%m%d},{service.ends_on:%Y%m%d}")
        dates += [f"s{number},{day:%Y%m%d},1" for day in service.added]
        dates += [f"s{number},{day:%Y%m%d},2" for day in service.removed - service.added]
        for run in range(runs):
            trips.append(f"R,s{number},s{number}-{run}")
            times += [f"s{number}-{run},1,LOS,8:00:00,", f"s{number}-{run},2,ABV,9:00:00,"]
    return {
        "calendar.txt": "\n".join([FILES["calendar.txt"].splitlines()[0], *rows]),
        "calendar_dates.txt": "\n".join(dates),
        "trips.txt": "\n".join(trips),
        "stop_times.txt": "\n".join(times),
    }


def test_of_equally_full_weeks_the_timetable_moves_least(tmp_path: Path):
    window = Window(MONDAY, MONDAY + timedelta(days=6))
    _, report = plan_of(tmp_path, {}, window=window, shift="fullest")
    assert report.shift_weeks == 0


def test_a_shift_out_of_this_world_is_refused(tmp_path: Path):
    with pytest.raises(BadWindow, match="0001-01-01"):
        plan_of(tmp_path, {}, window=Window(MONDAY, MONDAY), shift=date(1, 1, 1))


@pytest.mark.parametrize(
    ("day", "clock", "starts_at"),
    [
        (date(2026, 7, 1), "08:00:00", datetime(2026, 7, 1, 6, tzinfo=UTC)),
        (date(2026, 12, 1), "08:00:00", datetime(2026, 12, 1, 7, tzinfo=UTC)),
        # Clocks go forward at 2:00: what is before counts an hour early by the rule.
        (date(2026, 3, 29), "08:00:00", datetime(2026, 3, 29, 6, tzinfo=UTC)),
        (date(2026, 3, 29), "01:30:00", datetime(2026, 3, 28, 23, 30, tzinfo=UTC)),
        # Clocks go back at 3:00, and 31:55 counts on from the day before.
        (date(2026, 10, 25), "08:00:00", datetime(2026, 10, 25, 7, tzinfo=UTC)),
        (date(2026, 10, 24), "31:55:00", datetime(2026, 10, 25, 5, 55, tzinfo=UTC)),
    ],
)
def test_starts_at_counts_from_noon_minus_twelve_hours_in_the_agency_zone(
    tmp_path: Path, day: date, clock: str, starts_at: datetime
):
    changes: dict[str, str | bytes | None] = {
        "agency.txt": "agency_id,agency_name,agency_timezone\nA,Kiti,Europe/Berlin\n",
        "stop_times.txt": (
            "trip_id,stop_sequence,stop_id,arrival_time,departure_time\n"
            f"T,1,LOS,{clock},{clock}\nT,2,ABV,40:00:00,40:00:00\n"
        ),
    }
    plan, _ = plan_of(tmp_path, changes, window=Window(day, day))
    assert [run.starts_at for run in plan.runs()] == [starts_at]


def test_the_window_is_sixty_days_from_today_and_both_ends_are_in_it():
    assert window_of(None, None, today=MONDAY) == Window(MONDAY, date(2027, 1, 21))
    assert window_of(None, None, today=MONDAY).days == 60
    assert window_of(MONDAY, MONDAY, today=date(2026, 1, 1)).dates() == [MONDAY]
    later = date(2026, 12, 1)
    assert window_of(later, None, today=MONDAY).first == later
    with pytest.raises(BadWindow, match="before --from"):
        window_of(MONDAY, MONDAY - timedelta(days=1), today=MONDAY)
    with pytest.raises(BadWindow, match="at most"):
        window_of(MONDAY, MONDAY + timedelta(days=800), today=MONDAY)
