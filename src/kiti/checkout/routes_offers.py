"""Giving seats back over HTTP: GET /api/bookings/{id}/refund-offer and POST …/cancel."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from kiti.booking.model import SEATS_PER_HOLD_MAX, NoSuchBooking
from kiti.booking.service import get_booking, trip_of
from kiti.checkout.bookings import show_booking
from kiti.checkout.cancelling import cancel_under_offer
from kiti.checkout.desk import Desk
from kiti.checkout.offers import price_offers, read_offer
from kiti.checkout.schemas_bookings import BookingOut
from kiti.checkout.schemas_offers import CancelIn, OfferOut, OffersOut
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

LABEL_LENGTH_MAX: Final = 12


def router(desk: Desk) -> APIRouter:
    """For the booking's holder."""
    routes = APIRouter(prefix="/api/bookings", tags=["booking"])
    _add_offer(routes, desk)
    _add_cancel(routes, desk)
    return routes


def _add_offer(routes: APIRouter, desk: Desk) -> None:
    async def caller_of(request: Request) -> Caller:
        """Asked before the query's fields are checked."""
        return await desk.identity.callers.require(request)

    @routes.get(
        "/{bookingId}/refund-offer",
        response_model=OffersOut,
        responses=refuses(401, 404, 409, 422, 503),
    )
    async def refund_offer(
        caller: Annotated[Caller, Depends(caller_of)],
        bookingId: PathId,  # noqa: N803  # on the wire
        seatNumbers: Annotated[str | None, Query(max_length=200)] = None,  # noqa: N803
    ) -> Response:
        """What goes back for giving up the booking's seats, or those named (1A,1B), now."""
        booking_id = read_id(bookingId, NoSuchBooking)
        async with desk.db.connection() as conn:
            booking = await get_booking(conn, booking_id=booking_id, holder_id=caller.id)
            offers = await price_offers(conn, desk.catalogue, booking, labels=_labels(seatNumbers))
        out = OffersOut(
            booking_id=booking_id,
            offers=[
                OfferOut(
                    offer_id=offer.to_id(desk.identity.tokens),
                    method=offer.method,
                    amount=offer.amount.amount_minor,
                    currency=offer.amount.currency,
                    kept=offer.kept.amount_minor,
                    valid_until=offer.valid_until,
                    rule=offer.rule,
                )
                for offer in offers
            ],
        )
        return private(answer(out))


def _labels(text: str | None) -> list[str] | None:
    if text is None:
        return None
    labels = [label.strip() for label in text.split(",")]
    if len(labels) > SEATS_PER_HOLD_MAX or not all(
        0 < len(label) <= LABEL_LENGTH_MAX for label in labels
    ):
        message = f"1 to {SEATS_PER_HOLD_MAX} seats, with commas between: 1A,1B"
        raise ValidationFailed(errors=[{"pointer": "#/seatNumbers", "message": message}])
    return labels


def _add_cancel(routes: APIRouter, desk: Desk) -> None:
    @routes.post(
        "/{bookingId}/cancel",
        response_model=BookingOut,
        openapi_extra=takes(CancelIn),
        responses=refuses(400, 401, 403, 404, 409, 413, 415, 422, 503),
    )
    async def cancel(request: Request, bookingId: PathId) -> Response:  # noqa: N803  # on the wire
        """Take a refund offer: its seats are free at once, and what it says goes back."""
        body = await read_json(request)
        caller = await desk.identity.callers.require(request)
        key = read_key(request.headers, body, required=True)
        assert key is not None, "it is required"  # noqa: S101 (for the type checker)
        claim = claim_for(caller.scope, route="cancel", path=request.url.path, key=key, body=body)

        async def work(conn: Conn) -> Answer:
            booking_id = read_id(bookingId, NoSuchBooking)
            await get_booking(conn, booking_id=booking_id, holder_id=caller.id)
            offer = read_offer(parse(CancelIn, body).offer_id, desk.identity.tokens)
            if offer.booking_id != booking_id:
                message = "an offer for another booking"
                raise ValidationFailed(errors=[{"pointer": "#/offerId", "message": message}])
            after = await cancel_under_offer(conn, desk.catalogue, offer=offer, holder_id=caller.id)
            return Answer(200, encode(await show_booking(conn, desk.catalogue, after)))

        about = await trip_of(desk.db, booking_id=bookingId)
        return private((await once(desk.db, claim, work, about=about)).response())
