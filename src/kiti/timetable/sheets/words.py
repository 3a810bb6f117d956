"""What people write in cells: times, days, dates, amounts, countries. English and French words.

Each reader raises `Unclear` with what to write instead: nothing is guessed.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final, Literal

from kiti.fares.model import AMOUNT_MINOR_MAX
from kiti.platform.money import exponent
from kiti.timetable.countries import find_country
from kiti.timetable.currency import is_currency
from kiti.timetable.schedules.calendar import DAILY, OnHoliday
from kiti.timetable.sheets.cells import Value, text_of

DAY_S: Final = 86_400
HOURS_MAX: Final = 240
DATES_MAX: Final = 366
_YEARS: Final = range(2000, 2200)

Use = Literal["both", "on", "off"]

_CLOCK: Final = re.compile(r"(\d{1,3})[:h](\d{2})(?::(\d{2}))?\s?([ap]\.?m\.?)?", re.ASCII)
_SPAN: Final = re.compile(r"(\d{1,3}[:h]\d{2}) ?(?:[-–—]|to|a) ?(\d{1,3}[:h]\d{2})", re.ASCII)
_NO_CALL: Final = frozenset({"", "-", "–", "—", "|", "x"})
_DAYS: Final = {
    "mon": 0, "tue": 1, "wed": 2, "thu": 3, "fri": 4, "sat": 5, "sun": 6,
    "lun": 0, "mar": 1, "mer": 2, "jeu": 3, "ven": 4, "sam": 5, "dim": 6,
}  # fmt: skip
_DAY: Final = re.compile(
    r"(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:days?)?"
    r"|lun(?:di)?|mar(?:di)?|mer(?:credi)?|jeu(?:di)?|ven(?:dredi)?|sam(?:edi)?|dim(?:anche)?"
)
_MANY: Final = {
    "daily": DAILY, "everyday": DAILY, "quotidien": DAILY, "weekdays": frozenset(range(5)),
    "weekend": frozenset({5, 6}), "weekends": frozenset({5, 6}),
}  # fmt: skip
_MONTHS: Final = (
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
)  # fmt: skip
_ISO: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?: 00:00:00)?", re.ASCII)
_SLASHED: Final = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})", re.ASCII)
_WORDY: Final = re.compile(r"(\d{1,2}) ([a-z]{3})[a-z]*\.? (\d{4})", re.ASCII)
_HOLIDAYS: Final = {
    "": OnHoliday.AS_USUAL, "yes": OnHoliday.AS_USUAL, "as usual": OnHoliday.AS_USUAL,
    "true": OnHoliday.AS_USUAL, "oui": OnHoliday.AS_USUAL,
    "no": OnHoliday.NOT, "none": OnHoliday.NOT, "false": OnHoliday.NOT, "non": OnHoliday.NOT,
    "sunday": OnHoliday.AS_SUNDAY, "as sunday": OnHoliday.AS_SUNDAY,
    "dimanche": OnHoliday.AS_SUNDAY,
}  # fmt: skip
_MODES: Final = {"": "BUS", "bus": "BUS", "ferry": "FERRY", "rail": "RAIL", "train": "RAIL"}
_NUMBER: Final = re.compile(r"\d[\d.,]*", re.ASCII)
# UGX2800, 2800UGX, 1500/=, ₦1500: spaces are out by then.
_WORD_BESIDE: Final = re.compile(r"([^\d.,-]{1,12})[\d.,]+|[\d.,]+([^\d.,-]{1,12})", re.ASCII)


class Unclear(ValueError):
    """A cell cannot be read; the message says what to write."""


@dataclass(frozen=True, slots=True)
class CellCall:
    """A call as the cell has it: seconds of the clock; `use` is "on" or "off" if only that."""

    arrival_s: int
    departure_s: int
    use: Use


def plain(text: str) -> str:
    """Lower case without accents and double spaces."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in apart if not unicodedata.combining(c)).split())


def to_clock(value: Value) -> int:
    """A time of day in seconds; hours may pass 24.

    Raises:
        Unclear: it is no time.
    """
    match value:
        case bool():
            pass
        case datetime():
            pass
        case time():
            return value.hour * 3600 + value.minute * 60 + value.second
        case timedelta() if timedelta(0) <= value <= timedelta(hours=HOURS_MAX):
            return round(value.total_seconds())
        case float() if 0 <= value < 1 and abs(value * 1440 - round(value * 1440)) < 1e-6:
            return round(value * 1440) * 60
        case str():
            return _clock_of_text(plain(value))
        case _:
            pass
    raise Unclear(f"{text_of(value)[:40]!r} is no time; write it as 07:30")


