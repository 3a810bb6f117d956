"""Feeds broken at random: each ends in a report or in a refusal, within a bounded memory."""

import tracemalloc
import zipfile
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed_make import FILES, make_feed
from kiti.fares.model import FareTableInvalid
from kiti.timetable.gtfs.reader import read_feed
from kiti.timetable.model import ImportRefused, PerKm, Shift, Window
from kiti.timetable.planner import make_plan
from kiti.timetable.preview import describe_plan
from kiti.timetable.remarks import Code
from kiti.timetable.report import Report
from kiti.timetable.tariffs import FareSource, make_tariffs

MONDAY = date(2026, 11, 23)
WINDOW = Window(MONDAY, MONDAY + timedelta(days=6))
MEMORY_MAX = 32 * 1024 * 1024

WHOLE = {
    **FILES,
    "trips.txt": FILES["trips.txt"] + "R,daily,U\n",
    "stop_times.txt": FILES["stop_times.txt"]
    + "U,1,LOS,00:00:00,00:00:00\nU,2,IBA,02:00:00,02:00:00\n",
    "calendar_dates.txt": "service_id,date,exception_type\ndaily,20261125,2\nextra,20261126,1\n",
    "frequencies.txt": (
        "trip_id,start_time,end_time,headway_secs,exact_times\nU,06:00:00,09:00:00,1800,1\n"
    ),
    "feed_info.txt": "feed_publisher_name,feed_start_date,feed_end_date\nK,20260101,20261231\n",
    "fare_attributes.txt": "fare_id,price,currency_type,agency_id\nf,12.50,NGN,A\n",
    "fare_rules.txt": "fare_id,route_id,origin_id,destination_id\nf,R,z1,z2\n",
}
PRODUCTS = {
    "fare_products.txt": (
        "fare_product_id,rider_category_id,amount,currency\np,a,10,NGN\np,,9,KES\n"
    ),
    "rider_categories.txt": "rider_category_id,rider_category_name,is_default\na,Adult,1\n",
    "fare_leg_rules.txt": "fare_product_id,from_area_id,to_area_id,rule_priority\np,w,,1\np,,,\n",
    "stop_areas.txt": "area_id,stop_id\nw,LOS\nw,IBA\n",
    "route_networks.txt": "network_id,route_id\nN,R\n",
}
NASTY = [
    "", " ", ",", '"', '""', "\n", "\r", "\r\n", "\t", "\0", "-1", "0", "1", "2", "00:00:00",
    "24:00:00", "239:59:59", "999:00:00", "8:00", "-1:00:00", "20260231", "00000000", "99991231",
    "19000101", "4294967296", "1e308", "nan", "inf", "-0", "٣", "😀", "\ufeff", "\u202e", "a" * 300,
    "T", "U", "R", "LOS", "daily", "A", "Africa/Lagos", "Africa/Nowhere", "Factory", "NGN", "XXX",
    "=cmd()", "../../etc/passwd", "%s", "{}", "1" * 400, "1:2:3:4", "９:00:00", "\x1b[2J", "\x7f",
]  # fmt: skip
BYTES = st.one_of(
    st.sampled_from([text.encode("utf-8", "surrogatepass") for text in NASTY]),
    st.binary(max_size=6),
    st.sampled_from([b"\xff\xfe", b"\xed\xa0\x80", b"\xc3", b"\xf8\x88\x80\x80\x80"]),
)


def run(path: Path, shift: Shift | None) -> None:
    """The whole import but for the database; what it tells must add up."""
    report = Report("fuzz")
    try:
        feed = read_feed(path, report)
        plan = make_plan(feed, WINDOW, shift=shift, today=MONDAY, report=report)
        source = FareSource("NGN", per_km=PerKm(10_000, 50_000))
        patterns = list({trip.pattern.number: trip.pattern for trip in plan.trips}.values())
        tariffs = make_tariffs(
            feed, source, fare_map={}, classes=("STANDARD", "VIP"), patterns=patterns, report=report
        )
        sold = plan.only(lambda t: t.pattern.number in tariffs.sold_patterns, Code.NO_FARE, report)
        describe_plan(
            sold, tariffs, classes=("STANDARD", "VIP"), payable=frozenset({"NGN"}), report=report
        )
        for departure in islice(sold.runs(), 1_000):
            assert departure.service_date in WINDOW.dates()
            assert len(departure.trip.pattern.calls) > 1
        lost = sum(finding.runs for finding in report.findings.values())
        assert report.runs_in_calendar == report.runs_planned + lost
        assert report.runs_planned == sold.runs_count()
        assert report.text().isascii() or report.text().encode()
        assert report.to_dict()
    except (ImportRefused, FareTableInvalid) as error:
        refusal = str(error)
    else:
        refusal = ""
    assert "\n" not in refusal


