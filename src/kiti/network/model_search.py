"""Words for finding trips: the stops a place stands for, local days, and trips that may serve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from kiti.network.times import zone_of


@dataclass(frozen=True, slots=True)
class SearchStop:
    """A stop that a search may board or alight at; coordinates in degrees, None if not known."""

    stop_id: UUID
    name: str
    timezone: str
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True, slots=True)
class SearchPlace:
    """What a search goes from or to: one stop, or a city that stands for all its stops."""

    place_id: UUID
    is_city: bool
    stops: tuple[SearchStop, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trip that calls at `from_stop_id` and later at `to_stop_id`, by the pair of calls that
    these two stops mean on it.

    `first` and `last` are the positions of the two calls: the segment is the legs [first, last).
    """  # noqa: D205  # one sentence of two lines

    trip_id: UUID
    operator_id: UUID
    layout_id: UUID
    fare_table_id: UUID
    from_stop_id: UUID
    to_stop_id: UUID
    first: int
    last: int
    departs_at: datetime
    arrives_at: datetime


@dataclass(frozen=True, slots=True)
class Pair:
    """A call to board at and a later one to leave at: positions, stops, seconds of the pattern."""

    first: int
    last: int
    from_stop_id: UUID
    to_stop_id: UUID
    departs_after: timedelta
    arrives_after: timedelta


@dataclass(frozen=True, slots=True)
class Departure:
    """A trip of a pattern, as of an instant of the database's clock."""

    trip_id: UUID
    operator_id: UUID
    layout_id: UUID
    fare_table_id: UUID
    pattern_id: UUID
    starts_at: datetime
    as_of: datetime

    def by(self, pair: Pair) -> Candidate:
        """The trip by this pair of calls."""
        return Candidate(
            trip_id=self.trip_id,
            operator_id=self.operator_id,
            layout_id=self.layout_id,
            fare_table_id=self.fare_table_id,
            from_stop_id=pair.from_stop_id,
            to_stop_id=pair.to_stop_id,
            first=pair.first,
            last=pair.last,
            departs_at=self.starts_at + pair.departs_after,
            arrives_at=self.starts_at + pair.arrives_after,
        )


@dataclass(frozen=True, slots=True)
class Departures:
    """Trips that may serve a segment on dates [first_on, end_on) by the clock of the stop boarded.

    `pairs`: for each pattern those pairs of calls that its stops mean, the one with the fewest legs
    first, then the earliest. `zones` are those of the stops. `is_cut`: there are more trips, later.
    """

    trips: Sequence[Departure]
    pairs: Mapping[UUID, Sequence[Pair]]
    zones: Mapping[UUID, str]
    first_on: date
    end_on: date
    is_cut: bool

    def pairs_by_date(self, trip: Departure) -> dict[date, list[Pair]]:
        """The pairs by which the trip leaves on each of the dates, and has not left yet."""
        dates: dict[tuple[timedelta, UUID], date | None] = {}
        found: dict[date, list[Pair]] = {}
        for pair in self.pairs[trip.pattern_id]:
            board = (pair.departs_after, pair.from_stop_id)
            if board not in dates:
                dates[board] = self._date_of(trip, *board)
            on = dates[board]
            if on is not None:
                found.setdefault(on, []).append(pair)
        return found

    def _date_of(self, trip: Departure, wait: timedelta, stop_id: UUID) -> date | None:
        """The local date of a departure; None when it has left, or is none of the dates."""
        departs_at = trip.starts_at + wait
        on = local_date(departs_at, self.zones[stop_id])
        return on if departs_at >= trip.as_of and self.first_on <= on < self.end_on else None

    def first_of(self, trip: Departure) -> tuple[datetime, UUID]:
        """What the trips are ordered by: when the first of the stops is left, then the id."""
        waits = [pair.departs_after for pair in self.pairs[trip.pattern_id]]
        return trip.starts_at + min(waits), trip.trip_id


@dataclass(frozen=True, slots=True)
class Day:
    """All instants whose local date in a zone is one date lie in [begins_at, ends_at)."""

    begins_at: datetime
    ends_at: datetime


def local_day(on: date, timezone: str) -> Day:
    """The bounds of a local date.

    Where clocks go back over midnight the bounds take in some of the neighbouring date, so whoever
    needs it exact checks the local date of what is found.
    """
    begins = _midnights(on, timezone)
    ends = _midnights(on + timedelta(days=1), timezone)
    return Day(min(begins), max(ends))


def local_time(instant: datetime, timezone: str) -> datetime:
    """The instant on a clock in that zone."""
    return instant.astimezone(zone_of(timezone))


def local_date(instant: datetime, timezone: str) -> date:
    """The date on a clock in that zone."""
    return local_time(instant, timezone).date()


def _midnights(on: date, timezone: str) -> tuple[datetime, datetime]:
    """Midnight at the start of a date, read with the clock before and after a change."""
    zone = zone_of(timezone)
    early = datetime(on.year, on.month, on.day, tzinfo=zone)
    return early.astimezone(UTC), early.replace(fold=1).astimezone(UTC)
