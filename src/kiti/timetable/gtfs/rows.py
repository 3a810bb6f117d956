"""Rows of comma-separated text, one at a time: bounded, and with the line of every mistake."""

import csv
import io
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Final

from kiti.timetable.model import ImportRefused

LINE_CHARS_MAX: Final = 65_536
COLUMNS_MAX: Final = 200

# Makes the refusal for a message: NotAFeed for a feed's file, BadFares for the fares CSV.
Refuse = Callable[[str], ImportRefused]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns to read, in the order their values come; the first `required` must be there."""

    names: tuple[str, ...]
    required: int


def read_rows(
    raw: IO[bytes], columns: Columns, *, name: str, rows_max: int, refuse: Refuse
) -> Generator[tuple[int, tuple[str, ...]]]:
    """Each row's line number (1 is the header) and the values of `columns`, stripped.

    A column that is absent, and a value beyond the end of a short row, reads as "". Blank rows are
    passed over; columns in any order, unknown ones ignored; a BOM and any line ends.

    Raises:
        ImportRefused: from `refuse`: no header, a needed column missing, text that is not UTF-8,
            a NUL, a quote never closed, or more than a limit allows.
    """
    # Bytes that are not UTF-8 come through as lone surrogates, so that their line can be named.
    text = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(_lines(text, name, refuse), skipinitialspace=True)
    try:
        header = next(reader, None)
        if header is None:
            raise refuse(f"{name} is empty")
        picks = _picks(header, columns, name, refuse)
        width = len(header)
        for count, row in enumerate(reader):
            if count >= rows_max:
                raise refuse(f"{name} has more than {rows_max:,} rows")
            row.extend([""] * (width - len(row)))
            values = tuple("" if at is None else row[at].strip() for at in picks)
            if any(values):
                yield reader.line_num, values
    except csv.Error as error:
        raise refuse(f"{name} line {reader.line_num}: {error}") from None
    finally:
        text.detach()  # closing `raw` is its owner's affair


def _lines(text: io.TextIOWrapper, name: str, refuse: Refuse) -> Iterator[str]:
    """Lines of bounded length, so that a file without line ends cannot fill the memory."""
    number = 0
    while line := text.readline(LINE_CHARS_MAX):
        number += 1
        if len(line) >= LINE_CHARS_MAX:
            raise refuse(f"{name} line {number}: longer than {LINE_CHARS_MAX:,} characters")
        if not line.isascii() and not _is_utf8(line):
            raise refuse(f"{name} line {number}: the text is not UTF-8")
        if "\0" in line:
            raise refuse(f"{name} line {number}: a NUL character")
        yield line


def _is_utf8(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True


def _picks(header: Sequence[str], columns: Columns, name: str, refuse: Refuse) -> list[int | None]:
    if len(header) > COLUMNS_MAX:
        raise refuse(f"{name} has more than {COLUMNS_MAX} columns")
    places = {title.strip(): at for at, title in reversed(list(enumerate(header)))}
    missing = [column for column in columns.names[: columns.required] if column not in places]
    if missing:
        raise refuse(f"{name} line 1: the column {missing[0]} is missing")
    return [places.get(column) for column in columns.names]
