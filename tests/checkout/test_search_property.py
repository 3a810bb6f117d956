"""The search against brute force: every trip, every pair of stops, every seat, one by one."""

from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from booking_make import NO_LIMITS, Trip, make_request
from kiti.booking.model import NewStock
from kiti.booking.service import get_stock, hold_many, open_sales
from kiti.checkout.model_search import Filters, Key, Sort, TripPage, TripQuery
from kiti.checkout.search import Sources, find_days, find_trips
from kiti.fares.model import FareKey, NewFareTable
from kiti.fares.service import FareTables, put_fare_table, seat_fares
from kiti.network.model import SegmentBackwards, StopNotOnTrip, TripSheet
from kiti.network.service import Catalogue
from kiti.platform.db import Conn, Database
from search_make import FIRST_DAY, TABLE, Built, Plan, build_places, build_trips, plans, undone

LAYOUTS = [
    "class v: VIP\namenities: WIFI\n1A 1B:v 1C!\n",
    "class v: VIP\n1A:v #\n",
    "1A 1B 1C 1D\n",
]


@dataclass(frozen=True)
class Found:
    """What a search must say of a trip. Fields stand in the order that makes a pair the best."""

    legs: int
    first: int
    from_stop_id: UUID
    to_stop_id: UUID
    trip_id: UUID
    departs: float
    seconds: float
    seats: int
    amount: int
    currency: str

    def key(self, sort: Sort) -> tuple[object, ...]:
        tail = (self.departs, self.trip_id)
        heads: dict[Sort, tuple[object, ...]] = {
            "departure": (),
            "price": (self.currency, self.amount),
            "duration": (self.seconds,),
        }
        return (*heads[sort], *tail)


async def open_all(conn: Conn, sheets: list[TripSheet], data: st.DataObject) -> None:
    """Put the trips on sale and hold some seats over some of their legs."""
    stocks = [
        NewStock(s.trip_id, len(s.layout.seats), s.n_legs, s.layout.blocked, s.starts_at, s.version)
        for s in sheets
    ]
    await open_sales(conn, stocks)
    for number in data.draw(st.lists(st.integers(0, len(sheets) - 1), max_size=12)):
        sheet = sheets[number]
        first = data.draw(st.integers(0, sheet.n_legs - 1))
        last = data.draw(st.integers(first + 1, sheet.n_legs))
        seat = data.draw(st.integers(0, len(sheet.layout.seats) - 1))
        trip = Trip(sheet.trip_id, len(sheet.layout.seats), sheet.n_legs)
        await hold_many(
            conn, [make_request(trip, seats=(seat,), first=first, last=last)], NO_LIMITS
        )


async def make_tables(conn: Conn, stops: list[UUID], data: st.DataObject) -> list[UUID]:
    """One table by distance with a dear class, one of some fares only."""
    stop = st.integers(0, len(stops) - 1)
    segment = st.tuples(stop, stop, st.sampled_from(["STANDARD", "VIP"]))
    drawn = data.draw(st.dictionaries(segment, st.integers(0, 5), max_size=12))
    fares = {
        FareKey(stops[board], stops[leave], seat_class): amount
        for (board, leave, seat_class), amount in drawn.items()
    }
    far = NewFareTable("far", "NGN", per_km_minor=2, minimum_minor=300, class_shares={"VIP": 1500})
    return [
        await put_fare_table(conn, far),
        await put_fare_table(conn, NewFareTable("some", "GHS", fares=fares)),
    ]


