"""The door for commands: attach to the embedded server of a data folder, and leave it."""

import select
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Final
from urllib.parse import quote

from kiti.platform.clock import monotonic_s
from kiti.platform.postgres import conf
from kiti.platform.postgres.errors import EmbeddedPostgresError
from kiti.platform.postgres.link import Link, connect_or_start
from kiti.platform.postgres.place import Place

TRIES_MAX: Final = 5  # keepers that may end under a start before that is called a failure
QUIET_S: Final = 3.0  # a wait longer than this is told
TELL_S: Final = 10.0  # and told again as often
AGAIN_S: Final = 2.0  # between tries to start again what was killed


@contextmanager
def embedded(data_dir: Path, *, tell: Callable[[str], None] | None = None) -> Generator["Attached"]:
    """The embedded PostgreSQL of this data folder, for the length of the block.

    Attaches to the running one, or starts it, at the first time with a new cluster. Whoever leaves
    last stops it, and returns when it has ended. Both wait however long, for recovery after a
    crash must not be cut short; long waits are told through `tell`, by default on stderr.

    Raises:
        EmbeddedPostgresError: PostgreSQL cannot be had.
    """
    attached = Attached(data_dir, tell or _to_stderr)
    attached.enter()
    try:
        yield attached
    finally:
        attached.leave()


class Attached:
    """One command's tie to the embedded server of a data folder; made by `embedded`."""

    def __init__(self, data_dir: Path, tell: Callable[[str], None]) -> None:
        self._data_dir = data_dir
        self._tell = tell
        self._link: Link | None = None
        self._place: Place | None = None
        self._stop: socket.socket | None = None
        self._is_leaving = False

    @property
    def dsn(self) -> str:
        """The address for asyncpg: a unix socket, no password. It stays as long as the folder."""
        assert self._place is not None, "not attached yet"  # noqa: S101 a bug of ours
        folder = quote(str(self._place.sockets), safe="")
        return f"postgresql://{conf.ROLE}@/{conf.DATABASE}?host={folder}&port={conf.PORT}"

    @property
    def is_owner(self) -> bool:
        """Whether the server that runs now was started by this process."""
        return self._link is not None and self._link.keeper is not None

    @contextmanager
    def keep_running(self) -> Generator[None]:
        """For long-running commands: when the server's keeper is killed, start both again.

        A thread waits for that; of several commands one starts it and the others attach. (A server
        that is killed alone is started again by the keeper, without this.)
        """
        waker, self._stop = socket.socketpair()
        thread = Thread(target=self._watch, name="embedded-postgres", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._is_leaving = True
            waker.close()
            thread.join()
            self._stop.close()
            self._stop, self._is_leaving = None, False

    def enter(self) -> None:
        """Attach, as `embedded` says."""
        for _ in range(TRIES_MAX):
            try:
                self._place, link = connect_or_start(self._data_dir)
            except OSError as error:
                raise EmbeddedPostgresError(
                    f"the database folder in {self._data_dir} cannot be used: {error}"
                ) from error
            self._link = link
            is_ready = False
            try:
                is_ready = self._wait_until_ready(link)
            finally:
                if not is_ready and not self._is_leaving:
                    self.leave()
            if is_ready or self._is_leaving:
                return
        raise EmbeddedPostgresError(
            f"PostgreSQL's keeper ended {TRIES_MAX} times before the server was ready: "
            f"see the logs in {self._place.log if self._place else self._data_dir}"
        )

    def leave(self) -> None:
        """Detach; the last to leave waits until the server has stopped."""
        link, self._link = self._link, None
        if link is None:
            return
        try:
            link.say_goodbye()
            for line in self._listen(link, "stopping"):
                if line == "stays":
                    return
            link.bury()
        finally:
            link.close()

    def _wait_until_ready(self, link: Link) -> bool:
        """False when the keeper ended first, or this process is about to leave."""
        for line in self._listen(link, "starting"):
            if line == "ready":
                return True
            if line.startswith("failed "):
                raise EmbeddedPostgresError(line.removeprefix("failed "))
        return False

    def _listen(self, link: Link, doing: str) -> Generator[str]:
        """What the keeper says until its end or ours; what it is doing is told when it is long."""
        begun = monotonic_s()
        tell_at = begun + QUIET_S
        while not self._is_leaving:
            line = link.read(max(0.0, tell_at - monotonic_s()), self._stop)
            if line == "":
                return
            if line is None:
                if monotonic_s() >= tell_at:
                    self._tell(f"PostgreSQL: {doing} ({monotonic_s() - begun:.0f} s)")
                    tell_at += TELL_S
            elif line.startswith("state "):
                doing = line.removeprefix("state ")
            else:
                yield line

    def _watch(self) -> None:
        """Attach again whenever the keeper ends, until this process leaves."""
        while not self._is_leaving:
            if self._link is None:
                self._enter_again()
                continue
            line = self._link.read(None, self._stop)
            if line == "":
                self._tell("PostgreSQL: ended with its keeper, starting again")
                self.leave()
            elif line:
                self._tell(f"PostgreSQL: {line.partition(' ')[2] or line}")

    def _enter_again(self) -> None:
        try:
            self.enter()
        except EmbeddedPostgresError as error:
            self._tell(str(error))
            waiting = select.poll()
            assert self._stop is not None, "only while kept running"  # noqa: S101 a bug of ours
            waiting.register(self._stop, select.POLLIN)
            waiting.poll(1000 * AGAIN_S)


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"kiti: {text}\n")
    sys.stderr.flush()
