"""How far fares lie apart: shown before a sale, for a wrong unit is a mistake by a hundred."""

from statistics import median_low
from typing import Final

from kiti.platform.money import Money
from kiti.timetable.remarks import Code
from kiti.timetable.report import FareSpread, Report

# Nearly all: so many of a hundred segments that are priced by the kilometre.
_NEARLY_ALL: Final = 90
_SEGMENTS_MIN: Final = 2


class FareSpreads:
    """Collects an adult's fare of every segment, in one seat class of the layout."""

    def __init__(self, seat_class: str) -> None:
        self._seat_class = seat_class
        self._fares: dict[str, list[int]] = {}
        self._by_km = 0
        self._at_minimum: list[str] = []

    def add(self, fare: Money, name: str, *, minimum_minor: int | None) -> None:
        """Count a segment; `minimum_minor` is given where the kilometres price it."""
        self._fares.setdefault(fare.currency, []).append(fare.amount_minor)
        if minimum_minor is not None:
            self._by_km += 1
            if fare.amount_minor <= minimum_minor:
                self._at_minimum.append(name)

    def tell(self, report: Report) -> None:
        """Put what was counted into the report, and remark where the minimum is nearly the rule."""
        report.fare_spreads = [
            FareSpread(
                self._seat_class,
                Money(min(fares), currency),
                Money(median_low(fares), currency),
                Money(max(fares), currency),
                len(fares),
            )
            for currency, fares in sorted(self._fares.items())
        ]
        if self._by_km < _SEGMENTS_MIN or len(self._at_minimum) * 100 < self._by_km * _NEARLY_ALL:
            return
        for name in self._at_minimum:
            report.note(Code.FARE_IS_MINIMUM, name)
