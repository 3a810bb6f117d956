"""Refund policies kept for operators."""

from uuid import UUID

from kiti.fares import store_policy as store
from kiti.fares.refund_policy import DEFAULT, Policy, parse_policy
from kiti.platform.db import Conn
from kiti.platform.errors import DatabaseUnavailable


async def policy_of(conn: Conn, *, operator_id: UUID) -> Policy:
    """The operator's policy as it stands; the default when it has set none."""
    text = await store.find_policy(conn, operator_id=operator_id)
    return DEFAULT if text is None else parse_policy(text)


async def has_policy(conn: Conn, *, operator_id: UUID) -> bool:
    """Whether the operator has set a policy of its own."""
    return await store.find_policy(conn, operator_id=operator_id) is not None


async def put_policy(conn: Conn, *, operator_id: UUID, policy: Policy) -> int:
    """Set an operator's policy for every offer from now on; its version.

    Offers that were given before stand until their end.

    Raises:
        DatabaseUnavailable: another was set at the same time; look, and set it again.
    """
    text = policy.model_dump_json(exclude_defaults=True)
    version = await store.insert_policy(conn, operator_id=operator_id, text=text)
    if version is None:
        raise DatabaseUnavailable(retry_after_s=1)
    return version
