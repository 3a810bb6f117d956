"""Which of a feed's own fares apply to a ride: v1 by route and zone, v2 by network and area."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final, Protocol

from kiti.platform.money import Money
from kiti.timetable.gtfs.model import FareRule, Feed, FeedFare, LegFares, LegRule, Route, Stop
from kiti.timetable.model import BadFares

# Looking at one rule, or at one fare found, is a step: about a microsecond.
STEPS_MAX: Final = 20_000_000


@dataclass(frozen=True, slots=True)
class OwnFare:
    """One fare that applies to a ride.

    `price` None: the feed's cannot be read. `passenger_type` "": the feed does not tell who it is
    for. One that `is_spare` counts only when it is mapped.
    """

    fare_id: str
    price: Money | None
    passenger_type: str = ""
    is_spare: bool = False


@dataclass(slots=True)
class Steps:
    """What finding a feed's fares has cost so far: a small file can ask for days of it."""

    most: int = STEPS_MAX
    taken: int = 0

    def take(self, count: int) -> None:
        """Count so many more.

        Raises:
            BadFares: that is too many for one import.
        """
        self.taken += count
        if self.taken > self.most:
            raise BadFares(
                f"the feed's own fares take more than {self.most:,} steps to work out: its "
                "segments by the fare rules that may hold there; take rules out of the feed, or "
                "import it in parts"
            )


# The fares from the first to the last of some calls, by their positions.
FaresOfRide = Callable[[int, int], Sequence[OwnFare]]


class FareFinder(Protocol):
    """Finds the feed's own fares for a ride."""

    def of_calls(self, route: Route, stops: Sequence[Stop]) -> FaresOfRide:
        """What finds the fares of rides between these stops, all passed on one trip."""
        ...


def finder_of(feed: Feed) -> FareFinder:
    """What finds the feed's fares; v2 when it has them."""
    steps = Steps()
    if feed.leg_fares is None:
        return ZoneFares(feed.fares, steps)
    return AreaFares(feed.leg_fares, steps)


# Route, origin and destination, as rules name them.
_Keys = tuple[tuple[str, str, str], ...]
# The zones that must be passed, and the fare for it.
_Rules = tuple[tuple[frozenset[str], OwnFare], ...]


class ZoneFares:
    """Fares v1: a rule names route, origin, destination and the zones that are passed, or not."""

    def __init__(self, fares: Iterable[FeedFare], steps: Steps) -> None:
        self._steps = steps
        self._by_rule: dict[tuple[str, str, str], list[tuple[FareRule, FeedFare]]] = {}
        self._found: dict[tuple[str, _Keys], _Found] = {}
        self._contained: set[str] = set()
        for fare in fares:
            for rule in fare.rules or (FareRule("", "", "", frozenset()),):
                key = rule.route_id, rule.origin_zone, rule.destination_zone
                self._by_rule.setdefault(key, []).append((rule, fare))
                self._contained |= rule.contains

    def of_calls(self, route: Route, stops: Sequence[Stop]) -> FaresOfRide:
        """Finds the fares of every rule that holds."""
        ahead = self._ahead(stops)
        nowhere = [len(stops)] * len(stops)

        def find(first: int, last: int) -> Sequence[OwnFare]:
            found = self._of_zones(route, stops[first].zone_id, stops[last].zone_id)
            self._steps.take(found.cost)
            if found.is_settled:
                return found.fares
            return [
                fare
                for zones, fare in found.rules
                if all(ahead.get(zone, nowhere)[first] <= last for zone in zones)
            ]

        return find

    def _of_zones(self, route: Route, origin: str, destination: str) -> "_Found":
        """The rules that may hold between two zones on this route."""
        asked = product({route.route_id, ""}, {origin, ""}, {destination, ""})
        keys = tuple(sorted(key for key in asked if key in self._by_rule))
        found = self._found.get((route.agency_id, keys))
        if found is None:
            rules = tuple(
                (rule.contains, OwnFare(fare.fare_id, fare.price))
                for key in keys
                for rule, fare in self._by_rule[key]
                if fare.agency_id in {"", route.agency_id}
            )
            found = self._found[route.agency_id, keys] = _Found(rules)
            self._steps.take(found.cost)
        return found

    def _ahead(self, stops: Sequence[Stop]) -> Mapping[str, Sequence[int]]:
        """For each zone that some rule contains: where it comes next, from each call on."""
        ahead: dict[str, list[int]] = {}
        for zone in {stop.zone_id for stop in stops} & self._contained:
            self._steps.take(len(stops))
            place = len(stops)
            places = [place] * len(stops)
            for at in range(len(stops) - 1, -1, -1):
                if stops[at].zone_id == zone:
                    place = at
                places[at] = place
            ahead[zone] = places
        return ahead