def _clock_of_text(text: str) -> int:
    found = _CLOCK.fullmatch(text)
    if found is None or int(found[2]) > 59 or int(found[3] or 0) > 59:
        raise Unclear(f"{text[:40]!r} is no time; write it as 07:30")
    hours = int(found[1])
    if found[4]:
        if not 1 <= hours <= 12:
            raise Unclear(f"{text!r} is no time; write it as 07:30")
        hours = hours % 12 + (12 if found[4][0] == "p" else 0)
    if hours > HOURS_MAX:
        raise Unclear(f"{text!r}: a trip of more than {HOURS_MAX} hours")
    return hours * 3600 + int(found[2]) * 60 + int(found[3] or 0)


def to_call(value: Value) -> CellCall | None:
    """A call: `07:30`, `07:30/07:40` (arrival, departure), `07:30 on`, `07:30 off`; None: none.

    Raises:
        Unclear: it is none of these.
    """
    if not isinstance(value, str):
        seconds = to_clock(value)
        return CellCall(seconds, seconds, "both")
    text = plain(value)
    if text in _NO_CALL:
        return None
    use: Use = "both"
    for word in ("on", "off"):
        if text.endswith(f" {word}"):
            use, text = word, text.removesuffix(word).strip()
    arrival, slash, departure = text.partition("/")
    if found := _SPAN.fullmatch(text):
        raise Unclear(f"{text[:40]!r}: write {found[1]}/{found[2]} for arrival and departure")
    arrives = to_clock(arrival.strip())
    leaves = to_clock(departure.strip()) if slash else arrives
    return CellCall(arrives, leaves if leaves >= arrives else leaves + DAY_S, use)


def to_weekdays(text: str) -> frozenset[int]:
    """`daily`, `Mon-Fri`, `Mon, Wed`, `lun-ven`, `daily except Sun`; Monday is 0.

    Raises:
        Unclear: it is none of these.
    """
    words = plain(text).replace("every day", "daily").replace("tous les jours", "daily")
    words = re.sub(r"\s*(?:[-–—]|\bto\b|\ba\b|\bau\b)\s*", "-", words)
    wanted, _, without = re.sub(r"\bsauf\b", "except", words).partition("except")
    found = _days_in(wanted, text)
    if without:
        found -= _days_in(without, text)
    if not found:
        raise Unclear(f"{text[:60]!r} leaves no day; write daily, Mon-Fri or Mon, Wed")
    return found


def _days_in(words: str, text: str) -> frozenset[int]:
    found: set[int] = set()
    for word in re.split(r"[\s,;/&+]+|\band\b|\bet\b", words):
        first, dash, last = word.partition("-")
        if word in _MANY:
            found |= _MANY[word]
        elif _DAY.fullmatch(first) and (not dash or _DAY.fullmatch(last)):
            begin = _DAYS[first[:3]]
            end = _DAYS[last[:3]] if dash else begin
            found |= {(begin + n) % 7 for n in range((end - begin) % 7 + 1)}
        elif word:
            raise Unclear(f"{text[:60]!r} are no days; write daily, Mon-Fri or Mon, Wed")
    return frozenset(found)


def to_date(value: Value) -> date:
    """One date.

    Raises:
        Unclear: it is none, or could be two.
    """
    found = _date_of(value)
    if found is None or found.year not in _YEARS:
        text = text_of(value)[:40]
        readings = [str(day) for day in _readings(text)] or ["it as 2026-12-25", "25 Dec 2026"]
        raise Unclear(f"{text!r} is no date; write {' or '.join(readings)}")
    return found


def _readings(text: str) -> list[date]:
    """What `25/12/2026` may mean: day first, then month first; none, one or two."""
    found = _SLASHED.fullmatch(text)
    if found is None:
        return []
    first, second, year = int(found[1]), int(found[2]), int(found[3])
    days = dict.fromkeys((_date_or_none(year, month, day)
                          for day, month in ((first, second), (second, first))))  # fmt: skip
    return [day for day in days if day is not None and day.year in _YEARS]


def _date_of(value: Value) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    text = plain(text_of(value)).replace(",", " ")
    numbers: tuple[int, int, int] | None = None
    if found := _ISO.fullmatch(text):
        numbers = int(found[1]), int(found[2]), int(found[3])
    elif (found := _WORDY.fullmatch(" ".join(text.split()))) and found[2] in _MONTHS:
        numbers = int(found[3]), _MONTHS.index(found[2]) + 1, int(found[1])
    return None if numbers is None else _date_or_none(*numbers)


