"""A booking's own page, in whatever state it is: hold, tickets, or what became of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kiti.booking.model import Booking, BookingNotHeld, HoldExpired, HoldLimit, NoSuchBooking
from kiti.booking.service import (
    extend_hold,
    find_booking,
    list_bookings,
    release_hold,
    sheet_of,
)
from kiti.network.model import TripSheet
from kiti.network.times import zone_of
from kiti.pages.forms import Fault
from kiti.pages.front import Front
from kiti.pages.money import MoneyView, money_of
from kiti.pages.people import PeopleFields, save, saved_fields, sent_fields
from kiti.pages.rides import Ride, ride_of
from kiti.pages.searching import GET, trip_url
from kiti.pages.tickets import tickets_of
from kiti.pages.visits import Visit
from kiti.payments.service import read_clock
from kiti.platform.db import Conn
from kiti.platform.errors import Unauthenticated
from kiti.platform.http import read_id
from kiti.platform.ids import find_id
from kiti.platform.money import Money

MORE_MINUTES: Final = 10
PAGE: Final = 20
# What a redirect may ask the page to say: words of ours, never of the address.
NOTES: Final = {
    "more-time": "You have more time now.",
    "no-more-time": "The seats cannot be kept any longer than this.",
    "saved": "The passengers are saved.",
    "given-back": "The seats are given back. No money goes back for them.",
    "given-back-credit": "The seats are given back, and what was offered for them is your credit.",
    "given-back-money": "The seats are given back. Below is how the money for them stands.",
}


@dataclass(frozen=True, slots=True)
class SeatView:
    """One seat of a booking."""

    label: str
    seat_class: str
    passenger_type: str
    price: Money
    is_cancelled: bool


@dataclass(frozen=True, slots=True)
class BookingView:
    """A booking as its pages show it, at the instant `now` of the database's clock.

    `ends` is the hold's end on the clock of the stop boarded; `seats_url` leads to the same seats
    on the trip's map.
    """

    booking: Booking
    ride: Ride
    seats: tuple[SeatView, ...]
    now: datetime
    ends: datetime
    seats_url: str
    url: str

    @property
    def total(self) -> Money:
        """All that the passenger pays."""
        return self.booking.total

    @property
    def seconds_left(self) -> int:
        """Until the hold ends; 0 when it has."""
        return max(0, int((self.booking.expires_at - self.now).total_seconds()))

    @property
    def minutes_left(self) -> int:
        """Minutes until the hold ends, the last one begun counted too."""
        return -(-self.seconds_left // 60)


@dataclass(frozen=True, slots=True)
class BookingLine:
    """One booking of the list."""

    url: str
    reference: str
    status: str
    ride: Ride
    seats: str
    total: Money


def add_bookings(routes: APIRouter, front: Front) -> None:
    """`GET /bookings` and `/bookings/{id}`, and the forms that change a booking."""
    _add_reads(routes, front)
    _add_people(routes, front)

    @routes.post("/bookings/{booking_id}/extend")
    async def extend(request: Request, booking_id: str) -> Response:
        visit, _ = await front.visits.submit(request)
        booking = await own_booking(front, visit, booking_id)

        async def work(conn: Conn) -> None:
            await extend_hold(
                conn,
                booking_id=booking.booking_id,
                holder_id=booking.holder_id,
                minutes=MORE_MINUTES,
            )

        try:
            await front.db.run(work, about=str(booking.trip_id))
        except HoldLimit:
            return front.shell.go(visit, f"{booking_url(booking)}?note=no-more-time")
        except (HoldExpired, BookingNotHeld):
            return front.shell.go(visit, booking_url(booking))
        return front.shell.go(visit, f"{booking_url(booking)}?note=more-time")

    @routes.post("/bookings/{booking_id}/release")
    async def release(request: Request, booking_id: str) -> Response:
        visit, _ = await front.visits.submit(request)
        booking = await own_booking(front, visit, booking_id)

        async def work(conn: Conn) -> None:
            await release_hold(conn, booking_id=booking.booking_id, holder_id=booking.holder_id)

        try:
            await front.db.run(work, about=str(booking.trip_id))
        except BookingNotHeld:
            return front.shell.go(visit, booking_url(booking))
        return front.shell.go(visit, booking_url(booking))


def _add_reads(routes: APIRouter, front: Front) -> None:
    @routes.api_route("/bookings", methods=GET)
    async def mine(request: Request) -> Response:
        visit = await front.visits.enter(request)
        before = find_id(request.query_params.get("before", ""))
        async with front.db.connection() as conn:
            found = await _newest(conn, visit.holders, before)
            lines = [await _line(conn, front, booking) for booking in found[:PAGE]]
        more = f"/bookings?before={found[PAGE - 1].booking_id}" if len(found) > PAGE else None
        return front.shell.show(visit, "bookings.html", lines=lines, more=more)

    @routes.api_route("/bookings/{booking_id}", methods=GET)
    async def one(request: Request, booking_id: str) -> Response:
        visit = await front.visits.enter(request)
        booking = await own_booking(front, visit, booking_id)
        note = NOTES.get(request.query_params.get("note", ""))
        async with front.db.connection() as conn:
            view = await view_of(conn, front, booking)
            money = await money_of(conn, booking)
            if booking.status == "held":
                sheet = await front.catalogue.sheet(conn, booking.trip_id)
                fields = await saved_fields(conn, front, visit, booking, sheet)
                return _held(front, visit, view, fields, money=money, note=note)
            tickets = await tickets_of(conn, front, booking)
        return front.shell.show(
            visit,
            "tickets.html" if booking.status == "confirmed" else "over.html",
            view=view,
            tickets=tickets,
            money=money,
            note=note,
        )


def _add_people(routes: APIRouter, front: Front) -> None:
    @routes.api_route("/bookings/{booking_id}/passengers", methods=GET)
    async def people(request: Request, booking_id: str) -> Response:
        visit = await front.visits.enter(request)
        booking = await own_booking(front, visit, booking_id)
        if booking.status != "confirmed":
            return front.shell.go(visit, booking_url(booking))
        async with front.db.connection() as conn:
            view = await view_of(conn, front, booking)
            sheet = await front.catalogue.sheet(conn, booking.trip_id)
            fields = await saved_fields(conn, front, visit, booking, sheet)
        return front.shell.show(visit, "passengers.html", view=view, fields=fields, faults=[])

    @routes.post("/bookings/{booking_id}/passengers")
    async def put_people(request: Request, booking_id: str) -> Response:
        visit, form = await front.visits.submit(request)
        booking = await own_booking(front, visit, booking_id)
        async with front.db.connection() as conn:
            sheet = await front.catalogue.sheet(conn, booking.trip_id)
        fields = sent_fields(form, booking, sheet)
        try:
            faults = await save(front, booking, sheet, fields)
        except (HoldExpired, BookingNotHeld):
            return front.shell.go(visit, booking_url(booking))
        is_held = booking.status == "held"
        if not faults:
            url = booking_url(booking)
            return front.shell.go(visit, f"{url}/pay" if is_held else f"{url}?note=saved")
        async with front.db.connection() as conn:
            view = await view_of(conn, front, booking)
            money = await money_of(conn, booking)
        if is_held:
            return _held(front, visit, view, fields, money=money, faults=faults)
        return front.shell.show(
            visit, "passengers.html", status=422, view=view, fields=fields, faults=faults
        )


async def own_booking(front: Front, visit: Visit, booking_id: str) -> Booking:
    """The visitor's booking of this id, as it reads now.

    Raises:
        Unauthenticated: nobody is looking, who may own it once they have logged in.
        NoSuchBooking: there is none, or it is another's.
    """
    wanted = read_id(booking_id, NoSuchBooking)
    if not visit.holders:
        raise Unauthenticated
    async with front.db.connection() as conn:
        booking = await find_booking(conn, booking_id=wanted)
    if booking is None or not visit.owns(booking):
        raise NoSuchBooking
    return booking


def booking_url(booking: Booking) -> str:
    """The address of the booking's page."""
    return f"/bookings/{booking.booking_id}"


