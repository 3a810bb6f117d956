"""`kiti ledger`: what the books hold, and their journal."""

import json
import sys
from itertools import groupby
from typing import TextIO

from kiti.app.database import on_database
from kiti.config import Settings
from kiti.ledger.journal import export_journal
from kiti.ledger.model import Account, Kind, Line, Total
from kiti.ledger.service import balance, statement, trial_balance
from kiti.platform.clock import utc_now
from kiti.platform.db import Database
from kiti.platform.money import Money


def print_balances(settings: Settings, *, is_json: bool) -> int:
    """What the accounts of each kind come to, by currency; debits are positive.

    1 when a currency does not sum to zero.
    """

    async def work(db: Database) -> list[Total]:
        async with db.connection() as conn:
            return await trial_balance(conn)

    totals = on_database(settings, work)
    sums = {
        currency: sum(total.amount_minor for total in of_one)
        for currency, of_one in groupby(totals, key=lambda total: total.currency)
    }
    if is_json:
        items = [
            {"account": total.kind, "currency": total.currency, "amount": total.amount_minor}
            for total in totals
        ]
        sys.stdout.write(json.dumps({"items": items}) + "\n")
    else:
        for total in totals:
            sys.stdout.write(_row(total.kind, total.amount_minor, total.currency))
        for currency, amount in sums.items():
            sys.stdout.write(_row("in all", amount, currency))
    return 1 if any(sums.values()) else 0


def print_statement(
    settings: Settings, *, kind: Kind, owner: str, currency: str, limit: int
) -> int:
    """The newest lines of one account and what it holds."""
    account = Account(kind, owner)

    async def work(db: Database) -> tuple[list[Line], int]:
        async with db.connection() as conn:
            lines = await statement(conn, account, currency=currency, limit=limit)
            return lines, await balance(conn, account, currency=currency)

    lines, held = on_database(settings, work)
    for line in lines:
        what = f"{line.occurred_at:%Y-%m-%d %H:%M:%S} {line.source_type} {line.purpose}"
        sys.stdout.write(_row(f"{what} {line.source_id}", line.amount_minor, currency))
    sys.stdout.write(_row("balance", held, currency))
    return 0


def print_journal(settings: Settings, out: TextIO) -> int:
    """The whole ledger as a journal of beancount, in one snapshot."""

    async def work(db: Database) -> None:
        async with (
            db.connection() as conn,
            conn.transaction(isolation="repeatable_read", readonly=True),
        ):
            async for piece in export_journal(conn, until=utc_now()):
                out.write(piece)

    on_database(settings, work)
    return 0


def _row(name: str, amount_minor: int, currency: str) -> str:
    return f"{name:<80} {Money(amount_minor, currency).to_major():>20,} {currency}\n"
