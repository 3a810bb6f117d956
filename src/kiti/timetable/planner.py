"""From calendars to runs: which timetable trips run on which service dates of a window."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Final

from kiti.network.times import instant_of
from kiti.timetable.gtfs.model import Feed, LeftOut, Service, Trip
from kiti.timetable.model import BadWindow, Shift, Window
from kiti.timetable.remarks import Code
from kiti.timetable.report import Report

# Calendars outside these years are cut off: they only bound the search for the fullest week.
_EPOCH: Final = date(1900, 1, 1)
_END: Final = date(2200, 12, 31)
_WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class Run:
    """A timetable trip on one service date: a trip that can be sold. `starts_at` is in UTC."""

    trip: Trip
    code: str
    service_date: date
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What runs in `window`, the timetable moved by `shift_weeks` whole weeks (0: as it stands).

    `trips` are those that run at all in it; `dates` are their services' dates, already moved.
    """

    feed: Feed
    window: Window
    shift_weeks: int
    trips: tuple[Trip, ...]
    dates: Mapping[str, frozenset[date]]

    def runs(self) -> Iterator[Run]:
        """Every run, date after date; nothing is kept, for a window can have millions."""
        for day in self.window.dates():
            yield from self.runs_on(day)

    def runs_on(self, day: date) -> Iterator[Run]:
        """Every run of one service date, the same in the same order each time."""
        midnights: dict[str, datetime] = {}
        for trip in self.trips:
            if day not in self.dates[trip.service_id]:
                continue
            timezone = self.feed.zone_of(trip.pattern.route_id)
            if timezone not in midnights:
                midnights[timezone] = instant_of(day, 0, timezone)
            for code, seconds in trip.departures():
                starts_at = midnights[timezone] + timedelta(seconds=seconds)
                yield Run(trip, code, day, starts_at)

    def count_of(self, trip: Trip | LeftOut) -> int:
        """How many runs a trip has, or would have had, in the window."""
        return trip.runs_a_day * len(self.dates.get(trip.service_id, ()))

    def runs_count(self) -> int:
        """How many runs there are in all."""
        return sum(self.count_of(trip) for trip in self.trips)

    def only(self, is_sold: Callable[[Trip], bool], code: Code, report: Report) -> "Plan":
        """The plan without the trips that cannot be sold after all, each remarked with `code`."""
        for trip in self.trips:
            if not is_sold(trip):
                report.note(code, trip.trip_id, runs=self.count_of(trip))
        return replace(self, trips=tuple(trip for trip in self.trips if is_sold(trip)))


def make_plan(
    feed: Feed,
    window: Window,
    *,
    shift: Shift | None,
    today: date,
    report: Report,
    weeks_before: int | None = None,
) -> Plan:
    """What runs in the window; what does not, and why, goes into the report.

    `shift` moves every calendar and exception by one number of weeks: so that the week of a date
    becomes the week of `today`, or "fullest": so that the most trips run in the window, or by
    `weeks_before`, those of the feed's last import (None: there was none), while they will do.

    Raises:
        BadWindow: the date of `shift` is out of this world.
    """
    weeks = _weeks(feed, window, shift, today, weeks_before)
    source = window.moved(-_WEEK * weeks)
    later = timedelta(weeks=weeks)
    used = {one.service_id for one in (*feed.trips, *feed.left_out)} & feed.services.keys()
    dates = {
        service_id: frozenset(
            day + later for day in feed.services[service_id].dates(source.first, source.last)
        )
        for service_id in used
    }
    running = tuple(trip for trip in feed.trips if dates[trip.service_id])
    plan = Plan(feed, window, weeks, running, dates)
    for left in feed.left_out:
        report.note(left.code, left.trip_id, runs=plan.count_of(left))
    kept = {trip.trip_id for trip in running}
    for trip in feed.trips:
        if trip.trip_id not in kept:
            report.note(Code.NOT_IN_WINDOW, trip.trip_id)
    report.window = window
    report.shift_weeks = weeks
    report.shift_weeks_before = weeks_before
    report.runs_in_calendar = plan.runs_count() + sum(map(plan.count_of, feed.left_out))
    return plan


