"""Ends by SIGKILL, what they leave behind, and recovery that takes its time."""

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from embedded_commands import (
    GONE,
    Command,
    ask,
    ask_when_back,
    is_free,
    kill,
    parent_of,
    postmaster_of,
    wait_for_end,
    wait_until,
)
from kiti.platform.postgres import EmbeddedPostgresError, embedded
from kiti.platform.postgres.place import shipped_binaries


async def keep_a_row(dsn: str) -> None:
    await ask(dsn, "DROP TABLE IF EXISTS kept")
    await ask(dsn, "CREATE TABLE kept (word text)")
    await ask(dsn, "INSERT INTO kept VALUES ('yes')")


async def test_killed_server_is_started_again_under_its_commands(data_dir: Path):
    with embedded(data_dir) as attached:
        await keep_a_row(attached.dsn)
        server = postmaster_of(data_dir / "postgres")
        kill(server)
        wait_for_end(server)
        assert await ask_when_back(attached.dsn, "SELECT word FROM kept") == "yes"
        assert postmaster_of(data_dir / "postgres") != server
    assert is_free(data_dir / "postgres")


async def test_session_in_a_long_statement_does_not_keep_a_killed_server_from_starting(
    data_dir: Path,
):
    with embedded(data_dir) as attached:
        conn = await asyncpg.connect(attached.dsn)
        session = await conn.fetchval("SELECT pg_backend_pid()")
        busy = asyncio.create_task(conn.execute("DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$"))
        assert (
            await ask_when_back(
                attached.dsn,
                "SELECT 1 / count(*) FROM pg_stat_activity "
                f"WHERE pid = {session} AND state = 'active'",
            )
            == 1
        )
        kill(postmaster_of(data_dir / "postgres"))
        assert await ask_when_back(attached.dsn, "SELECT 1") == 1
        with pytest.raises(GONE):
            await busy
        assert not is_alive(session)


async def test_killed_keeper_takes_the_server_along_and_a_command_starts_both_again(
    data_dir: Path,
):
    with Command(data_dir) as first, Command(data_dir) as second:
        await keep_a_row(first.wait().dsn)
        second.wait()
        server = postmaster_of(data_dir / "postgres")
        kill(parent_of(server))
        wait_for_end(server)
        assert await ask_when_back(second.dsn, "SELECT word FROM kept") == "yes"
        first.leave()
        assert await ask(second.dsn, "SELECT word FROM kept") == "yes"
    assert is_free(data_dir / "postgres")


async def test_killed_starter_and_keeper_are_replaced_by_the_command_that_stays(data_dir: Path):
    with Command(data_dir) as first:
        await keep_a_row(first.wait().dsn)
        with Command(data_dir) as second:
            second.wait()
            server = postmaster_of(data_dir / "postgres")
            first.process.kill()
            kill(parent_of(server))
            wait_for_end(server)
            assert await ask_when_back(second.dsn, "SELECT word FROM kept") == "yes"


async def test_everything_killed_at_once_is_recovered_by_the_next_start(data_dir: Path):
    with Command(data_dir) as command:
        await keep_a_row(command.wait().dsn)
        server = postmaster_of(data_dir / "postgres")
        keeper = parent_of(server)
        for pid in (command.process.pid, keeper, server):
            os.kill(pid, signal.SIGKILL)
        with embedded(data_dir) as again:  # at once: it waits for what is left by itself
            assert await ask(again.dsn, "SELECT word FROM kept") == "yes"
            assert postmaster_of(data_dir / "postgres") != server


async def test_keeper_killed_in_the_first_start_leaves_nothing_half_made(empty_folder: Path):
    home = empty_folder / "postgres"
    with Command(empty_folder) as first:
        wait_until((home / "data.new/base").exists)
        kill(parent_of(pid_of("initdb", home)))
        first.wait()  # its next try makes the cluster anew
        assert await ask(first.dsn, "SELECT 1") == 1
    assert not (home / "data.new").exists()


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def pid_of(program: str, home: Path) -> int:
    """The process of this program whose command line names our folder."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if words[0].endswith(program.encode()) and bytes(home / "data.new") in words:
                return int(entry.name)
    raise AssertionError(f"{program} does not run on {home}")


@pytest.fixture
def stranger(data_dir: Path):
    """A process of the server's user that has nothing to do with Kiti."""
    owner = (data_dir / "postgres/data").stat().st_uid
    user = owner if os.geteuid() == 0 else None
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, user=user, cwd="/") as process:
        yield process
        assert process.poll() is None, "a process that is not ours was killed"
        assert process.stdin is not None
        process.stdin.close()


