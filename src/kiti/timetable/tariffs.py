"""What every route is sold for: the feed's own fares first, then the CSV or the kilometres.

Stops have ids of this module's making here, so that the rule that will price the sale
(`FareTable.fare`) also judges what can be sold at all; the writer puts the real ids in.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from kiti.fares.model import (
    FARES_MAX,
    STANDARD,
    FareKey,
    FareTable,
    NewFareTable,
    PassengerType,
    check_table,
)
from kiti.network.distance import distance_km
from kiti.platform.money import Money
from kiti.timetable.fare_spread import FareSpreads
from kiti.timetable.fares_csv import Matrix
from kiti.timetable.gtfs.model import Feed, Pattern, Places
from kiti.timetable.model import BadFares, FareUse, PerKm
from kiti.timetable.own_fares import Fares, OwnFareBook, OwnFares, TooManyFares, own_fare_ids
from kiti.timetable.remarks import Code, counted
from kiti.timetable.report import Report

_NO_ID = UUID(int=0)
# The minibuses of a whole city have 150,000; each takes some ten microseconds.
SEGMENTS_MAX: Final = 5_000_000


@dataclass(frozen=True, slots=True)
class FareSource:
    """Where fares come from when the feed has none of its own: `matrix`, `per_km` or neither."""

    currency: str
    matrix: Matrix | None = None
    per_km: PerKm | None = None


@dataclass(frozen=True, slots=True)
class Tariff:
    """The fares of some routes in one currency, by the feed's stop ids."""

    name: str
    currency: str
    fares: Fares
    per_km: PerKm | None

    def to_table(self, stop_ids: Mapping[str, UUID]) -> NewFareTable:
        """The same as a fare table to write, by the ids of the stops."""
        return NewFareTable(
            name=self.name,
            currency=self.currency,
            fares={
                FareKey(stop_ids[origin], stop_ids[destination], seat_class, kind): minor
                for (origin, destination, seat_class, kind), minor in self.fares.items()
            },
            per_km_minor=self.per_km and self.per_km.amount_minor,
            minimum_minor=self.per_km and self.per_km.minimum_minor,
        )


@dataclass(frozen=True, slots=True)
class Tariffs:
    """The tariff of every route, and the patterns where some segment has a fare."""

    by_route: Mapping[str, Tariff]
    sold_patterns: frozenset[int]


def make_tariffs(
    feed: Feed,
    source: FareSource,
    *,
    fare_map: Mapping[str, FareUse],
    classes: Sequence[str],
    patterns: Sequence[Pattern],
    report: Report,
    segments_max: int = SEGMENTS_MAX,
) -> Tariffs:
    """Price every route of the feed for a layout with these classes.

    `patterns` are those that run: their segments without a fare are remarked. A route with more
    fares than a table takes has none.

    Raises:
        BadFares: a mapped fare is none of the feed's, or of a class that the layout lacks; nothing
            has a fare; or it all takes too long to work out.
    """
    _check_map(feed, fare_map, classes)
    by_route = _by_route(feed.patterns)
    count = sum(one.count_segments() for of_route in by_route.values() for one in of_route)
    if count > segments_max:
        raise BadFares(
            f"the feed has {count:,} segments to price; {segments_max:,} at most: import it in "
            "parts"
        )
    in_matrix = {name for fares in (source.matrix or {}).values() for name in fares}
    for name in sorted(in_matrix - set(classes)):
        report.note(Code.CLASS_NOT_IN_LAYOUT, name)
    book = OwnFareBook(feed, fare_map, classes, report)
    open_tariff = Tariff(report.feed, source.currency, {}, source.per_km)
    tariffs: dict[str, Tariff] = {}
    for route_id, of_route in by_route.items():
        name = f"{report.feed} {route_id}"[:200]
        try:
            own = book.of_route(feed.routes[route_id], of_route)
            if own is None and source.matrix is None:
                tariffs[route_id] = open_tariff
            else:
                tariffs[route_id] = _tariff(name, own, source, of_route)
        except TooManyFares:
            report.note(Code.ROUTE_WITH_TOO_MANY_FARES, route_id)
            tariffs[route_id] = Tariff(name, source.currency, {}, None)
        else:
            if own is not None and own.currency != source.currency:
                report.note(Code.OWN_FARES_WIN, f"{route_id} ({own.currency})")
    book.remark_unused()
    if (
        source.matrix is None
        and source.per_km is None
        and not any(tariff.fares for tariff in tariffs.values())
    ):
        raise BadFares(
            "give --fares, or --per-km with --minimum: the feed has no fares of its own "
            "for any of its segments"
        )
    _remark_unused_rows(source.matrix or {}, by_route, report)
    sold = _sold_patterns(feed, tariffs, patterns, classes, report)
    report.fares = list(_summary(tariffs, source))
    return Tariffs(tariffs, sold)


