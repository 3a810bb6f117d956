"""Stops and trips over HTTP: GET /api/stops, /api/trips and /api/trips/{id}. Open to all."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from kiti.checkout.model_search import (
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
from kiti.checkout.search import Sources, find_trips, get_trip
from kiti.fares.service import FareTables
from kiti.network.model import Call, NoSuchTrip
from kiti.network.model_places import Place, PlaceKey
from kiti.network.model_search import local_time
from kiti.network.places import list_places
from kiti.network.service import Catalogue
from kiti.platform.db import Database
from kiti.platform.http import MoneyOut, answer, refuses
from kiti.platform.paging import decode_cursor, encode_cursor, wrong_cursor


def router(db: Database, catalogue: Catalogue, fare_tables: FareTables) -> APIRouter:
    """The calls that find a trip."""
    routes = APIRouter(prefix="/api", tags=["search"])
    sources = Sources(catalogue, fare_tables)

    @routes.get("/stops", response_model=PlacesOut, responses=refuses(422, 503))
    async def stops(asked: Annotated[PlacesIn, Query()]) -> Response:
        """Cities and stops with a word in their name, or another name, that begins with `q`."""
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
                conn, sources, query=_query(asked), after=after, limit=asked.limit
            )
        return answer(_trips_out(page, asked.sort))

    @routes.get("/trips/{trip_id}", response_model=TripDetailOut, responses=refuses(404, 503))
    async def trip(trip_id: str) -> Response:
        """One trip: its stops, its vehicle and whether it can be booked."""
        async with db.connection() as conn:
            view = await get_trip(conn, sources, _trip_id(trip_id))
        return answer(_trip_out(view))

    return routes


def _query(asked: TripsIn) -> TripQuery:
    return TripQuery(
        origin_id=asked.from_id,
        destination_id=asked.to_id,
        on=asked.on,
        passengers=asked.passengers,
        sort=asked.sort,
        with_sold_out=asked.include_sold_out,
    )


def _trip_id(text: str) -> UUID:
    """An id; what cannot be one names no trip."""
    try:
        return UUID(text)
    except ValueError:
        raise NoSuchTrip from None


def _place_key(cursor: str) -> PlaceKey:
    kind, word, folded, place_id = decode_cursor(cursor, "stops", str, int, str, str)
    try:
        key = PlaceKey(kind, word, folded, UUID(place_id))
    except ValueError:
        raise wrong_cursor() from None
    if kind not in {"CITY", "STOP"} or not 0 <= word < 2**15:
        raise wrong_cursor()
    return key


def _places_out(found: list[Place], limit: int) -> PlacesOut:
    last = found[limit - 1] if len(found) > limit else None
    return PlacesOut(
        items=[
            PlaceOut(
                id=place.place_id,
                kind=place.kind,
                name=place.name,
                city=place.city,
                country=place.country,
                timezone=place.timezone,
            )
            for place in found[:limit]
        ],
        next_cursor=None
        if last is None
        else encode_cursor("stops", last.kind, last.word, last.folded, str(last.place_id)),
    )


def _trips_out(page: TripPage, sort: Sort) -> TripsOut:
    rest: dict[str, Any] = {}
    if page.nearest_dates is not None:
        rest["nearest_dates"] = list(page.nearest_dates)
    return TripsOut(
        items=[_item_out(item) for item in page.items],
        next_cursor=None if page.next_key is None else to_cursor(sort, page.next_key),
        **rest,
    )


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
        layout=LayoutOut(id=found.layout_id, name=offer.layout.name, seats=len(offer.layout.seats)),
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
