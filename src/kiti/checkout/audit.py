"""The invariants across bookings and payments, on the live database."""

from kiti.checkout import store_audit
from kiti.platform.audit import Finding
from kiti.platform.db import Conn


async def audit(conn: Conn) -> list[Finding]:
    """Every booking whose money is not what it should be; none when all is well."""
    return [
        *await store_audit.wrongly_paid_bookings(conn),
        *await store_audit.unbooked_receipts(conn),
        *await store_audit.misbooked_refunds(conn),
        *await store_audit.money_in_suspense(conn),
        *await store_audit.misbooked_funds(conn),
        *await store_audit.unearned_departures(conn),
        *await store_audit.misbooked_cancellations(conn),
        *await store_audit.unfinished_cancellations(conn),
        *await store_audit.bookings_of_cancelled_trips(conn),
        *await store_audit.unrefunded_cancellations(conn),
    ]
