"""One PostgreSQL server: making its cluster, starting it, watching and stopping it.

The process that calls is the keeper: it has one thread, so that code of ours may run between fork
and exec, and a child's tie to its parent, which is to the thread, lasts as long as the process.
"""

import ctypes
import errno
import os
import pwd
import re
import select
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from kiti.platform.clock import monotonic_s
from kiti.platform.postgres import conf
from kiti.platform.postgres.errors import EmbeddedPostgresError
from kiti.platform.postgres.place import Place, acting_as

ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
# A start writes at least one segment of the write-ahead log, 16 MB, and the files beside it.
FREE_BYTES_MIN: Final = 32 * 1024 * 1024
# As PostgreSQL's own postmaster waits after an immediate stop before it kills.
GRACE_S: Final = 5.0

_FULL: Final = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "File size limit exceeded",
)
_FULL_ERRNO: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Without the refusals of those who knock while it starts.
_BAD: Final = re.compile(r"\b(?:FATAL|PANIC|ERROR|error):\s+((?!the database system is).*)")
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36


class Server:
    """The postmaster of one cluster, a child of this process.

    `lock` is the descriptor of the held lock file. Every process of PostgreSQL inherits it, so the
    lock is free only when the last of them is gone.
    """

    def __init__(self, place: Place, lock: int) -> None:
        self._place = place
        self._lock = lock
        self._process: subprocess.Popen[bytes] | None = None
        self._log_ends: dict[Path, int] = {}
        self.is_recovering = False  # whether the server before this start was killed

    def create(self) -> None:
        """Make the cluster with its role and database, whole or not at all.

        As root this runs initdb under a user who has a name, for initdb refuses any other.

        Raises:
            EmbeddedPostgresError: it cannot be made; nothing of it is left.
        """
        place = self._place
        draft = place.home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        maker = self._maker()
        try:
            draft.mkdir(mode=0o700)
            if maker is not None:
                os.chown(draft, maker.pw_uid, maker.pw_gid, follow_symlinks=False)
            self._run([place.binaries / "initdb", "-D", draft, *conf.INITDB_OPTIONS], maker)
            single = [place.binaries / "postgres", "--single", "-D", draft, conf.ADMIN]
            self._run(single, maker, conf.FIRST_STATEMENTS)
            if maker is not None and maker.pw_uid != place.uid:
                # `--from` looks at the open file, so a link to another's file is passed by.
                hand_over = ["chown", f"--from={maker.pw_uid}", "-hR", f"{place.uid}:{place.gid}"]
                self._run([*hand_over, draft], None)
            draft.rename(place.data)
            _sync(place.home)
        except OSError as error:
            raise self.explain(str(error)) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _maker(self) -> pwd.struct_passwd | None:
        """As whom initdb runs, for it refuses a user without a name; None is this very user."""
        is_root = os.geteuid() == 0
        with suppress(KeyError):
            named = pwd.getpwuid(self._place.uid)
            return named if is_root else None
        with suppress(KeyError):
            if is_root:
                return pwd.getpwnam("nobody")
        raise EmbeddedPostgresError(
            f"user id {os.geteuid()} has no name on this machine, or there is no `nobody`, and "
            "initdb needs one: add it to /etc/passwd, or set DATABASE_URL"
        )

    def _run(
        self,
        command: Sequence[str | Path],
        maker: pwd.struct_passwd | None,
        statements: str = "",
    ) -> None:
        """Run one step; it dies with this process, and a new keeper waits for its lock."""
        done = subprocess.run(  # noqa: S603 our own words; one thread
            command, user=None if maker is None else maker.pw_uid,
            group=None if maker is None else maker.pw_gid,
            extra_groups=None if maker is None else [],
            cwd="/", env=ENVIRONMENT, input=statements, capture_output=True, text=True,
            pass_fds=[self._lock], preexec_fn=_follower(signal.SIGKILL), check=False,
        )  # fmt: skip
        # In single-user mode a statement that fails is no failure of the program.
        if done.returncode != 0 or _BAD.search(done.stderr):
            raise self.explain(done.stdout + done.stderr)

    def start(self) -> None:
        """Start the postmaster; it is ready when `is_ready` says so.

        Raises:
            EmbeddedPostgresError: it cannot be started.
        """
        place = self._place
        try:
            self.is_recovering = self._discard_stale_files()
            _write(place.data / "postgresql.conf", conf.settings(place.sockets))
            _write(place.data / "pg_hba.conf", conf.access())
            _write(place.data / "pg_ident.conf", conf.users(place.uid))
            place.log.mkdir(mode=0o700, exist_ok=True)
            self._log_ends = {log: log.stat().st_size for log in place.log.glob("*.log")}
            with (place.log / "start.log").open("wb") as output:
                self._log_ends[place.log / "start.log"] = 0
                self._process = subprocess.Popen(  # noqa: S603 our own words; one thread
                    [place.binaries / "postgres", "-D", place.data],
                    stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                    cwd=place.home, env=ENVIRONMENT, pass_fds=[self._lock],
                    start_new_session=True,
                    preexec_fn=_follower(signal.SIGINT),  # noqa: PLW1509 one thread
                )  # fmt: skip
        except OSError as error:
            raise self.explain(str(error)) from error

    def is_running(self) -> bool:
        """Whether the postmaster lives."""
        return self._process is not None and self._process.poll() is None

    def is_ready(self) -> bool:
        """Whether it takes connections; while it recovers it does not.

        Source: PostgreSQL's pg_ctl, which reads line 8 of postmaster.pid in the same way.
        """
        try:
            lines = (self._place.data / "postmaster.pid").read_text("utf-8").splitlines()
        except OSError:
            return False
        process = self._process
        is_ours = process is not None and lines[:1] == [str(process.pid)]
        return is_ours and len(lines) > 7 and lines[7].strip() == "ready"

    def stop(self) -> None:
        """Fast shutdown: sessions end, what is committed is flushed. However long it takes."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
        self.collect()

    def collect(self) -> None:
        """After the postmaster's end: end what it left behind, so that a new one can start.

        Its children have become ours (`adopt_orphans`), so each pid is still theirs. They end by
        themselves, but not in the middle of a long statement; SIGQUIT ends that too.
        """
        deadline = monotonic_s() + GRACE_S
        while children := _children():
            order = signal.SIGQUIT if monotonic_s() < deadline else signal.SIGKILL
            for pid in children:
                with suppress(ProcessLookupError):
                    os.kill(pid, order)
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            select.select([], [], [], 0.02)

    def how_it_ended(self) -> EmbeddedPostgresError:
        """Why the server could not start, from what it wrote since."""
        text = ""
        for log in sorted(self._place.log.glob("*.log")):
            with suppress(OSError), log.open("rb") as lines:
                lines.seek(self._log_ends.get(log, 0))
                text += lines.read(1_000_000).decode("utf-8", "replace")
        return self.explain(text)

    def explain(self, text: str) -> EmbeddedPostgresError:
        """One line that says what to do, from what a program wrote before it failed."""
        home = self._place.home
        with acting_as(self._place.uid, self._place.gid):
            is_full = any(words in text for words in _FULL) or _is_full(home)
        if is_full:
            return EmbeddedPostgresError(
                "the disk is full, or a quota or file size limit is reached: free at least "
                f"{FREE_BYTES_MIN // 1024**2} MB for {home}; the data are safe"
            )
        if "incompatible with server" in text:
            return EmbeddedPostgresError(
                f"{self._place.data} was made by another major version of PostgreSQL: dump it with "
                "the release of Kiti that made it, or set KITI_DATA_DIR to a new folder"
            )
        reasons = _BAD.findall(text)
        reason = reasons[-1].strip() if reasons else "it ended without a word"
        return EmbeddedPostgresError(
            f"PostgreSQL cannot be started: {reason}; see {self._place.log}"
        )

    def _discard_stale_files(self) -> bool:
        """Remove what a killed server left; whether there was such a server.

        We hold the lock, so a pid in these files is not of a server of ours: it may be anybody's
        by now, and PostgreSQL would take a living stranger for a rival and refuse to start.
        """
        place = self._place
        note = place.data / "postmaster.pid"
        was_killed = note.exists()
        if was_killed:
            first, *_ = note.read_text("utf-8").splitlines() or [""]
            if first.isdecimal() and _serves(int(first), place.data):
                raise EmbeddedPostgresError(
                    f"a PostgreSQL that Kiti did not start (process {first}) runs on "
                    f"{place.data}: stop it and start again"
                )
            note.unlink()
        for name in (f".s.PGSQL.{conf.PORT}", f".s.PGSQL.{conf.PORT}.lock"):
            (place.sockets / name).unlink(missing_ok=True)
        return was_killed


def adopt_orphans() -> None:
    """From now on the children of a child that dies become children of this process."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _follower(last_words: signal.Signals) -> Callable[[], None]:
    """What a child runs before its program: it will get this signal when its parent dies."""
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def follow() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(last_words), 0, 0, 0)
        if os.getppid() != parent:  # it died before the tie was made
            os._exit(1)

    return follow


