"""The keeper: the process that holds one embedded server for the commands that use it.

It lives as long as somebody is attached, and starts the server again whenever it ends. Each user
is a connection on its socket; lines go to the user only:

- `state WORDS`: what is going on, for a progress line
- `ready`: the server takes connections
- `failed WORDS`: the start failed; it is tried again as long as somebody stays attached
- `stays`: said to a user that leaves, when the server stays for others

A user leaves by closing its side. To the last one the connection stays open until the server has
stopped and the keeper ends.
"""

import fcntl
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from types import FrameType
from typing import Final, cast

from kiti.platform.clock import monotonic_s
from kiti.platform.postgres.errors import EmbeddedPostgresError
from kiti.platform.postgres.place import Place, acting_as
from kiti.platform.postgres.server import Server, adopt_orphans

LISTENER_FD: Final = 3
LOOK_S: Final = 0.02  # how often a starting server is looked at
AGAIN_S_MIN: Final = 0.5  # waits between starts that fail double between these
AGAIN_S_MAX: Final = 5.0


class State(Enum):
    """What the server does."""

    DOWN = auto()
    STARTING = auto()
    READY = auto()


class Keeper:
    """The users, the server, and the loop that serves both."""

    def __init__(self, place: Place, listener: socket.socket) -> None:
        self._place = place
        self._listener = listener
        self._users: set[socket.socket] = set()
        self._state = State.DOWN
        self._news = "state waiting for an earlier server to end"
        self._again_at = 0.0
        self._again_s = 0.0
        self._ready_at = 0.0
        self._selector = selectors.DefaultSelector()
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, self._welcome)
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, self._wake_up)

    def run(self) -> None:
        """Hold the server until the last user has left."""
        _heed_no_signal(self._waker.fileno())
        try:
            with self._locked() as lock:
                self._server = Server(self._place, lock)
                if not self._place.data.exists():
                    self._tell("state creating the database")
                    self._server.create()
                _drop_rights(self._place)
                adopt_orphans()
                self._hold()
        except EmbeddedPostgresError as error:
            self._tell(f"failed {error}")
        except Exception as error:  # noqa: BLE001 told to the users, and written to the log
            self._tell(f"failed the keeper of PostgreSQL broke: {error!r}; see {self._place.log}")
            _log(traceback.format_exc())

    @contextmanager
    def _locked(self) -> Generator[int]:
        """The lock file, held; this waits, however long, for what is left of an earlier server.

        It is let go before the last user sees our end: what that one starts next need not wait.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with acting_as(self._place.uid, self._place.gid):
            lock = os.open(self._place.home / "server.lock", flags, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._welcome()
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield lock
        finally:
            os.close(lock)

    def _hold(self) -> None:
        try:
            while self._has_users():
                for key, _ in self._selector.select(self._patience_s()):
                    cast("Callable[[], None]", key.data)()
                if self._users:
                    self._tend()
        finally:
            # Whoever comes from now on is refused, and starts a keeper that waits for our lock.
            self._selector.unregister(self._listener)
            self._listener.close()
            self._server.stop()

    def _has_users(self) -> bool:
        if not self._users:
            self._welcome()
        return bool(self._users)

    def _patience_s(self) -> float | None:
        """How long to wait for news; None is until there are some."""
        if self._state is State.STARTING:
            return LOOK_S
        if self._state is State.DOWN:
            return max(0.0, self._again_at - monotonic_s())
        return None

    def _tend(self) -> None:
        """Look at the server and do what its state asks for."""
        if self._state is State.DOWN:
            if monotonic_s() >= self._again_at:
                self._start()
        elif not self._server.is_running():
            self._server.collect()
            if self._state is State.READY:
                if monotonic_s() - self._ready_at > AGAIN_S_MAX:
                    self._again_s = 0.0
                self._tell("state starting again after its end")
                self._be_down()
            else:
                self._fail(self._server.how_it_ended())
        elif self._state is State.STARTING and self._server.is_ready():
            self._state, self._ready_at = State.READY, monotonic_s()
            self._tell("ready")

    def _start(self) -> None:
        try:
            self._server.start()
        except EmbeddedPostgresError as error:
            self._fail(error)
            return
        self._state = State.STARTING
        self._tell(
            "state recovering after a crash" if self._server.is_recovering else "state starting"
        )

    def _fail(self, error: EmbeddedPostgresError) -> None:
        self._be_down()
        self._tell(f"failed {error}")

    def _be_down(self) -> None:
        """Start again at once, and with growing waits when that does not last."""
        self._state = State.DOWN
        self._again_at = monotonic_s() + self._again_s
        self._again_s = min(max(2 * self._again_s, AGAIN_S_MIN), AGAIN_S_MAX)

    def _welcome(self) -> None:
        """Take in whoever knocks."""
        with suppress(BlockingIOError):
            while True:
                user, _ = self._listener.accept()
                user.setblocking(False)
                self._users.add(user)
                self._selector.register(
                    user, selectors.EVENT_READ, lambda user=user: self._look_at(user)
                )
                if self._news.startswith("failed"):
                    self._again_at = 0.0  # there may be space by now: the newcomer finds out
                else:
                    _say(user, self._news)

    def _look_at(self, user: socket.socket) -> None:
        """Users say nothing: what can be read is their end."""
        with suppress(ConnectionError):
            if user.recv(64):
                return
        self._selector.unregister(user)
        self._users.remove(user)
        if self._has_users():
            _say(user, "stays")
            user.close()
        else:
            self._leaver = user  # kept open until this process ends

    def _tell(self, news: str) -> None:
        self._news = news
        _log(news)
        self._welcome()
        for user in self._users:
            _say(user, news)

    def _wake_up(self) -> None:
        with suppress(BlockingIOError):
            while self._woken.recv(64):
                pass


def _log(text: str) -> None:
    """Write to the keeper's log, unless the disk is full."""
    with suppress(OSError):
        os.write(2, text.encode() + b"\n")


def _say(user: socket.socket, line: str) -> None:
    """Tell one user; one that does not listen is dead or about to be, and its end will show."""
    with suppress(BlockingIOError, ConnectionError):
        user.send(" ".join(line.split()).encode() + b"\n")


def _heed_no_signal(waker: int) -> None:
    """Only the end of its users ends the keeper; a child's end wakes its loop.

    Handlers of ours, not SIG_IGN: what is ignored stays so in PostgreSQL's programs.
    """

    def pass_by(_number: int, _frame: FrameType | None) -> None:
        pass

    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_by)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)


def _drop_rights(place: Place) -> None:
    """From now on be the server's user, and write what there is to say to the log."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(place.gid)
        os.setuid(place.uid)
    with suppress(OSError):  # a full disk: then without a log
        place.log.mkdir(mode=0o700, exist_ok=True)
        log = os.open(place.log / "keeper.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(log, 2)
        os.close(log)


def main() -> None:
    """Hold the server of the place that the command line names."""
    os.umask(0o077)
    for fd in os.listdir("/proc/self/fd"):  # noqa: PTH208 names, not paths
        if int(fd) > LISTENER_FD:  # a pipe of the command's shell, say, which would wait for us
            with suppress(OSError):
                os.close(int(fd))
    place = Place.from_arguments(sys.argv[1:])
    os.chdir(place.home)
    Keeper(place, socket.socket(fileno=LISTENER_FD)).run()


if __name__ == "__main__":
    main()
