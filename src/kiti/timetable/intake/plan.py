"""A spreadsheet's departures as patterns: times of several zones on one scale, days rolled."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import combinations
from typing import Final

from kiti.network.times import zone_of
from kiti.timetable.intake.fares import Pair
from kiti.timetable.intake.places import Stop
from kiti.timetable.schedules.calendar import Calendar
from kiti.timetable.sheets.cells import Mistakes
from kiti.timetable.sheets.model import SheetDeparture, SheetLine
from kiti.timetable.sheets.words import DAY_S

# A leg that only comes about by taking a time for the next day's is sooner a slip.
_ROLLED_LEG_MAX_S: Final = 16 * 3600
_CLOCKS_COMPARED_DAYS: Final = 366


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call by the stop's code; seconds after the departure from the first call."""

    stop: str
    arrival_s: int
    departure_s: int
    pickup: bool
    drop_off: bool


@dataclass(frozen=True, slots=True)
class PlannedDeparture:
    """A departure of a line, its times on the clock of its first stop (`timezone`)."""

    line: SheetLine
    code: str
    calendar: Calendar
    layout: str
    departure_s: int
    timezone: str
    country: str
    calls: tuple[PlannedCall, ...]
    place: str

    def pairs(self) -> Iterator[Pair]:
        """The stops that a passenger may board and then leave at."""
        for board, leave in combinations(self.calls, 2):
            if board.pickup and leave.drop_off and board.stop != leave.stop:
                yield board.stop, leave.stop


def plan_departures(
    lines: Sequence[SheetLine],
    of_line: Sequence[Sequence[Stop]],
    *,
    day: date,
    layout: str,
    mistakes: Mistakes,
) -> list[PlannedDeparture]:
    """Every departure on one scale; what cannot be goes to `mistakes`.

    `of_line` are the stops of each line; `day` is the first date it is for; `layout` is that of a
    departure that names none.
    """
    found: list[PlannedDeparture] = []
    for line, stops in zip(lines, of_line, strict=True):
        if len(stops) < len(line.stops):
            continue
        for departure in line.departures:
            planned = _plan(departure, stops, day, mistakes)
            first = departure.calls[0]
            at = stops[first.stop]
            if planned and not any(call.pickup for call in planned[:-1]):
                mistakes.add(departure.place, "nobody may board anywhere: all stops are “off”")
            elif planned and not any(call.drop_off for call in planned[1:]):
                mistakes.add(departure.place, "nobody may leave anywhere: all stops are “on”")
            elif planned:
                found.append(
                    PlannedDeparture(
                        line=line,
                        code=departure.code,
                        calendar=departure.calendar,
                        layout=departure.layout or layout,
                        departure_s=first.times.departure_s,
                        timezone=at.timezone,
                        country=at.city.country,
                        calls=planned,
                        place=departure.place,
                    )
                )
    return found


def _plan(
    departure: SheetDeparture,
    stops: Sequence[Stop],
    day: date,
    mistakes: Mistakes,
) -> tuple[PlannedCall, ...]:
    """The calls; empty when one cannot be."""
    first = departure.calls[0]
    home = stops[first.stop].timezone
    start = before = first.times.departure_s
    last = len(departure.calls) - 1
    calls: list[PlannedCall] = []
    for number, call in enumerate(departure.calls):
        stop = stops[call.stop]
        ahead = _ahead(home, stop.timezone, departure.calendar, day)
        if ahead is None:
            mistakes.add(
                call.place,
                f"the clocks of {stop.timezone} and {home} change on different days: give each "
                "part of the year a column of its own, with “from” and “until”",
            )
            return ()
        arrival = call.times.arrival_s - ahead
        rolled = arrival
        while number and rolled < before:
            rolled += DAY_S
        if rolled != arrival and rolled - before > _ROLLED_LEG_MAX_S:
            mistakes.add(
                call.place,
                f"this is before the stop above; if the next day is meant, write "
                f"{(call.times.arrival_s + rolled - arrival) // 3600}:"
                f"{call.times.arrival_s // 60 % 60:02}",
            )
            return ()
        halt = call.times.departure_s - call.times.arrival_s
        leaves = rolled + halt if number else start
        calls.append(
            PlannedCall(
                stop=stop.code,
                arrival_s=rolled - start if number else 0,
                departure_s=leaves - start,
                pickup=call.times.use != "off" and number < last,
                drop_off=call.times.use != "on" and number > 0,
            )
        )
        before = leaves
    return tuple(calls)


def _ahead(home: str, there: str, calendar: Calendar, day: date) -> int | None:
    """Seconds that `there`'s clock is ahead of `home`'s; None when that changes in the season."""
    if home == there:
        return 0
    first = max(day, calendar.valid_from or day)
    end = first + timedelta(days=_CLOCKS_COMPARED_DAYS)
    if calendar.valid_until is not None:
        end = min(end, calendar.valid_until)
    return _clocks_apart(home, there, first, max(1, (end - first).days))


@lru_cache(maxsize=1024)
def _clocks_apart(home: str, there: str, first: date, days: int) -> int | None:
    found: set[int] = set()
    for n in range(days):
        noon = datetime.combine(first + timedelta(days=n), time(12), tzinfo=UTC)
        here_is, there_is = (
            noon.astimezone(zone_of(name)).utcoffset() or timedelta(0) for name in (home, there)
        )
        found.add(round((there_is - here_is).total_seconds()))
    return found.pop() if len(found) == 1 else None
