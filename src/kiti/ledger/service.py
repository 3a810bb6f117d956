"""Use cases of the ledger: post, reverse, and read what accounts hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from kiti.ledger import store
from kiti.ledger.model import Account, BelowFloor, Entry, Kind, Line, NoSuchEntry, Posting, Total
from kiti.platform.db import Conn
from kiti.platform.ids import new_id
from kiti.platform.money import Money

_FLOOR = "ledger_balance_floor_check"


@dataclass(frozen=True, slots=True)
class Held:
    """What one owner's account holds."""

    owner: str
    money: Money


async def post(conn: Conn, entries: Sequence[Entry]) -> int:
    """Post entries in the caller's transaction, with the state they record; how many are new.

    An entry of the same source and purpose that is there already stays as it is, so that what is
    done again changes nothing.

    Raises:
        BelowFloor: an account would owe less than nothing; the transaction is lost with it.
    Locks: the balances of what is owed to somebody.
    """
    if not entries:
        return 0
    try:
        new = await store.post_entries(conn, entries, entry_ids=[new_id() for _ in entries])
    except asyncpg.CheckViolationError as error:
        if getattr(error, "constraint_name", None) == _FLOOR:
            raise BelowFloor from error
        raise
    return len(new)


async def reverse(conn: Conn, *, entry_id: UUID) -> int:
    """Undo an entry by its opposite, once; 0 when it was undone already.

    Raises:
        NoSuchEntry.
        BelowFloor: what it gave has been used.
    """
    lines = await store.list_lines_of(conn, entry_id=entry_id)
    if not lines:
        raise NoSuchEntry
    entry = lines[0]
    opposite = Entry(
        "entry",
        entry_id,
        "reversed",
        entry.currency,
        tuple(Posting(Account(Kind(line.kind), line.owner), -line.amount_minor) for line in lines),
        entry.trip_id,
        reverses=entry_id,
    )
    return await post(conn, [opposite])


async def balance(conn: Conn, account: Account, *, currency: str) -> int:
    """What an account holds, minor units on its own side: an asset's debits, a debt's credits."""
    total = await store.sum_account(conn, kind=account.kind, owner=account.owner, currency=currency)
    return total if account.kind.side in {"asset", "expense"} else -total


async def lock_held(conn: Conn, account: Account, *, currency: str) -> int:
    """What an account with a floor holds, which nobody else changes until the transaction ends.

    Of those that an operator or a holder has in all, not of the money of one sale.

    Locks: the balance.
    """
    return await store.lock_held(conn, kind=account.kind, owner=account.owner, currency=currency)


async def list_lines_by_cause(
    conn: Conn, *, source_type: str, source_id: UUID, purpose: str, trip_id: UUID
) -> list[Line]:
    """The lines of the entry that has this source and purpose; none when it was not posted."""
    return await store.list_lines_by_cause(
        conn, source_type=source_type, source_id=source_id, purpose=purpose, trip_id=trip_id
    )


async def list_held(conn: Conn, account: Account) -> list[Money]:
    """What an account with a floor holds, in each currency that it has any of."""
    rows = await store.list_held(conn, kind=account.kind, owner=account.owner)
    return [Money(row.amount_minor, row.currency) for row in rows]


async def list_accounts(conn: Conn, kind: Kind) -> list[Held]:
    """What each account of a kind holds, on its own side; what holds nothing is left out.

    A thousand at most.
    """
    rows = await store.list_accounts(conn, kind=kind)
    sign = 1 if kind.side in {"asset", "expense"} else -1
    return [Held(row.owner, Money(sign * row.amount_minor, row.currency)) for row in rows]


async def statement(
    conn: Conn, account: Account, *, currency: str, before: UUID | None = None, limit: int = 100
) -> list[Line]:
    """The lines of an account, the newest first; `before`: those older than this entry."""
    return await store.list_statement(
        conn, kind=account.kind, owner=account.owner, currency=currency, before=before, limit=limit
    )


async def trial_balance(conn: Conn) -> list[Total]:
    """What the accounts of each kind come to; of each currency the sum is zero."""
    return await store.list_totals(conn)
