"""Wire types of stops and trips: CONTRACT section 5, rows GET /stops, /trips and /trips/{id}."""

import re
from datetime import date, datetime, time
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from kiti.checkout.model_search import Sort, TripStatus
from kiti.network.model_places import LETTERS_MIN, letters
from kiti.platform.http import MoneyOut, Wire
from kiti.platform.paging import CURSOR_LENGTH_MAX, LIMIT_DEFAULT, LIMIT_MAX

YEAR_MIN: Final = 2000
YEAR_MAX: Final = 2199
PASSENGERS_MAX: Final = 10  # a hold takes no more seats
TYPED_LENGTH_MAX: Final = 100
# Values of one filter, and days of one strip.
WANTED_MAX: Final = 20
DAYS_MAX: Final = 31
AMOUNT_MINOR_MAX: Final = 10**15

_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_POINT: Final = re.compile(r"(-?[0-9]{1,3}(?:\.[0-9]{1,15})?),(-?[0-9]{1,3}(?:\.[0-9]{1,15})?)")


def _enough_letters(text: str) -> str:
    if letters(text) < LETTERS_MIN:
        raise PydanticCustomError("letters", "{n} letters or digits at least", {"n": LETTERS_MIN})
    return text


def _whole_date(value: object) -> date:
    """A date written as 2026-11-23 and no other way, within two centuries."""
    on = None
    if isinstance(value, str) and len(value) == len("YYYY-MM-DD"):
        try:
            on = date.fromisoformat(value)
        except ValueError:
            on = None
    if on is None or on.isoformat() != value or not YEAR_MIN <= on.year <= YEAR_MAX:
        years = {"first": YEAR_MIN, "last": YEAR_MAX}
        raise PydanticCustomError("date", "a date as YYYY-MM-DD, {first} to {last}", years)
    return on


def _clock(value: object) -> time:
    """A time of the day written as 07:30 and no other way."""
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise PydanticCustomError("clock", "a time as HH:MM, 00:00 to 23:59")
    return time(int(found[1]), int(found[2]))


def _point(text: str) -> tuple[float, float]:
    """A latitude and a longitude in degrees, written as 6.45,3.39."""
    found = _POINT.fullmatch(text)
    latitude, longitude = (float(found[1]), float(found[2])) if found else (99.0, 0.0)
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise PydanticCustomError("point", "latitude,longitude in degrees, such as 6.45,3.39")
    return latitude, longitude


def _is_point(text: str) -> str:
    _point(text)
    return text


Clock = Annotated[time, BeforeValidator(_clock), Field(json_schema_extra={"format": "HH:MM"})]
Word = Annotated[str, Field(min_length=1, max_length=100)]


