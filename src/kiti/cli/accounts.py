"""The commands for accounts; thin."""

import sys
from uuid import UUID

from cyclopts import App

from kiti.app import accounts
from kiti.cli.options import Flag, settings
from kiti.identity.model import Role

user = App(name="user")


@user.command
def create(
    *,
    email: str,
    role: Role,
    operator: UUID | None = None,
    password_stdin: Flag = False,
) -> int:
    """Make an account; without --password-stdin with a random password, printed once."""
    password = sys.stdin.readline().rstrip("\n") if password_stdin else None
    return accounts.create(
        settings(), email=email, role=role, operator_id=operator, password=password
    )
