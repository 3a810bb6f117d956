"""Which of a feed's own fares apply to a ride: v1 by route and zone, v2 by network and area."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol

from kiti.platform.money import Money
from kiti.timetable.gtfs.model import FareRule, Feed, FeedFare, LegFares, LegRule, Route, Stop


@dataclass(frozen=True, slots=True)
class OwnFare:
    """One fare that applies to a ride.

    `passenger_type` "": the feed does not tell who it is for. One that `is_spare` counts only when
    it is mapped.
    """

    fare_id: str
    price: Money
    passenger_type: str = ""
    is_spare: bool = False


class FareFinder(Protocol):
    """Finds the feed's own fares for a ride."""

    def find(self, route: Route, stops: Sequence[Stop], first: int, last: int) -> Iterable[OwnFare]:
        """The fares from the `first` of these stops to the `last`, both passed on one trip."""
        ...


def finder_of(feed: Feed) -> FareFinder:
    """What finds the feed's fares; v2 when it has them."""
    return ZoneFares(feed.fares) if feed.leg_fares is None else AreaFares(feed.leg_fares)


class ZoneFares:
    """Fares v1: a rule names route, origin, destination and the zones that are passed, or not."""

    def __init__(self, fares: Iterable[FeedFare]) -> None:
        self._by_rule: dict[tuple[str, str, str], list[tuple[FareRule, FeedFare]]] = {}
        for fare in fares:
            for rule in fare.rules or (FareRule("", "", "", frozenset()),):
                key = rule.route_id, rule.origin_zone, rule.destination_zone
                self._by_rule.setdefault(key, []).append((rule, fare))

    def find(self, route: Route, stops: Sequence[Stop], first: int, last: int) -> Iterable[OwnFare]:
        """The fares of every rule that holds."""
        origin, destination = stops[first].zone_id, stops[last].zone_id
        for key in sorted(set(product({route.route_id, ""}, {origin, ""}, {destination, ""}))):
            for rule, fare in self._by_rule.get(key, ()):
                zones = {stop.zone_id for stop in stops[first : last + 1]} if rule.contains else ()
                if rule.contains <= set(zones) and fare.agency_id in {"", route.agency_id}:
                    yield OwnFare(fare.fare_id, fare.price)


class AreaFares:
    """Fares v2: a rule names network, origin and destination area, or leaves them open."""

    def __init__(self, fares: LegFares) -> None:
        self._fares = fares
        self._by_rule: dict[tuple[str, str, str], list[LegRule]] = {}
        for rule in fares.rules:
            key = rule.network_id, rule.from_area, rule.to_area
            self._by_rule.setdefault(key, []).append(rule)
        self._named = tuple(frozenset(names) for names in zip(*self._by_rule, strict=True))
        self._found: dict[tuple[frozenset[str], ...], list[OwnFare]] = {}
        self._prices: dict[str, list[OwnFare]] = {}
        for one in fares.prices:
            own = OwnFare(one.product_id, one.price, one.passenger_type, one.is_spare)
            self._prices.setdefault(one.product_id, []).append(own)

    def find(self, route: Route, stops: Sequence[Stop], first: int, last: int) -> Iterable[OwnFare]:
        """The fares of the products of the rules that hold, each once."""
        network = self._fares.networks.get(route.route_id)
        ride = (
            frozenset({network} if network else ()),
            self._fares.areas.get(stops[first].stop_id, frozenset()),
            self._fares.areas.get(stops[last].stop_id, frozenset()),
        )
        found = self._found.get(ride)
        if found is None:
            found = self._found[ride] = self._of_ride(*ride)
        return found

    def _of_ride(
        self, networks: frozenset[str], origins: frozenset[str], destinations: frozenset[str]
    ) -> list[OwnFare]:
        of_network, of_origin, of_destination = self._named
        keys = product(
            self._options(networks, of_network),
            self._options(origins, of_origin),
            self._options(destinations, of_destination),
        )
        rules = [rule for key in sorted(keys) for rule in self._by_rule.get(key, ())]
        # A fare table knows no hours: what each rule for some of them leads to may be paid.
        always = [rule for rule in rules if not rule.is_timed]
        held = self._chosen(always)
        for rule in rules:
            if rule.is_timed:
                held += self._chosen([*always, rule])
        product_ids = dict.fromkeys(rule.product_id for rule in held)
        return [price for product_id in product_ids for price in self._prices[product_id]]

    def _options(self, has: frozenset[str], named: frozenset[str]) -> frozenset[str]:
        """What a rule may say here of a ride that has these networks or areas; "": left open."""
        if self._fares.has_priority or not has or has - named:
            return has | {""}
        return has

    def _chosen(self, rules: Sequence[LegRule]) -> list[LegRule]:
        """Those of the highest priority; without priorities those that leave nothing open."""
        if self._fares.has_priority:
            highest = max((rule.priority for rule in rules), default=0)
            return [rule for rule in rules if rule.priority == highest]
        exact = [rule for rule in rules if rule.network_id and rule.from_area and rule.to_area]
        return exact or list(rules)
