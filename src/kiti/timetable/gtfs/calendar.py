"""calendar.txt and calendar_dates.txt: the dates that trips run on."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Final

from kiti.timetable.gtfs.model import Service
from kiti.timetable.gtfs.rows import Columns
from kiti.timetable.gtfs.source import Source
from kiti.timetable.gtfs.values import to_date
from kiti.timetable.model import NotAFeed
from kiti.timetable.remarks import Code

_CALENDAR: Final = Columns(
    (
        "service_id", "start_date", "end_date", "monday", "tuesday", "wednesday", "thursday",
        "friday", "saturday", "sunday",
    ),
    required=10,
)  # fmt: skip
_DATES: Final = Columns(("service_id", "date", "exception_type"), required=3)
_FEED_INFO: Final = (
    "feed_info.txt",
    Columns(("feed_start_date", "feed_end_date", "feed_publisher_name"), required=0),
)
_ADDED: Final = "1"
_REMOVED: Final = "2"


def read_services(source: Source) -> dict[str, Service]:
    """Every service by id: from its calendar, its exceptions, or both.

    Raises:
        NotAFeed: the feed has neither file, or one cannot be read.
    """
    archive = source.archive
    if not archive.has("calendar.txt") and not archive.has("calendar_dates.txt"):
        raise NotAFeed("the feed has neither calendar.txt nor calendar_dates.txt")
    found = _calendars(source)
    for service_id, days in _exceptions(source).items():
        added = frozenset(day for day, is_added in days.items() if is_added)
        removed = frozenset(day for day, is_added in days.items() if not is_added)
        service = found.get(service_id, Service(service_id))
        found[service_id] = replace(service, added=added, removed=removed)
    _remark_odd_dates(source, found)
    return found


def _remark_odd_dates(source: Source, services: Mapping[str, Service]) -> None:
    """What the calendar says counts; that feed_info.txt says otherwise is worth knowing."""
    starts_on, ends_on = _feed_dates(source)
    for service_id, service in services.items():
        bounds = service.bounds()
        if bounds is None:
            source.report.note(Code.SERVICE_NEVER_RUNS, service_id)
        elif (starts_on and bounds[0] < starts_on) or (ends_on and bounds[1] > ends_on):
            dates = f"{bounds[0]} to {bounds[1]}"
            source.report.note(Code.FEED_DATES_DIFFER, f"{service_id}: {dates}")


def _feed_dates(source: Source) -> tuple[date | None, date | None]:
    """From when to when the feed says that it is complete; None where it does not."""
    rows = [(to_date(start), to_date(end)) for _, (start, end, _) in source.rows(*_FEED_INFO)]
    return rows[0] if rows else (None, None)


def _calendars(source: Source) -> dict[str, Service]:
    found: dict[str, Service] = {}
    for line, (service_id, start, end, *weekdays) in source.rows("calendar.txt", _CALENDAR):
        place = f"calendar.txt line {line}"
        if not source.is_new_id(place, service_id, found):
            continue
        starts_on, ends_on = to_date(start), to_date(end)
        is_readable = all(day in {"0", "1"} for day in weekdays)
        if starts_on is None or ends_on is None or not is_readable:
            source.report.note(Code.BAD_SERVICE, f"{place}: {service_id}")
            continue
        runs = tuple(day == "1" for day in weekdays)
        found[service_id] = Service(service_id, runs, starts_on, ends_on)
    return found


def _exceptions(source: Source) -> dict[str, dict[date, bool]]:
    """By service and day: whether the day is added (else it is removed)."""
    found: dict[str, dict[date, bool]] = {}
    for line, (service_id, text, kind) in source.rows("calendar_dates.txt", _DATES):
        place = f"calendar_dates.txt line {line}"
        day = to_date(text)
        if not service_id or day is None or kind not in {_ADDED, _REMOVED}:
            source.report.note(Code.BAD_EXCEPTION, place)
            continue
        days = found.setdefault(service_id, {})
        if day in days:
            source.report.note(Code.EXCEPTION_TWICE, f"{place}: {service_id} {day}")
            continue
        days[day] = kind == _ADDED
    return found