@dataclass(slots=True)
class _Found:
    """The rules between two zones; `is_settled` when none of them asks what is passed."""

    rules: _Rules
    cost: int = 0
    is_settled: bool = False
    fares: tuple[OwnFare, ...] = field(default=())

    def __post_init__(self) -> None:
        self.cost = 1 + sum(1 + len(zones) for zones, _ in self.rules)
        self.is_settled = not any(zones for zones, _ in self.rules)
        self.fares = tuple(fare for _, fare in self.rules)


class AreaFares:
    """Fares v2: a rule names network, origin and destination area, or leaves them open."""

    def __init__(self, fares: LegFares, steps: Steps) -> None:
        self._fares = fares
        self._steps = steps
        self._by_rule: dict[tuple[str, str, str], list[LegRule]] = {}
        for rule in fares.rules:
            key = rule.network_id, rule.from_area, rule.to_area
            self._by_rule.setdefault(key, []).append(rule)
        self._named = tuple(frozenset(names) for names in zip(*self._by_rule, strict=True))
        self._found: dict[tuple[frozenset[str], ...], Sequence[OwnFare]] = {}
        self._prices: dict[str, list[OwnFare]] = {}
        for one in fares.prices:
            own = OwnFare(one.product_id, one.price, one.passenger_type, one.is_spare)
            self._prices.setdefault(one.product_id, []).append(own)

    def of_calls(self, route: Route, stops: Sequence[Stop]) -> FaresOfRide:
        """Finds the fares of the products of the rules that hold, each once."""
        network = self._fares.networks.get(route.route_id)
        networks = frozenset({network} if network else ())
        areas = [self._fares.areas.get(stop.stop_id, frozenset[str]()) for stop in stops]

        def find(first: int, last: int) -> Sequence[OwnFare]:
            ride = networks, areas[first], areas[last]
            found = self._found.get(ride)
            if found is None:
                found = self._found[ride] = self._of_ride(*ride)
            self._steps.take(1 + len(found))
            return found

        return find

    def _of_ride(
        self, networks: frozenset[str], origins: frozenset[str], destinations: frozenset[str]
    ) -> list[OwnFare]:
        of_network, of_origin, of_destination = self._named
        options = (
            self._options(networks, of_network),
            self._options(origins, of_origin),
            self._options(destinations, of_destination),
        )
        rules = [rule for key in self._keys(options) for rule in self._by_rule.get(key, ())]
        # A fare table knows no hours: what each rule for some of them leads to may be paid.
        always = [rule for rule in rules if not rule.is_timed]
        timed = [rule for rule in rules if rule.is_timed]
        self._steps.take(len(always) + len(timed) * (len(always) + 1))
        held = self._chosen(always)
        for rule in timed:
            held += self._chosen([*always, rule])
        product_ids = dict.fromkeys(rule.product_id for rule in held)
        return [price for product_id in product_ids for price in self._prices[product_id]]

    def _keys(self, options: tuple[frozenset[str], ...]) -> list[tuple[str, str, str]]:
        """What a rule may say of such a ride, by the shorter way: from the ride or the rules."""
        networks, origins, destinations = options
        possible = len(networks) * len(origins) * len(destinations)
        self._steps.take(min(possible, len(self._by_rule)) + sum(map(len, options)))
        if possible <= len(self._by_rule):
            return sorted(product(networks, origins, destinations))
        return sorted(
            key
            for key in self._by_rule
            if key[0] in networks and key[1] in origins and key[2] in destinations
        )

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
