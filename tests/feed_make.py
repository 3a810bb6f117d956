"""Builders for GTFS feeds: a small valid one; a test names only the files it changes."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from kiti.timetable.gtfs.archive import Limits
from kiti.timetable.gtfs.model import Feed
from kiti.timetable.gtfs.reader import read_feed
from kiti.timetable.report import Report

FILES: Final = {
    "agency.txt": "agency_id,agency_name,agency_timezone\nA,Kiti Lines,Africa/Lagos\n",
    "stops.txt": (
        "stop_id,stop_name,stop_lat,stop_lon,zone_id\n"
        "LOS,Lagos,6.5244,3.3792,z1\nIBA,Ibadan,7.3775,3.9470,z2\nABV,Abuja,9.0765,7.3986,z3\n"
    ),
    "routes.txt": "route_id,agency_id,route_long_name,route_type\nR,A,Lagos to Abuja,3\n",
    "trips.txt": "route_id,service_id,trip_id\nR,daily,T\n",
    "stop_times.txt": (
        "trip_id,stop_sequence,stop_id,arrival_time,departure_time\n"
        "T,1,LOS,08:00:00,08:00:00\nT,2,IBA,10:00:00,10:15:00\nT,3,ABV,18:30:00,18:30:00\n"
    ),
    "calendar.txt": (
        "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
        "daily,1,1,1,1,1,1,1,20260101,20291231\n"
    ),
}

DATA: Final = Path(__file__).parents[2] / "shared" / "data" / "gtfs"


def make_feed(folder: Path, changes: Mapping[str, str | bytes | None] | None = None) -> Path:
    """A feed's zip with these files changed, added or (None) left out."""
    path = folder / "feed.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**FILES, **(changes or {})}.items():
            if content is not None:
                archive.writestr(name, content)
    return path


def read(
    folder: Path,
    changes: Mapping[str, str | bytes | None] | None = None,
    *,
    limits: Limits | None = None,
) -> tuple[Feed, Report]:
    """The feed that `make_feed` makes, read."""
    report = Report("feed")
    return read_feed(make_feed(folder, changes), report, limits=limits), report


def real_feed(name: str) -> Path:
    """A real feed beside the checkout; its absence fails the test, for a skip would hide it."""
    path = DATA / f"{name}.zip"
    if not path.is_file():
        pytest.fail(f"the real timetables are not beside this checkout: no file {path}")
    return path