async def brute_force(
    conn: Conn, sheets: list[TripSheet], query: TripQuery, ends: tuple[list[UUID], list[UUID]]
) -> list[Found]:
    """The answer by the words of the contract."""
    tables = FareTables()
    best: list[Found] = []
    for sheet in sheets:
        stock = await get_stock(conn, trip_id=sheet.trip_id)
        assert stock is not None
        table = await tables.table(conn, sheet.fare_table_id)
        pairs: list[Found] = []
        for origin in ends[0]:
            for end in ends[1]:
                if origin == end and not (query.origin_id == query.destination_id == origin):
                    continue  # a stop with itself only when it was asked for twice
                try:
                    segment = sheet.segment(origin, end)
                except (StopNotOnTrip, SegmentBackwards):
                    continue
                board, leave = sheet.calls[segment.first], sheet.calls[segment.last]
                fares = seat_fares(sheet, segment, table)
                wanted = query.filters.classes
                seats = [
                    seat
                    for seat in sheet.layout.seats
                    if fares[seat.seat_class] is not None
                    and (not wanted or seat.seat_class.casefold() in wanted)
                ]
                all_fares = {fares[seat.seat_class] for seat in seats if seat.is_sold}
                if board.local_departure.date() != query.on or not all_fares:
                    continue
                free = stock.occupancy.free_seats(segment.first, segment.last)
                left = [seat for seat in seats if seat.index in free]
                prices = {fares[seat.seat_class] for seat in left} or all_fares
                pairs.append(
                    Found(
                        legs=segment.n_legs,
                        first=segment.first,
                        from_stop_id=origin,
                        to_stop_id=end,
                        trip_id=sheet.trip_id,
                        departs=board.departs_at.timestamp(),
                        seconds=(leave.arrives_at - board.departs_at).total_seconds(),
                        seats=len(left),
                        amount=min(fare.amount_minor for fare in prices if fare),
                        currency=table.currency,
                    )
                )
        if pairs:
            one = min(pairs, key=lambda p: (p.legs, p.first, p.from_stop_id, p.to_stop_id))
            is_enough = one.seats >= query.passengers or query.with_sold_out
            if is_enough and passes(query.filters, sheet, one):
                best.append(one)
    return sorted(best, key=lambda found: found.key(query.sort))


def passes(filters: Filters, sheet: TripSheet, found: Found) -> bool:
    """Every filter by its words, but for the class, which says what seats count."""
    at = sheet.calls[found.first].local_departure
    minute = at.hour * 60 + at.minute + at.second / 60
    first, last = (
        None if each is None else each.hour * 60 + each.minute
        for each in (filters.depart_after, filters.depart_before)
    )
    if first is not None and last is not None and first >= last:
        is_time = not last <= minute < first
    else:
        is_time = (first is None or minute >= first) and (last is None or minute < last)
    most = filters.price_max_minor
    return (
        is_time
        and (not filters.operator_ids or sheet.operator_id in filters.operator_ids)
        and all(word in sheet.layout.amenities for word in filters.amenities)
        and (most is None or found.amount <= most)
    )


@st.composite
def drawn_filters(draw: st.DrawFn, operator_id: UUID) -> Filters:
    """Most of the time none of them; each now and then."""
    clock = st.none() | st.none() | st.builds(time, st.integers(0, 23), st.just(30))
    operators = st.sampled_from([frozenset[UUID](), frozenset([operator_id]), frozenset([TABLE])])
    classes = st.sampled_from([(), (), ("vip",), ("standard",), ("vip", "standard"), ("first",)])
    amenities = st.sampled_from([(), (), (), ("WIFI",), ("TOILET",), ("WIFI", "TOILET")])
    return Filters(
        operator_ids=frozenset() if draw(st.booleans()) else draw(operators),
        classes=frozenset(draw(classes)),
        amenities=frozenset(draw(amenities)),
        depart_after=draw(clock),
        depart_before=draw(clock),
        price_max_minor=draw(st.none() | st.none() | st.integers(0, 2000)),
    )


def seen(page: TripPage) -> list[Found]:
    return [
        Found(
            legs=item.offer.candidate.last - item.offer.candidate.first,
            first=item.offer.candidate.first,
            from_stop_id=item.offer.candidate.from_stop_id,
            to_stop_id=item.offer.candidate.to_stop_id,
            trip_id=item.offer.candidate.trip_id,
            departs=item.offer.candidate.departs_at.timestamp(),
            seconds=(
                item.offer.candidate.arrives_at - item.offer.candidate.departs_at
            ).total_seconds(),
            seats=item.offer.seats_left,
            amount=item.offer.price.amount_minor,
            currency=item.offer.price.currency,
        )
        for item in page.items
    ]


