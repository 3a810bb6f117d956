"""`kiti user create`, and the accounts of the demo."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from kiti.app.database import database, make_schema_ready
from kiti.config import Settings
from kiti.identity.model import DEMO_PASSWORD, OPERATOR_ROLES, Grant, Role
from kiti.identity.passwords import Passwords, random_password
from kiti.identity.service import create_account, find_account_by_email, prepare_account
from kiti.network.search import SearchWords
from kiti.platform.db import Database, connect
from kiti.platform.errors import ValidationFailed

DEMO_ACCOUNTS: Final = (
    ("passenger@kiti.example", "Ada Passenger", Role.PASSENGER),
    ("agent@kiti.example", "Kofi Agent", Role.AGENT),
    ("operator@kiti.example", "Wanjiru Operator", Role.OPERATOR_ADMIN),
    ("finance@kiti.example", "Amina Finance", Role.FINANCE),
    ("admin@kiti.example", "Juma Admin", Role.PLATFORM_ADMIN),
)


def create(
    settings: Settings, *, email: str, role: Role, operator_id: UUID | None, password: str | None
) -> int:
    """Make an account and print its id, and its password when that was made up here.

    Raises:
        ValidationFailed: a field is wrong, or the e-mail is taken.
    """
    chosen = password if password is not None else random_password()

    async def work(dsn: str) -> UUID:
        db = await connect(dsn, size=1)
        passwords = Passwords.of(settings)
        try:
            return await _make(db, passwords, email, chosen, Grant(role, operator_id))
        finally:
            passwords.close()
            await db.close()

    with database(settings) as (dsn, _):
        make_schema_ready(settings, dsn)
        account_id = asyncio.run(work(dsn))
    sys.stdout.write(f"account {account_id}\n")
    if password is None:
        sys.stdout.write(f"password {chosen}\n")
    return 0


async def _make(
    db: Database, passwords: Passwords, email: str, password: str, grant: Grant
) -> UUID:
    await _check_operator(db, grant)
    name = email.partition("@")[0] or "?"
    new = await prepare_account(
        passwords, email=email, name=name, password=password, grants=(grant,)
    )
    async with db.transaction() as conn:
        return (await create_account(conn, new)).account_id


async def _check_operator(db: Database, grant: Grant) -> None:
    """Refuse a role at an operator that there is not, or a role of an operator's at none."""
    message = None
    if grant.role not in OPERATOR_ROLES:
        if grant.operator_id is not None:
            message = f"a {grant.role} belongs to no operator"
    elif grant.operator_id is None:
        message = f"a {grant.role} needs --operator ID"
    else:
        async with db.connection() as conn:
            if not await SearchWords().operators(conn, [grant.operator_id]):
                message = "there is no such operator"
    if message is not None:
        raise ValidationFailed(errors=[{"pointer": "#/operator", "message": message}])


async def put_demo_accounts(
    db: Database, passwords: Passwords, *, operator_ids: Sequence[UUID]
) -> None:
    """Make the demo's accounts that are missing; staff belong to the demo's first operator."""
    operator_id = operator_ids[0] if operator_ids else None
    for email, name, role in DEMO_ACCOUNTS:
        async with db.connection() as conn:
            if await find_account_by_email(conn, email) is not None:
                continue
        grant = Grant(role, operator_id if role in OPERATOR_ROLES else None)
        new = await prepare_account(
            passwords, email=email, name=name, password=DEMO_PASSWORD, grants=(grant,)
        )
        async with db.transaction() as conn:
            await create_account(conn, new)
