"""A worker: `python -m kiti.app.child_worker`, a child of `kiti serve` or `kiti demo`."""

import sys

import uvloop

from kiti.app.parts import open_parts
from kiti.config import Settings, load_settings
from kiti.jobs.process import work
from kiti.platform.deadlines import PATIENT
from kiti.platform.log import configure_logging


def run_worker(settings: Settings, dsn: str) -> None:
    """Run jobs and schedules until told to stop."""

    async def main() -> None:
        async with open_parts(settings, dsn, deadlines=PATIENT) as parts:
            await work(parts.db, dsn=dsn, handlers=parts.handlers, jobs=parts.jobs)

    uvloop.run(main())


def main() -> None:
    """Work, with settings that are whole in the environment."""
    settings, _ = load_settings()
    configure_logging(is_plain=sys.stderr.isatty())
    run_worker(settings, settings.database_url)


if __name__ == "__main__":
    main()
