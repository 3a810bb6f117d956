"""Choosing seats: the map of a trip as a form, and the hold that it asks for."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kiti.booking.model import SEATS_PER_HOLD_MAX, Booking, SeatsUnavailable
from kiti.booking.reserving import reserve_seats
from kiti.booking.sales import Availability, Wanted
from kiti.booking.service import list_bookings
from kiti.checkout.model_search import TripView
from kiti.checkout.search import get_trip
from kiti.fares.model import PassengerType
from kiti.fares.service import seat_fares
from kiti.network.model import NoSuchTrip, StopNotOnTrip
from kiti.pages.forms import Form, form_of, new_key, read_count
from kiti.pages.front import Front
from kiti.pages.refusals import tell
from kiti.pages.rides import place_of, ride_of
from kiti.pages.searching import GET, trip_url
from kiti.pages.seat_map import classes_of, decks_of
from kiti.pages.visits import Visit
from kiti.platform.db import Conn
from kiti.platform.errors import Conflict, DomainError, Invalid, TooMany, ValidationFailed
from kiti.platform.http import Body, read_id
from kiti.platform.idempotency import IdempotencyInProgress, IdempotencyKeyReused, claim_for
from kiti.platform.ids import find_id

ROUTE: Final = "reserve"
BOOKINGS_LOOKED_AT: Final = 20
# What is no adult, in the order in which they take the seats after the adults.
OTHER_TYPES: Final = (
    PassengerType.STUDENT,
    PassengerType.SENIOR,
    PassengerType.CHILD,
    PassengerType.INFANT,
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What the map's form says: the segment, the seats ticked, or that we are to choose them.

    `others`: how many travel of each type that is no adult.
    """

    trip_id: UUID
    from_stop_id: UUID | None
    to_stop_id: UUID | None
    passengers: int
    labels: tuple[str, ...]
    is_ours: bool = False
    others: tuple[tuple[PassengerType, int], ...] = ()

    def wanted(self) -> Wanted:
        """The hold that it asks for.

        Raises:
            ValidationFailed: no seat, too many, or more passengers of other types than seats.
        """
        n = self.passengers if self.is_ours else len(self.labels)
        others = [kind.value for kind, count in self.others for _ in range(count)]
        if not 1 <= n <= SEATS_PER_HOLD_MAX:
            raise _fault("choose 1 to 10 seats")
        if len(others) > n:
            raise _fault("there are more passengers than seats")
        types = ("ADULT",) * (n - len(others)) + tuple(others)
        return Wanted(
            trip_id=self.trip_id,
            labels=None if self.is_ours else self.labels,
            count=n if self.is_ours else None,
            from_stop_id=self.from_stop_id,
            to_stop_id=self.to_stop_id,
            passenger_types=types,
        )


@dataclass(frozen=True, slots=True)
class TypeView:
    """A type of passenger who does not pay what an adult does: its fares, class by class."""

    name: str
    label: str
    prices: str
    n: int


def add_seats(routes: APIRouter, front: Front) -> None:
    """`GET /trips/{id}` and `POST /trips/{id}/hold`."""

    @routes.api_route("/trips/{trip_id}", methods=GET)
    async def seats(request: Request, trip_id: str) -> Response:
        visit = await front.visits.enter(request)
        choice = _choice(trip_id, form_of(request.url.query.encode()))
        return await _map(front, visit, choice)

    @routes.api_route("/trips/{trip_id}/hold", methods=GET)
    async def seats_again(request: Request, trip_id: str) -> Response:
        """Whoever reloads the answer of a form by its address: back to the map."""
        visit = await front.visits.enter(request)
        query = f"?{request.url.query}" if request.url.query else ""
        return front.shell.go(visit, f"/trips/{read_id(trip_id, NoSuchTrip)}{query}")

    @routes.post("/trips/{trip_id}/hold")
    async def hold(request: Request, trip_id: str) -> Response:
        visit, form = await front.visits.submit(request)
        choice = _choice(trip_id, form)
        try:
            booking_id = await _hold(front, visit, choice, form.text("key"))
        except (Conflict, Invalid, TooMany) as refusal:
            return await _map(front, visit, choice, refusal)
        return front.shell.go(visit, f"/bookings/{booking_id}")


def _choice(trip_id: str, form: Form) -> Choice:
    """What the form or the address says.

    Raises:
        NoSuchTrip, StopNotOnTrip: it names what cannot be.
    """
    others = [
        (kind, read_count(form.text(kind.value), least=0, most=SEATS_PER_HOLD_MAX, default=0))
        for kind in OTHER_TYPES
    ]
    return Choice(
        trip_id=read_id(trip_id, NoSuchTrip),
        from_stop_id=_stop(form.text("from")),
        to_stop_id=_stop(form.text("to")),
        passengers=read_count(form.text("passengers"), least=1, most=SEATS_PER_HOLD_MAX, default=1),
        labels=tuple(dict.fromkeys(form.texts("seat"))),
        is_ours=form.text("pick") == "best",
        others=tuple((kind, count) for kind, count in others if count),
    )


def _stop(text: str) -> UUID | None:
    if not text:
        return None
    found = find_id(text)
    if found is None:
        raise StopNotOnTrip
    return found


