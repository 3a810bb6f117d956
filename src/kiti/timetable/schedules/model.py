"""Words of schedules: departures kept as rules, and how a new set of rules replaces the old."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final
from uuid import UUID

from kiti.platform.errors import Invalid, NotFound
from kiti.timetable.schedules.calendar import Calendar

DAYS_AHEAD: Final = 60
DAYS_AHEAD_MAX: Final = 732
DEPARTURE_S_MAX: Final = 864_000


class NoSuchSchedule(NotFound):
    """There is no schedule of this code."""


class HolidayInvalid(Invalid):
    """A holiday belongs to a country or to an operator, and has a name."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One departure as a rule. `code` is what its trips are known by within the feed.

    `departure_s` is a time of the service date on the clock of `timezone`, over 86400 the next
    day's (`wall_instant_of`).
    """

    code: str
    operator_id: UUID
    pattern_id: UUID
    layout_id: UUID
    fare_table_id: UUID
    calendar: Calendar
    departure_s: int
    timezone: str
    sales_close_minutes: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """A rule in force on the service dates of `[valid_from, valid_until)`; None: for good."""

    schedule_id: UUID
    feed: str
    rule: Rule
    valid_from: date
    valid_until: date | None

    def is_in_force(self, day: date) -> bool:
        """Whether the rule holds on this service date."""
        return self.valid_from <= day and (self.valid_until is None or day < self.valid_until)


@dataclass(frozen=True, slots=True)
class Replacement:
    """What a new set of rules does to the schedules on file.

    `ended` get `valid_until`; `dropped` never came into force by then; `begun` are new rows;
    `kept` go on as they are.
    """

    day: date
    kept: tuple[Schedule, ...]
    ended: tuple[Schedule, ...]
    dropped: tuple[Schedule, ...]
    begun: tuple[Rule, ...]

    @property
    def new_codes(self) -> list[str]:
        """Codes that begin and were not in force the day before, in order."""
        return sorted(self._begun - self._over)

    @property
    def changed_codes(self) -> list[str]:
        """Codes whose rule becomes another."""
        return sorted(self._begun & self._over)

    @property
    def gone_codes(self) -> list[str]:
        """Codes that end and have no rule any more."""
        return sorted(self._over - self._begun - {one.rule.code for one in self.kept})

    @property
    def _begun(self) -> set[str]:
        return {rule.code for rule in self.begun}

    @property
    def _over(self) -> set[str]:
        return {one.rule.code for one in (*self.ended, *self.dropped)}


def replace_from(on_file: Iterable[Schedule], rules: Sequence[Rule], day: date) -> Replacement:
    """Make `rules` all that is in force from `day` on; what is in force before stays.

    A schedule that says the same and has no end goes on. A change planned for after `day` is
    dropped: the rules given are the whole truth from `day` on.
    """
    # By code, for calendars hold dates and make no key.
    wanted: dict[str, list[Rule]] = {}
    for rule in rules:
        wanted.setdefault(rule.code, []).append(rule)
    kept: list[Schedule] = []
    ended: list[Schedule] = []
    dropped: list[Schedule] = []
    for schedule in on_file:
        if schedule.valid_until is not None and schedule.valid_until <= day:
            continue
        same = wanted.get(schedule.rule.code, [])
        if schedule.valid_until is None and schedule.valid_from <= day and schedule.rule in same:
            same.remove(schedule.rule)
            kept.append(schedule)
        elif schedule.valid_from >= day:
            dropped.append(schedule)
        else:
            ended.append(replace(schedule, valid_until=day))
    begun = tuple(rule for of_code in wanted.values() for rule in of_code)
    return Replacement(day, tuple(kept), tuple(ended), tuple(dropped), begun)


@dataclass(frozen=True, slots=True)
class Holiday:
    """A public holiday of a country, or one of an operator alone (then `country` is None)."""

    holiday_on: date
    name: str
    country: str | None
    operator: str | None
