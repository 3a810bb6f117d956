"""Service dates to instants, beside a search over the minutes of the clock on the wall."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed_make import FILES, read
from kiti.network.times import instant_of, wall_instant_of
from kiti.timetable.model import Window
from kiti.timetable.planner import make_plan
from kiti.timetable.report import Report

# Two without a change of clocks, one of an hour, one of half an hour, one at midnight, and one that
# changes four times a year.
ZONES = [
    "Africa/Lagos", "Africa/Nairobi", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo",
    "Africa/Casablanca",
]  # fmt: skip
FIRST, LAST = date(2026, 1, 1), date(2027, 12, 31)
DAYS = st.dates(FIRST, LAST)
CALENDAR = FILES["calendar.txt"].splitlines()[0]


def noon_by_the_wall(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which the wall shows noon, by looking at every quarter of an hour."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=15)
    for quarter in range(4 * 54):
        at = start + timedelta(minutes=15 * quarter)
        wall = at.astimezone(zone)
        if (wall.date(), wall.hour, wall.minute) == (day, 12, 0):
            return at
    raise AssertionError(f"no noon on {day} in {zone}")


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(DAYS, DAYS, st.tuples(*[st.booleans()] * 7)), min_size=1, max_size=3),
    st.dictionaries(st.tuples(st.integers(0, 3), DAYS), st.booleans(), max_size=6),
    st.tuples(st.sampled_from(ZONES), st.integers(0, 40 * 3600)),
    st.tuples(DAYS, st.integers(1, 40)),
)
def test_any_timetable_runs_when_a_brute_force_says(
    tmp_path_factory: pytest.TempPathFactory,
    calendars: list[tuple[date, date, tuple[bool, ...]]],
    exceptions: dict[tuple[int, date], bool],
    departure: tuple[str, int],
    days: tuple[date, int],
):
    (timezone, departure_s), (first, length) = departure, days
    clock = f"{departure_s // 3600}:{departure_s // 60 % 60:02}:{departure_s % 60:02}"
    services = range(len(calendars))
    used = {key: is_added for key, is_added in exceptions.items() if key[0] in services}
    feed, report = read(
        tmp_path_factory.mktemp("instants"),
        {
            "agency.txt": f"agency_id,agency_name,agency_timezone\nA,Kiti,{timezone}\n",
            "calendar.txt": "\n".join(
                [CALENDAR]
                + [
                    f"s{at},{','.join(str(int(is_on)) for is_on in weekdays)},"
                    f"{start:%Y%m%d},{end:%Y%m%d}"
                    for at, (start, end, weekdays) in enumerate(calendars)
                ]
            ),
            "calendar_dates.txt": "service_id,date,exception_type\n"
            + "".join(f"s{at},{day:%Y%m%d},{2 - is_on}\n" for (at, day), is_on in used.items()),
            "trips.txt": "route_id,service_id,trip_id\n"
            + "".join(f"R,s{at},t{at}\n" for at in services),
            "stop_times.txt": "trip_id,stop_sequence,stop_id,arrival_time,departure_time\n"
            + "".join(f"t{at},1,LOS,{clock},{clock}\nt{at},2,ABV,60:00:00,\n" for at in services),
        },
    )  # fmt: skip
    window = Window(first, first + timedelta(days=length - 1))
    plan = make_plan(feed, window, shift=None, today=first, report=report)
    zone = ZoneInfo(timezone)
    wanted = {
        (f"t{at}", day, noon_by_the_wall(day, zone) - timedelta(hours=12, seconds=-departure_s))
        for at, (start, end, weekdays) in enumerate(calendars)
        for day in (first + timedelta(days=n) for n in range(length))
        if used.get((at, day), start <= day <= end and weekdays[day.weekday()])
    }
    assert {(run.code, run.service_date, run.starts_at) for run in plan.runs()} == wanted
    assert plan.runs_count() == len(wanted)


@pytest.mark.parametrize("timezone", ZONES)
def test_from_noon_on_the_timetable_reads_as_the_wall_does_on_every_day(
    tmp_path_factory: pytest.TempPathFactory, timezone: str
):
    feed, _ = read(
        tmp_path_factory.mktemp("wall"),
        {
            "agency.txt": f"agency_id,agency_name,agency_timezone\nA,Kiti,{timezone}\n",
            "stop_times.txt": (
                "trip_id,stop_sequence,stop_id,arrival_time,departure_time\n"
                "T,1,LOS,15:30:00,15:30:00\nT,2,ABV,60:00:00,\n"
            ),
        },
    )
    plan = make_plan(feed, Window(FIRST, LAST), shift=None, today=FIRST, report=Report("wall"))
    walls = [run.starts_at.astimezone(ZoneInfo(timezone)) for run in plan.runs()]
    assert len(walls) == 730
    assert {(wall.hour, wall.minute) for wall in walls} == {(15, 30)}
    assert [wall.date() for wall in walls] == [run.service_date for run in plan.runs()]


@pytest.mark.parametrize(
    ("day", "clock", "wall", "hours_off"),
    [
        # Spring: 02:00 to 03:00 is not on the wall. What is before noon and after it reads right.
        (date(2026, 3, 29), "03:00:00", "2026-03-29T03:00:00+02:00", 0),
        (date(2026, 3, 29), "02:30:00", "2026-03-29T01:30:00+01:00", -1),
        # Autumn: 02:00 to 03:00 is there twice; the second one is 2:30, the first one 1:30.
        (date(2026, 10, 25), "02:30:00", "2026-10-25T02:30:00+01:00", 0),
        (date(2026, 10, 25), "01:30:00", "2026-10-25T02:30:00+02:00", 1),
        # A night coach over the change keeps its hours on the road, and the wall shows one more.
        (date(2026, 3, 28), "26:30:00", "2026-03-29T03:30:00+02:00", 1),
        (date(2026, 10, 24), "26:30:00", "2026-10-25T02:30:00+02:00", 0),
    ],
)
def test_around_the_change_of_clocks(
    tmp_path_factory: pytest.TempPathFactory, day: date, clock: str, wall: str, hours_off: int
):
    feed, _ = read(
        tmp_path_factory.mktemp("change"),
        {
            "agency.txt": "agency_id,agency_name,agency_timezone\nA,Kiti,Europe/Berlin\n",
            "stop_times.txt": (
                "trip_id,stop_sequence,stop_id,arrival_time,departure_time\n"
                f"T,1,LOS,{clock},{clock}\nT,2,ABV,60:00:00,\n"
            ),
        },
    )
    plan = make_plan(feed, Window(day, day), shift=None, today=day, report=Report("change"))
    [run] = plan.runs()
    shown = run.starts_at.astimezone(ZoneInfo("Europe/Berlin"))
    assert shown.isoformat() == wall
    hours, minutes, _ = (int(part) for part in clock.split(":"))
    told = hours % 24 * 60 + minutes
    assert shown.hour * 60 + shown.minute - told == hours_off * 60


@settings(deadline=None, max_examples=300)
@given(DAYS, st.integers(0, 48 * 60), st.sampled_from(ZONES))
def test_a_time_on_the_wall_is_the_first_instant_that_shows_it_or_a_later_one(
    day: date, minutes: int, timezone: str
):
    """Beside a look at the wall every minute, from a day before on."""
    zone = ZoneInfo(timezone)
    shown = datetime.combine(day, time()) + timedelta(minutes=minutes)
    utc = shown.replace(tzinfo=UTC)
    first = next(
        at
        for at in (utc + timedelta(minutes=n) for n in range(-13 * 60, 3 * 60))
        if at.astimezone(zone).replace(tzinfo=None) >= shown
    )
    at = wall_instant_of(day, minutes * 60, timezone)
    assert (at, at.tzinfo) == (first, UTC)
    # Where a time is shown once, by both ways of counting, they agree but on the days of a change.
    local = at.astimezone(zone)
    midnight, noon = (datetime(day.year, day.month, day.day, hour, tzinfo=zone) for hour in (0, 12))
    if midnight.utcoffset() == noon.utcoffset() == local.utcoffset():
        assert at == instant_of(day, minutes * 60, timezone)


@pytest.mark.parametrize(
    ("day", "seconds", "timezone", "shown"),
    [
        (date(2027, 3, 28), 1800, "Europe/Berlin", "2027-03-28T00:30:00+01:00"),
        (date(2027, 3, 27), 24 * 3600 + 1800, "Europe/Berlin", "2027-03-28T00:30:00+01:00"),
        (date(2027, 3, 27), 32 * 3600, "Europe/Berlin", "2027-03-28T08:00:00+02:00"),
        (date(2027, 3, 28), 9000, "Europe/Berlin", "2027-03-28T03:00:00+02:00"),
        (date(2027, 10, 31), 9000, "Europe/Berlin", "2027-10-31T02:30:00+02:00"),
        # Clocks that skip midnight, and one that skipped a whole day.
        (date(2027, 4, 30), 600, "Africa/Cairo", "2027-04-30T01:00:00+03:00"),
        (date(2011, 12, 30), 3600, "Pacific/Apia", "2011-12-31T00:00:00+14:00"),
    ],
)
def test_what_a_clerk_means_when_the_clocks_change(
    day: date, seconds: int, timezone: str, shown: str
):
    at = wall_instant_of(day, seconds, timezone)
    assert at.astimezone(ZoneInfo(timezone)).isoformat() == shown
