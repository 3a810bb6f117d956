"""What exchanging a booking for another one would cost or bring: priced, signed, never stored."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID

from kiti.booking.model import AlreadyPaid, Booking, BookingNotHeld, HoldExpired
from kiti.booking.service import get_stock, sheet_of
from kiti.checkout.offers import price_offers
from kiti.checkout.owing import is_disputed
from kiti.identity.tokens import BadToken, Tokens
from kiti.network.catalogue import Catalogue
from kiti.platform.db import Conn
from kiti.platform.errors import Conflict, ValidationFailed
from kiti.platform.money import Money

_PURPOSE: Final = "exchange-offer"
DISPUTED: Final = "The payer's bank has asked for the money that paid for the booking."


class ExchangeRefused(Conflict):
    """These bookings cannot be exchanged for each other."""


@dataclass(frozen=True, slots=True)
class ExchangeOffer:
    """A confirmed booking (`booking_id`, as of `version`) for a held one that costs `price`.

    `value`: what the old one is worth by its operator's policy; `kept`: what it is not. Where the
    new one costs less, the rest goes back by `method`. `departs_at`: of the old one, which ends it.
    """

    booking_id: UUID
    version: int
    to_booking_id: UUID
    method: Literal["ORIGINAL", "CREDIT"]
    value: Money
    kept: Money
    price: Money
    departs_at: datetime
    valid_until: datetime
    rule: str

    @property
    def moved(self) -> Money:
        """What of the value pays for the new booking."""
        minor = min(self.value.amount_minor, self.price.amount_minor)
        return Money(minor, self.price.currency)

    @property
    def due(self) -> Money:
        """What is still to be paid."""
        return self.price - self.moved

    @property
    def back(self) -> Money:
        """What goes back."""
        return self.value - self.moved

    def to_id(self, tokens: Tokens) -> str:
        """The offer as its signed id."""
        fields = [
            str(self.booking_id),
            self.version,
            str(self.to_booking_id),
            self.method,
            self.value.amount_minor,
            self.kept.amount_minor,
            self.price.amount_minor,
            self.price.currency,
            self.departs_at.isoformat(),
            self.valid_until.isoformat(),
            self.rule,
        ]
        return tokens.sign_text(_PURPOSE, json.dumps(fields, separators=(",", ":")))


def read_exchange_offer(offer_id: str, tokens: Tokens) -> ExchangeOffer:
    """The offer of a signed id.

    Raises:
        ValidationFailed: it is none of ours.
    """
    try:
        fields = json.loads(tokens.read_text(_PURPOSE, offer_id))
    except BadToken:
        message = "not an offer of ours: ask for one with GET exchange-offer"
        raise ValidationFailed(errors=[{"pointer": "#/offerId", "message": message}]) from None
    booking, version, to_booking, method, value, kept, price, currency, departs, until, rule = (
        fields
    )
    return ExchangeOffer(
        UUID(booking),
        version,
        UUID(to_booking),
        method,
        Money(value, currency),
        Money(kept, currency),
        Money(price, currency),
        datetime.fromisoformat(departs),
        datetime.fromisoformat(until),
        rule,
    )


async def price_exchange(
    conn: Conn, catalogue: Catalogue, *, booking: Booking, to_booking: Booking
) -> ExchangeOffer:
    """The offer for giving up a whole booking for another one of the same holder, now.

    Of what the policy gives back by its methods the most counts.

    Raises:
        BookingNotConfirmed: the first; HoldExpired, BookingNotHeld, AlreadyPaid: the second.
        ExchangeRefused: they are one, of two currencies, or the first is worth nothing or has left.
    """
    best = (await price_offers(conn, catalogue, booking, labels=None))[0]
    refuse_unheld(to_booking)
    sheet = await sheet_of(conn, catalogue, booking)
    stock = await get_stock(conn, trip_id=booking.trip_id)
    assert stock is not None, "a trip that was sold has its stock"  # noqa: S101 (a foreign key)
    departs_at = sheet.calls[booking.first_leg].departs_at.astimezone(UTC)
    if booking.booking_id == to_booking.booking_id:
        raise ExchangeRefused("A booking is not exchanged for itself.")
    if booking.currency != to_booking.currency:
        raise ExchangeRefused("The bookings are priced in two currencies.")
    if stock.now >= departs_at:
        raise ExchangeRefused("The trip has left.")
    if await is_disputed(conn, booking=booking):
        raise ExchangeRefused(DISPUTED)
    if best.amount.amount_minor == 0:
        raise ExchangeRefused("By its operator's rules the booking is worth nothing any more.")
    return ExchangeOffer(
        booking.booking_id,
        booking.version,
        to_booking.booking_id,
        best.method,
        best.amount,
        best.kept,
        to_booking.total,
        departs_at,
        min(best.valid_until, to_booking.expires_at.astimezone(UTC), departs_at),
        best.rule,
    )


def refuse_unheld(to_booking: Booking) -> None:
    """Refuse to exchange for what is no live hold.

    Raises:
        HoldExpired, AlreadyPaid, BookingNotHeld.
    """
    if to_booking.status == "expired":
        raise HoldExpired
    if to_booking.status == "confirmed":
        raise AlreadyPaid
    if to_booking.status != "held":
        raise BookingNotHeld
