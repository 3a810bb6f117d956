"""The long-running commands: serve, worker, and the demo that is the whole product at once."""

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from typing import Final

from kiti.app.accounts import DEMO_ACCOUNTS, put_demo_accounts
from kiti.app.child_worker import run_worker
from kiti.app.database import database, make_schema_ready
from kiti.app.parts import open_parts
from kiti.app.secrets import completed, to_environment, with_sandbox
from kiti.app.welcome import ready_to_paste, until_they_answer
from kiti.config import ConfigurationError, Settings
from kiti.identity.model import DEMO_PASSWORD
from kiti.identity.passwords import Passwords
from kiti.jobs.model import NoSuchJob
from kiti.jobs.service import run_named
from kiti.network.popular import measure_network
from kiti.platform.clock import utc_now
from kiti.platform.db import connect
from kiti.platform.deadlines import PATIENT
from kiti.platform.supervisor import Child, listening_socket, supervise
from kiti.timetable.demo.service import load_demo

PYTHON: Final = (sys.executable, "-m")
WORKERS_MAX: Final = 64
PORT_MAX: Final = 65535
# The order of stopping is the reverse: web first, so that nothing new comes in.
SANDBOX_STAGE, WORKER_STAGE, WEB_STAGE = 0, 1, 2


def serve(settings: Settings, *, host: str, port: int, workers: int, has_worker: bool) -> int:
    """Serve HTTP by `workers` processes, with a worker for the jobs if asked; until told to stop.

    Raises:
        ConfigurationError: the schema is behind in production, or `workers` is no count of them.
    """
    if not 1 <= workers <= WORKERS_MAX:
        raise ConfigurationError(f"--workers: 1 to {WORKERS_MAX}")
    with ExitStack() as stack:
        listener = stack.enter_context(_listen(host, port))
        settings = completed(settings, app_url=_url(host, listener))
        dsn = _attach(stack, settings)
        children = _web_children(settings, dsn, listener, workers)
        if has_worker:
            children.append(_worker_child(settings, dsn))
        _tell(f"Kiti serves {settings.app_url}")
        return asyncio.run(supervise(children, report=_tell))


def work(settings: Settings) -> int:
    """Run the jobs and schedules in this process, until told to stop."""
    settings = completed(settings, app_url="http://127.0.0.1:8000")
    with ExitStack() as stack:
        run_worker(settings, _attach(stack, settings))
    return 0


def demo(settings: Settings, *, host: str, port: int) -> int:
    """Everything on one machine: database, demo network, simulated gateways, server, worker.

    Raises:
        ConfigurationError: in production.
    """
    _refuse_in_production(settings)
    with ExitStack() as stack:
        listener = stack.enter_context(_listen(host, port))
        simulated_port = _free_port(host, listener.getsockname()[1] + 1)
        sandbox_url = f"http://{_bracketed(host)}:{simulated_port}"
        settings = completed(settings, app_url=_url(host, listener))
        settings = with_sandbox(settings, sandbox_url=sandbox_url)
        dsn = _attach(stack, settings)
        asyncio.run(_load(settings, dsn))
        simulated = Child(
            "sandbox",
            (
                sys.executable,
                "-m",
                "kiti",
                "sandbox",
                "--host",
                host,
                "--port",
                f"{simulated_port}",
            ),
            stage=SANDBOX_STAGE,
            environment=_environment(settings, dsn),
        )
        children = [
            simulated,
            _worker_child(settings, dsn),
            *_web_children(settings, dsn, listener, 1),
        ]
        greeting = ready_to_paste(
            settings,
            accounts=DEMO_ACCOUNTS,
            password=DEMO_PASSWORD,
            route=("Lagos", "Ibadan"),
            date=(utc_now() + timedelta(days=1)).date().isoformat(),
        )
        ready = [f"{sandbox_url}/healthz", f"{_url(host, listener)}/readyz"]
        return asyncio.run(_supervise_and_greet(children, greeting, ready))


