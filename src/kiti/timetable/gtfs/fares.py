"""fare_attributes.txt and fare_rules.txt: a feed's own fares, as GTFS v1 tells them."""

from collections.abc import Container
from typing import Final

from kiti.platform.money import Money
from kiti.timetable.currency import is_currency
from kiti.timetable.gtfs.model import FareRule, FeedFare
from kiti.timetable.gtfs.rows import Columns
from kiti.timetable.gtfs.source import Source
from kiti.timetable.gtfs.values import to_money
from kiti.timetable.remarks import Code

_FARES: Final = Columns(("fare_id", "price", "currency_type", "agency_id"), required=3)
_RULES: Final = Columns(
    ("fare_id", "route_id", "origin_id", "destination_id", "contains_id"), required=1
)


def read_fares(source: Source) -> tuple[FeedFare, ...]:
    """The feed's own fares in the order of their file, those that cannot be read too.

    Raises:
        NotAFeed: a file is there and cannot be read.
    """
    prices: dict[str, tuple[Money | None, str]] = {}
    for line, (fare_id, price, currency, agency_id) in source.rows("fare_attributes.txt", _FARES):
        place = f"fare_attributes.txt line {line}"
        if not source.is_new_id(place, fare_id, prices):
            continue
        amount = to_money(price, currency) if is_currency(currency) else None
        if amount is None:
            source.report.note(Code.BAD_FARE, f"{place}: {fare_id}")
        prices[fare_id] = (amount, agency_id)
    rules = _rules(source, prices)
    return tuple(
        FeedFare(fare_id, price, agency_id, tuple(rules.get(fare_id, ())))
        for fare_id, (price, agency_id) in prices.items()
    )


def _rules(source: Source, prices: Container[str]) -> dict[str, list[FareRule]]:
    """Rules by fare. Rows that differ in contains_id alone are one rule with several zones."""
    found: dict[tuple[str, str, str, str], set[str]] = {}
    for line, (fare_id, route_id, origin, destination, contains) in source.rows(
        "fare_rules.txt", _RULES
    ):
        if fare_id not in prices:
            source.report.note(
                Code.FARE_RULE_WITHOUT_FARE, f"fare_rules.txt line {line}: {fare_id}"
            )
            continue
        zones = found.setdefault((fare_id, route_id, origin, destination), set())
        if contains:
            zones.add(contains)
    rules: dict[str, list[FareRule]] = {}
    for (fare_id, route_id, origin, destination), zones in found.items():
        rule = FareRule(route_id, origin, destination, frozenset(zones))
        rules.setdefault(fare_id, []).append(rule)
    return rules
