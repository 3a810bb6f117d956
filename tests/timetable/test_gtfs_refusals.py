import io
import zipfile
from pathlib import Path

import pytest

from feed_make import FILES, make_feed, read
from kiti.timetable.gtfs.archive import Limits
from kiti.timetable.gtfs.reader import read_feed
from kiti.timetable.model import NotAFeed
from kiti.timetable.report import Report


@pytest.mark.parametrize(
    "name", ["agency.txt", "stops.txt", "routes.txt", "trips.txt", "stop_times.txt", "calendar.txt"]
)
def test_a_feed_without_a_needed_file_is_refused_by_its_name(tmp_path: Path, name: str):
    with pytest.raises(NotAFeed, match=name):
        read(tmp_path, {name: None})


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("stops.txt", "", "stops.txt is empty"),
        ("stops.txt", "stop_name\nLagos\n", "stops.txt line 1: the column stop_id is missing"),
        ("agency.txt", "agency_id,agency_timezone\n", "names no agency"),
        ("stops.txt", b"stop_id,stop_name\nLOS,Lagos\nABV,Abuj\xe0\n", "stops.txt line 3: .*UTF-8"),
        ("stops.txt", FILES["stops.txt"].encode("utf-16"), "stops.txt line 1: .*UTF-8"),
        ("stops.txt", "stop_id,stop_name\nLOS,La\0gos\n", "stops.txt line 2: a NUL"),
        ("stops.txt", "stop_id,stop_name\nLOS," + "x" * 70_000, "stops.txt line 2: longer than"),
        ("stops.txt", 'stop_id\n"' + "x\n" * 140_000, "line 2: one row over 100 lines"),
        ("stops.txt", ",".join(f"c{n}" for n in range(201)), "more than 200 columns"),
    ],
)
def test_text_that_is_no_table_is_refused_with_its_line(
    tmp_path: Path, name: str, content: str | bytes, said: str
):
    with pytest.raises(NotAFeed, match=said):
        read(tmp_path, {name: content})


def test_what_is_no_zip_is_refused(tmp_path: Path):
    path = tmp_path / "feed.zip"
    with pytest.raises(NotAFeed, match="there is no file"):
        read_feed(path, Report("feed"))
    path.write_bytes(b"stop_id,stop_name\n")
    with pytest.raises(NotAFeed, match="not a zip"):
        read_feed(path, Report("feed"))
    with pytest.raises(NotAFeed, match="not a zip"):
        read_feed(tmp_path, Report("feed"))


def test_a_broken_member_is_refused(tmp_path: Path):
    path = make_feed(tmp_path)
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("stop_times.txt").header_offset + len("stop_times.txt") + 30
    raw = bytearray(path.read_bytes())
    raw[at + 5 : at + 25] = b"\xff" * 20
    path.write_bytes(raw)
    with pytest.raises(NotAFeed, match=r"stop_times\.txt cannot be unpacked"):
        read_feed(path, Report("feed"))


def test_an_encrypted_member_is_refused(tmp_path: Path):
    path = make_feed(tmp_path)
    raw = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = raw.find(signature)
        while at >= 0:
            raw[at + flags] |= 1
            at = raw.find(signature, at + 1)
    path.write_bytes(raw)
    with pytest.raises(NotAFeed, match="encrypted"):
        read_feed(path, Report("feed"))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path):
    path = make_feed(tmp_path, {"shapes.txt": b"\0" * 40_000_000, "stops.txt": b"\n" * 40_000_000})
    with pytest.raises(NotAFeed, match=r"stops\.txt is packed too tightly"):
        read_feed(path, Report("feed"))


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(zip_bytes_max=100), "larger than 100 bytes"),
        (Limits(member_bytes_max=100), "too large"),
        (Limits(members_max=3), "more than 3 files"),
        (Limits(rows_max=2), "more than 2 rows"),
    ],
)
def test_each_limit_holds(tmp_path: Path, limits: Limits, said: str):
    with pytest.raises(NotAFeed, match=said):
        read(tmp_path, limits=limits)


def test_a_feed_in_a_folder_of_its_zip_is_found_and_a_path_leads_nowhere(tmp_path: Path):
    path = tmp_path / "feed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(f"gtfs/{name}", content)
        archive.writestr("../stops.txt", "stop_id\nEVIL\n")
        archive.writestr("gtfs/old/stop_times.txt", "nothing")
    feed = read_feed(path, Report("feed"))
    assert set(feed.stops) == {"LOS", "IBA", "ABV"}
    assert len(feed.trips) == 1


def test_cutting_a_feed_anywhere_is_refused_or_read_but_never_crashes(tmp_path: Path):
    whole = make_feed(tmp_path).read_bytes()
    cut = tmp_path / "cut.zip"
    for length in range(0, len(whole), 37):
        cut.write_bytes(whole[:length])
        with pytest.raises(NotAFeed):
            read_feed(cut, Report("cut"))


def test_a_member_that_lies_about_its_size_is_refused(tmp_path: Path):
    inside = io.BytesIO()
    with zipfile.ZipFile(inside, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    raw = bytearray(inside.getvalue())
    central = raw.find(b"PK\x01\x02")
    raw[central + 24 : central + 28] = (10).to_bytes(4, "little")
    path = tmp_path / "feed.zip"
    path.write_bytes(raw)
    with pytest.raises(NotAFeed):
        read_feed(path, Report("feed"))
