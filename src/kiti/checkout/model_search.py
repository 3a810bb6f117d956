"""Words of the search: what is asked, what is offered, and the order of offers."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal, TypeAlias
from uuid import UUID

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
class TripPage:
    """One page of a search. `next_key` is None on the last one.

    `nearest_dates` is None unless nothing at all was found: then up to 3 dates within 14 days that
    have trips with seats, the nearest first.
    """

    items: tuple[TripItem, ...]
    next_key: Key | None
    nearest_dates: tuple[date, ...] | None


@dataclass(frozen=True, slots=True)
class TripView:
    """One trip as anybody may see it; `currency` is that of its fares."""

    sheet: TripSheet
    status: TripStatus
    currency: str
    sales_close_at: datetime


def departure_key(candidate: Candidate) -> Key:
    """The key of the order by departure: microseconds since 1970, the trip's id."""
    return ((candidate.departs_at - _EPOCH) // _MICROSECOND, str(candidate.trip_id))


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
