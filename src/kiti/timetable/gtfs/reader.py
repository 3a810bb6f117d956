"""A zip becomes a `Feed`: file after file, each checked against those before it."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final
from zoneinfo import available_timezones

from kiti.timetable.gtfs.archive import Limits, open_archive
from kiti.timetable.gtfs.calendar import read_services
from kiti.timetable.gtfs.fares import read_fares
from kiti.timetable.gtfs.model import Feed, Stop, Trip
from kiti.timetable.gtfs.places import read_agencies, read_routes, read_stops
from kiti.timetable.gtfs.products import read_leg_fares
from kiti.timetable.gtfs.source import Source
from kiti.timetable.gtfs.stop_times import StopTimes
from kiti.timetable.gtfs.trips import TripBuilder, read_frequencies, read_trip_rows
from kiti.timetable.remarks import Code
from kiti.timetable.report import Report

_READ: Final = {
    "agency.txt", "stops.txt", "routes.txt", "trips.txt", "stop_times.txt", "calendar.txt",
    "calendar_dates.txt", "frequencies.txt", "fare_attributes.txt", "fare_rules.txt",
    "feed_info.txt", "fare_products.txt", "fare_leg_rules.txt", "rider_categories.txt",
    "fare_media.txt", "timeframes.txt", "areas.txt", "stop_areas.txt", "networks.txt",
    "route_networks.txt", "fare_transfer_rules.txt", "fare_leg_join_rules.txt",
}  # fmt: skip


def read_feed(
    path: Path,
    report: Report,
    *,
    limits: Limits | None = None,
    ignores_pickup_types: bool = False,
    progress: Callable[[str, int], None] = lambda _file, _rows: None,
) -> Feed:
    """The feed at `path`; what cannot be used goes into `report` by its reason.

    With `ignores_pickup_types` one may board and alight at every call, whatever the feed says.
    Trips that are left out are in the feed's `left_out`: who knows the window remarks on them.

    Raises:
        NotAFeed: the file is no feed, or is over a limit.
    """
    zones = _zones()
    with open_archive(path, limits or Limits()) as archive:
        source = Source(archive, report, progress)
        agencies = read_agencies(source, zones)
        default_zone = next((one.timezone for one in agencies.values() if one.timezone), "UTC")
        stops = read_stops(source, zones, default_zone)
        routes = read_routes(source, agencies)
        services = read_services(source)
        rows = read_trip_rows(source)
        trip_ids = frozenset(rows)
        frequencies = read_frequencies(source, trip_ids)
        times = StopTimes(stops, ignores_pickup_types=ignores_pickup_types)
        times.read(source, trip_ids)
        builder = TripBuilder(source, times, frequencies)
        for row in rows.values():
            builder.add(row, routes=routes, services=services, agencies=agencies)
        fares = read_fares(source)
        leg_fares = read_leg_fares(source, stops, routes)
        for name in sorted(name for name in archive.members if name.endswith(".txt")):
            if name not in _READ:
                report.note(Code.FILE_UNUSED, name)
    if leg_fares is not None:
        for fare in fares:
            report.note(Code.OLD_FARES_IGNORED, fare.fare_id)
        fares = ()
    _remark_unused_stops(report, stops, builder.trips)
    return Feed(
        timezone=default_zone,
        agencies=agencies,
        stops=stops,
        routes=routes,
        services=services,
        patterns=tuple(builder.patterns),
        trips=tuple(builder.trips),
        left_out=tuple(builder.left_out),
        fares=fares,
        leg_fares=leg_fares,
        unknown_stops=frozenset(times.unknown_stops),
    )


@cache
def _zones() -> frozenset[str]:
    """The names of all time zones, looked up on disk once."""
    return frozenset(available_timezones())


def _remark_unused_stops(report: Report, stops: dict[str, Stop], trips: list[Trip]) -> None:
    used = {call.stop_id for trip in trips for call in trip.pattern.calls}
    for stop in stops.values():
        if stop.is_boarding_point and stop.stop_id not in used:
            report.note(Code.STOP_UNUSED, stop.stop_id)
