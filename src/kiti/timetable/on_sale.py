"""Trips and the stock that sells their seats, written together or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kiti.booking.model import NewStock
from kiti.booking.service import open_sales
from kiti.network.layout import Layout
from kiti.network.model import Journey, NewTrip
from kiti.network.service import insert_trips
from kiti.platform.db import Conn

# The version of a trip's row when it is new.
FIRST_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class TripToSell:
    """A trip with what its stock is made of; sales close so many minutes before its start.

    `journey` is that of its pattern, which need not be on file yet.
    """

    trip: NewTrip
    journey: Journey
    layout: Layout
    n_legs: int
    sales_close_minutes: int

    @property
    def stock(self) -> NewStock:
        """Every seat of the layout on every leg, but those that are never sold."""
        return NewStock(
            trip_id=self.trip.trip_id,
            n_seats=len(self.layout.seats),
            n_legs=self.n_legs,
            blocked_seats=self.layout.blocked,
            sales_close_at=self.trip.starts_at - timedelta(minutes=self.sales_close_minutes),
            sheet_version=FIRST_VERSION,
        )


async def put_on_sale(conn: Conn, trips: Sequence[TripToSell]) -> int:
    """Write trips and open their sales; how many were new.

    A trip that is there already (same feed, code and service date) stays as it is, seats and all.
    """
    by_id = {one.trip.trip_id: one for one in trips}
    new = await insert_trips(conn, [one.trip for one in trips])
    await open_sales(conn, [by_id[trip.trip_id].stock for trip in new])
    return len(new)
