"""What an import of a spreadsheet did, or would do, for a person."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from kiti.timetable.model import Window
from kiti.timetable.remarks import counted
from kiti.timetable.renewal.changes import Changes
from kiti.timetable.schedules.model import Replacement

_SHOWN = 8
# So many departures stand in one line.
_A_LINE = 6


@dataclass(frozen=True, slots=True)
class DepartureDays:
    """When a departure runs: `words` say its calendar, `next_on` its next few dates of a year.

    `departure_s` is the time of day in seconds, on the first stop's clock.
    """

    code: str
    departure_s: int
    words: str
    next_on: tuple[date, ...]

    @property
    def clock(self) -> str:
        """The time of day as `07:30`."""
        minutes = self.departure_s // 60
        return f"{minutes // 60:02}:{minutes % 60:02}"


@dataclass(frozen=True, slots=True)
class SheetReport:
    """`window` None: the change lies beyond the days that trips are made for, so none changed.

    `refusal`: why a real run would write nothing, which only a dry run tells; None when it would.
    """

    feed: str
    day: date
    lines: int
    departures: int
    stops: int
    new_stops: int
    new_cities: Sequence[str]
    replacement: Replacement
    window: Window | None
    changes: Changes
    remarks: Sequence[str]
    is_dry_run: bool
    days: Sequence[DepartureDays] = ()
    refusal: str | None = None

    def text(self) -> str:
        """A few lines; empty parts left out."""
        counts = ((self.lines, "line"), (self.departures, "departure"), (self.stops, "stop"))
        read = ", ".join(counted(count, noun) for count, noun in counts)
        lines = [
            f"Timetable {self.feed}, from {self.day} on",
            f"  read       {read} ({self.new_stops} new)",
        ]
        if self.new_cities:
            lines.append(f"  new cities {', '.join(self.new_cities)}")
        lines += self._schedules()
        if self.is_dry_run:
            lines += self._days()
        if self.window is None:
            lines.append("  trips      none yet: they are made when these days come nearer")
        else:
            verb = "would be" if self.is_dry_run else "are"
            lines.append(f"  trips      {self.window.first} to {self.window.last}, they {verb}")
            lines += [f"    {line}" for line in self.changes.lines()]
        if self.remarks:
            lines += ["", "Remarks", *(f"  {remark}" for remark in self.remarks)]
        if self.refusal is not None:
            lines += ["", f"A real run would be refused: {self.refusal}"]
        if self.is_dry_run:
            lines += ["", "Nothing was written: this was a dry run."]
        return "\n".join(lines) + "\n"

    def _schedules(self) -> Iterator[str]:
        replacement = self.replacement
        yield f"  schedules  {counted(len(replacement.kept), 'departure')} as before"
        for title, codes in (
            ("new", replacement.new_codes),
            ("change", replacement.changed_codes),
            ("end", replacement.gone_codes),
        ):
            if codes:
                more = "; …" if len(codes) > _SHOWN else ""
                yield f"    {len(codes):,} {title}: {'; '.join(codes[:_SHOWN])}{more}"

    def _days(self) -> Iterator[str]:
        """When every departure runs, those that run on the same days together."""
        together: dict[tuple[str, tuple[date, ...]], list[DepartureDays]] = {}
        for one in self.days:
            together.setdefault((one.words, one.next_on), []).append(one)
        yield "  days       next dates, and the departures that run then"
        for (words, next_on), departures in together.items():
            dates = ", ".join(f"{day:%a} {day}" for day in next_on) or "no date within a year"
            yield f"    {words}: {dates}"
            for first in range(0, len(departures), _A_LINE):
                some = departures[first : first + _A_LINE]
                yield f"      {'; '.join(f'{one.code} at {one.clock}' for one in some)}"

    def to_dict(self) -> Mapping[str, object]:
        """The same for programs, ready for JSON."""
        window = self.window
        return {
            "feed": self.feed,
            "from": str(self.day),
            "dryRun": self.is_dry_run,
            "lines": self.lines,
            "departures": self.departures,
            "stops": {"count": self.stops, "new": self.new_stops},
            "newCities": list(self.new_cities),
            "schedules": {
                "kept": len(self.replacement.kept),
                "new": self.replacement.new_codes,
                "changed": self.replacement.changed_codes,
                "ended": self.replacement.gone_codes,
            },
            "days": [
                {
                    "code": one.code,
                    "at": one.clock,
                    "runs": one.words,
                    "next": [str(day) for day in one.next_on],
                }
                for one in self.days
            ],
            "window": window and {"from": str(window.first), "to": str(window.last)},
            "trips": self.changes.to_dict(),
            "refusal": self.refusal,
            "remarks": list(self.remarks),
        }
