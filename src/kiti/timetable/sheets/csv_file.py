"""CSV as spreadsheets write it: comma, semicolon or tab, with or without a byte order mark."""

import csv
import io
from collections.abc import Sequence
from typing import Final

from kiti.timetable.sheets.cells import BadSheet, Table, Value

ROWS_MAX: Final = 10_000
COLUMNS_MAX: Final = 250
_CELL_CHARS_MAX: Final = 10_000
_SEPARATORS: Final = (",", ";", "\t")
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


def read_csv(raw: bytes, file: str) -> Table:
    """The rows of a CSV file.

    Raises:
        BadSheet: it is not UTF-8 text, too large, or a quote is never closed; with the line.
    """
    text = _decoded(raw, file)
    delimiter = _delimiter(text)
    rows: list[list[Value]] = []
    lines: list[int] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    start = 1
    try:
        for row in reader:
            if len(rows) >= ROWS_MAX:
                raise _bad(file, f"line {start}", f"more than {ROWS_MAX:,} rows")
            if len(row) > COLUMNS_MAX:
                raise _bad(file, f"line {start}", f"more than {COLUMNS_MAX} columns")
            if any(len(cell) > _CELL_CHARS_MAX for cell in row):
                raise _bad(file, f"line {start}", "a cell is longer than any timetable's")
            rows.append(list(row))
            lines.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise _bad(file, f"line {start}", f"the row cannot be read ({error})") from None
    return Table(file, None, rows, lines)


def _decoded(raw: bytes, file: str) -> str:
    if raw.startswith(_UTF16):
        raise _bad(file, "line 1", "the text is UTF-16; save it as “CSV UTF-8”")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _bad(file, f"line {line}", "the text is not UTF-8; save it as “CSV UTF-8”") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _bad(file, f"line {line}", "a NUL character: this is no text")
    return text


def _delimiter(text: str) -> str:
    """The separator most often outside quotes in the first line with any that is no remark."""
    for line in text.splitlines():
        if line.lstrip('" ').startswith("#"):
            continue
        plain = "".join(line.split('"')[::2])
        counts = [plain.count(separator) for separator in _SEPARATORS]
        if any(counts):
            return _SEPARATORS[counts.index(max(counts))]
    return _SEPARATORS[0]


def _bad(file: str, place: str, message: str) -> BadSheet:
    mistakes: Sequence[str] = [f"{file} {place}: {message}"]
    return BadSheet(file, mistakes, 1)
