"""Builders for stock and holds: valid by default; a test names only what it is about."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from kiti.booking.model import HoldLimits, HoldOutcome, HoldRequest, NewStock
from kiti.booking.service import hold_many, open_sales
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn, Database
from kiti.platform.ids import new_code, new_id
from kiti.platform.money import Money

NO_LIMITS = HoldLimits(ttl_max_s=3600, holder_max=100_000, guest_share=None)


@dataclass(frozen=True, slots=True)
class Trip:
    """A trip's stock as a test made it."""

    trip_id: UUID
    n_seats: int
    n_legs: int


async def make_stock(
    db: Database,
    *,
    n_seats: int = 20,
    n_legs: int = 5,
    blocked: tuple[int, ...] = (),
    closes_in: timedelta = timedelta(days=1),
) -> Trip:
    """A trip that is on sale."""
    trip = Trip(new_id(), n_seats, n_legs)
    async with db.transaction() as conn:
        await open_sales(
            conn,
            [NewStock(trip.trip_id, n_seats, n_legs, blocked, utc_now() + closes_in, 1)],
        )
    return trip


def make_request(
    trip: Trip,
    *,
    seats: tuple[int, ...] = (0,),
    first: int = 0,
    last: int | None = None,
    holder_id: UUID | None = None,
    holder_kind: str = "account",
    ttl_s: int = 600,
    sheet_version: int = 1,
) -> HoldRequest:
    """A request by a holder of its own for adults at 100.00 NGN a seat."""
    return HoldRequest(
        booking_id=new_id(),
        reference=new_code(10),
        trip_id=trip.trip_id,
        holder_kind="guest" if holder_kind == "guest" else "account",
        holder_id=holder_id or new_id(),
        seats=seats,
        first=first,
        last=trip.n_legs if last is None else last,
        n_seats=trip.n_seats,
        n_legs=trip.n_legs,
        passenger_types=("ADULT",) * len(seats),
        fares=(Money(10000, "NGN"),) * len(seats),
        ttl_s=ttl_s,
        sheet_version=sheet_version,
    )


async def hold(db: Database, request: HoldRequest, limits: HoldLimits = NO_LIMITS) -> HoldOutcome:
    """Hold in autocommit, as the product does."""
    async with db.connection() as conn:
        (outcome,) = await hold_many(conn, [request], limits)
    return outcome


async def let_expire(conn: Conn, booking_id: UUID, *, ago_s: float = 0.001) -> None:
    """Move a hold's end into the past: the clock of the database cannot be moved."""
    await conn.execute(
        "UPDATE booking SET expires_at = clock_timestamp() - make_interval(secs => $2) "
        "WHERE booking_id = $1",
        booking_id,
        ago_s,
    )
