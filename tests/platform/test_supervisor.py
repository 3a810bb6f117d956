import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

# Says its name and pid, and stops when it is told to.
GOOD = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print(sys.argv[1], os.getpid(), flush=True)
signal.sigwait({signal.SIGTERM})
print(sys.argv[1], "stopped", flush=True)
"""
# Does not stop when it is told to.
STUBBORN = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(sys.argv[1], os.getpid(), flush=True)
while True: signal.pause()
"""
# Answers each connection on the socket it was given with its pid.
SERVER = """
import os, socket, sys
listener = socket.socket(fileno=int(sys.argv[2]))
print(sys.argv[1], os.getpid(), flush=True)
while True:
    connection, _ = listener.accept()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
"""
BROKEN = "import sys; sys.exit(3)"
QUICK = {"pause_first_s": 0.01, "pause_max_s": 0.05, "grace_s": 10}

Started = Callable[..., "Supervised"]


def child(name: str, code: str = GOOD, stage: int = 0) -> dict[str, Any]:
    return {"name": name, "stage": stage, "argv": ["-c", code, name, "FD"]}


class Supervised:
    """A supervisor's process: what it and its children say, line by line."""

    def __init__(self, plan: dict[str, Any], *before: str) -> None:
        script = Path(__file__).parent / "supervisor_process.py"
        self.process = subprocess.Popen(
            [*before, sys.executable, script, json.dumps(plan)],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    async def line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            return (await asyncio.to_thread(self.process.stdout.readline)).strip()

    async def pids(self, count: int) -> dict[str, int]:
        """The pids of the next `count` children that say they run, reports passed over."""
        found: dict[str, int] = {}
        while len(found) < count:
            name, _, rest = (await self.line()).partition(" ")
            if name != "report":
                found[name] = int(rest)
        return found

    async def rest(self) -> list[str]:
        out, _ = await asyncio.to_thread(self.process.communicate, timeout=20)
        return out.splitlines()


@pytest.fixture
def supervised() -> Generator[Started]:
    started: list[Supervised] = []

    def start(*children: dict[str, Any], port: bool = False, **patience: float) -> Supervised:
        plan = {"children": children, "patience": {**QUICK, **patience}, "port": port}
        started.append(Supervised(plan))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


async def gone(pid: int) -> bool:
    """Whether the process ends within a few seconds; it need not be our child."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        ready, _, _ = await asyncio.to_thread(select.select, [handle], [], [], 10)
    finally:
        os.close(handle)
    return bool(ready)


def is_alive(pid: int) -> bool:
    handle = os.pidfd_open(pid)
    ready, _, _ = select.select([handle], [], [], 0)
    os.close(handle)
    return not ready


async def test_a_killed_child_is_started_again_and_the_others_are_left_alone(
    supervised: Started,
) -> None:
    one = supervised(child("web"), child("worker"))
    first = await one.pids(2)
    os.kill(first["worker"], signal.SIGKILL)
    again = await one.pids(1)
    assert set(again) == {"worker"}
    assert again["worker"] != first["worker"]
    assert is_alive(first["web"])
    one.process.terminate()
    assert sorted(await one.rest()) == ["web stopped", "worker stopped"]
    assert one.process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_told_to_stop_it_stops_the_last_stage_first(
    supervised: Started, number: signal.Signals
) -> None:
    one = supervised(child("sandbox"), child("worker", stage=1), child("web", stage=2))
    pids = await one.pids(3)
    os.killpg(one.process.pid, number)  # as a terminal does: the children must not hear it
    assert await one.rest() == ["web stopped", "worker stopped", "sandbox stopped"]
    assert one.process.returncode == 0
    assert [await gone(pid) for pid in pids.values()] == [True] * 3


async def test_a_hangup_that_is_ignored_at_the_start_stops_nothing() -> None:
    plan = {"children": [child("web")], "patience": QUICK}
    one = Supervised(plan, "nohup")
    try:
        pids = await one.pids(1)
        os.killpg(one.process.pid, signal.SIGHUP)  # the terminal is gone
        os.kill(pids["web"], signal.SIGKILL)
        assert set(await one.pids(1)) == {"web"}  # so it has heard the hangup, and goes on
        one.process.terminate()
        assert await one.rest() == ["web stopped"]
        assert one.process.returncode == 0
    finally:
        one.process.kill()
        one.process.communicate()


async def test_the_children_of_a_killed_supervisor_end_with_it(supervised: Started) -> None:
    one = supervised(child("web"), child("stubborn", STUBBORN))
    pids = await one.pids(2)
    one.process.kill()
    assert [await gone(pid) for pid in pids.values()] == [True, True]


def untethered(code: str) -> "subprocess.Popen[str]":
    """A process that runs `code` in a child of its own, as anybody would."""
    run = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"
    command = [sys.executable, "-c", run, code, "orphan"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def test_twin_without_the_tether_the_child_of_a_killed_parent_lives_on() -> None:
    parent = untethered(GOOD)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline().split()[1])
    parent.kill()
    _ = parent.wait()
    assert is_alive(pid)
    os.kill(pid, signal.SIGTERM)
    assert await gone(pid)
    parent.stdout.close()


async def test_a_child_that_cannot_start_ends_the_whole_with_its_exit_code(
    supervised: Started,
) -> None:
    one = supervised(child("web"), child("broken", BROKEN), starts_max=3)
    lines = await one.rest()
    assert [line for line in lines if "exit code 3" in line] == [
        "report broken ended with exit code 3; starting it again in 0.01 s",
        "report broken ended with exit code 3; starting it again in 0.02 s",
        "report broken ended with exit code 3; it cannot start, stopping",
    ]
    assert one.process.returncode == 3


async def test_a_child_that_is_killed_again_and_again_is_started_again_each_time(
    supervised: Started,
) -> None:
    one = supervised(child("worker"), starts_max=1)
    for _ in range(5):
        pids = await one.pids(1)
        os.kill(pids["worker"], signal.SIGKILL)
    assert set(await one.pids(1)) == {"worker"}
    one.process.terminate()
    assert await one.rest() == ["worker stopped"]
    assert one.process.returncode == 0


async def test_a_child_that_does_not_stop_is_killed_after_the_grace_and_that_is_told(
    supervised: Started,
) -> None:
    one = supervised(child("stubborn", STUBBORN), grace_s=0.1, stage_min_s=0.1)
    pids = await one.pids(1)
    one.process.terminate()
    assert (await one.rest())[-1] == "report stubborn did not end in time and is killed"
    assert one.process.returncode == 1
    assert await gone(pids["stubborn"])


async def test_a_second_signal_does_not_wait(supervised: Started) -> None:
    one = supervised(child("stubborn", STUBBORN), child("web", stage=1), grace_s=600)
    _ = await one.pids(2)
    one.process.terminate()
    assert await one.line() == "web stopped"  # so it is stopping by now
    one.process.terminate()
    assert (await one.rest())[-1] == "report stubborn did not end in time and is killed"
    assert one.process.returncode == 1


async def test_a_command_that_does_not_exist_cannot_start(supervised: Started) -> None:
    one = supervised({"name": "none", "argv": ["/no/such/script"]}, starts_max=1)
    assert (await one.rest())[-1].endswith("it cannot start, stopping")
    assert one.process.returncode == 2


async def test_a_connection_waits_for_a_server_that_is_being_started_again(
    supervised: Started,
) -> None:
    one = supervised(child("web", SERVER), port=True)
    port = int((await one.line()).removeprefix("report port "))
    first = (await one.pids(1))["web"]
    assert await answer(port) == first
    os.kill(first, signal.SIGKILL)
    assert await gone(first)  # until then it may still accept
    second = await answer(port)
    assert second == (await one.pids(1))["web"] != first


async def answer(port: int) -> int:
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        pid = int(await reader.read())
        writer.close()
        await writer.wait_closed()
    return pid
