"""The SQL of this slice's invariant: no job is stuck past its lease.

A lease that has just run out is taken over within seconds, so only one that nobody took for longer
counts; with no worker running at all, everything waits and nothing is stuck.
"""

from kiti.platform.audit import Finding
from kiti.platform.db import Conn, fetch_all


async def stuck_jobs(conn: Conn) -> list[Finding]:
    """Jobs of the queue whose lease ended five minutes ago while other jobs were taken."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'no job is stuck past its lease' AS invariant,
               'job ' || j.job_id || ' of kind ' || j.kind AS subject
        FROM job AS j
        WHERE j.lease_id IS NOT NULL AND j.run_at < now() - interval '5 minutes'
          AND EXISTS (SELECT 1 FROM job AS o
                      WHERE o.lease_id IS NOT NULL AND o.run_at > now())
        LIMIT 100
        """,
    )


async def stuck_named_jobs(conn: Conn) -> list[Finding]:
    """Named jobs whose lease ended five minutes ago while others run by their schedule."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'no job is stuck past its lease' AS invariant, 'named job ' || j.name AS subject
        FROM named_job AS j
        WHERE j.leased_until < now() - interval '5 minutes'
          AND EXISTS (SELECT 1 FROM named_job AS o
                      WHERE o.done_at > now() - interval '1 minute')
        LIMIT 100
        """,
    )