def _date_or_none(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def to_dates(value: Value) -> frozenset[date]:
    """Dates with commas or semicolons between them; `2026-12-24..2026-12-31` are all of them.

    Raises:
        Unclear: one of them is none.
    """
    if not isinstance(value, str):
        return frozenset({to_date(value)})
    found: set[date] = set()
    for part in re.split(r"[,;\n]+", value):
        first, dots, last = (text.strip() for text in part.partition(".."))
        if not first and not last:
            continue
        begin = to_date(first)
        end = to_date(last) if dots else begin
        if not begin <= end <= begin + timedelta(days=DATES_MAX):
            raise Unclear(f"{part.strip()[:40]!r}: from the earlier to the later, a year at most")
        found |= {begin + timedelta(days=n) for n in range((end - begin).days + 1)}
    return frozenset(found)


def to_on_holiday(text: str) -> OnHoliday:
    """What runs on holidays: `yes` (or nothing), `no` or `sunday`.

    Raises:
        Unclear: another word.
    """
    found = _HOLIDAYS.get(plain(text))
    if found is None:
        raise Unclear(f"{text[:40]!r}: write yes, no or sunday")
    return found


def to_mode(text: str) -> str:
    """BUS (also of nothing), FERRY or RAIL.

    Raises:
        Unclear: another word.
    """
    found = _MODES.get(plain(text))
    if found is None:
        raise Unclear(f"{text[:40]!r}: write bus, ferry or rail")
    return found


def to_degrees(value: Value, *, highest: float) -> float | None:
    """Degrees from -`highest` to `highest`; None of an empty cell.

    Raises:
        Unclear: no such number.
    """
    text = text_of(value).replace(",", ".")
    if not text:
        return None
    if re.fullmatch(r"[+-]?\d{1,3}(\.\d{1,20})?", text, re.ASCII) and abs(float(text)) <= highest:
        return float(text)
    raise Unclear(f"{text[:40]!r} are no degrees, as 6.5244 is")


def to_country(text: str) -> str:
    """The ISO 3166 code of `NG`, `Nigeria` or `Kenya`.

    Raises:
        Unclear: there is no such country.
    """
    found = find_country(text)
    if found is None:
        raise Unclear(f"{text[:40]!r} is no country; write NG or Nigeria")
    return found


def to_minor(value: Value, currency: str) -> int:
    """An amount in major units, as people write it, in minor ones: `1,500.00` NGN is 150000.

    A comma before exactly three digits separates thousands, where the currency has no three
    decimals itself.

    Raises:
        Unclear: it is no amount, could be two, or has more decimals than the currency.
    """
    text = text_of(value).upper().removeprefix(currency).removesuffix(currency)
    digits = "".join(c for c in text if not c.isspace() and c not in "'’")
    places = exponent(currency)
    if _NUMBER.fullmatch(digits) is None or isinstance(value, bool):
        raise Unclear(f"{text_of(value)[:40]!r} {_no_amount(digits, currency)}")
    whole, decimals = (
        _split_text(digits, places) if isinstance(value, str) else _split_number(digits)
    )
    if len(decimals) > places:
        has = f"{places} decimals" if places else "no decimals"
        raise Unclear(f"{text_of(value)[:40]!r} has too many decimals: {currency} has {has}")
    minor = Decimal(f"{whole}.{decimals or 0}").scaleb(places)
    if minor > AMOUNT_MINOR_MAX:
        raise Unclear(f"{text_of(value)[:40]!r} is too much for a fare")
    return int(minor)


def _no_amount(text: str, currency: str) -> str:
    """Why it is none: another currency's word beside a number, or it is no number at all."""
    found = _WORD_BESIDE.fullmatch(text)
    if found is None:
        return "is no amount; write 1500 or 1,500.00"
    word = found[1] or found[2]
    if is_currency(word):
        return f"is in {word}, the fares are in {currency} (--currency)"
    return f"has {word!r} beside the number; write the number alone, in {currency}"


def _split_number(digits: str) -> tuple[str, str]:
    """A number cell: the dot is the decimal one."""
    whole, _, decimals = digits.partition(".")
    return whole, decimals


def _split_text(digits: str, places: int) -> tuple[str, str]:
    """Whole part and decimals of a written number, its thousands' marks taken out."""
    marks = [c for c in digits if c in ",."]
    last = marks[-1] if marks else ""
    if not last:
        return digits, ""
    if len(set(marks)) > 1:
        whole, _, decimals = digits.rpartition(last)
        group = "," if last == "." else "."
        if last in whole:
            raise Unclear(f"{digits!r} is no amount; write 1500 or 1,500.00")
        return _grouped(whole, group), decimals
    if len(marks) > 1:
        return _grouped(digits, last), ""
    whole, _, decimals = digits.partition(last)
    if len(decimals) == 3:
        if last == "." or places == 3:
            if len(decimals.rstrip("0")) > places:
                raise Unclear(
                    f"{digits!r} has too many decimals for this currency; if thousands are meant, "
                    f"write {whole}{decimals}"
                )
            raise Unclear(f"{digits!r} could be two amounts; write it without the mark")
        return _grouped(digits, last), ""
    return whole, decimals


def _grouped(text: str, mark: str) -> str:
    """The digits of `1,500,000`: groups of three after the first."""
    first, *groups = text.split(mark)
    if not 1 <= len(first) <= 3 or any(len(group) != 3 for group in groups):
        raise Unclear(f"{text!r} is no amount; write 1500 or 1,500.00")
    return first + "".join(groups)
