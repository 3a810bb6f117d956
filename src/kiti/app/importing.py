"""`kiti import gtfs`: arguments to a request, progress on a terminal, the report on stdout."""

import asyncio
import json
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kiti.app.database import database, make_schema_ready
from kiti.app.parts import payable_currencies
from kiti.config import Settings
from kiti.network.popular import measure_network
from kiti.platform.clock import utc_now
from kiti.platform.db import connect
from kiti.platform.deadlines import PATIENT
from kiti.timetable.model import BadFares, BadWindow, ImportRequest, PerKm, Shift, parse_fare_use
from kiti.timetable.model import Progress as Tell
from kiti.timetable.report import Report
from kiti.timetable.service import import_gtfs, no_progress


def run(  # the command's arguments, one each
    settings: Settings,
    *,
    file: Path,
    layout: Path,
    currency: str,
    fares: Path | None,
    per_km: int | None,
    minimum: int | None,
    feed: str | None,
    fare_map: Sequence[str],
    first: date | None,
    last: date | None,
    shift: str | None,
    ignores_pickup_types: bool,
    may_remove: bool,
    is_dry_run: bool,
    is_json: bool,
) -> int:
    """Import, and print the doctor's report. 0 when the feed was read, even if nothing is sold.

    1 when no trip was written, or in a dry run would be, because somebody must say first that it
    is meant.

    Raises:
        ImportRefused: the feed, the layout or a fare is wrong.
    """
    if (per_km is None) != (minimum is None):
        raise BadFares("--per-km and --minimum go together")
    request = ImportRequest(
        file=file,
        layout=layout,
        currency=currency.upper(),
        feed=file.stem if feed is None else feed,
        is_feed_named=feed is not None,
        fares_csv=fares,
        per_km=None if per_km is None or minimum is None else PerKm(per_km, minimum),
        fare_map=dict(parse_fare_use(text) for text in fare_map),
        window_first=first,
        window_last=last,
        shift=_shift(shift),
        ignores_pickup_types=ignores_pickup_types,
        may_remove=may_remove,
        is_dry_run=is_dry_run,
    )

    async def work(dsn: str, tell: Tell) -> Report:
        known = replace(request, payable=await payable_currencies(settings))
        db = await connect(dsn, size=4, deadlines=PATIENT)
        try:
            report = await import_gtfs(db, known, now=utc_now(), progress=tell, warn=_warn)
            if not request.is_dry_run:
                await measure_network(db)
            return report
        finally:
            await db.close()

    with database(settings) as (dsn, _), progress_bar() as tell:
        make_schema_ready(settings, dsn)
        report = asyncio.run(work(dsn, tell))
    sys.stdout.write(f"{json.dumps(report.to_dict())}\n" if is_json else report.text())
    return int(report.refusal is not None)


def _warn(text: str) -> None:
    sys.stderr.write(f"kiti: {text}\n")


def _shift(text: str | None) -> Shift | None:
    if text is None or text == "fullest":
        return "fullest" if text else None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadWindow(f"--shift {text}: a date such as 2026-11-23, or nothing") from None


@contextmanager
def progress_bar() -> Generator[Tell]:
    """A bar on stderr when that is a terminal; else nothing."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield no_progress
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as bars:
        task = bars.add_task("", total=None)

        def tell(what: str, done: int, total: int) -> None:
            bars.update(task, description=what, completed=done, total=total or None)

        yield tell
