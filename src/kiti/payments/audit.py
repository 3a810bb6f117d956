"""The invariants of this slice, on the live database."""

from kiti.payments import store_audit, store_disputes
from kiti.platform.audit import Finding
from kiti.platform.db import Conn


async def audit(conn: Conn) -> list[Finding]:
    """Every row that breaks an invariant of payments, refunds or events; none when all hold."""
    return [
        *await store_audit.unused_money(conn),
        *await store_audit.wrong_refund_sums(conn),
        *await store_audit.unreceived_successes(conn),
        *await store_audit.double_uses(conn),
        *await store_audit.double_checkouts(conn),
        *await store_audit.overdue_payments(conn),
        *await store_audit.unwatched_payments(conn),
        *await store_audit.stuck_refunds(conn),
        *await store_audit.wrongly_given(conn),
        *await store_audit.lost_refunds(conn),
        *await store_audit.stuck_events(conn),
        *await store_disputes.unsettled_disputes(conn),
        *await store_disputes.refunds_of_disputed(conn),
    ]
