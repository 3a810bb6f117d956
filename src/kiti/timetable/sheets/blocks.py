"""The blocks of a timetable sheet: which row is a line, a setting, the header, a stop."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from kiti.timetable.sheets.cells import EMPTY, Mistakes, Table
from kiti.timetable.sheets.words import plain

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
# Settings of the line as a whole: no departure has one of its own.
_OF_LINE: Final = frozenset({"name", "mode"})
# The column of a setting that holds for the whole line.
OF_ALL: Final = 1


@dataclass(slots=True)
class Block:
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


def blocks_of(table: Table, mistakes: Mistakes) -> Iterator[Block]:
    """The blocks of a sheet; a row that belongs to none is a mistake."""
    block: Block | None = None
    for row in range(len(table.rows)):
        label = plain(table.text(row, 0))
        if label.startswith("#"):
            continue
        if label in _LINE:
            if block is not None:
                yield block
            block = Block(row)
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
            if label in _SETTINGS:
                what = f"{label[:40]!r} is a row of settings: these go above the row “stop”"
                mistakes.add(table.place(row, 0), what)
            block.stops.append(row)
    if block is not None:
        yield block


def _put_row(table: Table, block: Block, row: int, label: str, mistakes: Mistakes) -> None:
    """A row between `line` and the stops: a setting, or the header of the stops."""
    if label in _SETTINGS:
        name = _SETTINGS[label]
        if name in block.settings:
            mistakes.add(table.place(row, 0), f"the row “{name}” stands twice: make one of them")
        block.settings.setdefault(name, row)
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


def check_settings(
    table: Table, block: Block, departures: frozenset[int], mistakes: Mistakes
) -> None:
    """A setting counts in column B or in a departure's; what stands elsewhere is a mistake.

    It would say nothing, and the departure that it was meant for would run by other rules.
    """
    for name, row in block.settings.items():
        counts = departures | {OF_ALL} if name not in _OF_LINE else {OF_ALL}
        for column in range(1, len(table.rows[row])):
            text = table.text(row, column)
            if text == EMPTY or column in counts:
                continue
            if table.is_shared(row, column, lambda other, counts=counts: other in counts):
                continue
            where = _heading(table, block, column)
            for_all = table.column_words(OF_ALL)
            own = "" if name in _OF_LINE else "move it to the column of its departure, or "
            mistakes.add(
                table.place(row, column),
                f"{text[:40]!r} ({name}) stands {where} and would be lost: {own}"
                f"{'to' if own else 'move it to'} {for_all} for the whole line",
            )


def _heading(table: Table, block: Block, column: int) -> str:
    """What kind of column it is that is none for this setting."""
    names = {at: name for name, at in block.columns.items()}
    if column in names:
        return f"under “{names[column]}”, which is no departure,"
    if column < block.first_departure:
        return "among the columns of the stops"
    if block.header is not None and table.text(block.header, column):
        return "under a departure"
    return "under no departure"
