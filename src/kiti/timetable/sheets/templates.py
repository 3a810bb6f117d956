"""Templates to fill in: a small timetable and its fares, which import as they are."""

import csv
import io
from collections.abc import Sequence
from datetime import time
from typing import Final

import xlsxwriter

from kiti.timetable.sheets.words import Unclear, to_clock

TIMETABLE: Final = (
    ("# A line in one direction is a block: its settings, a row “stop”, then a row a stop."),
    ("# A column is a departure; its number in the row “stop” is what its trips are known by."),
    ("# Times are the stop's own: 06:40/06:50 arrives and leaves, 06:50 on: only boarding,"),
    ("# 08:25 off: only leaving, empty: does not call. Rows of settings may be left out."),
    ("line", "LI", "Lagos – Ibadan"),
    ("mode", "bus"),
    ("days", "", "", "daily", "daily", "Fri, Sun"),
    ("from", "", "", "", "", ""),
    ("until", "", "", "", "", ""),
    ("not on", "", "", "", "", "2030-12-25"),
    ("also on", "", "", "", "", "2030-12-24, 2030-12-31"),
    ("holidays", "yes", "", "", "sunday", ""),
    ("stop", "city", "country", "1", "2", "3"),
    ("Jibowu", "Lagos", "NG", "06:00", "07:30", "17:30"),
    ("Berger", "Lagos", "NG", "06:40/06:50 on", "08:20 on", ""),
    ("Challenge", "Ibadan", "NG", "08:25 off", "", "19:55 off"),
    ("Iwo Road", "Ibadan", "NG", "08:45", "10:15", "20:15"),
    (),
    ("line", "IL", "Ibadan – Lagos"),
    ("stop", "city", "country", "1", "2"),
    ("Iwo Road", "Ibadan", "NG", "05:45", "15:30"),
    ("Jibowu", "Lagos", "NG", "08:30", "18:15"),
)
FARES: Final = (
    ("# Stops or cities, for both ways. Amounts as they are said: 5,000 or 5000.00, not in kobo."),
    ("from", "to", "class", "type", "amount"),
    ("Lagos", "Ibadan", "STANDARD", "adult", "5,000"),
    ("Lagos", "Ibadan", "STANDARD", "child", "2,500"),
    ("Berger", "Iwo Road", "STANDARD", "adult", "4,500"),
)
_WIDTH: Final = 14

Rows = Sequence[str | Sequence[str]]


def to_csv(rows: Rows) -> bytes:
    """The rows as CSV, with a byte order mark, so that spreadsheets read its letters rightly."""
    out = io.StringIO()
    writer = csv.writer(out)
    for row in rows:
        writer.writerow([row] if isinstance(row, str) else row)
    return out.getvalue().encode("utf-8-sig")


def to_xlsx(sheets: Sequence[tuple[str, Rows]]) -> bytes:
    """A workbook of these sheets; times are cells of time, so that a new one is typed as 7:30."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    clock = book.add_format({"num_format": "hh:mm"})
    bold = book.add_format({"bold": True})
    for name, rows in sheets:
        sheet = book.add_worksheet(name)
        sheet.set_column(0, 1, _WIDTH)
        for number, row in enumerate(rows):
            cells = [row] if isinstance(row, str) else row
            for column, cell in enumerate(cells):
                at = _time_of(cell)
                if at is not None:
                    sheet.write(number, column, at, clock)
                elif cell:
                    sheet.write_string(number, column, cell, None if column else bold)
    book.close()
    return out.getvalue()


def _time_of(cell: str) -> time | None:
    try:
        seconds = to_clock(cell)
    except Unclear:
        return None
    return time(seconds // 3600, seconds // 60 % 60)
