"""Single values of a feed: each parser answers None for a value that cannot be."""

import re
from datetime import date
from decimal import Decimal
from typing import Final

from kiti.fares.model import AMOUNT_MINOR_MAX
from kiti.platform.money import Money, exponent

ID_LENGTH_MAX: Final = 200
SEQUENCE_MAX: Final = 2**31 - 1
# The longest railway journey on earth takes seven days; ten leave room.
TIME_S_MAX: Final = 10 * 24 * 3600

_TIME: Final = re.compile(r"(\d{1,3}):([0-5]\d):([0-5]\d)", re.ASCII)
_DATE: Final = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)
_DECIMAL: Final = re.compile(r"\d{1,15}(\.\d{1,15})?", re.ASCII)
_COORDINATE: Final = re.compile(r"[+-]?\d{1,3}(\.\d{1,20})?([eE]-?\d{1,2})?", re.ASCII)
_NUMBER: Final = re.compile(r"\d{1,10}", re.ASCII)


def to_id(text: str) -> str | None:
    """An id as it stands; None when empty or too long to keep."""
    return text if 0 < len(text) <= ID_LENGTH_MAX else None


def to_seconds(text: str) -> int | None:
    """`8:05:00` and `31:55:00` as seconds after noon minus 12 hours of the service date."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds = found.groups()
    value = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return value if value <= TIME_S_MAX else None


def to_clock(seconds: int) -> str:
    """The same the other way round: 114900 is `31:55:00`."""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def to_date(text: str) -> date | None:
    """`20140220` as a date."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day = (int(part) for part in found.groups())
    try:
        return date(year, month, day)
    except ValueError:
        return None


def to_number(text: str, *, highest: int = SEQUENCE_MAX) -> int | None:
    """A whole number from 0 to `highest`."""
    if _NUMBER.fullmatch(text) is None:
        return None
    value = int(text)
    return value if value <= highest else None


def is_continuous(text: str) -> bool:
    """Whether continuous_pickup or continuous_drop_off lets people ride between stops."""
    return text in {"0", "2", "3"}


def to_coordinate(text: str, *, highest: float) -> float | None:
    """Degrees from -`highest` to `highest`."""
    if _COORDINATE.fullmatch(text) is None:
        return None
    value = float(text)
    return value if -highest <= value <= highest else None


def to_money(text: str, currency: str) -> Money | None:
    """A price in major units; None also when it has more decimals than the currency."""
    if _DECIMAL.fullmatch(text) is None:
        return None
    minor = Decimal(text).scaleb(exponent(currency))
    if minor != minor.to_integral_value() or minor > AMOUNT_MINOR_MAX:
        return None
    return Money(int(minor), currency)
