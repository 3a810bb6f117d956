"""The form that asks who travels and how to reach them: phone first."""

from collections.abc import Sequence
from dataclasses import dataclass

from kiti.booking.model import Booking, Contact, Passenger
from kiti.booking.people import (
    NewPassenger,
    NewPeople,
    find_contact,
    list_passengers,
    put_passengers,
)
from kiti.identity.model import Account
from kiti.identity.service import find_account
from kiti.network.model import TripSheet
from kiti.pages.forms import Fault, Form, faults_of, with_country
from kiti.pages.front import Front
from kiti.pages.visits import Visit
from kiti.platform.db import Conn
from kiti.platform.errors import ValidationFailed
from kiti.platform.sealing import Seal


@dataclass(frozen=True, slots=True)
class PersonFields:
    """One passenger as the form shows it; `at` numbers the form's fields."""

    at: int
    seat: str
    passenger_type: str
    name: str
    phone: str = ""
    id_type: str = ""
    id_number: str = ""
    kin_name: str = ""
    kin_phone: str = ""

    @property
    def has_more(self) -> bool:
        """Whether any of the fields that are folded away is filled."""
        return any((self.phone, self.id_type, self.id_number, self.kin_name, self.kin_phone))


@dataclass(frozen=True, slots=True)
class PeopleFields:
    """The whole form. `is_known`: the contact was saved before."""

    phone: str
    email: str
    people: tuple[PersonFields, ...]
    is_known: bool = False


async def saved_fields(
    conn: Conn, front: Front, visit: Visit, booking: Booking, sheet: TripSheet
) -> PeopleFields:
    """The form filled with what was saved; before that, with what the account knows."""
    contact = await find_contact(conn, booking_id=booking.booking_id)
    saved = {p.seat: p for p in await list_passengers(conn, booking_id=booking.booking_id)}
    account = None
    if contact is None and visit.caller is not None and visit.is_logged_in:
        account = await find_account(conn, visit.caller.id)
    return PeopleFields(
        phone=_phone(contact, account),
        email=_email(contact, account),
        people=tuple(
            _person(at, booking, seat, sheet, saved.get(seat), seal=front.seal)
            for at, seat in enumerate(_seats(booking))
        ),
        is_known=contact is not None,
    )


def sent_fields(form: Form, booking: Booking, sheet: TripSheet) -> PeopleFields:
    """The form as it was sent."""
    return PeopleFields(
        phone=form.text("phone"),
        email=form.text("email"),
        people=tuple(
            PersonFields(
                at=at,
                seat=sheet.layout.seats[seat].label,
                passenger_type=_type(booking, seat),
                name=form.text(f"name-{at}"),
                phone=form.text(f"phone-{at}"),
                id_type=form.text(f"id-type-{at}"),
                id_number=form.text(f"id-number-{at}"),
                kin_name=form.text(f"kin-name-{at}"),
                kin_phone=form.text(f"kin-phone-{at}"),
            )
            for at, seat in enumerate(_seats(booking))
        ),
    )


async def save(
    front: Front, booking: Booking, sheet: TripSheet, fields: PeopleFields
) -> list[Fault]:
    """Write who travels; the faults when the form cannot be taken as it is.

    Raises:
        NoSuchBooking, HoldExpired, BookingNotHeld, BoardingClosed.
    """
    faults = _missing(fields)
    if faults:
        return faults
    timezone = sheet.calls[booking.first_leg].timezone
    people = NewPeople(
        phone=with_country(fields.phone, timezone=timezone),
        email=fields.email or None,
        passengers=[_new(person, timezone) for person in fields.people],
    )

    async def work(conn: Conn) -> None:
        await put_passengers(
            conn,
            booking_id=booking.booking_id,
            holder_id=booking.holder_id,
            catalogue=front.catalogue,
            people=people,
            seal=front.seal,
        )

    try:
        await front.db.run(work, about=str(booking.trip_id))
    except ValidationFailed as refusal:
        return faults_of(refusal, _pointers(fields.people))
    return []


def _missing(fields: PeopleFields) -> list[Fault]:
    faults: list[Fault] = []
    if not fields.phone:
        faults.append(Fault("phone", "a phone number, so that we can reach you"))
    for person in fields.people:
        if not person.name:
            faults.append(Fault(f"name-{person.at}", f"who travels on seat {person.seat}"))
        if bool(person.kin_name) != bool(person.kin_phone):
            field = "kin-phone" if person.kin_name else "kin-name"
            faults.append(Fault(f"{field}-{person.at}", "give both name and phone, or neither"))
    return faults


def _new(person: PersonFields, timezone: str) -> NewPassenger:
    def phone(text: str) -> str | None:
        return with_country(text, timezone=timezone) if text else None

    return NewPassenger(
        label=person.seat,
        name=person.name,
        passenger_type=None,
        phone=phone(person.phone),
        id_type=person.id_type or None,
        id_number=person.id_number or None,
        kin_name=person.kin_name or None,
        kin_phone=phone(person.kin_phone),
    )


def _pointers(people: Sequence[PersonFields]) -> dict[str, str]:
    """Which field of the form each JSON pointer of the service means."""
    out = {"#/contact/phone": "phone", "#/contact/email": "email"}
    for person in people:
        head, at = f"#/passengers/{person.at}", person.at
        out |= {
            f"{head}/name": f"name-{at}",
            f"{head}/phone": f"phone-{at}",
            f"{head}/idType": f"id-type-{at}",
            f"{head}/idNumber": f"id-number-{at}",
            f"{head}/nextOfKin/name": f"kin-name-{at}",
            f"{head}/nextOfKin/phone": f"kin-phone-{at}",
        }
    return out


def _person(
    at: int,
    booking: Booking,
    seat: int,
    sheet: TripSheet,
    saved: Passenger | None,
    *,
    seal: Seal,
) -> PersonFields:
    label, kind = sheet.layout.seats[seat].label, _type(booking, seat)
    if saved is None:
        return PersonFields(at, label, kind, "")
    kin_name, kin_phone = "", ""
    if saved.next_of_kin is not None:
        opened = seal.open(saved.next_of_kin, bound_to=booking.booking_id.bytes)
        kin_name, _, kin_phone = opened.partition("\n")
    return PersonFields(
        at,
        label,
        kind,
        saved.name,
        saved.phone or "",
        saved.id_type or "",
        saved.id_number or "",
        kin_name,
        kin_phone,
    )


def _seats(booking: Booking) -> list[int]:
    """The seats that are still the booking's."""
    return [seat for seat in booking.seats if seat not in booking.cancelled_seats]


def _type(booking: Booking, seat: int) -> str:
    return booking.passenger_types[booking.seats.index(seat)]


def _phone(contact: Contact | None, account: Account | None) -> str:
    if contact is not None:
        return contact.phone
    return (account and account.phone) or ""


def _email(contact: Contact | None, account: Account | None) -> str:
    if contact is not None:
        return contact.email or ""
    return "" if account is None else account.email
