"""Stops and trips over HTTP: GET /api/stops, /api/trips, its calendar and one trip. Open to all."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from kiti.checkout.model_search import (
    DayOffer,
    Filters,
    Sort,
    TripItem,
    TripPage,
    TripQuery,
    TripView,
    from_cursor,
    to_cursor,
)
from kiti.checkout.schemas_search import (
    AlightingOut,
    BoardingOut,
    CalendarDayOut,
    CalendarIn,
    CalendarOut,
    FiltersOut,
    LayoutOut,
    OperatorOut,
    PlaceOut,
    PlacesIn,
    PlacesOut,
    TripCallOut,
    TripDetailOut,
    TripLayoutOut,
    TripOut,
    TripsIn,
    TripsOut,
)
from kiti.checkout.search import Sources, find_days, find_trips, get_trip
from kiti.fares.service import FareTables
from kiti.network.layout import Layout
from kiti.network.model import Call, NoSuchTrip
from kiti.network.model_places import NearStop, Place, PlaceKey, telling_codes
from kiti.network.model_search import local_time
from kiti.network.places import list_near, list_places
from kiti.network.service import Catalogue
from kiti.platform.db import Database
from kiti.platform.errors import ValidationFailed
from kiti.platform.http import MoneyOut, PathId, answer, read_id, refuses
from kiti.platform.paging import decode_cursor, encode_cursor, wrong_cursor


def router(db: Database, catalogue: Catalogue, fare_tables: FareTables) -> APIRouter:
    """The calls that find a trip."""
    routes = APIRouter(prefix="/api", tags=["search"])
    sources = Sources(catalogue, fare_tables)

    @routes.get("/stops", response_model=PlacesOut, responses=refuses(422, 503))
    async def stops(asked: Annotated[PlacesIn, Query()]) -> Response:
        """Cities and stops with a word in their name, or another name, that begins with `q`.

        Where there is none, those that do but for a letter or two. `near` is a point
        (`latitude,longitude`): the stops within 100 km of it, the nearest first.
        """
        if asked.point is not None:
            return answer(await _near(db, asked, asked.point))
        if asked.q is None:
            raise ValidationFailed(errors=[{"pointer": "#/q", "message": "Field required"}])
        after = None if asked.cursor is None else _place_key(asked.cursor)
        async with db.connection() as conn:
            found = await list_places(conn, q=asked.q, after=after, limit=asked.limit + 1)
        return answer(_places_out(found, asked.limit))

    @routes.get("/trips", response_model=TripsOut, responses=refuses(422, 503))
    async def trips(asked: Annotated[TripsIn, Query()]) -> Response:
        """Trips that leave one stop or city for another on that local date, and can be booked."""
        after = None if asked.cursor is None else from_cursor(asked.sort, asked.cursor)
        async with db.connection() as conn:
            page = await find_trips(
                conn,
                sources,
                query=_query(asked),
                after=after,
                limit=asked.limit,
                with_choices=asked.include_filters,
            )
        return answer(_trips_out(page, asked.sort))

    @routes.get("/trips/calendar", response_model=CalendarOut, responses=refuses(422, 503))
    async def calendar(asked: Annotated[CalendarIn, Query()]) -> Response:
        """For each of some days: how many trips there are, seats and the lowest price."""
        async with db.connection() as conn:
            days = await find_days(conn, sources, query=_query(asked), days=asked.days)
        return answer(CalendarOut(items=[_day_out(day) for day in days]))

    @routes.get("/trips/{trip_id}", response_model=TripDetailOut, responses=refuses(404, 503))
    async def trip(trip_id: PathId) -> Response:
        """One trip: its stops, its vehicle and whether it can be booked."""
        async with db.connection() as conn:
            view = await get_trip(conn, sources, read_id(trip_id, NoSuchTrip))
        return answer(_trip_out(view))

    return routes


def _query(asked: TripsIn | CalendarIn) -> TripQuery:
    order = asked if isinstance(asked, TripsIn) else None
    return TripQuery(
        origin_id=asked.from_id,
        destination_id=asked.to_id,
        on=asked.on,
        passengers=asked.passengers,
        sort="departure" if order is None else order.sort,
        with_sold_out=order is not None and order.include_sold_out,
        filters=Filters(
            operator_ids=frozenset(asked.operator),
            classes=frozenset(name.casefold() for name in asked.seat_class),
            amenities=frozenset(word.upper() for word in asked.amenity),
            depart_after=asked.depart_after,
            depart_before=asked.depart_before,
            price_max_minor=asked.max_price,
        ),
    )


async def _near(db: Database, asked: PlacesIn, near: tuple[float, float]) -> PlacesOut:
    after: tuple[int, UUID] | None = None
    if asked.cursor is not None:
        distance_m, stop_id = decode_cursor(asked.cursor, "near", int, str)
        after = (distance_m, _cursor_id(stop_id))
        if not 0 <= distance_m < 2**31:
            raise wrong_cursor()
    async with db.connection() as conn:
        found = await list_near(
            conn,
            latitude=near[0],
            longitude=near[1],
            q=asked.q,
            after=after,
            limit=asked.limit + 1,
        )
    last = found[asked.limit - 1] if len(found) > asked.limit else None
    shown = found[: asked.limit]
    return PlacesOut(
        items=[
            _near_out(stop, code) for stop, code in zip(shown, telling_codes(shown), strict=True)
        ],
        next_cursor=None
        if last is None
        else encode_cursor("near", last.distance_m, str(last.stop_id)),
    )


def _near_out(stop: NearStop, code: str | None) -> PlaceOut:
    return PlaceOut(
        id=stop.stop_id,
        kind="STOP",
        name=stop.name,
        city=stop.city,
        country=stop.country,
        timezone=stop.timezone,
        distance_metres=stop.distance_m,
        **_told(code),
    )


def _told(code: str | None) -> dict[str, Any]:
    return {} if code is None else {"code": code}


def _place_key(cursor: str) -> PlaceKey:
    kind, edits, word, quiet, folded, place_id = decode_cursor(
        cursor, "stops", str, int, int, int, str, str
    )
    numbers = (edits, word, -quiet)
    if kind not in {"CITY", "STOP"} or not all(0 <= number < 2**15 for number in numbers):
        raise wrong_cursor()
    return PlaceKey(kind, edits, word, quiet, folded, _cursor_id(place_id))


def _cursor_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise wrong_cursor() from None


def _places_out(found: list[Place], limit: int) -> PlacesOut:
    last = found[limit - 1] if len(found) > limit else None
    shown = found[:limit]
    return PlacesOut(
        items=[
            PlaceOut(
                id=place.place_id,
                kind=place.kind,
                name=place.name,
                city=place.city,
                country=place.country,
                timezone=place.timezone,
                **_told(code),
            )
            for place, code in zip(shown, telling_codes(shown), strict=True)
        ],
        next_cursor=None
        if last is None
        else encode_cursor(
            "stops",
            last.kind,
            last.edits,
            last.word,
            last.quiet,
            last.folded,
            str(last.place_id),
        ),
    )


def _trips_out(page: TripPage, sort: Sort) -> TripsOut:
    rest: dict[str, Any] = {}
    if page.nearest_dates is not None:
        rest["nearest_dates"] = list(page.nearest_dates)
    if page.choices is not None:
        rest["filters"] = FiltersOut(
            operators=[OperatorOut(id=key, name=name) for key, name in page.choices.operators],
            classes=list(page.choices.classes),
            amenities=list(page.choices.amenities),
        )
    return TripsOut(
        items=[_item_out(item) for item in page.items],
        next_cursor=None if page.next_key is None else to_cursor(sort, page.next_key),
        **rest,
    )


def _day_out(day: DayOffer) -> CalendarDayOut:
    price = day.price
    return CalendarDayOut(
        on=day.on,
        trips=day.trips,
        available_seats=day.seats_left if day.trips else None,
        price=None
        if price is None
        else MoneyOut(amount=price.amount_minor, currency=price.currency),
    )


def _layout_out(layout_id: UUID, layout: Layout) -> LayoutOut:
    rest: dict[str, Any] = {"amenities": list(layout.amenities)} if layout.amenities else {}
    return LayoutOut(id=layout_id, name=layout.name, seats=len(layout.seats), **rest)


def _item_out(item: TripItem) -> TripOut:
    offer = item.offer
    found = offer.candidate
    return TripOut(
        id=found.trip_id,
        operator=OperatorOut(id=found.operator_id, name=item.operator_name),
        board=BoardingOut(
            stop_id=found.from_stop_id,
            name=item.origin.name,
            departs_at=found.departs_at,
            local_time=local_time(found.departs_at, item.origin.timezone).isoformat(),
        ),
        leave=AlightingOut(
            stop_id=found.to_stop_id,
            name=item.destination.name,
            arrives_at=found.arrives_at,
            local_time=local_time(found.arrives_at, item.destination.timezone).isoformat(),
        ),
        duration_minutes=round((found.arrives_at - found.departs_at).total_seconds() / 60),
        available_seats=offer.seats_left,
        price=MoneyOut(amount=offer.price.amount_minor, currency=offer.price.currency),
        layout=_layout_out(found.layout_id, offer.layout),
    )


def _trip_out(view: TripView) -> TripDetailOut:
    sheet = view.sheet
    decks: Any = sheet.layout.to_wire()["decks"]
    return TripDetailOut(
        id=sheet.trip_id,
        operator=OperatorOut(id=sheet.operator_id, name=sheet.operator_name),
        service_date=sheet.service_date,
        status=view.status,
        currency=view.currency,
        sales_close_at=view.sales_close_at,
        stops=[_call_out(call, is_last=call is sheet.calls[-1]) for call in sheet.calls],
        layout=TripLayoutOut(id=sheet.layout_id, name=sheet.layout.name, decks=decks),
    )


def _call_out(call: Call, *, is_last: bool) -> TripCallOut:
    local = call.local_arrival if is_last else call.local_departure
    return TripCallOut(
        stop_id=call.stop_id,
        sequence=call.sequence,
        name=call.name,
        city=call.city,
        timezone=call.timezone,
        arrives_at=call.arrives_at,
        departs_at=call.departs_at,
        local_time=local.isoformat(),
        pickup=call.pickup,
        drop_off=call.drop_off,
    )
