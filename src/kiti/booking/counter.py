"""Where seats are sold: what the routes and pages of this slice need."""

from dataclasses import dataclass

from kiti.booking.sales import Sales
from kiti.booking.ticket_view import TicketDesk
from kiti.identity.parts import Identity
from kiti.platform.db import Database


@dataclass(frozen=True, slots=True)
class Counter:
    """Holds and tickets on one database, for callers that identity knows."""

    db: Database
    identity: Identity
    sales: Sales
    tickets: TicketDesk
    hold_minutes_max: int
