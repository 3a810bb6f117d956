"""Finding a trip: what the network runs, what the fares ask and what the stock has left, together.

Of one trip there is one offer: where several of a city's stops are called at, by the pair of calls
with the fewest legs between (the earlier on a tie) that leaves on the date asked for and has a
fare. A segment without a fare is not for sale, so it is not found.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from kiti.booking.service import SeatsLeft, free_seats, get_stock
from kiti.checkout.model_search import (
    Choices,
    DayOffer,
    Filters,
    Key,
    Offer,
    TripItem,
    TripPage,
    TripQuery,
    TripStatus,
    TripView,
    departure_key,
    departure_of,
    duration_key,
)
from kiti.fares.model import FareTable, PassengerType, distance_km
from kiti.fares.service import FareTables
from kiti.network.layout import Layout
from kiti.network.model import NoSuchTrip
from kiti.network.model_search import Candidate, SearchPlace, local_date, local_time
from kiti.network.search import (
    find_search_places,
    list_candidates,
    list_dates_served,
    operator_names,
)
from kiti.network.service import Catalogue
from kiti.platform.db import Conn
from kiti.platform.errors import ValidationFailed
from kiti.platform.money import Money

ROWS_MAX: Final = 5000
NEAREST_DAYS: Final = 14
NEAREST_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Sources:
    """What a search reads beside the database: layouts and fares kept in memory.

    `rows_max`: how many departures it looks at, each counted for every pair of stops it serves.
    """

    catalogue: Catalogue
    fare_tables: FareTables
    rows_max: int = ROWS_MAX


async def find_trips(
    conn: Conn,
    sources: Sources,
    *,
    query: TripQuery,
    after: Key | None,
    limit: int,
    with_choices: bool = False,
) -> TripPage:
    """Trips that answer `query`, after the trip with key `after`; `limit` of them at most.

    With `with_choices` the first page says what the day's trips can be filtered by.

    Trips whose sales are open by the database's clock. A day's first 5,000 departures are looked
    at; between two stops in the order of departure there is no such bound.

    Raises:
        ValidationFailed: there is no such city or stop.
    """
    finder = await _finder(conn, sources, query)
    offers, next_key = await finder.page(query, after=after, limit=limit)
    nearest = None
    if not offers and after is None and next_key is None:
        nearest = await finder.nearest_dates(query)
    choices = await finder.choices() if with_choices and after is None else None
    return TripPage(await finder.items(offers), next_key, nearest, choices)


async def find_days(
    conn: Conn, sources: Sources, *, query: TripQuery, days: int
) -> tuple[DayOffer, ...]:
    """What a search of `query.on` finds, and of each date after it, `days` in all.

    Raises:
        ValidationFailed: there is no such city or stop.
    """
    finder = await _finder(conn, sources, query)
    return await finder.days(query, days)


async def get_trip(conn: Conn, sources: Sources, trip_id: UUID) -> TripView:
    """The trip, and whether it can be booked at this instant of the database's clock.

    Raises:
        NoSuchTrip.
    """
    sheet = await sources.catalogue.sheet(conn, trip_id)
    stock = await get_stock(conn, trip_id=trip_id)
    if stock is None:
        raise NoSuchTrip
    status: TripStatus = "ON_SALE" if stock.is_on_sale else "CLOSED"
    if stock.status == "cancelled":
        status = "CANCELLED"
    elif sheet.starts_at <= stock.now:
        status = "DEPARTED"
    table = await sources.fare_tables.table(conn, sheet.fare_table_id)
    return TripView(sheet, status, table.currency, stock.sales_close_at)


async def _finder(conn: Conn, sources: Sources, query: TripQuery) -> "Finder":
    places = await find_search_places(conn, (query.origin_id, query.destination_id))
    return Finder(conn, sources, *_ends(places, query), query.filters)


def _ends(places: dict[UUID, SearchPlace], query: TripQuery) -> tuple[SearchPlace, SearchPlace]:
    asked = (("#/from", query.origin_id), ("#/to", query.destination_id))
    faults = [
        {"pointer": pointer, "message": "there is no such city or stop"}
        for pointer, place_id in asked
        if place_id not in places
    ]
    if faults:
        raise ValidationFailed(errors=faults)
    return places[query.origin_id], places[query.destination_id]


@dataclass(frozen=True, slots=True)
class Fares:
    """What one adult pays on a segment, by class, the lowest first; classes without a fare, or that
    are not wanted, are left out. `n_classes`: how many classes the layout sells; `all_classes`:
    those of them that have a fare.
    """  # noqa: D205  # one sentence of two lines

    layout: Layout
    by_class: tuple[tuple[str, Money], ...]
    n_classes: int
    all_classes: tuple[str, ...]

    def seats_left(self, left: SeatsLeft) -> int:
        """How many free seats can be bought: those of a class that has a fare."""
        if len(self.by_class) == self.n_classes:
            return left.seats_left
        classes = {name for name, _ in self.by_class}
        return sum(s.seat_class in classes and left.is_free(s.index) for s in self.layout.seats)

    def lowest(self, left: SeatsLeft) -> Money:
        """The lowest fare of a class with a free seat; the lowest of all when there is none."""
        lowest = self.by_class[0][1]
        if len(self.by_class) == 1:
            return lowest
        free = {s.seat_class for s in self.layout.seats if left.is_free(s.index)}
        return next((fare for name, fare in self.by_class if name in free), lowest)


class Finder:
    """One search between two places: it keeps the fares it has read until it ends."""

    def __init__(
        self,
        conn: Conn,
        sources: Sources,
        origin: SearchPlace,
        destination: SearchPlace,
        filters: Filters,
    ) -> None:
        self._conn = conn
        self._sources = sources
        self._origin = origin
        self._destination = destination
        self._filters = filters
        self._looked_at: list[Candidate] = []
        self._stops = {stop.stop_id: stop for stop in (*origin.stops, *destination.stops)}
        self._fares: dict[tuple[UUID, UUID, UUID, UUID], Fares] = {}

    async def page(
        self, query: TripQuery, *, after: Key | None, limit: int
    ) -> tuple[list[Offer], Key | None]:
        """Up to `limit` offers after a key, and the key to go on from; None at the end."""
        # Between two stops a trip has one departure, so the database may leave out the earlier.
        is_plain = not (self._origin.is_city or self._destination.is_city)
        goes_on = is_plain and query.sort == "departure"
        begin = departure_of(after) if after is not None and goes_on else None
        rows, is_cut = await self._departures(query.on, 1, after=begin)
        self._looked_at = rows
        trips = await self._one_each(rows)
        if query.sort == "price":
            found = await self._cheapest(trips, query, after=after)
        else:
            found = await self._first(trips, query, after=after, limit=limit)
        if len(found) > limit:
            return found[:limit], found[limit - 1].key(query.sort)
        rest = departure_key(rows[-1]) if rows and is_cut and goes_on else None
        return found, rest

    async def nearest_dates(self, query: TripQuery) -> tuple[date, ...]:
        """Up to 3 dates within 14 days that have trips with seats, the nearest first."""
        away = [days for near in range(1, NEAREST_DAYS + 1) for days in (near, -near)]
        dates = [query.on + timedelta(days=days) for days in away]
        served = await list_dates_served(
            self._conn, origin=self._origin, destination=self._destination, dates=dates
        )
        found: list[date] = []
        for on in (on for on in dates if on in served):
            day = replace(query, on=on, sort="departure", with_sold_out=False)
            offers, _ = await self.page(day, after=None, limit=1)
            found += [on] if offers else []
            if len(found) == NEAREST_MAX:
                break
        return tuple(found)

    async def days(self, query: TripQuery, n_days: int) -> tuple[DayOffer, ...]:
        """What a search of each of `n_days` dates from `query.on` on finds."""
        rows, is_cut = await self._departures(query.on, n_days)
        if is_cut and n_days > 1:  # too many for all days together: one day after the other
            each = [replace(query, on=query.on + timedelta(days=n)) for n in range(n_days)]
            return tuple([day for one in each for day in await self.days(one, 1)])
        by_date: dict[date, list[Candidate]] = {
            query.on + timedelta(days=n): [] for n in range(n_days)
        }
        for row in rows:
            by_date[local_date(row.departs_at, self._zone(row))].append(row)
        found: dict[date, list[Offer]] = {}
        rest = [(on, trip) for on in by_date for trip in await self._one_each(by_date[on])]
        while rest:  # once more for a trip that leaves two of a city's stops on two dates
            once = {trip.trip_id: (on, trip) for on, trip in rest}
            offers = await self._offers([trip for _, trip in once.values()], query)
            for offer in offers:
                on, _ = once[offer.candidate.trip_id]
                found.setdefault(on, []).append(offer)
            rest = [one for one in rest if once[one[1].trip_id] != one]
        return tuple(_day_offer(on, found.get(on, [])) for on in by_date)

    async def choices(self) -> Choices:
        """What the trips of the day looked at last can be filtered by."""
        rows = [row for row in self._looked_at if self._fares[_segment(row)].all_classes]
        names = await operator_names(self._conn, {row.operator_id for row in rows})
        fares = {_segment(row): self._fares[_segment(row)] for row in rows}.values()
        return Choices(
            tuple(sorted(names.items(), key=lambda item: (item[1].casefold(), item[0]))),
            tuple(sorted({name for one in fares for name in one.all_classes})),
            tuple(sorted({word for one in fares for word in one.layout.amenities})),
        )

    async def items(self, offers: Iterable[Offer]) -> tuple[TripItem, ...]:
        """The offers with the names that a list shows."""
        offers = list(offers)
        names = await operator_names(self._conn, {o.candidate.operator_id for o in offers})
        return tuple(
            TripItem(
                offer,
                names[offer.candidate.operator_id],
                self._stops[offer.candidate.from_stop_id],
                self._stops[offer.candidate.to_stop_id],
            )
            for offer in offers
        )

    async def _departures(
        self, on: date, n_days: int, *, after: tuple[datetime, UUID] | None = None
    ) -> tuple[list[Candidate], bool]:
        return await list_candidates(
            self._conn,
            origin=self._origin,
            destination=self._destination,
            on=on,
            days=n_days,
            after=after,
            limit=self._sources.rows_max,
        )

    async def _one_each(self, rows: list[Candidate]) -> list[Candidate]:
        """One candidate for each trip that is wanted: the nearest pair of calls with a fare."""
        await self._read_fares(rows)
        best: dict[UUID, Candidate] = {}
        for row in rows:
            known = best.get(row.trip_id)
            is_nearer = known is None or _rank(row) < _rank(known)
            if is_nearer and self._fares[_segment(row)].by_class:
                best[row.trip_id] = row
        return [row for row in best.values() if self._is_wanted(row)]

    def _is_wanted(self, row: Candidate) -> bool:
        """Whether the trip passes the filters that do not ask what is left of it."""
        filters, layout = self._filters, self._fares[_segment(row)].layout
        departs = local_time(row.departs_at, self._zone(row)).time()
        return filters.wants_time(departs) and filters.wants_vehicle(row.operator_id, layout)

    def _zone(self, row: Candidate) -> str:
        return self._stops[row.from_stop_id].timezone

    async def _cheapest(
        self, trips: list[Candidate], query: TripQuery, *, after: Key | None
    ) -> list[Offer]:
        """All offers after a key: which price is the lowest depends on what is left of each."""
        offers = await self._offers(trips, query)
        later = [o for o in offers if after is None or o.key("price") > after]
        return sorted(later, key=lambda offer: offer.key("price"))

    async def _first(
        self, trips: list[Candidate], query: TripQuery, *, after: Key | None, limit: int
    ) -> list[Offer]:
        """More than `limit` offers after a key, or all there are; seats are read bit by bit."""
        key = duration_key if query.sort == "duration" else departure_key
        later = sorted((c for c in trips if after is None or key(c) > after), key=key)
        found: list[Offer] = []
        size = limit + 10
        while later and len(found) <= limit:
            found += await self._offers(later[:size], query)
            later, size = later[size:], size * 2
        return found

    async def _offers(self, trips: list[Candidate], query: TripQuery) -> list[Offer]:
        """What can be sold of these trips now, in their order."""
        left = await free_seats(
            self._conn,
            trip_ids=[trip.trip_id for trip in trips],
            firsts=[trip.first for trip in trips],
            lasts=[trip.last for trip in trips],
        )
        most = self._filters.price_max_minor
        out: list[Offer] = []
        for trip in trips:
            seats = left.get(trip.trip_id)
            if seats is None:  # sales are closed
                continue
            fares = self._fares[_segment(trip)]
            n_left, price = fares.seats_left(seats), fares.lowest(seats)
            is_dear = most is not None and price.amount_minor > most
            if (n_left >= query.passengers or query.with_sold_out) and not is_dear:
                out.append(Offer(trip, fares.layout, n_left, price))
        return out

    async def _read_fares(self, rows: list[Candidate]) -> None:
        """Know the fares of the segments of these rows."""
        new = {_segment(row): row for row in rows if _segment(row) not in self._fares}
        layouts = await self._sources.catalogue.layouts(
            self._conn, {row.layout_id for row in new.values()}
        )
        for segment, row in new.items():
            table = await self._sources.fare_tables.table(self._conn, row.fare_table_id)
            self._fares[segment] = self._fares_of(row, layouts[row.layout_id], table)

    def _fares_of(self, row: Candidate, layout: Layout, table: FareTable) -> Fares:
        km = distance_km(self._stops[row.from_stop_id], self._stops[row.to_stop_id])
        classes = {seat.seat_class for seat in layout.seats if seat.is_sold}
        found = [
            (name, fare)
            for name in sorted(classes)
            if (
                fare := table.fare(
                    row.from_stop_id, row.to_stop_id, name, PassengerType.ADULT, km=km
                )
            )
        ]
        found.sort(key=lambda item: item[1].amount_minor)
        wanted = tuple((name, fare) for name, fare in found if self._filters.wants_class(name))
        return Fares(layout, wanted, len(classes), tuple(name for name, _ in found))


def _day_offer(on: date, offers: list[Offer]) -> DayOffer:
    prices = [(offer.price.currency, offer.price.amount_minor, offer.price) for offer in offers]
    lowest = min(prices)[2] if prices else None
    return DayOffer(on, len(offers), sum(offer.seats_left for offer in offers), lowest)


def _segment(row: Candidate) -> tuple[UUID, UUID, UUID, UUID]:
    """All that the fares of a row depend on."""
    return (row.fare_table_id, row.layout_id, row.from_stop_id, row.to_stop_id)


def _rank(row: Candidate) -> tuple[int, int, UUID, UUID]:
    """The order among the pairs of stops of one trip: fewest legs, then the earliest."""
    return (row.last - row.first, row.first, row.from_stop_id, row.to_stop_id)
