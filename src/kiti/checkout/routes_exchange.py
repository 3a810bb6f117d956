"""Exchanging over HTTP: GET /api/bookings/{id}/exchange-offer and POST …/exchange."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from kiti.booking.model import NoSuchBooking
from kiti.booking.service import get_booking, trip_of
from kiti.checkout.desk import Desk
from kiti.checkout.exchange_offers import ExchangeOffer, price_exchange, read_exchange_offer
from kiti.checkout.exchanging import exchange_under_offer
from kiti.checkout.schemas_offers import ExchangeIn, ExchangeOfferOut, ExchangeOut
from kiti.identity.caller import Caller
from kiti.platform.db import Conn
from kiti.platform.errors import ValidationFailed
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
from kiti.platform.ids import find_id


def router(desk: Desk) -> APIRouter:
    """For the holder of both bookings."""
    routes = APIRouter(prefix="/api/bookings", tags=["booking"])
    _add_offer(routes, desk)
    _add_exchange(routes, desk)
    return routes


def _add_offer(routes: APIRouter, desk: Desk) -> None:
    async def caller_of(request: Request) -> Caller:
        """Asked before the query's fields are checked."""
        return await desk.identity.callers.require(request)

    @routes.get(
        "/{bookingId}/exchange-offer",
        response_model=ExchangeOfferOut,
        responses=refuses(401, 404, 409, 422, 503),
    )
    async def exchange_offer(
        caller: Annotated[Caller, Depends(caller_of)],
        bookingId: PathId,  # noqa: N803  # on the wire
        toBookingId: Annotated[str, Query(max_length=100)] = "",  # noqa: N803
    ) -> Response:
        """What giving up this confirmed booking for a hold of the same holder would come to."""
        booking_id = read_id(bookingId, NoSuchBooking)
        async with desk.db.connection() as conn:
            booking = await get_booking(conn, booking_id=booking_id, holder_id=caller.id)
            to_booking_id = _to_booking_id(toBookingId)
            to_booking = await get_booking(conn, booking_id=to_booking_id, holder_id=caller.id)
            offer = await price_exchange(
                conn, desk.catalogue, booking=booking, to_booking=to_booking
            )
        return private(answer(_offer_out(offer, desk)))


def _to_booking_id(text: str) -> UUID:
    found = find_id(text)
    if found is None:
        message = "the id of the booking that is held instead"
        raise ValidationFailed(errors=[{"pointer": "#/toBookingId", "message": message}])
    return found


def _offer_out(offer: ExchangeOffer, desk: Desk) -> ExchangeOfferOut:
    return ExchangeOfferOut(
        booking_id=offer.booking_id,
        to_booking_id=offer.to_booking_id,
        offer_id=offer.to_id(desk.identity.tokens),
        value=offer.value.amount_minor,
        kept=offer.kept.amount_minor,
        price=offer.price.amount_minor,
        due=offer.due.amount_minor,
        back=offer.back.amount_minor,
        method=offer.method,
        currency=offer.price.currency,
        valid_until=offer.valid_until,
        rule=offer.rule,
    )


def _add_exchange(routes: APIRouter, desk: Desk) -> None:
    @routes.post(
        "/{bookingId}/exchange",
        response_model=ExchangeOut,
        openapi_extra=takes(ExchangeIn),
        responses=refuses(400, 401, 403, 404, 409, 413, 415, 422, 503),
    )
    async def exchange(request: Request, bookingId: PathId) -> Response:  # noqa: N803  # on the wire
        """Take an exchange offer: done at once, or when the difference is paid."""
        body = await read_json(request)
        caller = await desk.identity.callers.require(request)
        key = read_key(request.headers, body, required=True)
        assert key is not None, "it is required"  # noqa: S101 (for the type checker)
        claim = claim_for(caller.scope, route="exchange", path=request.url.path, key=key, body=body)

        async def work(conn: Conn) -> Answer:
            booking_id = read_id(bookingId, NoSuchBooking)
            await get_booking(conn, booking_id=booking_id, holder_id=caller.id)
            offer = read_exchange_offer(parse(ExchangeIn, body).offer_id, desk.identity.tokens)
            if offer.booking_id != booking_id:
                message = "an offer for another booking"
                raise ValidationFailed(errors=[{"pointer": "#/offerId", "message": message}])
            done = await exchange_under_offer(conn, offer=offer, holder_id=caller.id)
            out = ExchangeOut(
                status="PAYMENT_DUE" if done.done_at is None else "DONE",
                booking_id=booking_id,
                to_booking_id=done.booking_id,
                due=done.due_minor,
                back=done.value_minor - done.moved_minor,
                currency=done.currency,
            )
            return Answer(200, encode(out))

        about = await trip_of(desk.db, booking_id=bookingId)
        return private((await once(desk.db, claim, work, about=about)).response())
