"""A feed's own fares by segment: which of several counts.

The format says no class, and passenger types in v2 alone. A fare is used when it is the only one,
or when it is mapped; among several that nobody told apart the highest counts, so that nothing is
ever sold too cheaply.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kiti.fares.model import STANDARD, PassengerType
from kiti.timetable.fare_rules import OwnFare, finder_of
from kiti.timetable.gtfs.model import Feed, Pattern, Route
from kiti.timetable.model import FareUse
from kiti.timetable.remarks import Code
from kiti.timetable.report import Report

# Boarding and alighting stop, by the feed's ids.
Pair = tuple[str, str]
# From stop, to stop, seat class, passenger type: minor units.
Fares = dict[tuple[str, str, str, str], int]


@dataclass(frozen=True, slots=True)
class OwnFares:
    """What a route's own fares come to, all in one currency; `fares` by pair, class and type."""

    currency: str
    fares: Fares

    @property
    def pairs(self) -> set[Pair]:
        """The pairs that have one."""
        return {(origin, destination) for origin, destination, _, _ in self.fares}


class OwnFareBook:
    """The feed's own fares, found by route and stops. `classes` are the layout's."""

    def __init__(
        self, feed: Feed, fare_map: Mapping[str, FareUse], classes: Sequence[str], report: Report
    ) -> None:
        self._feed = feed
        self._fare_map = fare_map
        self._classes = tuple(dict.fromkeys((STANDARD, *classes)))
        self._report = report
        self._finder = finder_of(feed)
        self._used: set[str] = set()

    def of_route(self, route: Route, patterns: Iterable[Pattern]) -> OwnFares | None:
        """The route's own fares over every segment of its patterns; None when it has none."""
        candidates = self._candidates(route, patterns)
        counts = Counter(
            currency
            for fares in candidates.values()
            for currency in {fare.price.currency for fare in fares}
        )
        if not counts:
            return None
        currency = min(counts, key=lambda code: (-counts[code], code))
        self._remark_other_currencies(candidates.values(), currency)
        out: Fares = {}
        for pair, fares in candidates.items():
            same = [fare for fare in fares if fare.price.currency == currency]
            for use, minor in self._choose(pair, same).items():
                out[*pair, use.seat_class, use.passenger_type] = minor
        return OwnFares(currency, out)

    def remark_unused(self) -> None:
        """Call when every route was asked for: the fares that none of them uses."""
        for fare_id in own_fare_ids(self._feed):
            if fare_id not in self._used:
                self._report.note(Code.FARE_UNUSED, fare_id)

    def _candidates(self, route: Route, patterns: Iterable[Pattern]) -> dict[Pair, list[OwnFare]]:
        """For each pair the fares that apply to a ride between the two, each once."""
        found: dict[Pair, dict[OwnFare, None]] = {}
        if not self._feed.fares and self._feed.leg_fares is None:
            return {}
        for pattern in patterns:
            stops = [self._feed.stops[call.stop_id] for call in pattern.calls]
            for first, last in pattern.segments():
                fares = self._finder.find(route, stops, first, last)
                if of_pair := dict.fromkeys(fares):
                    found.setdefault((stops[first].stop_id, stops[last].stop_id), {}).update(
                        of_pair
                    )
        return {pair: list(fares) for pair, fares in found.items()}

    def _choose(self, pair: Pair, fares: Sequence[OwnFare]) -> dict[FareUse, int]:
        """What each class and type pays: the mapped fares, and the highest of the others."""
        chosen: dict[FareUse, OwnFare] = {}
        others: dict[str, list[OwnFare]] = {}
        for fare in fares:
            mapped = self._fare_map.get(fare.fare_id)
            if mapped is not None:
                use = FareUse(mapped.seat_class, fare.passenger_type or mapped.passenger_type)
                if use not in chosen or _minor(fare) > _minor(chosen[use]):
                    chosen[use] = fare
            elif not fare.is_spare:
                others.setdefault(fare.passenger_type or PassengerType.ADULT, []).append(fare)
        self._use_highest(pair, others, chosen)
        self._used |= {fare.fare_id for fare in chosen.values()}
        return {use: _minor(fare) for use, fare in chosen.items()}

    def _use_highest(
        self, pair: Pair, others: Mapping[str, Sequence[OwnFare]], chosen: dict[FareUse, OwnFare]
    ) -> None:
        """Let the highest fare that is not mapped stand for every class that no adult fare has.

        So for each type of passenger; a class that was told what its adults pay takes no other
        type's fare from a product that may be another class's.
        """
        open_classes = [
            name for name in self._classes if FareUse(name, PassengerType.ADULT) not in chosen
        ]
        for kind, fares in others.items():
            highest = max(fares, key=_minor)
            open_uses = [FareUse(name, kind) for name in open_classes]
            for use in open_uses:
                chosen.setdefault(use, highest)
            if open_uses and len(fares) > 1:
                price = highest.price
                self._report.note(
                    Code.FARE_RIVALS,
                    f"{pair[0]} to {pair[1]}: {highest.fare_id} of {len(fares)}, "
                    f"{price.to_major()} {price.currency}",
                )

    def _remark_other_currencies(self, fares: Iterable[Sequence[OwnFare]], currency: str) -> None:
        others = {
            fare.fare_id: fare.price.currency
            for of_pair in fares
            for fare in of_pair
            if fare.price.currency != currency
        }
        for fare_id, other in others.items():
            self._report.note(Code.FARE_OTHER_CURRENCY, f"{fare_id} ({other})")


def own_fare_ids(feed: Feed) -> dict[str, frozenset[str]]:
    """The ids that `--fare` may map, with the types of passenger they are told to be for.

    "" among them: for some that the feed does not tell.
    """
    kinds: dict[str, set[str]] = {fare.fare_id: {""} for fare in feed.fares}
    for price in () if feed.leg_fares is None else feed.leg_fares.prices:
        kinds.setdefault(price.product_id, set()).add(price.passenger_type)
    return {fare_id: frozenset(of_fare) for fare_id, of_fare in kinds.items()}


def _minor(fare: OwnFare) -> int:
    return fare.price.amount_minor
