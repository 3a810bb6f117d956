"""The worker as a process: queue and schedules together, until SIGTERM or SIGINT."""

import asyncio
import signal
from collections.abc import Mapping, Sequence

from kiti.jobs.model import Handler, NamedJob
from kiti.jobs.scheduler import Scheduler
from kiti.jobs.worker import Worker, WorkerLimits
from kiti.platform.db import Database


async def work(
    db: Database,
    *,
    dsn: str,
    handlers: Mapping[str, Handler],
    jobs: Sequence[NamedJob],
    limits: WorkerLimits | None = None,
) -> None:
    """Run jobs and schedules until the process is told to stop; returns once all has ended.

    The first SIGTERM or SIGINT takes nothing new and lets what runs finish; a second one does not
    wait: what runs is cancelled and given back.
    """
    limits = limits or WorkerLimits()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    worker = Worker(db, dsn=dsn, handlers=handlers, limits=limits)
    scheduler = Scheduler(db, jobs=jobs, grace_s=limits.grace_s)

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            _ = group.create_task(worker.run(stopping))
            _ = group.create_task(scheduler.run(stopping))

    running = asyncio.create_task(both())

    def stop() -> None:
        if stopping.is_set():
            _ = running.cancel()
        stopping.set()

    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        await running
    except asyncio.CancelledError:
        if not stopping.is_set():
            raise
    finally:
        for number in signals:
            _ = loop.remove_signal_handler(number)