async def view_of(conn: Conn, front: Front, booking: Booking) -> BookingView:
    """The booking with the names and times that its pages show."""
    sheet = await sheet_of(conn, front.catalogue, booking)
    board, leave = sheet.calls[booking.first_leg], sheet.calls[booking.last_leg]
    seats = tuple(_seat(booking, sheet, place) for place in range(len(booking.seats)))
    return BookingView(
        booking=booking,
        ride=ride_of(sheet, booking.first_leg, booking.last_leg),
        seats=seats,
        now=await read_clock(conn),
        ends=booking.expires_at.astimezone(zone_of(board.timezone)),
        seats_url=trip_url(
            booking.trip_id,
            (board.stop_id, leave.stop_id),
            len(seats),
            seats=[seat.label for seat in seats],
        ),
        url=booking_url(booking),
    )


def _seat(booking: Booking, sheet: TripSheet, place: int) -> SeatView:
    seat = sheet.layout.seats[booking.seats[place]]
    return SeatView(
        seat.label,
        seat.seat_class,
        booking.passenger_types[place].capitalize(),
        Money(booking.fares_minor[place], booking.currency),
        seat.index in booking.cancelled_seats,
    )


def _held(
    front: Front,
    visit: Visit,
    view: BookingView,
    fields: PeopleFields,
    *,
    money: list[MoneyView],
    faults: list[Fault] | None = None,
    note: str | None = None,
) -> Response:
    latest = view.booking.created_at + timedelta(minutes=front.hold_minutes_max)
    return front.shell.show(
        visit,
        "held.html",
        status=422 if faults else 200,
        view=view,
        fields=fields,
        faults=faults or [],
        note=note,
        money=money,
        may_extend=view.booking.expires_at < latest,
        more_minutes=MORE_MINUTES,
    )


async def _newest(conn: Conn, holders: tuple[UUID, ...], before: UUID | None) -> list[Booking]:
    """One more than a page of the newest bookings of all these holders."""
    found = [
        booking
        for holder_id in holders
        for booking in await list_bookings(conn, holder_id=holder_id, before=before, limit=PAGE + 1)
    ]
    return sorted(found, key=lambda booking: booking.booking_id, reverse=True)[: PAGE + 1]


async def _line(conn: Conn, front: Front, booking: Booking) -> BookingLine:
    sheet = await sheet_of(conn, front.catalogue, booking)
    return BookingLine(
        url=booking_url(booking),
        reference=booking.reference,
        status=booking.status,
        ride=ride_of(sheet, booking.first_leg, booking.last_leg),
        seats=", ".join(sheet.layout.seats[seat].label for seat in booking.seats),
        total=booking.total,
    )
