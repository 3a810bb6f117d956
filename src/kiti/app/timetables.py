"""Commands for an operator's own timetable: spreadsheets, schedules, holidays."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from operator import itemgetter
from pathlib import Path
from typing import Final, TypeVar

from kiti.app.database import database, make_schema_ready, on_database
from kiti.app.importing import progress_bar
from kiti.config import Settings
from kiti.network.popular import measure_network
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn, connect
from kiti.platform.deadlines import PATIENT
from kiti.timetable.demo.service import FEED as DEMO_FEED
from kiti.timetable.intake.model import SheetRequest
from kiti.timetable.intake.report import SheetReport
from kiti.timetable.intake.service import import_timetable
from kiti.timetable.model import ImportRefused, Progress
from kiti.timetable.remarks import counted
from kiti.timetable.schedules.holidays import list_holidays, put_holidays, remove_holiday
from kiti.timetable.schedules.model import HolidayInvalid, Schedule
from kiti.timetable.schedules.service import Running, list_schedules, show_schedules
from kiti.timetable.sheets.cells import BadSheet
from kiti.timetable.sheets.holidays import read_holidays
from kiti.timetable.sheets.templates import FARES, TIMETABLE, to_csv, to_xlsx

Answer = TypeVar("Answer")

# So many departures of an operator are listed among those of others.
_SHOWN: Final = 20


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

    with _mistakes_listed(), database(settings) as (dsn, _), progress_bar() as tell:
        make_schema_ready(settings, dsn)
        report = asyncio.run(work(dsn, tell))
    sys.stdout.write(f"{json.dumps(report.to_dict())}\n" if is_json else report.text())
    return int(report.refusal is not None)


@contextmanager
def _mistakes_listed() -> Generator[None]:
    """List the mistakes of a file on stdout, and what is odd besides; say how many they are.

    Raises:
        ImportRefused: there were some.
    """
    try:
        yield
    except BadSheet as error:
        lines = [*error.mistakes, *(f"Remark: {question}" for question in error.questions)]
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        which = (
            f"the first {len(error.mistakes)} are" if error.count > len(error.mistakes) else "see"
        )
        told = counted(error.count, "mistake")
        raise ImportRefused(f"nothing was changed: {told}, {which} above") from None


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
    """The schedules in force or to come, by operator; of one operator's code if given."""
    today = utc_now().date()

    async def work(conn: Conn) -> list[Running]:
        return await list_schedules(conn, since=today, operator_code=operator)

    for line in schedule_lines(_look(settings, work), is_whole=operator is not None):
        sys.stdout.write(f"{line}\n")
    return 0


def schedule_lines(found: Iterable[Running], *, is_whole: bool) -> Iterator[str]:
    """Schedules by operator, those of the demo last.

    Not `is_whole`: of an operator the first 20, of the demo's none; then how to see the others.
    """
    by_operator: dict[tuple[bool, str], list[Schedule]] = {}
    for one in found:
        key = one.schedule.feed == DEMO_FEED, one.operator_code
        by_operator.setdefault(key, []).append(one.schedule)
    for (is_demo, code), schedules in sorted(by_operator.items(), key=itemgetter(0)):
        shown = len(schedules) if is_whole else 0 if is_demo else _SHOWN
        of_demo = " of the demo" if is_demo else ""
        yield f"{code}: {counted(len(schedules), 'departure')}{of_demo}"
        yield from (f"  {_line(one)}" for one in schedules[:shown])
        if shown < len(schedules):
            more = f"and {len(schedules) - shown} more" if shown else "shown by"
            yield f"  {more}: kiti schedule list --operator {code}"


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
        ImportRefused: the file has mistakes.
    """
    days: Mapping[date, str]
    if file is not None and on is None and name is None:
        with _mistakes_listed():
            days = read_holidays(file)
    elif file is None and on is not None and name is not None:
        days = {on: name}
    else:
        raise HolidayInvalid("give a file of dates and names, or --on DATE and --name NAME")

    async def work(conn: Conn) -> int:
        return await put_holidays(conn, days, country=country, operator_code=operator)

    count = _write(settings, work)
    told = counted(count, "holiday")
    sys.stdout.write(f"{told}; trips follow with `kiti job make-trips`, or tonight\n")
    return 0


def drop_holiday(settings: Settings, *, on: date, country: str | None, operator: str | None) -> int:
    """Forget a holiday; 1 when there was none.

    Raises:
        HolidayInvalid: it is not said whose it is.
    """

    async def work(conn: Conn) -> bool:
        return await remove_holiday(conn, on, country=country, operator_code=operator)

    is_gone = _write(settings, work)
    if is_gone:
        sys.stdout.write(f"{on} is a holiday no more\n")
        return 0
    sys.stderr.write("kiti: there is no such holiday\n")
    return 1


def print_holidays(settings: Settings, *, country: str | None, operator: str | None) -> int:
    """Holidays from today on, a line each; of one country or operator if given."""
    today = utc_now().date()

    async def work(conn: Conn) -> list[str]:
        found = await list_holidays(conn, country=country, operator_code=operator, since=today)
        return [f"{day.holiday_on}  {day.country or day.operator}  {day.name}" for day in found]

    for line in _look(settings, work):
        sys.stdout.write(f"{line}\n")
    return 0


def _look(settings: Settings, work: Callable[[Conn], Awaitable[Answer]]) -> Answer:
    """Read a database that is there."""
    return on_database(settings, lambda db: db.run(work))


def _write(settings: Settings, work: Callable[[Conn], Awaitable[Answer]]) -> Answer:
    """Write in one transaction."""
    return on_database(settings, lambda db: db.run(work), makes_it=True)
