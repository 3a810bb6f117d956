import zipfile
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from io import BytesIO
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiti.network.model import NewCall, check_calls
from kiti.timetable.intake.places import match_places
from kiti.timetable.intake.plan import plan_departures
from kiti.timetable.sheets.blocks import is_timetable
from kiti.timetable.sheets.cells import BadSheet, Mistakes, Table
from kiti.timetable.sheets.csv_file import read_csv
from kiti.timetable.sheets.fares import is_fares, read_fares
from kiti.timetable.sheets.grid import read_lines
from kiti.timetable.sheets.reading import read_tables, tables_of
from kiti.timetable.sheets.templates import FARES, TIMETABLE, to_csv, to_xlsx
from sheet_make import TIMETABLE as SMALL
from sheet_make import Cell, make_workbook

DAY = date(2026, 12, 1)
LAYOUTS = ["small"]
# The small timetable as somebody typed it into a spreadsheet: times as times, codes as numbers.
SMALL_CELLS: list[list[Cell]] = [
    ["line", "LI", "Lagos – Ibadan"],
    ["days", "", "", "", "", "Mon-Fri"],
    ["stop", "city", "country", 1, 2.0, "3"],
    ["Jibowu", "Lagos", "NG", time(6), time(8), time(17, 30)],
    ["Berger", "", "", "06:40/06:50 on", "-", "18:20 on"],
    ["Challenge", "Ibadan", "", time(8, 25), "=A1+1→0.420138888888889", ""],
    ["Iwo Road", "", "", timedelta(hours=8, minutes=45), "10:25", time(20, 15)],
    [],
    ["line", "IL", ""],
    ["stop", "city", "country", "1"],
    ["Iwo Road", "Ibadan", "NG", "09:00"],
    ["Jibowu", "Lagos", "NG", "11:45"],
]


def cells_of(tables: list[Table]) -> list[list[str]]:
    return [
        [text for column in range(len(table.rows[row])) if (text := table.text(row, column))]
        for table in tables
        for row in range(len(table.rows))
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_of_any_spreadsheet(separator: str, mark: str, end: str):
    text = (
        f'{mark}# a, remark; here{end}line{separator}"L, 1"{separator}Lomé{end}{end}a{separator}b'
    )
    table = read_csv(text.encode(), "t.csv")
    assert cells_of([table])[1:] == [["line", "L, 1", "Lomé"], [], ["a", "b"]]
    assert table.place(3, 1) == "t.csv line 4, column 2"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("line,LI\n".encode("utf-16"), r"t\.csv line 1: the text is UTF-16"),
        (b"line,LI\nstop,Lom\xe9\n", r"t\.csv line 2: the text is not UTF-8; save it as"),
        (b"line,LI\n\0\n", r"t\.csv line 2: a NUL"),
        (b'line,LI\nstop,"Jib\nowu\n', r"t\.csv line 2: the row cannot be read"),
        (b"a,b\n" * 10_001, r"line 10001: more than 10,000 rows"),
        (b"a," * 300, r"line 1: more than 250 columns"),
        (b"a," + b"b" * 20_000, r"line 1: a cell is longer"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 100, r"an old or an encrypted workbook"),
        (b"a" * 10_485_761, "larger than"),
        (b"PK\x03\x04 no zip", r"cannot be unpacked"),
        (b"PK", r"cannot be unpacked"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_what_to_do(raw: bytes, said: str):
    with pytest.raises(BadSheet, match=said):
        tables_of(raw, "t.csv")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(BadSheet, match="No such file"):
        read_tables(tmp_path / "none.csv")
    with pytest.raises(BadSheet, match="Is a directory"):
        read_tables(tmp_path)


@pytest.mark.parametrize("is_1904", [False, True])
def test_times_dates_formulas_and_merged_cells_of_a_workbook(is_1904: bool):  # noqa: FBT001 by pytest
    rows: list[list[Cell]] = [
        ["a", "", time(7, 30), date(2026, 12, 25), timedelta(hours=25), "=B1→0.25", "=B1→text"],
        ["", "", 1500.0, "x"],
        [],
        ["end"],
    ]
    raw = make_workbook(
        {"One": rows, "Secret": [["hidden"]], "Two": [["z"]]},
        hidden=["Secret"],
        merged={"One": [("B3:D4", "daily")]},
        is_1904=is_1904,
    )
    one, two = tables_of(raw, "t.xlsx")
    assert list(one.rows[0]) == [
        "a", "", time(7, 30), date(2026, 12, 25), timedelta(hours=25), 0.25, "text",
    ]  # fmt: skip
    assert [one.text(2, column) for column in range(5)] == ["", "daily", "daily", "daily", ""]
    assert one.text(3, 3) == "daily"
    assert (two.sheet, two.text(0, 0)) == ("Two", "z")
    assert one.place(2, 1) == "t.xlsx, sheet One, cell B3"


UNCALCULATED = (
    "t.xlsx, sheet Times, cell A2: this formula was never calculated: open the file, save it again"
)


def test_errors_and_formulas_never_calculated_are_told_with_their_cell():
    raw = make_workbook({"A": [["x"]], "Times": [["a", "=1/0→#DIV/0!"], ["=1+1→gone"]]})
    raw = changed(raw, "xl/worksheets/sheet2.xml", lambda xml: xml.replace(b"<v>gone</v>", b""))
    with pytest.raises(BadSheet) as refused:
        tables_of(raw, "t.xlsx")
    assert refused.value.mistakes == (
        "t.xlsx, sheet Times, cell B1: this cell shows an error (such as #REF!): correct it",
        UNCALCULATED,
    )
    # On a hidden sheet nobody can see or mend them, and nothing is read from there.
    hidden = make_workbook({"A": [["x"]], "H": [["=1/0→#DIV/0!"]]}, hidden=["H"])
    assert len(tables_of(hidden, "t.xlsx")) == 1


def changed(raw: bytes, member: str, change: Callable[[bytes], bytes]) -> bytes:
    """The workbook with one of its parts rewritten."""
    out = BytesIO()
    new = zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(BytesIO(raw)) as old, new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == member else old.read(name))
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
FAR = b'<row r="1048576"><c r="XFD1048576"><v>2</v></c></row></sheetData>'
ENTITIES = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]>'


