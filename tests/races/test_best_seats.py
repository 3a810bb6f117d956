"""Many buyers ask for the best seats at once: all are served while there are seats."""

import asyncio
from collections import Counter
from contextlib import suppress

from booking_make import hold, make_request, make_stock
from kiti.booking.allocation import best_seats
from kiti.booking.audit import audit
from kiti.booking.model import SeatsUnavailable
from kiti.booking.sales import Holder, Sales, Wanted
from kiti.booking.service import get_stock
from kiti.fares.service import FareTables
from kiti.network.layout import parse_layout
from kiti.network.service import Catalogue
from kiti.platform.db import Database
from kiti.platform.errors import Unavailable
from kiti.platform.ids import new_id
from make import make_stops
from search_site import make_open_trip
from site_parts import make_settings

LAYOUT = """\
name: Coach of sixty
[Main]
1-15: A B . C D
"""
BUYERS = 30
ROUNDS = 10  # as often as buyers once chose again before they were refused


async def test_30_buyers_of_two_of_60_seats_are_all_served(live_db: Database) -> None:
    async with live_db.transaction() as conn:
        stops = await make_stops(conn)
    sheet = await make_open_trip(live_db, stops, layout=LAYOUT)
    sales = Sales(Catalogue(), FareTables(), make_settings())
    wanted = Wanted(sheet.trip_id, None, count=2)
    gate = asyncio.Barrier(BUYERS)

    async def buy(is_within: bool) -> tuple[str, ...]:  # noqa: FBT001  # one of two ways
        holder = Holder("account", new_id())
        await gate.wait()
        while True:
            with suppress(Unavailable):  # too many wait: it is safe to ask again, as a client does
                if is_within:
                    held = await live_db.run(lambda conn: sales.hold_within(conn, wanted, holder))
                else:
                    held = await sales.hold(live_db, wanted, holder)
                return held.labels

    async with asyncio.timeout(60):
        got = await asyncio.gather(*(buy(n % 2 == 0) for n in range(BUYERS)))
    assert len({label for pair in got for label in pair}) == 2 * BUYERS
    async with live_db.connection() as conn:
        assert await audit(conn) == []
    # And whoever comes then is told so at once, by either way.
    refused = Counter[str]()
    for is_within in (True, False):
        gate = asyncio.Barrier(1)
        try:
            await buy(is_within)
        except SeatsUnavailable as refusal:
            refused[str(refusal.extension["unavailable"])] += 1
    assert refused == {"[]": 2}


async def test_twin_choosing_without_the_lock_refuses_while_seats_are_free(
    live_db: Database,
) -> None:
    trip = await make_stock(live_db, n_seats=60, n_legs=1)
    layout = parse_layout(LAYOUT)
    waiting = BUYERS

    async def choose() -> tuple[int, ...]:
        async with live_db.connection() as conn:
            stock = await get_stock(conn, trip_id=trip.trip_id)
        assert stock is not None
        found = best_seats(layout, stock.occupancy, segment=(0, 1), count=2, classes={"STANDARD"})
        assert found is not None
        return found

    async with asyncio.timeout(60):
        for _ in range(ROUNDS):
            choices = await asyncio.gather(*(choose() for _ in range(waiting)))
            outcomes = await asyncio.gather(
                *(hold(live_db, make_request(trip, seats=seats)) for seats in choices)
            )
            waiting -= sum(outcome.outcome == "held" for outcome in outcomes)
    assert waiting == BUYERS - ROUNDS  # one winner a round; 40 seats are free
