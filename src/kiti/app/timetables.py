"""Commands for an operator's own timetable: spreadsheets, schedules, holidays."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from pathlib import Path
from typing import TypeVar

from kiti.app.database import database, make_schema_ready, on_database
from kiti.app.importing import progress_bar
from kiti.config import Settings
from kiti.network.popular import measure_network
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn, connect
from kiti.platform.deadlines import PATIENT
from kiti.timetable.intake.model import SheetRequest
from kiti.timetable.intake.report import SheetReport
from kiti.timetable.intake.service import import_timetable
from kiti.timetable.model import Progress
from kiti.timetable.schedules.holidays import list_holidays, put_holidays, remove_holiday
from kiti.timetable.schedules.model import HolidayInvalid, Schedule
from kiti.timetable.schedules.service import list_schedules, show_schedules
from kiti.timetable.sheets.cells import BadSheet
from kiti.timetable.sheets.holidays import read_holidays
from kiti.timetable.sheets.templates import FARES, TIMETABLE, to_csv, to_xlsx

Answer = TypeVar("Answer")


def bring_in(settings: Settings, request: SheetRequest, *, is_json: bool) -> int:
    """Import a spreadsheet, and print what it did; its mistakes, when it has some.

    1 when it is a dry run of what would be refused.

    Raises:
        ImportRefused: a file is wrong.
    """

    async def work(dsn: str, tell: Progress) -> SheetReport:
        db = await connect(dsn, size=4, deadlines=PATIENT)
        try:
            report = await import_timetable(db, request, now=utc_now(), progress=tell)
            if not request.is_dry_run:
                await measure_network(db)
            return report
        finally:
            await db.close()

    try:
        with database(settings) as (dsn, _), progress_bar() as tell:
            make_schema_ready(settings, dsn)
            report = asyncio.run(work(dsn, tell))
    except BadSheet as error:
        sys.stdout.write("".join(f"{mistake}\n" for mistake in error.mistakes))
        raise
    sys.stdout.write(f"{json.dumps(report.to_dict())}\n" if is_json else report.text())
    return int(report.refusal is not None)


def print_template(kind: str, *, is_workbook: bool) -> int:
    """A template on stdout: of `timetable` (in a workbook with its fares beside it) or `fares`."""
    if kind == "fares":
        raw = to_xlsx([("Fares", FARES)]) if is_workbook else to_csv(FARES)
    elif is_workbook:
        raw = to_xlsx([("Timetable", TIMETABLE), ("Fares", FARES)])
    else:
        raw = to_csv(TIMETABLE)
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.flush()
    return 0


def print_schedules(settings: Settings, *, operator: str | None) -> int:
    """Every schedule in force or to come, a line each; of one operator's code if given."""
    today = utc_now().date()

    async def work(conn: Conn) -> list[str]:
        found = await list_schedules(conn, since=today, operator_code=operator)
        return [_line(one.schedule) for one in found]

    for line in _look(settings, work):
        sys.stdout.write(f"{line}\n")
    return 0


def print_schedule(settings: Settings, code: str) -> int:
    """The schedules of a code, and their next dates.

    Raises:
        NoSuchSchedule: there is none.
    """
    today = utc_now().date()

    async def work(conn: Conn) -> list[str]:
        shown = await show_schedules(conn, code, today=today)
        lines: list[str] = []
        for one in shown:
            lines.append(_line(one.schedule))
            lines += [f"  {day} {day:%a}" for day in one.dates]
        return lines

    for line in _look(settings, work):
        sys.stdout.write(f"{line}\n")
    return 0


def _line(schedule: Schedule) -> str:
    rule = schedule.rule
    minutes = rule.departure_s // 60
    end = "" if schedule.valid_until is None else f" until before {schedule.valid_until}"
    return (
        f"{schedule.feed}  {rule.code}  {minutes // 60:02}:{minutes % 60:02} {rule.timezone}  "
        f"{rule.calendar.words()}  in force from {schedule.valid_from}{end}"
    )


def add_holidays(
    settings: Settings,
    *,
    file: Path | None,
    on: date | None,
    name: str | None,
    country: str | None,
    operator: str | None,
) -> int:
    """Write holidays, of a file or one by its date and name.

    Raises:
        HolidayInvalid: neither a file nor a date with a name, or it is not said whose they are.
        BadSheet: the file has mistakes.
    """
    days: Mapping[date, str]
    if file is not None and on is None and name is None:
        days = read_holidays(file)
    elif file is None and on is not None and name is not None:
        days = {on: name}
    else:
        raise HolidayInvalid("give a file of dates and names, or --on DATE and --name NAME")

    async def work(conn: Conn) -> int:
        return await put_holidays(conn, days, country=_code(country), operator_code=operator)

    count = _write(settings, work)
    sys.stdout.write(f"{count} holidays; trips follow with `kiti job make-trips`, or tonight\n")
    return 0


def drop_holiday(settings: Settings, *, on: date, country: str | None, operator: str | None) -> int:
    """Forget a holiday; 1 when there was none.

    Raises:
        HolidayInvalid: it is not said whose it is.
    """

    async def work(conn: Conn) -> bool:
        return await remove_holiday(conn, on, country=_code(country), operator_code=operator)

    is_gone = _write(settings, work)
    sys.stdout.write(f"{on} is a holiday no more\n" if is_gone else "there is no such holiday\n")
    return 0 if is_gone else 1


def print_holidays(settings: Settings, *, country: str | None, operator: str | None) -> int:
    """Holidays from today on, a line each; of one country or operator if given."""
    today = utc_now().date()

    async def work(conn: Conn) -> list[str]:
        found = await list_holidays(
            conn, country=_code(country), operator_code=operator, since=today
        )
        return [f"{day.holiday_on}  {day.country or day.operator}  {day.name}" for day in found]

    for line in _look(settings, work):
        sys.stdout.write(f"{line}\n")
    return 0


def _code(country: str | None) -> str | None:
    return None if country is None else country.upper()


def _look(settings: Settings, work: Callable[[Conn], Awaitable[Answer]]) -> Answer:
    """Read a database that is there."""
    return on_database(settings, lambda db: db.run(work))


def _write(settings: Settings, work: Callable[[Conn], Awaitable[Answer]]) -> Answer:
    """Write in one transaction."""
    return on_database(settings, lambda db: db.run(work), makes_it=True)
