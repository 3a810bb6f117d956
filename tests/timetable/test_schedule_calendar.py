from collections.abc import Sequence
from datetime import date, timedelta
from itertools import product
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from kiti.platform.ids import new_id
from kiti.timetable.schedules.calendar import Calendar, OnHoliday, dates_of, weekdays_of
from kiti.timetable.schedules.model import Rule, Schedule, replace_from

FIRST = date(2026, 11, 1)
days = st.dates(FIRST - timedelta(days=40), FIRST + timedelta(days=120))
calendars = st.builds(
    Calendar,
    weekdays=st.frozensets(st.integers(0, 6)),
    valid_from=st.none() | days,
    valid_until=st.none() | days,
    on_holiday=st.sampled_from(OnHoliday),
    exceptions=st.dictionaries(days, st.booleans(), max_size=8),
)


def runs_on(calendar: Calendar, holidays: frozenset[date], day: date) -> bool:
    """Day by day, as a clerk would go through it."""
    if day in calendar.exceptions:
        return calendar.exceptions[day]
    if calendar.valid_from is not None and day < calendar.valid_from:
        return False
    if calendar.valid_until is not None and day >= calendar.valid_until:
        return False
    weekday = day.weekday()
    if day in holidays and calendar.on_holiday is OnHoliday.NOT:
        return False
    if day in holidays and calendar.on_holiday is OnHoliday.AS_SUNDAY:
        weekday = 6
    return weekday in calendar.weekdays


@given(calendars, st.frozensets(days, max_size=12), days, st.integers(-3, 120))
def test_any_calendar_expands_to_the_dates_of_a_brute_force_day_by_day(
    calendar: Calendar, holidays: frozenset[date], first: date, length: int
):
    last = first + timedelta(days=length)
    brute = {
        day
        for day in (first + timedelta(days=n) for n in range(length + 1))
        if runs_on(calendar, holidays, day)
    }
    assert dates_of(calendar, holidays, first, last) == brute


@given(calendars, calendars)
def test_a_digest_tells_calendars_apart(one: Calendar, other: Calendar):
    assert (one.digest == other.digest) == (one == other)
    assert weekdays_of(one.mask) == one.weekdays


def test_a_calendar_says_itself_in_words():
    assert Calendar().words() == "daily"
    workdays = Calendar(frozenset(range(5)), on_holiday=OnHoliday.NOT)
    assert workdays.words() == "Mon-Fri, not on holidays"
    season = Calendar(
        frozenset({0, 2}), FIRST, FIRST + timedelta(days=30), OnHoliday.AS_SUNDAY, {FIRST: True}
    )
    assert season.words() == (
        "Mon,Wed, from 2026-11-01, until 2026-11-30, holidays as Sunday, also on 2026-11-01"
    )
    without = {FIRST + timedelta(days=n): False for n in range(5)}
    assert Calendar(exceptions=without).words() == (
        "daily, not on 2026-11-01 and 2026-11-02 and 3 more"
    )


def make_rule(code: str, minute: int) -> Rule:
    same = UUID(int=1)
    return Rule(code, same, same, same, same, Calendar(), minute * 60, "Africa/Lagos", 10)


imports = st.lists(
    st.tuples(
        st.integers(0, 12),
        st.dictionaries(st.sampled_from("ABC"), st.integers(0, 2), max_size=3),
    ),
    max_size=6,
)


@given(imports)
def test_any_order_of_changes_leaves_each_date_what_was_said_of_it_last(
    changes: Sequence[tuple[int, dict[str, int]]],
):
    on_file: list[Schedule] = []
    model: dict[date, dict[str, int]] = {}
    for offset, timetable in changes:
        day = FIRST + timedelta(days=offset)
        rules = [make_rule(code, minute) for code, minute in timetable.items()]
        done = replace_from(on_file, rules, day)
        past = [one for one in on_file if one.valid_until is not None and one.valid_until <= day]
        begun = [Schedule(new_id(), "f", rule, day, None) for rule in done.begun]
        on_file = [*past, *done.kept, *done.ended, *begun]
        for n in range(offset, 20):
            model[FIRST + timedelta(days=n)] = timetable
        assert not set(done.new_codes) & set(done.changed_codes)
    for one, n in product([on_file], range(20)):
        day = FIRST + timedelta(days=n)
        in_force = [schedule.rule for schedule in one if schedule.is_in_force(day)]
        said = {rule.code: rule.departure_s // 60 for rule in in_force}
        assert said == model.get(day, {})
        assert len(in_force) == len(said)
    assert all(one.valid_until is None or one.valid_from < one.valid_until for one in on_file)