def write_stale_files(data_dir: Path, pid: int) -> None:
    """What a killed server leaves, with a pid that is somebody else's by now."""
    home = data_dir / "postgres"
    owner = (home / "data").stat()
    text = f"{pid}\n{home}/data\n1700000000\n5432\n{home}/run\n\n  1234567 8\nready   \n"
    for stale in (home / "data/postmaster.pid", home / "run/.s.PGSQL.5432.lock"):
        stale.write_text(text)
        stale.chmod(0o600)
        os.chown(stale, owner.st_uid, owner.st_gid)


async def test_stale_pid_of_a_stranger_is_no_obstacle_and_the_stranger_lives(
    data_dir: Path, stranger: "subprocess.Popen[bytes]"
):
    write_stale_files(data_dir, stranger.pid)
    with embedded(data_dir) as attached:
        assert await ask(attached.dsn, "SELECT 1") == 1
        assert stranger.poll() is None
    assert stranger.poll() is None


def test_twin_postgresql_alone_takes_the_stranger_for_a_rival(
    data_dir: Path, stranger: "subprocess.Popen[bytes]"
):
    write_stale_files(data_dir, stranger.pid)
    done = subprocess.run(
        [shipped_binaries() / "postgres", "-D", data_dir / "postgres/data"],
        user=(data_dir / "postgres/data").stat().st_uid if os.geteuid() == 0 else None,
        cwd="/", capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert "already exists" in done.stderr


async def test_empty_pid_file_of_a_full_disk_is_no_obstacle(data_dir: Path):
    (data_dir / "postgres/data/postmaster.pid").touch()
    with embedded(data_dir) as attached:
        assert await ask(attached.dsn, "SELECT 1") == 1


def test_server_that_somebody_else_runs_on_the_folder_is_left_alone(data_dir: Path):
    home = data_dir / "postgres"
    with subprocess.Popen(
        [shipped_binaries() / "postgres", "-D", home / "data", "-c", "logging_collector=off"],
        user=(home / "data").stat().st_uid if os.geteuid() == 0 else None,
        cwd="/", stderr=subprocess.DEVNULL,
    ) as server:  # fmt: skip
        note = home / "data/postmaster.pid"
        wait_until(lambda: note.exists() and "ready" in note.read_text())
        try:
            with (
                pytest.raises(EmbeddedPostgresError, match=f"process {server.pid}"),
                embedded(data_dir),
            ):
                pass
            assert server.poll() is None
            assert note.exists()  # a server ends itself when its note is gone
        finally:
            server.send_signal(signal.SIGINT)


@pytest.mark.parametrize("seconds", [3, pytest.param(13, marks=pytest.mark.slow)])
async def test_recovery_may_take_as_long_as_it_likes(own_dir: Path, seconds: int):
    home = own_dir / "postgres"
    with Command(own_dir) as command:
        await keep_a_row(command.wait().dsn)
        server = postmaster_of(home)
        for pid in (command.process.pid, parent_of(server), server):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: is_free(home))
    gate = own_dir / "gate"  # recovery asks an archive that does not answer before we let it
    os.mkfifo(gate)
    gate.chmod(0o666)
    (home / "data/recovery.signal").touch()
    with (home / "data/postgresql.auto.conf").open("a") as settings:
        settings.write(f"restore_command = 'test -e {gate} && cat {gate}; exit 1'\n")
    with Command(own_dir) as command:
        command.wait_for_word(f"recovering after a crash ({seconds} s)")
        opened = os.open(gate, os.O_RDWR)
        gate.unlink()
        os.close(opened)
        assert await ask(command.wait().dsn, "SELECT word FROM kept") == "yes"