def _weeks(
    feed: Feed, window: Window, shift: Shift | None, today: date, weeks_before: int | None
) -> int:
    if shift is None:
        return 0
    if shift == "fullest":
        return fullest_shift(feed, window, weeks_before=weeks_before)
    if not _EPOCH <= shift <= _END:
        raise BadWindow(f"--shift {shift}: a date from {_EPOCH} to {_END}")
    return (_monday(today) - _monday(shift)).days // _WEEK


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def fullest_shift(feed: Feed, window: Window, *, weeks_before: int | None = None) -> int:
    """The number of weeks after which the most trips run in the window; of equals the smallest.

    Trips that can be sold count; when there are none, those that were left out. `weeks_before` is
    taken instead while at least half as many trips run then: a trip that is on sale must not be
    compared with another week's only because a few days have gone by.
    """
    weights = _weights(feed.trips) or _weights(feed.left_out)
    loads = [(feed.services[name], runs) for name, runs in weights.items() if name in feed.services]
    begin, per_day = runs_by_day(loads)
    sums = [0, *accumulate(per_day)]
    start = (window.first - begin).days

    def total(weeks: int) -> int:
        first = min(max(start - _WEEK * weeks, 0), len(per_day))
        last = min(max(start - _WEEK * weeks + window.days, 0), len(per_day))
        return sums[last] - sums[first]

    # From the window just past the last day of the counts to the one just before their first.
    weeks = {0, *range((start - len(per_day)) // _WEEK, (start + window.days) // _WEEK + 1)}
    fullest = max(weeks, key=lambda count: (total(count), -abs(count), count))
    if weeks_before is not None and 0 < total(fullest) <= 2 * total(weeks_before):
        return weeks_before
    return fullest


def _weights(trips: Iterable[Trip | LeftOut]) -> dict[str, int]:
    """Runs a day by service."""
    out: dict[str, int] = {}
    for trip in trips:
        out[trip.service_id] = out.get(trip.service_id, 0) + trip.runs_a_day
    return out


def runs_by_day(loads: Sequence[tuple[Service, int]]) -> tuple[date, list[int]]:
    """A first day and the runs from it on, day by day, each service running so often on its dates.

    A calendar of a century costs no more than one of a day: the ends of its weekdays are marked,
    and a sum in steps of a week fills in what is between.
    """
    ends = [day for service, _ in loads for day in _ends(service)]
    if not ends:
        return _EPOCH, []
    first, last = max(min(ends), _EPOCH), min(max(ends), _END)
    days = (last - first).days + 1
    marks = [0] * (days + _WEEK)
    single = [0] * days
    for service, runs in loads:
        _mark_weekdays(marks, service, runs, first)
        for day in service.added | service.removed:
            if first <= day <= last:
                regular = replace(service, added=frozenset(), removed=frozenset()).runs_on(day)
                single[(day - first).days] += runs * (service.runs_on(day) - regular)
    for day in range(_WEEK, days):
        marks[day] += marks[day - _WEEK]
    return first, [marks[day] + single[day] for day in range(days)]


def _ends(service: Service) -> Iterator[date]:
    """Days that all its dates lie between; none when it has no dates within these centuries."""
    yield from (day for day in service.added if _EPOCH <= day <= _END)
    if service.starts_on is not None and service.ends_on is not None:
        first, last = max(service.starts_on, _EPOCH), min(service.ends_on, _END)
        if first <= last:
            yield from (first, last)


def _mark_weekdays(marks: list[int], service: Service, runs: int, origin: date) -> None:
    if service.starts_on is None or service.ends_on is None:
        return
    first, last = max(service.starts_on, _EPOCH), min(service.ends_on, _END)
    for weekday, is_on in enumerate(service.weekdays):
        begin = first + timedelta(days=(weekday - first.weekday()) % _WEEK)
        if is_on and begin <= last:
            at = (begin - origin).days
            marks[at] += runs
            marks[at + ((last - begin).days // _WEEK + 1) * _WEEK] -= runs