def adult_fare(
    feed: Feed, tariff: Tariff, origin: str, destination: str, seat_class: str
) -> Money | None:
    """What an adult pays from stop to stop in this class; None when that is not for sale."""
    board, leave = UUID(int=1), UUID(int=2)
    keys = [(origin, destination, name, PassengerType.ADULT) for name in (seat_class, STANDARD)]
    fares = {
        FareKey(board, leave, key[2]): tariff.fares[key] for key in keys if key in tariff.fares
    }
    per_km = tariff.per_km
    table = FareTable(
        _NO_ID,
        tariff.currency,
        fares,
        per_km and per_km.amount_minor,
        per_km and per_km.minimum_minor,
        {},
        {},
    )
    km = distance_km(feed.stops[origin], feed.stops[destination])
    return table.fare(board, leave, seat_class, PassengerType.ADULT, km=km)


def _check_map(feed: Feed, fare_map: Mapping[str, FareUse], classes: Sequence[str]) -> None:
    known = own_fare_ids(feed)
    for fare_id, use in fare_map.items():
        if fare_id not in known:
            names = ", ".join(sorted(known)[:20]) or "none"
            raise BadFares(f"--fare {fare_id}: the feed has no such fare; it has {names}")
        if not known[fare_id] & {"", use.passenger_type}:
            kinds = ", ".join(sorted(known[fare_id]))
            raise BadFares(f"--fare {fare_id}: by its rider categories it is for {kinds}")
        if use.seat_class not in {STANDARD, *classes}:
            raise BadFares(
                f"--fare {fare_id}: the layout has no class {use.seat_class}; "
                f"it has {', '.join(sorted(classes))}"
            )


def _tariff(
    name: str, own: OwnFares | None, source: FareSource, patterns: Sequence[Pattern]
) -> Tariff:
    """The route's own fares win pair by pair; the rest joins them if the currency is the same."""
    fares: Fares = {} if own is None else dict(own.fares)
    currency = source.currency if own is None else own.currency
    if currency == source.currency and source.matrix is not None:
        priced = set() if own is None else own.pairs
        for pair in _pairs(patterns):
            if pair in source.matrix and pair not in priced:
                for seat_class, minor in source.matrix[pair].items():
                    fares[*pair, seat_class, PassengerType.ADULT] = minor
    if len(fares) > FARES_MAX:
        raise TooManyFares
    # By the kilometre a segment whose own fares are unclear could cost less than any of them.
    is_open = currency == source.currency and (own is None or not own.is_unclear)
    return Tariff(name, currency, fares, source.per_km if is_open else None)


def _by_route(patterns: Sequence[Pattern]) -> dict[str, list[Pattern]]:
    """Of each route the patterns that differ in their segments, in order."""
    found: dict[str, dict[Places, Pattern]] = {}
    for pattern in patterns:
        found.setdefault(pattern.route_id, {}).setdefault(pattern.places, pattern)
    return {route_id: list(of_route.values()) for route_id, of_route in found.items()}


