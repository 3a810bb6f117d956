"""agency.txt, stops.txt and routes.txt: who runs, where, and on which lines."""

from dataclasses import dataclass
from typing import Final

from kiti.timetable.gtfs.model import Agency, Route, Stop
from kiti.timetable.gtfs.rows import Columns
from kiti.timetable.gtfs.source import Source
from kiti.timetable.gtfs.values import is_continuous, to_coordinate, to_number
from kiti.timetable.model import NotAFeed
from kiti.timetable.remarks import Code

_AGENCY: Final = Columns(
    ("agency_timezone", "agency_id", "agency_name", "agency_phone"), required=1
)
_STOPS: Final = Columns(
    (
        "stop_id", "stop_name", "stop_lat", "stop_lon", "zone_id", "location_type",
        "parent_station", "stop_timezone",
    ),
    required=1,
)  # fmt: skip
_ROUTES: Final = Columns(
    (
        "route_id", "agency_id", "route_short_name", "route_long_name", "route_type", "network_id",
        "continuous_pickup", "continuous_drop_off",
    ),
    required=1,
)  # fmt: skip
_AGENCY_NAME_MAX: Final = 200
_STOP_NAME_MAX: Final = 300
_ROUTE_NAME_MAX: Final = 300
_PHONE_MAX: Final = 40
# Parents are at most two deep (boarding area, platform, station); a longer chain is a mistake.
_PARENTS_MAX: Final = 3
# The plain route types, and the first digit(s) of the extended ones.
_MODES: Final = {
    0: "RAIL", 1: "RAIL", 2: "RAIL", 3: "BUS", 4: "FERRY", 5: "RAIL", 11: "BUS", 12: "RAIL",
}  # fmt: skip
_EXTENDED_MODES: Final = {
    1: "RAIL", 2: "BUS", 4: "RAIL", 5: "RAIL", 6: "RAIL", 7: "BUS", 8: "BUS", 9: "RAIL",
    10: "FERRY", 12: "FERRY",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _StopRow:
    name: str
    latitude: float | None
    longitude: float | None
    zone_id: str
    location_type: str
    parent_id: str
    timezone: str


def read_agencies(source: Source, zones: frozenset[str]) -> dict[str, Agency]:
    """Every agency by id; the id is "" when the feed's only agency has none.

    Raises:
        NotAFeed: there is no agency, or the file cannot be read.
    """
    found: dict[str, Agency] = {}
    for line, (timezone, agency_id, name, phone) in source.needed("agency.txt", _AGENCY):
        place = f"agency.txt line {line}"
        if agency_id in found or (agency_id and not source.is_new_id(place, agency_id, found)):
            continue
        known = timezone if timezone in zones else ""
        label = source.name(name, agency_id or "agency", place=place, length_max=_AGENCY_NAME_MAX)
        has_phone = 0 < len(phone) <= _PHONE_MAX
        if phone and not has_phone:
            source.report.note(Code.PHONE_TOO_LONG, f"{label} (line {line})")
        found[agency_id] = Agency(agency_id, label, known, phone if has_phone else None)
        if known and known != next(iter(found.values())).timezone:
            source.report.note(Code.SEVERAL_ZONES, f"{label} ({known})")
    if not found:
        raise NotAFeed("agency.txt names no agency")
    return found


def read_stops(source: Source, zones: frozenset[str], default_zone: str) -> dict[str, Stop]:
    """Every stop, station and entrance by id, with what it inherits from its station.

    Raises:
        NotAFeed: the file is absent or cannot be read.
    """
    rows: dict[str, _StopRow] = {}
    for line, values in source.needed("stops.txt", _STOPS):
        stop_id, name, latitude, longitude, zone_id, kind, parent_id, timezone = values
        if not source.is_new_id(f"stops.txt line {line}", stop_id, rows):
            continue
        north = to_coordinate(latitude, highest=90)
        east = to_coordinate(longitude, highest=180)
        if (latitude or longitude) and (north is None or east is None):
            source.report.note(Code.BAD_COORDINATES, f"{stop_id} (line {line})")
        if north is None or east is None:
            north = east = None
        if timezone and timezone not in zones:
            source.report.note(Code.STOP_ZONE_UNKNOWN, f"{stop_id} (line {line})")
            timezone = ""
        rows[stop_id] = _StopRow(name, north, east, zone_id, kind, parent_id, timezone)
    return {stop_id: _stop(source, stop_id, rows, default_zone) for stop_id in rows}


def _stop(source: Source, stop_id: str, rows: dict[str, _StopRow], default_zone: str) -> Stop:
    """GTFS: a stop with a station takes the station's zone, not its own."""
    row = rows[stop_id]
    lineage = [row]
    while lineage[-1].parent_id in rows and len(lineage) <= _PARENTS_MAX:
        lineage.append(rows[lineage[-1].parent_id])
    placed = next((one for one in lineage if one.latitude is not None), row)
    return Stop(
        stop_id=stop_id,
        name=source.name(
            next((one.name for one in lineage if one.name), ""),
            stop_id,
            place=f"stops.txt: {stop_id}",
            length_max=_STOP_NAME_MAX,
        ),
        latitude=placed.latitude,
        longitude=placed.longitude,
        timezone=lineage[-1].timezone or default_zone,
        zone_id=row.zone_id,
        is_boarding_point=row.location_type in {"", "0"},
        station_id=row.parent_id,
    )


def read_routes(source: Source, agencies: dict[str, Agency]) -> dict[str, Route]:
    """Every route by id; one without a known agency belongs to the first.

    Raises:
        NotAFeed: the file is absent or cannot be read.
    """
    found: dict[str, Route] = {}
    first = next(iter(agencies))
    for line, values in source.needed("routes.txt", _ROUTES):
        route_id, owner, short, long, kind, network_id, *continuous = values
        place = f"routes.txt line {line}"
        if not source.is_new_id(place, route_id, found):
            continue
        if owner not in agencies and (owner or len(agencies) > 1):
            source.report.note(Code.ROUTE_AGENCY_UNKNOWN, f"{route_id} ({owner})")
        agency_id = owner if owner in agencies else first
        name = source.name(
            _route_name(short, long), route_id, place=place, length_max=_ROUTE_NAME_MAX
        )
        if any(map(is_continuous, continuous)):
            source.report.note(Code.CONTINUOUS_STOPPING, f"route {route_id}")
        found[route_id] = Route(route_id, agency_id, name, _mode(kind), network_id)
    return found


def _route_name(short: str, long: str) -> str:
    if not short or not long or short in long:
        return long or short
    return f"{short} {long}"


def _mode(kind: str) -> str:
    number = to_number(kind, highest=1999)
    if number is None:
        return "OTHER"
    return _MODES.get(number) or _EXTENDED_MODES.get(number // 100, "OTHER")
