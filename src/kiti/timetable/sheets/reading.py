"""A spreadsheet file as tables, whatever its kind; the kind is judged by its first bytes."""

from pathlib import Path
from typing import Final

from kiti.timetable.sheets.cells import BadSheet, Table
from kiti.timetable.sheets.csv_file import read_csv
from kiti.timetable.sheets.xlsx_file import read_xlsx

FILE_BYTES_MAX: Final = 10 * 1024 * 1024
_ZIP: Final = b"PK"
_OLD_EXCEL: Final = b"\xd0\xcf\x11\xe0"


def read_tables(path: Path) -> list[Table]:
    """The sheets of a workbook, or the one table of a CSV file.

    Raises:
        BadSheet: the file is not there, larger than 10 MB, or cannot be read.
    """
    try:
        with path.open("rb") as opened:
            raw = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise BadSheet(path.name, [f"{path} cannot be read: {error.strerror}"], 1) from None
    return tables_of(raw, path.name)


def tables_of(raw: bytes, file: str) -> list[Table]:
    """As `read_tables`, of the file's content; `file` is its name in messages.

    Raises:
        BadSheet: as there.
    """
    if len(raw) > FILE_BYTES_MAX:
        raise BadSheet(file, [f"{file}: larger than {FILE_BYTES_MAX:,} bytes"], 1)
    if raw.startswith(_OLD_EXCEL):
        what = "an old or an encrypted workbook; save it as XLSX without a password"
        raise BadSheet(file, [f"{file}: {what}"], 1)
    return read_xlsx(raw, file) if raw.startswith(_ZIP) else [read_csv(raw, file)]
