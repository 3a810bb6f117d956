"""Finding a trip: the form, the choice of a place, the results. Each is a GET and can be shared."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kiti.booking.model import SEATS_PER_HOLD_MAX
from kiti.checkout.model_search import (
    DayOffer,
    Sort,
    TripItem,
    TripPage,
    TripQuery,
    from_cursor,
    to_cursor,
)
from kiti.checkout.search import find_days, find_trips
from kiti.network.model_places import LETTERS_MIN, NamedPlace, letters, telling_codes
from kiti.network.model_search import local_date, local_time
from kiti.network.popular import PopularRoute
from kiti.pages.forms import Fault, Form, form_of, read_count
from kiti.pages.front import Front
from kiti.pages.narrowing import Narrowed
from kiti.pages.places import meant
from kiti.pages.visits import Visit
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn
from kiti.platform.errors import DatabaseUnavailable
from kiti.platform.money import Money

GET: Final = ["GET", "HEAD"]
PAGE: Final = 20
YEARS: Final = range(2000, 2200)
SORTS: Final[tuple[Sort, ...]] = ("departure", "price", "duration")
STRIP_DAYS: Final = 7
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """The search as it was typed. `on` None: today, where the trip begins."""

    origin: str
    destination: str
    on: date | None
    passengers: int
    sort: Sort
    narrowed: Narrowed = field(default_factory=lambda: Narrowed({}))

    def query(self, **changes: object) -> str:
        """The address of this search with some of it changed; None leaves a field out."""
        fields: dict[str, object] = {
            "from": self.origin,
            "to": self.destination,
            "date": self.on,
            "passengers": self.passengers,
            "sort": None if self.sort == "departure" else self.sort,
            **self.narrowed.values,
        }
        fields |= changes
        return "/trips?" + urlencode({n: str(v) for n, v in fields.items() if v is not None})


@dataclass(frozen=True, slots=True)
class Line:
    """One trip of the results."""

    href: str
    operator: str
    board: str
    leave: str
    departs: datetime
    arrives: datetime
    days_later: int
    minutes: int
    seats_left: int
    price: Money
    vehicle: str


def add_search(routes: APIRouter, front: Front) -> None:
    """`GET /` and `GET /trips`."""

    @routes.api_route("/", methods=GET)
    async def home(request: Request) -> Response:
        visit = await front.visits.enter(request)
        asked = _asked(form_of(request.url.query.encode()))[0]
        return await _home(front, visit, asked, [])

    @routes.api_route("/trips", methods=GET)
    async def trips(request: Request) -> Response:
        visit = await front.visits.enter(request)
        form = form_of(request.url.query.encode())
        asked, faults = _asked(form)
        async with front.db.connection() as conn:
            origins = await meant(conn, asked.origin)
            destinations = await meant(conn, asked.destination)
        faults += _place_faults(front, asked, origins, destinations)
        if faults:
            return await _home(front, visit, asked, faults, status=422)
        if len(origins) > 1 or len(destinations) > 1:
            return front.shell.show(
                visit,
                "choose.html",
                asked=asked,
                origins=list(zip(origins, telling_codes(origins), strict=True)),
                destinations=list(zip(destinations, telling_codes(destinations), strict=True)),
            )
        return await _results(front, visit, asked, (origins[0], destinations[0]), form)


def _asked(form: Form) -> tuple[Asked, list[Fault]]:
    """The search in a query, and what of it cannot be read."""
    faults: list[Fault] = []
    on = _date(form.text("date"))
    if on is None and form.text("date"):
        faults.append(Fault("date", "not a date, such as 2030-06-03"))
    sort = form.text("sort")
    asked = Asked(
        origin=form.text("from")[:100],
        destination=form.text("to")[:100],
        on=on,
        passengers=read_count(form.text("passengers"), least=1, most=SEATS_PER_HOLD_MAX, default=1),
        sort=sort if sort in SORTS else "departure",
        narrowed=Narrowed.of(form),
    )
    return asked, faults


def _date(text: str) -> date | None:
    try:
        on = date.fromisoformat(text)
    except ValueError:
        return None
    return on if on.year in YEARS else None


def _place_faults(
    front: Front, asked: Asked, origins: list[NamedPlace], destinations: list[NamedPlace]
) -> list[Fault]:
    say = front.shell.words.gettext
    faults: list[Fault] = []
    for side, text, found in (
        ("from", asked.origin, origins),
        ("to", asked.destination, destinations),
    ):
        if found:
            continue
        if letters(text) < LETTERS_MIN:
            faults.append(Fault(side, "type the name of a city or a stop"))
        else:
            message = say("there is no city or stop called “%(name)s”") % {"name": text}
            faults.append(Fault(side, message))
    is_one = len(origins) == len(destinations) == 1
    if is_one and origins[0].place_id == destinations[0].place_id and origins[0].kind == "CITY":
        faults.append(Fault("to", "choose another place than where you start"))
    return faults


async def _home(
    front: Front, visit: Visit, asked: Asked, faults: list[Fault], *, status: int = 200
) -> Response:
    popular = await _popular(front)
    zone = popular[0].from_timezone if popular else "UTC"
    today = local_date(utc_now(), zone)
    if asked.origin or asked.destination:
        async with front.db.connection() as conn:
            asked = await _with_names(conn, asked)
    return front.shell.show(
        visit,
        "home.html",
        status=status,
        asked=asked,
        today=today,
        passengers_max=SEATS_PER_HOLD_MAX,
        faults=faults,
        popular=[(route, _link(route)) for route in popular],
    )


async def _with_names(conn: Conn, asked: Asked) -> Asked:
    """The search with the names of the places whose ids came in a shared address."""
    origin = await _name_of(conn, asked.origin)
    return replace(asked, origin=origin, destination=await _name_of(conn, asked.destination))


async def _name_of(conn: Conn, text: str) -> str:
    if letters(text) < LETTERS_MIN:
        return text
    found = await meant(conn, text)
    return found[0].name if len(found) == 1 else text


async def _popular(front: Front) -> tuple[PopularRoute, ...]:
    """Routes to offer; none when the database is away, for a form is worth more than nothing."""
    try:
        async with front.db.connection() as conn:
            return await front.popular.routes(conn)
    except DatabaseUnavailable:
        return ()


def _link(route: PopularRoute) -> str:
    return "/trips?" + urlencode({"from": str(route.from_id), "to": str(route.to_id)})


async def _results(
    front: Front, visit: Visit, asked: Asked, ends: tuple[NamedPlace, NamedPlace], form: Form
) -> Response:
    origin, destination = ends
    today = local_date(utc_now(), origin.timezone)
    on = asked.on or today
    # Links carry ids: a name may come to mean another place.
    asked = replace(
        asked, origin=str(origin.place_id), destination=str(destination.place_id), on=on
    )
    cursor = form.maybe("cursor")
    query = TripQuery(
        origin.place_id,
        destination.place_id,
        on,
        asked.passengers,
        asked.sort,
        filters=asked.narrowed.filters(),
    )
    begin = max(min(today, on), on - _DAY * (STRIP_DAYS // 2))
    strip: tuple[DayOffer, ...] = ()
    async with front.db.connection() as conn:
        page = await find_trips(
            conn,
            front.sources,
            query=query,
            after=None if cursor is None else from_cursor(asked.sort, cursor),
            limit=PAGE,
            with_choices=True,
        )
        if cursor is None:
            week = replace(query, on=begin)
            strip = await find_days(conn, front.sources, query=week, days=STRIP_DAYS)
    return front.shell.show(
        visit,
        "results.html",
        asked=asked,
        on=on,
        origin=origin,
        destination=destination,
        lines=[_line(item, asked.passengers) for item in page.items],
        is_later_page=cursor is not None,
        more=_more(asked, page),
        before=asked.query(date=on - _DAY) if on > today else None,
        after=asked.query(date=on + _DAY),
        strip=[(day, asked.query(date=day.on)) for day in strip],
        groups=asked.narrowed.groups(
            page.choices, front.shell.words, lambda name, value: asked.query(**{name: value})
        )
        if page.choices
        else [],
        n_narrowed=len(asked.narrowed.values),
        wide=replace(asked, narrowed=Narrowed({})).query(),
        nearest=[(day, asked.query(date=day)) for day in page.nearest_dates or ()],
        orders=[(sort, asked.query(sort=sort)) for sort in SORTS],
        again="/?" + asked.query().partition("?")[2],
    )


def _more(asked: Asked, page: TripPage) -> str | None:
    if page.next_key is None:
        return None
    return asked.query(cursor=to_cursor(asked.sort, page.next_key))


def _line(item: TripItem, passengers: int) -> Line:
    found = item.offer.candidate
    departs = local_time(found.departs_at, item.origin.timezone)
    arrives = local_time(found.arrives_at, item.destination.timezone)
    return Line(
        href=trip_url(found.trip_id, (found.from_stop_id, found.to_stop_id), passengers),
        operator=item.operator_name,
        board=item.origin.name,
        leave=item.destination.name,
        departs=departs,
        arrives=arrives,
        days_later=(arrives.date() - departs.date()).days,
        minutes=round((found.arrives_at - found.departs_at).total_seconds() / 60),
        seats_left=item.offer.seats_left,
        price=item.offer.price,
        vehicle=item.offer.layout.name,
    )


def trip_url(
    trip_id: UUID,
    stops: tuple[UUID, UUID],
    passengers: int,
    *,
    seats: Iterable[str] = (),
    step: str = "",
) -> str:
    """The address of a trip's seats over a segment; `seats` are chosen already."""
    fields = [("from", str(stops[0])), ("to", str(stops[1])), ("passengers", str(passengers))]
    fields += [("seat", seat) for seat in seats]
    return f"/trips/{trip_id}{step}?{urlencode(fields)}"
