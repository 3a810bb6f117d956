"""SQL of single operators."""

from dataclasses import dataclass
from uuid import UUID

from kiti.platform.db import Conn, execute, fetch_optional


@dataclass(frozen=True, slots=True)
class Operator:
    """Who runs trips. `commission_per_mille`: the house's share of what they earn, thousandths."""

    operator_id: UUID
    code: str
    name: str
    commission_per_mille: int


async def find_operator(conn: Conn, *, code: str) -> Operator | None:
    """The operator of this code."""
    return await fetch_optional(
        conn,
        Operator,
        """
        SELECT operator_id, code, name, commission_per_mille FROM operator WHERE code = $1
        """,
        code,
    )


async def find_operator_of_trip(conn: Conn, *, trip_id: UUID) -> Operator | None:
    """The operator who runs this trip."""
    return await fetch_optional(
        conn,
        Operator,
        """
        SELECT o.operator_id, o.code, o.name, o.commission_per_mille
        FROM trip AS t
        JOIN operator AS o ON o.operator_id = t.operator_id
        WHERE t.trip_id = $1
        """,
        trip_id,
    )


async def update_name(conn: Conn, *, operator_id: UUID, name: str) -> bool:
    """Give an operator another name; False when there is no such operator."""
    changed = await execute(
        conn, "UPDATE operator SET name = $2 WHERE operator_id = $1", operator_id, name
    )
    return changed == 1


async def update_commission(conn: Conn, *, operator_id: UUID, per_mille: int) -> bool:
    """Set an operator's commission; False when there is no such operator."""
    changed = await execute(
        conn,
        "UPDATE operator SET commission_per_mille = $2 WHERE operator_id = $1",
        operator_id,
        per_mille,
    )
    return changed == 1
