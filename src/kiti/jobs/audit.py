"""The invariant of this slice, on the live database."""

from kiti.jobs import store_audit
from kiti.platform.audit import Finding
from kiti.platform.db import Conn


async def audit(conn: Conn) -> list[Finding]:
    """Every job that is stuck past its lease; none when all is well."""
    return [*await store_audit.stuck_jobs(conn), *await store_audit.stuck_named_jobs(conn)]
