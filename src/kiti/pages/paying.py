"""Paying: the choice of a method, the way to the gateway's hosted page, and the way back.

What the gateway writes into the address it sends a payer back to is only a reason to ask it.
"""

import json
import re
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kiti.booking.model import AlreadyPaid, Booking, BookingNotHeld, HoldExpired
from kiti.booking.people import find_contact
from kiti.booking.service import get_booking
from kiti.checkout.exchanging import amounts_due
from kiti.checkout.paying import Asked, Wish, initiate
from kiti.checkout.till import RETURN_PATH
from kiti.checkout.watching import come_back
from kiti.pages.bookings import BookingView, booking_url, own_booking, view_of
from kiti.pages.forms import Form, new_key, sent_key
from kiti.pages.front import Front
from kiti.pages.money import METHODS, MoneyView, money_of, status_url, view_of_payment
from kiti.pages.searching import GET
from kiti.pages.visits import Visit
from kiti.payments.model import MethodNotAvailable, NoSuchPayment, Payment, PaymentMethod
from kiti.payments.service import find_payment, histories
from kiti.platform.http import Body
from kiti.platform.idempotency import (
    REPLAYED,
    IdempotencyInProgress,
    claim_for,
)

ROUTE: Final = "initiate"
REFRESH_S: Final = 5
_HINTS: Final = {
    PaymentMethod.MOBILE_MONEY: "Approve it on your phone",
    PaymentMethod.CARD: "Visa, Mastercard or Verve",
    PaymentMethod.BANK_TRANSFER: "To an account made for this payment",
    PaymentMethod.USSD: "Dial a code, no internet needed",
}
_REFERENCE: Final = re.compile(r"[A-Za-z0-9-]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class MethodView:
    """One way to pay that a gateway here takes in the booking's currency."""

    value: str
    name: str
    hint: str


def add_paying(routes: APIRouter, front: Front) -> None:
    """`GET` and `POST /bookings/{id}/pay`, and where the gateway sends the payer back."""

    @routes.api_route("/bookings/{booking_id}/pay", methods=GET)
    async def choose(request: Request, booking_id: str) -> Response:
        visit = await front.visits.enter(request)
        booking = await own_booking(front, visit, booking_id)
        return await _choose(front, visit, booking)

    @routes.post("/bookings/{booking_id}/pay")
    async def pay(request: Request, booking_id: str) -> Response:
        visit, form = await front.visits.submit(request)
        booking = await own_booking(front, visit, booking_id)
        try:
            url = await _initiate(front, booking, form)
        except (HoldExpired, BookingNotHeld, AlreadyPaid):
            return front.shell.go(visit, booking_url(booking))
        except MethodNotAvailable:
            return await _choose(front, visit, booking, is_refused=True)
        except IdempotencyInProgress:  # another click is with the gateway: the page shows it
            return front.shell.go(visit, f"{booking_url(booking)}/pay")
        return front.shell.go(visit, url)

    @routes.api_route(RETURN_PATH, methods=GET)
    async def back(request: Request) -> Response:
        visit = await front.visits.enter(request)
        query = request.query_params
        hint = query.get("transaction_id", "")
        payment = None
        if _REFERENCE.match(query.get("tx_ref", "")):
            payment = await come_back(
                front.db,
                front.till,
                reference=query["tx_ref"],
                gateway_transaction_id=hint if _REFERENCE.match(hint) else None,
            )
        if payment is None:
            raise NoSuchPayment
        return await _came_back(front, visit, payment)


async def _choose(
    front: Front, visit: Visit, booking: Booking, *, is_refused: bool = False
) -> Response:
    """The methods to choose from; a booking that is no hold any more has nothing to pay."""
    if booking.status != "held":
        return front.shell.go(visit, booking_url(booking))
    async with front.db.connection() as conn:
        if await find_contact(conn, booking_id=booking.booking_id) is None:
            return front.shell.go(visit, booking_url(booking))
        view = await view_of(conn, front, booking)
        money = await money_of(conn, booking)
    return front.shell.show(
        visit,
        "pay.html",
        status=422 if is_refused else 200,
        leads_away=True,
        view=view,
        methods=_methods(front, booking),
        is_refused=is_refused,
        latest=money[0] if money else None,
        key=new_key(),
    )


def _methods(front: Front, booking: Booking) -> list[MethodView]:
    """What the gateways here take in the booking's currency, mobile money first."""
    say = front.shell.words.gettext
    out: list[MethodView] = []
    for method, name in METHODS.items():
        try:
            front.till.gateways.choose(name=None, method=method, currency=booking.currency)
        except MethodNotAvailable:
            continue
        out.append(MethodView(method.value, say(name), say(_HINTS[method])))
    return out


async def _initiate(front: Front, booking: Booking, form: Form) -> str:
    """Open the attempt, once for the rendered form and method; where the payer goes next.

    Raises:
        MethodNotAvailable: none was chosen, or no gateway takes it.
        HoldExpired, BookingNotHeld, AlreadyPaid, IdempotencyInProgress, IdempotencyKeyInvalid.
    """
    try:
        method = PaymentMethod(form.text("method"))
    except ValueError:
        raise MethodNotAvailable from None
    key = sent_key(form)
    # Going back and choosing another method is another wish under the same form.
    claim = claim_for(
        f"{booking.holder_kind}:{booking.holder_id}",
        route=ROUTE,
        path=booking_url(booking),
        key=f"{key}-{method.value}",
        body=Body(b"", {"bookingId": str(booking.booking_id), "paymentMethod": method.value}),
    )
    async with front.db.connection() as conn:
        due = (await amounts_due(conn, [booking])).get(booking.booking_id, booking.total)
    wish = Wish(booking.booking_id, due.amount_minor, due.currency, method, None)
    asked = Asked(
        holder_id=booking.holder_id,
        is_account=booking.holder_kind == "account",
        claim=claim,
        booking_hint=str(booking.booking_id),
        wish=lambda: wish,
    )
    answer = await initiate(front.db, front.till, asked)
    said = json.loads(answer.body)
    if said["status"] == "SUCCEEDED":  # it costs nothing
        return booking_url(booking)
    if said["status"] != "PENDING":
        return f"{booking_url(booking)}/pay"
    if REPLAYED in answer.headers and not await _is_payable(front, said["transactionId"]):
        return status_url(said["transactionId"])
    return said["redirectUrl"] or status_url(said["transactionId"])


async def _is_payable(front: Front, reference: str) -> bool:
    """Whether the gateway's page of an earlier answer is still of use."""
    async with front.db.connection() as conn:
        payment = await find_payment(conn, reference=reference)
    return payment is not None and payment.is_payable


async def _came_back(front: Front, visit: Visit, payment: Payment) -> Response:
    """How the payment stands, for whoever began it; a stranger is told nothing of it."""
    if payment.holder_id not in visit.holders:
        return front.shell.show(visit, "stranger.html")
    async with front.db.connection() as conn:
        booking = await get_booking(
            conn, booking_id=payment.booking_id, holder_id=payment.holder_id
        )
        view = await view_of(conn, front, booking)
        (history,) = await histories(conn, payments=[payment])
    money = view_of_payment(history)
    if booking.status == "confirmed" and not money.refunds:
        return front.shell.go(visit, booking_url(booking))
    return _stands(front, visit, view, money)


def _stands(front: Front, visit: Visit, view: BookingView, money: MoneyView) -> Response:
    return front.shell.show(
        visit,
        "waiting.html" if money.is_pending else "payment.html",
        view=view,
        money=money,
        refresh_s=REFRESH_S,
    )
