"""A feed's own fares (GTFS v1) by segment: which apply, and which of several counts.

The format says neither class nor passenger type. A fare is used when it is the only one, or when
it is mapped; among several that nobody told apart the highest counts, so that nothing is ever sold
too cheaply.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from kiti.fares.model import STANDARD, PassengerType
from kiti.timetable.gtfs.model import FareRule, Feed, FeedFare, Pattern, Route
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
    """The feed's own fares, found by route and zones. `classes` are the layout's."""

    def __init__(
        self, feed: Feed, fare_map: Mapping[str, FareUse], classes: Sequence[str], report: Report
    ) -> None:
        self._feed = feed
        self._fare_map = fare_map
        self._classes = tuple(dict.fromkeys((STANDARD, *classes)))
        self._report = report
        self._by_rule: dict[tuple[str, str, str], list[tuple[FareRule, FeedFare]]] = {}
        self._used: set[str] = set()
        for fare in feed.fares:
            for rule in fare.rules or (FareRule("", "", "", frozenset()),):
                key = rule.route_id, rule.origin_zone, rule.destination_zone
                self._by_rule.setdefault(key, []).append((rule, fare))

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
        for fare in self._feed.fares:
            if fare.fare_id not in self._used:
                self._report.note(Code.FARE_UNUSED, fare.fare_id)

    def _candidates(self, route: Route, patterns: Iterable[Pattern]) -> dict[Pair, list[FeedFare]]:
        """For each pair the fares that apply to a ride between the two, each once."""
        found: dict[Pair, dict[str, FeedFare]] = {}
        for pattern in patterns:
            zones = [self._feed.stops[call.stop_id].zone_id for call in pattern.calls]
            for first, last in pattern.segments():
                pair = pattern.calls[first].stop_id, pattern.calls[last].stop_id
                for key in _keys(route.route_id, zones[first], zones[last]):
                    for rule, fare in self._by_rule.get(key, ()):
                        passed = not rule.contains or rule.contains <= {*zones[first : last + 1]}
                        if passed and fare.agency_id in {"", route.agency_id}:
                            found.setdefault(pair, {})[fare.fare_id] = fare
        return {pair: list(fares.values()) for pair, fares in found.items()}

    def _choose(self, pair: Pair, fares: Sequence[FeedFare]) -> dict[FareUse, int]:
        """What each class and type pays: the mapped fares, and the highest of the others."""
        chosen: dict[FareUse, FeedFare] = {}
        others: list[FeedFare] = []
        for fare in fares:
            use = self._fare_map.get(fare.fare_id)
            if use is None:
                others.append(fare)
            elif use not in chosen or _minor(fare) > _minor(chosen[use]):
                chosen[use] = fare
        if others:
            self._use_highest(pair, others, chosen)
        self._used |= {fare.fare_id for fare in chosen.values()}
        return {use: _minor(fare) for use, fare in chosen.items()}

    def _use_highest(
        self, pair: Pair, others: Sequence[FeedFare], chosen: dict[FareUse, FeedFare]
    ) -> None:
        """Let the highest fare that is not mapped stand for every class that no adult fare has."""
        highest = max(others, key=_minor)
        open_uses = [
            use
            for use in (FareUse(name, PassengerType.ADULT) for name in self._classes)
            if use not in chosen
        ]
        for use in open_uses:
            chosen[use] = highest
        if open_uses and len(others) > 1:
            price = highest.price
            self._report.note(
                Code.FARE_RIVALS,
                f"{pair[0]} to {pair[1]}: {highest.fare_id} of {len(others)}, "
                f"{price.to_major()} {price.currency}",
            )

    def _remark_other_currencies(self, fares: Iterable[Sequence[FeedFare]], currency: str) -> None:
        others = {
            fare.fare_id: fare.price.currency
            for of_pair in fares
            for fare in of_pair
            if fare.price.currency != currency
        }
        for fare_id, other in others.items():
            self._report.note(Code.FARE_OTHER_CURRENCY, f"{fare_id} ({other})")


def _minor(fare: FeedFare) -> int:
    return fare.price.amount_minor


def _keys(route_id: str, origin: str, destination: str) -> set[tuple[str, str, str]]:
    """The rules that may hold: each of the three named, or left open."""
    return set(product({route_id, ""}, {origin, ""}, {destination, ""}))
