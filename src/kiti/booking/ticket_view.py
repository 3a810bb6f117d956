"""A ticket as its holder sees it: who may, and everything it shows."""

from datetime import datetime
from uuid import UUID

from kiti.booking import store_people
from kiti.booking.model import Booking, Ticket
from kiti.booking.schemas import CallOut, TicketOut
from kiti.booking.service import find_booking, find_ticket, sheet_of
from kiti.booking.tickets import TicketFacts, TicketSigner, qr_svg
from kiti.network.model import Call
from kiti.network.service import Catalogue
from kiti.platform.db import Conn
from kiti.platform.secrets import constant_time_equal


class TicketDesk:
    """Shows tickets: knows the trips, and signs."""

    def __init__(self, catalogue: Catalogue, signer: TicketSigner) -> None:
        self._catalogue = catalogue
        self._signer = signer

    async def find(
        self, conn: Conn, *, ticket_id: UUID, holder_id: UUID | None, code: str | None
    ) -> TicketOut | None:
        """The ticket, for its booking's holder or for its code; None for anybody else."""
        ticket = await find_ticket(conn, ticket_id=ticket_id)
        if ticket is None:
            return None
        if code is not None and not constant_time_equal(code.strip().upper(), ticket.code):
            return None
        booking = await find_booking(conn, booking_id=ticket.booking_id)
        if booking is None or (code is None and booking.holder_id != holder_id):
            return None
        return await self.show(conn, ticket, booking)

    async def show(self, conn: Conn, ticket: Ticket, booking: Booking) -> TicketOut:
        """Everything a ticket shows; whoever may see it is decided before."""
        sheet = await sheet_of(conn, self._catalogue, booking)
        people = await store_people.list_passengers(conn, booking_id=booking.booking_id)
        names = {person.seat: person.name for person in people}
        token = self._signer.sign(
            TicketFacts(
                ticket.ticket_id,
                ticket.trip_id,
                ticket.seat,
                booking.first_leg,
                booking.last_leg,
            )
        )
        board, leave = sheet.calls[booking.first_leg], sheet.calls[booking.last_leg]
        seat = sheet.layout.seats[ticket.seat]
        return TicketOut(
            id=ticket.ticket_id,
            number=ticket.number,
            status="VALID" if ticket.status == "valid" else "CANCELLED",
            booking_id=booking.booking_id,
            reference=booking.reference,
            trip_id=booking.trip_id,
            operator=sheet.operator_name,
            seat_number=seat.label,
            seat_class=seat.seat_class,
            passenger_type=booking.passenger_types[booking.seats.index(ticket.seat)],
            passenger_name=names.get(ticket.seat),
            from_call=_call(board, board.departs_at, board.local_departure),
            to_call=_call(leave, leave.arrives_at, leave.local_arrival),
            token=token,
            qr=qr_svg(token),
        )


def _call(call: Call, at: datetime, local: datetime) -> CallOut:
    return CallOut(
        stop_id=call.stop_id, name=call.name, at=at, local_time=local.isoformat(timespec="seconds")
    )
