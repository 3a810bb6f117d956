"""The SQL of cancellations: seats that their holders gave back."""

from datetime import datetime
from uuid import UUID

from kiti.checkout.offers import Offer
from kiti.platform.db import Conn, execute, fetch_value


async def read_clock(conn: Conn) -> datetime:
    """The database's clock, now: after the locks, not when the transaction began."""
    return await fetch_value(conn, "SELECT clock_timestamp()")


async def insert_cancellation(
    conn: Conn, *, cancellation_id: UUID, trip_id: UUID, offer: Offer
) -> None:
    """Note what was given back and for how much."""
    await execute(
        conn,
        """
        INSERT INTO cancellation (
          cancellation_id, trip_id, booking_id, seats, method, amount_minor, kept_minor, currency,
          rule, cancelled_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp())
        """,
        cancellation_id,
        trip_id,
        offer.booking_id,
        list(offer.seats),
        offer.method,
        offer.amount.amount_minor,
        offer.kept.amount_minor,
        offer.amount.currency,
        offer.rule,
    )
