"""Tidying up after holds that have ended; nobody waits for it: statements judge by the clock."""

from typing import Final

from kiti.booking import store
from kiti.platform.db import Database

PAGE: Final = 1000  # holds looked at
TRIPS_AT_ONCE: Final = 50  # locked together, for one short transaction


async def expire_seats(db: Database) -> int:
    """Give back the seats of every hold that has ended; how many holds.

    A trip that somebody has locked is passed over, and taken by the next round.
    Locks: the trips of a batch, for one statement.
    """
    expired, after = 0, None
    while True:
        async with db.connection() as conn:
            page = await store.find_due_page(conn, after=after, limit=PAGE)
            if page is None:
                return expired
            for at in range(0, len(page.trip_ids), TRIPS_AT_ONCE):
                some = page.trip_ids[at : at + TRIPS_AT_ONCE]
                expired += await store.expire_trips(conn, trip_ids=some)
        after = (page.last_expires_at, page.last_trip_id)
