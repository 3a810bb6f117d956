"""The SQL of refund policies."""

from uuid import UUID

from kiti.platform.db import Conn, fetch_value


async def find_policy(conn: Conn, *, operator_id: UUID) -> str | None:
    """The newest text of an operator's policy; None when it has set none."""
    return await fetch_value(
        conn,
        """
        SELECT text FROM refund_policy WHERE operator_id = $1 ORDER BY version DESC LIMIT 1
        """,
        operator_id,
    )


async def insert_policy(conn: Conn, *, operator_id: UUID, text: str) -> int | None:
    """The operator's next version; None when another was written at the same time."""
    return await fetch_value(
        conn,
        """
        INSERT INTO refund_policy (operator_id, version, text)
        SELECT $1, coalesce(max(version), 0) + 1, $2 FROM refund_policy WHERE operator_id = $1
        ON CONFLICT (operator_id, version) DO NOTHING
        RETURNING version
        """,
        operator_id,
        text,
    )
