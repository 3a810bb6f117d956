"""The words of the network: calls, trips and segments; what is written of each."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise
from typing import Final, NewType
from uuid import UUID

from kiti.network.layout import Layout
from kiti.network.times import zone_of
from kiti.platform.errors import Invalid, NotFound
from kiti.platform.ids import new_id

OperatorId = NewType("OperatorId", UUID)
CityId = NewType("CityId", UUID)
StopId = NewType("StopId", UUID)
LayoutId = NewType("LayoutId", UUID)
VehicleId = NewType("VehicleId", UUID)
RouteId = NewType("RouteId", UUID)
PatternId = NewType("PatternId", UUID)
TripId = NewType("TripId", UUID)

# Bits of a trip's stock are seats times legs: 2,000 seats over 199 legs are 50 KB.
CALLS_MAX: Final = 200


class NoSuchOperator(NotFound):
    """There is no operator of this code."""


class NoSuchTrip(NotFound):
    """There is no such trip."""


class StopNotOnTrip(Invalid):
    """The trip does not take or set down passengers at this stop."""


class SegmentBackwards(Invalid):
    """The trip reaches the stop to leave it at before the stop to board at."""


class PatternInvalid(Invalid):
    """The calls of a trip are not in order."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The legs one passenger rides, `[first, last)`: from call `first` to call `last`."""

    first: int
    last: int

    @property
    def n_legs(self) -> int:
        """How many legs, 1 at least."""
        return self.last - self.first


@dataclass(frozen=True, slots=True)
class Call:
    """One stop of one trip. `position` counts from 0; `sequence` is the source's own number.

    Instants are UTC. `city` is None where the stop's source has none, coordinates likewise.
    `pickup` and `drop_off`: whether passengers may board and leave here.
    """

    position: int
    sequence: int
    stop_id: UUID
    name: str
    city: str | None
    timezone: str
    latitude: float | None
    longitude: float | None
    arrives_at: datetime
    departs_at: datetime
    pickup: bool
    drop_off: bool

    @property
    def local_arrival(self) -> datetime:
        """The arrival on the stop's own clock."""
        return self.arrives_at.astimezone(zone_of(self.timezone))

    @property
    def local_departure(self) -> datetime:
        """The departure on the stop's own clock."""
        return self.departs_at.astimezone(zone_of(self.timezone))


@dataclass(frozen=True, slots=True)
class TripSheet:
    """All that a sale needs to know of one trip, as of `version` of its row."""

    trip_id: UUID
    version: int
    operator_id: UUID
    operator_name: str
    service_date: date
    starts_at: datetime
    layout_id: UUID
    layout: Layout
    fare_table_id: UUID
    calls: tuple[Call, ...]

    @property
    def n_legs(self) -> int:
        """How many legs the trip has."""
        return len(self.calls) - 1

    def segment(
        self,
        from_stop_id: UUID | None = None,
        to_stop_id: UUID | None = None,
        from_sequence: int | None = None,
        to_sequence: int | None = None,
    ) -> Segment:
        """The legs between two stops of this trip.

        Where the trip calls twice at a stop, the nearest pair of calls is meant, the earlier on a
        tie; a sequence names a call exactly. Without stop and sequence it is the trip's end: the
        first call that takes passengers, the last that sets them down.

        Raises:
            StopNotOnTrip: no such call, or nobody may board or leave there.
            SegmentBackwards: the trip has left the second before it reaches the first.
        """
        board = self._calls("from", from_stop_id, from_sequence, lambda call: call.pickup)
        leave = self._calls("to", to_stop_id, to_sequence, lambda call: call.drop_off)
        if from_stop_id is None and from_sequence is None:
            board = board[:1]
        if to_stop_id is None and to_sequence is None:
            leave = leave[-1:]
        pairs = [(last - first, first) for first in board for last in leave if first < last]
        if not pairs:
            raise SegmentBackwards
        length, first = min(pairs)
        return Segment(first, first + length)

    def _calls(
        self,
        side: str,
        stop_id: UUID | None,
        sequence: int | None,
        is_open: Callable[[Call], bool],
    ) -> list[int]:
        """Positions of the calls that may be meant; `side` is `from` or `to`."""
        meant = [
            call
            for call in self.calls
            if (stop_id is None or call.stop_id == stop_id)
            and (sequence is None or call.sequence == sequence)
        ]
        if not meant:
            raise StopNotOnTrip("The trip does not call there.", side=side)
        positions = [call.position for call in meant if is_open(call)]
        if not positions:
            what = "board" if side == "from" else "leave"
            where = "this trip" if stop_id is None and sequence is None else meant[0].name
            raise StopNotOnTrip(f"Nobody may {what} at {where}.", side=side)
        return positions


@dataclass(frozen=True, slots=True)
class NewStop:
    """A stop to write. `feed` and `code` are its identity; `aliases` other names people type."""

    feed: str
    code: str
    name: str
    timezone: str
    city_id: UUID | None = None
    latitude: float | None = None
    longitude: float | None = None
    landmark: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call of a pattern: seconds after the departure from its first call, whose own is 0."""

    sequence: int
    stop_id: UUID
    arrival_s: int
    departure_s: int
    pickup: bool = True
    drop_off: bool = True


@dataclass(frozen=True, slots=True)
class NewPattern:
    """The calls that trips of a route share."""

    route_id: UUID
    calls: tuple[NewCall, ...]


@dataclass(frozen=True, slots=True)
class Journey:
    """What passengers know a pattern by: no route, and no number that its source gives a call.

    Digests: `path` is of times and of the codes that the source knows the stops by; `calls` of the
    stops themselves, the times, and where one may board and leave.
    """

    path: str
    calls: str


@dataclass(frozen=True, slots=True)
class NewTrip:
    """A trip to write. `feed`, `code` and `service_date` are its identity.

    `starts_at` is the departure from its first call (`times.instant_of`).
    """

    operator_id: UUID
    pattern_id: UUID
    layout_id: UUID
    fare_table_id: UUID
    feed: str
    code: str
    service_date: date
    starts_at: datetime
    trip_id: UUID = field(default_factory=new_id)


def check_calls(calls: tuple[NewCall, ...]) -> None:
    """Refuse calls that no trip can make.

    Raises:
        PatternInvalid: fewer than 2 or more than 200 calls, sequences that do not go up, times that
            go back, or a first departure that is not 0.
    """
    if not 2 <= len(calls) <= CALLS_MAX:
        raise PatternInvalid(f"a trip has 2 to {CALLS_MAX} calls, not {len(calls)}")
    if calls[0].departure_s != 0:
        raise PatternInvalid("times count from the departure from the first call")
    for call in calls:
        if call.departure_s < call.arrival_s:
            raise PatternInvalid(f"call {call.sequence} departs before it arrives")
    for before, after in pairwise(calls):
        if after.sequence <= before.sequence:
            raise PatternInvalid(f"sequence {after.sequence} follows {before.sequence}")
        if after.arrival_s < before.departure_s:
            raise PatternInvalid(f"call {after.sequence} is reached before the one ahead is left")


def journey_of(calls: Sequence[NewCall], codes: Mapping[UUID, str]) -> Journey:
    """The journey of these calls, by the codes of their stops.

    `pattern_journey_1` of the database says the same.
    """
    return Journey(
        _digest(f"{call.arrival_s} {call.departure_s} {codes[call.stop_id]}" for call in calls),
        _digest(
            f"{call.arrival_s} {call.departure_s} {call.pickup:d}{call.drop_off:d} {call.stop_id}"
            for call in calls
        ),
    )


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
