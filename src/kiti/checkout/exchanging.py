"""Exchanging: a confirmed booking is given up for a held one, both in one transaction.

When the new one costs no more than the old one is worth, it is done at once. Else it is agreed:
what is due for the new one is the difference, and the settling of its payment does the exchange.
Should the old one have changed or left by then, the money goes back and the old one stays.
"""

from collections.abc import Sequence
from uuid import UUID

from kiti.booking.model import Booking, BookingNotConfirmed, Confirmation
from kiti.booking.service import (
    cancel_seats,
    confirm_booking,
    find_booking,
    get_booking,
    lock_trip,
)
from kiti.checkout import store_cancelling
from kiti.checkout import store_exchanging as store
from kiti.checkout.earning import take_back
from kiti.checkout.exchange_offers import DISPUTED, ExchangeOffer, ExchangeRefused, refuse_unheld
from kiti.checkout.offers import OfferExpired, is_trip_cancelled
from kiti.checkout.owing import is_disputed, owe_back
from kiti.checkout.store_exchanging import Exchange
from kiti.ledger import postings
from kiti.ledger.service import post
from kiti.network.operators import operator_of
from kiti.payments import service as payments
from kiti.payments.model import Payment
from kiti.platform.db import Conn
from kiti.platform.ids import new_id
from kiti.platform.money import Money

__all__ = ["Exchange", "amount_due", "amounts_due", "confirm_paid", "exchange_under_offer"]

REASON = "EXCHANGED"


class _NotConfirmed(Exception):
    """The new booking did not take it: the old one stays."""

    def __init__(self, confirmation: Confirmation) -> None:
        super().__init__(confirmation.reason)
        self.confirmation = confirmation


async def exchange_under_offer(conn: Conn, *, offer: ExchangeOffer, holder_id: UUID) -> Exchange:
    """Do what an offer says, or agree on it when something is due; how it stands then.

    Payments of the new booking that are pending are closed: another amount is due from now on.

    Raises:
        NoSuchBooking, BookingNotConfirmed, HoldExpired, BookingNotHeld, AlreadyPaid.
        OfferExpired: its time has passed, or the booking has changed since.
        ExchangeRefused: the new booking would not take it.
    Locks: both trips, bookings, receipts, balances.
    """
    old = await get_booking(conn, booking_id=offer.booking_id, holder_id=holder_id)
    new = await get_booking(conn, booking_id=offer.to_booking_id, holder_id=holder_id)
    await _lock_trips(conn, old.trip_id, new.trip_id)
    old = await get_booking(conn, booking_id=offer.booking_id, holder_id=holder_id)
    new = await get_booking(conn, booking_id=offer.to_booking_id, holder_id=holder_id)
    if old.status != "confirmed":
        raise BookingNotConfirmed
    refuse_unheld(new)
    now = await store_cancelling.read_clock(conn)
    if old.version != offer.version or new.total != offer.price or now > offer.valid_until:
        raise OfferExpired
    if offer.kept.amount_minor and await is_trip_cancelled(conn, booking=old):
        raise OfferExpired
    if await is_disputed(conn, booking=old, is_locking=True):
        raise ExchangeRefused(DISPUTED)
    exchange = await _agree(conn, offer, old=old, new=new)
    await payments.cancel_pending(conn, booking_id=new.booking_id)
    if exchange.due_minor > 0:
        return exchange
    confirmation = await _give_up_for(conn, exchange, old=old)
    if confirmation.outcome != "confirmed":
        raise ExchangeRefused(reason=(confirmation.reason or confirmation.outcome).upper())
    done = await store.find_exchange(conn, booking_id=new.booking_id, trip_id=new.trip_id)
    assert done is not None, "it was just put there"  # noqa: S101 (for the type checker)
    return done


async def _lock_trips(conn: Conn, *trip_ids: UUID) -> None:
    for trip_id in sorted(set(trip_ids)):
        await lock_trip(conn, trip_id=trip_id)


async def _agree(conn: Conn, offer: ExchangeOffer, *, old: Booking, new: Booking) -> Exchange:
    operator = await operator_of(conn, trip_id=old.trip_id)
    exchange = Exchange(
        exchange_id=new_id(),
        trip_id=new.trip_id,
        booking_id=new.booking_id,
        from_trip_id=old.trip_id,
        from_booking_id=old.booking_id,
        from_version=old.version,
        from_operator_id=operator.operator_id,
        method=offer.method,
        value_minor=offer.value.amount_minor,
        kept_minor=offer.kept.amount_minor,
        moved_minor=offer.moved.amount_minor,
        due_minor=offer.due.amount_minor,
        currency=old.currency,
        rule=offer.rule,
        ends_at=offer.departs_at,
        done_at=None,
    )
    if not await store.put_exchange(conn, exchange):
        raise ExchangeRefused
    return exchange


async def amount_due(conn: Conn, *, booking_id: UUID, trip_id: UUID, total: Money) -> Money:
    """What is to be paid for a hold: its total, or the difference that an exchange leaves."""
    exchange = await store.find_exchange(conn, booking_id=booking_id, trip_id=trip_id)
    if exchange is None or exchange.done_at is not None or not await _stands(conn, exchange):
        return total
    return Money(exchange.due_minor, exchange.currency)


