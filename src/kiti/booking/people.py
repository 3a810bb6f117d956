"""Who travels: the passengers of a booking and how to reach whoever booked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from kiti.booking import store_people
from kiti.booking.model import (
    BoardingClosed,
    Booking,
    BookingNotHeld,
    Contact,
    HoldExpired,
    Passenger,
)
from kiti.booking.service import get_booking, get_stock, lock_trip
from kiti.identity.model import normalise_email, normalise_name, normalise_phone
from kiti.network.model import TripSheet
from kiti.network.service import Catalogue
from kiti.platform.db import Conn
from kiti.platform.errors import ValidationFailed
from kiti.platform.sealing import Seal


@dataclass(frozen=True, slots=True)
class NewPassenger:
    """A passenger as given. `kin_name` and `kin_phone` together, or neither."""

    label: str
    name: str
    passenger_type: str | None
    phone: str | None
    id_type: str | None
    id_number: str | None
    kin_name: str | None
    kin_phone: str | None


@dataclass(frozen=True, slots=True)
class NewPeople:
    """The whole list as given, with the contact."""

    phone: str
    email: str | None
    passengers: Sequence[NewPassenger]


async def put_passengers(
    conn: Conn,
    *,
    booking_id: UUID,
    holder_id: UUID,
    catalogue: Catalogue,
    people: NewPeople,
    seal: Seal,
) -> Booking:
    """Write who travels, in place of any earlier list. The total never changes.

    Raises:
        NoSuchBooking, ValidationFailed.
        HoldExpired, BookingNotHeld: it is over.
        BoardingClosed: the trip has left the stop where they board.
    Locks: trip.
    """
    booking = await get_booking(conn, booking_id=booking_id, holder_id=holder_id)
    sheet = await catalogue.sheet(conn, booking.trip_id)
    contact, passengers = _checked(booking, sheet, people, seal)
    await lock_trip(conn, trip_id=booking.trip_id)
    booking = await get_booking(conn, booking_id=booking_id, holder_id=holder_id)
    if booking.status == "expired":
        raise HoldExpired
    if booking.status not in {"held", "confirmed"}:
        raise BookingNotHeld
    stock = await get_stock(conn, trip_id=booking.trip_id)
    if stock is None or stock.now >= sheet.calls[booking.first_leg].departs_at:
        raise BoardingClosed
    await store_people.put_contact(
        conn, trip_id=booking.trip_id, booking_id=booking_id, contact=contact
    )
    await store_people.delete_passengers(conn, trip_id=booking.trip_id, booking_id=booking_id)
    await store_people.insert_passengers(
        conn, trip_id=booking.trip_id, booking_id=booking_id, passengers=passengers
    )
    return booking


def _checked(
    booking: Booking, sheet: TripSheet, people: NewPeople, seal: Seal
) -> tuple[Contact, list[Passenger]]:
    """The list as it is kept, or every fault of it at once."""
    faults: list[dict[str, str]] = []

    def read(pointer: str, text: str | None, normalise: Callable[[str], str]) -> str | None:
        if text is None:
            return None
        try:
            return normalise(text)
        except ValueError as error:
            faults.append({"pointer": pointer, "message": str(error)})
            return text

    contact = Contact(
        read("#/contact/phone", people.phone, normalise_phone) or "",
        read("#/contact/email", people.email, normalise_email),
    )
    seen: set[int] = set()
    passengers: list[Passenger] = []
    for position, given in enumerate(people.passengers):
        at = f"#/passengers/{position}"
        seat = sheet.layout.seat_index(given.label)
        if seat is None or seat not in booking.seats or seat in booking.cancelled_seats:
            faults.append({"pointer": f"{at}/seatNumber", "message": "not a seat of this booking"})
            continue
        if seat in seen:
            faults.append({"pointer": f"{at}/seatNumber", "message": "the same seat twice"})
        seen.add(seat)
        priced_as = booking.passenger_types[booking.seats.index(seat)]
        if given.passenger_type not in {None, priced_as}:
            message = f"this seat was priced as {priced_as}"
            faults.append({"pointer": f"{at}/type", "message": message})
        kin = None
        if given.kin_name is not None and given.kin_phone is not None:
            name = read(f"{at}/nextOfKin/name", given.kin_name, normalise_name)
            phone = read(f"{at}/nextOfKin/phone", given.kin_phone, normalise_phone)
            kin = seal.close(f"{name}\n{phone}", bound_to=booking.booking_id.bytes)
        passengers.append(
            Passenger(
                seat,
                read(f"{at}/name", given.name, normalise_name) or "",
                read(f"{at}/phone", given.phone, normalise_phone),
                read(f"{at}/idType", given.id_type, normalise_name),
                read(f"{at}/idNumber", given.id_number, normalise_name),
                kin,
            )
        )
    if faults:
        raise ValidationFailed(errors=faults)
    return contact, passengers


async def find_contact(conn: Conn, *, booking_id: UUID) -> Contact | None:
    """How to reach whoever booked; None when not given yet."""
    return await store_people.find_contact(conn, booking_id=booking_id)


async def list_passengers(conn: Conn, *, booking_id: UUID) -> list[Passenger]:
    """Who travels, by seat."""
    return await store_people.list_passengers(conn, booking_id=booking_id)
