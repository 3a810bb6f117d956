"""Words of the search: what is asked, what is offered, and the order of offers."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, TypeAlias
from uuid import UUID

from kiti.booking.service import SeatsLeft
from kiti.network.layout import Layout
from kiti.network.model import TripSheet
from kiti.network.model_search import Candidate, SearchStop
from kiti.platform.money import Money
from kiti.platform.paging import decode_cursor, encode_cursor, wrong_cursor

Sort = Literal["departure", "price", "duration"]
TripStatus = Literal["ON_SALE", "CLOSED", "DEPARTED", "CANCELLED"]

# What a trip is sorted by, ending in its departure and its id: no two trips have the same.
Key: TypeAlias = tuple[str | int, ...]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# The parts of a key before the departure and the trip's id.
_PARTS: Final[dict[Sort, tuple[type, ...]]] = {
    "departure": (),
    "price": (str, int),
    "duration": (int,),
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What a passenger wants of a trip; what is empty or None does not matter.

    Of operators and classes any one will do, amenities must all be there. With classes only their
    seats and fares count. The departure is by the clock of the stop boarded, from `depart_after`
    on and before `depart_before`; where that is not the later one, over midnight. `price_max_minor`
    is in minor units of the trip's own currency, for one adult.
    """

    operator_ids: frozenset[UUID] = frozenset()
    classes: frozenset[str] = frozenset()
    amenities: frozenset[str] = frozenset()
    depart_after: time | None = None
    depart_before: time | None = None
    price_max_minor: int | None = None

    def wants_class(self, seat_class: str) -> bool:
        """Whether seats of this class count. Classes are compared without case."""
        return not self.classes or seat_class.casefold() in self.classes

    def wants_time(self, departs: time) -> bool:
        """Whether a departure at this local time will do."""
        begin, end = self.depart_after, self.depart_before
        if begin is None or end is None:
            return (begin is None or departs >= begin) and (end is None or departs < end)
        if begin < end:
            return begin <= departs < end
        return departs >= begin or departs < end

    def wants_vehicle(self, operator_id: UUID, layout: Layout) -> bool:
        """Whether the operator and what is on board will do."""
        return (
            not self.operator_ids or operator_id in self.operator_ids
        ) and self.amenities.issubset(layout.amenities)


@dataclass(frozen=True, slots=True)
class TripQuery:
    """Trips from one place to another, a stop or a city each, on a local date.

    `passengers`: how many seats a trip must have left; `with_sold_out`: trips with fewer too.
    """

    origin_id: UUID
    destination_id: UUID
    on: date
    passengers: int = 1
    sort: Sort = "departure"
    with_sold_out: bool = False
    filters: Filters = field(default_factory=Filters)


@dataclass(frozen=True, slots=True)
class Fares:
    """What one adult pays on a segment, by class, the lowest first; classes without a fare, or that
    are not wanted, are left out. `n_classes`: how many classes the layout sells; `all_classes`:
    those of them that have a fare.
    """  # noqa: D205  # one sentence of two lines

    layout: Layout
    by_class: tuple[tuple[str, Money], ...]
    n_classes: int
    all_classes: tuple[str, ...]

    def seats_left(self, left: SeatsLeft) -> int:
        """How many free seats can be bought: those of a class that has a fare."""
        if len(self.by_class) == self.n_classes:
            return left.seats_left
        classes = {name for name, _ in self.by_class}
        return sum(s.seat_class in classes and left.is_free(s.index) for s in self.layout.seats)

    def lowest(self, left: SeatsLeft) -> Money:
        """The lowest fare of a class with a free seat; the lowest of all when there is none."""
        lowest = self.by_class[0][1]
        if len(self.by_class) == 1:
            return lowest
        free = {s.seat_class for s in self.layout.seats if left.is_free(s.index)}
        return next((fare for name, fare in self.by_class if name in free), lowest)


@dataclass(frozen=True, slots=True)
class Offer:
    """A trip that can be sold on a segment: seats left on its legs, and the least that one adult
    pays, all fees in.
    """  # noqa: D205  # one sentence of two lines

    candidate: Candidate
    layout: Layout
    seats_left: int
    price: Money

    def key(self, sort: Sort) -> Key:
        """Where the offer stands in that order."""
        match sort:
            case "departure":
                return departure_key(self.candidate)
            case "price":
                # By currency first: amounts of two currencies cannot be compared.
                head = (self.price.currency, self.price.amount_minor)
                return (*head, *departure_key(self.candidate))
            case "duration":
                return duration_key(self.candidate)


@dataclass(frozen=True, slots=True)
class TripItem:
    """An offer with all that a list shows of it."""

    offer: Offer
    operator_name: str
    origin: SearchStop
    destination: SearchStop


@dataclass(frozen=True, slots=True)
class Choices:
    """What the trips of a day can be filtered by, whether they have seats left or not.

    Operators by name, with their ids; classes and amenities by their words.
    """

    operators: tuple[tuple[UUID, str], ...]
    classes: tuple[str, ...]
    amenities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TripPage:
    """One page of a search. `next_key` is None on the last one.

    `nearest_dates` is None unless nothing at all was found: then up to 3 dates within 14 days that
    have trips with seats, the nearest first. `choices` are those of the first page alone.
    """

    items: tuple[TripItem, ...]
    next_key: Key | None
    nearest_dates: tuple[date, ...] | None
    choices: Choices | None = None


@dataclass(frozen=True, slots=True)
class DayOffer:
    """What a search of one date finds: how many trips, the seats left on all of them together, and
    the lowest price; None when there is no trip.
    """  # noqa: D205  # one sentence of two lines

    on: date
    trips: int
    seats_left: int
    price: Money | None


@dataclass(frozen=True, slots=True)
class TripView:
    """One trip as anybody may see it; `currency` is that of its fares."""

    sheet: TripSheet
    status: TripStatus
    currency: str
    sales_close_at: datetime


def departure_key(candidate: Candidate) -> Key:
    """The key of the order by departure: microseconds since 1970, the trip's id."""
    return key_of(candidate.departs_at, candidate.trip_id)


def key_of(departs_at: datetime, trip_id: UUID) -> Key:
    """The key of the order by departure of a trip that leaves then."""
    return ((departs_at - _EPOCH) // _MICROSECOND, str(trip_id))


def duration_key(candidate: Candidate) -> Key:
    """The key of the order by length of the ride, in microseconds."""
    length = candidate.arrives_at - candidate.departs_at
    return (length // _MICROSECOND, *departure_key(candidate))


def to_cursor(sort: Sort, key: Key) -> str:
    """The cursor of the page after this key."""
    return encode_cursor(f"trips:{sort}", *key)


def from_cursor(sort: Sort, cursor: str) -> Key:
    """The key in a cursor.

    Raises:
        ValidationFailed: it is none of ours, or of another order.
    """
    key = tuple(decode_cursor(cursor, f"trips:{sort}", *_PARTS[sort], int, str))
    try:
        departure_of(key)
    except (OverflowError, ValueError):
        raise wrong_cursor() from None
    return key


def departure_of(key: Key) -> tuple[datetime, UUID]:
    """The departure and the trip in a key of any order."""
    return _EPOCH + int(key[-2]) * _MICROSECOND, UUID(str(key[-1]))
