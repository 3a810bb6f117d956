"""The commands for operators and their agents; thin."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter, validators

from kiti.app import agents, operators
from kiti.cli.options import settings

operator = App(name="operator")
agent = App(name="agent")

PerMille = Annotated[int | None, Parameter(validator=validators.Number(gte=0, lte=1000))]
Amount = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=10**15))]


@operator.command
def policy(code: str, file: Path | None = None) -> int:
    """Show what an operator's passengers get back; with a file, set it.

    Parameters
    ----------
    code
        The operator's code.
    file
        JSON, `{"rules": [...]}`, as it is shown.
    """
    if file is None:
        return operators.show_policy(settings(), code=code)
    return operators.put_policy_of(settings(), code=code, file=file)


@operator.command
def rename(code: str, name: str) -> int:
    """Give an operator another name, also on tickets that are sold.

    Parameters
    ----------
    code
        The operator's code.
    name
        Its name from now on.
    """
    return operators.rename(settings(), code=code, name=name)


@operator.command
def commission(code: str, per_mille: PerMille = None) -> int:
    """Show the house's share of what an operator earns; with a number, set it.

    Parameters
    ----------
    code
        The operator's code.
    per_mille
        Thousandths: 75 is 7.5 %.
    """
    return operators.commission(settings(), code=code, per_mille=per_mille)


@agent.command(name="float")
def show_floats() -> int:
    """Show what each agent holds for us."""
    return agents.show_floats(settings())


@agent.command
def remit(*, agent: str, amount: Amount, currency: str) -> int:
    """Note that an agent paid cash in.

    Parameters
    ----------
    agent
        Its e-mail.
    amount
        Minor units: 50000 is 500 naira.
    currency
        ISO 4217.
    """
    return agents.remit(settings(), email=agent, amount_minor=amount, currency=currency.upper())
