"""Selling a segment: from what a person asks for to seats held at a price, and what is on offer."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from kiti.booking.allocation import best_seats
from kiti.booking.model import (
    HolderKind,
    HoldLimits,
    HoldOutcome,
    HoldRequest,
    SalesClosed,
    SeatsUnavailable,
    SeatUnknown,
    TooManyHolds,
    TripCancelled,
)
from kiti.booking.service import Stock, get_stock, hold_many, lock_trip
from kiti.config import Settings
from kiti.fares.service import FareTables, quote, seat_fares
from kiti.network.model import NoSuchTrip, Segment, TripSheet
from kiti.network.service import Catalogue
from kiti.platform.db import Conn, Database
from kiti.platform.errors import Overloaded, ValidationFailed
from kiti.platform.ids import new_code, new_id
from kiti.platform.money import Money, total

REFERENCE_LENGTH: Final = 8
GUEST_SHARE: Final = 500  # thousandths of a trip's seats that guests may hold unsold, together
RETRY_AFTER_HOLDS_S: Final = 60
LOOKS_MAX: Final = 5  # a trip changes rarely: twice between two reads is chance already


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks to hold: seats by name, or `count` of them; minutes None: the usual.

    `passenger_types` one a seat; None: adults. `seat_class` goes with `count` alone.
    """

    trip_id: UUID
    labels: tuple[str, ...] | None
    count: int | None = None
    seat_class: str | None = None
    from_stop_id: UUID | None = None
    to_stop_id: UUID | None = None
    from_sequence: int | None = None
    to_sequence: int | None = None
    passenger_types: tuple[str, ...] | None = None
    minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds: an account or a guest."""

    kind: HolderKind
    id: UUID


@dataclass(frozen=True, slots=True)
class Held:
    """Seats that are held until `ends_at`, as decided at `decided_at`."""

    booking_id: UUID
    reference: str
    sheet: TripSheet
    segment: Segment
    labels: tuple[str, ...]
    total: Money
    ends_at: datetime
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class SeatOnOffer:
    """One seat over a segment. `price` is an adult's; None when its class has no fare here."""

    label: str
    seat_class: str
    status: str
    price: Money | None


@dataclass(frozen=True, slots=True)
class Availability:
    """Every seat of a trip over a segment at one instant, and a tag that changes with any of it."""

    sheet: TripSheet
    segment: Segment
    seats: tuple[SeatOnOffer, ...]
    now: datetime
    etag: str

    @property
    def n_available(self) -> int:
        """How many seats can be held."""
        return sum(seat.status == "AVAILABLE" for seat in self.seats)


class _SheetTooOld(Exception):
    """The trip has changed since its sheet was kept: its seats are of another layout or stops."""


