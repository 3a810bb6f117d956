"""A sheet in memory, where each of its cells is, and the mistakes found in it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final

from kiti.timetable.model import ImportRefused

# What a cell holds; "" when it is empty. Numbers are floats, as spreadsheets keep them.
Value = str | float | bool | date | datetime | time | timedelta
EMPTY: Final = ""
MISTAKES_MAX: Final = 20
TEXT_MAX: Final = 500


class BadSheet(ImportRefused):
    """A spreadsheet is wrong; `mistakes` are the first of them, a line each, of `count`.

    `questions` are what is odd besides, a line each: it may be what the mistakes come from.
    """

    def __init__(
        self, file: str, mistakes: Sequence[str], count: int, questions: Sequence[str] = ()
    ) -> None:
        self.mistakes = tuple(mistakes)
        self.count = count
        self.questions = tuple(questions)
        more = f" (and {count - 1} more)" if count > 1 else ""
        super().__init__(f"{file}: nothing was changed: {mistakes[0]}{more}")


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one sheet. `sheet` is None where the file has no sheets; `lines` of a CSV.

    `merged` are the first and the last column that a cell is merged over, by row and column.
    """

    file: str
    sheet: str | None
    rows: Sequence[Sequence[Value]]
    lines: Sequence[int] | None = None
    merged: Mapping[tuple[int, int], tuple[int, int]] = field(
        default_factory=dict[tuple[int, int], tuple[int, int]]
    )

    def at(self, row: int, column: int) -> Value:
        """The cell, both counted from 0; empty beyond the end of a row."""
        cells = self.rows[row]
        return cells[column] if column < len(cells) else EMPTY

    def text(self, row: int, column: int) -> str:
        """The cell as a person reads it, without spaces around it."""
        return text_of(self.at(row, column))

    def is_empty(self, row: int) -> bool:
        """Whether nothing stands in the row."""
        return not any(self.text(row, column) for column in range(len(self.rows[row])))

    def place(self, row: int, column: int) -> str:
        """Where the cell is, for a person."""
        if self.lines is not None:
            return f"{self.file} line {self.lines[row]}, {self.column_words(column)}"
        sheet = "" if self.sheet is None else f", sheet {self.sheet}"
        return f"{self.file}{sheet}, cell {column_name(column)}{row + 1}"

    def column_words(self, column: int) -> str:
        """Which column it is, for a person."""
        return f"column {column_name(column) if self.lines is None else column + 1}"

    def is_shared(self, row: int, column: int, others: Callable[[int], bool]) -> bool:
        """Whether the cell is merged with one in a column that `others` says yes to."""
        first, last = self.merged.get((row, column), (column, column))
        return any(others(one) for one in range(first, last + 1) if one != column)


@dataclass(slots=True)
class Mistakes:
    """What is wrong with a file, in the order it was found; the first 20 are kept.

    `noted` counts as often as one was noted, `count` each once: a cell may hold for many.
    """

    file: str
    found: list[str] = field(default_factory=list[str])
    count: int = 0
    noted: int = 0
    _known: set[str] = field(default_factory=set[str])

    def add(self, place: str, message: str) -> None:
        """Note one; the message says what to do."""
        self.noted += 1
        mistake = f"{place}: {message}"
        if mistake in self._known:
            return
        self._known.add(mistake)
        self.count += 1
        if self.count <= MISTAKES_MAX:
            self.found.append(mistake)

    def refuse(self, questions: Sequence[str] = ()) -> None:
        """End here when there are any; `questions` are told with them.

        Raises:
            BadSheet: there are.
        """
        if self.found:
            raise BadSheet(self.file, self.found, self.count, questions[:MISTAKES_MAX])


def column_name(column: int) -> str:
    """`A` for 0, `AA` for 26."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def text_of(value: Value) -> str:
    """A cell's value as text: numbers in the 15 digits a spreadsheet shows, times as `07:30`."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case str():
            return " ".join("".join(c if c.isprintable() else " " for c in value).split())
        case int() | float():
            return format(value, ".15g")
        case datetime():
            return value.isoformat(sep=" ")
        case time():
            return value.isoformat("minutes" if value.second == 0 else "seconds")
        case timedelta():
            return str(value)
        case _:
            return value.isoformat()
