"""The commands that bring timetables in and look at schedules; thin."""

from datetime import date
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from kiti.app import importing, timetables
from kiti.cli.options import AsJson, Flag, MinorUnits, settings
from kiti.timetable.intake.model import SheetRequest

importer = App(name="import")
template = App(name="template")
schedule = App(name="schedule")
holidays = App(name="holidays")


@importer.command
def gtfs(  # noqa: D417  # --json is described by its type
    file: Path,
    *,
    layout: Path,
    currency: str,
    fares: Path | None = None,
    per_km: MinorUnits = None,
    minimum: MinorUnits = None,
    feed: str | None = None,
    fare: Annotated[list[str] | None, Parameter(negative=())] = None,
    from_: Annotated[date | None, Parameter(name="--from")] = None,
    to: Annotated[date | None, Parameter(name="--to")] = None,
    shift: str | None = None,
    ignore_pickup_types: Flag = False,
    allow_removals: Flag = False,
    dry_run: Flag = False,
    json_: AsJson = False,
) -> int:
    """Make a GTFS feed's trips sellable.

    Parameters
    ----------
    file
        The feed, a zip.
    layout
        The seats of its vehicles, in the format of docs/layouts.md.
    currency
        ISO 4217, of --fares or --per-km.
    fares
        A CSV: from_stop_id,to_stop_id,class,amount in minor units.
    per_km
        Minor units a kilometre (50 NGN are 5000); a feed with fares needs neither.
    minimum
        The lowest fare with --per-km, in minor units: 1,500 NGN are 150000.
    feed
        The feed's identity, the same each time; the file's name without its ending by default.
    fare
        FARE_ID=CLASS/TYPE, what one of the feed's own fares is for; may be given again.
    from_
        The first service date; today by default.
    to
        The last service date; 59 days later by default.
    shift
        A date: its week becomes this week. Nothing: as the import before, or the fullest week.
    ignore_pickup_types
        Let people board and alight at every call, for a feed that says nobody may.
    allow_removals
        Go on when more than half of the trips on file would go, or move to another week.
    dry_run
        Write nothing, show the plan and what would change; 1 when a real run would be refused.
    """
    return importing.run(
        settings(),
        file=file,
        layout=layout,
        currency=currency,
        fares=fares,
        per_km=per_km,
        minimum=minimum,
        feed=feed,
        fare_map=fare or [],
        first=from_,
        last=to,
        shift=shift,
        ignores_pickup_types=ignore_pickup_types,
        may_remove=allow_removals,
        is_dry_run=dry_run,
        is_json=json_,
    )


@importer.command
def timetable(
    file: Path,
    *,
    operator: str,
    layout: Annotated[list[Path], Parameter(negative=())],
    currency: str,
    fares: Path | None = None,
    from_: Annotated[date | None, Parameter(name="--from")] = None,
    feed: str | None = None,
    name: str | None = None,
    zone: str | None = None,
    close_minutes: int | None = None,
    days_ahead: int | None = None,
    allow_removals: Flag = False,
    dry_run: Flag = False,
    json: AsJson = False,
) -> int:
    """Make a spreadsheet's departures an operator's schedules, and their trips.

    Parameters
    ----------
    file
        The timetable, CSV or XLSX, as docs/schedules.md draws it.
    operator
        The operator's code.
    layout
        The seats of its vehicles; given again, a column may name one by its file's name.
    currency
        ISO 4217, of the fares.
    fares
        The fares; else those of the workbook, else those on file go on.
    from_
        The first date the timetable holds for; today by default.
    feed
        The identity of its trips; the operator's code by default.
    name
        The operator's name, needed when it is new.
    zone
        The operator's time zone, needed when it is new.
    close_minutes
        Minutes before departure when sales close.
    days_ahead
        For how many days trips are made; 60 at first.
    allow_removals
        Go on when more than half of the trips ahead would go.
    dry_run
        Write nothing, show what would change.
    json
        The report for programs.
    """
    request = SheetRequest(
        file=file,
        operator=operator,
        layouts=layout,
        currency=currency.upper(),
        fares=fares,
        feed=feed,
        day=from_,
        name=name,
        timezone=zone,
        close_minutes=close_minutes,
        days_ahead=days_ahead,
        may_remove=allow_removals,
        is_dry_run=dry_run,
    )
    return timetables.bring_in(settings(), request, is_json=json)


@template.command(name="timetable")
def timetable_template(*, xlsx: Flag = False) -> int:
    """A timetable, CSV; with --xlsx a workbook with the fares beside it."""
    return timetables.print_template("timetable", is_workbook=xlsx)


@template.command(name="fares")
def fares_template(*, xlsx: Flag = False) -> int:
    """Fares, CSV; with --xlsx a workbook."""
    return timetables.print_template("fares", is_workbook=xlsx)


@schedule.command(name="list")
def list_schedules(*, operator: str | None = None) -> int:
    """Schedules in force or to come, by operator; with --operator every one of its."""
    return timetables.print_schedules(settings(), operator=operator)


@schedule.command
def show(code: str) -> int:
    """The schedules of a code, and the dates of the next 60 days they run on."""
    return timetables.print_schedule(settings(), code)


@holidays.command
def add(
    file: Path | None = None,
    *,
    on: date | None = None,
    name: str | None = None,
    country: str | None = None,
    operator: str | None = None,
) -> int:
    """Add holidays: a file of dates and names, or one by --on and --name."""
    return timetables.add_holidays(
        settings(), file=file, on=on, name=name, country=country, operator=operator
    )


@holidays.command
def remove(*, on: date, country: str | None = None, operator: str | None = None) -> int:
    """Forget a holiday."""
    return timetables.drop_holiday(settings(), on=on, country=country, operator=operator)


@holidays.command(name="list")
def list_holidays(*, country: str | None = None, operator: str | None = None) -> int:
    """Holidays from today on."""
    return timetables.print_holidays(settings(), country=country, operator=operator)
