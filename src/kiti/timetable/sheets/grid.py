"""The timetable as operators print it: a block a line, a row a stop, a column a departure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, TypeVar

from kiti.timetable.schedules.calendar import DAILY, Calendar, OnHoliday, dates_of
from kiti.timetable.sheets.blocks import OF_ALL, Block, blocks_of, check_settings
from kiti.timetable.sheets.cells import EMPTY, Mistakes, Table, Value, text_of
from kiti.timetable.sheets.model import SheetCall, SheetDeparture, SheetLine, SheetStop
from kiti.timetable.sheets.words import (
    CellCall,
    Unclear,
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


@dataclass(frozen=True, slots=True)
class _Column:
    """A departure's code and days, whether or not its times can be read."""

    code: str
    calendar: Calendar
    place: str


@dataclass(frozen=True, slots=True)
class _Known:
    """What every block is read with, and what is compared in the end.

    `lines` are the places of each line's code, `columns` those of its first block.
    """

    layouts: Sequence[str]
    mistakes: Mistakes
    lines: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    columns: list[_Column] = field(default_factory=list[_Column])


def read_lines(
    tables: Sequence[Table], first: date, mistakes: Mistakes, *, layouts: Sequence[str]
) -> tuple[SheetLine, ...]:
    """The lines of these sheets, as they are from `first` on; what is wrong goes to `mistakes`.

    `layouts` are the names a column may choose from. All is read to the end, and so a line or a
    departure with a mistake may be among the answer, or missing.
    """
    known = _Known(layouts, mistakes)
    lines = [
        line
        for table in tables
        for block in blocks_of(table, mistakes)
        if (line := _Reader(table, block, known).line()) is not None
    ]
    if not lines and not mistakes.count:
        mistakes.add(mistakes.file, "no timetable: a line begins with a row “line” and its code")
    _check_codes(known, first)
    return tuple(lines)


class _Reader:
    """One block being read."""

    def __init__(self, table: Table, block: Block, known: _Known) -> None:
        self._table = table
        self._block = block
        self._known = known
        self._mistakes = known.mistakes

    def line(self) -> SheetLine | None:
        """The line; None when it cannot be told, with its mistakes noted."""
        table, block = self._table, self._block
        code = table.text(block.row, 1)
        is_named = 0 < len(code) <= CODE_MAX
        if is_named:
            self._known.lines.setdefault(code, []).append(table.place(block.row, 1))
        else:
            self._mistake(block.row, 1, f"a line needs a code of 1 to {CODE_MAX} letters here")
        if block.header is None or len(block.stops) < 2:
            self._mistake(block.row, 0, "after a row “stop”, a line needs two rows of stops")
            return None
        if missing := {"city", "country"} - block.columns.keys():
            self._mistake(block.header, 0, f"beside “stop” goes a column “{min(missing)}”")
            return None
        stops = tuple(self._stops())
        departures = tuple(self._departures(code))
        mode = self._setting("mode", OF_ALL, lambda cell: to_mode(text_of(cell))) or "BUS"
        if not is_named or len(stops) < len(block.stops):
            return None
        ends = f"{stops[0].city} – {stops[-1].city}"
        return SheetLine(
            code=code,
            name=(table.text(block.row, 2) or self._setting_text("name") or ends)[:NAME_MAX],
            mode=mode,
            stops=stops,
            departures=departures,
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
        columns: set[int] = set()
        for column in range(block.first_departure, max(len(table.rows[row]) for row in rows)):
            heading = table.text(block.header, column)
            before = self._mistakes.count
            calls = self._calls(column)
            is_clear = self._mistakes.count == before
            if not heading and not calls and is_clear:
                continue
            columns.add(column)
            if is_clear and not 2 <= len(calls) <= CALLS_MAX:
                what = f"a departure calls at 2 to {CALLS_MAX} stops, this one at {len(calls)}"
                self._mistake(block.header, column, what)
            name = heading or (_clock_words(calls[0].times) if calls else "")
            code = f"{line} {name}"[: 2 * CODE_MAX]
            place = table.place(block.header, column)
            layout = self._setting("layout", column, self._layout)
            noted = self._mistakes.noted
            calendar = self._calendar(column)
            is_first = len(self._known.lines.get(line, ())) == 1
            if name and is_first and self._mistakes.noted == noted:
                self._known.columns.append(_Column(code, calendar, place))
            if 2 <= len(calls) <= CALLS_MAX:
                yield SheetDeparture(code, calendar, layout or None, calls, place)
        check_settings(table, block, frozenset(columns), self._mistakes)

    def _layout(self, value: Value) -> str:
        name = text_of(value)
        if name and name not in self._known.layouts:
            known = ", ".join(self._known.layouts)
            raise Unclear(f"there is no layout {name[:40]!r}; given: {known}")
        return name

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
        return self._read(row, column if is_own else OF_ALL, read)

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


def _check_codes(known: _Known, first: date) -> None:
    """Two columns of one code must never run on one day; and a line's code names one block."""
    mistakes = known.mistakes
    for code, places in known.lines.items():
        for place in places[1:]:
            what = f"line {code} stands twice, also at {places[0]}: give it another code"
            mistakes.add(place, what)
    if len(known.columns) > DEPARTURES_MAX:
        mistakes.add(mistakes.file, f"more than {DEPARTURES_MAX:,} departures")
        return
    seen: dict[str, list[_Column]] = {}
    for column in known.columns:
        for other in seen.setdefault(column.code, []):
            days = _dates(column, first) & _dates(other, first)
            if days:
                mistakes.add(
                    column.place,
                    f"{column.code} runs twice on {min(days)}: give each departure a number "
                    "of its own in the row “stop”",
                )
                break
        seen[column.code].append(column)


def _dates(column: _Column, first: date) -> frozenset[date]:
    return dates_of(column.calendar, (), first, first + timedelta(days=_COMPARED_DAYS))
