"""The fares CSV: `from_stop_id,to_stop_id,class,amount`, every mistake with its line."""

import re
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from kiti.fares.model import AMOUNT_MINOR_MAX
from kiti.timetable.gtfs.model import Feed
from kiti.timetable.gtfs.rows import Columns, read_rows
from kiti.timetable.model import BadFares
from kiti.timetable.remarks import Code

ROWS_MAX: Final = 1_000_000
_COLUMNS: Final = Columns(("from_stop_id", "to_stop_id", "class", "amount"), required=4)
_CLASS: Final = re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII)
_AMOUNT: Final = re.compile(r"\d{1,18}", re.ASCII)

# From stop and to stop, then seat class: an adult's fare in minor units.
Matrix = Mapping[tuple[str, str], Mapping[str, int]]


def read_fares_csv(path: Path, feed: Feed) -> Matrix:
    """The adult fares by stop ids of the feed and seat class, in minor units.

    Raises:
        BadFares: the file is not there or not such a table, a stop is none of the feed's, or the
            same pair and class has two amounts; with the line.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise BadFares(f"the fares file {path} cannot be read: {error.strerror}") from None
    fares: dict[tuple[str, str], dict[str, int]] = {}

    def refuse_odd(code: Code, line: int) -> None:
        raise BadFares(f"{path.name} line {line}: a row {code.value.text}")

    source = read_rows(
        raw, _COLUMNS, name=path.name, rows_max=ROWS_MAX, refuse=BadFares, remark=refuse_odd
    )
    with raw, closing(source) as rows:
        for line, (origin, destination, seat_class, amount) in rows:
            place = f"{path.name} line {line}"
            for stop_id in (origin, destination):
                if stop_id not in feed.stops and stop_id not in feed.unknown_stops:
                    raise BadFares(f"{place}: the feed has no stop {stop_id!r}")
            name, minor = _class(seat_class, place), _amount(amount, place)
            if fares.setdefault((origin, destination), {}).setdefault(name, minor) != minor:
                raise BadFares(
                    f"{place}: another amount than before for {origin} to {destination}, {name}"
                )
    return fares


def _class(text: str, place: str) -> str:
    name = text.upper()
    if _CLASS.fullmatch(name) is None:
        raise BadFares(f"{place}: {text!r} is no seat class, as STANDARD or VIP is")
    return name


def _amount(text: str, place: str) -> int:
    if _AMOUNT.fullmatch(text) is None or int(text) > AMOUNT_MINOR_MAX:
        raise BadFares(f"{place}: the amount {text!r} is no whole number of minor units")
    return int(text)
