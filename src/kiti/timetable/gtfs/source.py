"""Where the readers get their rows: an archive beside the report that counts them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from kiti.timetable.gtfs.archive import Archive
from kiti.timetable.gtfs.rows import Columns
from kiti.timetable.gtfs.values import to_id
from kiti.timetable.model import NotAFeed
from kiti.timetable.remarks import Code
from kiti.timetable.report import Report

_PROGRESS_ROWS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Source:
    """One feed being read. `progress` hears of the file and of its rows so far."""

    archive: Archive
    report: Report
    progress: Callable[[str, int], None]

    def rows(self, name: str, columns: Columns) -> Iterator[tuple[int, tuple[str, ...]]]:
        """The rows of a file that may be absent, counted in the report.

        Raises:
            NotAFeed: the file is there and cannot be read.
        """
        count = 0

        def remark(code: Code, line: int) -> None:
            self.report.note(code, f"{name} line {line}")

        for row in self.archive.rows(name, columns, remark):
            count += 1
            if count % _PROGRESS_ROWS == 0:
                self.progress(name, count)
            yield row
        if self.archive.has(name):
            self.report.rows[name.removesuffix(".txt")] = count

    def needed(self, name: str, columns: Columns) -> Iterator[tuple[int, tuple[str, ...]]]:
        """The rows of a file that no feed can be without.

        Raises:
            NotAFeed: the file is absent or cannot be read.
        """
        if not self.archive.has(name):
            raise NotAFeed(f"the feed has no {name}")
        return self.rows(name, columns)

    def is_new_id(self, place: str, value: str, known: object) -> bool:
        """Whether this is a usable id that `known` (a dict or set) lacks; else it is remarked."""
        if to_id(value) is None:
            self.report.note(Code.BAD_ROW, place)
            return False
        if isinstance(known, dict | set) and value in known:
            self.report.note(Code.DUPLICATE_ID, f"{place}: {value}")
            return False
        return True

    def name(self, text: str, fallback: str, *, place: str, length_max: int) -> str:
        """A name that can be kept: not empty, not too long."""
        if not text:
            self.report.note(Code.NAME_MISSING, place)
        elif len(text) > length_max:
            self.report.note(Code.NAME_CUT, place)
        return (text or fallback)[:length_max]
