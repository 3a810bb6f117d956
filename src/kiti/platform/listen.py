"""LISTEN on a connection of its own, made again whenever it is lost.

A notification is a hint that something is there to be read, never the news itself: one may be lost
while the connection is, so who listens also looks from time to time.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Never

import asyncpg
import structlog

from kiti.platform.db import SERVER_SETTINGS

log: Final = structlog.get_logger("kiti.listen")

CONNECT_S: Final = 3
PROBE_S: Final = 20.0
AGAIN_S: Final = (0.1, 5.0)
_AWAY: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


async def listen(dsn: str, channel: str, on_news: Callable[[], object]) -> Never:
    """Call `on_news` at each notification on `channel`, and once after each (re)connection.

    Runs until it is cancelled; a database that is away is tried again, 5 seconds apart at most. The
    connection is probed every 20 seconds, since one whose other end has vanished stays silent.
    `dsn` must lead to the database itself: a pooler in transaction mode has no LISTEN.
    """
    pause_s = AGAIN_S[0]
    while True:
        try:
            conn = await asyncpg.connect(
                dsn,
                timeout=CONNECT_S,
                server_settings={**SERVER_SETTINGS, "application_name": "kiti listen"},
            )
            try:
                await conn.add_listener(channel, _calling(on_news))
                pause_s = AGAIN_S[0]
                await _stay(conn, on_news)
            finally:
                conn.terminate()
        except _AWAY as error:
            log.warning("listener lost", channel=channel, error=type(error).__name__)
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311  # not a secret
        pause_s = min(AGAIN_S[1], pause_s * 2)


async def _stay(conn: asyncpg.Connection, on_news: Callable[[], object]) -> None:
    """Return when the connection has ended."""
    lost = asyncio.Event()
    conn.add_termination_listener(_calling(lost.set))
    on_news()
    while not conn.is_closed():
        with suppress(TimeoutError):
            async with asyncio.timeout(PROBE_S):
                await lost.wait()
        if not lost.is_set():
            await conn.fetchval("SELECT 1", timeout=CONNECT_S)


def _calling(what: Callable[[], object]) -> Callable[..., None]:
    """A listener for asyncpg that drops what it is told."""

    def listener(*_: object) -> None:
        what()

    return listener
