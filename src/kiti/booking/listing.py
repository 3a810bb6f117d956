"""Trips for those who run them: which there are, and how their seats stand."""

from datetime import date
from typing import Final
from uuid import UUID

from kiti.booking import store_listing
from kiti.booking.store_listing import ListedTrip, TripSource
from kiti.network.model import NoSuchTrip
from kiti.platform.db import Conn

__all__ = ["LISTED_MAX", "ListedTrip", "TripSource", "get_source", "list_trips"]

LISTED_MAX: Final = 1_000


async def list_trips(
    conn: Conn,
    *,
    operator_code: str | None = None,
    feed: str | None = None,
    on: date | None = None,
    limit: int,
) -> list[ListedTrip]:
    """Trips of a service date, or (None) those ahead, by departure; `LISTED_MAX` at most."""
    return await store_listing.list_trips(
        conn, operator_code=operator_code, feed=feed, on=on, limit=min(limit, LISTED_MAX)
    )


async def get_source(conn: Conn, *, trip_id: UUID) -> TripSource:
    """What the trip's source calls it.

    Raises:
        NoSuchTrip.
    """
    found = await store_listing.find_source(conn, trip_id=trip_id)
    if found is None:
        raise NoSuchTrip
    return found
