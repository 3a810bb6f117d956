"""A large timetable in a database of its own: for what must not cost more because there is more."""

import asyncio
import random
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from bench import store
from bench.ground import LAYOUT, LEGS, SEATS, ZONE, Ground, with_connection
from kiti.fares.model import NewFareTable
from kiti.fares.service import put_fare_table
from kiti.network.model import NewCall, NewPattern, NewStop
from kiti.network.model_search import local_date
from kiti.network.popular import measure_network
from kiti.network.service import (
    put_city,
    put_layout,
    put_operator,
    put_patterns,
    put_route,
    put_stops,
)
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn, connect
from kiti.platform.migrate import migrate

# Half of the trips have left: history must cost nothing.
DAYS_GONE: Final = 50
DAYS_AHEAD: Final = 50
PER_DAY: Final = 10
FEED: Final = "large"
_SYLLABLES: Final = ("ka", "no", "ri", "ba", "du", "mi", "so", "le", "wa", "ti", "go", "nye", "fu")


@dataclass(frozen=True, slots=True)
class Line:
    """A line between two cities, which calls at two stops of each, and at two between them."""

    origin: UUID
    destination: UUID
    calls: tuple[NewCall, ...]


@dataclass(frozen=True, slots=True)
class Timetable:
    """A ground whose database has so many trips; `names` are those of its stops."""

    ground: Ground
    trips: int
    lines: Sequence[Line]
    names: Sequence[str]

    def searches(self, count: int) -> list[str]:
        """Paths that each ask for one day of one line; the same in each run."""
        return self._paths("/api/trips", count)

    def strips(self, count: int) -> list[str]:
        """Paths that each ask for seven days of one line."""
        return self._paths("/api/trips/calendar", count)

    def _paths(self, path: str, count: int) -> list[str]:
        dice = random.Random(2)  # noqa: S311  # not a secret
        today = local_date(utc_now(), ZONE)
        return [
            f"{path}?{urlencode(_asked(dice.choice(self.lines), today, dice))}"
            for _ in range(count)
        ]


def _asked(line: Line, today: date, dice: random.Random) -> dict[str, object]:
    on = today + timedelta(days=dice.randrange(1, DAYS_AHEAD - 8))
    return {"from": line.origin, "to": line.destination, "date": on}


@contextmanager
def timetable(ground: Ground, *, name: str, trips: int, stops: int) -> Generator[Timetable]:
    """A database called `name` beside the ground's, with so many trips and stops at least."""
    beside = replace(ground, dsn=ground.dsn.replace("@/kiti?", f"@/{name}?"))
    admin = ground.dsn.replace("kiti@/kiti?", "postgres@/postgres?")
    asyncio.run(with_connection(admin, lambda conn: store.create_database(conn, name=name)))
    try:
        asyncio.run(migrate(beside.dsn))
        root = beside.dsn.replace("kiti@", "postgres@")
        lines, names = asyncio.run(with_connection(root, lambda conn: _make(conn, trips, stops)))
        asyncio.run(_measure(beside.dsn))
        asyncio.run(with_connection(root, store.settle))
        yield Timetable(beside, trips, lines, names)
    finally:
        asyncio.run(with_connection(admin, lambda conn: store.drop_database(conn, name=name)))


async def _measure(dsn: str) -> None:
    db = await connect(dsn, size=1)
    await measure_network(db)
    await db.close()


async def _make(conn: Conn, trips: int, stops: int) -> tuple[list[Line], list[str]]:
    n_lines = trips // ((DAYS_GONE + DAYS_AHEAD) * PER_DAY)
    async with conn.transaction():
        names = _names(max(stops, n_lines * (LEGS + 1)))
        lines = await _put_lines(conn, n_lines, names)
        operator_id = await put_operator(conn, code=FEED, name="Large Lines", timezone=ZONE)
        route_id = await put_route(
            conn, operator_id=operator_id, feed=FEED, code=FEED, name="Large", mode="BUS"
        )
        patterns = await put_patterns(conn, [NewPattern(route_id, line.calls) for line in lines])
        prices = NewFareTable("By km", "NGN", per_km_minor=3_000, minimum_minor=50_000)
        await store.insert_trips(
            conn,
            operator_id=operator_id,
            pattern_ids=patterns,
            layout_id=await put_layout(conn, LAYOUT),
            fare_table_id=await put_fare_table(conn, prices),
            feed=FEED,
            days=(-DAYS_GONE, DAYS_AHEAD),
            per_day=PER_DAY,
            seats=SEATS,
            legs=LEGS,
        )
    return lines, names


def _names(count: int) -> list[str]:
    """Names of places that look like names, of 4 to 6 syllables, the same in each run."""
    dice = random.Random(1)  # noqa: S311  # not a secret
    return [
        " ".join(
            "".join(dice.choices(_SYLLABLES, k=k)).capitalize() for k in (3, dice.randrange(1, 4))
        )
        for _ in range(count)
    ]


async def _put_lines(conn: Conn, n_lines: int, names: Sequence[str]) -> list[Line]:
    """Cities with their stops, stops without a city, and lines between them."""
    cities = [
        await put_city(conn, name=f"{names[n]} {n}", country="NG", timezone=ZONE)
        for n in range(2 * n_lines)
    ]
    width = LEGS + 1
    # The first two calls of a line are in its first city, the last two in its second.
    city_of = {
        n * width + at: cities[2 * n + (at > 1)] for n in range(n_lines) for at in (0, 1, 4, 5)
    }
    stops = [
        NewStop(
            FEED,
            f"{n}",
            name,
            ZONE,
            city_id=city_of.get(n),
            latitude=4.0 + n % 997 / 100,
            longitude=3.0 + n % 991 / 100,
        )
        for n, name in enumerate(names)
    ]
    ids = await put_stops(conn, stops)
    return [
        Line(
            cities[2 * n],
            cities[2 * n + 1],
            tuple(
                NewCall(at, ids[FEED, f"{n * width + at}"], at * 3600, at * 3600)
                for at in range(width)
            ),
        )
        for n in range(n_lines)
    ]
