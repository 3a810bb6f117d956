"""The machine a run was made on: without it a figure says nothing."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

WRITES: Final = 50


@dataclass(frozen=True, slots=True)
class Machine:
    """`cores` are those this process may use; `sync_ms`: one 8 KiB write and its fdatasync.

    `busy`: how many processes wanted a core in the minute before, whoever's.
    """

    cores: int
    processor: str
    memory_gib: float
    system: str
    python: str
    postgres: str
    file_system: str
    sync_ms: float
    busy: float

    def text(self) -> str:
        """One line a fact, as a Markdown list."""
        return (
            f"- {self.cores} cores of {self.processor}, {self.memory_gib:.0f} GiB of memory,"
            f" {self.system}\n"
            f"- Python {self.python}, PostgreSQL {self.postgres} with `fsync` on\n"
            f"- data on {self.file_system}: an 8 KiB write with its sync takes"
            f" {self.sync_ms:.2f} ms\n"
            f"- in the minute before, {self.busy:.1f} processes wanted a core\n"
        )


def look(folder: Path, *, postgres: str) -> Machine:
    """The machine as it is; `folder` is where the database lies."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        processor=_processor(),
        memory_gib=pages / 2**30,
        system=f"{platform.system()} {platform.release().partition('-')[0]}",
        python=platform.python_version(),
        postgres=postgres.partition(" ")[0],
        file_system=_file_system(folder),
        sync_ms=_sync_ms(folder),
        busy=os.getloadavg()[0],
    )


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _file_system(folder: Path) -> str:
    """The kind of the file system: on one in memory `fsync` costs nothing, and is worth as much."""
    device = folder.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in _read("/proc/self/mountinfo").splitlines():
        if line.split()[2] == wanted:
            return line.partition(" - ")[2].split()[0]
    return "an unknown file system"


def _sync_ms(folder: Path) -> float:
    path = folder / "sync"
    handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    took: list[float] = []
    try:
        for _ in range(WRITES):
            began = perf_counter()
            os.pwrite(handle, b"k" * 8192, 0)
            os.fdatasync(handle)
            took.append(perf_counter() - began)
    finally:
        os.close(handle)
        path.unlink()
    return 1000 * median(took)


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")
