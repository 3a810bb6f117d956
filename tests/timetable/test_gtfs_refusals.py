import io
import os
import stat
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from feed_make import FILES, make_feed, read
from kiti.timetable.gtfs.archive import Limits
from kiti.timetable.gtfs.reader import read_feed
from kiti.timetable.model import NotAFeed
from kiti.timetable.remarks import Code
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
        ("stops.txt", ",".join("c" * 1_000_000), "stops.txt line 1: longer than"),
        ("stops.txt", FILES["stops.txt"].encode("utf-16"), "line 1: the text is UTF-16; save it"),
        ("stops.txt", FILES["stops.txt"].encode("utf-16-le"), "stops.txt line 1: a NUL"),
        ("stops.txt", "stop_id\nLOS\nÌbàdàn\n".encode("latin-1"), "stops.txt line 3: .*UTF-8"),
        ("stops.txt", "stop_id\nLOS\n" + 'A,"Ibadan\nB,Abuja\n', "line 3: a quote is never closed"),
        ("stops.txt", 'stop_id,"stop_name\nLOS,Lagos\n', "line 1: a quote is never closed"),
        ("stops.txt", "stop_id\n" + '"\n",' * 5_000, "line 2: one row over 100 lines"),
        ("trips.txt", "route_id,service_id\n", "trips.txt line 1: the column trip_id"),
        ("agency.txt", "\n\n", "agency.txt line 1: the column agency_timezone is missing"),
        ("frequencies.txt", "\0", "frequencies.txt line 1: a NUL"),
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
    with pytest.raises(NotAFeed, match="is a folder, not a zip"):
        read_feed(tmp_path, Report("feed"))
    with pytest.raises(NotAFeed, match="null is not a file"):
        read_feed(Path("/dev/null"), Report("feed"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotAFeed, match="pipe is not a file"):
        read_feed(tmp_path / "pipe", Report("feed"))


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
        (Limits(things_max=2), "stops.txt has more than 2 rows"),
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


def zip_of(folder: Path, members: dict[str, str]) -> Path:
    path = folder / "feed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_names_in_capitals_and_with_the_slashes_of_windows_are_found(tmp_path: Path):
    path = zip_of(tmp_path, {f"Feed\\{name.upper()}": text for name, text in FILES.items()})
    assert set(read_feed(path, Report("feed")).stops) == {"LOS", "IBA", "ABV"}


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({**FILES, "STOPS.txt": "stop_id\nEVIL\n"}, r"feed\.zip holds stops\.txt twice"),
        (
            {f"{folder}/{name}": text for folder in "ab" for name, text in FILES.items()},
            "holds several feeds: a, b",
        ),
        ({"inner/feed.zip": "PK"}, r"no stop_times\.txt; unpack it: the feed may be in feed\.zip"),
        ({"readme.md": "no feed"}, r"feed\.zip has no stop_times\.txt$"),
        ({f"f{n}": "" for n in range(1_001)}, "more than 1,000 files"),
    ],
)
def test_a_zip_that_is_not_one_feed_is_refused(tmp_path: Path, members: dict[str, str], said: str):
    with pytest.raises(NotAFeed, match=said):
        read_feed(zip_of(tmp_path, members), Report("feed"))


def test_a_member_without_a_name_is_passed_over(tmp_path: Path):
    path = zip_of(tmp_path, {**FILES, "x": ""})
    raw = path.read_bytes()
    at = raw.rfind(b"x", 0, raw.rfind(b"PK\x05\x06"))
    path.write_bytes(raw[:at] + b"\0" + raw[at + 1 :])
    assert len(read_feed(path, Report("feed")).trips) == 1


def test_absolute_paths_and_paths_upwards_write_nothing(tmp_path: Path):
    folder = tmp_path / "in"
    folder.mkdir()
    names = ("/etc/{}", "../../{}", "in/../../{}")
    members = {name.format("stops.txt"): "stop_id\nEVIL\n" for name in names}
    read_feed(zip_of(folder, {**FILES, **members}), Report("feed"))
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "feed.zip"]


def test_a_link_in_a_zip_is_refused(tmp_path: Path):
    path = tmp_path / "feed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in FILES.items():
            info = zipfile.ZipInfo(name)
            is_link = name == "stops.txt"
            info.external_attr = ((stat.S_IFLNK if is_link else stat.S_IFREG) | 0o644) << 16
            archive.writestr(info, "/etc/passwd" if is_link else content)
    with pytest.raises(NotAFeed, match=r"stops\.txt is a link"):
        read_feed(path, Report("feed"))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packings_than_deflate_are_refused(tmp_path: Path, method: int):
    path = tmp_path / "feed.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    with pytest.raises(NotAFeed, match="another method than deflate"):
        read_feed(path, Report("feed"))


def test_a_zip_of_a_million_names_is_refused_before_they_are_kept(tmp_path: Path):
    entry = b"PK\x01\x02" + struct.pack("<HHHHHHIIIHHHHHII", 20, 20, *[0] * 7, 1, *[0] * 6) + b"a"
    count = 1_000_000
    directory = entry * count
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0)
    path = tmp_path / "feed.zip"
    path.write_bytes(directory + end)
    tracemalloc.start()
    try:
        with pytest.raises(NotAFeed, match="its directory is too large"):
            read_feed(path, Report("feed"))
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_line_of_a_hundred_megabytes_is_refused_without_keeping_it(tmp_path: Path):
    path = tmp_path / "feed.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content if name != "stops.txt" else b"x" * 100_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(NotAFeed, match=r"stops\.txt line 1: longer than 65,536 characters"):
            read_feed(path, Report("feed"))
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_what_a_feed_says_never_commands_a_terminal(tmp_path: Path):
    bell = "\x1b[2J\x07"
    trips = f"route_id,service_id,trip_id\nR,daily,{bell}\n"
    _, report = read(tmp_path, {"trips.txt": trips})
    assert report.count(Code.STOP_TIME_WITHOUT_TRIP) == 3
    feed, report = read(tmp_path, {"stops.txt": FILES["stops.txt"] + f"{bell},{bell},1,1,\n"})
    assert feed.stops[bell].name == bell
    assert report.count(Code.STOP_UNUSED) == 1
    assert "\x1b" not in report.text()
    with pytest.raises(NotAFeed) as refused:
        read_feed(zip_of(tmp_path, {f"{bell}.zip": ""}), Report("feed"))
    assert "\x1b" not in str(refused.value)


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
