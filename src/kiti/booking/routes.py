"""Holds over HTTP: reserve, availability, release; and tickets."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from kiti.booking.counter import Counter
from kiti.booking.model import NoSuchBooking, NoSuchTicket
from kiti.booking.reserving import Reserved, reserve_seats
from kiti.booking.sales import Availability, Wanted
from kiti.booking.schemas import AvailabilityOut, ReserveIn, ReserveOut, SeatOut, TicketOut
from kiti.booking.service import release_hold, trip_of
from kiti.identity.caller import Caller
from kiti.identity.cookies import takes_cookies_only
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn
from kiti.platform.errors import ValidationFailed
from kiti.platform.http import (
    Answer,
    MoneyOut,
    PathId,
    answer,
    parse,
    private,
    read_id,
    read_json,
    refuses,
    takes,
)
from kiti.platform.idempotency import claim_for, read_key
from kiti.platform.money import Money

RESERVE = "/api/bookings/reserve"


def router(counter: Counter) -> APIRouter:
    """POST, GET and DELETE of /api/bookings/reserve, and GET /api/tickets/{id}."""
    routes = APIRouter(prefix="/api", tags=["booking"])
    _add_reserve(routes, counter)
    _add_reads(routes, counter)
    return routes


def _add_reserve(routes: APIRouter, counter: Counter) -> None:
    @routes.post(
        "/bookings/reserve",
        status_code=201,
        response_model=ReserveOut,
        openapi_extra=takes(ReserveIn),
        responses=refuses(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
    )
    async def reserve(request: Request) -> Response:
        """Hold seats over a segment: all of them or none."""
        body = await read_json(request)
        caller = await counter.identity.callers.identify(request)
        key = read_key(request.headers, body, required=False)
        scope = None if caller is None else caller.scope
        claim = (
            None
            if key is None
            else claim_for(scope, route="reserve", path=RESERVE, key=key, body=body)
        )
        reserved = await reserve_seats(
            counter.db,
            counter.sales,
            caller=caller,
            claim=claim,
            trip_hint=body.text("tripId"),
            wanted=lambda: _wanted(parse(ReserveIn, body), counter),
        )
        return _reserved(request, caller, reserved, counter)

    @routes.delete(
        "/bookings/reserve/{bookingId}",
        status_code=204,
        responses=refuses(401, 403, 404, 409, 503),
    )
    async def release(request: Request, bookingId: PathId) -> Response:  # noqa: N803  # on the wire
        """Give a hold's seats back at once, also with a payment pending."""
        caller = await counter.identity.callers.require(request)
        booking_id = read_id(bookingId, NoSuchBooking)

        async def work(conn: Conn) -> None:
            await release_hold(conn, booking_id=booking_id, holder_id=caller.id)

        about = await trip_of(counter.db, booking_id=bookingId)
        await counter.db.run(work, about=about)
        return Response(status_code=204)


def _wanted(fields: ReserveIn, counter: Counter) -> Wanted:
    minutes = fields.hold_duration_minutes
    if minutes is not None and minutes > counter.hold_minutes_max:
        message = f"at most {counter.hold_minutes_max}"
        raise ValidationFailed(errors=[{"pointer": "#/holdDurationMinutes", "message": message}])
    return Wanted(
        trip_id=fields.trip_id,
        labels=None if fields.seat_numbers is None else tuple(fields.seat_numbers),
        count=fields.count,
        seat_class=fields.seat_class,
        from_stop_id=fields.from_stop_id,
        to_stop_id=fields.to_stop_id,
        from_sequence=fields.from_sequence,
        to_sequence=fields.to_sequence,
        passenger_types=None if fields.passenger_types is None else tuple(fields.passenger_types),
        minutes=minutes,
    )


def _reserved(
    request: Request, caller: Caller | None, reserved: Reserved, counter: Counter
) -> Response:
    """The answer, with the guest's token: in the body for a program, in a cookie for all.

    The token is signed anew from its kept claims, so that a replay has the same bytes and no token
    is ever stored. A replay never takes a browser's later token away.
    """
    held, guest = reserved.answer, reserved.guest
    if guest is None:
        return held.response()
    token = counter.identity.tokens.issue_guest(guest)
    body = held.body
    if not takes_cookies_only(request):
        body = body[:-1] + b',"guestToken":"' + token.encode() + b'"}'
    out = Answer(held.status, body, held.headers).response()
    if caller is None or caller.expires_at is None or caller.expires_at <= guest.valid_until:
        counter.identity.cookies.set_guest(
            out, token=token, valid_until=guest.valid_until, now=utc_now()
        )
    return out


def _add_reads(routes: APIRouter, counter: Counter) -> None:
    @routes.get(
        "/bookings/reserve",
        response_model=AvailabilityOut,
        responses={304: {"description": "Not changed"}, **refuses(404, 422, 503)},
    )
    async def availability(
        request: Request,
        tripId: UUID,  # noqa: N803  # as on the wire
        from_stop: Annotated[UUID | None, Query(alias="from")] = None,
        to_stop: Annotated[UUID | None, Query(alias="to")] = None,
    ) -> Response:
        """Every seat of the trip over a segment, the same for every caller."""
        async with counter.db.connection() as conn:
            found = await counter.sales.availability(
                conn, trip_id=tripId, from_stop_id=from_stop, to_stop_id=to_stop
            )
        headers = {"ETag": found.etag, "Cache-Control": "no-cache"}
        if _has_tag(request.headers.getlist("if-none-match"), found.etag):
            return Response(status_code=304, headers=headers)
        out = answer(availability_out(found))
        out.headers.update(headers)
        return out

    @routes.get("/tickets/{ticketId}", response_model=TicketOut, responses=refuses(401, 404, 503))
    async def ticket(
        request: Request,
        ticketId: PathId,  # noqa: N803  # as on the wire
        code: str | None = None,
    ) -> Response:
        """A ticket with its QR: for the booking's holder, or whoever has the message's code."""
        caller = None
        if code is None:
            caller = await counter.identity.callers.require(request)
        ticket_id = read_id(ticketId, NoSuchTicket)
        async with counter.db.connection() as conn:
            found = await counter.tickets.find(
                conn, ticket_id=ticket_id, holder_id=caller and caller.id, code=code
            )
        if found is None:
            raise NoSuchTicket
        return private(answer(found))


def availability_out(found: Availability) -> AvailabilityOut:
    """The availability on the wire."""
    calls = found.sheet.calls
    return AvailabilityOut(
        trip_id=found.sheet.trip_id,
        from_stop_id=calls[found.segment.first].stop_id,
        to_stop_id=calls[found.segment.last].stop_id,
        server_time=found.now,
        available_seats=found.n_available,
        seats=[
            SeatOut.model_construct(
                seat_number=seat.label,
                seat_class=seat.seat_class,
                status=seat.status,
                price=None if seat.price is None else _money(seat.price),
            )
            for seat in found.seats
        ],
    )


def _money(money: Money) -> MoneyOut:
    return MoneyOut(amount=money.amount_minor, currency=money.currency)


def _has_tag(headers: list[str], etag: str) -> bool:
    """Whether If-None-Match names the tag, or any (`*`); a weak one counts (RFC 9110 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for line in headers for tag in line.split(",")]
    return etag in tags or tags == ["*"]
