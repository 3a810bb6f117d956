"""XLSX: the visible sheets of a workbook, merged cells filled, formulas by their last value."""

import io
from datetime import date, datetime, time, timedelta
from typing import Final

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetVisibleEnum

from kiti.timetable.sheets.cells import BadSheet, Mistakes, Table, Value
from kiti.timetable.sheets.xlsx_scan import Unreadable, scan_workbook

SHEETS_MAX: Final = 50
# A time of day of 24 hours and more is told as a date in the calendar's first days.
_EARLY: Final = date(1905, 1, 1)

Raw = int | float | str | bool | time | date | datetime | timedelta


def read_xlsx(raw: bytes, file: str) -> list[Table]:
    """The sheets that can be seen, in order; hidden ones are passed over.

    Raises:
        BadSheet: it is no workbook, hostile, too large, or a cell shows an error.
    """
    try:
        scan = scan_workbook(raw)
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(scan.repacked()))
        visible = [
            sheet.name
            for sheet in workbook.sheets_metadata
            if sheet.visible is SheetVisibleEnum.Visible
        ]
        if len(visible) > SHEETS_MAX:
            raise Unreadable(f"it has more than {SHEETS_MAX} sheets")
        tables = [_table(workbook.get_sheet_by_name(name), file) for name in visible]
    except (Unreadable, CalamineError, OSError, ValueError) as error:
        raise BadSheet(file, [f"{file}: the workbook cannot be read: {error}"], 1) from None
    mistakes = Mistakes(file)
    for table in tables:
        for (row, column), what in scan.faults_of(table.sheet or "").items():
            mistakes.add(table.place(row, column), what)
    mistakes.refuse()
    return tables


def _table(sheet: CalamineSheet, file: str) -> Table:
    rows = [[_value(cell) for cell in row] for row in sheet.to_python(skip_empty_area=False)]
    left_to_fill = sum(map(len, rows))
    merged: dict[tuple[int, int], tuple[int, int]] = {}
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or []:
        if not (top < len(rows) and left < len(rows[top])):
            continue
        for number, row in enumerate(rows[top : bottom + 1], start=top):
            last = min(right, len(row) - 1)
            for column in range(left, last + 1):
                row[column] = rows[top][left]
                merged[number, column] = left, last
                left_to_fill -= 1
            if left_to_fill < 0:
                raise Unreadable(f"the merged cells of {sheet.name} overlap")
    return Table(file, sheet.name, rows, merged=merged)


def _value(raw: Raw) -> Value:
    """A cell as the rest reads it: whole numbers are floats too, times of day are times."""
    match raw:
        case bool():
            return raw
        case int():
            return float(raw)
        case datetime() if raw.date() < _EARLY:
            return raw.time()
        case date() if not isinstance(raw, datetime) and raw < _EARLY:
            return time(0)
        case _:
            return raw
