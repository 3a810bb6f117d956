"""The embedded server in quiet times: first start, restart, sharing, odd folders."""

import os
import select
import signal
import stat
import subprocess
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from embedded_commands import Command, ask, is_free, parent_of, postmaster_of, wait_until
from kiti.platform.postgres import EmbeddedPostgresError, embedded
from kiti.platform.postgres.place import shipped_binaries


def sockets_of(dsn: str) -> Path:
    return Path(parse_qs(urlsplit(dsn).query)["host"][0])


def remove_sockets(dsn: str) -> None:
    """A folder of sockets that is not inside the data folder."""
    (sockets_of(dsn) / "keeper.sock").unlink()
    sockets_of(dsn).rmdir()


def environment_of(pid: int) -> bytes:
    """What anybody here may read of it: of a process that gave up root's rights, maybe nothing."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except PermissionError:
        return b""


async def test_first_start_makes_a_cluster_and_a_restart_keeps_its_data(empty_folder: Path):
    with embedded(empty_folder) as first:
        assert first.is_owner
        await ask(first.dsn, "CREATE TABLE kept (word text)")
        await ask(first.dsn, "INSERT INTO kept VALUES ('yes')")
    home = empty_folder / "postgres"
    assert is_free(home)
    assert not (home / "data" / "postmaster.pid").exists()
    with embedded(empty_folder) as second:
        assert second.dsn == first.dsn
        assert await ask(second.dsn, "SELECT word FROM kept") == "yes"


async def test_settings_are_safe(data_dir: Path):
    with embedded(data_dir) as attached:
        conn = await asyncpg.connect(attached.dsn)
        rows = await conn.fetch("SELECT name, setting FROM pg_settings")
        setting = {row["name"]: row["setting"] for row in rows}
        assert [setting[n] for n in ("fsync", "synchronous_commit", "full_page_writes")] == [
            "on", "on", "on",
        ]  # fmt: skip
        assert setting["listen_addresses"] == ""
        assert setting["data_checksums"] == "on"
        assert setting["server_encoding"] == "UTF8"
        assert setting["TimeZone"] == "UTC"
        locale = await conn.fetchrow(
            """
            SELECT datlocprovider::text AS provider, datlocale AS name
            FROM pg_database WHERE datname = current_database()
            """
        )
        assert locale is not None
        assert tuple(locale) == ("b", "C.UTF-8")
        is_superuser = await conn.fetchval(
            "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
        )
        assert is_superuser is False
        await conn.close()
        access = (data_dir / "postgres/data/pg_hba.conf").read_text()
        assert "trust" not in access
        folder = sockets_of(attached.dsn).stat()
        assert not folder.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        assert (data_dir / "postgres/data").stat().st_uid == folder.st_uid


async def test_keeper_and_server_know_no_secret_of_the_command(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("JWT_SECRET", "not-to-be-passed-on")
    with embedded(data_dir):
        server = postmaster_of(data_dir / "postgres")
        for pid in (server, parent_of(server)):
            assert b"not-to-be-passed-on" not in environment_of(pid)


async def test_two_first_starts_at_once_make_one_server(empty_folder: Path):
    with Command(empty_folder) as one, Command(empty_folder) as other:
        one.wait()
        other.wait()
        assert one.dsn == other.dsn
        assert {one.is_owner, other.is_owner} == {True, False}
        assert await ask(one.dsn, "SELECT 1") == 1
    assert is_free(empty_folder / "postgres")


def test_twin_two_initdb_at_once_do_not_both_succeed(empty_folder: Path):
    folder = empty_folder / "data"
    folder.mkdir(mode=0o700)
    uid = 65534 if os.geteuid() == 0 else None
    if uid is not None:
        os.chown(folder, uid, uid)
    makers = [
        subprocess.Popen(
            [shipped_binaries() / "initdb", "--no-sync", "-A", "peer", "-D", folder],
            user=uid, group=uid, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]  # fmt: skip
    assert [maker.wait(30) for maker in makers] != [0, 0]


async def test_keeper_heeds_the_end_of_its_commands_alone(data_dir: Path):
    with embedded(data_dir) as attached:
        conn = await asyncpg.connect(attached.dsn)
        keeper = parent_of(postmaster_of(data_dir / "postgres"))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(keeper, number)
        with embedded(data_dir) as again:  # it is still there to answer
            assert not again.is_owner
        assert await conn.fetchval("SELECT 1") == 1
        await conn.close()


async def test_pipe_of_the_shell_is_not_held_open(data_dir: Path):
    ours, theirs = os.pipe()
    os.set_inheritable(theirs, True)
    with embedded(data_dir):
        os.close(theirs)
        waiting = select.poll()
        waiting.register(ours, select.POLLIN)
        assert waiting.poll(10_000), "somebody else has it open"
    os.close(ours)


async def test_many_starts_and_ends_at_once_never_meet_a_stopped_server(data_dir: Path):
    for _ in range(3):
        with ExitStack() as stack:
            commands = [stack.enter_context(Command(data_dir)) for _ in range(4)]
            for command in commands:
                assert await ask(command.wait().dsn, "SELECT 1") == 1
                command.leave()
    assert is_free(data_dir / "postgres")


async def test_server_stays_for_the_second_when_the_first_has_left(data_dir: Path):
    with Command(data_dir) as first, Command(data_dir) as second:
        first.wait()
        second.wait()
        conn = await asyncpg.connect(second.dsn)
        server = postmaster_of(data_dir / "postgres")
        first.leave()
        assert await conn.fetchval("SELECT 1") == 1  # the very session goes on
        assert postmaster_of(data_dir / "postgres") == server
        await conn.close()
        second.leave()
    assert is_free(data_dir / "postgres")


async def test_second_goes_on_when_the_first_is_killed(data_dir: Path):
    with Command(data_dir) as first, Command(data_dir) as second:
        first.wait()
        conn = await asyncpg.connect(second.wait().dsn)
        first.kill()
        assert await conn.fetchval("SELECT 1") == 1
        await conn.close()


async def test_server_ends_in_good_order_when_its_only_command_is_killed(data_dir: Path):
    with Command(data_dir) as command:
        await ask(command.wait().dsn, "SELECT 1")
        command.kill()
    wait_until(lambda: is_free(data_dir / "postgres"))
    assert not (data_dir / "postgres/data/postmaster.pid").exists()  # PostgreSQL's own farewell


async def test_interrupt_of_the_command_stops_all_it_started(data_dir: Path):
    with Command(data_dir) as command:
        command.wait()
        command.process.send_signal(signal.SIGINT)
        command.process.wait(30)
    assert is_free(data_dir / "postgres")


async def test_any_folder_will_do(own_dir: Path):
    folder = own_dir
    for name in ("with space and 'quote'", "ends, in a comma,", "Reisebüro", "long" * 60):
        odd = own_dir / name
        odd.mkdir()
        folder = (folder / "postgres").rename(odd / "postgres").parent
        with embedded(odd) as attached:
            assert len(os.fsencode(sockets_of(attached.dsn) / ".s.PGSQL.5432")) <= 107
            assert await ask(attached.dsn, "SELECT 1") == 1
        with embedded(odd) as again:
            assert again.dsn == attached.dsn
        remove_sockets(attached.dsn)


async def test_first_start_in_an_odd_folder(empty_folder: Path):
    odd = empty_folder / 'it\'s my "first" $HOME'
    with embedded(odd) as attached:
        assert await ask(attached.dsn, "SELECT 1") == 1
    remove_sockets(attached.dsn)


async def test_the_same_folder_by_another_path_is_the_same_server(data_dir: Path):
    (data_dir / "link").symlink_to(data_dir)
    with embedded(data_dir) as one, embedded(data_dir / "link") as other:
        assert (one.is_owner, other.is_owner) == (True, False)
        assert one.dsn == other.dsn


async def test_data_of_another_major_version_are_left_alone(own_dir: Path):
    (own_dir / "postgres/data/PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedPostgresError, match="another major version"), embedded(own_dir):
        pass
    assert is_free(own_dir / "postgres")


async def test_a_broken_setting_of_the_operator_is_named(own_dir: Path):
    with (own_dir / "postgres/data/postgresql.auto.conf").open("a") as settings:
        settings.write("shared_buffers = 'lots'\n")
    wanted = pytest.raises(EmbeddedPostgresError, match=r"shared_buffers|errors")
    with wanted as refusal, embedded(own_dir):
        pass
    assert "\n" not in str(refusal.value)
