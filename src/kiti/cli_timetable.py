"""The commands for an operator's own timetable; thin."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from kiti.app import timetables
from kiti.config import Settings
from kiti.timetable.sheet_model import SheetRequest

Flag = Annotated[bool, Parameter(negative=())]


def add_timetable_commands(app: App, importer: App, settings: Callable[[], Settings]) -> None:
    """Add `import timetable`, `template`, `schedule` and `holidays`."""
    _add_import(importer, settings)
    template = App(name="template", help="Spreadsheets to fill in, on stdout.")
    schedule = App(name="schedule", help="Departures kept as rules.")
    holidays = App(name="holidays", help="Public holidays, of a country or one operator.")
    for group in (template, schedule, holidays):
        app.command(group)
    _add_templates(template)
    _add_schedules(schedule, settings)
    _add_holidays(holidays, settings)


def _add_import(importer: App, settings: Callable[[], Settings]) -> None:
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
        json: Annotated[bool, Parameter(name="--json", negative=())] = False,
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


def _add_templates(template: App) -> None:
    @template.command
    def timetable(*, xlsx: Flag = False) -> int:
        """A timetable, CSV; with --xlsx a workbook with the fares beside it."""
        return timetables.print_template("timetable", is_workbook=xlsx)

    @template.command
    def fares(*, xlsx: Flag = False) -> int:
        """Fares, CSV; with --xlsx a workbook."""
        return timetables.print_template("fares", is_workbook=xlsx)


def _add_schedules(schedule: App, settings: Callable[[], Settings]) -> None:
    @schedule.command(name="list")
    def list_all(*, operator: str | None = None) -> int:
        """Every schedule in force or to come."""
        return timetables.print_schedules(settings(), operator=operator)

    @schedule.command
    def show(code: str) -> int:
        """The schedules of a code, and the dates of the next 60 days they run on."""
        return timetables.print_schedule(settings(), code)


def _add_holidays(holidays: App, settings: Callable[[], Settings]) -> None:
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
    def list_all(*, country: str | None = None, operator: str | None = None) -> int:
        """Holidays from today on."""
        return timetables.print_holidays(settings(), country=country, operator=operator)
