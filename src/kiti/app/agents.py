"""`kiti agent`: the cash that agents took for us, and its paying in."""

import sys
from uuid import UUID

from kiti.app.database import on_database
from kiti.config import Settings
from kiti.identity.service import find_account, find_account_by_email
from kiti.ledger import postings
from kiti.ledger.model import Kind
from kiti.ledger.service import Held, balance, list_accounts, post
from kiti.platform.db import Conn, Database
from kiti.platform.errors import ValidationFailed
from kiti.platform.ids import new_id
from kiti.platform.money import Money


def show_floats(settings: Settings) -> int:
    """What each agent holds for us; below zero: it handed out more than it took."""

    async def work(db: Database) -> list[tuple[str, Held]]:
        async with db.connection() as conn:
            held = await list_accounts(conn, Kind.AGENT_FLOAT)
            return [(await _name(conn, each.owner), each) for each in held]

    for name, held in on_database(settings, work):
        sys.stdout.write(f"{name:<60} {_text(held.money)}\n")
    return 0


async def _name(conn: Conn, owner: str) -> str:
    account = await find_account(conn, UUID(owner))
    return owner if account is None else account.email


def remit(settings: Settings, *, email: str, amount_minor: int, currency: str) -> int:
    """Note that an agent paid cash in, to the bank.

    Raises:
        ValidationFailed: there is no such account, or it holds less than that.
    """

    async def take(conn: Conn) -> Money:
        account = await find_account_by_email(conn, email)
        if account is None:
            raise _wrong("agent", "there is no account of this e-mail")
        held = await balance(conn, postings.agent_float(account.account_id), currency=currency)
        if not 0 < amount_minor <= held:
            raise _wrong("amount", f"it holds {_text(Money(held, currency))}")
        entry = postings.remitted(
            remittance_id=new_id(),
            agent_id=account.account_id,
            currency=currency,
            amount_minor=amount_minor,
        )
        await post(conn, [entry])
        return Money(held - amount_minor, currency)

    async def work(db: Database) -> Money:
        return await db.run(take)

    sys.stdout.write(f"paid in; it still holds {_text(on_database(settings, work))}\n")
    return 0


def _wrong(field: str, message: str) -> ValidationFailed:
    return ValidationFailed(errors=[{"pointer": f"#/{field}", "message": message}])


def _text(money: Money) -> str:
    return f"{money.to_major():>20,} {money.currency}".strip()