def _pairs(patterns: Sequence[Pattern]) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        for first, last in pattern.segments():
            yield pattern.calls[first].stop_id, pattern.calls[last].stop_id


def _remark_unused_rows(
    matrix: Matrix, by_route: Mapping[str, Sequence[Pattern]], report: Report
) -> None:
    if not matrix:
        return
    joined = {pair for patterns in by_route.values() for pair in _pairs(patterns) if pair in matrix}
    for pair, fares in matrix.items():
        if pair not in joined:
            report.note(Code.FARE_ROW_UNUSED, " to ".join(pair), count=len(fares))


def _sold_patterns(
    feed: Feed,
    tariffs: Mapping[str, Tariff],
    patterns: Sequence[Pattern],
    classes: Sequence[str],
    report: Report,
) -> frozenset[int]:
    """The patterns with a segment that some class has a fare for; what has none is remarked."""
    ids = {stop_id: UUID(int=at) for at, stop_id in enumerate(feed.stops, start=1)}
    main = STANDARD if STANDARD in classes else classes[0]
    spreads = FareSpreads(main)
    sold: set[tuple[str, Places]] = set()
    for route_id, of_route in _by_route(patterns).items():
        table = _table(tariffs[route_id], ids)
        seen: dict[tuple[str, str], bool] = {}
        for pattern in of_route:
            is_sold = False
            for pair in _pairs([pattern]):
                if pair not in seen:
                    origin, destination = pair
                    km = distance_km(feed.stops[origin], feed.stops[destination])
                    fares = {
                        name: table.fare(
                            ids[origin], ids[destination], name, PassengerType.ADULT, km=km
                        )
                        for name in classes
                    }
                    priced = sum(fare is not None for fare in fares.values())
                    seen[pair] = priced > 0
                    text = f"{origin} to {destination} (route {route_id})"
                    if priced < len(classes):
                        code = Code.CLASS_WITHOUT_FARE if priced else Code.SEGMENT_WITHOUT_FARE
                        report.note(code, text)
                    if (fare := fares[main]) is not None:
                        is_by_km = _is_by_km(table, ids[origin], ids[destination], main)
                        spreads.add(
                            fare, text, minimum_minor=table.minimum_minor if is_by_km else None
                        )
                is_sold = is_sold or seen[pair]
            if is_sold:
                sold.add((route_id, pattern.places))
    spreads.tell(report)
    return frozenset(
        pattern.number for pattern in patterns if (pattern.route_id, pattern.places) in sold
    )


def _is_by_km(table: FareTable, origin: UUID, destination: UUID, seat_class: str) -> bool:
    """Whether no fare from stop to stop stands for this class."""
    return not any(
        FareKey(origin, destination, name) in table.fares for name in (seat_class, STANDARD)
    )


def _table(tariff: Tariff, ids: Mapping[str, UUID]) -> FareTable:
    new = tariff.to_table(ids)
    check_table(new)
    return FareTable(_NO_ID, new.currency, new.fares, new.per_km_minor, new.minimum_minor, {}, {})


def _summary(tariffs: Mapping[str, Tariff], source: FareSource) -> Iterator[str]:
    """One line for each way that routes are priced."""
    by_currency: dict[str, list[Tariff]] = {}
    for tariff in tariffs.values():
        by_currency.setdefault(tariff.currency, []).append(tariff)
    for currency, group in sorted(by_currency.items()):
        fares = sum(len(tariff.fares) for tariff in group)
        parts = [f"{counted(fares, 'fare')} from stop to stop"] if fares else []
        if source.per_km is not None and any(tariff.per_km is not None for tariff in group):
            parts.append(
                f"{source.per_km.amount_minor:,} a kilometre, "
                f"{source.per_km.minimum_minor:,} at least (minor units)"
            )
        priced = "; ".join(parts) or "no fares"
        yield f"{currency} on {counted(len(group), 'route')}: {priced}"
