"""What an import of a spreadsheet is asked to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from kiti.timetable.model import ImportRefused


class SheetRefused(ImportRefused):
    """The import cannot begin; the message says what to give it."""


@dataclass(frozen=True, slots=True)
class SheetRequest:
    """What `kiti import timetable` is asked to do.

    `file` is the timetable, and the fares too when it is a workbook with a sheet of them; `fares`
    None and no such sheet: the fares on file go on. `layouts` are files, the first the default.
    `day` None: from today on. `feed` None: the operator's code. The operator's `name` and
    `timezone` are needed when it is new; the rest None: as it is, or the default.
    """

    file: Path
    operator: str
    layouts: Sequence[Path]
    currency: str
    fares: Path | None = None
    feed: str | None = None
    day: date | None = None
    name: str | None = None
    timezone: str | None = None
    close_minutes: int | None = None
    days_ahead: int | None = None
    may_remove: bool = False
    is_dry_run: bool = False

    @property
    def feed_name(self) -> str:
        """The identity of the operator's trips."""
        return self.feed or self.operator
