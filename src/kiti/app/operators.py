"""`kiti operator`: its name, what it gives back, and what the house earns of it."""

import sys
from pathlib import Path

from kiti.app.database import on_database
from kiti.config import Settings
from kiti.fares.policies import has_policy, policy_of, put_policy
from kiti.fares.refund_policy import parse_policy
from kiti.network.operators import get_operator, rename_operator, set_commission
from kiti.platform.db import Conn, Database


def show_policy(settings: Settings, *, code: str) -> int:
    """Print an operator's refund policy as it stands, as JSON that can be set again.

    Raises:
        NoSuchOperator.
    """

    async def work(db: Database) -> tuple[str, bool]:
        async with db.connection() as conn:
            operator = await get_operator(conn, code=code)
            policy = await policy_of(conn, operator_id=operator.operator_id)
            is_own = await has_policy(conn, operator_id=operator.operator_id)
        return policy.model_dump_json(exclude_defaults=True, indent=2), is_own

    text, is_own = on_database(settings, work)
    if not is_own:
        sys.stderr.write("kiti: it has set none: the default holds\n")
    sys.stdout.write(f"{text}\n")
    return 0


def put_policy_of(settings: Settings, *, code: str, file: Path) -> int:
    """Set an operator's refund policy for every offer from now on.

    Raises:
        NoSuchOperator.
        RefundPolicyInvalid: with where and what.
    """
    policy = parse_policy(file.read_text(encoding="utf-8"))

    async def set_it(conn: Conn) -> int:
        operator = await get_operator(conn, code=code)
        return await put_policy(conn, operator_id=operator.operator_id, policy=policy)

    async def work(db: Database) -> int:
        return await db.run(set_it)

    version = on_database(settings, work)
    sys.stdout.write(f"version {version} holds from now on\n")
    return 0


def rename(settings: Settings, *, code: str, name: str) -> int:
    """Give an operator another name.

    Raises:
        NoSuchOperator, ValidationFailed.
    """

    async def change(conn: Conn) -> str:
        operator = await get_operator(conn, code=code)
        await rename_operator(conn, operator_id=operator.operator_id, name=name)
        return operator.name

    async def work(db: Database) -> str:
        return await db.run(change)

    before = on_database(settings, work)
    sys.stdout.write(f"{before} is {name.strip()} now, on tickets too: tell who has booked\n")
    return 0


def commission(settings: Settings, *, code: str, per_mille: int | None) -> int:
    """Print, or set, the house's share of what an operator earns.

    Raises:
        NoSuchOperator, ValidationFailed.
    """

    async def change(conn: Conn) -> int:
        operator = await get_operator(conn, code=code)
        if per_mille is not None:
            await set_commission(conn, operator_id=operator.operator_id, per_mille=per_mille)
        return operator.commission_per_mille if per_mille is None else per_mille

    async def work(db: Database) -> int:
        return await db.run(change)

    share = on_database(settings, work)
    sys.stdout.write(f"{share} of 1000, of what leaves from now on\n")
    return 0
