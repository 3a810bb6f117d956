"""A disk that is really full: a small file system of its own, where the tests may mount one."""

import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from embedded_commands import GONE, Command, ask, ask_when_back


def resize(disk: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)


@pytest.fixture
def disk(empty_folder: Path) -> Generator[Path]:
    folder = empty_folder / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=30m,mode=0711", "disk", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


async def test_disk_that_is_full_at_first_and_fills_up_later(disk: Path):
    with Command(disk) as command:
        assert command.wait().refusal.startswith("the disk is full")
    resize(disk, "200m")
    with Command(disk) as command:
        await ask(command.wait().dsn, "CREATE TABLE kept AS SELECT 'yes' AS word")
        filler = disk / "filler"
        with pytest.raises(OSError, match="No space left"):
            filler.write_bytes(bytes(200_000_000))
        with pytest.raises(GONE):
            await ask(
                command.dsn,
                "INSERT INTO kept SELECT repeat('x', 99) FROM generate_series(1, 999999)",
            )
        filler.unlink()
        assert await ask_when_back(command.dsn, "SELECT string_agg(word, ' ') FROM kept") == "yes"
