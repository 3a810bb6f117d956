"""Where most trips go: routes for a first page, and which of places with like names is first."""

from collections.abc import Callable
from functools import partial
from typing import Final

from kiti.network import store_popular as store
from kiti.network.store_popular import PopularRow
from kiti.platform.clock import monotonic_s
from kiti.platform.db import Conn, Database

PopularRoute = PopularRow

DAYS: Final = 3
TRIPS_MAX: Final = 50
ROUTES_MAX: Final = 8
TTL_S: Final = 600.0


async def measure_network(db: Database) -> None:
    """Look at the network anew, after many trips were written and once a day.

    Writes how busy each place is, and lets the planner of the database know how much there is: by
    itself it would only some minutes after an import.
    """
    await db.run(partial(store.put_traffic, days=DAYS, trips_max=TRIPS_MAX))
    async with db.connection() as conn:
        await store.analyze(conn)


class PopularRoutes:
    """The routes with most trips in the next 3 days, kept for 10 minutes. One for a process."""

    def __init__(self, *, clock: Callable[[], float] = monotonic_s) -> None:
        self._clock = clock
        self._known: tuple[PopularRoute, ...] = ()
        self._until_s: float | None = None

    async def routes(self, conn: Conn) -> tuple[PopularRoute, ...]:
        """8 of them at most, those between cities first, then the busiest."""
        if self._until_s is None or self._clock() >= self._until_s:
            rows = await store.list_popular(conn, days=DAYS, trips_max=TRIPS_MAX, limit=ROUTES_MAX)
            self._known = tuple(rows)
            # A network without trips is asked again: it is about to get some.
            self._until_s = self._clock() + TTL_S if rows else None
        return self._known
