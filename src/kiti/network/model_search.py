"""Words for finding trips: the stops a place stands for, local days, and trips that may serve."""

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
