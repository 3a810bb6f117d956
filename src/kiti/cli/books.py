"""The commands for the books; thin."""

import sys
from typing import Annotated

from cyclopts import App, Parameter, validators

from kiti.app import books
from kiti.cli.options import AsJson, settings
from kiti.ledger.model import Kind

ledger = App(name="ledger")


@ledger.command
def balances(*, json: AsJson = False) -> int:
    """What the accounts of each kind come to; 1 when they do not sum to zero."""
    return books.print_balances(settings(), is_json=json)


@ledger.command(name="statement")
def show_statement(
    account: Kind,
    *,
    owner: str = "",
    currency: str,
    limit: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=10000))] = 50,
) -> int:
    """The newest lines of an account, and what it holds.

    Parameters
    ----------
    account
        Its kind, as `ledger balances` names it.
    owner
        A gateway's name, or the id of an operator, booking or refund.
    currency
        ISO 4217.
    limit
        How many lines.
    """
    return books.print_statement(
        settings(), kind=account, owner=owner, currency=currency.upper(), limit=limit
    )


@ledger.command
def export() -> int:
    """The whole ledger as a beancount journal, on stdout."""
    return books.print_journal(settings(), sys.stdout)
