"""A file of holidays: a date and a name a row."""

from datetime import date
from pathlib import Path
from typing import Final

from kiti.timetable.sheets.cells import Mistakes
from kiti.timetable.sheets.reading import read_tables
from kiti.timetable.sheets.words import Unclear, plain, to_date

_HEADER: Final = frozenset({"date", "day", "jour"})


def read_holidays(path: Path) -> dict[date, str]:
    """The names by date: of a CSV or a workbook with columns date and name, a header or none.

    Raises:
        BadSheet: the file cannot be read, or a row is no date and name.
    """
    mistakes = Mistakes(path.name)
    found: dict[date, str] = {}
    for table in read_tables(path):
        for row in range(len(table.rows)):
            first = table.text(row, 0) if table.rows[row] else ""
            is_said = not table.is_empty(row) and not first.startswith("#")
            if not is_said or plain(first) in _HEADER:
                continue
            try:
                day = to_date(table.at(row, 0))
            except Unclear as error:
                mistakes.add(table.place(row, 0), str(error))
                continue
            if not table.text(row, 1):
                mistakes.add(table.place(row, 1), "name the holiday here")
            found[day] = table.text(row, 1)
    if not found and not mistakes.count:
        mistakes.add(path.name, "no holidays: a row has a date and a name")
    mistakes.refuse()
    return found
