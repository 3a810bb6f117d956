"""Builders for renewals: a feed of a few trips that tests change and bring in line again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from booking_make import NO_LIMITS, Trip, make_request
from kiti.booking.model import HoldRequest
from kiti.booking.service import confirm_booking, hold_many
from kiti.fares.model import NewFareTable
from kiti.fares.service import put_fare_table
from kiti.network.layout import Layout, parse_layout
from kiti.network.model import Journey, NewCall, NewStop, NewTrip
from kiti.network.service import (
    list_journeys,
    put_layout,
    put_operator,
    put_pattern,
    put_route,
    put_stops,
)
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn, Database
from kiti.timetable.model import Window
from kiti.timetable.on_sale import TripToSell
from kiti.timetable.renewal.changes import Changes
from kiti.timetable.renewal.engine import bring_in_line, feed_turn

FEED = "lines"
SMALL = "name: Small\nseats: 4\n[Main]\n1: A . B\n2: A . B\n"
LARGE = "name: Large\nseats: 6\n[Main]\n1: A . B\n2: A . B\n3: A . B\n"
OTHER = "name: Other\nclass v: VIP\nseats: 4\n[Main]\n1: A . B :v\n2: A . B\n"
LAYOUTS = {"small": SMALL, "large": LARGE, "other": OTHER}
# Stops by letter, and how many seconds after the start each is reached.
ROADS = {
    "ABC": (0, 3600, 7200),
    "ABCD": (0, 3600, 7200, 9000),
    "AC": (0, 7200),
    "XBC": (0, 3600, 7200),
}
DAY = utc_now().date() + timedelta(days=10)


@dataclass(frozen=True, slots=True)
class Spec:
    """A trip as a source lists it."""

    road: str = "ABC"
    layout: str = "small"
    fare: int = 100
    minute: int = 480
    on: date = DAY

    @property
    def starts_at(self) -> datetime:
        midnight = datetime(self.on.year, self.on.month, self.on.day, tzinfo=UTC)
        return midnight + timedelta(minutes=self.minute)


@dataclass(slots=True)
class Source:
    """What trips refer to, on file, and the trips listed by code."""

    operator_id: UUID
    patterns: Mapping[str, UUID]
    journeys: Mapping[UUID, Journey]
    layouts: Mapping[str, tuple[UUID, Layout]]
    fares: Mapping[int, UUID]
    trips: dict[str, Spec] = field(default_factory=dict[str, Spec])
    feed: str = FEED

    def wanted(self, day: date) -> Iterable[TripToSell]:
        """The trips of one day."""
        for code, spec in self.trips.items():
            if spec.on == day:
                layout_id, layout = self.layouts[spec.layout]
                trip = NewTrip(
                    operator_id=self.operator_id,
                    pattern_id=self.patterns[spec.road],
                    layout_id=layout_id,
                    fare_table_id=self.fares[spec.fare],
                    feed=self.feed,
                    code=code,
                    service_date=day,
                    starts_at=spec.starts_at,
                )
                journey = self.journeys[trip.pattern_id]
                yield TripToSell(trip, journey, layout, len(ROADS[spec.road]) - 1, 10)

    def change(self, code: str, **changes: object) -> None:
        """List a trip as something else."""
        self.trips[code] = replace(self.trips[code], **changes)  # pyright: ignore[reportArgumentType]


async def make_source(db: Database, trips: Mapping[str, Spec] | None = None) -> Source:
    """A source of these trips; what they refer to is on file."""

    async def work(conn: Conn) -> Source:
        operator_id = await put_operator(
            conn, code="lines", name="Kiti Lines", timezone="Africa/Lagos"
        )
        stops = await put_stops(
            conn,
            [
                NewStop(FEED, name, f"Stop {name}", "Africa/Lagos", latitude=4.0 + n, longitude=7.0)
                for n, name in enumerate("ABCDX")
            ],
        )
        route_id = await put_route(
            conn, operator_id=operator_id, feed=FEED, code="R", name="Line R", mode="BUS"
        )
        patterns = {
            road: await put_pattern(
                conn,
                route_id,
                [
                    NewCall(n + 1, stops[FEED, name], seconds, seconds)
                    for n, (name, seconds) in enumerate(zip(road, times, strict=True))
                ],
            )
            for road, times in ROADS.items()
        }
        return Source(
            operator_id,
            patterns,
            await list_journeys(conn, patterns.values()),
            {
                name: (await put_layout(conn, text), parse_layout(text))
                for name, text in LAYOUTS.items()
            },
            {
                fare: await put_fare_table(
                    conn, NewFareTable("Km", "NGN", per_km_minor=fare, minimum_minor=1000)
                )
                for fare in (100, 200)
            },
            dict(trips or {}),
        )

    return await db.run(work)


def no_progress(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""


async def renew(
    db: Database, source: Source, *, may_remove: bool = True, window: Window | None = None
) -> Changes:
    """Bring the trips of DAY in line with the source."""
    async with feed_turn(db, source.feed) as turn:
        return await bring_in_line(
            turn,
            window=window or Window(DAY, DAY),
            wanted=source.wanted,
            may_remove=may_remove,
            progress=no_progress,
        )


async def trip_id_of(conn: Conn, code: str, *, on: date = DAY) -> UUID:
    """The id of the trip of this code, which must be on file."""
    trip_id = await conn.fetchval(
        "SELECT trip_id FROM trip WHERE feed = $1 AND code = $2 AND service_date = $3",
        FEED,
        code,
        on,
    )
    assert isinstance(trip_id, UUID)
    return trip_id


async def hold_seats(
    db: Database, code: str, *, seats: tuple[int, ...] = (0,), last: int | None = None
) -> HoldRequest:
    """Hold seats of a trip as it is now, from its first stop on."""
    async with db.connection() as conn:
        trip_id = await trip_id_of(conn, code)
        row = await conn.fetchrow(
            "SELECT n_seats, n_legs, sheet_version FROM trip_inventory WHERE trip_id = $1", trip_id
        )
        assert row is not None
        request = make_request(
            Trip(trip_id, row["n_seats"], row["n_legs"]),
            seats=seats,
            last=last,
            sheet_version=row["sheet_version"],
        )
        (outcome,) = await hold_many(conn, [request], NO_LIMITS)
    assert outcome.outcome == "held"
    return request


async def sell_seats(
    db: Database, code: str, *, seats: tuple[int, ...] = (0,), last: int | None = None
) -> HoldRequest:
    """Hold and sell seats of a trip."""
    request = await hold_seats(db, code, seats=seats, last=last)
    async with db.transaction() as conn:
        sold = await confirm_booking(
            conn, booking_id=request.booking_id, learned_at=utc_now(), late_money_minutes=60
        )
    assert sold.outcome == "confirmed"
    return request