def run_within_bounds(path: Path, shift: Shift | None) -> None:
    tracemalloc.start()
    try:
        run(path, shift)
        assert tracemalloc.get_traced_memory()[1] < MEMORY_MAX
    finally:
        tracemalloc.stop()


SHIFTS = st.sampled_from([None, "fullest", date(2026, 5, 4)])


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from([*WHOLE, *PRODUCTS]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), BYTES), min_size=1, max_size=5),
    SHIFTS,
)
def test_bytes_of_a_file_changed_anywhere(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    edits: list[tuple[float, int, bytes]],
    shift: Shift | None,
):
    files = {**WHOLE, **(PRODUCTS if name in PRODUCTS else {})}
    content = files[name].encode()
    for place, cut, new in edits:
        at = int(place * len(content))
        content = content[:at] + new + content[at + cut :]
    changes: dict[str, str | bytes | None] = {**files, name: content}
    run_within_bounds(make_feed(tmp_path_factory.mktemp("bytes"), changes), shift)


CELLS = st.lists(
    st.tuples(
        st.sampled_from([*WHOLE, *PRODUCTS]), st.integers(0, 9), st.integers(0, 9),
        st.sampled_from(NASTY),
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip
ROWS = st.lists(
    st.tuples(
        st.sampled_from([*WHOLE, *PRODUCTS]), st.integers(0, 9),
        st.sampled_from(["drop", "double", "empty", "turn", "first"]),
    ),
    max_size=4,
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(CELLS, ROWS, st.booleans(), SHIFTS)
def test_values_and_rows_changed_anywhere(
    tmp_path_factory: pytest.TempPathFactory,
    cells: list[tuple[str, int, int, str]],
    rows: list[tuple[str, int, str]],
    has_products: bool,  # noqa: FBT001 (hypothesis passes it)
    shift: Shift | None,
):
    files = {**WHOLE, **(PRODUCTS if has_products else {})}
    tables = {name: [line.split(",") for line in text.splitlines()] for name, text in files.items()}
    for name, line, column, value in cells:
        if table := tables.get(name):
            row = table[line % len(table)]
            row[column % len(row)] = value
    for name, line, what in rows:
        if table := tables.get(name):
            at = line % len(table)
            row = table[at]
            if what == "drop" and len(table) > 1:
                del table[at]
            elif what == "double":
                table.append([*row])
            elif what == "empty":
                table[at] = [""]
            elif what == "turn":
                row.reverse()
            else:
                table.insert(1, table.pop(at))
    changes: dict[str, str | bytes | None] = {
        name: "\n".join(",".join(row) for row in table) for name, table in tables.items()
    }
    run(make_feed(tmp_path_factory.mktemp("rows"), changes), shift)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_bytes_of_the_zip_changed_anywhere(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[float, int]]
):
    path = make_feed(tmp_path_factory.mktemp("zip"), {**WHOLE})
    raw = bytearray(path.read_bytes())
    for place, value in edits:
        raw[int(place * (len(raw) - 1))] = value
    path.write_bytes(raw)
    run_within_bounds(path, None)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_the_directory_of_the_zip_changed_anywhere(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
):
    path = make_feed(tmp_path_factory.mktemp("directory"), {**WHOLE})
    raw = bytearray(path.read_bytes())
    start = raw.find(b"PK\x01\x02")
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(start, len(raw) - 1))
        raw[at] = data.draw(st.sampled_from([0, 1, 8, 9, 99, 127, 128, 255]))
    path.write_bytes(raw)
    run_within_bounds(path, None)


def test_the_unbroken_feed_is_read_whole(tmp_path: Path):
    report = Report("whole")
    feed = read_feed(make_feed(tmp_path, {**WHOLE}), report)
    assert len(feed.trips) == 2
    assert zipfile.is_zipfile(tmp_path / "feed.zip")
    assert {code for code in report.findings if code.level.value == "left_out"} == set()
