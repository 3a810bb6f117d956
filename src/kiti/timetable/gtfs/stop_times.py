"""stop_times.txt: read row by row into small arrays, then made into the calls of each trip."""

from array import array
from collections.abc import Mapping, Sequence
from typing import Final

from kiti.network.model import CALLS_MAX
from kiti.timetable.gtfs.model import Stop
from kiti.timetable.gtfs.rows import Columns
from kiti.timetable.gtfs.source import Source
from kiti.timetable.gtfs.values import is_continuous, to_number, to_seconds
from kiti.timetable.remarks import Code

_COLUMNS: Final = Columns(
    (
        "trip_id", "stop_id", "stop_sequence", "arrival_time", "departure_time", "pickup_type",
        "drop_off_type", "timepoint", "continuous_pickup", "continuous_drop_off",
        "start_pickup_drop_off_window", "location_id", "location_group_id",
    ),
    required=3,
)  # fmt: skip
_NO_TIME: Final = -1
_UNUSABLE_STOP: Final = -1
_PICKUP: Final = 1
_DROP_OFF: Final = 2
_FIELDS: Final = 5
_REGULAR: Final = {"", "0"}
_NEVER: Final = "1"
_BY_ARRANGEMENT: Final = {"2", "3"}
_APPROXIMATE: Final = "0"

# sequence, place in the list of stops, arrival and departure in seconds, pickup and drop-off bits
RawCall = tuple[int, int, int, int, int]


