"""Data folders for embedded servers: one is made by a first start, the others are copies of it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kiti.platform.postgres import embedded


def _may_mount() -> bool:
    status = Path("/proc/self/status").read_text()
    capabilities = int(status.split("CapEff:")[1].split()[0], 16)
    return bool(capabilities & 1 << 21)  # CAP_SYS_ADMIN


# What only root can do is collected only for root, and what mounts a file system only where that is
# allowed: a full disk is also tested with limits that anybody may set.
collect_ignore = [
    *([] if os.geteuid() == 0 else ["test_embedded_as_root.py"]),
    *([] if _may_mount() else ["test_embedded_full_mount.py"]),
]


@contextmanager
def _folder_for_all() -> Generator[Path]:
    """A temporary folder that other users may pass through; pytest's own they may not."""
    folder = Path(tempfile.mkdtemp(prefix="kiti-test-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def empty_folder() -> Generator[Path]:
    with _folder_for_all() as folder:
        yield folder


@pytest.fixture(scope="session")
def seed() -> Generator[Path]:
    """A data folder with a cluster that was stopped in good order."""
    with _folder_for_all() as folder:
        with embedded(folder):
            pass
        yield folder


@contextmanager
def _copy_of(seed: Path) -> Generator[Path]:
    with _folder_for_all() as folder:
        subprocess.run(["cp", "-a", f"{seed}/postgres", folder], check=True)
        yield folder


@pytest.fixture(scope="session")
def data_dir(seed: Path) -> Generator[Path]:
    """A data folder with a cluster, for tests that leave it whole and stopped."""
    with _copy_of(seed) as folder:
        yield folder


@pytest.fixture
def own_dir(seed: Path) -> Generator[Path]:
    """The same for one test alone, that may do with it what it likes."""
    with _copy_of(seed) as folder:
        yield folder
