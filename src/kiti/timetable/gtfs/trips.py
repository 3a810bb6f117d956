"""trips.txt and frequencies.txt: what runs, on which days, on which pattern of calls."""

from collections.abc import Iterable, Mapping, Sequence
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
from kiti.timetable.gtfs.values import to_clock, to_number, to_seconds
from kiti.timetable.model import NotAFeed
from kiti.timetable.remarks import Code

_TRIPS: Final = Columns(("trip_id", "route_id", "service_id"), required=3)
_FREQUENCIES: Final = Columns(
    ("trip_id", "start_time", "end_time", "headway_secs", "exact_times"), required=4
)
_EXACT: Final = "1"
_HEADWAY_MAX_S: Final = 24 * 3600
# A trip every nine seconds all day long: what leaves more often is a mistake.
_RUNS_A_DAY_MAX: Final = 10_000
# A city's minibuses; of more, each to be put on sale, a few lines could ask for hours of work.
_DEPARTURES_MAX: Final = 200_000


@dataclass(frozen=True, slots=True)
class TripRow:
    """A row of trips.txt whose id is its own."""

    trip_id: str
    route_id: str
    service_id: str


@dataclass(slots=True)
class Frequencies:
    """frequencies.txt by trip: the exact ones, and which trips have others or unreadable ones.

    `taken` are times at which a departure would be known as some other trip is.
    """

    exact: dict[str, list[Frequency]] = field(default_factory=dict[str, list[Frequency]])
    inexact: dict[str, int] = field(default_factory=dict[str, int])
    unreadable: set[str] = field(default_factory=set[str])
    taken: dict[str, set[int]] = field(default_factory=dict[str, set[int]])

    def of_trip(self, trip_id: str) -> list[Frequency]:
        """Its exact ones; none when frequencies.txt says nothing of it.

        Raises:
            UnusableTrip: it has none that fixes its departures, or too many of them.
        """
        exact = self.exact.get(trip_id, [])
        if not exact and trip_id in self.inexact:
            raise UnusableTrip(Code.FREQUENCY_NOT_EXACT)
        if not exact and trip_id in self.unreadable:
            raise UnusableTrip(Code.FREQUENCY_UNREADABLE)
        if given_runs(exact) > _RUNS_A_DAY_MAX:
            raise UnusableTrip(Code.FREQUENCY_TOO_OFTEN)
        return exact

    def take_codes(self, trip_ids: Iterable[str]) -> None:
        """Keep what departures cannot be called: a trip without fixed ones is known by its id."""
        for trip_id in trip_ids:
            base, _, clock = trip_id.rpartition("@")
            at = to_seconds(clock)
            if at is not None and to_clock(at) == clock and trip_id not in self.exact:
                self.taken.setdefault(base, set()).add(at)


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
        NotAFeed: the file is there and cannot be read, or gives too many departures to keep.
    """
    found = Frequencies()
    total = 0
    for line, (trip_id, start, end, headway, exact) in source.rows("frequencies.txt", _FREQUENCIES):
        if trip_id not in trip_ids:
            source.report.note(Code.FREQUENCY_WITHOUT_TRIP, f"line {line}: {trip_id}")
            continue
        start_s, end_s = to_seconds(start), to_seconds(end)
        headway_s = to_number(headway, highest=_HEADWAY_MAX_S)
        if start_s is None or end_s is None or not headway_s or start_s >= end_s:
            source.report.note(Code.BAD_FREQUENCY, f"line {line}: {trip_id}")
            found.unreadable.add(trip_id)
        elif exact == _EXACT:
            frequency = Frequency(start_s, end_s, headway_s)
            total += given_runs([frequency])
            if total > _DEPARTURES_MAX:
                raise NotAFeed(f"frequencies.txt gives over {_DEPARTURES_MAX:,} departures a day")
            found.exact.setdefault(trip_id, []).append(frequency)
        else:
            found.inexact[trip_id] = found.inexact.get(trip_id, 0) + 1
    for trip_id in found.inexact.keys() & found.exact.keys():
        source.report.note(Code.FREQUENCY_PART, f"trip {trip_id}", count=found.inexact[trip_id])
    found.take_codes(trip_ids)
    return found


def given_runs(frequencies: Sequence[Frequency]) -> int:
    """How many departures these give in a day, those given twice counted twice."""
    return sum(len(range(one.start_s, one.end_s, one.headway_s)) for one in frequencies)


def frequency_times(frequencies: Sequence[Frequency]) -> set[int]:
    """The times that these give, each once."""
    return {at for one in frequencies for at in range(one.start_s, one.end_s, one.headway_s)}


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
        try:
            calls, lead_s = self._times.take_calls(row.trip_id, self._source)
            if row.route_id not in routes:
                raise UnusableTrip(Code.TRIP_WITHOUT_ROUTE)
            if row.service_id not in services:
                raise UnusableTrip(Code.TRIP_WITHOUT_SERVICE)
            if not agencies[routes[row.route_id].agency_id].timezone:
                raise UnusableTrip(Code.AGENCY_ZONE_UNKNOWN)
            frequencies = self._frequencies.of_trip(row.trip_id)
        except UnusableTrip as error:
            self._leave_out(row, error.code)
            return
        given = frequency_times(frequencies)
        taken = given & self._frequencies.taken.get(row.trip_id, set())
        if repeated := given_runs(frequencies) - len(given):
            self._source.report.note(Code.FREQUENCY_TWICE, f"trip {row.trip_id}", count=repeated)
        if taken:
            code = Code.FREQUENCY_CODE_TAKEN
            self.left_out.append(LeftOut(row.trip_id, row.service_id, code, len(taken)))
            if taken == given:
                return
        self.trips.append(
            Trip(
                trip_id=row.trip_id,
                pattern=self._pattern(row.route_id, calls),
                service_id=row.service_id,
                departure_s=calls[0][3],
                lead_s=lead_s,
                times=tuple(sorted(given - taken)),
            )
        )

    def _leave_out(self, row: TripRow, code: Code) -> None:
        """The remark itself is made when it is known how many runs the trip would have had."""
        known = self._frequencies
        exact = known.exact.get(row.trip_id, [])
        if given_runs(exact) > _RUNS_A_DAY_MAX:
            runs = given_runs(exact)
        elif exact:
            runs = len(frequency_times(exact))
        else:
            runs = int(row.trip_id not in known.inexact and row.trip_id not in known.unreadable)
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