async def _hold(front: Front, visit: Visit, choice: Choice, key: str) -> str:
    """Hold the seats, once for the rendered form; the booking's id.

    The key is the form's own (a UUIDv4 that we made), so it is scoped to itself: a second click
    finds the first one's answer also when the first has made its sender a guest meanwhile.
    """
    body = {
        "seats": list(choice.labels),
        "from": str(choice.from_stop_id),
        "to": str(choice.to_stop_id),
        "best": choice.passengers if choice.is_ours else None,
        "types": [[kind, count] for kind, count in choice.others],
    }
    path = f"/trips/{choice.trip_id}/hold"
    claim = claim_for(None, route=ROUTE, path=path, key=key, body=Body(b"", body))
    reserved = await reserve_seats(
        front.db,
        front.sales,
        caller=visit.caller,
        claim=claim,
        trip_hint=str(choice.trip_id),
        wanted=choice.wanted,
    )
    visit.met = reserved.guest
    return str(json.loads(reserved.answer.body)["bookingId"])


async def _map(
    front: Front, visit: Visit, choice: Choice, refusal: DomainError | None = None
) -> Response:
    """The map as it is now, with what was chosen; after a refusal, with what happened."""
    async with front.db.connection() as conn:
        found = await front.sales.availability(
            conn,
            trip_id=choice.trip_id,
            from_stop_id=choice.from_stop_id,
            to_stop_id=choice.to_stop_id,
        )
        view = await get_trip(conn, front.sources, choice.trip_id)
        types = await _types(conn, front, found, choice)
        held = await _held_already(conn, visit, choice.trip_id)
    segment = found.segment
    stops = (found.sheet.calls[segment.first].stop_id, found.sheet.calls[segment.last].stop_id)
    words = front.shell.words
    return front.shell.show(
        visit,
        "seats.html",
        status=200 if refusal is None else refusal.status,
        ride=ride_of(found.sheet, segment.first, segment.last),
        calls=[
            (place_of(call), call.local_departure if call is not view.sheet.calls[-1]
             else call.local_arrival)
            for call in found.sheet.calls[segment.first : segment.last + 1]
        ],
        vehicle=found.sheet.layout.name,
        closed=_closed(view),
        decks=decks_of(found, words, choice.labels),
        classes=classes_of(found, words),
        types=types,
        n_free=found.n_available,
        passengers=choice.passengers,
        seats_max=SEATS_PER_HOLD_MAX,
        from_id=stops[0],
        to_id=stops[1],
        action=trip_url(choice.trip_id, stops, choice.passengers, step="/hold"),
        held=[(_labels(found, booking), booking.booking_id) for booking in held],
        message=None if refusal is None else _message(front, found, choice, refusal),
        key=new_key(),
    )  # fmt: skip


def _closed(view: TripView) -> str | None:
    """Why nothing can be held on the trip; None when something can."""
    return {
        "ON_SALE": None,
        "CLOSED": "Sales for this trip have closed.",
        "DEPARTED": "This trip has left.",
        "CANCELLED": "This trip has been cancelled.",
    }[view.status]


def _message(
    front: Front, found: Availability, choice: Choice, refusal: DomainError
) -> tuple[str, str]:
    """What happened, and what to do about it."""
    say = front.shell.words.gettext
    if isinstance(refusal, IdempotencyKeyReused):
        return say("Your choice has changed."), say("Look at it once more, then go on.")
    if isinstance(refusal, IdempotencyInProgress):
        return say("Your first click is still on its way."), say("Wait a moment, then go on.")
    if not isinstance(refusal, SeatsUnavailable):
        told = tell(front.shell, refusal)
        return told.title, told.text
    taken = [str(label) for label in refusal.extension.get("unavailable", [])]  # pyright: ignore[reportGeneralTypeIssues]
    if not taken:
        return (
            say("There are not as many seats free together."),
            say("Choose from the seats below, or look at another trip."),
        )
    title = front.shell.words.ngettext(
        "Seat %(names)s was just taken.", "Seats %(names)s were just taken.", len(taken)
    )
    free = {seat.label for seat in found.seats if seat.status == "AVAILABLE"}
    kept = [label for label in choice.labels if label in free]
    text = say("Nothing is held yet. Please choose another.")
    if kept:
        text = say("Nothing is held yet. Still free and chosen: %(kept)s. Add another, or go on.")
        text %= {"kept": _and(kept)}
    return title % {"names": _and(taken)}, text


def _and(names: Sequence[str]) -> str:
    return ", ".join(names)


async def _types(conn: Conn, front: Front, found: Availability, choice: Choice) -> list[TypeView]:
    """The types of passenger who pay something else than an adult here."""
    table = await front.sources.fare_tables.table(conn, found.sheet.fare_table_id)
    adult = seat_fares(found.sheet, found.segment, table)
    words = front.shell.words
    counts = dict(choice.others)
    out: list[TypeView] = []
    for kind in OTHER_TYPES:
        fares = seat_fares(found.sheet, found.segment, table, kind)
        if fares == adult:
            continue
        prices = [
            f"{words.seat_class(name)} {words.money(fare)}" for name, fare in fares.items() if fare
        ]
        label = words.gettext(kind.value.capitalize())
        out.append(TypeView(kind.value, label, ", ".join(prices), counts.get(kind, 0)))
    return out


async def _held_already(conn: Conn, visit: Visit, trip_id: UUID) -> list[Booking]:
    """What this visitor holds on the trip and has not paid: going back keeps a hold."""
    return [
        booking
        for holder_id in visit.holders
        for booking in await list_bookings(
            conn, holder_id=holder_id, before=None, limit=BOOKINGS_LOOKED_AT
        )
        if booking.trip_id == trip_id and booking.status == "held"
    ]


def _labels(found: Availability, booking: Booking) -> str:
    seats = found.sheet.layout.seats
    return _and([seats[seat].label for seat in booking.seats])


def _fault(message: str) -> ValidationFailed:
    return ValidationFailed(message, errors=[{"pointer": "#/seats", "message": message}])
