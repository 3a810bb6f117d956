"""Availability of a trip over HTTP, whole and unchanged (304), beside a route that is empty."""

import asyncio
from collections.abc import Sequence
from itertools import cycle
from typing import Final
from uuid import UUID

from bench import empty
from bench.figures import Ratio, Table
from bench.ground import LEGS, SEATS, Ground
from bench.servers import EMPTY
from bench.stage import Stage
from bench.wire import Broken, head, open_connection, whole
from kiti.booking.model import HoldLimits, HoldRequest
from kiti.booking.routes import RESERVE
from kiti.booking.service import hold_many
from kiti.platform.db import Conn
from kiti.platform.ids import new_code, new_id
from kiti.platform.money import Money

# Many look at few trips.
TRIPS: Final = 200
HELD: Final = 10
WHOLE: Final = "availability"
UNCHANGED: Final = "availability, 304"
EMPTY_GET: Final = "empty GET"
TITLE: Final = f"Availability over HTTP: {SEATS} seats, 1 process"


def measure(stage: Stage) -> Table:
    """Each of 200 trips in turn, with ten of its seats held."""
    ground = stage.ground
    table = Table(
        TITLE,
        "GETs",
        ratios=[Ratio(WHOLE, EMPTY_GET, 0.6), Ratio(UNCHANGED, EMPTY_GET, 0.8)],
    )
    trips = ground.trips[:TRIPS]
    ground.empty()
    ground.sql(lambda conn: _hold_some(conn, ground, trips))
    ours = stage.sites.get(processes=1)
    bare = stage.sites.get(processes=1, command=EMPTY)
    starts = [head("GET", f"{RESERVE}?tripId={trip_id}") for trip_id in trips]
    tags = asyncio.run(_tags(ours.port, starts))
    wholes = [whole(start) for start in starts]
    unchanged = [
        whole(start, more=b"\r\nif-none-match: " + tag)
        for start, tag in zip(starts, tags, strict=True)
    ]
    nothing = [whole(head("GET", empty.PATH))]
    for _ in stage.plan.rounds(TITLE):
        table.add(WHOLE, stage.load(ours, cycle(wholes), status=b"200"))
        table.add(UNCHANGED, stage.load(ours, cycle(unchanged), status=b"304"))
        table.add(EMPTY_GET, stage.load(bare, cycle(nothing), status=b"200"))
    return table


async def _hold_some(conn: Conn, ground: Ground, trips: Sequence[UUID]) -> None:
    """Hold the first seats of each trip, one hold each."""
    limits = HoldLimits(ttl_max_s=3600, holder_max=SEATS, guest_share=None)
    requests = [
        HoldRequest(
            booking_id=new_id(),
            reference=new_code(8),
            trip_id=trip_id,
            holder_kind="account",
            holder_id=ground.holders[seat],
            seats=(seat,),
            first=0,
            last=LEGS,
            n_seats=SEATS,
            n_legs=LEGS,
            passenger_types=("ADULT",),
            fares=(Money(ground.fare_minor, "NGN"),),
            ttl_s=3600,
            sheet_version=1,
        )
        for trip_id in trips
        for seat in range(HELD)
    ]
    if any(found.outcome != "held" for found in await hold_many(conn, requests, limits)):
        raise Broken("a free seat could not be held")


async def _tags(port: int, starts: Sequence[bytes]) -> list[bytes]:
    """The ETag of each trip's availability."""
    connection = await open_connection(port)
    answers = [await connection.call(whole(start)) for start in starts]
    connection.close()
    return [answer.header(b"etag") for answer in answers]
