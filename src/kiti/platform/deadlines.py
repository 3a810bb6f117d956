"""How long the database is waited for, and a connection that keeps to it by closing itself.

A statement that is given up is never cancelled: a cancelled wait for a synchronous standby answers
success while the row is on one node only. The connection is closed instead. A server that is well
has ended the statement before by its own `statement_timeout`; what is left are a network that drops
packets and a server that is frozen.
"""

import socket
from dataclasses import dataclass
from typing import Final

import asyncpg

_COMMIT: Final = "COMMIT;"  # as asyncpg's Transaction sends it
# A silent peer is probed from then on, so that a dead one is known in PROBES times as many seconds.
_KEEPALIVE_IDLE_S: Final = 5
_KEEPALIVE_INTERVAL_S: Final = 2
_KEEPALIVE_PROBES: Final = 3


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds.

    `wait_s`: for a free connection, one that must be made first too. `lock_s`: for a row's lock,
    kept by the server. `server_s`: for a statement, kept by the server. `statement_s`: for its
    answer, then its connection is closed; more than `server_s`, so that the server decides while it
    is well. `commit_s`: for the answer to COMMIT; then the caller is told that the outcome is not
    known, and COMMIT goes on until `abandon_s`. `close_s`: for connections to come back when the
    pool closes.
    """

    wait_s: float = 2.0
    lock_s: float = 3.0
    server_s: float = 8.0
    statement_s: float = 9.0
    commit_s: float = 9.0
    abandon_s: float = 120.0
    close_s: float = 10.0


# For commands and jobs that write or read in bulk: nobody waits at a page for them.
PATIENT: Final = Deadlines(wait_s=10.0, lock_s=10.0, server_s=300.0, statement_s=301.0)


class DeadlineConnection(asyncpg.Connection):
    """A connection whose statements end by their deadline, or with it."""

    __slots__ = ("_abandon_s",)

    def guard(self, deadlines: Deadlines) -> None:
        """Have the kernel notice a peer that has vanished, and give COMMIT its own deadline."""
        self._abandon_s = deadlines.abandon_s
        raw: socket.socket = self._transport.get_extra_info("socket")
        if raw.family not in {socket.AF_INET, socket.AF_INET6}:
            return
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (
            ("TCP_USER_TIMEOUT", int(deadlines.statement_s * 1000)),
            ("TCP_KEEPIDLE", _KEEPALIVE_IDLE_S),
            ("TCP_KEEPINTVL", _KEEPALIVE_INTERVAL_S),
            ("TCP_KEEPCNT", _KEEPALIVE_PROBES),
        ):
            option = getattr(socket, name, None)  # not every system has each
            if option is not None:
                raw.setsockopt(socket.IPPROTO_TCP, option, value)

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109  # asyncpg's signature
        """As asyncpg's, but COMMIT is waited for as long as it may be."""
        if query == _COMMIT and timeout is None:
            timeout = self._abandon_s
        return await super().execute(query, *args, timeout=timeout)

    def _cancel_current_command(self, waiter: object, cancel_waiter: object = None) -> None:
        """Where asyncpg sends a CancelRequest: close the connection, once it has noted why."""
        del waiter, cancel_waiter  # asyncpg's own, which it completes as the connection closes
        self._loop.call_soon(self.terminate)
