"""Calendars of schedules: weekdays within a season, exceptions, and what holidays do. Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAILY: Final = frozenset(range(7))
_SUNDAY: Final = 6
_WEEK: Final = 7
# So many exceptions are named in words.
_NAMED_MAX: Final = 2


class OnHoliday(StrEnum):
    """What a calendar does on a public holiday that is no exception of its own."""

    AS_USUAL = "AS_USUAL"
    NOT = "NOT"
    AS_SUNDAY = "AS_SUNDAY"


@dataclass(frozen=True, slots=True)
class Calendar:
    """On which service dates something runs.

    On `weekdays` (Monday is 0) of the season `[valid_from, valid_until)`, None where it is open;
    `exceptions` say of single dates, in the season or not, whether it runs, and win over all else.
    """

    weekdays: frozenset[int] = DAILY
    valid_from: date | None = None
    valid_until: date | None = None
    on_holiday: OnHoliday = OnHoliday.AS_USUAL
    exceptions: Mapping[date, bool] = field(default_factory=dict[date, bool])

    @property
    def digest(self) -> str:
        """The same for calendars that say the same."""
        lines = [
            self.mask,
            f"{self.valid_from} {self.valid_until} {self.on_holiday}",
            *(f"{day} {runs:d}" for day, runs in sorted(self.exceptions.items())),
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def mask(self) -> str:
        """The weekdays as `1111100`, Monday first."""
        return "".join("1" if day in self.weekdays else "0" for day in range(_WEEK))

    def words(self) -> str:
        """For a person: `Mon-Fri, until 2026-12-20, not on holidays, not on 2026-12-01`."""
        parts = [_weekday_words(self.weekdays)]
        if self.valid_from is not None:
            parts.append(f"from {self.valid_from}")
        if self.valid_until is not None:
            parts.append(f"until {self.valid_until - timedelta(days=1)}")
        if self.on_holiday is not OnHoliday.AS_USUAL:
            as_sunday = self.on_holiday is OnHoliday.AS_SUNDAY
            parts.append("holidays as Sunday" if as_sunday else "not on holidays")
        for verb, is_on in (("not on", False), ("also on", True)):
            days = sorted(day for day, runs in self.exceptions.items() if runs is is_on)
            named = " and ".join(str(day) for day in days[:_NAMED_MAX])
            more = f" and {len(days) - _NAMED_MAX} more" if len(days) > _NAMED_MAX else ""
            if days:
                parts.append(f"{verb} {named}{more}")
        return ", ".join(parts)


def weekdays_of(mask: str) -> frozenset[int]:
    """The weekdays of `1111100`."""
    return frozenset(day for day, is_on in enumerate(mask) if is_on == "1")


def dates_of(
    calendar: Calendar, holidays: Iterable[date], first: date, last: date
) -> frozenset[date]:
    """The service dates from `first` to `last`, both included; none when `last` is before."""
    begin = first if calendar.valid_from is None else max(first, calendar.valid_from)
    end = last + timedelta(days=1)
    if calendar.valid_until is not None:
        end = min(end, calendar.valid_until)
    runs = {day for weekday in calendar.weekdays for day in _each(weekday, begin, end)}
    if calendar.on_holiday is not OnHoliday.AS_USUAL:
        days = {day for day in holidays if begin <= day < end}
        as_sunday = calendar.on_holiday is OnHoliday.AS_SUNDAY and _SUNDAY in calendar.weekdays
        runs = runs | days if as_sunday else runs - days
    runs |= {day for day, is_on in calendar.exceptions.items() if is_on and first <= day <= last}
    return frozenset(runs - {day for day, is_on in calendar.exceptions.items() if not is_on})


def _each(weekday: int, begin: date, end: date) -> Iterable[date]:
    """This weekday's dates in `[begin, end)`."""
    offset = (weekday - begin.weekday()) % _WEEK
    return (begin + timedelta(days=n) for n in range(offset, (end - begin).days, _WEEK))


def _weekday_words(weekdays: frozenset[int]) -> str:
    if weekdays == DAILY:
        return "daily"
    ordered = sorted(weekdays)
    if len(ordered) > 2 and ordered[-1] - ordered[0] == len(ordered) - 1:
        return f"{WEEKDAYS[ordered[0]]}-{WEEKDAYS[ordered[-1]]}"
    return ",".join(WEEKDAYS[day] for day in ordered) or "no weekday"
