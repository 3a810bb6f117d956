"""The books as a journal that beancount reads: an independent check of what we say they hold.

Every entry becomes a transaction with its lines in major units; at the end stands a `balance`
directive for each account, so that `bean-check` adds the books up by itself and compares.
"""

from collections import defaultdict
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

from kiti.ledger import store
from kiti.ledger.model import Kind, Line
from kiti.platform.db import Conn
from kiti.platform.money import Money

PAGE: Final = 1000
_ROOTS: Final = {
    "asset": "Assets",
    "liability": "Liabilities",
    "revenue": "Income",
    "expense": "Expenses",
}


def account_name(kind: str, owner: str) -> str:
    """The account as beancount writes it: `Assets:Gateway-Clearing:Flutterwave`."""
    words = [_ROOTS[Kind(kind).side], kind.replace("_", "-").title()]
    if owner:
        plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in owner).strip("-")
        words.append(plain[:1].upper() + plain[1:] if plain else "X")
    return ":".join(words)


async def export_journal(conn: Conn, *, until: datetime) -> AsyncGenerator[str]:
    """The journal of everything posted before `until`, a piece of text at a time.

    Accounts are opened with their first line. Dates are in UTC. Memory is bounded by the number of
    accounts, not of entries; the caller holds one snapshot while it reads.
    """
    yield 'option "title" "Kiti"\n'
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    opened: set[str] = set()
    after = None
    while lines := await store.list_journal(conn, after=after, until=until, limit=PAGE):
        for _, of_entry in groupby(lines, key=lambda line: line.entry_id):
            entry = list(of_entry)
            yield _opens(entry, opened) + _transaction(entry)
            for line in entry:
                sums[account_name(line.kind, line.owner), line.currency] += line.amount_minor
        after = lines[-1].occurred_at, lines[-1].entry_id
    end = until.astimezone(UTC).date() + timedelta(days=1)
    for (account, currency), minor in sorted(sums.items()):
        yield f"{end} balance {account}  {Money(minor, currency).to_major()} {currency}\n"


def _opens(entry: list[Line], opened: set[str]) -> str:
    names = dict.fromkeys(account_name(line.kind, line.owner) for line in entry)
    fresh = [name for name in names if name not in opened]
    opened.update(fresh)
    day = entry[0].occurred_at.astimezone(UTC).date()
    return "".join(f"{day} open {name}\n" for name in fresh)


def _transaction(entry: list[Line]) -> str:
    head = entry[0]
    day = head.occurred_at.astimezone(UTC).date()
    out = [f'{day} * "{head.source_type} {head.purpose}"', f'  entry: "{head.entry_id}"']
    out.append(f'  source: "{head.source_id}"')
    if head.reverses is not None:
        out.append(f'  reverses: "{head.reverses}"')
    for line in entry:
        amount = Money(line.amount_minor, line.currency).to_major()
        out.append(f"  {account_name(line.kind, line.owner)}  {amount} {line.currency}")
    return "\n".join(out) + "\n"