class Sales:
    """What a sale needs beside the database: trips, fares and the limits of a hold."""

    def __init__(self, catalogue: Catalogue, fare_tables: FareTables, settings: Settings) -> None:
        self._catalogue = catalogue
        self._fare_tables = fare_tables
        self._minutes = settings.kiti_hold_minutes
        self._limits = HoldLimits(
            ttl_max_s=settings.kiti_hold_minutes_max * 60,
            holder_max=settings.kiti_holds_per_user_max,
            guest_share=GUEST_SHARE if settings.kiti_rate_limits == "on" else None,
        )

    async def hold(self, db: Database, wanted: Wanted, holder: Holder) -> Held:
        """Hold what is wanted: all of it or nothing. Usually it is one statement in autocommit.

        Raises:
            NoSuchTrip, StopNotOnTrip, SegmentBackwards, SeatUnknown, FareMissing, ValidationFailed.
            SeatsUnavailable: with `unavailable`, the seats in the way.
            SalesClosed, TripCancelled, TooManyHolds.
        Locks: the trip.
        """
        trip = str(wanted.trip_id)
        async with db.connection(about=trip) as conn:
            held = await self._hold_at_once(conn, wanted, holder)
        if held is not None:
            return held
        return await db.run(lambda conn: self._hold_in_turn(conn, wanted, holder), about=trip)

    async def hold_within(self, conn: Conn, wanted: Wanted, holder: Holder) -> Held:
        """The same as `hold`, in the caller's transaction."""
        held = await self._hold_at_once(conn, wanted, holder)
        return held or await self._hold_in_turn(conn, wanted, holder)

    async def _hold_at_once(self, conn: Conn, wanted: Wanted, holder: Holder) -> Held | None:
        """Hold without waiting for others; None when somebody was quicker on what was chosen.

        That is where seats were not asked for by name, or the trip has changed meanwhile.
        """
        sheet = await self._catalogue.sheet(conn, wanted.trip_id)
        try:
            request = await self._request(conn, sheet, wanted, holder)
        except _SheetTooOld:
            return None
        (outcome,) = await hold_many(conn, [request], self._limits)
        is_ours = outcome.outcome == "unavailable" and wanted.labels is None
        if is_ours or outcome.outcome == "stale":
            return None
        return _held(sheet, request, outcome)

    async def _hold_in_turn(self, conn: Conn, wanted: Wanted, holder: Holder) -> Held:
        """Read the trip, choose and hold under the trip's lock: what is free stays so meanwhile."""
        await lock_trip(conn, trip_id=wanted.trip_id)
        for is_fresh in (False, True):  # others wait: what is in memory is usually right
            sheet = await self._catalogue.sheet(conn, wanted.trip_id, fresh=is_fresh)
            try:
                request = await self._request(conn, sheet, wanted, holder)
            except _SheetTooOld:
                continue
            (outcome,) = await hold_many(conn, [request], self._limits)
            if outcome.outcome != "stale":
                return _held(sheet, request, outcome)
        raise AssertionError("a trip changed under its own lock")

    async def _request(
        self, conn: Conn, sheet: TripSheet, wanted: Wanted, holder: Holder
    ) -> HoldRequest:
        segment = sheet.segment(
            wanted.from_stop_id, wanted.to_stop_id, wanted.from_sequence, wanted.to_sequence
        )
        table = await self._fare_tables.table(conn, sheet.fare_table_id)
        seats = (
            _named_seats(sheet, wanted.labels)
            if wanted.labels is not None
            else await _best(conn, sheet, segment, wanted, seat_fares(sheet, segment, table))
        )
        types = wanted.passenger_types or ("ADULT",) * len(seats)
        if len(types) != len(seats):
            message = f"one type for each of the {len(seats)} seats"
            raise ValidationFailed(errors=[{"pointer": "#/passengerTypes", "message": message}])
        return HoldRequest(
            booking_id=new_id(),
            reference=new_code(REFERENCE_LENGTH),
            trip_id=sheet.trip_id,
            holder_kind=holder.kind,
            holder_id=holder.id,
            seats=seats,
            first=segment.first,
            last=segment.last,
            n_seats=len(sheet.layout.seats),
            n_legs=sheet.n_legs,
            passenger_types=types,
            fares=tuple(quote(sheet, segment, seats, types, table)),
            ttl_s=(wanted.minutes or self._minutes) * 60,
            sheet_version=sheet.version,
        )

    async def availability(
        self,
        conn: Conn,
        *,
        trip_id: UUID,
        from_stop_id: UUID | None = None,
        to_stop_id: UUID | None = None,
    ) -> Availability:
        """Every seat over the segment at this instant, the same for every caller.

        A free seat that nobody can hold reads BLOCKED: its class has no fare there, or the trip's
        sales are not open.

        Raises:
            NoSuchTrip, StopNotOnTrip, SegmentBackwards.
        """
        sheet, stock = await self._look(conn, trip_id)
        segment = sheet.segment(from_stop_id, to_stop_id)
        table = await self._fare_tables.table(conn, sheet.fare_table_id)
        prices = seat_fares(sheet, segment, table)
        statuses = stock.occupancy.statuses(segment.first, segment.last)
        if not stock.is_on_sale:
            statuses = ["BLOCKED" if each == "AVAILABLE" else each for each in statuses]
        seats = tuple(
            SeatOnOffer(
                seat.label,
                seat.seat_class,
                "BLOCKED" if prices[seat.seat_class] is None else statuses[seat.index],
                prices[seat.seat_class],
            )
            for seat in sheet.layout.seats
        )
        return Availability(sheet, segment, seats, stock.now, _etag(sheet, segment, seats))

    async def _look(self, conn: Conn, trip_id: UUID) -> tuple[TripSheet, Stock]:
        """A trip and its seats, of one version: it may change after it was kept, or in between."""
        for tried in range(LOOKS_MAX):
            sheet = await self._catalogue.sheet(conn, trip_id, fresh=tried > 0)
            stock = await _stock(conn, trip_id)
            if stock.sheet_version == sheet.version:
                return sheet, stock
        raise Overloaded(retry_after_s=1)


