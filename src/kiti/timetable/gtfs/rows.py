"""Rows of comma-separated text, one at a time: bounded, and with the line of every mistake."""

import csv
import io
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Final

from kiti.timetable.model import ImportRefused
from kiti.timetable.remarks import Code

LINE_CHARS_MAX: Final = 65_536
COLUMNS_MAX: Final = 200
# A value may hold line ends, in quotes; more of them than this is a quote that was not closed.
ROW_LINES_MAX: Final = 100

# Makes the refusal for a message: NotAFeed for a feed's file, BadFares for the fares CSV.
Refuse = Callable[[str], ImportRefused]
# Hears of a row that can be read but looks wrong: ROW_OVER_LINES or ROW_TOO_WIDE, and its line.
Remark = Callable[[Code, int], None]

_UTF16_MARKS: Final = ("\udcff\udcfe", "\udcfe\udcff")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns to read, in the order their values come; the first `required` must be there."""

    names: tuple[str, ...]
    required: int


def read_rows(
    raw: IO[bytes],
    columns: Columns,
    *,
    name: str,
    rows_max: int,
    refuse: Refuse,
    remark: Remark = lambda _code, _line: None,
) -> Generator[tuple[int, tuple[str, ...]]]:
    """Each row's line number (1 is the header) and the values of `columns`, stripped.

    A column that is absent, and a value beyond the end of a short row, reads as "". Blank rows are
    passed over; columns in any order and in capitals or not, unknown ones ignored; a BOM and any
    line ends.

    Raises:
        ImportRefused: from `refuse`: no header, a needed column missing, text that is not UTF-8,
            a NUL, a quote never closed, or more than a limit allows.
    """
    # Bytes that are not UTF-8 come through as lone surrogates, so that their line can be named.
    text = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
    lines = _Lines(text, name, refuse)
    reader = csv.reader(lines, skipinitialspace=True)
    try:
        header = next(reader, None)
        if header is None:
            raise refuse(f"{name} is empty")
        picks = _picks(header, columns, name, refuse)
        width = len(header)
        for count, row in enumerate(_rows(reader, lines)):
            if count >= rows_max:
                raise refuse(f"{name} has more than {rows_max:,} rows")
            if lines.row_lines > 1:
                remark(Code.ROW_OVER_LINES, reader.line_num)
            if len(row) > width and any(row[width:]):
                remark(Code.ROW_TOO_WIDE, reader.line_num)
            row.extend([""] * (width - len(row)))
            values = tuple("" if at is None else row[at].strip() for at in picks)
            if any(values):
                yield reader.line_num, values
    except csv.Error as error:
        raise refuse(f"{name} line {reader.line_num}: {error}") from None
    finally:
        text.detach()  # closing `raw` is its owner's affair


def read_titles(raw: IO[bytes], *, name: str, refuse: Refuse) -> frozenset[str]:
    """The titles of the columns, in small letters; none in an empty file.

    Raises:
        ImportRefused: from `refuse`: as `read_rows`.
    """
    text = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        header = next(csv.reader(_Lines(text, name, refuse), skipinitialspace=True), [])
    except csv.Error as error:
        raise refuse(f"{name} line 1: {error}") from None
    finally:
        text.detach()
    return frozenset(title.strip().lower() for title in header)


class _Lines:
    """Lines of bounded length, so that a file without line ends cannot fill the memory.

    `row_lines` counts those of the row that is being read: a quote that is not closed takes in
    line after line.
    """

    def __init__(self, text: io.TextIOWrapper, name: str, refuse: Refuse) -> None:
        self.row_lines = 0
        self.quotes = 0
        self._text = text
        self._name = name
        self._refuse = refuse
        self._number = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(LINE_CHARS_MAX)
        if not line:
            if self.row_lines > 1 and self.quotes % 2:
                raise self._wrong(self._number - self.row_lines + 1, "a quote is never closed")
            raise StopIteration
        self._number += 1
        self.row_lines += 1
        self.quotes += line.count('"')
        if len(line) >= LINE_CHARS_MAX:
            raise self._wrong(self._number, f"longer than {LINE_CHARS_MAX:,} characters")
        if self.row_lines > ROW_LINES_MAX:
            first = self._number - ROW_LINES_MAX
            raise self._wrong(first, f"one row over {ROW_LINES_MAX} lines: is a quote not closed?")
        if not line.isascii() and not _is_utf8(line):
            if self._number == 1 and line.startswith(_UTF16_MARKS):
                raise self._wrong(1, "the text is UTF-16; save it as UTF-8")
            raise self._wrong(self._number, "the text is not UTF-8; save it as UTF-8")
        if "\0" in line:
            raise self._wrong(self._number, "a NUL character")
        return line

    def _wrong(self, line: int, what: str) -> ImportRefused:
        return self._refuse(f"{self._name} line {line}: {what}")


def _rows(rows: Iterator[list[str]], lines: _Lines) -> Iterator[list[str]]:
    """The same rows, with the count of lines begun anew for each."""
    while True:
        lines.row_lines = lines.quotes = 0
        row = next(rows, None)
        if row is None:
            return
        yield row


def _is_utf8(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True


def _picks(header: Sequence[str], columns: Columns, name: str, refuse: Refuse) -> list[int | None]:
    """Where each column stands; of two with one title the first counts."""
    if len(header) > COLUMNS_MAX:
        raise refuse(f"{name} has more than {COLUMNS_MAX} columns")
    places = {title.strip().lower(): at for at, title in reversed(list(enumerate(header)))}
    missing = [column for column in columns.names[: columns.required] if column not in places]
    if missing:
        raise refuse(f"{name} line 1: the column {missing[0]} is missing")
    return [places.get(column) for column in columns.names]
