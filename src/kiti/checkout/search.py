"""Finding a trip: what the network runs, what the fares ask and what the stock has left, together.

Of one trip there is one offer: where several of a city's stops are called at, by the pair of calls
with the fewest legs between (the earlier on a tie) that leaves on the date asked for and has a
fare. A segment without a fare is not for sale, so it is not found.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from kiti.booking.service import free_seats, get_stock
from kiti.checkout.model_search import (
    Choices,
    DayOffer,
    Fares,
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
    key_of,
)
from kiti.fares.model import FareTable, PassengerType
from kiti.fares.service import FareTables
from kiti.network.distance import distance_km
from kiti.network.layout import Layout
from kiti.network.model import NoSuchTrip
from kiti.network.model_search import (
    Candidate,
    Departure,
    Departures,
    Pair,
    SearchPlace,
    local_date,
    local_time,
)
from kiti.network.search import (
    SearchWords,
    list_dates_served,
    list_departures,
)
from kiti.network.service import Catalogue
from kiti.platform.db import Conn
from kiti.platform.errors import ValidationFailed

ROWS_MAX: Final = 5000
NEAREST_DAYS: Final = 14
NEAREST_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Sources:
    """What a search reads beside the database: layouts, fares and places kept in memory.

    `rows_max`: how many trips it looks at.
    """

    catalogue: Catalogue
    fare_tables: FareTables
    rows_max: int = ROWS_MAX
    words: SearchWords = field(default_factory=SearchWords)


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
    choices = await finder.choices() if with_choices and after is None else None
    nearest = None
    if not offers and after is None and next_key is None:
        nearest = await finder.nearest_dates(query)
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
    places = await sources.words.places(conn, (query.origin_id, query.destination_id))
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
        self._looked_at: Departures | None = None
        self._stops = {stop.stop_id: stop for stop in (*origin.stops, *destination.stops)}
        self._layouts: dict[UUID, Layout] = {}
        self._tables: dict[UUID, FareTable] = {}
        self._fares: dict[tuple[UUID, UUID, UUID, UUID], Fares] = {}

    async def page(
        self, query: TripQuery, *, after: Key | None, limit: int
    ) -> tuple[list[Offer], Key | None]:
        """Up to `limit` offers after a key, and the key to go on from; None at the end."""
        # Between two stops a trip has one departure, so the database may leave out the earlier.
        is_plain = not (self._origin.is_city or self._destination.is_city)
        goes_on = is_plain and query.sort == "departure"
        begin = departure_of(after) if after is not None and goes_on else None
        looked = await self._look(query.on, 1, after=begin)
        trips = self._one_a_date(looked)
        if query.sort == "price":
            found = await self._cheapest(trips, query, after=after)
        else:
            found = await self._first(trips, query, after=after, limit=limit)
        if len(found) > limit:
            return found[:limit], found[limit - 1].key(query.sort)
        rest = looked.first_of(looked.trips[-1]) if looked.is_cut and goes_on else None
        return found, None if rest is None else key_of(*rest)

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
        looked = await self._look(query.on, n_days)
        if looked.is_cut and n_days > 1:  # too many for all days together: one after the other
            each = [replace(query, on=query.on + timedelta(days=n)) for n in range(n_days)]
            return tuple([day for one in each for day in await self.days(one, 1)])
        dates = [query.on + timedelta(days=n) for n in range(n_days)]
        found: dict[date, list[Offer]] = {on: [] for on in dates}
        rest = self._one_a_date(looked)
        while rest:  # once more for a trip that leaves two of a city's stops on two dates
            once = {trip.trip_id: trip for trip in rest}
            for offer in await self._offers(list(once.values()), query):
                board = offer.candidate
                found[local_date(board.departs_at, self._zone(board))].append(offer)
            rest = [trip for trip in rest if once[trip.trip_id] is not trip]
        return tuple(_day_offer(on, found[on]) for on in dates)

    async def choices(self) -> Choices:
        """What the trips of the day looked at last can be filtered by."""
        sold: dict[tuple[UUID, UUID, tuple[str, ...]], Layout] = {}
        looked = self._looked_at
        assert looked is not None, "a page comes first"  # noqa: S101
        for trip in looked.trips:
            for pairs in looked.pairs_by_date(trip).values():
                fares = next((f for f in self._each_fares(trip, pairs) if f.all_classes), None)
                if fares is not None:
                    sold[trip.operator_id, trip.layout_id, fares.all_classes] = fares.layout
        names = await self._sources.words.operators(
            self._conn, {operator_id for operator_id, _, _ in sold}
        )
        return Choices(
            tuple(sorted(names.items(), key=lambda item: (item[1].casefold(), item[0]))),
            tuple(sorted({name for _, _, classes in sold for name in classes})),
            tuple(sorted({word for layout in sold.values() for word in layout.amenities})),
        )

    async def items(self, offers: Iterable[Offer]) -> tuple[TripItem, ...]:
        """The offers with the names that a list shows."""
        offers = list(offers)
        names = await self._sources.words.operators(
            self._conn, {o.candidate.operator_id for o in offers}
        )
        return tuple(
            TripItem(
                offer,
                names[offer.candidate.operator_id],
                self._stops[offer.candidate.from_stop_id],
                self._stops[offer.candidate.to_stop_id],
            )
            for offer in offers
        )

    async def _look(
        self, on: date, n_days: int, *, after: tuple[datetime, UUID] | None = None
    ) -> Departures:
        """The trips of a date, or of several, with their layouts and fare tables read."""
        looked = await list_departures(
            self._conn,
            origin=self._origin,
            destination=self._destination,
            on=on,
            days=n_days,
            after=after,
            limit=self._sources.rows_max,
        )
        self._looked_at = looked
        new = {trip.layout_id for trip in looked.trips} - self._layouts.keys()
        if new:
            self._layouts |= await self._sources.catalogue.layouts(self._conn, new)
        for table_id in {trip.fare_table_id for trip in looked.trips} - self._tables.keys():
            self._tables[table_id] = await self._sources.fare_tables.table(self._conn, table_id)
        return looked

    def _one_a_date(self, looked: Departures) -> list[Candidate]:
        """One candidate for each trip that is wanted, and date: the nearest calls with a fare."""
        found: list[Candidate] = []
        for trip in looked.trips:
            for pairs in looked.pairs_by_date(trip).values():
                fares = self._each_fares(trip, pairs)
                pair = next((p for p, f in zip(pairs, fares, strict=True) if f.by_class), None)
                if pair is not None and self._is_wanted(one := trip.by(pair)):
                    found.append(one)
        return found

    def _each_fares(self, trip: Departure, pairs: Sequence[Pair]) -> Iterator[Fares]:
        """The fares of the trip by each of these pairs of calls."""
        for pair in pairs:
            segment = (trip.fare_table_id, trip.layout_id, pair.from_stop_id, pair.to_stop_id)
            fares = self._fares.get(segment)
            if fares is None:
                fares = self._fares[segment] = self._fares_of(*segment)
            yield fares

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
            if seats.n_seats != len(fares.layout.seats):  # it has another vehicle since
                continue
            n_left, price = fares.seats_left(seats), fares.lowest(seats)
            is_dear = most is not None and price.amount_minor > most
            if (n_left >= query.passengers or query.with_sold_out) and not is_dear:
                out.append(Offer(trip, fares.layout, n_left, price))
        return out

    def _fares_of(
        self, fare_table_id: UUID, layout_id: UUID, from_stop_id: UUID, to_stop_id: UUID
    ) -> Fares:
        table, layout = self._tables[fare_table_id], self._layouts[layout_id]
        km = distance_km(self._stops[from_stop_id], self._stops[to_stop_id])
        classes = {seat.seat_class for seat in layout.seats if seat.is_sold}
        found = [
            (name, fare)
            for name in sorted(classes)
            if (fare := table.fare(from_stop_id, to_stop_id, name, PassengerType.ADULT, km=km))
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
