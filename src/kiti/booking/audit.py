"""The invariants of this slice, on the live database."""

from kiti.booking import store_audit
from kiti.platform.audit import Finding
from kiti.platform.db import Conn


async def audit(conn: Conn) -> list[Finding]:
    """Every row that breaks an invariant of seats, bookings or tickets; none when all hold."""
    return [
        *await store_audit.overlapping_bookings(conn),
        *await store_audit.wrong_bitmaps(conn),
        *await store_audit.wrong_sold_rows(conn),
        *await store_audit.wrong_tickets(conn),
        *await store_audit.wrong_references(conn),
    ]
