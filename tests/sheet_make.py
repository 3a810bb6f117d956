"""Spreadsheets for the tests: a small timetable with fares, as CSV and as a workbook."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from io import BytesIO
from pathlib import Path

import xlsxwriter

from kiti.timetable.intake.model import SheetRequest

LAYOUT = "name: Small\nclass v: VIP\nseats: 5\n[Main]\n1: A B . C :v\n2: A . B\n"
TIMETABLE = """\
line,LI,Lagos – Ibadan
days,,,daily,daily,Mon-Fri
stop,city,country,1,2,3
Jibowu,Lagos,NG,06:00,08:00,17:30
Berger,,,06:40/06:50 on,-,18:20 on
Challenge,Ibadan,,08:25,10:05,
Iwo Road,,,08:45,10:25,20:15

line,IL
stop,city,country,1
Iwo Road,Ibadan,NG,09:00
Jibowu,Lagos,NG,11:45
"""
FARES = """\
from,to,class,amount
Lagos,Ibadan,STANDARD,"5,000"
Lagos,Ibadan,VIP,"7,500.50"
"""
Cell = str | float | time | date | datetime | timedelta


def make_sheet_request(
    folder: Path,
    *,
    timetable: str | bytes = TIMETABLE,
    fares: str | bytes | None = FARES,
    layout: str = LAYOUT,
    file: str = "timetable.csv",
    **changes: object,
) -> SheetRequest:
    """An import of the small timetable for a new operator; `changes` are fields of the request."""
    drawn = _write(folder / "small.layout", layout)
    request = SheetRequest(
        file=_write(folder / file, timetable),
        operator="acme",
        layouts=[drawn],
        currency="NGN",
        fares=None if fares is None else _write(folder / "fares.csv", fares),
        name="Acme Coaches",
        timezone="Africa/Lagos",
        days_ahead=14,
    )
    return replace(request, **changes)  # pyright: ignore[reportArgumentType] named by the test


def _write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def make_workbook(
    sheets: Mapping[str, Sequence[Sequence[Cell]]],
    *,
    hidden: Sequence[str] = (),
    merged: Mapping[str, Sequence[tuple[str, Cell]]] | None = None,
    is_1904: bool = False,
) -> bytes:
    """A workbook of these rows; times and dates as Excel keeps them; `merged` ranges by sheet."""
    out = BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "date_1904": is_1904})
    clock = book.add_format({"num_format": "hh:mm"})
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    long = book.add_format({"num_format": "[h]:mm"})
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                if isinstance(cell, time):
                    sheet.write(row, column, cell, clock)
                elif isinstance(cell, timedelta):
                    sheet.write(row, column, cell, long)
                elif isinstance(cell, date):
                    sheet.write_datetime(row, column, datetime.combine(cell, time()), day)
                elif isinstance(cell, str) and cell.startswith("="):
                    formula, _, shown = cell.partition("→")
                    value = float(shown) if shown.replace(".", "").isdigit() else shown
                    sheet.write_formula(
                        row,
                        column,
                        formula,
                        None,
                        value,  # pyright: ignore[reportArgumentType] its hint is too narrow
                    )
                elif cell != "":
                    sheet.write(row, column, cell)
        for area, cell in (merged or {}).get(name, ()):
            sheet.merge_range(area, cell)
        if name in hidden:
            sheet.hide()
    book.close()
    return out.getvalue()
