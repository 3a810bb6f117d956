"""The timetable as operators print it: a block a line, a row a stop, a column a departure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, TypeVar

from kiti.timetable.schedules.calendar import DAILY, Calendar, OnHoliday, dates_of
from kiti.timetable.sheets.cells import EMPTY, Mistakes, Table, Value, text_of
from kiti.timetable.sheets.model import SheetCall, SheetDeparture, SheetLine, SheetStop
from kiti.timetable.sheets.words import (
    CellCall,
    Unclear,
    plain,
    to_call,
    to_country,
    to_date,
    to_dates,
    to_degrees,
    to_mode,
    to_on_holiday,
    to_weekdays,
)

Answer = TypeVar("Answer")

DEPARTURES_MAX: Final = 5_000
CALLS_MAX: Final = 200
CODE_MAX: Final = 100
NAME_MAX: Final = 200
# How far ahead two columns of one code are compared.
_COMPARED_DAYS: Final = 732
_SETTINGS: Final = {
    "name": "name", "nom": "name", "mode": "mode", "days": "days", "jours": "days",
    "from": "from", "valid from": "from", "du": "from", "until": "until", "valid until": "until",
    "au": "until", "not on": "not on", "sauf": "not on", "also on": "also on", "aussi": "also on",
    "holidays": "holidays", "feries": "holidays", "layout": "layout", "plan": "layout",
}  # fmt: skip
_COLUMNS: Final = {
    "stop": "stop", "arret": "stop", "city": "city", "town": "city", "ville": "city",
    "country": "country", "pays": "country", "code": "code", "zone": "zone", "time zone": "zone",
    "latitude": "latitude", "lat": "latitude", "longitude": "longitude", "lon": "longitude",
    "landmark": "landmark", "repere": "landmark",
}  # fmt: skip
_LINE: Final = frozenset({"line", "ligne"})
_STOP: Final = frozenset({"stop", "arret"})


@dataclass(slots=True)
class _Block:
    """A block's rows by what they are; `columns` are the header's, by their names."""

    row: int
    settings: dict[str, int] = field(default_factory=dict[str, int])
    header: int | None = None
    columns: dict[str, int] = field(default_factory=dict[str, int])
    stops: list[int] = field(default_factory=list[int])

    @property
    def first_departure(self) -> int:
        """The column after the last one that describes stops."""
        return max(self.columns.values()) + 1


def is_timetable(table: Table) -> bool:
    """Whether a line begins anywhere in the sheet."""
    return any(plain(table.text(row, 0)) in _LINE for row in range(len(table.rows)) if table.rows)


def read_lines(tables: Sequence[Table], first: date, mistakes: Mistakes) -> tuple[SheetLine, ...]:
    """The lines of these sheets, as they are from `first` on; what is wrong goes to `mistakes`."""
    lines = [
        line
        for table in tables
        for block in _blocks(table, mistakes)
        if (line := _Reader(table, block, mistakes).line()) is not None
    ]
    if not lines and not mistakes.count:
        mistakes.add(mistakes.file, "no timetable: a line begins with a row “line” and its code")
    _check_codes(lines, first, mistakes)
    return tuple(lines)


def _blocks(table: Table, mistakes: Mistakes) -> Iterator[_Block]:
    """The blocks of a sheet; a row that belongs to none is a mistake."""
    block: _Block | None = None
    for row in range(len(table.rows)):
        label = plain(table.text(row, 0))
        if label.startswith("#"):
            continue
        if label in _LINE:
            if block is not None:
                yield block
            block = _Block(row)
        elif table.is_empty(row):
            if block is not None and block.stops:
                yield block
                block = None
        elif block is None:
            mistakes.add(
                table.place(row, 0), "this row is in no line; put a row “line” and its code above"
            )
        elif block.header is None:
            _put_row(table, block, row, label, mistakes)
        else:
            block.stops.append(row)
    if block is not None:
        yield block


def _put_row(table: Table, block: _Block, row: int, label: str, mistakes: Mistakes) -> None:
    """A row between `line` and the stops: a setting, or the header of the stops."""
    if label in _SETTINGS:
        block.settings[_SETTINGS[label]] = row
        return
    if label not in _STOP:
        known = ", ".join(dict.fromkeys(_SETTINGS.values()))
        mistakes.add(
            table.place(row, 0),
            f"{label[:40]!r} is no row of a line: {known}; the stops follow a row “stop”",
        )
        return
    block.header = row
    for column in range(len(table.rows[row])):
        name = _COLUMNS.get(plain(table.text(row, column)))
        if name is None:
            break
        block.columns.setdefault(name, column)


class _Reader:
    """One block being read."""

    def __init__(self, table: Table, block: _Block, mistakes: Mistakes) -> None:
        self._table = table
        self._block = block
        self._mistakes = mistakes

    def line(self) -> SheetLine | None:
        """The line; None when it cannot be told, with its mistakes noted."""
        table, block = self._table, self._block
        code = table.text(block.row, 1)
        if not 0 < len(code) <= CODE_MAX:
            self._mistake(block.row, 1, f"a line needs a code of 1 to {CODE_MAX} letters here")
            return None
        if block.header is None or len(block.stops) < 2:
            self._mistake(block.row, 0, "after a row “stop”, a line needs two rows of stops")
            return None
        if missing := {"city", "country"} - block.columns.keys():
            self._mistake(block.header, 0, f"beside “stop” goes a column “{min(missing)}”")
            return None
        stops = tuple(self._stops())
        if len(stops) < len(block.stops):
            return None
        ends = f"{stops[0].city} – {stops[-1].city}"
        return SheetLine(
            code=code,
            name=(table.text(block.row, 2) or self._setting_text("name") or ends)[:NAME_MAX],
            mode=self._setting("mode", 1, lambda cell: to_mode(text_of(cell))) or "BUS",
            stops=stops,
            departures=tuple(self._departures(code)),
        )

    def _stops(self) -> Iterator[SheetStop]:
        """A stop for each row; an empty city or country is the one above."""
        above: SheetStop | None = None
        for row in self._block.stops:
            stop = self._stop(row, above)
            if stop is not None:
                above = stop
                yield stop

    def _stop(self, row: int, above: SheetStop | None) -> SheetStop | None:
        name = self._text(row, "stop")
        city = self._text(row, "city") or (above.city if above else "")
        country = self._text(row, "country") or (above.country if above else "")
        for what, value in (("stop", name), ("city", city), ("country", country)):
            if not 0 < len(value) <= NAME_MAX:
                self._mistake(row, self._block.columns[what], f"the {what} is missing or too long")
                return None
        columns = self._block.columns
        found_country = self._read(row, columns["country"], lambda _: to_country(country))
        latitude = self._degrees(row, "latitude", 90)
        longitude = self._degrees(row, "longitude", 180)
        if (latitude is None) != (longitude is None):
            self._mistake(row, columns["stop"], "latitude and longitude go together")
        if found_country is None:
            return None
        return SheetStop(
            name=name,
            city=city,
            country=found_country,
            place=self._table.place(row, columns["stop"]),
            code=self._text(row, "code")[:CODE_MAX] or None,
            timezone=self._text(row, "zone") or None,
            latitude=latitude,
            longitude=longitude,
            landmark=self._text(row, "landmark")[:NAME_MAX] or None,
        )

    def _degrees(self, row: int, name: str, highest: float) -> float | None:
        column = self._block.columns.get(name)
        if column is None:
            return None
        return self._read(row, column, lambda cell: to_degrees(cell, highest=highest))

    def _departures(self, line: str) -> Iterator[SheetDeparture]:
        table, block = self._table, self._block
        assert block.header is not None  # noqa: S101 the caller looked
        rows = [block.header, *block.stops, *block.settings.values()]
        for column in range(block.first_departure, max(len(table.rows[row]) for row in rows)):
            heading = table.text(block.header, column)
            calls = self._calls(column)
            if not heading and not calls:
                continue
            if not 2 <= len(calls) <= CALLS_MAX:
                what = f"a departure calls at 2 to {CALLS_MAX} stops, this one at {len(calls)}"
                self._mistake(block.header, column, what)
                continue
            name = heading or _clock_words(calls[0].times)
            layout = self._setting("layout", column, text_of)
            yield SheetDeparture(
                code=f"{line} {name}"[: 2 * CODE_MAX],
                calendar=self._calendar(column),
                layout=layout or None,
                calls=calls,
                place=table.place(block.header, column),
            )

    def _calls(self, column: int) -> tuple[SheetCall, ...]:
        calls: list[SheetCall] = []
        for number, row in enumerate(self._block.stops):
            times = self._read(row, column, to_call)
            if times is not None:
                calls.append(SheetCall(number, times, self._table.place(row, column)))
        return tuple(calls)

    def _calendar(self, column: int) -> Calendar:
        first = self._setting("from", column, _date_or_none)
        last = self._setting("until", column, _date_or_none)
        removed = self._setting("not on", column, to_dates) or frozenset[date]()
        added = self._setting("also on", column, to_dates) or frozenset[date]()
        if first is not None and last is not None and last < first:
            self._mistake(self._block.settings["until"], column, f"{last} is before {first}")
            last = None
        if both := added & removed:
            self._mistake(self._block.settings["also on"], column, f"{min(both)} is in “not on”")
        return Calendar(
            weekdays=self._setting("days", column, _weekdays) or DAILY,
            valid_from=first,
            valid_until=None if last is None else last + timedelta(days=1),
            on_holiday=self._setting("holidays", column, lambda cell: to_on_holiday(text_of(cell)))
            or OnHoliday.AS_USUAL,
            exceptions=dict.fromkeys(added, True) | dict.fromkeys(removed, False),
        )

    def _setting(self, name: str, column: int, read: Callable[[Value], Answer]) -> Answer | None:
        """A setting of a departure's column; where that is empty, the line's own, in column B."""
        row = self._block.settings.get(name)
        if row is None:
            return None
        is_own = self._table.text(row, column) != EMPTY
        return self._read(row, column if is_own else 1, read)

    def _setting_text(self, name: str) -> str:
        return self._setting(name, 1, text_of) or ""

    def _read(self, row: int, column: int, read: Callable[[Value], Answer]) -> Answer | None:
        """A cell by its reader; None, and a mistake, when it is unclear."""
        try:
            return read(self._table.at(row, column))
        except Unclear as error:
            self._mistake(row, column, str(error))
            return None

    def _text(self, row: int, name: str) -> str:
        column = self._block.columns.get(name)
        return "" if column is None else self._table.text(row, column)

    def _mistake(self, row: int, column: int, message: str) -> None:
        self._mistakes.add(self._table.place(row, column), message)


def _date_or_none(value: Value) -> date | None:
    return None if text_of(value) == EMPTY else to_date(value)


def _weekdays(value: Value) -> frozenset[int]:
    return DAILY if text_of(value) == EMPTY else to_weekdays(text_of(value))


def _clock_words(times: CellCall) -> str:
    minutes = times.departure_s // 60
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _check_codes(lines: Sequence[SheetLine], first: date, mistakes: Mistakes) -> None:
    """Two columns of one code must never run on one day; and a line's code names one block."""
    seen: dict[str, list[SheetDeparture]] = {}
    names: Mapping[str, list[SheetLine]] = _by_code(lines)
    for code, of_code in names.items():
        for other in of_code[1:]:
            mistakes.add(other.stops[0].place, f"line {code} stands twice: give it another code")
    departures = [departure for line in lines for departure in line.departures]
    if len(departures) > DEPARTURES_MAX:
        mistakes.add(mistakes.file, f"more than {DEPARTURES_MAX:,} departures")
        return
    for departure in departures:
        for other in seen.setdefault(departure.code, []):
            days = _dates(departure, first) & _dates(other, first)
            if days:
                mistakes.add(
                    departure.place,
                    f"{departure.code} runs twice on {min(days)}: give each departure a number "
                    "of its own in the row “stop”",
                )
                break
        seen[departure.code].append(departure)


def _by_code(lines: Sequence[SheetLine]) -> dict[str, list[SheetLine]]:
    found: dict[str, list[SheetLine]] = {}
    for line in lines:
        found.setdefault(line.code, []).append(line)
    return found


def _dates(departure: SheetDeparture, first: date) -> frozenset[date]:
    return dates_of(departure.calendar, (), first, first + timedelta(days=_COMPARED_DAYS))
