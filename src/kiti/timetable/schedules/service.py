"""Schedules on file: replaced from a date on, listed, and made into trips some days ahead."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from heapq import nsmallest
from typing import Final
from uuid import UUID

from kiti.network.catalogue import Catalogue
from kiti.network.layout import Layout
from kiti.network.model import Journey, NewTrip
from kiti.network.service import list_journeys
from kiti.network.times import wall_instant_of
from kiti.platform.db import Conn, Database
from kiti.platform.ids import new_id
from kiti.timetable.model import Progress, Window
from kiti.timetable.on_sale import TripToSell
from kiti.timetable.renewal.changes import Changes
from kiti.timetable.renewal.engine import Wanted, bring_in_line, feed_turn
from kiti.timetable.schedules import store, store_holidays
from kiti.timetable.schedules.calendar import Calendar, OnHoliday, dates_of, weekdays_of
from kiti.timetable.schedules.model import (
    NoSuchSchedule,
    Replacement,
    Rule,
    Schedule,
    replace_from,
)

SCHEDULES_MAX: Final = 20_000
LISTED_MAX: Final = 1_000
SHOWN_DAYS: Final = 60
NEXT_SHOWN: Final = 3
LOOKED_AHEAD_DAYS: Final = 366


@dataclass(frozen=True, slots=True)
class Running:
    """A schedule with what its trips also need: legs, and the country whose holidays count.

    `operator_code` is its operator's.
    """

    schedule: Schedule
    n_legs: int
    country: str | None
    operator_code: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A schedule and its next service dates, as far as trips are made ahead."""

    schedule: Schedule
    dates: tuple[date, ...]


async def list_schedules(
    conn: Conn,
    *,
    since: date,
    feed: str | None = None,
    operator_code: str | None = None,
    code: str | None = None,
    limit: int = LISTED_MAX,
) -> list[Running]:
    """Schedules in force on `since` or later, by feed, code and beginning; `limit` at most."""
    rows = await store.list_schedules(
        conn, feed=feed, operator_code=operator_code, code=code, since=since, limit=limit
    )
    exceptions: dict[UUID, dict[date, bool]] = {}
    ids = list({row.calendar_id for row in rows})
    for row in await store.list_exceptions(conn, calendar_ids=ids):
        exceptions.setdefault(row.calendar_id, {})[row.service_date] = row.runs
    return [_running(row, exceptions.get(row.calendar_id, {})) for row in rows]


def _running(row: store.ScheduleRow, exceptions: Mapping[date, bool]) -> Running:
    calendar = Calendar(
        weekdays=weekdays_of(row.weekdays),
        valid_from=row.season_from,
        valid_until=row.season_until,
        on_holiday=OnHoliday(row.on_holiday),
        exceptions=exceptions,
    )
    rule = Rule(
        code=row.code,
        operator_id=row.operator_id,
        pattern_id=row.pattern_id,
        layout_id=row.layout_id,
        fare_table_id=row.fare_table_id,
        calendar=calendar,
        departure_s=row.departure_s,
        timezone=row.timezone,
        sales_close_minutes=row.sales_close_minutes,
    )
    schedule = Schedule(row.schedule_id, row.feed, rule, row.valid_from, row.valid_until)
    return Running(schedule, row.n_legs, row.country, row.operator_code)


async def show_schedules(conn: Conn, code: str, *, today: date) -> list[Shown]:
    """The schedules of this code, with the dates of the next 60 days on which they run.

    Raises:
        NoSuchSchedule: none is in force today or later.
    """
    found = await list_schedules(conn, since=today, code=code)
    if not found:
        raise NoSuchSchedule
    window = Window(today, today + timedelta(days=SHOWN_DAYS - 1))
    holidays = await _holidays(conn, window)
    return [Shown(one.schedule, tuple(sorted(_dates(one, holidays, window)))) for one in found]


async def next_dates(
    conn: Conn, running: Sequence[Running], *, first: date
) -> list[tuple[date, ...]]:
    """The next three service dates of each of these from `first` on, as far as a year ahead."""
    window = Window(first, first + timedelta(days=LOOKED_AHEAD_DAYS))
    holidays = await _holidays(conn, window)
    return [tuple(nsmallest(NEXT_SHOWN, _dates(one, holidays, window))) for one in running]


async def find_replacement(conn: Conn, feed: str, rules: Sequence[Rule], day: date) -> Replacement:
    """What these rules would do to the feed's schedules from `day` on; writes nothing."""
    running = await list_schedules(conn, since=day, feed=feed, limit=SCHEDULES_MAX)
    return replace_from([one.schedule for one in running], rules, day)


async def write_replacement(
    conn: Conn, feed: str, replacement: Replacement, *, days_ahead: int
) -> None:
    """Write it, and how many days ahead the feed's trips are made. The caller has the feed's turn.

    What is on file must be what the replacement was found against.
    """
    await store.upsert_feed(conn, feed=feed, days_ahead=days_ahead)
    await store.delete_schedules(
        conn, schedule_ids=[one.schedule_id for one in replacement.dropped]
    )
    await store.end_schedules(
        conn,
        schedule_ids=[one.schedule_id for one in replacement.ended],
        valid_until=replacement.day,
    )
    rules = replacement.begun
    calendars = await _put_calendars(conn, rules)
    await store.insert_schedules(
        conn,
        feed=feed,
        valid_from=replacement.day,
        schedule_ids=[new_id() for _ in rules],
        calendar_ids=calendars,
        rules=rules,
    )


