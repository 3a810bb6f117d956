"""A server with nothing but the search, and trips on sale for it to find."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
from fastapi import FastAPI

from booking_make import Trip, hold, make_request
from kiti.booking.model import NewStock
from kiti.booking.service import open_sales
from kiti.checkout.routes_search import router
from kiti.checkout.search import Sources
from kiti.fares.model import NewFareTable
from kiti.fares.service import FareTables
from kiti.network.model import NewCall, NewStop, TripSheet
from kiti.network.service import Catalogue, put_city, put_stop
from kiti.platform.db import Database
from kiti.platform.outer import OuterLayer, install_problems
from make import LAYOUT, make_calls, make_trip

# A Tuesday far ahead, 07:30 in Lagos: sales are open.
STARTS_AT = datetime(2096, 5, 1, 6, 30, tzinfo=UTC)


@dataclass
class Site:
    """The server, the database behind it and what it keeps in memory."""

    db: Database
    client: httpx2.AsyncClient
    sources: Sources

    async def get(self, path: str, **query: object) -> dict[str, Any]:
        """The answer's body, which must be a success. `from_` is the parameter `from`."""
        response = await self.ask(path, **query)
        assert response.status_code == 200, response.text
        return response.json()

    async def ask(self, path: str, **query: object) -> httpx2.Response:
        """The answer, whatever it is."""
        named = {name.rstrip("_"): str(value) for name, value in query.items()}
        return await self.client.get(path, params=named)

    async def trips(self, origin: UUID, end: UUID, **query: object) -> list[dict[str, Any]]:
        """The trips found, by default on the date of `STARTS_AT`."""
        found = await self.get(
            "/api/trips", **({"from_": origin, "to": end, "date": "2096-05-01"} | query)
        )
        return found["items"]


def make_site(db: Database) -> Site:
    """A server on this database."""
    app = FastAPI()
    catalogue, fare_tables = Catalogue(), FareTables()
    app.include_router(router(db, catalogue, fare_tables))
    install_problems(app)
    transport = httpx2.ASGITransport(OuterLayer(app))
    client = httpx2.AsyncClient(transport=transport, base_url="http://kiti.test")
    return Site(db, client, Sources(catalogue, fare_tables))


@dataclass(frozen=True)
class Line:
    """Two cities with stops in them, and one stop between that is in none."""

    lagos: UUID
    ibadan: UUID
    stops: list[UUID]


async def make_line(db: Database) -> Line:
    """Two stops in Lagos, one on the road, two in Ibadan, 111.2 km from each to the next."""
    async with db.transaction() as conn:
        lagos = await put_city(conn, name="Lagos", country="NG", timezone="Africa/Lagos")
        ibadan = await put_city(conn, name="Ibadan", country="NG", timezone="Africa/Lagos")
        cities = (lagos, lagos, None, ibadan, ibadan)
        stops = [
            await put_stop(
                conn,
                NewStop(
                    "line",
                    str(n),
                    f"Stop {n}",
                    "Africa/Lagos",
                    city_id=city,
                    latitude=4.0 + n,
                    longitude=7.0,
                ),
            )
            for n, city in enumerate(cities)
        ]
    return Line(lagos, ibadan, stops)


async def make_open_trip(
    db: Database,
    stops: Sequence[UUID],
    *,
    starts_at: datetime = STARTS_AT,
    layout: str = LAYOUT,
    fares: NewFareTable | None = None,
    calls: Sequence[NewCall] | None = None,
    closes_at: datetime | None = None,
) -> TripSheet:
    """A trip along these stops, an hour from each to the next, on sale until ten minutes ahead."""
    async with db.transaction() as conn:
        sheet = await make_trip(
            conn,
            layout=layout,
            calls=make_calls(stops) if calls is None else calls,
            starts_at=starts_at,
            fares=fares,
        )
        stock = NewStock(
            sheet.trip_id,
            len(sheet.layout.seats),
            sheet.n_legs,
            sheet.layout.blocked,
            closes_at or starts_at - timedelta(minutes=10),
            sheet.version,
        )
        await open_sales(conn, [stock])
    return sheet


async def take(
    db: Database, sheet: TripSheet, seats: Sequence[int], *, first: int = 0, last: int | None = None
) -> UUID:
    """Hold these seats, ten at most at a time; the last booking's id."""
    trip = Trip(sheet.trip_id, len(sheet.layout.seats), sheet.n_legs)
    booking_id = sheet.trip_id
    for at in range(0, len(seats), 10):
        request = make_request(trip, seats=tuple(seats[at : at + 10]), first=first, last=last)
        outcome = await hold(db, request)
        assert outcome.outcome == "held"
        booking_id = request.booking_id
    return booking_id


async def set_status(db: Database, sheet: TripSheet, status: str) -> None:
    """Close or cancel the trip's sales, as the operator would."""
    async with db.transaction() as conn:
        await conn.execute(
            "UPDATE trip_inventory SET status = $2 WHERE trip_id = $1", sheet.trip_id, status
        )


def free_seats_of(sheet: TripSheet) -> list[int]:
    """The seats that the layout sells."""
    return [seat.index for seat in sheet.layout.seats if seat.is_sold]