HOSTILE: list[tuple[str, Callable[[bytes], bytes], str]] = [
    (SHEET, lambda xml: xml.replace(b"</sheetData>", FAR), "a cell far off"),
    (SHEET, lambda xml: xml.replace(b'r="A1"', b'r="ZZZ9"'), "a cell far off"),
    (SHEET, lambda xml: xml.replace(b'r="A1"', b'r="A0"'), "a cell far off"),
    (SHEET, lambda xml: xml.replace(b'r="A1"', b'r="1A"'), "has a cell '1A'"),
    (SHEET, lambda xml: xml.replace(b'<row r="1"', b'<row r="x"'), "has a row 'x'"),
    (SHEET, lambda xml: xml.replace(b"</worksheet>", b""), "is no XML"),
    (SHEET, lambda _: b"<a>" * 200 + b"</a>" * 200, "nested too deeply"),
    (SHEET, lambda _: b"<x>" + b" " * 70_000_000 + b"</x>", "unpacks to more than"),
    ("xl/sharedStrings.xml", lambda xml: ENTITIES + xml.partition(b"?>")[2], "declares entities"),
    ("xl/workbook.xml", lambda _: b"<workbook/>", "no timetable"),
    ("[Content_Types].xml", lambda _: b"\0\1\2", "is no XML"),
]


@pytest.mark.parametrize(("member", "change", "said"), HOSTILE)
def test_a_hostile_workbook_is_refused(member: str, change: Callable[[bytes], bytes], said: str):
    raw = changed(make_workbook({"A": [["line", "LI"], [time(7), 5.0]]}), member, change)
    mistakes = Mistakes("t.xlsx")
    with pytest.raises(BadSheet, match=said):
        refuse_or_read(raw, mistakes)


def refuse_or_read(raw: bytes, mistakes: Mistakes) -> None:
    read_lines(tables_of(raw, "t.xlsx"), DAY, mistakes, layouts=LAYOUTS)
    mistakes.refuse()


