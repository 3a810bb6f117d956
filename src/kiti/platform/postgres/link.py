"""A command's connection to the keeper, and the start of a keeper where there is none."""

import os
import select
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from kiti.platform.postgres.place import Place, acting_as, find_place, locked

KEEPER: Final = "kiti.platform.postgres.keeper"
LISTENER_FD: Final = 3  # where the keeper expects it
WAITING_MAX: Final = 64  # users that may knock while it is busy; the next ones wait for that

# The keeper needs to find Python's modules, and none of the command's secrets.
_ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")


class Link:
    """A connection to a keeper; `keeper` is its process id when this process started it."""

    def __init__(self, connection: socket.socket, keeper: int | None) -> None:
        self._connection = connection
        self._rest = b""
        self.keeper = keeper

    def read(self, timeout_s: float | None, stop: socket.socket | None = None) -> str | None:
        """The keeper's next line; empty at its end, None when time is up or `stop` has news."""
        while b"\n" not in self._rest:
            waiting = select.poll()  # select() takes no descriptor over 1023
            waiting.register(self._connection, select.POLLIN)
            if stop is not None:
                waiting.register(stop, select.POLLIN)
            found = waiting.poll(None if timeout_s is None else 1000 * timeout_s)
            if self._connection.fileno() not in dict(found):
                return None
            try:
                piece = self._connection.recv(4096)
            except ConnectionError:
                piece = b""
            if not piece:
                return ""
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def say_goodbye(self) -> None:
        """Leave; what the keeper answers can still be read."""
        with suppress(OSError):  # it may be gone
            self._connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def bury(self) -> None:
        """After the keeper's end: take its exit status, so that no zombie is left."""
        if self.keeper is not None:
            with suppress(ChildProcessError):
                os.waitpid(self.keeper, 0)


def connect_or_start(data_dir: Path) -> tuple[Place, Link]:
    """A link to the keeper of this data folder; of several who come at once, one starts it.

    Raises:
        EmbeddedPostgresError: the folder or the binaries cannot be used.
        OSError: the same, in the system's words.
    """
    with locked(data_dir) as folder:
        place = find_place(folder)
        connection = socket.socket(socket.AF_UNIX)
        try:
            keeper = None if _connects(connection, place) else _start(connection, place)
        except BaseException:
            connection.close()
            raise
    return place, Link(connection, keeper)


def _connects(connection: socket.socket, place: Place) -> bool:
    try:
        with acting_as(place.uid, place.gid):
            connection.connect(str(place.door))
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    return True


def _start(connection: socket.socket, place: Place) -> int:
    """Start a keeper; its process id.

    It inherits a socket that listens already, and this process is the first in its queue: so it
    has a user from the beginning, and whoever comes next need not wait for it to be up.
    """
    with socket.socket(socket.AF_UNIX) as listener:
        with acting_as(place.uid, place.gid):
            place.door.unlink(missing_ok=True)
            listener.bind(str(place.door))
            listener.listen(WAITING_MAX)
            connection.connect(str(place.door))
        names = [n for n in os.environ if n.startswith("PYTHON") or n in _ENVIRONMENT]
        nowhere = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
        # A session of its own: Ctrl-C reaches the command, which then leaves in good order.
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-P", "-m", KEEPER, *place.to_arguments()],
            {name: os.environ[name] for name in names},
            # The listener first: in a command without standard streams it may be one of these.
            file_actions=[(os.POSIX_SPAWN_DUP2, listener.fileno(), LISTENER_FD), *nowhere],
            setsid=True,
        )
