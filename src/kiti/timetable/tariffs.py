"""What every route is sold for: the feed's own fares first, then the CSV or the kilometres.

Stops have ids of this module's making here, so that the rule that will price the sale
(`FareTable.fare`) also judges what can be sold at all; the writer puts the real ids in.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from kiti.fares.model import (
    FARES_MAX,
    STANDARD,
    FareKey,
    FareTable,
    NewFareTable,
    PassengerType,
    check_table,
    distance_km,
)
from kiti.platform.money import Money
from kiti.timetable.fare_spread import FareSpreads
from kiti.timetable.fares_csv import Matrix
from kiti.timetable.gtfs.model import Feed, Pattern
from kiti.timetable.model import BadFares, FareUse, PerKm
from kiti.timetable.own_fares import Fares, OwnFareBook, OwnFares, own_fare_ids
from kiti.timetable.remarks import Code, counted
from kiti.timetable.report import Report

_NO_ID = UUID(int=0)


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
) -> Tariffs:
    """Price every route of the feed for a layout with these classes.

    `patterns` are those that run: their segments without a fare are remarked.

    Raises:
        BadFares: a mapped fare is none of the feed's, or of a class that the layout lacks; a route
            has more fares than Kiti takes; nothing has a fare.
    """
    _check_map(feed, fare_map, classes)
    in_matrix = {name for fares in (source.matrix or {}).values() for name in fares}
    for name in sorted(in_matrix - set(classes)):
        report.note(Code.CLASS_NOT_IN_LAYOUT, name)
    by_route: dict[str, list[Pattern]] = {}
    for pattern in feed.patterns:
        by_route.setdefault(pattern.route_id, []).append(pattern)
    book = OwnFareBook(feed, fare_map, classes, report)
    open_tariff = Tariff(report.feed, source.currency, {}, source.per_km)
    tariffs: dict[str, Tariff] = {}
    for route_id, of_route in by_route.items():
        own = book.of_route(feed.routes[route_id], of_route)
        if own is None and source.matrix is None:
            tariffs[route_id] = open_tariff
        else:
            tariffs[route_id] = _tariff(f"{report.feed} {route_id}"[:200], own, source, of_route)
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
    _remark_unused_rows(source.matrix or {}, feed.patterns, report)
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
        for pair in set(_pairs(patterns)) - (set() if own is None else own.pairs):
            for seat_class, minor in source.matrix.get(pair, {}).items():
                fares[*pair, seat_class, PassengerType.ADULT] = minor
    per_km = source.per_km if currency == source.currency else None
    if len(fares) > FARES_MAX:
        raise BadFares(f"{name} has {len(fares):,} fares; {FARES_MAX:,} at most")
    return Tariff(name, currency, fares, per_km)


def _pairs(patterns: Sequence[Pattern]) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        for first, last in pattern.segments():
            yield pattern.calls[first].stop_id, pattern.calls[last].stop_id


def _remark_unused_rows(matrix: Matrix, patterns: Sequence[Pattern], report: Report) -> None:
    if not matrix:
        return
    joined = set(_pairs(patterns))
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
    sold: set[int] = set()
    seen: dict[tuple[str, str, str], bool] = {}
    tables = {name: _table(tariff, ids) for name, tariff in tariffs.items()}
    main = STANDARD if STANDARD in classes else classes[0]
    spreads = FareSpreads(main)
    for pattern in patterns:
        table = tables[pattern.route_id]
        for origin, destination in _pairs([pattern]):
            key = pattern.route_id, origin, destination
            if key not in seen:
                km = distance_km(feed.stops[origin], feed.stops[destination])
                fares = {
                    name: table.fare(
                        ids[origin], ids[destination], name, PassengerType.ADULT, km=km
                    )
                    for name in classes
                }
                priced = sum(fare is not None for fare in fares.values())
                seen[key] = priced > 0
                text = f"{origin} to {destination} (route {pattern.route_id})"
                if priced < len(classes):
                    code = Code.CLASS_WITHOUT_FARE if priced else Code.SEGMENT_WITHOUT_FARE
                    report.note(code, text)
                if (fare := fares[main]) is not None:
                    is_by_km = _is_by_km(table, ids[origin], ids[destination], main)
                    spreads.add(fare, text, minimum_minor=table.minimum_minor if is_by_km else None)
            if seen[key]:
                sold.add(pattern.number)
    spreads.tell(report)
    return frozenset(sold)


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
        if source.per_km is not None and currency == source.currency:
            parts.append(
                f"{source.per_km.amount_minor:,} a kilometre, "
                f"{source.per_km.minimum_minor:,} at least (minor units)"
            )
        priced = "; ".join(parts) or "no fares"
        yield f"{currency} on {counted(len(group), 'route')}: {priced}"