def packed(parts: Mapping[str, str | bytes]) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def unpacked(raw: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


ODS_TYPE = "application/vnd.oasis.opendocument.spreadsheet"
ODS = {
    "mimetype": ODS_TYPE,
    "META-INF/manifest.xml": (
        '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<m:file-entry m:full-path="/" m:media-type="{ODS_TYPE}"/></m:manifest>'
    ),
    "content.xml": (
        '<o:document-content xmlns:o="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:t="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
        'xmlns:x="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><o:body><o:spreadsheet>'
        '<t:table t:name="T"><t:table-row t:number-rows-repeated="100">'
        '<t:table-cell t:number-columns-repeated="30" o:value-type="string"><x:p>x</x:p>'
        "</t:table-cell></t:table-row></t:table></o:spreadsheet></o:body></o:document-content>"
    ),
}
XLSB_TYPE = "application/vnd.ms-excel.sheet.binary.macroEnabled.main"


def test_a_workbook_of_another_kind_is_refused_whatever_its_name():
    real = unpacked(make_workbook({"A": [["line", "LI"]]}))
    xlsb = {
        "[Content_Types].xml": (
            b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            b'<Override PartName="/xl/workbook.bin" ContentType="%b"/></Types>'
        )
        % XLSB_TYPE.encode(),
        "_rels/.rels": real["_rels/.rels"].replace(b"workbook.xml", b"workbook.bin"),
        "xl/workbook.bin": b"\x83\x01\x00",
    }
    of_other_type = real | {
        "[Content_Types].xml": real["[Content_Types].xml"].replace(b"sheet.main", b"sheet.other")
    }
    without_root = {name: part for name, part in real.items() if name != "_rels/.rels"}
    for parts in (ODS, xlsb, of_other_type, without_root, {"[Content_Types].xml": b"<Types/>"}):
        with pytest.raises(BadSheet, match=r"it is no XLSX.*save it as XLSX"):
            tables_of(packed(parts), "t.xlsx")


def test_what_was_not_looked_through_is_not_there_for_the_library():
    """An XLSX that cannot be opened is not tried as the ODS that lies in it."""
    real = unpacked(make_workbook({"A": [["line", "LI"]]}))
    assert len(tables_of(packed({**ODS, **real}), "t.xlsx")) == 1
    broken = real | {
        "xl/workbook.xml": real["xl/workbook.xml"].replace(b'r:id="rId1"', b'r:id="none"')
    }
    with pytest.raises(BadSheet, match="Cannot detect file format"):
        tables_of(packed({**ODS, **broken}), "t.xlsx")


def test_sheets_that_reach_far_are_added_up():
    far: list[list[Cell]] = [["a"], *[[] for _ in range(9_998)], [*[""] * 249, "b"]]
    assert len(tables_of(make_workbook({"A": far}), "t.xlsx")[0].rows) == 10_000
    with pytest.raises(BadSheet, match="more than 2,500,000 cells"):
        tables_of(make_workbook({"A": far, "B": [["a"]]}), "t.xlsx")


def test_a_long_text_in_many_cells_is_refused_before_it_is_copied():
    long = make_workbook({"A": [["x" * 30_000] * 50] * 42})
    assert len(tables_of(long, "t.xlsx")[0].rows) == 42
    with pytest.raises(BadSheet, match="too long for so many cells"):
        tables_of(make_workbook({"A": [["x" * 30_000] * 50] * 43}), "t.xlsx")


def test_overlapping_merges_and_too_many_parts_are_refused():
    cells: list[list[Cell]] = [["a"] * 20] * 50
    merge = b'<mergeCells count="2">' + b'<mergeCell ref="A1:T50"/>' * 40 + b"</mergeCells>"
    raw = make_workbook({"A": cells})
    raw = changed(raw, SHEET, lambda xml: xml.replace(b"</sheetData>", b"</sheetData>" + merge))
    with pytest.raises(BadSheet, match="overlap"):
        tables_of(raw, "t.xlsx")
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for n in range(501):
            packed.writestr(f"{n}.txt", b"")
    with pytest.raises(BadSheet, match="more than 500 parts"):
        tables_of(out.getvalue(), "t.xlsx")


def read_all(raw: bytes) -> BadSheet | None:
    """All of the reading: what it cannot make sense of must end in a refusal, nothing else."""
    try:
        tables = tables_of(raw, "t")
        mistakes = Mistakes("t")
        read_lines(
            [table for table in tables if is_timetable(table)], DAY, mistakes, layouts=LAYOUTS
        )
        for table in tables:
            if is_fares(table):
                read_fares(table, "NGN", mistakes)
        mistakes.refuse()
    except BadSheet as refused:
        return refused
    return None


def assert_read_or_refused(raw: bytes) -> None:
    refused = read_all(raw)
    assert refused is None or refused.mistakes
    assert "\n" not in str(refused)


TEMPLATE = to_xlsx([("Timetable", TIMETABLE), ("Fares", FARES)])


@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_refusal_or_a_result(raw: bytes):
    assert_read_or_refused(raw)
    assert_read_or_refused(b"PK\x03\x04" + raw)


@given(st.lists(st.tuples(st.integers(0, len(TEMPLATE) - 1), st.integers(0, 255)), max_size=6))
def test_any_broken_workbook_ends_in_a_refusal_or_a_result(flips: list[tuple[int, int]]):
    raw = bytearray(TEMPLATE)
    for at, byte in flips:
        raw[at] = byte
    assert_read_or_refused(bytes(raw))


STOP = ["Jibowu", "Lagos", "NG"]
cells = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["line", "stop", "city", "country", "days", "from", "until", "NG", "Mon-Fri",
                     "07:30", "07:40/07:50", "08:00 on", "-", "2026-12-25", "not on", "holidays",
                     "to", "amount", "1,500", "code", "zone", "latitude", "#", "mode", "layout"]),
    st.floats(),
    st.booleans(),
    st.times(),
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
)  # fmt: skip