async def _supervise_and_greet(
    children: list[Child], greeting: str, ready_urls: Sequence[str]
) -> int:
    """Keep the children running, and greet once all that the greeting promises is there."""

    async def greet() -> None:
        await until_they_answer(ready_urls)
        sys.stdout.write(greeting)
        sys.stdout.flush()

    async with asyncio.TaskGroup() as group:
        greeter = group.create_task(greet())
        code = await supervise(children, report=_tell)
        greeter.cancel()
    return code


def load_demo_only(settings: Settings) -> int:
    """Load or refresh the demo network and accounts.

    Raises:
        ConfigurationError: in production.
    """
    _refuse_in_production(settings)
    with ExitStack() as stack:
        asyncio.run(_load(settings, _attach(stack, settings)))
    sys.stdout.write("the demo network and accounts are loaded\n")
    return 0


def run_job(settings: Settings, name: str) -> int:
    """Run a named job by hand; 1 when it failed, 0 when done or when another run has the lease.

    Raises:
        NoSuchJob: there is none of that name.
    """
    settings = completed(settings, app_url="http://127.0.0.1:8000")

    async def main(dsn: str) -> int:
        async with open_parts(settings, dsn) as parts:
            found = [job for job in parts.jobs if job.name == name]
            if not found:
                names = ", ".join(job.name for job in parts.jobs)
                raise NoSuchJob(f"no such job: {name}; there are {names}")
            run = await run_named(parts.db, found[0].by_hand())
        sys.stdout.write(f"{run.job} {run.status} processed={run.processed} ms={run.duration_ms}\n")
        return 1 if run.status == "FAILED" else 0

    with ExitStack() as stack:
        return asyncio.run(main(_attach(stack, settings)))


async def _load(settings: Settings, dsn: str) -> None:
    """Load or refresh the demo network, then its accounts."""
    db = await connect(dsn, size=4, deadlines=PATIENT)
    passwords = Passwords.of(settings)
    try:
        loaded = await load_demo(db, today=utc_now().date())
        await put_demo_accounts(db, passwords, operator_ids=list(loaded.operators.values()))
        await measure_network(db)
    finally:
        passwords.close()
        await db.close()


def _attach(stack: ExitStack, settings: Settings) -> str:
    """The database's address, kept running for as long as the stack, its schema ready."""
    dsn, attached = stack.enter_context(database(settings))
    if attached is not None:
        stack.enter_context(attached.keep_running())
    make_schema_ready(settings, dsn)
    return dsn


def _web_children(
    settings: Settings, dsn: str, listener: socket.socket, workers: int
) -> list[Child]:
    fd = listener.fileno()
    return [
        Child(
            f"web {number}",
            (*PYTHON, "kiti.app.child_web", f"{fd}"),
            stage=WEB_STAGE,
            environment=_environment(settings, dsn),
            pass_fds=(fd,),
        )
        for number in range(1, workers + 1)
    ]


def _worker_child(settings: Settings, dsn: str) -> Child:
    return Child(
        "worker",
        (*PYTHON, "kiti.app.child_worker"),
        stage=WORKER_STAGE,
        environment=_environment(settings, dsn),
    )


def _environment(settings: Settings, dsn: str) -> dict[str, str]:
    """The environment of a child: ours, with the settings as they were decided here."""
    return os.environ | to_environment(settings) | {"DATABASE_URL": dsn}


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = listening_socket(host, port, backlog=2048)
    except OSError as error:
        why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
        raise ConfigurationError(f"{host} port {port} {why}: choose another with --port") from None
    # Accepted sockets inherit it; without it answers on kept connections wait for a delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _free_port(host: str, first: int) -> int:
    """The first port from `first` on that nobody listens on."""
    for port in range(first, min(first + 100, PORT_MAX + 1)):
        try:
            listening_socket(host, port).close()
        except OSError:
            continue
        return port
    raise ConfigurationError(f"no free port from {first} on for the simulated gateways")


def _url(host: str, listener: socket.socket) -> str:
    return f"http://{_bracketed(host)}:{listener.getsockname()[1]}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _refuse_in_production(settings: Settings) -> None:
    if settings.is_production:
        raise ConfigurationError("the demo is not for APP_ENV=production")


def _tell(line: str) -> None:
    sys.stderr.write(f"kiti: {line}\n")
    sys.stderr.flush()
