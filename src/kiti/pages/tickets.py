"""Tickets as pages show them."""

import re
from dataclasses import dataclass
from typing import Final

from kiti.booking.model import Booking
from kiti.booking.service import list_tickets
from kiti.pages.front import Front
from kiti.platform.db import Conn

_SIZE: Final = re.compile(r'<svg viewBox="0 0 (\d+) ')
_PATH: Final = re.compile(r'<path d="([0-9MmHhVvZz .-]+)"')


@dataclass(frozen=True, slots=True)
class Qr:
    """A QR code as one path in a square of `size` units, quiet zone and all."""

    size: int
    path: str


@dataclass(frozen=True, slots=True)
class TicketView:
    """One ticket: what people read of it, and what a scanner does."""

    number: str
    seat: str
    seat_class: str
    passenger_type: str
    passenger: str | None
    is_valid: bool
    qr: Qr


async def tickets_of(conn: Conn, front: Front, booking: Booking) -> list[TicketView]:
    """The booking's tickets in the order of their numbers."""
    found = await list_tickets(conn, booking_ids=[booking.booking_id])
    out: list[TicketView] = []
    for ticket in found[booking.booking_id]:
        shown = await front.tickets.show(conn, ticket, booking)
        out.append(
            TicketView(
                shown.number,
                shown.seat_number,
                shown.seat_class,
                shown.passenger_type,
                shown.passenger_name,
                shown.status == "VALID",
                qr_of(shown.qr),
            )
        )
    return out


def qr_of(svg: str) -> Qr:
    """The code in an SVG of `qr_svg`, taken out so that a page has no markup but its own.

    Several of those on one page would have the same ids.
    """
    size, path = _SIZE.search(svg), _PATH.search(svg)
    assert size is not None, "a QR code has a size"  # noqa: S101 (ours; a test reads it back)
    assert path is not None, "a QR code has a path"  # noqa: S101
    return Qr(int(size[1]), path[1])
