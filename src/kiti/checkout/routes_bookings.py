"""Bookings over HTTP: read them, make a hold longer, say who travels."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from kiti.booking.model import NoSuchBooking
from kiti.booking.people import NewPassenger, NewPeople, put_passengers
from kiti.booking.service import extend_hold, get_booking, list_bookings, trip_of
from kiti.checkout.bookings import show_booking, show_bookings
from kiti.checkout.desk import Desk
from kiti.checkout.schemas_bookings import BookingOut, BookingsOut, ExtendIn, PassengersIn
from kiti.identity.caller import Caller
from kiti.platform.db import Conn
from kiti.platform.http import (
    Answer,
    PathId,
    answer,
    encode,
    parse,
    private,
    read_id,
    read_json,
    refuses,
    takes,
)
from kiti.platform.idempotency import claim_for, once, read_key
from kiti.platform.paging import (
    LIMIT_DEFAULT,
    LIMIT_MAX,
    decode_cursor,
    encode_cursor,
    wrong_cursor,
)

_CURSOR = "bookings"


def router(desk: Desk) -> APIRouter:
    """GET /api/bookings and /{id}, POST extend, PUT passengers: for the booking's holder."""
    routes = APIRouter(prefix="/api/bookings", tags=["booking"])
    _add_reads(routes, desk)
    _add_writes(routes, desk)
    return routes


def _add_reads(routes: APIRouter, desk: Desk) -> None:
    async def caller_of(request: Request) -> Caller:
        """Asked before the query's fields are checked."""
        return await desk.identity.callers.require(request)

    @routes.get("", response_model=BookingsOut, responses=refuses(401, 422, 503))
    async def bookings(
        caller: Annotated[Caller, Depends(caller_of)],
        limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
        cursor: Annotated[str | None, Query(max_length=1000)] = None,
    ) -> Response:
        """The caller's bookings, the newest first."""
        before = None if cursor is None else _before(cursor)
        async with desk.db.connection() as conn:
            found = await list_bookings(conn, holder_id=caller.id, before=before, limit=limit + 1)
            shown = await show_bookings(conn, desk.catalogue, found[:limit])
        more = found[limit - 1].booking_id if len(found) > limit else None
        cursor_out = None if more is None else encode_cursor(_CURSOR, str(more))
        return private(answer(BookingsOut(items=shown, next_cursor=cursor_out)))

    @routes.get("/{bookingId}", response_model=BookingOut, responses=refuses(401, 404, 503))
    async def booking(request: Request, bookingId: PathId) -> Response:  # noqa: N803  # on the wire
        """One booking as it reads at this instant."""
        caller = await desk.identity.callers.require(request)
        booking_id = read_id(bookingId, NoSuchBooking)
        async with desk.db.connection() as conn:
            found = await get_booking(conn, booking_id=booking_id, holder_id=caller.id)
            return private(answer(await show_booking(conn, desk.catalogue, found)))


def _add_writes(routes: APIRouter, desk: Desk) -> None:
    @routes.post(
        "/{bookingId}/extend",
        response_model=BookingOut,
        openapi_extra=takes(ExtendIn),
        responses=refuses(400, 401, 403, 404, 409, 413, 415, 422, 503),
    )
    async def extend(request: Request, bookingId: PathId) -> Response:  # noqa: N803  # on the wire
        """Make a hold longer, up to its latest end."""
        body = await read_json(request)
        caller = await desk.identity.callers.require(request)
        key = read_key(request.headers, body, required=False)
        claim = None
        if key is not None:
            path = request.url.path
            claim = claim_for(caller.scope, route="extend", path=path, key=key, body=body)

        async def work(conn: Conn) -> Answer:
            booking_id = read_id(bookingId, NoSuchBooking)
            await get_booking(conn, booking_id=booking_id, holder_id=caller.id)
            fields = parse(ExtendIn, body)
            found = await extend_hold(
                conn, booking_id=booking_id, holder_id=caller.id, minutes=fields.minutes
            )
            return Answer(200, encode(await show_booking(conn, desk.catalogue, found)))

        about = await trip_of(desk.db, booking_id=bookingId)
        return private((await once(desk.db, claim, work, about=about)).response())

    @routes.put(
        "/{bookingId}/passengers",
        response_model=BookingOut,
        openapi_extra=takes(PassengersIn),
        responses=refuses(400, 401, 403, 404, 409, 413, 415, 422, 503),
    )
    async def passengers(
        request: Request,
        bookingId: PathId,  # noqa: N803  # on the wire
    ) -> Response:
        """Say who travels: the whole list each time, before or after payment."""
        body = await read_json(request)
        caller = await desk.identity.callers.require(request)
        booking_id = read_id(bookingId, NoSuchBooking)

        async def work(conn: Conn) -> BookingOut:
            await get_booking(conn, booking_id=booking_id, holder_id=caller.id)
            found = await put_passengers(
                conn,
                booking_id=booking_id,
                holder_id=caller.id,
                catalogue=desk.catalogue,
                people=_people(parse(PassengersIn, body)),
                seal=desk.seal,
            )
            return await show_booking(conn, desk.catalogue, found)

        about = await trip_of(desk.db, booking_id=bookingId)
        return private(answer(await desk.db.run(work, about=about)))


def _people(fields: PassengersIn) -> NewPeople:
    return NewPeople(
        phone=fields.contact.phone,
        email=fields.contact.email,
        passengers=[
            NewPassenger(
                label=each.seat_number,
                name=each.name,
                passenger_type=each.type,
                phone=each.phone,
                id_type=each.id_type,
                id_number=each.id_number,
                kin_name=None if each.next_of_kin is None else each.next_of_kin.name,
                kin_phone=None if each.next_of_kin is None else each.next_of_kin.phone,
            )
            for each in fields.passengers
        ],
    )


def _before(cursor: str) -> UUID:
    (text,) = decode_cursor(cursor, _CURSOR, str)
    try:
        return UUID(text)
    except ValueError:
        raise wrong_cursor() from None
