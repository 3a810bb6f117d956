"""The invariants of this slice, on the live database."""

from kiti.ledger import store_audit
from kiti.platform.audit import Finding
from kiti.platform.db import Conn


async def audit(conn: Conn) -> list[Finding]:
    """Every entry or balance that breaks an invariant of the ledger; none when all hold."""
    return [
        *await store_audit.unbalanced_entries(conn),
        *await store_audit.wrong_balances(conn),
        *await store_audit.bad_reversals(conn),
    ]
