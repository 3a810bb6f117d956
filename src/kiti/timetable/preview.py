"""What an import comes to before anything is written: trips by route and day, a price each."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from kiti.fares.model import STANDARD
from kiti.platform.money import Money
from kiti.timetable.gtfs.model import Feed, Pattern
from kiti.timetable.model import BadWindow
from kiti.timetable.planner import Plan
from kiti.timetable.remarks import Code, counted
from kiti.timetable.report import Report, RoutePlan
from kiti.timetable.tariffs import Tariffs, adult_fare

ROUTES_MAX: Final = 20
# Above this an import takes long enough that it is said before the first row is written.
TRIPS_MANY: Final = 1_000_000
# A year of a city's minibuses; what is more is a mistake, or is imported month by month.
TRIPS_MAX: Final = 50_000_000
# Measured on two cores, trips of four calls; what a person plans by, not a promise.
_TRIPS_A_MINUTE: Final = 150_000


@dataclass(slots=True)
class _Load:
    """What runs on one route."""

    runs: int = 0
    timetable_trips: int = 0
    first_on: date = date.max
    last_on: date = date.min
    longest: Pattern | None = None


def describe_plan(
    plan: Plan,
    tariffs: Tariffs,
    *,
    classes: tuple[str, ...],
    payable: frozenset[str] | None,
    report: Report,
) -> None:
    """Tell the report what will be for sale, route by route, and what is odd about it as a whole.

    `payable` are the currencies that some gateway here takes; None when that is not known.

    Raises:
        BadWindow: more trips are planned than Kiti takes in one import.
    """
    loads = _loads(plan)
    report.runs_planned = sum(load.runs for load in loads.values())
    report.trips_sold = len(plan.trips)
    report.patterns = len({trip.pattern.number for trip in plan.trips})
    order = sorted(loads, key=lambda route_id: (-loads[route_id].runs, route_id))
    report.routes = [
        RoutePlan(
            route_id=route_id,
            name=plan.feed.routes[route_id].name,
            runs=loads[route_id].runs,
            timetable_trips=loads[route_id].timetable_trips,
            first_on=loads[route_id].first_on,
            last_on=loads[route_id].last_on,
            example=_example(plan.feed, tariffs, loads[route_id].longest, classes),
        )
        for route_id in order[:ROUTES_MAX]
    ]
    report.routes_more = max(len(order) - ROUTES_MAX, 0)
    for route_id in order:
        currency = tariffs.by_route[route_id].currency
        if payable is not None and currency not in payable:
            report.note(Code.CURRENCY_NOT_PAYABLE, f"{route_id} ({currency})")
    if report.runs_planned > TRIPS_MAX:
        raise BadWindow(
            f"{report.runs_planned:,} trips are planned; {TRIPS_MAX:,} at most: ask for fewer days"
        )
    if report.runs_planned > TRIPS_MANY:
        minutes = report.runs_planned // _TRIPS_A_MINUTE
        report.warnings.append(
            f"{report.runs_planned:,} trips are planned, which takes about "
            f"{counted(minutes, 'minute')} to write; fewer days (--to) take less"
        )


def _loads(plan: Plan) -> dict[str, _Load]:
    loads: dict[str, _Load] = {}
    ends: dict[str, tuple[date, date]] = {}
    for trip in plan.trips:
        load = loads.setdefault(trip.pattern.route_id, _Load())
        if trip.service_id not in ends:
            dates = plan.dates[trip.service_id]
            ends[trip.service_id] = min(dates), max(dates)
        first_on, last_on = ends[trip.service_id]
        load.runs += plan.count_of(trip)
        load.timetable_trips += 1
        load.first_on = min(load.first_on, first_on)
        load.last_on = max(load.last_on, last_on)
        if load.longest is None or len(trip.pattern.calls) > len(load.longest.calls):
            load.longest = trip.pattern
    return loads


def _example(
    feed: Feed, tariffs: Tariffs, pattern: Pattern | None, classes: tuple[str, ...]
) -> str:
    """The adult fare of the longest segment that has one, in the layout's first such class."""
    if pattern is None:
        return ""
    tariff = tariffs.by_route[pattern.route_id]
    for first, last in sorted(pattern.segments(), key=lambda ends: ends[0] - ends[1]):
        origin, destination = (feed.stops[pattern.calls[at].stop_id] for at in (first, last))
        for seat_class in sorted(classes, key=lambda name: name != STANDARD):
            fare = adult_fare(feed, tariff, origin.stop_id, destination.stop_id, seat_class)
            if fare is not None:
                return f"{origin.name} to {destination.name} {_price(fare)} {seat_class}"
    return ""


def _price(fare: Money) -> str:
    return f"{fare.to_major():,} {fare.currency}"
