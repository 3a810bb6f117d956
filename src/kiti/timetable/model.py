"""Words of the slice: what an import is asked to do, and the refusals that end one."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Literal

from kiti.fares.model import PassengerType

WINDOW_DAYS: Final = 60
WINDOW_DAYS_MAX: Final = 732
_FIRST_DAY: Final = date(1970, 1, 1)
_LAST_DAY: Final = date(2200, 12, 31)
FEED_NAME_MAX: Final = 100

# What is going on, how much of it is done, and how much there is in all (0: not known yet).
Progress = Callable[[str, int, int], None]
# Hears at once what somebody should know before the first row is written.
Warn = Callable[[str], None]
# The week of this date becomes this week; "fullest": the week whose window runs the most trips.
Shift = date | Literal["fullest"]

_MAPPING: Final = re.compile(r"(?P<fare>.+)=(?P<seat_class>[A-Z][A-Z0-9_]*)/(?P<kind>[A-Z]+)")


def printable(text: str) -> str:
    """The same for a terminal: what a feed says may hold signs that command it."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


class ImportRefused(Exception):
    """The import cannot begin or go on; the message is one line for the person who asked."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class NotAFeed(ImportRefused):
    """The file is not a GTFS feed that can be read; the message names file and line."""


class BadLayout(ImportRefused):
    """The seat layout is wrong; the message carries the line."""


class BadFares(ImportRefused):
    """The fares CSV (with the line) or a fare argument is wrong."""


class BadWindow(ImportRefused):
    """The days asked for cannot be: they end before they begin, or are too many."""


@dataclass(frozen=True, slots=True)
class Window:
    """Service dates from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many service dates: 1 when both ends are the same."""
        return (self.last - self.first).days + 1

    def dates(self) -> list[date]:
        """Each service date, in order."""
        return [self.first + timedelta(days=day) for day in range(self.days)]

    def moved(self, days: int) -> "Window":
        """The same length, `days` later."""
        return Window(self.first + timedelta(days=days), self.last + timedelta(days=days))


@dataclass(frozen=True, slots=True)
class PerKm:
    """A fare by the great circle: `amount_minor` a kilometre, never under `minimum_minor`."""

    amount_minor: int
    minimum_minor: int


@dataclass(frozen=True, slots=True)
class FareUse:
    """What one of a feed's fares pays for: a seat class for a type of passenger."""

    seat_class: str
    passenger_type: str


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What `kiti import gtfs` is asked to do.

    `fares_csv` or `per_km`, or neither for a feed with fares of its own. `window_first` None is
    today in the feed's zone; `window_last` (included) None is 59 days after, 60 days in all.
    `fare_map` goes by fare_id.
    `ignores_pickup_types`: every call is for boarding and alighting, whatever the feed says.
    `is_feed_named`: a person said `feed`; else it is only the file's name.
    `may_remove`: also when more than half of the trips ahead go, or all of them are moved to
    another week than the import before moved them.
    `payable` are the currencies that some gateway here takes; None when that is not known.
    """

    file: Path
    layout: Path
    currency: str
    feed: str
    fares_csv: Path | None = None
    per_km: PerKm | None = None
    fare_map: Mapping[str, FareUse] = field(default_factory=dict[str, FareUse])
    window_first: date | None = None
    window_last: date | None = None
    shift: Shift | None = None
    ignores_pickup_types: bool = False
    payable: frozenset[str] | None = None
    is_feed_named: bool = True
    may_remove: bool = False
    is_dry_run: bool = False


def parse_fare_use(text: str) -> tuple[str, FareUse]:
    """`FARE_ID=CLASS/TYPE` as the fare's id and its use; class and type in any case.

    Raises:
        BadFares: another shape, or a passenger type there is not.
    """
    fare_id, equals, use = text.rpartition("=")
    found = _MAPPING.fullmatch(f"{fare_id}{equals}{use.upper()}")
    if found is None:
        raise BadFares(f"--fare {text}: write it as FARE_ID=CLASS/TYPE, as in night=VIP/ADULT")
    if found["kind"] not in set(PassengerType):
        raise BadFares(f"--fare {text}: the type must be one of {', '.join(PassengerType)}")
    return found["fare"], FareUse(found["seat_class"], found["kind"])


def window_of(first: date | None, last: date | None, *, today: date) -> Window:
    """The days asked for: from today, 60 in all, when nothing else is said.

    Raises:
        BadWindow: the end is before the beginning, or more than two years after it, or one of them
            is out of this world.
    """
    for day in (first, last):
        if day is not None and not _FIRST_DAY <= day <= _LAST_DAY:
            raise BadWindow(f"{day}: service dates are from {_FIRST_DAY} to {_LAST_DAY}")
    begin = today if first is None else first
    end = begin + timedelta(days=WINDOW_DAYS - 1) if last is None else last
    if end < begin:
        raise BadWindow(f"--to {end} is before --from {begin}")
    window = Window(begin, end)
    if window.days > WINDOW_DAYS_MAX:
        raise BadWindow(f"{window.days:,} days are asked for; {WINDOW_DAYS_MAX} at most")
    return window