class _Asked(BaseModel):
    """A query. Parameters that are not known are no fault of it."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class _Page(_Asked):
    """What every list takes."""

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT
    cursor: Annotated[str, Field(max_length=CURSOR_LENGTH_MAX)] | None = None


class PlacesIn(_Page):
    """What people have typed so far; or `near`, a point: the stops around it. Either, or both."""

    q: (
        Annotated[str, Field(max_length=TYPED_LENGTH_MAX), AfterValidator(_enough_letters)] | None
    ) = None
    near: Annotated[str, Field(max_length=TYPED_LENGTH_MAX), AfterValidator(_is_point)] | None = (
        None
    )

    @property
    def point(self) -> tuple[float, float] | None:
        """`near` as latitude and longitude in degrees."""
        return None if self.near is None else _point(self.near)


class _Ride(_Asked):
    """From where to where (ids of stops or cities), on which local date, for how many.

    The filters may each be given several times but for times and price. A trip passes with any of
    the operators and classes, and with all of the amenities.
    """

    from_id: Annotated[UUID, Field(alias="from")]
    to_id: Annotated[UUID, Field(alias="to")]
    on: Annotated[date, BeforeValidator(_whole_date), Field(alias="date")]
    passengers: Annotated[int, Field(ge=1, le=PASSENGERS_MAX)] = 1
    operator: Annotated[list[UUID], Field(max_length=WANTED_MAX)] = Field(default_factory=list)
    seat_class: Annotated[list[Word], Field(alias="class", max_length=WANTED_MAX)] = Field(
        default_factory=list
    )
    amenity: Annotated[list[Word], Field(max_length=WANTED_MAX)] = Field(default_factory=list)
    depart_after: Clock | None = None
    depart_before: Clock | None = None
    max_price: Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX)] | None = None


class TripsIn(_Ride, _Page):
    """A ride, in which order, and what to tell beside the trips."""

    sort: Sort = "departure"
    include_sold_out: bool = False
    include_filters: bool = False


class CalendarIn(_Ride):
    """A ride on `date` or on one of the days after it, `days` in all."""

    days: Annotated[int, Field(ge=1, le=DAYS_MAX)] = 7


class PlaceOut(Wire):
    """A city or a stop; `city` and `country` are null where the source has none.

    `code`, the stop's in its source, is there only where another stop of this answer has the same
    name in the same city. `distanceMetres`, as the crow flies, is there only when a point was
    given.
    """

    id: UUID
    kind: Literal["CITY", "STOP"]
    name: str
    city: str | None
    country: str | None
    timezone: str
    code: str = ""
    distance_metres: int = 0


class PlacesOut(Wire):
    """Cities and stops, cities first; around a point stops, the nearest first."""

    items: list[PlaceOut]
    next_cursor: str | None


class OperatorOut(Wire):
    """Who runs a trip."""

    id: UUID
    name: str


class BoardingOut(Wire):
    """Where and when to board; `localTime` is the stop's own clock."""

    stop_id: UUID
    name: str
    departs_at: datetime
    local_time: str


class AlightingOut(Wire):
    """Where and when to leave; `localTime` is the stop's own clock."""

    stop_id: UUID
    name: str
    arrives_at: datetime
    local_time: str


class LayoutOut(Wire):
    """The vehicle's seats, by name and number; `amenities` only where there are any."""

    id: UUID
    name: str
    seats: int
    amenities: list[str] = Field(default_factory=list)


class TripOut(Wire):
    """A trip found, with the seats left and the lowest price for one adult on the segment."""

    id: UUID
    operator: OperatorOut
    board: Annotated[BoardingOut, Field(alias="from")]
    leave: Annotated[AlightingOut, Field(alias="to")]
    duration_minutes: int
    available_seats: int
    price: MoneyOut
    layout: LayoutOut


class FiltersOut(Wire):
    """What the day's trips can be filtered by."""

    operators: list[OperatorOut]
    classes: list[str]
    amenities: list[str]


class TripsOut(Wire):
    """Trips found; `nearestDates` is there only when there are none.

    `filters` is there only on a first page, when it was asked for.
    """

    items: list[TripOut]
    next_cursor: str | None
    nearest_dates: list[date] = Field(default_factory=list)
    filters: FiltersOut | None = None


class CalendarDayOut(Wire):
    """A date, how many trips it has, the seats on all of them, and the lowest adult price.

    Seats and price are null on a date without trips.
    """

    on: Annotated[date, Field(alias="date")]
    trips: int
    available_seats: int | None
    price: MoneyOut | None


class CalendarOut(Wire):
    """The dates, in their order."""

    items: list[CalendarDayOut]


class TripCallOut(Wire):
    """One stop of a trip; `localTime` is the departure, at the last stop the arrival."""

    stop_id: UUID
    sequence: int
    name: str
    city: str | None
    timezone: str
    arrives_at: datetime
    departs_at: datetime
    local_time: str
    pickup: bool
    drop_off: bool


class TripLayoutOut(Wire):
    """The vehicle's decks with their cells, as the seat map draws them."""

    id: UUID
    name: str
    decks: list[dict[str, Any]]


class TripDetailOut(Wire):
    """One trip: its stops, its vehicle and whether it can still be booked."""

    id: UUID
    operator: OperatorOut
    service_date: date
    status: TripStatus
    currency: str
    sales_close_at: datetime
    stops: list[TripCallOut]
    layout: TripLayoutOut