@given(st.lists(st.lists(cells, max_size=6), max_size=10))
def test_any_cells_end_in_mistakes_or_a_result(rows: list[list[str | float | time | datetime]]):
    header = ["stop", "city", "country"]
    for top in ([], [["line", "L"], header], [["line", "L"], header, [*STOP, "07:00", "08:00"]]):
        table = Table("t", None, [*top, *rows])
        mistakes = Mistakes("t")
        lines = read_lines([table], DAY, mistakes, layouts=LAYOUTS)
        assert lines or mistakes.found
        if table.rows:
            read_fares(table, "NGN", mistakes)
        places = match_places(lines, [], [], zone="Africa/Lagos", mistakes=mistakes)
        planned = plan_departures(lines, places.of_line, day=DAY, layout="small", mistakes=mistakes)
        for one in planned:
            check_calls(
                tuple(
                    NewCall(n, UUID(int=n), call.arrival_s, call.departure_s)
                    for n, call in enumerate(one.calls)
                )
            )


def test_csv_and_workbook_of_one_timetable_say_the_same():
    mistakes = Mistakes("t")
    csv_lines = read_lines([read_csv(SMALL.encode(), "t")], DAY, mistakes, layouts=LAYOUTS)
    book_lines = read_lines(
        tables_of(make_workbook({"S": SMALL_CELLS}), "t"), DAY, mistakes, layouts=LAYOUTS
    )
    assert mistakes.found == []
    assert [without_places(line) for line in csv_lines] == [
        without_places(line) for line in book_lines
    ]


def without_places(thing: object) -> object:
    """The same as plain values, without where each stood."""
    if isinstance(thing, tuple):
        return [without_places(one) for one in thing]
    names = getattr(thing, "__slots__", None)
    if names is None or isinstance(thing, date):
        return thing
    return {name: without_places(getattr(thing, name)) for name in names if "place" not in name}


def test_a_setting_merged_over_departures_holds_for_them_and_is_not_lost():
    cells: list[list[Cell]] = [
        ["line", "L"],
        ["days", "", "", "", ""],
        ["stop", "city", "country", "1", "2"],
        ["A", "B", "NG", time(6), time(8)],
        ["C", "D", "NG", time(7), time(9)],
    ]
    lost = [list(row) for row in cells]
    lost[1][2] = "Mon-Fri"
    for area, is_lost in (("C2:E2", False), ("B2:C2", False), ("B2:E2", False), ("", True)):
        raw = make_workbook(
            {"S": lost if is_lost else cells}, merged={"S": [(area, "Mon-Fri")] if area else []}
        )
        mistakes = Mistakes("t")
        [line] = read_lines(tables_of(raw, "t"), DAY, mistakes, layouts=LAYOUTS)
        assert bool(mistakes.found) is is_lost
        if not is_lost:
            assert {one.calendar.weekdays for one in line.departures} == {frozenset(range(5))}


def test_the_templates_read_the_same_from_csv_and_workbook():
    mistakes = Mistakes("t")
    [table] = tables_of(to_csv(TIMETABLE), "t")
    [times, fares] = tables_of(TEMPLATE, "t")
    lines = read_lines([table], DAY, mistakes, layouts=LAYOUTS)
    assert [len(line.departures) for line in lines] == [3, 2]
    assert [without_places(line) for line in lines] == [
        without_places(line) for line in read_lines([times], DAY, mistakes, layouts=LAYOUTS)
    ]
    [fare_table] = tables_of(to_csv(FARES), "t")
    found = read_fares(fare_table, "NGN", mistakes)
    assert [without_places(fare) for fare in found] == [
        without_places(fare) for fare in read_fares(fares, "NGN", mistakes)
    ]
    assert [fare.amount_minor for fare in found] == [500_000, 250_000, 450_000]
    assert mistakes.found == []
