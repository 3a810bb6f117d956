from collections import Counter
from itertools import pairwise

import pytest

from kiti.fares.model import PassengerType
from kiti.network.distance import distance_km
from kiti.network.layout import parse_layout
from kiti.network.times import zone_of
from kiti.platform.money import exponent
from kiti.timetable.demo.data import Calls, DemoDeparture, DemoStop, read_network

NETWORK = read_network()
STOPS = {stop.code: stop for city in NETWORK.cities for stop in city.stops}
CITIES = {stop.code: city for city in NETWORK.cities for stop in city.stops}
WAYS = [
    pytest.param(route, calls, id=f"{route.code} {way}")
    for route in NETWORK.routes
    for way, calls in (("out", route.calls), ("back", route.calls_back))
]


class Point:
    def __init__(self, stop: DemoStop) -> None:
        self.latitude, self.longitude = stop.at


def segments(calls: Calls) -> list[tuple[str, str]]:
    return [
        (board.stop, leave.stop)
        for at, board in enumerate(calls)
        for leave in calls[at + 1 :]
        if board.use != "drop" and leave.use != "pickup"
    ]


def test_names_and_codes_are_used_once():
    for names in (
        [stop.code for city in NETWORK.cities for stop in city.stops],
        [(city.country, city.name) for city in NETWORK.cities],
        [operator.code for operator in NETWORK.operators],
        [route.code for route in NETWORK.routes],
        [fares.code for fares in NETWORK.fares],
        [(one.code, car.plate) for one in NETWORK.operators for car in one.vehicles],
        [
            (route.code, way, departure.minute)
            for route in NETWORK.routes
            for way, departures in (("out", route.out), ("back", route.back))
            for departure in departures
        ],
    ):
        assert [name for name, count in Counter(names).items() if count > 1] == []


def test_what_refers_to_something_finds_it():
    operators = {operator.code for operator in NETWORK.operators}
    fares = {table.code for table in NETWORK.fares}
    for city in NETWORK.cities:
        zone_of(city.timezone)
        assert city.stops
    for operator in NETWORK.operators:
        zone_of(operator.timezone)
        assert {car.layout for car in operator.vehicles} <= NETWORK.layouts.keys()
    for route in NETWORK.routes:
        assert route.operator in operators
        assert route.fares in fares
        assert {call.stop for call in route.calls} <= STOPS.keys()
        used = {departure.layout for departure in (*route.out, *route.back)}
        owned = {
            car.layout
            for operator in NETWORK.operators
            if operator.code == route.operator
            for car in operator.vehicles
        }
        assert used <= owned
    assert fares == {route.fares for route in NETWORK.routes}


def test_each_layout_is_used_and_named_for_its_seats():
    used = {departure.layout for route in NETWORK.routes for departure in (*route.out, *route.back)}
    assert used == NETWORK.layouts.keys()
    for name, text in NETWORK.layouts.items():
        assert len(parse_layout(text).seats) == int(name.rpartition("-")[2])


@pytest.mark.parametrize(("route", "calls"), WAYS)
def test_a_vehicle_can_keep_the_times(route: object, calls: Calls):
    assert calls[0].arrival == calls[0].halt == 0
    assert calls[-1].halt == 0
    for here, there in pairwise(calls):
        hours = (there.arrival - here.arrival - here.halt) / 60
        km = distance_km(Point(STOPS[here.stop]), Point(STOPS[there.stop]))
        assert km is not None
        # A great circle is shorter than the road: 5 km/h in town, 115 for a train.
        assert hours > 0
        assert 5 < km / hours < 115, (here.stop, there.stop, km / hours)


@pytest.mark.parametrize(("route", "calls"), WAYS)
def test_every_segment_one_may_ride_has_a_fare_that_looks_real(route: object, calls: Calls):
    code = next(r.fares for r in NETWORK.routes if r is route)
    table = next(table for table in NETWORK.fares if table.code == code)
    wanted = segments(calls)
    assert set(wanted) <= set(table.matrix)
    for pair in wanted:
        major = table.matrix[pair] / 10 ** exponent(table.currency)
        assert major == int(major)
        assert int(major) % 5 == 0
    # A longer ride never costs less than one within it.
    order = {call.stop: at for at, call in enumerate(calls)}
    for outer in wanted:
        for inner in wanted:
            within = order[outer[0]] <= order[inner[0]] and order[inner[1]] <= order[outer[1]]
            assert not within or table.matrix[inner] <= table.matrix[outer]


def test_every_fare_is_for_a_segment_that_somebody_may_ride():
    rides = {
        (route.fares, pair)
        for route in NETWORK.routes
        for calls in (route.calls, route.calls_back)
        for pair in segments(calls)
    }
    assert rides == {(table.code, pair) for table in NETWORK.fares for pair in table.matrix}


def test_shares_name_classes_and_types_that_there_are():
    classes = {
        seat.seat_class for text in NETWORK.layouts.values() for seat in parse_layout(text).seats
    }
    for table in NETWORK.fares:
        assert table.classes.keys() <= classes - {"STANDARD"}
        assert table.types.keys() <= set(PassengerType) - {"ADULT"}


def test_the_currencies_are_those_of_the_markets():
    assert {table.currency for table in NETWORK.fares} == {"NGN", "GHS", "KES", "UGX", "TZS"}


def test_the_way_back_is_the_way_out_turned_round():
    route = next(route for route in NETWORK.routes if route.code == "lagos-ibadan")
    back = route.calls_back
    assert [call.stop for call in back] == [call.stop for call in reversed(route.calls)]
    assert [call.use for call in back] == ["both", "pickup", "drop", "both"]
    assert back[-1].arrival == route.calls[-1].arrival
    assert [call.halt for call in back] == [0, 5, 10, 0]


def test_the_network_is_what_was_promised():
    modes = Counter(
        next(route.mode for route in NETWORK.routes if route.operator == one.code)
        for one in NETWORK.operators
    )
    assert modes == {"BUS": 7, "FERRY": 1, "RAIL": 1}
    served = {
        tuple(CITIES[stop].name for stop in pair)
        for route in NETWORK.routes
        for calls in (route.calls, route.calls_back)
        for pair in segments(calls)
    }
    for origin, destination in (
        ("Lagos", "Ibadan"), ("Lagos", "Abuja"), ("Accra", "Kumasi"), ("Nairobi", "Mombasa"),
        ("Kampala", "Nairobi"), ("Dar es Salaam", "Arusha"), ("Dar es Salaam", "Zanzibar City"),
    ):  # fmt: skip
        assert (origin, destination) in served
        assert (destination, origin) in served
    overnight = [
        route.code
        for route in NETWORK.routes
        for departure in (*route.out, *route.back)
        if departure.minute + route.calls[-1].arrival > 24 * 60
    ]
    assert len(set(overnight)) >= 5


@pytest.mark.parametrize(
    "text", ["7:30 coach-51", "07:30", "fri 07:60 coach-51", "every 07:30 a", "24:00 a"]
)
def test_a_departure_that_cannot_be_read_is_refused(text: str):
    with pytest.raises(ValueError, match="no departure"):
        DemoDeparture.of(text)
