"""A feed's own fares by segment: which of several counts.

The format says no class, and passenger types in v2 alone. A fare is used when it is the only one,
or when it is mapped; among several that nobody told apart the highest counts, so that nothing is
ever sold too cheaply. Where one of them cannot be read nobody knows which that is: such a segment
is not sold by any of them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kiti.fares.model import FARES_MAX, STANDARD, PassengerType
from kiti.platform.money import Money
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
    """What a route's own fares come to, all in one currency; `fares` by pair, class and type.

    `is_unclear`: on some segment a fare that cannot be read has rivals, and so none is used there.
    """

    currency: str
    fares: Fares
    is_unclear: bool = False

    @property
    def pairs(self) -> set[Pair]:
        """The pairs that have one."""
        return {(origin, destination) for origin, destination, _, _ in self.fares}


class TooManyFares(Exception):
    """A route's own fares are more than a fare table takes."""


@dataclass(slots=True)
class _Choice:
    """What is found for one pair: by class and type, and where a fare that counts is unreadable."""

    chosen: dict[FareUse, OwnFare] = field(default_factory=dict[FareUse, OwnFare])
    unread: set[FareUse] = field(default_factory=set[FareUse])
    others: dict[str, list[OwnFare]] = field(default_factory=dict[str, list[OwnFare]])
    unread_kinds: set[str] = field(default_factory=set[str])


