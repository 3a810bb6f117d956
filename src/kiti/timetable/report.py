"""The doctor's report on one import: what was read, what is sold, what was left out and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from kiti.platform.money import Money
from kiti.timetable.model import Window, printable
from kiti.timetable.remarks import Code, Level, counted
from kiti.timetable.renewal.changes import Changes, Kind

EXAMPLES_MAX: Final = 5
_EXAMPLE_LENGTH_MAX: Final = 120
_TITLES: Final = {
    Level.LEFT_OUT: "Left out",
    Level.CHANGED: "Changed",
    Level.NOTED: "Worth knowing",
}


@dataclass(slots=True)
class Finding:
    """One remark: how often, how many runs in the window it costs, and the first few examples."""

    count: int = 0
    runs: int = 0
    examples: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """What is planned on one route: `runs` trips of so many timetable trips, first to last day.

    `example` is the adult fare of its longest segment, in words; "" when it has none.
    """

    route_id: str
    name: str
    runs: int
    timetable_trips: int
    first_on: date
    last_on: date
    example: str


@dataclass(frozen=True, slots=True)
class FareSpread:
    """What adults pay in one currency and seat class, over all segments for sale."""

    seat_class: str
    lowest: Money
    median: Money
    highest: Money
    segments: int

    def text(self) -> str:
        """For a person."""
        low, middle, high = (
            f"{fare.to_major():,}" for fare in (self.lowest, self.median, self.highest)
        )
        return (
            f"an adult pays {low} to {high} {self.lowest.currency}, {middle} in the middle "
            f"({self.seat_class}, {counted(self.segments, 'segment')})"
        )

    def to_dict(self) -> Mapping[str, object]:
        """The same for programs, ready for JSON."""
        return {
            "currency": self.lowest.currency,
            "class": self.seat_class,
            "lowestMinor": self.lowest.amount_minor,
            "medianMinor": self.median.amount_minor,
            "highestMinor": self.highest.amount_minor,
            "segments": self.segments,
        }


@dataclass(slots=True)
class Report:
    """Filled while the import goes on; `text` is for people, `to_dict` for programs.

    `rows` counts the rows read by file. Runs are trips on a service date of the window:
    `runs_in_calendar` = `runs_planned` + those that the findings left out;
    `runs_planned` = `runs_new` + `runs_kept` (on file already; `changes` says what of them).
    `shift_weeks_before`: how far the import before moved the calendars; None when there was none.
    `refusal`: why no trip was written (in a dry run: would be) although there are some; None when
    they were. `alerts` are warnings that stand above all else.
    `routes` are those with the most trips, `routes_more` how many there are besides.
    """

    feed: str
    rows: dict[str, int] = field(default_factory=dict[str, int])
    findings: dict[Code, Finding] = field(default_factory=dict[Code, Finding])
    window: Window | None = None
    shift_weeks: int = 0
    shift_weeks_before: int | None = None
    trips_sold: int = 0
    patterns: int = 0
    fares: list[str] = field(default_factory=list[str])
    fare_spreads: list[FareSpread] = field(default_factory=list[FareSpread])
    runs_in_calendar: int = 0
    runs_planned: int = 0
    changes: Changes = field(default_factory=Changes)
    refusal: str | None = None
    routes: list[RoutePlan] = field(default_factory=list[RoutePlan])
    routes_more: int = 0
    alerts: list[str] = field(default_factory=list[str])
    warnings: list[str] = field(default_factory=list[str])
    is_dry_run: bool = False

    def note(self, code: Code, example: str = "", *, count: int = 1, runs: int = 0) -> None:
        """Count a remark, and keep its example while there are few."""
        finding = self.findings.setdefault(code, Finding())
        finding.count += count
        finding.runs += runs
        if example and len(finding.examples) < EXAMPLES_MAX:
            finding.examples.append(example[:_EXAMPLE_LENGTH_MAX])

    @property
    def runs_new(self) -> int:
        """Trips that were not on file."""
        return self.changes.count(Kind.NEW)

    @property
    def runs_kept(self) -> int:
        """Trips of the feed that were on file, changed or not."""
        return self.changes.listed - self.runs_new

    def count(self, code: Code) -> int:
        """How often this was remarked; 0 when never."""
        finding = self.findings.get(code)
        return 0 if finding is None else finding.count

    def text(self) -> str:
        """The report for a person, a few lines a part, empty parts left out."""
        lines = [f"Feed {self.feed}", *(f"  TAKE CARE  {text}" for text in self.alerts)]
        lines += self._summary()
        if self.is_dry_run and self.routes:
            lines += ["", "Would be for sale", *map(_route_line, self.routes)]
            if self.routes_more:
                lines.append(f"  and {counted(self.routes_more, 'route')} more")
        if self.warnings:
            lines += ["", "Take care", *(f"  {text}" for text in self.warnings)]
        for level, title in _TITLES.items():
            found = [item for item in self._in_order() if item[0].level is level]
            if found:
                lines += ["", title]
            for code, finding in found:
                lines += _lines(code, finding)
        return "".join(f"{printable(line)}\n" for line in lines)

    def _summary(self) -> list[str]:
        read = ", ".join(f"{name} {rows:,}" for name, rows in self.rows.items())
        lines = [f"  read     {read}"]
        if self.window is not None:
            lines.append(f"  days     {self._days(self.window)}")
        lines.append(
            f"  trips    {self.runs_in_calendar:,} run then, {self.runs_planned:,} are for sale: "
            f"{counted(self.trips_sold, 'timetable trip')} on {counted(self.patterns, 'pattern')}"
        )
        lines += [f"  fares    {line}" for line in self.fares]
        if self.is_dry_run:
            lines += [f"           {spread.text()}" for spread in self.fare_spreads]
        verb = "would be written" if self.is_dry_run or self.refusal else "written"
        counts = f"{self.runs_new:,} {verb}, {self.runs_kept:,} already there"
        if self.refusal is None:
            lines.append(f"  result   {counts}")
        else:
            which = "a real run is refused" if self.is_dry_run else "no trip is written"
            lines += [f"  result   {which}: {self.refusal}", f"           else {counts}"]
        changed = self.changes.lines(without={Kind.NEW, Kind.SAME})
        same = self.changes.count(Kind.SAME)
        if changed and same:
            changed = [f"{same:,} {Kind.SAME.value}", *changed]
        return lines + [f"           {line}" for line in changed]

    def _days(self, window: Window) -> str:
        days = f"{window.first} to {window.last}, {counted(window.days, 'day')}"
        if self.shift_weeks == 0:
            return days
        origin = window.moved(-7 * self.shift_weeks).first
        moved = counted(abs(self.shift_weeks), "week")
        way = "later" if self.shift_weeks > 0 else "earlier"
        again = ", as before" if self.shift_weeks == self.shift_weeks_before else ""
        return f"{days}; the timetable of {origin} on is moved {moved} {way}{again}"

    def _in_order(self) -> list[tuple[Code, Finding]]:
        """What costs the most trips first; what costs none in the order of the list of codes."""
        place = {code: at for at, code in enumerate(Code)}
        return sorted(self.findings.items(), key=lambda item: (-item[1].runs, place[item[0]]))

    def to_dict(self) -> Mapping[str, object]:
        """The same for programs, ready for JSON."""
        window = self.window
        return {
            "feed": self.feed,
            "dryRun": self.is_dry_run,
            "rows": dict(self.rows),
            "window": window and {"from": str(window.first), "to": str(window.last)},
            "shiftWeeks": self.shift_weeks,
            "shiftWeeksBefore": self.shift_weeks_before,
            "timetableTrips": self.trips_sold,
            "patterns": self.patterns,
            "fares": list(self.fares),
            "adultFares": [spread.to_dict() for spread in self.fare_spreads],
            "trips": {
                "inCalendar": self.runs_in_calendar,
                "planned": self.runs_planned,
                "new": self.runs_new,
                "kept": self.runs_kept,
            },
            "changes": self.changes.to_dict(),
            "refusal": self.refusal,
            "routes": [
                {
                    "routeId": route.route_id,
                    "name": route.name,
                    "trips": route.runs,
                    "timetableTrips": route.timetable_trips,
                    "from": str(route.first_on),
                    "to": str(route.last_on),
                    "fare": route.example,
                }
                for route in self.routes
            ],
            "routesMore": self.routes_more,
            "warnings": [*self.alerts, *self.warnings],
            "findings": [
                {
                    "code": code.name,
                    "level": code.level.value,
                    "count": finding.count,
                    "trips": finding.runs,
                    "text": code.sentence(finding.count),
                    "advice": code.value.advice,
                    "examples": list(finding.examples),
                }
                for code, finding in self._in_order()
            ],
        }


def _lines(code: Code, finding: Finding) -> list[str]:
    cost = f"; {counted(finding.runs, 'trip')} in these days" if finding.runs else ""
    lines = [f"  {code.sentence(finding.count)} [{code.name}{cost}]"]
    if finding.examples:
        more = "; …" if finding.count > len(finding.examples) else ""
        lines.append(f"    {'; '.join(finding.examples)}{more}")
    if code.value.advice:
        lines.append(f"    -> {code.value.advice}")
    return lines


def _route_line(route: RoutePlan) -> str:
    days = str(route.first_on)
    if route.last_on != route.first_on:
        days += f" to {route.last_on}"
    fare = f"; {route.example}" if route.example else ""
    return f"  {route.name}: {counted(route.runs, 'trip')}, {days}{fare}"