async def all_pages(conn: Conn, sources: Sources, query: TripQuery, limit: int) -> list[Found]:
    """Every page, one after the other."""
    found: list[Found] = []
    after: Key | None = None
    while True:
        page = await find_trips(conn, sources, query=query, after=after, limit=limit)
        assert len(page.items) <= limit
        found += seen(page)
        after = page.next_key
        if after is None:
            return found


def nearest(on: date, days: list[date]) -> list[date]:
    """The three nearest of these dates, the later on a tie."""
    near = [day for day in set(days) if day != on and abs((day - on).days) <= 14]
    return sorted(near, key=lambda day: (abs((day - on).days), day < on))[:3]


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(plan=plans(), data=st.data())
async def test_search_equals_brute_force(db: Database, plan: Plan, data: st.DataObject):
    async with undone(db) as conn:
        stops, cities = await build_places(conn, plan)
        tables = await make_tables(conn, stops, data)
        sheets = await build_trips(conn, plan, stops, layouts=LAYOUTS, fare_table_ids=tables)
        await open_all(conn, sheets, data)
        members = Built(stops, cities, sheets).members(plan)
        places = st.integers(0, len(members) - 1).map([*stops, *cities].__getitem__)
        sources = Sources(Catalogue(), FareTables())
        for _ in range(4):
            query = TripQuery(
                origin_id=data.draw(places),
                destination_id=data.draw(places),
                on=FIRST_DAY + timedelta(days=data.draw(st.integers(-1, 5))),
                passengers=data.draw(st.integers(1, 3)),
                sort=data.draw(st.sampled_from(["departure", "price", "duration"])),
                with_sold_out=data.draw(st.booleans()),
                filters=data.draw(st.just(Filters()) | drawn_filters(sheets[0].operator_id)),
            )
            ends = (members[query.origin_id], members[query.destination_id])
            expected = await brute_force(conn, sheets, query, ends)

            paged = await all_pages(conn, sources, query, data.draw(st.integers(1, 4)))
            whole = await find_trips(conn, sources, query=query, after=None, limit=100)

            assert paged == expected
            assert seen(whole) == expected
            if expected:
                assert whole.nearest_dates is None
                continue
            days = [
                day
                for day in (FIRST_DAY + timedelta(days=n) for n in range(-3, 9))
                if await brute_force(
                    conn, sheets, replace(query, on=day, with_sold_out=False), ends
                )
            ]
            assert list(whole.nearest_dates or ()) == nearest(query.on, days)


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(plan=plans(), data=st.data())
async def test_the_strip_equals_a_search_of_each_day(db: Database, plan: Plan, data: st.DataObject):
    async with undone(db) as conn:
        stops, cities = await build_places(conn, plan)
        tables = await make_tables(conn, stops, data)
        sheets = await build_trips(conn, plan, stops, layouts=LAYOUTS, fare_table_ids=tables)
        await open_all(conn, sheets, data)
        places = st.integers(0, len(stops) + 1).map([*stops, *cities].__getitem__)
        sources = Sources(Catalogue(), FareTables())
        few = replace(sources, rows_max=1)  # so that days are looked at one after the other
        for _ in range(3):
            query = TripQuery(
                origin_id=data.draw(places),
                destination_id=data.draw(places),
                on=FIRST_DAY + timedelta(days=data.draw(st.integers(-2, 3))),
                passengers=data.draw(st.integers(1, 3)),
                sort="price",
                filters=data.draw(st.just(Filters()) | drawn_filters(sheets[0].operator_id)),
            )

            strip = await find_days(conn, sources, query=query, days=7)
            narrow = await find_days(conn, few, query=query, days=7)

            assert [day.on for day in strip] == [query.on + timedelta(days=n) for n in range(7)]
            for day in strip:
                one = replace(query, on=day.on)
                page = await find_trips(conn, sources, query=one, after=None, limit=100)
                offers = [item.offer for item in page.items]
                assert day.trips == len(offers)
                assert day.seats_left == sum(offer.seats_left for offer in offers)
                assert day.price == (offers[0].price if offers else None)
            for day in narrow:  # each day's first trip alone
                one = replace(query, on=day.on)
                page = await find_trips(conn, few, query=one, after=None, limit=100)
                assert day.trips == len(page.items)
