"""A feed in memory, checked: what is here refers only to what is here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from kiti.platform.money import Money
from kiti.timetable.gtfs.values import to_clock
from kiti.timetable.remarks import Code


@dataclass(frozen=True, slots=True)
class Agency:
    """Who runs trips. `timezone` "": the feed names none that exists, so no trip of it is here."""

    agency_id: str
    name: str
    timezone: str
    phone: str | None


@dataclass(frozen=True, slots=True)
class Stop:
    """A place in the timetable; only one that `is_boarding_point` can be called at.

    `timezone` and missing coordinates and names are already inherited from station and agency.
    `station_id` is the place it is a part of; "" when it is none of anything.
    """

    stop_id: str
    name: str
    latitude: float | None
    longitude: float | None
    timezone: str
    zone_id: str
    is_boarding_point: bool
    station_id: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """A named line of an agency. `mode` is BUS, FERRY, RAIL or OTHER; `network_id` "": none."""

    route_id: str
    agency_id: str
    name: str
    mode: str
    network_id: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """On which dates trips run.

    On `weekdays` (Monday first) from `starts_on` to `ends_on`, both included, on `added` days, and
    never on `removed` ones. Without a row in calendar.txt both ends are None.
    """

    service_id: str
    weekdays: tuple[bool, ...] = (False,) * 7
    starts_on: date | None = None
    ends_on: date | None = None
    added: frozenset[date] = frozenset()
    removed: frozenset[date] = frozenset()

    def runs_on(self, day: date) -> bool:
        """Whether its trips run on this service date."""
        if day in self.added:
            return True
        if day in self.removed or self.starts_on is None or self.ends_on is None:
            return False
        return self.starts_on <= day <= self.ends_on and self.weekdays[day.weekday()]

    def bounds(self) -> tuple[date, date] | None:
        """Days that all its dates lie between, both included; None when it never runs."""
        ends = set(self.added)
        if self.starts_on is not None and self.ends_on is not None and any(self.weekdays):
            ends |= {self.starts_on, self.ends_on} if self.starts_on <= self.ends_on else set()
        return (min(ends), max(ends)) if ends else None

    def dates(self, first: date, last: date) -> list[date]:
        """Its service dates from `first` to `last`, both included, in order."""
        days = (first + timedelta(days=n) for n in range((last - first).days + 1))
        return [day for day in days if self.runs_on(day)]


@dataclass(frozen=True, slots=True)
class Call:
    """A stop of a pattern. Times are seconds after the departure from the pattern's first call."""

    sequence: int
    stop_id: str
    arrival_s: int
    departure_s: int
    pickup: bool
    drop_off: bool


# Of each call the stop, and whether one may board and alight there.
Places = tuple[tuple[str, bool, bool], ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """The calls that trips of one route share; `number` is its place in the feed's list."""

    number: int
    route_id: str
    calls: tuple[Call, ...]

    @property
    def places(self) -> Places:
        """Where it calls and what one may do there; of equal places the segments are equal."""
        return tuple((call.stop_id, call.pickup, call.drop_off) for call in self.calls)

    def count_segments(self) -> int:
        """How many `segments` gives."""
        total = after = 0
        for call in reversed(self.calls):
            total += after if call.pickup else 0
            after += call.drop_off
        return total

    def segments(self) -> Iterator[tuple[int, int]]:
        """Positions (boarding, alighting) of every segment that a passenger may ride."""
        for first, boarding in enumerate(self.calls):
            if boarding.pickup:
                for last in range(first + 1, len(self.calls)):
                    if self.calls[last].drop_off:
                        yield first, last


@dataclass(frozen=True, slots=True)
class Frequency:
    """A departure every `headway_s` seconds from `start_s` until before `end_s`."""

    start_s: int
    end_s: int
    headway_s: int


@dataclass(frozen=True, slots=True)
class Trip:
    """A timetable trip, to run on every date of its service.

    `departure_s` is when it leaves its first call, in seconds after noon minus 12 hours. With
    `times`, those that its frequencies give in order, it runs at each of them instead; `lead_s` is
    what its first call comes after the stop they speak of, when that one was left out.
    """

    trip_id: str
    pattern: Pattern
    service_id: str
    departure_s: int
    lead_s: int = 0
    times: tuple[int, ...] = ()

    def departures(self) -> Iterator[tuple[str, int]]:
        """The code and the departure in seconds of each run on one service date."""
        if not self.times:
            yield self.trip_id, self.departure_s
        for at in self.times:
            yield f"{self.trip_id}@{to_clock(at)}", at + self.lead_s

    @property
    def runs_a_day(self) -> int:
        """How often it runs on one service date."""
        return len(self.times) or 1


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A timetable trip that cannot be sold, and why: what it would have run is still counted."""

    trip_id: str
    service_id: str
    code: Code
    runs_a_day: int


@dataclass(frozen=True, slots=True)
class FareRule:
    """Where a fare of the feed is valid: "" means everywhere, and all `contains` are passed."""

    route_id: str
    origin_zone: str
    destination_zone: str
    contains: frozenset[str]


@dataclass(frozen=True, slots=True)
class FeedFare:
    """One of the feed's own fares (GTFS v1), with its rules; none: valid everywhere.

    `price` None: it cannot be read, and so nobody knows what it would be among its rivals.
    """

    fare_id: str
    price: Money | None
    agency_id: str
    rules: tuple[FareRule, ...]


@dataclass(frozen=True, slots=True)
class ProductPrice:
    """What a fare product (GTFS v2) costs one kind of rider.

    `price` None: it cannot be read. `passenger_type` "": anyone, or a rider category that names no
    type of passenger. A price that `is_spare` counts only where its product is mapped: the product
    has one for other riders.
    """

    product_id: str
    price: Money | None
    passenger_type: str
    is_spare: bool = False


@dataclass(frozen=True, slots=True)
class LegRule:
    """Where a fare product is valid; `is_timed`: for some hours or days only."""

    product_id: str
    network_id: str
    from_area: str
    to_area: str
    priority: int = 0
    is_timed: bool = False


@dataclass(frozen=True, slots=True)
class LegFares:
    """The feed's own fares as GTFS v2 tells them.

    With `has_priority` what a rule leaves open does not matter, and the highest priority counts;
    without it what a rule leaves open means all that no other rule names. `areas` are those of
    boarding points (none: a stop is not there), `networks` go by route.
    """

    prices: tuple[ProductPrice, ...]
    rules: tuple[LegRule, ...]
    has_priority: bool
    areas: Mapping[str, frozenset[str]]
    networks: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Feed:
    """A whole feed, by id; trips in the order of trips.txt, patterns by their number.

    `timezone` is its first agency's: the one that "today" means.
    """

    timezone: str
    agencies: dict[str, Agency]
    stops: dict[str, Stop]
    routes: dict[str, Route]
    services: dict[str, Service]
    patterns: tuple[Pattern, ...]
    trips: tuple[Trip, ...]
    left_out: tuple[LeftOut, ...]
    # One of the two at most: fares v2 win over v1.
    fares: tuple[FeedFare, ...] = ()
    leg_fares: LegFares | None = None
    # Stops that stops.txt lacks though trips call at them: a fares CSV may know them too.
    unknown_stops: frozenset[str] = field(default_factory=frozenset[str])

    def zone_of(self, route_id: str) -> str:
        """The zone that a route's times are told in, also where its stops have another."""
        return self.agencies[self.routes[route_id].agency_id].timezone
