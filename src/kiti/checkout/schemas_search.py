"""Wire types of stops and trips: CONTRACT section 5, rows GET /stops, /trips and /trips/{id}."""

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
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


class _Page(BaseModel):
    """What every list takes. Parameters that are not known are no fault of a query."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT
    cursor: Annotated[str, Field(max_length=CURSOR_LENGTH_MAX)] | None = None


class PlacesIn(_Page):
    """What people have typed so far."""

    q: Annotated[str, Field(max_length=TYPED_LENGTH_MAX), AfterValidator(_enough_letters)]


class TripsIn(_Page):
    """From where to where (ids of stops or cities), on which local date, for how many."""

    from_id: Annotated[UUID, Field(alias="from")]
    to_id: Annotated[UUID, Field(alias="to")]
    on: Annotated[date, BeforeValidator(_whole_date), Field(alias="date")]
    passengers: Annotated[int, Field(ge=1, le=PASSENGERS_MAX)] = 1
    sort: Sort = "departure"
    include_sold_out: bool = False


class PlaceOut(Wire):
    """A city or a stop; `city` and `country` are null where the source has none."""

    id: UUID
    kind: Literal["CITY", "STOP"]
    name: str
    city: str | None
    country: str | None
    timezone: str


class PlacesOut(Wire):
    """Cities and stops, cities first."""

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
    """The vehicle's seats, by name and number."""

    id: UUID
    name: str
    seats: int


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


class TripsOut(Wire):
    """Trips found; `nearestDates` is there only when there are none."""

    items: list[TripOut]
    next_cursor: str | None
    nearest_dates: list[date] = Field(default_factory=list)


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
