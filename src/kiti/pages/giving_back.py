"""Giving paid seats back: which ones, what goes back for them, and the passenger's yes."""

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kiti.booking.model import Booking, BookingNotConfirmed, NoSuchBooking
from kiti.checkout.cancelling import cancel_under_offer
from kiti.checkout.offers import Offer, OfferExpired, price_offers, read_offer
from kiti.pages.bookings import booking_url, own_booking, view_of
from kiti.pages.forms import Fault, form_of, new_key, sent_key
from kiti.pages.front import Front
from kiti.pages.searching import GET
from kiti.pages.visits import Visit
from kiti.platform.db import Conn
from kiti.platform.http import Answer, Body
from kiti.platform.idempotency import (
    IdempotencyInProgress,
    claim_for,
    once,
)
from kiti.platform.money import Money

ROUTE: Final = "cancel"


@dataclass(frozen=True, slots=True)
class OfferView:
    """One way to give the seats back. `until` is on the clock of the stop boarded."""

    offer_id: str
    method: str
    amount: Money
    kept: Money
    rule: str
    until: datetime


def add_giving_back(routes: APIRouter, front: Front) -> None:
    """`GET /bookings/{id}/refund-offer` and `POST /bookings/{id}/cancel`."""

    @routes.api_route("/bookings/{booking_id}/refund-offer", methods=GET)
    async def offers(request: Request, booking_id: str) -> Response:
        visit = await front.visits.enter(request)
        booking = await own_booking(front, visit, booking_id)
        asked = form_of(request.url.query.encode()).texts("seat")
        return await _offer(front, visit, booking, asked)

    @routes.post("/bookings/{booking_id}/cancel")
    async def cancel(request: Request, booking_id: str) -> Response:
        visit, form = await front.visits.submit(request)
        booking = await own_booking(front, visit, booking_id)
        offer = read_offer(form.text("offer"), front.identity.tokens)
        if offer.booking_id != booking.booking_id:
            raise NoSuchBooking
        try:
            await _give_back(front, booking, offer, key=sent_key(form))
        except OfferExpired:
            booking = await own_booking(front, visit, booking_id)
            labels = await _labels(front, booking, offer)
            return await _offer(front, visit, booking, labels, is_over=True)
        except (BookingNotConfirmed, IdempotencyInProgress):  # its page says how it stands
            return front.shell.go(visit, booking_url(booking))
        return front.shell.go(visit, f"{booking_url(booking)}?note={_note(offer)}")


async def _offer(
    front: Front,
    visit: Visit,
    booking: Booking,
    asked: tuple[str, ...],
    *,
    is_over: bool = False,
) -> Response:
    """What goes back for those of the seats asked for that the booking has still."""
    if booking.status != "confirmed":
        return front.shell.go(visit, booking_url(booking))
    async with front.db.connection() as conn:
        view = await view_of(conn, front, booking)
        left = [seat.label for seat in view.seats if not seat.is_cancelled]
        chosen = [label for label in left if label in asked]
        offers: list[Offer] = []
        if chosen:
            try:
                offers = await price_offers(conn, front.catalogue, booking, labels=chosen)
            except BookingNotConfirmed:
                return front.shell.go(visit, booking_url(booking))
    faults = [] if chosen else [Fault("seats", "choose the seats that you give back")]
    return front.shell.show(
        visit,
        "giving_back.html",
        status=409 if is_over else 422 if faults else 200,
        view=view,
        chosen=chosen,
        offers=[_view(front, offer, zone=view.ends.tzinfo) for offer in offers],
        faults=faults,
        is_over=is_over,
        key=new_key(),
    )


def _view(front: Front, offer: Offer, *, zone: tzinfo | None) -> OfferView:
    return OfferView(
        offer_id=offer.to_id(front.identity.tokens),
        method=offer.method,
        amount=offer.amount,
        kept=offer.kept,
        rule=offer.rule,
        until=offer.valid_until.astimezone(zone),
    )


async def _give_back(front: Front, booking: Booking, offer: Offer, *, key: str) -> None:
    """Take the offer, once for the rendered form.

    Raises:
        BookingNotConfirmed, OfferExpired, IdempotencyInProgress.
    """
    claim = claim_for(
        f"{booking.holder_kind}:{booking.holder_id}",
        route=ROUTE,
        path=booking_url(booking),
        # Going back and taking the other way is another wish under the same form.
        key=f"{key}-{offer.method}",
        body=Body(b"", {"offerId": offer.to_id(front.identity.tokens)}),
    )

    async def work(conn: Conn) -> Answer:
        await cancel_under_offer(conn, front.catalogue, offer=offer, holder_id=booking.holder_id)
        return Answer(200, b"{}")

    await once(front.db, claim, work, about=str(booking.trip_id))


async def _labels(front: Front, booking: Booking, offer: Offer) -> tuple[str, ...]:
    async with front.db.connection() as conn:
        sheet = await front.catalogue.sheet(conn, booking.trip_id)
    return tuple(sheet.layout.seats[seat].label for seat in offer.seats)


def _note(offer: Offer) -> str:
    if not offer.amount.amount_minor:
        return "given-back"
    return "given-back-credit" if offer.method == "CREDIT" else "given-back-money"