class UnusableTrip(Exception):
    """A timetable trip whose calls make no journey; `code` says why."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code


class StopTimes:
    """The rows of stop_times.txt by trip, five whole numbers each, in any order."""

    def __init__(self, stops: Mapping[str, Stop], *, ignores_pickup_types: bool = False) -> None:
        self.stop_ids = list(stops)
        self.unknown_stops: set[str] = set()
        self._stops = stops
        self._places = {stop_id: place for place, stop_id in enumerate(self.stop_ids)}
        self._rows: dict[str, array[int]] = {}
        self._unreadable: set[str] = set()
        self._on_demand: set[str] = set()
        self._ignores_pickup_types = ignores_pickup_types

    def read(self, source: Source, trip_ids: frozenset[str]) -> None:
        """Read the file; calls at what is no stop are remarked here.

        Raises:
            NotAFeed: it cannot be read.
        """
        for line, values in source.needed("stop_times.txt", _COLUMNS):
            trip_id, stop_id, sequence, arrival, departure, pickup, drop_off, *extra = values
            if trip_id not in trip_ids:
                source.report.note(Code.STOP_TIME_WITHOUT_TRIP, f"line {line}: {trip_id}")
                continue
            if any(extra) and self._is_on_demand(source, trip_id, stop_id, extra):
                continue
            place = self._place(source, trip_id, stop_id)
            number = to_number(sequence)
            arrival_s = to_seconds(arrival) if arrival else _NO_TIME
            departure_s = to_seconds(departure) if departure else _NO_TIME
            if number is None or arrival_s is None or departure_s is None:
                self._unreadable.add(trip_id)
                continue
            bits = _PICKUP * (pickup in _REGULAR) | _DROP_OFF * (drop_off in _REGULAR)
            if bits != _PICKUP | _DROP_OFF:
                bits = self._allowed(source, f"trip {trip_id} at {stop_id}", pickup, drop_off, bits)
            row = self._rows.get(trip_id)
            if row is None:
                row = self._rows[trip_id] = array("i")
            row.extend((number, place, arrival_s, departure_s, bits))

    def _is_on_demand(
        self, source: Source, trip_id: str, stop_id: str, extra: Sequence[str]
    ) -> bool:
        """Remark on what is beyond plain calls; whether this is a stretch served on demand."""
        timepoint, pickup, drop_off, window, *areas = extra
        if window or (not stop_id and any(areas)):
            source.report.note(Code.ON_DEMAND_CALL, f"trip {trip_id} at {stop_id or max(areas)}")
            self._on_demand.add(trip_id)
            return True
        if timepoint == _APPROXIMATE:
            source.report.note(Code.TIMES_APPROXIMATE, f"trip {trip_id} at {stop_id}")
        if is_continuous(pickup) or is_continuous(drop_off):
            source.report.note(Code.CONTINUOUS_STOPPING, f"trip {trip_id} at {stop_id}")
        return False

    def _allowed(self, source: Source, example: str, pickup: str, drop_off: str, bits: int) -> int:
        """What one may do at a call where the feed does not let everybody do both."""
        if self._ignores_pickup_types:
            source.report.note(Code.PICKUP_TYPES_IGNORED, example)
            return _PICKUP | _DROP_OFF
        odd = {pickup, drop_off} - _REGULAR - {_NEVER}
        if odd:
            is_known = odd <= _BY_ARRANGEMENT
            code = Code.PICKUP_BY_ARRANGEMENT if is_known else Code.PICKUP_TYPE_UNKNOWN
            source.report.note(code, example)
        return bits

    def _place(self, source: Source, trip_id: str, stop_id: str) -> int:
        place = self._places.get(stop_id, _UNUSABLE_STOP)
        if place == _UNUSABLE_STOP:
            self.unknown_stops.add(stop_id)
            source.report.note(Code.UNKNOWN_STOP, f"trip {trip_id} at {stop_id or '(none)'}")
        elif not self._stops[stop_id].is_boarding_point:
            source.report.note(Code.NOT_A_BOARDING_POINT, f"trip {trip_id} at {stop_id}")
            return _UNUSABLE_STOP
        return place

    def take_calls(self, trip_id: str, source: Source) -> tuple[list[RawCall], int]:
        """The trip's usable calls in order, with what was cut off before them; forgets its rows.

        That is the seconds from the departure at the trip's own first call to the departure at the
        first usable one: 0 when they are the same.

        Raises:
            UnusableTrip: the calls make no journey that can be sold.
        """
        rows = self._rows.pop(trip_id, None)
        if trip_id in self._unreadable:
            raise UnusableTrip(Code.BAD_STOP_TIME)
        if rows is None:
            is_on_demand = trip_id in self._on_demand
            raise UnusableTrip(Code.ON_DEMAND_TRIP if is_on_demand else Code.TRIP_WITHOUT_TIMES)
        if len(rows) > CALLS_MAX * _FIELDS:
            raise UnusableTrip(Code.TRIP_TOO_LONG)
        columns = (rows[field::_FIELDS] for field in range(_FIELDS))
        calls = sorted(set(zip(*columns, strict=True)))
        if len({call[0] for call in calls}) < len(calls):
            raise UnusableTrip(Code.SEQUENCE_TWICE)
        if repeated := len(rows) // _FIELDS - len(calls):
            source.report.note(Code.STOP_TIME_TWICE, f"trip {trip_id}", count=repeated)
        missing = sum(call[2] == call[3] == _NO_TIME for call in calls)
        timed = _with_times(calls)
        _check_order(timed)
        kept = [call for call in timed if call[1] != _UNUSABLE_STOP]
        if len(kept) < 2:
            raise UnusableTrip(Code.TRIP_TOO_SHORT)
        _check_ride(kept)
        if missing:
            source.report.note(Code.TIMES_INTERPOLATED, f"trip {trip_id}", count=missing)
        return kept, kept[0][3] - timed[0][3]


def _with_times(calls: list[RawCall]) -> list[RawCall]:
    """Fill what is blank: one of the two from the other, both evenly between their neighbours."""
    # With one of the two missing, max() is the other; with both it stays missing.
    times = [
        (max(arrival, departure),) * 2 if _NO_TIME in {arrival, departure} else (arrival, departure)
        for _, _, arrival, departure, _ in calls
    ]
    if _NO_TIME in times[0] or _NO_TIME in times[-1]:
        raise UnusableTrip(Code.TIMES_MISSING)
    last_known = 0
    for at in range(1, len(times)):
        if _NO_TIME in times[at]:
            continue
        start, steps = times[last_known][1], at - last_known
        for step in range(1, steps):
            even = start + (times[at][0] - start) * step // steps
            times[last_known + step] = (even, even)
        last_known = at
    return [
        (sequence, place, arrival, departure, bits)
        for (sequence, place, _, _, bits), (arrival, departure) in zip(calls, times, strict=True)
    ]


def _check_order(calls: list[RawCall]) -> None:
    before = 0
    for _, _, arrival, departure, _ in calls:
        if arrival < before or departure < arrival:
            raise UnusableTrip(Code.TIMES_BACKWARDS)
        before = departure


def _check_ride(calls: list[RawCall]) -> None:
    boarding = (at for at, call in enumerate(calls) if call[4] & _PICKUP)
    alighting = [at for at, call in enumerate(calls) if call[4] & _DROP_OFF]
    first = next(boarding, None)
    if first is None or not alighting or alighting[-1] <= first:
        raise UnusableTrip(Code.NOBODY_CAN_RIDE)


def is_pickup(call: RawCall) -> bool:
    """Whether one may board there."""
    return bool(call[4] & _PICKUP)


def is_drop_off(call: RawCall) -> bool:
    """Whether one may alight there."""
    return bool(call[4] & _DROP_OFF)
