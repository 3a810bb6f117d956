"""The SQL of this slice's invariants: each returns what breaks it."""

from kiti.platform.audit import Finding
from kiti.platform.db import Conn, fetch_all


async def unbalanced_entries(conn: Conn) -> list[Finding]:
    """Invariant 3: the lines of each entry are all there and sum to zero."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'an entry of the ledger sums to zero' AS invariant, 'entry ' || e.entry_id AS subject
        FROM ledger_entry AS e
        LEFT JOIN ledger_posting AS p ON p.entry_id = e.entry_id AND p.trip_id = e.trip_id
        GROUP BY e.entry_id, e.trip_id
        HAVING coalesce(sum(p.amount_minor), 0) <> 0 OR count(p.line) <> e.lines
        ORDER BY e.entry_id
        LIMIT 100
        """,
    )


async def wrong_balances(conn: Conn) -> list[Finding]:
    """Invariant 3: what a floored account is said to hold is the sum of its lines."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'a balance is the sum of its lines' AS invariant,
               coalesce(b.kind, s.kind) || ' ' || coalesce(b.owner, s.owner) AS subject
        FROM (
          SELECT kind, owner, currency, sum(balance_minor) AS minor
          FROM ledger_balance
          GROUP BY kind, owner, currency
        ) AS b
        FULL JOIN (
          SELECT p.kind, p.owner, e.currency, -sum(p.amount_minor) AS minor
          FROM ledger_posting AS p
          JOIN ledger_entry AS e ON e.entry_id = p.entry_id AND e.trip_id = p.trip_id
          WHERE p.kind IN ('passenger_funds', 'suspense', 'refunds_payable', 'passenger_credit',
                           'operator_payable', 'operator_reserve', 'payout_transit')
          GROUP BY p.kind, p.owner, e.currency
        ) AS s ON s.kind = b.kind AND s.owner = b.owner AND s.currency = b.currency
        WHERE coalesce(b.minor, 0) <> coalesce(s.minor, 0)
        ORDER BY subject
        LIMIT 100
        """,
    )


async def bad_reversals(conn: Conn) -> list[Finding]:
    """Invariant 3: a reversal is the exact opposite of what it reverses."""
    return await fetch_all(
        conn,
        Finding,
        """
        SELECT 'a reversal is the opposite of its entry' AS invariant,
               'entry ' || r.entry_id AS subject
        FROM ledger_entry AS r
        JOIN ledger_entry AS e ON e.entry_id = r.reverses AND e.trip_id = r.trip_id
        WHERE e.currency <> r.currency OR EXISTS (
          SELECT 1
          FROM (
            SELECT kind, owner, amount_minor FROM ledger_posting
            WHERE entry_id = e.entry_id AND trip_id = e.trip_id
            UNION ALL
            SELECT kind, owner, amount_minor FROM ledger_posting
            WHERE entry_id = r.entry_id AND trip_id = r.trip_id
          ) AS p
          GROUP BY p.kind, p.owner
          HAVING sum(p.amount_minor) <> 0)
        ORDER BY r.entry_id
        LIMIT 100
        """,
    )