class OwnFareBook:
    """The feed's own fares, found by route and stops. `classes` are the layout's."""

    def __init__(
        self, feed: Feed, fare_map: Mapping[str, FareUse], classes: Sequence[str], report: Report
    ) -> None:
        self._feed = feed
        self._fare_map = fare_map
        self._sold_classes = tuple(classes)
        self._classes = tuple(dict.fromkeys((STANDARD, *classes)))
        self._report = report
        self._finder = finder_of(feed)
        self._used: set[str] = set()

    def of_route(self, route: Route, patterns: Iterable[Pattern]) -> OwnFares | None:
        """The route's own fares over every segment of its patterns; None when it has none.

        Raises:
            TooManyFares: there are more than 50,000.
            BadFares: to find them takes too long.
        """
        candidates = self._candidates(route, patterns)
        counts = Counter(
            currency
            for fares in candidates.values()
            for currency in {fare.price.currency for fare in fares if fare.price is not None}
        )
        if not counts:
            return None
        currency = min(counts, key=lambda code: (-counts[code], code))
        self._remark_other_currencies(candidates.values(), currency)
        out: Fares = {}
        is_unclear = False
        for pair, fares in candidates.items():
            same = [fare for fare in fares if fare.price is None or fare.price.currency == currency]
            chosen = self._choose(pair, same)
            if chosen is None:
                is_unclear = True
                continue
            for use, minor in chosen.items():
                out[*pair, use.seat_class, use.passenger_type] = minor
            if len(out) > FARES_MAX:
                raise TooManyFares
        return OwnFares(currency, out, is_unclear)

    def remark_unused(self) -> None:
        """Call when every route was asked for: the fares that none of them uses."""
        for fare_id in own_fare_ids(self._feed, is_readable=True):
            if fare_id not in self._used:
                self._report.note(Code.FARE_UNUSED, fare_id)

    def _candidates(self, route: Route, patterns: Iterable[Pattern]) -> dict[Pair, list[OwnFare]]:
        """For each pair the fares that apply to a ride between the two, each once."""
        found: dict[Pair, dict[OwnFare, None]] = {}
        if not self._feed.fares and self._feed.leg_fares is None:
            return {}
        for pattern in patterns:
            stops = [self._feed.stops[call.stop_id] for call in pattern.calls]
            find = self._finder.of_calls(route, stops)
            for first, last in pattern.segments():
                if of_pair := dict.fromkeys(find(first, last)):
                    found.setdefault((stops[first].stop_id, stops[last].stop_id), {}).update(
                        of_pair
                    )
            if len(found) > FARES_MAX:
                raise TooManyFares
        return {pair: list(fares) for pair, fares in found.items()}

    def _choose(self, pair: Pair, fares: Sequence[OwnFare]) -> dict[FareUse, int] | None:
        """What each class and type pays: the mapped fares, and the highest of the others.

        None when that cannot be told, for a fare that cannot be read may be the one that counts;
        where no other applies the pair just has none.
        """
        choice = self._sorted(fares)
        chosen = choice.chosen
        adults = {name: FareUse(name, PassengerType.ADULT) for name in self._classes}
        open_classes = [name for name, use in adults.items() if use not in chosen]
        is_unclear = any(use.passenger_type == PassengerType.ADULT for use in choice.unread) or (
            PassengerType.ADULT in choice.unread_kinds
            and not {adults[name] for name in self._sold_classes} <= chosen.keys()
        )
        if is_unclear and not chosen and not choice.others:
            return {}
        if is_unclear:
            self._report.note(Code.FARE_UNREADABLE_RIVAL, f"{pair[0]} to {pair[1]}")
            return None
        # Of another type an adult's fare is paid where its own cannot be read.
        for kind in choice.unread_kinds:
            choice.others.pop(kind, None)
        for use in choice.unread:
            chosen.pop(use, None)
        self._use_highest(pair, choice.others, open_classes, chosen)
        self._used |= {fare.fare_id for fare in chosen.values()}
        return {use: _minor(fare) for use, fare in chosen.items()}

    def _sorted(self, fares: Sequence[OwnFare]) -> _Choice:
        """The fares of one pair by what they are for; of those mapped to one use the highest."""
        choice = _Choice()
        for fare in fares:
            mapped = self._fare_map.get(fare.fare_id)
            if mapped is not None:
                use = FareUse(mapped.seat_class, fare.passenger_type or mapped.passenger_type)
                before = choice.chosen.get(use)
                if fare.price is None:
                    choice.unread.add(use)
                elif before is None or _minor(fare) > _minor(before):
                    choice.chosen[use] = fare
            elif not fare.is_spare:
                kind = fare.passenger_type or PassengerType.ADULT
                if fare.price is None:
                    choice.unread_kinds.add(kind)
                else:
                    choice.others.setdefault(kind, []).append(fare)
        return choice

    def _use_highest(
        self,
        pair: Pair,
        others: Mapping[str, Sequence[OwnFare]],
        open_classes: Sequence[str],
        chosen: dict[FareUse, OwnFare],
    ) -> None:
        """Let the highest fare that is not mapped stand for every class that no adult fare has.

        So for each type of passenger; a class that was told what its adults pay takes no other
        type's fare from a product that may be another class's.
        """
        for kind, fares in others.items():
            highest = max(fares, key=_minor)
            open_uses = [FareUse(name, kind) for name in open_classes]
            for use in open_uses:
                chosen.setdefault(use, highest)
            if open_uses and len(fares) > 1:
                self._report.note(
                    Code.FARE_RIVALS,
                    f"{pair[0]} to {pair[1]}: {highest.fare_id} of {len(fares)}, "
                    f"{_price(highest).to_major()} {_price(highest).currency}",
                )

    def _remark_other_currencies(self, fares: Iterable[Sequence[OwnFare]], currency: str) -> None:
        others = {
            fare.fare_id: fare.price.currency
            for of_pair in fares
            for fare in of_pair
            if fare.price is not None and fare.price.currency != currency
        }
        for fare_id, other in others.items():
            self._report.note(Code.FARE_OTHER_CURRENCY, f"{fare_id} ({other})")


def own_fare_ids(feed: Feed, *, is_readable: bool = False) -> dict[str, frozenset[str]]:
    """The ids that `--fare` may map, with the types of passenger they are told to be for.

    "" among them: for some that the feed does not tell. With `is_readable` only those with a price.
    """
    kinds: dict[str, set[str]] = {
        fare.fare_id: {""} for fare in feed.fares if fare.price is not None or not is_readable
    }
    for price in () if feed.leg_fares is None else feed.leg_fares.prices:
        if price.price is not None or not is_readable:
            kinds.setdefault(price.product_id, set()).add(price.passenger_type)
    return {fare_id: frozenset(of_fare) for fare_id, of_fare in kinds.items()}


def _price(fare: OwnFare) -> Money:
    assert fare.price is not None, "one that cannot be read is never chosen"  # noqa: S101
    return fare.price


def _minor(fare: OwnFare) -> int:
    return _price(fare).amount_minor
