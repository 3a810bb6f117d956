"""Runs child processes and keeps them running: started again when they die, stopped in order.

Each child is a command of its own (so its exit code is its own, and `ps` tells what it is), in a
session of its own (so Ctrl-C reaches the supervisor alone), and is killed by the kernel when the
supervisor dies. The supervisor must run on the main thread: the kernel ties a child to the thread
that started it.
"""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kiti.platform.clock import monotonic_s

TETHER: Final = Path(__file__).with_name("tether.py")
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
CLEAN_ENDS: Final = (0, -signal.SIGTERM, -signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Child:
    """A command to keep running.

    `argv[0]` is a path. Stages start in ascending order without waiting, and stop in descending
    order, each once the one before has ended. `environment` None is the supervisor's own. Files of
    `pass_fds` keep their numbers in the child.
    """

    name: str
    argv: Sequence[str]
    stage: int = 0
    environment: Mapping[str, str] | None = None
    pass_fds: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the supervisor waits, in seconds.

    A child that ended is started again after `pause_first_s`, then twice as long each time up to
    `pause_max_s`, until it has lived for `steady_s`. One that has never been steady and ended by
    itself (not by a signal) `starts_max` times cannot start: everything is stopped. `grace_s` is
    for the whole of an orderly stop, of which each stage has `stage_min_s` at least; what runs
    after it is killed.
    """

    pause_first_s: float = 0.2
    pause_max_s: float = 3.0
    steady_s: float = 5.0
    starts_max: int = 6
    grace_s: float = 30.0
    stage_min_s: float = 2.0


@dataclass(slots=True)
class _Kept:
    """A child, its process while it has one, and the task that keeps it."""

    child: Child
    process: Process | None = None
    last_code: int = 0
    keeper: "asyncio.Task[None] | None" = None


@dataclass(slots=True)
class Supervisor:
    """Keeps `children` running until it is told to stop; `report` gets a line for the log."""

    children: Sequence[Child]
    report: Callable[[str], object]
    patience: Patience = field(default_factory=Patience)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _hurrying: asyncio.Event = field(default_factory=asyncio.Event)
    _failed_code: int = 0

    async def run(self) -> int:
        """Start the children and keep them until `stop`; the exit code for the whole.

        0 when every child ended cleanly after being told to; 1 when one had to be killed or ended
        badly; a child's own code when it could not start.
        """
        kept = [_Kept(child) for child in sorted(self.children, key=lambda child: child.stage)]
        async with asyncio.TaskGroup() as group:
            for one in kept:
                one.keeper = group.create_task(self._keep(one))
            _ = await self._stopping.wait()
            is_clean = await self._stop_stages(kept)
        if self._failed_code:
            return self._failed_code
        return 0 if is_clean and all(one.last_code in CLEAN_ENDS for one in kept) else 1

    def stop(self) -> None:
        """Stop in order; called again, kill what still runs."""
        if self._stopping.is_set():
            self._hurrying.set()
        self._stopping.set()

    async def _keep(self, one: _Kept) -> None:
        """Run the child, again whenever it ends, until all is to stop."""
        pause_s = self.patience.pause_first_s
        failed_starts = 0
        was_steady = False
        while not self._stopping.is_set():
            began_s = monotonic_s()
            one.last_code = await self._run_once(one)
            if self._stopping.is_set():
                return
            if monotonic_s() - began_s >= self.patience.steady_s:
                pause_s, was_steady = self.patience.pause_first_s, True
            failed_starts += one.last_code >= 0
            ended = f"{one.child.name} {_told(one.last_code)}"
            if not was_steady and failed_starts >= self.patience.starts_max:
                self.report(f"{ended}; it cannot start, stopping")
                self._failed_code = one.last_code or 1
                self._stopping.set()
                return
            self.report(f"{ended}; starting it again in {pause_s:g} s")
            await _wait(self._stopping, pause_s)
            pause_s = min(self.patience.pause_max_s, pause_s * 2)

    async def _run_once(self, one: _Kept) -> int:
        """Run the child to its end; its exit code. Cancelled, it kills the child."""
        try:
            one.process = await _start(one.child)
        except OSError as error:  # no memory or no process to be had: as if it had ended
            self.report(f"{one.child.name}: {error.strerror}")
            return 1
        if self._stopping.is_set():  # told to while it was being started
            _send(one.process, signal.SIGTERM)
        try:
            return await one.process.wait()
        except asyncio.CancelledError:
            _send(one.process, signal.SIGKILL)
            _ = await one.process.wait()
            raise

    async def _stop_stages(self, kept: Sequence[_Kept]) -> bool:
        """Stop the last stage first; whether all ended within the grace."""
        deadline_s = monotonic_s() + self.patience.grace_s
        is_clean = True
        for stage in sorted({one.child.stage for one in kept}, reverse=True):
            theirs = [one for one in kept if one.child.stage == stage]
            for one in theirs:
                _send(one.process, signal.SIGTERM)
            left_s = max(self.patience.stage_min_s, deadline_s - monotonic_s())
            is_clean &= await self._ended(theirs, timeout_s=left_s)
        return is_clean

    async def _ended(self, kept: Sequence[_Kept], *, timeout_s: float) -> bool:
        """Wait for the children's ends, and kill those that are late; whether none was."""
        hurry = asyncio.create_task(self._hurrying.wait())
        deadline_s = monotonic_s() + timeout_s
        left = {one.keeper for one in kept if one.keeper is not None and not one.keeper.done()}
        while left and not hurry.done() and monotonic_s() < deadline_s:
            _ = await asyncio.wait(
                {*left, hurry},
                timeout=deadline_s - monotonic_s(),
                return_when=asyncio.FIRST_COMPLETED,
            )
            left = {keeper for keeper in left if not keeper.done()}
        _ = hurry.cancel()
        for one in kept:
            if one.keeper is not None and one.keeper in left:
                self.report(f"{one.child.name} did not end in time and is killed")
                _ = one.keeper.cancel()
        if left:
            _ = await asyncio.wait(left)
        return not left


async def supervise(
    children: Sequence[Child],
    *,
    report: Callable[[str], object],
    patience: Patience | None = None,
) -> int:
    """Keep the children running until SIGTERM, SIGINT or SIGHUP; the exit code for the process.

    The first signal stops them in order, a second one kills what still runs. A SIGHUP that was
    ignored at the start (nohup) stays so.
    """
    supervisor = Supervisor(children, report, patience or Patience())
    loop = asyncio.get_running_loop()
    is_detached = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    numbers = [n for n in STOP_SIGNALS if not (n == signal.SIGHUP and is_detached)]
    for number in numbers:
        loop.add_signal_handler(number, supervisor.stop)
    try:
        return await supervisor.run()
    finally:
        for number in numbers:
            _ = loop.remove_signal_handler(number)


def listening_socket(host: str, port: int, *, backlog: int = 1024) -> socket.socket:
    """A socket that listens; its `fileno()` goes to the children that share it, as `pass_fds`.

    Port 0 takes a free one. While the supervisor holds it open, connections wait for a child that
    is being started again instead of being refused.

    Raises:
        OSError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=backlog)


async def _start(child: Child) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", TETHER, str(os.getpid()), *child.argv,
        stdin=DEVNULL,
        env=child.environment,
        pass_fds=tuple(child.pass_fds),
        start_new_session=True,
    )  # fmt: skip


def _send(process: Process | None, number: signal.Signals) -> None:
    if process is not None and process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(number)


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            _ = await event.wait()


def _told(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was ended by {signal.Signals(-code).name}"
