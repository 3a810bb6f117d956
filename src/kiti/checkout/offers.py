"""What a passenger would get back: priced when it is asked, signed, and never stored.

An offer's id carries what it promises under our signature: the booking and its version, the seats,
the method, what goes back and what is kept, and until when. Any change of the booking makes
another version, and the offer is over.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from kiti.booking.model import (
    Booking,
    BookingNotConfirmed,
    SeatUnknown,
)
from kiti.booking.service import get_stock, sheet_of
from kiti.checkout.owing import is_disputed
from kiti.fares.policies import policy_of
from kiti.fares.refund_policy import Method, Moment, changes_at, terms_at
from kiti.identity.tokens import BadToken, Tokens
from kiti.network.catalogue import Catalogue
from kiti.network.layout import normalise_label
from kiti.network.model import TripSheet
from kiti.platform.db import Conn
from kiti.platform.errors import Conflict, ValidationFailed
from kiti.platform.money import Money

VALID: Final = timedelta(minutes=10)
_PURPOSE: Final = "refund-offer"


class OfferExpired(Conflict):
    """The offer is over: its time has passed, or the booking has changed. Ask for a new one."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What goes back for giving up these seats (indexes of the layout), until an instant."""

    booking_id: UUID
    version: int
    seats: tuple[int, ...]
    method: Method
    amount: Money
    kept: Money
    valid_until: datetime
    rule: str

    def to_id(self, tokens: Tokens) -> str:
        """The offer as its signed id."""
        fields = [
            str(self.booking_id),
            self.version,
            list(self.seats),
            self.method,
            self.amount.amount_minor,
            self.kept.amount_minor,
            self.amount.currency,
            self.valid_until.isoformat(),
            self.rule,
        ]
        return tokens.sign_text(_PURPOSE, json.dumps(fields, separators=(",", ":")))


def read_offer(offer_id: str, tokens: Tokens) -> Offer:
    """The offer of a signed id.

    Raises:
        ValidationFailed: it is none of ours.
    """
    try:
        fields = json.loads(tokens.read_text(_PURPOSE, offer_id))
    except BadToken:
        message = "not an offer of ours: ask for one with GET refund-offer"
        raise ValidationFailed(errors=[{"pointer": "#/offerId", "message": message}]) from None
    booking_id, version, seats, method, amount, kept, currency, until, rule = fields
    return Offer(
        UUID(booking_id),
        version,
        tuple(seats),
        method,
        Money(amount, currency),
        Money(kept, currency),
        datetime.fromisoformat(until),
        rule,
    )


async def price_offers(
    conn: Conn, catalogue: Catalogue, booking: Booking, *, labels: Sequence[str] | None
) -> list[Offer]:
    """The offers for some seats of a booking, by their names; None: for all that it has left.

    The most first. By the operator's policy, the departure of the stop boarded and the purchase, at
    this instant of the database's clock.

    Raises:
        BookingNotConfirmed.
        SeatUnknown: it has no such seat, or has given it back.
    """
    if booking.status != "confirmed" or booking.confirmed_at is None:
        raise BookingNotConfirmed
    sheet = await sheet_of(conn, catalogue, booking)
    stock = await get_stock(conn, trip_id=booking.trip_id)
    assert stock is not None, "a trip that was sold has its stock"  # noqa: S101 (a foreign key)
    seats = _seats(booking, sheet, labels)
    departs_at = sheet.calls[booking.first_leg].departs_at
    moment = Moment(
        now=stock.now,
        departs_at=departs_at,
        bought_at=booking.confirmed_at,
        operator_cancels=stock.status == "cancelled" or _was_moved(booking, departs_at, stock.now),
    )
    policy = await policy_of(conn, operator_id=sheet.operator_id)
    fares = dict(zip(booking.seats, booking.fares_minor, strict=True))
    ends = [moment.now + VALID, changes_at(policy, moment)]
    valid_until = min(end for end in ends if end is not None).astimezone(UTC)
    offers = [
        Offer(
            booking.booking_id,
            booking.version,
            seats,
            terms.method,
            terms.amount,
            terms.kept,
            valid_until,
            terms.rule,
        )
        for terms in terms_at(
            policy,
            moment,
            fares=[Money(fares[seat], booking.currency) for seat in seats],
            currency=booking.currency,
        )
    ]
    if await is_disputed(conn, booking=booking):
        # What a bank has taken goes back by a refund alone, which waits for the bank's verdict.
        return [replace(offers[0], method="ORIGINAL")]
    return offers


async def is_trip_cancelled(conn: Conn, *, booking: Booking) -> bool:
    """Whether the booking's trip was cancelled: then all that was paid goes back."""
    stock = await get_stock(conn, trip_id=booking.trip_id)
    return stock is not None and stock.status == "cancelled"


def _was_moved(booking: Booking, departs_at: datetime, now: datetime) -> bool:
    """Whether the operator has moved the trip since it was bought, and it has not left yet."""
    return booking.moved_at is not None and now < departs_at


def _seats(booking: Booking, sheet: TripSheet, labels: Sequence[str] | None) -> tuple[int, ...]:
    left = [seat for seat in booking.seats if seat not in booking.cancelled_seats]
    if labels is None:
        return tuple(left)
    by_label = {normalise_label(sheet.layout.seats[seat].label): seat for seat in left}
    chosen = [by_label.get(normalise_label(label)) for label in labels]
    if None in chosen or len(set(chosen)) != len(chosen):
        raise SeatUnknown("The booking has no such seat, or has given it back.")
    return tuple(seat for seat in chosen if seat is not None)
