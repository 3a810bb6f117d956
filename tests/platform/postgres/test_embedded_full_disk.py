"""A full disk: said in one line, and no harm done once there is space.

A limit on the size of files stands for the disk, since anybody may set it, also on what already
runs. PostgreSQL takes both in the same way: a write that fails.
"""

import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from embedded_commands import (
    GONE,
    Command,
    ask,
    ask_when_back,
    children_of,
    is_free,
    parent_of,
    postmaster_of,
)


def start_limited(size: int) -> Callable[[], None]:
    """Let no file grow past `size` bytes by what is about to start, and by its children."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))


def limit(pid: int, size: str) -> None:
    """The same for what runs already; the system asks for the very user and group."""
    status = Path(f"/proc/{pid}/status").read_text()
    uid, gid = (int(status.split(f"\n{name}:")[1].split()[0]) for name in ("Uid", "Gid"))
    groups = [] if os.geteuid() == 0 else None
    subprocess.run(
        ["prlimit", f"--fsize={size}:", "--pid", str(pid)],
        user=uid, group=gid, extra_groups=groups, cwd="/", check=True,
    )  # fmt: skip


async def test_first_start_on_a_full_disk_says_so_and_works_when_there_is_space(
    empty_folder: Path,
):
    with Command(empty_folder, before=start_limited(8_000_000)) as command:
        assert command.wait().refusal.startswith("the disk is full")
    home = empty_folder / "postgres"
    assert is_free(home)
    assert not (home / "data.new").exists()  # it would take the little space that is left
    with Command(empty_folder) as command:
        assert await ask(command.wait().dsn, "SELECT 1") == 1


async def test_start_on_a_full_disk_says_so_and_keeps_the_data(data_dir: Path):
    with Command(data_dir, before=start_limited(0)) as command:
        assert command.wait().refusal.startswith("the disk is full")
    with Command(data_dir) as command:
        assert await ask(command.wait().dsn, "SELECT 1") == 1


async def test_disk_that_fills_up_under_a_running_server(data_dir: Path):
    home = data_dir / "postgres"
    with Command(data_dir) as command:
        await ask(command.wait().dsn, "DROP TABLE IF EXISTS kept")
        await ask(command.dsn, "CREATE TABLE kept (word text)")
        await ask(command.dsn, "INSERT INTO kept VALUES ('yes')")
        server = postmaster_of(home)
        keeper = parent_of(server)
        for pid in (keeper, server, *children_of(server)):
            limit(pid, "0")
        with pytest.raises(GONE):
            await ask(command.dsn, "INSERT INTO kept VALUES ('no')")
        assert "the data are safe" in command.wait_for_word("the disk is full")
        limit(keeper, "unlimited")
        assert await ask_when_back(command.dsn, "SELECT string_agg(word, ' ') FROM kept") == "yes"
