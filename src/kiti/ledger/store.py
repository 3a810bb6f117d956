"""The SQL of the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kiti.ledger.model import Entry, Line, Total
from kiti.platform.db import Conn, fetch_all, fetch_value


async def post_entries(
    conn: Conn, entries: Sequence[Entry], *, entry_ids: Sequence[UUID]
) -> list[UUID]:
    """Write entries under these ids; the ids of those that were not there yet.

    Locks: the balances that have a floor.
    """
    lines = [
        (place, number, posting)
        for place, entry in enumerate(entries, start=1)
        for number, posting in enumerate(entry.postings, start=1)
    ]
    return await fetch_value(
        conn,
        "SELECT post_entries_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        list(entry_ids),
        [entry.trip_id for entry in entries],
        [entry.source_type for entry in entries],
        [entry.source_id for entry in entries],
        [entry.purpose for entry in entries],
        [entry.currency for entry in entries],
        [entry.reverses for entry in entries],
        [place for place, _, _ in lines],
        [number for _, number, _ in lines],
        [posting.account.kind for _, _, posting in lines],
        [posting.account.owner for _, _, posting in lines],
        [posting.amount_minor for _, _, posting in lines],
    )


async def list_lines_of(conn: Conn, *, entry_id: UUID) -> list[Line]:
    """The lines of one entry, in order; none when there is no such entry."""
    return await fetch_all(
        conn,
        Line,
        """
        SELECT e.entry_id, e.trip_id, e.source_type, e.source_id, e.purpose, e.currency, e.reverses,
               e.occurred_at, p.line, p.kind, p.owner, p.amount_minor
        FROM ledger_entry AS e
        JOIN ledger_posting AS p ON p.entry_id = e.entry_id AND p.trip_id = e.trip_id
        WHERE e.entry_id = $1
        ORDER BY p.line
        LIMIT 1000
        """,
        entry_id,
    )


async def list_lines_by_cause(
    conn: Conn, *, source_type: str, source_id: UUID, purpose: str, trip_id: UUID
) -> list[Line]:
    """The lines of the entry of this source and purpose, in order; none when there is none."""
    return await fetch_all(
        conn,
        Line,
        """
        SELECT e.entry_id, e.trip_id, e.source_type, e.source_id, e.purpose, e.currency, e.reverses,
               e.occurred_at, p.line, p.kind, p.owner, p.amount_minor
        FROM ledger_entry AS e
        JOIN ledger_posting AS p ON p.entry_id = e.entry_id AND p.trip_id = e.trip_id
        WHERE e.source_type = $1 AND e.source_id = $2 AND e.purpose = $3 AND e.trip_id = $4
        ORDER BY p.line
        LIMIT 1000
        """,
        source_type,
        source_id,
        purpose,
        trip_id,
    )


async def lock_held(conn: Conn, *, kind: str, owner: str, currency: str) -> int:
    """What is owed in all on an account with a floor, not of one sale. Locks: the balance."""
    held = await fetch_value(
        conn,
        """
        SELECT balance_minor
        FROM ledger_balance
        WHERE kind = $1 AND owner = $2 AND currency = $3
          AND trip_id = '00000000-0000-0000-0000-000000000000'
        FOR NO KEY UPDATE
        """,
        kind,
        owner,
        currency,
    )
    return held or 0


async def sum_account(conn: Conn, *, kind: str, owner: str, currency: str) -> int:
    """Debits less credits of one account in one currency, minor units."""
    return await fetch_value(
        conn,
        """
        SELECT coalesce(sum(p.amount_minor), 0)::bigint
        FROM ledger_posting AS p
        JOIN ledger_entry AS e ON e.entry_id = p.entry_id AND e.trip_id = p.trip_id
        WHERE p.kind = $1 AND p.owner = $2 AND e.currency = $3
        """,
        kind,
        owner,
        currency,
    )


async def list_held(conn: Conn, *, kind: str, owner: str) -> list[Total]:
    """What one account with a floor holds, by currency; what holds nothing is left out."""
    return await fetch_all(
        conn,
        Total,
        """
        SELECT kind, currency, sum(balance_minor)::bigint AS amount_minor
        FROM ledger_balance
        WHERE kind = $1 AND owner = $2
        GROUP BY kind, currency
        HAVING sum(balance_minor) > 0
        ORDER BY currency
        """,
        kind,
        owner,
    )


@dataclass(frozen=True, slots=True)
class AccountRow:
    """What one account comes to: debits less credits, minor units."""

    owner: str
    currency: str
    amount_minor: int


async def list_accounts(conn: Conn, *, kind: str) -> list[AccountRow]:
    """What the accounts of one kind come to; those that come to nothing are left out."""
    return await fetch_all(
        conn,
        AccountRow,
        """
        SELECT p.owner, e.currency, sum(p.amount_minor)::bigint AS amount_minor
        FROM ledger_posting AS p
        JOIN ledger_entry AS e ON e.entry_id = p.entry_id AND e.trip_id = p.trip_id
        WHERE p.kind = $1
        GROUP BY p.owner, e.currency
        HAVING sum(p.amount_minor) <> 0
        ORDER BY p.owner, e.currency
        LIMIT 1000
        """,
        kind,
    )


async def list_statement(
    conn: Conn, *, kind: str, owner: str, currency: str, before: UUID | None, limit: int
) -> list[Line]:
    """The lines of one account, the newest entry first, from before an entry on."""
    return await fetch_all(
        conn,
        Line,
        """
        SELECT e.entry_id, e.trip_id, e.source_type, e.source_id, e.purpose, e.currency, e.reverses,
               e.occurred_at, p.line, p.kind, p.owner, p.amount_minor
        FROM ledger_posting AS p
        JOIN ledger_entry AS e ON e.entry_id = p.entry_id AND e.trip_id = p.trip_id
        WHERE p.kind = $1 AND p.owner = $2 AND e.currency = $3
          AND ($4::uuid IS NULL OR p.entry_id < $4)
        ORDER BY p.entry_id DESC, p.line
        LIMIT $5
        """,
        kind,
        owner,
        currency,
        before,
        limit,
    )


async def list_totals(conn: Conn) -> list[Total]:
    """What the accounts of each kind come to, by currency."""
    return await fetch_all(
        conn,
        Total,
        """
        SELECT p.kind, e.currency, sum(p.amount_minor)::bigint AS amount_minor
        FROM ledger_posting AS p
        JOIN ledger_entry AS e ON e.entry_id = p.entry_id AND e.trip_id = p.trip_id
        GROUP BY p.kind, e.currency
        ORDER BY e.currency, p.kind
        """,
    )


async def list_journal(
    conn: Conn, *, after: tuple[datetime, UUID] | None, until: datetime, limit: int
) -> list[Line]:
    """The lines of the next `limit` entries before an instant, in the order they were posted."""
    at, entry_id = after or (None, None)
    return await fetch_all(
        conn,
        Line,
        """
        SELECT e.entry_id, e.trip_id, e.source_type, e.source_id, e.purpose, e.currency, e.reverses,
               e.occurred_at, p.line, p.kind, p.owner, p.amount_minor
        FROM (
          SELECT entry_id, trip_id, source_type, source_id, purpose, currency, reverses, occurred_at
          FROM ledger_entry
          WHERE occurred_at < $3
            AND ($1::timestamptz IS NULL OR (occurred_at, entry_id) > ($1, $2::uuid))
          ORDER BY occurred_at, entry_id
          LIMIT $4
        ) AS e
        JOIN ledger_posting AS p ON p.entry_id = e.entry_id AND p.trip_id = e.trip_id
        ORDER BY e.occurred_at, e.entry_id, p.line
        """,
        at,
        entry_id,
        until,
        limit,
    )
