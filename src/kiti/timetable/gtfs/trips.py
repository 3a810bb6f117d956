"""trips.txt and frequencies.txt: what runs, on which days, on which pattern of calls."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from kiti.timetable.gtfs.model import (
    Agency,
    Call,
    Frequency,
    LeftOut,
    Pattern,
    Route,
    Service,
    Trip,
)
from kiti.timetable.gtfs.rows import Columns
from kiti.timetable.gtfs.source import Source
from kiti.timetable.gtfs.stop_times import (
    RawCall,
    StopTimes,
    UnusableTrip,
    is_drop_off,
    is_pickup,
)
from kiti.timetable.gtfs.values import to_number, to_seconds
from kiti.timetable.remarks import Code

_TRIPS: Final = Columns(("trip_id", "route_id", "service_id"), required=3)
_FREQUENCIES: Final = Columns(
    ("trip_id", "start_time", "end_time", "headway_secs", "exact_times"), required=4
)
_EXACT: Final = "1"
_HEADWAY_MAX_S: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class TripRow:
    """A row of trips.txt whose id is its own."""

    trip_id: str
    route_id: str
    service_id: str


@dataclass(slots=True)
class Frequencies:
    """frequencies.txt by trip: the exact ones, and which trips have any at all."""

    exact: dict[str, list[Frequency]] = field(default_factory=dict[str, list[Frequency]])
    trip_ids: set[str] = field(default_factory=set[str])


def read_trip_rows(source: Source) -> dict[str, TripRow]:
    """Every timetable trip by id, still unchecked.

    Raises:
        NotAFeed: the file is absent or cannot be read.
    """
    found: dict[str, TripRow] = {}
    for line, (trip_id, route_id, service_id) in source.needed("trips.txt", _TRIPS):
        if source.is_new_id(f"trips.txt line {line}", trip_id, found):
            found[trip_id] = TripRow(trip_id, route_id, service_id)
    return found


def read_frequencies(source: Source, trip_ids: frozenset[str]) -> Frequencies:
    """Every frequency of a known trip.

    Raises:
        NotAFeed: the file is there and cannot be read.
    """
    found = Frequencies()
    for line, (trip_id, start, end, headway, exact) in source.rows("frequencies.txt", _FREQUENCIES):
        start_s, end_s = to_seconds(start), to_seconds(end)
        headway_s = to_number(headway, highest=_HEADWAY_MAX_S)
        if trip_id not in trip_ids or start_s is None or end_s is None or not headway_s:
            source.report.note(Code.BAD_FREQUENCY, f"line {line}: {trip_id}")
            continue
        found.trip_ids.add(trip_id)
        if exact == _EXACT:
            found.exact.setdefault(trip_id, []).append(Frequency(start_s, end_s, headway_s))
    return found


class TripBuilder:
    """Makes trips out of rows and stop times; trips of a route with the same calls share them."""

    def __init__(self, source: Source, times: StopTimes, frequencies: Frequencies) -> None:
        self.patterns: list[Pattern] = []
        self.trips: list[Trip] = []
        self.left_out: list[LeftOut] = []
        self._source = source
        self._times = times
        self._frequencies = frequencies
        self._by_calls: dict[tuple[str, tuple[RawCall, ...]], Pattern] = {}

    def add(
        self,
        row: TripRow,
        *,
        routes: Mapping[str, Route],
        services: Mapping[str, Service],
        agencies: Mapping[str, Agency],
    ) -> None:
        """Take a trip in, or leave it out with its reason."""
        frequencies = self._frequencies.exact.get(row.trip_id, [])
        try:
            calls, lead_s = self._times.take_calls(row.trip_id, self._source)
            if row.route_id not in routes:
                raise UnusableTrip(Code.TRIP_WITHOUT_ROUTE)
            if row.service_id not in services:
                raise UnusableTrip(Code.TRIP_WITHOUT_SERVICE)
            if not agencies[routes[row.route_id].agency_id].timezone:
                raise UnusableTrip(Code.AGENCY_ZONE_UNKNOWN)
            if row.trip_id in self._frequencies.trip_ids and not frequencies:
                raise UnusableTrip(Code.FREQUENCY_NOT_EXACT)
        except UnusableTrip as error:
            self._leave_out(row, error.code, frequencies)
            return
        trip = Trip(
            trip_id=row.trip_id,
            pattern=self._pattern(row.route_id, calls),
            service_id=row.service_id,
            departure_s=calls[0][3],
            lead_s=lead_s,
            frequencies=tuple(frequencies),
        )
        self.trips.append(trip)
        given = sum(len(range(f.start_s, f.end_s, f.headway_s)) for f in frequencies)
        if frequencies and given > trip.runs_a_day:
            self._source.report.note(
                Code.FREQUENCY_TWICE, f"trip {row.trip_id}", count=given - trip.runs_a_day
            )

    def _leave_out(self, row: TripRow, code: Code, frequencies: list[Frequency]) -> None:
        """The remark itself is made when it is known how many runs the trip would have had."""
        runs = 1
        if row.trip_id in self._frequencies.trip_ids:
            runs = len({t for f in frequencies for t in range(f.start_s, f.end_s, f.headway_s)})
        self.left_out.append(LeftOut(row.trip_id, row.service_id, code, runs))

    def _pattern(self, route_id: str, calls: list[RawCall]) -> Pattern:
        start = calls[0][3]
        key = (
            route_id,
            tuple(
                (sequence, place, arrival - start, departure - start, bits)
                for sequence, place, arrival, departure, bits in calls
            ),
        )
        found = self._by_calls.get(key)
        if found is None:
            found = Pattern(len(self.patterns), route_id, tuple(map(self._call, key[1])))
            self._by_calls[key] = found
            self.patterns.append(found)
        return found

    def _call(self, raw: RawCall) -> Call:
        sequence, place, arrival_s, departure_s, _ = raw
        return Call(
            sequence=sequence,
            stop_id=self._times.stop_ids[place],
            arrival_s=arrival_s,
            departure_s=departure_s,
            pickup=is_pickup(raw),
            drop_off=is_drop_off(raw),
        )