async def _stock(conn: Conn, trip_id: UUID) -> Stock:
    stock = await get_stock(conn, trip_id=trip_id)
    if stock is None:
        raise NoSuchTrip
    return stock


def _named_seats(sheet: TripSheet, labels: tuple[str, ...]) -> tuple[int, ...]:
    found = [sheet.layout.seat_index(label) for label in labels]
    unknown = [position for position, seat in enumerate(found) if seat is None]
    if unknown:
        raise SeatUnknown(
            errors=[
                {"pointer": f"#/seatNumbers/{position}", "message": "no such seat on this trip"}
                for position in unknown
            ]
        )
    seats = tuple(seat for seat in found if seat is not None)
    if len(set(seats)) != len(seats):
        message = "the same seat twice"
        raise ValidationFailed(errors=[{"pointer": "#/seatNumbers", "message": message}])
    return seats


async def _best(
    conn: Conn,
    sheet: TripSheet,
    segment: Segment,
    wanted: Wanted,
    prices: Mapping[str, Money | None],
) -> tuple[int, ...]:
    """The best seats of the class asked for; else of the cheapest class that has as many.

    When no class has, they are of several. A class without a fare here is not for sale.
    """
    stock = await _stock(conn, sheet.trip_id)
    if stock.sheet_version != sheet.version:
        raise _SheetTooOld
    priced = {name: price.amount_minor for name, price in prices.items() if price is not None}
    classes = sorted(priced, key=lambda name: priced[name])
    if wanted.seat_class is not None:
        classes = [wanted.seat_class]
    for chosen in (*((name,) for name in classes), classes):
        seats = best_seats(
            sheet.layout,
            stock.occupancy,
            segment=(segment.first, segment.last),
            count=wanted.count or 1,
            classes=chosen,
        )
        if seats is not None:
            return seats
    raise SeatsUnavailable("There are not as many seats free.", unavailable=[])


def _held(sheet: TripSheet, request: HoldRequest, outcome: HoldOutcome) -> Held:
    """The hold, or the refusal that the outcome is."""
    match outcome.outcome:
        case "held":
            assert outcome.ends_at is not None, "a hold has an end"  # noqa: S101
        case "unavailable":
            labels = [sheet.layout.seats[seat].label for seat in outcome.conflict]
            raise SeatsUnavailable(unavailable=labels)
        case "sales_closed":
            raise SalesClosed
        case "cancelled":
            raise TripCancelled
        case "holder_full":
            raise TooManyHolds(retry_after_s=RETRY_AFTER_HOLDS_S)
        case "guests_full":
            detail = "Too many seats are held by guests just now: try again soon, or log in."
            raise TooManyHolds(detail, retry_after_s=RETRY_AFTER_HOLDS_S)
        case "no_trip":
            raise NoSuchTrip
        case _:
            raise AssertionError("a trip changed under its own lock")
    return Held(
        request.booking_id,
        request.reference,
        sheet,
        Segment(request.first, request.last),
        tuple(sheet.layout.seats[seat].label for seat in request.seats),
        total(request.fares, currency=request.fares[0].currency),
        outcome.ends_at,
        outcome.decided_at,
    )


def _etag(sheet: TripSheet, segment: Segment, seats: tuple[SeatOnOffer, ...]) -> str:
    """A strong tag of what a client is shown, but for the time it was asked."""
    shown = [
        str(sheet.trip_id),
        segment.first,
        segment.last,
        [(s.status, None if s.price is None else s.price.amount_minor) for s in seats],
    ]
    digest = hashlib.sha256(json.dumps(shown).encode()).hexdigest()
    return f'"{digest[:32]}"'