async def _put_calendars(conn: Conn, rules: Sequence[Rule]) -> list[UUID]:
    """Write the rules' calendars; their ids, in the same order."""
    wanted = {(rule.operator_id, rule.calendar.digest): rule for rule in rules}
    await store.insert_calendars(
        conn,
        calendar_ids=[new_id() for _ in wanted],
        operator_ids=[operator_id for operator_id, _ in wanted],
        rules=list(wanted.values()),
    )
    ids: dict[tuple[UUID, str], UUID] = {}
    for operator_id in {operator_id for operator_id, _ in wanted}:
        digests = [digest for owner, digest in wanted if owner == operator_id]
        for row in await store.list_calendars(conn, operator_id=operator_id, digests=digests):
            ids[operator_id, row.digest] = row.calendar_id
    exceptions = [
        (ids[key], day, runs)
        for key, rule in wanted.items()
        for day, runs in sorted(rule.calendar.exceptions.items())
    ]
    await store.insert_exceptions(
        conn,
        calendar_ids=[calendar_id for calendar_id, _, _ in exceptions],
        dates=[day for _, day, _ in exceptions],
        runs=[runs for _, _, runs in exceptions],
    )
    return [ids[rule.operator_id, rule.calendar.digest] for rule in rules]


async def wanted_trips(
    conn: Conn,
    feed: str,
    running: Iterable[Running],
    window: Window,
    *,
    layouts: Mapping[UUID, Layout] | None = None,
) -> Wanted:
    """The trips that these schedules make on each date of the window.

    Two rules of one code that fall on one date (by a holiday that runs as a Sunday) make one trip:
    of the rule that stands first. `layouts` are those not on file yet.
    """
    holidays = await _holidays(conn, window)
    rows = list(running)
    known = layouts or {}
    missing = {one.schedule.rule.layout_id for one in rows} - known.keys()
    drawn = {**known, **await Catalogue().layouts(conn, missing)}
    journeys = await list_journeys(conn, {one.schedule.rule.pattern_id for one in rows})
    by_date: dict[date, dict[str, Running]] = {day: {} for day in window.dates()}
    for one in rows:
        for day in _dates(one, holidays, window):
            by_date[day].setdefault(one.schedule.rule.code, one)
    return partial(_trips, feed, by_date, drawn, journeys)


def _trips(
    feed: str,
    by_date: Mapping[date, Mapping[str, Running]],
    layouts: Mapping[UUID, Layout],
    journeys: Mapping[UUID, Journey],
    day: date,
) -> Iterator[TripToSell]:
    for code, one in sorted(by_date[day].items()):
        rule = one.schedule.rule
        trip = NewTrip(
            operator_id=rule.operator_id,
            pattern_id=rule.pattern_id,
            layout_id=rule.layout_id,
            fare_table_id=rule.fare_table_id,
            feed=feed,
            code=code,
            service_date=day,
            starts_at=wall_instant_of(day, rule.departure_s, rule.timezone),
        )
        yield TripToSell(
            trip,
            journeys[rule.pattern_id],
            layouts[rule.layout_id],
            one.n_legs,
            rule.sales_close_minutes,
        )


async def make_trips_of(
    db: Database, feed: str, *, days_ahead: int, today: date, progress: Progress
) -> Changes:
    """Bring the feed's trips of today and the days ahead in line with its schedules.

    The schedules on file are the truth: trips they list no more go, sold ones are
    kept for a person. Safe to run at any time, and again.

    Raises:
        FeedBusy: another run of this feed is under way.
    """
    window = Window(today, today + timedelta(days=days_ahead - 1))
    async with feed_turn(db, feed) as turn:
        async with db.connection() as conn:
            running = await list_schedules(conn, since=today, feed=feed, limit=SCHEDULES_MAX)
            wanted = await wanted_trips(conn, feed, running, window)
        return await bring_in_line(
            turn, window=window, wanted=wanted, may_remove=True, progress=progress
        )


async def list_feeds(db: Database) -> list[store.FeedRow]:
    """Every feed of schedules, with how many days ahead its trips are made."""
    async with db.connection() as conn:
        return await store.list_feeds(conn)


Holidays = Callable[[Running], frozenset[date]]


async def _holidays(conn: Conn, window: Window) -> Holidays:
    """The holidays of the window that count for a schedule: its country's and its operator's."""
    of_country: dict[str, set[date]] = {}
    of_operator: dict[UUID, set[date]] = {}
    for row in await store_holidays.list_dates(conn, first=window.first, last=window.last):
        if row.country is not None:
            of_country.setdefault(row.country, set()).add(row.holiday_on)
        elif row.operator_id is not None:
            of_operator.setdefault(row.operator_id, set()).add(row.holiday_on)

    def of(one: Running) -> frozenset[date]:
        country = of_country.get(one.country or "", set())
        return frozenset(country | of_operator.get(one.schedule.rule.operator_id, set()))

    return of


def _dates(one: Running, holidays: Holidays, window: Window) -> frozenset[date]:
    """The schedule's service dates in the window."""
    schedule = one.schedule
    days = dates_of(schedule.rule.calendar, holidays(one), window.first, window.last)
    return frozenset(day for day in days if schedule.is_in_force(day))
