"""A workbook looked through before the library opens it: sizes, entities, far cells, errors.

The library judges for itself what kind of workbook it has, lays a sheet out as a full rectangle and
ends the process when memory runs out, shows a cell with an error as an empty one, and likewise a
formula that was never calculated: so all of that is found here first, in one pass over the XML. It
is then given the parts that were looked through, and no others.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from kiti.timetable.sheets.csv_file import COLUMNS_MAX, ROWS_MAX

MEMBERS_MAX: Final = 500
UNPACKED_MAX: Final = 64 * 1024 * 1024
CELLS_MAX: Final = 500_000
# What the sheets come to as full rectangles: one of 10,000 rows and 250 columns, or many small.
AREA_MAX: Final = ROWS_MAX * COLUMNS_MAX
# Letters that the cells come to, were each to show the longest text that several can share.
LETTERS_MAX: Final = 64_000_000
_DEPTH_MAX: Final = 100
_PIECE: Final = 64 * 1024
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError)
_REFERENCE: Final = re.compile(r"\$?([A-Z]{1,3})\$?([0-9]{1,7})")
_SHEETS: Final = "xl/worksheets/"
_TYPES: Final = "[content_types].xml"
_ROOT: Final = "_rels/.rels"
_WORKBOOK: Final = "xl/workbook.xml"
# A list of the cells with formulas, which are in their sheets already.
_FORMULAS: Final = "xl/calcchain.xml"
_STRINGS: Final = "xl/sharedstrings.xml"
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"


class Unreadable(Exception):
    """The workbook is broken, hostile or too large; the message says which."""


@dataclass(slots=True)
class Scan:
    """What stands out: by member and cell, both counted from 0, what is wrong with the cell.

    `parts` are all that was looked through, by their names; `areas` the rows and columns of sheets.
    """

    cells: int = 0
    sharing_cells: int = 0
    longest_text: int = 0
    has_type: bool = False
    has_root: bool = False
    parts: dict[str, bytes] = field(default_factory=dict[str, bytes])
    areas: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    faults: dict[str, dict[tuple[int, int], str]] = field(
        default_factory=dict[str, dict[tuple[int, int], str]]
    )
    relations: dict[str, str] = field(default_factory=dict[str, str])
    sheets: dict[str, str] = field(default_factory=dict[str, str])

    def faults_of(self, sheet: str) -> dict[tuple[int, int], str]:
        """The cells of the sheet of this name that have no value to be read."""
        target = self.relations.get(self.sheets.get(sheet, ""), "")
        is_whole = target.startswith(("/", "xl/"))
        path = target.removeprefix("/") if is_whole else f"xl/{target}"
        return self.faults.get(path.casefold(), {})

    def repacked(self) -> bytes:
        """A workbook of these parts alone: nothing in it that was not looked through."""
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as packed:
            for name, content in self.parts.items():
                packed.writestr(zipfile.ZipInfo(name), content)
        return out.getvalue()

    def check(self) -> None:
        """Judge it as a whole, when every part was seen."""
        if not (self.has_type and self.has_root and _WORKBOOK in map(str.casefold, self.parts)):
            raise Unreadable("it is no XLSX, whatever its name says: save it as XLSX")
        if sum(rows * columns for rows, columns in self.areas.values()) > AREA_MAX:
            raise Unreadable(
                f"its sheets reach over more than {AREA_MAX:,} cells: clear what lies far off"
            )
        if self.longest_text * self.sharing_cells > LETTERS_MAX:
            raise Unreadable("its texts are too long for so many cells: shorten the longest")


def scan_workbook(raw: bytes) -> Scan:
    """Look through every part of the workbook.

    Raises:
        Unreadable: it is no zip or no XLSX, unpacks to too much, carries a DTD, is no XML, or a
            cell lies where no timetable has any.
    """
    scan = Scan()
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as opened:
            infos = opened.infolist()
            if len(infos) > MEMBERS_MAX:
                raise Unreadable(f"it holds more than {MEMBERS_MAX} parts")
            if sum(info.file_size for info in infos) > UNPACKED_MAX:
                raise Unreadable(f"it unpacks to more than {UNPACKED_MAX:,} bytes")
            names = [info.filename.replace("\\", "/") for info in infos]
            if len(set(map(str.casefold, names))) < len(names):
                raise Unreadable("two of its parts have one name")
            for name, info in zip(names, infos, strict=True):
                if _is_read(name.casefold()):
                    scan.parts[name] = _scan_part(opened, info, name, scan)
    except _BROKEN as error:
        raise Unreadable(f"it cannot be unpacked ({error})") from None
    scan.check()
    return scan


def _is_read(path: str) -> bool:
    """Whether an XLSX keeps something there that is read: no other kind of workbook does."""
    return path in {_TYPES, _ROOT} or (path.startswith("xl/") and path.endswith((".xml", ".rels")))


def _scan_part(opened: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, scan: Scan) -> bytes:
    """Look through one part; its content."""
    part = _Part(name.casefold(), scan)
    content = bytearray()
    with opened.open(info) as packed:
        read: Callable[[], bytes] = lambda: packed.read(_PIECE)  # noqa: E731 named for iter
        try:
            for piece in iter(read, b""):
                part.parser.Parse(piece, False)
                content += piece
            part.parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise Unreadable(f"{name} is no XML ({error})") from None
    return bytes(content)


class _Part:
    """One XML part being read: hears of elements, keeps the cell it is in."""

    def __init__(self, path: str, scan: Scan) -> None:
        self._path = path
        self._scan = scan
        self._depth = 0
        self._row = -1
        self._column = -1
        self._letters = 0
        self._formula = self._has_value = False
        self.parser = expat.ParserCreate()
        if path == _STRINGS:
            self.parser.CharacterDataHandler = self._count_letters
        self.parser.StartDoctypeDeclHandler = self._refuse_dtd
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end

    def _refuse_dtd(self, *_: object) -> None:
        raise Unreadable(f"{self._path} declares entities")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise Unreadable(f"{self._path} is nested too deeply")
        match name.rpartition(":")[2]:
            case "row":
                self._start_row(attributes.get("r"))
            case "c":
                self._start_cell(attributes)
            case "f":
                self._formula = True
            case "v" | "is":
                self._has_value = True
            case "si":
                self._letters = 0
            case "Override" if self._path == _TYPES:
                self._scan.has_type |= (
                    attributes.get("PartName", "").casefold() == f"/{_WORKBOOK}"
                    and attributes.get("ContentType") == _XLSX
                )
            case "Relationship" if self._path == _ROOT:
                self._scan.has_root |= attributes.get("Target", "").removeprefix(
                    "/"
                ).casefold() == _WORKBOOK and attributes.get("Type", "").endswith("/officeDocument")
            case "Relationship" if self._path == "xl/_rels/workbook.xml.rels":
                self._scan.relations[attributes.get("Id", "")] = attributes.get("Target", "")
            case "sheet" if self._path == _WORKBOOK:
                self._scan.sheets[attributes.get("name", "")] = attributes.get("r:id", "")
            case _:
                pass

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name.rpartition(":")[2] == "c" and self._formula and not self._has_value:
            self._fault("this formula was never calculated: open the file, save it again")

    def _count_letters(self, text: str) -> None:
        self._letters += len(text)
        self._scan.longest_text = max(self._scan.longest_text, self._letters)

    def _start_row(self, number: str | None) -> None:
        if number is not None and not (number.isascii() and number.isdigit()):
            raise Unreadable(f"{self._path} has a row {number[:20]!r}")
        self._row = self._row + 1 if number is None else int(number) - 1
        self._column = -1
        self._check()

    def _start_cell(self, attributes: dict[str, str]) -> None:
        self._scan.cells += 1
        if self._scan.cells > CELLS_MAX:
            raise Unreadable(f"it has more than {CELLS_MAX:,} cells")
        reference = attributes.get("r")
        if reference is None:
            self._column += 1
        else:
            found = _REFERENCE.fullmatch(reference)
            if found is None:
                raise Unreadable(f"{self._path} has a cell {reference[:20]!r}")
            self._column = _column(found[1])
            self._row = int(found[2]) - 1
        self._check()
        if self._path != _FORMULAS:
            rows, columns = self._scan.areas.get(self._path, (0, 0))
            self._scan.areas[self._path] = max(rows, self._row + 1), max(columns, self._column + 1)
        self._formula = self._has_value = False
        self._scan.sharing_cells += attributes.get("t") == "s"
        if attributes.get("t") == "e":
            self._fault("this cell shows an error (such as #REF!): correct it")

    def _check(self) -> None:
        if not (0 <= self._row < ROWS_MAX and self._column < COLUMNS_MAX):
            raise Unreadable(
                f"{self._path} has a cell far off: at most {ROWS_MAX:,} rows and {COLUMNS_MAX} "
                "columns are read"
            )

    def _fault(self, what: str) -> None:
        if self._path.startswith(_SHEETS):
            self._scan.faults.setdefault(self._path, {})[self._row, self._column] = what


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
