"""When a named job is due: `every 5s`, or the five fields of cron in UTC. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_EVERY: Final = re.compile(r"every ([1-9][0-9]{0,4})([smhd])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FIELDS: Final = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12))
_DAYS_MAX: Final = 8 * 366  # 29 February comes back within eight years, over a century's turn too


class ScheduleUnreadable(ValueError):
    """The text is neither `every 5s` nor five fields of cron, or it is never due."""


@dataclass(frozen=True, slots=True)
class Every:
    """Due `seconds` after the start of the run before."""

    seconds: int

    def after(self, instant: datetime) -> datetime:
        """The first due instant after `instant`."""
        return instant + timedelta(seconds=self.seconds)


@dataclass(frozen=True, slots=True)
class Cron:
    """Due at each minute, UTC, that its fields name; weekdays count from 0, Sunday.

    As cron has it: when both the day of the month and the weekday are restricted, either will do.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int] | None
    months: frozenset[int]
    weekdays: frozenset[int] | None

    def after(self, instant: datetime) -> datetime:
        """The first due instant after `instant`.

        Raises:
            ScheduleUnreadable: there is none (30 February).
        """
        first = instant.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        day = first.replace(hour=0, minute=0)
        for _ in range(_DAYS_MAX):
            if self._has_day(day):
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        found = day.replace(hour=hour, minute=minute)
                        if found >= first:
                            return found
            day += timedelta(days=1)
        raise ScheduleUnreadable("never due")

    def _has_day(self, day: datetime) -> bool:
        if day.month not in self.months:
            return False
        is_day = self.days is not None and day.day in self.days
        is_weekday = self.weekdays is not None and day.isoweekday() % 7 in self.weekdays
        if self.days is not None and self.weekdays is not None:
            return is_day or is_weekday
        return is_day or is_weekday or (self.days is None and self.weekdays is None)


Schedule = Every | Cron


def parse_schedule(text: str) -> Schedule:
    """The schedule that `text` writes: `every 15s` (s, m, h or d), or cron's five fields in UTC.

    A field is `*`, `*/n`, `a`, `a-b` or several of these with commas.

    Raises:
        ScheduleUnreadable: it is neither.
    """
    every = _EVERY.fullmatch(text)
    if every is not None:
        return Every(int(every[1]) * _UNITS[every[2]])
    parts = text.split()
    if len(parts) != 5:
        raise ScheduleUnreadable(text)
    minute, hour, day, month = (
        _numbers(part, low, high) for part, (_, low, high) in zip(parts, _FIELDS, strict=False)
    )
    weekdays = frozenset(number % 7 for number in _numbers(parts[4], 0, 7))
    return Cron(
        minutes=minute,
        hours=hour,
        days=None if parts[2] == "*" else day,
        months=month,
        weekdays=None if parts[4] == "*" else weekdays,
    )


def _numbers(field: str, low: int, high: int) -> frozenset[int]:
    """The numbers that one field of cron names, each from `low` to `high`."""
    found: set[int] = set()
    for item in field.split(","):
        match = re.fullmatch(r"(?:\*|([0-9]+)(?:-([0-9]+))?)(?:/([0-9]+))?", item)
        if match is None:
            raise ScheduleUnreadable(field)
        first = low if match[1] is None else int(match[1])
        last = int(match[2]) if match[2] else (high if match[1] is None or match[3] else first)
        step = int(match[3] or 1)
        if not low <= first <= last <= high or step == 0:
            raise ScheduleUnreadable(field)
        found.update(range(first, last + 1, step))
    return frozenset(found)


def period_s(schedule: Schedule, *, now: datetime) -> float:
    """Seconds between the next two due instants."""
    first = schedule.after(now)
    return (schedule.after(first) - first).total_seconds()
