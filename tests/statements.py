"""How many statements a piece of work sends: for budgets of statements."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from kiti.platform.db import Conn


@asynccontextmanager
async def statements(conn: Conn) -> AsyncGenerator[list[str]]:
    """The statements that `conn` sends within the block; complete once the block has ended."""
    sent: list[str] = []

    def note(record: object) -> None:
        sent.append(str(getattr(record, "query", "")))

    conn.add_query_logger(note)
    try:
        yield sent
    finally:
        # asyncpg calls a logger in the loop's next round: wait for one.
        loop = asyncio.get_running_loop()
        rounded = loop.create_future()
        loop.call_soon(rounded.set_result, None)
        await rounded
        conn.remove_query_logger(note)
