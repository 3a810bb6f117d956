"""A passenger gives seats back under an offer: seats, tickets and money in one transaction."""

from uuid import UUID

from kiti.booking.model import Booking, BookingNotConfirmed
from kiti.booking.service import cancel_seats, get_booking, lock_trip, sheet_of
from kiti.checkout import store_cancelling as store
from kiti.checkout.earning import take_back
from kiti.checkout.offers import Offer, OfferExpired, is_trip_cancelled
from kiti.checkout.owing import is_disputed, owe_back
from kiti.ledger import postings
from kiti.ledger.model import Entry
from kiti.ledger.service import post
from kiti.network.catalogue import Catalogue
from kiti.platform.db import Conn
from kiti.platform.ids import new_id

REASON = "CANCELLED"


async def cancel_under_offer(
    conn: Conn, catalogue: Catalogue, *, offer: Offer, holder_id: UUID
) -> Booking:
    """Give back the seats of an offer, and owe what it promised; the booking after it.

    What goes back comes out of the receipts that paid, the way it came, or is the holder's credit
    at once; what is kept is the operator's from then on. After departure, when all was earned, what
    goes back is taken of the operator again.

    Raises:
        NoSuchBooking, BookingNotConfirmed.
        OfferExpired: its time has passed, or the booking has changed since; its trip was cancelled,
            for which nothing is kept; or a bank has taken the money that it makes credit of.
    Locks: trip, booking, receipts.
    """
    booking = await get_booking(conn, booking_id=offer.booking_id, holder_id=holder_id)
    await lock_trip(conn, trip_id=booking.trip_id)
    booking = await get_booking(conn, booking_id=offer.booking_id, holder_id=holder_id)
    if booking.status != "confirmed":
        raise BookingNotConfirmed
    if booking.version != offer.version or await store.read_clock(conn) > offer.valid_until:
        raise OfferExpired
    if offer.method == "CREDIT" and await is_disputed(conn, booking=booking, is_locking=True):
        raise OfferExpired
    if offer.kept.amount_minor and await is_trip_cancelled(conn, booking=booking):
        raise OfferExpired
    sheet = await sheet_of(conn, catalogue, booking)
    cancellation_id = new_id()
    after = await cancel_seats(conn, booking_id=booking.booking_id, seats=offer.seats)
    await store.insert_cancellation(
        conn, cancellation_id=cancellation_id, trip_id=booking.trip_id, offer=offer
    )
    is_earned = await take_back(
        conn, booking=booking, amount_minor=offer.amount.amount_minor, cause_id=cancellation_id
    )
    if offer.method == "ORIGINAL":
        await owe_back(
            conn,
            booking=booking,
            amount_minor=offer.amount.amount_minor,
            reason=REASON,
            cause_id=cancellation_id,
        )
    entries = _credited(booking, offer, cancellation_id)
    if not is_earned:  # else what is kept is the operator's already
        entries += _kept(booking, offer, cancellation_id, operator_id=sheet.operator_id)
    await post(conn, entries)
    return after


def _credited(booking: Booking, offer: Offer, cancellation_id: UUID) -> list[Entry]:
    entries: list[Entry] = []
    if offer.method == "CREDIT" and offer.amount.amount_minor:
        entries.append(
            postings.credited(
                cancellation_id=cancellation_id,
                booking_id=booking.booking_id,
                trip_id=booking.trip_id,
                holder_id=booking.holder_id,
                currency=booking.currency,
                amount_minor=offer.amount.amount_minor,
            )
        )
    return entries


def _kept(
    booking: Booking, offer: Offer, cancellation_id: UUID, *, operator_id: UUID
) -> list[Entry]:
    entries: list[Entry] = []
    if offer.kept.amount_minor:
        entries.append(
            postings.kept_on_cancel(
                cancellation_id=cancellation_id,
                booking_id=booking.booking_id,
                trip_id=booking.trip_id,
                operator_id=operator_id,
                currency=booking.currency,
                operator_minor=offer.kept.amount_minor,
                fees_minor=0,
            )
        )
    return entries
