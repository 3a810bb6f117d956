"""The product's own processes, as `kiti serve` starts them, on sockets of this process."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.ground import Ground
from bench.processors import used_by
from bench.wire import Broken
from kiti.app.secrets import to_environment
from kiti.config import Settings
from kiti.platform.clock import monotonic_s
from kiti.platform.supervisor import TETHER, listening_socket

ROOT: Final = Path(__file__).parents[1]
HOST: Final = "127.0.0.1"
READY_S: Final = 30.0
STOP_S: Final = 20.0
LOG_LINES: Final = 20

PYTHON: Final = (sys.executable, "-m")
WEB: Final = (*PYTHON, "kiti.app.child_web")
WORKER: Final = (*PYTHON, "kiti.app.child_worker")
SANDBOX: Final = (*PYTHON, "kiti.sandbox")
EMPTY: Final = (*PYTHON, "bench.empty")


@dataclass(frozen=True, slots=True)
class Site:
    """A web server that answers on `port`, by so many processes."""

    port: int
    pids: Sequence[int]

    def used_s(self) -> float:
        """Processor seconds so far."""
        return used_by(self.pids)


@contextmanager
def site(
    ground: Ground,
    *,
    processes: int,
    command: Sequence[str] = WEB,
    settings: Settings | None = None,
) -> Generator[Site]:
    """A web server on a free port; ready when the block begins. `settings` None: the ground's.

    Each process is made to show that it is ready: those before it are stopped meanwhile, for they
    share the socket, and any of them might answer.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(listening_socket(HOST, 0, backlog=2048))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        port, fd = listener.getsockname()[1], listener.fileno()
        url = f"http://{HOST}:{port}"
        settings = (settings or ground.settings).model_copy(update={"app_url": url})
        pids: list[int] = []
        for _ in range(processes):
            argv = (*command, f"{fd}")
            child = stack.enter_context(process(ground, settings, argv, pass_fds=(fd,)))
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            try:
                wait_until_ready(child, port, path="/readyz")
            finally:
                for pid in pids:
                    os.kill(pid, signal.SIGCONT)
            pids.append(child.pid)
        yield Site(port, pids)


class Sites:
    """Web servers that rows share, each started when it is first asked for."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._stack = ExitStack()
        self._open: dict[tuple[int, Sequence[str]], Site] = {}

    def get(self, *, processes: int, command: Sequence[str] = WEB) -> Site:
        """The server of so many processes of this command."""
        key = (processes, command)
        if key not in self._open:
            entering = site(self._ground, processes=processes, command=command)
            self._open[key] = self._stack.enter_context(entering)
        return self._open[key]

    def close(self) -> None:
        """Stop them: idle ones use no processor, but keep their connections to the database."""
        self._open.clear()
        self._stack.close()


def free_port() -> int:
    """A port nobody listens on just now."""
    with listening_socket(HOST, 0) as listener:
        return listener.getsockname()[1]


@contextmanager
def process(
    ground: Ground,
    settings: Settings,
    argv: Sequence[str],
    *,
    pass_fds: Sequence[int] = (),
) -> Generator["subprocess.Popen[bytes]"]:
    """A child with these settings and no other; it is stopped at the end, or dies with us."""
    with (ground.folder / "log").open("ab") as log:
        child = subprocess.Popen(  # noqa: S603  # the product's own commands
            [sys.executable, "-I", "-S", str(TETHER), f"{os.getpid()}", *argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ground.folder,  # no .env of the checkout
            env=_environment(ground, settings),
            pass_fds=tuple(pass_fds),
            start_new_session=True,
        )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_until_ready(child: "subprocess.Popen[bytes]", port: int, *, path: str) -> None:
    """Until this path is answered with 200.

    Raises:
        Broken: the child ended, or nobody answered in time.
    """
    deadline_s = monotonic_s() + READY_S
    while monotonic_s() < deadline_s and child.poll() is None:
        connection = http.client.HTTPConnection(HOST, port, timeout=5.0)
        try:
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            _pause(child)
        finally:
            connection.close()
    raise Broken("a process of the product did not start")


def complaints(ground: Ground) -> str:
    """The last lines that the processes logged, but for good news."""
    lines = (ground.folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([line for line in lines if '"level": "info"' not in line][-LOG_LINES:])


def _pause(child: "subprocess.Popen[bytes]") -> None:
    try:
        child.wait(0.05)
    except subprocess.TimeoutExpired:
        return


def _environment(ground: Ground, settings: Settings) -> Mapping[str, str]:
    own = {n: v for n, v in os.environ.items() if n.lower() not in Settings.model_fields}
    return own | to_environment(settings) | {"DATABASE_URL": ground.dsn, "PYTHONPATH": str(ROOT)}