def _children() -> list[int]:
    """The living children of this process."""
    me = str(os.getpid())
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                # The name in brackets may hold anything; state and parent come after it.
                after = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2]
                if after.split()[1] == me:
                    found.append(int(entry.name))
    return found


def _serves(pid: int, data: Path) -> bool:
    """Whether the process is a PostgreSQL server on this folder, started by somebody else.

    A server must run as the folder's owner, which we are; of another user's process we may not
    see the folder, and of one with our user but another group neither: that one is believed.
    """
    process = Path("/proc", str(pid))
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
        if Path(os.fsdecode(words[0])).name != "postgres":  # sessions call themselves otherwise
            return False
        return (process / "cwd").samefile(data)
    except PermissionError:
        return process.stat().st_uid == os.geteuid()
    except OSError:
        return False


def _write(path: Path, text: str) -> None:
    """Put a settings file in place; untouched when it says the same, as on a full disk."""
    with suppress(FileNotFoundError):
        if path.read_text("utf-8") == text:
            return
    draft = path.with_suffix(".new")
    draft.write_text(text, "utf-8")
    draft.replace(path)


def _sync(folder: Path) -> None:
    """Make a rename in this folder outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_full(folder: Path) -> bool:
    """Whether the disk is too full for a start: a full disk often takes no log line either."""
    with suppress(OSError):
        if shutil.disk_usage(folder).free < FREE_BYTES_MIN:
            return True
    probe = folder / "probe"
    try:
        with probe.open("wb") as file:
            file.write(bytes(65536))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno in _FULL_ERRNO
    finally:
        with suppress(OSError):
            probe.unlink()
    return False
