"""Commands of Kiti's kind as processes of their own, and the processes behind an embedded server.

Every wait is on an event with a deadline, or looks at a fact again until the deadline.
"""

import asyncio
import fcntl
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Self

import asyncpg

DEADLINE_S = 30.0

# What asyncpg raises when the server is killed: also its own confusion, when that is mid-handshake.
GONE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

# Attaches, says so, and stays until its input ends.
_COMMAND = """
import sys
from pathlib import Path
from kiti.platform.postgres import EmbeddedPostgresError, embedded

try:
    with embedded(Path(sys.argv[1])) as attached, attached.keep_running():
        print("attached", attached.is_owner, attached.dsn, flush=True)
        sys.stdin.read()
except EmbeddedPostgresError as error:
    print("refused", error, flush=True)
"""


def wait_until(fact: Callable[[], bool], *, deadline_s: float = DEADLINE_S) -> None:
    """Look again and again, until the fact holds or the deadline has come."""
    pause = Event()
    for _ in range(int(deadline_s / 0.02)):
        if fact():
            return
        pause.wait(0.02)
    raise AssertionError(f"not within {deadline_s} s")


def wait_for_end(pid: int) -> None:
    """Until the process has ended; it need not be a child."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        waiting = select.poll()
        waiting.register(handle, select.POLLIN)
        assert waiting.poll(1000 * DEADLINE_S), f"process {pid} has not ended"
    finally:
        os.close(handle)


class Command:
    """A process that is attached to the embedded server of a data folder."""

    def __init__(
        self,
        data_dir: Path,
        *,
        python: str = sys.executable,
        environment: Mapping[str, str] | None = None,
        uid: int | None = None,
        before: Callable[[], None] | None = None,
    ) -> None:
        self.process = subprocess.Popen(
            [python, "-c", _COMMAND, str(data_dir)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=os.environ if environment is None else environment, cwd="/",
            user=uid, group=uid, extra_groups=None if uid is None else [],
            preexec_fn=before,  # noqa: PLW1509 the tests have one thread here
        )  # fmt: skip
        self._said = b""
        self._grumbled = b""
        self.is_owner = False
        self.dsn = ""
        self.refusal = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.leave()
        self._forget()

    def wait(self) -> Self:
        """Until it is attached, or refused."""
        out = self.process.stdout
        assert out is not None
        while not self._said.endswith(b"\n"):
            self._said += self._read(out.fileno())
        word, *rest = self._said.decode().split(maxsplit=2)
        if word == "attached":
            self.is_owner, self.dsn = rest[0] == "True", rest[1].strip()
        else:
            self.refusal = " ".join(rest).strip()
        return self

    def wait_for_word(self, words: str) -> str:
        """Until it has said this on stderr; all that it said there so far."""
        err = self.process.stderr
        assert err is not None
        while words not in self._grumbled.decode():
            self._grumbled += self._read(err.fileno())
        return self._grumbled.decode()

    def _read(self, handle: int) -> bytes:
        waiting = select.poll()
        waiting.register(handle, select.POLLIN)
        assert waiting.poll(1000 * DEADLINE_S), f"nothing said within {DEADLINE_S} s"
        piece = os.read(handle, 4096)
        if not piece:
            assert self.process.stderr is not None
            raise AssertionError(f"it ended: {self._said!r} {self.process.stderr.read()!r}")
        return piece

    def leave(self) -> None:
        """Let it end in good order, and wait for that."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        assert self.process.wait(DEADLINE_S) == 0

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.process.kill()
        self.process.wait(DEADLINE_S)

    def _forget(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


def postmaster_of(home: Path) -> int:
    """The pid of the server whose folder this is: the tests' own, so it can be believed."""
    return int((home / "data" / "postmaster.pid").read_text().split()[0])


def parent_of(pid: int) -> int:
    """The parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def children_of(pid: int) -> list[int]:
    """The living children of a process."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                if parent_of(int(entry.name)) == pid:
                    found.append(int(entry.name))
    return found


def is_free(home: Path) -> bool:
    """Whether no process of a server or keeper is left."""
    with (home / "server.lock").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def kill(*pids: int) -> None:
    """End processes of this test's own servers by SIGKILL."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


async def ask(dsn: str, statement: str) -> object:
    """The first value of one statement on a connection of its own."""
    conn = await asyncpg.connect(dsn, timeout=10)
    try:
        return await conn.fetchval(statement)
    finally:
        await conn.close()


async def ask_when_back(dsn: str, statement: str) -> object:
    """The same, from a server that is being started again."""
    never = asyncio.Event()
    for _ in range(int(DEADLINE_S / 0.05)):
        try:
            return await ask(dsn, statement)
        except GONE:
            with suppress(TimeoutError):
                await asyncio.wait_for(never.wait(), 0.05)
    raise AssertionError("the server did not come back")