async def amounts_due(conn: Conn, bookings: Sequence[Booking]) -> dict[UUID, Money]:
    """What is due for those of these bookings that are held and shall be exchanged for."""
    held = [booking.booking_id for booking in bookings if booking.status == "held"]
    agreed = await store.list_agreed(conn, booking_ids=held) if held else []
    return {
        each.booking_id: Money(each.due_minor, each.currency)
        for each in agreed
        if await _stands(conn, each)
    }


async def _stands(conn: Conn, exchange: Exchange) -> bool:
    """Whether the old booking is as it was when this was agreed, and has not left."""
    old = await find_booking(conn, booking_id=exchange.from_booking_id)
    if old is None or old.status != "confirmed" or old.version != exchange.from_version:
        return False
    return await store_cancelling.read_clock(conn) < exchange.ends_at


async def confirm_paid(conn: Conn, *, payment: Payment, late_money_minutes: int) -> Confirmation:
    """Sell the seats of the booking that a payment is for; if it was agreed, by an exchange.

    Money for an exchange that is off is refused with the reason exchange_off; the full price of the
    new booking buys it in any case. When the money was first known here is the payment's `now`.

    Locks: trip (both trips of an exchange), booking, balances.
    """
    exchange = await store.find_exchange(
        conn, booking_id=payment.booking_id, trip_id=payment.trip_id
    )
    is_whole = exchange is None or payment.amount_minor == _price(exchange)
    if exchange is None or exchange.done_at is not None or is_whole:
        return await confirm_booking(
            conn,
            booking_id=payment.booking_id,
            learned_at=payment.now,
            late_money_minutes=late_money_minutes,
        )
    await _lock_trips(conn, exchange.from_trip_id, exchange.trip_id)
    again = await store.find_exchange(conn, booking_id=payment.booking_id, trip_id=payment.trip_id)
    if again is None or again.done_at is not None:
        return Confirmation("already")
    is_agreed = (again.from_booking_id, again.due_minor) == (
        exchange.from_booking_id,
        payment.amount_minor,
    )
    old = await get_booking(conn, booking_id=again.from_booking_id, holder_id=None)
    is_disputed_now = await is_disputed(conn, booking=old, is_locking=True)
    if not is_agreed or is_disputed_now or not await _stands(conn, again):
        return Confirmation("refused", "exchange_off")
    return await _give_up_for(
        conn, again, old=old, payment=payment, late_money_minutes=late_money_minutes
    )


def _price(exchange: Exchange) -> int:
    return exchange.moved_minor + exchange.due_minor


async def _give_up_for(
    conn: Conn,
    exchange: Exchange,
    *,
    old: Booking,
    payment: Payment | None = None,
    late_money_minutes: int = 0,
) -> Confirmation:
    """Give the old booking up and sell the new one's seats, or neither. Both trips are locked."""
    seats = [seat for seat in old.seats if seat not in old.cancelled_seats]
    learned_at = await store_cancelling.read_clock(conn) if payment is None else payment.now
    try:
        async with conn.transaction():
            await cancel_seats(conn, booking_id=old.booking_id, seats=seats)
            confirmation = await confirm_booking(
                conn,
                booking_id=exchange.booking_id,
                learned_at=learned_at,
                late_money_minutes=late_money_minutes,
            )
            if confirmation.outcome != "confirmed":
                raise _NotConfirmed(confirmation)
    except _NotConfirmed as refused:
        return refused.confirmation
    is_new = await store.mark_done(conn, booking_id=exchange.booking_id, trip_id=exchange.trip_id)
    assert is_new, "an exchange is done once"  # noqa: S101 (rolls all back)
    await store.insert_cancellation(conn, exchange, seats=seats)
    await _move_money(conn, exchange, old=old)
    return confirmation


async def _move_money(conn: Conn, exchange: Exchange, *, old: Booking) -> None:
    """The value pays for the new booking; the rest goes back, and what it is not worth is kept."""
    is_earned = await take_back(
        conn, booking=old, amount_minor=exchange.value_minor, cause_id=exchange.exchange_id
    )
    entries = []
    if exchange.moved_minor:
        entries += postings.transferred(
            transfer_id=exchange.exchange_id,
            booking_ids=(old.booking_id, exchange.booking_id),
            trip_ids=(old.trip_id, exchange.trip_id),
            holder_id=old.holder_id,
            currency=exchange.currency,
            amount_minor=exchange.moved_minor,
        )
    rest = exchange.value_minor - exchange.moved_minor
    if exchange.kept_minor and not is_earned:
        entries.append(
            postings.kept_on_cancel(
                cancellation_id=exchange.exchange_id,
                booking_id=old.booking_id,
                trip_id=old.trip_id,
                operator_id=exchange.from_operator_id,
                currency=exchange.currency,
                operator_minor=exchange.kept_minor,
                fees_minor=0,
            )
        )
    if rest and exchange.method == "CREDIT":
        entries.append(
            postings.credited(
                cancellation_id=exchange.exchange_id,
                booking_id=old.booking_id,
                trip_id=old.trip_id,
                holder_id=old.holder_id,
                currency=exchange.currency,
                amount_minor=rest,
            )
        )
    elif rest:
        await owe_back(
            conn, booking=old, amount_minor=rest, reason=REASON, cause_id=exchange.exchange_id
        )
    await post(conn, entries)
